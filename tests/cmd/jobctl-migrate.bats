#!/usr/bin/env bats
# jobctl-migrate: a migration is applied wholly, once and on record, or not at all.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	empty_database "t$BATS_TEST_NUMBER"
	D=$BATS_TEST_TMPDIR/mine
	mkdir "$D"
}

teardown() {
	stop_all
	drop_database "t$BATS_TEST_NUMBER"
}

mig() {
	jobctl-migrate --dir "$D" "$@"
}

# In the background, as the process that STARTED_PID is.
start_mig() {
	start jobctl-migrate --dir "$D" "$@"
}

# One migration: its name, its up and its down.
put() {		# NNNN_name 'UP' ['DOWN']
	printf '%s\n' "$2" >"$D/$1.up.sql"
	printf '%s\n' "${3:-SELECT 1;}" >"$D/$1.down.sql"
}

three_tables() {
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	put 0002_two 'CREATE TABLE two (id int);' 'DROP TABLE two;'
	put 0003_three 'CREATE TABLE three (id int);' 'DROP TABLE three;'
}

api() {		# name 'HEADERS AND SQL'
	mkdir -p "$D/api"
	printf '%s\n' "$2" >"$D/api/$1.sql"
}

tables() {
	sql "SELECT string_agg(relname::text, ' ' ORDER BY relname) FROM pg_class
	     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
}

applied() {
	sql "SELECT string_agg(version::text, ' ' ORDER BY version) FROM jobctl.schema_migrations
	     WHERE set = 'mine'"
}

states() {
	mig status -H -o state 2>/dev/null | paste -sd' '
}

# Everything in the database that initdb did not make, but extensions: others may use them.
leftovers() {
	sql "SELECT nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	      WHERE c.oid >= 16384 AND nspname <> 'pg_toast'
	     UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
	      WHERE oid >= 16384 AND nspname !~ '^pg_'
	     UNION ALL SELECT 'function ' || proname FROM pg_proc p
	      WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
	     UNION ALL SELECT 'type ' || typname FROM pg_type t
	      WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend WHERE objid IN (t.oid, t.typelem)
	                                                                 AND deptype = 'e')
	     UNION ALL SELECT 'default privileges' FROM pg_default_acl"
}

# The schema as text; newer versions of pg_dump put random words in lines that begin with "\".
schema() {
	pg_dump -s | grep -v '^[\\]'
}

# The sets in sql/ that have files.
sets() {
	local set

	while read -r set; do
		! compgen -G "$SUITE_ROOT/sql/$set/*.up.sql" >/dev/null || echo "$set"
	done <"$SUITE_ROOT/sql/SETS"
}

# A session that holds what the SQL takes until it is told to go: hold 'LOCK TABLE one'
hold() {	# SQL
	HOLD=$BATS_TEST_TMPDIR/hold
	mkfifo "$HOLD"
	start env PGAPPNAME=holder psql -Xqf "$HOLD"
	HOLD_PID=$STARTED_PID
	exec 9>"$HOLD"
	printf 'BEGIN;\n%s;\n' "$1" >&9
	eventually 10 prints t sql "SELECT count(*) > 0 FROM pg_stat_activity
		WHERE application_name = 'holder' AND state = 'idle in transaction'"
}

release() {
	printf '%s\n' 'ROLLBACK;' '\q' >&9
	exec 9>&-
	eventually 10 gone "$HOLD_PID"
}

waits_for_lock() {	# APPLICATION
	sql "SELECT count(*) > 0 FROM pg_stat_activity
	     WHERE datname = current_database() AND application_name ~ '$1' AND wait_event_type = 'Lock'"
}

is_running() {	# PATTERN
	sql "SELECT count(*) > 0 FROM pg_stat_activity
	     WHERE datname = current_database() AND query ~ '$1' AND state = 'active'
	       AND pid <> pg_backend_pid()"
}

@test "the compiled-in sets go up, are current, and go down to nothing" {
	run -1 --separate-stderr jobctl-migrate status
	[[ $stderr == *"pending; run: jobctl-migrate up"* ]]
	run -0 --separate-stderr jobctl-migrate up
	[ "$output" = "" ]
	[[ $stderr == *"applied jobctl 0001_"* ]]
	run -0 --separate-stderr jobctl-migrate status
	[ "$stderr" = "" ]
	[[ $output != *pending* ]]
	run -0 --separate-stderr jobctl-migrate up
	[[ $stderr == *"up to date: jobctl at 0"* ]]
	run -64 jobctl-migrate down --to 0
	[[ $output == *"this reverts "*" migrations and drops what they made"*"add --yes"* ]]
	run -0 jobctl-migrate down --to 0 --yes
	run -0 leftovers
	[ "$output" = "" ]
}

