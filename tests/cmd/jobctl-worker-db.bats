#!/usr/bin/env bats
# jobctl-worker and its database: restarts, silence, locks, leases; and how little
# it does while there is nothing to do.
#
# What needs to stop a server has a private cluster of its own.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
	export SHARED=$JOBCTL_DATABASE
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/worker-db.XXXXXX")
	export TOP
	chmod 755 "$TOP"	# the server's user passes through
}

teardown_file() {
	JOBCTL_DB_DIR=$TOP/db jobctl-db -Q --yes destroy || true
	rm -rf "$TOP"
}

# A server of this file's own; it is made when first needed.
own_server() {
	export JOBCTL_DB_DIR=$TOP/db
	jobctl-db -Q start 3>&-
	JOBCTL_DATABASE=$(jobctl-db url)
	PGHOST=$TOP/db/run
	PGUSER=jobctl
	PGDATABASE=jobctl
	export JOBCTL_DATABASE PGHOST PGUSER PGDATABASE
	[ -e "$TOP/migrated" ] || jobctl-migrate -Q up
	touch "$TOP/migrated"
}

# All processes of the own server, the postmaster first.
server_family() {
	local pid

	pid=$(head -n 1 "$TOP/db/data/postmaster.pid")
	# shellcheck disable=SC2046 # numbers
	echo "$pid" $(pgrep -P "$pid")
}

freeze_server() {
	# shellcheck disable=SC2046 # numbers
	kill -STOP $(server_family)
	FROZEN=yes
}

thaw_server() {
	# shellcheck disable=SC2046 # numbers
	kill -CONT $(server_family)
	FROZEN=
}

teardown() {
	[ -z "${FROZEN:-}" ] || thaw_server
	stop_all
}

# Beats of the worker until now; it must have been idle or busy for some of them.
beats() {
	sql "SELECT heartbeat_at FROM jobctl.workers WHERE '$Q' = ANY (queues)"
}

beats_again() {	# TIME of the last
	[ "$(beats)" != "$1" ]
}

# So much CPU at most during N heartbeats, which come at least every quarter of the lease:
# one that spins uses a hundred ticks a second.
quiet_for_beats() {	# N TICKS
	local i last before

	before=$(worker_ticks)
	for ((i = 0; i < $1; i++)); do
		last=$(beats)
		eventually 10 beats_again "$last"
	done
	echo "ticks: $(($(worker_ticks) - before))"
	[ $(($(worker_ticks) - before)) -le "$2" ]
}

@test "without a database a new worker ends with status 69" {
	run -69 --separate-stderr jobctl-worker -d 'host=/nonexistent' --drain -- true
	[ "$(grep -c 'cannot connect' <<<"$stderr")" = 1 ]
	[ "$(wc -l <<<"$stderr")" = 1 ]
}

@test "a schema that is missing is status 76 and says what to run" {
	empty_database none
	run -76 --separate-stderr jobctl-worker --drain -- true
	use_database "$(file_database)"
	[[ "$stderr" == *'hint: run: jobctl-migrate up'* ]]
}

@test "a role that may not is status 77" {
	role_login worker_nobody
	run -77 --separate-stderr as_role worker_nobody jobctl-worker -q "$Q" --drain -- true
	[[ "$stderr" == *'jobctl_worker'* ]]
}

@test "a role that is only a worker can work" {
	local id
	id=$(submit_sh 'echo {\"progress\":[1,2]} >&3; echo out')
	role_login worker_somebody jobctl_worker
	as_role worker_somebody jobctl-worker -q "$Q" --drain -- sh -c '{sh}'
	prints 'completed 1' job "$id" "status || ' ' || progress_done"
	[ "$(output "$id" 1)" = out ]
}

@test "an idle worker uses hardly any CPU" {
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 prints 1 workers
	quiet_for_beats 4 15
}

