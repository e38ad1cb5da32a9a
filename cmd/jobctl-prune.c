/*
 * jobctl-prune - drop what ended long ago, by whole weeks
 *
 * What goes is decided in the database (sql/jobctl/api/prune.sql): no live job is in
 * it.  An export is on disk before anything is dropped.  One prunes at a time, so that
 * a timer may call it on every host; the others say so, and that is no failure.
 */
#include "base.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job_export.h"
#include "out.h"
#include "parse.h"
#include "pg.h"
#include "uuid.h"

enum { DAY_MS = 86400000, BEHIND_MS = 150 };

struct config {
	struct common common;
	int64_t keep;
	const char *export;
	const char *fields;
	bool dry_run, yes, no_header;
};

static const struct opt opts[] = {
	OPT_ROW_MS(0, "keep", "TIME", struct config, keep, DAY_MS, MS_MAX,
		   "keep what ended within TIME, a day or more (default 30d)"),
	OPT_ROW_STR(0, "export", "FILE", struct config, export, "file",
		    "write the jobs to FILE, which must not exist, before they are dropped"),
	OPT_ROW_FLAG(0, "dry-run", struct config, dry_run,
		     "change nothing, say what would be dropped"),
	OPT_ROW_FLAG(0, "yes", struct config, yes, "drop without asking"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-prune --dry-run", "what is older than 30 days, and how large" },
	{ "jobctl-prune --keep 90d --yes", NULL },
	{ "jobctl-prune --yes --export \"jobs-$(date +%F).jsonl\"", "have the jobs in a file first" },
	{ "systemctl enable --now jobctl-prune.timer", "every night, on as many hosts as you like" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-prune",
	.brief = "drop what ended long ago, by whole weeks",
	.synopsis = (const char *const[]){ "[options]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_operator",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
};

/* The columns of prunable(), in its order, but that the last becomes the status. */
enum col { C_TABLE, C_PARTITION, C_SINCE, C_UNTIL, C_ROWS, C_BYTES, C_STATUS, NCOLS };

static const struct out_col cols[NCOLS] = {
	[C_TABLE] = { "table", "TABLE", OUT_TEXT },
	[C_PARTITION] = { "partition", "PARTITION", OUT_TEXT },
	[C_SINCE] = { "since", "SINCE", OUT_TIME },
	[C_UNTIL] = { "until", "UNTIL", OUT_TIME },
	[C_ROWS] = { "rows", "ROWS", OUT_NUM },
	[C_BYTES] = { "bytes", "SIZE", OUT_BYTES },
	[C_STATUS] = { "status", "STATUS", OUT_TEXT },
};
static const char table_fields[] = "partition,since,until,rows,bytes,status";
static const char json_fields[] = "table,partition,since,until,rows,bytes,status";

/* One run. */
struct work {
	const struct config *cfg;
	struct pg db;
	struct uuid token;
	const struct out_col **picked;
	int npicked;
	PGresult *due;		/* what is old enough */
	int64_t *exported;	/* for each of them how many rows; -1: none, or not asked for */
	int dropped;
};

static bool
free_to_go(const struct work *w, int r)
{
	return !pg_get_or_null(w->due, r, C_STATUS);
}

static bool
has_jobs(const struct work *w, int r)
{
	return !strcmp(pg_get(w->due, r, C_TABLE), "finished_jobs");
}

static int
find_due(struct work *w, struct err *e)
{
	PQclear(w->due);
	w->due = NULL;
	return pg_call(&w->db, &w->due,
		       "SELECT \"table\", partition, jobctl.rfc3339(since), jobctl.rfc3339(until),"
		       " rows, bytes, why_not FROM jobctl.prunable($1)",
		       PG_ARGS(pg_ms(w->cfg->keep)), e) < 0 ? -1 : 0;
}

static void
put_row(const struct work *w, struct out *out, int r, const char *status)
{
	if (w->cfg->common.quiet)
		return;
	for (int i = 0; i < w->npicked; i++) {
		int c = (int)(w->picked[i] - cols);

		out_cell(out, c == C_STATUS ? status : pg_get_or_null(w->due, r, c));
	}
}

static void
begin_rows(const struct work *w, struct out *out)
{
	const struct config *cfg = w->cfg;

	out_begin(out, cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE,
		  !cfg->no_header && !cfg->common.quiet, w->picked, w->npicked);
}

static void
note_kept(const struct work *w, int r)
{
	if (!free_to_go(w, r))
		cmd_note(&cmd, "%s stays: %s", pg_get(w->due, r, C_PARTITION),
			 pg_get(w->due, r, C_STATUS));
}

static void
show_due(struct work *w)
{
	struct out out;

	begin_rows(w, &out);
	for (int r = 0; r < PQntuples(w->due); r++) {
		note_kept(w, r);
		put_row(w, &out, r, free_to_go(w, r) ? "due" : "kept");
	}
	out_end(&out);
	if (!PQntuples(w->due))
		cmd_note(&cmd, "nothing is old enough");
}

static int
consent(const struct work *w, struct err *e)
{
	char answer[10] = "", size[32];
	int64_t bytes = 0;
	int n = 0;

	for (int r = 0; r < PQntuples(w->due); r++)
		if (free_to_go(w, r)) {
			n++;
			bytes += pg_get_i64(w->due, r, C_BYTES);
		}
	if (!n || w->cfg->yes)
		return 0;
	size_text(bytes, size);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		(void)err_set(e, ERR_USAGE, "this would drop %d partition%s, %s", n,
			      n == 1 ? "" : "s", size);
		err_hint(e, "--yes does it without asking, --dry-run shows them");
		return -1;
	}
	fprintf(stderr, "%s: drop %d partition%s, %s, for good? [y/N] ", cmd.name, n,
		n == 1 ? "" : "s", size);
	if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return err_set(e, ERR_NO, "nothing was dropped");
}

/* Take, or keep, the right to prune: 1 if we have it, 0 if somebody else has. */
static int
begin(struct work *w, struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(&w->db, &res,
		    "SELECT mine, client, jobctl.rfc3339(since) FROM jobctl.prune_begin($1)",
		    PG_ARGS(pg_uuid(&w->token)), e) < 0)
		return -1;
	if (!pg_get_bool(res, 0, 0))
		cmd_note(&cmd, "%s has been at it since %s: nothing to do here", pg_get(res, 0, 1),
			 pg_get(res, 0, 2));
	return pg_get_bool(res, 0, 0);
}

static int
exporting(void *ctx, int64_t rows, struct err *e)
{
	struct work *w = ctx;
	int mine = begin(w, e);

	status_show(!w->cfg->common.quiet, "exporting: %" PRId64 " jobs of the week", rows);
	if (!mine)
		return err_set(e, ERR_TEMPFAIL, "another took over: this one was silent for too long");
	return mine < 0 ? -1 : 0;
}

/* All jobs that are to go, on disk before the first one does. */
static int
export_jobs(struct work *w, struct err *e)
{
	struct job_export x = JOB_EXPORT_INIT;
	int64_t sum = 0, n = 0;
	int rc = 0, weeks = 0;

	for (int r = 0; r < PQntuples(w->due) && !rc; r++) {
		if (!has_jobs(w, r) || !free_to_go(w, r))
			continue;
		if (!weeks++)
			rc = job_export_open(&x, w->cfg->export, e);
		if (!rc)
			n = job_export_write(&x, &w->db, pg_get(w->due, r, C_SINCE),
					     pg_get(w->due, r, C_UNTIL), exporting, w, e);
		if (rc || n < 0)
			rc = -1;
		w->exported[r] = n;
		sum += n;
	}
	status_clear();
	if (!rc && weeks)
		rc = job_export_commit(&x, e);
	job_export_free(&x);
	if (!rc && weeks)
		cmd_note(&cmd, "exported %" PRId64 " job%s to %s", sum, sum == 1 ? "" : "s",
			 w->cfg->export);
	return rc;
}

static int
drop(struct work *w, struct err *e)
{
	struct out out;
	int rc = 0;

	begin_rows(w, &out);
	for (int r = 0; r < PQntuples(w->due) && !rc; r++) {
		const char *name = pg_get(w->due, r, C_PARTITION);
		struct pg_val exported = pg_i64(w->exported[r]);
		PG_RES res = NULL;

		note_kept(w, r);
		if (w->exported[r] < 0)
			exported.len = -1;
		status_show(!w->cfg->common.quiet, "dropping %s", name);
		if (pg_call(&w->db, &res, "SELECT jobctl.prune_partition($1, $2, $3, $4)",
			    PG_ARGS(pg_uuid(&w->token), pg_text(name), pg_ms(w->cfg->keep), exported),
			    e) < 0) {
			rc = -1;
			break;
		}
		status_clear();
		w->dropped += strcmp(pg_get(res, 0, 0), "kept") != 0;
		put_row(w, &out, r, pg_get(res, 0, 0));
	}
	status_clear();
	out_end(&out);
	return rc;
}

static int
delete_events(struct work *w, struct err *e)
{
	int64_t deleted = 0, last = 0;
	bool more = true;

	while (more) {
		PG_RES res = NULL;

		if (pg_call(&w->db, &res, "SELECT deleted, last FROM jobctl.prune_events($1, $2, $3)",
			    PG_ARGS(pg_uuid(&w->token), pg_ms(w->cfg->keep), pg_i64(last)), e) < 0)
			return -1;
		deleted += pg_get_i64(res, 0, 0);
		last = pg_get_i64(res, 0, 1);
		more = pg_get_or_null(res, 0, 1);
	}
	if (deleted)
		cmd_note(&cmd, "deleted %" PRId64 " event%s", deleted, deleted == 1 ? "" : "s");
	return 0;
}

static int
prune(struct work *w, struct err *e)
{
	int n = PQntuples(w->due);

	w->exported = xcalloc((size_t)n + 1, sizeof *w->exported);
	for (int r = 0; r < n; r++)
		w->exported[r] = -1;
	if (w->cfg->export && export_jobs(w, e))
		return -1;
	if (drop(w, e) || delete_events(w, e))
		return -1;
	if (!w->dropped)
		cmd_note(&cmd, "nothing was old enough to be dropped");
	return 0;
}

/*
 * What is overdue is done first, so that it does not keep anything: ends not counted
 * yet, dependents not told yet, rows in a default partition for want of one of theirs.
 */
static int
do_overdue(struct work *w, struct err *e)
{
	bool behind = true;

	while (behind) {
		PG_RES res = NULL;

		if (pg_call(&w->db, &res, "SELECT behind FROM jobctl.maintain()", PG_NOARGS, e) < 0)
			return -1;
		behind = pg_get_bool(res, 0, 0);
		if (behind)
			(void)poll(NULL, 0, BEHIND_MS);
	}
	return pg_call(&w->db, NULL, "SELECT jobctl.ensure_partitions()", PG_NOARGS, e) < 0 ? -1 : 0;
}

static int
run(struct work *w, struct err *e)
{
	int mine;

	if (pg_open(&w->db, cmd.name, w->cfg->common.dbname, e))
		return -1;
	if (w->cfg->dry_run) {
		if (find_due(w, e))
			return -1;
		show_due(w);
		return 0;
	}
	if (do_overdue(w, e) || find_due(w, e) || consent(w, e))
		return -1;
	mine = begin(w, e);
	if (mine <= 0)
		return mine;
	if (find_due(w, e) || prune(w, e)) {	/* another may have been at it meanwhile */
		struct err ignored;

		(void)!pg_call(&w->db, NULL, "SELECT jobctl.prune_end($1)",
			       PG_ARGS(pg_uuid(&w->token)), &ignored);
		return -1;
	}
	return pg_call(&w->db, NULL, "SELECT jobctl.prune_end($1)", PG_ARGS(pg_uuid(&w->token)),
		       e) < 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .keep = INT64_C(30) * DAY_MS };
	struct work w = { .cfg = &cfg, .db = PG_INIT, .token = uuid_random() };
	struct err err = ERR_INIT;
	int status;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (cfg.export && cfg.dry_run)
		cmd_usage(&cmd, "--dry-run drops nothing, so there is nothing to --export");
	status = out_pick(cols, NCOLS,
			  cfg.fields        ? cfg.fields
			  : cfg.common.json ? json_fields
					    : table_fields,
			  &w.picked, &w.npicked, &err);
	if (!status)
		status = run(&w, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	pg_close(&w.db);
	PQclear(w.due);
	free(w.exported);
	free(w.picked);
	return cmd_done(&cmd, status);
}
