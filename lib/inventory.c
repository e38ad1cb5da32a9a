/*
 * inventory.c - reading and comparing inventories
 */
#include "inventory.h"

#include <stdlib.h>
#include <string.h>

extern const char inventory_sql[];	/* of inventory.sql */

enum {
	COL_KIND, COL_NAME, COL_DEF, COL_MAKE, COL_DROP, COL_ALTER, COL_INLINE, COL_PASSING,
	COL_IMPLIED, COL_SHOW, COL_ADDR, COL_OF, COL_ORD, COL_ORD2,
	COL_SCHEMA, COL_CONCURRENT
};

/* Whatever changes how the server words a definition. */
#define SETTINGS \
	"SET LOCAL search_path = pg_catalog, pg_temp;" \
	"SET LOCAL quote_all_identifiers = off;" \
	"SET LOCAL DateStyle = ISO; SET LOCAL IntervalStyle = postgres; SET LOCAL TimeZone = 'UTC';" \
	"SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = hex;" \
	"SET LOCAL jit = off"

static void
fill(struct inventory *inv)
{
	inv->n = (size_t)PQntuples(inv->res);
	inv->v = xcalloc(inv->n + 1, sizeof *inv->v);
	for (int i = 0; i < (int)inv->n; i++) {
		const PGresult *r = inv->res;

		inv->v[i] = (struct inv_row){
			.kind = pg_get(r, i, COL_KIND), .name = pg_get(r, i, COL_NAME),
			.def = pg_get(r, i, COL_DEF), .show = pg_get(r, i, COL_SHOW),
			.make = pg_get_or_null(r, i, COL_MAKE),
			.drop = pg_get_or_null(r, i, COL_DROP),
			.alter = pg_get_or_null(r, i, COL_ALTER),
			.addr = pg_get_or_null(r, i, COL_ADDR),
			.of = pg_get_or_null(r, i, COL_OF),
			.schema = pg_get_or_null(r, i, COL_SCHEMA),
			.inlined = pg_get_bool(r, i, COL_INLINE),
			.passing = pg_get_bool(r, i, COL_PASSING),
			.implied = pg_get_bool(r, i, COL_IMPLIED),
			.concurrent = pg_get_bool(r, i, COL_CONCURRENT),
			.ord = pg_get_i64(r, i, COL_ORD), .ord2 = pg_get_i64(r, i, COL_ORD2),
		};
	}
}

int
inventory_read(struct pg *db, bool count, struct inventory *ret, struct err *e)
{
	bool inside = PQtransactionStatus(db->conn) == PQTRANS_INTRANS;
	struct inventory inv = INVENTORY_INIT;

	if (pg_exec(db, inside ? "SAVEPOINT jobctl_inventory;" SETTINGS
			       : "BEGIN READ ONLY;" SETTINGS, e) ||
	    pg_call(db, &inv.res, inventory_sql, PG_ARGS(pg_bool(count)), e) < 0 ||
	    pg_exec(db, inside ? "ROLLBACK TO SAVEPOINT jobctl_inventory;"
				 "RELEASE SAVEPOINT jobctl_inventory"
			       : "ROLLBACK", e)) {
		PQclear(inv.res);
		return err_ctx(e, "cannot list what is in the database");
	}
	fill(&inv);
	*ret = inv;
	return 0;
}

void
inventory_free(struct inventory *inv)
{
	PQclear(inv->res);
	free(inv->v);
	*inv = (struct inventory)INVENTORY_INIT;
}

void
inventory_keep(struct inventory *inv, bool (*fn)(void *ctx, const struct inv_row *r), void *ctx)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n; i++)
		if (fn(ctx, &inv->v[i]))
			inv->v[n++] = inv->v[i];
	inv->n = n;
}

const char *
inventory_role(const struct inv_row *r)
{
	const char *of = strstr(r->name, " of ");

	if (!strcmp(r->kind, "role"))
		return r->name;
	return strcmp(r->kind, "membership") == 0 && of ? of + 4 : NULL;
}

static int
compare(const struct inv_row *a, const struct inv_row *b)
{
	int c = strcmp(a->kind, b->kind);

	return c ? c : strcmp(a->name, b->name);
}

static int
by_key(const void *a, const void *b)
{
	return compare(a, b);
}

const struct inv_row *
inventory_find(const struct inventory *inv, const char *kind, const char *name)
{
	struct inv_row key = { .kind = kind, .name = name };

	return inv->n ? bsearch(&key, inv->v, inv->n, sizeof *inv->v, by_key) : NULL;
}

bool
inventory_is_said(const struct inv_row *r)
{
	static const char *const kinds[] = {
		"nullability", "default", "identity", "storage", "parameter", "row security",
		"replica identity", "sequence owner", "comment", "privilege", "owner",
	};

	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(r->kind, kinds[i]))
			return r->of != NULL;
	return false;
}

static int
by_order(const void *x, const void *y)
{
	const struct inv_change *a = x, *b = y;
	const struct inv_row *r = a->to ? a->to : a->from, *s = b->to ? b->to : b->from;

	if (r->ord != s->ord)
		return r->ord < s->ord ? -1 : 1;
	if (r->ord2 != s->ord2)
		return r->ord2 < s->ord2 ? -1 : 1;
	return compare(r, s);
}

void
inventory_diff(const struct inventory *from, const struct inventory *to, struct inv_change **v,
	       size_t *n)
{
	size_t a = 0, b = 0;

	*v = xcalloc(from->n + to->n + 1, sizeof **v);
	*n = 0;
	while (a < from->n || b < to->n) {
		int c = a == from->n ? 1 : b == to->n ? -1 : compare(&from->v[a], &to->v[b]);
		struct inv_change x = {
			.from = c <= 0 ? &from->v[a++] : NULL, .to = c >= 0 ? &to->v[b++] : NULL
		};

		if (x.from && x.from->implied)
			x.from = NULL;
		if (x.to && x.to->implied)
			x.to = NULL;
		if ((x.from || x.to) && !(x.from && x.to && !strcmp(x.from->def, x.to->def)))
			(*v)[(*n)++] = x;
	}
	if (*n)
		qsort(*v, *n, sizeof **v, by_order);
}
