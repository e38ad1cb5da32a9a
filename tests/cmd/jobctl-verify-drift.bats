#!/usr/bin/env bats
# jobctl-verify drift: every class of difference is named, with the statement that undoes it.

# shellcheck disable=SC2154,SC2016	# run --separate-stderr sets stderr; SQL has its own dollars

bats_require_minimum_version 1.5.0
load ../helper

# A set with one of everything.
setup_file() {
	export D=$BATS_FILE_TMPDIR/mine

	mkdir -p "$D/api"
	cat >"$D/0001_all.up.sql" <<'SQL'
CREATE SCHEMA s;
COMMENT ON SCHEMA s IS 'all of it';
CREATE TYPE s.mood AS ENUM ('glad', 'sad');
CREATE TYPE s.size AS ENUM ('xs', 's', 'm', 'l');
CREATE TYPE s.pair AS (a int, b text);
CREATE DOMAIN s.short AS text DEFAULT 'x' CONSTRAINT is_short CHECK (length(VALUE) < 10);
CREATE SEQUENCE s.counter CACHE 5;
CREATE TABLE s.parent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mood s.mood NOT NULL DEFAULT 'glad',
    name varchar(20) CONSTRAINT ck_name CHECK (name IN ('a', 'b')) UNIQUE,
    twice int GENERATED ALWAYS AS (length(name) * 2) STORED,
    note text
) WITH (fillfactor = 50);
ALTER TABLE s.parent ALTER note SET STORAGE EXTERNAL;
COMMENT ON TABLE s.parent IS 'it''s the first';
COMMENT ON COLUMN s.parent.name IS 'as people say it';
CREATE TABLE s.child (
    parent_id bigint NOT NULL CONSTRAINT fk_parent REFERENCES s.parent ON DELETE CASCADE,
    n int,
    PRIMARY KEY (parent_id, n)
);
COMMENT ON TABLE s.child IS 'the second';
CREATE INDEX child_n ON s.child (n) WHERE n > 0;
COMMENT ON INDEX s.child_n IS 'for looking up';
GRANT SELECT ON s.child TO drift_reader;
CREATE TABLE s.log (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE s.log_rest PARTITION OF s.log DEFAULT;
CREATE TABLE s.region (r text NOT NULL) PARTITION BY LIST (r);
CREATE TABLE s.region_eu PARTITION OF s.region FOR VALUES IN ('eu');
CREATE FUNCTION s.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := 'stamped';
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION s.stamp() FROM PUBLIC;
CREATE TRIGGER stamp BEFORE INSERT ON s.parent FOR EACH ROW EXECUTE FUNCTION s.stamp();
ALTER TABLE s.parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON s.parent FOR SELECT USING (name = current_user);
CREATE RULE quiet AS ON DELETE TO s.parent DO INSTEAD NOTHING;
CREATE STATISTICS s.st ON mood, name FROM s.parent;
GRANT USAGE ON SCHEMA s TO PUBLIC;
GRANT SELECT (name) ON s.parent TO drift_reader;
CREATE MATERIALIZED VIEW s.counted AS SELECT count(*) FROM s.child;
CREATE INDEX log_at ON s.log (at);
CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE);
CREATE TABLE s.given (id int PRIMARY KEY);
ALTER TABLE s.given OWNER TO drift_reader;
SQL
	echo 'DROP SCHEMA s CASCADE;' >"$D/0001_all.down.sql"
	cat >"$D/api/names.sql" <<'SQL'
-- drop: VIEW s.names
CREATE VIEW s.names WITH (security_barrier) AS SELECT id, name FROM s.parent WHERE mood = 'glad';
GRANT SELECT ON s.names TO drift_reader;
SQL
	cat >"$D/api/f.sql" <<'SQL'