@test "from each version back to the head the compiled-in sets are as they were" {
	local set version want

	jobctl-migrate -Q up
	want=$(schema)
	for set in $(sql "SELECT DISTINCT set FROM jobctl.schema_migrations"); do
		for version in 0 $(sql "SELECT version FROM jobctl.schema_migrations
		                        WHERE set = '$set' AND version > 0"); do
			[ "$set$version" != jobctl0 ] || continue	# other sets build on it
			jobctl-migrate -Q --set "$set" down --to "$version" --yes
			jobctl-migrate -Q --set "$set" up
			[ "$(schema)" = "$want" ]
		done
	done
}

@test "what is compiled in is what is in sql/, and newest is what the programs expect" {
	local set head max

	jobctl-migrate -Q up
	for set in $(sets); do
		run -0 jobctl-migrate --dir "$SUITE_ROOT/sql/$set" status
	done
	head=$(sql "SELECT max(version) FROM jobctl.schema_migrations WHERE set = 'jobctl'")
	max=$(sed -n 's/^#define PG_SCHEMA_MAX //p' "$SUITE_ROOT/lib/pg.h")
	[ "$head" = "$max" ]
}

@test "psql runs the files of each set too" {
	local set f args

	for set in $(sets); do
		args=()
		for f in "$SUITE_ROOT/sql/$set"/*.up.sql "$SUITE_ROOT/sql/$set"/api/*.sql; do
			[ ! -e "$f" ] || args+=(-f "$f")
		done
		PGOPTIONS="-c check_function_bodies=off" psql -Xq -v ON_ERROR_STOP=1 -1 "${args[@]}"
		for f in "$SUITE_ROOT/sql/$set"/*.verify.sql; do
			[ ! -e "$f" ] || psql -Xq -v ON_ERROR_STOP=1 -1 -f "$f"
		done
	done
}

@test "a printed plan does in psql what up does" {
	local want

	jobctl-migrate up
	want=$(schema)
	jobctl-migrate down --to 0 --yes
	jobctl-migrate plan >"$BATS_TEST_TMPDIR/plan.sql"
	psql -Xq -v ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/plan.sql"
	[ "$(schema)" = "$want" ]
	run -0 jobctl-migrate status -Q
	run -0 --separate-stderr jobctl-migrate plan
	[ "$output" = "" ]
	[[ $stderr == *"nothing to run"* ]]
}

@test "a printed plan refuses a database that has moved on" {
	three_tables
	mig -Q up --to 1
	mig plan >"$BATS_TEST_TMPDIR/plan.sql"
	mig -Q up --to 2
	run -3 psql -Xq -v ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/plan.sql"
	[[ $output == *'this plan was made for another state of set "mine"'* ]]
	[ "$(applied)" = "1 2" ]
}

@test "plan without a database is 69" {
	run -69 --separate-stderr jobctl-migrate plan -d "host=$BATS_TEST_TMPDIR"
	[ "$output" = "" ]
	[[ $stderr == *"cannot connect"* ]]
}

@test "a directory is a set named like it, or by --set" {
	three_tables
	run -0 mig up
	[ "$(tables)" = "one three two" ]
	[ "$(applied)" = "1 2 3" ]
	run -1 mig --set other status
	[[ $output == *other*pending* ]]
	cd "$D"
	run -0 jobctl-migrate --dir . status -Q
	run -0 jobctl-migrate --dir "$D///" status -Q
}

@test "down reverts one step, down --to several, and leaves nothing in the end" {
	three_tables
	mig -Q up
	run -0 --separate-stderr mig down
	[[ $stderr == *"reverted mine 0003_three"* ]]
	[ "$(tables)" = "one two" ]
	mig -Q up
	run -64 mig down --to 1
	[ "$(tables)" = "one three two" ]
	run -0 mig down --to 1 --yes
	[ "$(tables)" = "one" ]
	run -64 mig down
	[[ $output == *"this reverts 1 migration and"* ]]
	run -0 mig down --yes
	run -0 --separate-stderr mig down
	[[ $stderr == *"nothing to revert"* ]]
	[ "$(leftovers)" = "" ]
}

@test "down leaves the bookkeeping while another set needs it, and a schema that is not its own" {
	three_tables
	mig -Q up
	mig -Q --set other up --to 0
	mkdir "$BATS_TEST_TMPDIR/other"
	D=$BATS_TEST_TMPDIR/other put 0001_x 'CREATE TABLE jobctl.theirs ();' 'DROP TABLE jobctl.theirs;'
	jobctl-migrate --dir "$BATS_TEST_TMPDIR/other" -Q up
	mig -Q down --to 0 --yes
	[ "$(sql "SELECT set FROM jobctl.schema_migrations")" = other ]
	sql "CREATE TABLE jobctl.precious ()"
	jobctl-migrate --dir "$BATS_TEST_TMPDIR/other" -Q down --yes
	run -0 leftovers
	[[ $output == *jobctl.precious* ]]
	[[ $output == *"schema jobctl"* ]]
	[[ $output != *schema_migrations* ]]
}

@test "everything that is wrong with a directory is said at once" {
	put 0001_one 'SELECT 1;'
	put 0001_uno 'SELECT 1;'
	put 0002_nodown 'SELECT 1;'
	rm "$D/0002_nodown.down.sql"
	put 0003_noup 'SELECT 1;'
	rm "$D/0003_noup.up.sql"
	put 0004_nul "SELECT 1;"
	printf 'SELECT 1;\nSEL\0ECT 1;\n' >"$D/0004_nul.up.sql"
	put 0005_latin "SELECT 1;"
	printf '\n\nSELECT %b;\n' "'\\0351'" >"$D/0005_latin.up.sql"
	put 0006_commit $'CREATE TABLE x ();\n/* really */ commit;\nCREATE TABLE y ();'
	put 0007_open "SELECT 'it''s;"
	put 0008_typo $'-- jobctl: no-transction\nSELECT 1;'
	put 0009_copy $'COPY one FROM stdin;\n1\n\\.'
	touch "$D/init.sql" "$D/0000_zero.up.sql" "$D/readme.txt" "$D/.#0001_one.up.sql"
	printf '%s\n' '-- drop: SCHEMA public' >"$D/x"
	mkdir "$D/api"
	mv "$D/x" "$D/api/bad.sql"
	echo 'SELECT 1;' >"$D/api/mute.sql"
	run -65 --separate-stderr mig up
	[ "$output" = "" ]
	[[ $stderr == *"version 1 twice, as \"one\" and \"uno\""* ]]
	[[ $stderr == *"0002_nodown.up.sql: there is no 0002_nodown.down.sql"* ]]
	[[ $stderr == *"0003_noup.down.sql: there is no 0003_noup.up.sql"* ]]
	[[ $stderr == *"0004_nul.up.sql: line 2 has a NUL byte"* ]]
	[[ $stderr == *"0005_latin.up.sql: line 3 is not valid UTF-8"* ]]
	[[ $stderr == *"0006_commit.up.sql: line 2: COMMIT: "* ]]
	[[ $stderr == *"0007_open.up.sql: the string that begins on line 1 is not closed"* ]]
	[[ $stderr == *"0008_typo.up.sql: line 1: unknown directive"* ]]
	[[ $stderr == *"0009_copy.up.sql: line 1: COPY FROM STDIN"* ]]
	[[ $stderr == *"init.sql: not the name of a migration"* ]]
	[[ $stderr == *"0000_zero.up.sql: not the name of a migration"* ]]
	[[ $stderr == *"api/bad.sql: \"-- drop: SCHEMA public\" is not what DROP takes"* ]]
	[[ $stderr == *"api/mute.sql: does not say how to remove what it makes"* ]]
	[[ $stderr != *readme* ]]
	[[ $stderr != *"#0001"* ]]
	[ "$(leftovers)" = "" ]
}

@test "no directory, no files or no readable file is 66" {
	run -66 jobctl-migrate --dir "$D/none" up
	[[ $output == *"No such file or directory"* ]]
	run -66 mig up
	[[ $output == *"there are no migrations in "* ]]
	put 0001_one 'SELECT 1;'
	mkdir "$D/0002_dir.up.sql"
	run -66 mig up
	[[ $output == *"0002_dir.up.sql: not a regular file"* ]]
	rmdir "$D/0002_dir.up.sql"
	mkfifo "$D/0003_fifo.up.sql"
	run -66 timeout 10 jobctl-migrate --dir "$D" up
	[[ $output == *"0003_fifo.up.sql: not a regular file"* ]]
}

@test "usage mistakes are 64" {
	run -64 jobctl-migrate
	run -64 jobctl-migrate sideways
	run -64 jobctl-migrate up down
	run -64 jobctl-migrate --set nosuch up
	[[ $output == *'there is no set "nosuch", only: jobctl'* ]]
	run -64 jobctl-migrate --dir "$D" --set a --set b up
	run -64 jobctl-migrate --dir "$D" --set 'a b' up
	run -64 jobctl-migrate --dir / up
	run -64 jobctl-migrate --to -1 up
	run -64 jobctl-migrate --to x up
	run -64 jobctl-migrate --lock-timeout 2 up
	run -64 jobctl-migrate --json plan
}

@test "a name that is a terminal's escape is shown harmless" {
	printf 'x' >"$D/$(printf '0001_\033[31m.sql')"
	run -65 mig up
	[[ $output == *'0001_\x1b[31m.sql: not the name'* ]]
	[[ $output != *$'\033'* ]]
}

@test "an error names file and line, SQLSTATE and hint, and leaves nothing" {
	put 0001_bad $'-- café\nCREATE TABLE t (id int);\n\nSELECT éé, nosuch\nFROM t;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"/0001_bad.up.sql:4: column \"éé\" does not exist (SQLSTATE 42703)"* ]]
	[ "$(leftovers)" = "" ]
	put 0001_bad $'CREATE TABLE t (id int PRIMARY KEY);\nINSERT INTO t VALUES (1);;\n-- a; b\nINSERT INTO t\nVALUES (1);\nSELECT 1;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"/0001_bad.up.sql:4: duplicate key"*"Key (id)=(1) already exists"*"(SQLSTATE 23505)"* ]]
	put 0001_bad $'DO $$ BEGIN\n RAISE EXCEPTION \'no\' USING HINT = \'do that\'; END $$;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"/0001_bad.up.sql:1: no (SQLSTATE P0001)"*"hint: do that"* ]]
	put 0001_bad $'CREATE TABLE t (id int PRIMARY KEY);\nALTER TABLE t ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED;\nINSERT INTO t VALUES (2);'
	run -0 mig up
	put 0002_deferred $'CREATE TABLE d (id int REFERENCES t DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO d VALUES (9);'
	run -65 --separate-stderr mig up
	[[ $stderr == *"mine 0002_deferred: at its end: "*"violates foreign key constraint"* ]]
	[ "$(applied)" = 1 ]
	[ "$(tables)" = t ]
}

@test "a COMMIT that could not be seen before is seen after" {
	sql "ALTER DATABASE $PGDATABASE SET standard_conforming_strings = off"
	put 0001_hidden $'CREATE TABLE one ();\nSELECT \'\\\'\'; COMMIT; --\'\n;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"0001_hidden.up.sql ended the transaction it runs in"* ]]
	[ "$(tables)" = one ]
	put 0001_hidden $'SELECT \'\\\'\'; COMMIT; BEGIN; --\'\n;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"0001_hidden.up.sql ended the transaction it runs in"* ]]
}

@test "what came before an error stays, and up goes on from there" {
	three_tables
	put 0002_two 'CREATE TABLE two (id nosuch);'
	run -65 mig up
	[ "$(applied)" = 1 ]
	put 0002_two 'CREATE TABLE two (id int);'
	run -0 mig up
	[ "$(applied)" = "1 2 3" ]
}

@test "an applied file that was edited is refused, line ends and blank lines aside" {
	three_tables
	put 0001_one $'-- one\nCREATE TABLE one (id int);'
	mig -Q up
	sed -i 's/$/\r/' "$D/0001_one.up.sql"
	printf '\n \n\n' >>"$D/0002_two.up.sql"
	run -0 mig status -Q
	printf -- '-- more\n' >>"$D/0001_one.up.sql"
	printf -- '-- more\n' >>"$D/0003_three.up.sql"
	put 0004_four 'CREATE TABLE four ();'
	run -65 --separate-stderr mig status
	[[ $stderr == *"mine 0001_one was edited since it was applied"* ]]
	[[ $stderr == *"mine 0003_three was edited since it was applied"* ]]
	[ "$(states)" = "edited applied edited pending" ]
	run -65 mig up
	[ "$(applied)" = "1 2 3" ]
	run -65 --separate-stderr mig plan
	[ "$output" = "" ]
	run -0 mig down
	[[ $output == *"mine 0003_three was edited since it was applied; what reverts it"* ]]
	[[ $output != *"0001_one was edited"* ]]
	[ "$(applied)" = "1 2" ]
}

@test "an applied file that is gone is 65, one past the last is a newer program's, 76" {
	three_tables
	mig -Q up
	rm "$D"/0002*
	run -65 --separate-stderr mig up
	[[ $stderr == *"mine 0002_two is applied and its file is missing"* ]]
	[ "$(states)" = "applied missing applied" ]
	rm "$D"/0003*
	run -76 --separate-stderr mig up
	[[ $stderr == *"0003_three was applied by jobctl "* ]]
	run -76 mig status
	run -76 mig down
	[[ $output == *"0003_three cannot be reverted: there is no file for it"* ]]
	[ "$(applied)" = "1 2 3" ]
}

@test "a newer api than the program's own is left alone" {
	jobctl-migrate -Q up
	sql "UPDATE jobctl.schema_migrations SET tool_version = '99.0', sha256 = 'x' WHERE version = 0"
	run -76 jobctl-migrate up
	[[ $output == *"jobctl api was applied by jobctl 99.0"* ]]
	run -76 jobctl-migrate status
}

@test "a migration that comes late is refused unless allowed" {
	three_tables
	mv "$D/0002_two.up.sql" "$BATS_TEST_TMPDIR/up"
	mv "$D/0002_two.down.sql" "$BATS_TEST_TMPDIR/down"
	mig -Q up
	mv "$BATS_TEST_TMPDIR/up" "$D/0002_two.up.sql"
	mv "$BATS_TEST_TMPDIR/down" "$D/0002_two.down.sql"
	put 0004_four 'CREATE TABLE four ();'
	run -1 --separate-stderr mig status
	[[ $output == *out-of-order* ]]
	run -65 mig up
	[[ $output == *"mine 0002_two is not applied, though a later one is"* ]]
	[ "$(applied)" = "1 3" ]
	run -0 mig up --allow-out-of-order
	[ "$(applied)" = "1 2 3 4" ]
	run -0 mig status -Q
}

@test "--to stops at a version" {
	three_tables
	run -0 mig up --to 2
	[ "$(applied)" = "1 2" ]
	run -0 --separate-stderr mig up --to 1
	[[ $stderr == *"up to date: mine at 0001"* ]]
	run -66 mig up --to 9
	[[ $output == *"set mine has no version 9"* ]]
	run -66 mig down --to 9 --yes
	[ "$(applied)" = "1 2" ]
}

@test "two that start at once both succeed, and each migration is applied once" {
	local i pids=() logs=()

	put 0001_slow 'SELECT pg_sleep(0.3); CREATE TABLE one ();'
	put 0002_next 'CREATE TABLE two ();'
	for i in 1 2 3 4; do
		start_mig up
		pids+=("$STARTED_PID")
		logs+=("$STARTED_LOG")
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(cat "${logs[@]}" | grep -c 'applied mine')" = 2 ]
	[ "$(cat "${logs[@]}" | grep -c 'up to date')" = 3 ]
	[ "$(applied)" = "1 2" ]
}

@test "the holder of the lock is named when waiting for it is over" {
	put 0001_slow 'CREATE TABLE one ();'
	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	run -75 --separate-stderr mig up --wait-lock 0
	[[ $stderr == *"another migration is running: pid "*'application "holder"'* ]]
	run -75 --separate-stderr mig up --wait-lock 300ms
	[[ $stderr == *"waiting for pid"* ]]
	[ "$(leftovers)" = "" ]
	start_mig up
	eventually 10 grep -q "waiting for pid" "$STARTED_LOG"
	release
	wait "$STARTED_PID"
	[ "$(applied)" = 1 ]
}

@test "waiting for the lock does not keep CREATE INDEX CONCURRENTLY from finishing" {
	put 0001_one 'CREATE TABLE one (id int);'
	put 0002_index $'-- jobctl: no-transaction\nSELECT pg_sleep(0.5);\n-- jobctl: step\nCREATE INDEX CONCURRENTLY one_id ON one (id);'
	start_mig up
	local first=$STARTED_PID
	eventually 10 prints t is_running pg_sleep
	start_mig up
	wait "$first"
	wait "$STARTED_PID"
	[ "$(applied)" = "1 2" ]
}

@test "a locked table is waited for briefly, again and again, and then named with its holder" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_alter $'CREATE TABLE two ();\nALTER TABLE one ADD c int;'
	hold 'SELECT * FROM one'
	run -75 --separate-stderr mig up --lock-timeout 200ms --wait-lock 0
	[[ $stderr == *"/0002_alter.up.sql:2: canceling statement due to lock timeout"* ]]
	[[ $stderr == *"held by pid "*'application "holder"'* ]]
	[[ $stderr == *"idle in transaction: SELECT * FROM one"* ]]
	[ "$(tables)" = one ]
	start_mig up --lock-timeout 100ms
	eventually 10 grep -q 'trying again: .*holder' "$STARTED_LOG"
	release
	wait "$STARTED_PID"
	[ "$(applied)" = "1 2" ]
}

