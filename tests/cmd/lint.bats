#!/usr/bin/env bats
# jobctl-migrate lint: the dangerous form is found, on its line; the safe one is not.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	D=$BATS_TEST_TMPDIR/mine
	mkdir "$D"
	put 0001_first 'CREATE TABLE t (a int, b varchar(10), c numeric(10,2), d text);
		CREATE TABLE u (a int);
		CREATE INDEX t_a ON t (a);
		CREATE VIEW v AS SELECT b FROM t;' 'DROP VIEW v; DROP TABLE t, u;'
	unset JOBCTL_DATABASE PGDATABASE
}

teardown() {
	stop_all
}

put() {		# NNNN_name 'UP' ['DOWN']
	printf '%s\n' "$2" >"$D/$1.up.sql"
	printf '%s\n' "${3:-SELECT 1;}" >"$D/$1.down.sql"
}

lint() {
	jobctl-migrate lint --dir "$D" "$@"
}

# What is found, a line each: FILE:LINE SEVERITY RULE
findings() {
	lint "$@" 2>/dev/null | sed -n "s|^$D/\([^:]*:[0-9]*\): \([a-z]*\): \([a-z-]*\): .*|\1 \2 \3|p"
}

# SQL in a second migration has this one finding, and has it no more once it is allowed.
dangerous() {	# SEVERITY RULE LINE 'SQL'
	local want=0

	[ "$1" = warning ] || want=1
	put 0002_next "$4"
	run -"$want" --separate-stderr lint
	[ "$(findings)" = "0002_next.up.sql:$3 $1 $2" ]
	[[ $output == *$'\n    safe: '* ]]
	sed -i "$3i -- jobctl: allow $2 for a reason" "$D/0002_next.up.sql"
	run -0 --separate-stderr lint --strict
	[ "$output" = '' ]
}

safe() {	# 'SQL'
	put 0002_next "$1"
	run -0 --separate-stderr lint --strict
	[ "$output" = '' ]
}

NO_TX='-- jobctl: no-transaction'

@test "table-rewrite" {
	dangerous error table-rewrite 2 $'ALTER TABLE t\n ALTER a TYPE bigint;'
	dangerous error table-rewrite 1 'ALTER TABLE t ADD e uuid DEFAULT gen_random_uuid();'
	dangerous error table-rewrite 1 'ALTER TABLE t ADD e bigserial;'
	dangerous error table-rewrite 1 'ALTER TABLE t SET UNLOGGED;'
	dangerous error table-rewrite 1 'CLUSTER t USING t_a;'
	dangerous error table-rewrite 2 "$NO_TX"$'\nVACUUM FULL t;'
	safe 'ALTER TABLE t ALTER d TYPE varchar, ADD e timestamptz DEFAULT now();'
}

@test "missing-concurrently and drop-index" {
	dangerous error missing-concurrently 3 $'SELECT 1;\n\nCREATE INDEX i ON t (d);'
	dangerous error missing-concurrently 1 'REINDEX TABLE t;'
	dangerous warning drop-index 1 'DROP INDEX t_a;'
	safe "$NO_TX"'
-- jobctl: step
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (d);
-- jobctl: step
DROP INDEX CONCURRENTLY IF EXISTS t_a;'
	safe 'CREATE TABLE new (a int); CREATE INDEX i ON new (a);'
}

@test "not-in-transaction and step-not-repeatable" {
	dangerous error not-in-transaction 1 'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (d);'
	dangerous error not-in-transaction 1 'VACUUM t;'
	dangerous warning step-not-repeatable 2 "$NO_TX"$'\nCREATE INDEX CONCURRENTLY i ON t (d);'
	safe "$NO_TX"$'\nVACUUM t;'
}

@test "column-without-default and set-not-null" {
	dangerous error column-without-default 1 'ALTER TABLE t ADD e int NOT NULL;'
	dangerous error set-not-null 1 'ALTER TABLE t ALTER d SET NOT NULL;'
	safe 'ALTER TABLE t ADD e int NOT NULL DEFAULT 0;'
	put 0002_next 'ALTER TABLE t ADD CONSTRAINT n CHECK (d IS NOT NULL) NOT VALID;'
	put 0003_proven 'ALTER TABLE t VALIDATE CONSTRAINT n;'
	put 0004_then 'ALTER TABLE t ALTER d SET NOT NULL;'
	run -0 --separate-stderr lint --strict
	[ "$output" = '' ]
}

