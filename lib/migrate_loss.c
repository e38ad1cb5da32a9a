/*
 * migrate_loss.c - a plan run and taken back, and what was missing in between
 */
#include "migrate_loss.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

enum { COUNT_BYTES = 64 << 20 };	/* larger tables are not counted, but estimated */

const char *const mig_loss_names[] = {
	[MIG_LOSS_TABLE] = "table",
	[MIG_LOSS_COLUMN] = "column",
	[MIG_LOSS_EMPTIED] = "emptied",
	[MIG_LOSS_DELETED] = "deleted",
};

/* Partitions are part of the table that is their root. */
#define TABLES \
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" \
	" WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'" \
	"  AND n.nspname NOT IN ('pg_catalog', 'information_schema')" \
	"  AND NOT (n.nspname = 'jobctl' AND c.relname ~ '^schema_migration')"

static const char before_sql[] =
	"SELECT c.oid, coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid),"
	" pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_relation_size(c.oid),"
	" CASE WHEN c.relkind = 'p' OR pg_catalog.pg_relation_size(c.oid) = 0 THEN 0"
	"  WHEN c.reltuples < 0 AND pg_catalog.pg_stat_get_live_tuples(c.oid) = 0 THEN -1"
	"  ELSE greatest(c.reltuples::bigint, pg_catalog.pg_stat_get_live_tuples(c.oid)) END"
	TABLES " ORDER BY c.oid";
enum { B_OID, B_ROOT, B_NAME, B_SIZE, B_ROWS };

static const char after_sql[] =
	"SELECT c.oid, pg_catalog.pg_relation_size(c.oid),"
	" pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)"
	TABLES " ORDER BY c.oid";
enum { A_OID, A_SIZE, A_DELETED };

/* Those of partitions are those of their root. */
static const char columns_sql[] =
	"SELECT a.attrelid, a.attnum, pg_catalog.quote_ident(a.attname)"
	" FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped"
	" AND a.attrelid IN (SELECT c.oid" TABLES " AND NOT c.relispartition)"
	" ORDER BY 1, 2";

struct rehearsal {
	struct mig_run *m;
	PGresult *before, *columns, *after, *columns_after;
	bool skipped;			/* a step that cannot be in a transaction */
};

/* The row of a table, -1 if it is not there; both results are in order of oid. */
static int
find(const PGresult *res, int64_t oid)
{
	int lo = 0, hi = PQntuples(res);

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		int64_t at = pg_get_i64(res, mid, 0);

		if (at == oid)
			return mid;
		if (at < oid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

static struct mig_loss *
add(struct mig_losses *l, enum mig_loss_kind kind, const char *object, const char *table,
    int64_t rows)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n] = (struct mig_loss){
		.kind = kind, .object = xstrdup(object), .table = xstrdup(table), .rows = rows,
	};
	return &l->v[l->n++];
}

/* All partitions of a table together; -1 if one is not known. */
static int64_t
rows_below(const PGresult *before, int row)
{
	int64_t oid = pg_get_i64(before, row, B_OID), sum = 0;

	for (int i = 0; i < PQntuples(before); i++) {
		int64_t rows = pg_get_i64(before, i, B_ROWS);

		if (pg_get_i64(before, i, B_ROOT) != oid && i != row)
			continue;
		if (rows < 0)
			return -1;
		sum += rows;
	}
	return sum;
}

static void
compare_table(const struct rehearsal *r, int row, struct mig_losses *l)
{
	int64_t oid = pg_get_i64(r->before, row, B_OID);
	int64_t root = pg_get_i64(r->before, row, B_ROOT), deleted;
	const char *name = pg_get(r->before, row, B_NAME);
	int now = find(r->after, oid);

	if (now < 0) {
		if (root == oid || find(r->after, root) >= 0)
			(void)add(l, MIG_LOSS_TABLE, name, name, rows_below(r->before, row));
		return;
	}
	deleted = pg_get_i64(r->after, now, A_DELETED);
	if (pg_get_i64(r->before, row, B_SIZE) && !pg_get_i64(r->after, now, A_SIZE))
		(void)add(l, MIG_LOSS_EMPTIED, name, name, pg_get_i64(r->before, row, B_ROWS));
	else if (deleted)
		add(l, MIG_LOSS_DELETED, name, name, deleted)->exact = true;
}