@test "INT and TERM undo what is half done and end the program" {
	local sig status

	put 0001_one 'CREATE TABLE one ();'
	put 0002_slow 'CREATE TABLE two (); SELECT pg_sleep(60);'
	for sig in INT TERM; do
		# setsid: a background job of a script has INT ignored, and ignored it stays
		start env --default-signal=INT jobctl-migrate --dir "$D" up
		eventually 10 prints t is_running pg_sleep
		kill "-$sig" "$STARTED_PID"
		eventually 10 gone_or_zombie "$STARTED_PID"
		status=0
		wait "$STARTED_PID" || status=$?
		[ "$status" = $((128 + $(kill -l $sig))) ]
		grep -q 'interrupted: the migration that was running has changed nothing' "$STARTED_LOG"
		[ "$(applied)" = 1 ]
		[ "$(tables)" = one ]
	done
	start_mig up
	eventually 10 prints t is_running pg_sleep
	kill -INT "$STARTED_PID"
	kill -TERM "$STARTED_PID"
	status=0
	wait "$STARTED_PID" || status=$?
	[ "$status" = 143 ]
}

@test "a signal that is ignored stays ignored" {
	put 0001_one 'CREATE TABLE one (); SELECT pg_sleep(0.5);'
	start env --ignore-signal=INT jobctl-migrate --dir "$D" up
	eventually 10 prints t is_running pg_sleep
	kill -INT "$STARTED_PID"
	wait "$STARTED_PID"
	[ "$(applied)" = 1 ]
}

