/*
 * job.h - the words in which programs speak about jobs
 *
 * Fields: the columns of jobctl-formats(7) and the SQL over jobctl.job that computes
 * them.  Filters: conditions on it.  Ids: what people type.  A statement is put
 * together from constant fragments only; whatever a user gave is a parameter.
 */
#ifndef JOBCTL_JOB_H
#define JOBCTL_JOB_H

#include "cmd.h"
#include "err.h"
#include "out.h"
#include "pg.h"
#include "str.h"
#include "uuid.h"

/*
 * Ids.  job_resolve() takes a whole id or a prefix of at least 8 hex digits and
 * asks the database: ERR_NOINPUT if no job that the caller may see has it,
 * ERR_USAGE if several have, with the matches in the hint.
 */
int job_resolve(struct pg *db, const char *text, struct uuid *id, struct err *e) MUSTCHECK;

/*
 * When something was stored.  The server leaves out what is older or newer, also when it
 * plans, which takes it longer than to look.
 */
struct job_span {
	struct pg_val from, to;
};

/*
 * Between two of the server's times, in microseconds since 1970, with a day more on both
 * sides for a clock that was set: from NEVER is any time, to NEVER has no end.
 */
struct job_span job_span(int64_t from, int64_t to);

/*
 * When a job with this id has ended, if it has: a guess from the time in the id and
 * from our clock.  Whoever finds nothing with it asks again for any time.
 */
struct job_span job_span_of_id(const struct uuid *id);
#define JOB_SPAN_ANY job_span(NEVER, NEVER)

/* The column is in the span, whose two are parameters, or the other condition holds. */
#define JOB_SPAN_SQL(column, from, to, or) \
	"(" or " OR " from " IS NULL OR " column " BETWEEN " from " AND " to ")"

/* Ids in a row.  Zeroed is empty. */
struct job_ids {
	struct uuid *v;
	size_t n, cap;
};
void job_ids_add(struct job_ids *ids, const struct uuid *id);
void job_ids_free(struct job_ids *ids);

/*
 * The same for many operands (NULL-terminated) in one statement: what is found is
 * appended to ids in the order given, each job once.  The others are told to
 * complain one by one.  Returns the highest status complain() returned, 0 if it
 * was not called, or -1 if the database failed.
 */
int job_resolve_all(struct pg *db, char *const *texts, struct job_ids *ids,
		    int (*complain)(const struct err *), struct err *e) MUSTCHECK;

/* "pending", "running" or "held". */
bool job_status_live(const char *status);

/*
 * Filters, as options of every program that takes "filters of jobctl-status".  The
 * first part is what the options store; job_filter_read() checks it and makes the
 * rest of it.  Zeroed, it matches all live jobs.
 */
enum { JOB_FILTER_ARGS = 13 };

struct job_filter {
	struct strlist status, project, queue, kind, reason, worker;
	const char *since, *older_than;
	bool all;			/* finished ones too, if no status says which */

	bool live, finished;		/* what can match */
	struct pg_val args[JOB_FILTER_ARGS];
	struct pg_array lists[9];
	const char *where[16];
	int nwhere;
};

#define JOB_FILTER_OPTS(cfg, f) \
	JOB_FILTER_OPTS_BUT_REASON(cfg, f), \
	OPT_ROW_LIST(0, "reason", "REASON,...", cfg, f.reason, NULL, \
		     "jobs with one of these among their reasons; see jobctl-reasons(7)")

