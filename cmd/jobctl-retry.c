/*
 * jobctl-retry - run jobs again
 *
 * One that has ended becomes live again under the same id, and what it ended with stays
 * in its history; one that waits for its time need not wait any longer.  All jobs of a
 * call or none: they are changed in one transaction.
 */
#include "base.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "job.h"
#include "job_change.h"
#include "jobargs.h"
#include "jobspec.h"
#include "pg.h"

enum { SHOWN = 5 };		/* ids in what is said */

struct config {
	struct common common;
	struct job_change change;
	int64_t in_ms;
	struct strlist edits;
};

static const struct opt opts[] = {
	OPT_ROW_MS(0, "in", "TIME", struct config, in_ms, 0, MS_MAX,
		   "not before this duration has passed"),
	OPT_ROW_LIST(0, "edit", "NAME=...", struct config, edits, NULL,
		     "give the jobs this argument: NAME=TEXT or NAME:=JSON"),
	JOB_CHANGE_OPTS(struct config, change, "all failed jobs"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-retry 0199c0de-7a31", "one job, by the beginning of its id" },
	{ "jobctl-retry -q enc --since 1h --dry-run", "which jobs that failed would run again" },
	{ "jobctl-retry -q enc --since 1h --yes --reason 'disk is empty again'", NULL },
	{ "jobctl-retry \"$id\" --in 10m --edit preset=slow --edit threads:=2",
	  "later, with other arguments" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-retry",
	.brief = "run jobs again",
	.synopsis =
		(const char *const[]){"[options] JOB...", "[options] FILTER... | --all", NULL},
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_operator",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET,
	.max_operands = -1,
};

static bool
good(const char *was, const char *status)
{
	(void)was;
	return !strcmp(status, "pending");
}

/* The edits as an object, or nothing if there are none. */
static int
read_edits(const struct config *cfg, struct jobargs *args, struct err *e)
{
	AUTOFREE char **words = xcalloc(cfg->edits.n + 1, sizeof *words);
	int rc = 0;

	for (size_t i = 0; i < cfg->edits.n; i++)
		words[i] = xstrdup(cfg->edits.v[i]);
	if (cfg->edits.n)
		rc = jobargs_pairs(args, words, false, e);
	for (size_t i = 0; i < cfg->edits.n; i++)
		free(words[i]);
	return rc ? err_ctx(e, "--edit") : 0;
}

static void
tell_rest(const struct job_change *c)
{
	if (c->nrunning)
		cmd_note(&cmd, "%zu running: left alone; jobctl-cancel stops what runs",
			 c->nrunning);
	if (c->nheld)
		cmd_note(&cmd, "%zu held: left alone; jobctl-release lets go what is held",
			 c->nheld);
}

/*
 * Jobs that were cancelled with these do not come back by themselves.  If it cannot be
 * asked any more, what was done is done all the same.
 */
static void
tell_dependents(struct pg *db, const struct job_change *c)
{
	static const char sql[] = "SELECT id FROM jobctl.left_cancelled($1) AS id";
	struct pg_array ids = PG_ARRAY_INIT;
	AUTOSTR s = STR(STR_ANY);
	struct err ignored;
	PG_RES res = NULL;
	int n;

	for (size_t i = 0; i < c->changed.n; i++)
		pg_array_add(&ids, pg_uuid(&c->changed.v[i]));
	n = pg_call(db, &res, sql, PG_ARGS(pg_array(&ids, pg_uuid(NULL))), &ignored);
	pg_array_free(&ids);
	if (n <= 0)
		return;
	for (int r = 0; r < n && r < SHOWN; r++)
		str_putf(&s, " %s", pg_get(res, r, 0));
	if (n > SHOWN)
		str_putf(&s, " and %d more", n - SHOWN);
	cmd_note(&cmd, "%d %s cancelled for want of %s; to bring back: jobctl-retry%s", n,
		 n == 1 ? "job stays" : "jobs stay", c->changed.n == 1 ? "it" : "them", s.buf);
}

static int
run(struct pg *db, struct config *cfg, char *const *operands, const struct jobargs *args,
    struct err *e)
{
	int status = pg_open(db, cmd.name, cfg->common.dbname, e);

	cfg->change.more[0] = pg_ms(cfg->in_ms);
	cfg->change.more[1] = pg_json(cfg->edits.n ? args->json.buf : NULL);
	cfg->change.nmore = 2;
	if (!status)
		status = job_change_run(db, &cfg->change, operands, e);
	if (status < 0)
		jobspec_explain(e);	/* what edits may have broken */
	else if (cfg->change.changed.n && !cfg->change.dry_run && !cfg->common.quiet)
		tell_dependents(db, &cfg->change);
	return status;
}

int
main(int argc, char **argv)
{
	struct config cfg = {
		.in_ms = NEVER,
		.change = {
			.cmd = &cmd,
			.verb = "retry",
			.scope = "failed",
			.whole = true,
			.act = { "SELECT r.id, r.was, r.status FROM jobctl.retry(ARRAY("
				 "SELECT id FROM jobctl.job", "), $14, $15, $16) AS r" },
			.dry_act = { "SELECT id, status, CASE WHEN status IN ('running', 'held')"
				     " THEN status ELSE 'pending' END FROM jobctl.job", "" },
			.good = good,
		},
	};
	struct jobargs args = JOBARGS_INIT;
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	char **operands;
	int status;

	operands = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	job_change_check(&cfg.change, operands);
	status = read_edits(&cfg, &args, &err);
	if (!status)
		status = run(&db, &cfg, operands, &args, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	else
		tell_rest(&cfg.change);
	pg_close(&db);
	jobargs_free(&args);
	strlist_free(&cfg.edits);
	job_ids_free(&cfg.change.changed);
	job_filter_free(&cfg.change.filter);
	return cmd_done(&cmd, status);
}