@test "a signal ends the wait for the lock" {
	local status=0

	put 0001_one 'CREATE TABLE one ();'
	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	start_mig up
	eventually 10 grep -q "waiting for pid" "$STARTED_LOG"
	kill -TERM "$STARTED_PID"
	wait "$STARTED_PID" || status=$?
	[ "$status" = 143 ]
	grep -q "interrupted while waiting" "$STARTED_LOG"
}

@test "after kill -9 in the middle up goes on" {
	put 0001_one 'CREATE TABLE one ();'
	put 0002_slow 'CREATE TABLE two (); SELECT pg_sleep(30) WHERE NOT EXISTS (SELECT FROM quick);'
	sql "CREATE TABLE quick ()"
	sed -i '1i CREATE TABLE before ();' "$D/0002_slow.up.sql"
	start_mig up
	eventually 10 prints t is_running pg_sleep
	kill -9 "$STARTED_PID"
	sql "INSERT INTO quick DEFAULT VALUES"
	run -0 mig up
	[ "$(applied)" = "1 2" ]
	[ "$(tables)" = "before one quick two" ]
}

@test "killed at any moment, and run again, it comes to the same end" {
	local i kills=0

	for i in 1 2 3 4 5 6; do
		put "000${i}_t" "CREATE TABLE t$i (id int); SELECT pg_sleep(0.02); INSERT INTO t$i VALUES ($i);" \
			"DROP TABLE t$i;"
	done
	put 0007_steps "-- jobctl: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON t1 (id);
-- jobctl: step
CREATE INDEX CONCURRENTLY IF NOT EXISTS b ON t2 (id);
-- jobctl: step
CREATE INDEX CONCURRENTLY IF NOT EXISTS c ON t3 (id);" "DROP INDEX IF EXISTS a, b, c;"
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	for i in 5 20 30 40 50 60 80 100 120 150; do
		start_mig up
		sleep "0.$(printf '%03d' "$i")"	# the moment: anything may be going on
		kill -9 "$STARTED_PID" 2>/dev/null || break
		kills=$((kills + 1))
	done
	[ "$kills" -gt 2 ]
	run -0 mig up
	[ "$(applied)" = "0 1 2 3 4 5 6 7" ]
	[ "$(sql "SELECT count(*) FROM pg_index WHERE indexrelid::regclass::text IN ('a', 'b', 'c')
	          AND indisvalid")" = 3 ]
	[ "$(sql "SELECT (SELECT count(*) FROM t1) + (SELECT count(*) FROM t2) + (SELECT count(*) FROM t6)")" = 3 ]
	[ "$(sql "SELECT f()")" = 1 ]
	run -0 mig down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

@test "the server going away is 69 and nothing is half done" {
	local status=0

	put 0001_one 'CREATE TABLE one (); SELECT pg_sleep(60);'
	start_mig up
	eventually 10 prints t is_running pg_sleep
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	     WHERE datname = current_database() AND query ~ 'pg_sleep' AND pid <> pg_backend_pid()"
	wait "$STARTED_PID" || status=$?
	[ "$status" = 69 ]
	grep -q '0001_one.up.sql' "$STARTED_LOG"
	[ "$(leftovers)" = "" ]
}

@test "a statement that cannot run in a transaction fails with the way to do it" {
	put 0001_a 'VACUUM;'
	run -65 --separate-stderr mig up
	[[ ${stderr_lines[0]} == *'VACUUM cannot run inside a transaction block'* ]]
	[ "${stderr_lines[1]}" = 'jobctl-migrate: hint: begin the file with the line: -- jobctl: no-transaction' ]
	sed -i '1i -- jobctl: no-transaction' "$D/0001_a.up.sql"
	run -0 mig up
}

@test "steps without a transaction are on record, and the next up goes on after the last" {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);' 'DROP TABLE one;'
	put 0002_index '-- jobctl: no-transaction
-- Two indexes.
CREATE INDEX CONCURRENTLY a ON one (id);
-- jobctl: step
CREATE UNIQUE INDEX CONCURRENTLY b ON one (id);
-- jobctl: step
CREATE INDEX CONCURRENTLY c ON one (id);' '-- jobctl: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS c;
-- jobctl: step
DROP INDEX CONCURRENTLY IF EXISTS b;
-- jobctl: step
DROP INDEX CONCURRENTLY IF EXISTS a;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"/0002_index.up.sql:5: could not create unique index \"b\""* ]]
	[ "$(applied)" = 1 ]
	[ "$(states)" = "applied interrupted" ]
	run -1 --separate-stderr mig status -o steps_done,steps,state -H
	[[ $output == *$'1\t3\tinterrupted' ]]
	[ "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'b'::regclass")" = f ]
	sql "DELETE FROM one"
	run -0 mig up
	[ "$(applied)" = "1 2" ]
	[ "$(sql "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ',' ORDER BY indexrelid)
	          FROM pg_index WHERE indrelid = 'one'::regclass")" = "a true,b true,c true" ]
	[ "$(sql "TABLE jobctl.schema_migration_steps")" = "" ]
	run -0 mig down --to 1
	[ "$(sql "SELECT count(*) FROM pg_index WHERE indrelid = 'one'::regclass")" = 0 ]
	[ "$(applied)" = 1 ]
}

