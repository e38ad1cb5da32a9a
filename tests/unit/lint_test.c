/*
 * lint_test.c - which forms are dangerous, on which line, and which are not
 */
#include "lint.h"
#include "str.h"
#include "tap.h"

enum { NFILES = 5 };

static size_t refused;		/* files that cannot be read */

/* Up files from the first on; one that begins with "@" is the down file of the one before,
 * with "&" an api file. */
struct example {
	const char *want;	/* "2:3 rule, 2d:1 rule, api:2 rule", in order */
	const char *files[NFILES];
};

static const char *
place(const struct lint_finding *f)
{
	static char z[20];

	snprintf(z, sizeof z, "%.0" PRId64 "%s%s", f->version, f->version ? "" : "api",
		 strstr(f->path, ".down.") ? "d" : "");
	return z;
}

static struct sql_file *
make_files(const struct example *x, char names[][40])
{
	static struct sql_file v[2 * NFILES + 1];
	int version = 0, n = 0;

	for (int i = 0; i < NFILES && x->files[i]; i++) {
		const char *z = x->files[i];
		bool down = *z == '@', api = *z == '&';

		version += !down && !api;
		if (api)
			snprintf(names[n], 40, "api/f%d.sql", i);
		else
			snprintf(names[n], 40, "%04d_f.%s.sql", version, down ? "down" : "up");
		v[n] = (struct sql_file){ "x", names[n], z + (down || api), strlen(z + (down || api)) };
		n++;
	}
	v[n] = (struct sql_file){ NULL, NULL, NULL, 0 };
	return v;
}

static const char *
lint(const struct example *x, int64_t applied)
{
	static char out[2000];
	char names[2 * NFILES][40];
	struct lint_goal goal = { .applied = applied };
	struct mig_problems p = { .n = 0 };
	struct mig_set set;
	struct err e = ERR_INIT;
	struct lint l;
	size_t n = 0;

	/* That there is no way down is said, and no matter here. */
	(void)!mig_set_builtin(&set, "x", make_files(x, names), &p);
	for (size_t i = 0; i < p.n; i++)
		if (!strstr(p.v[i].msg, "there is no"))
			refused++;
	if (lint_sets(&l, &set, 1, &goal, &e))
		tap_bail(e.msg);
	out[0] = '\0';
	for (size_t i = 0; i < l.n; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%s:%d %s", i ? ", " : "",
				      place(&l.v[i]), l.v[i].line, l.v[i].rule->name);
	lint_free(&l);
	mig_set_free(&set);
	mig_problems_free(&p);
	return out;
}

