/*
 * view.c - the panels' statements and columns
 *
 * No statement may become slow with the number of jobs: what runs is found through
 * claims, what waits at the beginnings of indexes, what failed in an index of all that
 * did not complete, newest first, and with a filter only in the last ten thousand.
 */
#include "top/view.h"

#include <stdlib.h>
#include <string.h>

#define MATCHES "($2::text IS NULL OR strpos(lower(concat_ws(' ', id, queue, kind)), $2) > 0)"
#define SECONDS(from, to) "round(extract(epoch FROM " to " - " from "), 3)"

static const struct top_col queue_cols[] = {
	{ .title = "QUEUE", .max = 24, .keep = 99 },
	{ .title = "READY", .type = OUT_NUM, .keep = 90 },
	{ .title = "SCHED", .type = OUT_NUM, .keep = 30 },
	{ .title = "BLOCK", .type = OUT_NUM, .keep = 20 },
	{ .title = "HELD", .type = OUT_NUM, .keep = 40 },
	{ .title = "RUN", .type = OUT_NUM, .keep = 80 },
	{ .title = "ENDED/M", .type = OUT_NUM, .keep = 60 },
	{ .title = "FAILED/M", .type = OUT_NUM, .keep = 65 },
	{ .title = "OLDEST", .type = OUT_SECONDS, .keep = 70 },
	{ .title = "WORKERS", .type = OUT_NUM, .keep = 50 },
	{ .title = "STATE", .rest = true, .keep = 75 },
	{ .title = NULL }
};
static const char *const queue_orders[] = {
	"name", "queue", "ready", "ready DESC, queue", "running", "running DESC, queue",
	"failed", "failed_per_min DESC NULLS LAST, queue", "oldest",
	"oldest_ready_s DESC NULLS LAST, queue", NULL
};
/*
 * Queues whose name has the filter's text; or all, if it is in none of them: then a
 * kind or an id was meant.
 */
static const char queue_sql[] =
	"WITH q AS MATERIALIZED (SELECT *, strpos(lower(queue), $2) > 0 AS hit FROM jobctl.queue),"
	" t AS (SELECT to_char(now() AT TIME ZONE 'UTC', 'HH24:MI:SS') AS at, count(*) AS n,"
	" coalesce(sum(ready), 0), coalesce(sum(scheduled), 0), coalesce(sum(blocked), 0),"
	" coalesce(sum(held), 0), coalesce(sum(running), 0),"
	" round(sum(ended_per_min)::numeric, 1), round(sum(failed_per_min)::numeric, 1) FROM q)"
	" SELECT queue AS key, CASE WHEN paused_at IS NOT NULL THEN 1"
	" WHEN ready > 0 AND workers = 0 THEN 2 ELSE 0 END,"
	" paused_at IS NOT NULL, queue, ready, scheduled, blocked, held,"
	" running || coalesce('/' || max_running, ''), round(ended_per_min::numeric, 1),"
	" round(failed_per_min::numeric, 1), round(oldest_ready_s::numeric, 3), workers,"
	" CASE WHEN paused_at IS NOT NULL THEN concat('paused by ', paused_by,"
	" to_char(paused_until AT TIME ZONE 'UTC', '\" until \"HH24:MI\"Z\"'), ': ' || paused_why)"
	" WHEN ready > 0 AND workers = 0 THEN 'no worker'"
	" WHEN running >= max_running THEN 'at its limit' END, t.*"
	" FROM t LEFT JOIN (SELECT * FROM q WHERE $2::text IS NULL OR hit"
	" OR NOT EXISTS (SELECT FROM q WHERE hit) ORDER BY %s LIMIT $1) AS s ON true ORDER BY %s";