@test "a step that is done cannot be edited, one that failed can" {
	put 0001_steps $'-- jobctl: no-transaction\nCREATE TABLE one ();\n-- jobctl: step\nSELECT 1/0;'
	run -65 mig up
	sed -i 's/CREATE TABLE one/CREATE TABLE uno/' "$D/0001_steps.up.sql"
	run -65 --separate-stderr mig up
	[[ $stderr == *"mine 0001_steps is half done and the steps that are done were edited"* ]]
	sed -i 's/CREATE TABLE uno/CREATE TABLE one/; s,1/0,1/1,' "$D/0001_steps.up.sql"
	run -0 mig up
	[ "$(applied)" = 1 ]
	[ "$(tables)" = one ]
}

@test "a file that is half done can be reverted" {
	put 0001_steps $'-- jobctl: no-transaction\nCREATE TABLE one ();\n-- jobctl: step\nSELECT 1/0;' \
		'DROP TABLE IF EXISTS one;'
	run -65 mig up
	run -0 mig down --yes
	[ "$(leftovers)" = "" ]
}

@test "a step that leaves an invalid index is not done" {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);' 'DROP TABLE one;'
	mig -Q up
	run -1 sql "CREATE UNIQUE INDEX CONCURRENTLY one_id ON one (id)"
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS one_id ON one (id);'
	run -65 --separate-stderr mig up
	[[ $stderr == *"the step left an invalid index: public.one_id"* ]]
	[[ $stderr == *"run DROP INDEX CONCURRENTLY public.one_id"* ]]
	[ "$(applied)" = 1 ]
}

