#!/usr/bin/env bats
# jobctl-migrate killed at every single call it makes, and concurrent index builds
# beside it: run again, it comes to the same end.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate
load ../lose

setup_file() {
	build_lose
}

# Tables, an index built in steps, a step that changes rows, an api.
some_of_everything() {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1);' 'DROP TABLE one;'
	put 0002_steps '-- jobctl: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON one (id);
-- jobctl: step
UPDATE one SET id = 2;
-- jobctl: step
CREATE UNIQUE INDEX CONCURRENTLY b ON one (id);' '-- jobctl: no-transaction
DROP INDEX CONCURRENTLY b;
-- jobctl: step
UPDATE one SET id = 1;
-- jobctl: step
DROP INDEX CONCURRENTLY IF EXISTS a;'
	put 0003_three 'CREATE TABLE three (id int); CREATE SEQUENCE s;' 'DROP SEQUENCE s; DROP TABLE three;'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
}

# All there is, whatever its oid is; of the books what does not depend on time.
world() {
	psql -XAtq <<-'END'
		SELECT c.relkind, c.relname, i.indisvalid FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
		 WHERE c.oid >= 16384 AND c.relnamespace = 'public'::regnamespace ORDER BY 2;
		SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = 'f';
		SELECT to_regclass('jobctl.schema_migrations') IS NOT NULL AS there \gset
		\if :there
		SELECT set, version, name, sha256, drops, origin FROM jobctl.schema_migrations ORDER BY 1, 2;
		SELECT count(*) FROM jobctl.schema_migration_steps;
		\endif
		SELECT to_regclass('one') IS NOT NULL AS there \gset
		\if :there
		TABLE one;
		\endif
	END
}

# Kill it at call after call, until a run makes no such call; each time it is run again,
# comes to the end, and BACK goes to where it began.
killed_at_every_call() {	# WHEN HOW AT-LEAST BACK COMMAND...
	local when=$1 how=$2 least=$3 back=$4 n=0 status=0 want

	shift 4
	mig -Q "$@"
	want=$(world)
	$back
	while [ "$status" = 0 ]; do
		n=$((n + 1))
		LOSE_KILL=$how losing "$when:#$n" jobctl-migrate --dir "$D" -Q "$@" || status=$?
		[ "$status" != 0 ] || break	# it was never killed
		[ "$status" = 137 ] || { echo "call $n: exit $status"; return 1; }
		status=0
		# what is not through yet may be when it looks again, and then it would be run again
		[ "$1" != down ] || eventually 20 prints 0 sessions
		mig -Q "$@" || { echo "call $n: then exit $?"; return 1; }
		[ "$(world)" = "$want" ] || { echo "call $n:"; diff <(echo "$want") <(world); return 1; }
		$back
	done
	echo "$n calls"
	[ "$n" -gt "$least" ]
}

go_down() {
	mig -Q down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

go_up() {
	mig -Q up
}

@test "up, killed before each call" {
	some_of_everything
	killed_at_every_call before yes 40 go_down up
}

@test "up, killed after each call was answered" {
	some_of_everything
	killed_at_every_call after yes 40 go_down up
}

@test "up, killed while the server is at each call" {
	some_of_everything
	killed_at_every_call after sent 40 go_down up
}

@test "down, killed while the server is at each call" {
	some_of_everything
	killed_at_every_call after sent 30 go_up down --to 0 --yes
}

@test "redo, killed while the server is at each call" {
	some_of_everything
	mig -Q up
	killed_at_every_call after sent 30 true redo --to 2 --yes
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

# Killed while it waits in CREATE INDEX CONCURRENTLY, which leaves an invalid index.
kill_in_build() {
	hold 'LOCK TABLE one IN ROW EXCLUSIVE MODE'
	start_mig up
	eventually 10 prints t waits_for_lock jobctl-migrate
	kill -9 "$STARTED_PID"
	eventually 10 prints 0 sessions
	release
}

sessions() {
	sql "SELECT count(*) FROM pg_stat_activity
	     WHERE datname = current_database() AND application_name ~ 'jobctl-migrate'"
}

indexes() {
	sql "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ',' ORDER BY indexrelid::regclass::text) FROM pg_index
	     WHERE indrelid = 'one'::regclass"
}

@test "an invalid index without a name of its own is found, dropped and built anew" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY ON one (id);'
	kill_in_build
	[ "$(indexes)" = "one_id_idx false" ]
	run -0 mig up
	[ "$(indexes)" = "one_id_idx true" ]
}

@test "an invalid index is found, dropped and built anew" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY one_id ON one (id);'
	kill_in_build
	[ "$(indexes)" = "one_id false" ]
	run -0 mig up
	[ "$(indexes)" = "one_id true" ]
	[ "$(applied)" = "1 2" ]
}

