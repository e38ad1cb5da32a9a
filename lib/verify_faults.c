/*
 * verify_faults.c - what is wrong in itself, whatever it was meant to be
 *
 * Looked at when a set is at its head: a constraint may well be validated, or a key be
 * added, by a later migration than the one that made the table.
 */
#include "verify_steps.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"

/*
 * Each rule: what it is about, what is said if nothing is against it, and a statement for
 * what is: kind and name as the inventory has them, what is wrong, a statement against it.
 */
static const struct rule {
	const char *id;
	enum verdict verdict;
	const char *good;
	const char *sql;
} rules[] = {
	{ "index-valid", FAIL, "every index is valid and ready",
	  "SELECT 'index', c.oid::regclass::text, CASE WHEN i.indisvalid THEN 'is not ready'"
	  " ELSE 'is invalid: it costs at every write and serves nobody' END,"
	  " pg_catalog.format('REINDEX INDEX %s', c.oid::regclass)"
	  " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
	  " WHERE NOT (i.indisvalid AND i.indisready)" },
	{ "constraint-valid", FAIL, "every constraint is validated",
	  "SELECT 'constraint', format('%s.%I', coalesce(nullif(conrelid, 0)::regclass::text,"
	  " contypid::regtype::text), conname),"
	  " 'is not validated: rows from before it may break it',"
	  " CASE WHEN conrelid <> 0 THEN"
	  " format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)"
	  " ELSE format('ALTER DOMAIN %s VALIDATE CONSTRAINT %I', contypid::regtype, conname) END"
	  " FROM pg_constraint WHERE NOT convalidated AND conparentid = 0" },
	{ "sequence-owned", WARN, "every sequence that a column's default draws from belongs to it",
	  "SELECT DISTINCT 'sequence', s.oid::regclass::text,"
	  " format('is not owned by %s.%I, which draws from it: it stays when that goes',"
	  " a.attrelid::regclass, a.attname),"
	  " format('ALTER SEQUENCE %s OWNED BY %s.%I', s.oid::regclass, a.attrelid::regclass,"
	  " a.attname)"
	  " FROM pg_class s"
	  " JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid"
	  "  AND d.classid = 'pg_attrdef'::regclass"
	  " JOIN pg_attrdef f ON f.oid = d.objid"
	  " JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum"
	  " WHERE s.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend o"
	  "  WHERE o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.deptype IN ('a', 'i'))" },
	{ "primary-key", WARN, "every table has a primary key, or a replica identity without one",
	  "SELECT 'table', c.oid::regclass::text,"
	  " 'has no primary key: once it is published, its rows cannot be changed',"
	  " format('ALTER TABLE %s REPLICA IDENTITY FULL', c.oid::regclass)"
	  " FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
	  " AND c.relreplident NOT IN ('f', 'i')"
	  " AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid"
	  "  AND k.contype = 'p')" },
	{ "definer-search-path", FAIL, "every SECURITY DEFINER function has a search_path of its own",
	  "SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,"
	  " p.oid::regprocedure::text,"
	  " 'is SECURITY DEFINER and takes the search_path of whoever calls it',"
	  " format('ALTER ROUTINE %s SET search_path = pg_catalog, pg_temp', p.oid::regprocedure)"
	  " FROM pg_proc p WHERE prosecdef"
	  " AND NOT EXISTS (SELECT FROM unnest(proconfig) s WHERE s LIKE 'search_path=%')" },
	{ "definer-public", WARN, "no SECURITY DEFINER function may be called by everybody",
	  "SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,"
	  " p.oid::regprocedure::text,"
	  " 'is SECURITY DEFINER, and every role may call it',"
	  " format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', p.oid::regprocedure)"
	  " FROM pg_proc p WHERE prosecdef AND has_function_privilege('public', p.oid, 'EXECUTE')" },
};

/* Defaults are tried as they are, one by one; a sequence is the scratch database's own. */
static const char defaults_sql[] =
	"SELECT format('%s.%I', d.adrelid::regclass, a.attname),"
	" format('SELECT (%s)::%s', pg_get_expr(d.adbin, d.adrelid),"
	"  format_type(a.atttypid, a.atttypmod))"
	" FROM pg_attrdef d"
	" JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
	" JOIN pg_class c ON c.oid = d.adrelid"
	" WHERE a.attgenerated = '' AND NOT c.relispartition ORDER BY 1";

/* Whether it was the set that made it. */
static bool
is_new(const struct inventory *before, const struct inventory *after, const char *kind,
       const char *name)
{
	return inventory_find(after, kind, name) && !inventory_find(before, kind, name);
}

static int
look(struct verify *v, const struct rule *r, const struct inventory *before,
     const struct inventory *after, struct err *e)
{
	PG_RES res = NULL;
	int found = 0;

	if (pg_call(v->db, &res, r->sql, PG_NOARGS, e) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *kind = pg_get(res, i, 0), *name = pg_get(res, i, 1);

		if (!is_new(before, after, kind, name))
			continue;
		report_check(v->report, r->verdict, "structure",
			     verify_id(v, "%s.%s", r->id, name),
			     xasprintf("%s %s %s", kind, name, pg_get(res, i, 2)), NULL, NULL, NULL);
		if (pg_get_or_null(res, i, 3))
			report_fix(v->report, xstrdup(pg_get(res, i, 3)));
		found++;
	}
	if (!found)
		report_check(v->report, PASS, "structure", verify_id(v, "%s", r->id),
			     xstrdup(r->good), NULL, NULL, NULL);
	return 0;
}

static int
try_default(struct verify *v, const char *name, const char *sql, int *bad, struct err *e)
{
	struct err why;

	if (pg_exec(v->db, "SAVEPOINT jobctl_default", e))
		return -1;
	if (pg_exec(v->db, sql, &why)) {
		if (verify_broken(v, &why)) {
			*e = why;
			return -1;
		}
		report_check(v->report, FAIL, "structure", verify_id(v, "default-works.%s", name),
			     xasprintf("the default of %s cannot be computed", name), NULL,
			     xasprintf("%s (SQLSTATE %s)", why.msg, why.sqlstate), xstrdup(sql));
		++*bad;
	}
	return pg_exec(v->db, "ROLLBACK TO SAVEPOINT jobctl_default", e);
}

static int
try_defaults(struct verify *v, const struct inventory *before, const struct inventory *after,
	     struct err *e)
{
	PG_RES res = NULL;
	int bad = 0, tried = 0;

	if (pg_call(v->db, &res, defaults_sql, PG_NOARGS, e) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++) {
		if (!is_new(before, after, "default", pg_get(res, i, 0)))
			continue;
		tried++;
		if (try_default(v, pg_get(res, i, 0), pg_get(res, i, 1), &bad, e))
			return -1;
	}
	if (!bad)
		report_check(v->report, PASS, "structure", verify_id(v, "default-works"),
			     xstrdup("every default can be computed"), NULL, NULL,
			     xasprintf("%d computed", tried));
	return 0;
}

int
verify_faults(struct verify *v, const struct inventory *before, const struct inventory *after,
	      struct err *e)
{
	if (verify_begin_try(v, e) || pg_exec(v->db, "SET LOCAL search_path = pg_catalog", e))
		return -1;
	for (size_t i = 0; i < NELEM(rules); i++)
		if (look(v, &rules[i], before, after, e))
			return -1;
	if (try_defaults(v, before, after, e))
		return -1;
	return verify_end_try(v, e);
}
