/*
 * job_show.c - one job on one screen
 *
 * Each part is a statement of its own and is left out if it has nothing to say.
 */
#include "job_show.h"

#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "job_run.h"
#include "out.h"

enum { LABEL = 11, JSON_LINES = 20, MANY = 10, OUTPUT_LINES = 10, OUTPUT_BYTES = 16384 };

/* "label      " in front of what the caller appends next. */
static void
label(struct str *s, const char *text)
{
	str_putf(s, "%-*s", LABEL, text);
}

static void
put(struct str *s, const char *text)
{
	str_put_safe(s, text, strlen(text));
}

/* Lines of text, the second and later ones under the first; at most max of them. */
static void
put_lines(struct str *s, const char *text, int max)
{
	for (int i = 0; *text; i++) {
		size_t n = strcspn(text, "\n");

		if (i)
			str_putf(s, "\n%*s", LABEL, "");
		if (i == max) {
			str_puts(s, "...");
			break;
		}
		str_put_safe(s, text, n);
		text += n + (text[n] == '\n');
	}
	str_putc(s, '\n');
}

static void
line(struct str *s, const char *name, const char *text)
{
	if (!*text)
		return;
	label(s, name);
	put_lines(s, text, MANY);
}

/* JSON on one line if it is short. */
#define PRETTY(f) \
	"CASE WHEN length(" f "::text) > 70 THEN jsonb_pretty(" f ") ELSE " f "::text END AS " f

static const char sql_job[] =
	"SELECT project, queue, kind, status, array_to_string(reasons, ', ') AS reasons,"
	" priority, attempt, max_attempts, crashes, created_by, unique_key, live,"
	" jobctl.rfc3339(run_at) AS run_at, jobctl.rfc3339(created_at) AS created_at,"
	" jobctl.rfc3339(started_at) AS started_at,"
	" jobctl.rfc3339(completed_at) AS completed_at,"
	" extract(epoch FROM now() - created_at) AS age_s,"
	" extract(epoch FROM now() - run_at) AS due_s,"
	" extract(epoch FROM coalesce(completed_at, now()) - started_at) AS run_s,"
	" extract(epoch FROM now() - completed_at) AS ended_s,"
	" extract(epoch FROM timeout) AS timeout_s,"
	" worker, worker_host, worker_pid, heartbeat_age_s,"
	" (SELECT extract(epoch FROM w.lease_until - now()) FROM jobctl.workers w"
	"  WHERE w.worker_id = j.worker) AS lease_s,"
	" outcome, exit_code, signal, error_message, message, progress_done, progress_total,"
	" CASE WHEN progress_done > 0 AND progress_total >= progress_done"
	" AND status = 'running' THEN extract(epoch FROM now() - started_at)"
	" * (progress_total - progress_done) / progress_done END AS eta_s,"
	" max_rss_bytes, cpu_s, " PRETTY("stats") ", " PRETTY("result") ", " PRETTY("args")
	" FROM (SELECT * FROM jobctl.job WHERE id = $1 LIMIT 1) AS j";

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
		put(s, outcome);
}

