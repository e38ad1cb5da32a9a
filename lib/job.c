/*
 * job.c - fields, filters, and ids as people type them
 *
 * The parameters of a filter have fixed numbers, whether it uses them or not, so
 * that every fragment of SQL is a constant.  Reading lists is in job_list.c.
 */
#include "job.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "parse.h"

#define WAITED_TO "coalesce(started_at, completed_at, now())"
#define SECONDS(from, to) "round(extract(epoch FROM " to " - " from "), 3)"

static const struct {
	const char *sql;
	const char *json;	/* NULL: as sql */
	const char *table;	/* NULL: as sql */
	const char *key;	/* NULL: as sql */
} fields[JOB_NFIELDS] = {
	[JOB_ID] = { .sql = "id" },
	[JOB_PROJECT] = { .sql = "project" },
	[JOB_QUEUE] = { .sql = "queue" },
	[JOB_KIND] = { .sql = "kind" },
	[JOB_STATUS] = { .sql = "status" },
	[JOB_REASON] = {
		.sql = "reasons[1]",
		.table = "reasons[1] || "
			 "coalesce(' +' || nullif(cardinality(reasons) - 1, 0), '')"
	},
	[JOB_REASONS] = {
		.sql = "array_to_string(reasons, ',')", .json = "to_json(reasons)",
		.key = "reasons"
	},
	[JOB_PRIORITY] = { .sql = "priority" },
	[JOB_ATTEMPT] = { .sql = "attempt" },
	[JOB_MAX_ATTEMPTS] = { .sql = "max_attempts" },
	[JOB_CRASHES] = { .sql = "crashes" },
	[JOB_RUN_AT] = { .sql = "jobctl.rfc3339(run_at)", .key = "run_at" },
	[JOB_CREATED_AT] = { .sql = "jobctl.rfc3339(created_at)", .key = "created_at" },
	[JOB_STARTED_AT] = { .sql = "jobctl.rfc3339(started_at)", .key = "started_at" },
	[JOB_COMPLETED_AT] = { .sql = "jobctl.rfc3339(completed_at)", .key = "completed_at" },
	[JOB_AGE_S] = { .sql = SECONDS("created_at", "now()") },
	[JOB_WAIT_S] = {
		.sql = "CASE WHEN run_at <= " WAITED_TO
		       " THEN " SECONDS("run_at", WAITED_TO) " END"
	},
	[JOB_RUN_S] = { .sql = SECONDS("started_at", "coalesce(completed_at, now())") },
	[JOB_WORKER] = { .sql = "worker" },
	[JOB_WORKER_HOST] = { .sql = "worker_host" },
	[JOB_WORKER_PID] = { .sql = "worker_pid" },
	[JOB_HEARTBEAT_AGE_S] = { .sql = "round(heartbeat_age_s::numeric, 3)" },
	[JOB_OUTCOME] = { .sql = "outcome" },
	[JOB_EXIT_CODE] = { .sql = "exit_code" },
	[JOB_SIGNAL] = { .sql = "signal" },
	[JOB_ERROR_MESSAGE] = { .sql = "error_message" },
	[JOB_MESSAGE] = { .sql = "message" },
	[JOB_PROGRESS_DONE] = { .sql = "progress_done" },
	[JOB_PROGRESS_TOTAL] = { .sql = "progress_total" },
	[JOB_ETA_S] = { .sql = "round(eta_s::numeric, 3)", .key = "eta_s" },
	[JOB_STATS] = { .sql = "stats" },
	[JOB_RESULT] = { .sql = "result" },
	[JOB_MAX_RSS_BYTES] = { .sql = "max_rss_bytes" },
	[JOB_CPU_S] = { .sql = "round(cpu_s::numeric, 3)" },
	[JOB_UNIQUE_KEY] = { .sql = "unique_key" },
	[JOB_CREATED_BY] = { .sql = "created_by" },
	[JOB_ARGS] = { .sql = "args" },
};

