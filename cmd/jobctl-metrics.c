/*
 * jobctl-metrics - the state of the queues as Prometheus reads it
 *
 * All figures are of one snapshot, so that they add up.  Whatever goes wrong, what is
 * written is whole: all of it, or "jobctl_up 0".
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "pg.h"
#include "str.h"

struct config {
	struct common common;
	const char *file;
	int64_t timeout;
};

static const struct opt opts[] = {
	OPT_ROW_STR('o', "output", "FILE", struct config, file, "file",
		    "write FILE, whole or not at all, instead of standard output"),
	OPT_ROW_MS('t', "timeout", "TIME", struct config, timeout, 100, 3600000,
		   "take the database for dead after TIME (default 30s)"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-metrics", "to look at" },
	{ "jobctl-metrics -o /var/lib/prometheus/node-exporter/jobctl.prom",
	  "for the textfile collector, from cron or a timer" },
	{ "jobctl-metrics | promtool check metrics", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-metrics",
	.brief = "the state of the queues as Prometheus reads it",
	.synopsis = (const char *const[]){ "[-o FILE] [options]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_reader",
	.common = COMMON_DB,
};

/* The statements, each a row per sample of its families; what is no label is a value. */
enum source { QUEUES, ENDS, WORKERS, TABLES, XMIN, SCHEMA, NSOURCES };

static const char *const statements[NSOURCES] = {
	[QUEUES] =
		"SELECT q.queue, q.ready, q.scheduled, q.blocked, q.held, q.running, q.workers,"
		" q.slots, q.max_running, (q.paused_at IS NOT NULL)::integer AS paused,"
		" coalesce(q.oldest_ready_s, 0) AS oldest_ready,"
		" coalesce(r.run, 0) AS oldest_running, coalesce(r.quiet, 0) AS quiet"
		" FROM jobctl.queue q LEFT JOIN"
		" (SELECT queue, max(run_s) AS run, max(quiet_s) AS quiet"
		"  FROM jobctl.running_jobs() GROUP BY queue) r ON r.queue = q.queue"
		" ORDER BY q.queue",
	[ENDS] =
		"SELECT queue, kind, status, outcome, sum(n) AS n FROM jobctl.job_count"
		" GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
	[WORKERS] =
		"SELECT count(*) FILTER (WHERE lease_until > now()) AS alive,"
		" count(*) FILTER (WHERE lease_until <= now()) AS expired FROM jobctl.workers"
		" WHERE pid > 0",	/* 0: somebody runs a job by hand */
	[TABLES] =
		"SELECT \"table\", bytes, live_rows, dead_rows FROM jobctl.table_state"
		" ORDER BY 1",
	[XMIN] =
		"SELECT k.holder, coalesce(max(h.age_s), 0) AS age,"
		" coalesce(max(h.transactions), 0) AS n"
		" FROM unnest('{prepared,session,slot,standby}'::text[]) AS k(holder)"
		" LEFT JOIN jobctl.xmin_holders() h ON h.holder = k.holder"
		" GROUP BY 1 ORDER BY 1",
	[SCHEMA] =
		"SELECT max(version) AS schema, 1 AS one, '" JOBCTL_VERSION "' AS version,"
		" current_setting('server_version') AS server_version"
		" FROM jobctl.schema_migrations WHERE set = 'jobctl'",
};

