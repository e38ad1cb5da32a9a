/*
 * job_change.c - ids or filters to jobs, consent, batches
 *
 * The filter is applied once to count, and again in the very statement that
 * changes: a job that has moved on while a person thought about it is left alone.
 */
#include "job_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 500 };		/* jobs in one transaction */

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
			  "which jobs? name them, give filters, or --all for all live ones");
	c->filter.all = *operands;
	if (job_filter_read(&c->filter, &e))
		exit(cmd_fail(c->cmd, &e));
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

/* The rows come in the server's order, the lines go out in ours. */
static int
put_rows(struct job_change *c, const struct job_ids *ids, const PGresult *res)
{
	int bad = 0;

	for (size_t i = 0; i < ids->n; i++) {
		struct uuid_text id = uuid_str(&ids->v[i]);
		int r = 0;

		while (r < PQntuples(res) && strcmp(pg_get(res, r, 0), id.z) != 0)
			r++;
		if (r == PQntuples(res))
			continue;
		put_row(id.z, pg_get(res, r, 1), pg_get(res, r, 2));
		bad += !c->good(pg_get(res, r, 1), pg_get(res, r, 2));
		c->nrunning += !strcmp(pg_get(res, r, 2), "running");
	}
	return bad;
}

/* Returns how many jobs were still as the filter says; *bad counts those that are not good. */
static int
change_batch(struct pg *db, struct job_change *c, const struct job_ids *ids, int *bad,
	     struct err *e)
{
	const char *const *act = c->dry_run ? c->dry_act : c->act;
	struct pg_val args[JOB_FILTER_ARGS + 1];
	AUTOSTR sql = STR(STR_ANY);
	PG_RES res = NULL;
	int n;

	job_filter_ids(&c->filter, ids);
	memcpy(args, c->filter.args, sizeof c->filter.args);
	args[JOB_FILTER_ARGS] = pg_text(c->why);
	str_puts(&sql, act[0]);
	job_filter_where(&c->filter, &sql);
	str_puts(&sql, act[1]);
	n = pg_call(db, &res, sql.buf, args, NELEM(args), e);
	if (n > 0)
		*bad += put_rows(c, ids, res);
	return n;
}

int
job_change_run(struct pg *db, struct job_change *c, char *const *operands, struct err *e)
{
	struct job_ids ids = { .n = 0 };
	int worst = 0, changed = 0, bad = 0, n = 0;

	complaining = c->cmd;
	if (*operands)
		worst = job_resolve_all(db, operands, &ids, complain, e);
	else if (job_find(db, &c->filter, &ids, e) || consent(c, ids.n, e))
		worst = -1;
	for (size_t i = 0; i < ids.n && worst >= 0 && n >= 0 && !ferror(stdout); i += BATCH) {
		struct job_ids batch = {
			.v = ids.v + i, .n = ids.n - i < BATCH ? ids.n - i : BATCH
		};

		n = change_batch(db, c, &batch, &bad, e);
		changed += n > 0 ? n : 0;
	}
	job_ids_free(&ids);
	if (worst < 0 || n < 0)
		return -1;
	if (!*operands && !changed)
		cmd_note(c->cmd, "no job matches");
	return worst ? worst : bad || !changed;
}
