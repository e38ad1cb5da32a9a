#!/usr/bin/env bats
# Workers live by their lease: heartbeats, and what is done about the dead.

bats_require_minimum_version 1.5.0
load queue

@test "a heartbeat renews the lease, however much is left of it" {
	sql "SELECT t.worker(1, lease => '1 hour')"
	sql 'SELECT t.expire(1), t.beat(1)'
	is t "SELECT lease_until - now() BETWEEN '55 min' AND '1 hour' AND now() - heartbeat_at < '5 min' FROM jobctl.workers"
}

@test "it tells what to stop: cancelled and superseded jobs" {
	jobs 4
	sql 'SELECT t.worker(1), t.claim(1, 1, 4), t.cancel(2), t.finish(1, 3, 1)'
	is '2 cancel,3 superseded,4 superseded' "SELECT t.beat(1, '{1,2,3,4}', '{1,1,1,9}')"
}

@test "who was given up for dead is told so" {
	refuses JC069 'SELECT t.beat(1)' 'given up for dead'
	sql 'SELECT t.worker(1), t.expire(1), t.reap()'
	refuses JC069 'SELECT t.beat(1)' 'given up for dead'
	sql 'SELECT t.worker(1), t.beat(1)'
}

@test "what was claimed a lease ago and nobody names goes back" {
	jobs 3
	sql "SELECT t.worker(1, lease => '1 min'), t.claim(1, 1, 2), t.claim(1, 2, 1)"
	sql "SELECT t.beat(1)"
	is 3 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running'"
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '2 min'"
	sql "SELECT t.beat(1, '{1,3}', '{1,2}')"
	is 'running|pending|running' 'SELECT t.state(1), t.state(2), t.state(3)'
	is '0|0' 'SELECT attempt, crashes FROM jobctl.jobs WHERE id = t.j(2)'
}

@test "a dead worker's jobs go back, the crash is counted, the attempt is not" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 2), t.worker(2)'
	is '' 'SELECT t.reap()'
	sql 'SELECT t.expire(1)'
	is '1 pending,2 pending' 'SELECT t.reap()'
	is $'pending|0|1||\npending|0|1||' 'SELECT status, attempt, crashes, token, started_at FROM jobctl.jobs'
	is 2 "SELECT count(*) FROM jobctl.job_attempts WHERE outcome = 'worker_lost' AND attempt = 1
		AND error_message LIKE 'worker lost: host1 pid 1001, lease expired 2___-__-__T__:__:__Z'"
	is 2 "SELECT count(*) FROM jobctl.job_events WHERE event = 'reap'"
	is $'t\nf' 'SELECT worker_id = t.w(2) FROM jobctl.workers UNION ALL SELECT EXISTS (SELECT FROM jobctl.claims)'
	is '' 'SELECT t.reap()'
}

@test "the third crash fails the job" {
	local n

	jobs 1
	for n in 1 2; do
		sql "SELECT t.worker(1), t.claim(1, $n), t.expire(1), t.reap()"
		is "pending|$n" 'SELECT status, crashes FROM jobctl.jobs'
	done
	sql 'SELECT t.worker(1), t.claim(1, 3), t.expire(1)'
	is '1 failed' 'SELECT t.reap()'
	is 'failed|worker_lost|3|1|t' "SELECT status, outcome, crashes, attempt,
		error_message LIKE 'killed 3 workers; the last: worker lost: host1%' FROM jobctl.job"
}

@test "one that was to be cancelled is cancelled" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1), t.cancel(1), t.expire(1)'
	is '1 cancelled' 'SELECT t.reap()'
}

@test "a worker that was seen to die is reaped at once" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	is '1 pending' 'SELECT t.reap(1)'
	is 'worker lost: host1 pid 1001, the process is gone' 'SELECT error_message FROM jobctl.jobs'
}

@test "a worker that ended by its own decision has interrupted its jobs; no crash is counted" {
	jobs 2
	sql 'UPDATE jobctl.jobs SET crashes = 2'
	sql 'SELECT t.worker(1), t.claim(1, 1), t.worker(2), t.claim(2, 2), t.expire(2)'
	is '1|pending,2|failed' "SELECT string_agg(t.n(r.id) || '|' || r.status, ',' ORDER BY r.id)
		FROM jobctl.reap(ARRAY[t.w(1)], 'told to', started => ARRAY[t.j(1)], crashed => false) r"
	is '2|0|interrupted: host1 pid 1001, told to' \
		"SELECT crashes, attempt, error_message FROM jobctl.jobs"
	is interrupted "SELECT outcome FROM jobctl.job_run WHERE job_id = t.j(1)"
	sql 'SELECT t.worker(1), t.claim(1, 3), t.cancel(1)'
	is '1|cancelled' "SELECT t.n(r.id) || '|' || r.status
		FROM jobctl.reap(ARRAY[t.w(1)], 'told to', crashed => false) r"
	is 'cancelled|cancelled' "SELECT status || '|' || outcome FROM jobctl.job WHERE id = t.j(1)"
}

@test "reaping tells idle workers of the queue" {
	jobs 1
	sql 'SELECT t.worker(1), t.worker(2), t.claim(1, 1), jobctl.worker_idle(t.w(2)), t.expire(1)'
	[ "$(notified 'SELECT jobctl.maintain()')" = '2 wake' ]
}