/* Lists are of words; a family with several columns has one more label, which names them. */
static const struct family {
	const char *name, *type, *help;
	enum source source;
	const char *labels, *columns, *column_label;
} families[] = {
	{ "jobctl_info", "gauge", "Versions, as labels.", SCHEMA, "version server_version",
	  "one", NULL },
	{ "jobctl_schema_version", "gauge", "Version of the schema.", SCHEMA, "", "schema",
	  NULL },
	{ "jobctl_jobs", "gauge", "Live jobs by queue and by what they do.", QUEUES, "queue",
	  "ready scheduled blocked held running", "status" },
	{ "jobctl_oldest_ready_seconds", "gauge",
	  "For how long the oldest job that could run has been waiting.", QUEUES, "queue",
	  "oldest_ready", NULL },
	{ "jobctl_oldest_running_seconds", "gauge",
	  "For how long the oldest running job has been running.", QUEUES, "queue",
	  "oldest_running", NULL },
	{ "jobctl_longest_without_progress_seconds", "gauge",
	  "The longest that a running job has reported nothing.", QUEUES, "queue", "quiet",
	  NULL },
	{ "jobctl_queue_workers", "gauge", "Live workers that serve the queue.", QUEUES,
	  "queue", "workers", NULL },
	{ "jobctl_queue_slots", "gauge", "Jobs that those workers can run at once.", QUEUES,
	  "queue", "slots", NULL },
	{ "jobctl_queue_limit", "gauge", "Jobs that may run at once, where that is limited.",
	  QUEUES, "queue", "max_running", NULL },
	{ "jobctl_queue_paused", "gauge", "Whether the queue is paused.", QUEUES, "queue",
	  "paused", NULL },
	{ "jobctl_job_ends_total", "counter",
	  "Runs that ended, by the job's status after it; retried: it was not the last.", ENDS,
	  "queue kind status outcome", "n", NULL },
	{ "jobctl_workers", "gauge", "Live workers.", WORKERS, "", "alive", NULL },
	{ "jobctl_expired_leases", "gauge",
	  "Workers whose lease has ended and that nobody has buried.", WORKERS, "", "expired",
	  NULL },
	{ "jobctl_table_bytes", "gauge", "Size of a table with its indexes and partitions.",
	  TABLES, "table", "bytes", NULL },
	{ "jobctl_table_live_rows", "gauge", "Rows of a table, estimated.", TABLES, "table",
	  "live_rows", NULL },
	{ "jobctl_table_dead_rows", "gauge",
	  "Dead rows of a table that VACUUM is to remove, estimated.", TABLES, "table",
	  "dead_rows", NULL },
	{ "jobctl_xmin_age_seconds", "gauge",
	  "For how long somebody has kept VACUUM from removing dead rows, where that is known.",
	  XMIN, "holder", "age", NULL },
	{ "jobctl_xmin_age_transactions", "gauge",
	  "How many transactions ago that began, which is known always.", XMIN, "holder", "n",
	  NULL },
};