@test "missing-not-valid and constraint-builds-index" {
	dangerous error missing-not-valid 1 'ALTER TABLE t ADD CONSTRAINT n CHECK (a > 0);'
	dangerous error missing-not-valid 1 'ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o;'
	dangerous error missing-not-valid 2 $'ALTER TABLE t ADD CONSTRAINT n CHECK (a > 0) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT n;'
	dangerous error constraint-builds-index 1 'ALTER TABLE t ADD UNIQUE (a);'
	dangerous error constraint-builds-index 1 'ALTER TABLE t ADD EXCLUDE (a WITH =);'
	safe 'ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT VALID;'
	safe 'ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX t_k;'
}

@test "fk-without-index, known when all files are read" {
	dangerous warning fk-without-index 2 $'CREATE TABLE n (x int,\n a int REFERENCES o);'
	safe 'CREATE TABLE n (a int REFERENCES o); CREATE INDEX ON n (a);'
	put 0002_next 'CREATE TABLE n (a int REFERENCES o);'
	put 0003_index "$NO_TX"$'\nCREATE INDEX CONCURRENTLY IF NOT EXISTS n_a ON n (a);'
	run -0 --separate-stderr lint --strict
	[ "$output" = '' ]
}

@test "drop-cascade, drop-in-use, drop-table and drop-column" {
	dangerous error drop-cascade 1 'DROP TABLE u CASCADE;'
	dangerous error drop-in-use 1 'DROP TABLE t;'
	dangerous error drop-in-use 1 'ALTER TABLE t DROP b;'
	dangerous error drop-in-use 1 'ALTER TABLE t ALTER b TYPE text;'
	dangerous warning drop-column 2 $'DROP VIEW v;\nALTER TABLE t DROP b;'
	dangerous warning drop-table 1 'DROP TABLE u;'
	safe 'CREATE TABLE n (a int); DROP TABLE n;'
}

@test "a column that the api's views still read" {
	mkdir "$D/api"
	printf '%s\n' '-- drop: VIEW w' 'CREATE VIEW w AS SELECT d FROM t;' >"$D/api/w.sql"
	put 0002_next 'ALTER TABLE t DROP d;'
	[ "$(findings)" = $'0002_next.up.sql:1 error drop-in-use\n0002_next.up.sql:1 warning drop-column' ]
	run -1 --separate-stderr lint
	[[ ${lines[0]} == *": column \"d\" of t is used by $D/api/w.sql" ]]
}

@test "rename, lock-table, truncate, no-where, work-under-lock, several-locks" {
	dangerous warning rename 1 'ALTER TABLE u RENAME a TO z;'
	dangerous warning rename 1 'ALTER TABLE u RENAME TO w;'
	dangerous warning lock-table 1 'LOCK TABLE t;'
	dangerous warning truncate 1 'TRUNCATE t;'
	dangerous warning no-where 1 'DELETE FROM t;'
	dangerous warning work-under-lock 2 $'ALTER TABLE t ADD e int;\nUPDATE t SET e = 1 WHERE a = 2;'
	dangerous warning several-locks 2 $'ALTER TABLE t ADD e int;\nALTER TABLE u ADD e int;'
	safe 'ALTER TABLE u RENAME TO w; CREATE VIEW u AS SELECT * FROM w;'
	safe 'LOCK TABLE t IN ROW EXCLUSIVE MODE; DELETE FROM t WHERE a = 1; ALTER TABLE t ADD e int;'
}

@test "a down file: nothing in it, or CASCADE" {
	put 0002_next 'SELECT 1;' '-- not possible'
	[ "$(findings)" = '0002_next.down.sql:1 warning empty-down' ]
	put 0002_next 'SELECT 1;' '-- jobctl: allow empty-down the rows are gone'
	run -0 --separate-stderr lint --strict
	put 0002_next 'CREATE TABLE n (a int);' 'DROP TABLE n CASCADE;'
	[ "$(findings)" = '0002_next.down.sql:1 error drop-cascade' ]
}

