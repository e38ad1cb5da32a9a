/*
 * job_change.c - ids or filters to jobs, how many there are, consent, batches
 *
 * The filter is applied once to count, and again in the very statement that
 * changes: a job that has moved on while a person thought about it is left alone.
 */
#include "job_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BATCH = 500,		/* jobs in one transaction */
	COUNTS = 8,		/* lines of a count that are told apart */
};

/* How many jobs of a status a queue has. */
struct count {
	char status[16];
	char *queue;
	size_t n;
};

struct counts {
	struct count *v;
	size_t n;
};

static const struct cmd *complaining;

static int
complain(const struct err *e)
{
	return cmd_fail(complaining, e);
}

void
job_change_check(struct job_change *c, char *const *operands)
{
	bool given = job_filter_given(&c->filter);
	struct err e;

	if (*operands && (given || c->every))
		cmd_usage(c->cmd, "either name jobs or give filters, not both");
	if (given && c->every)
		cmd_usage(c->cmd, "--all is for when there is no filter");
	if (!*operands && !given && !c->every)
		cmd_usage(c->cmd,
			  "which jobs? name them, give filters, or --all for all %s ones",
			  c->scope ? c->scope : "live");
	if (!*operands && c->scope && !c->filter.status.n)
		strlist_add(&c->filter.status, c->scope);
	c->filter.all = *operands;
	if (job_filter_read(&c->filter, &e))
		exit(cmd_fail(c->cmd, &e));
}

static void
count(struct counts *counts, const char *status, const char *queue)
{
	struct count *c;

	for (size_t i = 0; i < counts->n; i++) {
		c = &counts->v[i];
		if (!strcmp(c->status, status) && !strcmp(c->queue, queue)) {
			c->n++;
			return;
		}
	}
	counts->v = xreallocarray(counts->v, counts->n + 1, sizeof *counts->v);
	c = &counts->v[counts->n++];
	*c = (struct count){ .queue = xstrdup(queue), .n = 1 };
	snprintf(c->status, sizeof c->status, "%s", status);
}

static void
counts_free(struct counts *counts)
{
	for (size_t i = 0; i < counts->n; i++)
		free(counts->v[i].queue);
	free(counts->v);
}

/* The jobs that match: live ones the oldest first, others as they ended. */
static int
find(struct pg *db, const struct job_change *c, struct job_ids *ids, struct counts *counts,
     struct err *e)
{
	const struct out_col *cols[] = {
		&job_cols[JOB_ID], &job_cols[JOB_STATUS], &job_cols[JOB_QUEUE]
	};
	struct job_list l = {
		.filter = &c->filter, .cols = cols, .ncols = NELEM(cols), .mode = OUT_TSV,
		.sort = c->filter.live ? JOB_ID : JOB_COMPLETED_AT,
	};

	for (;;) {
		PG_RES res = NULL;
		int n = job_list_next(db, &l, false, &res, e);

		if (n <= 0)
			return n;
		for (int r = 0; r < n; r++) {
			struct uuid u;

			if (uuid_parse(pg_get(res, r, 0), &u, e))
				return -1;
			job_ids_add(ids, &u);
			count(counts, pg_get(res, r, 1), pg_get(res, r, 2));
		}
	}
}

/* The most first. */
static int
by_number(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->status, y->status);
}

/* "7 jobs match: 5 pending in enc, 2 running in mail"; the queue only if there are several. */
static void
tell_counts(const struct job_change *c, struct counts *counts, size_t total)
{
	size_t rest = total;
	bool queues = false;
	AUTOSTR s = STR(2000);

	if (!total)
		return;
	qsort(counts->v, counts->n, sizeof *counts->v, by_number);
	for (size_t i = 1; i < counts->n; i++)
		queues = queues || strcmp(counts->v[i].queue, counts->v[0].queue) != 0;
	for (size_t i = 0; i < counts->n && i < COUNTS; i++) {
		str_putf(&s, "%s%zu %s", i ? ", " : "", counts->v[i].n, counts->v[i].status);
		if (queues)
			str_putf(&s, " in %.100s", counts->v[i].queue);
		rest -= counts->v[i].n;
	}
	if (rest)
		str_putf(&s, ", %zu others", rest);
	cmd_note(c->cmd, "%zu %s: %s", total, total == 1 ? "job matches" : "jobs match", s.buf);
}

static int
consent(const struct job_change *c, size_t n, struct err *e)
{
	char answer[10] = "";

	if (n < 2 || c->yes || c->dry_run)
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		(void)err_set(e, ERR_USAGE, "this would %s %zu jobs", c->verb, n);
		err_hint(e, "--yes does it without asking, --dry-run shows them");
		return -1;
	}
	fprintf(stderr, "%s: %s %zu jobs? [y/N] ", c->cmd->name, c->verb, n);
	if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return err_set(e, ERR_NO, "nothing was changed");
}

