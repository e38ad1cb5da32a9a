/*
 * migrate_plan.c - from a state to the statements that change it
 */
#include "migrate_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "migrate_book.h"

struct gen {
	struct mig_plan *plan;
	const struct mig_state *st;
	const struct mig_goal *goal;
	bool exists;			/* the bookkeeping, by now */
	bool open;			/* the last batch takes more */
	bool again;			/* what was reverted is being applied */

	const struct mig_set *set;	/* the one at hand: */
	const struct mig_item *v;	/* its items, without the api */
	size_t n;
	const struct mig_item *api;
	bool api_there;
	size_t drops_batch, drops_chunk;	/* where it was dropped, if it was */
	int64_t *have;			/* its versions by now, ascending */
	size_t nhave;
};

static struct mig_chunk *
add_chunk(struct gen *g, enum mig_chunk_kind kind)
{
	struct mig_batch *b = &g->plan->v[g->plan->n - 1];

	b->v = xreallocarray(b->v, b->n + 1, sizeof *b->v);
	b->v[b->n] = (struct mig_chunk){ .kind = kind, .sql = STR(STR_ANY) };
	return &b->v[b->n++];
}

static struct str *
own(struct gen *g)
{
	return &add_chunk(g, MIG_OWN)->sql;
}

static struct mig_chunk *
last_chunk(struct gen *g)
{
	struct mig_batch *b = &g->plan->v[g->plan->n - 1];

	return &b->v[b->n - 1];
}

/* What the last chunk begins or ends. */
static void
mark(struct gen *g, const struct mig_item *begins, const struct mig_item *ends)
{
	if (begins)
		last_chunk(g)->begins = begins;
	if (ends)
		last_chunk(g)->ends = ends;
}

static void
open_batch(struct gen *g, bool transaction)
{
	struct mig_plan *p = g->plan;

	if (g->open && transaction && p->v[p->n - 1].transaction)
		return;
	p->v = xreallocarray(p->v, p->n + 1, sizeof *p->v);
	p->v[p->n++] = (struct mig_batch){
		.transaction = transaction,
		.without_api = g->api && mig_is_applied(g->api) && !g->api_there,
	};
	g->open = true;
	if (!g->exists) {
		mig_put_books(own(g), g->st);
		g->exists = true;
	}
	mig_book_put_guard(&add_chunk(g, MIG_GUARD)->sql, g->set->name, g->have, g->nhave);
}

static void
have(struct gen *g, int64_t version, bool yes)
{
	size_t i = 0;

	while (i < g->nhave && g->have[i] < version)
		i++;
	if (yes && (i == g->nhave || g->have[i] != version)) {
		g->have = xreallocarray(g->have, g->nhave + 1, sizeof *g->have);
		memmove(&g->have[i + 1], &g->have[i], (g->nhave - i) * sizeof *g->have);
		g->have[i] = version;
		g->nhave++;
	} else if (!yes && i < g->nhave && g->have[i] == version) {
		memmove(&g->have[i], &g->have[i + 1], (g->nhave - i - 1) * sizeof *g->have);
		g->nhave--;
	}
}

static void
row_done(struct gen *g, struct str *s, int64_t version, const char *name, const char *sha256)
{
	mig_book_put_done(s, g->set->name, version, name, sha256);
	have(g, version, true);
}

static void
row_gone(struct gen *g, struct str *s, int64_t version)
{
	mig_book_put_gone(s, g->set->name, version);
	have(g, version, false);
}

/* What scripts find set, whatever the session or the script before them had. */
static void
put_settings(struct gen *g, struct str *s, bool transaction)
{
	const char *set = transaction ? "SET LOCAL" : "SET";

	/* What runs without a transaction waits for all others: it cannot be in a hurry. */
	str_putf(s, "%s lock_timeout = %" PRId64 ";\n", set,
		 transaction ? g->goal->lock_timeout : 0);
	if (g->st->search_path)
		str_putf(s, "%s search_path = %s;\n", set,
			 *g->st->search_path ? g->st->search_path : "''");
}

/* A script may leave settings behind that would change what the next one means. */
static void
put_reset(struct gen *g, struct str *s)
{
	last_chunk(g)->resets = true;
	str_puts(s, "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\n");
	if (g->plan->v[g->plan->n - 1].transaction)
		put_settings(g, s, true);
}

static void
add_script(struct gen *g, const struct mig_file *f)
{
	struct mig_chunk *c = add_chunk(g, MIG_SCRIPT);

	c->file = f;
	c->span = (struct mig_span){ .start = 0, .len = f->len };
}

