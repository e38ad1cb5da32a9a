/*
 * migrate_book.c - the bookkeeping's SQL
 */
#include "migrate_book.h"

#include <inttypes.h>

const char mig_book_create_sql[] =
	"CREATE TABLE IF NOT EXISTS jobctl.schema_migrations (\n"
	"\tset text NOT NULL,\n"
	"\tversion bigint NOT NULL CHECK (version >= 0),\n"
	"\tname text NOT NULL,\n"
	"\tsha256 text NOT NULL,\n"
	"\tduration_ms bigint NOT NULL,\n"
	"\ttool_version text NOT NULL,\n"
	"\trole name NOT NULL,\n"
	"\tapplied_at timestamptz NOT NULL,\n"
	"\tdrops text,\n"
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
	"\tinvalid_before oid[] NOT NULL,\n"
	"\tPRIMARY KEY (set, version, direction, step)\n"
	");\n"
	"COMMENT ON TABLE jobctl.schema_migration_steps IS\n"
	"\t'how far migrations without a transaction have come; empty while none is under way';\n"
	"GRANT SELECT ON jobctl.schema_migrations, jobctl.schema_migration_steps TO PUBLIC;\n";

const char mig_book_drop_sql[] =
	"DROP TABLE jobctl.schema_migration_steps, jobctl.schema_migrations;\n"
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
	str_putc(s, '\'');
	for (; *z; z++) {
		if (*z == '\'')
			str_putc(s, '\'');
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
		    "\t(set, version, direction, step, sha256, started_at, invalid_before)\n"
		    "VALUES ('%s', %" PRId64 ", '%s', %zu,\n\t'%s',\n"
		    "\tpg_catalog.clock_timestamp(),"
		    " ARRAY(SELECT indexrelid FROM pg_catalog.pg_index WHERE NOT indisvalid))\n"
		    "ON CONFLICT (set, version, direction, step) DO UPDATE\n"
		    "\tSET sha256 = excluded.sha256, started_at = excluded.started_at;\n",
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
		    "\t  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p\n"
		    "\t\t\t  WHERE p.index_relid = i.indexrelid);\n"
		    "\tIF bad IS NOT NULL THEN\n"
		    "\t\tRAISE EXCEPTION 'the step left an invalid index: %', bad\n"
		    "\t\tUSING ERRCODE = 'JC065', HINT = 'run DROP INDEX CONCURRENTLY ' || bad ||\n"
		    "\t\t\t', then the same command again';\n"
		    "\tEND IF;\nEND\n$jobctl$;\n");
}
