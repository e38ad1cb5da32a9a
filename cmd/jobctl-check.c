/*
 * jobctl-check - ask one question of the queues, as Nagios plugins answer
 *
 * One line on standard output and an exit status of 0 to 3.  Everything that keeps us
 * from answering is 3, wrong options included: another status would be taken for an
 * answer.  An alarm bounds it all, looking up host names too.
 */
#include "base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "parse.h"
#include "pg.h"
#include "range.h"
#include "str.h"

enum status { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

/* A holder of xmin whose age nobody knows counts from so many transactions on. */
enum { OLD_TRANSACTIONS = 100000, CANNOT_WRITE = 74 };

struct config {
	struct common common;
	const char *queue, *project, *kind, *warning, *critical;
	struct strlist tables;
	int64_t window, timeout;
};

static const struct opt opts[] = {
	OPT_ROW_TEXT('w', "warning", "RANGE", struct config, warning, NULL,
		     "warn unless the value is in RANGE; '' for never"),
	OPT_ROW_TEXT('c', "critical", "RANGE", struct config, critical, NULL,
		     "critical unless the value is in RANGE; '' for never"),
	OPT_ROW_STR('q', "queue", "QUEUE", struct config, queue, "queue", "only this queue"),
	OPT_ROW_STR('p', "project", "PROJECT", struct config, project, "project",
		    "failure-rate, stuck: only this project"),
	OPT_ROW_STR(0, "kind", "KIND", struct config, kind, "kind",
		    "failure-rate, stuck: only this kind"),
	OPT_ROW_LIST(
		0, "table", "TABLE", struct config, tables, NULL,
		"table-size: this one, instead of all that hold no history; may be repeated"),
	OPT_ROW_MS(0, "window", "TIME", struct config, window, 60000, INT64_C(2592000000),
		   "failure-rate: of what ended within TIME (default 1h)"),
	OPT_ROW_INT('t', "timeout", "SECONDS", struct config, timeout, 1, 3600,
		    "give up after SECONDS (default 10)"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-check failure-rate -q mail -w 5 -c 20",
	  "in per cent of what ended within an hour" },
	{ "jobctl-check stuck -w 30m -c 2h", "running and silent for that long" },
	{ "jobctl-check workers -q enc -c 2:", "critical with fewer than two" },
	{ NULL, NULL }
};

static const struct verb verbs[] = {
	{ "failure-rate", "", "per cent of the jobs that ended which failed (10, 25)" },
	{ "stuck", "", "the longest that a running job has reported no progress (30m, 2h)" },
	{ "oldest-ready", "", "how long the oldest job that could run has waited (15m, 1h)" },
	{ "workers", "", "how many are alive (critical: 1:)" },
	{ "table-size", "", "the largest table, in bytes (100MB, 1GB)" },
	{ "xmin", "", "how long somebody has kept VACUUM from its work (10m, 1h)" },
	{ NULL, NULL, NULL }
};

static void say_unknown(const struct err *e);

static const struct cmd cmd = {
	.name = "jobctl-check",
	.brief = "ask one question of the queues, as Nagios plugins answer",
	.synopsis = (const char *const[]){ "MODE [-w RANGE] [-c RANGE] [options]", NULL },
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.role = "jobctl_reader",
	.common = COMMON_DB,
	.min_operands = 1,
	.max_operands = 1,
	.failed = say_unknown,
};

struct answer {
	double value;
	enum status least; /* whatever the ranges say */
	struct str text;   /* of one line */
	struct str more;   /* performance data besides the value */
};

/* "|" begins the performance data, so no text may have one. */
static void
put_line(enum status status, const char *text, const char *data)
{
	AUTOSTR s = STR(STR_ANY);

	str_putf(&s, "JOBCTL %s - ", words[status]);
	str_put_safe(&s, text, strlen(text));
	for (char *p = strchr(s.buf, '|'); p; p = strchr(p, '|'))
		*p = '/';
	printf("%s%s%s\n", s.buf, *data ? " | " : "", data);
}

static void
say_unknown(const struct err *e)
{
	put_line(UNKNOWN, e->msg, "");
}

static void
at_exit(int status, void *ctx)
{
	(void)ctx;
	if (status > UNKNOWN && status != CANNOT_WRITE) {
		fflush(stdout);
		_exit(UNKNOWN);
	}
}

static void
too_late(int signo)
{
	static const char line[] = "JOBCTL UNKNOWN - no answer within the time that -t gives\n";

	(void)signo;
	(void)!write(STDOUT_FILENO, line, sizeof line - 1);
	_exit(UNKNOWN);
}

static int
failure_rate(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT coalesce(sum(n) FILTER (WHERE status = 'failed'), 0),"
		" coalesce(sum(n), 0)"
		" FROM jobctl.job_count WHERE status IN ('completed', 'failed')"
		" AND at >= date_trunc(CASE WHEN $1 > '1 day' THEN 'hour' ELSE 'minute' END,"
		" now() - $1)"
		" AND ($2 IS NULL OR queue = $2) AND ($3 IS NULL OR project = $3)"
		" AND ($4 IS NULL OR kind = $4)";
	int64_t failed, all;
	char window[32];
	PG_RES res = NULL;

	if (pg_call(db, &res, sql,
		    PG_ARGS(pg_ms(cfg->window), pg_text(cfg->queue), pg_text(cfg->project),
			    pg_text(cfg->kind)),
		    e) < 0)
		return -1;
	failed = pg_get_i64(res, 0, 0);
	all = pg_get_i64(res, 0, 1);
	a->value = all ? 100 * (double)failed / (double)all : 0;
	duration_text((double)cfg->window / 1000, window);
	str_putf(&a->text, "%.1f%% failed: %lld of %lld that ended within %s", a->value,
		 (long long)failed, (long long)all, window);
	str_putf(&a->more, " failed=%lld;;;0 ended=%lld;;;0", (long long)failed,
		 (long long)all);
	return 0;
}

static int
stuck(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT id, queue, quiet_s, count(*) OVER () FROM jobctl.running_jobs()"
		" WHERE ($1 IS NULL OR queue = $1) AND ($2 IS NULL OR project = $2)"
		" AND ($3 IS NULL OR kind = $3) ORDER BY quiet_s DESC LIMIT 1";
	PG_RES res = NULL;
	char quiet[32];
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_text(cfg->queue), pg_text(cfg->project), pg_text(cfg->kind)),
			e);

	if (n < 0)
		return -1;
	a->value = n ? pg_get_double(res, 0, 2) : 0;
	if (n) {
		duration_text(a->value, quiet);
		str_putf(&a->text,
			 "job %s of queue %s has reported no progress for %s, %s running; "
			 "see: jobctl-explain %s",
			 pg_get(res, 0, 0), pg_get(res, 0, 1), quiet, pg_get(res, 0, 3),
			 pg_get(res, 0, 0));
	} else {
		str_puts(&a->text, "nothing is running");
	}
	str_putf(&a->more, " running=%lld;;;0", n ? (long long)pg_get_i64(res, 0, 3) : 0LL);
	return 0;
}

