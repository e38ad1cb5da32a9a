/*
 * jobctl-events - tell the story of a job, or what happens to all of them
 *
 * Following asks for the last seconds again each time and shows what was not there
 * before: what is committed late bears the time at which its transaction began.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job.h"
#include "out.h"
#include "parse.h"
#include "pg.h"
#include "str.h"
#include "waiting.h"
#include "watch.h"

enum {
	SHOWN = 20,		/* events, unless -n says otherwise */
	PAGE = 5000,
	LATE_MS = 15000,	/* a commit may come so long after its transaction began */
};

static const char *const when_choices[] = { "absolute", "relative", NULL };
enum { WHEN_ABSOLUTE, WHEN_RELATIVE, WHEN_UNSAID };

struct config {
	struct common common;
	struct job_filter filter;
	struct strlist event;
	const char *fields;
	int64_t limit;
	int when;
	bool follow;
	bool exit_status;
	bool no_header;
};

static const struct opt opts[] = {
	OPT_ROW_FLAG('f', "follow", struct config, follow,
		     "go on: with JOB until it has ended, else until interrupted"),
	OPT_ROW_LIST('q', "queue", "QUEUE,...", struct config, filter.queue, "queue",
		     "only of these queues and their jobs"),
	OPT_ROW_LIST('p', "project", "PROJECT,...", struct config, filter.project, "project",
		     "only of jobs of these projects"),
	OPT_ROW_LIST(0, "event", "EVENT,...", struct config, event,
		     "attempt|completed|failed|cancelled|cancel|retry|hold|release|edit|reap|"
		     "pause|resume|limit|submit|wait|start|progress|due",
		     "only events of these names"),
	OPT_ROW_STR(0, "since", "TIME", struct config, filter.since, NULL,
		    "what happened at TIME or later, or within this duration"),
	OPT_ROW_STR(0, "older-than", "TIME", struct config, filter.older_than, NULL,
		    "what happened before TIME, or longer ago than this duration"),
	OPT_ROW_INT('n', "limit", "N", struct config, limit, 0, INT64_MAX,
		    "the last N events; 0 for all (default: 20, of one job all)"),
	OPT_ROW_CHOICE(0, "timestamps", "FORM", struct config, when, when_choices,
		       "absolute, or relative as on a terminal"),
	OPT_ROW_FLAG(0, "exit-status", struct config, exit_status,
		     "with -f and JOB: end with the job's exit status"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated; see jobctl-formats(7)"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-events 0199c0de-7a31", "one job from its submission on" },
	{ "jobctl-events -f --exit-status \"$id\"", "the same until it has ended" },
	{ "jobctl-events -q enc --since 1h", "what was done and what ended within an hour" },
	{ "jobctl-events -f --event failed,reap,pause", "what goes wrong, as it does" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-events",
	.brief = "tell the story of a job, or what happens to all",
	.synopsis = (const char *const[]){ "[options] JOB", "[options] [FILTER...]", NULL },
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET,
	.max_operands = 1,
};

/* The columns of the statements, in their order; what follows them is not shown. */
enum {
	AT, EVENT, ID, PROJECT, QUEUE, KIND, ATTEMPT, OUTCOME, EXIT_CODE, SIGNAL, WORKER_HOST,
	WORKER_PID, RUN_S, ROLE, CLIENT, MESSAGE, NCOLUMNS,
	ORDER = NCOLUMNS, AGE_S, JOB_STANDS, JOB_ENDED, JOB_CODE, JOB_KILLED
};
static const struct out_col columns[NCOLUMNS] = {
	[AT] = { "at", "AT", OUT_TIME },
	[EVENT] = { "event", "EVENT", OUT_TEXT },
	[ID] = { "id", "ID", OUT_ID },
	[PROJECT] = { "project", "PROJECT", OUT_TEXT },
	[QUEUE] = { "queue", "QUEUE", OUT_TEXT },
	[KIND] = { "kind", "KIND", OUT_TEXT },
	[ATTEMPT] = { "attempt", "ATTEMPT", OUT_NUM },
	[OUTCOME] = { "outcome", "OUTCOME", OUT_TEXT },
	[EXIT_CODE] = { "exit_code", "EXIT", OUT_NUM },
	[SIGNAL] = { "signal", "SIGNAL", OUT_NUM },
	[WORKER_HOST] = { "worker_host", "HOST", OUT_TEXT },
	[WORKER_PID] = { "worker_pid", "PID", OUT_NUM },
	[RUN_S] = { "run_s", "RAN", OUT_SECONDS },
	[ROLE] = { "role", "ROLE", OUT_TEXT },
	[CLIENT] = { "client", "CLIENT", OUT_TEXT },
	[MESSAGE] = { "message", "MESSAGE", OUT_TEXT },
};

/* Orders events of one time, and tells one from another. */
#define ORD "coalesce(lpad(e.event_id::text, 20, '0'), concat_ws(' ', 'z', e.id, e.attempt, e.event))"

#define COLUMNS                                                                              \
	"SELECT jobctl.rfc3339(e.at), e.event, e.id, e.project, e.queue, j.kind, e.attempt," \
	" e.outcome, e.exit_code, e.signal, e.worker_host, e.worker_pid,"                    \
	" round(e.run_s::numeric, 3), e.role, e.client, e.message, " ORD ","                 \
	" round(extract(epoch FROM now() - e.at), 1)"

/* What makes a row of a statement one that was there before. */
static char *
key_of(const PGresult *res, int row)
{
	return xasprintf("%s %s %s", pg_get(res, row, AT), pg_get(res, row, ORDER),
			 pg_get(res, row, EVENT)[0] == 'w' ? pg_get(res, row, MESSAGE) : "");
}

struct keys {
	char **v;		/* sorted */
	size_t n;
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
keys_free(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i]);
	free(k->v);
	*k = (struct keys){ .n = 0 };
}

