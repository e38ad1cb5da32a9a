#!/usr/bin/env bats
# jobctl-migrate repair: what is wrong with the record, and what changes it.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

# "2 edited,3 missing": versions and problems, api as "-"; objects by their name.
problems() {
	mig repair --json 2>/dev/null | jq -r '"\(.version // .object // "-") \(.problem)"' | paste -sd,
}

# A key of the only problem there is, lines joined by " / ".
told() {	# KEY
	mig repair --json 2>/dev/null | jq -r ".$1 | if type == \"array\" then join(\" / \") else . end"
}

# The rows, and what is no row: all that repair may change.
books() {
	sql "SELECT version, name, sha256, origin FROM jobctl.schema_migrations ORDER BY 1"
	sql "SELECT version, direction, step FROM jobctl.schema_migration_steps ORDER BY 1, 2, 3"
}

events() {
	sql "SELECT string_agg(version || ' ' || event, ',' ORDER BY id) FROM jobctl.schema_migration_events"
}

# The second of three steps fails.
half_done() {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);' 'DROP TABLE one;'
	put 0002_index '-- jobctl: no-transaction
CREATE INDEX CONCURRENTLY a ON one (id);
-- jobctl: step
CREATE UNIQUE INDEX CONCURRENTLY b ON one (id);
-- jobctl: step
CREATE INDEX CONCURRENTLY c ON one (id);' 'DROP INDEX IF EXISTS a, b, c;'
	mig -Q up 2>/dev/null || [ $? = 65 ]
}

@test "nothing is wrong: 0" {
	three_tables
	run -0 --separate-stderr mig repair
	[ -z "$output" ]
	[ "$stderr" = "jobctl-migrate: nothing is wrong" ]
	mig -Q up
	run -0 mig repair -Q
	jobctl-migrate -Q up
	run -0 jobctl-migrate repair -Q
	[ -z "$output" ]
}

@test "everything that is wrong is told at once, with what to do" {
	three_tables
	put 0005_five 'CREATE TABLE five ();'
	mig -Q up
	echo '-- more' >>"$D/0001_one.up.sql"
	rm "$D"/0003*
	put 0004_four 'CREATE TABLE four ();'
	rm "$D"/0005*
	[ "$(problems)" = "1 edited,3 missing,4 out-of-order,5 newer" ]
	run -1 --separate-stderr mig repair
	[[ $output == *"mine 0001_one: edited"*"found      applied 20"*" by role $PGUSER, with jobctl "* ]]
	[[ $output == *"of what the file makes is there: table one"* ]]
	[[ $output == *"repair --accept-checksum 1 --dir $D "* ]]
	[[ $output == *"mine 0003_three: missing"*"repair --forget 3 --dir $D "* ]]
	[[ $output == *"mine 0004_four: out-of-order"*"is not there: table four"*"up --allow-out-of-order"* ]]
	[ -z "$stderr" ]
	run -76 --separate-stderr mig status
	[[ $stderr == *"0001_one was edited"*"repair"*"0003_three is applied and its file is missing"*"repair"* ]]
	[[ $stderr == *"0004_four is not applied, though a later one is"*"0005_five was applied by"* ]]
}

