/*
 * verify_schema.c - proving migrations without a database of one's own
 *
 * Everything happens in one transaction, in a schema that never becomes anybody else's:
 * it ends with the session, which rolls it back whatever happens.  So it is for files
 * that name no schema and that run in a transaction.
 */
#include "verify_checks.h"
#include "verify_steps.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "str.h"

#define SCHEMA "jobctl_verify"

static const char settings[] =
	"RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;"
	"SET LOCAL search_path = " SCHEMA "; SET LOCAL lock_timeout = '10s';"
	"SET LOCAL check_function_bodies = off";

static const char schemas_sql[] =
	"SELECT nspname FROM pg_catalog.pg_namespace"
	" WHERE nspname NOT IN ('pg_catalog', 'pg_temp', 'pg_toast', 'information_schema', '" SCHEMA "')"
	" ORDER BY 1";

/* Whether the text has the name in front of a dot, or in quotes. */
static bool
names_schema(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; (p = strstr(p, name)); p += n) {
		bool begins = p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');

		if (begins && (p[n] == '.' || (p > text && p[-1] == '"' && p[n] == '"')))
			return true;
	}
	return false;
}

/* "names the schema x"; yours, NULL if it names none. */
static char *
named_schema(const struct mig_file *f, const PGresult *schemas)
{
	for (int i = 0; i < PQntuples(schemas); i++)
		if (names_schema(f->text, pg_get(schemas, i, 0)))
			return xasprintf("names the schema %s", pg_get(schemas, i, 0));
	return NULL;
}

static int
refuse(const struct mig_file *f, const char *why, struct err *e)
{
	(void)err_set(e, ERR_NOPERM, "cannot make a scratch database, and %s %s, which takes one",
		      f->path, why);
	err_hint(e, "take a role that may make databases: ALTER ROLE ... CREATEDB; or give "
		    "--scratch another server");
	return -1;
}

static int
check_file(const struct mig_file *f, const PGresult *schemas, struct err *e)
{
	struct mig_stmts st;
	AUTOFREE char *named = named_schema(f, schemas);
	bool makes_schema = false;

	if (f->no_transaction)
		return refuse(f, "runs without a transaction", e);
	if (named)
		return refuse(f, named, e);
	if (mig_scan(f->text, f->len, &st, e))
		return -1;
	for (size_t i = 0; i < st.n; i++)
		makes_schema = makes_schema || !strcmp(st.v[i].word[1], "SCHEMA");
	free(st.v);
	return makes_schema ? refuse(f, "is about a schema", e) : 0;
}

static int
check_sets(struct verify *v, struct err *e)
{
	PG_RES schemas = NULL;

	if (pg_call(v->db, &schemas, schemas_sql, PG_NOARGS, e) < 0)
		return -1;
	for (size_t s = 0; s < v->nsets; s++) {
		const struct mig_set *set = &v->sets[s];

		for (size_t i = 0; i < set->n; i++)
			if (check_file(&set->v[i].up, schemas, e) ||
			    check_file(&set->v[i].down, schemas, e))
				return -1;
		for (size_t i = 0; i < set->napi; i++)
			if (check_file(&set->api[i].file, schemas, e))
				return -1;
	}
	return 0;
}

int
verify_schema_open(struct verify *v, struct err *e)
{
	v->db = &v->scratch.db;
	if (pg_connect(v->db, v->app, v->scratch_server ? v->scratch_server : v->dbname, e) ||
	    check_sets(v, e))
		return -1;
	if (pg_exec(v->db, "BEGIN; CREATE SCHEMA " SCHEMA, e) || pg_exec(v->db, settings, e))
		return err_ctx(e, "cannot make a scratch database, nor a schema");
	interrupt_cancels(v->db->conn);
	v->in_schema = true;
	return 0;
}

int
verify_schema_reset(struct verify *v, struct err *e)
{
	return pg_exec(v->db, settings, e);
}

int
verify_schema_refuses(struct verify *v, const struct mig_file *f, char **why, struct err *e)
{
	PG_RES schemas = NULL;

	if (pg_call(v->db, &schemas, schemas_sql, PG_NOARGS, e) < 0)
		return -1;
	*why = named_schema(f, schemas);
	return 0;
}

bool
verify_schema_has(const struct inv_row *r)
{
	return strstr(r->name, SCHEMA ".") != NULL;
}

static void
event(void *ctx, const struct mig_event *ev)
{
	(void)ctx;
	(void)ev;
}

static int
run_file(struct verify *v, const struct mig_file *f, struct err *e)
{
	const struct mig_chunk c = { .kind = MIG_SCRIPT, .file = f, .span = { .len = f->len } };
	struct mig_run m = MIG_RUN_INIT;
	int rc;

	m.db = v->db;
	m.event = event;
	rc = mig_exec(&m, f->text, &c, e);
	mig_run_free(&m);
	return rc ? -1 : verify_schema_reset(v, e);
}

static int
up_api(struct verify *v, struct err *e)
{
	for (size_t i = 0; i < v->set->napi; i++)
		if (run_file(v, &v->set->api[i].file, e))
			return -1;
	return 0;
}

static int
down_api(struct verify *v, struct err *e)
{
	for (size_t i = v->set->napi; i-- > 0;)
		for (size_t k = v->set->api[i].ndrops; k-- > 0;) {
			AUTOSTR sql = STR(STR_ANY);

			mig_put_drop(&sql, v->set->api[i].drops[k], true);
			if (pg_exec(v->db, sql.buf, e))
				return err_ctx(e, "%s", v->set->api[i].file.path);
		}
	return 0;
}

static int
up(struct verify *v, struct err *e)
{
	if (v->version)
		return run_file(v, &v->version->up, e);
	for (size_t i = 0; v->head && i < v->set->n; i++)
		if (run_file(v, &v->set->v[i].up, e))
			return -1;
	return up_api(v, e);
}

static int
down(struct verify *v, struct err *e)
{
	if (v->version)
		return run_file(v, &v->version->down, e);
	if (down_api(v, e))
		return -1;
	for (size_t i = v->set->n; v->head && i-- > 0;)
		if (run_file(v, &v->set->v[i].down, e))
			return -1;
	return 0;
}

/* All or nothing, as it is in a transaction of its own. */
static int
step(struct verify *v, int (*fn)(struct verify *v, struct err *e), struct err *e)
{
	int64_t from = now_ms();
	struct err ignored;
	int rc;

	if (pg_exec(v->db, "SAVEPOINT jobctl_step", e))
		return -1;
	rc = fn(v, e);
	v->ms = now_ms() - from;
	if (!rc)
		return pg_exec(v->db, "RELEASE SAVEPOINT jobctl_step", e);
	(void)!pg_exec(v->db, "ROLLBACK TO SAVEPOINT jobctl_step", &ignored);
	return -1;
}

int
verify_schema_up(struct verify *v, struct err *e)
{
	return step(v, up, e);
}

int
verify_schema_down(struct verify *v, struct err *e)
{
	return step(v, down, e);
}
