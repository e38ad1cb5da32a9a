/*
 * scratch.c - making and dropping a scratch database
 */
#include "scratch.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "interrupt.h"
#include "migrate_run.h"
#include "str.h"

#define PREFIX "jobctl_verify_"
#define LOCK_CLASS "1784903289"		/* "jcvy" */

/* What the last eight digits of a name are made of the eight before them. */
#define CHECKSUM(digits) \
	"pg_catalog.substr(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" \
	"'jobctl-verify ' || " digits ", 'UTF8')), 'hex'), 1, 8)"

static const char abandoned_sql[] =
	"SELECT datname FROM pg_catalog.pg_database d,"
	" LATERAL (SELECT pg_catalog.substr(datname, 15, 8) AS digits) n"
	" WHERE datname ~ '^" PREFIX "[0-9a-f]{16}$'"
	" AND pg_catalog.substr(datname, 23) = " CHECKSUM("n.digits")
	" AND datdba = pg_catalog.quote_ident(current_user)::regrole"
	" AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l"
	"  WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = " LOCK_CLASS
	"  AND l.objid = ('x' || n.digits)::bit(32)::bigint::oid)"
	" AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a"
	"  WHERE a.datid = d.oid AND a.usesysid IS NOT NULL)";	/* autovacuum has no user */

static const char lock_sql[] =
	"SELECT pg_catalog.pg_advisory_lock(" LOCK_CLASS ", ('x' || $1)::bit(32)::integer), "
	CHECKSUM("$1");

/* Columns that are not there in every version are asked for as JSON. */
static const char like_sql[] =
	"SELECT pg_catalog.format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L"
	" LC_COLLATE %L LC_CTYPE %L', $1, pg_catalog.pg_encoding_to_char(encoding),"
	" datcollate, datctype) || CASE WHEN j ->> 'datlocprovider' = 'i'"
	" THEN pg_catalog.format(' LOCALE_PROVIDER icu ICU_LOCALE %L',"
	"  coalesce(j ->> 'daticulocale', j ->> 'datlocale')) ELSE '' END"
	" FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS j) x"
	" WHERE datname = pg_catalog.current_database()";

static const char roles_sql[] = "SELECT oid, rolname FROM pg_catalog.pg_roles ORDER BY oid";
static const char members_sql[] =
	"SELECT roleid, member, pg_catalog.pg_get_userbyid(roleid),"
	" pg_catalog.pg_get_userbyid(member), pg_catalog.format('REVOKE %I FROM %I', pg_catalog.pg_get_userbyid(roleid),"
	"  pg_catalog.pg_get_userbyid(member))"
	" FROM pg_catalog.pg_auth_members";

/*
 * A role on which something depends in another database than the one at hand cannot be
 * dropped, whatever is done there: here it is these tables, which go with the session.
 */
static const char guard_sql[] =
	"DO $$\n"
	"DECLARE\n"
	"    chunk record;\n"
	"BEGIN\n"
	"    FOR chunk IN SELECT n, string_agg(quote_ident(rolname), ', ') AS roles\n"
	"        FROM (SELECT rolname, (row_number() OVER () - 1) / 100 AS n FROM pg_roles\n"
	"              WHERE rolname !~ '^pg_' AND rolname <> current_user) r GROUP BY n LOOP\n"
	"        EXECUTE format('CREATE TEMP TABLE jobctl_verify_guard_%s ()', chunk.n);\n"
	"        EXECUTE format('GRANT SELECT ON pg_temp.jobctl_verify_guard_%s TO %s',"
	" chunk.n, chunk.roles);\n"
	"    END LOOP;\n"
	"END\n"
	"$$";

static int
exec_named(struct pg *db, const char *before, const char *name, const char *after, struct err *e)
{
	AUTOFREE char *sql = xasprintf("%s%s%s", before, name, after);

	return pg_exec(db, sql, e);
}

/* Those that a killed program left; if one cannot be dropped, that is its own business. */
static int
sweep(struct scratch *s, struct err *e)
{
	PG_RES res = NULL;
	struct err ignored;

	if (pg_call(&s->keeper, &res, abandoned_sql, PG_NOARGS, e) < 0)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		(void)!exec_named(&s->keeper, "DROP DATABASE IF EXISTS ", pg_get(res, i, 0), "",
				  &ignored);
	return 0;
}

/* A name, locked; s->name is not set before there is a database to drop. */
static int
take_name(struct scratch *s, char **name, struct err *e)
{
	PG_RES res = NULL;
	uint32_t random;
	char digits[9];

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return err_sys(e, ERR_OS, "getrandom");
	snprintf(digits, sizeof digits, "%08" PRIx32, random);
	if (pg_call(&s->keeper, &res, lock_sql, PG_ARGS(pg_text(digits)), e) < 0)
		return -1;
	*name = xasprintf(PREFIX "%s%s", digits, pg_get(res, 0, 1));
	return 0;
}

