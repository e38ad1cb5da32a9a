/*
 * drift_compare.c - what should be there held against what is
 */
#include "drift.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"

enum { NAMED = 5 };	/* objects of a schema, of more the number will do */

static bool
is(const struct inv_row *r, const char *kind)
{
	return !strcmp(r->kind, kind);
}

/* Said of an object: where nothing should be said and something is, it is not as it should be. */
static bool
is_property(const struct inv_row *r)
{
	return is(r, "nullability") || is(r, "default") || is(r, "identity") ||
	       is(r, "storage") || is(r, "row security") || is(r, "replica identity") ||
	       is(r, "sequence owner");
}

/*
 * What is nobody's drift: time makes it, the server's administrator, or the owner has it
 * anyway; and who that is, where it is whoever migrates and nobody knows who does.
 */
static bool
is_aside(const struct drift *d, const struct inv_row *r)
{
	return r->passing || (r->implied && !(is(r, "owner") && d->owner)) ||
	       is(r, "membership") || is(r, "rows") || is(r, "role");
}

static const struct inv_row *
same_in(const struct inventory *inv, const struct inv_row *r)
{
	return inventory_find(inv, r->kind, r->name);
}

static const struct inv_row *
at(const struct inventory *inv, const char *addr)
{
	for (size_t i = 0; addr && i < inv->n; i++)
		if (inv->v[i].addr && !strcmp(inv->v[i].addr, addr))
			return &inv->v[i];
	return NULL;
}

/* Whether what the row is said of, or comes with, is missing itself: then it is told there. */
static bool
told_elsewhere(const struct drift *d, const struct inv_row *r)
{
	bool said = inventory_is_said(r) || r->inlined;

	for (r = said ? at(&d->want, r->of) : NULL; r; r = at(&d->want, r->of))
		if (!same_in(&d->have, r))
			return true;
	return false;
}

static bool
made_by_migrations(const struct drift *d, const struct inv_row *r)
{
	const struct inv_row *was = same_in(&d->none, r);

	return !is_aside(d, r) && !(was && !strcmp(was->def, r->def));
}

static int
by_order(const void *x, const void *y)
{
	const struct inv_row *a = *(const struct inv_row *const *)x;
	const struct inv_row *b = *(const struct inv_row *const *)y;

	if (a->ord != b->ord)
		return a->ord < b->ord ? -1 : 1;
	return a->ord2 < b->ord2 ? -1 : a->ord2 > b->ord2 ? 1 : strcmp(a->name, b->name);
}

/* Its rows in the order in which they were made; yours. */
static const struct inv_row **
in_order(const struct inventory *inv)
{
	const struct inv_row **v = xcalloc(inv->n + 1, sizeof *v);

	for (size_t i = 0; i < inv->n; i++)
		v[i] = &inv->v[i];
	if (inv->n)
		qsort(v, inv->n, sizeof *v, by_order);
	return v;
}

/* Whether it is said of a column, and that is the table's. */
static bool
of_column(const struct drift *d, const struct inv_row *part, const struct inv_row *table)
{
	const struct inv_row *column = at(&d->want, part->of);

	return column && is(column, "column") && !strcmp(column->of, table->addr);
}

static void
put_statement(struct str *s, const char *sql)
{
	if (s->len)
		str_putc(s, '\n');
	str_putf(s, "%s;", sql);
}

/* The statement, and what is said of the object, which it does not say or forgets. */
static char *
fix(struct drift *d, const struct inv_row *const *want, const struct inv_row *r, const char *sql)
{
	AUTOSTR all = STR(STR_ANY);

	if (!sql)
		return NULL;
	put_statement(&all, sql);
	for (size_t i = 0; r->addr && i < d->want.n; i++) {
		const struct inv_row *part = want[i];

		if (inventory_is_said(part) && !part->inlined && !part->implied && part->make &&
		    (!strcmp(part->of, r->addr) || of_column(d, part, r)))
			put_statement(&all, part->make);
	}
	return str_take(&all);
}