-- drop: FUNCTION s.f(integer, text)
CREATE FUNCTION s.f(a integer, b text DEFAULT 'x') RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a + length(b)
$$;
REVOKE ALL ON FUNCTION s.f(integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION s.f(integer, text) TO drift_reader;
SQL
	role_login drift_reader
	empty_database base
	jobctl-migrate -Q --dir "$D" up
}

# Each test breaks a copy.
setup() {
	local base

	base=$(file_database base)
	use_database postgres
	COPY=$(file_database "t$BATS_TEST_NUMBER")
	sql "CREATE DATABASE $COPY TEMPLATE $base"
	use_database "$COPY"
}

teardown() {
	stop_all
	use_database postgres
	sql "DROP DATABASE IF EXISTS $COPY WITH (FORCE)"
}

drift() {
	jobctl-verify --dir "$D" "$@" drift
}

failures() {
	jq -r 'select(.verdict == "FAIL").id' <<<"$output" | paste -sd' '
}

field() {	# ID FIELD
	jq -r --arg id "$1" --arg field "$2" 'select(.id == $id)[$field]' <<<"$output"
}

# Break the copy: exactly this check fails, and with what it says it does not any more.
breaks() {	# ID 'SQL'
	echo "# $2"
	sql "$2"
	run -1 --separate-stderr drift --json
	[ "$stderr" = "" ]
	[ "$(failures)" = "drift.$1" ] || {
		failures
		return 1
	}
	jq -r 'select(.verdict == "FAIL").fix' <<<"$output" >"$BATS_TEST_TMPDIR/fix"
	cat "$BATS_TEST_TMPDIR/fix"
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/fix"
	run -0 --separate-stderr drift --json
	[ "$(jq -r 'select(.id == "drift.none").verdict' <<<"$output")" = PASS ]
}

@test "what the migrations have made is no drift" {
	run -0 --separate-stderr drift --json
	[ "$(jq -r 'select(.type == "check" and .verdict != "PASS").id' <<<"$output")" = "" ]
	[ "$(field drift.none verdict)" = PASS ]
	[ "$(field drift.migration.mine.0001_all actual)" = applied ]
}

@test "columns: type, nullability, default, generation, identity, storage" {
	breaks column.s.child.n 'ALTER TABLE s.child ALTER n TYPE bigint'
	breaks column.s.parent.note 'ALTER TABLE s.parent DROP note'
	breaks nullability.s.parent.mood 'ALTER TABLE s.parent ALTER mood DROP NOT NULL'
	breaks nullability.s.parent.note 'ALTER TABLE s.parent ALTER note SET NOT NULL'
	breaks default.s.parent.mood "ALTER TABLE s.parent ALTER mood SET DEFAULT 'sad'"
	breaks default.s.parent.mood 'ALTER TABLE s.parent ALTER mood DROP DEFAULT'
	breaks default.s.parent.note "ALTER TABLE s.parent ALTER note SET DEFAULT 'x'"
	breaks identity.s.parent.id 'ALTER TABLE s.parent ALTER id SET GENERATED BY DEFAULT'
	breaks identity.s.parent.id 'ALTER TABLE s.parent ALTER id DROP IDENTITY'
	breaks storage.s.parent.note 'ALTER TABLE s.parent ALTER note SET STORAGE MAIN'
	breaks parameter.s.parent.fillfactor 'ALTER TABLE s.parent SET (fillfactor = 100)'
}

@test "constraints: gone, widened, without their action, not validated" {
	breaks constraint.s.parent.ck_name 'ALTER TABLE s.parent DROP CONSTRAINT ck_name'
	breaks constraint.s.parent.ck_name "ALTER TABLE s.parent DROP CONSTRAINT ck_name;
		ALTER TABLE s.parent ADD CONSTRAINT ck_name CHECK (name IN ('a', 'b', 'c'))"
	breaks constraint.s.child.fk_parent 'ALTER TABLE s.child DROP CONSTRAINT fk_parent;
		ALTER TABLE s.child ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES s.parent'
	breaks constraint.s.child.fk_parent 'ALTER TABLE s.child DROP CONSTRAINT fk_parent;
		ALTER TABLE s.child ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES s.parent
			ON DELETE CASCADE NOT VALID'
	breaks constraint.s.parent.parent_name_key 'ALTER TABLE s.parent DROP CONSTRAINT parent_name_key'
	breaks constraint.s.short.is_short 'ALTER DOMAIN s.short DROP CONSTRAINT is_short'
	breaks constraint.s.child.child_pkey 'ALTER TABLE s.child DROP CONSTRAINT child_pkey'
}