/* On one line, as the name of a test. */
static const char *
title(const char *sql)
{
	static char z[100];

	snprintf(z, sizeof z, "%s", sql);
	for (char *p = z; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return z;
}

static void
check(const struct example *v, size_t n, int64_t applied)
{
	for (size_t i = 0; i < n; i++) {
		int k = 0;

		while (k + 1 < NFILES && v[i].files[k + 1])
			k++;
		is_str(lint(&v[i], applied), v[i].want, "%s", title(v[i].files[k]));
	}
}

#define T "CREATE TABLE t (a int, b varchar(10), c numeric(10,2), d text);"

static void
test_rewrites(void)
{
	static const struct example cases[] = {
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER a TYPE bigint;" } },
		{ "", { T "ALTER TABLE t ALTER a TYPE bigint;" } },
		{ "", { T, "ALTER TABLE t ALTER a TYPE int;" } },
		{ "", { T, "ALTER TABLE t ALTER b TYPE varchar(20);" } },
		{ "", { T, "ALTER TABLE t ALTER b TYPE text;" } },
		{ "", { T, "ALTER TABLE t ALTER b TYPE varchar;" } },
		{ "", { T, "ALTER TABLE t ALTER d TYPE varchar USING d::varchar;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER d TYPE varchar USING upper(d);" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER b TYPE varchar(5);" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER d TYPE varchar(50);" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER a TYPE int[] USING ARRAY[a];" } },
		{ "", { T, "ALTER TABLE t ALTER c TYPE numeric(12,2);" } },
		{ "", { T, "ALTER TABLE t ALTER c TYPE numeric;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER c TYPE numeric(12,3);" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ALTER c TYPE numeric(8,2);" } },
		/* The second step knows what the first made of it. */
		{ "", { T, "ALTER TABLE t ALTER b TYPE text;", "ALTER TABLE t ALTER b TYPE varchar;" } },
		/* A table of others: text may be safe, bigint is not. */
		{ "1:1 table-rewrite", { "ALTER TABLE o ALTER a TYPE text;" } },
		{ "1:1 table-rewrite", { "ALTER TABLE o ALTER a TYPE bigint;" } },
		{ "2:3 table-rewrite", { T, "ALTER TABLE t\n ADD e int,\n"
		  " ADD f uuid DEFAULT gen_random_uuid();" } },
		{ "", { T, "ALTER TABLE t ADD e timestamptz NOT NULL DEFAULT now();" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ADD e bigserial;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ADD e int GENERATED ALWAYS AS IDENTITY;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t ADD e int GENERATED ALWAYS AS (a + 1) STORED;" } },
		{ "2:1 table-rewrite", { T "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
		  "ALTER TABLE t ADD e int DEFAULT f();" } },
		{ "", { T "CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';",
		  "ALTER TABLE t ADD e int DEFAULT f();" } },
		{ "2:1 table-rewrite", { T "CREATE DOMAIN m AS int CHECK (VALUE > 0);",
		  "ALTER TABLE t ADD e m;" } },
		{ "", { T "CREATE DOMAIN m AS int;", "ALTER TABLE t ADD e m;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t SET UNLOGGED;" } },
		{ "2:1 table-rewrite", { T, "ALTER TABLE t SET TABLESPACE x;" } },
		{ "2:1 table-rewrite", { T, "CLUSTER t USING x;" } },
		{ "2:2 table-rewrite", { T, "-- jobctl: no-transaction\nVACUUM (FULL) t;" } },
		{ "", { T, "-- jobctl: no-transaction\nVACUUM (FULL off, ANALYZE) t;" } },
		{ "", { T, "ALTER TABLE t SET (fillfactor = 70);" } },
	};

	check(cases, NELEM(cases), -1);
}

static void
test_indexes(void)
{
	static const struct example cases[] = {
		{ "2:1 missing-concurrently", { T, "CREATE INDEX i ON t (a);" } },
		{ "", { T "CREATE INDEX i ON t (a);" } },
		{ "1:1 missing-concurrently", { "CREATE INDEX i ON o (a);" } },
		{ "1:1 missing-concurrently", { "CREATE TABLE x.t (a int); CREATE INDEX i ON y.t (a);" } },
		{ "", { "CREATE TABLE x.t (a int); CREATE INDEX i ON t (a);" } },
		{ "2:1 not-in-transaction", { T, "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);" } },
		{ "", { T, "-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);" } },
		{ "2:2 step-not-repeatable", { T, "-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);" } },
		{ "2:2 step-not-repeatable", { T, "-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY ON t (a);" } },
		{ "2:1 drop-index", { T "CREATE INDEX i ON t (a);", "DROP INDEX i;" } },
		{ "", { T "CREATE INDEX i ON t (a);DROP INDEX i;" } },
		{ "", { T, "-- jobctl: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS i;" } },
		{ "2:2 step-not-repeatable", { T, "-- jobctl: no-transaction\nDROP INDEX CONCURRENTLY i;" } },
		{ "2:1 missing-concurrently", { T, "REINDEX TABLE t;" } },
		{ "", { T, "-- jobctl: no-transaction\nREINDEX TABLE CONCURRENTLY t;" } },
		{ "2:1 missing-concurrently", { T "CREATE MATERIALIZED VIEW m AS SELECT a FROM t;",
		  "REFRESH MATERIALIZED VIEW m;" } },
		{ "", { T "CREATE MATERIALIZED VIEW m AS SELECT a FROM t;",
		  "REFRESH MATERIALIZED VIEW CONCURRENTLY m;" } },
		{ "", { T "CREATE MATERIALIZED VIEW m AS SELECT a FROM t; REFRESH MATERIALIZED VIEW m;" } },
		{ "2:1 not-in-transaction", { T, "REINDEX TABLE CONCURRENTLY t;" } },
		{ "2:1 not-in-transaction", { T, "VACUUM t;" } },
		{ "2:1 missing-concurrently", { "CREATE TABLE p (a int) PARTITION BY RANGE (a);",
		  "CREATE INDEX i ON p (a);" } },
		{ "", { "CREATE TABLE p (a int) PARTITION BY RANGE (a);", "CREATE INDEX i ON ONLY p (a);" } },
		{ "2:1 constraint-builds-index", { T, "ALTER TABLE t ADD PRIMARY KEY (a);" } },
		{ "2:1 constraint-builds-index", { T, "ALTER TABLE t ADD UNIQUE (a);" } },
		{ "2:1 constraint-builds-index", { T, "ALTER TABLE t ADD EXCLUDE (a WITH =);" } },
		{ "2:1 constraint-builds-index", { T, "ALTER TABLE t ADD e int UNIQUE;" } },
		{ "", { T, "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i;" } },
		{ "2:1 set-not-null", { T "CREATE UNIQUE INDEX i ON t (a);", "ALTER TABLE t ADD PRIMARY KEY USING INDEX i;" } },
		{ "1:1 set-not-null", { "ALTER TABLE o ADD PRIMARY KEY USING INDEX i;" } },
		{ "", { "CREATE TABLE k (a int NOT NULL); CREATE UNIQUE INDEX i ON k (a);",
		  "ALTER TABLE k ADD PRIMARY KEY USING INDEX i;" } },
		{ "2:1 missing-not-valid", { T, "ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1);" } },
		{ "", { T "ALTER TABLE t ADD CHECK (a = 1);", "ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1);" } },
		{ "", { "CREATE TABLE t (a int); ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1);" } },
		{ "2:2 several-locks", { T, "ALTER TABLE t ADD e int;\nCREATE TABLE n PARTITION OF p FOR VALUES IN (1);" } },
	};

	check(cases, NELEM(cases), -1);
}

static void
test_constraints(void)
{
	static const struct example cases[] = {
		{ "2:1 column-without-default", { T, "ALTER TABLE t ADD e int NOT NULL;" } },
		{ "2:1 column-without-default", { T, "ALTER TABLE t ADD e int NOT NULL DEFAULT NULL;" } },
		{ "", { T, "ALTER TABLE t ADD e int NOT NULL DEFAULT 0;" } },
		{ "", { T "ALTER TABLE t ADD e int NOT NULL;" } },
		{ "2:1 set-not-null", { T, "ALTER TABLE t ALTER a SET NOT NULL;" } },
		{ "", { "CREATE TABLE k (a int PRIMARY KEY);", "ALTER TABLE k ALTER a SET NOT NULL;" } },
		{ "", { T, "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL) NOT VALID;",
		  "ALTER TABLE t VALIDATE CONSTRAINT n;", "ALTER TABLE t ALTER a SET NOT NULL;" } },
		{ "3:1 set-not-null", { T, "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL) NOT VALID;",
		  "ALTER TABLE t ALTER a SET NOT NULL;" } },
		{ "4:1 set-not-null", { T, "ALTER TABLE t ADD CONSTRAINT n CHECK (d IS NOT NULL) NOT VALID;",
		  "ALTER TABLE t VALIDATE CONSTRAINT n;", "ALTER TABLE t ALTER a SET NOT NULL;" } },
		/* The same for a table that others made. */
		{ "", { "ALTER TABLE o ADD CONSTRAINT n CHECK (a > 0 AND a IS NOT NULL) NOT VALID;",
		  "ALTER TABLE o VALIDATE CONSTRAINT n;", "ALTER TABLE o ALTER a SET NOT NULL;" } },
		{ "2:1 missing-not-valid", { T, "ALTER TABLE t ADD CHECK (a > 0);" } },
		{ "2:1 missing-not-valid", { T, "ALTER TABLE t ADD e int CHECK (e > 0);" } },
		{ "2:2 missing-not-valid", { T, "ALTER TABLE t ADD CONSTRAINT n CHECK (a > 0) NOT VALID;\n"
		  "ALTER TABLE t VALIDATE CONSTRAINT n;" } },
		{ "2:1 missing-not-valid", { T "CREATE INDEX ON t (a);",
		  "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o;" } },
		{ "", { T "CREATE INDEX ON t (a);", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT VALID;" } },
		{ "", { "CREATE TABLE t (a int REFERENCES o, b int); CREATE INDEX ON t (a, b);" } },
		{ "1:2 fk-without-index", { "CREATE TABLE t (b int,\n a int REFERENCES o); CREATE INDEX ON t (b, a);" } },
		{ "1:1 fk-without-index", { "CREATE TABLE t (a int REFERENCES o); CREATE INDEX ON t USING gin (a);" } },
		{ "1:1 fk-without-index", { "CREATE TABLE t (a int REFERENCES o); CREATE INDEX ON t (a) WHERE a > 3;" } },
		{ "", { "CREATE TABLE t (a int REFERENCES o); CREATE INDEX ON t (a) WHERE a IS NOT NULL;" } },
		{ "", { "CREATE TABLE t (a int REFERENCES o PRIMARY KEY);" } },
		{ "", { "CREATE TABLE t (a int, b int, UNIQUE (b, a), FOREIGN KEY (a, b) REFERENCES o);" } },
		{ "1:1 fk-without-index", { "CREATE TABLE t (a int, b int, c int, UNIQUE (b, c, a), FOREIGN KEY (a, b) REFERENCES o);" } },
		{ "", { "CREATE TABLE t (a int REFERENCES o);", "-- jobctl: no-transaction\n"
		  "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);" } },
		{ "", { T, "ALTER TABLE t ADD e int REFERENCES o;", "-- jobctl: no-transaction\n"
		  "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (e);" } },
		{ "2:1 missing-not-valid", { T, "ALTER TABLE t ADD e int DEFAULT 1 REFERENCES o;",
		  "-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (e);" } },
		{ "2:1 drop-table", { "CREATE TABLE t (a int REFERENCES o);", "DROP TABLE t;" } },
		/* What others made, or a LIKE copies, may have an index. */
		{ "", { "CREATE TABLE t (LIKE o INCLUDING ALL, FOREIGN KEY (a) REFERENCES o);" } },
		{ "", { "CREATE TABLE t (FOREIGN KEY (a) REFERENCES o) INHERITS (o);" } },
		{ "", { "ALTER TABLE o ADD FOREIGN KEY (a) REFERENCES q NOT VALID;" } },
		{ "", { "CREATE TABLE t (a int REFERENCES o);", "ALTER TABLE t DROP CONSTRAINT t_a_fkey;" } },
		{ "2:1 drop-column", { "CREATE TABLE t (a int REFERENCES o);", "ALTER TABLE t DROP a;" } },
		{ "2:1 missing-not-valid", { "CREATE DOMAIN m AS int;", "ALTER DOMAIN m ADD CHECK (VALUE > 0);" } },
		{ "", { "CREATE DOMAIN m AS int;", "ALTER DOMAIN m ADD CHECK (VALUE > 0) NOT VALID;" } },
	};

	check(cases, NELEM(cases), -1);
}

#define V T "CREATE VIEW v AS SELECT x.a, x.b FROM t x;"

static void
test_drops(void)
{
	static const struct example cases[] = {
		{ "2:1 drop-table", { T, "DROP TABLE t;" } },
		{ "1:1 drop-table", { "DROP TABLE IF EXISTS o;" } },
		{ "", { T "DROP TABLE t;" } },
		{ "2:1 drop-column", { T, "ALTER TABLE t DROP a;" } },
		{ "", { T "ALTER TABLE t DROP a;" } },
		{ "2:1 drop-cascade", { T, "DROP TABLE t CASCADE;" } },
		{ "", { T "DROP TABLE t CASCADE;" } },
		{ "2:1 drop-in-use", { V, "DROP TABLE t;" } },
		{ "2:1 drop-table", { V, "DROP VIEW v; DROP TABLE t;" } },
		{ "2:1 drop-cascade", { V, "DROP TABLE t CASCADE;" } },
		{ "2:1 drop-in-use", { V, "ALTER TABLE t DROP b;" } },
		{ "2:1 drop-column", { V, "ALTER TABLE t DROP d;" } },
		{ "2:1 drop-column", { T "CREATE VIEW v AS SELECT x.a, o.d FROM t x, o;", "ALTER TABLE t DROP d;" } },
		{ "2:1 drop-column", { V, "DROP VIEW v; ALTER TABLE t DROP b;" } },
		{ "2:1 drop-cascade", { V, "ALTER TABLE t DROP b CASCADE;" } },
		{ "2:1 drop-in-use", { V, "ALTER TABLE t ALTER b TYPE text;" } },
		{ "2:1 drop-in-use", { T "CREATE VIEW v AS SELECT * FROM t;", "ALTER TABLE t DROP d;" } },
		{ "2:1 drop-in-use", { T "CREATE VIEW v AS SELECT x FROM t AS x;", "ALTER TABLE t DROP d;" } },
		{ "2:1 drop-in-use", { T "CREATE VIEW v AS SELECT 1 FROM t JOIN o USING (d);", "ALTER TABLE t DROP d;" } },
		{ "2:1 drop-in-use", { V "CREATE VIEW w AS SELECT a FROM v;", "DROP VIEW v;" } },
		{ "", { V "CREATE VIEW w AS SELECT a FROM v;", "DROP VIEW v, w;" } },
		{ "2:1 drop-in-use", { T "CREATE MATERIALIZED VIEW v AS SELECT a FROM t;", "DROP TABLE t;" } },
		{ "2:1 drop-in-use", { T "CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(a) FROM t);",
		  "ALTER TABLE t DROP a;" } },
		{ "2:1 drop-in-use", { "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
		  "CREATE VIEW v AS SELECT f();", "DROP FUNCTION f();" } },
		{ "2:1 drop-cascade", { "CREATE TYPE e AS ENUM ('a');", "DROP TYPE e CASCADE;" } },
		{ "2:1 drop-cascade", { T, "ALTER TABLE t DROP CONSTRAINT x CASCADE;" } },
		/* The api as it is now, after the last migration. */
		{ "2:1 drop-in-use, 2:1 drop-column", { T, "ALTER TABLE t DROP b;", "&-- drop: VIEW v\nCREATE VIEW v AS SELECT b FROM t;" } },
		{ "2:1 drop-column", { T, "ALTER TABLE t DROP b; ALTER TABLE t ADD b int;",
		  "&-- drop: VIEW v\nCREATE VIEW v AS SELECT b FROM t;" } },
		{ "2:1 drop-column", { T, "ALTER TABLE t DROP b;", "&-- drop: VIEW v\nCREATE VIEW v AS SELECT a FROM t;" } },
		{ "1d:1 drop-cascade", { T, "@DROP TABLE t CASCADE;" } },
		{ "1d:1 drop-cascade", { V, "@ALTER TABLE t DROP a CASCADE;" } },
		{ "", { V, "@DROP VIEW v; DROP TABLE t;" } },
		{ "1d:1 empty-down", { T, "@-- nothing\n" } },
	};

	check(cases, NELEM(cases), -1);
}

static void
test_work(void)
{
	static const struct example cases[] = {
		{ "2:1 rename", { T, "ALTER TABLE t RENAME TO u;" } },
		{ "", { T, "ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u;" } },
		{ "2:1 rename", { T, "ALTER TABLE t SET SCHEMA s;" } },
		{ "2:1 rename", { T, "ALTER TABLE t RENAME a TO z;" } },
		{ "", { T "ALTER TABLE t RENAME a TO z;" } },
		{ "2:1 rename", { T, "ALTER SCHEMA s RENAME TO z;" } },
		{ "2:1 missing-concurrently, 2:1 rename", { "CREATE TABLE s.t (a int);",
		  "ALTER SCHEMA s RENAME TO z; CREATE INDEX i ON z.t (a);" } },
		{ "2:1 rename", { V, "ALTER VIEW v RENAME TO w;" } },
		{ "", { V, "ALTER VIEW v RENAME TO w; CREATE VIEW v AS SELECT * FROM w;" } },
		{ "1:1 rename", { "ALTER FUNCTION f(int) RENAME TO g;" } },
		{ "", { "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() RENAME TO g;" } },
		{ "2:1 rename", { "CREATE TYPE e AS ENUM ('a');", "ALTER TYPE e RENAME VALUE 'a' TO 'b';" } },
		{ "", { "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e RENAME VALUE 'a' TO 'b';" } },
		{ "2:2 new-enum-value", { T, "ALTER TYPE e ADD VALUE 'z';\nUPDATE t SET d = 'z' WHERE a = 1;" } },
		{ "", { T, "ALTER TYPE e ADD VALUE 'z';\nUPDATE t SET d = 'y' WHERE a = 1;" } },
		{ "", { T, "ALTER TYPE e ADD VALUE 'z';", "UPDATE t SET d = 'z' WHERE a = 1;" } },
		{ "", { T, "-- jobctl: no-transaction\nALTER TYPE e ADD VALUE 'z';\n-- jobctl: step\n"
		  "UPDATE t SET d = 'z' WHERE a = 1;" } },
		{ "", { T "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'z'; INSERT INTO t (d) VALUES ('z');" } },
		{ "2:1 no-lock-timeout", { T, "SET lock_timeout = 0;" } },
		{ "2:1 no-lock-timeout", { T, "SET LOCAL lock_timeout TO '0ms';" } },
		{ "", { T, "SET lock_timeout = '500ms'; SET statement_timeout = 0;" } },
		{ "2:1 lock-table", { T, "LOCK TABLE t;" } },
		{ "", { T, "LOCK TABLE t IN ROW SHARE MODE;" } },
		{ "2:1 truncate", { T, "TRUNCATE t;" } },
		{ "2:1 no-where", { T, "UPDATE t SET a = 1;" } },
		{ "2:1 no-where", { T, "DELETE FROM t;" } },
		{ "", { T, "UPDATE t SET a = 1 WHERE a = 2;" } },
		{ "2:1 no-where", { T, "WITH x AS (DELETE FROM t RETURNING a) INSERT INTO o SELECT a FROM x;" } },
		{ "", { T "UPDATE t SET a = 1;" } },
		{ "2:2 work-under-lock", { T, "ALTER TABLE t ADD e int;\nUPDATE t SET e = 1 WHERE a = 2;" } },
		{ "2:2 work-under-lock", { T, "ALTER TABLE t ADD e int;\nINSERT INTO u SELECT * FROM o;" } },
		{ "2:2 work-under-lock", { T, "ALTER TABLE t ADD e int;\nCREATE TABLE u AS SELECT * FROM o;" } },
		{ "2:2 work-under-lock", { T, "ALTER TABLE t ADD e int;\nSELECT a INTO u FROM o;" } },
		{ "2:2 work-under-lock", { T, "ALTER TABLE t ADD e int;\nMERGE INTO o USING q ON o.a = q.a "
		  "WHEN MATCHED THEN DELETE;" } },
		{ "3:2 work-under-lock", { "CREATE TABLE u (a int);", T, "ALTER TABLE u ADD e int;\n"
		  "ALTER TABLE o VALIDATE CONSTRAINT x;" } },
		{ "", { T, "INSERT INTO u SELECT * FROM o; ALTER TABLE t ADD e int; INSERT INTO o VALUES (1);" } },
		{ "", { T, "ALTER TABLE t ADD e int; CREATE TABLE u (a int); INSERT INTO o SELECT a FROM u;" } },
		{ "", { T, "ALTER TABLE t ADD e int; INSERT INTO o SELECT current_user FROM pg_class;" } },
		{ "2:1 no-where", { T, "DELETE FROM t WHERE true;" } },
		{ "2:2 several-locks", { T "CREATE TABLE u (a int);", "ALTER TABLE t ADD e int;\nALTER TABLE u ADD e int;" } },
		{ "", { T, "ALTER TABLE t ADD e int; ALTER TABLE t ADD f int;" } },
		{ "2:2 work-under-lock", { T "CREATE TABLE u (a int);", "ALTER TABLE t ADD e int;\nALTER TABLE u VALIDATE CONSTRAINT x;" } },
		{ "", { T, "ALTER TABLE t ADD e int; CREATE TABLE u (a int); ALTER TABLE u ADD e int;" } },
		{ "", { T, "ALTER TABLE t ADD e int;", "ALTER TABLE o ADD e int;" } },
		{ "2:1 not-understood", { T, "ALTER TABLE t FROBNICATE;" } },
		{ "2:3 not-understood, 2:4 no-where", { T, "SELECT 1;\nALTER TABLE t\nFROBNICATE;\nDELETE FROM t;" } },
	};

	check(cases, NELEM(cases), -1);
}

static void
test_blocks(void)
{
	static const struct example cases[] = {
		{ "2:4 missing-concurrently", { T, "DO $$\nBEGIN\n IF true THEN\n  CREATE INDEX i ON t (a);\n END IF;\nEND $$;" } },
		{ "2:1 no-where", { T, "DO 'BEGIN EXECUTE ''DELETE FROM t''; END';" } },
		{ "2:3 table-rewrite", { T, "DO $$ BEGIN NULL;\nEXECUTE 'ALTER TABLE t\n ALTER a TYPE bigint'; END $$;" } },
		{ "2:1 drop-cascade", { T, "DO $$ BEGIN EXECUTE format('DROP TABLE %I CASCADE', 't'); END $$;" } },
		{ "2:1 drop-cascade", { T, "DO $$ BEGIN EXECUTE 'DROP TABLE ' || quote_ident('t') || ' CASCADE'; END $$;" } },
		{ "", { T, "DO $$ BEGIN EXECUTE format('DELETE FROM %1$I WHERE d = %2$L AND 5 %% 2 = 1', 't', 'x'); END $$;" } },
		{ "", { T, "DO $$ BEGIN EXECUTE format('CREATE TABLE p_%s (a int)', 1);"
		  " EXECUTE format('CREATE INDEX ON p_%s (a)', 1); END $$;" } },
		/* What is not written out is said to be not judged. */
		{ "2:2 not-understood", { T, "DO $$ DECLARE z text := 'DROP TABLE t'; BEGIN\n EXECUTE z; END $$;" } },
		{ "2:1 not-understood", { T, "DO $$ BEGIN EXECUTE 'ALTER TABLE t ' || 'x'::name; END $$;" } },
		{ "2:1 not-understood", { T, "DO $$ BEGIN ALTER TABLE t FROBNICATE; END $$;" } },
		{ "2:1 not-understood", { T, "DO $$ BEGIN IF; END $$;" } },
		{ "2:1 not-understood", { T, "DO LANGUAGE plperl 'DELETE FROM t';" } },
		{ "", { T, "-- jobctl: allow not-understood it is read\nDO LANGUAGE plperl 'DELETE FROM t';" } },
		{ "", { "DO $$ BEGIN CREATE TABLE t (a int); END $$; CREATE INDEX i ON t (a);" } },
	};

	check(cases, NELEM(cases), -1);
}

static void
test_allow(void)
{
	static const struct example cases[] = {
		{ "", { T, "-- jobctl: allow no-where five rows\nDELETE FROM t;" } },
		{ "", { T, "SELECT 1;\n\n-- why\n-- jobctl: allow no-where five rows\n-- more\nDELETE FROM t;" } },
		{ "", { T, "ALTER TABLE t\n-- jobctl: allow set-not-null it is small\nALTER a SET NOT NULL;" } },
		{ "2:1 useless-allow, 2:2 no-where", { T, "-- jobctl: allow truncate five rows\nDELETE FROM t;" } },
		{ "2:1 useless-allow, 2:2 no-where", { T, "-- jobctl: allow frobnicate five rows\nDELETE FROM t;" } },
		{ "2:3 no-where", { T, "-- jobctl: allow no-where five rows\nDELETE FROM t;\nDELETE FROM o;" } },
		{ "2:2 useless-allow", { T, "SELECT 1;\n-- jobctl: allow no-where five rows" } },
		{ "", { "-- jobctl: allow fk-without-index rows of o stay\nCREATE TABLE t (a int REFERENCES o);" } },
		{ "", { T, "@-- jobctl: allow empty-down the rows are gone" } },
	};

	check(cases, NELEM(cases), -1);
}

#define N "ALTER TABLE t ADD CONSTRAINT n CHECK (a > 0) NOT VALID;"
#define A "&-- drop: VIEW v\nCREATE VIEW v AS SELECT 1;"

/* What is applied is read and not judged; what is not comes at once. */
static void
test_applied(void)
{
	static const struct example cases[] = {
		{ "", { T, "CREATE INDEX i ON t (a);" } },
		{ "2:1 not-in-transaction", { T, "VACUUM t;" } },
		{ "3:1 missing-concurrently", { T, "DELETE FROM t;", "CREATE INDEX i ON t (a);" } },
		{ "", { T, "SELECT 1;", "CREATE TABLE u (a int);", "CREATE INDEX i ON u (a);" } },
		{ "3:1 truncate", { T, "SELECT 1;", "TRUNCATE t;" } },
		/* With an api, pending migrations are one transaction. */
		{ "", { T, N, "ALTER TABLE t VALIDATE CONSTRAINT n;" } },
		{ "3:1 missing-not-valid", { T, N, "ALTER TABLE t VALIDATE CONSTRAINT n;", A } },
		{ "", { T, N, "-- jobctl: no-transaction\nALTER TABLE t VALIDATE CONSTRAINT n;", A } },
	};

	check(cases, 2, 0);
	check(cases + 2, 3, 2);
	check(cases + 5, 3, 1);
}

static void
repeat(struct str *s, const char *head, const char *unit, size_t n, const char *tail)
{
	str_reset(s);
	str_puts(s, head);
	while (s->len < n)
		str_puts(s, unit);
	str_puts(s, tail);
}

static void
test_depth(void)
{
	static const char *const units[][3] = {
		{ "SELECT 1", "+1", "" }, { "SELECT ", "(", "" }, { "SELECT 1", "::a", "" },
		{ "SELECT ", "- ", "1" }, { "SELECT ", "case when a then ", "" },
		{ "SELECT 1", " UNION SELECT 1", "" }, { "SELECT 1 FROM a", " JOIN b ON a", "" },
		{ "DO $$ ", "BEGIN ", "$$" }, { "DO $$ BEGIN ", "IF a THEN ", "$$" },
		{ "DO $$ BEGIN EXECUTE 1", "+1", "; END $$" },
		{ "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", "SELECT CASE 1 ", "" },
	};
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0; i < NELEM(units); i++) {
		struct example x = { "", { s.buf } };

		repeat(&s, units[i][0], units[i][1], 256 * 1024 - 20, units[i][2]);
		x.files[0] = s.buf;
		is_str(lint(&x, -1), "1:1 not-understood", "deep: %s%s%s...", units[i][0],
		       units[i][1], units[i][1]);
		repeat(&s, units[i][0], units[i][1], 257 * 1024, units[i][2]);
		x.files[0] = s.buf;
		is_str(lint(&x, -1), "1:1 not-understood", "and too long");
	}
}

/* Files as they are, with pieces taken out, doubled, moved and replaced. */
static void
test_mutations(void)
{
	static const char *const seeds[] = {
		V "-- jobctl: allow no-where x\nALTER TABLE t ADD e int CHECK (e > 0) REFERENCES o DEFAULT random();"
		"CREATE INDEX i ON ONLY t USING gin (a, (b || 'x')) WHERE a IS NOT NULL; DROP TABLE t, v CASCADE;",
		"DO $$ DECLARE r record; BEGIN FOR r IN SELECT 1 LOOP EXECUTE format('x %I', 1); END LOOP;"
		" EXECUTE 'DROP TABLE t'; UPDATE t SET a = r.a; EXCEPTION WHEN OTHERS THEN TRUNCATE t; END $$;",
		"ALTER TABLE a.b ALTER c TYPE numeric(3,2)[] USING c::text, ADD CONSTRAINT x FOREIGN KEY (a, b)"
		" REFERENCES c NOT VALID, VALIDATE CONSTRAINT x, SET SCHEMA q, DETACH PARTITION p CONCURRENTLY;"
		"ALTER TABLE a.b RENAME c TO d; ALTER DOMAIN d ADD CHECK (VALUE > 0); LOCK a.b; VACUUM (FULL) a.b;",
		"CREATE FUNCTION f(a int DEFAULT 1) RETURNS int BEGIN ATOMIC SELECT x.a FROM t AS x; END;"
		"CREATE TABLE p (a int, b d.e GENERATED ALWAYS AS (f(a)) STORED, UNIQUE (a, b)) PARTITION BY LIST (a);",
	};
	static const char *const words[] = { "CASCADE", "(", ")", "''", "$$", ";", "a.b", "NULL", ",", "\"", "1", " " };
	uint32_t random = 1;
	size_t judged = 0, before = refused;

	for (int round = 0; round < 2000; round++) {
		const char *seed = seeds[round % (int)NELEM(seeds)];
		struct example x = { "", { T, NULL } };
		AUTOSTR s = STR(STR_ANY);

		str_puts(&s, seed);
		for (int i = 0; i < 1 + round % 4; i++) {
			AUTOSTR old = STR(STR_ANY);
			size_t at, n;

			random = random * 1664525 + 1013904223;
			at = (random >> 8) % (s.len + 1);
			n = (random >> 20) % 30;
			n = n > s.len - at ? s.len - at : n;
			str_add(&old, s.buf, s.len);
			str_truncate(&s, at);
			if (random & 64)
				str_puts(&s, words[(random >> 16) % NELEM(words)]);
			if (random & 128)
				str_add(&s, old.buf + at, n);
			str_add(&s, old.buf + at + (random & 16 ? n : 0), old.len - at - (random & 16 ? n : 0));
		}
		x.files[1] = s.buf;
		judged += *lint(&x, -1) != '\0';
	}
	ok(judged > 500, "mutated files are judged");
	ok(refused > before + 100, "or refused");
}

int
main(void)
{
	test_rewrites();
	test_indexes();
	test_constraints();
	test_drops();
	test_work();
	test_blocks();
	test_allow();
	test_applied();
	test_depth();
	test_mutations();
	return tap_done();
}