static int
oldest_ready(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT queue, oldest_ready_s, sum(ready) OVER (), paused_at IS NOT NULL"
		" FROM jobctl.queue WHERE $1 IS NULL OR queue = $1"
		" ORDER BY oldest_ready_s DESC NULLS LAST LIMIT 1";
	PG_RES res = NULL;
	char age[32];
	int n = pg_call(db, &res, sql, PG_ARGS(pg_text(cfg->queue)), e);

	if (n < 0)
		return -1;
	if (n && !PQgetisnull(res, 0, 1)) {
		a->value = pg_get_double(res, 0, 1);
		duration_text(a->value, age);
		str_putf(&a->text, "the oldest of %s ready waits for %s in queue %s%s",
			 pg_get(res, 0, 2), age, pg_get(res, 0, 0),
			 pg_get_bool(res, 0, 3) ? ", which is paused" : "");
	} else {
		str_puts(&a->text, "nothing is ready");
	}
	str_putf(&a->more, " ready=%lld;;;0", n ? (long long)pg_get_i64(res, 0, 2) : 0LL);
	return 0;
}

static int
workers(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT count(*), coalesce(sum(slots), 0) FROM jobctl.workers"
		" WHERE lease_until > now() AND pid > 0"	/* 0: somebody runs a job by hand */
		" AND ($1 IS NULL OR queues IS NULL OR $1 = ANY (queues))";
	PG_RES res = NULL;

	if (pg_call(db, &res, sql, PG_ARGS(pg_text(cfg->queue)), e) < 0)
		return -1;
	a->value = pg_get_double(res, 0, 0);
	str_putf(&a->text, "%s worker%s alive, with room for %s jobs", pg_get(res, 0, 0),
		 a->value == 1 ? " is" : "s are", pg_get(res, 0, 1));
	str_putf(&a->more, " slots=%s;;;0", pg_get(res, 0, 1));
	return 0;
}

