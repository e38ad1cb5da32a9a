/*
 * migrate/baseline.c - baseline: what is there already counts as applied
 *
 * Nothing but the books is written.  What the files would have made is looked for
 * first: a baseline on a database that has none of it would break every later migration.
 */
#include "migrate/verbs.h"

#include <inttypes.h>
#include <string.h>

#include "migrate_book.h"
#include "parse.h"
#include "str.h"

static int
check_books(struct mig_work *w, const struct mig_set *set, struct err *e)
{
	for (size_t i = 0; i < w->state.n; i++) {
		const struct mig_item *it = &w->state.v[i];
		AUTOSTR label = STR(200);

		if (!mig_is_applied(it) && it->status != MIG_INTERRUPTED)
			continue;
		mig_put_label(&label, it);
		(void)err_set(e, ERR_DATA, "set %s is on record already: %s is %s", set->name,
			      label.buf, mig_status_names[it->status]);
		err_hint(e, "a baseline is how a record begins; to change one see "
			    "jobctl-migrate repair");
		return -1;
	}
	return 0;
}

/* Tables and indexes of the first n migrations that are not there, each a problem. */
static int
check_objects(struct mig_work *w, const struct mig_set *set, size_t n, struct err *e)
{
	AUTOSTR there = STR(STR_ANY), missing = STR(STR_ANY);
	struct mig_problems p = { .n = 0 };

	if (mig_find_objects(&w->db, set, 0, n, &there, &missing, e))
		return cmd_fail(w->cmd, e);
	for (const char *z = missing.buf; *z; z += strcspn(z, "\n") + 1) {
		int len = (int)strcspn(z, "\n");

		if (w->opt->yes)
			cmd_note(w->cmd, "there is no %.*s, which the files make", len, z);
		else
			(void)err_set(mig_problem(&p), ERR_DATA, "there is no %.*s, which the "
				      "files make", len, z);
	}
	if (p.n)
		err_hint(&p.v[p.n - 1], "let up make what is missing; or add --yes if it was "
					"renamed or dropped since");
	return mig_say_problems(w, &p);
}

static int
record(struct mig_work *w, const struct mig_set *set, size_t n, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);

	mig_put_books(&sql, &w->state);
	for (size_t i = 0; i < n; i++) {
		const struct mig_version *v = &set->v[i];

		mig_book_put_marked(&sql, set->name, v->version, v->name, v->up.sha256, "baseline");
		mig_book_put_event(&sql, set->name, v->version, v->name, "baseline", NULL,
				   v->up.sha256);
	}
	return pg_exec(&w->db, sql.buf, e);
}

static void
tell(struct mig_work *w)
{
	struct out o;

	out_begin(&o, OUT_JSONL, false, mig_all_cols, MIG_NCOLS);
	for (size_t i = 0; i < w->state.n; i++) {
		const struct mig_item *it = &w->state.v[i];
		AUTOSTR label = STR(200);

		if (!mig_is_applied(it))
			continue;
		mig_put_label(&label, it);
		cmd_note(w->cmd, "%s counts as applied", label.buf);
		if (w->opt->common.json)
			mig_put_item(&o, mig_all_cols, MIG_NCOLS, it, mig_status_names[it->status],
				     it->duration_s);
	}
	out_end(&o);
}

int
mig_baseline(struct mig_work *w, char **operands)
{
	const struct mig_set *set = w->sets.v;
	struct err e = ERR_INIT;
	int64_t version;
	size_t n = 0;
	int rc;

	if (w->sets.n > 1)
		cmd_usage(w->cmd, "baseline: a version belongs to a set: give --set or --dir");
	if (parse_int(operands[0], 1, MIG_VERSION_MAX, &version, &e))
		return cmd_fail(w->cmd, &e);
	while (n < set->n && set->v[n].version <= version)
		n++;
	if (!mig_set_find(set, version)) {
		(void)err_set(&e, ERR_NOINPUT, "set %s has no version %" PRId64, set->name, version);
		return cmd_fail(w->cmd, &e);
	}
	if (mig_connect(w, &e) || mig_lock(&w->run, &e) || mig_look(w, &e) ||
	    check_books(w, set, &e))
		return cmd_fail(w->cmd, &e);
	rc = check_objects(w, set, n, &e);
	if (rc)
		return rc;
	if (record(w, set, n, &e) || mig_look(w, &e))
		return cmd_fail(w->cmd, &e);
	tell(w);
	return 0;
}