@test "kill -9 while an index is built concurrently leaves nothing that up cannot mend" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY one_id ON one (id);'
	hold 'LOCK TABLE one IN ROW EXCLUSIVE MODE'
	start_mig up
	eventually 10 prints t waits_for_lock jobctl-migrate
	kill -9 "$STARTED_PID"
	eventually 10 prints 0 sql "SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name ~ 'jobctl-migrate'"
	release
	[ "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_id'::regclass")" = f ]
	run -0 mig up
	[ "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_id'::regclass")" = t ]
	[ "$(applied)" = "1 2" ]
}

@test "steps have one statement each and no transaction of their own" {
	put 0001_a $'-- jobctl: no-transaction\nSELECT 1;\nSELECT 2;'
	put 0002_b $'-- jobctl: no-transaction\nSELECT 1;\n-- jobctl: step\n-- nothing\n-- jobctl: step\nSELECT 1;'
	put 0003_c $'-- jobctl: no-transaction\nBEGIN;'
	put 0004_d $'SELECT 1;\n-- jobctl: step\nSELECT 2;'
	put 0005_e $'SELECT 1;\n-- jobctl: no-transaction'
	run -65 --separate-stderr mig up
	[[ $stderr == *"0001_a.up.sql: line 3: a second statement in one step"* ]]
	[[ $stderr == *"0002_b.up.sql: line 3: a step without a statement"* ]]
	[[ $stderr == *"0003_c.up.sql: line 2: a step cannot be BEGIN"* ]]
	[[ $stderr == *"0004_d.up.sql: line 2: only a file that begins with"* ]]
	[[ $stderr == *"0005_e.up.sql: line 2: "*"belongs in the comment the file begins with"* ]]
}

@test "a plan with steps runs in psql" {
	put 0001_one 'CREATE TABLE one (id int)'
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a ON one (id)\n-- jobctl: step\nCREATE INDEX CONCURRENTLY b ON one (id)'
	mig plan >"$BATS_TEST_TMPDIR/plan.sql"
	psql -Xq -v ON_ERROR_STOP=1 -f "$BATS_TEST_TMPDIR/plan.sql"
	run -0 mig status -Q
	[ "$(sql "SELECT count(*) FROM pg_index WHERE indrelid = 'one'::regclass AND indisvalid")" = 2 ]
}

