/*
 * migrate/mend.c - repair: changing the record
 *
 * Only the books are changed, never what they are about, all that was asked for at once
 * and nothing else.  What is said before a question is what is done: it is found again
 * with the lock held, and compared.
 */
#include "migrate/verbs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate_book.h"
#include "parse.h"
#include "str.h"

enum mend_kind { ACCEPT, MARK_APPLIED, MARK_PENDING, FORGET };

static const struct {
	const char *option, *event;
} kinds[] = {
	[ACCEPT] = { "--accept-checksum", "accept-checksum" },
	[MARK_APPLIED] = { "--mark-applied", "mark-applied" },
	[MARK_PENDING] = { "--mark-pending", "mark-pending" },
	[FORGET] = { "--forget", "forget" },
};

/* What was asked for. */
struct mend {
	enum mend_kind kind;
	int64_t version;
};

struct mends {
	struct mend *v;
	size_t n;
	struct str text;	/* what is going to be done, and what speaks against it */
	struct str sql;
};

static void
read_option(struct mig_work *w, const struct strlist *list, enum mend_kind kind, struct mends *m)
{
	for (size_t i = 0; i < list->n; i++) {
		int64_t min = kind == MARK_PENDING ? 0 : 1, version;
		struct err e = ERR_INIT;

		if (parse_int(list->v[i], min, MIG_VERSION_MAX, &version, &e))
			cmd_usage(w->cmd, "%s: %s", kinds[kind].option, e.msg);
		for (size_t k = 0; k < m->n; k++)
			if (m->v[k].version == version)
				cmd_usage(w->cmd, "version %" PRId64 " is given twice", version);
		m->v = xreallocarray(m->v, m->n + 1, sizeof *m->v);
		m->v[m->n++] = (struct mend){ .kind = kind, .version = version };
	}
}

static const struct mig_item *
find(const struct mig_state *st, int64_t version)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].version == version)
			return &st->v[i];
	return NULL;
}

static bool
has_steps(const struct mig_item *it)
{
	return it->steps_done || it->step_open;
}

/* Whether the option is meant for an item in this state. */
static bool
fits(enum mend_kind kind, const struct mig_item *it)
{
	switch (kind) {
	case ACCEPT:
		return it->status == MIG_EDITED && !has_steps(it);
	case MARK_APPLIED:
		return it->version && it->files && (has_steps(it) || !mig_is_applied(it));
	case MARK_PENDING:
		return it->status != MIG_NEWER && (it->files || !it->version) &&
		       (has_steps(it) || mig_is_applied(it));
	case FORGET:
		return it->status == MIG_MISSING ||
		       (it->status == MIG_NEWER && it->version && !it->set->builtin);
	}
	return false;
}

static int
check(const struct mend *m, const struct mig_item *it, const struct mig_set *set, struct err *e)
{
	AUTOSTR label = STR(300);

	if (!it)
		return err_set(e, ERR_NOINPUT, "set %s has no version %" PRId64, set->name,
			       m->version);
	if (fits(m->kind, it))
		return 0;
	mig_put_label(&label, it);
	(void)err_set(e, ERR_DATA, "%s is %s%s: %s is not for that", label.buf,
		      mig_status_names[it->status], has_steps(it) ? ", with steps that are done" : "",
		      kinds[m->kind].option);
	err_hint(e, "jobctl-migrate repair says what is");
	return -1;
}

static void
put_warnings(struct str *s, const char *what, const char *lines)
{
	for (const char *p = lines; *p;) {
		size_t n = strcspn(p, "\n");

		str_putf(s, "    %s %.*s, which it makes\n", what, (int)n, p);
		p += n + 1;
	}
}

static int
warn_of_objects(struct mig_work *w, const struct mig_item *it, bool applied, struct str *s,
		struct err *e)
{
	AUTOSTR there = STR(STR_ANY), missing = STR(STR_ANY);

	if (mig_find_objects(&w->db, it->set, (size_t)(it->files - it->set->v), 1, &there,
			     &missing, e))
		return -1;
	if (applied)
		put_warnings(s, "there is no", missing.buf);
	else
		put_warnings(s, "there is the", there.buf);
	return 0;
}

static void
warn_of_later(const struct mig_work *w, const struct mig_item *it, struct str *s)
{
	for (size_t i = 0; i < w->state.n; i++) {
		const struct mig_item *later = &w->state.v[i];

		if (later->version <= it->version || !mig_is_applied(later))
			continue;
		str_putf(s, "    %04" PRId64 "_%s is applied and may depend on it; up will call it "
			 "out of order\n", later->version, later->name);
		return;
	}
}

static int
plan_one(struct mig_work *w, const struct mend *m, const struct mig_item *it, struct mends *all,
	 struct err *e)
{
	const char *set = it->set->name, *was = it->sha256;
	const char *is = it->files ? it->files->up.sha256 : NULL;
	struct str *text = &all->text, *sql = &all->sql;
	AUTOSTR label = STR(300);
	int rc = 0;

