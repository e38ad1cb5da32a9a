/*
 * jobctl-status - list jobs, count them, or show one in full
 *
 * What a table leaves out is said on stderr; -o and --json leave nothing out.
 * With --condition the exit status is for systemd's ExecCondition=, to which 1 to
 * 254 mean "skip": every error of ours, a wrong option included, must be 255.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "job.h"
#include "job_show.h"
#include "out.h"
#include "parse.h"
#include "pg.h"
#include "redraw.h"
#include "str.h"
#include "watch.h"

enum { TABLE_ROWS = 20, TEXT_COLUMNS = 60, CONDITION_ERROR = 255 };

struct config {
	struct common common;
	struct job_filter filter;
	const char *sort_by;
	const char *by;
	const char *fields;
	const char *watch_every;
	int64_t limit;		/* -1: not given */
	bool count;
	bool no_header;
	bool condition;

	enum job_field sort;
	bool descending;
	int64_t watch_ms;	/* 0: do not */
	struct job_ids ids;
	bool unseen;		/* nobody has looked yet whether the only one exists */
	bool checked;		/* the schema */
	bool drawing;		/* on a terminal, over what was drawn before */
};

static const char watch_default[] = "2s";
static const char watch_off[] = "";

static const struct opt opts[] = {
	JOB_FILTER_OPTS(struct config, filter),
	OPT_ROW_FLAG('a', "all", struct config, filter.all, "finished jobs, too"),
	OPT_ROW_STR(0, "sort", "FIELD", struct config, sort_by, NULL,
		    "sort by FIELD, or by -FIELD from the largest down"),
	OPT_ROW_INT('n', "limit", "N", struct config, limit, 0, INT64_MAX,
		    "at most N jobs; 0 for all (default: 20 in a table, else all)"),
	OPT_ROW_FLAG(0, "count", struct config, count, "print how many there are"),
	OPT_ROW_STR(0, "by", "FIELD,...", struct config, by,
		    "status|reason|queue|kind|project|worker|worker_host|outcome|created_by",
		    "print how many there are for each value of FIELD"),
	OPT_ROW_STR(0, "watch", "[TIME]", struct config, watch_every, NULL,
		    "look again every TIME (default 2s) until interrupted"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated; see jobctl-formats(7)"),
	OPT_ROW_FLAG(0, "condition", struct config, condition,
		     "as -Q, with exit status 255 for any error: for ExecCondition="),
	OPT_ROW_END
};

static const struct example examples[] = {
	{"jobctl-status", "the newest live jobs"},
	{"jobctl-status 0199c0de-7a31", "one job in full, by the beginning of its id"},
	{"jobctl-status -s failed --since 1d --json", "what failed within a day"},
	{"jobctl-status --by reason -s pending", "why jobs wait"},
	{"jobctl-status -q enc -H -o id | jobctl-wait -", NULL},
	{"jobctl-status -Q -q mail -s pending && start-mailer", "-Q only answers: 0 yes, 1 no"},
	{NULL, NULL}};

static const struct cmd cmd = {
	.name = "jobctl-status",
	.brief = "list jobs, count them, or show one in full",
	.synopsis = (const char *const[]){
		"[options]", "[options] --count | --by FIELD,...", "[options] JOB...",
		"-Q [options] [JOB...]", NULL
	},
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.max_operands = -1,
};

static const char live_fields[] = "id,status,reason,queue,kind,attempt,age_s,run_s,eta_s,message";
static const char mixed_fields[] = "id,status,reason,outcome,queue,kind,attempt,age_s,run_s";
static const char finished_fields[] =
	"id,status,outcome,queue,kind,attempt,completed_at,run_s,error_message";

static enum out_mode
mode(const struct config *cfg)
{
	return cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE;
}

static int
pick_fields(const struct config *cfg, const struct out_col ***cols, int *ncols, struct err *e)
{
	const char *list = cfg->fields;

	if (!list && cfg->common.json) {
		*cols = xcalloc(JOB_NFIELDS, sizeof **cols);
		for (*ncols = 0; *ncols < JOB_NFIELDS; ++*ncols)
			(*cols)[*ncols] = &job_cols[*ncols];
		return 0;
	}
	if (!list)
		list = !cfg->filter.finished ? live_fields : cfg->filter.live ? mixed_fields
									      : finished_fields;
	return out_pick(job_cols, JOB_NFIELDS, list, cols, ncols, e);
}

/* A long text would push a terminal's lines apart; whoever wants it whole asks for it. */
static const char *
shortened(const struct out_col *col, const char *value, struct str *s)
{
	size_t n = 0, columns = 0;

	if (!value || (col != &job_cols[JOB_MESSAGE] && col != &job_cols[JOB_ERROR_MESSAGE]))
		return value;
	while (value[n] && columns < TEXT_COLUMNS) {
		int len = utf8_len(value + n, strlen(value + n), NULL);

		n += len ? (size_t)len : 1;
		columns++;
	}
	if (!value[n])
		return value;
	str_reset(s);
	str_add(s, value, n);
	str_puts(s, "...");
	return s->buf;
}

static void
put_row(struct out *out, const PGresult *res, int row)
{
	static int terminal = -1;
	AUTOSTR s = STR(1000);

	if (terminal < 0)
		terminal = out->mode == OUT_TABLE && isatty(STDOUT_FILENO);
	for (int c = 0; c < out->ncols; c++) {
		const char *value = pg_get_or_null(res, row, c);

		out_cell(out, terminal ? shortened(out->cols[c], value, &s) : value);
	}
}

/* What is said about a list: when that is drawn on a terminal, it is part of the picture. */
static void
say(const struct config *cfg, const char *text)
{
	if (cfg->drawing)
		printf("%s\n", text);
	else
		cmd_note(&cmd, "%s", text);
}

static int
list(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOFREE const struct out_col **cols = NULL;
	struct job_list l = {
		.filter = &cfg->filter, .mode = mode(cfg), .sort = cfg->sort,
		.descending = cfg->descending,
	};
	bool cut = l.mode == OUT_TABLE && cfg->limit < 0, more = false;
	int64_t shown = 0;
	struct out out;
	int n;

	if (pick_fields(cfg, &cols, &l.ncols, e))
		return -1;
	l.cols = cols;
	/* one more than is shown, to know whether there is more */
	l.limit = cut ? TABLE_ROWS + 1 : cfg->limit > 0 ? cfg->limit : 0;
	out_begin(&out, l.mode, !cfg->no_header, cols, l.ncols);
	do {
		PG_RES res = NULL;

		n = job_list_next(db, &l, !cfg->checked, &res, e);
		cfg->checked = cfg->checked || n >= 0;
		for (int r = 0; r < n; r++) {
			more = cut && shown == TABLE_ROWS;
			if (!more)
				put_row(&out, res, r);
			shown += !more;
		}
	} while (n > 0 && !ferror(stdout));
	out_end(&out);
	if (n >= 0 && more)
		say(cfg, "there are more; -n 0 shows all");
	if (n == 0 && !shown && l.mode == OUT_TABLE)
		say(cfg, cfg->filter.finished ? "no job matches"
					      : "no job matches; -a looks at finished jobs, too");
	return n < 0 ? -1 : 0;
}

static int
filtered_call(struct pg *db, struct config *cfg, PGresult **res, const char *sql, struct err *e)
{
	struct pg_val args[JOB_FILTER_ARGS + 1];
	int n;

	memcpy(args, cfg->filter.args, sizeof cfg->filter.args);
	args[JOB_FILTER_ARGS] = pg_i64(cfg->limit);
	if (cfg->limit <= 0)
		args[JOB_FILTER_ARGS].len = -1;
	n = (cfg->checked ? pg_call : pg_first_call)(db, res, sql, args, NELEM(args), e);
	cfg->checked = cfg->checked || n >= 0;
	return n;
}

static const struct out_col count_col = { "count", "COUNT", OUT_NUM };

static int
count(struct pg *db, struct config *cfg, struct err *e)
{
	const struct out_col *cols[] = { &count_col };
	AUTOSTR sql = STR(STR_ANY);
	PG_RES res = NULL;
	struct out out;

	str_puts(&sql, "SELECT count(*) FROM (SELECT FROM jobctl.job");
	job_filter_where(&cfg->filter, &sql);
	str_puts(&sql, " LIMIT $14) AS j");
	if (filtered_call(db, cfg, &res, sql.buf, e) < 0)
		return -1;
	out_begin(&out, cfg->common.json ? OUT_JSONL : OUT_TSV, false, cols, 1);
	out_cell(&out, pg_get(res, 0, 0));
	out_end(&out);
	return 0;
}

static bool
can_group(const struct out_col *c)
{
	static const enum job_field fields[] = {
		JOB_PROJECT, JOB_QUEUE, JOB_KIND, JOB_STATUS, JOB_REASON, JOB_PRIORITY,
		JOB_ATTEMPT, JOB_WORKER, JOB_WORKER_HOST, JOB_OUTCOME, JOB_EXIT_CODE,
		JOB_SIGNAL, JOB_CREATED_BY,
	};

	for (size_t i = 0; i < NELEM(fields); i++)
		if (c == &job_cols[fields[i]])
			return true;
	return false;
}

/* The groups' order: the most first, unless --sort names a group's field or the count. */
static int
put_group_order(const struct config *cfg, const struct out_col **cols, int n, struct str *sql,
		struct err *e)
{
	bool descending = !cfg->sort_by || *cfg->sort_by == '-';
	const char *name = cfg->sort_by ? cfg->sort_by + descending : "count";
	int i = 0;

	while (i <= n && strcmp(name, cols[i]->name) != 0)
		i++;
	if (i > n)
		return err_set(e, ERR_USAGE,
			       "--sort: with --by, sort by one of its fields or by count");
	str_putf(sql, " ORDER BY %d%s NULLS LAST", i + 1, descending ? " DESC" : "");
	for (int g = 1; g <= n; g++)
		str_putf(sql, ", %d", g);
	return 0;
}

/* All live jobs, by what the indexes tell: then these are counted, not the jobs looked at. */
static bool
is_in_indexes(const struct config *cfg, const struct out_col *const *cols, int n)
{
	const struct job_filter *f = &cfg->filter;

	for (int i = 0; i < n; i++)
		if (cols[i] != &job_cols[JOB_QUEUE] && cols[i] != &job_cols[JOB_STATUS])
			return false;
	return f->nwhere == 1 && f->live && !f->finished;	/* the one says just that */
}

static int
count_by(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOFREE const struct out_col **cols = NULL;
	AUTOSTR sql = STR(STR_ANY);
	PG_RES res = NULL;
	struct out out;
	bool in_indexes;
	int n;

	if (out_pick(job_cols, JOB_NFIELDS, cfg->by, &cols, &n, e))
		return -1;
	in_indexes = is_in_indexes(cfg, cols, n);
	cols = xreallocarray(cols, (size_t)n + 1, sizeof *cols);
	cols[n] = &count_col;
	str_puts(&sql, "SELECT ");
	for (int i = 0; i < n; i++) {
		if (!can_group(cols[i]))
			return err_set(e, ERR_USAGE, "--by: jobs cannot be counted by %s",
				       cols[i]->name);
		str_puts(&sql, job_field_sql((enum job_field)(cols[i] - job_cols), OUT_TSV));
		str_puts(&sql, ", ");
	}
	if (in_indexes) {
		str_puts(&sql, "sum(n)::bigint FROM jobctl.live_counts()");
	} else {
		str_puts(&sql, "count(*) FROM jobctl.job");
		job_filter_where(&cfg->filter, &sql);
	}
	for (int i = 0; i < n; i++)
		str_putf(&sql, "%s%d", i ? ", " : " GROUP BY ", i + 1);
	if (put_group_order(cfg, cols, n, &sql, e))
		return -1;
	str_puts(&sql, " LIMIT $14");
	if (filtered_call(db, cfg, &res, sql.buf, e) < 0)
		return -1;
	out_begin(&out, mode(cfg), !cfg->no_header, cols, n + 1);
	for (int r = 0; r < PQntuples(res); r++)
		put_row(&out, res, r);
	out_end(&out);
	return 0;
}

/* 0 if something matches, 1 if nothing does. */
static int
predicate(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);
	int n;

	str_puts(&sql, "SELECT FROM jobctl.job");
	job_filter_where(&cfg->filter, &sql);
	str_puts(&sql, " LIMIT 1");
	n = filtered_call(db, cfg, NULL, sql.buf, e);
	return n < 0 ? -1 : n == 0;
}