/* What the api row says it made, last first. */
static void
add_drops(struct gen *g)
{
	struct mig_chunk *c = add_chunk(g, MIG_DROPS);
	const char *all = g->api->drops ? g->api->drops : "";

	c->api = g->api;
	for (size_t end = strlen(all); end;) {
		AUTOFREE char *what = mig_prev_line(all, &end);

		mig_put_drop(&c->sql, what, false);
		str_puts(&c->sql, ";\n");
	}
	g->drops_batch = g->plan->n - 1;
	g->drops_chunk = g->plan->v[g->drops_batch].n - 1;
	row_gone(g, own(g), 0);
	g->api_there = false;
}

/* Proves that the new api goes as its files say: by dropping it and taking that back. */
static void
add_drop_proof(struct gen *g)
{
	str_puts(&add_chunk(g, MIG_CHECK)->sql, "SAVEPOINT jobctl_proof;\n");
	for (size_t i = g->set->napi; i-- > 0;) {
		const struct mig_api *a = &g->set->api[i];
		struct mig_chunk *c;

		if (!a->ndrops)
			continue;
		c = add_chunk(g, MIG_CHECK);
		c->file = &a->file;
		c->proves = "its \"-- drop:\" lines do not work";
		for (size_t d = a->ndrops; d-- > 0;) {
			mig_put_drop(&c->sql, a->drops[d], true);
			str_puts(&c->sql, ";\n");
		}
	}
	str_puts(&add_chunk(g, MIG_CHECK)->sql,
		 "ROLLBACK TO SAVEPOINT jobctl_proof;\nRELEASE SAVEPOINT jobctl_proof;\n");
}

static void
add_api(struct gen *g)
{
	const struct mig_set *set = g->set;
	AUTOSTR drops = STR(STR_ANY);
	struct str *s;

	open_batch(g, true);
	if (g->api_there)
		add_drops(g);
	if (g->drops_batch == g->plan->n - 1)
		g->plan->v[g->drops_batch].v[g->drops_chunk].replaced = true;
	/* Function bodies may name what comes later. */
	str_puts(own(g), "SET LOCAL check_function_bodies = off;\n");
	mark(g, g->api, NULL);
	for (size_t i = 0; i < set->napi; i++) {
		const struct mig_api *a = &set->api[i];

		add_script(g, &a->file);
		s = own(g);
		put_reset(g, s);
		str_puts(s, "SET LOCAL check_function_bodies = off;\n");
		for (size_t d = 0; d < a->ndrops; d++)
			str_putf(&drops, "%s%s", drops.len ? "\n" : "", a->drops[d]);
	}
	add_drop_proof(g);
	s = own(g);
	row_done(g, s, 0, "api", set->api_sha256);
	mig_book_put_drops(s, set->name, drops.buf);
	mark(g, NULL, g->api);
	g->open = false;
}

/* Whether an index of the state is one that the step, a statement on indexes, builds. */
static bool
builds_it(const struct mig_index *build, const char *step, const PGresult *r, int row)
{
	const char *index = pg_get(r, row, MIG_INDEX_NAME);

	if (build->rebuilds)		/* they serve nobody, whatever they were to be of */
		return mig_transient(index);
	if (!build->table)		/* with comments inside, say: whatever the step names */
		return strstr(step, index);
	if (build->name && strcmp(index, build->name) != 0)
		return false;
	return !strcmp(pg_get(r, row, MIG_INDEX_TABLE), build->table) &&
	       (build->schema ? !strcmp(pg_get(r, row, MIG_INDEX_SCHEMA), build->schema)
			      : pg_get_bool(r, row, MIG_INDEX_VISIBLE));
}

/*
 * What stands in the way of a step that builds an index goes: an invalid one that it left
 * when it was interrupted, or that anybody's build left under that name.  True if the step
 * has happened: its index is there for all that.
 */
static bool
has_happened(struct gen *g, const struct mig_item *it, bool open, const char *step,
	     const struct mig_index *build)
{
	const PGresult *r = g->st->indexes;
	bool happened = false;

	for (int i = 0; i < PQntuples(r); i++) {
		bool ours = open && pg_get_i64(r, i, MIG_INDEX_VERSION) == it->version &&
			    !strcmp(pg_get(r, i, MIG_INDEX_SET), g->set->name);

		if ((!ours && (!build->name || pg_get_bool(r, i, MIG_INDEX_VALID))) ||
		    !builds_it(build, step, r, i))
			continue;
		if (pg_get_bool(r, i, MIG_INDEX_VALID)) {
			happened = happened || build->table;
		} else {
			str_putf(own(g), "DROP INDEX CONCURRENTLY IF EXISTS %s;\n",
				 pg_get(r, i, MIG_INDEX_QUOTED));
			last_chunk(g)->invalid = pg_get(r, i, MIG_INDEX_QUOTED);
		}
	}
	return happened;
}