/* For programs to which --reason is a text to be recorded. */
#define JOB_FILTER_OPTS_BUT_REASON(cfg, f) \
	OPT_ROW_LIST('s', "status", "STATUS,...", cfg, f.status, \
		     "pending|running|held|completed|failed|cancelled", \
		     "jobs that are pending, running, held, completed, failed or cancelled"), \
	OPT_ROW_LIST('q', "queue", "QUEUE,...", cfg, f.queue, "queue", \
		     "jobs of these queues"), \
	OPT_ROW_LIST('p', "project", "PROJECT,...", cfg, f.project, "project", \
		     "jobs of these projects"), \
	OPT_ROW_LIST(0, "kind", "KIND,...", cfg, f.kind, "kind", "jobs of these kinds"), \
	OPT_ROW_LIST(0, "worker", "WORKER,...", cfg, f.worker, NULL, \
		     "jobs run by these workers: HOST, HOST:PID, an id or its beginning"), \
	OPT_ROW_STR(0, "since", "TIME", cfg, f.since, NULL, \
		    "jobs that ended (live ones: were submitted) at TIME or later, " \
		    "or within this duration"), \
	OPT_ROW_STR(0, "older-than", "TIME", cfg, f.older_than, NULL, \
		    "jobs that ended (live ones: were submitted) before TIME, " \
		    "or longer ago than this duration")

int job_filter_read(struct job_filter *f, struct err *e) MUSTCHECK;
/* Narrow it to these ids; after job_filter_read(). */
void job_filter_ids(struct job_filter *f, const struct job_ids *ids);
/* Whether any option was given, --all and its like aside. */
bool job_filter_given(const struct job_filter *f);
/* Append " WHERE ...".  Its parameters are $1 to $13, so f->args must come first. */
void job_filter_where(const struct job_filter *f, struct str *sql);
void job_filter_free(struct job_filter *f);

/* The ids of all jobs that match, the oldest first. */
int job_find(struct pg *db, const struct job_filter *f, struct job_ids *ids,
	     struct err *e) MUSTCHECK;

/* Fields, in the order of jobctl-formats(7). */
enum job_field {
	JOB_ID, JOB_PROJECT, JOB_QUEUE, JOB_KIND, JOB_STATUS, JOB_REASON, JOB_REASONS,
	JOB_PRIORITY, JOB_ATTEMPT, JOB_MAX_ATTEMPTS, JOB_CRASHES, JOB_RUN_AT, JOB_CREATED_AT,
	JOB_STARTED_AT, JOB_COMPLETED_AT, JOB_AGE_S, JOB_WAIT_S, JOB_RUN_S, JOB_WORKER,
	JOB_WORKER_HOST, JOB_WORKER_PID, JOB_HEARTBEAT_AGE_S, JOB_OUTCOME, JOB_EXIT_CODE,
	JOB_SIGNAL, JOB_ERROR_MESSAGE, JOB_MESSAGE, JOB_PROGRESS_DONE, JOB_PROGRESS_TOTAL,
	JOB_ETA_S, JOB_STATS, JOB_RESULT, JOB_MAX_RSS_BYTES, JOB_CPU_S, JOB_UNIQUE_KEY,
	JOB_CREATED_BY, JOB_ARGS,
	JOB_NFIELDS
};
extern const struct out_col job_cols[JOB_NFIELDS];

/* The field's expression over jobctl.job for this kind of output, as text. */
const char *job_field_sql(enum job_field f, enum out_mode mode);
/* The expression to sort or group by. */
const char *job_field_key(enum job_field f);

/*
 * Reading rows in pages, so that any number of them needs little memory and no
 * transaction stays open while a slow reader takes its time.  Only the orders by
 * id and by completed_at are paged; any other is read at once.
 */
struct job_list {
	const struct job_filter *filter;
	const struct out_col *const *cols;	/* of job_cols */
	int ncols;
	enum out_mode mode;
	enum job_field sort;
	bool descending;
	int64_t limit;				/* 0: none */

	int64_t seen;
	int64_t page;
	bool done;
	struct uuid last_id;
	char last_at[40];
};

/*
 * The next rows (at least one), or 0 at the end.  Columns are those of cols in
 * their order.  The first page carries the schema check if first is set.
 */
int job_list_next(struct pg *db, struct job_list *l, bool first, PGresult **res,
		  struct err *e) MUSTCHECK;

/* "FIELD" or "-FIELD". */
int job_sort_read(const char *text, enum job_field *field, bool *descending,
		  struct err *e) MUSTCHECK;

#endif
