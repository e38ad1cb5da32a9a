/*
 * migrate_book.c - the bookkeeping's SQL
 */
#include "migrate_book.h"

#include <inttypes.h>
#include <string.h>

const char mig_book_create_sql[] =
	"CREATE TABLE IF NOT EXISTS jobctl.schema_migrations (\n"
	"\tset text NOT NULL,\n"
	"\tversion bigint NOT NULL CHECK (version >= 0),\n"
	"\tname text NOT NULL,\n"
	"\tsha256 text NOT NULL,\n"
	"\tduration_ms bigint,\n"
	"\ttool_version text NOT NULL,\n"
	"\trole name NOT NULL,\n"
	"\tapplied_at timestamptz NOT NULL,\n"
	"\tdrops text,\n"
	"\torigin text NOT NULL DEFAULT 'up' CHECK (origin IN ('up', 'baseline', 'repair')),\n"
	"\tPRIMARY KEY (set, version)\n"
	");\n"
	"COMMENT ON TABLE jobctl.schema_migrations IS\n"
	"\t'what jobctl-migrate has applied; version 0 is the functions and views of a set';\n"
	"CREATE TABLE IF NOT EXISTS jobctl.schema_migration_steps (\n"
	"\tset text NOT NULL,\n"
	"\tversion bigint NOT NULL,\n"
	"\tdirection text NOT NULL CHECK (direction IN ('up', 'down')),\n"
	"\tstep integer NOT NULL,\n"
	"\tsha256 text NOT NULL,\n"
	"\tstarted_at timestamptz NOT NULL,\n"
	"\tfinished_at timestamptz,\n"
	"\terror text,\n"
	"\tinvalid_before oid[] NOT NULL,\n"
	"\tvalid_before oid[] NOT NULL,\n"
	"\tPRIMARY KEY (set, version, direction, step)\n"
	");\n"
	"COMMENT ON TABLE jobctl.schema_migration_steps IS\n"
	"\t'how far migrations without a transaction have come; empty while none is under way';\n"
	"CREATE TABLE IF NOT EXISTS jobctl.schema_migration_events (\n"
	"\tid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
	"\tat timestamptz NOT NULL,\n"
	"\tset text NOT NULL,\n"
	"\tversion bigint NOT NULL,\n"
	"\tname text NOT NULL,\n"
	"\tevent text NOT NULL,\n"
	"\told_sha256 text,\n"
	"\tnew_sha256 text,\n"
	"\ttool_version text NOT NULL,\n"
	"\trole name NOT NULL,\n"
	"\tapplication text NOT NULL\n"
	");\n"
	"COMMENT ON TABLE jobctl.schema_migration_events IS\n"
	"\t'what schema_migrations does not tell by itself: reverts, baselines, repairs';\n"
	"GRANT SELECT ON jobctl.schema_migrations, jobctl.schema_migration_steps,\n"
	"\tjobctl.schema_migration_events TO PUBLIC;\n";

const char mig_book_drop_sql[] =
	"DROP TABLE jobctl.schema_migration_events, jobctl.schema_migration_steps,\n"
	"\tjobctl.schema_migrations;\n"
	"DO $jobctl$\n"
	"BEGIN\n"
	"\tDROP SCHEMA jobctl;\n"
	"EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN\n"
	"\tNULL;\t-- others have objects in it, or it is theirs\n"
	"END\n"
	"$jobctl$;\n";

static void
put_literal(struct str *s, const char *z)
{
	if (!z) {
		str_puts(s, "NULL");
		return;
	}
	/* E'': a backslash is one whatever standard_conforming_strings says. */
	str_puts(s, strchr(z, '\\') ? "E'" : "'");
	for (; *z; z++) {
		if (*z == '\'' || *z == '\\')
			str_putc(s, *z);
		str_putc(s, *z);
	}
	str_putc(s, '\'');
}