	mig_put_label(&label, it);
	str_putf(text, "  %s: ", label.buf);
	mig_book_put_event(sql, set, it->version, it->name, kinds[m->kind].event, was,
			   m->kind == ACCEPT || m->kind == MARK_APPLIED ? is : NULL);
	if (m->kind == ACCEPT) {
		str_putf(text, "SHA-256 %.12s of the file as it is now, instead of %.12s\n"
			 "    what was changed in it is not run\n", is, was);
		mig_book_put_sha256(sql, set, it->version, is);
	} else if (m->kind == MARK_APPLIED) {
		str_puts(text, "counts as applied, and is not run\n");
		if (!was)
			mig_book_put_marked(sql, set, it->version, it->name, is, "repair");
		rc = warn_of_objects(w, it, true, text, e);
	} else if (!it->version) {
		str_puts(text, "made anew by the next up\n");
		mig_book_put_sha256(sql, set, 0, "");
	} else if (m->kind == MARK_PENDING) {
		str_puts(text, "off the record; up runs it again\n");
		mig_book_put_gone(sql, set, it->version);
		warn_of_later(w, it, text);
		rc = warn_of_objects(w, it, false, text, e);
	} else {
		str_puts(text, "off the record; what it made stays\n");
		mig_book_put_gone(sql, set, it->version);
	}
	if (has_steps(it) || !it->files)
		mig_book_put_steps_gone(sql, set, it->version);
	return rc;
}

/* What is to be done, as the state is now; everything that cannot be is said: 0, or the status. */
static int
plan(struct mig_work *w, struct mends *all)
{
	struct mig_problems p = { .n = 0 };
	struct err e = ERR_INIT;

	str_reset(&all->text);
	str_reset(&all->sql);
	mig_put_books(&all->sql, &w->state);
	for (size_t i = 0; i < all->n; i++) {
		const struct mig_item *it = find(&w->state, all->v[i].version);

		if (check(&all->v[i], it, w->sets.v, &e) ||
		    plan_one(w, &all->v[i], it, all, &e))
			*mig_problem(&p) = e;
	}
	return mig_say_problems(w, &p);
}

static int
confirm(const struct mends *all, struct err *e)
{
	char answer[16] = "";

	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
		fprintf(stderr, "Type \"yes\" to go on: ");
		if (fgets(answer, sizeof answer, stdin) && !strcmp(answer, "yes\n"))
			return 0;
		return err_set(e, ERR_NO, "nothing was changed");
	}
	(void)err_set(e, ERR_USAGE, "this changes the record of %zu migration%s; nothing was changed",
		      all->n, all->n == 1 ? "" : "s");
	err_hint(e, "if that is meant, add --yes");
	return -1;
}

static void
say(struct mig_work *w, const char *what, const struct mends *all)
{
	AUTOFREE char *lines = xstrndup(all->text.buf, all->text.len - 1);

	cmd_note(w->cmd, "%s\n%s", what, lines);
}

static void
print_changed(struct mig_work *w, const struct mends *all)
{
	struct out o;

	out_begin(&o, OUT_JSONL, false, mig_all_cols, MIG_NCOLS);
	for (size_t i = 0; i < all->n; i++) {
		const struct mig_item *it = find(&w->state, all->v[i].version);

		if (it)			/* what was forgotten is nowhere */
			mig_put_item(&o, mig_all_cols, MIG_NCOLS, it,
				     mig_status_names[it->status], it->duration_s);
	}
	out_end(&o);
}

/* With the lock held, if what is found now is what was confirmed. */
static int
change(struct mig_work *w, struct mends *all, struct err *e)
{
	AUTOFREE char *asked = xstrdup(all->text.buf);
	int rc;

	if (mig_lock(&w->run, e) || mig_look(w, e))
		return cmd_fail(w->cmd, e);
	rc = plan(w, all);
	if (rc)
		return rc;
	if (strcmp(asked, all->text.buf) != 0) {
		(void)err_set(e, ERR_TEMPFAIL, "another migration ran meanwhile");
		err_hint(e, "look at it again");
		return cmd_fail(w->cmd, e);
	}
	if (pg_exec(&w->db, all->sql.buf, e) || mig_look(w, e))
		return cmd_fail(w->cmd, e);
	say(w, "changed on record:", all);
	if (w->opt->common.json)
		print_changed(w, all);
	return 0;
}

static int
mend(struct mig_work *w, struct mends *all, struct err *e)
{
	int rc;

	if (mig_connect(w, e) || mig_check_session(&w->run, e) || mig_look(w, e))
		return cmd_fail(w->cmd, e);
	rc = plan(w, all);
	if (rc)
		return rc;
	if (w->opt->dry_run || !w->opt->yes)
		say(w, "this changes the record:", all);
	if (w->opt->dry_run)
		return 0;
	if (!w->opt->yes && confirm(all, e))
		return cmd_fail(w->cmd, e);
	return change(w, all, e);
}

int
mig_mend(struct mig_work *w)
{
	struct mends all = { .text = STR(STR_ANY), .sql = STR(STR_ANY) };
	struct err e = ERR_INIT;
	int rc;

	if (w->sets.n > 1)
		cmd_usage(w->cmd, "repair: a version belongs to a set: give --set or --dir");
	read_option(w, &w->opt->accept, ACCEPT, &all);
	read_option(w, &w->opt->mark_applied, MARK_APPLIED, &all);
	read_option(w, &w->opt->mark_pending, MARK_PENDING, &all);
	read_option(w, &w->opt->forget, FORGET, &all);
	rc = mend(w, &all, &e);
	free(all.v);
	str_free(&all.text);
	str_free(&all.sql);
	return rc;
}