@test "indexes: gone, others, invalid" {
	breaks index.s.child_n 'DROP INDEX s.child_n'
	breaks 'index.s.child_n drift.comment.index_s.child_n' \
		'DROP INDEX s.child_n; CREATE INDEX child_n ON s.child (n)'
	breaks index.s.log_at 'DROP INDEX s.log_at'
	breaks index.s.child_n "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.child_n'::regclass"
}

@test "functions, triggers, views, policies, rules" {
	breaks 'function.s.f(integer,text)' 'CREATE OR REPLACE FUNCTION s.f(a integer, b text DEFAULT $$x$$)
		RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a - length(b)
$$'
	breaks 'function.s.f(integer,text)' 'ALTER FUNCTION s.f(integer, text) SECURITY INVOKER'
	breaks 'function.s.f(integer,text)' 'ALTER FUNCTION s.f(integer, text) RESET search_path'
	breaks 'function.s.f(integer,text)' 'DROP FUNCTION s.f(integer, text)'
	breaks trigger.s.parent.stamp 'DROP TRIGGER stamp ON s.parent'
	breaks trigger.s.parent.stamp 'ALTER TABLE s.parent DISABLE TRIGGER stamp'
	breaks view.s.names 'DROP VIEW s.names'
	breaks view.s.names 'CREATE OR REPLACE VIEW s.names WITH (security_barrier) AS SELECT id, name FROM s.parent'
	breaks parameter.s.names.security_barrier 'ALTER VIEW s.names RESET (security_barrier)'
	breaks policy.s.parent.own 'ALTER POLICY own ON s.parent USING (true)'
	breaks policy.s.parent.own 'DROP POLICY own ON s.parent'
	breaks row_security.s.parent 'ALTER TABLE s.parent DISABLE ROW LEVEL SECURITY'
	breaks rule.s.parent.quiet 'DROP RULE quiet ON s.parent'
}

@test "privileges: lost, and given to everybody" {
	breaks privilege.SELECT_ON_TABLE_s.child_TO_drift_reader 'REVOKE SELECT ON s.child FROM drift_reader'
	breaks 'privilege.SELECT_(name)_ON_TABLE_s.parent_TO_drift_reader' 'REVOKE SELECT (name) ON s.parent FROM drift_reader'
	breaks 'privilege.EXECUTE_ON_FUNCTION_s.f(integer,text)_TO_drift_reader' \
		'REVOKE EXECUTE ON FUNCTION s.f(integer, text) FROM drift_reader'
	breaks privilege.USAGE_ON_SCHEMA_s_TO_PUBLIC 'REVOKE USAGE ON SCHEMA s FROM PUBLIC'
	breaks 'privilege.EXECUTE_ON_FUNCTION_s.f(integer,text)_TO_PUBLIC' \
		'GRANT EXECUTE ON FUNCTION s.f(integer, text) TO PUBLIC'
	breaks privilege.SELECT_ON_TABLE_s.child_TO_drift_reader \
		'GRANT SELECT ON s.child TO drift_reader WITH GRANT OPTION'
}