@test "status tells what is out of order too" {
	three_tables
	mkdir "$D.late"
	mv "$D"/0002* "$D.late"
	mig -Q up
	mv "$D.late"/* "$D"
	run -1 --separate-stderr mig status
	[[ $stderr == *"mine 0002_two is not applied, though a later one is"*"1 pending"* ]]
}

@test "of an interrupted file: the step, its error, what is there and what is not" {
	half_done
	[ "$(problems)" = "2 interrupted" ]
	[ "$(told line)" = 4 ]
	[ "$(told file)" = "$D/0002_index.up.sql" ]
	[ "$(told statement)" = "CREATE UNIQUE INDEX CONCURRENTLY b ON one (id);" ]
	[[ $(told error) == *'could not create unique index "b"'*"(SQLSTATE 23505)" ]]
	[ "$(told found)" = "1 of 3 steps done on the way up / of what the file makes is there: index a, index b / is not there: index c / invalid, left by that step: index public.b" ]
	[[ $(told next) == "jobctl-migrate up --dir $D "*" / jobctl-migrate repair --mark-applied 2 "*" / jobctl-migrate repair --mark-pending 2 "* ]]
	[ "$(mig repair --json | jq -c keys)" = '["error","file","found","line","name","next","object","problem","set","started_at","statement","v","version"]' ]
	# and what up does about it
	sql "DELETE FROM one"
	run -0 mig up
	run -0 mig repair -Q
}

@test "of a killed one the end is not known" {
	put 0001_one $'-- jobctl: no-transaction\nCREATE TABLE one ();\n-- jobctl: step\nSELECT pg_sleep(60);'
	start_mig up
	eventually 10 prints t is_running 'SELECT pg_sleep'
	kill -9 "$STARTED_PID"
	run -1 mig repair
	[[ $output == *"1 of 2 steps done"*"SELECT pg_sleep(60);"*"none on record: its end is not known"* ]]
	[ "$(told error)" = null ]
}

@test "an index that is invalid, and whose it is" {
	put 0001_one 'CREATE TABLE one (id int); CREATE INDEX one_id ON one (id); INSERT INTO one VALUES (1), (1);'
	mig -Q up
	run -1 sql "CREATE UNIQUE INDEX CONCURRENTLY theirs ON one (id)"
	run -0 mig repair -Q
	sql "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'one_id'::regclass"
	[ "$(problems)" = "public.one_id invalid-index" ]
	[ "$(told next)" = "REINDEX INDEX CONCURRENTLY public.one_id;" ]
	sql "$(told next)"
	run -0 mig repair -Q
	sql "ALTER INDEX theirs RENAME TO one_id_ccnew1"
	[ "$(told next)" = "DROP INDEX CONCURRENTLY public.one_id_ccnew1;" ]
}

@test "an index that a half done file left is told of there, whatever else has its letters" {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);'
	put 0002_index $'-- jobctl: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY i ON one (id);'
	run -65 mig up
	[ "$(problems)" = "2 interrupted" ]
	run -1 sql 'CREATE UNIQUE INDEX CONCURRENTLY d ON one (id)'
	[ "$(problems)" = "2 interrupted" ]
}

@test "functions that are gone come back by --mark-pending 0 and up" {
	jobctl-migrate -Q up
	sql "DROP FUNCTION jobctl.span_text CASCADE"
	run -1 jobctl-migrate repair
	[[ $output == *"jobctl api: incomplete"*"not there: FUNCTION jobctl."*"repair --mark-pending 0 --set jobctl "* ]]
	run -64 jobctl-migrate repair --mark-pending 0 --yes
	run -0 jobctl-migrate repair --mark-pending 0 --set jobctl --yes
	[[ $output == *"jobctl api: made anew by the next up"* ]]
	run -1 jobctl-migrate status
	[[ $output == *outdated* ]]
	run -0 jobctl-migrate up
	run -0 jobctl-migrate repair -Q
	run -0 jobctl-migrate status -Q
}

@test "--accept-checksum takes the file as it is, and says so for good" {
	local old new

	three_tables
	mig -Q up
	old=$(mig status --json 2>/dev/null | jq -r 'select(.version == 1).sha256')
	echo '-- more' >>"$D/0001_one.up.sql"
	new=$(mig status --json 2>/dev/null | jq -r 'select(.version == 1).file_sha256')
	run -64 --separate-stderr mig repair --accept-checksum 1
	[[ $stderr == *"  mine 0001_one: SHA-256 ${new:0:12} of the file as it is now, instead of ${old:0:12}"* ]]
	[[ $stderr == *"hint: if that is meant, add --yes"* ]]
	[ "$(states)" = "edited applied applied" ]
	run -0 mig repair --accept-checksum 1 --yes
	run -0 mig status -Q
	[ "$(sql "SELECT event, old_sha256, new_sha256, role FROM jobctl.schema_migration_events")" = \
		"accept-checksum|$old|$new|$PGUSER" ]
	[ "$(mig status --json | jq -r 'select(.version == 1).events[0].event')" = accept-checksum ]
}

@test "--forget takes off the record what has no file" {
	three_tables
	mig -Q up
	rm "$D"/0002*
	run -0 mig repair --forget 2 --yes
	[ "$(applied)" = "1 3" ]
	[ "$(tables)" = "one three two" ]
	run -0 mig status -Q
	rm "$D"/0003*
	run -0 mig repair --forget 3 --yes --json
	[ "$(applied)" = 1 ]
	[ "$(events)" = "2 forget,3 forget" ]
}

@test "--mark-applied and --mark-pending, of what is half done too" {
	half_done
	run -0 --separate-stderr mig repair --mark-applied 2 --yes --json
	[[ $stderr == *"there is no index c, which it makes"* ]]
	[ "$(jq -r '[.version, .state, .origin] | join(" ")' <<<"$output")" = "2 applied repair" ]
	[ "$(states)" = "applied applied" ]
	[ "$(sql "TABLE jobctl.schema_migration_steps")" = "" ]
	run -0 mig repair --mark-pending 2 --yes
	[[ $output == *"there is the index a, which it makes"* ]]
	[ "$(states)" = "applied pending" ]
	sql "DROP INDEX a, b; DELETE FROM one"
	run -0 mig up
	[ "$(events)" = "2 mark-applied,2 mark-pending" ]
	half_done
	run -0 mig repair --mark-pending 1 --yes
	[[ $output == *"0002_index is applied and may depend on it; up will call it out of order"* ]]
	[ "$(states)" = "out-of-order applied" ]
	run -0 mig repair --mark-applied 1 --yes
	run -0 mig status -Q
}

@test "half reverted: what was reverted can be taken back, or for done" {
	put 0001_one $'CREATE TABLE one ();' $'-- jobctl: no-transaction\nSELECT 1;\n-- jobctl: step\nSELECT 1/0;'
	mig -Q up
	run -65 mig down --yes
	[[ $(told found) == *"1 of 2 steps done on the way down"* ]]
	run -0 mig repair --mark-applied 1 --yes
	run -0 mig status -Q
	run -65 mig down --yes
	run -0 mig repair --mark-pending 1 --yes
	[ "$(states)" = pending ]
}

@test "several at once are all done, or none" {
	three_tables
	put 0004_four 'CREATE TABLE four ();'
	mig -Q up --to 3
	echo '-- more' >>"$D/0001_one.up.sql"
	rm "$D"/0002*
	books >"$BATS_TEST_TMPDIR/before"
	run -65 --separate-stderr mig repair --accept-checksum 1 --forget 2 --accept-checksum 3 --yes
	[[ $stderr == *"mine 0003_three is applied: --accept-checksum is not for that"* ]]
	diff "$BATS_TEST_TMPDIR/before" <(books)
	run -0 --separate-stderr mig repair --accept-checksum 1 --forget 2 --mark-applied 4 --dry-run
	[[ $stderr == *"mine 0001_one"*"mine 0004_four"*"mine 0002_two"* ]]
	diff "$BATS_TEST_TMPDIR/before" <(books)
	run -0 mig repair --accept-checksum 1 --forget 2 --mark-applied 4 --yes
	[ "$(applied)" = "1 3 4" ]
	[ "$(events)" = "1 accept-checksum,4 mark-applied,2 forget" ]
}

@test "repair refuses what an option is not for, and changes nothing" {
	three_tables
	mig -Q up --to 2
	books >"$BATS_TEST_TMPDIR/before"
	run -65 mig repair --accept-checksum 1 --yes
	run -65 mig repair --accept-checksum 3 --yes
	run -65 mig repair --mark-applied 1 --yes
	run -65 mig repair --mark-pending 3 --yes
	run -65 mig repair --forget 1 --yes
	run -65 mig repair --forget 3 --yes
	run -66 mig repair --forget 9 --yes
	run -66 mig repair --mark-pending 0 --yes
	run -64 mig repair --forget 0 --yes
	run -64 mig repair --forget x --yes
	run -64 mig repair --forget 1 --mark-pending 1 --yes
	run -64 mig repair --yes
	run -64 mig repair --dry-run
	run -64 jobctl-migrate repair --mark-pending 1 --yes
	diff "$BATS_TEST_TMPDIR/before" <(books)
}

@test "repair asks on a terminal, and waits for a migration that runs" {
	three_tables
	mig -Q up
	echo '-- more' >>"$D/0001_one.up.sql"
	run -1 script -qefc "jobctl-migrate --dir '$D' repair --accept-checksum 1" /dev/null <<<"no"
	[[ $output == *"nothing was changed"* ]]
	[ "$(states)" = "edited applied applied" ]
	hold 'SELECT pg_advisory_lock(7669456869729791335)'
	run -75 mig repair --accept-checksum 1 --yes --wait-lock 0
	release
	run -0 script -qefc "jobctl-migrate --dir '$D' repair --accept-checksum 1" /dev/null <<<"yes"
	run -0 mig status -Q
}

@test "a newer program's migration is not forgotten" {
	jobctl-migrate -Q up
	sql "INSERT INTO jobctl.schema_migrations (set, version, name, sha256, tool_version, role, applied_at)
	     VALUES ('jobctl', 99, E'x\\033[31m''y', 'z', '99.0', 'r', now())"
	run -65 jobctl-migrate repair --set jobctl --forget 99 --yes
	run -1 jobctl-migrate repair --set jobctl
	[[ $output == *"0099_x\\x1b[31m'y: newer"* ]]
	[[ $output != *--forget* ]]
}

@test "through a pooler the record is not changed" {
	three_tables
	mig -Q up
	echo '-- more' >>"$D/0001_one.up.sql"
	start_pooler
	run -78 mig repair --accept-checksum 1 --yes -d "$POOLER"
	run -78 mig --set other baseline 1 -d "$POOLER"
	[ "$(states)" = "edited applied applied" ]
}