static char *
statement(const char *sql)
{
	return sql ? xasprintf("%s;", sql) : NULL;
}

static char *
shown(const struct inv_row *r)
{
	return xstrdup(r && *r->show ? r->show : r ? "there" : "none");
}

/* An index, and nobody is kept from writing meanwhile: yours. */
static char *
gently(const struct inv_row *r, const char *sql)
{
	const char *name = r->concurrent ? strstr(sql, "INDEX ") : NULL;

	return name ? xasprintf("%.*sCONCURRENTLY %s", (int)(name + 6 - sql), sql, name + 6)
		    : xstrdup(sql);
}

/* A function is shown by its checksum: say where it differs. */
static char *
first_difference(const struct inv_row *want, const struct inv_row *have)
{
	const char *a = want->def, *b = have->def;
	int line = 1;

	if (!strchr(a, '\n') || !strchr(b, '\n'))
		return NULL;
	for (;; line++) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

		if (n != m || strncmp(a, b, n) != 0 || !a[n] || !b[m])
			return xasprintf("line %d should be \"%.*s\" and is \"%.*s\"", line,
					 n > 200 ? 200 : (int)n, a, m > 200 ? 200 : (int)m, b);
		a += n + 1;
		b += m + 1;
	}
}

static char *
id_of(const struct inv_row *r)
{
	return report_id("drift.%s.%s", r->kind, r->name);
}

static void
missing(struct drift *d, const struct inv_row *const *want, const struct inv_row *r)
{
	AUTOFREE char *make = r->make ? gently(r, r->make) : NULL;

	report_check(d->verify->report, FAIL, "drift", id_of(r),
		     xasprintf("%s %s is missing", r->kind, r->name), shown(r), shown(NULL), NULL);
	report_fix(d->verify->report, fix(d, want, r, make));
}

/* A partition that is there still, as a table of its own. */
static void
detached(struct drift *d, const struct inv_row *r)
{
	report_check(d->verify->report, FAIL, "drift", id_of(r),
		     xasprintf("%s %s is detached", r->kind, r->name), shown(r),
		     xstrdup("a table of its own"), NULL);
	report_fix(d->verify->report, statement(strstr(r->alter, ";\n") + 2));
}

static void
differs(struct drift *d, const struct inv_row *const *want, const struct inv_row *r,
	const struct inv_row *have)
{
	bool anew = r->alter && !strncmp(r->alter, "DROP ", 5);
	AUTOFREE char *drop = r->concurrent ? gently(r, r->drop) : NULL;
	AUTOFREE char *make = r->concurrent ? gently(r, r->make) : NULL;
	AUTOFREE char *alter = r->concurrent ? xasprintf("%s;\n%s", drop, make) : NULL;

	report_check(d->verify->report, FAIL, "drift", id_of(r),
		     xasprintf("%s %s is not what the migrations make", r->kind, r->name), shown(r),
		     shown(have), first_difference(r, have));
	report_fix(d->verify->report, anew ? fix(d, want, r, alter ? alter : r->alter)
					   : statement(r->alter));
}

/* Whether the role has applied migrations. */
static bool
has_migrated(const struct drift *d, const char *role)
{
	for (size_t i = 0; i < d->books.n; i++)
		if (d->books.v[i].role && !strcmp(d->books.v[i].role, role))
			return true;
	return !strcmp(d->owner, role);
}

/* Of what belongs to whoever migrates; here that is somebody else than in the scratch database. */
static void
other_owner(struct drift *d, const struct inv_row *r, const struct inv_row *have)
{
	report_check(d->verify->report, FAIL, "drift", id_of(r),
		     xasprintf("the owner of %s is not the role that migrates", r->name),
		     xstrdup(d->owner), shown(have), NULL);
	report_fix(d->verify->report, xasprintf("ALTER %s OWNER TO %s;", r->name, d->owner_sql));
}

/*
 * The server words some expressions differently once its own words have been read back, as
 * a dump does that is restored, or a fix that is run: either will do.
 */