/* The jobs named, in the order given.  One that retention took meanwhile is left out. */
static int
show(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOSTR screen = STR(STR_ANY);
	int n = 0;

	for (size_t i = 0; i < cfg->ids.n; i++) {
		if (screen.len)
			str_putc(&screen, '\n');
		n = job_show(db, &cfg->ids.v[i], &screen, e);
		if (n < 0)
			return -1;
	}
	if (!n && cfg->unseen)
		return err_set(e, ERR_NOINPUT, "no such job: %s", uuid_str(cfg->ids.v).z);
	fwrite(screen.buf, 1, screen.len, stdout);
	return 0;
}

static int
show_fields(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOFREE const struct out_col **cols = NULL;
	struct out out;
	int ncols, n = 0;

	if (pick_fields(cfg, &cols, &ncols, e))
		return -1;
	out_begin(&out, mode(cfg), !cfg->no_header, cols, ncols);
	for (size_t i = 0; i < cfg->ids.n && n >= 0; i++) {
		struct job_ids one = { .v = &cfg->ids.v[i], .n = 1 };
		struct job_list l = {.filter = &cfg->filter,
				     .cols = cols,
				     .ncols = ncols,
				     .mode = mode(cfg),
				     .sort = JOB_ID};
		PG_RES res = NULL;

		job_filter_ids(&cfg->filter, &one);
		n = job_list_next(db, &l, false, &res, e);
		if (n > 0)
			put_row(&out, res, 0);
	}
	out_end(&out);
	return n < 0 ? -1 : 0;
}

