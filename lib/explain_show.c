/*
 * explain_show.c - the screen: all that was found, and what surrounds it
 *
 * Fits 100 columns (on a narrower terminal, as many as it has) and some 40 lines; a part that has nothing to say is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "job_show.h"
#include "out.h"
#include "sheet.h"

enum { REASON = 18, WHY_MAX = 400, RUNS = 3, STDERR_LINES = 5 };

static void
put_field(struct str *s, const PGresult *res, const char *name, enum out_type type)
{
	out_pretty(s, type, pg_get_or_null(res, 0, pg_col(res, name)));
}

static const char *
get(const PGresult *res, const char *name)
{
	return pg_get_or_null(res, 0, pg_col(res, name));
}

/* What somebody wrote as a reason may be long; -o has all of it. */
static void
put_why(struct str *s, const char *why)
{
	AUTOSTR text = STR(STR_ANY);

	str_puts(&text, why);
	if (text.len > WHY_MAX) {
		size_t n = WHY_MAX;

		while (n && text.buf[n] != ' ')
			n--;
		str_truncate(&text, n ? n : WHY_MAX);
		str_puts(&text, " ...");
	}
	sheet_wrap(s, SHEET_LABEL + REASON, text.buf);
}

static void
put_findings(const struct explain *x, struct str *s)
{
	AUTOSTR verdict = STR(STR_ANY);

	explain_verdict(x, &verdict);
	sheet_label(s, "verdict");
	sheet_wrap(s, SHEET_LABEL, verdict.buf);
	for (size_t i = 0; i < x->n; i++) {
		sheet_label(s, i ? "" : "why");
		str_putf(s, "%-*s", REASON, x->v[i].reason);
		put_why(s, x->v[i].why);
	}
}

/* Each command once, in the order in which the findings name them. */
static void
put_next(const struct explain *x, struct str *s)
{
	AUTOSTR said = STR(STR_ANY);

	for (size_t i = 0; i < x->n; i++) {
		for (const char *p = x->v[i].next; *p; p += *p == '\n') {
			size_t n = strcspn(p, "\n");
			AUTOFREE char *one = xasprintf("\n%.*s\n", (int)n, p);

			p += n;
			if (strstr(said.buf, one))
				continue;
			sheet_label(s, said.len ? "" : "next");
			str_put_safe(s, one + 1, n);
			str_putc(s, '\n');
			str_puts(&said, one);
		}
	}
}

static void
put_session(struct str *s, const PGresult *res)
{
	sheet_label(s, "");
	if (get(res, "session")) {
		str_puts(s, "its session: pid ");
		put_field(s, res, "session", OUT_NUM);
		str_puts(s, ", ");
		put_field(s, res, "session_state", OUT_TEXT);
		str_puts(s, " for ");
		put_field(s, res, "session_s", OUT_SECONDS);
		if (get(res, "waits_for")) {
			str_puts(s, ", waits for pid ");
			put_field(s, res, "waits_for", OUT_TEXT);
		}
	} else {
		str_puts(s, "it has no session of its own here (behind a pooler none is seen)");
	}
	str_putc(s, '\n');
}

static void
put_worker(struct str *s, const struct explain *x, const PGresult *res)
{
	bool by_hand;

	if (!get(res, "worker"))
		return;
	by_hand = get(res, "pid") && !strcmp(get(res, "pid"), "0");	/* no process, no session */
	sheet_label(s, "worker");
	if (!get(res, "host")) {
		str_putf(s, "%s, not registered any more\n", get(res, "worker"));
		return;
	}
	put_field(s, res, "host", OUT_TEXT);
	if (!by_hand) {
		str_puts(s, " pid ");
		put_field(s, res, "pid", OUT_NUM);
		str_puts(s, ", version ");
	} else {
		str_puts(s, ", ");
	}
	put_field(s, res, "version", OUT_TEXT);
	if (x->service) {
		str_puts(s, ", unit ");
		sheet_text(s, x->service);
	}
	str_puts(s, ", heard of ");
	put_field(s, res, "heartbeat_s", OUT_SECONDS);
	str_puts(s, " ago, lease ");
	put_field(s, res, "lease_of_s", OUT_SECONDS);
	if (*get(res, "lease_s") == '-') {
		str_puts(s, ", ended ");
		out_pretty(s, OUT_SECONDS, get(res, "lease_s") + 1);
		str_puts(s, " ago");
	} else {
		str_puts(s, ", ends in ");
		put_field(s, res, "lease_s", OUT_SECONDS);
	}
	str_putc(s, '\n');
	if (!by_hand)
		put_session(s, res);
}

