/*
 * verify_index.c - what a set's indexes are for, and which foreign keys have none
 *
 * Definitions are compared column by column as the server prints them, never counted.
 */
#include "verify_checks.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"

/*
 * The set's own indexes, those of partitions left out: name, table, definition, whether
 * unique, and another one whose work it repeats: "same" if the two do the same, else
 * "wider".  Repeats: the same table, method and predicate, this one's columns are the
 * other's first, in the same order or all of them backwards, and what this one includes the
 * other has.  Of two that are the same the one that a constraint has may stay, or the older.
 */
static const char indexes_sql[] =
	"WITH ix AS (SELECT i.indexrelid AS oid, i.indrelid, i.indisunique, i.indnkeyatts AS "
	"nkeys, c.relam, k.conname, "
	"n.nspname, c.relname, t.nspname || '.' || r.relname AS table_name, i.indisexclusion, "
	"coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS pred, "
	"ARRAY(SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid, k, false), i.indclass[k - "
	"1], i.indcollation[k - 1]) "
	"FROM generate_series(1, i.indnkeyatts) AS k) AS cols, "
	"ARRAY(SELECT i.indoption[k - 1]::int FROM generate_series(1, i.indnkeyatts) AS k) AS "
	"dirs, "
	"ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false) "
	"FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS k) AS included, "
	"ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, "
	"i.indnatts) AS k) AS has "
	"FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"JOIN pg_catalog.pg_class r ON r.oid = i.indrelid "
	"JOIN pg_catalog.pg_namespace t ON t.oid = r.relnamespace "
	"LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x') "
	"WHERE i.indrelid = ANY ($1::text::oid[]) AND NOT c.relispartition), "
	"pairs AS (SELECT a.oid, b.oid AS other, "
	"a.nkeys = b.nkeys AND a.indisunique = b.indisunique AND a.included <@ b.included "
	"AND b.included <@ a.included AS same "
	"FROM ix a JOIN ix b ON b.indrelid = a.indrelid AND b.oid <> a.oid AND b.relam = "
	"a.relam AND b.pred = a.pred "
	"JOIN pg_catalog.pg_am m ON m.oid = a.relam "
	"WHERE NOT a.indisexclusion AND NOT b.indisexclusion AND b.cols[1:a.nkeys] = a.cols "
	"AND (a.nkeys = b.nkeys OR m.amname = 'btree') "
	"AND (b.dirs[1:a.nkeys] = a.dirs OR NOT EXISTS (SELECT FROM unnest(a.dirs, "
	"b.dirs[1:a.nkeys]) AS d(x, y) "
	"WHERE x # y <> 3)) AND a.included <@ b.has) "
	"SELECT ix.nspname, ix.relname, ix.table_name, pg_get_indexdef(ix.oid), ix.indisunique "
	"OR ix.indisexclusion, "
	"p.name, p.same, (SELECT string_agg(quote_ident(k.conname), ', ' ORDER BY k.conname) "
	"FROM pg_catalog.pg_constraint k WHERE k.conrelid = ix.indrelid AND k.contype = 'f' "
	"AND k.conparentid = 0 "
	"AND (SELECT array_agg(x) FROM unnest((SELECT i.indkey::int2[] FROM "
	"pg_catalog.pg_index i "
	"WHERE i.indexrelid = ix.oid)) WITH ORDINALITY AS u(x, o) WHERE o <= "
	"cardinality(k.conkey)) @> k.conkey "
	"AND ix.pred = ''), format('%I.%I', ix.nspname, ix.relname), format('%I', ix.relname), "
	"CASE WHEN ix.conname IS NULL THEN format('DROP INDEX %I.%I', ix.nspname, ix.relname) "
	"ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', ix.indrelid::regclass, ix.conname) END "
	"FROM ix LEFT JOIN LATERAL (SELECT o.relname AS name, pairs.same FROM pairs JOIN ix o "
	"ON o.oid = pairs.other "
	"WHERE pairs.oid = ix.oid AND (pairs.same AND (o.conname IS NULL, o.oid) < "
	"(ix.conname IS NULL, ix.oid) OR NOT pairs.same AND NOT "
	"ix.indisunique) "
	"ORDER BY pairs.same DESC, o.nkeys, o.relname LIMIT 1) p ON true "
	"ORDER BY ix.nspname, ix.table_name, ix.relname";

/* Foreign keys, and an index that leads with their columns, if there is one. */
static const char foreign_sql[] =
	"SELECT n.nspname, r.relname, k.conname, pg_get_constraintdef(k.oid), "
	"(SELECT c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = "
	"i.indexrelid "
	"WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indnkeyatts >= "
	"cardinality(k.conkey) "
	"AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(' || (SELECT "
	"string_agg("
	"quote_ident(a.attname) || ' IS NOT NULL', ' AND ') FROM pg_catalog.pg_attribute a "
	"WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) || ')') "
	"AND (SELECT array_agg(x) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u(x, o) "
	"WHERE o <= cardinality(k.conkey)) @> k.conkey ORDER BY c.relname LIMIT 1), "
	"(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.o) FROM unnest(k.conkey) "
	"WITH ORDINALITY AS u(x, o) "
	"JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.x), "
	"k.conrelid::regclass "
	"FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.conrelid "
	"JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace "
	"WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY ($1::text::oid[]) "
	"ORDER BY 1, 2, 3";

