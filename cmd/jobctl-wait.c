/*
 * jobctl-wait - wait for jobs to end
 *
 * It makes no difference whether they end before or after it is called.  The exit
 * status is that of the job, or for several 1 if one did not complete.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job.h"
#include "lines.h"
#include "out.h"
#include "waiting.h"

enum { NOTES = 10 };		/* failures told one by one */

struct config {
	struct common common;
	struct job_filter filter;
	int64_t count, timeout;
	bool any, fail_fast, test, progress;
};

static const struct opt opts[] = {
	OPT_ROW_FLAG(0, "any", struct config, any, "until one has ended"),
	OPT_ROW_INT(0, "count", "N", struct config, count, 1, INT32_MAX, "until N have ended"),
	OPT_ROW_FLAG(0, "fail-fast", struct config, fail_fast,
		     "no longer once one has failed or was cancelled"),
	OPT_ROW_MS(0, "timeout", "D", struct config, timeout, 0, MS_MAX,
		   "no longer than D; the exit status is then 124"),
	OPT_ROW_FLAG(0, "test", struct config, test, "not at all: the exit status says how it stands"),
	OPT_ROW_FLAG(0, "progress", struct config, progress, "show on a terminal how many have ended"),
	JOB_FILTER_OPTS(struct config, filter),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-wait 01a1fdea-b333-75dc", "one job; the exit status is its own" },
	{ "jobctl-submit --jsonl mail < list | jobctl-wait - --progress", "all of a list" },
	{ "jobctl-status -q enc -H -o id | jobctl-wait - --fail-fast", "until one fails" },
	{ "jobctl-wait -q nightly --timeout 2h", "all that are in a queue now" },
	{ "jobctl-wait --test \"$id\" && deploy", "has it completed?" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-wait",
	.brief = "wait for jobs to end",
	.synopsis = (const char *const[]){ "[options] ID...", "[options] -", "[options] FILTER...", NULL },
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_VERBOSE,
	.max_operands = -1,
};

struct state {
	const struct config *cfg;
	struct waiting wait;
	size_t total;
	int code;		/* of the last that ended */
	size_t notes;
};

/* Exit statuses of a wrapper, except where what was asked for is wrong. */
static int
fail(struct err *e)
{
	if (e->kind != ERR_USAGE && e->kind != ERR_DATA && e->kind != ERR_NOINPUT)
		wait_wrap_error(e);
	return cmd_fail(&cmd, e);
}

/* Texts that are not whole ids are left for the database to complete. */
static void
add(const char *text, struct job_ids *ids, struct strlist *begun)
{
	struct err ignored;
	struct uuid u;

	if (uuid_parse(text, &u, &ignored))
		strlist_add(begun, xstrdup(text));
	else
		job_ids_add(ids, &u);
}

static int
read_ids(struct job_ids *ids, struct strlist *begun, struct err *e)
{
	struct lines in;
	const char *line;
	struct uuid lo, hi;
	size_t n;
	int rc;

	lines_init(&in, STDIN_FILENO, '\n');
	while ((rc = lines_next(&in, &line, &n, e)) > 0) {
		AUTOFREE char *text = NULL;

		while (n && strchr(" \t\r", line[n - 1]))
			n--;
		if (!n)
			continue;
		text = xstrndup(line, n);	/* up to a NUL byte, which no id has */
		rc = strlen(text) < n ? err_set(e, ERR_DATA, "a NUL byte")
				      : uuid_parse_prefix(text, &lo, &hi, e);
		if (rc)
			break;
		add(text, ids, begun);
	}
	if (rc < 0 && e->kind != ERR_IO) {
		e->kind = ERR_DATA;
		(void)err_ctx(e, "line %lld", (long long)in.number);
	}
	lines_free(&in);
	return rc;
}

static int
complain(const struct err *why)
{
	struct err e = *why;

	return fail(&e);
}

/* The jobs to wait for.  A status above 0 has been complained about. */
static int
find(struct state *s, char **operands, struct job_ids *ids, struct err *e)
{
	struct pg *db = &s->wait.db;
	struct strlist begun = { .n = 0 };
	int rc = 0;

	for (; *operands && !rc; operands++) {
		if (!strcmp(*operands, "-"))
			rc = read_ids(ids, &begun, e);
		else
			add(*operands, ids, &begun);
	}
	if (!rc && (begun.n || job_filter_given(&s->cfg->filter))) {
		rc = pg_open(db, cmd.name, s->cfg->common.dbname, e);
		s->wait.checked = !rc;
	}
	if (!rc && begun.n) {
		strlist_add(&begun, NULL);
		rc = job_resolve_all(db, (char *const *)(uintptr_t)begun.v, ids, complain, e);
	}
	if (!rc && job_filter_given(&s->cfg->filter))
		rc = job_find(db, &s->cfg->filter, ids, e);
	for (size_t i = 0; i < begun.n; i++)
		free((char *)(uintptr_t)begun.v[i]);
	strlist_free(&begun);
	return rc;
}

static void
ended(void *ctx, const struct wait_end *end)
{
	struct state *s = ctx;
	const struct common *common = &s->cfg->common;
	AUTOSTR text = STR(STR_ANY);

	s->code = wait_code(end);
	if (common->json && !common->quiet) {
		wait_end_json(&text, end);
		printf("%s\n", text.buf);
		fflush(stdout);
		return;
	}
	wait_end_text(&text, end);
	if (common->verbose)
		cmd_verbose(&cmd, "%s", text.buf);
	else if (strcmp(end->status, "completed") != 0 && s->notes++ < NOTES)
		cmd_note(&cmd, "%s", text.buf);
}

static void
note(void *ctx, const char *text)
{
	(void)ctx;
	cmd_note(&cmd, "%s", text);
}

/* What the one job that is left says of itself. */
static int
show_job(struct state *s, struct err *e)
{
	static const char sql[] =
		"SELECT status, progress_done, progress_total, message FROM jobctl.job WHERE id = $1";
	PG_RES res = NULL;
	int64_t done, total;

	if (pg_call(&s->wait.db, &res, sql, PG_ARGS(pg_uuid(&s->wait.left[0])), e) < 0)
		return -1;
	if (!PQntuples(res))
		return 0;
	done = pg_get_i64(res, 0, 1);
	total = pg_get_i64(res, 0, 2);
	if (total > 0)
		status_show(true, "%s, %lld of %lld  %s", pg_get(res, 0, 0), (long long)done,
			    (long long)total, pg_get(res, 0, 3));
	else
		status_show(true, "%s  %s", pg_get(res, 0, 0), pg_get(res, 0, 3));
	return 0;
}

static int
show_progress(void *ctx, struct err *e)
{
	struct state *s = ctx;
	const struct waiting *w = &s->wait;

	if (s->total == 1 && w->nleft)
		return show_job(s, e);
	status_show(true, "%zu of %zu ended, %zu failed, %zu running", w->nended, s->total, w->nbad,
		    w->nrunning);
	return 0;
}

static int
wait_for(struct state *s, const struct job_ids *ids, struct err *e)
{
	const struct config *cfg = s->cfg;
	struct waiting *w = &s->wait;
	bool show = cfg->progress && !cfg->common.quiet && isatty(STDERR_FILENO);
	size_t want = cfg->any ? 1 : cfg->count ? (size_t)cfg->count : SIZE_MAX;
	int rc;

	w->app = cmd.name;
	w->dbname = cfg->common.dbname;
	w->deadline = cfg->test ? 0 : deadline_in(cfg->timeout);
	w->count_running = show;
	w->ended = ended;
	w->looked = show ? show_progress : NULL;
	w->note = note;
	w->ctx = s;
	wait_begin(w, ids);
	s->total = w->nleft;
	rc = wait_run(w, want, cfg->fail_fast, e);
	status_clear();
	if (s->notes > NOTES)
		cmd_note(&cmd, "and %zu more failed or were cancelled", s->notes - NOTES);
	if (rc <= 0)
		return rc < 0 ? -1 : WRAP_TIMED_OUT;
	if (s->total == 1 && !job_filter_given(&cfg->filter))
		return s->code;
	return w->nbad ? ERR_NO : 0;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .timeout = NEVER };
	struct state s = { .cfg = &cfg, .wait = WAITING_INIT };
	struct job_ids ids = { .n = 0 };
	struct err err = ERR_INIT;
	char **operands;
	int rc;

	operands = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (!operands[0] && !job_filter_given(&cfg.filter))
		cmd_usage(&cmd, "missing arguments: ids, - to read them, or a filter");
	if (operands[0] && job_filter_given(&cfg.filter))
		cmd_usage(&cmd, "ids and filters cannot go together");
	if (cfg.any && cfg.count)
		cmd_usage(&cmd, "--any and --count cannot go together");
	if (cfg.test && cfg.timeout != NEVER)
		cmd_usage(&cmd, "--test and --timeout cannot go together");
	rc = job_filter_read(&cfg.filter, &err);
	if (!rc)
		rc = find(&s, operands, &ids, &err);
	if (!rc)
		rc = wait_for(&s, &ids, &err);
	if (rc < 0)
		rc = fail(&err);
	pg_close(&s.wait.db);
	wait_free(&s.wait);
	job_ids_free(&ids);
	job_filter_free(&cfg.filter);
	return cmd_done(&cmd, rc);
}