@test "not-understood: what the parser does not know is a warning, the rest is judged" {
	put 0002_next $'SELECT 1;\nALTER TABLE t\n  FROBNICATE;\nTRUNCATE t;'
	[ "$(findings)" = $'0002_next.up.sql:3 warning not-understood\n0002_next.up.sql:4 warning truncate' ]
}

@test "useless-allow: there is no such rule, or nothing to allow" {
	put 0002_next $'-- jobctl: allow no-where why\n-- jobctl: allow nonsense why\nSELECT 1;'
	[ "$(findings)" = $'0002_next.up.sql:1 warning useless-allow\n0002_next.up.sql:2 warning useless-allow' ]
	run -0 --separate-stderr lint
	[[ $output == *'nothing here is no-where'* ]]
	[[ $output == *'there is no rule "nonsense"'* ]]
}

@test "an allow without a reason is refused, by up too" {
	put 0002_next $'-- jobctl: allow truncate\nTRUNCATE t;'
	run -65 --separate-stderr lint
	[[ $stderr == *'0002_next.up.sql: line 1: what is allowed needs a reason: "-- jobctl: allow RULE reason"'* ]]
	empty_database allow
	run -65 --separate-stderr jobctl-migrate up --dir "$D"
	drop_database allow
}

@test "an allow is for one statement" {
	put 0002_next $'-- jobctl: allow truncate why\nTRUNCATE t;\nTRUNCATE t;'
	[ "$(findings)" = '0002_next.up.sql:3 warning truncate' ]
}

@test "statements of a DO block are judged, on their lines" {
	dangerous error missing-concurrently 4 $'DO $$\nBEGIN\n  IF true THEN\n    CREATE INDEX i ON t (d);\n  END IF;\nEND\n$$;'
	dangerous warning no-where 1 "DO 'BEGIN EXECUTE ''DELETE FROM t''; END';"
	dangerous error drop-cascade 2 $'DO $$ BEGIN\nEXECUTE format(\'DROP TABLE %I CASCADE\', \'t\'); END $$;'
}

@test "what of a DO block cannot be read is said not to be judged" {
	dangerous warning not-understood 2 $'DO $$ DECLARE z text := \'DROP TABLE t\'; BEGIN\nEXECUTE z; END $$;'
	dangerous warning not-understood 1 "DO LANGUAGE plperl 'x';"
	put 0002_next "DO LANGUAGE plperl 'x';"
	run -0 --separate-stderr lint
	[[ ${lines[0]} == *': the body of this DO block cannot be read here: it was not judged' ]]
}

@test "transaction-control, which cannot be allowed" {
	put 0002_next $'SELECT 1;\nCOMMIT;\nTRUNCATE t;' $'START TRANSACTION;'
	[ "$(findings)" = $'0002_next.up.sql:2 error transaction-control\n0002_next.up.sql:3 warning truncate\n0002_next.down.sql:1 error transaction-control' ]
	put 0002_next $'-- jobctl: allow transaction-control why\nROLLBACK;'
	[ "$(findings)" = $'0002_next.up.sql:1 warning useless-allow\n0002_next.up.sql:2 error transaction-control' ]
	run -1 --separate-stderr lint
	empty_database control
	run -65 --separate-stderr jobctl-migrate up --dir "$D"
	drop_database control
	safe 'SAVEPOINT x; ROLLBACK TO x; RELEASE x;'
}

@test "new-enum-value, no-lock-timeout" {
	dangerous warning new-enum-value 2 $'ALTER TYPE e ADD VALUE \'z\';\nINSERT INTO t (d) VALUES (\'z\');'
	dangerous warning no-lock-timeout 1 'SET lock_timeout = 0;'
	safe "SET LOCAL lock_timeout = '500ms';"
}