@test "types, sequences, comments, statistics, partitions, whole tables" {
	breaks domain.s.short 'ALTER DOMAIN s.short DROP DEFAULT'
	breaks type.s.pair 'DROP TYPE s.pair'
	breaks type.s.size "DROP TYPE s.size; CREATE TYPE s.size AS ENUM ('s', 'l')"
	breaks sequence.s.counter 'ALTER SEQUENCE s.counter INCREMENT 2'
	breaks sequence.s.counter 'DROP SEQUENCE s.counter'
	breaks comment.table_s.parent 'COMMENT ON TABLE s.parent IS NULL'
	breaks comment.table_column_s.parent.name "COMMENT ON COLUMN s.parent.name IS 'other'"
	breaks statistics.s.st 'DROP STATISTICS s.st'
	breaks partition.s.log_rest 'DROP TABLE s.log_rest'
	breaks partition.s.log_rest 'ALTER TABLE s.log DETACH PARTITION s.log_rest'
	breaks partition.s.region_eu "ALTER TABLE s.region DETACH PARTITION s.region_eu;
		ALTER TABLE s.region ATTACH PARTITION s.region_eu FOR VALUES IN ('eu', 'uk')"
	breaks table.s.child 'ALTER TABLE s.child SET UNLOGGED'
	breaks partition.s.region_eu 'DROP TABLE s.region_eu'
	breaks materialized_view.s.counted 'DROP MATERIALIZED VIEW s.counted'
	breaks materialized_view.s.counted 'DROP MATERIALIZED VIEW s.counted;
		CREATE MATERIALIZED VIEW s.counted AS SELECT count(*) + 1 AS count FROM s.child'
	sql 'DROP MATERIALIZED VIEW s.counted'
	breaks 'table.s.child drift.constraint.s.child.child_pkey drift.constraint.s.child.fk_parent drift.index.s.child_n drift.materialized_view.s.counted' \
		'DROP TABLE s.child'
}

@test "aggregates, whose definition has no words of the server's" {
	breaks 'aggregate.s.total(integer)' 'DROP AGGREGATE s.total(int)'
	breaks 'aggregate.s.total(integer)' "CREATE OR REPLACE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '1', PARALLEL = SAFE)"
	breaks 'aggregate.s.total(integer)' "CREATE OR REPLACE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')"
}

@test "owners: what is given to one, and what belongs to whoever migrates" {
	role_login drift_owner
	breaks owner.TABLE_s.given 'ALTER TABLE s.given OWNER TO jobctl'
	breaks owner.TABLE_s.parent 'ALTER TABLE s.parent OWNER TO drift_owner'
	breaks owner.SCHEMA_s 'ALTER SCHEMA s OWNER TO drift_owner'
	breaks 'owner.FUNCTION_s.f(integer,text)' 'ALTER FUNCTION s.f(integer, text) OWNER TO drift_owner'
	breaks owner.SEQUENCE_s.counter 'ALTER SEQUENCE s.counter OWNER TO drift_owner'
	breaks owner.TYPE_s.pair 'ALTER TYPE s.pair OWNER TO drift_owner'
}

@test "who migrated is in the books: nobody is held to owners that they do not know" {
	role_login 'Drift Migrator'
	sql "DO \$\$ DECLARE r record; BEGIN
		FOR r IN SELECT oid::regclass AS c FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')
			AND relnamespace IN ('s'::regnamespace, 'jobctl'::regnamespace) AND relowner = 'jobctl'::regrole
		LOOP EXECUTE format('ALTER TABLE %s OWNER TO \"Drift Migrator\"', r.c); END LOOP; END \$\$"
	run -0 --separate-stderr drift --json
	[ "$(field drift.none verdict)" = PASS ]
	sql "UPDATE jobctl.schema_migrations SET role = 'Drift Migrator'"
	run -1 --separate-stderr drift --json
	[ "$(field drift.owner.SCHEMA_s expected)" = 'Drift Migrator' ]
	[ "$(field drift.owner.SCHEMA_s fix)" = 'ALTER SCHEMA s OWNER TO "Drift Migrator";' ]
	sql "UPDATE jobctl.schema_migrations SET origin = 'baseline'"
	run -0 --separate-stderr drift --json
	[ "$(field drift.none verdict)" = PASS ]
}