static void
put_status(struct str *s, const PGresult *res)
{
	label(s, "status");
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

	label(s, "created");
	put_typed(s, res, "created_at", OUT_TIME);
	str_puts(s, ", ");
	put_typed(s, res, "age_s", OUT_SECONDS);
	str_puts(s, " ago, by ");
	put_typed(s, res, "created_by", OUT_TEXT);
	str_putc(s, '\n');
	if (*due == '-') {
		label(s, "due");
		put_typed(s, res, "run_at", OUT_TIME);
		str_puts(s, ", in ");
		out_pretty(s, OUT_SECONDS, due + 1);
		str_putc(s, '\n');
	}
	if (get(res, "started_at")) {
		label(s, "started");
		put_typed(s, res, "started_at", OUT_TIME);
		if (get(res, "timeout_s")) {
			str_puts(s, ", timeout ");
			put_typed(s, res, "timeout_s", OUT_SECONDS);
		}
		str_putc(s, '\n');
	}
	if (get(res, "completed_at")) {
		label(s, "ended");
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

static void
put_worker(struct str *s, const PGresult *res)
{
	if (!get(res, "worker"))
		return;
	label(s, "worker");
	if (get(res, "worker_host")) {
		put_typed(s, res, "worker_host", OUT_TEXT);
		str_puts(s, " pid ");
		put_typed(s, res, "worker_pid", OUT_NUM);
		str_putc(s, ' ');
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
	label(s, "progress");
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
	put_lines(s, text_of(res, "message"), MANY);
}

static void
put_json(struct str *s, const PGresult *res, const char *name)
{
	if (!get(res, name))
		return;
	label(s, name);
	put_lines(s, get(res, name), JSON_LINES);
}

static void
put_row(struct str *s, const PGresult *res)
{
	put_status(s, res);
	line(s, "project", text_of(res, "project"));
	line(s, "queue", text_of(res, "queue"));
	line(s, "kind", text_of(res, "kind"));
	line(s, "unique key", text_of(res, "unique_key"));
	if (!is(res, "priority", "0"))
		line(s, "priority", text_of(res, "priority"));
	label(s, "attempt");
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
	line(s, "error", text_of(res, "error_message"));
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
		label(s, r ? "" : "waits for");
		if (r == MANY) {
			str_puts(s, "and more\n");
			break;
		}
		str_putf(s, "%s to %s, is ", pg_get(res, r, 0),
			 pg_get_bool(res, r, 1) ? "complete" : "end");
		put(s, *pg_get(res, r, 2) ? pg_get(res, r, 2) : "not to be seen");
		str_putc(s, '\n');
	}
	return n;
}

/* Runs before the one that the job's row tells of (if it does), the newest first. */
static int
put_runs(struct pg *db, const struct uuid *id, bool told, struct str *s, struct err *e)
{
	static const char sql[] =
		"SELECT attempt, jobctl.rfc3339(started_at),"
		" extract(epoch FROM ended_at - started_at),"
		" outcome, exit_code, signal, worker_host, error_message FROM jobctl.job_run"
		" WHERE job_id = $1 ORDER BY started_at DESC OFFSET $2 LIMIT $3";
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_uuid(id), pg_i32(told), pg_i32(MANY)), e);

	for (int r = 0; r < n; r++) {
		label(s, r ? "" : "earlier");
		str_putf(s, "attempt %s, ", pg_get(res, r, 0));
		out_pretty(s, OUT_TIME, pg_get(res, r, 1));
		str_puts(s, ", ran ");
		out_pretty(s, OUT_SECONDS, pg_get_or_null(res, r, 2));
		str_puts(s, ": ");
		put_outcome(s, pg_get_or_null(res, r, 3), pg_get_or_null(res, r, 4),
			    pg_get_or_null(res, r, 5));
		if (*pg_get(res, r, 6)) {
			str_puts(s, " on ");
			put(s, pg_get(res, r, 6));
		}
		if (*pg_get(res, r, 7)) {
			str_puts(s, ": ");
			put(s, pg_get(res, r, 7));
		}
		str_putc(s, '\n');
	}
	return n;
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
		label(s, r ? "" : "events");
		out_pretty(s, OUT_TIME, pg_get(res, r, 0));
		str_putf(s, " %s by ", pg_get(res, r, 1));
		put(s, pg_get(res, r, 2));
		if (*pg_get(res, r, 3)) {
			str_puts(s, " (");
			put(s, pg_get(res, r, 3));
			str_putc(s, ')');
		}
		if (*pg_get(res, r, 4)) {
			str_puts(s, ": ");
			put(s, pg_get(res, r, 4));
		}
		str_putc(s, '\n');
	}
	return n;
}

/* The pieces in a row, as much of their end as fits. */
struct tail {
	struct str text;
	size_t skip;
};

static int
gather(void *ctx, const struct job_run *run, const struct job_piece *p, struct err *e)
{
	struct tail *t = ctx;

	(void)run;
	(void)e;
	if (!p)
		return 0;
	str_add(&t->text, p->data + t->skip, p->len - t->skip);
	t->skip = 0;
	return 0;
}

/* Returns 1 if the job has run at all. */
static int
put_output(struct pg *db, const struct uuid *id, struct str *s, struct err *e)
{
	struct tail t = { .text = STR(STR_ANY) };
	struct job_run run;
	int first, n = job_run_last(db, id, 0, &run, e);

	if (n <= 0)
		return n;
	if (job_run_tail(db, id, &run, 3, OUTPUT_LINES, &first, &t.skip, e) ||
	    job_run_read(db, id, &run, first, gather, &t, e) < 0) {
		n = -1;
	} else if (t.text.len) {
		size_t from = t.text.len > OUTPUT_BYTES ? t.text.len - OUTPUT_BYTES : 0;
		const char *p = t.text.buf + from, *end = t.text.buf + t.text.len;

		str_puts(s, "output, the last lines\n");
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
	return n;
}

static void
put_next(struct str *s, const struct uuid *id, const PGresult *res, bool ran)
{
	struct uuid_text t = uuid_str(id);

	label(s, "next");
	if (strstr(text_of(res, "reasons"), "LeaseExpired"))
		str_putf(s, "jobctl-reap\n%*s", LABEL, "");
	if (is(res, "live", "t"))
		str_putf(s, "jobctl-logs -f %s\n%*sjobctl-wait %s\n%*sjobctl-cancel %s\n", t.z,
			 LABEL, "", t.z, LABEL, "", t.z);
	else if (ran)
		str_putf(s, "jobctl-logs %s\n", t.z);
	else
		str_putf(s, "jobctl-status --json %s\n", t.z);
}

int
job_show(struct pg *db, const struct uuid *id, struct str *s, struct err *e)
{
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql_job, PG_ARGS(pg_uuid(id)), e), ran;

	if (n <= 0)
		return n;
	label(s, "job");
	str_putf(s, "%s\n", uuid_str(id).z);
	put_row(s, res);
	if (put_dependencies(db, id, s, e) < 0 ||
	    put_runs(db, id, get(res, "started_at") != NULL, s, e) < 0 ||
	    put_events(db, id, s, e) < 0)
		return -1;
	ran = put_output(db, id, s, e);
	if (ran < 0)
		return -1;
	put_next(s, id, res, ran);
	return 1;
}