static const struct top_col worker_cols[] = {
	{ .title = "WORKER", .max = 32, .keep = 99 },
	{ .title = "STATE", .keep = 80 },
	{ .title = "BUSY", .type = OUT_NUM, .keep = 90 },
	{ .title = "HEARD OF", .type = OUT_SECONDS, .keep = 70 },
	{ .title = "LEASE", .type = OUT_SECONDS, .keep = 60 },
	{ .title = "UP", .type = OUT_SECONDS, .keep = 50 },
	{ .title = "VERSION", .max = 12, .keep = 10 },
	{ .title = "KINDS", .max = 24, .keep = 20 },
	{ .title = "QUEUES", .rest = true, .keep = 75 },
	{ .title = NULL }
};
static const char *const worker_orders[] = {
	"host", "host, pid, worker_id", "busy", "busy DESC, host, pid, worker_id",
	"heartbeat", "heartbeat_at, worker_id", NULL
};
static const char worker_sql[] =
	"WITH r AS (SELECT worker AS worker_id, count(*) AS n FROM jobctl.running_jobs()"
	" GROUP BY worker),"
	" w AS MATERIALIZED (SELECT w.*, coalesce(r.n, 0) AS busy, lease_until > now() AS alive"
	" FROM jobctl.workers w LEFT JOIN r USING (worker_id) WHERE w.pid > 0),"
	" t AS (SELECT count(*) FILTER (WHERE alive), coalesce(sum(slots) FILTER (WHERE alive), 0),"
	" coalesce(sum(busy), 0), count(*) FILTER (WHERE NOT alive) FROM w)"
	" SELECT worker_id AS key, CASE WHEN NOT alive THEN 2"
	" WHEN heartbeat_at < now() - lease * 0.6 THEN 1 ELSE 0 END, NULL,"
	" host || ':' || pid, CASE WHEN NOT alive THEN 'lost'"
	" WHEN heartbeat_at < now() - lease * 0.6 THEN 'late' ELSE 'alive' END,"
	" busy || '/' || slots, " SECONDS("heartbeat_at", "now()") ","
	" CASE WHEN alive THEN " SECONDS("now()", "lease_until") " END,"
	" " SECONDS("started_at", "now()") ", version,"
	" coalesce(array_to_string(kinds, ','), '*'), coalesce(array_to_string(queues, ','), '*'),"
	" t.* FROM t LEFT JOIN (SELECT * FROM w WHERE $2::text IS NULL"
	" OR strpos(lower(concat_ws(' ', worker_id, host || ':' || pid, queues, kinds)), $2) > 0"
	" ORDER BY %s LIMIT $1) AS s ON true ORDER BY %s";

static const struct top_col running_cols[] = {
	{ .title = "RUNNING", .type = OUT_ID, .keep = 99 },
	{ .title = "QUEUE", .max = 16, .keep = 40 },
	{ .title = "KIND", .max = 20, .keep = 80 },
	{ .title = "STATE", .keep = 85 },
	{ .title = "PROGRESS", .bar = true, .keep = 70 },
	{ .title = "LEFT", .type = OUT_SECONDS, .keep = 60 },
	{ .title = "RAN", .type = OUT_SECONDS, .keep = 90 },
	{ .title = "WORKER", .max = 24, .keep = 30 },
	{ .title = "MESSAGE", .rest = true, .keep = 50 },
	{ .title = NULL }
};
static const char *const running_orders[] = {
	"run time", "started_at, id", "time left", "eta_s DESC NULLS LAST, id", "progress",
	"progress_done::double precision / nullif(progress_total, 0) DESC NULLS LAST, id",
	"queue", "queue, started_at, id", "kind", "kind, started_at, id", "worker",
	"worker_host, worker_pid, started_at, id", NULL
};
static const char running_sql[] =
	"SELECT id AS key, CASE reasons[1] WHEN 'Healthy' THEN 0"
	" WHEN 'CancelRequested' THEN 1 WHEN 'HeartbeatLate' THEN 1 WHEN 'Slow' THEN 1 ELSE 2 END,"
	" kind, id, queue, kind,"
	" reasons[1] || coalesce(' +' || nullif(cardinality(reasons) - 1, 0), ''),"
	" progress_done::double precision / nullif(progress_total, 0), round(eta_s::numeric, 3),"
	" " SECONDS("started_at", "now()") ", worker_host || coalesce(':' || nullif(worker_pid, 0), ''),"
	" coalesce(message, CASE WHEN progress_total IS NULL THEN progress_done || ' done' END)"
	" FROM (SELECT * FROM jobctl.job"
	" WHERE live AND id = ANY (ARRAY(SELECT r.id FROM jobctl.running_jobs() AS r))"
	" AND " MATCHES " ORDER BY %s LIMIT $1) AS j ORDER BY %s";

