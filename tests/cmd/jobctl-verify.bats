#!/usr/bin/env bats
# jobctl-verify: migrations are proven in a scratch database that leaves nothing behind.

# shellcheck disable=SC2154,SC2016	# run --separate-stderr sets stderr; SQL has its own dollars

bats_require_minimum_version 1.5.0
load ../helper

# A server of its own: scratch databases are counted, and their sessions ended.
setup_file() {
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/verify.XXXXXX")
	export TOP PGHOST=$TOP/db/run
	chmod 711 "$TOP"
	JOBCTL_DB_DIR=$TOP/db jobctl-db -Q start 3>&-
	empty_database "of its own"
}

teardown_file() {
	JOBCTL_DB_DIR=$TOP/db jobctl-db -Q destroy --yes 3>&-
	rm -rf "$TOP"
}

setup() {
	D=$BATS_TEST_TMPDIR/mine
	mkdir "$D"
}

# One migration: its name, its up and its down.
put() {		# NNNN_name 'UP' ['DOWN']
	printf '%s\n' "$2" >"$D/$1.up.sql"
	printf '%s\n' "${3:-SELECT 1;}" >"$D/$1.down.sql"
}

verify() {
	jobctl-verify --dir "$D" "$@"
}

# Of one check, the verdict, and what was found: checks ID <json
verdict() {	# ID
	jq -r --arg id "$1" 'select(.id == $id).verdict' <<<"$output"
}

actual() {	# ID
	jq -r --arg id "$1" 'select(.id == $id).actual' <<<"$output"
}

evidence() {	# ID
	jq -r --arg id "$1" 'select(.id == $id).evidence' <<<"$output"
}

# What failed, and nothing else.
failures() {
	jq -r 'select(.verdict == "FAIL").id' <<<"$output" | sort | paste -sd' '
}

failures_of() {	# SET.MIGRATION
	jq -r --arg of "$1." 'select(.verdict == "FAIL" and (.id | startswith($of))).id' <<<"$output" | paste -sd' '
}

warnings() {
	jq -r 'select(.verdict == "WARN").id' <<<"$output" | sort | paste -sd' '
}

scratches() {
	sql "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname ~ '^jobctl_verify_'"
}

# Nothing failed, but for the time that a query took: that is up to who else is busy here.
nothing_failed() {	# the report as TAP, in $output
	[[ ${lines[-1]} =~ ^'# PASS '[0-9]+' FAIL '[0-9]+' WARN '[0-9]+' SKIP 0'$ ]]
	[ "$(grep '^not ok' <<<"$output" | grep -cv '\.within ')" = 0 ]
}

@test "the compiled-in migrations are applied one by one, and nothing is left" {
	local roles own="SELECT string_agg(rolname, ' ' ORDER BY oid) FROM pg_roles WHERE rolname ~ '^jobctl_'"

	roles=$(sql "$own")
	run --separate-stderr jobctl-verify --rows 10000 --report tap
	[ "$stderr" = "" ]
	[[ $output == *"- jobctl.0001_tenancy.applied "* ]]
	[[ $output == *"- jobctl.api.applied "* ]]
	[[ $output == *"- catalog.0001_catalog.applied "* ]]
	nothing_failed
	[ "$(sql "$own")" = "$roles" ]
}

@test "the three formats have the same ids" {
	local md tap json

	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
	md=$(verify | sed -n 's/^| \**\(PASS\|FAIL\|WARN\|SKIP\)\** | `\([^`]*\)` |.*/\1 \2/p')
	tap=$(verify --report tap | sed -n 's/^\(not \)\?ok [0-9]* - \([^ ]*\).*/\2/p')
	json=$(verify --report json | jq -r 'select(.type == "check") | .verdict + " " + .id')
	[ "$(wc -l <<<"$json")" -ge 2 ]
	[ "$md" = "$json" ]
	[ "$tap" = "$(cut -d' ' -f2 <<<"$json")" ]
	[ "$(verify --json | jq -s 'length')" = "$(verify --report json | jq -s 'length')" ]
}