@test "a job that somebody holds keeps its dead worker until later" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 2), t.expire(1)'
	hold_open "SELECT jobctl.submit('a', after => t.jj(1))"
	is '2 pending' 'SELECT t.reap()'
	is 'running|1|1' 'SELECT t.state(1), unfinished, (SELECT count(*) FROM jobctl.workers) FROM jobctl.claims'
	echo 'ROLLBACK;' >&"$TX"
	let_go
	eventually 10 is '1 pending' 'SELECT t.reap()'
	is 0 'SELECT count(*) FROM jobctl.workers'
}

@test "a worker leaves when it has nothing left" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	is f 'SELECT jobctl.unregister_worker(t.w(1))'
	sql 'SELECT t.finish(1, 1, 1)'
	is t 'SELECT jobctl.unregister_worker(t.w(1))'
	is f 'SELECT jobctl.unregister_worker(t.w(1))'
}

@test "registering again renews everything" {
	sql "SELECT t.worker(1), t.expire(1), t.worker(1, '{a,b}', '5 min', '{x}')"
	is '{a,b}|{x}|00:05:00|t' "SELECT queues, kinds, lease, lease_until > now() FROM jobctl.workers"
}

@test "a new worker is told to those of its host and boot" {
	sql "SELECT jobctl.register_worker(t.w(n), 'h', 'b' || n / 4, n, 1, 'v', NULL, NULL, 1, '1 hour')
		FROM generate_series(1, 4) n"
	sql "SELECT t.worker(5)"
	[ "$(notified "SELECT jobctl.register_worker(t.w(6), 'h', 'b0', 6, 1, 'v', NULL, NULL, 1, '1 hour')")" = '1 neighbour
2 neighbour
3 neighbour' ]
	[ -z "$(notified "SELECT jobctl.register_worker(t.w(6), 'h', 'b0', 6, 1, 'v', NULL, NULL, 1, '2 hours')")" ]
}

@test "a worker without end cannot register" {
	refuses 23514 "SELECT t.worker(1, lease => '2 days')" ck_lease
	refuses 23514 "SELECT t.worker(1, lease => '0')" ck_lease
}

@test "claims whose jobs were moved by hand are let go" {
	jobs 3
	sql 'SELECT t.worker(1), t.claim(1, 1, 1), t.claim(1, 2, 2)'
	sql 'DELETE FROM jobctl.jobs WHERE id IN (t.j(1), t.j(2), t.j(3))'
	is 0 'SELECT reaped FROM jobctl.maintain()'
	is 2 'SELECT count(*) FROM jobctl.claims'
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '11 min'"
	sql 'SELECT jobctl.maintain()'
	is 0 'SELECT count(*) FROM jobctl.claims'
}

@test "reports change what they name, and only while the job runs" {
	jobs 1
	sql "SELECT t.worker(1), t.claim(1, 1), t.report(1, 1, 1, 1, 10, 'one', '{\"a\": 1, \"b\": 1}', '[1]')"
	sql "SELECT t.report(1, 1, 1, 2, NULL, NULL, '{\"b\": 2}')"
	is '2|10|one|{"a": 1, "b": 2}|[1]' 'SELECT done, total, message, stats, checkpoint FROM jobctl.job_progress'
	sql "SELECT t.report(1, 1, 1, -1, -1, repeat('x', 2000), '[1]', to_jsonb(repeat('x', 70000)))"
	is '2|10|1000|{"a": 1, "b": 2}|[1]' 'SELECT done, total, length(message), stats, checkpoint FROM jobctl.job_progress'
	sql "SELECT t.report(1, 1, 1, stats => jsonb_build_object('c', repeat('x', 40000))),
		t.report(1, 1, 1, stats => jsonb_build_object('d', repeat('x', 40000)))"
	is 'a,b,c' "SELECT string_agg(k, ',') FROM jobctl.job_progress, jsonb_object_keys(stats) k"
	sql "SELECT t.report(1, 1, 9, 5), t.report(2, 1, 1, 5), t.finish(1, 1, 1), t.report(1, 1, 1, 5)"
	is '2|0' 'SELECT progress_done, (SELECT count(*) FROM jobctl.job_progress) FROM jobctl.job'
}

@test "a report about a row that somebody has is to be said again" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 2)'
	run -0 psql -XAtq <<-'END'
		BEGIN;
		SELECT FROM jobctl.jobs WHERE id = t.j(2) FOR UPDATE;
		\! psql -XAtqc "SELECT t.n(id), token = t.k(1) FROM jobctl.report(t.w(1), t.jj(1, 2), t.kk(1, 1), '{1,2}', '{9,9}', '{a,b}', '{NULL,NULL}', '{NULL,NULL}')"
	END
	[[ "$output" == *'2|t' ]]
	is '1|a' 'SELECT done, message FROM jobctl.job_progress'
}

@test "of two reports in one call the later counts" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	sql "SELECT jobctl.report(t.w(1), t.jj(1, 1), t.kk(1, 1), '{1,2}', '{9,9}', '{a,b}', '{NULL,NULL}', '{NULL,NULL}')"
	is '2|b' 'SELECT done, message FROM jobctl.job_progress'
}

@test "a piece of output said twice is stored once, and none without the token" {
	jobs 1
	sql "SELECT t.worker(1), t.claim(1, 1), t.output(1, 1, 1, 1, 'one'), t.output(1, 1, 1, 1, 'one'), t.output(1, 1, 1, 2, 'two')"
	sql "SELECT t.output(1, 1, 9, 3, 'x'), t.output(2, 1, 1, 3, 'x'), t.finish(1, 1, 1), t.output(1, 1, 1, 3, 'x')"
	is $'1|one|1\n2|two|1' "SELECT n, convert_from(data, 'UTF8'), attempt FROM jobctl.job_output ORDER BY n"
}
