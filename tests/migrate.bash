# shellcheck shell=bash
# migrate.bash - for tests of migrations: an empty database and a directory of files, $D

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

# A session that holds what the SQL takes until it is told to go: hold 'LOCK TABLE one'
hold() {	# SQL
	HOLD=$BATS_TEST_TMPDIR/hold
	mkfifo "$HOLD"
	start env PGAPPNAME=holder psql -Xqf "$HOLD"
	HOLD_PID=$STARTED_PID
	exec 9>"$HOLD"
	printf 'BEGIN;\n%s;\n\\echo held\n' "$1" >&9
	eventually 10 grep -qx held "$STARTED_LOG"
}

release() {
	printf '%s\n' 'ROLLBACK;' '\q' >&9
	exec 9>&-
	eventually 10 gone "$HOLD_PID"
	rm "$HOLD"
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