static const struct top_col waiting_cols[] = {
	{ .title = "WAITING", .type = OUT_ID, .keep = 99 },
	{ .title = "QUEUE", .max = 16, .keep = 80 },
	{ .title = "KIND", .max = 20, .keep = 85 },
	{ .title = "REASON", .keep = 90 },
	{ .title = "PRIORITY", .type = OUT_NUM, .keep = 30 },
	{ .title = "ATTEMPT", .type = OUT_NUM, .keep = 40 },
	{ .title = "AGE", .type = OUT_SECONDS, .keep = 70 },
	{ .title = "DUE IN", .type = OUT_SECONDS, .keep = 60 },
	{ .title = "LAST ERROR", .rest = true, .keep = 50 },
	{ .title = NULL }
};
/* What will not start by itself comes first: that is what somebody looks for. */
#define WAITING_MOOD \
	"CASE reasons[1] WHEN 'NoWorker' THEN 2 WHEN 'NoHandler' THEN 2" \
	" WHEN 'RowLocked' THEN 2 WHEN 'Held' THEN 1 WHEN 'Backoff' THEN 1" \
	" WHEN 'QueuePaused' THEN 1 ELSE 0 END"
static const char *const waiting_orders[] = {
	"need", (WAITING_MOOD " DESC, queue, priority DESC, run_at, id"),
	"queue", "queue, priority DESC, run_at, id", "age", "created_at, id",
	"kind", "kind, created_at, id", NULL
};
static const char waiting_sql[] =
	"SELECT id AS key, " WAITING_MOOD ","
	" kind, id, queue, kind,"
	" reasons[1] || coalesce(' +' || nullif(cardinality(reasons) - 1, 0), ''),"
	" priority, attempt || '/' || max_attempts, " SECONDS("created_at", "now()") ","
	" CASE WHEN run_at > now() THEN " SECONDS("now()", "run_at") " END, error_message"
	" FROM (SELECT * FROM jobctl.job WHERE live AND id = ANY (ARRAY(SELECT jobctl.waiting_jobs("
	"CASE WHEN $2::text IS NULL THEN $1 ELSE 2500 END)))"
	" AND " MATCHES " ORDER BY %s LIMIT $1) AS j ORDER BY %s";

static const struct top_col failed_cols[] = {
	{ .title = "FAILED", .type = OUT_ID, .keep = 99 },
	{ .title = "AGO", .type = OUT_SECONDS, .keep = 90 },
	{ .title = "QUEUE", .max = 16, .keep = 40 },
	{ .title = "KIND", .max = 20, .keep = 80 },
	{ .title = "ATTEMPT", .type = OUT_NUM, .keep = 30 },
	{ .title = "RAN", .type = OUT_SECONDS, .keep = 50 },
	{ .title = "OUTCOME", .keep = 85 },
	{ .title = "ERROR", .rest = true, .keep = 75 },
	{ .title = NULL }
};
static const char *const failed_orders[] = {
	"time", "completed_at DESC, id", "kind", "kind, completed_at DESC, id",
	"queue", "queue, completed_at DESC, id", NULL
};
static const char failed_sql[] =
	"SELECT id AS key, 2, kind, id, " SECONDS("completed_at", "now()") ", queue, kind,"
	" attempt || '/' || max_attempts, " SECONDS("started_at", "completed_at") ","
	" CASE outcome WHEN 'exit' THEN 'exit ' || exit_code"
	" WHEN 'signal' THEN 'signal ' || signal ELSE outcome END, error_message"
	" FROM (SELECT * FROM (SELECT * FROM jobctl.job WHERE NOT live AND status = 'failed'"
	" AND completed_at > now() - interval '1 day' ORDER BY completed_at DESC LIMIT 10000) AS f"
	" WHERE " MATCHES " ORDER BY %s LIMIT $1) AS j ORDER BY %s";

