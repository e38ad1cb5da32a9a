#!/usr/bin/env bats
# jobctl-migrate's record: how it begins, what it tells, and how it is mended.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

# What happened to a version: "revert baseline".
happened() {	# VERSION
	mig status --json 2>/dev/null | jq -r --argjson v "$1" \
		'select(.version == $v) | .events // [] | map(.event) | join(" ")'
}

@test "new makes three files with the next number, and prints their paths" {
	rmdir "$D"
	run -0 --separate-stderr jobctl-migrate new first-things --dir "$D"
	[ "$stderr" = "jobctl-migrate: made the directory $D" ]
	[ "$output" = "$D/0001_first-things.up.sql
$D/0001_first-things.down.sql
$D/0001_first-things.verify.sql" ]
	[ "$(find "$D" -name '*.sql' | wc -l)" = 3 ]
	run -0 --separate-stderr jobctl-migrate new two --dir "$D/" --json
	[ -z "$stderr" ]
	[ "$(jq -r .path <<<"$output" | head -1)" = "$D/0002_two.up.sql" ]
	grep -q -- '-- expect: ' "$D/0002_two.verify.sql"
	grep -q -- '-- query: ' "$D/0002_two.verify.sql"
	run -0 jobctl-migrate new three --dir "$D" -Q
	[ -z "$output" ]
	[ -e "$D/0003_three.up.sql" ]
}

@test "new goes on from the highest number, in as many digits, whatever has it" {
	touch "$D/20260102030405_x.verify.sql" "$D/0007_y.up.sql" "$D/notes.txt" "$D/9_.up.sql"
	run -0 jobctl-migrate new z --dir "$D"
	[ "${lines[0]}" = "$D/20260102030406_z.up.sql" ]
	touch "$D/999999999999999999_last.up.sql"
	run -65 jobctl-migrate new z --dir "$D"
	[[ $output == *"there is no number after 999999999999999999"* ]]
}

@test "what new made is not applied before there is something in it" {
	jobctl-migrate new one --dir "$D" -Q
	run -65 mig up
	[[ $output == *"/0001_one.up.sql: there is no statement in it"* ]]
	[ "$(leftovers)" = "" ]
	echo 'CREATE TABLE one ();' >>"$D/0001_one.up.sql"
	run -0 mig up
	run -65 mig down --yes
	[[ $output == *"mine 0001_one cannot be reverted: there is no statement in $D/0001_one.down.sql"* ]]
	[ "$(mig status --json | jq -r .has_down)" = false ]
	[ "$(applied)" = 1 ]
	echo 'DROP TABLE one;' >>"$D/0001_one.down.sql"
	[ "$(mig status --json | jq -r .has_down)" = true ]
	run -0 mig down --yes
	[ "$(leftovers)" = "" ]
}

@test "many new at once: each has a number of its own" {
	local i pids=()

	for i in 1 2 3 4 5 6 7 8; do
		start jobctl-migrate new "m$i" --dir "$D"
		pids+=("$STARTED_PID")
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(find "$D" -name '*.up.sql' | wc -l)" = 8 ]
	[ "$(find "$D" -name '*.up.sql' -printf '%f\n' | cut -c 1-4 | sort -u | wc -l)" = 8 ]
}

@test "new says what it cannot do, and leaves nothing" {
	run -64 jobctl-migrate new
	run -64 jobctl-migrate new one
	[[ $output == *"say --dir DIR"* ]]
	run -64 jobctl-migrate new one two --dir "$D"
	local name
	for name in '' 'a b' a/b ../a a.b $'a\033' é "$(head -c 201 /dev/zero | tr '\0' x)"; do
		run -64 jobctl-migrate new "$name" --dir "$D"
		[[ $output == *"cannot be a migration's name: "* ]]
		[[ $output != *$'\033'* ]]
	done
	run -66 jobctl-migrate new one --dir "$D/none/at/all"
	run -66 jobctl-migrate new one --dir /etc/passwd
	run -64 jobctl-migrate new one --dir "$D" -d dbname=x
	[ "$(find "$D" -type f)" = "" ]
	start flock "$D" sh -c 'echo locked; exec sleep 1000'
	eventually 10 grep -q locked "$STARTED_LOG"
	run -75 jobctl-migrate new one --dir "$D"
	[[ $output == *"somebody keeps $D locked"* ]]
}

@test "baseline: what is there counts as applied, and up goes on after it" {
	three_tables
	sql "CREATE TABLE one (id int); CREATE TABLE two (id int)"
	run -0 --separate-stderr mig baseline 2
	[ -z "$output" ]
	[ "$stderr" = "jobctl-migrate: mine 0001_one counts as applied
jobctl-migrate: mine 0002_two counts as applied" ]
	run -1 --separate-stderr mig status
	[[ ${lines[0]} == *ORIGIN* ]]
	[ "$(states)" = "applied applied pending" ]
	[ "$(mig status -H -o origin,duration_s | paste -sd,)" = $'baseline\t,baseline\t,\t' ]
	[ "$(happened 1)" = baseline ]
	run -0 mig up
	[ "$(tables)" = "one three two" ]
	[ "$(mig status --json | jq -r '[.origin, .role, .tool_version] | join(" ")' | sort | uniq -c |
		awk '{ print $1, $2 }' | paste -sd' ')" = "2 baseline 1 up" ]
	run -0 mig down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

@test "baseline --json prints what it recorded" {
	put 0001_one 'CREATE TABLE one (id int);'
	sql "CREATE TABLE one (id int)"
	run -0 --separate-stderr mig baseline 1 --json
	[ "$(jq -c '[.version, .state, .origin, .duration_s]' <<<"$output")" = '[1,"applied","baseline",null]' ]
}

@test "baseline refuses a database that has not what the files make, unless told" {
	put 0001_one $'create table One (id int);\nCREATE UNIQUE INDEX CONCURRENTLY "an index" ON one (id);'
	sed -i 's/ CONCURRENTLY//' "$D/0001_one.up.sql"
	put 0002_two 'CREATE SCHEMA other; CREATE TABLE other."two, too" (id int); CREATE INDEX two_id ON other."two, too" (id);'
	run -65 --separate-stderr mig baseline 2
	[[ $stderr == *"there is no table One, which the files make"* ]]
	[[ $stderr == *'there is no index "an index", which the files make'* ]]
	[[ $stderr == *'there is no table other."two, too", which the files make'* ]]
	[[ $stderr == *"there is no index other.two_id, which the files make"* ]]
	[ "$(leftovers)" = "" ]
	run -0 mig baseline 2 --yes
	[ "$(applied)" = "1 2" ]
	sql "DROP SCHEMA jobctl CASCADE; CREATE TABLE one (id int)"
	sql 'CREATE UNIQUE INDEX "an index" ON one (id)'
	run -0 mig baseline 1
	run -0 --separate-stderr mig up
	run -0 mig status -Q
}

@test "baseline begins a record, and does not change one" {
	three_tables
	mig -Q up --to 1
	run -65 --separate-stderr mig baseline 2
	[[ $stderr == *"set mine is on record already: mine 0001_one is applied"* ]]
	[[ $stderr == *"jobctl-migrate repair"* ]]
	[ "$(applied)" = 1 ]
	run -66 mig --set other baseline 4
	[[ $output == *"set other has no version 4"* ]]
	run -64 mig baseline
	run -64 mig baseline 0
	run -64 mig baseline one
	run -64 jobctl-migrate baseline 1
	[[ $output == *"give --set or --dir"* ]]
}

@test "baseline waits for a migration that runs" {
	put 0001_one 'CREATE TABLE one ();'
	sql "CREATE TABLE one ()"
	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	run -75 mig baseline 1 --wait-lock 0
	start_mig baseline 1
	eventually 10 grep -q "waiting for pid" "$STARTED_LOG"
	release
	wait "$STARTED_PID"
	[ "$(applied)" = 1 ]
}

@test "baseline of the compiled-in sets: up makes their functions" {
	local head

	jobctl-migrate -Q up
	head=$(sql "SELECT max(version) FROM jobctl.schema_migrations WHERE set = 'jobctl'")
	sql "DROP TABLE jobctl.schema_migrations, jobctl.schema_migration_steps, jobctl.schema_migration_events"
	run -0 jobctl-migrate --set jobctl baseline "$head"
	run -1 jobctl-migrate --set jobctl status
	[[ $output == *"api"*pending* ]]
	run -0 jobctl-migrate --set jobctl up
	run -0 jobctl-migrate --set jobctl status -Q
}

@test "a revert stays on record, and who did it" {
	three_tables
	mig -Q up
	mig -Q down --yes
	[ "$(happened 3)" = revert ]
	mig -Q up
	[ "$(happened 3)" = revert ]
	[ "$(sql "SELECT role || ' ' || split_part(application, ' ', 1) FROM jobctl.schema_migration_events")" = \
		"$PGUSER jobctl-migrate" ]
}

@test "lock-holder says who migrates, and how to end it" {
	local pid

	run -1 --separate-stderr jobctl-migrate lock-holder
	[ -z "$output" ]
	[ "$stderr" = "jobctl-migrate: nobody holds the lock: no migration is running" ]
	put 0001_slow 'CREATE TABLE one (); SELECT pg_sleep(60);'
	start_mig up
	eventually 10 prints t is_running pg_sleep
	run -0 --separate-stderr jobctl-migrate lock-holder
	pid=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name ~ 'jobctl-migrate' AND query ~ 'sleep'
	           AND datname = current_database()")
	[[ ${lines[0]} == *PID*ROLE*APPLICATION*CLIENT*CONNECTED*TRANSACTION*STATE*QUERY* ]]
	[[ ${lines[1]} == *"$pid"*"$PGUSER"*jobctl-migrate*local*active*pg_sleep* ]]
	[ "$stderr" = "jobctl-migrate: to end it: SELECT pg_terminate_backend($pid)" ]
	run -0 --separate-stderr jobctl-migrate lock-holder -H -o pid,next
	[ "$output" = "$pid"$'\t'"SELECT pg_terminate_backend($pid)" ]
	[ -z "$stderr" ]
	run -0 jobctl-migrate lock-holder --json
	[ "$(jq -c 'keys' <<<"$output")" = '["application","client","connected_at","next","pid","query","query_at","role","state","transaction_at","v"]' ]
	[ "$(jq -r '.pid, .v' <<<"$output" | paste -sd' ')" = "$pid 1" ]
	run -0 jobctl-migrate lock-holder -Q
	[ -z "$output" ]
	sql "$(jobctl-migrate lock-holder -H -o next)"
	eventually 10 gone_or_zombie "$STARTED_PID"
	# the server tells the client before it gives up the lock
	eventually 10 prints 0 sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	run -1 jobctl-migrate lock-holder -Q
}

@test "the holder of the lock in another database is not ours" {
	local db=$PGDATABASE

	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	empty_database other
	run -1 jobctl-migrate lock-holder -Q
	use_database "$db"
	run -0 jobctl-migrate lock-holder -Q
	release
	drop_database other
}