const struct out_col job_cols[JOB_NFIELDS] = {
	[JOB_ID] = { "id", "ID", OUT_ID },
	[JOB_PROJECT] = { "project", "PROJECT", OUT_TEXT },
	[JOB_QUEUE] = { "queue", "QUEUE", OUT_TEXT },
	[JOB_KIND] = { "kind", "KIND", OUT_TEXT },
	[JOB_STATUS] = { "status", "STATUS", OUT_TEXT },
	[JOB_REASON] = { "reason", "REASON", OUT_TEXT },
	[JOB_REASONS] = { "reasons", "REASONS", OUT_JSON },
	[JOB_PRIORITY] = { "priority", "PRIORITY", OUT_NUM },
	[JOB_ATTEMPT] = { "attempt", "ATTEMPT", OUT_NUM },
	[JOB_MAX_ATTEMPTS] = { "max_attempts", "OF", OUT_NUM },
	[JOB_CRASHES] = { "crashes", "CRASHES", OUT_NUM },
	[JOB_RUN_AT] = { "run_at", "RUN AT", OUT_TIME },
	[JOB_CREATED_AT] = { "created_at", "CREATED", OUT_TIME },
	[JOB_STARTED_AT] = { "started_at", "STARTED", OUT_TIME },
	[JOB_COMPLETED_AT] = { "completed_at", "ENDED", OUT_TIME },
	[JOB_AGE_S] = { "age_s", "AGE", OUT_SECONDS },
	[JOB_WAIT_S] = { "wait_s", "WAITED", OUT_SECONDS },
	[JOB_RUN_S] = { "run_s", "RAN", OUT_SECONDS },
	[JOB_WORKER] = { "worker", "WORKER", OUT_ID },
	[JOB_WORKER_HOST] = { "worker_host", "HOST", OUT_TEXT },
	[JOB_WORKER_PID] = { "worker_pid", "PID", OUT_NUM },
	[JOB_HEARTBEAT_AGE_S] = { "heartbeat_age_s", "HEARTBEAT", OUT_SECONDS },
	[JOB_OUTCOME] = { "outcome", "OUTCOME", OUT_TEXT },
	[JOB_EXIT_CODE] = { "exit_code", "EXIT", OUT_NUM },
	[JOB_SIGNAL] = { "signal", "SIGNAL", OUT_NUM },
	[JOB_ERROR_MESSAGE] = { "error_message", "ERROR", OUT_TEXT },
	[JOB_MESSAGE] = { "message", "MESSAGE", OUT_TEXT },
	[JOB_PROGRESS_DONE] = { "progress_done", "DONE", OUT_NUM },
	[JOB_PROGRESS_TOTAL] = { "progress_total", "TOTAL", OUT_NUM },
	[JOB_ETA_S] = { "eta_s", "LEFT", OUT_SECONDS },
	[JOB_STATS] = { "stats", "STATS", OUT_JSON },
	[JOB_RESULT] = { "result", "RESULT", OUT_JSON },
	[JOB_MAX_RSS_BYTES] = { "max_rss_bytes", "MEMORY", OUT_BYTES },
	[JOB_CPU_S] = { "cpu_s", "CPU", OUT_SECONDS },
	[JOB_UNIQUE_KEY] = { "unique_key", "UNIQUE KEY", OUT_TEXT },
	[JOB_CREATED_BY] = { "created_by", "CREATED BY", OUT_TEXT },
	[JOB_ARGS] = { "args", "ARGS", OUT_JSON },
};

const char *
job_field_sql(enum job_field f, enum out_mode mode)
{
	if (mode == OUT_JSONL && fields[f].json)
		return fields[f].json;
	if (mode == OUT_TABLE && fields[f].table)
		return fields[f].table;
	return fields[f].sql;
}

const char *
job_field_key(enum job_field f)
{
	return fields[f].key ? fields[f].key : fields[f].sql;
}

int
job_sort_read(const char *text, enum job_field *field, bool *descending, struct err *e)
{
	AUTOFREE const struct out_col **picked = NULL;
	int n;

	if (out_pick(job_cols, JOB_NFIELDS, *text == '-' ? text + 1 : text, &picked, &n, e))
		return -1;
	if (n != 1)
		return err_set(e, ERR_USAGE, "\"%.60s\" is not one field", text);
	*field = (enum job_field)(picked[0] - job_cols);
	*descending = *text == '-';
	return 0;
}

static const char *const statuses[] = {
	"pending", "running", "held", "completed", "failed", "cancelled", NULL
};
enum { LIVE_STATUSES = 3 };

static const char *const reasons[] = {
	"Scheduled", "Backoff", "Dependency", "Held", "QueuePaused", "ConcurrencyLimit", "Quota",
	"NoWorker", "NoHandler", "RowLocked", "Behind", "Ready",
	"Healthy", "HeartbeatLate", "LeaseExpired", "Blocked", "CancelRequested", "Slow", NULL
};

bool
job_status_live(const char *status)
{
	for (int i = 0; i < LIVE_STATUSES; i++)
		if (!strcmp(status, statuses[i]))
			return true;
	return false;
}

