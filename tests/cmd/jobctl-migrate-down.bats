#!/usr/bin/env bats
# jobctl-migrate down and redo: who goes back knows before what that costs.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

# What is printed about the losses of a down, for a program.
losses() {	# ARG...
	mig down --dry-run "$@" --json 2>/dev/null |
		jq -r '[.loss, .object, .rows // "?", .exact] | join(" ")' | paste -sd,
}

on_terminal() {	# ANSWER ARG...
	local answer=$1

	shift
	script -qefc "jobctl-migrate --dir '$D' $*" /dev/null <<<"$answer"
}

@test "on a terminal down says what goes, and asks" {
	three_tables
	put 0004_rows 'CREATE SCHEMA other; CREATE TABLE other.t (); CREATE TABLE other.e ();' \
		'DROP SCHEMA other CASCADE;'
	mig -Q up
	sql "INSERT INTO other.t DEFAULT VALUES; INSERT INTO two VALUES (1), (2)"
	run -1 on_terminal no down --to 0
	[[ $output == *"This reverts"*"  mine 0004_rows"*"  mine 0001_one"*"What is lost:"* ]]
	[[ $output == *"  table public.two: 2 rows"*"  table other.t: 1 row"* ]]
	[[ $output == *"  3 tables or columns without a row"* ]]
	[[ $output == *"nothing was reverted"* ]]
	[ "$(applied)" = "1 2 3 4" ]
	run -1 on_terminal no down
	[[ $output == *"  table other.t: 1 row"* ]]
	[[ $output != *public.two* ]]
	run -1 on_terminal y down
	run -0 on_terminal yes down --to 0
	[ "$(leftovers)" = "" ]
}

@test "off a terminal down says what goes, and needs --yes" {
	three_tables
	mig -Q up
	sql "INSERT INTO three VALUES (1)"
	run -64 --separate-stderr mig down
	[ -z "$output" ]
	[[ $stderr == *"  mine 0003_three"*"  table public.three: 1 row"*"hint: if that is meant, add --yes"* ]]
	run -64 --separate-stderr mig down --json
	[ "$(jq -r .exit <<<"$stderr")" = 64 ]
	[ "$(applied)" = "1 2 3" ]
	run -0 --separate-stderr mig down --yes
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "jobctl-migrate: reverted mine 0003_three in "* ]]
}