static void
keys_add(struct keys *k, const PGresult *res)
{
	int n = PQntuples(res);

	if (!n)
		return;
	k->v = xreallocarray(k->v, k->n + (size_t)n, sizeof *k->v);
	for (int r = 0; r < n; r++)
		k->v[k->n++] = key_of(res, r);
	qsort(k->v, k->n, sizeof *k->v, by_text);
}

/* Those of other, too, which is left empty. */
static void
keys_take(struct keys *k, struct keys *other)
{
	if (!k->n) {
		keys_free(k);
		*k = *other;
	} else if (other->n) {
		k->v = xreallocarray(k->v, k->n + other->n, sizeof *k->v);
		memcpy(k->v + k->n, other->v, other->n * sizeof *k->v);
		k->n += other->n;
		qsort(k->v, k->n, sizeof *k->v, by_text);
		free(other->v);
	}
	*other = (struct keys){ .n = 0 };
}

static bool
keys_have(const struct keys *k, const PGresult *res, int row)
{
	AUTOFREE char *key = key_of(res, row);

	return k->n && bsearch(&key, k->v, k->n, sizeof *k->v, by_text);
}

/* Parameters behind those of the filter, less one. */
enum {
	ARG_EVENTS = JOB_FILTER_ARGS, ARG_LIMIT, ARG_WINDOW, ARG_LAST_AT, ARG_LAST, ARG_JOB, NARGS
};

/* What is shown, and how far it has been. */
struct view {
	struct config *cfg;
	struct out out;
	const struct out_col **cols;
	int ncols;
	bool lines;		/* for people: not -o, not --json */
	bool one;		/* the story of one job */
	struct uuid job;
	struct keys seen;
	int64_t origin;		/* what relative times count from when following; NEVER: none yet */

	struct pg_array events;
	struct pg_val args[NARGS];

	/* how the job stood; "" before that */
	char status[16], outcome[20];
	int exit_code, signal;
};

