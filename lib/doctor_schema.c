/*
 * doctor_schema.c - checks of the schema: migrations, what they made, indexes, grants
 *
 * Definitions are not compared, only what is there with what should be.
 */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "migrate.h"
#include "str.h"

/* The sets compiled in. */
struct sets {
	struct mig_set *v;
	size_t n;
};

static void
sets_free(struct sets *s)
{
	for (size_t i = 0; i < s->n; i++)
		mig_set_free(&s->v[i]);
	free(s->v);
}

static int
sets_read(struct doctor *d, struct sets *s, struct err *e)
{
	struct mig_problems p = { .n = 0 };
	int rc = 0;

	for (size_t i = 0; sql_sets[i]; i++) {
		const struct sql_file *f = d->files;

		while (f->set && strcmp(f->set, sql_sets[i]) != 0)
			f++;
		if (!f->set)
			continue;
		s->v = xreallocarray(s->v, s->n + 1, sizeof *s->v);
		(void)!mig_set_builtin(&s->v[s->n++], sql_sets[i], d->files, &p);
	}
	if (p.n) {
		*e = p.v[0];
		rc = -1;
	}
	mig_problems_free(&p);
	return rc;
}

static void
migration_found(struct doctor *d, const struct mig_item *it)
{
	bool due = mig_is_due(it);
	AUTOSTR label = STR(200);

	mig_put_label(&label, it);
	doctor_found(d, due ? DOCTOR_WARNING : DOCTOR_CRITICAL, "schema",
		     xasprintf("migration %s is %s", label.buf, mig_status_names[it->status]),
		     it->tool_version
			     ? xasprintf("applied %s by jobctl %s; this is %s", it->applied_at,
					 it->tool_version, JOBCTL_VERSION)
			     : NULL,
		     doctor_jobctl(d, "jobctl-migrate",
				   it->status == MIG_OUT_OF_ORDER ? "up --allow-out-of-order"
				   : due			  ? "up"
								  : "repair"));
}

/* Of a function or view that is gone the whole api is applied anew: it knows the order. */
static char *
api_fix(struct doctor *d, const char *set)
{
	AUTOFREE char *words = xasprintf("repair --set %s --mark-pending 0 --yes", set);
	AUTOFREE char *forget = doctor_jobctl(d, "jobctl-migrate", words);
	AUTOFREE char *up = doctor_jobctl(d, "jobctl-migrate", "up");

	return xasprintf("%s && %s", forget, up);
}

static void
missing_found(struct doctor *d, const struct expected *x)
{
	switch (x->kind) {
	case EXPECT_RELATION:
		doctor_found(d, DOCTOR_CRITICAL, "schema",
			     xasprintf("table %s is missing", x->object),
			     xasprintf("set %s makes it; drift gives the statements", x->set),
			     doctor_jobctl(d, "jobctl-verify", "drift"));
		break;
	case EXPECT_INDEX:
		doctor_found(d, DOCTOR_CRITICAL, "schema",
			     xasprintf("index %s is missing", x->object),
			     xasprintf("set %s makes it", x->set),
			     doctor_psql(d, "%s", x->statement));
		break;
	case EXPECT_API:
		doctor_found(d, DOCTOR_CRITICAL, "schema",
			     xasprintf("%s is missing", x->object),
			     xasprintf("set %s makes it", x->set), api_fix(d, x->set));
		break;
	case EXPECT_GRANT:
		doctor_found(d, DOCTOR_WARNING, "grants",
			     xasprintf("%s may not use %s", x->role, x->object),
			     xasprintf("set %s grants it", x->set),
			     doctor_psql(d, "%s", x->statement));
		break;
	case EXPECT_REVOKE:
		doctor_found(d, DOCTOR_CRITICAL, "grants",
			     xasprintf("every role may call %s", x->object),
			     xasprintf("set %s revokes that", x->set),
			     doctor_psql(d, "%s", x->statement));
		break;
	}
}

static int
roles(struct doctor *d, const struct expectations *x, struct err *e)
{
	static const char sql[] =
		"SELECT DISTINCT r FROM unnest($1) r"
		" WHERE r <> 'public' AND to_regrole(r) IS NULL ORDER BY r";
	struct pg_array names = PG_ARRAY_INIT;
	PG_RES res = NULL;
	int n;

	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].kind == EXPECT_GRANT)
			pg_array_add(&names, pg_text(x->v[i].role));
	n = pg_call(d->db, &res, sql, PG_ARGS(pg_array(&names, pg_text(""))), e);
	pg_array_free(&names);
	for (int i = 0; i < n; i++)
		doctor_found(d, DOCTOR_CRITICAL, "grants",
			     xasprintf("the role %s is missing", pg_get(res, i, 0)),
			     xstrdup("rights are granted to it"),
			     doctor_psql(d, "CREATE ROLE %s NOLOGIN", pg_get(res, i, 0)));
	return n < 0 ? -1 : 0;
}