@test "--applied: earlier files are only read, later ones come together" {
	put 0002_next 'TRUNCATE t;'
	put 0003_new 'CREATE TABLE n (a int);'
	put 0004_index 'CREATE INDEX n_a ON n (a); CREATE INDEX t_d ON t (d);'
	[ "$(findings --applied 2)" = '0004_index.up.sql:1 error missing-concurrently' ]
	run -0 --separate-stderr lint --applied 4
	[ "$output" = '' ]
	run -64 jobctl-migrate lint --applied 2
	run -64 jobctl-migrate lint --applied 2 "$D/0002_next.up.sql"
}

@test "files: of a directory, which is read for what it made, or by themselves" {
	put 0002_next 'TRUNCATE t;'
	put 0003_drop 'DROP TABLE t;'
	[ "$(findings "$D/0003_drop.up.sql")" = '0003_drop.up.sql:1 error drop-in-use' ]
	[ "$(findings "$D/../mine/0002_next.up.sql")" = '0002_next.up.sql:1 warning truncate' ]
	run -0 --separate-stderr jobctl-migrate lint "$D/0003_drop.up.sql" "$D/0001_first.down.sql"
	[[ ${lines[0]} == "$D/0003_drop.up.sql:1: warning: drop-table: "* ]]
	echo 'ALTER TABLE t ADD UNIQUE (a)' >"$D/any name"
	run -1 --separate-stderr jobctl-migrate lint "$D/any name"
	[[ ${lines[0]} == "$D/any name:1: error: constraint-builds-index: "* ]]
	run -66 --separate-stderr lint "$D/any name"
	[ "$stderr" = "jobctl-migrate: $D/any name is not a file of set mine" ]
	run -66 --separate-stderr jobctl-migrate lint "$D/none"
	run -64 --separate-stderr jobctl-migrate lint --set jobctl "$D/any name"
}

@test "exit status: 1 for errors, for warnings only with --strict" {
	put 0002_next 'TRUNCATE t;'
	run -0 --separate-stderr lint
	[ "$stderr" = 'jobctl-migrate: 0 errors, 1 warning in 4 files' ]
	run -1 lint --strict
	run -1 lint --strict -Q
	[ "$output" = '' ]
	put 0002_next 'DROP TABLE u CASCADE;'
	run -1 lint -Q
	put 0002_next 'SELECT 1;'
	run -0 --separate-stderr lint
	[ "$output" = '' ]
	[ "$stderr" = 'jobctl-migrate: nothing dangerous in 4 files' ]
}

@test "as JSON, and as fields" {
	put 0002_next 'TRUNCATE t;'
	run -0 --separate-stderr lint --json
	[ "$(jq -c '[.v, .set, .version, .line, .severity, .rule]' <<<"$output")" = '[1,"mine",2,1,"warning","truncate"]' ]
	[ "$(jq -r .file <<<"$output")" = "$D/0002_next.up.sql" ]
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$output")" = 'v set version file line severity rule text safe' ]
	run -0 --separate-stderr jobctl-migrate lint --json "$D/0002_next.up.sql"
	[ "$(jq -c '[.set, .version]' <<<"$output")" = '[null,null]' ]
	run -0 --separate-stderr lint -H -o line,rule
	[ "$output" = $'1\ttruncate' ]
	run -64 --separate-stderr lint -o nothing
}

@test "what cannot be read is said, and the rest is judged" {
	put 0002_next 'TRUNCATE t;'
	put 0003_open "SELECT 'x"
	printf 'SELECT 1;\0\xff' >"$D/0005_binary.up.sql"
	: >"$D/0005_binary.down.sql"
	echo 'SELECT 1;' >"$D/0006_alone.up.sql"
	run -65 --separate-stderr lint
	[[ $stderr == *'0003_open.up.sql: the string that begins on line 1 is not closed'* ]]
	[[ $stderr == *'0005_binary.up.sql: line 1 has a NUL byte'* ]]
	[[ $stderr == *'0006_alone.up.sql: there is no 0006_alone.down.sql'* ]]
	[[ $output != *0003_open* ]]
	[[ $output == *'0002_next.up.sql:1: warning: truncate: '* ]]
	run -66 --separate-stderr jobctl-migrate lint --dir "$D/none"
	run -66 --separate-stderr jobctl-migrate lint "$D"
}