@test "the header has the checksum of each file; Markdown has all of its sections" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
	mkdir "$D/api"
	printf '%s\n' '-- drop: FUNCTION f()' 'CREATE FUNCTION f() RETURNS int RETURN 1;' >"$D/api/f.sql"
	run -0 --separate-stderr verify
	[ "$(grep '^## ' <<<"$output" | paste -sd' ')" = '## Summary ## Structure ## Constraints ## Indexes ## Probes ## Queries ## Round trip ## Locks ## Timings' ]
	[ "$(sed -n '/^## Round trip/,/^##/p' <<<"$output" | sed -n 3p)" = 'Nothing was checked here.' ]
	[[ ${output%%## *} == *"| mine 0001_one | SHA-256 $(sha256sum <"$D/0001_one.up.sql" | cut -d' ' -f1) |"* ]]
	[[ ${output%%## *} =~ '| mine api | SHA-256 '[0-9a-f]{64}' |' ]]
	for fact in server role 'scratch database' started finished tool; do
		[[ ${output%%## *} =~ "| $fact | "[^\ ]+ ]]
	done
	[ "$(tail -1 <<<"$output")" = "$(sed -n 's/^| result | \(.*\) |$/\1/p' <<<"$output")" ]
	[[ $(tail -1 <<<"$output") =~ ^'PASS '[0-9]+' FAIL 0 WARN 0 SKIP '[0-9]+$ ]]
}

@test "a migration that fails is named with file, line and SQLSTATE; the rest is skipped" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
	put 0002_two $'SELECT 1;\nALTER TABLE nowhere ADD x int;'
	put 0003_three 'CREATE TABLE three (id int PRIMARY KEY);' 'DROP TABLE three;'
	run -1 --separate-stderr verify --json
	[ "$stderr" = "" ]
	[ "$(jq -r 'select(.id == "mine.0001_one.applied").verdict' <<<"$output")" = PASS ]
	[ "$(jq -r 'select(.id == "mine.0002_two.applied").verdict' <<<"$output")" = FAIL ]
	[[ "$(jq -r 'select(.id == "mine.0002_two.applied").actual' <<<"$output")" == \
		"$D/0002_two.up.sql:2: relation \"nowhere\" does not exist (SQLSTATE 42P01)" ]]
	[ "$(jq -r 'select(.id == "mine.0003_three.applied").verdict' <<<"$output")" = SKIP ]
	[ "$(jq -r 'select(.type == "result").fail' <<<"$output")" = 1 ]
	run -1 --separate-stderr verify
	[[ $output != *$'\e'* ]]
	run -1 --separate-stderr verify --color=always
	[[ $output == *$'- \e[31mFAIL\e[0m `mine.0002_two.applied`'* ]]
	[[ $output == *$'| **\e[31mFAIL\e[0m** | `mine.0002_two.applied`'* ]]
}

@test "what a set builds on is applied and not reported on" {
	run jobctl-verify --set catalog --rows 10000 --report tap
	nothing_failed
	[[ $output == *"- catalog.0001_catalog.applied "* ]]
	[[ $output != *jobctl.0001_tenancy.applied* ]]
}

@test "bad command lines and bad files" {
	run -64 jobctl-verify --set nonesuch
	[[ $output == *'there is no set "nonesuch", only: jobctl, '* ]]
	run -64 jobctl-verify --json --report md
	run -64 jobctl-verify --report html
	run -66 jobctl-verify --dir "$D/nowhere"
	put 0001_one 'COMMIT;'
	run -65 verify
	[[ $output == *"0001_one.up.sql: line 1: COMMIT: "* ]]
}

@test "without the right to make a database: a schema, in a transaction that is rolled back" {
	role_login verify_poor
	sql "CREATE TABLE one (kept int); GRANT CREATE ON DATABASE $PGDATABASE TO verify_poor" -c \
		'GRANT ALL ON one TO verify_poor'
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY, n int CHECK (n > 0)); INSERT INTO one VALUES (1, 1);' \
		'DROP TABLE one;'
	put 0002_two "CREATE TYPE mood AS ENUM ('glad'); ALTER TABLE one ADD m mood;" 'ALTER TABLE one DROP m;'
	printf '%s\n' '-- expect: value 1' 'SELECT f();' '-- probe: n' '-- expect: 23514 one_n_check' 'INSERT INTO one VALUES (2, 0);' \
		'-- query: by-id uses one_pkey' 'SELECT n FROM one WHERE id = 7;' >"$D/0001_one.verify.sql"
	echo 'SELECT * FROM public.one;' >"$D/0002_two.verify.sql"
	mkdir "$D/api"
	printf '%s\n' '-- drop: FUNCTION f()' 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT id FROM one $$;' >"$D/api/f.sql"
	run -1 --separate-stderr as_role verify_poor jobctl-verify --dir "$D" --json --round-trip
	[ "$stderr" = "" ]
	[ "$(failures)" = "mine.0002_two.roundtrip.down.type.jobctl_verify.mood mine.0002_two.roundtrip.up mine.head.roundtrip.down.type.jobctl_verify.mood mine.head.roundtrip.up" ]
	[ "$(verdict mine.api.applied)" = PASS ]
	put 0002_two "CREATE TYPE mood AS ENUM ('glad'); ALTER TABLE one ADD m mood;" 'ALTER TABLE one DROP m; DROP TYPE mood;'
	run -0 --separate-stderr as_role verify_poor jobctl-verify --dir "$D" --json --round-trip
	[ "$(actual mine.0001_one.constraint.jobctl_verify.one.one_n_check)" = 'CHECK ((n > 0))' ]
	[ "$(verdict mine.head.roundtrip.up)" = PASS ]
	[ "$(verdict mine.api.roundtrip.down)" = PASS ]
	[ "$(verdict mine.head.default-works)" = PASS ]
	[ "$(verdict mine.0001_one.lock)" = SKIP ]
	[ "$(verdict mine.0001_one.probe.line2)" = PASS ]
	[ "$(verdict mine.0001_one.probe.n)" = PASS ]
	[ "$(verdict mine.0001_one.query.by-id.is_chosen)" = PASS ]
	[ "$(verdict mine.head.index-redundant.jobctl_verify.one_pkey)" = PASS ]
	[ "$(verdict mine.0002_two.claims)" = SKIP ]
	[[ "$(jq -r 'select(.id == "mine.0002_two.claims").what' <<<"$output")" == *'it names the schema public' ]]
	[ "$(jq -r 'select(.name == "scratch schema in").value' <<<"$output")" = "$PGDATABASE" ]
	[ "$(sql "SELECT to_regnamespace('jobctl_verify') IS NULL, to_regclass('one.kept'), (SELECT count(*) FROM one)")" = 't||0' ]
	put 0003_bad $'SELECT 1;\nSELECT nothing;'
	run -1 --separate-stderr as_role verify_poor jobctl-verify --dir "$D" --json
	[[ "$(actual mine.0003_bad.applied)" == *'0003_bad.up.sql:2: column "nothing" does not exist (SQLSTATE 42703)' ]]
	sql "DROP TABLE one; REVOKE CREATE ON DATABASE $PGDATABASE FROM verify_poor"
}

@test "what a schema will not do for is refused: 77, and what to do" {
	role_login verify_poor
	sql "GRANT CREATE ON DATABASE $PGDATABASE TO verify_poor"
	put 0001_one 'CREATE TABLE public.one (id int);' 'DROP TABLE public.one;'
	run -77 as_role verify_poor jobctl-verify --dir "$D"
	[[ $output == *"0001_one.up.sql names the schema public"*CREATEDB* ]]
	put 0001_one 'CREATE SCHEMA s;' 'DROP SCHEMA s;'
	run -77 as_role verify_poor jobctl-verify --dir "$D"
	[[ $output == *"0001_one.up.sql is about a schema"*CREATEDB* ]]
	put 0001_one $'-- jobctl: no-transaction\n-- jobctl: step\nCREATE TABLE IF NOT EXISTS one (id int);' \
		'DROP TABLE one;'
	run -77 as_role verify_poor jobctl-verify --dir "$D"
	[[ $output == *"0001_one.up.sql runs without a transaction"*CREATEDB* ]]
	run -77 as_role verify_poor jobctl-verify --set jobctl
	sql "REVOKE CREATE ON DATABASE $PGDATABASE FROM verify_poor"
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	run -77 as_role verify_poor jobctl-verify --dir "$D"
	[[ $output == *"cannot make a scratch database, nor a schema: permission denied for database"* ]]
}

@test "a scratch database that a killed verifier left is dropped by the next, others are not" {
	local pid

	sql 'CREATE DATABASE jobctl_verify_0123456789abcdef' -d postgres
	put 0001_one 'SELECT pg_sleep(1000);'
	start jobctl-verify --dir "$D"
	pid=$STARTED_PID
	eventually 10 prints t sql "SELECT count(*) = 1 FROM pg_stat_activity
		WHERE datname ~ '^jobctl_verify_' AND query ~ 'pg_sleep[(]1000' AND state = 'active'"
	kill -KILL "$pid"
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ~ '^jobctl_verify_'"
	# what a verifier made is left alone while a session of it lives, in whatever database
	eventually 10 prints 0 sql "SELECT count(*) FROM pg_stat_activity
		WHERE datname ~ '^jobctl_verify_' OR application_name ~ '^jobctl-verify'"
	[ "$(scratches | wc -w)" = 2 ]
	put 0001_one 'SELECT 1;'
	verify -Q
	[ "$(scratches)" = jobctl_verify_0123456789abcdef ]
	sql 'DROP DATABASE jobctl_verify_0123456789abcdef' -d postgres
}

@test "a second verifier leaves the first one's scratch database alone" {
	put 0001_one 'SELECT pg_sleep(1000);'
	start jobctl-verify --dir "$D"
	eventually 10 prints t sql "SELECT count(*) = 1 FROM pg_stat_activity
		WHERE datname ~ '^jobctl_verify_' AND query ~ 'pg_sleep[(]1000' AND state = 'active'"
	run jobctl-verify -Q --set jobctl --rows 1000
	[[ $status = [01] ]]	# 1: a query took long, which is not what this is about
	[ "$(scratches | wc -w)" = 1 ]
	kill -TERM "$STARTED_PID"
	wait "$STARTED_PID" || true
	[ "$(scratches)" = "" ]
}

@test "interrupted, it drops the scratch database and ends by the signal" {
	local signal status

	put 0001_one 'CREATE ROLE verify_interrupted; SELECT pg_sleep(1000);'
	for signal in INT TERM HUP; do
		start env --default-signal=INT jobctl-verify --dir "$D"
		eventually 10 prints t sql "SELECT count(*) = 1 FROM pg_stat_activity
			WHERE datname ~ '^jobctl_verify_' AND query ~ 'pg_sleep[(]1000' AND state = 'active'"
		# twice, as timeout(1) does, and with nothing between
		kill -"$signal" "$STARTED_PID" "$STARTED_PID"
		status=0
		wait "$STARTED_PID" || status=$?
		[ "$status" = $((128 + $(kill -l "$signal"))) ]
		[ "$(scratches)" = "" ]
	done
}

@test "a role whose name needs quotes can verify" {
	role_login 'Verify Odd'
	sql 'ALTER ROLE "Verify Odd" CREATEDB'
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
	run -0 --separate-stderr verify -d "host=$PGHOST port=$PGPORT dbname=$PGDATABASE user='Verify Odd'" --json --round-trip
	[ "$(jq -r 'select(.name == "role").value' <<<"$output")" = 'Verify Odd' ]
}

@test "roles that a set makes go with the scratch database; those that were there stay" {
	role_login verify_present
	put 0001_roles "DO \$\$ BEGIN
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'verify_present') THEN
			CREATE ROLE verify_present; END IF; END \$\$;
		CREATE ROLE verify_fresh; CREATE TABLE t (id int PRIMARY KEY);
		GRANT SELECT ON t TO verify_fresh, verify_present;" \
		'DROP TABLE t; DROP ROLE verify_fresh; DROP ROLE verify_present;'
	run -0 verify -Q
	[ "$(sql "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolname IN
		('verify_present', 'verify_fresh')")" = verify_present ]
}

@test "structure: every object that a migration makes, with its definition" {
	put 0001_all "CREATE SCHEMA s;
		CREATE TYPE s.mood AS ENUM ('glad', 'sad');
		CREATE DOMAIN s.short AS text CONSTRAINT is_short CHECK (length(VALUE) < 10);
		CREATE SEQUENCE s.counter;
		CREATE TABLE s.one (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			mood s.mood NOT NULL DEFAULT 'glad',
			name varchar(20) CONSTRAINT ck_name CHECK (name <> ''),
			twice int GENERATED ALWAYS AS (2 * 2) STORED) WITH (fillfactor = 50);
		COMMENT ON TABLE s.one IS 'the first';
		COMMENT ON COLUMN s.one.name IS 'as people say it';
		CREATE TABLE s.two (one_id bigint REFERENCES s.one ON DELETE CASCADE, at date,
			PRIMARY KEY (one_id, at)) PARTITION BY RANGE (at);
		CREATE TABLE s.two_rest PARTITION OF s.two DEFAULT;
		CREATE TABLE s.two_2026 PARTITION OF s.two FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
		CREATE INDEX one_name ON s.one (name) WHERE name IS NOT NULL;
		CREATE VIEW s.names AS SELECT name FROM s.one;
		CREATE FUNCTION s.f(int, text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION s.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER watch BEFORE INSERT ON s.one FOR EACH ROW EXECUTE FUNCTION s.t();
		ALTER TABLE s.one ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON s.one FOR SELECT USING (true);
		GRANT SELECT (name) ON s.one TO PUBLIC;
		CREATE STATISTICS s.st ON id, name FROM s.one;" 'DROP SCHEMA s CASCADE;'
	put 0002_more "ALTER TABLE s.one ALTER mood SET DEFAULT 'sad', ADD note text;
		DROP VIEW s.names;" "SELECT 1;"
	run -0 --separate-stderr verify --json
	[ "$(actual mine.0001_all.type.s.mood)" = "ENUM ('glad', 'sad')" ]
	[ "$(actual mine.0001_all.domain.s.short)" = text ]
	[ "$(actual mine.0001_all.constraint.s.short.is_short)" = 'CHECK ((length(VALUE) < 10))' ]
	[[ "$(actual mine.0001_all.sequence.s.counter)" == 'AS bigint START 1 INCREMENT 1 '* ]]
	[ "$(actual mine.0001_all.table.s.one)" = '4 columns WITH fillfactor=50' ]
	[ "$(evidence mine.0001_all.table.s.one)" = 'row level security enabled; comment: the first' ]
	[ "$(actual mine.0001_all.column.s.one.id)" = 'bigint NOT NULL GENERATED ALWAYS AS IDENTITY' ]
	[ "$(evidence mine.0001_all.column.s.one.id)" = 'position 1' ]
	[ "$(actual mine.0001_all.column.s.one.mood)" = "s.mood NOT NULL DEFAULT 'glad'::s.mood" ]
	[ "$(actual mine.0001_all.column.s.one.name)" = 'character varying(20)' ]
	[ "$(evidence mine.0001_all.column.s.one.name)" = \
		'position 3; comment: as people say it; GRANT SELECT (name) ON TABLE s.one TO PUBLIC' ]
	[ "$(actual mine.0001_all.column.s.one.twice)" = 'integer GENERATED ALWAYS AS ((2 * 2)) STORED' ]
	[ "$(actual mine.0001_all.table.s.two)" = '2 columns PARTITION BY RANGE (at)' ]
	[ "$(actual mine.0001_all.partition.s.two_rest)" = 'of s.two DEFAULT' ]
	[ "$(actual mine.0001_all.partition.s.two_2026)" = '' ]
	[ "$(actual mine.0001_all.constraint.s.two.two_one_id_fkey)" = \
		'FOREIGN KEY (one_id) REFERENCES s.one(id) ON DELETE CASCADE' ]
	[ "$(actual mine.0001_all.index.s.one_name)" = \
		'CREATE INDEX one_name ON s.one USING btree (name) WHERE (name IS NOT NULL)' ]
	[ "$(actual mine.0001_all.index.s.one_pkey)" = 'CREATE UNIQUE INDEX one_pkey ON s.one USING btree (id)' ]
	[ "$(actual mine.0001_all.view.s.names)" = 'SELECT one.name FROM s.one' ]
	[[ "$(actual 'mine.0001_all.function.s.f(integer,text)')" == \
		"CREATE OR REPLACE FUNCTION s.f(integer, text DEFAULT 'x'::text) RETURNS integer LANGUAGE sql, body of 1 lines, SHA-256 "* ]]
	[[ "$(actual mine.0001_all.trigger.s.one.watch)" == 'CREATE TRIGGER watch BEFORE INSERT ON s.one '* ]]
	[ "$(actual mine.0001_all.policy.s.one.own)" = 'AS PERMISSIVE FOR SELECT TO PUBLIC USING (true)' ]
	[ "$(actual mine.0001_all.statistics.s.st)" = 'CREATE STATISTICS s.st ON id, name FROM s.one' ]
	[ "$(jq -r 'select(.id == "mine.0001_all.constraint.s.one.ck_name").section' <<<"$output")" = constraints ]
	[ "$(jq -r 'select(.id == "mine.0001_all.index.s.one_name").section' <<<"$output")" = indexes ]
	[ "$(actual mine.0002_more.column.s.one.note)" = text ]
	[ "$(actual mine.0002_more.default.s.one.mood)" = "'sad'::s.mood" ]
	[ "$(evidence mine.0002_more.default.s.one.mood)" = "was: 'glad'::s.mood" ]
	[ "$(jq -r 'select(.id == "mine.0002_more.view.s.names").what' <<<"$output")" = 'view s.names is removed' ]
}

@test "what is wrong in itself is found at the set's head" {
	put 0001_one "CREATE TABLE parent (id int PRIMARY KEY);
		CREATE TABLE one (id int PRIMARY KEY, p int, n int DEFAULT (1 / 0)); CREATE INDEX ON one (p);
		ALTER TABLE one ADD CONSTRAINT late FOREIGN KEY (p) REFERENCES parent NOT VALID;
		ALTER TABLE one ADD CONSTRAINT never FOREIGN KEY (p) REFERENCES parent NOT VALID;
		CREATE SEQUENCE loose; CREATE TABLE bare (n int DEFAULT nextval('loose'));
		CREATE TABLE told (n int); ALTER TABLE told REPLICA IDENTITY FULL;
		CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
	put 0002_two 'ALTER TABLE one VALIDATE CONSTRAINT late;'
	run -1 --separate-stderr verify --json
	[ "$(failures)" = "mine.head.constraint-valid.public.one.never mine.head.default-works.public.one.n mine.head.definer-search-path.public.f()" ]
	[ "$(warnings)" = "mine.head.definer-public.public.f() mine.head.primary-key.public.bare mine.head.sequence-owned.public.loose" ]
	[[ "$(actual mine.head.default-works.public.one.n)" == 'division by zero (SQLSTATE 22012)' ]]
	[ "$(verdict mine.head.index-valid)" = PASS ]
	[ "$(jq -r 'select(.id == "mine.head.constraint-valid.public.one.never").fix' <<<"$output")" = \
		'ALTER TABLE public.one VALIDATE CONSTRAINT never' ]
}

@test "an invalid index is a failure" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1), (2);
		UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT oid FROM pg_class WHERE relname = $$one_pkey$$);'
	run -1 --separate-stderr verify --json
	[ "$(failures)" = mine.head.index-valid.public.one_pkey ]
	[[ "$(actual mine.0001_one.index.public.one_pkey)" == *'(id) (INVALID)' ]]
}

@test "a round trip that leads back passes, for each step and the whole" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
	put 0002_two "CREATE TYPE mood AS ENUM ('glad'); ALTER TABLE one ADD m mood;" \
		'ALTER TABLE one DROP m; DROP TYPE mood;'
	mkdir "$D/api"
	printf '%s\n' '-- drop: FUNCTION f()' 'CREATE FUNCTION f() RETURNS int RETURN 1;' >"$D/api/f.sql"
	run -0 --separate-stderr verify --json --round-trip
	[ "$(jq -r 'select(.section == "roundtrip").id' <<<"$output" | paste -sd' ')" = \
"mine.0001_one.roundtrip.down mine.0001_one.roundtrip.up mine.0002_two.roundtrip.down mine.0002_two.roundtrip.up mine.api.roundtrip.down mine.api.roundtrip.up mine.head.roundtrip.down mine.head.roundtrip.up" ]
	[ "$(jq -r 'select(.section == "timings").id' <<<"$output" | wc -l)" = 12 ]
	[[ "$(actual mine.head.up)" == *" s" ]]
	[ "$(jq -r 'select(.section == "roundtrip").verdict' <<<"$output" | sort -u)" = PASS ]
}

# One thing that down forgets: what is it called?  (At the head a later DROP TABLE may hide it.)
leaves() {	# ID 'UP' 'DOWN'
	put 0001_one "CREATE TABLE one (id int PRIMARY KEY, n int DEFAULT 1);" 'DROP TABLE one;'
	put 0002_two "$2" "$3"
	put 0003_three 'SELECT 1;'
	run -1 --separate-stderr verify --json --round-trip
	prints "mine.0002_two.roundtrip.$1" failures_of mine.0002_two
}

@test "what down leaves behind, changes or forgets is named" {
	leaves down.type.public.mood \
		"DO \$\$ BEGIN CREATE TYPE mood AS ENUM ('x'); EXCEPTION WHEN duplicate_object THEN NULL; END \$\$" \
		'SELECT 1;'
	leaves down.sequence.public.lost 'CREATE SEQUENCE IF NOT EXISTS lost; CREATE TABLE two (id int PRIMARY KEY);' \
		'DROP TABLE two;'
	leaves 'down.function.public.f()' 'CREATE OR REPLACE FUNCTION f() RETURNS int RETURN 1;' 'SELECT 1;'
	leaves down.default.public.one.n 'ALTER TABLE one ALTER n SET DEFAULT 2;' 'SELECT 1;'
	leaves down.index.public.i 'CREATE INDEX IF NOT EXISTS i ON one (n);' 'SELECT 1;'
	leaves 'down.privilege.SELECT_ON_TABLE_public.one_TO_PUBLIC' 'GRANT SELECT ON one TO PUBLIC;' 'SELECT 1;'
	leaves 'down.comment.table_public.one' "COMMENT ON TABLE one IS 'x';" 'SELECT 1;'
	leaves down.rows.public.one 'INSERT INTO one VALUES (1) ON CONFLICT DO NOTHING;' 'SELECT 1;'
}

@test "what down takes that up did not make is named, and missing after up again, too" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY, n int);' 'DROP TABLE one;'
	put 0002_two 'SELECT 1;' 'ALTER TABLE one DROP COLUMN IF EXISTS n;'
	run -1 --separate-stderr verify --json --round-trip
	[ "$(failures_of mine.0002_two)" = \
		'mine.0002_two.roundtrip.down.column.public.one.n mine.0002_two.roundtrip.up.column.public.one.n' ]
	[ "$(jq -r 'select(.id == "mine.0002_two.roundtrip.down.column.public.one.n").fix' <<<"$output")" = \
		'ALTER TABLE public.one ADD COLUMN n integer' ]
}