void
mig_book_put_guard(struct str *s, const char *set, const int64_t *have, size_t n)
{
	str_putf(s, "DO $jobctl$\nBEGIN\n"
		    "\tIF NOT pg_catalog.pg_try_advisory_xact_lock(%" PRId64 ") THEN\n"
		    "\t\tRAISE EXCEPTION 'another migration is running';\n\tEND IF;\n"
		    "\tIF ARRAY(SELECT version FROM jobctl.schema_migrations\n"
		    "\t         WHERE set = '%s' ORDER BY version) <> '{", MIG_LOCK_KEY, set);
	for (size_t i = 0; i < n; i++)
		str_putf(s, "%s%" PRId64, i ? "," : "", have[i]);
	str_putf(s, "}'::bigint[] THEN\n"
		    "\t\tRAISE EXCEPTION 'this plan was made for another state of set \"%s\"';\n"
		    "\tEND IF;\nEND\n$jobctl$;\n", set);
}

/* The row of a migration, to the statement's end. */
static void
put_where(struct str *s, const char *set, int64_t version)
{
	str_putf(s, " WHERE set = '%s' AND version = %" PRId64 ";\n", set, version);
}

void
mig_book_put_done(struct str *s, const char *set, int64_t version, const char *name,
		  const char *sha256)
{
	/* It began with the transaction, or when the one before it was done. */
	str_putf(s, "INSERT INTO jobctl.schema_migrations\n"
		    "\t(set, version, name, sha256, duration_ms, tool_version, role, applied_at)\n"
		    "SELECT '%s', %" PRId64 ", '%s',\n\t'%s',\n"
		    "\tpg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() -\n"
		    "\t\tgreatest(pg_catalog.transaction_timestamp(),"
		    " pg_catalog.max(applied_at))) * 1000),\n"
		    "\t'%s', current_user, pg_catalog.clock_timestamp()\n"
		    "FROM jobctl.schema_migrations;\n",
		 set, version, name, sha256, JOBCTL_VERSION);
}

void
mig_book_put_marked(struct str *s, const char *set, int64_t version, const char *name,
		    const char *sha256, const char *origin)
{
	str_putf(s, "INSERT INTO jobctl.schema_migrations\n"
		    "\t(set, version, name, sha256, tool_version, role, applied_at, origin)\n"
		    "VALUES ('%s', %" PRId64 ", '%s',\n\t'%s',\n"
		    "\t'%s', current_user, pg_catalog.clock_timestamp(), '%s');\n",
		 set, version, name, sha256, JOBCTL_VERSION, origin);
}

void
mig_book_put_sha256(struct str *s, const char *set, int64_t version, const char *sha256)
{
	str_putf(s, "UPDATE jobctl.schema_migrations SET sha256 = '%s'", sha256);
	put_where(s, set, version);
}

void
mig_book_put_event(struct str *s, const char *set, int64_t version, const char *name,
		   const char *event, const char *old_sha256, const char *new_sha256)
{
	str_putf(s, "INSERT INTO jobctl.schema_migration_events\n"
		    "\t(at, set, version, name, event, old_sha256, new_sha256,\n"
		    "\ttool_version, role, application)\n"
		    "VALUES (pg_catalog.clock_timestamp(), '%s', %" PRId64 ", ", set, version);
	put_literal(s, name);		/* of a row, if there is no file */
	str_putf(s, ", '%s',\n\t", event);
	put_literal(s, old_sha256);
	str_puts(s, ", ");
	put_literal(s, new_sha256);
	str_putf(s, ",\n\t'%s', current_user, pg_catalog.current_setting('application_name'));\n",
		 JOBCTL_VERSION);
}

void
mig_book_put_gone(struct str *s, const char *set, int64_t version)
{
	str_puts(s, "DELETE FROM jobctl.schema_migrations");
	put_where(s, set, version);
}

void
mig_book_put_drops(struct str *s, const char *set, const char *drops)
{
	str_puts(s, "UPDATE jobctl.schema_migrations SET drops = ");
	put_literal(s, drops);
	put_where(s, set, 0);
}

