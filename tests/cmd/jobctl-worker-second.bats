#!/usr/bin/env bats
# jobctl-worker: a second connection while there is much to do.

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

# Alone is who has a database without any other worker, also without one that was killed.
setup() {
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
	new_database
}

# Takes 150 jobs, and answers when there is $D/go; what it was given is in $D/given.
start_many_worker() {	# ARG...
	# shellcheck disable=SC2016	# the script is for the handler
	start_worker -q "$Q" --pipe --window 150 "$@" -- \
		bash -c 'until [ -e "$1/go" ]; do sleep 0.02; done; exec jq -c --unbuffered "(.id | stderr | empty), {id, ok: true}" 2>"$1/given"' - "$D"
}

sessions() {	# of the worker
	sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'jobctl-worker %'"
}

all_completed() {	# N
	prints "$1" sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

given() {	# how many ids
	tr -d '"\n' <"$D/given" | fold -w 36 | sort -u | grep -c -- -
}

# Each was given once, and its attempt is the first.
all_once() {	# N
	eventually 60 all_completed "$1"
	prints 1 sql "SELECT DISTINCT attempt FROM jobctl.job WHERE queue = '$Q'"
	prints "$1" given
	[ "$(wc -c <"$D/given")" = $(($1 * 38)) ]
}

# Nobody can write an end until its session goes away.
hold_ends() {
	start psql -Xq -c BEGIN -c 'LOCK TABLE jobctl.finished_jobs IN SHARE MODE' -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE relation = 'jobctl.finished_jobs'::regclass AND mode = 'ShareLock' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
}

let_ends_go() {
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname = current_database()
		AND pid <> pg_backend_pid()" >/dev/null
}

# Sessions of the worker that wait for a lock: the second's only.
ends_wait() {
	prints '1 of 2' sql "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock' AND query LIKE '%jobctl.finish(%') || ' of ' || count(*)
		FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'jobctl-worker %'"
}

# A worker whose ends go by its second connection, and wait there.
start_waiting_worker() {	# ARG...
	hold_ends
	start_many_worker -v "$@"
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	eventually 20 ends_wait
}

@test "ends go by it, and when there is no more to do it is closed" {
	many 450
	start_many_worker -v
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	all_once 450
	eventually 20 prints 1 sessions
	many 1
	eventually 20 all_completed 451
}

# The server has not read yet what it was sent: more ends, while the last ones wait.
ends_are_ahead() {
	ss -xHn | awk -v path="$PGHOST/.s.PGSQL.$PGPORT" '$5 == path && $3 > 16384 { found = 1 } END { exit !found }'
}

@test "the next ends are at hand there before the last are answered" {
	many 1400
	start_waiting_worker --lease $((120 * SUITE_SLOW))s
	eventually 20 ends_are_ahead
	let_ends_go
	all_once 1400
}

@test "ends that are refused take none of those behind them along" {
	sql "ALTER TABLE jobctl.finished_jobs ADD CONSTRAINT test_refuses CHECK (result IS NULL)"
	sql "SELECT jobctl.submit('bad', queue => '$Q')" >/dev/null
	many 1399
	hold_ends
	# shellcheck disable=SC2016	# the script is for the handler
	start_worker -q "$Q" --pipe --window 150 -v --lease $((120 * SUITE_SLOW))s -- \
		bash -c 'until [ -e "$1/go" ]; do sleep 0.02; done
			exec jq -c --unbuffered "{id, ok: true} + (if .kind == \"bad\" then {result: {}} else {} end)"' - "$D"
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	eventually 20 ends_wait
	eventually 20 ends_are_ahead
	let_ends_go
	eventually 60 all_completed 1400
	eventually 20 says "a job's result was refused"
	run ! says 'msg=ended '	# which it says of an end that was written before
}

@test "while ends wait there, the lease is renewed by the first, and explain sees what they wait for" {
	local beat
	many 150
	start_waiting_worker --lease $((120 * SUITE_SLOW))s
	beat=$(sql "SELECT heartbeat_at FROM jobctl.workers WHERE '$Q' = ANY (queues)")
	eventually 20 prints t sql "SELECT heartbeat_at > '$beat' FROM jobctl.workers WHERE '$Q' = ANY (queues)"
	ends_wait
	prints 1 sql "SELECT cardinality(waits_for) FROM jobctl.workers w, jobctl.worker_session(w.worker_id) WHERE '$Q' = ANY (w.queues)"
	let_ends_go
	all_once 150
	run ! says 'no database'
}

@test "of two sessions of a worker explain sees the one that waits, also if it is the older" {
	local asleep="SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
	sql "SELECT jobctl.register_worker(gen_random_uuid(), 'far', 'boot', 7, 1, '0', NULL, NULL, 1, '1 h')" >/dev/null
	start psql -Xq -c BEGIN -c 'LOCK TABLE jobctl.queues' -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "$asleep"
	start env PGAPPNAME='jobctl-worker far:7' psql -Xqc 'TABLE jobctl.queues'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	start env PGAPPNAME='jobctl-worker far:7' psql -Xqc 'SELECT pg_sleep(600)'
	eventually 10 prints 2 sql "$asleep"
	prints '1' sql "SELECT cardinality(waits_for) FROM jobctl.workers w, jobctl.worker_session(w.worker_id)"
}

@test "it is lost with ends that were not answered: they are said again by the first" {
	many 300
	start_waiting_worker --lease $((120 * SUITE_SLOW))s
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%jobctl.finish(%'
		AND wait_event_type = 'Lock'" >/dev/null
	eventually 20 says 'no second connection'
	eventually 20 prints 1 sessions
	let_ends_go
	all_once 300
	run ! says 'no database'
	prints 1 sessions
}

@test "the first is lost: both begin anew" {
	many 300
	start_waiting_worker --lease $((120 * SUITE_SLOW))s
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'jobctl-worker %' AND wait_event_type IS DISTINCT FROM 'Lock'" >/dev/null
	eventually 20 says 'no database'
	let_ends_go
	eventually 20 says 'the database is back'
	all_once 300
}

# Each call that writes ends takes a while, and leaves in table wrote by which session it went.
slow_ends() {
	sql "CREATE TABLE public.wrote (n bigserial, pid integer DEFAULT pg_backend_pid());
		CREATE FUNCTION public.wrote() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
		AS 'BEGIN INSERT INTO public.wrote DEFAULT VALUES; PERFORM pg_catalog.pg_sleep(0.2); RETURN NULL; END';
		CREATE TRIGGER wrote AFTER INSERT ON jobctl.finished_jobs EXECUTE FUNCTION public.wrote()" >/dev/null
}

# Ends went by one session between ends that went by another.
took_turns() {
	prints t sql "SELECT EXISTS (SELECT FROM (SELECT n, pid, min(n) OVER p AS first, max(n) OVER p AS last FROM public.wrote WINDOW p AS (PARTITION BY pid)) a
		JOIN public.wrote b ON b.n > a.first AND b.n < a.last AND b.pid <> a.pid)"
}

# Both write ends now: end the session that began first, or last.
end_one_of_both() {	# ASC|DESC
	prints t sql "SELECT pg_terminate_backend(pid) FROM (SELECT pid, backend_start, count(*) OVER () AS n FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'jobctl-worker %' AND state = 'active' AND query LIKE '%jobctl.finish(%') s
		WHERE n = 2 ORDER BY backend_start $1 LIMIT 1"
}

@test "where there are more ends than it is through with, the first helps" {
	slow_ends
	many 20000
	start_many_worker -v
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	all_once 20000
	took_turns
}

@test "the second is lost while both write ends" {
	slow_ends
	many 20000
	start_many_worker -v
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	eventually 20 end_one_of_both DESC
	all_once 20000
	says 'no second connection'
	run ! says 'no database'
}

@test "the first is lost while both write ends" {
	slow_ends
	many 20000
	start_many_worker -v
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	eventually 20 end_one_of_both ASC
	all_once 20000
	says 'the database is back'
}

@test "it cannot be had: nothing is lost, and there is nothing to worry about" {
	role_login worker_second jobctl_worker jobctl_all_projects
	sql 'ALTER ROLE worker_second CONNECTION LIMIT 1'
	many 450
	JOBCTL_DATABASE="host=$PGHOST port=$PGPORT user=worker_second dbname=$PGDATABASE" start_many_worker -v
	eventually 20 says 'no second connection'
	touch "$D/go"
	all_once 450
	run ! grep -E 'level=(warning|error)' "$WORKER_LOG"
}

@test "with another that is at work there is none, nor where there is little to do" {
	QUEUE=other submit_sh "$(wait_for over)"
	start_worker -q other -- sh -c '{sh}'
	eventually 20 prints running sql "SELECT status FROM jobctl.job WHERE queue = 'other'"
	many 450
	start_many_worker -v
	touch "$D/go"
	all_once 450
	run ! says 'second connection'
	touch "$D/over"
	eventually 20 prints completed sql "SELECT status FROM jobctl.job WHERE queue = 'other'"
	Q=few
	many 90
	start_many_worker -v
	eventually 60 all_completed 90
	run ! says 'second connection'
}

@test "with a program for each job there is none" {
	many 600
	start_worker -q "$Q" -j 150 -v -- sleep 0.3
	eventually 60 all_completed 600
	run ! says 'second connection'
}

@test "--drain waits for what the ends that go by it make ready" {
	sql "SELECT count(jobctl.submit('k', queue => '$Q', after => ARRAY[id])) FROM
		(SELECT jobctl.submit('k', queue => '$Q') AS id FROM generate_series(1, 300)) s" >/dev/null
	start_many_worker --drain --poll 1h
	eventually 20 prints 2 sessions
	touch "$D/go"
	eventually 10 gone_or_zombie "$WORKER_PID"	# not only when it looks for what others left
	all_once 600
}

@test "through a pooler, too" {
	start_pooler
	many 1400
	hold_ends
	JOBCTL_DATABASE=$POOLER start_many_worker -v --lease $((120 * SUITE_SLOW))s
	eventually 20 says 'ends go by a second connection'
	touch "$D/go"
	eventually 20 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND wait_event_type = 'Lock' AND query LIKE '%jobctl.finish(%'"
	eventually 20 ends_are_ahead
	let_ends_go
	all_once 1400
}