static void
put_progress(struct str *s, const PGresult *res)
{
	if (!get(res, "progress_s"))
		return;
	sheet_label(s, "progress");
	if (get(res, "progress_done")) {
		put_field(s, res, "progress_done", OUT_NUM);
		str_puts(s, " of ");
		put_field(s, res, "progress_total", OUT_NUM);
		str_puts(s, ", ");
	}
	if (get(res, "message")) {
		put_field(s, res, "message", OUT_TEXT);
		str_puts(s, ", ");
	}
	str_puts(s, "said ");
	put_field(s, res, "progress_s", OUT_SECONDS);
	str_puts(s, " ago");
	if (get(res, "eta_s")) {
		str_puts(s, "; about ");
		put_field(s, res, "eta_s", OUT_SECONDS);
		str_puts(s, " left");
	}
	str_putc(s, '\n');
}

static void
put_identity(struct str *s, const struct explain *x, const PGresult *res)
{
	sheet_label(s, "job");
	str_putf(s, "%s, kind ", uuid_str(&x->id).z);
	put_field(s, res, "kind", OUT_TEXT);
	str_puts(s, ", queue ");
	put_field(s, res, "queue", OUT_TEXT);
	str_puts(s, ", project ");
	put_field(s, res, "project", OUT_TEXT);
	str_putc(s, '\n');
	sheet_label(s, "status");
	put_field(s, res, "status", OUT_TEXT);
	str_puts(s, get(res, "ended") ? " " : " for ");
	put_field(s, res, "status_s", OUT_SECONDS);
	str_puts(s, get(res, "ended") ? " ago, attempt " : ", attempt ");
	put_field(s, res, "attempt", OUT_NUM);
	str_puts(s, " of ");
	put_field(s, res, "max_attempts", OUT_NUM);
	if (*get(res, "crashes") != '0') {
		str_puts(s, ", workers lost: ");
		put_field(s, res, "crashes", OUT_NUM);
	}
	str_puts(s, ", submitted ");
	put_field(s, res, "age_s", OUT_SECONDS);
	str_puts(s, " ago by ");
	put_field(s, res, "created_by", OUT_TEXT);
	str_putc(s, '\n');
	if (!get(res, "p50_s"))
		return;
	sheet_label(s, "usual");
	put_field(s, res, "p50_s", OUT_SECONDS);
	str_puts(s, ", one in twenty more than ");
	put_field(s, res, "p95_s", OUT_SECONDS);
	str_puts(s, " (");
	put_field(s, res, "n", OUT_NUM);
	str_puts(s, " of this kind completed)\n");
}

/* Lines that others wrote, as far as they fit; jobctl-status shows all of them. */
static void
put_cut(struct str *s, const char *lines)
{
	size_t edge = sheet_width();

	while (*lines) {
		size_t n = strcspn(lines, "\n");
		AUTOSTR line = STR(STR_ANY);

		str_add(&line, lines, n);
		lines += n + (lines[n] == '\n');
		if (utf8_width(line.buf) > edge) {
			while (utf8_width(line.buf) > edge - 3) {
				do
					str_truncate(&line, line.len - 1);
				while (!utf8_valid(line.buf, line.len));
			}
			str_puts(&line, "...");
		}
		str_puts(s, line.buf);
		str_putc(s, '\n');
	}
}

