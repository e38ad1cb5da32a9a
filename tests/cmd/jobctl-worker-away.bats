#!/usr/bin/env bats
# jobctl-worker and a database that is away: stopped, silent, crashed, full of
# connections, failed over, behind a pooler.  Whatever it is, a job that runs goes on,
# and each has run once in the end.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/away.XXXXXX")
	export TOP
	chmod 777 "$TOP"	# the server's user makes its directories
}

teardown_file() {
	local d

	for d in a b; do
		[ ! -e "$TOP/$d/postmaster.pid" ] || control "$d" stop -m immediate
	done
	! mountpoint -q "$TOP/small" || umount "$TOP/small"
	rm -rf "$TOP"
}

teardown() {
	[ -z "${FROZEN:-}" ] || kill -CONT "$FROZEN" 2>/dev/null || true
	stop_all
}

as_server() {
	local as=()

	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	(cd "$TOP" && "${as[@]}" "$@")
}

control() {	# a|b PG_CTL-ARG...
	local which=$1

	shift
	as_server pg_ctl -s -w -t 60 -D "$TOP/$which" -l "$TOP/log.$which" "$@" 3>&- >>"$TOP/pg_ctl.log" 2>&1
}

# A server of this file's own, which may be broken: a, whose standby is b.
make_server() {
	[ ! -e "$TOP/a" ] || return 0
	as_server mkdir "$TOP/run-a" "$TOP/run-b"
	as_server initdb -D "$TOP/a" -U jobctl -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
		--no-instructions >"$TOP/initdb.log"
	as_server tee -a "$TOP/a/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$TOP/run-a'
		fsync = off
		shared_buffers = 16MB
		max_connections = 30
		wal_receiver_status_interval = 1
	END
	control a start
	PGHOST=$TOP/run-a psql -Xq -d postgres -c 'CREATE DATABASE jobctl'
	jobctl-migrate -Q -d "host=$TOP/run-a port=5432 user=jobctl dbname=jobctl" up
}

use_server() {	# HOST
	export PGHOST=$1 PGPORT=5432 PGUSER=jobctl PGDATABASE=jobctl
	export JOBCTL_DATABASE="host=$PGHOST port=5432 user=jobctl dbname=jobctl"
}

backend() {	# the server's process for the worker
	sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = current_database()"
}

cut() {
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = current_database()"
}

# A socket that takes connections and never answers, where a server's would be.
dig_hole() {	# DIRECTORY
	mkdir "$1"
	start perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0]));
		listen(S, 10); sleep' "$1/.s.PGSQL.$PGPORT"
	eventually 5 test -S "$1/.s.PGSQL.$PGPORT"
}

count_completed() {
	sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

at_least() {	# N
	[ "$(count_completed)" -ge "$1" ]
}

# A job that runs until the test says go, and keeps a ledger.
submit_patient() {
	submit_sh "echo patient >>$D/ledger; $(wait_for go) echo done; exit 0"
}

# It ran once, whatever happened meanwhile.
ran_once() {	# ID
	touch "$D/go"
	eventually 20 status_is "$1" completed
	prints '1/ok' runs "$1"
	[ "$(grep -c patient "$D/ledger")" = 1 ]
	[ "$(output "$1" 1)" = 'done' ]
}

submit_many() {	# N
	sql "SELECT count(jobctl.submit('sh', jsonb_build_object('sh', format('echo %s >>$D/ledger', n)), '$Q'))
		FROM generate_series(1, $1) n"
}

all_once() {	# N
	eventually 60 prints "$1" count_completed
	[ "$(grep -v patient "$D/ledger" | sort -n | paste -sd ' ')" = "$(seq "$1" | paste -sd ' ')" ]
}

@test "a backend that is stopped costs its call's deadline and no job" {
	local id
	id=$(submit_patient)
	start_sh_worker --lease 4s
	eventually 10 exists "$D/ledger"
	FROZEN=$(backend)
	kill -STOP "$FROZEN"
	eventually 10 says 'the database has stopped answering'
	eventually 10 says 'the database is back'
	ran_once "$id"
}

@test "a first host that has become silent costs its own time and no job" {
	local id
	dig_hole "$D/hole"
	ln -s "$PGHOST" "$D/first"
	JOBCTL_DATABASE="host=$D/first,$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"
	id=$(submit_patient)
	start_sh_worker --lease 6s
	eventually 10 exists "$D/ledger"
	ln -sfn "$D/hole" "$D/first"
	cut
	eventually 10 says 'the database is back'
	ran_once "$id"
}

@test "name servers that are silent freeze nobody and cost no job" {
	local id
	"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -I"$SUITE_ROOT/lib" -o "$D/names.so" "$SUITE_ROOT/tests/fault/names.c"
	JOBCTL_DATABASE="host=db.test,$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE connect_timeout=1"
	id=$(submit_patient)
	start env LD_PRELOAD="$D/names.so" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
		jobctl-worker -q "$Q" --lease 6s -- sh -c '{sh}'
	WORKER_LOG=$STARTED_LOG
	eventually 10 exists "$D/ledger"
	cut
	eventually 10 says 'the database is back'
	ran_once "$id"
}

@test "no connection is free for a while" {
	local id
	role_login worker_away jobctl_worker
	id=$(submit_patient)
	start as_role worker_away jobctl-worker -q "$Q" -- sh -c '{sh}'
	WORKER_LOG=$STARTED_LOG
	eventually 10 exists "$D/ledger"
	sql 'ALTER ROLE worker_away CONNECTION LIMIT 0'
	run -69 --separate-stderr as_role worker_away jobctl-worker -q "$Q" --drain -- true
	[[ "$stderr" == *'too many connections for role'* ]]
	cut
	eventually 10 says 'too many connections for role'
	sql 'ALTER ROLE worker_away CONNECTION LIMIT -1'
	eventually 20 says 'the database is back'
	ran_once "$id"
}

@test "a server that crashes and recovers" {
	local id
	make_server
	use_server "$TOP/run-a"
	id=$(submit_patient)
	submit_many 200
	start_sh_worker -j 3
	eventually 20 at_least 30
	control a stop -m immediate
	eventually 10 says 'no database'
	control a start
	eventually 20 says 'the database is back'
	all_once 200
	ran_once "$id"
}

@test "one of the server's processes is killed, and all connections with it" {
	local id
	make_server
	use_server "$TOP/run-a"
	id=$(submit_patient)
	submit_many 200
	start_sh_worker -j 3
	eventually 20 at_least 30
	kill -KILL "$(backend)"
	eventually 20 says 'the database is back'
	all_once 200
	ran_once "$id"
}

@test "the server's disk is full for a while" {
	local id
	[ "$(id -u)" = 0 ] || skip "a small file system needs root"
	make_server
	mkdir "$TOP/small"
	mount -t tmpfs -o size=40m,mode=700,uid="$(id -u postgres)" none "$TOP/small" ||
		skip "no file system can be mounted"
	use_server "$TOP/run-a"
	psql -Xq -d postgres -c "CREATE TABLESPACE small LOCATION '$TOP/small'" \
		-c 'CREATE DATABASE small TEMPLATE jobctl TABLESPACE small'
	PGDATABASE=small
	JOBCTL_DATABASE="host=$PGHOST port=5432 user=jobctl dbname=small"
	id=$(submit_patient)
	sql "SELECT count(jobctl.submit('sh', jsonb_build_object('sh',
		format('echo %s >>$D/ledger; exec head -c 20000 /dev/urandom', n)), '$Q')) FROM generate_series(1, 300) n"
	start_sh_worker -j 3
	eventually 30 at_least 20
	run -1 dd if=/dev/zero of="$TOP/small/filler" bs=64k
	eventually 20 says 'No space left on device'
	rm "$TOP/small/filler"
	all_once 300
	ran_once "$id"
	prints 300 sql "SELECT count(*) FROM (SELECT FROM jobctl.job_output GROUP BY job_id HAVING sum(length(data)) = 20000) o"
	stop_workers
	psql -Xq -d postgres -c 'DROP DATABASE small WITH (FORCE)' -c 'DROP TABLESPACE small'
}

