/*
 * verify_query.c - whether queries use the indexes that they are declared to use
 *
 * Two grades.  Can serve: the planner takes the index when it must not read the whole
 * table and the table's other indexes are out of its way.  Is chosen: it takes it by
 * itself, on a table that has rows and was analyzed.  A plan for an empty table says
 * nothing: PostgreSQL then takes any index, and none once the table was analyzed.
 */
#include "verify_checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "plan.h"
#include "str.h"
#include "synth.h"

/* Statements are repeated, but not for longer than this. */
enum { RUNS_MS = 20000, RUNS_MIN = 3, RIVALS = 8 };

struct query {
	const struct verify_stmt *s;
	PGresult *names;	/* schema and name of the index, of its partitions' too */
	Oid table;
	int64_t rows;		/* what the table is to have */
	char *missing;		/* why there is no such index */
};

struct queries {
	struct verify *v;
	const struct verify_file *f;
	struct query *q;
	size_t n;
	struct synth_script *scripts;
	size_t nscripts;
};

static void
queries_free(struct queries *qs)
{
	for (size_t i = 0; i < qs->n; i++) {
		PQclear(qs->q[i].names);
		free(qs->q[i].missing);
	}
	free(qs->q);
	free(qs->scripts);
}

static char *
where(const struct queries *qs, const struct query *q)
{
	return xasprintf("%s:%d", qs->f->path, q->s->line);
}

/* Takes what is said; NULL for nothing. */
static void
tell(struct queries *qs, const struct query *q, enum verdict verdict, const char *grade,
     char *expected, char *actual, char *evidence)
{
	AUTOFREE char *at = where(qs, q), *because = evidence;

	report_check(qs->v->report, verdict, "queries",
		     verify_id(qs->v, "query.%s.%s", q->s->name, grade), verify_one_line(q->s->sql),
		     expected, actual, xasprintf("%s%s%s", at, because ? ": " : "", because ? because : ""));
}

/* The index by the name in the file, which need not have its schema; in a schema it has ours. */
static int
find_index(struct verify *v, struct query *q, struct err *e)
{
	static const char sql[] =
		"WITH named AS (SELECT c.oid, i.indrelid, pg_catalog.count(*) OVER () AS n "
		"FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
		"JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace, "
		"pg_catalog.parse_ident($1) AS p "
		"WHERE c.relname = p[pg_catalog.cardinality(p)] "
		"AND CASE pg_catalog.cardinality(p) WHEN 1 THEN s.nspname !~ '^pg_' "
		"ELSE s.nspname = p[1] END AND (NOT $2 OR s.nspname = pg_catalog.current_schema())) "
		"SELECT s.nspname, c.relname, m.indrelid, m.n FROM named m "
		"JOIN pg_catalog.pg_class c ON c.oid = m.oid OR c.oid IN "
		"(SELECT t.relid FROM pg_catalog.pg_partition_tree(m.oid) t) "
		"JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace";
	int n;

	if (verify_begin_try(v, e))	/* the name may be none */
		return -1;
	n = pg_call(v->db, &q->names, sql, PG_ARGS(pg_text(q->s->index), pg_bool(v->in_schema)), e);
	if (n < 0 && verify_broken(v, e))
		return -1;
	if (n < 0)
		q->missing = xstrdup(e->msg);
	else if (!n)
		q->missing = xstrdup("no such index");
	else if (pg_get_i64(q->names, 0, 3) > 1)
		q->missing = xstrdup("more than one index has this name: write its schema, too");
	else
		q->table = (Oid)pg_get_i64(q->names, 0, 2);
	return verify_end_try(v, e);
}

struct search {
	const struct query *q;
	const char *node;	/* that reads the index */
	char *rival;		/* another index that is read; yours, with its schema */
	char *rival_schema;
};

static int
see_scan(void *ctx, const struct plan_scan *scan)
{
	struct search *s = ctx;

	if (!scan->index)
		return 0;
	for (int i = 0; i < PQntuples(s->q->names); i++)
		if (!strcmp(pg_get(s->q->names, i, 1), scan->index) &&
		    (!scan->schema || !strcmp(pg_get(s->q->names, i, 0), scan->schema))) {
			s->node = scan->node;
			return 1;
		}
	if (!s->rival && scan->schema) {
		s->rival = xstrdup(scan->index);
		s->rival_schema = xstrdup(scan->schema);
	}
	return 0;
}