/* Both lists are in order of table and number; tables that are gone are told already. */
static void
compare_columns(const struct rehearsal *r, struct mig_losses *l)
{
	int now = 0, n = PQntuples(r->columns_after);

	for (int i = 0; i < PQntuples(r->columns); i++) {
		int64_t oid = pg_get_i64(r->columns, i, 0), num = pg_get_i64(r->columns, i, 1);
		AUTOFREE char *object = NULL;
		const char *table;
		int row;

		while (now < n && (pg_get_i64(r->columns_after, now, 0) < oid ||
				   (pg_get_i64(r->columns_after, now, 0) == oid &&
				    pg_get_i64(r->columns_after, now, 1) < num)))
			now++;
		if (now < n && pg_get_i64(r->columns_after, now, 0) == oid &&
		    pg_get_i64(r->columns_after, now, 1) == num)
			continue;
		row = find(r->before, oid);
		if (row < 0 || find(r->after, oid) < 0)
			continue;
		table = pg_get(r->before, row, B_NAME);
		object = xasprintf("%s.%s", table, pg_get(r->columns, i, 2));
		(void)add(l, MIG_LOSS_COLUMN, object, table, rows_below(r->before, row));
	}
}

static int
by_rows(const void *a, const void *b)
{
	const struct mig_loss *x = a, *y = b;
	/* What is not known may be much. */
	int64_t nx = x->rows < 0 ? INT64_MAX : x->rows, ny = y->rows < 0 ? INT64_MAX : y->rows;

	if (nx != ny)
		return nx > ny ? -1 : 1;
	return strcmp(x->object, y->object);
}

static int
set_lock_timeout(struct mig_run *m, struct err *e)
{
	AUTOFREE char *sql = xasprintf("SET LOCAL lock_timeout = %" PRId64, m->lock_timeout);

	return mig_exec(m, sql, NULL, e);
}

/* What has steps runs without a transaction, as far as it can be in one. */
static int
try_step(struct rehearsal *r, const struct mig_chunk *c, struct err *e)
{
	AUTOFREE char *sql = mig_chunk_sql(c);

	if (mig_exec(r->m, "SAVEPOINT jobctl_step", NULL, e))
		return -1;
	if (mig_exec(r->m, sql, c, e) == 0)
		return 0;
	if (strcmp(e->sqlstate, "25001") != 0)
		return -1;
	r->skipped = true;
	return mig_exec(r->m, "ROLLBACK TO SAVEPOINT jobctl_step", NULL, e);
}

static int
run_batch(struct rehearsal *r, const struct mig_batch *b, struct err *e)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct mig_chunk *c = &b->v[i];
		AUTOFREE char *sql = NULL;

		if (c->kind == MIG_GUARD || c->kind == MIG_CHECK)
			continue;
		if (c->kind == MIG_DROPS) {
			if (mig_run_drops(r->m, c, e))
				return -1;
			continue;
		}
		sql = mig_chunk_sql(c);
		if (b->transaction ? mig_exec(r->m, sql, c, e) : try_step(r, c, e))
			return -1;
		if (!b->transaction && set_lock_timeout(r->m, e))
			return -1;
	}
	return 0;
}

static int
look(struct pg *db, const char *tables, PGresult **res, PGresult **columns, struct err *e)
{
	return pg_call(db, res, tables, PG_NOARGS, e) < 0 ||
	       pg_call(db, columns, columns_sql, PG_NOARGS, e) < 0 ? -1 : 0;
}

