/*
 * verify_structure.c - what a migration made, object by object
 *
 * An object is a check of its own, with what is said about it (NOT NULL, a default, its
 * comment, who may use it) beside it; what changes on an object that was there before is
 * a check, too.
 */
#include "verify_steps.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"

static bool
is(const struct inv_row *r, const char *kind)
{
	return !strcmp(r->kind, kind);
}

/* Whether the row is told with an object that is as new as it is. */
static bool
told_elsewhere(const struct inv_change *v, size_t n, const struct inv_change *c)
{
	if (c->from || !inventory_is_said(c->to))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!v[i].from && v[i].to->addr && !strcmp(v[i].to->addr, c->to->of))
			return true;
	return false;
}

/* From 1, among the columns that are there. */
static int
position(const struct inventory *inv, const struct inv_row *column)
{
	int n = 1;

	for (size_t i = 0; i < inv->n; i++)
		n += is(&inv->v[i], "column") && !strcmp(inv->v[i].of, column->of) &&
		     inv->v[i].ord2 < column->ord2;
	return n;
}

static int
columns(const struct inventory *inv, const struct inv_row *table)
{
	int n = 0;

	for (size_t i = 0; i < inv->n; i++)
		n += is(&inv->v[i], "column") && !strcmp(inv->v[i].of, table->addr);
	return n;
}

/* Partitions that come and go with time: how many there are now. */
static int
passing(const struct inventory *inv, const struct inv_row *table)
{
	int n = 0;

	for (size_t i = 0; i < inv->n; i++)
		n += inv->v[i].passing && !strcmp(inv->v[i].of, table->addr);
	return n;
}

static void
sep(struct str *s, const char *between)
{
	if (s->len)
		str_puts(s, between);
}

/* A part in the object's definition, or in what is known besides. */
static void
tell_part(struct str *def, struct str *more, const struct inv_row *part)
{
	if (is(part, "comment")) {
		sep(more, "; ");
		str_putf(more, "comment: %s", part->show);
	} else if (is(part, "privilege")) {
		sep(more, "; ");
		str_puts(more, part->make);
	} else if (is(part, "owner")) {
		sep(more, "; ");
		str_putf(more, "owner: %s", part->show);
	} else if (is(part, "row security")) {
		sep(more, "; ");
		str_putf(more, "row level security %s", part->show);
	} else {
		sep(def, " ");
		str_putf(def, "%s%s", is(part, "default") ? "DEFAULT "
				      : is(part, "storage") ? "STORAGE "
				      : is(part, "parameter") ? "WITH "
				      : is(part, "replica identity") ? "REPLICA IDENTITY "
				      : is(part, "sequence owner") ? "OWNED BY "
								   : "", part->show);
	}
}

static const char *
section(const struct inv_row *r)
{
	return is(r, "constraint") ? "constraints" : is(r, "index") ? "indexes" : "structure";
}

static void
made(struct verify *v, const struct inventory *now, const struct inv_change *all, size_t n,
     const struct inv_row *r)
{
	AUTOSTR def = STR(STR_ANY), more = STR(STR_ANY);

	if (is(r, "table"))
		str_putf(&def, "%d columns", columns(now, r));
	if (*r->show) {
		sep(&def, " ");
		str_puts(&def, r->show);
	}
	if (is(r, "column"))
		str_putf(&more, "position %d", position(now, r));
	if (is(r, "table") && passing(now, r))
		str_putf(&more, "partitions by range: %d", passing(now, r));
	for (size_t i = 0; i < n; i++)
		if (r->addr && !all[i].from && inventory_is_said(all[i].to) &&
		    !strcmp(all[i].to->of, r->addr))
			tell_part(&def, &more, all[i].to);
	report_check(v->report, PASS, section(r), verify_id(v, "%s.%s", r->kind, r->name),
		     xasprintf("%s %s", r->kind, r->name), NULL, str_take(&def),
		     more.len ? str_take(&more) : NULL);
}

static void
changed(struct verify *v, const struct inv_change *c)
{
	const struct inv_row *r = c->to ? c->to : c->from;

	report_check(v->report, PASS, section(r), verify_id(v, "%s.%s", r->kind, r->name),
		     xasprintf("%s %s is %s", r->kind, r->name, c->to ? "changed" : "removed"), NULL,
		     c->to ? xstrdup(c->to->show) : NULL,
		     *c->from->show ? xasprintf("was: %s", c->from->show) : NULL);
}

/* What came with something that went, or goes on. */
static bool
of_interest(const struct inv_change *c)
{
	const struct inv_row *r = c->to ? c->to : c->from;

	return !r->passing && !is(r, "rows");
}

void
verify_structure(struct verify *v, const struct inventory *before, const struct inventory *after)
{
	AUTOFREE struct inv_change *all = NULL;
	size_t n;

	inventory_diff(before, after, &all, &n);
	for (size_t i = 0; i < n; i++) {
		if (!of_interest(&all[i]))
			continue;
		if (all[i].from)
			changed(v, &all[i]);
		else if (!told_elsewhere(all, n, &all[i]))
			made(v, after, all, n, all[i].to);
	}
}
