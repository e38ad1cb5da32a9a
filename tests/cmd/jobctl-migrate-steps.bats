#!/usr/bin/env bats
# jobctl-migrate: files without a transaction, step by step, and the indexes they build.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

valid() {	# INDEX
	sql "SELECT indisvalid FROM pg_index WHERE indexrelid = '$1'::regclass"
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
	[ "$(valid b)" = f ]
	sql "DELETE FROM one"
	run -0 mig up
	[ "$(applied)" = "1 2" ]
	[ "$(sql "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ',' ORDER BY indexrelid)
	          FROM pg_index WHERE indrelid = 'one'::regclass")" = "a true,b true,c true" ]
	[ "$(sql "TABLE jobctl.schema_migration_steps")" = "" ]
	run -0 mig down --to 1 --yes
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

# What psql leaves of a build that fails.
failed_build() {
	put 0001_one 'CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);' 'DROP TABLE one;'
	mig -Q up
	run -1 sql "CREATE UNIQUE INDEX CONCURRENTLY one_id ON one (id)"
}

@test "an invalid index in the way, whoever's build has left it, is dropped and built anew" {
	local exists

	failed_build
	sql "CREATE SCHEMA other; CREATE TABLE other.one (id int); INSERT INTO other.one VALUES (1), (1)"
	run -1 sql "CREATE UNIQUE INDEX CONCURRENTLY one_id ON other.one (id)"
	for exists in '' 'IF NOT EXISTS '; do
		put 0002_index "-- jobctl: no-transaction
CREATE INDEX CONCURRENTLY ${exists}one_id ON one (id);" '-- jobctl: no-transaction
DROP INDEX CONCURRENTLY one_id;'
		run -0 --separate-stderr mig up
		[[ $stderr == *'dropping index public.one_id, which a failed build left invalid'* ]]
		[ "$(valid public.one_id)" = t ]
		# somebody else's of that name is none of ours
		[ "$(valid other.one_id)" = f ]
		mig -Q down --yes
		run -1 sql "CREATE UNIQUE INDEX CONCURRENTLY one_id ON one (id)"
	done
}

@test "an index that somebody is building is not in the way, be it by a role that hides it" {
	role_login migrate_builder
	sql "GRANT CREATE ON DATABASE $PGDATABASE TO migrate_builder; GRANT CREATE ON SCHEMA public TO migrate_builder"
	put 0001_one 'CREATE TABLE one (id int);'
	as_role migrate_builder jobctl-migrate --dir "$D" -Q up
	hold 'LOCK TABLE one IN ROW EXCLUSIVE MODE'
	start env PGAPPNAME=theirs psql -Xqc 'CREATE INDEX CONCURRENTLY one_id ON one (id)'
	eventually 10 prints t waits_for_lock theirs
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX CONCURRENTLY one_id ON one (id);'
	run -0 --separate-stderr mig plan
	[[ $output != *'DROP INDEX'* ]]
	run -0 --separate-stderr as_role migrate_builder jobctl-migrate --dir "$D" plan
	[[ $output != *'DROP INDEX'* ]]
	[[ $output == *'CREATE INDEX'* ]]
	release
}

@test "a step that leaves an invalid index is not done" {
	failed_build
	put 0002_index $'-- jobctl: no-transaction\nCREATE INDEX IF NOT EXISTS one_id ON one (id);'
	run -65 --separate-stderr mig up
	[[ $stderr == *"the step left an invalid index: public.one_id"* ]]
	[[ $stderr == *"run DROP INDEX CONCURRENTLY public.one_id"* ]]
	[ "$(applied)" = 1 ]
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
