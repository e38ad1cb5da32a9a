/*
 * job_show.c - one job on one screen
 *
 * Each part is a statement of its own and is left out if it has nothing to say.
 */
#include "job_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "job_run.h"
#include "out.h"
#include "sheet.h"

enum { JSON_LINES = 20, MANY = 10, OUTPUT_LINES = 10, OUTPUT_BYTES = 16384 };

/* JSON on one line if it is short. */
#define PRETTY(f) \
	"CASE WHEN length(" f "::text) > 70 THEN jsonb_pretty(" f ") ELSE " f "::text END AS " f

static const char sql_job[] =
	"SELECT project, queue, kind, status, array_to_string(reasons, ', ') AS reasons,"
	" priority, attempt, max_attempts, crashes, created_by, unique_key, live,"
	" jobctl.rfc3339(run_at) AS run_at, jobctl.rfc3339(created_at) AS created_at,"
	" jobctl.rfc3339(started_at) AS started_at,"
	" jobctl.rfc3339(completed_at) AS completed_at,"
	" (extract(epoch FROM created_at) * 1000000)::bigint AS from_us,"
	" (extract(epoch FROM coalesce(completed_at, now())) * 1000000)::bigint AS to_us,"
	" extract(epoch FROM now() - created_at) AS age_s,"
	" extract(epoch FROM now() - run_at) AS due_s,"
	" extract(epoch FROM coalesce(completed_at, now()) - started_at) AS run_s,"
	" extract(epoch FROM now() - completed_at) AS ended_s,"
	" extract(epoch FROM timeout) AS timeout_s,"
	" worker, worker_host, worker_pid, heartbeat_age_s,"
	" (SELECT extract(epoch FROM w.lease_until - now()) FROM jobctl.workers w"
	"  WHERE w.worker_id = j.worker) AS lease_s,"
	" outcome, exit_code, signal, error_message, message, progress_done, progress_total,"
	" eta_s, max_rss_bytes, cpu_s, " PRETTY("stats") ", " PRETTY("result") ", " PRETTY("args")
	" FROM (SELECT * FROM jobctl.job WHERE id = $1"
	"  AND " JOB_SPAN_SQL("at", "$2::timestamptz", "$3::timestamptz", "live") " LIMIT 1) AS j";

/* The job's row, by name. */
static const char *
get(const PGresult *res, const char *name)
{
	return pg_get_or_null(res, 0, pg_col(res, name));
}

static const char *
text_of(const PGresult *res, const char *name)
{
	const char *v = get(res, name);

	return v ? v : "";
}

static bool
is(const PGresult *res, const char *name, const char *value)
{
	return !strcmp(text_of(res, name), value);
}

static void
put_typed(struct str *s, const PGresult *res, const char *name, enum out_type type)
{
	out_pretty(s, type, get(res, name));
}

/* "exit 3", "signal 9", or the outcome's name. */
static void
put_outcome(struct str *s, const char *outcome, const char *code, const char *signal)
{
	if (!outcome)
		return;
	if (!strcmp(outcome, "exit") && code)
		str_putf(s, "exit %s", code);
	else if (!strcmp(outcome, "signal") && signal)
		str_putf(s, "signal %s", signal);
	else
		sheet_text(s, outcome);
}

static void
put_status(struct str *s, const PGresult *res)
{
	sheet_label(s, "status");
	put_typed(s, res, "status", OUT_TEXT);
	if (is(res, "status", "running")) {
		str_puts(s, " for ");
		put_typed(s, res, "run_s", OUT_SECONDS);
	} else if (get(res, "ended_s")) {
		str_putc(s, ' ');
		put_typed(s, res, "ended_s", OUT_SECONDS);
		str_puts(s, " ago");
	}
	if (get(res, "outcome") && !is(res, "outcome", "ok")) {
		str_puts(s, ": ");
		put_outcome(s, get(res, "outcome"), get(res, "exit_code"), get(res, "signal"));
	}
	if (*text_of(res, "reasons")) {
		str_puts(s, ": ");
		put_typed(s, res, "reasons", OUT_TEXT);
	}
	str_putc(s, '\n');
}