@test "the api comes with the head, follows its files, and goes first" {
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	put 0002_two 'CREATE TABLE two (id int);' 'DROP TABLE two;'
	api a_view $'-- drop: VIEW v\n-- after: z_view.sql\nCREATE VIEW v AS SELECT * FROM z;'
	api z_view $'-- drop: VIEW z\nCREATE VIEW z AS SELECT id FROM two;'
	api f $'-- drop: FUNCTION f(int)\nCREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS \'SELECT g($1)\';'
	api g $'-- drop: FUNCTION g(int)\nCREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS \'SELECT count(*)::int FROM v\';'
	run -0 mig up --to 1
	[ "$(sql "SELECT to_regproc('g') IS NULL")" = t ]
	run -0 mig up
	[ "$(sql "SELECT f(1)")" = 0 ]
	[ "$(applied)" = "0 1 2" ]
	# a new version: one function is gone, one returns something else, a view has another column
	rm "$D/api/f.sql"
	api g $'-- drop: FUNCTION g(int)\nCREATE FUNCTION g(int) RETURNS text LANGUAGE sql AS \'SELECT $$new$$::text\';'
	put 0003_alter 'ALTER TABLE two RENAME id TO nr; ALTER TABLE two ALTER nr TYPE bigint;' \
		'ALTER TABLE two RENAME nr TO id; ALTER TABLE two ALTER id TYPE int;'
	api z_view $'-- drop: VIEW z\nCREATE VIEW z AS SELECT nr FROM two;'
	[ "$(states)" = "applied applied pending outdated" ]
	run -0 mig up
	[ "$(sql "SELECT g(1)")" = new ]
	[ "$(sql "SELECT to_regproc('f') IS NULL")" = t ]
	[ "$(sql "SELECT count(nr) FROM v")" = 0 ]
	run -0 mig status -Q
	run -0 mig down
	[ "$(sql "SELECT to_regproc('g') IS NULL AND to_regclass('v') IS NULL")" = t ]
	[ "$(applied)" = "1 2" ]
	run -0 mig down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

@test "from head to head there is no moment without the api" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0002_two 'CREATE TABLE two ();'
	put 0003_three 'SELECT 1/0;'
	run -65 mig up
	[ "$(applied)" = "0 1" ]
	[ "$(sql "SELECT f()")" = 1 ]
}

@test "who stops between steps with the api gone is told so" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0002_steps $'-- jobctl: no-transaction\nSELECT 1/0;'
	run -65 --separate-stderr mig up
	[[ $stderr != *"are gone"* ]]
	[ "$(sql "SELECT f()")" = 1 ]
	put 0002_steps $'-- jobctl: no-transaction\nSELECT 1/1;'
	put 0003_three 'CREATE TABLE three ();'
	put 0004_steps $'-- jobctl: no-transaction\nSELECT 1/0;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"0004_steps.up.sql:2: division by zero"* ]]
	[[ $stderr == *"hint: the set's functions and views are gone until up has come to its end"* ]]
	[ "$(sql "SELECT to_regproc('f') IS NULL")" = t ]
	put 0004_steps $'-- jobctl: no-transaction\nSELECT 1/1;'
	run -0 mig up
	[ "$(sql "SELECT f()")" = 1 ]
	run -0 mig status -Q
}

@test "an api file whose drop line is wrong is refused before anything depends on it" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f(text)\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	run -65 --separate-stderr mig up
	[[ $stderr == *"api/f.sql: its \"-- drop:\" lines do not work: function f(text) does not exist"* ]]
	[ "$(leftovers)" = "" ]
	api f $'-- drop: nothing\nGRANT SELECT ON one TO PUBLIC;'
	run -0 mig up
}

@test "api files that come after each other in a circle are refused" {
	put 0001_one 'CREATE TABLE one ();'
	api a $'-- drop: nothing\n-- after: b\nSELECT 1;'
	api b $'-- drop: nothing\n-- after: a\nSELECT 1;'
	run -65 mig up
	[[ $output == *'"-- after:" lines lead back to itself'* ]]
	api b $'-- drop: nothing\n-- after: nosuch\nSELECT 1;'
	run -65 mig up
	[[ $output == *'api/b.sql: comes after "nosuch", which there is not'* ]]
}

@test "somebody's own view on ours survives a new version of the api" {
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	api f $'-- drop: FUNCTION f()\nCREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	api v $'-- drop: VIEW v\nCREATE OR REPLACE VIEW v AS SELECT id FROM one;'
	mig -Q up
	sql "CREATE VIEW public.theirs AS SELECT * FROM v"
	api v $'-- drop: VIEW v\nCREATE OR REPLACE VIEW v AS SELECT id, 2 AS two FROM one;'
	run -0 mig up
	[ "$(sql "SELECT count(two) FROM v")" = 0 ]
	[ "$(sql "SELECT count(*) FROM theirs")" = 0 ]
	run -0 mig status -Q
	# what cannot be kept is refused, with what stands in the way
	rm "$D/api/v.sql"
	run -65 --separate-stderr mig up
	[[ $stderr == *"cannot drop view v because other objects depend on it: view theirs depends on view v"* ]]
	[ "$(sql "SELECT count(*) FROM theirs")" = 0 ]
}

@test "what one file sets does not reach the next" {
	put 0001_dump "SELECT pg_catalog.set_config('search_path', '', false);
SET statement_timeout = 1;
SET LOCAL lock_timeout = 0;
SET standard_conforming_strings = off;
RESET statement_timeout;
SET DateStyle = 'German';
SET ROLE pg_monitor;"
	put 0002_next "CREATE TABLE two AS SELECT current_setting('DateStyle') AS style;"
	run -0 mig up
	[ "$(sql "SELECT style FROM public.two")" = "ISO, MDY" ]
	[ "$(sql "SELECT DISTINCT role FROM jobctl.schema_migrations")" = "$PGUSER" ]
}