/* The numbers are those of the parameters, less one. */
enum {
	ARG_IDS, ARG_STATUS, ARG_PROJECT, ARG_QUEUE, ARG_KIND, ARG_REASON, ARG_WORKER,
	ARG_WORKER_LO, ARG_WORKER_HI, ARG_SINCE, ARG_WITHIN, ARG_BEFORE, ARG_AGO
};

static const char *const conditions[JOB_FILTER_ARGS] = {
	[ARG_IDS] = "id = ANY ($1)",
	[ARG_STATUS] = "status = ANY ($2)",
	[ARG_PROJECT] = "project = ANY ($3)",
	[ARG_QUEUE] = "queue = ANY ($4)",
	[ARG_KIND] = "kind = ANY ($5)",
	[ARG_REASON] = "reasons && $6",
	/* in parentheses: the pieces are one, no comma is missing */
	[ARG_WORKER] = ("worker IS NOT NULL AND (worker_host = ANY ($7)"
			" OR worker_host || ':' || worker_pid = ANY ($7)"
			" OR EXISTS (SELECT FROM unnest($8, $9) AS w(lo, hi)"
			" WHERE worker BETWEEN w.lo AND w.hi))"),
	[ARG_SINCE] = "at >= $10",
	[ARG_WITHIN] = "at >= now() - $11",
	[ARG_BEFORE] = "at < $12",
	[ARG_AGO] = "at < now() - $13",
};

/* What runs is few, and no index has it: the claims lead there without reading what waits. */
static const char by_claims[] = "id = ANY (ARRAY(SELECT r.id FROM jobctl.running_jobs() AS r))";

static void
use(struct job_filter *f, int arg, struct pg_val v)
{
	f->args[arg] = v;
	if (conditions[arg])
		f->where[f->nwhere++] = conditions[arg];
}

/* The word of a NULL-terminated list that this is, in whatever case; else NULL. */
static const char *
word_of(const char *const *words, const char *z)
{
	for (; *words; words++)
		if (!strcasecmp(*words, z))
			return *words;
	return NULL;
}

static int
unknown_word(const char *what, const char *const *words, const char *z, struct err *e)
{
	AUTOSTR all = STR(280);

	for (; *words; words++)
		str_putf(&all, "%s%s", all.len ? " " : "", *words);
	(void)err_set(e, ERR_USAGE, "--%s: there is no %s \"%.60s\"", what, what, z);
	err_hint(e, "one of: %s", all.buf);
	return -1;
}

/*
 * One option's values, each a comma list, as a text array.  An array copies its
 * elements, so that the pieces need not stay.
 */
static int
read_list(struct job_filter *f, int arg, const char *what, const struct strlist *given,
	  const char *const *words, struct err *e)
{
	struct pg_array *a = &f->lists[arg];

	for (size_t i = 0; i < given->n; i++) {
		for (const char *p = given->v[i];; p++) {
			size_t n = strcspn(p, ",");
			AUTOFREE char *item = xstrndup(p, n);
			const char *word = item;

			if (!n)
				return err_set(e, ERR_USAGE,
					       "--%s: a name is empty in \"%.60s\"", what,
					       given->v[i]);
			if (words && !(word = word_of(words, item)))
				return unknown_word(what, words, item, e);
			pg_array_add(a, pg_text(word));
			if (words == statuses && job_status_live(word))
				f->live = true;
			else if (words == statuses)
				f->finished = true;
			p += n;
			if (!*p)
				break;
		}
	}
	if (given->n)
		use(f, arg, pg_array(a, pg_text("")));
	else
		f->args[arg] = pg_array(a, pg_text(""));
	return 0;
}

/* What can be the beginning of a worker's id is looked for as one, too. */
static void
read_worker_ids(struct job_filter *f)
{
	struct pg_array *lo = &f->lists[ARG_WORKER_LO], *hi = &f->lists[ARG_WORKER_HI];
	struct uuid a = { { 0 } }, b;
	struct err ignored;

	for (size_t i = 0; i < f->worker.n; i++) {
		for (const char *p = f->worker.v[i];; p++) {
			size_t n = strcspn(p, ",");
			AUTOFREE char *item = xstrndup(p, n);

			if (!uuid_parse_prefix(item, &a, &b, &ignored)) {
				pg_array_add(lo, pg_uuid(&a));
				pg_array_add(hi, pg_uuid(&b));
			}
			p += n;
			if (!*p)
				break;
		}
	}
	f->args[ARG_WORKER_LO] = pg_array(lo, pg_uuid(&a));
	f->args[ARG_WORKER_HI] = pg_array(hi, pg_uuid(&a));
}