static void
put_when(struct view *v, struct str *s, const PGresult *res, int row)
{
	const char *age = pg_get(res, row, AGE_S);
	char text[32] = "";
	struct err ignored;
	int64_t us = 0;

	if (v->cfg->when == WHEN_ABSOLUTE) {
		str_putf(s, "%s  ", pg_get(res, row, AT));
		return;
	}
	if (v->cfg->follow && parse_time(pg_get(res, row, AT), &us, &ignored) == 0 &&
	    v->origin != NEVER) {
		duration_text((double)(us - v->origin) / 1e6, text);
		str_putf(s, "%*s%s%s  ", 9 - (int)strlen(text), "", *text == '-' ? "" : "+",
			 text);
	} else {
		duration_text(*age == '-' ? -strtod(age, NULL) : strtod(age, NULL), text);
		str_putf(s, *age == '-' ? "%*sin %s  " : "%*s%s ago  ",
			 (*age == '-' ? 7 : 6) - (int)strlen(text), "", text);
	}
	/* a job's times count from its beginning, others from the line before */
	if (v->cfg->follow && (!v->one || v->origin == NEVER))
		v->origin = us;
}

static void
put(struct str *s, const char *z)
{
	str_put_safe(s, z, strlen(z));
}

/* How a run ended, if it ran: ", ran 2.1s, exit 3". */
static void
put_end(struct str *s, const PGresult *res, int row)
{
	const char *outcome = pg_get(res, row, OUTCOME);

	if (strtol(pg_get(res, row, ATTEMPT), NULL, 10) > 0)
		str_putf(s, "attempt %s", pg_get(res, row, ATTEMPT));
	if (*pg_get(res, row, RUN_S)) {
		str_puts(s, ", ran ");
		out_pretty(s, OUT_SECONDS, pg_get(res, row, RUN_S));
	}
	if (!strcmp(outcome, "ok") || !strcmp(outcome, "cancelled"))
		return;
	str_puts(s, s->len && s->buf[s->len - 1] != ' ' ? ", " : "");
	put(s, outcome);
	if (!strcmp(outcome, "exit"))
		str_putf(s, " %s", pg_get(res, row, EXIT_CODE));
	else if (!strcmp(outcome, "signal"))
		str_putf(s, " %s", pg_get(res, row, SIGNAL));
}

/* What happened, in words; the message comes behind it. */
static void
put_what(struct str *s, const PGresult *res, int row)
{
	const char *event = pg_get(res, row, EVENT);

	if (*pg_get(res, row, OUTCOME)) {
		put_end(s, res, row);
	} else if (!strcmp(event, "start")) {
		str_putf(s, "attempt %s", pg_get(res, row, ATTEMPT));
		if (*pg_get(res, row, WORKER_HOST)) {
			str_puts(s, " on ");
			put(s, pg_get(res, row, WORKER_HOST));
			str_putf(s, " pid %s", pg_get(res, row, WORKER_PID));
		}
	} else if (!strcmp(event, "submit")) {
		str_puts(s, "kind ");
		put(s, pg_get(res, row, KIND));
		str_puts(s, ", queue ");
		put(s, pg_get(res, row, QUEUE));
		str_puts(s, ", by ");
		put(s, pg_get(res, row, ROLE));
	} else if (*pg_get(res, row, ROLE)) {
		if (!*pg_get(res, row, ID)) {
			str_puts(s, "queue ");
			put(s, pg_get(res, row, QUEUE));
			str_puts(s, ", ");
		}
		str_puts(s, "by ");
		put(s, pg_get(res, row, ROLE));
		if (*pg_get(res, row, CLIENT)) {
			str_puts(s, " (");
			put(s, pg_get(res, row, CLIENT));
			str_putc(s, ')');
		}
	}
}

static void
put_line(struct view *v, const PGresult *res, int row)
{
	const char *message = pg_get(res, row, MESSAGE);
	size_t n = strlen(message);
	AUTOSTR s = STR(STR_ANY);
	AUTOSTR what = STR(STR_ANY);

	put_when(v, &s, res, row);
	str_putf(&s, "%-9s  ", pg_get(res, row, EVENT));
	if (!v->one && *pg_get(res, row, ID)) {
		str_putf(&s, "%s  ", pg_get(res, row, ID));
		put(&s, pg_get(res, row, KIND));
		str_puts(&s, *pg_get(res, row, KIND) ? "  " : "");
	}
	put_what(&what, res, row);
	str_add(&s, what.buf, what.len);
	/* who had nothing to say was given the outcome's words */
	if (n && (what.len < n || strcmp(what.buf + what.len - n, message) != 0)) {
		str_puts(&s, what.len ? ": " : "");
		put(&s, message);
	}
	while (s.len && s.buf[s.len - 1] == ' ')
		str_truncate(&s, s.len - 1);
	puts(s.buf);
}