@test "an index is mended without keeping anybody from writing, where that can be" {
	sql 'DROP INDEX s.child_n, s.log_at; CREATE INDEX mine ON s.parent (mood)'
	run -1 --separate-stderr drift --json
	[ "$(field drift.index.s.child_n fix | head -1)" = \
		'CREATE INDEX CONCURRENTLY child_n ON s.child USING btree (n) WHERE (n > 0);' ]
	[ "$(field drift.index.s.log_at fix)" = 'CREATE INDEX log_at ON s.log USING btree (at);' ]
	[ "$(field drift.index.s.mine fix)" = 'DROP INDEX CONCURRENTLY s.mine;' ]
	sql 'CREATE UNIQUE INDEX child_n ON s.child (n)'
	run -1 --separate-stderr drift --json
	[ "$(field drift.index.s.child_n fix | head -2)" = \
		$'DROP INDEX CONCURRENTLY s.child_n;\nCREATE INDEX CONCURRENTLY child_n ON s.child USING btree (n) WHERE (n > 0);' ]
}

@test "several at once, the fixes run from the top" {
	sql "DROP SCHEMA s CASCADE"
	run -1 --separate-stderr drift --json
	jq -r 'select(.verdict == "FAIL").fix' <<<"$output" >"$BATS_TEST_TMPDIR/fix"
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/fix"
	run -0 --separate-stderr drift --json
	[ "$(field drift.none verdict)" = PASS ]
}

@test "what differs is shown as expected and actual, a function by where it differs" {
	sql "ALTER TABLE s.parent ALTER mood SET DEFAULT 'sad'"
	sql 'CREATE OR REPLACE FUNCTION s.f(a integer, b text DEFAULT $$x$$)
		RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a - length(b)
$$'
	run -1 --separate-stderr drift --json
	[ "$(field drift.default.s.parent.mood expected)" = "'glad'::s.mood" ]
	[ "$(field drift.default.s.parent.mood actual)" = "'sad'::s.mood" ]
	[ "$(field drift.default.s.parent.mood fix)" = "ALTER TABLE s.parent ALTER COLUMN mood SET DEFAULT 'glad'::s.mood;" ]
	[ "$(field 'drift.function.s.f(integer,text)' evidence)" = \
		'line 7 should be "    SELECT a + length(b)" and is "    SELECT a - length(b)"' ]
}

@test "what is there beyond is a warning, with --strict a failure" {
	sql "CREATE TABLE s.other (id int); CREATE INDEX mine ON s.parent (mood); ALTER TABLE s.parent ADD extra int;
	     CREATE EXTENSION pg_trgm SCHEMA public; CREATE SCHEMA vacant;
	     GRANT INSERT ON s.child TO drift_reader; CREATE TABLE s.log_2026 PARTITION OF s.log
		FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); ALTER TABLE s.child SET (autovacuum_enabled = off)"
	run -0 --separate-stderr drift --json
	[ "$(jq -r 'select(.verdict == "WARN").id' <<<"$output" | sort | paste -sd' ')" = "drift.column.s.parent.extra drift.elsewhere.vacant drift.extension.pg_trgm drift.index.s.mine drift.parameter.s.child.autovacuum_enabled drift.privilege.INSERT_ON_TABLE_s.child_TO_drift_reader drift.table.s.other" ]
	[ "$(field drift.table.s.other fix)" = 'DROP TABLE s.other;' ]
	run -1 --separate-stderr drift --strict --json
	[ "$(failures | wc -w)" = 7 ]
	jq -r 'select(.verdict == "FAIL").fix' <<<"$output" >"$BATS_TEST_TMPDIR/fix"
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/fix"
	run -0 --separate-stderr drift --strict --json
	[ "$(field drift.none verdict)" = PASS ]
}