/* HH:MM was read as the next such time; here it is the last one that is meant. */
static int64_t
day_before(int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	localtime_r(&t, &tm);
	tm.tm_mday--;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * 1000000;
}

/* A duration counts back from the server's now, anything else is a time. */
static int
read_time(struct job_filter *f, int at, int ago, const char *what, const char *z, struct err *e)
{
	struct err first;
	int64_t v;

	f->args[at] = pg_time(NEVER);
	f->args[ago] = pg_ms(NEVER);
	if (!z)
		return 0;
	if (parse_duration(z, 0, MS_MAX, &v, &first) == 0)
		use(f, ago, pg_ms(v));
	else if (parse_time(z, &v, e) == 0)
		use(f, at, pg_time(z[2] == ':' ? day_before(v) : v));
	else
		return err_set(e, ERR_USAGE,
			       "--%s: \"%.60s\" is neither a duration as 2h nor a "
			       "time as 2026-01-31T15:04:05Z, 2026-01-31 or 15:04",
			       what, z);
	return 0;
}

int
job_filter_read(struct job_filter *f, struct err *e)
{
	static const struct uuid nil;

	f->args[ARG_IDS] = pg_array(&f->lists[ARG_IDS], pg_uuid(&nil));
	if (read_list(f, ARG_STATUS, "status", &f->status, statuses, e) ||
	    read_list(f, ARG_PROJECT, "project", &f->project, NULL, e) ||
	    read_list(f, ARG_QUEUE, "queue", &f->queue, NULL, e) ||
	    read_list(f, ARG_KIND, "kind", &f->kind, NULL, e) ||
	    read_list(f, ARG_REASON, "reason", &f->reason, reasons, e) ||
	    read_list(f, ARG_WORKER, "worker", &f->worker, NULL, e) ||
	    read_time(f, ARG_SINCE, ARG_WITHIN, "since", f->since, e) ||
	    read_time(f, ARG_BEFORE, ARG_AGO, "older-than", f->older_than, e))
		return -1;
	read_worker_ids(f);
	if (!f->status.n) {
		f->live = true;
		f->finished = f->all;
	}
	if (f->status.n == 1 && !strcasecmp(f->status.v[0], "running"))
		f->where[f->nwhere++] = by_claims;
	if (!f->finished)
		f->where[f->nwhere++] = "live";
	else if (!f->live)
		f->where[f->nwhere++] = "NOT live";
	return 0;
}

void
job_filter_ids(struct job_filter *f, const struct job_ids *ids)
{
	static const struct uuid nil;
	struct pg_array *a = &f->lists[ARG_IDS];
	bool again = false;

	pg_array_reset(a);
	for (size_t i = 0; i < ids->n; i++)
		pg_array_add(a, pg_uuid(&ids->v[i]));
	f->args[ARG_IDS] = pg_array(a, pg_uuid(&nil));
	for (int i = 0; i < f->nwhere; i++)
		again = again || f->where[i] == conditions[ARG_IDS];
	if (!again)
		f->where[f->nwhere++] = conditions[ARG_IDS];
}

bool
job_filter_given(const struct job_filter *f)
{
	return f->status.n || f->project.n || f->queue.n || f->kind.n || f->reason.n ||
	       f->worker.n || f->since || f->older_than;
}

void
job_filter_where(const struct job_filter *f, struct str *sql)
{
	for (int i = 0; i < f->nwhere; i++) {
		str_puts(sql, i ? " AND " : " WHERE ");
		str_puts(sql, f->where[i]);
	}
}

void
job_filter_free(struct job_filter *f)
{
	struct strlist *given[] = {
		&f->status, &f->project, &f->queue, &f->kind, &f->reason, &f->worker
	};

	for (size_t i = 0; i < NELEM(given); i++)
		strlist_free(given[i]);
	for (size_t i = 0; i < NELEM(f->lists); i++)
		pg_array_free(&f->lists[i]);
	f->nwhere = 0;
}

void
job_ids_add(struct job_ids *ids, const struct uuid *id)
{
	if (ids->n == ids->cap) {
		ids->cap = ids->cap ? ids->cap * 2 : 64;
		ids->v = xreallocarray(ids->v, ids->cap, sizeof *ids->v);
	}
	ids->v[ids->n++] = *id;
}

void
job_ids_free(struct job_ids *ids)
{
	free(ids->v);
	*ids = (struct job_ids){ .n = 0 };
}