static void
put_times(struct str *s, const PGresult *res)
{
	const char *due = text_of(res, "due_s");

	sheet_label(s, "created");
	put_typed(s, res, "created_at", OUT_TIME);
	str_puts(s, ", ");
	put_typed(s, res, "age_s", OUT_SECONDS);
	str_puts(s, " ago, by ");
	put_typed(s, res, "created_by", OUT_TEXT);
	str_putc(s, '\n');
	if (*due == '-') {
		sheet_label(s, "due");
		put_typed(s, res, "run_at", OUT_TIME);
		str_puts(s, ", in ");
		out_pretty(s, OUT_SECONDS, due + 1);
		str_putc(s, '\n');
	}
	if (get(res, "started_at")) {
		sheet_label(s, "started");
		put_typed(s, res, "started_at", OUT_TIME);
		if (get(res, "timeout_s")) {
			str_puts(s, ", timeout ");
			put_typed(s, res, "timeout_s", OUT_SECONDS);
		}
		str_putc(s, '\n');
	}
	if (get(res, "completed_at")) {
		sheet_label(s, "ended");
		put_typed(s, res, "completed_at", OUT_TIME);
		if (get(res, "run_s")) {
			str_puts(s, ", ran ");
			put_typed(s, res, "run_s", OUT_SECONDS);
		}
		if (get(res, "cpu_s")) {
			str_puts(s, ", CPU ");
			put_typed(s, res, "cpu_s", OUT_SECONDS);
		}
		if (get(res, "max_rss_bytes")) {
			str_puts(s, ", memory ");
			put_typed(s, res, "max_rss_bytes", OUT_BYTES);
		}
		str_putc(s, '\n');
	}
}

/* No process runs it, see jobctl-contracts(7). */
static bool
by_hand(const PGresult *res)
{
	return is(res, "worker_pid", "0");
}

static void
put_worker(struct str *s, const PGresult *res)
{
	if (!get(res, "worker"))
		return;
	sheet_label(s, "worker");
	if (get(res, "worker_host")) {
		put_typed(s, res, "worker_host", OUT_TEXT);
		if (by_hand(res)) {
			str_puts(s, ", by hand ");
		} else {
			str_puts(s, " pid ");
			put_typed(s, res, "worker_pid", OUT_NUM);
			str_putc(s, ' ');
		}
	}
	str_putf(s, "(%s)", text_of(res, "worker"));
	if (get(res, "heartbeat_age_s")) {
		str_puts(s, ", heard of ");
		put_typed(s, res, "heartbeat_age_s", OUT_SECONDS);
		str_puts(s, " ago");
	}
	if (*text_of(res, "lease_s") == '-') {
		str_puts(s, ", lease ended ");
		out_pretty(s, OUT_SECONDS, text_of(res, "lease_s") + 1);
		str_puts(s, " ago");
	} else if (get(res, "lease_s")) {
		str_puts(s, ", lease ends in ");
		put_typed(s, res, "lease_s", OUT_SECONDS);
	}
	str_putc(s, '\n');
}

static void
put_progress(struct str *s, const PGresult *res)
{
	double done = strtod(text_of(res, "progress_done"), NULL);
	double total = strtod(text_of(res, "progress_total"), NULL);

	if (!get(res, "progress_done") && !get(res, "message"))
		return;
	sheet_label(s, "progress");
	if (get(res, "progress_done")) {
		str_putf(s, "%s/%s", text_of(res, "progress_done"),
			 text_of(res, "progress_total"));
		if (total > 0)
			str_putf(s, " (%.0f%%)", 100 * done / total);
		if (get(res, "eta_s")) {
			str_puts(s, ", ");
			put_typed(s, res, "eta_s", OUT_SECONDS);
			str_puts(s, " left");
		}
		str_puts(s, get(res, "message") ? ": " : "");
	}
	sheet_lines(s, text_of(res, "message"), MANY);
}

static void
put_json(struct str *s, const PGresult *res, const char *name)
{
	if (!get(res, name))
		return;
	sheet_label(s, name);
	sheet_lines(s, get(res, name), JSON_LINES);
}