@test "a role that PGOPTIONS chose stays chosen" {
	role_login migrate_owner
	sql "GRANT CREATE ON DATABASE $PGDATABASE TO migrate_owner; GRANT CREATE ON SCHEMA public TO PUBLIC"
	put 0001_one 'SET ROLE none; CREATE TABLE one ();'
	put 0002_two 'CREATE TABLE two ();'
	PGOPTIONS="-c role=migrate_owner" run -0 mig up
	[ "$(sql "SELECT tableowner FROM pg_tables WHERE tablename = 'two'")" = migrate_owner ]
	[ "$(sql "SELECT DISTINCT role FROM jobctl.schema_migrations")" = migrate_owner ]
}

@test "a role that may not is 77, and all may read what is applied" {
	role_login migrate_nobody
	put 0001_one 'CREATE TABLE one ();'
	run -77 --separate-stderr as_role migrate_nobody jobctl-migrate --dir "$D" up
	[[ $stderr == *"permission denied for database"* ]]
	[[ $stderr == *"hint: connect as the owner"* ]]
	jobctl-migrate -Q up
	run -0 as_role migrate_nobody jobctl-migrate status -Q
	run -0 as_role migrate_nobody jobctl-migrate up
	run -77 as_role migrate_nobody jobctl-migrate down --yes
	[ "$(sql_as migrate_nobody "SELECT count(*) > 0 FROM jobctl.schema_migrations")" = t ]
}

@test "status as JSON has every key of every migration, and errors are JSON too" {
	three_tables
	mig -Q up --to 1
	run -1 --separate-stderr mig status --json
	[ "$(jq -c '[.v, .set, .version, .name, .kind, .state]' <<<"$output" | head -1)" = \
		'[1,"mine",1,"one","tables","applied"]' ]
	[ "$(jq -r 'keys | length' <<<"$output" | sort -u)" = 15 ]
	[ "$(jq -r '.sha256 == .file_sha256' <<<"$output" | paste -sd' ')" = "true false false" ]
	[ "$(jq -r '.applied_at | . == null' <<<"$output" | paste -sd' ')" = "false true true" ]
	[ "$(jq -r '.duration_s | type' <<<"$output" | paste -sd' ')" = "number null null" ]
	run -0 --separate-stderr mig up --json
	[ "$(jq -r '.version' <<<"$output" | paste -sd' ')" = "2 3" ]
	echo >>"$D/0001_one.up.sql" '--'
	run -65 --separate-stderr mig up --json
	[ "$output" = "" ]
	[ "$(jq -r '.exit' <<<"$stderr")" = 65 ]
}

@test "a table of that name that is not the bookkeeping is not mended" {
	sql "CREATE SCHEMA jobctl; CREATE TABLE jobctl.schema_migrations (version int)"
	put 0001_one 'CREATE TABLE one ();'
	run -76 mig up
	[[ $output == *"cannot read what is applied"*"is not what jobctl-migrate makes"* ]]
	[ "$(tables)" = "" ]
}

@test "server messages are shown only with -v" {
	put 0001_one $'DO $$ BEGIN RAISE NOTICE \'hello there\'; END $$;'
	run -0 mig up
	[[ $output != *hello* ]]
	mig -Q down --yes
	run -0 mig up -v
	[[ $output == *"NOTICE:  hello there"* ]]
	mig -Q down --yes
	run -0 mig up -Q
	[ "$output" = "" ]
}

@test "--wait-db waits for a database that is not there yet" {
	put 0001_one 'CREATE TABLE one ();'
	drop_database "t$BATS_TEST_NUMBER"
	run -69 mig up
	run -69 --separate-stderr mig up --wait-db 300ms
	[[ $stderr == *"waiting for the database"* ]]
	start_mig up --wait-db 60s
	eventually 10 grep -q "waiting for the database" "$STARTED_LOG"
	empty_database "t$BATS_TEST_NUMBER"
	wait "$STARTED_PID"
	[ "$(applied)" = 1 ]
}

@test "a pooler is refused for changes, with the remedy" {
	put 0001_one 'CREATE TABLE one ();'
	start_pooler
	run -78 --separate-stderr mig up -d "$POOLER"
	[[ $stderr == *"goes through a pooler"* ]]
	[[ $stderr == *"hint: connect to the server itself"* ]]
	run -1 mig status -d "$POOLER"
	[ "$(leftovers)" = "" ]
}

@test "on a terminal down asks first" {
	three_tables
	put 0004_rows 'CREATE SCHEMA mine; CREATE TABLE mine.t (); INSERT INTO mine.t DEFAULT VALUES;' \
		'DROP SCHEMA mine CASCADE;'
	mig -Q up
	sql "ANALYZE mine.t"
	run -1 script -qefc "jobctl-migrate --dir '$D' down --to 0" /dev/null <<<"no"
	[[ $output == *"This reverts, and drops with all data:"*"mine 0003_three"*"mine 0001_one"* ]]
	[[ $output == *"rows in mine.t: about 1"* ]]
	[[ $output == *"nothing was reverted"* ]]
	[ "$(applied)" = "1 2 3 4" ]
	run -0 script -qefc "jobctl-migrate --dir '$D' down --to 0" /dev/null <<<"yes"
	[ "$(leftovers)" = "" ]
}

@test "a full disk under the plan is 74" {
	three_tables
	run -74 bash -c "jobctl-migrate --dir '$D' plan >/dev/full"
	run -74 bash -c "jobctl-migrate --dir '$D' status >/dev/full"
}

@test "a large file is applied" {
	{
		echo 'CREATE TABLE big (t text);'
		for _ in $(seq 40); do
			printf "INSERT INTO big VALUES ('"
			head -c 500000 /dev/zero | tr '\0' x
			printf "');\n"
		done
	} >"$D/0001_big.up.sql"
	echo 'DROP TABLE big;' >"$D/0001_big.down.sql"
	run -0 mig up
	[ "$(sql "SELECT count(*) FROM big")" = 40 ]
}