/* What is held against files must come from them: a set that is not current is left out. */
static bool
current(const struct mig_state *st, const struct mig_set *set)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].set == set && st->v[i].status != MIG_APPLIED)
			return false;
	return true;
}

static int
look(struct doctor *d, const struct sets *sets, struct mig_state *st, struct expectations *x,
     struct err *e)
{
	AUTOFREE size_t *missing = NULL;
	size_t n = 0, before = d->n;

	if (mig_state_read(d->db, sets->v, sets->n, st, e))
		return -1;
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].status != MIG_APPLIED)
			migration_found(d, &st->v[i]);
	for (size_t i = 0; i < sets->n; i++)
		if (current(st, &sets->v[i]) && expect_read(x, &sets->v[i], e))
			return -1;
	if (expect_check(d->db, x, &missing, &n, e) || roles(d, x, e))
		return -1;
	for (size_t i = 0; x->v && i < n; i++)
		missing_found(d, &x->v[missing[i]]);
	if (d->n == before)
		doctor_found(
			d, DOCTOR_OK, "schema",
			xasprintf("migrations are applied, and %zu things they made are there",
				  x->n),
			NULL, NULL);
	return 0;
}

int
doctor_schema(struct doctor *d, struct err *e)
{
	struct expectations x = { .n = 0 };
	struct mig_state st = MIG_STATE_INIT;
	struct sets sets = { .n = 0 };
	int rc = sets_read(d, &sets, e);

	if (!rc)
		rc = look(d, &sets, &st, &x, e);
	expect_free(&x);
	mig_state_free(&st);
	sets_free(&sets);
	return rc;
}

/*
 * What a CREATE INDEX CONCURRENTLY leaves when it fails is kept up to date and serves
 * nobody.  Its like that a REINDEX leaves has a name of the server's; our own are built
 * anew, anything else goes.
 */
static const char invalid_sql[] =
	"SELECT format('%I.%I', n.nspname, p.relname), i.indrelid::regclass, p.relkind = 'I',"
	" i.indisready,"
	" p.relname ~ '_cc(new|old)[0-9]*$', pg_relation_size(i.indexrelid),"
	" EXISTS (SELECT FROM pg_stat_progress_create_index b"
	"         WHERE b.index_relid = i.indexrelid)"
	" FROM pg_index i JOIN pg_class p ON p.oid = i.indexrelid"
	" JOIN pg_namespace n ON n.oid = p.relnamespace"
	" WHERE NOT i.indisvalid AND n.nspname IN ('jobctl', 'catalog', 'tracking') ORDER BY 1";

static bool
is_ours(const struct expectations *x, const char *index)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].kind == EXPECT_INDEX && !strcmp(x->v[i].object, index))
			return true;
	return false;
}

static void
invalid_found(struct doctor *d, const struct expectations *x, const PGresult *res, int row)
{
	const char *index = pg_get(res, row, 0);
	bool partitioned = pg_get_bool(res, row, 2), leftover = pg_get_bool(res, row, 4);
	char *fix;

	if (partitioned)
		fix = doctor_psql(d, "DROP INDEX %s", index);
	else if (is_ours(x, index) && !leftover)
		fix = doctor_psql(d, "REINDEX INDEX CONCURRENTLY %s", index);
	else
		fix = doctor_psql(d, "DROP INDEX CONCURRENTLY %s", index);
	doctor_found(
		d, DOCTOR_WARNING, "indexes",
		xasprintf("index %s is invalid: it costs at every write and serves nobody",
			  index),
		xasprintf("on %s, %s bytes, %s", pg_get(res, row, 1), pg_get(res, row, 5),
			  pg_get_bool(res, row, 3) ? "kept up to date" : "not kept up to date"),
		fix);
}

int
doctor_indexes(struct doctor *d, struct err *e)
{
	struct expectations x = { .n = 0 };
	struct sets sets = { .n = 0 };
	size_t before = d->n;
	PG_RES res = NULL;
	int n = -1;

	if (sets_read(d, &sets, e))
		goto out;
	for (size_t i = 0; i < sets.n; i++)
		if (expect_read(&x, &sets.v[i], e))
			goto out;
	n = pg_call(d->db, &res, invalid_sql, PG_NOARGS, e);
	for (int i = 0; i < n; i++)
		if (!pg_get_bool(res, i, 6)) /* one that is being built will be valid */
			invalid_found(d, &x, res, i);
	if (n >= 0 && d->n == before)
		doctor_found(d, DOCTOR_OK, "indexes", xstrdup("all indexes are valid"), NULL,
			     NULL);
out:
	expect_free(&x);
	sets_free(&sets);
	return n < 0 ? -1 : 0;
}