static void
put_row(struct str *s, const PGresult *res)
{
	put_status(s, res);
	sheet_line(s, "project", text_of(res, "project"));
	sheet_line(s, "queue", text_of(res, "queue"));
	sheet_line(s, "kind", text_of(res, "kind"));
	sheet_line(s, "unique key", text_of(res, "unique_key"));
	if (!is(res, "priority", "0"))
		sheet_line(s, "priority", text_of(res, "priority"));
	sheet_label(s, "attempt");
	str_putf(s, "%s of %s", text_of(res, "attempt"), text_of(res, "max_attempts"));
	if (!is(res, "crashes", "0"))
		str_putf(s, ", workers lost: %s", text_of(res, "crashes"));
	str_putc(s, '\n');
	put_times(s, res);
	put_worker(s, res);
	put_progress(s, res);
	put_json(s, res, "stats");
	put_json(s, res, "result");
	put_json(s, res, "args");
	sheet_line(s, "error", text_of(res, "error_message"));
}

static int
put_dependencies(struct pg *db, const struct uuid *id, struct str *s, struct err *e)
{
	static const char sql[] =
		"SELECT d.needs_id, d.needs_ok, j.status FROM jobctl.job_dependencies d"
		" LEFT JOIN LATERAL (SELECT status FROM jobctl.job"
		"                    WHERE id = d.needs_id LIMIT 1) AS j ON true"
		" WHERE d.job_id = $1 ORDER BY d.needs_id LIMIT $2";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_uuid(id), pg_i32(MANY + 1)), e);

	for (int r = 0; r < n; r++) {
		sheet_label(s, r ? "" : "waits for");
		if (r == MANY) {
			str_puts(s, "and more\n");
			break;
		}
		str_putf(s, "%s to %s, is ", pg_get(res, r, 0),
			 pg_get_bool(res, r, 1) ? "complete" : "end");
		sheet_text(s, *pg_get(res, r, 2) ? pg_get(res, r, 2) : "not to be seen");
		str_putc(s, '\n');
	}
	return n;
}

static void
put_run(struct str *s, const PGresult *res, int r)
{
	str_putf(s, "attempt %s, ", pg_get(res, r, 1));
	out_pretty(s, OUT_TIME, pg_get(res, r, 2));
	str_puts(s, ", ran ");
	out_pretty(s, OUT_SECONDS, pg_get_or_null(res, r, 4));
	str_puts(s, ": ");
	put_outcome(s, pg_get_or_null(res, r, 5), pg_get_or_null(res, r, 6),
		    pg_get_or_null(res, r, 7));
	if (*pg_get(res, r, 8)) {
		str_puts(s, " on ");
		sheet_text(s, pg_get(res, r, 8));
	}
	if (*pg_get(res, r, 9)) {
		str_puts(s, ": ");
		sheet_text(s, pg_get(res, r, 9));
	}
	str_putc(s, '\n');
}

int
job_show_runs(struct pg *db, const struct uuid *id, struct job_span span, int skip, int max,
	      struct str *s, struct job_run *last, struct err *e)
{
	static const char sql[] =
		"SELECT " JOB_RUN_COLUMNS ", extract(epoch FROM ended_at - started_at),"
		" outcome, exit_code, signal, worker_host, error_message FROM jobctl.job_run"
		" WHERE job_id = $1"
		" AND " JOB_SPAN_SQL("ended_at", "$2::timestamptz", "$3::timestamptz", "ended_at IS NULL")
		" ORDER BY started_at DESC LIMIT $4";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_uuid(id), span.from, span.to, pg_i32(skip + max)), e);

	for (int r = skip; r < n; r++) {
		sheet_label(s, r > skip ? "" : "earlier");
		put_run(s, res, r);
	}
	if (n <= 0)
		return n;
	return job_run_row(res, 0, last, e) ? -1 : 1;
}

static int
put_events(struct pg *db, const struct uuid *id, struct str *s, struct err *e)
{
	static const char sql[] = "SELECT jobctl.rfc3339(at), event, role_name, client, why "
				  "FROM jobctl.job_events"
				  " WHERE job_id = $1 ORDER BY event_id DESC LIMIT $2";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_uuid(id), pg_i32(MANY)), e);

	for (int r = 0; r < n; r++) {
		sheet_label(s, r ? "" : "events");
		out_pretty(s, OUT_TIME, pg_get(res, r, 0));
		str_putf(s, " %s by ", pg_get(res, r, 1));
		sheet_text(s, pg_get(res, r, 2));
		if (*pg_get(res, r, 3)) {
			str_puts(s, " (");
			sheet_text(s, pg_get(res, r, 3));
			str_putc(s, ')');
		}
		if (*pg_get(res, r, 4)) {
			str_puts(s, ": ");
			sheet_text(s, pg_get(res, r, 4));
		}
		str_putc(s, '\n');
	}
	return n;
}

