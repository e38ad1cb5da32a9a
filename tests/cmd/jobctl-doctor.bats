#!/usr/bin/env bats
# jobctl-doctor: each situation is made, seen and named; what it prints is run, and the
# situation is gone

# shellcheck disable=SC2016	# what is printed is for another shell

bats_require_minimum_version 1.5.0
load ../helper
load ../server
load ../simulate

setup_file() {
	new_database
	server_top
	init_server main 'wal_level = logical' 'max_replication_slots = 4' 'autovacuum_naptime = 1h'
	control main start
	fill_server main
}

setup() {
	clear_jobs
}

teardown() {
	stop_all
	execute "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database()"
}

teardown_file() {
	stop_servers
	rm -rf "$TOP"
}

# Run what a query returns.
execute() {	# 'SELECT ...'
	psql -XAtqv ON_ERROR_STOP=1 <<<"$1 \gexec"
}

# Findings of a subject: severity and what, tab-separated.
findings() {	# CHECK [OPTION...]
	local check=$1

	shift
	jobctl-doctor -H -o check,severity,what "$@" 2>/dev/null | awk -F'\t' -v c="$check" '$1 == c { print $2 "\t" $3 }'
}

# The commands printed for a subject, one to a line.
fixes() {	# CHECK [OPTION...]
	local check=$1

	shift
	jobctl-doctor -H -o check,fix "$@" 2>/dev/null | awk -F'\t' -v c="$check" '$1 == c { print $2 }' | sort -u
}

# Paste them.
apply() {	# CHECK [OPTION...]
	local fix

	while read -r fix; do
		echo "$fix"
		bash -c "$fix" </dev/null 3>&-
	done < <(fixes "$@")
}

well() {	# CHECK [OPTION...]
	[ -z "$(findings "$@")" ]
}

says_something() {	# COMMAND [ARG...]
	[ -n "$("$@")" ]
}

# A session that does this and then keeps its transaction open.
hold_open() {	# 'SELECT ...' [PSQL-OPTION...]
	local statement=$1

	shift
	start env PGOPTIONS='-c client_connection_check_interval=100ms' PGAPPNAME=forgotten \
		psql -Xq "$@" -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c "$statement" -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT 1 FROM pg_stat_activity WHERE application_name = 'forgotten'
		AND datname = current_database() AND query = 'SELECT pg_sleep(600)' AND state = 'active'"
}

@test "a database that is well: exit 0, no data, and all subjects with -v" {
	run -0 --separate-stderr jobctl-doctor
	[ -z "$output" ]
	[ "$stderr" = 'jobctl-doctor: nothing is wrong' ]
	run -0 --separate-stderr jobctl-doctor -Q
	[ -z "$output$stderr" ]
	run -0 --separate-stderr jobctl-doctor -v -H -o severity,check,fix
	[ "$(cut -f 1 <<<"$output" | sort -u)" = ok ]
	[ "$(cut -f 2 <<<"$output" | tr '\n' ' ')" = \
		'pooler clock schema indexes xmin autovacuum dead-rows partitions workers ' ]
	[ -z "$(cut -f 3 <<<"$output" | tr -d '\n')" ]
}

@test "the screen, fields and JSON say the same" {
	sql 'DROP INDEX jobctl.jobs_wake'
	run -1 --separate-stderr jobctl-doctor
	[ -z "$stderr" ]
	[ "${#lines[@]}" = 3 ]
	[ "${lines[0]}" = 'critical  schema: index jobctl.jobs_wake is missing' ]
	[[ "${lines[2]}" == '          fix: psql "$JOBCTL_DATABASE" -c "CREATE INDEX jobs_wake ON jobctl.jobs (wake_at) '* ]]
	run -1 --separate-stderr jobctl-doctor --json
	[ "$(jq -c 'keys_unsorted' <<<"$output")" = '["v","severity","check","what","evidence","fix"]' ]
	[ "$(jq -r '.v, .severity, .check, .what, .evidence' <<<"$output" | tr '\n' ' ')" = \
		'1 critical schema index jobctl.jobs_wake is missing set jobctl makes it ' ]
	[ "$(jq -r .fix <<<"$output")" = "$(fixes schema)" ]
	run -1 jobctl-doctor -Q
	[ -z "$output" ]
	run -64 --separate-stderr jobctl-doctor -o nothing
	[[ "$stderr" == *'fields: severity check what evidence fix'* ]]
	run -1 jobctl-doctor --color=always
	[[ "$output" == $'\033[1;31mcritical\033[0m  schema: '* ]]
	apply schema
	well schema
}