/* 1 while one of the jobs named is live. */
static int
any_live(struct pg *db, struct config *cfg, struct err *e)
{
	static const char sql[] = "SELECT FROM jobctl.job WHERE live AND id = ANY ($1) LIMIT 1";

	job_filter_ids(&cfg->filter, &cfg->ids);
	return filtered_call(db, cfg, NULL, sql, e);
}

static int
once(struct pg *db, struct config *cfg, struct err *e)
{
	if (cfg->common.quiet)
		return predicate(db, cfg, e);
	if (cfg->ids.n)
		return mode(cfg) == OUT_TABLE ? show(db, cfg, e) : show_fields(db, cfg, e);
	return cfg->count ? count(db, cfg, e)
	       : cfg->by  ? count_by(db, cfg, e)
			  : list(db, cfg, e);
}

/* Draw what it prints over what was there: the screen is never empty in between. */
static int
draw(struct pg *db, struct config *cfg, struct err *e)
{
	AUTOFREE char *text = NULL;
	AUTOSTR screen = STR(STR_ANY);
	FILE *terminal = stdout;
	int rows = 24, columns = 80, rc;
	size_t n;

	stdout = open_memstream(&text, &n);
	if (!stdout) {
		stdout = terminal;
		return err_sys(e, ERR_OS, "cannot draw");
	}
	rc = once(db, cfg, e);
	fclose(stdout);
	stdout = terminal;
	if (rc < 0)
		return -1;
	(void)redraw_window(&rows, &columns);
	redraw(&screen, text, n, rows, columns);
	fwrite(screen.buf, 1, screen.len, stdout);
	return rc;
}

