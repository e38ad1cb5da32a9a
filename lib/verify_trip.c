/*
 * verify_trip.c - whether a step back led back
 */
#include "verify_steps.h"

#include <stdlib.h>
#include <string.h>

/* Whether what the row is a part of is itself left over, or gone. */
static bool
goes_with(const struct inv_change *v, size_t n, const struct inv_row *r, bool left)
{
	for (size_t i = 0; r->of && i < n; i++) {
		const struct inv_row *whole = left ? v[i].to : v[i].from;

		if (whole && !(left ? v[i].from : v[i].to) && whole->addr &&
		    !strcmp(whole->addr, r->of))
			return true;
	}
	return false;
}

static void
differs(struct verify *v, const char *how, const struct inv_change *c)
{
	const struct inv_row *r = c->to ? c->to : c->from;
	const char *what = c->from && c->to ? "is not as it was" : c->to ? "is left behind" : "is gone";

	/* An extension that was made if it was not there may be others' by now. */
	report_check(v->report, !c->from && !strcmp(r->kind, "extension") ? WARN : FAIL, "roundtrip",
		     verify_id(v, "roundtrip.%s.%s.%s", how, r->kind, r->name),
		     xasprintf("%s %s %s after %s", r->kind, r->name, what, how),
		     c->from ? xstrdup(*c->from->show ? c->from->show : "there") : xstrdup("none"),
		     c->to ? xstrdup(*c->to->show ? c->to->show : "there") : xstrdup("none"), NULL);
	if (!c->from && r->drop)
		report_fix(v->report, xstrdup(r->drop));
	else if (c->from && (c->to ? c->from->alter : c->from->make))
		report_fix(v->report, xstrdup(c->to ? c->from->alter : c->from->make));
}

/* A check for each difference, or one that there is none. */
static void
same(struct verify *v, const char *how, const struct inventory *was, const struct inventory *is)
{
	AUTOFREE struct inv_change *all = NULL;
	size_t n, found = 0;

	inventory_diff(was, is, &all, &n);
	for (size_t i = 0; i < n; i++) {
		const struct inv_row *r = all[i].to ? all[i].to : all[i].from;

		if (!r || (!(all[i].from && all[i].to) &&
			   goes_with(all, n, r, all[i].to != NULL)))
			continue;
		differs(v, how, &all[i]);
		found++;
	}
	if (!found)
		report_check(v->report, PASS, "roundtrip", verify_id(v, "roundtrip.%s", how),
			     xasprintf("after %s everything is as %s", how,
				       *how == 'd' ? "before up" : "after the first up"),
			     NULL, NULL, xasprintf("%zu objects and properties compared", is->n));
}

/* It does not go; 0 unless nothing goes any more. */
static int
stuck(struct verify *v, const char *how, struct err *e)
{
	if (verify_broken(v, e))
		return -1;
	report_check(v->report, FAIL, "roundtrip", verify_id(v, "roundtrip.%s", how),
		     *how == 'd' ? xstrdup("cannot be reverted")
				 : xstrdup("cannot be applied again"),
		     NULL, xstrdup(e->msg), NULL);
	return 0;
}

static int
compare(struct verify *v, const char *how, const struct inventory *was, struct err *e)
{
	struct inventory now = INVENTORY_INIT;

	if (verify_look(v, &now, e))
		return -1;
	same(v, how, was, &now);
	inventory_free(&now);
	return 0;
}

int
verify_round_trip(struct verify *v, const struct inventory *before,
		  const struct inventory *after, bool *good, struct err *e)
{
	bool down;

	if (verify_begin_trip(v, e))
		return -1;
	down = verify_down(v, e) == 0;
	if (!down && stuck(v, "down", e))
		return -1;
	if (down) {
		verify_timing(v, "down");
		if (compare(v, "down", before, e))
			return -1;
	}
	/* A file without a transaction may have been reverted in part. */
	if (verify_up(v, e))
		return stuck(v, "up", e) || verify_start_over(v, good, e) ? -1 : 0;
	if (!down) {
		report_check(v->report, SKIP, "roundtrip", verify_id(v, "roundtrip.up"),
			     xstrdup("not tried: it could not be reverted"), NULL, NULL, NULL);
		return 0;
	}
	verify_timing(v, "up-again");
	return compare(v, "up", after, e);
}