static void
mark_step(struct mig_chunk *c, const struct mig_item *it, const struct mig_file *f, size_t step)
{
	c->item = it;
	c->file = f;
	c->step = step;
	c->nsteps = f->nsteps;
}

static void
add_step(struct gen *g, const struct mig_item *it, const struct mig_file *f,
	 const char *direction, size_t i, bool again)
{
	const struct mig_span *span = &f->steps[i];
	AUTOFREE char *text = xstrndup(f->text + span->start, span->len);
	struct mig_index index = { .name = NULL };
	bool open = again && it->step_open, done;
	struct mig_chunk *c;
	struct str *s;
	char sha[65];

	(void)mig_index(text, span->len, &index);
	done = has_happened(g, it, open, text, &index);
	mig_sha256(text, span->len, sha);
	s = own(g);
	mig_book_put_step_begun(s, g->set->name, it->version, direction, i + 1, sha);
	put_settings(g, s, false);
	mark(g, i == 0 || again ? it : NULL, NULL);
	if (open && index.if_exists) {		/* it may be gone already */
		c = add_chunk(g, MIG_OWN);
		str_putf(&c->sql, "%.*s IF EXISTS%s%s", (int)index.if_exists, text,
			 text + index.if_exists, mig_lacks_semicolon(text) ? ";\n" : "");
		mark_step(c, it, f, i + 1);
	} else if (!done) {
		c = add_chunk(g, MIG_SCRIPT);
		c->span = *span;
		mark_step(c, it, f, i + 1);
	}
	c = add_chunk(g, MIG_CHECK);
	mig_book_put_index_check(&c->sql, text);
	mark_step(c, it, f, i + 1);
	s = own(g);
	put_reset(g, s);
	mig_book_put_step_done(s, g->set->name, it->version, direction, i + 1);
	mig_index_free(&index);
}

static void
add_steps(struct gen *g, const struct mig_item *it, const struct mig_file *f,
	  const char *direction)
{
	bool again = it->status == MIG_INTERRUPTED && it->reverting == (direction[0] == 'd');

	open_batch(g, false);
	for (size_t i = again ? it->steps_done : 0; i < f->nsteps; i++)
		add_step(g, it, f, direction, i, again && i == it->steps_done);
	g->open = false;
}

static bool
has_steps(const struct mig_item *it)
{
	return it->steps_done || it->step_open;
}

static void
up_without_transaction(struct gen *g, const struct mig_item *it)
{
	struct str *s;

	add_steps(g, it, &it->files->up, "up");
	open_batch(g, true);
	s = own(g);
	row_done(g, s, it->version, it->name, it->files->up.sha256);
	mig_book_put_steps_gone(s, g->set->name, it->version);
	mark(g, NULL, it);
}

static void
up_in_transaction(struct gen *g, const struct mig_item *it)
{
	struct str *s;

	open_batch(g, true);
	if (g->api_there)
		add_drops(g);
	add_script(g, &it->files->up);
	mark(g, it, NULL);
	s = own(g);
	put_reset(g, s);
	row_done(g, s, it->version, it->name, it->files->up.sha256);
	if (has_steps(it))	/* the file had, once */
		mig_book_put_steps_gone(s, g->set->name, it->version);
	mark(g, NULL, it);
}

static bool
due(const struct gen *g, const struct mig_item *it)
{
	return mig_is_due(it) && (g->again || !g->goal->to_given || it->version <= g->goal->to);
}

static void
up_set(struct gen *g)
{
	bool to_head = g->again || !g->goal->to_given || g->goal->to >= mig_set_head(g->set);
	bool was_there = g->api_there || g->again, changes = false;
	bool apply, drop;
	size_t left = 0;

	for (size_t i = 0; i < g->n; i++) {
		left += due(g, &g->v[i]);
		changes = changes || (due(g, &g->v[i]) && !g->v[i].files->up.no_transaction);
	}
	apply = to_head && g->set->napi && g->api && (changes || g->api->status != MIG_APPLIED);
	drop = to_head && g->api && !g->set->napi;
	g->plan->migrations += left;
	for (size_t i = 0; i < g->n; i++) {
		const struct mig_item *it = &g->v[i];

		if (!due(g, it))
			continue;
		left--;
		if (it->files->up.no_transaction) {
			up_without_transaction(g, it);
			g->open = g->again || (!left && apply);
		} else {
			up_in_transaction(g, it);
			g->open = was_there || (!left && apply);
		}
	}
	if (apply) {
		add_api(g);
	} else if (drop && g->api_there) {
		open_batch(g, true);
		add_drops(g);
	}
	g->open = false;
}