/* The index out of the planner's way, until the savepoint is rolled back; 1 if it is of another table. */
static int
drop_rival(struct verify *v, const struct query *q, const struct search *s, struct err *e)
{
	static const char sql[] =
		"SELECT CASE WHEN k.oid IS NULL THEN pg_catalog.format('DROP INDEX %s "
		"CASCADE', r.oid::regclass) "
		"ELSE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', "
		"k.conrelid::regclass, k.conname) END "
		"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
		"c.relnamespace, "
		"LATERAL (SELECT coalesce(pg_catalog.pg_partition_root(c.oid), c.oid) AS oid) "
		"r "
		"JOIN pg_catalog.pg_index i ON i.indexrelid = r.oid "
		"LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = r.oid AND k.contype IN "
		"('p', 'u', 'x') "
		"WHERE n.nspname = $1 AND c.relname = $2 AND i.indrelid = $3::oid";
	PG_RES res = NULL;
	int n = pg_call(v->db, &res, sql, PG_ARGS(pg_text(s->rival_schema), pg_text(s->rival),
						  pg_i64(q->table)), e);

	if (n < 0)
		return -1;
	return n ? pg_exec(v->db, pg_get(res, 0, 0), e) : 1;
}

struct found {
	const char *node;	/* of the plan: NULL if the index is in none */
	json_t *plan;		/* the last */
	char *refusal;		/* the statement is wrong */
	struct str passed;	/* indexes that were preferred */
};

static void
found_free(struct found *f)
{
	json_decref(f->plan);
	free(f->refusal);
	str_free(&f->passed);
}

/* Whether the plan has the index; with alone, also if other indexes have to go for that. */
static int
look(struct queries *qs, const struct query *q, bool alone, struct found *f, struct err *e)
{
	for (int i = 0; i < RIVALS; i++) {
		struct search s = { .q = q };
		int rc = plan_read(qs->v->db, q->s->sql, false, &f->plan, &f->refusal, e);

		if (rc)
			return rc < 0 ? -1 : 0;
		(void)plan_scans(f->plan, see_scan, &s);
		f->node = s.node;
		rc = s.node || !s.rival || !alone ? 1 : drop_rival(qs->v, q, &s, e);
		if (!rc)
			str_putf(&f->passed, "%s%s", f->passed.len ? ", " : "", s.rival);
		free(s.rival);
		free(s.rival_schema);
		if (rc)
			return rc < 0 ? -1 : 0;
		json_decref(f->plan);
		f->plan = NULL;
	}
	return 0;
}

