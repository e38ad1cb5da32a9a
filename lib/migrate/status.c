/*
 * migrate/status.c - what is applied, and what up would do
 */
#include "migrate/verbs.h"

#include <string.h>

#include "str.h"

static void
print_items(const struct mig_work *w, const struct out_col *const *picked, int n,
	    enum out_mode mode)
{
	struct out o;

	out_begin(&o, mode, !w->opt->no_header, picked, n);
	for (size_t i = 0; i < w->state.n; i++) {
		const struct mig_item *it = &w->state.v[i];

		mig_put_item(&o, picked, n, it, mig_status_names[it->status], it->duration_s);
	}
	out_end(&o);
}

/* Where rows come from is told when it is not always the same. */
static bool
all_by_up(const struct mig_state *st)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].origin && strcmp(st->v[i].origin, "up") != 0)
			return false;
	return true;
}

static void
print(const struct mig_work *w, const struct out_col *const *picked, int n)
{
	if (w->opt->common.quiet)
		return;
	if (w->opt->common.json)
		print_items(w, picked ? picked : mig_all_cols, picked ? n : MIG_NCOLS, OUT_JSONL);
	else if (picked)
		print_items(w, picked, n, OUT_TSV);
	else
		print_items(w, mig_table_cols, MIG_NTABLE - all_by_up(&w->state), OUT_TABLE);
}

int
mig_status(struct mig_work *w, char **operands)
{
	AUTOFREE const struct out_col **picked = NULL;
	const char *fields = w->opt->fields;
	enum err_kind verdict;
	struct err e = ERR_INIT;
	bool late = false;
	size_t due = 0;
	int n = 0;

	(void)operands;
	if (fields && out_pick(mig_cols, MIG_NCOLS, fields, &picked, &n, &e))
		return cmd_fail(w->cmd, &e);
	if (mig_connect(w, &e) || mig_look(w, &e))
		return cmd_fail(w->cmd, &e);
	print(w, picked, n);
	verdict = mig_state_verdict(&w->state);
	for (size_t i = 0; i < w->state.n; i++) {
		due += mig_is_due(&w->state.v[i]);
		late = late || w->state.v[i].status == MIG_OUT_OF_ORDER;
	}
	if (late || verdict == ERR_DATA || verdict == ERR_SCHEMA)
		(void)!mig_say_unfit(w, false);
	if (verdict == ERR_NO)
		cmd_note(w->cmd, "%zu pending; run: jobctl-migrate up", due);
	return (int)verdict;
}

int
mig_print_plan(struct mig_work *w, char **operands)
{
	AUTOSTR sql = STR(STR_ANY);
	struct err e = ERR_INIT;
	int rc;

	(void)operands;
	if (mig_connect(w, &e) || mig_look(w, &e))
		return cmd_fail(w->cmd, &e);
	rc = mig_say_unfit(w, w->opt->out_of_order);
	if (rc)
		return rc;
	if (mig_plan(w, &e))
		return cmd_fail(w->cmd, &e);
	if (w->plan.n)
		str_putf(&sql, "-- What jobctl-migrate %s would run, for psql -v ON_ERROR_STOP=1\n\n",
			 JOBCTL_VERSION);
	mig_plan_print(&w->plan, &sql);
	fwrite(sql.buf, 1, sql.len, stdout);
	if (!w->plan.n)
		cmd_note(w->cmd, "up to date: there is nothing to run");
	return 0;
}