/* What is appended for people has the time in front; programs know a line when they see one. */
static int
append(struct pg *db, struct config *cfg, struct err *e)
{
	time_t now = time(NULL);
	char stamp[40];

	if (mode(cfg) == OUT_TABLE && !cfg->count && !cfg->no_header) {
		strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%SZ", gmtime(&now));
		printf("-- %s\n", stamp);
	}
	return once(db, cfg, e);
}

/*
 * A terminal is drawn anew each time, anything else gets one after the other.
 * Whether this is the last time is asked first, so that the end is shown.
 */
static int
watch(struct pg *db, struct config *cfg, struct err *e)
{
	struct watch w = { .min_ms = cfg->watch_ms, .max_ms = cfg->watch_ms };
	bool seen = false, last;
	int rc;

	cfg->drawing = isatty(STDOUT_FILENO) && mode(cfg) == OUT_TABLE;
	do {
		rc = cfg->ids.n ? any_live(db, cfg, e) : 1;
		last = rc == 0;
		if (rc >= 0)
			rc = (cfg->drawing ? draw : append)(db, cfg, e);
		if (rc < 0 && seen) {
			last = false;
			if (e->kind == ERR_UNAVAILABLE)
				cmd_note(&cmd, "%s; trying again", e->msg);
			rc = watch_reconnect(db, cmd.name, cfg->common.dbname, e);
		}
		seen = true;
	} while (rc >= 0 && !last && fflush(stdout) == 0 && watch_pause(&w, false));
	return rc < 0 ? -1 : 0;
}