static void
down_item(struct gen *g, const struct mig_item *it)
{
	const struct mig_file *f = &it->files->down;
	struct str *s;

	if (f->no_transaction) {
		if (g->api_there) {
			open_batch(g, true);
			add_drops(g);
			g->open = false;
		}
		if (has_steps(it) && !it->reverting) {
			open_batch(g, true);
			mig_book_put_steps_gone(own(g), g->set->name, it->version);
			g->open = false;
		}
		add_steps(g, it, f, "down");
		open_batch(g, true);
		s = own(g);
	} else {
		open_batch(g, true);
		if (g->api_there)
			add_drops(g);
		add_script(g, f);
		mark(g, it, NULL);
		s = own(g);
		put_reset(g, s);
	}
	if (mig_is_applied(it)) {
		mig_book_put_event(s, g->set->name, it->version, it->name, "revert",
				   it->sha256, NULL);
		row_gone(g, s, it->version);
	}
	if (has_steps(it) || f->no_transaction)
		mig_book_put_steps_gone(s, g->set->name, it->version);
	mark(g, NULL, it);
	g->open = g->goal->again;
	g->plan->migrations++;
}

/* Applied, wholly or in part. */
static bool
is_there(const struct mig_item *it)
{
	return it->status != MIG_PENDING && it->status != MIG_OUT_OF_ORDER;
}

static int
down_set(struct gen *g, struct err *e)
{
	for (size_t i = g->n; i-- > 0;) {
		const struct mig_item *it = &g->v[i];

		if (!is_there(it) || (g->goal->to_given && it->version <= g->goal->to))
			continue;
		if (!it->files) {
			(void)err_set(e, it->status == MIG_NEWER ? ERR_SCHEMA : ERR_DATA,
				      "%s %04" PRId64 "_%s cannot be reverted: there is no "
				      "file for it", g->set->name, it->version, it->name);
			err_hint(e, "use the program, or the files, that applied it");
			return -1;
		}
		if (it->files->down.empty) {
			(void)err_set(e, ERR_DATA, "%s %04" PRId64 "_%s cannot be reverted: there is "
				      "no statement in %s", g->set->name, it->version, it->name,
				      it->files->down.path);
			return -1;
		}
		down_item(g, it);
		if (!g->goal->to_given)
			break;
	}
	return 0;
}

/* Point the generator at a set: its items stand together in the state. */
static void
enter(struct gen *g, const struct mig_set *set)
{
	const struct mig_state *st = g->st;
	size_t i = 0;

	while (i < st->n && st->v[i].set != set)
		i++;
	g->v = st->v + i;
	g->n = 0;
	g->api = NULL;
	g->nhave = 0;
	if (!g->again || g->set != set)
		g->drops_batch = SIZE_MAX;
	g->set = set;
	for (; i < st->n && st->v[i].set == set; i++) {
		if (mig_is_applied(&st->v[i]))
			have(g, st->v[i].version, true);
		if (st->v[i].version)
			g->n++;
		else
			g->api = &st->v[i];
	}
	g->api_there = g->api && mig_is_applied(g->api);
}

/* The set that changed last: an interrupted migration is newer than all that are whole. */
static const struct mig_set *
last_changed(const struct mig_state *st)
{
	const struct mig_item *last = NULL;

	for (size_t i = 0; i < st->n; i++) {
		const struct mig_item *it = &st->v[i];

		if (!it->version || !is_there(it))
			continue;
		if (!last || !it->applied_at ||
		    (last->applied_at && strcmp(it->applied_at, last->applied_at) >= 0))
			last = it;
	}
	return last ? last->set : NULL;
}