@test "a role that down leaves behind is named, and goes with the scratch database" {
	leaves down.role.verify_left "DO \$\$ BEGIN CREATE ROLE verify_left; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$" \
		'SELECT 1;'
	[ "$(sql "SELECT count(*) FROM pg_roles WHERE rolname = 'verify_left'")" = 0 ]
}

@test "a down cannot drop the server's roles" {
	role_login verify_servers
	put 0001_roles "DO \$\$ BEGIN
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'verify_servers') THEN
			CREATE ROLE verify_servers; END IF; END \$\$;" 'DROP OWNED BY verify_servers; DROP ROLE verify_servers;'
	run -1 --separate-stderr verify --json --round-trip
	[[ "$(actual mine.0001_roles.roundtrip.down)" == *"cannot be dropped because some objects depend on it"* ]]
	[ "$(sql "SELECT count(*) FROM pg_roles WHERE rolname = 'verify_servers'")" = 1 ]
}

@test "a down that fails, and an up that cannot be repeated, are failures of their own" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE nonesuch;'
	put 0002_two 'CREATE TABLE two (id int PRIMARY KEY);' 'DROP TABLE two;'
	run -1 --separate-stderr verify --json --round-trip
	[ "$(failures)" = 'mine.0001_one.roundtrip.down mine.head.roundtrip.down' ]
	[ "$(verdict mine.0001_one.roundtrip.up)" = SKIP ]
	[ "$(verdict mine.0002_two.roundtrip.up)" = PASS ]
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY); CREATE TYPE t AS ENUM ();' 'DROP TABLE one;'
	printf '%s\n' '-- expect: rows 0' 'SELECT FROM one, two;' >"$D/0002_two.verify.sql"
	run -1 --separate-stderr verify --json --round-trip
	[ "$(failures)" = "mine.0001_one.roundtrip.down.type.public.t mine.0001_one.roundtrip.up mine.head.roundtrip.down.type.public.t mine.head.roundtrip.up" ]
	[ "$(verdict mine.0002_two.roundtrip.up)" = PASS ]
	[ "$(verdict mine.0002_two.probe.line2)" = PASS ]
	[ "$(verdict mine.head.index-used)" = SKIP ]
	[ "$(scratches)" = "" ]
}