@test "failover to a promoted standby: nothing is lost, nothing runs twice" {
	local id
	make_server
	use_server "$TOP/run-a"
	as_server pg_basebackup -h "$TOP/run-a" -U jobctl -D "$TOP/b" -R -c fast --no-sync
	as_server tee -a "$TOP/b/postgresql.conf" >/dev/null <<<"unix_socket_directories = '$TOP/run-b'"
	control b start
	sql "ALTER SYSTEM SET synchronous_standby_names = '*'"
	sql 'SELECT pg_reload_conf()'
	eventually 20 prints sync sql 'SELECT sync_state FROM pg_stat_replication'
	JOBCTL_DATABASE="host=$TOP/run-b,$TOP/run-a port=5432 user=jobctl dbname=jobctl target_session_attrs=read-write"
	id=$(submit_patient)
	submit_many 300
	start_sh_worker -j 3
	eventually 30 at_least 30
	control a stop -m immediate
	eventually 10 says 'no database'
	control b promote
	use_server "$TOP/run-b"
	eventually 20 says 'the database is back'
	all_once 300
	ran_once "$id"
	prints 0 sql "SELECT count(*) FROM jobctl.job_run r JOIN jobctl.job j ON j.id = r.job_id WHERE j.queue = '$Q' AND r.outcome <> 'ok'"
}

@test "through a pooler in transaction mode everything works, by polling" {
	local id long
	as_server mkdir "$TOP/pool"
	cat >"$TOP/ini" <<-END
		[databases]
		* = host=$PGHOST port=$PGPORT user=$PGUSER pool_size=2
		[pgbouncer]
		listen_addr =
		unix_socket_dir = $TOP/pool
		listen_port = 6432
		auth_type = any
		pool_mode = transaction
	END
	start as_server pgbouncer "$TOP/ini"
	eventually 10 test -S "$TOP/pool/.s.PGSQL.6432"
	export JOBCTL_DATABASE="host=$TOP/pool port=6432 dbname=$PGDATABASE user=$PGUSER"

	start_sh_worker -j 4 --lease 4s --poll 100ms
	eventually 10 says 'connected through a pooler'
	seq 50 | jq -c --arg d "$D" '{kind: "sh", args: {sh: "echo \(.) >>\($d)/ledger; echo out"}}' |
		jobctl-submit -q "$Q" --jsonl >"$D/ids"
	jobctl-wait - <"$D/ids"
	all_once 50
	id=$(jobctl-submit -q "$Q" sh "sh=echo '{\"progress\":[1,2]}' >&3; echo out; echo err >&2; exit 0")
	jobctl-wait "$id"
	[ "$(jobctl-logs "$id" | sort)" = $'err\nout' ]
	long=$(jobctl-submit -q "$Q" sh 'sh=exec sleep 1000')
	eventually 10 status_is "$long" running
	[ "$(jobctl-cancel "$long" 2>/dev/null)" = "$long running" ]
	run -1 timeout 10 jobctl-wait "$long"
	[[ "$(jobctl-status "$long")" == *cancelled* ]]
	[ "$(grep -c 'through a pooler' "$WORKER_LOG")" = 1 ]
	prints 0 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	prints 0 workers
}