static int
table_size(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT \"table\", bytes FROM jobctl.table_state"
		" WHERE CASE WHEN $1 = '{}' THEN NOT partitioned AND \"table\" NOT LIKE '%.%'"
		" ELSE \"table\" = ANY (SELECT regexp_replace(t, '^jobctl[.]', '')"
		" FROM unnest($1) t) END"
		" ORDER BY bytes DESC";
	struct pg_array names = PG_ARRAY_INIT;
	PG_RES res = NULL;
	char size[32];
	int n;

	for (size_t i = 0; i < cfg->tables.n; i++)
		pg_array_add(&names, pg_text(cfg->tables.v[i]));
	n = pg_call(db, &res, sql, PG_ARGS(pg_array(&names, pg_text(""))), e);
	pg_array_free(&names);
	if (n < 0)
		return -1;
	if ((size_t)n < cfg->tables.n || !n)
		return err_set(e, ERR_NOINPUT,
			       "there are only %d of these tables; one of ours is "
			       "called \"jobs\", or \"catalog.code_files\"",
			       n);
	a->value = pg_get_double(res, 0, 1);
	size_text(pg_get_i64(res, 0, 1), size);
	str_putf(&a->text, "table %s has %s, the largest of %d", pg_get(res, 0, 0), size, n);
	return 0;
}

static int
xmin(struct pg *db, const struct config *cfg, struct answer *a, struct err *e)
{
	static const char sql[] =
		"SELECT concat_ws(' ', holder, coalesce(pid::text, name), 'of', role,"
		" application), age_s,"
		" transactions, age_s IS NULL AND (state = 'inactive' OR transactions >= $1)"
		" FROM jobctl.xmin_holders() ORDER BY 4 DESC, age_s DESC NULLS LAST";
	PG_RES res = NULL;
	int64_t transactions = 0;
	int n = pg_call(db, &res, sql, PG_ARGS(pg_i64(OLD_TRANSACTIONS)), e);
	char age[32] = "long";

	(void)cfg;
	for (int i = 0; i < n; i++) {
		if (pg_get_double(res, i, 1) > a->value)
			a->value = pg_get_double(res, i, 1);
		if (pg_get_i64(res, i, 2) > transactions)
			transactions = pg_get_i64(res, i, 2);
	}
	if (n > 0) {
		if (pg_get_bool(res, 0, 3))
			a->least = WARNING;
		else
			duration_text(a->value, age);
		str_putf(&a->text,
			 "%s has kept VACUUM from removing dead rows for %s, %s transactions; "
			 "see: jobctl-doctor",
			 pg_get(res, 0, 0), age, pg_get(res, 0, 2));
	} else {
		str_puts(&a->text, "nobody keeps VACUUM from removing dead rows");
	}
	str_putf(&a->more, " transactions=%lld;;;0", (long long)transactions);
	return n < 0 ? -1 : 0;
}

/* What the planner does not know of a table that is new must not make it read history whole. */
static const char begin[] = "BEGIN READ ONLY; SET LOCAL enable_seqscan = off";

enum filter { BY_QUEUE = 1, BY_PROJECT_KIND = 2, BY_TABLE = 4, BY_WINDOW = 8 };