@test "files without a transaction are proven, too" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY, n int);' 'DROP TABLE one;'
	put 0002_two $'-- jobctl: no-transaction\n-- jobctl: step\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON one (n);' \
		$'-- jobctl: no-transaction\n-- jobctl: step\nDROP INDEX CONCURRENTLY IF EXISTS i;'
	run -0 --separate-stderr verify --json --round-trip
	[ "$(verdict mine.0002_two.index.public.i)" = PASS ]
	[ "$(verdict mine.0002_two.roundtrip.up)" = PASS ]
}

@test "who is made a member of a role meanwhile stays one" {
	sql 'CREATE ROLE verify_group; CREATE ROLE verify_member'
	# shellcheck disable=SC2016	# SQL
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY); GRANT SELECT ON one TO verify_group;
		DO $$ BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = (SELECT oid FROM pg_roles
					WHERE rolname = current_setting($s$verify.group$s$))) LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
		END $$;' 'DROP TABLE one;'
	start env PGOPTIONS='-c verify.group=verify_group' jobctl-verify --dir "$D"
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE datname ~ '^jobctl_verify_' AND state = 'active'"
	sql 'GRANT verify_group TO verify_member'
	wait "$STARTED_PID"
	[ "$(sql "SELECT pg_has_role('verify_member', 'verify_group', 'MEMBER')")" = t ]
	[ "$(scratches)" = "" ]
	sql 'DROP ROLE verify_member; DROP ROLE verify_group'
}