static int
plan_down(struct gen *g, const struct mig_set *sets, size_t nsets, struct err *e)
{
	const struct mig_set *only = g->goal->to_given ? NULL : last_changed(g->st);
	size_t there = 0;

	for (size_t i = 0; i < g->st->n; i++)
		there += g->st->v[i].version && is_there(&g->st->v[i]);
	for (size_t i = nsets; i-- > 0;) {
		if (!g->goal->to_given && &sets[i] != only)
			continue;
		enter(g, &sets[i]);
		if (down_set(g, e))
			return -1;
	}
	if (g->plan->migrations == there && there && !g->st->others && !g->goal->again) {
		struct mig_batch *b = &g->plan->v[g->plan->n - 1];

		str_puts(&b->v[b->n - 1].sql, mig_book_drop_sql);
	}
	return 0;
}

/* Whether the plan, so far, reverts the item. */
static bool
is_reverted(const struct mig_plan *p, const struct mig_item *it)
{
	for (size_t b = 0; b < p->n; b++)
		for (size_t i = 0; i < p->v[b].n; i++)
			if (p->v[b].v[i].ends == it)
				return true;
	return false;
}

/* The items of a set as they are once the plan has reverted what it does. */
static int
copy_items(struct mig_plan *p, const struct mig_state *st, const struct mig_set *set,
	   struct err *e)
{
	const struct mig_item *pending = NULL;
	bool reverts = false;

	for (size_t i = 0; i < st->n; i++) {
		const struct mig_item *it = &st->v[i];
		bool gone = it->set == set && is_reverted(p, it);

		reverts = reverts || gone;
		if (it->set != set)
			continue;
		if (it->version && !gone && !mig_is_applied(it))
			pending = it;
		if (!gone && !mig_is_applied(it))
			continue;
		if (!it->version && !reverts)
			continue;
		if (!it->version && pending) {
			(void)err_set(e, ERR_DATA, "%s %04" PRId64 "_%s is not applied: the "
				      "functions and views come after it", set->name,
				      pending->version, pending->name);
			err_hint(e, "run up first, or down and then up");
			return -1;
		}
		p->again[p->nagain] = *it;
		if (gone || !it->version)
			p->again[p->nagain] = (struct mig_item){
				.set = it->set, .version = it->version, .name = it->name,
				.files = it->files, .events = it->events, .status = MIG_PENDING,
			};
		p->nagain++;
	}
	return 0;
}

static int
plan_again(struct gen *g, const struct mig_set *sets, size_t nsets, struct err *e)
{
	const struct mig_state *st = g->st;
	struct mig_state after = *st;

	g->plan->again = xcalloc(g->st->n + 1, sizeof *g->plan->again);
	for (size_t i = 0; i < nsets; i++)
		if (copy_items(g->plan, g->st, &sets[i], e))
			return -1;
	after.v = g->plan->again;
	after.n = g->plan->nagain;
	g->st = &after;
	g->again = true;
	for (size_t i = 0; i < nsets; i++) {
		enter(g, &sets[i]);
		up_set(g);
	}
	g->st = st;
	return 0;
}

bool
mig_plan_reverts(const struct mig_plan *plan, const struct mig_item *it)
{
	return plan->down && !(it >= plan->again && it < plan->again + plan->nagain);
}

int
mig_plan_make(struct mig_plan *ret, const struct mig_state *st, const struct mig_set *sets,
	      size_t nsets, const struct mig_goal *goal, struct err *e)
{
	struct mig_plan plan = { .down = goal->down, .begin = STR(STR_ANY) };
	struct gen g = { .plan = &plan, .st = st, .goal = goal, .exists = st->exists };
	int rc = 0;

	for (size_t i = 0; goal->to_given && goal->to && i < nsets; i++)
		if (!mig_set_find(&sets[i], goal->to))
			return err_set(e, ERR_NOINPUT, "set %s has no version %" PRId64,
				       sets[i].name, goal->to);
	str_puts(&plan.begin, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n");
	put_settings(&g, &plan.begin, true);
	if (goal->down)
		rc = plan_down(&g, sets, nsets, e);
	if (!rc && goal->again && plan.n)
		rc = plan_again(&g, sets, nsets, e);
	for (size_t i = 0; !goal->down && i < nsets; i++) {
		enter(&g, &sets[i]);
		up_set(&g);
	}
	free(g.have);
	if (rc)
		mig_plan_free(&plan);
	else
		*ret = plan;
	return rc;
}

void
mig_plan_free(struct mig_plan *plan)
{
	for (size_t b = 0; b < plan->n; b++) {
		for (size_t i = 0; i < plan->v[b].n; i++)
			str_free(&plan->v[b].v[i].sql);
		free(plan->v[b].v);
	}
	free(plan->v);
	free(plan->again);
	str_free(&plan->begin);
	*plan = (struct mig_plan){ .begin = STR(STR_ANY) };
}