static const struct mode {
	const char *name, *label, *unit;
	int (*ask)(struct pg *db, const struct config *cfg, struct answer *a, struct err *e);
	const char *warning, *critical, *max;
	enum range_unit range;
	int filters;
} modes[] = {
	{ "failure-rate", "failure_rate", "%", failure_rate, "10", "25", "100", RANGE_PERCENT,
	  BY_QUEUE | BY_PROJECT_KIND | BY_WINDOW },
	{ "stuck", "silent", "s", stuck, "1800", "7200", "", RANGE_SECONDS,
	  BY_QUEUE | BY_PROJECT_KIND },
	{ "oldest-ready", "oldest_ready", "s", oldest_ready, "900", "3600", "", RANGE_SECONDS,
	  BY_QUEUE },
	{ "workers", "workers", "", workers, "", "1:", "", RANGE_NUMBER, BY_QUEUE },
	{ "table-size", "size", "B", table_size, "100MB", "1GB", "", RANGE_BYTES, BY_TABLE },
	{ "xmin", "xmin", "s", xmin, "600", "3600", "", RANGE_SECONDS, 0 },
};

static const struct mode *
read_mode(const struct config *cfg, const char *operand)
{
	const struct mode *m = modes;
	const char *name = cmd_verb(&cmd, operand)->name, *bad;

	while (strcmp(m->name, name) != 0)
		m++;
	bad = cfg->queue && !(m->filters & BY_QUEUE)		? "-q"
	      : cfg->project && !(m->filters & BY_PROJECT_KIND) ? "-p"
	      : cfg->kind && !(m->filters & BY_PROJECT_KIND)	? "--kind"
	      : cfg->tables.n && !(m->filters & BY_TABLE)	? "--table"
	      : cfg->window && !(m->filters & BY_WINDOW)	? "--window"
								: NULL;
	if (bad)
		cmd_usage(&cmd, "%s means nothing to %s", bad, m->name);
	return m;
}

static void
read_range(const char *option, const char *given, const char *def, const struct mode *m,
	   struct range *r)
{
	struct err e = ERR_INIT;

	if (range_parse(given ? given : def, m->range, r, &e)) {
		(void)err_ctx(&e, "%s", option);
		exit(cmd_fail(&cmd, &e));
	}
}

static int
answer(const struct mode *m, const struct answer *a, const struct range *warning,
       const struct range *critical)
{
	enum status status = range_alerts(critical, a->value)  ? CRITICAL
			     : range_alerts(warning, a->value) ? WARNING
							       : OK;
	AUTOSTR data = STR(STR_ANY);

	if (status < a->least)
		status = a->least;
	str_putf(&data, "%s=%.10g%s;", m->label, a->value, m->unit);
	range_put(&data, warning);
	str_putc(&data, ';');
	range_put(&data, critical);
	str_putf(&data, ";0;%s%s", m->max, a->more.buf);
	put_line(status, a->text.buf, data.buf);
	return (int)status;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .timeout = 10 };
	struct answer a = { .text = STR(STR_ANY), .more = STR(STR_ANY) };
	struct range warning, critical;
	const struct mode *m;
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	int status, rc;

	on_exit(at_exit, NULL);
	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	m = read_mode(&cfg, argv[0]);
	read_range("-w", cfg.warning, m->warning, m, &warning);
	read_range("-c", cfg.critical, m->critical, m, &critical);
	cfg.window = cfg.window ? cfg.window : 3600000;
	signal(SIGALRM, too_late);
	alarm((unsigned)cfg.timeout);
	rc = pg_open(&db, cmd.name, cfg.common.dbname, &err) || pg_exec(&db, begin, &err) ||
	     m->ask(&db, &cfg, &a, &err);
	alarm(0);
	status = rc ? cmd_fail(&cmd, &err) : answer(m, &a, &warning, &critical);
	pg_close(&db);
	str_free(&a.text);
	str_free(&a.more);
	strlist_free(&cfg.tables);
	return cmd_done(&cmd, status);
}