# What a relation of the migration is locked with, by file and line.
locked() {	# MIGRATION RELATION
	jq -r --arg id "mine.$1.lock.$2" 'select(.id == $id) | .actual + " " + .evidence' <<<"$output" |
		sed 's/, held for [0-9]* ms/,/; s|from .*/\(.*\): .*|\1|'
}

@test "locks of steps are seen in a copy, also those of a step that can be in no transaction" {
	put 0001_one 'CREATE TABLE one (id int PRIMARY KEY, n int); CREATE TABLE two (n int PRIMARY KEY); CREATE TABLE three (n int PRIMARY KEY);
			INSERT INTO one SELECT n, n FROM generate_series(1, 100000) n; INSERT INTO three SELECT generate_series(1, 100000);' \
		'DROP TABLE one, two, three;'
	put 0002_two $'-- jobctl: no-transaction\n-- jobctl: step\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON one (n);
-- jobctl: step\nALTER TABLE two ADD x int;\n-- jobctl: step\nVACUUM FULL three;' \
		$'-- jobctl: no-transaction\n-- jobctl: step\nDROP INDEX CONCURRENTLY IF EXISTS i;'
	run --separate-stderr verify --json --rows 1000
	[ "$stderr" = "" ]
	[ "$(locked 0002_two public.one)" = 'SHARE UPDATE EXCLUSIVE, 0002_two.up.sql:3' ]
	[ "$(locked 0002_two public.two)" = 'ACCESS EXCLUSIVE, at 1000 rows 0002_two.up.sql:5' ]
	[ "$(locked 0002_two public.three)" = 'ACCESS EXCLUSIVE, 0002_two.up.sql:7' ]
	[ "$(scratches)" = "" ]
}
