/*
 * synth.c - filling a table
 *
 * One INSERT takes rows from a series that is longer than needed: those that a CHECK
 * would refuse are passed over, and the series ends when there are enough.
 */
#include "synth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

enum { PARENTS = 1000, TRIES = 40 };

struct foreign {
	Oid parent;
	const char *parent_name;
	const char *parent_cols, *names;	/* lists; names: of this table's columns */
	int64_t count;		/* rows of the parent to choose from */
	bool keyed;		/* part of a unique key: each combination once */
	bool alone;		/* and all of it: a row each */
};

struct table {
	Oid oid;
	PGresult *info;
	PGresult *cols;
	PGresult *fks;
	const char *name;
	struct synth_column *c;
	size_t nc;
	struct foreign *f;
	size_t nf;
};

static void
table_free(struct table *t)
{
	for (size_t i = 0; i < t->nc; i++)
		free(t->c[i].expr);
	free(t->c);
	free(t->f);
	PQclear(t->info);
	PQclear(t->cols);
	PQclear(t->fks);
}

void
synth_free(struct synth *y)
{
	for (size_t i = 0; i < y->ndone; i++)
		free(y->done[i].why);
	free(y->done);
	y->done = NULL;
	y->ndone = 0;
}

/*
 * Columns: number, name, type without domains, its name and category, longest text, enum
 * labels, checks of the column alone, whether null is allowed, a default is there, it
 * fills itself, it must be distinct (the last of a unique key that is of no foreign key),
 * it is of a foreign key.
 */
static const char columns_sql[] =
	"WITH RECURSIVE t AS (SELECT $1::oid AS oid), "
	"base AS (SELECT a.attnum, a.atttypid AS typ, a.atttypmod AS mod, a.attnotnull AS "
	"filled, "
	"NULL::text AS checks, 0 AS depth FROM pg_catalog.pg_attribute a, t "
	"WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped "
	"UNION ALL SELECT b.attnum, d.typbasetype, d.typtypmod, b.filled OR d.typnotnull, "
	"concat_ws(' AND ', b.checks, (SELECT string_agg('(' || pg_get_expr(k.conbin, 0) || "
	"')', ' AND ') "
	"FROM pg_catalog.pg_constraint k WHERE k.contypid = d.oid AND k.contype = 'c')) "
	"COLLATE \"default\", b.depth + 1 "
	"FROM base b JOIN pg_catalog.pg_type d ON d.oid = b.typ WHERE d.typtype = 'd'), "
	"flat AS (SELECT DISTINCT ON (attnum) * FROM base ORDER BY attnum, depth DESC), "
	"fk AS (SELECT DISTINCT unnest(k.conkey) AS num FROM pg_catalog.pg_constraint k, t "
	"WHERE k.conrelid = t.oid AND k.contype = 'f'), "
	"keys AS (SELECT (SELECT max(u.num) FROM unnest(i.indkey::int2[]) AS u(num) "
	"WHERE u.num NOT IN (SELECT num FROM fk) AND u.num > 0) AS num "
	"FROM pg_catalog.pg_index i, t WHERE i.indrelid = t.oid AND i.indisunique) "
	"SELECT a.attnum, quote_ident(a.attname), format_type(f.typ, f.mod), e.typname, "
	"e.typcategory, "
	"CASE WHEN y.typname IN ('varchar', 'bpchar') AND f.mod > 4 THEN f.mod - 4 ELSE 0 END, "
	"CASE WHEN y.typtype = 'e' THEN quote_literal((SELECT array_agg(l.enumlabel ORDER BY "
	"l.enumsortorder) "
	"FROM pg_catalog.pg_enum l WHERE l.enumtypid = y.oid)::text) ELSE '' END, "
	"concat_ws(' AND ', f.checks, (SELECT string_agg('(' || pg_get_expr(k.conbin, "
	"k.conrelid) || ')', ' AND ') "
	"FROM pg_catalog.pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'c' "
	"AND k.conkey = ARRAY[a.attnum])), "
	"NOT f.filled, d.oid IS NOT NULL, a.attgenerated <> '' OR a.attidentity <> '' "
	"OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%', "
	"a.attnum IN (SELECT num FROM keys), a.attnum IN (SELECT num FROM fk), y.typcategory = "
	"'A', "
	"substring(pg_get_expr(d.adbin, d.adrelid) FROM '^[^()]*$'), "
	"(SELECT string_agg(pg_get_expr(k.conbin, k.conrelid), ' ') FROM "
	"pg_catalog.pg_constraint k "
	"WHERE k.conrelid = t.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey) AND "
	"cardinality(k.conkey) > 1) "
	"FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid JOIN flat f ON f.attnum = "
	"a.attnum "
	"JOIN pg_catalog.pg_type y ON y.oid = f.typ "
	"JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN y.typcategory = 'A' THEN y.typelem "
	"ELSE y.oid END "
	"LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
	"ORDER BY a.attnum";