static void
put_row(struct view *v, const PGresult *res, int row)
{
	if (v->lines) {
		put_line(v, res, row);
		return;
	}
	for (int c = 0; c < v->ncols; c++)
		out_cell(&v->out, pg_get_or_null(res, row, (int)(v->cols[c] - columns)));
}

/* Shows the rows that were not there before, from the first-th on, and remembers them. */
static int
take(struct view *v, const PGresult *res, int first, struct err *e)
{
	struct keys now = { .n = 0 };
	int n = PQntuples(res), shown = 0;

	for (int r = first; r < n; r++) {
		if (PQgetisnull(res, r, EVENT) || keys_have(&v->seen, res, r))
			continue;
		put_row(v, res, r);
		shown++;
	}
	if (v->cfg->follow)
		keys_add(&now, res);
	keys_free(&v->seen);
	v->seen = now;
	if (v->cfg->follow && fflush(stdout))
		return err_set(e, ERR_IO, "cannot write the output");
	return shown;
}

static void
put_where(const struct view *v, struct str *sql)
{
	job_filter_where(&v->cfg->filter, sql);
	if (v->cfg->event.n)
		str_puts(sql, v->cfg->filter.nwhere ? " AND event = ANY ($14)"
						    : " WHERE event = ANY ($14)");
	else if (!v->cfg->filter.nwhere)
		str_puts(sql, " WHERE true");
}

static int
ask(struct pg *db, struct view *v, const struct str *sql, PGresult **res, struct err *e)
{
	memcpy(v->args, v->cfg->filter.args, sizeof v->cfg->filter.args);
	return pg_call(db, res, sql->buf, v->args, NARGS, e);
}

/* The story as it is now, and how the job stands: of one moment. */
static int
ask_story(struct pg *db, struct view *v, PGresult **res, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);
	int n;

	str_puts(&sql, COLUMNS ", j.status, j.outcome, coalesce(j.exit_code, -1),"
			       " coalesce(j.signal, -1)"
			       " FROM (SELECT * FROM jobctl.job WHERE id = $19 LIMIT 1) AS j"
			       " LEFT JOIN LATERAL (SELECT * FROM jobctl.story($19)");
	put_where(v, &sql);
	str_puts(&sql, ") AS e ON true");
	n = ask(db, v, &sql, res, e);
	if (n < 0)
		return -1;
	if (!n)
		return err_set(e, ERR_NOINPUT, "no such job: %s", uuid_str(&v->job).z);
	snprintf(v->status, sizeof v->status, "%s", pg_get(*res, 0, JOB_STANDS));
	snprintf(v->outcome, sizeof v->outcome, "%s", pg_get(*res, 0, JOB_ENDED));
	v->exit_code = (int)pg_get_i64(*res, 0, JOB_CODE);
	v->signal = (int)pg_get_i64(*res, 0, JOB_KILLED);
	return n;
}

/*
 * Events of everything, in order.  how narrows and limits what is picked, before anything
 * is looked up.
 */
static int
ask_all(struct pg *db, struct view *v, const char *how, PGresult **res, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);

	str_puts(&sql, COLUMNS " FROM (SELECT * FROM jobctl.event AS e");
	put_where(v, &sql);
	str_puts(&sql, how);
	str_puts(&sql, ") AS e LEFT JOIN LATERAL (SELECT kind FROM jobctl.job"
		       " WHERE id = e.id LIMIT 1) AS j ON true ORDER BY e.at, " ORD);
	return ask(db, v, &sql, res, e);
}

/* All of them, a page at a time. */
static int
list_pages(struct pg *db, struct view *v, struct err *e)
{
	char at[40] = "-infinity", last[200] = "";
	int n;

	v->args[ARG_LIMIT] = pg_i64(PAGE);
	do {
		PG_RES res = NULL;

		v->args[ARG_LAST_AT] = pg_text(at);
		v->args[ARG_LAST] = pg_text(last);
		n = ask_all(db, v, " AND at >= $17::timestamptz AND (at > $17::timestamptz OR "
				   ORD " > $18) ORDER BY at, " ORD " LIMIT $15", &res, e);
		if (n < 0 || take(v, res, 0, e) < 0)
			return -1;
		if (n) {
			snprintf(at, sizeof at, "%s", pg_get(res, n - 1, AT));
			snprintf(last, sizeof last, "%s", pg_get(res, n - 1, ORDER));
		}
	} while (n == PAGE && !ferror(stdout));
	return 0;
}