void
mig_book_put_step_begun(struct str *s, const char *set, int64_t version, const char *direction,
			size_t step, const char *sha256)
{
	str_putf(s, "INSERT INTO jobctl.schema_migration_steps\n"
		    "\t(set, version, direction, step, sha256, started_at, invalid_before,"
		    " valid_before)\n"
		    "VALUES ('%s', %" PRId64 ", '%s', %zu,\n\t'%s',\n"
		    "\tpg_catalog.clock_timestamp(),"
		    " ARRAY(SELECT indexrelid FROM pg_catalog.pg_index WHERE NOT indisvalid),\n"
		    "\tARRAY(SELECT indexrelid FROM pg_catalog.pg_index"
		    " WHERE indisvalid AND indexrelid >= 16384))\n"
		    "ON CONFLICT (set, version, direction, step) DO UPDATE\n"
		    "\tSET sha256 = excluded.sha256, started_at = excluded.started_at, error = NULL;\n",
		 set, version, direction, step, sha256);
}

void
mig_book_put_step_done(struct str *s, const char *set, int64_t version, const char *direction,
		       size_t step)
{
	str_putf(s, "UPDATE jobctl.schema_migration_steps\n"
		    "\tSET finished_at = pg_catalog.clock_timestamp()\n"
		    " WHERE set = '%s' AND version = %" PRId64
		    " AND direction = '%s' AND step = %zu;\n",
		 set, version, direction, step);
}

void
mig_book_put_step_failed(struct str *s, const char *set, int64_t version, const char *direction,
			 size_t step, const char *error)
{
	str_puts(s, "UPDATE jobctl.schema_migration_steps SET error = ");
	put_literal(s, error);
	str_putf(s, "\n WHERE set = '%s' AND version = %" PRId64
		    " AND direction = '%s' AND step = %zu;\n", set, version, direction, step);
}

void
mig_book_put_steps_gone(struct str *s, const char *set, int64_t version)
{
	/* The migration's row, if it has one by now: it took as long as its steps. */
	str_puts(s, "UPDATE jobctl.schema_migrations m SET duration_ms = (\n"
		    "\tSELECT coalesce(pg_catalog.round(extract(epoch FROM"
		    " pg_catalog.sum(finished_at - started_at)) * 1000), m.duration_ms)\n"
		    "\tFROM jobctl.schema_migration_steps s\n"
		    "\tWHERE s.set = m.set AND s.version = m.version)\n");
	put_where(s, set, version);
	str_puts(s, "DELETE FROM jobctl.schema_migration_steps");
	put_where(s, set, version);
}

void
mig_book_put_index_check(struct str *s, const char *step)
{
	str_puts(s, "DO $jobctl$\nDECLARE\n\tbad text;\nBEGIN\n"
		    "\tSELECT pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname) || '.' ||\n"
		    "\t\tpg_catalog.quote_ident(c.relname), ', ') INTO bad\n"
		    "\tFROM pg_catalog.pg_index i\n"
		    "\tJOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'\n"
		    "\tJOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n"
		    "\tWHERE NOT i.indisvalid AND pg_catalog.strpos(");
	put_literal(s, step);
	str_puts(s, ", c.relname) > 0\n"
		    "\t  AND (pg_catalog.pg_table_is_visible(c.oid) OR pg_catalog.strpos(");
	put_literal(s, step);
	str_puts(s, ", n.nspname) > 0)\n"
		    "\t  AND " MIG_NOT_BEING_BUILT ";\n"
		    "\tIF bad IS NOT NULL THEN\n"
		    "\t\tRAISE EXCEPTION 'the step left an invalid index: %', bad\n"
		    "\t\tUSING ERRCODE = 'JC065', HINT = 'run DROP INDEX CONCURRENTLY ' || bad ||\n"
		    "\t\t\t', then the same command again';\n"
		    "\tEND IF;\nEND\n$jobctl$;\n");
}