static void
put_head(struct str *s, const char *name, const char *type, const char *help)
{
	str_putf(s, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_label(struct str *s, const char *name, size_t n, const char *value)
{
	str_putf(s, "%s%.*s=\"", s->buf[s->len - 1] == '{' ? "" : ",", (int)n, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			str_putc(s, '\\');
		if (*value == '\n')
			str_puts(s, "\\n");
		else
			str_putc(s, *value);
	}
	str_putc(s, '"');
}

/* The column that a word names. */
static int
column(const PGresult *res, const char *word, size_t n)
{
	char name[40];

	snprintf(name, sizeof name, "%.*s", (int)n, word);
	return pg_col(res, name);
}

static void
put_samples(struct str *s, const struct family *f, const PGresult *res, int row)
{
	size_t n;

	for (const char *c = f->columns; *c; c += n + (c[n] == ' ')) {
		int col;

		n = strcspn(c, " ");
		col = column(res, c, n);
		if (PQgetisnull(res, row, col))
			continue;
		str_putf(s, "%s{", f->name);
		for (const char *l = f->labels; *l;) {
			size_t len = strcspn(l, " ");

			put_label(s, l, len, pg_get(res, row, column(res, l, len)));
			l += len + (l[len] == ' ');
		}
		if (f->column_label) {
			AUTOFREE char *which = xstrndup(c, n);

			put_label(s, f->column_label, strlen(f->column_label), which);
		}
		if (s->buf[s->len - 1] == '{')
			str_truncate(s, s->len - 1);
		else
			str_putc(s, '}');
		str_putf(s, " %s\n", pg_get(res, row, col));
	}
}

/*
 * How long runs took.  The database counts in buckets of a quarter of a power of two;
 * at whole powers their bounds are ours, and nothing is guessed.
 */
enum { LE_MIN = -7, LE_MAX = 17 }; /* 8 milliseconds to a day and a half */

static const char durations_sql[] =
	"SELECT queue, kind, status, ceil(bucket / 4.0)::integer AS power, sum(n) AS n,"
	" sum(run_s) AS s FROM jobctl.job_count WHERE bucket IS NOT NULL"
	" GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

static const char durations[] = "jobctl_job_duration_seconds";

static void
put_series(struct str *s, const PGresult *res, int row, const char *suffix, const char *le)
{
	str_putf(s, "%s%s{", durations, suffix);
	put_label(s, "queue", 5, pg_get(res, row, 0));
	put_label(s, "kind", 4, pg_get(res, row, 1));
	put_label(s, "status", 6, pg_get(res, row, 2));
	if (le)
		put_label(s, "le", 2, le);
	str_puts(s, "} ");
}

static bool
same_series(const PGresult *res, int a, int b)
{
	for (int c = 0; c < 3; c++)
		if (strcmp(pg_get(res, a, c), pg_get(res, b, c)) != 0)
			return false;
	return true;
}

/* The rows of one histogram, from row on; returns the first that is another's. */
static int
put_histogram(struct str *s, const PGresult *res, int row)
{
	int first = row, end = row;
	int64_t n = 0;
	double sum = 0;

	while (end < PQntuples(res) && same_series(res, first, end))
		sum += pg_get_double(res, end++, 5);
	for (int power = LE_MIN; power <= LE_MAX; power++) {
		char le[32];

		for (; row < end && pg_get_i64(res, row, 3) <= power; row++)
			n += pg_get_i64(res, row, 4);
		snprintf(le, sizeof le, "%.10g",
			 power < 0 ? 1.0 / (double)(1 << -power) : (double)(1 << power));
		put_series(s, res, first, "_bucket", le);
		str_putf(s, "%" PRId64 "\n", n);
	}
	for (; row < end; row++)
		n += pg_get_i64(res, row, 4);
	put_series(s, res, first, "_bucket", "+Inf");
	str_putf(s, "%" PRId64 "\n", n);
	put_series(s, res, first, "_sum", NULL);
	str_putf(s, "%.6f\n", sum);
	put_series(s, res, first, "_count", NULL);
	str_putf(s, "%" PRId64 "\n", n);
	return end;
}

static int
call(struct pg *db, int64_t deadline, PGresult **res, const char *sql, struct err *e)
{
	db->call_ms = deadline - now_ms();
	if (db->call_ms < 1)
		db->call_ms = 1;
	return pg_call(db, res, sql, PG_NOARGS, e);
}

static int
gather(struct pg *db, int64_t deadline, struct str *s, struct err *e)
{
	PGresult *res[NSOURCES] = { NULL };
	PG_RES took = NULL;
	int rc = 0;

	for (int i = 0; i < NSOURCES && !rc; i++)
		rc = call(db, deadline, &res[i], statements[i], e) < 0 ? -1 : 0;
	if (!rc)
		rc = call(db, deadline, &took, durations_sql, e) < 0 ? -1 : 0;
	for (size_t i = 0; i < NELEM(families) && !rc; i++) {
		const struct family *f = &families[i];

		put_head(s, f->name, f->type, f->help);
		for (int r = 0; r < PQntuples(res[f->source]); r++)
			put_samples(s, f, res[f->source], r);
	}
	if (!rc)
		put_head(s, durations, "histogram",
			 "How long runs took that ended, by the job's status after it.");
	for (int r = 0; !rc && r < PQntuples(took);)
		r = put_histogram(s, took, r);
	for (int i = 0; i < NSOURCES; i++)
		PQclear(res[i]);
	return rc;
}

static void
put_up(struct str *s, bool up)
{
	put_head(s, "jobctl_up", "gauge", "Whether the database answered.");
	str_putf(s, "jobctl_up %d\n", up);
}

/* What the planner does not know of a table that is new must not make it read history whole. */
static const char begin[] =
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = off";

static int
scrape(struct pg *db, const struct config *cfg, struct str *s, struct err *e)
{
	int64_t began = now_ms(), deadline = deadline_in(cfg->timeout);

	db->call_ms = cfg->timeout;
	put_up(s, true);
	if (pg_open(db, cmd.name, cfg->common.dbname, e) || pg_exec(db, begin, e) ||
	    gather(db, deadline, s, e)) {
		str_reset(s);
		put_up(s, false);
		return -1;
	}
	put_head(s, "jobctl_scrape_duration_seconds", "gauge",
		 "How long it took to gather this.");
	str_putf(s, "jobctl_scrape_duration_seconds %.3f\n", (double)(now_ms() - began) / 1000);
	return 0;
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return -1;
		p += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
	return 0;
}

/*
 * A new file beside the old one takes its name: who reads has one or the other.  Its
 * name does not end as theirs do that the collector reads.  Signals wait meanwhile, so
 * that none is left behind.
 */
static int
write_file(const char *file, const struct str *s, struct err *e)
{
	AUTOFREE char *temp = xasprintf("%s.XXXXXX", file);
	sigset_t all, before;
	AUTOFD fd = -1;
	int rc = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(e, ERR_CANTCREAT, "cannot make a file beside \"%s\"", file);
	} else if (write_all(fd, s->buf, s->len) || fchmod(fd, 0644) || fsync(fd)) {
		rc = err_sys(e, ERR_IO, "cannot write \"%s\"", temp);
	} else if (rename(temp, file)) {
		rc = err_sys(e, ERR_CANTCREAT, "cannot replace \"%s\"", file);
	}
	if (rc && fd >= 0)
		unlink(temp);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .timeout = 30000 };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	AUTOSTR s = STR(STR_ANY);
	int status = 0;

	(void)!cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (scrape(&db, &cfg, &s, &err))
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	if (!cfg.file)
		fwrite(s.buf, 1, s.len, stdout);
	else if (write_file(cfg.file, &s, &err))
		status = cmd_fail(&cmd, &err);
	return cmd_done(&cmd, status);
}
