/*
 * verify_claims.c - a set's .verify.sql files, when it is at its head
 *
 * They are judged there and not each after its migration: what a set promises is what its
 * users get in the end, and a later migration that breaks an earlier promise must show.
 */
#include "verify_checks.h"

#include <stdlib.h>

#include "str.h"

/* Tables of migrations: of no extension, no partition, and not the migrator's books. */
static const char tables_sql[] =
	"SELECT coalesce(pg_catalog.array_agg(c.oid), '{}')::text FROM pg_catalog.pg_class c "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE n.nspname !~ '^(pg_|information_schema$)' AND c.relkind IN ('r', 'p') AND NOT "
	"c.relispartition "
	"AND NOT (n.nspname = 'jobctl' AND c.relname ~ '^schema_migration') "
	"AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = "
	"'pg_catalog.pg_class'::regclass "
	"AND d.objid = c.oid AND d.deptype = 'e') "
	"AND c.oid <> ALL ($1::text::oid[])";

static int
read_tables(struct verify *v, const char *without, char **tables, struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(v->db, &res, tables_sql, PG_ARGS(pg_text(without)), e) < 0)
		return -1;
	free(*tables);
	*tables = xstrdup(pg_get(res, 0, 0));
	return 0;
}

int
verify_begin(struct verify *v, struct err *e)
{
	return read_tables(v, "{}", &v->known, e);
}

void
verify_claims_read(const struct mig_set *set, struct mig_problems *p)
{
	for (size_t i = 0; i < set->n; i++) {
		struct verify_file f = { .n = 0 };

		if (set->v[i].verify.path)
			(void)!verify_file_read(&f, &set->v[i].verify, p);
		verify_file_free(&f);
	}
}

/* Names mean what they mean in migrations, whoever runs them; scripts may have left other settings. */
static int
reset(struct verify *v, struct err *e)
{
	struct mig_state state = MIG_STATE_INIT;
	AUTOSTR sql = STR(STR_ANY);
	int rc;

	if (v->in_schema)
		return verify_schema_reset(v, e);
	rc = mig_state_read(v->db, v->set, 1, &state, e);
	str_puts(&sql, "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL");
	if (state.search_path)
		str_putf(&sql, "; SET search_path = %s", *state.search_path ? state.search_path : "''");
	mig_state_free(&state);
	return rc ? -1 : pg_exec(v->db, sql.buf, e);
}

/* What the file of the migration at hand claims, read into f; 0 as well if it cannot be tried. */
static int
try_file(struct verify *v, struct verify_file *f, struct err *e)
{
	struct mig_problems p = { .n = 0 };
	AUTOFREE char *why = NULL;
	int rc;

	if (v->in_schema && verify_schema_refuses(v, &v->version->verify, &why, e))
		return -1;
	if (why) {
		report_check(v->report, SKIP, "probes", verify_id(v, "claims"),
			     xasprintf("not tried without a scratch database: it %s", why), NULL,
			     NULL, xstrdup(v->version->verify.path));
		return 0;
	}
	rc = verify_file_read(f, &v->version->verify, &p);
	if (rc)
		*e = p.v[0];	/* the caller has read them already, and told all */
	else
		rc = verify_probes(v, f, e) || verify_queries(v, f, e) ? -1 : 0;
	mig_problems_free(&p);
	return rc;
}

int
verify_claims(struct verify *v, struct err *e)
{
	const struct mig_version *at = v->version;
	struct verify_file *f = xcalloc(v->set->n + 1, sizeof *f);
	AUTOFREE char *tables = NULL;
	size_t n = 0;
	int rc = reset(v, e);

	for (size_t i = 0; !rc && i < v->set->n; i++) {
		v->version = &v->set->v[i];
		if (v->version->verify.path)
			rc = try_file(v, &f[n++], e);
	}
	v->version = NULL;
	v->head = true;
	if (!rc)
		rc = read_tables(v, v->known, &tables, e) || verify_indexes(v, tables, f, n, e) ? -1 : 0;
	if (!rc)
		rc = v->in_schema ? verify_schema_reset(v, e) : pg_exec(v->db, "RESET ALL", e);
	v->version = at;
	v->head = false;
	for (size_t i = 0; i < n; i++)
		verify_file_free(&f[i]);
	free(f);
	return rc;
}
