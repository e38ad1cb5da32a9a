#!/usr/bin/env bats
# jobctl-worker and a database that is away: stopped, silent, crashed, full of
# connections, failed over, behind a pooler.  Whatever it is, a job that runs goes on,
# and each has run once in the end.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../server
load ../worker

setup_file() {
	new_database
	server_top
	PORT_A=$(free_port)
	PORT_B=$(free_port)
	export PORT_A PORT_B
}

teardown_file() {
	stop_servers
	! mountpoint -q "$TOP/small" || umount "$TOP/small"
	rm -rf "$TOP"
}

teardown() {
	[ -z "${FROZEN:-}" ] || kill -CONT "$FROZEN" 2>/dev/null || true
	stop_all
}

# A server of this file's own, which may be broken: a, whose standby is b.
make_server() {
	local settings

	[ ! -e "$TOP/a" ] || return 0
	mapfile -t settings < <(tls_settings "$PORT_A")
	init_server a "${settings[@]}" 'wal_receiver_status_interval = 1'
	control a start
	fill_server a
}

backend() {	# the server's process for the worker
	sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = current_database()"
}

CUT="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = current_database()"
cut() {
	sql "$CUT"
}

# A socket that takes connections and never answers, where a server's would be.
dig_hole() {	# DIRECTORY
	mkdir "$1"
	start perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0]));
		listen(S, 10); sleep' "$1/.s.PGSQL.$PGPORT"
	eventually 10 listens "$1/.s.PGSQL.$PGPORT"
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
	# not the server of the other files: everybody's DROP DATABASE waits for each backend
	make_server
	use_server a
	id=$(submit_patient)
	start_sh_worker --lease 20s
	eventually 10 exists "$D/ledger"
	FROZEN=$(backend)
	kill -STOP "$FROZEN"
	eventually 20 says 'the database has stopped answering'
	eventually 10 says 'the database is back'
	ran_once "$id"
}

@test "a first host that has become silent costs its own time and no job" {
	local id
	dig_hole "$D/hole"
	ln -s "$PGHOST" "$D/first"
	JOBCTL_DATABASE="host=$D/first,$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"
	id=$(submit_patient)
	start_sh_worker --lease $((20 * SUITE_SLOW))s
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
		jobctl-worker -q "$Q" --lease $((20 * SUITE_SLOW))s -- sh -c '{sh}'
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

# Its tries say so.
away_for() {	# SECONDS
	local tries

	mapfile -t tries < <(sed -n 's/^time=\([^ ]*\) .*no database.*/\1/p' "$WORKER_LOG")
	[ $(($(date -d "${tries[-1]}" +%s) - $(date -d "${tries[0]}" +%s))) -gt "$1" ]
}

@test "without a database nobody knows to be idle" {
	local id idle=8
	role_login worker_away_idle jobctl_worker
	start as_role worker_away_idle jobctl-worker -q "$Q" --idle-exit ${idle}s --poll 1h -- sh -c '{sh}'
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
	eventually 10 prints t sql "SELECT idle FROM jobctl.workers WHERE '$Q' = ANY (queues)"
	sql 'ALTER ROLE worker_away_idle CONNECTION LIMIT 0' -c "$CUT"	# before it may end
	eventually 40 away_for "$idle"
	id=$(submit_sh true)
	sql 'ALTER ROLE worker_away_idle CONNECTION LIMIT -1'
	eventually 40 status_is "$id" completed
	eventually 40 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
}

@test "a server that crashes and recovers" {
	local id
	make_server
	use_server a
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
	use_server a
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
	use_server a
	psql -Xq -d postgres -c "CREATE TABLESPACE small LOCATION '$TOP/small'" \
		-c 'CREATE DATABASE small TEMPLATE jobctl TABLESPACE small'
	PGDATABASE=small
	JOBCTL_DATABASE="host=$PGHOST port=$PGPORT user=jobctl dbname=small"
	id=$(submit_patient)
	# most of them only when it is full
	sql "SELECT count(jobctl.submit('sh', jsonb_build_object('sh',
		CASE WHEN n > 25 THEN 'until [ -e $D/full ]; do sleep 0.02; done; ' ELSE '' END ||
		format('echo %s >>$D/ledger; exec head -c 20000 /dev/urandom', n)), '$Q')) FROM generate_series(1, 300) n"
	start_sh_worker -j 3
	eventually 30 at_least 20
	run -1 dd if=/dev/zero of="$TOP/small/filler" bs=64k
	touch "$D/full"
	eventually 20 says 'No space left on device'
	rm "$TOP/small/filler"
	all_once 300
	ran_once "$id"
	prints 300 sql "SELECT count(*) FROM (SELECT FROM jobctl.job_output GROUP BY job_id HAVING sum(length(data)) = 20000) o"
	stop_workers
	psql -Xq -d postgres -c 'DROP DATABASE small WITH (FORCE)' -c 'DROP TABLESPACE small'
}

# All of it over TCP and TLS: workers, and the standby.
@test "failover to a promoted standby: nothing is lost, nothing runs twice" {
	local id
	make_server
	use_server a
	as_server pg_basebackup -d "$(tls_conninfo "$PORT_A")" -D "$TOP/b" -R -c fast --no-sync
	as_server mkdir "$TOP/run-b"
	as_server tee -a "$TOP/b/postgresql.conf" >/dev/null <<-END
		unix_socket_directories = '$TOP/run-b'
		port = $PORT_B
	END
	control b start
	sql "ALTER SYSTEM SET synchronous_standby_names = '*'"
	sql 'SELECT pg_reload_conf()'
	eventually 20 prints 'sync TLSv1.3' sql "SELECT sync_state || ' ' || version FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
	JOBCTL_DATABASE="$(tls_conninfo "$PORT_B" "$PORT_A") target_session_attrs=read-write"
	id=$(submit_patient)
	submit_many 300
	start_sh_worker -j 3
	eventually 30 at_least 30
	control a stop -m immediate
	eventually 10 says 'no database'
	control b promote
	use_server b
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
	eventually 10 listens "$TOP/pool/.s.PGSQL.6432"
	export JOBCTL_DATABASE="host=$TOP/pool port=6432 dbname=$PGDATABASE user=$PGUSER"

	start_sh_worker -j 4 --lease $((20 * SUITE_SLOW))s --poll 100ms
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
	run -1 timeout $((20 * SUITE_SLOW)) jobctl-wait "$long"
	[[ "$(jobctl-status "$long")" == *cancelled* ]]
	[ "$(grep -c 'through a pooler' "$WORKER_LOG")" = 1 ]
	prints 0 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	prints 0 workers
}