@test "a function, a view and an index that are missing come back" {
	sql 'DROP FUNCTION jobctl.leave_claims CASCADE'
	sql 'DROP VIEW jobctl.job_run; DROP INDEX jobctl.jobs_unique, jobctl.job_events_job'
	run findings schema
	[ "${#lines[@]}" = 4 ]
	[[ "$output" == *'VIEW jobctl.job_run is missing'* ]]
	[[ "$output" == *'FUNCTION jobctl.leave_claims('*' is missing'* ]]
	[[ "$output" == *'index jobctl.jobs_unique is missing'* ]]
	apply schema
	well schema
	run -0 jobctl-migrate status -Q
}

@test "a table that is missing is named" {
	local db=$PGDATABASE
	new_database table
	sql 'DROP TABLE jobctl.unsettled'
	[ "$(findings schema)" = $'critical\ttable jobctl.unsettled is missing' ]
	[[ "$(jobctl-doctor --json | jq -r 'select(.check == "schema").fix')" == 'jobctl-verify'*' drift' ]]
	jobctl-verify --json drift | jq -r 'select(.verdict == "FAIL").fix' | psql -Xqv ON_ERROR_STOP=1
	well schema
	drop_database table
	use_database "$db"
}

@test "migrations that are pending, edited or unknown here" {
	local db=$PGDATABASE
	new_database migrations
	sql "DELETE FROM jobctl.schema_migrations WHERE set = 'catalog' AND version = 0"
	[ "$(findings schema)" = $'warning\tmigration catalog api is pending' ]
	apply schema
	well schema
	sql "UPDATE jobctl.schema_migrations SET sha256 = repeat('0', 64) WHERE set = 'jobctl' AND version = 2"
	[ "$(findings schema)" = $'critical\tmigration jobctl 0002_queue is edited' ]
	[ "$(fixes schema)" = 'jobctl-migrate repair' ]
	run -1 apply schema
	[[ "$output" == *'--accept-checksum 2'* ]]
	jobctl-migrate repair --set jobctl --accept-checksum 2 --yes
	well schema
	drop_database migrations
	use_database "$db"
}

@test "a right that a role has lost, and one that everybody has got" {
	sql 'REVOKE SELECT ON jobctl.jobs FROM jobctl_worker; REVOKE USAGE ON SCHEMA catalog FROM jobctl_submitter'
	sql 'REVOKE EXECUTE ON FUNCTION jobctl.maintain() FROM jobctl_operator'
	sql 'GRANT EXECUTE ON FUNCTION jobctl.leave_claims(uuid[], text[], boolean[]) TO PUBLIC'
	run findings grants
	[ "${#lines[@]}" = 4 ]
	[[ "$output" == *$'warning\tjobctl_worker may not use jobctl.jobs'* ]]
	[[ "$output" == *$'warning\tjobctl_submitter may not use catalog'* ]]
	[[ "$output" == *$'warning\tjobctl_operator may not use jobctl.maintain()'* ]]
	[[ "$output" == *$'critical\tevery role may call jobctl.leave_claims(uuid[], text[], boolean[])'* ]]
	apply grants
	well grants
}

@test "an index that a failed CREATE INDEX CONCURRENTLY left goes; one of ours is built anew" {
	sql "INSERT INTO jobctl.job_events (event, queue) VALUES ('pause', 'a'), ('pause', 'b')"
	run -1 sql 'CREATE UNIQUE INDEX CONCURRENTLY mine ON jobctl.job_events (event)'
	run findings indexes
	[ "$output" = $'warning\tindex jobctl.mine is invalid: it costs at every write and serves nobody' ]
	apply indexes
	well indexes
	[ -z "$(sql "SELECT to_regclass('jobctl.mine')")" ]
	sql "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobctl.jobs_wake'::regclass"
	[[ "$(fixes indexes)" == *'REINDEX INDEX CONCURRENTLY jobctl.jobs_wake'* ]]
	apply indexes
	well indexes
	[ "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'jobctl.jobs_wake'::regclass")" = t ]
}

@test "a session with an open transaction: who, since when and, for operators, what" {
	role_login doctor_reader jobctl_reader
	role_login doctor_op jobctl_operator jobctl_reader
	hold_open 'SELECT count(*) AS secret FROM jobctl.jobs'
	well xmin		# not for long yet
	[[ "$(findings xmin --held 0)" == $'warning\tan open transaction has kept VACUUM from removing dead rows for '* ]]
	# an ANALYZE by autovacuum is in it too, while it is at work
	evidence() { run -1 "$@" jobctl-doctor --held 0 -H -o evidence; output=$(grep -F ', application forgotten, ' <<<"$output"); }
	evidence env
	[[ "$output" == *"pid "*", user $PGUSER, application forgotten, active, "*' transactions ago: SELECT pg_sleep(600)' ]]
	evidence as_role doctor_op
	[[ "$output" == *': SELECT pg_sleep(600)' ]]
	evidence as_role doctor_reader
	[[ "$output" == *'transactions ago' ]]
	apply xmin --held 0
	eventually 10 well xmin --held 0
}