@test "names from files are safe on a terminal" {
	put 0002_next $'TRUNCATE "t\e[31m\u202e";'
	run -0 --separate-stderr lint
	[[ $output == *'t\x1b[31m\u202e'* ]]
	LC_ALL=C run -1 grep -q $'\e\|\xe2\x80\xae' <<<"$output"
}

@test "large, deep and strange files end soon, and well" {
	{
		echo 'CREATE TABLE n (a int);'
		yes "INSERT INTO n VALUES (1); -- x" | head -n 10000
		echo 'TRUNCATE t;'
	} >"$D/0002_next.up.sql"
	echo 'SELECT 1;' >"$D/0002_next.down.sql"
	[ "$(timeout -s KILL $((60 * SUITE_SLOW)) jobctl-migrate lint --dir "$D" -H -o line,rule)" = \
		$'10002\ttruncate' ]
	{
		printf 'INSERT INTO t VALUES (1)'
		yes ',(1)' | head -n 2500000 | tr -d '\n'
		printf ';\nTRUNCATE t;\n'
	} >"$D/0002_next.up.sql"
	[ "$(timeout -s KILL $((60 * SUITE_SLOW)) jobctl-migrate lint --dir "$D" -H -o line,rule)" = $'2\ttruncate' ]
	{
		printf 'SELECT 1'
		yes '+1' | head -n 130000 | tr -d '\n'
		printf ';\nTRUNCATE t;\n'
	} >"$D/0002_next.up.sql"
	[ "$(timeout -s KILL $((60 * SUITE_SLOW)) jobctl-migrate lint --dir "$D" -H -o line,rule)" = \
		$'1\tnot-understood\n2\ttruncate' ]
	: >"$D/empty"
	run -0 --separate-stderr jobctl-migrate lint --strict "$D/empty"
	[ "$output" = '' ]
}

# The server knows best: lint says "table-rewrite" if and only if the table gets a new file.
@test "what lint says of rewrites is what the server does" {
	local sql before after bad=0 said did

	empty_database rewrites
	sql "CREATE DOMAIN checked AS int CHECK (VALUE > 0); CREATE DOMAIN free AS int;
	     CREATE FUNCTION vola() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
	     CREATE FUNCTION stab() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'"
	while read -r sql; do
		sql "CREATE TABLE r (i int, v varchar(10), w varchar, x text, n numeric(10,2),
			m numeric, z timestamp(3), y timestamptz, b varbit(5), c cidr, k char(5), j json, u int[]);
			INSERT INTO r (i) VALUES (1)"
		before=$(sql "SELECT relfilenode FROM pg_class WHERE oid = 'r'::regclass")
		sql "ALTER TABLE r $sql"
		after=$(sql "SELECT relfilenode FROM pg_class WHERE oid = 'r'::regclass")
		sql 'DROP TABLE r'
		put 0001_first "CREATE DOMAIN checked AS int CHECK (VALUE > 0); CREATE DOMAIN free AS int;
			CREATE FUNCTION vola() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
			CREATE FUNCTION stab() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
			CREATE TABLE r (i int, v varchar(10), w varchar, x text, n numeric(10,2),
			m numeric, z timestamp(3), y timestamptz, b varbit(5), c cidr, k char(5), j json, u int[]);"
		put 0002_next "ALTER TABLE r $sql;"
		said=no did=no
		[[ "$(findings)" != *table-rewrite* ]] || said=yes
		[ "$before" = "$after" ] || did=yes
		[ "$said" = "$did" ] || { echo "$sql: lint says $said, the server $did"; bad=1; }
	done <<-'END'
		ALTER i TYPE bigint
		ALTER i TYPE int
		ALTER i TYPE text
		ALTER i TYPE oid
		ALTER i TYPE oid USING (i + 1)::oid
		ALTER v TYPE varchar(20)
		ALTER v TYPE varchar(5)
		ALTER v TYPE varchar
		ALTER v TYPE text
		ALTER v TYPE text USING v
		ALTER v TYPE text USING v || 'x'
		ALTER w TYPE varchar(5)
		ALTER w TYPE text
		ALTER x TYPE varchar
		ALTER x TYPE varchar(5)
		ALTER x TYPE jsonb USING x::jsonb
		ALTER n TYPE numeric(12,2)
		ALTER n TYPE numeric(8,2)
		ALTER n TYPE numeric(12,4)
		ALTER n TYPE numeric
		ALTER m TYPE numeric(10,2)
		ALTER z TYPE timestamp(6)
		ALTER z TYPE timestamp(0)
		ALTER z TYPE timestamp
		ALTER y TYPE timestamptz(3)
		ALTER b TYPE varbit(9)
		ALTER b TYPE varbit
		ALTER c TYPE inet
		ALTER k TYPE char(9)
		ALTER j TYPE jsonb
		ALTER u TYPE bigint[]
		ALTER i TYPE checked
		ADD o int
		ADD o int NOT NULL DEFAULT 3
		ADD o int DEFAULT NULL
		ADD o timestamptz DEFAULT now()
		ADD o timestamptz DEFAULT clock_timestamp()
		ADD o text DEFAULT current_user
		ADD o uuid DEFAULT gen_random_uuid()
		ADD o float8 DEFAULT random() + 1
		ADD o int DEFAULT vola()
		ADD o int DEFAULT stab()
		ADD o serial
		ADD o int GENERATED BY DEFAULT AS IDENTITY
		ADD o int GENERATED ALWAYS AS (i + 1) STORED
		ADD o checked
		ADD o free
		ADD o checked[]
		SET UNLOGGED
		SET (fillfactor = 50)
		SET WITHOUT CLUSTER
		ALTER x SET STORAGE external
		DROP x
	END
	drop_database rewrites
	[ "$bad" = 0 ]
}