static const struct top_panel_def panels[TOP_PANELS] = {
	[TOP_QUEUES] = { "queues", "no queue", queue_cols, queue_orders, queue_sql },
	[TOP_WORKERS] = { "workers", "no worker", worker_cols, worker_orders, worker_sql },
	[TOP_JOBS] = { "running jobs", "no job runs", running_cols, running_orders, running_sql },
	[TOP_FAILED] = { "failures", "no job has failed within a day", failed_cols, failed_orders,
			 failed_sql },
};
static const struct top_panel_def waiting = { "waiting jobs", "no job waits", waiting_cols,
					      waiting_orders, waiting_sql };

const struct top_panel_def *
top_panel(enum top_panel p, const struct top_view *v)
{
	return p == TOP_JOBS && v->waiting ? &waiting : &panels[p];
}

int
top_norders(enum top_panel p, const struct top_view *v)
{
	const char *const *orders = top_panel(p, v)->orders;
	int n = 0;

	while (orders[2 * n])
		n++;
	return n;
}

void
top_question(enum top_panel p, const struct top_view *v, struct str *sql,
	     struct pg_val args[TOP_ARGS])
{
	const struct top_panel_def *def = top_panel(p, v);
	const char *order = def->orders[2 * v->sort[p] + 1], *from = def->sql;

	for (const char *mark; (mark = strstr(from, "%s")); from = mark + 2) {
		str_add(sql, from, (size_t)(mark - from));
		str_puts(sql, order);
	}
	str_puts(sql, from);
	args[0] = pg_i32(v->rows[p]);
	args[1] = pg_text(v->filter);
}

int
top_rows(const PGresult *res)
{
	return res && PQntuples(res) && !PQgetisnull(res, 0, TOP_KEY) ? PQntuples(res) : 0;
}

/* The i-th of the values that are about everything. */
static const char *
total(enum top_panel p, const PGresult *res, int i)
{
	const struct top_col *c = panels[p].cols;
	int n = TOP_FIRST;

	for (; c->title; c++)
		n++;
	return res && PQntuples(res) ? pg_get(res, 0, n + i) : "";
}

const char *
top_time(const PGresult *queues)
{
	return total(TOP_QUEUES, queues, 0);
}

static void
put_total(struct str *s, const char *value, const char *what)
{
	if (*value)
		str_putf(s, "%s%s %s", s->len ? "  " : "", value, what);
}

void
top_summary(struct str *s, const PGresult *queues, const PGresult *workers)
{
	/* a narrow screen cuts what the queues show as well */
	static const struct {
		int at;
		const char *name;
	} first[] = { { 6, "running" }, { 2, "ready" }, { 7, "ended/min" }, { 8, "failed/min" } },
	  last[] = { { 3, "scheduled" }, { 4, "blocked" }, { 5, "held" } };

	for (size_t i = 0; i < NELEM(first); i++)
		put_total(s, total(TOP_QUEUES, queues, first[i].at), first[i].name);
	put_total(s, total(TOP_WORKERS, workers, 0), "workers");
	if (workers)
		str_putf(s, " (%s/%s busy)", total(TOP_WORKERS, workers, 2),
			 total(TOP_WORKERS, workers, 1));
	if (workers && strcmp(total(TOP_WORKERS, workers, 3), "0") != 0)
		put_total(s, total(TOP_WORKERS, workers, 3), "lost");
	for (size_t i = 0; i < NELEM(last); i++)
		put_total(s, total(TOP_QUEUES, queues, last[i].at), last[i].name);
}