/* The last ones. */
static int
list_last(struct pg *db, struct view *v, int64_t limit, struct err *e)
{
	PG_RES res = NULL;
	int n;

	v->args[ARG_LIMIT] = pg_i64(limit + 1);		/* to know whether there are more */
	n = ask_all(db, v, " ORDER BY at DESC, " ORD " DESC LIMIT $15", &res, e);
	if (n < 0 || take(v, res, n > limit, e) < 0)
		return -1;
	if (n > limit && v->lines && v->cfg->limit < 0 && !v->cfg->follow)
		cmd_note(&cmd, "there are more; -n 0 shows all");
	if (!n && v->lines && !v->cfg->follow)
		cmd_note(&cmd, "no event matches");
	return 0;
}

static int
list_story(struct pg *db, struct view *v, struct err *e)
{
	PG_RES res = NULL;
	int64_t limit = v->cfg->limit > 0 && !*v->status ? v->cfg->limit : INT64_MAX;
	int n = ask_story(db, v, &res, e);

	return n < 0 ? -1 : take(v, res, n > limit ? (int)(n - limit) : 0, e);
}

/* What is new of the last seconds, and of the time since asked. */
static int
list_new(struct pg *db, struct view *v, int64_t asked, bool show, struct err *e)
{
	PG_RES res = NULL;

	v->args[ARG_WINDOW] = pg_ms(now_ms() - asked + LATE_MS);
	if (ask_all(db, v, " AND at > now() - $16", &res, e) < 0)
		return -1;
	if (show)
		return take(v, res, 0, e);
	keys_add(&v->seen, res);
	return 0;
}

/* One look; how many events were new.  *asked becomes when it was. */
static int
look(struct pg *db, struct view *v, int64_t *asked, struct err *e)
{
	int64_t now = now_ms();
	int n;

	n = v->one ? list_story(db, v, e) : list_new(db, v, *asked, true, e);
	if (n >= 0)
		*asked = now;
	return n;
}

static int
follow(struct pg *db, struct view *v, int64_t asked, struct err *e)
{
	struct watch w = WATCH_INIT;
	int n = 1;

	while (!v->one || job_status_live(v->status)) {
		if (!watch_pause(&w, n > 0))
			return 0;
		n = look(db, v, &asked, e);
		if (n < 0 && !ferror(stdout)) {
			if (e->kind == ERR_UNAVAILABLE)
				cmd_note(&cmd, "%s; trying again", e->msg);
			n = watch_reconnect(db, cmd.name, v->cfg->common.dbname, e);
		}
		if (n < 0)
			return -1;
	}
	return 0;
}

/*
 * The last seconds are asked for before the list is, so that what comes between is new;
 * the list adds what it has shown.
 */
static int
begin_all(struct pg *db, struct view *v, struct err *e)
{
	int64_t limit = v->cfg->limit < 0 ? SHOWN : v->cfg->limit;
	struct keys before;

	if (v->cfg->follow && list_new(db, v, now_ms(), false, e) < 0)
		return -1;
	before = v->seen;
	v->seen = (struct keys){ .n = 0 };
	if (limit ? list_last(db, v, limit, e) : list_pages(db, v, e)) {
		keys_free(&before);
		return -1;
	}
	keys_take(&v->seen, &before);
	return 0;
}

static int
events(struct pg *db, struct view *v, const char *operand, int *status, struct err *e)
{
	int64_t asked = now_ms();
	int rc;

	if (operand && job_resolve(db, operand, &v->job, e))
		return -1;
	v->args[ARG_JOB] = pg_uuid(&v->job);
	rc = v->one ? list_story(db, v, e) : begin_all(db, v, e);
	if (rc < 0 || (v->cfg->follow && follow(db, v, asked, e)))
		return -1;
	if (v->cfg->exit_status && !job_status_live(v->status))
		*status = wait_code(&(struct wait_end){
			.id = v->job, .status = v->status, .outcome = v->outcome,
			.exit_code = v->exit_code, .signal = v->signal });
	return 0;
}