struct declared {
	const struct verify_file *f;
	size_t n;
	bool any;		/* a query is declared at all */
};

/*
 * The queries that say they use the index, by its name as SQL has it, with or without its
 * schema: "claim, wake"; yours, "" for none.
 */
static char *
users(const struct declared *d, const char *index, const char *full)
{
	AUTOSTR s = STR(1000);

	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->f[i].n; k++) {
			const struct verify_stmt *q = &d->f[i].v[k];

			if (q->kind != VERIFY_QUERY || q->negative)
				continue;
			if (!strcmp(q->index, index) || !strcmp(q->index, full))
				str_putf(&s, "%s%s", s.len ? ", " : "", q->name);
		}
	return str_take(&s);
}

/* Whether another index does the same work. */
static void
check_redundant(struct verify *v, const PGresult *res, int i)
{
	const char *schema = pg_get(res, i, 0), *name = pg_get(res, i, 1), *other = pg_get_or_null(res, i, 5);
	bool same = pg_get_bool(res, i, 6);

	report_check(v->report, !other ? PASS : same ? FAIL : WARN, "indexes",
		     verify_id(v, "index-redundant.%s.%s", schema, name),
		     xasprintf("%s on %s", name, pg_get(res, i, 2)), xstrdup("work that no other index does"),
		     !other ? xstrdup("its own") : same ? xasprintf("the same as %s", other)
							: xasprintf("repeats what %s begins with", other),
		     xstrdup(pg_get(res, i, 3)));
	if (other)
		report_fix(v->report, xstrdup(pg_get(res, i, 10)));
}

/* Whether anything needs it. */
static void
check_used(struct verify *v, const struct declared *d, const PGresult *res, int i)
{
	const char *schema = pg_get(res, i, 0), *name = pg_get(res, i, 1), *keys = pg_get(res, i, 7);
	AUTOFREE char *by = users(d, pg_get(res, i, 9), pg_get(res, i, 8));
	AUTOSTR why = STR(2000);
	enum verdict verdict;

	if (*by)
		str_putf(&why, "query %s", by);
	if (pg_get_bool(res, i, 4))
		str_putf(&why, "%skeeps rows apart", why.len ? "; " : "");
	if (*keys)
		str_putf(&why, "%sserves foreign key %s", why.len ? "; " : "", keys);
	verdict = why.len ? PASS : WARN;
	if (!why.len)
		str_puts(&why, "no declared query uses it");
	report_check(v->report, verdict, "indexes", verify_id(v, "index-used.%s.%s", schema, name),
		     xasprintf("%s on %s", name, pg_get(res, i, 2)),
		     xstrdup("a query that uses it, or a constraint"), str_take(&why), NULL);
}

static void
check_foreign(struct verify *v, const PGresult *res, int i)
{
	const char *index = pg_get_or_null(res, i, 4);

	report_check(v->report, index ? PASS : WARN, "indexes",
		     verify_id(v, "foreign-key-index.%s.%s.%s", pg_get(res, i, 0), pg_get(res, i, 1),
			       pg_get(res, i, 2)),
		     xasprintf("foreign key %s of %s.%s", pg_get(res, i, 2), pg_get(res, i, 0), pg_get(res, i, 1)),
		     xasprintf("an index that begins with %s", pg_get(res, i, 5)),
		     index ? xasprintf("%s", index) : xstrdup("none: each row deleted from the other table reads all of this one"),
		     xstrdup(pg_get(res, i, 3)));
	if (!index)
		report_fix(v->report, xasprintf("CREATE INDEX ON %s (%s)", pg_get(res, i, 6), pg_get(res, i, 5)));
}

int
verify_indexes(struct verify *v, const char *tables, const struct verify_file *f, size_t n,
	       struct err *e)
{
	struct declared d = { .f = f, .n = n };
	PG_RES indexes = NULL;
	PG_RES foreign = NULL;
	int ni, nf;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < f[i].n; k++)
			d.any |= f[i].v[k].kind == VERIFY_QUERY;
	ni = pg_call(v->db, &indexes, indexes_sql, PG_ARGS(pg_text(tables)), e);
	nf = ni < 0 ? -1 : pg_call(v->db, &foreign, foreign_sql, PG_ARGS(pg_text(tables)), e);
	for (int i = 0; i < ni; i++) {
		check_redundant(v, indexes, i);
		if (d.any)
			check_used(v, &d, indexes, i);
	}
	if (ni > 0 && !d.any)
		report_check(v->report, SKIP, "indexes", verify_id(v, "index-used"),
			     xstrdup("what its indexes are for: no query is declared"), NULL, NULL, NULL);
	for (int i = 0; i < nf; i++)
		check_foreign(v, foreign, i);
	return nf < 0 ? -1 : 0;
}