static int
show_job(struct pg *db, const struct explain *x, struct str *s, struct err *e)
{
	static const char sql[] =
		"SELECT *, (extract(epoch FROM created_at) * 1000000)::bigint AS from_us,"
		" (extract(epoch FROM coalesce(ended, now())) * 1000000)::bigint AS to_us"
		" FROM jobctl.job_surroundings($1)";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_uuid(&x->id)), e);
	AUTOSTR more = STR(STR_ANY);
	struct job_span span;
	struct job_run run;
	bool began;
	int ran;

	if (n <= 0)
		return n;
	began = get(res, "started_at") != NULL;
	put_identity(s, x, res);
	put_findings(x, s);
	put_worker(s, x, res);
	put_progress(s, res);
	span = job_span(pg_get_i64(res, 0, pg_col(res, "from_us")),
			pg_get_i64(res, 0, pg_col(res, "to_us")));
	ran = job_show_runs(db, &x->id, span, began, RUNS, &more, &run, e);
	if (ran < 0 || (ran && job_show_output(db, &x->id, &run, 2, STDERR_LINES,
					       "stderr, the last lines\n", &more, e)))
		return -1;
	put_cut(s, more.buf);
	return 1;
}

/* "1 worker", "2 workers" */
static void
put_count(struct str *s, const PGresult *res, const char *name, const char *one)
{
	const char *n = get(res, name);

	str_putf(s, "%s %s%s", n, one, strcmp(n, "1") != 0 ? "s" : "");
}

static int
show_queue(struct pg *db, const struct explain *x, struct str *s, struct err *e)
{
	static const char sql[] = "SELECT * FROM jobctl.queue_state(ARRAY[$1])";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_text(x->queue)), e);

	if (n <= 0)
		return n;
	sheet_label(s, "queue");
	put_field(s, res, "queue", OUT_TEXT);
	str_putf(s, ": %s ready", get(res, "ready"));
	if (get(res, "oldest_ready_s")) {
		str_puts(s, ", the oldest for ");
		put_field(s, res, "oldest_ready_s", OUT_SECONDS);
	}
	str_putf(s, "; %s scheduled, %s blocked, %s held\n", get(res, "scheduled"),
		 get(res, "blocked"), get(res, "held"));
	sheet_label(s, "");
	str_putf(s, "%s running%s%s; ", get(res, "running"),
		 get(res, "max_running") ? " of at most " : "",
		 get(res, "max_running") ? get(res, "max_running") : "");
	put_count(s, res, "workers", "worker");
	str_puts(s, " with ");
	put_count(s, res, "slots", "slot");
	if (get(res, "ended_per_min"))
		str_putf(s, "; %.1f a minute end, %.1f fail",
			 strtod(get(res, "ended_per_min"), NULL),
			 strtod(get(res, "failed_per_min"), NULL));
	if (get(res, "paused_at"))
		str_puts(s, "; paused");
	str_putc(s, '\n');
	return 1;
}

static int
show_database(struct pg *db, struct str *s, struct err *e)
{
	PG_RES res = NULL;
	int n = pg_call(db, &res, "SELECT told FROM jobctl.database_state()", PG_NOARGS, e);

	if (n > 0 && *pg_get(res, 0, 0)) {
		sheet_label(s, "database");
		sheet_wrap(s, SHEET_LABEL, pg_get(res, 0, 0));
	}
	return n < 0 ? -1 : 0;
}

int
explain_show(struct pg *db, const struct explain *x, struct str *s, struct err *e)
{
	if (!x->is_queue && show_job(db, x, s, e) < 0)
		return -1;
	if (show_queue(db, x, s, e) < 0)
		return -1;
	if (x->is_queue)
		put_findings(x, s);
	if (show_database(db, s, e))
		return -1;
	put_next(x, s);
	return 0;
}