@test "what REINDEX CONCURRENTLY was making when it was killed goes" {
	local form

	put 0001_one 'CREATE TABLE one (id int, t text); CREATE INDEX a ON one (id);'
	mig -Q up
	put 0002_index 'SELECT 1;'
	for form in 'INDEX CONCURRENTLY a' 'TABLE CONCURRENTLY one' '(VERBOSE, CONCURRENTLY) SCHEMA public'; do
		printf -- '-- jobctl: no-transaction\nREINDEX %s;\n' "$form" >"$D/0002_index.up.sql"
		kill_in_build
		[ "$(indexes)" = "a true,a_ccnew false" ]
		run -0 --separate-stderr mig up
		[[ $stderr == *'dropping index public.a_ccnew, which a failed build left invalid'* ]]
		[ "$(indexes)" = "a true" ]
		mig -Q down --yes
	done
}

@test "the session of one that was killed ends in a later step, or migration, too" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nSELECT 1;\n-- jobctl: step\nCREATE INDEX CONCURRENTLY a ON one (id);'
	kill_in_build
	run -0 mig up
	[ "$(indexes)" = "a true" ]
	# with an api two migrations are one transaction
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0003_three 'SELECT 1;'
	put 0004_slow 'SELECT pg_sleep(1000);'
	start_mig up
	eventually 10 prints t is_running pg_sleep
	kill -9 "$STARTED_PID"
	eventually 10 prints 0 sessions
}

@test "IF NOT EXISTS does not step over an invalid index, nor take somebody else's for ours" {
	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON one (id);'
	kill_in_build
	sql "CREATE INDEX ab ON one (id)"
	[ "$(indexes)" = "a false,ab true" ]
	run -0 mig up
	[ "$(indexes)" = "a true,ab true" ]
}

# Two builds on one table wait for each other when what both wait for is over: the server
# ends the one whose deadlock_timeout is over first.
build_beside() {	# DEADLOCK-TIMEOUT-OF-THEIRS
	put 0001_one 'CREATE TABLE one (id int); CREATE TABLE two (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a ON one (id) WHERE id > 0;\n-- jobctl: step\nCREATE INDEX CONCURRENTLY b ON two ((id + 1));'
	hold 'LOCK TABLE one IN ROW EXCLUSIVE MODE'
	start_mig up
	OURS=$STARTED_PID OURS_LOG=$STARTED_LOG
	eventually 10 prints t waits_for_lock jobctl-migrate
	start env PGAPPNAME=theirs PGOPTIONS="-c deadlock_timeout=$1" \
		psql -Xqc 'CREATE INDEX CONCURRENTLY c ON one (id) WHERE id > 1'
	THEIRS=$STARTED_PID
	eventually 10 prints t waits_for_lock theirs
	release
}

@test "an index build of somebody else on the same table, and ours is ended: it is run again" {
	build_beside 1h
	wait "$THEIRS"
	wait "$OURS"
	grep -q 'trying again: .*deadlock detected' "$OURS_LOG"
	[ "$(indexes)" = "a true,c true" ]
	[ "$(applied)" = "1 2" ]
}

@test "an index build of somebody else on another table" {
	put 0001_one 'CREATE TABLE one (id int); CREATE TABLE two (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a ON one (id) WHERE id > 0;'
	hold 'LOCK TABLE one, two IN ROW EXCLUSIVE MODE'
	start_mig up
	OURS=$STARTED_PID
	start env PGAPPNAME=theirs psql -Xqc 'CREATE INDEX CONCURRENTLY c ON two (id) WHERE id > 1'
	THEIRS=$STARTED_PID
	eventually 10 prints t waits_for_lock jobctl-migrate
	eventually 10 prints t waits_for_lock theirs
	release
	wait "$THEIRS"
	wait "$OURS"
	[ "$(applied)" = "1 2" ]
	[ "$(indexes)" = "a true" ]
}

@test "migrators that wait, one that builds indexes, and what it is waiting for" {
	local i pids=()

	put 0001_one 'CREATE TABLE one (id int);'
	mig -Q up
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a ON one (id) WHERE id > 0;\n-- jobctl: step\nCREATE INDEX CONCURRENTLY b ON one ((id + 1));'
	put 0003_two 'ALTER TABLE one ADD two int;'
	hold 'LOCK TABLE one IN ROW EXCLUSIVE MODE'
	for i in 1 2 3 4; do
		start_mig up
		pids+=("$STARTED_PID")
	done
	eventually 10 prints t waits_for_lock jobctl-migrate
	eventually 10 grep -q 'waiting for pid' "$STARTED_LOG"
	run -0 jobctl-migrate lock-holder -H -o query
	[[ $output == *"CREATE INDEX CONCURRENTLY a"* ]]
	release
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(applied)" = "1 2 3" ]
	[ "$(indexes)" = "a true,b true" ]
}
