/*
 * jobctl-queue - list queues, pause, resume, limit and drain them
 *
 * What an operator asks for is done for all the queues named or for none.  Once a
 * pause or a limit has been answered, nothing starts that it forbids: the database
 * waits for claims under way before it answers.
 */
#include "base.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "jobspec.h"
#include "out.h"
#include "parse.h"
#include "pg.h"
#include "retry.h"
#include "str.h"
#include "watch.h"

enum { LOCK_MS = 10000, NOTE_MS = 10000, NEAR = 3 };

struct config {
	struct common common;
	struct strlist queue;
	const char *why;
	const char *fields;
	int64_t pause_for, timeout;	/* NEVER: not given */
	bool no_header;

	struct pg_array names;		/* of the queues */
	char **list;			/* the same */
	size_t nlist;
	int64_t max_running;		/* -1: none */
};

static const struct opt opts[] = {
	OPT_ROW_LIST('q', "queue", "QUEUE,...", struct config, queue, "queue",
		     "these queues; may be repeated"),
	OPT_ROW_STR(0, "reason", "TEXT", struct config, why, NULL,
		    "record TEXT as the reason", .verbs = "pause drain"),
	OPT_ROW_MS(0, "for", "TIME", struct config, pause_for, 1000, MS_MAX,
		   "only for TIME, instead of until resume", .verbs = "pause"),
	OPT_ROW_MS('t', "timeout", "TIME", struct config, timeout, 0, MS_MAX,
		   "wait at most TIME for what runs", .verbs = "drain"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading", .verbs = "list"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated; see jobctl-formats(7)",
		    .verbs = "list"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "list", "[QUEUE...]", "show queues, all there are unless some are named" },
	{ "pause", "QUEUE...", "let nothing start; what runs, runs on" },
	{ "resume", "QUEUE...", "end a pause" },
	{ "set", "-q QUEUE max-running=N|none", "how many jobs run at once, on all hosts together" },
	{ "drain", "QUEUE...", "pause, and wait until nothing runs" },
	{ NULL, NULL, NULL }
};