static int
run(struct rehearsal *r, const struct mig_plan *plan, struct err *e)
{
	struct pg *db = r->m->db;

	if (mig_exec(r->m, plan->begin.buf, NULL, e) ||
	    look(db, before_sql, &r->before, &r->columns, e))
		return -1;
	for (size_t b = 0; b < plan->n; b++)
		if (run_batch(r, &plan->v[b], e))
			return -1;
	return look(db, after_sql, &r->after, &r->columns_after, e);
}

/* Small tables are counted, if that takes no time. */
static void
count(struct pg *db, const struct rehearsal *r, struct mig_loss *l)
{
	AUTOFREE char *sql = NULL;
	PG_RES res = NULL;
	int64_t bytes = 0;
	struct err e;

	for (int i = 0; i < PQntuples(r->before); i++)
		if (!strcmp(pg_get(r->before, i, B_NAME), l->table))
			for (int p = 0; p < PQntuples(r->before); p++)
				if (p == i || pg_get_i64(r->before, p, B_ROOT) ==
						      pg_get_i64(r->before, i, B_OID))
					bytes += pg_get_i64(r->before, p, B_SIZE);
	if (l->exact || bytes > COUNT_BYTES)
		return;
	if (pg_exec(db, "BEGIN READ ONLY; SET LOCAL statement_timeout = '2s';"
			" SET LOCAL lock_timeout = '100ms'; SET LOCAL row_security = off", &e) == 0) {
		sql = xasprintf("SELECT pg_catalog.count(*) FROM %s", l->table);
		if (pg_call(db, &res, sql, PG_NOARGS, &e) > 0) {
			l->rows = pg_get_i64(res, 0, 0);
			l->exact = true;
		}
	}
	(void)!pg_exec(db, "ROLLBACK", &e);
}

int
mig_rehearse(struct mig_run *m, const struct mig_plan *plan, struct mig_losses *ret,
	     bool *unknown, struct err *e)
{
	struct rehearsal r = { .m = m };
	struct mig_losses l = { .n = 0 };
	struct err ignored;
	int rc;

	m->blocker[0] = '\0';
	m->watch_every = m->lock_timeout ? m->lock_timeout / 2 + 1 : 2000;
	rc = run(&r, plan, e);
	m->kept = false;
	if (m->db->conn && PQtransactionStatus(m->db->conn) != PQTRANS_IDLE)
		(void)mig_exec(m, "ROLLBACK", NULL, &ignored);
	*unknown = rc && (r.skipped || !strcmp(e->sqlstate, "55P03") ||
			  !strncmp(e->sqlstate, "40", 2));
	for (int i = 0; !rc && i < PQntuples(r.before); i++)
		compare_table(&r, i, &l);
	if (!rc)
		compare_columns(&r, &l);
	for (size_t i = 0; i < l.n; i++)
		count(m->db, &r, &l.v[i]);
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_rows);
	PQclear(r.before);
	PQclear(r.columns);
	PQclear(r.after);
	PQclear(r.columns_after);
	if (!rc)
		*ret = l;
	return rc;
}

void
mig_losses_free(struct mig_losses *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].object);
		free(l->v[i].table);
	}
	free(l->v);
	*l = (struct mig_losses){ .n = 0 };
}

void
mig_put_loss(struct str *s, const struct mig_loss *l)
{
	static const char *const forms[] = {
		[MIG_LOSS_TABLE] = "table %s: ",
		[MIG_LOSS_COLUMN] = "column %s: of ",
		[MIG_LOSS_EMPTIED] = "all of table %s: ",
		[MIG_LOSS_DELETED] = "from table %s: ",
	};
	const char *form = forms[l->kind], *at = strstr(form, "%s");

	str_putf(s, "%.*s%s%s", (int)(at - form), form, l->object, at + 2);
	if (l->rows < 0)
		str_puts(s, "nobody knows how many rows");
	else
		str_putf(s, "%s%" PRId64 " row%s", l->exact ? "" : "about ", l->rows,
			 l->rows == 1 ? "" : "s");
}