@test "a server that takes long to register a new worker is waited for, however short the lease" {
	local id
	id=$(submit_sh true)
	start psql -Xq -c BEGIN -c 'LOCK TABLE jobctl.workers' -c 'SELECT pg_sleep(600)'
	asleep() { prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"; }
	eventually 10 asleep
	start_sh_worker --lease 1s
	# for longer than any call may take once there is a lease
	registering() { prints t sql "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%'
		AND datname = current_database() AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '1 s'"; }
	eventually 10 registering
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
	eventually 20 status_is "$id" completed
	gone "$WORKER_PID" && return 1
	run -1 says 'did not stop its jobs'
}

@test "a worker with a long job uses hardly any CPU, draining or not" {
	local id
	id=$(submit_sh "$(wait_for go)")
	start_sh_worker --lease $((4 * SUITE_SLOW))s --drain -j 4
	eventually 10 status_is "$id" running
	quiet_for_beats 4 15
	kill -TERM "$WORKER_PID"
	quiet_for_beats 4 15
	touch "$D/go"
	eventually 10 status_is "$id" completed
}

@test "a worker with a job that holds its silence and is not written does not spin" {
	local id
	id=$(submit_sh "$(wait_for go)")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 status_is "$id" running
	start psql -Xq -c 'BEGIN' -c "SELECT FROM jobctl.jobs WHERE id = '$id' FOR UPDATE" -c 'SELECT pg_sleep(600)'
	held() { sql "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()" | grep -q 1; }
	eventually 10 held
	touch "$D/go"
	quiet_for_beats 4 40
	status_is "$id" running
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()"
	eventually 10 status_is "$id" completed
	prints '1/ok' runs "$id"
}

@test "a scheduled job that somebody has locked does not make it spin" {
	local id
	id=$(submit k '{}' "run_in => '1 s'")
	start psql -Xq -c 'BEGIN' -c "SELECT FROM jobctl.jobs WHERE id = '$id' FOR UPDATE" -c 'SELECT pg_sleep(601)'
	held() { sql "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()" | grep -q 1; }
	eventually 10 held
	overdue() { [ "$(job "$id" 'run_at < now()')" = t ]; }
	eventually 10 overdue
	start_worker -q "$Q" --lease $((4 * SUITE_SLOW))s --poll 500ms -- true
	eventually 10 prints 1 workers
	quiet_for_beats 4 20
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()"
	eventually 10 status_is "$id" completed
}

@test "a scheduled job that somebody has locked hides none that falls due later" {
	local stuck id
	stuck=$(submit k '{}' "run_in => '1 ms'")
	start psql -Xq -c 'BEGIN' -c "SELECT FROM jobctl.jobs WHERE id = '$stuck' FOR UPDATE" -c 'SELECT pg_sleep(602)'
	held() { sql "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(602)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()" | grep -q 1; }
	eventually 10 held
	start_worker -q "$Q" --poll 1h -- true
	idle() { [ "$(sql "SELECT idle FROM jobctl.workers WHERE '$Q' = ANY (queues)")" = t ]; }
	eventually 10 idle
	id=$(submit k '{}' "run_in => '500 ms'")
	eventually 10 status_is "$id" completed
	status_is "$stuck" pending
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(602)%' AND datname = '$PGDATABASE' AND pid <> pg_backend_pid()"
}

@test "a server that has become read-only is left, without spinning" {
	local id before
	start_worker -q "$Q" --lease $((4 * SUITE_SLOW))s -- true
	eventually 10 prints 1 workers
	sql "ALTER DATABASE $PGDATABASE SET default_transaction_read_only = on"
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = '$PGDATABASE'"
	eventually 10 says 'read-only'
	before=$(worker_ticks)
	several() { [ "$(grep -c 'read-only' "$WORKER_LOG")" -ge 4 ]; }
	eventually 20 several
	[ $(($(worker_ticks) - before)) -le 20 ]
	PGOPTIONS='-c default_transaction_read_only=off' psql -Xq -c "ALTER DATABASE $PGDATABASE RESET default_transaction_read_only"
	eventually 20 says 'the database is back'
	id=$(submit k)
	eventually 10 status_is "$id" completed
}

@test "a connection that is cut is made again, and nothing runs twice" {
	local i
	sql "SELECT count(jobctl.submit('k', jsonb_build_object('n', n), '$Q')) FROM generate_series(1, 400) n"
	start_worker -q "$Q" -j 4 --drain -- sh -c "echo \$1 >>$D/log; echo out" sh '{n}'
	drained() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" = 400 ]; }
	for i in 1 2 3 4 5 6 7 8; do
		some() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" -ge $((i * 40)) ]; }
		eventually 20 some
		sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%' AND datname = '$PGDATABASE'"
	done
	eventually 30 drained
	[ "$(sort -n "$D/log" | uniq | wc -l)" = 400 ]
	[ "$(wc -l <"$D/log")" = 400 ]
	prints 400 sql "SELECT count(*) FROM jobctl.job_output o JOIN jobctl.finished_jobs f ON f.id = o.job_id WHERE f.queue = '$Q'"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
}

@test "a server may be restarted while jobs run; what they leave is written later" {
	local a b
	own_server
	a=$(submit_sh "echo one >>$D/log; echo before; $(wait_for go) echo after; echo '{\"result\":7}' >&3; exit 0")
	b=$(submit_sh "echo two >>$D/log; $(wait_for go) echo sad >&2; exit 3" 'max_attempts => 1')
	start_sh_worker -j 2
	eventually 10 status_is "$a" running
	eventually 10 status_is "$b" running
	jobctl-db -Q stop
	eventually 10 says 'no database'
	touch "$D/go"
	eventually 10 no_jobs_run
	jobctl-db -Q start 3>&-
	eventually 20 status_is "$a" completed
	eventually 20 status_is "$b" failed
	prints '1/ok' runs "$a"
	prints 'sad' job "$b" error_message
	prints 7 job "$a" result
	[ "$(output "$a" 1)" = $'before\nafter' ]
	[ "$(sort "$D/log")" = $'one\ntwo' ]
	says 'the database is back'
}

@test "while the server is down a worker uses hardly any CPU" {
	local before
	own_server
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 prints 1 workers
	jobctl-db -Q stop
	eventually 10 says 'no database'
	before=$(worker_ticks)
	several() { [ "$(grep -c 'no database' "$WORKER_LOG")" -ge 5 ]; }
	eventually 20 several
	[ $(($(worker_ticks) - before)) -le 20 ]
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
}

@test "a worker that is to stop does not wait for ever for a server that is down" {
	local id
	own_server
	id=$(submit_sh "$(wait_for go)")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 status_is "$id" running
	jobctl-db -Q stop
	eventually 10 says 'no database'
	touch "$D/go"
	eventually 10 no_jobs_run
	kill -TERM "$WORKER_PID"
	eventually 20 gone_or_zombie "$WORKER_PID"
	prints 69 exit_status "$WORKER_PID"
	says 'is not told how 1 job ended'
}

@test "a server that does not answer loses its jobs before their lease ends" {
	local id before
	own_server
	id=$(submit_sh "echo \$\$ >>$D/log; [ \$(wc -l <$D/log) -ge 2 ] || exec sleep 1000")
	start_sh_worker --lease $((4 * SUITE_SLOW))s --poll 100ms
	eventually 10 status_is "$id" running
	eventually 10 test -s "$D/log"
	freeze_server
	before=$(worker_ticks)
	# if the worker does not come to it its guardian does
	eventually 10 grep -qE "the lease could not be renewed in time|the worker's lease is ending and it did not stop its jobs" "$WORKER_LOG"
	eventually 10 gone_or_zombie "$(head -n 1 "$D/log")"
	eventually 10 says 'the database has stopped answering'
	[ $(($(worker_ticks) - before)) -le 40 ]
	thaw_server
	eventually 30 status_is "$id" completed
	prints 1 job "$id" attempt
	[ "$(wc -l <"$D/log")" = 2 ]
}

@test "at the end of the lease an idle handler is stopped, and there is another for the next job" {
	local first second pid
	own_server
	first=$(submit_sh 'ok $$')
	start_worker -q "$Q" --pipe --lease $((4 * SUITE_SLOW))s --poll 100ms -- "$SUITE_ROOT/tests/pipe-handler"
	eventually 10 status_is "$first" completed
	pid=$(job "$first" result)
	kill -STOP "$WORKER_PID"	# the guardian: the worker has its time, and is to need none of its help
	freeze_server
	eventually 10 says 'the lease could not be renewed in time'
	eventually 10 gone_or_zombie "$pid"
	kill -CONT "$WORKER_PID"
	sleep "$SUITE_SLOW"	# an eighth of the lease later it looks, too
	thaw_server
	second=$(submit_sh 'ok $$')
	eventually 30 status_is "$second" completed
	run -1 says 'killed them'
}

@test "when a worker and its guardian are killed its jobs die with it, and others on its host get them at once" {
	local id
	id=$(submit_sh "[ ! -e $D/pid ] || exit 0; echo \$\$ >$D/pid.tmp; mv $D/pid.tmp $D/pid; exec sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/pid"
	kill_worker "$WORKER_PID"
	eventually 10 gone_or_zombie "$(cat "$D/pid")"
	run -0 --separate-stderr sh_worker --drain
	[[ "$stderr" == *'gave back jobs of dead workers'* ]]
	prints 'completed|1|1' job "$id" "status || '|' || attempt || '|' || crashes"
	prints '1/worker_lost 1/ok' runs "$id"
	prints "worker lost: $(uname -n) pid $WORKER_PID, the process is gone" sql \
		"SELECT error_message FROM jobctl.job_run WHERE job_id = '$id' AND outcome = 'worker_lost'"
}

@test "a job that kills three workers has failed, and says so wherever it is shown" {
	local id n
	id=$(submit_sh "echo \$\$ >>$D/ran; exec sleep 1000" 'max_attempts => 1')
	ran() { [ "$(wc -l <"$D/ran")" = "$1" ]; }
	start_worker -q other -- true	# sees them die
	for n in 1 2 3; do
		start_sh_worker --lease 1h
		eventually 10 ran "$n"
		eventually 10 status_is "$id" running
		kill_worker "$WORKER_PID"
		eventually 20 prints "$n" job "$id" crashes
	done
	prints 'failed|worker_lost|1' job "$id" "status || '|' || outcome || '|' || attempt"
	prints '1/worker_lost 1/worker_lost 1/worker_lost' runs "$id"
	run -0 jobctl-status -s failed -q "$Q" -H -o outcome,crashes,error_message
	[ "$output" = "worker_lost	3	killed 3 workers; the last: worker lost: $(uname -n) pid $WORKER_PID, the process is gone" ]
	run -0 jobctl-status -s failed -q "$Q"
	[[ "${lines[1]}" == *' failed '*' worker_lost '*' killed 3 workers; the last: worker lost: '* ]]
	run -0 jobctl-status "$id"
	[[ "$output" == *'status     failed '*' ago: worker_lost'* ]]
	[[ "$output" == *'attempt    1 of 1, workers lost: 3'* ]]
	[[ "$output" == *'error      killed 3 workers; the last: worker lost: '* ]]
	[ "$(grep -c ': worker_lost on ' <<<"$output")" = 2 ]
	[ "$(grep -c ' reap by ' <<<"$output")" = 3 ]
}

@test "crashes are no failures: both limits are counted for themselves" {
	local id n
	id=$(submit_sh "echo \$\$ >>$D/ran; [ \$(wc -l <$D/ran) -gt 2 ] || exec sleep 1000; exit 3" \
		'max_attempts => 2' "backoff => 'constant:10ms'")
	ran() { [ "$(wc -l <"$D/ran")" = "$1" ]; }
	start_worker -q other -- true
	for n in 1 2; do
		start_sh_worker --lease 1h
		eventually 10 ran "$n"
		kill_worker "$WORKER_PID"
		eventually 20 prints "$n" job "$id" crashes
	done
	start_sh_worker --poll 50ms
	eventually 10 status_is "$id" failed
	prints 'exit|2|2' job "$id" "outcome || '|' || attempt || '|' || crashes"
	prints '1/worker_lost 1/worker_lost 1/exit 2/exit' runs "$id"
}

# Processes of this host that are registered as workers with hour-long leases: PIDS.
fake_workers() {	# N
	local i boot

	boot=$(cat /proc/sys/kernel/random/boot_id):$(stat -Lc %i /proc/self/ns/pid)
	PIDS=()
	for ((i = 0; i < $1; i++)); do
		start sleep 1000
		PIDS+=("$STARTED_PID")
		sql "SELECT jobctl.register_worker(jobctl.new_id(), '$(uname -n)', '$boot', $STARTED_PID,
			$(began "$STARTED_PID"), 'v', '{$Q}', NULL, 1, '1 hour')" >/dev/null
	done
}

# Maintenance, 13 seconds and more after the watcher has begun, would come later.
before_maintenance() {	# soon after TIME the first run of the job ID was over
	prints t sql "SELECT min(ended_at) - '$1' < interval '10 s' FROM jobctl.job_run WHERE job_id = '$2'"
}

@test "a running worker sees its neighbour die, and has its jobs at once" {
	local id began
	id=$(submit_sh "[ ! -e $D/pid ] || exit 0; echo \$\$ >$D/pid.tmp; mv $D/pid.tmp $D/pid; exec sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/pid"
	local victim=$WORKER_PID
	# its next maintenance is 13 seconds away, its next look for jobs an hour
	start_sh_worker --lease 1h --poll 1h
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle AND '$Q' = ANY (queues)"
	began=$(sql 'SELECT clock_timestamp()')
	kill_worker "$victim"
	eventually 20 status_is "$id" completed
	before_maintenance "$began" "$id"
	prints '1/worker_lost 1/ok' runs "$id"
	says 'gave back jobs of dead workers'
}

@test "a worker that came later is watched, too" {
	local id began
	start_sh_worker --lease 1h --poll 1h
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle AND '$Q' = ANY (queues)"
	id=$(QUEUE=$Q.late submit_sh "touch $D/ready; exec sleep 1000")
	start jobctl-worker -q "$Q.late" --lease 1h -- sh -c '{sh}'
	eventually 10 exists "$D/ready"
	began=$(sql 'SELECT clock_timestamp()')
	kill_worker "$STARTED_PID"
	eventually 20 prints 'pending|0|1' job "$id" "status || '|' || attempt || '|' || crashes"
	before_maintenance "$began" "$id"
}

@test "of many neighbours that die together none is missed" {
	fake_workers 20
	start_worker -q "$Q" --lease 1h --poll 1h -- true
	eventually 10 prints 21 workers
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle AND '$Q' = ANY (queues)"
	kill -KILL "${PIDS[@]}"
	eventually 20 prints 1 workers
}

@test "a neighbour that dies while the database is away does not make it spin, and is found later" {
	local before
	own_server
	fake_workers 1
	start_worker -q "$Q" --lease $((4 * SUITE_SLOW))s -- true
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle AND '$Q' = ANY (queues)"
	jobctl-db -Q stop
	eventually 10 says 'no database'
	before=$(worker_ticks)
	kill -KILL "${PIDS[0]}"
	several() { [ "$(grep -c 'no database' "$WORKER_LOG")" -ge 5 ]; }
	eventually 20 several
	[ $(($(worker_ticks) - before)) -le 20 ]
	jobctl-db -Q start 3>&-
	eventually 20 says 'the database is back'
	eventually 20 prints 1 workers
}

@test "a dead neighbour whose job is locked is looked at again, without spinning" {
	local id
	fake_workers 1
	id=$(submit_sh true)
	sql "SELECT count(*) FROM jobctl.claim(jobctl.new_id(), (SELECT worker_id FROM jobctl.workers WHERE pid = ${PIDS[0]}), '{$Q}', 1)"
	start_worker -q other --lease $((4 * SUITE_SLOW))s -- true
	registered() { [ "$(sql "SELECT count(*) FROM jobctl.workers WHERE 'other' = ANY (queues) AND idle")" = 1 ]; }
	eventually 10 registered
	start env PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c 'BEGIN' \
		-c "SELECT FROM jobctl.jobs WHERE id = '$id' FOR UPDATE" -c 'SELECT pg_sleep(600)'
	local holder=$STARTED_PID
	held() { [ "$(sql "SELECT count(*) FROM (SELECT FROM jobctl.jobs WHERE id = '$id' FOR UPDATE SKIP LOCKED) j")" = 0 ]; }
	eventually 10 held
	kill -KILL "${PIDS[0]}"
	Q=other quiet_for_beats 4 20
	status_is "$id" running
	kill "$holder"
	eventually 20 status_is "$id" pending
}

@test "a worker of another host, or of another boot, is dead when its lease has ended" {
	local id OTHER
	OTHER=$(sql 'SELECT jobctl.new_id()')
	id=$(submit_sh true)
	sql "SELECT jobctl.register_worker('$OTHER', 'elsewhere', 'b', 999999999, 1, 'v', '{$Q}', NULL, 1, '1 hour')"
	sql "SELECT count(*) FROM jobctl.claim(jobctl.new_id(), '$OTHER', '{$Q}', 1)"
	sh_worker --drain
	status_is "$id" running
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s' WHERE host = 'elsewhere'"
	sh_worker --drain -Q
	status_is "$id" completed
	prints '1/worker_lost 1/ok' runs "$id"
}

@test "a running worker gives back a lost host's jobs when their lease ends, not at some time after" {
	local id OTHER
	OTHER=$(sql 'SELECT jobctl.new_id()')
	id=$(submit_sh true)
	sql "SELECT jobctl.register_worker('$OTHER', 'elsewhere', 'b', 999999999, 1, 'v', '{$Q}', NULL, 1, '4 s')"
	sql "SELECT count(*) FROM jobctl.claim(jobctl.new_id(), '$OTHER', '{$Q}', 1)"
	start_sh_worker --poll 1h
	eventually 10 status_is "$id" completed
	prints '1/worker_lost 1/ok' runs "$id"
}

# 35,000 are four parts.  What waits for each of them until the next time would be late.
@test "ends that nobody has counted are counted in parts, one soon after the other" {
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts,
			crashes, spent, status, outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), e.at, e.at, e.at, e.at, 0, 1, 1, 0, 0, 'completed', 'ok', 'default', '$Q', 'k', 'me', '{}'
		FROM (SELECT now() - interval '5 min' + n * interval '1 ms' AS at FROM generate_series(1, 35000) n) e;
		UPDATE jobctl.counted SET counted_until = now() - interval '1 hour'"
	start_sh_worker
	eventually 10 prints 35000 sql "SELECT sum(n) FROM jobctl.job_counts WHERE queue = '$Q'"
}

@test "a worker that was suspended for too long changes nothing" {
	local id stopped
	id=$(submit_sh "echo \$\$ >>$D/log; [ \$(wc -l <$D/log) = 2 ] || exec sleep 1000")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 test -s "$D/log"
	stopped=$(the_worker)
	kill -STOP "$stopped"
	expired() { [ "$(sql "SELECT bool_and(lease_until < now()) FROM jobctl.workers WHERE '$Q' = ANY (queues)")" = t ]; }
	eventually 10 expired
	sh_worker --drain -Q
	status_is "$id" completed
	kill -CONT "$stopped"
	eventually 10 says 'superseded'
	prints '1/worker_lost 1/ok' runs "$id"
	status_is "$id" completed
	id=$(submit_sh true)
	eventually 10 status_is "$id" completed
}

@test "a job that was taken from a worker is killed and not written" {
	local id
	id=$(submit_sh "echo \$\$ >>$D/log; exec sleep 1000")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 test -s "$D/log"
	# what an operator who repairs by hand could do
	sql "UPDATE jobctl.jobs SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL, wake_at = now() + interval '1 hour' WHERE id = '$id'"
	eventually 10 says 'superseded'
	eventually 10 gone_or_zombie "$(head -n 1 "$D/log")"
	status_is "$id" pending
}

@test "a claim that fails is tried again, not held on to, and does not spin" {
	local id before
	id=$(submit_sh true)
	sql "ALTER TABLE jobctl.claims ADD CONSTRAINT test_refuses CHECK (queue <> '$Q')"
	start_sh_worker --lease $((4 * SUITE_SLOW))s --poll 50ms
	several() { [ "$(grep -c test_refuses "$WORKER_LOG")" -ge 5 ]; }
	eventually 10 says test_refuses	# then there is a worker
	before=$(worker_ticks)
	eventually 10 several
	[ $(($(worker_ticks) - before)) -le 20 ]
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	sql "ALTER TABLE jobctl.claims DROP CONSTRAINT test_refuses"
	sh_worker --drain
	status_is "$id" completed
}

@test "args that take little room but much text are refused, and block no queue" {
	local id
	id=$(submit_sh true)
	run -1 sql "SELECT jobctl.submit('k', jsonb_build_object('x', (SELECT jsonb_agg('1e131071'::jsonb) FROM generate_series(1, 100))), '$Q', priority => 9)"
	[[ "$output" == *ck_args_size* ]]
	sh_worker --drain
	status_is "$id" completed
}

@test "a checkpoint that no environment holds is not kept" {
	local id
	id=$(submit_sh 'echo "{\"checkpoint\":[1e50000,1e50000,1e50000]}" >&3; exit 1' "backoff => 'constant:10ms'" 'max_attempts => 2')
	sh_worker --max-jobs 2
	prints '1/exit 2/exit' runs "$id"
}

# A job that says something once the test has gone on, and then waits; nothing else is sent then.
start_reporter() {
	REPORTER=$(submit_sh "$(wait_for report) echo '{\"message\":\"said\"}' >&3; $(wait_for go) exit 0")
	start_sh_worker --poll 1h
	eventually 10 status_is "$REPORTER" running
}

tried_to_report() {
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%jobctl.report%' AND state = 'idle'
		AND application_name LIKE 'jobctl-worker%' AND datname = current_database()")" = 1 ]
}

@test "a report about a job whose row somebody has is written when it is free" {
	start_reporter
	start env PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c 'BEGIN' \
		-c "SELECT FROM jobctl.jobs WHERE id = '$REPORTER' FOR UPDATE" -c 'SELECT pg_sleep(600)'
	local holder=$STARTED_PID
	held() { [ "$(sql "SELECT count(*) FROM (SELECT FROM jobctl.jobs WHERE id = '$REPORTER' FOR UPDATE SKIP LOCKED) j")" = 0 ]; }
	eventually 10 held
	touch "$D/report"
	eventually 20 tried_to_report
	kill "$holder"
	eventually 20 prints said job "$REPORTER" message
	touch "$D/go"
	eventually 10 status_is "$REPORTER" completed
}

@test "a report that the database has no room for is written when it has" {
	start_reporter
	sql "CREATE FUNCTION test_full() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN RAISE EXCEPTION ''full'' USING ERRCODE = ''disk_full''; END';
		CREATE TRIGGER test_full BEFORE INSERT ON jobctl.job_progress EXECUTE FUNCTION test_full()"
	touch "$D/report"
	eventually 20 says 'cannot write what jobs reported'
	sql 'DROP TRIGGER test_full ON jobctl.job_progress'
	eventually 20 prints said job "$REPORTER" message
	touch "$D/go"
	eventually 10 status_is "$REPORTER" completed
}

@test "an end that the database refuses holds up no other" {
	local i good bad
	sql "ALTER TABLE jobctl.finished_jobs ADD CONSTRAINT test_refuses CHECK (result ->> 'bad' IS NULL)"
	for i in 1 2 3 4 5; do
		good=$(submit_sh 'echo "{\"result\":{\"good\":1}}" >&3')
		bad=$(submit_sh 'echo "{\"result\":{\"bad\":1}}" >&3; exit 0')
	done
	run -0 --separate-stderr sh_worker --drain -j 10
	sql "ALTER TABLE jobctl.finished_jobs DROP CONSTRAINT test_refuses"
	prints 10 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
	prints 1 job "$good" "result ->> 'good'"
	prints none job "$bad" "coalesce(result::text, 'none')"
	[ "$(grep -c "a job's result was refused" <<<"$stderr")" = 5 ]
	[[ "$stderr" == *test_refuses* ]]
}

@test "output that the database refuses holds up no end" {
	local id
	id=$(submit_sh 'echo out; exit 0')
	sql "ALTER TABLE jobctl.job_output ADD CONSTRAINT test_refuses CHECK (length(data) > 100) NOT VALID"
	run -0 --separate-stderr sh_worker --drain
	sql "ALTER TABLE jobctl.job_output DROP CONSTRAINT test_refuses"
	status_is "$id" completed
	[[ "$stderr" == *'cannot store output'* ]]
}

@test "a job made on another server's clock, or by hand, is run all the same" {
	local id
	id=$(submit_sh 'exec sleep 1000' "run_at => now() - interval '10 years'" "timeout => '1 microsecond'" 'max_attempts => 1')
	sh_worker --drain
	prints 'failed|timeout' job "$id" "status || '|' || outcome"
}

# What systemd is told is in the file NOTES.
start_notified_worker() {	# ARG...
	start perl -MSocket -e '
		socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0])); $| = 1;
		while (recv(S, $m, 1000, 0), length $m) { print "$m\n" }' "$D/notify"
	NOTES=$STARTED_LOG
	eventually 10 exists "$D/notify"
	# systemd knows one process, and says so
	start env NOTIFY_SOCKET="$D/notify" WATCHDOG_USEC=200000 \
		bash -c 'WATCHDOG_PID=$$ exec "$@"' - jobctl-worker -q "$Q" --lease $((8 * SUITE_SLOW))s "$@" -- sh -c '{sh}'
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
}