@test "a prepared transaction, whatever it is called" {
	sql "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'it''s \$(mine)'"
	named() {
		[[ "$(findings xmin --held 0)" == $'warning\ta prepared transaction has kept '* ]] &&
			[[ "$(jobctl-doctor --held 0 -H -o evidence)" == "name it's \$(mine), user $PGUSER, prepared, "* ]]
	}
	# an ANALYZE by autovacuum, if it began before, is named first while it is at work
	eventually 10 named
	sql "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'it''s'"
	sql "ROLLBACK PREPARED 'it''s \$(mine)'"
	apply xmin --held 0
	eventually 10 well xmin --held 0
	[ "$(sql 'SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()')" = 0 ]
}

@test "a replication slot that nobody uses" {
	use_server main
	sql "SELECT pg_create_logical_replication_slot('left', 'test_decoding')" >/dev/null
	[[ "$(findings xmin)" == $'warning\ta replication slot has kept VACUUM from removing dead rows for long' ]]
	[[ "$(jobctl-doctor -H -o evidence)" == 'name left, inactive, '*' transactions ago' ]]
	apply xmin
	well xmin
}

@test "a standby that sends feedback" {
	use_server main
	as_server pg_basebackup -h "$PGHOST" -p "$PGPORT" -U jobctl -D "$TOP/standby" -R --no-sync -c fast
	as_server mkdir "$TOP/run-standby"
	as_server tee -a "$TOP/standby/postgresql.conf" >/dev/null <<-END
		unix_socket_directories = '$TOP/run-standby'
		hot_standby_feedback = on
		wal_receiver_status_interval = 1
	END
	control standby start
	hold_open 'SELECT count(*) FROM jobctl.jobs' -h "$TOP/run-standby" || true
	fed_back() { [ "$(sql 'SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL')" = 1 ]; }
	eventually 20 fed_back
	well xmin		# of unknown age, and few transactions
	sql "DO \$\$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$"
	eventually 20 fed_back
	[[ "$(findings xmin)" == $'warning\ta standby\'s feedback has kept VACUUM from removing dead rows for long' ]]
	[[ "$(jobctl-doctor -H -o evidence)" == *', application walreceiver, streaming, 100'*' transactions ago' ]]
	[[ "$(fixes xmin)" == *'pg_terminate_backend(pid)'* ]]
	stop_all
	control standby stop -m immediate
	eventually 20 well xmin
}

@test "autovacuum that is off, for the server or for a table" {
	use_server main
	sql 'ALTER SYSTEM SET autovacuum = off' -c 'SELECT pg_reload_conf()' >/dev/null
	eventually 10 says_something findings autovacuum
	sql 'ALTER TABLE jobctl.jobs SET (autovacuum_enabled = false)'
	run findings autovacuum
	[ "${#lines[@]}" = 2 ]
	[[ "${lines[0]}" == $'critical\tautovacuum is off: '* ]]
	[ "${lines[1]}" = $'warning\tautovacuum leaves jobctl.jobs alone' ]
	apply autovacuum
	eventually 10 well autovacuum
}

@test "dead rows, until they are gone" {
	sql 'ALTER TABLE jobctl.job_events SET (autovacuum_enabled = false)'
	# a TRUNCATE that is told after these would undo their numbers
	eventually 10 prints 0 others
	sql "INSERT INTO jobctl.job_events (event) SELECT 'pause' FROM generate_series(1, 10100)" \
		-c 'DELETE FROM jobctl.job_events' -c 'SELECT pg_stat_force_next_flush()' >/dev/null
	grep -q $'^warning\tjobctl.job_events has 10100 dead rows for 0 live ones$' <(findings dead-rows)
	# VACUUM leaves what an ANALYZE by autovacuum may still see
	cured() { apply dead-rows && well dead-rows; }
	eventually 10 cured
	apply autovacuum
	well autovacuum
}