# Again the server knows: what lint calls impossible fails there, and nothing else does.
@test "what lint calls impossible is what the server refuses" {
	local made="CREATE TABLE t (a int, b text, c int); CREATE TABLE o (a int PRIMARY KEY, d int);
		CREATE VIEW v AS SELECT x.b, o.d FROM t x JOIN o USING (a);
		CREATE MATERIALIZED VIEW m AS SELECT d FROM o; CREATE VIEW w AS SELECT * FROM v;
		CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION g() RETURNS bigint RETURN (SELECT count(c) FROM t); CREATE VIEW x AS SELECT f();"
	local sql said did bad=0

	empty_database refusals
	put 0001_first "$made"
	while read -r sql; do
		said=no did=no
		put 0002_next "$sql"
		[[ "$(findings)" != *' '@(drop-in-use|not-in-transaction)* ]] || said=yes
		psql -Xqv ON_ERROR_STOP=1 2>"$D/err" <<<"BEGIN; $made $sql" || did=yes
		[ "$said" = "$did" ] || { echo "$sql: lint says $said, the server $did: $(cat "$D/err")"; bad=1; }
	done <<-'END'
		DROP TABLE t;
		DROP TABLE t, o;
		DROP VIEW v;
		DROP VIEW v, w;
		DROP VIEW w; DROP VIEW v; DROP FUNCTION g(); DROP TABLE t;
		DROP MATERIALIZED VIEW m;
		ALTER TABLE t DROP a;
		ALTER TABLE t DROP b;
		ALTER TABLE t DROP c;
		DROP FUNCTION g(); ALTER TABLE t DROP c;
		ALTER TABLE o DROP d;
		ALTER TABLE t ALTER b TYPE varchar(9);
		ALTER TABLE t ALTER c TYPE bigint;
		DROP VIEW w, v; ALTER TABLE t DROP b, ALTER a TYPE bigint;
		DROP FUNCTION f();
		DROP VIEW x; DROP FUNCTION f();
		DROP FUNCTION g();
		ALTER TABLE t RENAME b TO z;
		VACUUM t;
		CREATE INDEX CONCURRENTLY i ON t (a);
		REINDEX TABLE CONCURRENTLY t;
		REINDEX TABLE t;
		CREATE DATABASE never;
		ALTER SYSTEM SET work_mem = '5MB';
	END
	drop_database refusals
	[ "$bad" = 0 ]
}

@test "our own sets are clean" {
	run -0 --separate-stderr jobctl-migrate lint --strict
	[ "$output" = '' ]
}