static int
can_serve(struct queries *qs, const struct query *q, bool *good, struct err *e)
{
	struct found f = { .passed = STR(1000) };
	AUTOFREE char *plan = NULL;
	int rc = -1;

	if (pg_exec(qs->v->db, "SAVEPOINT jobctl_query; SET LOCAL enable_seqscan = off", e) ||
	    look(qs, q, true, &f, e) ||
	    pg_exec(qs->v->db, "ROLLBACK TO jobctl_query; RELEASE jobctl_query", e))
		goto out;
	plan = f.plan ? plan_text(f.plan) : NULL;
	*good = !f.refusal && !!f.node != q->s->negative;
	tell(qs, q, *good ? PASS : FAIL, q->s->negative ? "control" : "can_serve",
	     xasprintf(q->s->negative ? "%s cannot serve it" : "%s can serve it", q->s->index),
	     f.refusal ? xstrdup(f.refusal) : f.node ? xasprintf("%s using %s", f.node, q->s->index)
						     : xstrdup("it does not"),
	     plan ? xasprintf("enable_seqscan=off%s%s: %s", f.passed.len ? ", without " : "", f.passed.buf, plan)
		  : NULL);
	rc = 0;
out:
	found_free(&f);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct timing {
	double p50, p95;
	int n;
	char *text, *refusal;	/* one of the two: it cannot be run */
};

/* p50 and p95 of some runs, each undone; one before them fills the caches. */
static int
measure(struct queries *qs, const struct query *q, struct timing *t, struct err *e)
{
	AUTOFREE double *ms = xcalloc((size_t)qs->v->runs, sizeof *ms);
	int64_t stop = deadline_in(RUNS_MS);
	int n = -1;

	while (n < qs->v->runs && (n < RUNS_MIN || now_ms() < stop) && !interrupted()) {
		json_t *plan = NULL;

		if (pg_exec(qs->v->db, "SAVEPOINT jobctl_run", e) ||
		    plan_read(qs->v->db, q->s->sql, true, &plan, &t->refusal, e) < 0)
			return -1;
		if (plan && n >= 0)
			ms[n] = plan_ms(plan);
		n++;
		json_decref(plan);
		if (pg_exec(qs->v->db, "ROLLBACK TO jobctl_run; RELEASE jobctl_run", e))
			return -1;
		if (t->refusal)
			return 0;
	}
	if (interrupted())
		return err_set(e, ERR_TEMPFAIL, "interrupted");
	qsort(ms, (size_t)n, sizeof *ms, compare);
	t->n = n;
	t->p50 = ms[(n - 1) / 2];
	t->p95 = ms[(n * 95 + 99) / 100 - 1];
	return 0;
}

static int
time_it(struct queries *qs, const struct query *q, int64_t rows, struct timing *t, struct err *e)
{
	if (measure(qs, q, t, e))
		return -1;
	if (!t->refusal)
		t->text = xasprintf("p50 %.3f ms, p95 %.3f ms of %d runs at %" PRId64 " rows", t->p50, t->p95,
				    t->n, rows);
	return 0;
}

static void
tell_within(struct queries *qs, const struct query *q, const struct timing *t)
{
	tell(qs, q, t->n && t->p95 <= (double)q->s->within_ms ? PASS : FAIL, "within",
	     xasprintf("p95 within %" PRId64 " ms", q->s->within_ms),
	     t->n ? xasprintf("p95 %.3f ms", t->p95) : xstrdup("it cannot be run"),
	     t->text ? xstrdup(t->text) : NULL);
}

static int
is_chosen(struct queries *qs, const struct query *q, int64_t rows, const char *note, struct err *e)
{
	struct found f = { .passed = STR(1000) };
	struct timing t = { .n = 0 };
	AUTOFREE char *plan = NULL;
	const char *refusal;
	int rc = look(qs, q, false, &f, e);

	if (!rc && !f.refusal)
		rc = time_it(qs, q, rows, &t, e);
	if (!rc) {
		plan = f.plan ? plan_text(f.plan) : NULL;
		refusal = f.refusal ? f.refusal : t.refusal;
		tell(qs, q, f.node && !refusal ? PASS : FAIL, "is_chosen",
		     xasprintf("%s is chosen at %" PRId64 " rows", q->s->index, rows),
		     refusal ? xstrdup(refusal) : f.node ? xasprintf("%s using %s", f.node, q->s->index)
							 : xstrdup("it is not"),
		     xasprintf("%s%s%s%s", plan ? plan : "", t.text ? "; " : "", t.text ? t.text : "", note));
		if (q->s->within_ms)
			tell_within(qs, q, &t);
	}
	free(t.text);
	free(t.refusal);
	found_free(&f);
	return rc;
}

struct others {
	struct verify *v;
	struct synth *y;
	int64_t rows;
	struct err *e;
};

static int
fill_other(void *ctx, const struct plan_scan *scan)
{
	static const char sql[] =
		"SELECT coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::oid FROM "
		"pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
		"WHERE n.nspname = $1 AND c.relname = $2 AND n.nspname !~ "
		"'^(pg_|information_schema$)'";
	struct others *o = ctx;
	AUTOFREE char *why = NULL;
	PG_RES res = NULL;
	int n;

	if (!scan->schema || !scan->table)
		return 0;
	n = pg_call(o->v->db, &res, sql, PG_ARGS(pg_text(scan->schema), pg_text(scan->table)), o->e);
	if (n < 0)
		return -1;
	return n && synth_fill(o->y, (Oid)pg_get_i64(res, 0, 0), o->rows, &why, o->e) < 0 ? -1 : 0;
}

/*
 * The query's tables get rows, its index's first; how many that has then, or 0 and why
 * not.  The others do without if they must.
 */
static int64_t
fill_tables(struct queries *qs, const struct query *q, struct synth *y, char **why, struct err *e)
{
	struct others o = { .v = qs->v, .y = y, .rows = q->rows, .e = e };
	AUTOFREE char *refusal = NULL;
	json_t *plan = NULL;
	int64_t n = synth_fill(y, q->table, q->rows, why, e);
	int rc;

	if (n <= 0)
		return n;
	rc = plan_read(qs->v->db, q->s->sql, false, &plan, &refusal, e);
	if (!rc)
		rc = plan_scans(plan, fill_other, &o);
	json_decref(plan);
	return rc < 0 ? -1 : n;
}

/* Without rows there is one grade only. */
static void
skip(struct queries *qs, const struct query *q, const struct synth *y, const char *why)
{
	enum verdict verdict = y->script_failed ? FAIL : SKIP;
	AUTOFREE char *how = y->script_failed ? xstrdup("the statement for its rows failed") :
		xstrdup("no rows could be made: write a statement that makes them, after: -- rows: TABLE");

	tell(qs, q, verdict, "is_chosen", xasprintf("%s is chosen at %" PRId64 " rows", q->s->index, q->rows),
	     xstrdup(how), xstrdup(why));
	if (q->s->within_ms)
		tell(qs, q, verdict, "within", xasprintf("p95 within %" PRId64 " ms", q->s->within_ms),
		     xstrdup(how), xstrdup(why));
}

static int
judge(struct queries *qs, const struct query *q, struct synth *y, struct err *e)
{
	AUTOFREE char *why = NULL, *what = xasprintf("query %s", q->s->name);
	bool good = true;
	int64_t rows;

	qs->v->progress(qs->v->ctx, what);
	rows = fill_tables(qs, q, y, &why, e);
	if (rows >= 0 && interrupted())
		return err_set(e, ERR_TEMPFAIL, "interrupted");
	if (rows < 0 || can_serve(qs, q, &good, e))
		return -1;
	if (q->s->negative)
		return 0;
	if (!rows) {
		skip(qs, q, y, why ? why : "it stays empty");
		return 0;
	}
	return is_chosen(qs, q, rows, y->triggers_off ? "; rows made without triggers" : "", e);
}

/* All queries that want so many rows, in one transaction that has them. */
static int
judge_at(struct queries *qs, int64_t rows, struct err *e)
{
	struct synth y = { .db = qs->v->db, .scripts = qs->scripts, .nscripts = qs->nscripts };
	int rc = verify_begin_try(qs->v, e);

	for (size_t i = 0; !rc && i < qs->n; i++)
		if (qs->q[i].rows == rows && !qs->q[i].missing)
			rc = judge(qs, &qs->q[i], &y, e);
	synth_free(&y);
	return rc ? -1 : verify_end_try(qs->v, e);
}

/* A statement for a table's rows: that there is such a table is a claim, too. */
static int
read_script(struct queries *qs, const struct verify_stmt *s, struct err *e)
{
	struct verify *v = qs->v;
	PG_RES res = NULL;
	int n;

	if (verify_begin_try(v, e))
		return -1;
	n = pg_call(v->db, &res, "SELECT pg_catalog.to_regclass($1)::oid", PG_ARGS(pg_text(s->name)), e);
	if (n < 0 && verify_broken(v, e))
		return -1;
	if (n > 0 && pg_get_or_null(res, 0, 0))
		qs->scripts[qs->nscripts++] = (struct synth_script){
			.table = (Oid)pg_get_i64(res, 0, 0), .sql = s->sql, .rows = s->rows };
	else
		report_check(v->report, FAIL, "queries", verify_id(v, "rows.%s", s->name),
			     verify_one_line(s->sql), xasprintf("a table %s", s->name),
			     n < 0 ? xstrdup(e->msg) : xstrdup("no such table"),
			     xasprintf("%s:%d", qs->f->path, s->line));
	return verify_end_try(v, e);
}

static int
read_queries(struct queries *qs, struct err *e)
{
	qs->q = xcalloc(qs->f->n + 1, sizeof *qs->q);
	qs->scripts = xcalloc(qs->f->n + 1, sizeof *qs->scripts);
	for (size_t i = 0; i < qs->f->n; i++) {
		const struct verify_stmt *s = &qs->f->v[i];
		struct query *q = &qs->q[qs->n];

		if (s->kind == VERIFY_ROWS && read_script(qs, s, e))
			return -1;
		if (s->kind != VERIFY_QUERY)
			continue;
		qs->n++;
		q->s = s;
		q->rows = s->rows ? s->rows : qs->v->rows;
		if (find_index(qs->v, q, e))
			return -1;
		if (q->missing)
			tell(qs, q, FAIL, s->negative ? "control" : "can_serve",
			     xasprintf("index %s", s->index), xstrdup(q->missing), NULL);
	}
	return 0;
}

int
verify_queries(struct verify *v, const struct verify_file *f, struct err *e)
{
	struct queries qs = { .v = v, .f = f };
	int rc = read_queries(&qs, e);

	for (size_t i = 0; !rc && i < qs.n; i++) {
		bool first = true;

		for (size_t j = 0; j < i; j++)
			first &= qs.q[j].rows != qs.q[i].rows;
		if (first)
			rc = judge_at(&qs, qs.q[i].rows, e);
	}
	queries_free(&qs);
	return rc;
}