@test "partitions that are missing, and rows that had none" {
	local t
	for t in finished_jobs job_attempts job_output; do
		execute "SELECT format('DROP TABLE jobctl.%s', c.relname) FROM pg_class c WHERE c.relispartition AND c.relkind = 'r'
			AND c.relname ~ '^${t}_2'"
	done
	[ "$(findings partitions | grep -c '^critical.*has no partition for this week$')" = 3 ]
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, priority, attempt, max_attempts, crashes, status,
			outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), now() - interval '90 days', now(), now(), 0, 1, 1, 0, 'completed', 'ok', 'default', 'q', 'a', 'me', '{}'"
	grep -q $'^warning\tjobctl.finished_jobs_default is not empty: retention never reaches it$' <(findings partitions)
	apply partitions
	well partitions
	[ "$(sql 'SELECT count(*) FROM jobctl.finished_jobs')" = 1 ]
	sql "DROP TABLE jobctl.finished_jobs_$(sql "SELECT to_char(date_trunc('week', now() AT TIME ZONE 'UTC') + interval '1 week', 'YYYYMMDD')")"
	[ "$(findings partitions)" = $'warning\tjobctl.finished_jobs has no partition for next week' ]
	apply partitions
	well partitions
}

@test "live workers of another version, and dead ones" {
	start sleep 600
	worker old "$(uname -n)" "$STARTED_PID"
	run findings workers
	[ "$output" = "warning	1 worker on $(uname -n) is of version 0, not of $(jobctl --version | sed -n '1s/.* //p')" ]
	[ "$(fixes workers)" = "kill -TERM $STARTED_PID" ]
	apply workers
	eventually 10 gone_or_zombie "$STARTED_PID"
	worker far elsewhere 4711
	grep -qx 'ssh -- elsewhere kill -TERM 4711' <(fixes workers)
	sql "UPDATE jobctl.workers SET lease_until = now() - 2 * lease"
	run findings workers
	[ "$output" = $'warning\t2 dead workers are still registered, and what they ran waits' ]
	apply workers
	well workers
}

@test "a pooler in transaction mode, and the way around it; one in session mode will do" {
	start_pooler
	JOBCTL_DATABASE=$POOLER run findings pooler
	[[ "$output" == $'warning\tthe connection goes through a pooler in transaction mode'* ]]
	[[ "$(JOBCTL_DATABASE=$POOLER fixes pooler)" == "export JOBCTL_DATABASE='host=$PGHOST "* ]]
	[[ "$(JOBCTL_DATABASE=$POOLER; eval "$(fixes pooler)"; findings pooler -v)" == $'ok\tthe connection leads to the server itself' ]]
	stop_all
	start_pooler 'server_round_robin = 1'	# with two sessions of the server's idle
	psql -XAtq "$POOLER" <<-END
		BEGIN;
		SELECT 1;
		\! psql -XAtq "$POOLER" -c 'SELECT 2'
		COMMIT;
	END
	JOBCTL_DATABASE=$POOLER run findings pooler
	[[ "$output" == *$'warning\tthe connection goes through a pooler in transaction mode'* ]]
	stop_all
	start_pooler 'pool_mode = session'
	JOBCTL_DATABASE=$POOLER run -0 findings pooler -v
	[[ "$output" == $'ok\tthe connection goes through a pooler that gives each session'* ]]
	stop_all
	start_pooler 'pool_mode = session' 'default_pool_size = 1'
	JOBCTL_DATABASE=$POOLER run -0 findings pooler -v
	[[ "$output" == $'ok\tthe connection goes through a pooler that gives each session'* ]]
}

@test "a clock that is wrong" {
	local -x ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"

	run -1 faketime -f +30s jobctl-doctor -H -o severity,check,what
	[[ "$output" == $'warning\tclock\tthe clock of this host is '[23][0-9]*' ahead of the server'* ]]
	run -1 faketime -f -1h jobctl-doctor -H -o severity,check,what,fix
	[[ "$output" == $'critical\tclock\tthe clock of this host is '*' behind the server'*'timedatectl set-ntp true' ]]
}

@test "with -d the commands name the database, and never a password" {
	sql 'DROP INDEX jobctl.jobs_wake'
	run -1 env -u JOBCTL_DATABASE jobctl-doctor -d "$JOBCTL_DATABASE password=geheim" -H -o fix
	[[ "$output" == *"dbname=$PGDATABASE"* ]]
	[[ "$output" != *geheim* ]]
	env -u JOBCTL_DATABASE PGHOST=nowhere bash -c "$output"
	well schema
	sql "DELETE FROM jobctl.schema_migrations WHERE set = 'catalog' AND version = 0"
	run -1 env -u JOBCTL_DATABASE jobctl-doctor -d "$JOBCTL_DATABASE" -H -o fix
	[[ "$output" == "jobctl-migrate -d '"*"' up" ]]
	bash -c "$output"
	well schema
}