@test "of a schema where the migrations have nothing it is told what is in there, and not that it should go" {
	sql "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (id int PRIMARY KEY); CREATE VIEW elsewhere.v AS SELECT 1;
	     CREATE SEQUENCE elsewhere.s; CREATE FUNCTION elsewhere.f() RETURNS int RETURN 1; CREATE DOMAIN elsewhere.d AS int;
	     CREATE TYPE elsewhere.e AS ENUM ('x'); CREATE TABLE public.t (); GRANT CREATE ON SCHEMA public TO PUBLIC"
	run -0 --separate-stderr drift --json
	[ "$(jq -r 'select(.verdict == "WARN").id' <<<"$output" | sort | paste -sd' ')" = 'drift.elsewhere.elsewhere drift.elsewhere.public' ]
	[ "$(field drift.elsewhere.elsewhere actual)" = '6 objects' ]
	[ "$(field drift.elsewhere.elsewhere evidence)" = \
		'table elsewhere.t, view elsewhere.v, sequence elsewhere.s, function elsewhere.f(), domain elsewhere.d, ...' ]
	[ "$(field drift.elsewhere.elsewhere fix)" = null ]
	[ "$(field drift.elsewhere.public evidence)" = 'table public.t' ]
	run -1 --separate-stderr drift --strict --json
	[ "$(failures)" = 'drift.elsewhere.public drift.elsewhere.elsewhere' ]
	sql "INSERT INTO jobctl.schema_migrations SELECT 'another', 1, name, sha256, 0, tool_version, role, applied_at
		FROM jobctl.schema_migrations LIMIT 1"
	run -0 --separate-stderr drift --strict --json
	[ "$(field drift.elsewhere verdict)" = SKIP ]
}

@test "columns in another order are a warning" {
	sql 'ALTER TABLE s.child ADD parent2 bigint; ALTER TABLE s.child DROP n; ALTER TABLE s.child ADD n int' -c \
		'ALTER TABLE s.parent DROP note; ALTER TABLE s.parent DROP mood CASCADE;
		 ALTER TABLE s.parent ADD note text' -c "ALTER TABLE s.parent ADD mood s.mood NOT NULL DEFAULT 'glad'"
	run -1 --separate-stderr drift --json
	[ "$(field drift.column-order.s.parent verdict)" = WARN ]
	[ "$(field drift.column-order.s.parent actual)" = \
		's.parent.id, s.parent.name, s.parent.twice, s.parent.note, s.parent.mood' ]
	[ "$(field drift.column-order.s.child verdict)" = "" ]
}

@test "the live database is only read" {
	local before

	before=$(pg_dump | grep -v '^[\\]' | sha256sum)
	sql "ALTER DATABASE $COPY SET log_statement = 'all'"
	sql 'DROP INDEX s.child_n'
	# the others on this server make scratch databases, too: ours are this role's
	role_login drift_scratch
	sql 'ALTER ROLE drift_scratch SUPERUSER'
	drift -Q --scratch "$JOBCTL_DATABASE user=drift_scratch" || [ $? = 1 ]
	sql 'CREATE INDEX child_n ON s.child (n) WHERE n > 0' -c "COMMENT ON INDEX s.child_n IS 'for looking up'"
	[ "$(pg_dump | grep -v '^[\\]' | sha256sum)" = "$before" ]
	[ "$(sql "SELECT count(*) FROM pg_database WHERE datdba = 'drift_scratch'::regrole")" = 0 ]
}

@test "a role that may only read can look, if the scratch database is made elsewhere" {
	local db="host=$PGHOST port=$PGPORT dbname=$PGDATABASE"

	sql 'GRANT USAGE ON SCHEMA jobctl TO drift_reader'	# the books are there
	run -77 jobctl-verify -d "$db user=drift_reader" --dir "$D" drift
	[[ $output == *"--scratch"* ]]
	run -0 jobctl-verify -d "$db user=drift_reader" --scratch "$db user=jobctl" --dir "$D" drift
}

