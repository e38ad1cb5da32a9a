#!/usr/bin/env bats
# jobctl-migrate: a migration is applied wholly, once and on record, or not at all.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

# The sets in sql/ that have files.
sets() {
	local set

	while read -r set; do
		! compgen -G "$SUITE_ROOT/sql/$set/*.up.sql" >/dev/null || echo "$set"
	done <"$SUITE_ROOT/sql/SETS"
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
	[[ $output == *"This reverts"*"  jobctl 0001_tenancy"*"What is lost:"*"nothing was reverted"*"add --yes"* ]]
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
	sql "SELECT jobctl.require_schema($head, $head)"	# which has it from its own file
}

@test "psql runs the files of each set too" {
	local set f args

	for set in $(sets); do
		args=()
		for f in "$SUITE_ROOT/sql/$set"/*.up.sql "$SUITE_ROOT/sql/$set"/api/*.sql; do
			[ ! -e "$f" ] || args+=(-f "$f")
		done
		PGOPTIONS="-c check_function_bodies=off" psql -Xq -v ON_ERROR_STOP=1 -1 "${args[@]}"
		# what they expect is jobctl-verify's business; that it is SQL is psql's, too
		for f in "$SUITE_ROOT/sql/$set"/*.verify.sql; do
			[ -e "$f" ] || continue
			run -0 psql -Xqt -v ON_ERROR_ROLLBACK=on -c 'SET jobctl.rows = 100' -c BEGIN -f "$f" -c ROLLBACK
			[[ $output != *'syntax error'* ]]
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
	run -0 --separate-stderr mig down --yes
	[[ $stderr == *"reverted mine 0003_three"* ]]
	[ "$(tables)" = "one two" ]
	mig -Q up
	run -64 mig down --to 1
	[ "$(tables)" = "one three two" ]
	run -0 mig down --to 1 --yes
	[ "$(tables)" = "one" ]
	run -64 mig down
	[ "$(applied)" = 1 ]
	run -0 mig down --yes
	run -0 --separate-stderr mig down --yes
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
	put 011_again 'SELECT 1;'
	put 0011_again 'SELECT 1;'
	ln -s 0012_loop.up.sql "$D/0012_loop.up.sql"
	echo 'SELECT 1;' >"$D/0012_loop.down.sql"
	put 0010_psql $'\\restrict abc\nSELECT 1;\n\\d'
	touch "$D/init.sql" "$D/0000_zero.up.sql" "$D/readme.txt" "$D/.#0001_one.up.sql"
	printf '%s\n' '-- drop: SCHEMA public' >"$D/x"
	mkdir "$D/api"
	mv "$D/x" "$D/api/bad.sql"
	echo 'SELECT 1;' >"$D/api/mute.sql"
	run -66 --separate-stderr mig up
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
	[[ $stderr == *'0010_psql.up.sql: line 1: \restrict is a command of psql, not SQL'* ]]
	[[ $stderr == *"/011_again.up.sql: version 11 is in $D/0011_again.up.sql already"* ]]
	[[ $stderr == *"cannot read $D/0012_loop.up.sql: Too many levels of symbolic links"* ]]
	[[ $stderr != *"there is no 0012_loop"* ]]
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
	run -0 mig down --yes
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

@test "what is drawn while waiting fits on a line of the terminal" {
	put 0001_slow 'CREATE TABLE one ();'
	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	start script -qec "stty cols 40; jobctl-migrate --dir '$D' up" /dev/null
	eventually 10 grep -q 'said: SELECT pg_advisory_lock' "$STARTED_LOG"
	LC_ALL=C run -0 grep -Pom1 '\rwaiting for pid [^\r\e]*\e\[K' "$STARTED_LOG"
	[ "${#lines[0]}" = 43 ]		# with "\r" and what wipes the rest
	release
	wait "$STARTED_PID"
}

# A statement that takes until the test says go: one of a fixed time may be over before it is seen.
until_go() {
	sql 'CREATE TABLE quick (a int)'
	UNTIL_GO='DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM public.quick) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;'
}

go() {
	sql 'INSERT INTO quick VALUES (1)'
}

@test "waiting for the lock does not keep CREATE INDEX CONCURRENTLY from finishing" {
	until_go
	put 0001_one 'CREATE TABLE one (id int);'
	put 0002_index $'-- jobctl: no-transaction\n'"$UNTIL_GO"$'\n-- jobctl: step\nCREATE INDEX CONCURRENTLY one_id ON one (id);'
	start_mig up
	local first=$STARTED_PID
	eventually 10 prints t is_running pg_sleep
	start_mig up
	eventually 10 grep -q "waiting for pid" "$STARTED_LOG"
	go
	wait "$first"
	wait "$STARTED_PID"
	[ "$(applied)" = "1 2" ]
}

@test "a locked table is waited for briefly, again and again, and then named with its holder" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_alter $'CREATE TABLE two ();\nALTER TABLE one ADD c int;'
	hold 'SELECT * FROM one'
	# who holds it is looked for at half of the time
	run -75 --separate-stderr mig up --lock-timeout 5s --wait-lock 0
	[[ $stderr == *"/0002_alter.up.sql:2: canceling statement due to lock timeout"* ]]
	[[ $stderr == *"held by pid "*'application "holder"'* ]]
	[[ $stderr == *"idle in transaction), in a transaction for "*", last said: SELECT * FROM one"* ]]
	[ "$(tables)" = one ]
	start_mig up --lock-timeout 100ms
	eventually 10 grep -q 'trying again: .*holder' "$STARTED_LOG"
	release
	wait "$STARTED_PID"
	[ "$(applied)" = "1 2" ]
}

@test "a prepared transaction that holds the lock is named" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_alter 'ALTER TABLE one ADD c int;'
	sql "BEGIN; INSERT INTO one VALUES (1); PREPARE TRANSACTION 'forgotten'"
	# who holds it is looked for at half of the time
	run -75 --separate-stderr mig up --lock-timeout 5s --wait-lock 0
	sql "ROLLBACK PREPARED 'forgotten'"
	[[ $stderr == *"lock timeout"*": held by a prepared transaction (pg_prepared_xacts lists them)"* ]]
	run -0 mig up
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
	kill -INT "$STARTED_PID"	# which is ignored here, see above
	kill -TERM "$STARTED_PID"
	status=0
	wait "$STARTED_PID" || status=$?
	[ "$status" = 143 ]
}

@test "a signal that is ignored stays ignored" {
	until_go
	put 0001_one "CREATE TABLE one (); $UNTIL_GO"
	start env --ignore-signal=INT jobctl-migrate --dir "$D" up
	eventually 10 prints t is_running pg_sleep
	kill -INT "$STARTED_PID"
	go
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
	[ "$(jq -r 'keys | length' <<<"$output" | sort -u)" = 18 ]
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
	run -69 mig up --wait-db 300ms
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