static const struct example examples[] = {
	{ "jobctl-queue", "every queue: what waits, what runs, who serves it" },
	{ "jobctl-queue pause mail --reason 'relay is down' --for 30m", NULL },
	{ "jobctl-queue resume mail", NULL },
	{ "jobctl-queue set -q index max-running=2", "two at once, on however many hosts" },
	{ "jobctl-queue drain mail --timeout 10m && upgrade", "until nothing of it runs" },
	{ "jobctl-queue -H -o queue,ready | sort -rnk2", "the longest first" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-queue",
	.brief = "list queues, pause, resume, limit and drain them",
	.synopsis = (const char *const[]){
		"[options] [list [QUEUE...]]", "[options] pause|resume|drain QUEUE...",
		"set -q QUEUE,... max-running=N|none", NULL
	},
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.complete_operand = "queue",
	.role = "jobctl_operator",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.max_operands = -1,
};

enum col {
	C_QUEUE, C_READY, C_SCHEDULED, C_BLOCKED, C_HELD, C_RUNNING, C_MAX_RUNNING, C_OLDEST,
	C_WORKERS, C_SLOTS, C_ENDED, C_FAILED, C_PAUSED_AT, C_PAUSED_UNTIL, C_PAUSED_BY,
	C_PAUSED_WHY, NCOLS
};

static const struct out_col cols[NCOLS] = {
	[C_QUEUE] = { "queue", "QUEUE", OUT_TEXT },
	[C_READY] = { "ready", "READY", OUT_NUM },
	[C_SCHEDULED] = { "scheduled", "SCHEDULED", OUT_NUM },
	[C_BLOCKED] = { "blocked", "BLOCKED", OUT_NUM },
	[C_HELD] = { "held", "HELD", OUT_NUM },
	[C_RUNNING] = { "running", "RUNNING", OUT_NUM },
	[C_MAX_RUNNING] = { "max_running", "LIMIT", OUT_NUM },
	[C_OLDEST] = { "oldest_ready_s", "OLDEST", OUT_SECONDS },
	[C_WORKERS] = { "workers", "WORKERS", OUT_NUM },
	[C_SLOTS] = { "slots", "SLOTS", OUT_NUM },
	[C_ENDED] = { "ended_per_min", "ENDED/MIN", OUT_NUM },
	[C_FAILED] = { "failed_per_min", "FAILED/MIN", OUT_NUM },
	[C_PAUSED_AT] = { "paused_at", "PAUSED", OUT_TIME },
	[C_PAUSED_UNTIL] = { "paused_until", "UNTIL", OUT_TIME },
	[C_PAUSED_BY] = { "paused_by", "BY", OUT_TEXT },
	[C_PAUSED_WHY] = { "paused_why", "WHY", OUT_TEXT },
};

/* The columns above, in their order, of the rows AS s; what is seen comes after them. */
#define STATE_COLUMNS \
	"s.queue, s.ready, s.scheduled, s.blocked, s.held, s.running, s.max_running," \
	" round(s.oldest_ready_s::numeric, 3), s.workers, s.slots," \
	" round(s.ended_per_min::numeric, 1), round(s.failed_per_min::numeric, 1)," \
	" jobctl.rfc3339(s.paused_at), jobctl.rfc3339(s.paused_until), s.paused_by, s.paused_why"

/* Nothing and nobody has ever named it, as far as is remembered. */
#define NEVER_SEEN \
	"NOT s.seen AND NOT EXISTS (SELECT FROM jobctl.job_count c WHERE c.queue = s.queue)"

static struct pg_val
names(struct config *cfg)
{
	return pg_array(&cfg->names, pg_text(""));
}

static void
add_names(struct config *cfg, const char *list)
{
	for (const char *p = list;; p++) {
		char *name = xstrndup(p, strcspn(p, ","));
		struct err e = ERR_INIT;
		bool known = false;

		if (jobspec_check_name("the queue", name, &e))
			cmd_usage(&cmd, "%s", e.msg);
		p += strlen(name);
		for (size_t i = 0; i < cfg->nlist; i++)
			known = known || !strcmp(cfg->list[i], name);
		if (known) {
			free(name);
		} else {
			cfg->list = xreallocarray(cfg->list, cfg->nlist + 1, sizeof *cfg->list);
			cfg->list[cfg->nlist++] = name;
			pg_array_add(&cfg->names, pg_text(name));
		}
		if (!*p)
			break;
	}
}

static void
put_cells(struct out *out, const struct out_col *const *picked, int n, const PGresult *res, int r)
{
	for (int i = 0; i < n; i++)
		out_cell(out, pg_get_or_null(res, r, (int)(picked[i] - cols)));
}

/* All fields as JSON: what a queue is after it was changed. */
static void
put_json(const PGresult *res, int r)
{
	const struct out_col *all[NCOLS];
	struct out out;

	for (int i = 0; i < NCOLS; i++)
		all[i] = &cols[i];
	out_begin(&out, OUT_JSONL, false, all, NCOLS);
	put_cells(&out, all, NCOLS, res, r);
	out_end(&out);
}

/* A table says of pauses what there is to say, and nothing if there are none. */
static bool
any_paused(const PGresult *res, enum col c)
{
	for (int r = 0; r < PQntuples(res); r++)
		if (pg_get_or_null(res, r, (int)c))
			return true;
	return false;
}

static void
put_list(const struct config *cfg, const struct out_col *const *picked, int n,
	 const PGresult *res)
{
	const struct out_col *shown[NCOLS];
	struct out out;

	if (!picked) {
		n = 0;
		for (enum col c = 0; c < NCOLS; c++)
			if (c < C_PAUSED_AT || cfg->common.json || any_paused(res, c))
				shown[n++] = &cols[c];
		picked = shown;
	}
	out_begin(&out, cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE,
		  !cfg->no_header, picked, n);
	for (int r = 0; r < PQntuples(res); r++)
		put_cells(&out, picked, n, res, r);
	out_end(&out);
}

/* The name that somebody who wrote this one may have meant, if there is one. */
static int
say_near(struct pg *db, const char *name, struct str *s, struct err *e)
{
	PG_RES res = NULL;
	int n, best = NEAR, row = -1;

	n = pg_call(db, &res, "SELECT queue FROM jobctl.queue ORDER BY queue", PG_NOARGS, e);
	for (int r = 0; r < n; r++) {
		int d = cmd_distance(name, pg_get(res, r, 0));

		if (d && d < best) {
			best = d;
			row = r;
		}
	}
	if (row >= 0)
		str_putf(s, "did you mean \"%s\"?", pg_get(res, row, 0));
	return n < 0 ? -1 : 0;
}

/* Settings may come before jobs, so a name that nobody has seen is only worth a word. */
static int
note_unseen(struct pg *db, struct config *cfg, struct err *e)
{
	PG_RES res = NULL;
	int n = pg_first_call(db, &res,
			      "SELECT s.queue FROM jobctl.queue_state($1) AS s WHERE " NEVER_SEEN
			      " ORDER BY 1",
			      PG_ARGS(names(cfg)), e);

	for (int r = 0; r < n; r++) {
		AUTOSTR near = STR(600);

		if (say_near(db, pg_get(res, r, 0), &near, e))
			return -1;
		cmd_note(&cmd, "no queue \"%s\" was ever seen%s%s", pg_get(res, r, 0),
			 near.len ? "; " : ", so far", near.buf);
	}
	return n < 0 ? -1 : 0;
}

/* Those named that are not among the rows: each is told. */
static int
complain_unseen(struct pg *db, const struct config *cfg, const PGresult *res, struct err *e)
{
	int status = 0;

	for (size_t i = 0; i < cfg->nlist; i++) {
		AUTOSTR near = STR(290);
		struct err told;
		int r = 0;

		while (r < PQntuples(res) && strcmp(pg_get(res, r, C_QUEUE), cfg->list[i]) != 0)
			r++;
		if (r < PQntuples(res))
			continue;
		if (say_near(db, cfg->list[i], &near, e))
			return -1;
		(void)err_set(&told, ERR_NOINPUT, "no queue \"%s\" was ever seen",
			      cfg->list[i]);
		if (near.len)
			err_hint(&told, "%s", near.buf);
		status = cmd_fail(&cmd, &told);
	}
	return status;
}

static int
list(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOFREE const struct out_col **picked = NULL;
	PG_RES res = NULL;
	int n = 0;

	if (cfg->fields && out_pick(cols, NCOLS, cfg->fields, &picked, &n, e))
		return -1;
	if (pg_open(db, cmd.name, cfg->common.dbname, e) ||
	    pg_call(db, &res,
		    "SELECT " STATE_COLUMNS " FROM jobctl.queue_state($1::text[]) AS s"
		    " WHERE $1::text[] IS NULL OR NOT (" NEVER_SEEN ") ORDER BY s.queue",
		    PG_ARGS(cfg->nlist ? names(cfg) : pg_null()), e) < 0)
		return -1;
	if (!cfg->common.quiet)
		put_list(cfg, picked, n, res);
	if (!cfg->nlist && !PQntuples(res))
		cmd_note(&cmd, "there is no queue with a job, a setting or a worker");
	return complain_unseen(db, cfg, res, e);
}

/* Try for some seconds: whoever claims in a transaction of some length keeps us out. */
static int
change(struct pg *db, PGresult **res, const char *sql, const struct pg_val *args, int nargs,
       struct err *e)
{
	struct retry retry = RETRY_UNTIL(deadline_in(LOCK_MS));
	int n;

	do
		n = pg_call(db, res, sql, args, nargs, e);
	while (n < 0 && e->kind == ERR_TEMPFAIL && retry_wait(&retry));
	return n;
}

/* What each queue is now: a line of its name and the word, or JSON. */
static int
put_changed(struct pg *db, struct config *cfg, const char *word, PGresult **res, struct err *e)
{
	int n = pg_call(db, res,
			"SELECT " STATE_COLUMNS " FROM jobctl.queue_state($1) AS s"
			" ORDER BY array_position($1, s.queue)",
			PG_ARGS(names(cfg)), e);

	for (int r = 0; r < n && !cfg->common.quiet; r++) {
		if (cfg->common.json)
			put_json(*res, r);
		else
			printf("%s %s\n", pg_get(*res, r, C_QUEUE), word);
	}
	return n < 0 ? -1 : 0;
}

/* Row r is of a change: name, and how long ago, by whom, until when and why it was paused. */
static void
note_paused(const PGresult *res, int r, const char *how)
{
	const char *until = pg_get_or_null(res, r, 3), *why = pg_get_or_null(res, r, 4);
	AUTOSTR end = STR(100);
	char ago[32];

	if (!pg_get_or_null(res, r, 1))
		return;
	duration_text(pg_get_double(res, r, 1), ago);
	if (until) {
		str_puts(&end, ", until ");
		out_pretty(&end, OUT_TIME, until);
	}
	cmd_note(&cmd, "\"%s\" %s %s ago by %s%s%s%s", pg_get(res, r, 0), how, ago,
		 pg_get(res, r, 2), end.buf, why ? ": " : "", why ? why : "");
}

#define WAS_PAUSED \
	"SELECT u.name, extract(epoch FROM clock_timestamp() - c.was_at), c.was_by," \
	" jobctl.rfc3339(c.was_until), c.was_why" \
	" FROM unnest($1::text[]) WITH ORDINALITY AS u(name, n) CROSS JOIN LATERAL "

static int
pause_all(struct pg *db, struct config *cfg, struct err *e)
{
	PG_RES res = NULL;
	int n = change(db, &res,
		       WAS_PAUSED "jobctl.pause_queue(u.name, $2, $3) AS c ORDER BY u.n",
		       PG_ARGS(names(cfg), pg_text(cfg->why), pg_ms(cfg->pause_for)), e);

	for (int r = 0; r < n; r++)
		note_paused(res, r, "was paused already,");
	return n < 0 ? -1 : 0;
}

static int
pause_queues(struct pg *db, struct config *cfg, struct err *e)
{
	PG_RES res = NULL;

	if (note_unseen(db, cfg, e) || pause_all(db, cfg, e) ||
	    put_changed(db, cfg, "paused", &res, e))
		return -1;
	for (int r = 0; r < PQntuples(res); r++) {
		int64_t running = pg_get_i64(res, r, C_RUNNING);

		if (running)
			cmd_note(&cmd, "%" PRId64 " of \"%s\" run%s on; "
				 "\"jobctl-queue drain %s\" waits for %s", running,
				 pg_get(res, r, C_QUEUE), running == 1 ? "s" : "",
				 pg_get(res, r, C_QUEUE), running == 1 ? "it" : "them");
	}
	return 0;
}

static int
resume_queues(struct pg *db, struct config *cfg, struct err *e)
{
	PG_RES was = NULL;
	PG_RES is = NULL;

	if (note_unseen(db, cfg, e) ||
	    change(db, &was, WAS_PAUSED "jobctl.resume_queue(u.name) AS c ORDER BY u.n",
		   PG_ARGS(names(cfg)), e) < 0)
		return -1;
	for (int r = 0; r < PQntuples(was); r++) {
		if (!pg_get_or_null(was, r, 1))
			cmd_note(&cmd, "\"%s\" was not paused", pg_get(was, r, 0));
		note_paused(was, r, "was paused");
	}
	return put_changed(db, cfg, "resumed", &is, e);
}

static int
set_limit(struct pg *db, struct config *cfg, struct err *e)
{
	struct pg_val limit = pg_i32((int32_t)cfg->max_running);
	PG_RES was = NULL;
	PG_RES is = NULL;
	AUTOSTR word = STR(40);

	if (cfg->max_running < 0) {
		limit.len = -1;
		str_puts(&word, "max-running=none");
	} else {
		str_putf(&word, "max-running=%" PRId64, cfg->max_running);
	}
	if (note_unseen(db, cfg, e) ||
	    change(db, &was,
		   "SELECT u.name, coalesce(was::text, 'none'), was IS NOT DISTINCT FROM $2"
		   " FROM unnest($1::text[]) WITH ORDINALITY AS u(name, n)"
		   " CROSS JOIN LATERAL jobctl.limit_queue(u.name, $2) AS was ORDER BY u.n",
		   PG_ARGS(names(cfg), limit), e) < 0 ||
	    put_changed(db, cfg, word.buf, &is, e))
		return -1;
	for (int r = 0; r < PQntuples(was); r++)
		cmd_note(&cmd, pg_get_bool(was, r, 2) ? "\"%s\" had max-running=%s already"
						      : "\"%s\" had max-running=%s",
			 pg_get(was, r, 0), pg_get(was, r, 1));
	for (int r = 0; r < PQntuples(is); r++)
		if (cfg->max_running >= 0 &&
		    pg_get_i64(is, r, C_RUNNING) > cfg->max_running)
			cmd_note(&cmd, "%s of \"%s\" run, and run on: none starts until fewer than "
				 "%" PRId64 " do", pg_get(is, r, C_RUNNING),
				 pg_get(is, r, C_QUEUE), cfg->max_running);
	return 0;
}

/* One look.  A queue that somebody resumed cannot be waited for. */
static int
look(struct pg *db, struct config *cfg, struct str *text, int64_t *running, struct err *e)
{
	PG_RES res = NULL;
	int n = pg_call(db, &res, "SELECT queue, running, paused FROM jobctl.drained($1)",
			PG_ARGS(names(cfg)), e);

	str_reset(text);
	*running = 0;
	for (int r = 0; r < n; r++) {
		if (!pg_get_bool(res, r, 2)) {
			(void)err_set(e, ERR_NO, "\"%s\" was resumed while we waited",
				      pg_get(res, r, 0));
			err_hint(e, "jobctl-events says by whom");
			return -1;
		}
		if (!pg_get_i64(res, r, 1))
			continue;
		*running += pg_get_i64(res, r, 1);
		str_putf(text, "%s%s of \"%s\"", text->len ? ", " : "", pg_get(res, r, 1),
			 pg_get(res, r, 0));
	}
	return n < 0 ? -1 : 0;
}

/* On a terminal the line is drawn anew; elsewhere a line says it now and then. */
static void
tell(const struct config *cfg, const char *text, int64_t running, int64_t *told, int64_t *again)
{
	if (isatty(STDERR_FILENO)) {
		status_show(!cfg->common.quiet, "waiting for what runs: %s", text);
	} else if (running && running != *told && now_ms() >= *again) {
		cmd_note(&cmd, "waiting for what runs: %s", text);
		*told = running;
		*again = deadline_in(NOTE_MS);
	}
}

static int
wait_drained(struct pg *db, struct config *cfg, struct err *e)
{
	int64_t deadline = deadline_in(cfg->timeout), running = 0, told = 0, again = 0;
	int64_t before = 0;
	struct watch w = WATCH_INIT;
	AUTOSTR text = STR(2000);
	int rc;

	for (;;) {
		rc = look(db, cfg, &text, &running, e);
		if (rc < 0 && watch_reconnect(db, cmd.name, cfg->common.dbname, e))
			break;
		if (rc < 0)
			continue;
		if (!running)
			break;
		tell(cfg, text.buf, running, &told, &again);
		if (now_ms() >= deadline) {
			rc = err_set(e, ERR_TEMPFAIL, "not drained in time: %s still run%s",
				     text.buf, running == 1 ? "s" : "");
			err_hint(e, "paused it stays; jobctl-status -s running says what runs, "
				 "jobctl-reap gives back what dead workers had");
			break;
		}
		if (!watch_pause(&w, running != before)) {
			rc = err_set(e, ERR_IO, "the reader of the output has gone");
			break;
		}
		before = running;
	}
	status_clear();
	return rc;
}

static int
drain(struct pg *db, struct config *cfg, struct err *e)
{
	PG_RES res = NULL;

	if (note_unseen(db, cfg, e) || pause_all(db, cfg, e) || wait_drained(db, cfg, e))
		return -1;
	return put_changed(db, cfg, "drained", &res, e);
}

static void
read_setting(struct config *cfg, const char *z)
{
	static const char key[] = "max-running=";
	AUTOSTR safe = STR(200);
	struct err e;

	str_put_safe(&safe, z, strlen(z));
	if (strncmp(z, key, strlen(key)) != 0)
		cmd_usage(&cmd, "there is no setting \"%s\", only max-running=N|none", safe.buf);
	z += strlen(key);
	cfg->max_running = -1;
	if (strcmp(z, "none") != 0 && parse_int(z, 0, INT32_MAX, &cfg->max_running, &e))
		cmd_usage(&cmd, "max-running: %s", e.msg);
}

/* Options and operands that make sense together; exits if they do not. */
static void
check(struct config *cfg, const char *verb, char *const *operands)
{
	bool is_list = !strcmp(verb, "list"), is_set = !strcmp(verb, "set");

	for (size_t i = 0; i < cfg->queue.n; i++)
		add_names(cfg, cfg->queue.v[i]);
	if (is_set && (!operands[0] || operands[1]))
		cmd_usage(&cmd, "set takes one setting: max-running=N|none");
	if (is_set)
		read_setting(cfg, operands[0]);
	else
		for (; *operands; operands++)
			add_names(cfg, *operands);
	if (!is_list && !cfg->nlist)
		cmd_usage(&cmd, is_set ? "set: which queue? say -q QUEUE" : "%s: which queue?",
			  verb);
}

static int
run(struct pg *db, struct config *cfg, const char *verb, struct err *e)
{
	static const struct {
		const char *verb;
		int (*run)(struct pg *, struct config *, struct err *);
	} actions[] = {
		{ "pause", pause_queues }, { "resume", resume_queues }, { "set", set_limit },
		{ "drain", drain },
	};

	if (!strcmp(verb, "list"))
		return list(db, cfg, e);
	if (pg_connect(db, cmd.name, cfg->common.dbname, e))
		return -1;
	for (size_t i = 0; i < NELEM(actions); i++)
		if (!strcmp(verb, actions[i].verb))
			return actions[i].run(db, cfg, e);
	return 0;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .pause_for = NEVER, .timeout = NEVER };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	const char *verb;
	int status;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	verb = cmd_verb(&cmd, *argv ? *argv++ : "list")->name;
	check(&cfg, verb, argv);
	status = run(&db, &cfg, verb, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	pg_array_free(&cfg.names);
	for (size_t i = 0; i < cfg.nlist; i++)
		free(cfg.list[i]);
	free(cfg.list);
	strlist_free(&cfg.queue);
	return cmd_done(&cmd, status);
}
