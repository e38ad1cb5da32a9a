#!/usr/bin/env bats
# jobctl.claim(): who gets which jobs, in which order, and what becomes of them.

bats_require_minimum_version 1.5.0
load queue

@test "the highest priority first, then the oldest" {
	sql "SELECT jobctl.submit('a', priority => p, id => t.j(n))
		FROM (VALUES (1, 0), (2, 5), (3, 0), (4, -1), (5, 5)) v(n, p) ORDER BY n" >/dev/null
	sql 'SELECT t.worker(1)'
	is 2,5,1 'SELECT t.claim(1, 1, 3)'
	is 3,4 'SELECT t.claim(1, 2, 3)'
	is '' 'SELECT t.claim(1, 3, 3)'
}

@test "a claimed job runs, under its token and worker, and counts an attempt" {
	jobs 1 "timeout => '1500 ms', args => '{\"x\": [1]}'"
	sql 'SELECT t.worker(1)'
	is "default|default|work|{\"x\": [1]}|1|3|1500|" "SELECT project, queue, kind, args, attempt, max_attempts,
		timeout_ms, checkpoint FROM jobctl.claim(t.k(1), t.w(1), '{default}', 1)"
	is 'running|1|t|t|t' 'SELECT status, attempt, token = t.k(1), worker_id = t.w(1), started_at IS NOT NULL FROM jobctl.jobs'
	is '{00000000-0000-7000-8000-000000000001}|1|default' 'SELECT ids, unfinished, queue FROM jobctl.claims'
}

@test "said again it returns the same jobs in the same order, and takes no others" {
	jobs 4
	sql "UPDATE jobctl.jobs SET priority = 9 WHERE id = t.j(2)"
	sql 'SELECT t.worker(1)'
	is 2,1 'SELECT t.claim(1, 1, 2)'
	is 2,1 'SELECT t.claim(1, 1, 2)'
	is 2,1 'SELECT t.claim(1, 1, 4)'
	is '2|2' "SELECT count(*), sum(attempt) FROM jobctl.jobs WHERE status = 'running'"
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	is 1 'SELECT t.claim(1, 1, 2)'
}

@test "queues are taken in the order given, each once" {
	sql "SELECT jobctl.submit('a', queue => q, id => t.j(n)) FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) v(n, q)" >/dev/null
	sql 'SELECT t.worker(1)'
	is 3,1 "SELECT t.claim(1, 1, 9, '{c,a,c}')"
	is 2 'SELECT count(*) FROM jobctl.claims'
	is 3,1 "SELECT t.claim(1, 1, 9, '{c,a,c}')" || is 1,3 "SELECT t.claim(1, 1, 9, '{c,a,c}')"
	is 2 'SELECT t.claim(1, 2, 9, NULL)'
}

@test "only the kinds asked for" {
	sql "SELECT jobctl.submit(k, id => t.j(n)) FROM (VALUES (1, 'a'), (2, 'b'), (3, 'a')) v(n, k)" >/dev/null
	sql 'SELECT t.worker(1)'
	is 2 "SELECT t.claim(1, 1, 9, '{default}', '{b,c}')"
	is '' "SELECT t.claim(1, 2, 9, '{default}', '{}')"
	is 1,3 "SELECT t.claim(1, 3, 9)"
}

@test "held, scheduled and waiting jobs are passed over" {
	sql "SELECT jobctl.submit('a', id => t.j(1), hold => true), jobctl.submit('a', id => t.j(2), run_in => '1 h')"
	sql "SELECT jobctl.submit('a', id => t.j(3), after => t.jj(1)), t.worker(1)"
	is '' 'SELECT t.claim(1, 1, 9)'
}

@test "a job whose time has come joins the end of its queue, and somebody is told" {
	sql "SELECT jobctl.submit('a', id => t.j(1), queue => 'q', run_in => '1 h')"
	sql "SELECT jobctl.submit('a', id => t.j(2), queue => 'q'), t.fall_due(1)"
	sql "SELECT t.worker(1), t.worker(2, '{q}'), jobctl.worker_idle(t.w(2))"
	[ "$(notified "SELECT t.claim(1, 1)")" = '2 wake' ]
	is 2,1 "SELECT t.claim(2, 2, 9, '{q}')"
}

@test "at most a thousand are woken per claim" {
	sql "INSERT INTO jobctl.jobs (id, kind, run_at, wake_at)
		SELECT t.j(n), 'a', now() - interval '1 s', now() - interval '1 s' FROM generate_series(1, 1500) n"
	sql 'SELECT t.worker(1)'
	is 1000 "SELECT count(*) FROM jobctl.claim(t.k(1), t.w(1), '{default}', 5000)"
	is 500 "SELECT count(*) FROM jobctl.claim(t.k(2), t.w(1), '{default}', 5000)"
}

@test "no slots, no jobs" {
	jobs 1
	sql 'SELECT t.worker(1)'
	is '' 'SELECT t.claim(1, 1, 0)'
	is '' 'SELECT t.claim(1, 1, -1)'
	is pending 'SELECT t.state(1)'
}

@test "a worker that is unknown or late gets nothing" {
	jobs 1
	refuses JC069 'SELECT t.claim(1, 1)' 'not registered'
	sql 'SELECT t.worker(1), t.expire(1)'
	refuses JC069 'SELECT t.claim(1, 1)' 'lease has run out'
	is pending 'SELECT t.state(1)'
}

@test "a token names one claim for ever" {
	jobs 2
	sql 'SELECT t.worker(1), t.worker(2), t.claim(1, 1)'
	refuses 23505 'SELECT t.claim(2, 1)'
	is pending 'SELECT t.state(2)'
}

@test "parallel claims share the jobs out, each to one" {
	local n pids=()

	jobs 600
	sql 'SELECT t.worker(n) FROM generate_series(1, 4) n' >/dev/null
	for n in {1..4}; do
		psql -XAtqc "DO \$\$ BEGIN FOR i IN 1..30 LOOP PERFORM t.claim($n, $n * 100 + i, 7); COMMIT; END LOOP; END \$\$" &
		pids+=($!)
	done
	wait "${pids[@]}"
	is 600 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running' AND attempt = 1"
	is 600 'SELECT sum(cardinality(ids)) FROM jobctl.claims'
}

@test "a full worker is not idle any more" {
	jobs 2
	sql 'SELECT t.worker(1), jobctl.worker_idle(t.w(1))'
	sql 'SELECT t.claim(1, 1, 3)'
	is t 'SELECT idle FROM jobctl.workers'
	jobs 3
	sql 'SELECT t.claim(1, 2, 1)'
	is f 'SELECT idle FROM jobctl.workers'
}

@test "a job that somebody only refers to can be claimed" {
	jobs 1
	sql 'SELECT t.worker(1)'
	hold_open "SELECT jobctl.submit('a', after => t.jj(1))"
	is 1 'SELECT t.claim(1, 1)'
	exec {TX}>&-
}

@test "a checkpoint comes back with the next attempt" {
	jobs 1 "backoff => 'constant:0s'"
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	sql "SELECT t.report(1, 1, 1, mark => '{\"at\": 7}')"
	sql "SELECT t.finish(1, 1, 1, 'exit')"
	is '{"at": 7}' "SELECT checkpoint FROM jobctl.claim(t.k(2), t.w(1), '{default}', 1)"
	is '{"at": 7}' "SELECT checkpoint FROM jobctl.claim(t.k(2), t.w(1), '{default}', 1)"
}
