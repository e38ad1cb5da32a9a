/*
 * migrate/change.c - up, down and redo
 */
#include "migrate/verbs.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "migrate_loss.h"
#include "str.h"

enum { MAX_SHOWN = 20 };	/* losses, one to a line */

static void
nothing_to_do(const struct mig_work *w)
{
	AUTOSTR at = STR(1000);

	if (w->down) {
		cmd_note(w->cmd, "nothing to revert");
		return;
	}
	for (size_t i = 0; i < w->sets.n; i++)
		str_putf(&at, "%s%s at %04" PRId64, i ? ", " : "", w->sets.v[i].name,
			 w->opt->to >= 0 ? w->opt->to : mig_set_head(&w->sets.v[i]));
	cmd_note(w->cmd, "up to date: %s", at.buf);
}

/* The migrations of a plan, one by one; NULL after the last. */
static const struct mig_item *
next_end(const struct mig_plan *p, size_t *batch, size_t *chunk)
{
	for (; *batch < p->n; (*batch)++, *chunk = 0)
		while (*chunk < p->v[*batch].n) {
			const struct mig_item *it = p->v[*batch].v[(*chunk)++].ends;

			if (it)
				return it;
		}
	return NULL;
}

/* What the plan is about to revert, a line each. */
static void
put_reverted(const struct mig_work *w, struct str *s)
{
	const struct mig_item *it;
	size_t batch = 0, chunk = 0;

	while ((it = next_end(&w->plan, &batch, &chunk))) {
		if (!mig_plan_reverts(&w->plan, it))
			continue;
		str_puts(s, "  ");
		mig_put_label(s, it);
		str_putc(s, '\n');
	}
}

/* State, problems and plan; with the lock held they are final. */
static int
look(struct mig_work *w, struct err *e)
{
	int rc = 0;

	if (mig_look(w, e))
		return cmd_fail(w->cmd, e);
	if (!w->down)
		rc = mig_say_unfit(w, w->opt->out_of_order);
	if (!rc && mig_plan(w, e))
		rc = cmd_fail(w->cmd, e);
	return rc;
}

/*
 * With the lock held for as long as that takes, and not while somebody thinks about it.
 * *known is false if it cannot be told.
 */
static int
rehearse(struct mig_work *w, struct mig_losses *l, bool *known, struct err *e)
{
	bool unknown = false;
	int rc;

	*known = true;
	if (mig_lock(&w->run, e))
		return cmd_fail(w->cmd, e);
	rc = look(w, e);
	if (rc)
		return rc;
	if (mig_rehearse(&w->run, &w->plan, l, &unknown, e)) {
		if (!unknown)
			return cmd_fail(w->cmd, e);
		*known = false;
		cmd_note(w->cmd, "what would be lost cannot be told: %s%s%s", e->msg,
			 w->run.blocker[0] ? ": held by " : "", w->run.blocker);
	}
	if (!w->db.conn || mig_unlock(&w->run, e))
		return cmd_fail(w->cmd, e);
	return 0;
}

static void
put_losses(struct str *s, const struct mig_losses *l, bool known)
{
	size_t empty = 0, shown = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!l->v[i].rows) {
			empty++;
		} else if (shown < MAX_SHOWN) {
			str_puts(s, "  ");
			mig_put_loss(s, &l->v[i]);
			str_putc(s, '\n');
			shown++;
		}
	}
	if (l->n > empty + shown)
		str_putf(s, "  and %zu more\n", l->n - empty - shown);
	if (empty)
		str_putf(s, "  %zu %s\n", empty, empty == 1 ? "table or column without a row"
							     : "tables or columns without a row");
	if (!l->n && known)
		str_puts(s, "  no table, no column, no row\n");
}

/* Rows of --dry-run. */
static void
print_losses(const struct mig_work *w, const struct mig_losses *l)
{
	static const struct out_col cols[] = {
		{ "loss", "LOSS", OUT_TEXT },
		{ "object", "OBJECT", OUT_TEXT },
		{ "rows", "ROWS", OUT_NUM },
		{ "exact", "EXACT", OUT_BOOL },
	};
	const struct out_col *all[NELEM(cols)];
	struct out o;

	for (size_t i = 0; i < NELEM(cols); i++)
		all[i] = &cols[i];
	out_begin(&o, w->opt->common.json ? OUT_JSONL : OUT_TABLE, l->n, all, NELEM(cols));
	for (size_t i = 0; i < l->n; i++) {
		char rows[24];

		snprintf(rows, sizeof rows, "%" PRId64, l->v[i].rows);
		out_cell(&o, mig_loss_names[l->v[i].kind]);
		out_cell(&o, l->v[i].object);
		out_cell(&o, l->v[i].rows < 0 ? NULL : rows);
		out_cell(&o, l->v[i].exact ? "t" : "f");
	}
	out_end(&o);
}

static int
ask(struct err *e)
{
	char answer[16] = "";

	fprintf(stderr, "Type \"yes\" to go on: ");
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0)
		return err_set(e, ERR_NO, "nothing was reverted");
	return 0;
}