@test "down --dry-run finds tables, columns, rows and what is emptied, however they go" {
	put 0001_t 'CREATE TABLE a (id int, keep int, "drop me" text); CREATE TABLE b (id int);
CREATE TABLE c (id int); CREATE TABLE d (id int); CREATE VIEW v AS SELECT id FROM a;' \
		'DROP VIEW v; DROP TABLE d; DROP TABLE a, b, c;'
	put 0002_go 'SELECT 1;' "DO \$\$ BEGIN EXECUTE 'DROP TABLE ' || 'd'; END \$\$;
ALTER TABLE a DROP COLUMN \"drop me\", DROP id CASCADE;
DELETE FROM b WHERE id > 1;
TRUNCATE c;"
	mig -Q up
	sql "INSERT INTO a VALUES (1, 1, 'x'); INSERT INTO b VALUES (1), (2), (3); INSERT INTO c VALUES (1);
	     INSERT INTO d SELECT generate_series(1, 5)"
	[ "$(losses)" = 'table public.d 5 true,deleted public.b 2 true,column public.a."drop me" 1 true,column public.a.id 1 true,emptied public.c 1 true' ]
	run -0 --separate-stderr mig down --dry-run
	[[ ${lines[0]} == LOSS*OBJECT*ROWS*EXACT ]]
	[ "$stderr" = "jobctl-migrate: this would revert:
  mine 0002_go" ]
	[ "$(applied)" = "1 2" ]
	[ "$(sql "SELECT count(*) FROM v, b, c")" = 3 ]
	run -0 mig down --dry-run -Q
	[ -z "$output" ]
	put 0003_nothing 'CREATE INDEX a_id ON a (id);' 'DROP INDEX a_id;'
	mig -Q up
	run -0 mig down --dry-run
	[[ $output == *"no table, no column and no row would be lost"* ]]
}

@test "partitions are told as their table, and large tables estimated" {
	put 0001_t 'CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE TABLE big (t text);
ALTER TABLE big ALTER t SET STORAGE PLAIN;' 'DROP TABLE big; DROP TABLE p;'
	put 0002_less 'SELECT 1;' 'DROP TABLE p2;'
	mig -Q up
	sql "INSERT INTO p VALUES (1), (11), (12); INSERT INTO big SELECT repeat('x', 8000) FROM generate_series(1, 8500)"
	sql "ANALYZE"
	[ "$(losses)" = 'table public.p2 2 true' ]
	[ "$(losses --to 0)" = 'table public.big 8500 false,table public.p 3 true' ]
}

@test "steps that cannot be in a transaction are passed over" {
	put 0001_t 'CREATE TABLE a (id int); CREATE TABLE b (id int);' 'DROP TABLE a; DROP TABLE IF EXISTS b;'
	put 0002_steps $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);' \
		$'-- jobctl: no-transaction\nDROP INDEX CONCURRENTLY a_id;\n-- jobctl: step\nDROP TABLE b;'
	mig -Q up
	sql "INSERT INTO b VALUES (1)"
	[ "$(losses)" = 'table public.b 1 true' ]
	[ "$(losses --to 0)" = 'table public.b 1 true,table public.a 0 true' ]
	[ "$(sql "TABLE jobctl.schema_migration_steps")" = "" ]
	[ "$(sql "SELECT count(*) FROM pg_index WHERE indexrelid = 'a_id'::regclass")" = 1 ]
	run -0 mig down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

@test "a down that would fail says so before anything is asked" {
	put 0001_t 'CREATE TABLE a (id int);' 'DROP TABLE a; DROP TABLE nosuch;'
	mig -Q up
	run -65 mig down
	[[ $output == *'0001_t.down.sql:1: table "nosuch" does not exist (SQLSTATE 42P01)'* ]]
	run -65 on_terminal yes down
	[ "$(tables)" = a ]
}

@test "what is locked cannot be told, and is said to be" {
	three_tables
	mig -Q up
	hold 'SELECT * FROM three'
	# who holds it is looked for at half of the time
	run -64 --separate-stderr mig down --lock-timeout 5s
	[[ $stderr == *"what would be lost cannot be told: "*"lock timeout"*'held by pid '*'application "holder"'* ]]
	run -75 mig down --dry-run --lock-timeout 100ms
	run -1 on_terminal no down --lock-timeout 100ms
	[[ $output == *"cannot be told"*"This reverts"*"mine 0003_three"* ]]
	release
	[ "$(applied)" = "1 2 3" ]
}

@test "the lock is not held while somebody thinks, and then it has to be the same" {
	three_tables
	mig -Q up
	mkfifo "$BATS_TEST_TMPDIR/answer"
	exec 8<>"$BATS_TEST_TMPDIR/answer"
	start bash -c "script -qefc \"jobctl-migrate --dir '$D' down\" /dev/null <&8"
	eventually 10 grep -q 'Type "yes"' "$STARTED_LOG"
	run -1 jobctl-migrate lock-holder -Q
	run -0 mig down --yes
	echo yes >&8
	eventually 10 gone_or_zombie "$STARTED_PID"
	exec 8>&-
	grep -q "another migration ran meanwhile: there is something else to revert" "$STARTED_LOG"
	[ "$(applied)" = "1 2" ]
}

@test "redo reverts the last and applies it again, in one transaction" {
	three_tables
	put 0003_three 'CREATE TABLE three (id int, xid xid8 DEFAULT pg_current_xact_id());
CREATE TABLE seen AS SELECT pg_current_xact_id() AS xid;' 'DROP TABLE three; CREATE TABLE gone AS SELECT pg_current_xact_id() AS xid; DROP TABLE seen;'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	run -64 --separate-stderr mig redo
	[[ $stderr == *"This reverts"*"  mine 0003_three"*"and applies it again."* ]]
	run -0 --separate-stderr mig redo --yes
	[[ $stderr == *"reverted mine 0003_three in "*"applied mine 0003_three in "*"applied mine api in "* ]]
	[ "$(sql "SELECT gone.xid = seen.xid FROM gone, seen")" = t ]
	[ "$(applied)" = "0 1 2 3" ]
	run -0 mig status -Q
	# when it does not go up again, it has not gone down either
	sql "DROP TABLE gone"
	echo 'SELECT 1/0;' >>"$D/0003_three.up.sql"
	run -65 mig redo --yes
	[[ $output == *"division by zero"* ]]
	[ "$(tables)" = "one seen three two" ]
	[ "$(sql "SELECT f()")" = 1 ]
}

@test "redo takes an edited file as it is now, and --to redoes several" {
	three_tables
	mig -Q up
	put 0002_two 'CREATE TABLE zwei (id int);' 'DROP TABLE IF EXISTS two; DROP TABLE IF EXISTS zwei;'
	put 0003_three 'CREATE TABLE drei (id int);' 'DROP TABLE IF EXISTS three; DROP TABLE IF EXISTS drei;'
	run -0 --separate-stderr mig redo --yes
	[[ $stderr == *"mine 0003_three was edited since it was applied; what reverts it is taken as it is now"* ]]
	[ "$(tables)" = "drei one two" ]
	[ "$(states)" = "applied edited applied" ]
	run -0 --separate-stderr mig redo --to 1 --yes --json
	[ "$(jq -r '[.version, .state] | join(" ")' <<<"$output" | paste -sd,)" = \
		'3 pending,2 pending,2 applied,3 applied' ]
	[ "$(tables)" = "drei one zwei" ]
	run -0 mig status -Q
	run -0 mig redo --to 3 --yes
	[[ $output == *"nothing to revert"* ]]
	run -0 mig redo --to 0 --yes
	[ "$(applied)" = "1 2 3" ]
}

@test "redo applies nothing else" {
	three_tables
	mig -Q up --to 2
	run -0 mig redo --yes
	[ "$(applied)" = "1 2" ]
	mig -Q up
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0004_four 'CREATE TABLE four ();'
	run -65 mig redo --yes
	[[ $output == *"mine 0004_four is not applied: the functions and views come after it"*"run up first"* ]]
	[ "$(applied)" = "0 1 2 3" ]
	[ "$(sql "SELECT f()")" = 1 ]
}

@test "redo of what has steps" {
	put 0001_t 'CREATE TABLE a (id int);' 'DROP TABLE a;'
	put 0002_steps $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- jobctl: step\nSELECT 1;' \
		$'-- jobctl: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS a_id;'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	run -0 mig redo --yes
	[ "$(applied)" = "0 1 2" ]
	[ "$(sql "SELECT f()")" = 1 ]
	[ "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass")" = t ]
	run -0 mig redo --to 0 --yes
	[ "$(applied)" = "0 1 2" ]
	run -0 mig status -Q
}

@test "the compiled-in sets are after redo what they were" {
	local want

	jobctl-migrate -Q up
	want=$(schema)
	run -0 jobctl-migrate redo --set jobctl --to 1 --yes
	[ "$(schema)" = "$want" ]
	run -0 jobctl-migrate redo --to 0 --yes
	[ "$(schema)" = "$want" ]
	run -0 jobctl-migrate status -Q
}
