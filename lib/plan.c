/*
 * plan.c - reading query plans
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"

int
plan_read(struct pg *db, const char *sql, bool analyze, json_t **plan, char **refusal,
	  struct err *e)
{
	AUTOFREE char *explain = xasprintf("EXPLAIN (VERBOSE, FORMAT JSON%s) %s",
					   analyze ? ", ANALYZE, TIMING OFF, SUMMARY" : "", sql);
	PG_RES res = NULL;

	if (pg_exec(db, "SAVEPOINT jobctl_plan", e) || pg_ask(db, &res, explain, e))
		return -1;
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		if (pg_exec(db, "ROLLBACK TO jobctl_plan; RELEASE jobctl_plan", e))
			return -1;
		*refusal = xasprintf("%s (SQLSTATE %s)", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY),
				     PQresultErrorField(res, PG_DIAG_SQLSTATE));
		return 1;
	}
	if (pg_exec(db, "RELEASE jobctl_plan", e))
		return -1;
	*plan = json_loads(pg_get(res, 0, 0), 0, NULL);
	if (!*plan)
		return err_set(e, ERR_SOFTWARE, "the server's plan is no JSON");
	return 0;
}

static const json_t *
top(const json_t *plan)
{
	return json_array_get(plan, 0);
}

double
plan_ms(const json_t *plan)
{
	return json_number_value(json_object_get(top(plan), "Planning Time")) +
	       json_number_value(json_object_get(top(plan), "Execution Time"));
}

static const char *
text(const json_t *node, const char *key)
{
	return json_string_value(json_object_get(node, key));
}

/* Bitmap Index Scan has no schema of its own: it is of the node's above it. */
static int
walk(const json_t *node, const struct plan_scan *above,
     int (*fn)(void *ctx, const struct plan_scan *scan), void *ctx)
{
	struct plan_scan scan = {
		.node = text(node, "Node Type"), .schema = text(node, "Schema"),
		.table = text(node, "Relation Name"), .index = text(node, "Index Name"),
	};
	const json_t *below = json_object_get(node, "Plans");
	int rc = 0;

	if (scan.index && !scan.table) {
		scan.schema = above->schema;
		scan.table = above->table;
	}
	if (scan.node && (scan.table || scan.index))
		rc = fn(ctx, &scan);
	if (!scan.table) {
		scan.schema = above->schema;	/* BitmapAnd, BitmapOr */
		scan.table = above->table;
	}
	for (size_t i = 0; !rc && i < json_array_size(below); i++)
		rc = walk(json_array_get(below, i), &scan, fn, ctx);
	return rc;
}

int
plan_scans(const json_t *plan, int (*fn)(void *ctx, const struct plan_scan *scan), void *ctx)
{
	static const struct plan_scan none;

	return walk(json_object_get(top(plan), "Plan"), &none, fn, ctx);
}

static void
put_node(struct str *s, const json_t *node)
{
	const char *type = text(node, "Node Type"), *index = text(node, "Index Name");
	const char *table = text(node, "Relation Name");
	const json_t *below = json_object_get(node, "Plans");
	size_t n = json_array_size(below);

	str_puts(s, type ? type : "?");
	if (index)
		str_putf(s, " using %s", index);
	if (table)
		str_putf(s, " on %s", table);
	if (n)
		str_puts(s, n > 1 ? " > (" : " > ");
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_puts(s, ", ");
		put_node(s, json_array_get(below, i));
	}
	if (n > 1)
		str_putc(s, ')');
}

char *
plan_text(const json_t *plan)
{
	AUTOSTR s = STR(600);

	put_node(&s, json_object_get(top(plan), "Plan"));
	return xasprintf("%s%s", s.buf, s.cut ? "..." : "");
}