static int
dry_run(struct mig_work *w, const struct mig_losses *l, bool known)
{
	AUTOSTR what = STR(STR_ANY);

	put_reverted(w, &what);
	while (what.len && what.buf[what.len - 1] == '\n')
		str_truncate(&what, what.len - 1);
	cmd_note(w->cmd, "this would revert:\n%s", what.buf);
	if (!w->opt->common.quiet)
		print_losses(w, l);
	if (known && !l->n)
		cmd_note(w->cmd, "no table, no column and no row would be lost");
	return known ? 0 : ERR_TEMPFAIL;
}

static int
say_and_ask(struct mig_work *w, const struct mig_losses *l, bool known, struct err *e)
{
	AUTOSTR what = STR(STR_ANY), safe = STR(STR_ANY);

	str_puts(&what, "This reverts\n");
	put_reverted(w, &what);
	str_puts(&what, w->again ? "and applies it again.  What is lost:\n" : "What is lost:\n");
	put_losses(&what, l, known);
	str_put_safe_text(&safe, what.buf, what.len);
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
		fputs(safe.buf, stderr);
		return ask(e);
	}
	if (!w->opt->common.json)
		fputs(safe.buf, stderr);
	(void)err_set(e, ERR_USAGE, "nothing was reverted");
	err_hint(e, "if that is meant, add --yes");
	return -1;
}

/* Going down takes a yes, and says before what goes. */
static int
confirm(struct mig_work *w, struct err *e)
{
	struct mig_losses l = { .n = 0 };
	bool known;
	int rc = rehearse(w, &l, &known, e);

	if (!rc && w->opt->dry_run)
		rc = dry_run(w, &l, known);
	else if (!rc && say_and_ask(w, &l, known, e))
		rc = cmd_fail(w->cmd, e);
	mig_losses_free(&l);
	return rc;
}

/* An edited file does not keep anyone from going down, but may not undo what was done. */
static void
warn_of_edits(const struct mig_work *w)
{
	const struct mig_item *it;
	size_t batch = 0, chunk = 0;

	while ((it = next_end(&w->plan, &batch, &chunk))) {
		AUTOSTR label = STR(200);

		mig_put_label(&label, it);
		if (it->status == MIG_EDITED && mig_plan_reverts(&w->plan, it))
			cmd_note(w->cmd, "%s was edited since it was applied; what reverts it is "
				 "taken as it is now", label.buf);
	}
}

/* What the plan is for: with the lock held it has to be what was asked for. */
static char *
purpose(const struct mig_work *w)
{
	AUTOSTR s = STR(STR_ANY);

	put_reverted(w, &s);
	return str_take(&s);
}

/*
 * A build of an index and somebody else's on the same table can wait for each other;
 * the server then ends one.  If that was ours the step is open, and is run again.
 */
static int
run_plan(struct mig_work *w, struct err *e)
{
	int64_t deadline = deadline_in(w->opt->wait_lock);

	for (int attempt = 0; mig_run(&w->run, &w->plan, e); attempt++) {
		int rc;

		if (w->again || w->run.stopped || strcmp(e->sqlstate, "40P01") != 0 ||
		    now_ms() >= deadline)
			return cmd_fail(w->cmd, e);
		cmd_note(w->cmd, "trying again: %s", e->msg);
		if (!mig_backoff(&w->run, attempt, deadline))
			return cmd_fail(w->cmd, e);
		rc = look(w, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int
run(struct mig_work *w, struct err *e)
{
	AUTOFREE char *asked = purpose(w), *found = NULL;
	int rc;

	if (mig_lock(&w->run, e))
		return cmd_fail(w->cmd, e);
	rc = look(w, e);
	if (rc)
		return rc;
	found = purpose(w);
	if (w->plan.n && strcmp(found, asked) != 0) {
		(void)err_set(e, ERR_TEMPFAIL,
			      "another migration ran meanwhile: there is something else to revert");
		err_hint(e, "run it again");
		return cmd_fail(w->cmd, e);
	}
	if (!w->plan.n)
		nothing_to_do(w);
	warn_of_edits(w);
	return run_plan(w, e);
}

static int
change(struct mig_work *w)
{
	struct err e = ERR_INIT;
	int rc;

	if (mig_connect(w, &e) || mig_check_session(&w->run, &e))
		return cmd_fail(w->cmd, &e);
	rc = look(w, &e);
	if (rc)
		return rc;
	if (!w->plan.n) {
		nothing_to_do(w);
		return 0;
	}
	if (w->down && (!w->opt->yes || w->opt->dry_run)) {
		rc = confirm(w, &e);
		if (rc || w->opt->dry_run)
			return rc;
	}
	mig_catch_signals(w);
	out_begin(&w->out, OUT_JSONL, false, mig_all_cols, MIG_NCOLS);
	rc = run(w, &e);
	out_end(&w->out);
	close(w->run.stop_fd);
	return rc;
}

int
mig_up(struct mig_work *w, char **operands)
{
	(void)operands;
	return change(w);
}

int
mig_down(struct mig_work *w, char **operands)
{
	(void)operands;
	w->down = true;
	return change(w);
}

int
mig_redo(struct mig_work *w, char **operands)
{
	(void)operands;
	w->down = w->again = true;
	return change(w);
}
