/*
 * jobctl-reap - give back the jobs of dead workers now
 *
 * Dead is a worker whose lease has run out, as the server sees it, and one of this
 * host whose process is gone, whatever its lease says.  Each job is shown with what
 * became of it; nothing to do is no failure, so that a timer can call it.
 */
#include "base.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "host.h"
#include "neighbour.h"
#include "out.h"
#include "pg.h"

struct config {
	struct common common;
	const char *fields;
	bool no_header, dry_run;
};

static const struct opt opts[] = {
	OPT_ROW_FLAG(0, "dry-run", struct config, dry_run,
		     "change nothing, say what would become of which jobs"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated; see jobctl-formats(7)"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-reap --dry-run", "which jobs have lost their worker" },
	{ "jobctl-reap", "let others have them, now" },
	{ "jobctl-reap -H -o id,status | grep -w failed", "jobs that killed three workers" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-reap",
	.brief = "give back the jobs of dead workers now",
	.synopsis = (const char *const[]){ "[options]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_operator",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
};

/* The columns of the statement in reap(), in its order. */
static const struct out_col columns[] = {
	{ "id", "ID", OUT_ID },
	{ "status", "STATUS", OUT_TEXT },
	{ "project", "PROJECT", OUT_TEXT },
	{ "queue", "QUEUE", OUT_TEXT },
	{ "kind", "KIND", OUT_TEXT },
	{ "crashes", "CRASHES", OUT_NUM },
	{ "worker", "WORKER", OUT_ID },
	{ "worker_host", "HOST", OUT_TEXT },
	{ "worker_pid", "PID", OUT_NUM },
	{ "error_message", "ERROR", OUT_TEXT },
};

static const char table_fields[] = "id,status,queue,kind,crashes,error_message";
static const char json_fields[] =
	"id,status,project,queue,kind,crashes,worker,worker_host,worker_pid,error_message";

/* What was found and done. */
struct result {
	struct pg_array dead;	/* workers whose process is gone */
	int denied;		/* those of them that are not for us to report */
	int jobs, workers;
};

static int
find_dead(struct pg *db, struct result *r, struct err *e)
{
	struct host_process self;
	PG_RES res = NULL;
	int n;

	host_self(&self);
	n = pg_call(db, &res, neighbour_sql,
		    PG_ARGS(pg_text(self.host), pg_text(self.boot_id), pg_uuid(NULL)), e);
	for (int i = 0; i < n; i++) {
		struct neighbour w = neighbour_read(res, i);

		if (neighbour_look(&w) != NEIGHBOUR_DEAD)
			continue;
		if (w.ours)
			pg_array_add(&r->dead, pg_uuid(&w.id));
		else
			r->denied++;
	}
	return n < 0 ? -1 : 0;
}

static void
put_rows(const struct config *cfg, const struct out_col *const *cols, int ncols,
	 const PGresult *res)
{
	struct out out;

	out_begin(&out, cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE,
		  !cfg->no_header, cols, ncols);
	for (int r = 0; r < PQntuples(res); r++)
		for (int c = 0; c < ncols; c++)
			out_cell(&out, pg_get_or_null(res, r, (int)(cols[c] - columns)));
	out_end(&out);
}

/* A job is shown as this statement found it, but for what became of it. */
static int
reap(struct pg *db, const struct config *cfg, const struct out_col *const *cols, int ncols,
     struct result *r, struct err *e)
{
	static const char sql[] =
		"SELECT r.id, r.status, j.project, j.queue, j.kind,"
		" j.crashes + (j.worker_pid <> 0)::integer, r.worker,"
		" j.worker_host, j.worker_pid, r.reason FROM jobctl.reap($1, $2, $3) AS r"
		" LEFT JOIN LATERAL (SELECT * FROM jobctl.job WHERE live AND id = r.id LIMIT 1)"
		" AS j ON true ORDER BY r.worker, r.id";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_array(&r->dead, pg_uuid(NULL)), pg_text(NEIGHBOUR_GONE),
				pg_bool(cfg->dry_run)),
			e);

	if (n < 0)
		return -1;
	r->jobs = n;
	for (int i = 0; i < n; i++)
		r->workers += !i || strcmp(pg_get(res, i, 6), pg_get(res, i - 1, 6)) != 0;
	if (!cfg->common.quiet)
		put_rows(cfg, cols, ncols, res);
	return 0;
}

/* Those whose jobs could not all be had just now are still registered. */
static int
check_rest(struct pg *db, struct result *r, struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(db, &res,
		    "SELECT count(*) FROM jobctl.workers"
		    " WHERE lease_until < now() OR worker_id = ANY ($1)",
		    PG_ARGS(pg_array(&r->dead, pg_uuid(NULL))), e) < 0)
		return -1;
	if (pg_get_i64(res, 0, 0) == 0)
		return 0;
	(void)err_set(e, ERR_TEMPFAIL,
		      "%s dead worker%s left: somebody's transaction has a job of theirs locked",
		      pg_get(res, 0, 0), strcmp(pg_get(res, 0, 0), "1") != 0 ? "s are" : " is");
	err_hint(e, "try again; running workers do, too");
	return -1;
}

static int
run(struct pg *db, const struct config *cfg, const struct out_col *const *cols, int ncols,
    struct result *r, struct err *e)
{
	if (find_dead(db, r, e) || reap(db, cfg, cols, ncols, r, e))
		return -1;
	if (r->jobs)
		cmd_note(&cmd, "%s%d job%s of %d dead worker%s",
			 cfg->dry_run ? "this would give back " : "gave back ", r->jobs,
			 r->jobs == 1 ? "" : "s", r->workers, r->workers == 1 ? "" : "s");
	else
		cmd_note(&cmd, "no dead worker has a job");
	if (!cfg->dry_run && check_rest(db, r, e))
		return -1;
	if (!r->denied)
		return 0;
	(void)err_set(e, ERR_NOPERM, "the process%s of %d worker%s of another role %s gone, too",
		      r->denied == 1 ? "" : "es", r->denied, r->denied == 1 ? "" : "s",
		      r->denied == 1 ? "is" : "are");
	err_hint(e, "connect as that role or as a member of jobctl_all_projects, "
		    "or wait for the lease to end");
	return -1;
}

int
main(int argc, char **argv)
{
	AUTOFREE const struct out_col **cols = NULL;
	struct config cfg = { .no_header = false };
	struct result result = { .dead = PG_ARRAY_INIT };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	int ncols, status;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	status = out_pick(columns, NELEM(columns),
			  cfg.fields        ? cfg.fields
			  : cfg.common.json ? json_fields
					    : table_fields,
			  &cols, &ncols, &err);
	if (!status)
		status = pg_open(&db, cmd.name, cfg.common.dbname, &err);
	if (!status)
		status = run(&db, &cfg, cols, ncols, &result, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	pg_array_free(&result.dead);
	return cmd_done(&cmd, status);
}