/* The pieces in a row, as much of their end as fits. */
struct tail {
	struct str text;
	size_t skip;
	int streams;
};

static int
gather(void *ctx, const struct job_run *run, const struct job_piece *p, struct err *e)
{
	struct tail *t = ctx;

	(void)run;
	(void)e;
	if (!p || !(p->stream & t->streams))
		return 0;
	str_add(&t->text, p->data + t->skip, p->len - t->skip);
	t->skip = 0;
	return 0;
}

int
job_show_output(struct pg *db, const struct uuid *id, const struct job_run *run, int streams,
		int lines, const char *title, struct str *s, struct err *e)
{
	struct tail t = { .text = STR(STR_ANY), .streams = streams };
	int first, rc = 0;

	if (job_run_tail(db, id, run, streams, lines, &first, &t.skip, e) ||
	    job_run_read(db, id, run, first, gather, &t, e) < 0) {
		rc = -1;
	} else if (t.text.len) {
		size_t from = t.text.len > OUTPUT_BYTES ? t.text.len - OUTPUT_BYTES : 0;
		const char *p = t.text.buf + from, *end = t.text.buf + t.text.len;

		str_puts(s, title);
		while (p < end) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));
			size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);

			str_puts(s, "  | ");
			str_put_safe_text(s, p, len);
			str_putc(s, '\n');
			p += len + (nl != NULL);
		}
	}
	str_free(&t.text);
	return rc;
}

static void
put_next(struct str *s, const struct uuid *id, const PGresult *res, bool ran)
{
	const bool live = is(res, "live", "t");
	const struct {
		bool wanted;
		const char *command;
	} commands[] = {
		{ strstr(text_of(res, "reasons"), "LeaseExpired"), "reap" },
		{ is(res, "status", "held"), "release" },
		{ live, "explain" },
		{ live && by_hand(res), "events -f" },
		{ live && !by_hand(res), "logs -f" },
		{ live, "wait" },
		{ live, "cancel" },
		{ !live && ran, "logs" },
		{ !live && !ran, "status --json" },
		{ is(res, "status", "failed") || is(res, "status", "cancelled"), "retry" },
	};
	const char *name = "next";

	for (size_t i = 0; i < NELEM(commands); i++) {
		if (!commands[i].wanted)
			continue;
		sheet_label(s, name);
		str_putf(s, "jobctl-%s", commands[i].command);
		if (strcmp(commands[i].command, "reap") != 0)
			str_putf(s, " %s", uuid_str(id).z);
		str_putc(s, '\n');
		name = "";
	}
}

int
job_show(struct pg *db, const struct uuid *id, struct str *s, struct err *e)
{
	struct job_span span = job_span_of_id(id);
	struct job_run run;
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql_job, PG_ARGS(pg_uuid(id), span.from, span.to), e), ran;

	if (n == 0 && span.from.len >= 0) {
		pg_res_free(&res);
		span = JOB_SPAN_ANY;
		n = pg_call(db, &res, sql_job, PG_ARGS(pg_uuid(id), span.from, span.to), e);
	}
	if (n <= 0)
		return n;
	sheet_label(s, "job");
	str_putf(s, "%s\n", uuid_str(id).z);
	put_row(s, res);
	if (strstr(text_of(res, "reasons"), "Dependency") && put_dependencies(db, id, s, e) < 0)
		return -1;
	span = job_span(pg_get_i64(res, 0, pg_col(res, "from_us")),
			pg_get_i64(res, 0, pg_col(res, "to_us")));
	ran = job_show_runs(db, id, span, get(res, "started_at") != NULL, MANY, s, &run, e);
	if (ran < 0 || put_events(db, id, s, e) < 0 ||
	    (ran && job_show_output(db, id, &run, 3, OUTPUT_LINES, "output, the last lines\n", s, e)))
		return -1;
	put_next(s, id, res, ran);
	return 1;
}