static const char *const event_names[] = {
	"attempt", "completed", "failed", "cancelled", "cancel", "retry", "hold", "release",
	"edit", "reap", "pause", "resume", "limit", "submit", "wait", "start", "progress",
	"due", NULL
};
enum { STORY_NAMES = 13 };	/* from here on only the story of a job has them */

static void
read_event(struct view *v, const char *name)
{
	int i = 0;

	while (event_names[i] && strcmp(event_names[i], name) != 0)
		i++;
	if (!event_names[i])
		cmd_usage(&cmd, "--event: there is no event \"%.60s\"", name);
	if (i >= STORY_NAMES && !v->one)
		cmd_usage(&cmd, "--event: only the story of one job tells of \"%s\"", name);
	pg_array_add(&v->events, pg_text(name));
}

static void
read_events(struct view *v)
{
	const struct strlist *given = &v->cfg->event;

	for (size_t i = 0; i < given->n; i++) {
		for (const char *p = given->v[i];; p++) {
			AUTOFREE char *name = xstrndup(p, strcspn(p, ","));

			read_event(v, name);
			p += strlen(name);
			if (!*p)
				break;
		}
	}
	v->args[ARG_EVENTS] = pg_array(&v->events, pg_text(""));
}

static void
check(struct view *v)
{
	struct config *cfg = v->cfg;
	struct err e;

	if (cfg->exit_status && !(cfg->follow && v->one))
		cmd_usage(&cmd, "--exit-status needs --follow and a job");
	if (v->one && (cfg->filter.queue.n || cfg->filter.project.n))
		cmd_usage(&cmd, "-q and -p choose among all; with a job they mean nothing");
	if (cfg->when != WHEN_UNSAID && !v->lines)
		cmd_usage(&cmd, "--timestamps is not for -o and --json, which have fields");
	if (cfg->follow && cfg->filter.older_than)
		cmd_usage(&cmd, "--older-than is over; --follow waits for what comes");
	if (cfg->when == WHEN_UNSAID)
		cfg->when = isatty(STDOUT_FILENO) ? WHEN_RELATIVE : WHEN_ABSOLUTE;
	cfg->filter.all = true;
	if (job_filter_read(&cfg->filter, &e))
		exit(cmd_fail(&cmd, &e));
	read_events(v);
}

static int
begin(struct view *v, struct err *e)
{
	static const char all[] =
		"at,event,id,project,queue,kind,attempt,outcome,exit_code,signal,worker_host,"
		"worker_pid,run_s,role,client,message";

	v->args[ARG_LIMIT] = pg_i64(0);
	v->args[ARG_WINDOW] = pg_ms(NEVER);
	v->args[ARG_LAST_AT] = v->args[ARG_LAST] = pg_text(NULL);
	if (v->lines)
		return 0;
	if (out_pick(columns, NCOLUMNS, v->cfg->fields ? v->cfg->fields : all, &v->cols,
		     &v->ncols, e))
		return -1;
	out_begin(&v->out, v->cfg->common.json ? OUT_JSONL : OUT_TSV, !v->cfg->no_header,
		  v->cols, v->ncols);
	return 0;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .limit = -1, .when = WHEN_UNSAID };
	struct view v = { .cfg = &cfg, .origin = NEVER };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	int status = 0;
	char **args;

	args = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	v.lines = !cfg.common.json && !cfg.fields;
	v.one = *args != NULL;
	check(&v);
	if (begin(&v, &err) || pg_open(&db, cmd.name, cfg.common.dbname, &err) ||
	    (events(&db, &v, *args, &status, &err) && !ferror(stdout)))
		status = cmd_fail(&cmd, &err);
	if (!v.lines && v.ncols)
		out_end(&v.out);
	pg_close(&db);
	keys_free(&v.seen);
	free(v.cols);
	pg_array_free(&v.events);
	strlist_free(&cfg.event);
	job_filter_free(&cfg.filter);
	return cmd_done(&cmd, status);
}