static void
put_row(const char *id, const char *was, const char *status)
{
	const struct common *common = cmd_common();
	AUTOSTR s = STR(1000);

	if (common->quiet)
		return;
	if (common->json) {
		str_puts(&s, "{\"v\":1,\"id\":");
		str_put_json(&s, id, strlen(id));
		str_puts(&s, ",\"was\":");
		str_put_json(&s, was, strlen(was));
		str_puts(&s, ",\"status\":");
		str_put_json(&s, status, strlen(status));
		str_puts(&s, "}");
	} else {
		str_putf(&s, "%s %s", id, status);
	}
	puts(s.buf);
}

/* The row of an id, or -1; rows are sorted by it. */
static int
row_of(const PGresult *res, const char *id)
{
	int lo = 0, hi = PQntuples(res);

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2, cmp = strcmp(pg_get(res, mid, 0), id);

		if (!cmp)
			return mid;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

/* The rows come in the order of ids, the lines go out in ours. */
static int
put_rows(struct job_change *c, const struct job_ids *ids, const PGresult *res)
{
	int bad = 0;

	for (size_t i = 0; i < ids->n; i++) {
		struct uuid_text id = uuid_str(&ids->v[i]);
		int r = row_of(res, id.z);

		if (r < 0)
			continue;
		put_row(id.z, pg_get(res, r, 1), pg_get(res, r, 2));
		if (strcmp(pg_get(res, r, 1), pg_get(res, r, 2)) != 0)
			job_ids_add(&c->changed, &ids->v[i]);
		bad += !c->good(pg_get(res, r, 1), pg_get(res, r, 2));
		c->nrunning += !strcmp(pg_get(res, r, 2), "running");
		c->nheld += !strcmp(pg_get(res, r, 2), "held");
	}
	return bad;
}

/* Returns how many jobs were still as the filter says; *bad counts those that are not good. */
static int
change_batch(struct pg *db, struct job_change *c, const struct job_ids *ids, int *bad,
	     struct err *e)
{
	const char *const *act = c->dry_run ? c->dry_act : c->act;
	struct pg_val args[JOB_FILTER_ARGS + 1 + NELEM(c->more)];
	AUTOSTR sql = STR(STR_ANY);
	PG_RES res = NULL;
	int n;

	job_filter_ids(&c->filter, ids);
	memcpy(args, c->filter.args, sizeof c->filter.args);
	args[JOB_FILTER_ARGS] = pg_text(c->why);
	memcpy(args + JOB_FILTER_ARGS + 1, c->more, sizeof c->more);
	str_puts(&sql, act[0]);
	job_filter_where(&c->filter, &sql);
	str_puts(&sql, act[1]);
	str_puts(&sql, " ORDER BY 1");
	n = pg_call(db, &res, sql.buf, args, JOB_FILTER_ARGS + 1 + c->nmore, e);
	if (n > 0)
		*bad += put_rows(c, ids, res);
	return n;
}

static int
change_all(struct pg *db, struct job_change *c, const struct job_ids *ids, int *changed,
	   int *bad, struct err *e)
{
	size_t most = c->whole ? ids->n : BATCH;

	for (size_t i = 0; i < ids->n && !ferror(stdout); i += most) {
		struct job_ids batch = {
			.v = ids->v + i, .n = ids->n - i < most ? ids->n - i : most
		};
		int n = change_batch(db, c, &batch, bad, e);

		if (n < 0)
			return -1;
		*changed += n;
	}
	return 0;
}

int
job_change_run(struct pg *db, struct job_change *c, char *const *operands, struct err *e)
{
	struct job_ids ids = { .n = 0 };
	struct counts counts = { .n = 0 };
	int worst = 0, changed = 0, bad = 0;

	complaining = c->cmd;
	if (*operands) {
		worst = job_resolve_all(db, operands, &ids, complain, e);
	} else if (find(db, c, &ids, &counts, e)) {
		worst = -1;
	} else {
		tell_counts(c, &counts, ids.n);
		worst = consent(c, ids.n, e);
	}
	if (worst >= 0 && change_all(db, c, &ids, &changed, &bad, e))
		worst = -1;
	counts_free(&counts);
	job_ids_free(&ids);
	if (worst < 0)
		return -1;
	if (!*operands && !changed)
		cmd_note(c->cmd, "no job matches");
	return worst ? worst : bad || !changed;
}

int
job_change_main(struct job_changer *cfg, int argc, char **argv)
{
	struct job_change *c = &cfg->change;
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	char **operands = cmd_parse(c->cmd, cfg, argc, argv, NULL);
	int status;

	job_change_check(c, operands);
	status = pg_open(&db, c->cmd->name, cfg->common.dbname, &err);
	if (!status)
		status = job_change_run(&db, c, operands, &err);
	if (status < 0)
		status = cmd_fail(c->cmd, &err);
	else if (c->nrunning && c->of_running && !c->dry_run)
		cmd_note(c->cmd, "%zu running: %s", c->nrunning, c->of_running);
	pg_close(&db);
	job_ids_free(&c->changed);
	job_filter_free(&c->filter);
	return cmd_done(c->cmd, status);
}