static int
complain(const struct err *e)
{
	return cmd_fail(&cmd, e);
}

/* One job by its whole id: showing it tells as well whether there is such a job. */
static bool
one_to_show(struct config *cfg, char **operands)
{
	struct uuid id;
	struct err not_whole;

	if (operands[1] || cfg->common.quiet || cfg->watch_ms || mode(cfg) != OUT_TABLE ||
	    uuid_parse(operands[0], &id, &not_whole))
		return false;
	job_ids_add(&cfg->ids, &id);
	return true;
}

static int
run(struct pg *db, struct config *cfg, char **operands, struct err *e)
{
	int worst = 0, rc;

	if (pg_connect(db, cmd.name, cfg->common.dbname, e))
		return -1;
	if (*operands) {
		if (pg_check_schema(db, e))
			return -1;
		cfg->checked = true;
		cfg->unseen = one_to_show(cfg, operands);
		worst = cfg->unseen ? 0 : job_resolve_all(db, operands, &cfg->ids, complain, e);
		if (worst < 0 || !cfg->ids.n)
			return worst;
		job_filter_ids(&cfg->filter, &cfg->ids);
	}
	rc = cfg->watch_ms ? watch(db, cfg, e) : once(db, cfg, e);
	if (rc < 0)
		return -1;
	if (!cfg->common.quiet)
		rc = 0;
	return worst ? worst : rc;
}

static void
check(struct config *cfg, bool operands)
{
	bool quiet = cfg->common.quiet;
	struct err e;

	if (cfg->count && cfg->by)
		cmd_usage(&cmd, "--count and --by exclude each other");
	if (quiet && (cfg->count || cfg->by || cfg->fields || cfg->common.json ||
		      cfg->watch_every != watch_off || cfg->sort_by || cfg->limit >= 0))
		cmd_usage(&cmd, "-Q only says by its exit status whether a job matches");
	if (cfg->count && (cfg->fields || cfg->sort_by))
		cmd_usage(&cmd,
			  "--count prints one number: -o and --sort mean nothing with it");
	if (cfg->by && cfg->fields)
		cmd_usage(&cmd,
			  "--by prints its fields and the count: -o means nothing with it");
	if (operands && (cfg->count || cfg->by || cfg->sort_by || cfg->limit >= 0))
		cmd_usage(&cmd, "jobs that are named are all shown, in the order given");
	if (operands && !quiet && (job_filter_given(&cfg->filter) || cfg->filter.all))
		cmd_usage(&cmd, "either name jobs or give filters; both together only with -Q");
	cfg->filter.all = cfg->filter.all || operands;
	if (job_filter_read(&cfg->filter, &e))
		exit(cmd_fail(&cmd, &e));
	cfg->sort = cfg->filter.live ? JOB_ID : JOB_COMPLETED_AT;
	cfg->descending = true;
	if (cfg->sort_by && !cfg->by &&
	    job_sort_read(cfg->sort_by, &cfg->sort, &cfg->descending, &e))
		exit(cmd_fail(&cmd, &e));
	if (cfg->watch_every == watch_off)
		return;
	if (parse_duration(cfg->watch_every ? cfg->watch_every : watch_default, 100, 86400000,
			   &cfg->watch_ms, &e))
		cmd_usage(&cmd, "--watch: %s", e.msg);
}

static void
condition_exit(int status, void *ctx)
{
	(void)ctx;
	if (status > 1)
		_exit(CONDITION_ERROR);
}

static bool
wants_condition(char **argv)
{
	while (*++argv && strcmp(*argv, "--") != 0)
		if (!strcmp(*argv, "--condition"))
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .limit = -1, .watch_every = watch_off };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	char **operands;
	int status;

	if (wants_condition(argv))
		on_exit(condition_exit, NULL);
	operands = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	cfg.common.quiet = cfg.common.quiet || cfg.condition;
	check(&cfg, *operands);
	status = run(&db, &cfg, operands, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	job_filter_free(&cfg.filter);
	job_ids_free(&cfg.ids);
	return cmd_done(&cmd, status);
}