/* The connection's own words, but for the database: the server is to be the same. */
static char *
conninfo_for(PGconn *conn, const char *name)
{
	PQconninfoOption *all = PQconninfo(conn);
	AUTOSTR s = STR(STR_ANY);

	str_putf(&s, "dbname=%s", name);
	for (PQconninfoOption *o = all; o && o->keyword; o++) {
		if (!o->val || !*o->val || !strcmp(o->keyword, "dbname") ||
		    !strcmp(o->keyword, "service"))
			continue;
		str_putf(&s, " %s='", o->keyword);
		for (const char *p = o->val; *p; p++)
			str_putf(&s, *p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
		str_putc(&s, '\'');
	}
	PQconninfoFree(all);
	return str_take(&s);
}

static int
create(struct scratch *s, struct err *e)
{
	AUTOFREE char *name = NULL;
	AUTOFREE char *sql = NULL;
	PG_RES res = NULL;

	if (take_name(s, &name, e) ||
	    pg_call(&s->keeper, &res, like_sql, PG_ARGS(pg_text(name)), e) < 0)
		return -1;
	s->name = name;		/* from here on there may be one */
	name = NULL;
	sql = s->of ? xasprintf("CREATE DATABASE %s TEMPLATE %s", s->name, s->of->name)
		    : xstrdup(pg_get(res, 0, 0));
	/* of a database that others are connected to there can be no copy */
	if (pg_exec(s->of ? &s->of->db : &s->keeper, sql, e)) {
		if (e->kind == ERR_NOPERM)
			err_hint(e, "it takes a role that may make databases: ALTER ROLE ... "
				    "CREATEDB; or give --scratch another server");
		return err_ctx(e, "cannot make a scratch database");
	}
	s->conninfo = conninfo_for(s->keeper.conn, s->name);
	return 0;
}

static int
prepare(struct scratch *s, const char *app, const char *dbname, struct err *e)
{
	struct mig_run session = MIG_RUN_INIT;

	s->keeper.call_ms = s->db.call_ms = 0;
	session.db = &s->keeper;
	if (pg_connect(&s->keeper, app, dbname, e) || mig_check_session(&session, e) ||
	    sweep(s, e) ||
	    pg_call(&s->keeper, &s->roles, roles_sql, PG_NOARGS, e) < 0 ||
	    pg_call(&s->keeper, &s->members, members_sql, PG_NOARGS, e) < 0)
		return -1;
	if (s->guard && pg_exec(&s->keeper, guard_sql, e))
		return err_ctx(e, "cannot protect the server's roles with temporary tables");
	return create(s, e) || pg_connect(&s->db, app, s->conninfo, e) ? -1 : 0;
}

int
scratch_open(struct scratch *s, const char *app, const char *dbname, struct err *e)
{
	struct err ignored;

	if (prepare(s, app, dbname, e)) {
		(void)!scratch_close(s, &ignored);
		return -1;
	}
	interrupt_cancels(s->db.conn);
	return 0;
}

static bool
word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* As a whole word. */
static bool
names(const struct mig_file *f, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = f->text; p && (p = strstr(p, word)); p++)
		if ((p == f->text || !word_char(p[-1])) && !word_char(p[n]))
			return true;
	return false;
}

bool
scratch_names(const struct scratch *s, const char *role)
{
	for (size_t i = 0; i < s->nsets; i++) {
		const struct mig_set *set = &s->sets[i];

		for (size_t k = 0; k < set->n; k++)
			if (names(&set->v[k].up, role) || names(&set->v[k].down, role))
				return true;
		for (size_t k = 0; k < set->napi; k++)
			if (names(&set->api[k].file, role))
				return true;
	}
	return false;
}

/* Whether the row, as far as its first columns tell rows apart, is among the others. */
static bool
was_there(const PGresult *then, const PGresult *now, int row, int key)
{
	for (int i = 0; i < PQntuples(then); i++) {
		bool same = true;

		for (int c = 0; c < key; c++)
			same = same && !strcmp(pg_get(then, i, c), pg_get(now, row, c));
		if (same)
			return true;
	}
	return false;
}

/*
 * What no file names, somebody else has made meanwhile, as who makes a member of a role of
 * the sets; what cannot go is in use by now.
 */
static void
put_roles_back(struct scratch *s)
{
	PG_RES members = NULL;
	PG_RES roles = NULL;
	struct err e;

	if (!s->roles || !s->members ||
	    pg_call(&s->keeper, &members, members_sql, PG_NOARGS, &e) < 0 ||
	    pg_call(&s->keeper, &roles, roles_sql, PG_NOARGS, &e) < 0)
		return;
	for (int i = 0; i < PQntuples(members); i++)
		if (!was_there(s->members, members, i, 2) && scratch_names(s, pg_get(members, i, 2)) &&
		    scratch_names(s, pg_get(members, i, 3)))
			(void)!pg_exec(&s->keeper, pg_get(members, i, 4), &e);
	for (int i = 0; i < PQntuples(roles); i++) {
		char *quoted;

		if (was_there(s->roles, roles, i, 1) || !scratch_names(s, pg_get(roles, i, 1)))
			continue;
		quoted = PQescapeIdentifier(s->keeper.conn, pg_get(roles, i, 1),
					    strlen(pg_get(roles, i, 1)));
		if (quoted)
			(void)!exec_named(&s->keeper, "DROP ROLE ", quoted, "", &e);
		PQfreemem(quoted);
	}
}

int
scratch_close(struct scratch *s, struct err *e)
{
	int rc = 0;

	interrupt_cancels(NULL);
	pg_close(&s->db);
	if (s->name && s->keeper.conn) {
		rc = exec_named(&s->keeper, "DROP DATABASE IF EXISTS ", s->name, " WITH (FORCE)",
				e);
		put_roles_back(s);
	}
	if (rc)
		rc = err_ctx(e, "cannot drop the scratch database %s", s->name);
	PQclear(s->roles);
	PQclear(s->members);
	pg_close(&s->keeper);
	free(s->name);
	free(s->conninfo);
	*s = (struct scratch){ .sets = s->sets, .nsets = s->nsets, .guard = s->guard,
			       .of = s->of };
	return rc;
}