static bool
is_same(const struct drift *d, const struct inv_row *r, const struct inv_row *have)
{
	const struct inv_row *again = same_in(&d->reread, r);

	if (is(r, "owner") && r->implied)
		return has_migrated(d, have->def);
	if (have->implied && !is(r, "owner"))
		return true;
	return !strcmp(have->def, r->def) || (again && !strcmp(have->def, again->def));
}

/* A count for each kind of which nothing is missing or different. */
struct tally {
	const char *kind;
	size_t n, bad;
};

static struct tally *
tally(struct tally *t, size_t *n, const char *kind)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp(t[i].kind, kind))
			return &t[i];
	t[*n] = (struct tally){ .kind = kind };
	return &t[(*n)++];
}

static void
look_for_wanted(struct drift *d, const struct inv_row *const *want)
{
	AUTOFREE struct tally *t = xcalloc(d->want.n + 1, sizeof *t);
	size_t kinds = 0;

	for (size_t i = 0; i < d->want.n; i++) {
		const struct inv_row *r = want[i], *have = same_in(&d->have, r);
		struct tally *of;

		if (!made_by_migrations(d, r))
			continue;
		of = tally(t, &kinds, r->kind);
		of->n++;
		if (have && is_same(d, r, have))
			continue;
		of->bad++;
		if (have && is(r, "owner") && r->implied)
			other_owner(d, r, have);
		else if (have)
			differs(d, want, r, have);
		else if (is(r, "partition") && inventory_find(&d->have, "table", r->name))
			detached(d, r);
		else if (!told_elsewhere(d, r))
			missing(d, want, r);
	}
	for (size_t i = 0; i < kinds; i++)
		if (!t[i].bad)
			report_check(d->verify->report, PASS, "drift",
				     report_id("drift.%s", t[i].kind),
				     xasprintf("%s: all as the migrations make it", t[i].kind),
				     NULL, NULL, xasprintf("%zu compared", t[i].n));
}

/* Whether migrations have made the schema, or something of their own in it. */
static bool
is_shared(const struct drift *d, const char *schema)
{
	const struct inv_row *made = inventory_find(&d->want, "schema", schema);

	if (made && made_by_migrations(d, made))
		return true;
	for (size_t i = 0; i < d->want.n; i++)
		if (d->want.v[i].schema && !strcmp(d->want.v[i].schema, schema) &&
		    made_by_migrations(d, &d->want.v[i]))
			return true;
	return false;
}

/* Whether what something is said of, or a part of, is the migrations'. */
static bool
is_theirs(const struct drift *d, const struct inv_row *whole)
{
	const struct inv_row *same = whole ? same_in(&d->want, whole) : NULL;

	return same && (is(same, "schema") ? is_shared(d, same->name) : made_by_migrations(d, same));
}

/* Sets that we know nothing of may have made what is in no schema: an extension, a cast. */
static bool
is_extra(const struct drift *d, const struct inv_row *r)
{
	if (is_aside(d, r) || is(r, "owner") || is(r, "schema") || same_in(&d->want, r) ||
	    (is(r, "table") && inventory_find(&d->want, "partition", r->name)))
		return false;
	if (r->of)
		return is_theirs(d, at(&d->have, r->of));
	return r->schema ? is_shared(d, r->schema) : !d->books.others;
}

static void
extra(struct drift *d, const struct inv_row *r)
{
	bool everybody = is(r, "privilege") && strlen(r->name) > 10 &&
			 !strcmp(r->name + strlen(r->name) - 10, " TO PUBLIC");
	bool bad = d->strict || is_property(r) || everybody;
	AUTOFREE char *drop = r->drop ? gently(r, r->drop) : NULL;

	report_check(d->verify->report, bad ? FAIL : WARN, "drift", id_of(r),
		     xasprintf("%s %s is not of the migrations", r->kind, r->name), shown(NULL),
		     shown(r), NULL);
	report_fix(d->verify->report, statement(drop));
}