noted() {	# PATTERN [TIMES]
	[ "$(grep -c -- "$1" "$NOTES")" -ge "${2:-1}" ]
}

@test "systemd is told READY, STATUS, WATCHDOG and STOPPING" {
	local id
	id=$(submit_sh true)
	start_notified_worker
	eventually 10 noted '^READY=1$'
	eventually 10 status_is "$id" completed
	eventually 10 noted '^WATCHDOG=1$'
	eventually 10 noted '^STATUS=running 0 of 1, 1 completed, 0 failed$'
	kill -TERM "$WORKER_PID"
	eventually 10 noted '^STOPPING=1$'
	# to be alive comes before being ready, if that takes its time
	[ "$(grep -v -m 1 '^WATCHDOG=1$' "$NOTES")" = READY=1 ]
}

@test "a worker that stops asks systemd for time until its jobs have ended" {
	local id began
	id=$(submit_sh "$(wait_for go)")
	start_notified_worker --drain-timeout 1h
	eventually 10 status_is "$id" running
	eventually 10 noted '^STATUS=running 1 of 1, '
	run -1 grep EXTEND_TIMEOUT "$NOTES"
	began=$SECONDS
	kill -TERM "$WORKER_PID"
	eventually 10 noted '^EXTEND_TIMEOUT_USEC=20000000$'
	# again in time, and meanwhile it does all else that it has to
	eventually 10 noted '^EXTEND_TIMEOUT_USEC=20000000$' 3
	eventually 10 noted '^STATUS=stopping; running 1 of 1, 0 completed, 0 failed$'
	watched() { [ "$(sed -n '/^STOPPING=1$/,$p' "$NOTES" | grep -c '^WATCHDOG=1$')" -ge 10 ]; }
	eventually 10 watched
	# every two seconds, and no oftener
	[ "$(grep -c '^EXTEND_TIMEOUT_USEC' "$NOTES")" -le $(((SECONDS - began) / 2 + 2)) ]
	touch "$D/go"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	status_is "$id" completed
}

@test "a worker that stops without a database asks for time, too" {
	own_server
	local id
	id=$(submit_sh "$(wait_for go)")
	start_notified_worker --drain-timeout 1h --lease 1m
	eventually 10 status_is "$id" running
	jobctl-db -Q stop
	eventually 10 says 'no database'
	kill -TERM "$WORKER_PID"
	eventually 10 noted '^EXTEND_TIMEOUT_USEC=20000000$' 2
	jobctl-db -Q start 3>&-
}

@test "a log that nobody reads does not stop the work" {
	mkfifo "$D/log"
	sql "SELECT count(jobctl.submit('k', queue => '$Q')) FROM generate_series(1, 1500)"
	exec 8<>"$D/log"
	start bash -c "exec jobctl-worker -v -q '$Q' -j 2 -- true 2>'$D/log'"
	drained() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" = 1500 ]; }
	eventually 60 drained
	exec 8>&-
}