/* Foreign keys: the parent, its columns and ours as p.COL, COL; whether in or all of a key. */
static const char foreign_sql[] =
	"SELECT k.confrelid, k.confrelid::regclass, "
	"(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.n) FROM unnest(k.confkey) "
	"WITH ORDINALITY u(num, n) "
	"JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num), "
	"(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.n) FROM unnest(k.conkey) "
	"WITH ORDINALITY u(num, n) "
	"JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num), "
	"EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = k.conrelid AND "
	"i.indisunique "
	"AND i.indkey::int2[] && k.conkey), "
	"EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = k.conrelid AND "
	"i.indisunique "
	"AND (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ k.conkey), "
	"k.confrelid = k.conrelid, "
	"NOT EXISTS (SELECT FROM unnest(k.conkey) AS u(num) JOIN pg_catalog.pg_attribute a "
	"ON a.attrelid = k.conrelid AND a.attnum = u.num WHERE NOT a.attnotnull) "
	"FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1::oid AND k.contype = 'f' AND "
	"k.conparentid = 0 "
	"ORDER BY k.conname";

static int
read_columns(struct synth *y, struct table *t, int64_t rows, char **why, struct err *e)
{
	int n = pg_call(y->db, &t->cols, columns_sql, PG_ARGS(pg_i64(t->oid)), e);

	if (n < 0)
		return -1;
	t->c = xcalloc((size_t)n + 1, sizeof *t->c);
	t->nc = (size_t)n;
	for (int i = 0; i < n; i++) {
		struct synth_column *c = &t->c[i];
		int rc;

		*c = (struct synth_column){
			.num = (int)pg_get_i64(t->cols, i, 0), .name = pg_get(t->cols, i, 1),
			.type = pg_get(t->cols, i, 2), .base = pg_get(t->cols, i, 3),
			.category = *pg_get(t->cols, i, 4), .max_len = (int)pg_get_i64(t->cols, i, 5),
			.labels = pg_get(t->cols, i, 6), .checks = pg_get(t->cols, i, 7),
			.nullable = pg_get_bool(t->cols, i, 8), .has_default = pg_get_bool(t->cols, i, 9),
			.omit = pg_get_bool(t->cols, i, 10), .distinct = pg_get_bool(t->cols, i, 11),
			.foreign = pg_get_bool(t->cols, i, 12), .array = pg_get_bool(t->cols, i, 13),
			.constant = pg_get_or_null(t->cols, i, 14), .hints = pg_get(t->cols, i, 15),
		};
		if (c->omit || c->foreign)
			continue;
		rc = synth_column_find(y->db, c, rows, why, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int
count_rows(struct synth *y, const char *table, int64_t max, int64_t *n, struct err *e)
{
	AUTOFREE char *sql = xasprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM %s LIMIT %" PRId64 ") t",
				       table, max);
	PG_RES res = NULL;

	if (pg_call(y->db, &res, sql, PG_NOARGS, e) < 0)
		return -1;
	*n = pg_get_i64(res, 0, 0);
	return 0;
}

/* The parent of a foreign key gets rows if it has none. */
static int
fill_parent(struct synth *y, struct foreign *f, int64_t rows, char **why, struct err *e)
{
	int64_t want = f->alone ? rows : rows < PARENTS ? rows : PARENTS, n;

	if (count_rows(y, f->parent_name, want, &f->count, e))
		return -1;
	if (f->count >= want || (f->count && !f->alone && f->count >= 10))
		return 0;
	n = synth_fill(y, f->parent, want, why, e);
	if (n <= 0)
		return n < 0 ? -1 : 1;
	return count_rows(y, f->parent_name, want, &f->count, e);
}

static int
read_foreign(struct synth *y, struct table *t, int64_t rows, char **why, struct err *e)
{
	int n = pg_call(y->db, &t->fks, foreign_sql, PG_ARGS(pg_i64(t->oid)), e);

	if (n < 0)
		return -1;
	t->f = xcalloc((size_t)n + 1, sizeof *t->f);
	for (int i = 0; i < n; i++) {
		struct foreign *f = &t->f[t->nf];
		bool self = pg_get_bool(t->fks, i, 6), filled = pg_get_bool(t->fks, i, 7);
		int rc;

		*f = (struct foreign){
			.parent = (Oid)pg_get_i64(t->fks, i, 0), .parent_name = pg_get(t->fks, i, 1),
			.parent_cols = pg_get(t->fks, i, 2), .names = pg_get(t->fks, i, 3),
			.keyed = pg_get_bool(t->fks, i, 4), .alone = pg_get_bool(t->fks, i, 5),
		};
		if (self && !filled)
			continue;	/* null: every row is the top of a tree */
		if (self) {
			*why = xasprintf("%s refers to itself", t->name);
			return 1;
		}
		t->nf++;
		rc = fill_parent(y, f, rows, why, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* The row's number picks one of the parent's rows. */
static void
put_parents(struct str *s, const struct table *t)
{
	int64_t step = 1;

	for (size_t i = 0; i < t->nf; i++) {
		const struct foreign *f = &t->f[i];
		int64_t limit = f->alone ? INT64_C(1) << 40 : PARENTS;

		str_putf(s, " JOIN (SELECT pg_catalog.row_number() OVER () - 1 AS n, %s FROM %s LIMIT %" PRId64
			 ") AS p%zu (n, %s) ON p%zu.n = "
			 "", f->parent_cols, f->parent_name, limit, i, f->names, i);
		if (f->keyed) {
			str_putf(s, "(g.i / %" PRId64 ") %% %" PRId64, step, f->count);
			step *= f->count;
		} else {
			str_putf(s, "(pg_catalog.hashint4((g.i * 64 + %d)::int4) & 2147483647) %% %" PRId64,
				 60 - (int)(i % 20), f->count);
		}
	}
}

/* The checks of several columns, as far as the columns are among ours. */
static int
put_checks(struct synth *y, const struct table *t, struct str *s, struct err *e)
{
	AUTOSTR ours = STR(STR_ANY);
	PG_RES res = NULL;
	int n;

	str_putc(&ours, '{');
	for (size_t i = 0; i < t->nc; i++)
		if (t->c[i].expr || t->c[i].foreign)
			str_putf(&ours, "%s%d", ours.len > 1 ? "," : "", t->c[i].num);
	str_putc(&ours, '}');
	n = pg_call(y->db, &res,
		    "SELECT pg_get_expr(conbin, conrelid) FROM pg_catalog.pg_constraint WHERE "
		    "conrelid = $1::oid "
		    "AND contype = 'c' AND conkey <@ $2::text::int2[] ORDER BY conname",
		    PG_ARGS(pg_i64(t->oid), pg_text(ours.buf)), e);
	for (int i = 0; i < n; i++)
		str_putf(s, " AND (%s) IS NOT FALSE", pg_get(res, i, 0));
	for (size_t i = 0; i < t->nc; i++)	/* of domains too: casting would fail */
		if (t->c[i].expr && *t->c[i].checks && strstr(t->c[i].checks, "VALUE"))
			str_putf(s, " AND (SELECT (%s) IS NOT FALSE FROM (SELECT t.%s AS value, t.%s) AS d)",
				 t->c[i].checks, t->c[i].name, t->c[i].name);
	return n < 0 ? -1 : 0;
}

static void
put_columns(struct str *s, const struct table *t, bool values)
{
	const char *sep = "";

	for (size_t i = 0; i < t->nc; i++) {
		const struct synth_column *c = &t->c[i];

		if (!c->expr)
			continue;
		if (values)
			str_putf(s, "%s(%s)::%s AS %s", sep, c->expr, c->type, c->name);
		else
			str_putf(s, "%s%s", sep, c->name);
		sep = ", ";
	}
	for (size_t i = 0; i < t->nf; i++) {
		str_putf(s, "%s%s", sep, t->f[i].names);
		sep = ", ";
	}
}

static int
insert_sql(struct synth *y, const struct table *t, int64_t rows, struct str *s, struct err *e)
{
	int64_t most = rows * TRIES > 20000000 ? 20000000 : rows * TRIES < 20000 ? 20000 : rows * TRIES;

	str_putf(s, "INSERT INTO %s (", t->name);
	put_columns(s, t, false);
	str_puts(s, ") SELECT ");
	put_columns(s, t, false);
	str_puts(s, " FROM (SELECT ");
	put_columns(s, t, true);
	str_putf(s, " FROM (SELECT pg_catalog.generate_series(1, %" PRId64 ") AS i) AS g", most);
	put_parents(s, t);
	str_puts(s, ") AS t WHERE true");
	if (put_checks(y, t, s, e))
		return -1;
	str_putf(s, " LIMIT %" PRId64 " ON CONFLICT DO NOTHING", rows);
	return 0;
}

/* 1 and *why if the server refuses. */
static int
attempt(struct synth *y, const char *sql, int64_t *made, char **why, struct err *e)
{
	PG_RES res = NULL;
	PG_RES checked = NULL;
	bool bad;

	/* with a LIMIT the planner would rather go through all parents for each row */
	if (pg_exec(y->db, "SAVEPOINT jobctl_synth; SET LOCAL enable_nestloop = off", e) ||
	    pg_ask(y->db, &res, sql, e))
		return -1;
	bad = PQresultStatus(res) == PGRES_FATAL_ERROR;
	if (!bad) {
		if (pg_ask(y->db, &checked, "SET CONSTRAINTS ALL IMMEDIATE", e))
			return -1;
		bad = PQresultStatus(checked) == PGRES_FATAL_ERROR;
	}
	if (bad) {
		const PGresult *from = checked ? checked : res;

		free(*why);
		*why = xstrdup(PQresultErrorField(from, PG_DIAG_MESSAGE_PRIMARY)
			       ? PQresultErrorField(from, PG_DIAG_MESSAGE_PRIMARY) : "refused");
		return pg_exec(y->db, "ROLLBACK TO jobctl_synth; RELEASE jobctl_synth", e) ? -1 : 1;
	}
	*made = strtoll(PQcmdTuples(res), NULL, 10);
	return pg_exec(y->db, "SET LOCAL enable_nestloop = DEFAULT; RELEASE jobctl_synth", e);
}

/* With the table's triggers, and, if they refuse, without. */
static int
insert(struct synth *y, const struct table *t, const char *sql, char **why, struct err *e)
{
	AUTOFREE char *off = xasprintf("ALTER TABLE %s DISABLE TRIGGER USER", t->name);
	AUTOFREE char *on = xasprintf("ALTER TABLE %s ENABLE TRIGGER USER", t->name);
	int64_t made = 0;
	int rc = attempt(y, sql, &made, why, e);

	if (rc != 1)
		return rc;
	if (pg_exec(y->db, off, e))
		return -1;
	rc = attempt(y, sql, &made, why, e);
	if (rc >= 0 && pg_exec(y->db, on, e))
		return -1;
	if (!rc) {
		y->triggers_off = true;
		free(*why);
		*why = NULL;
	}
	return rc;
}

static const struct synth_script *
script_for(const struct synth *y, Oid table)
{
	for (size_t i = 0; i < y->nscripts; i++)
		if (y->scripts[i].table == table)
			return &y->scripts[i];
	return NULL;
}

static int
run_script(struct synth *y, const struct synth_script *s, int64_t rows, char **why, struct err *e)
{
	AUTOFREE char *set = xasprintf("SET LOCAL jobctl.rows = %" PRId64, s->rows ? s->rows : rows);
	int64_t made = 0;
	int rc = pg_exec(y->db, set, e) ? -1 : attempt(y, s->sql, &made, why, e);

	y->script_failed |= rc > 0;
	return rc;
}

static int
make_rows(struct synth *y, struct table *t, int64_t rows, char **why, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);
	int rc = read_foreign(y, t, rows, why, e);

	if (!rc)
		rc = read_columns(y, t, rows, why, e);
	if (!rc)
		rc = insert_sql(y, t, rows, &sql, e);
	if (!rc)
		rc = insert(y, t, sql.buf, why, e);
	return rc;
}

/*
 * As autovacuum would leave it, as far as a transaction can: analyzed, and nothing waiting
 * in a GIN index's pending list, which is read from end to end.
 */
static int
settle(struct synth *y, const struct table *t, struct err *e)
{
	static const char sql[] =
		"SELECT pg_catalog.gin_clean_pending_list(i.indexrelid) FROM "
		"pg_catalog.pg_index i "
		"JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON "
		"m.oid = c.relam "
		"WHERE m.amname = 'gin' AND c.relkind = 'i' AND (i.indrelid = $1::oid OR "
		"i.indrelid IN "
		"(SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)))";
	AUTOFREE char *analyze = xasprintf("ANALYZE %s", t->name);

	return pg_call(y->db, NULL, sql, PG_ARGS(pg_i64(t->oid)), e) < 0 ||
	       pg_exec(y->db, analyze, e) ? -1 : 0;
}

static int
fill(struct synth *y, struct table *t, int64_t rows, char **why, struct err *e)
{
	const struct synth_script *script = script_for(y, t->oid);
	int rc = script ? run_script(y, script, rows, why, e) : make_rows(y, t, rows, why, e);

	return rc ? rc : settle(y, t, e);
}

/* What came of the table before; NULL if it was not tried. */
static const struct synth_done *
done_with(const struct synth *y, Oid table)
{
	for (size_t i = 0; i < y->ndone; i++)
		if (y->done[i].table == table)
			return &y->done[i];
	return NULL;
}

static void
remember(struct synth *y, Oid table, const char *why)
{
	y->done = xreallocarray(y->done, y->ndone + 1, sizeof *y->done);
	y->done[y->ndone++] = (struct synth_done){ .table = table, .why = why ? xstrdup(why) : NULL };
}

int64_t
synth_fill(struct synth *y, Oid table, int64_t rows, char **why, struct err *e)
{
	const struct synth_done *before = done_with(y, table);
	struct table t = { .oid = table };
	int64_t n = -1;
	int rc = 0;

	if (before && before->why) {
		free(*why);
		*why = xstrdup(before->why);
		return 0;
	}
	if (pg_call(y->db, &t.info, "SELECT $1::oid::regclass", PG_ARGS(pg_i64(table)), e) < 0)
		return -1;
	t.name = pg_get(t.info, 0, 0);
	if (!before)
		rc = fill(y, &t, rows, why, e);
	if (!rc && count_rows(y, t.name, INT64_C(1) << 40, &n, e))
		rc = -1;
	if (!rc && !n)
		*why = xasprintf("no row that its checks allow was found for %s", t.name);
	if (!before)
		remember(y, table, *why);
	table_free(&t);
	return rc < 0 ? -1 : rc ? 0 : n;
}