@test "what is pending is not held against the database, what was edited is" {
	local d=$BATS_TEST_TMPDIR/mine

	cp -r "$D" "$d"
	echo 'CREATE TABLE s.later (id int PRIMARY KEY);' >"$d/0002_later.up.sql"
	echo 'DROP TABLE s.later;' >"$d/0002_later.down.sql"
	run -0 --separate-stderr jobctl-verify --dir "$d" --json drift
	[ "$(field drift.migration.mine.0002_later verdict)" = WARN ]
	[ "$(field drift.migration.mine.0002_later actual)" = pending ]
	[ "$(field drift.none verdict)" = PASS ]
	sed -i 's/fillfactor = 50/fillfactor = 60/' "$d/0001_all.up.sql"
	run -1 --separate-stderr jobctl-verify --dir "$d" --json drift
	[ "$(failures)" = 'drift.migration.mine.0001_all drift.parameter.s.parent.fillfactor' ]
	[ "$(field drift.parameter.s.parent.fillfactor expected)" = fillfactor=60 ]
}

@test "a database without books is compared with all migrations" {
	sql 'DROP SCHEMA jobctl CASCADE'
	run -0 --separate-stderr drift --json
	[ "$(field drift.migrations verdict)" = WARN ]
	[ "$(field drift.table verdict)" = PASS ]
}

@test "the compiled-in sets: no drift, then one of each" {
	new_database builtin
	run -0 --separate-stderr jobctl-verify --json drift
	[ "$(field drift.none verdict)" = PASS ]
	sql "DROP INDEX jobctl.jobs_claim" -c "ALTER TABLE jobctl.jobs ALTER priority SET DEFAULT 1" \
		-c "REVOKE SELECT ON jobctl.jobs FROM jobctl_reader" -c 'DROP FUNCTION jobctl.submit CASCADE' \
		-c 'DROP TABLE jobctl.job_progress CASCADE' -c "ALTER TABLE jobctl.jobs DROP CONSTRAINT ck_status"
	run -1 --separate-stderr jobctl-verify --json drift
	jq -r 'select(.verdict == "FAIL").fix' <<<"$output" >"$BATS_TEST_TMPDIR/fix"
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/fix"
	run -0 --separate-stderr jobctl-verify --json drift
	[ "$(field drift.none verdict)" = PASS ]
	drop_database builtin
}

@test "names that need quoting, and hostile ones" {
	local d=$BATS_TEST_TMPDIR/odd

	mkdir "$d"
	printf '%s\n' $'CREATE TABLE "a b" ("x""y" int PRIMARY KEY, "Z" text DEFAULT E\'\\033[31m\');' >"$d/0001_odd.up.sql"
	echo 'DROP TABLE "a b";' >"$d/0001_odd.down.sql"
	empty_database odd
	jobctl-migrate -Q --dir "$d" up
	run -0 jobctl-verify --dir "$d" drift
	sql 'ALTER TABLE "a b" ALTER "Z" DROP DEFAULT'
	run -1 --separate-stderr jobctl-verify --dir "$d" drift
	[[ $output != *$'\033'* ]]
	[[ $output == *'`drift.default.public."a_b"."Z"`'* ]]
	run -1 --separate-stderr jobctl-verify --dir "$d" --json drift
	psql -Xqv ON_ERROR_STOP=1 -c "$(jq -r 'select(.verdict == "FAIL").fix' <<<"$output")"
	run -0 jobctl-verify --dir "$d" drift
	drop_database odd
}

@test "bad command lines" {
	run -64 jobctl-verify drift --round-trip
	run -64 jobctl-verify --strict
	run -64 jobctl-verify drfit
	[[ $output == *'did you mean "drift"'* ]]
	run -64 jobctl-verify drift drift
}