/* A schema where the migrations have nothing: whose that is they cannot know. */
static void
elsewhere(struct drift *d, const struct inv_row *schema, const struct inv_row *const *have)
{
	bool ours = same_in(&d->want, schema);
	AUTOSTR names = STR(STR_ANY);
	size_t n = 0;

	for (size_t i = 0; i < d->have.n; i++) {
		const struct inv_row *r = have[i];

		if (!r->schema || r->of || strcmp(r->schema, schema->name) != 0 ||
		    is_aside(d, r) || same_in(&d->want, r))
			continue;
		if (++n <= NAMED)
			str_putf(&names, "%s%s %s", n > 1 ? ", " : "", r->kind, r->name);
	}
	if (ours && !n)
		return;
	report_check(d->verify->report, d->strict ? FAIL : WARN, "drift",
		     report_id("drift.elsewhere.%s", schema->name),
		     xasprintf("schema %s has nothing of the migrations", schema->name), shown(NULL),
		     n ? xasprintf("%zu %s", n, n == 1 ? "object" : "objects") : xstrdup("empty"),
		     n ? xasprintf("%s%s", names.buf, n > NAMED ? ", ..." : "") : NULL);
	if (!n)
		report_fix(d->verify->report, statement(schema->drop));
}

static void
look_elsewhere(struct drift *d, const struct inv_row *const *have)
{
	if (d->books.others) {
		report_check(d->verify->report, SKIP, "drift", xstrdup("drift.elsewhere"),
			     xstrdup("what is in other schemas, or in none: it may be of sets that "
				     "are on record and were not asked for"), NULL, NULL, NULL);
		return;
	}
	for (size_t i = 0; i < d->have.n; i++)
		if (is(have[i], "schema") && !is_shared(d, have[i]->name))
			elsewhere(d, have[i], have);
}

/* The table's columns as far as both have them, in their order. */
static char *
common_columns(const struct inventory *inv, const struct inv_row *const *rows,
	       const struct inventory *other, const struct inv_row *table)
{
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0; i < inv->n; i++)
		if (is(rows[i], "column") && !strcmp(rows[i]->of, table->addr) &&
		    same_in(other, rows[i]))
			str_putf(&s, "%s%s", s.len ? ", " : "", rows[i]->name);
	return str_take(&s);
}

/* Whoever inserts or reads without naming columns is surprised; nothing but a new table helps. */
static void
compare_column_order(struct drift *d, const struct inv_row *const *want,
		     const struct inv_row *const *have)
{
	for (size_t i = 0; i < d->want.n; i++) {
		const struct inv_row *t = want[i], *there;

		if (!is(t, "table") || !made_by_migrations(d, t))
			continue;
		there = same_in(&d->have, t);
		if (!there)
			continue;
		AUTOFREE char *a = common_columns(&d->want, want, &d->have, t);
		AUTOFREE char *b = common_columns(&d->have, have, &d->want, there);

		if (strcmp(a, b) != 0)
			report_check(d->verify->report, d->strict ? FAIL : WARN, "drift",
				     report_id("drift.column-order.%s", t->name),
				     xasprintf("the columns of %s are in another order", t->name),
				     xstrdup(a), xstrdup(b), NULL);
	}
}

void
drift_compare(struct drift *d)
{
	AUTOFREE const struct inv_row **want = in_order(&d->want);
	AUTOFREE const struct inv_row **have = in_order(&d->have);
	size_t before = d->verify->report->count[WARN] + d->verify->report->count[FAIL];

	look_for_wanted(d, want);
	compare_column_order(d, want, have);
	/* The last first, so that what they say can be run from the top. */
	for (size_t i = d->have.n; i-- > 0;)
		if (is_extra(d, have[i]))
			extra(d, have[i]);
	look_elsewhere(d, have);
	if (d->verify->report->count[WARN] + d->verify->report->count[FAIL] == before)
		report_check(d->verify->report, PASS, "drift", xstrdup("drift.none"),
			     xstrdup("the database is what the migrations make"), NULL, NULL, NULL);
}
