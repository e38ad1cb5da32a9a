#!/usr/bin/env bats
# finish(), give_back() and cancel(): what an outcome makes of a job.

bats_require_minimum_version 1.5.0
load queue

# Job 1 runs under worker 1 and token 1.
running() {	# [SUBMIT-ARGUMENTS]
	jobs 1 "$@"
	sql 'SELECT t.worker(1), t.claim(1, 1)'
}

@test "ok completes, and everything is kept" {
	running "args => '{\"x\": 1}', unique_key => 'u'"
	sql "SELECT t.report(1, 1, 1, 3, 4, 'three of four', '{\"files_indexed\": 4}', '[1]')"
	is 'accepted|completed' "SELECT verdict, status FROM jobctl.finish(t.w(1), t.jj(1), t.kk(1), '{ok}', '{0}', '{NULL}',
		'{NULL}', ARRAY['{\"r\": 1}'::jsonb], '{1.5}', '{4096}')"
	is 'completed|ok|0||{"r": 1}|1.5|4096|three of four|3|4|{"files_indexed": 4}|host1|1001|1|u|{"x": 1}' "SELECT status,
		outcome, exit_code, signal, result, cpu_s, max_rss_bytes, message, progress_done, progress_total, stats,
		worker_host, worker_pid, attempt, unique_key, args FROM jobctl.job"
	is '[1]|t' 'SELECT checkpoint, token = t.k(1) AND worker_id = t.w(1) FROM jobctl.finished_jobs'
	is '0|0' 'SELECT (SELECT count(*) FROM jobctl.job_progress), (SELECT count(*) FROM jobctl.claims)'
}

@test "a failed attempt goes back with backoff while attempts are left" {
	local outcome

	for outcome in exit signal timeout not_found not_executable; do
		sql 'CALL t.clear()'
		running
		is $'accepted pending\nt' "BEGIN; SELECT t.finish(1, 1, 1, '$outcome', 'boom', 3);
			SELECT wake_at - now() BETWEEN '9 s' AND '11.1 s' AND run_at = wake_at FROM jobctl.jobs; COMMIT"
		is 'pending|1|boom||' 'SELECT status, attempt, error_message, token, started_at FROM jobctl.jobs'
		is "$outcome|3|boom|1|host1" 'SELECT outcome, exit_code, error_message, attempt, worker_host FROM jobctl.job_attempts'
	done
}

@test "the last attempt fails the job" {
	running 'max_attempts => 1'
	is 'accepted failed' "SELECT t.finish(1, 1, 1, 'exit', 'boom', 3)"
	is 'failed|exit|boom|3' 'SELECT status, outcome, error_message, exit_code FROM jobctl.job'
}

@test "who does not say what happened is told by the outcome" {
	running 'max_attempts => 1'
	sql "SELECT t.finish(1, 1, 1, 'exit', NULL, 3)"
	is 'exit 3' 'SELECT error_message FROM jobctl.job'
}

@test "a later success clears the error" {
	running "backoff => 'constant:0s'"
	sql "SELECT t.finish(1, 1, 1, 'exit', 'boom', 3)"
	sql 'SELECT t.claim(1, 2)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 2)'
	is 'completed||2' 'SELECT status, error_message, attempt FROM jobctl.job'
	is $'exit|boom\nok|' 'SELECT outcome, error_message FROM jobctl.job_run ORDER BY ended_at'
}

@test "permanent fails at once" {
	running
	is 'accepted failed' "SELECT t.finish(1, 1, 1, 'permanent', 'bad data', 65)"
	is 'failed|permanent' 'SELECT status, outcome FROM jobctl.job'
}

@test "tempfail gives the attempt back, however often" {
	local n

	running "max_attempts => 1, backoff => 'constant:0s'"
	for n in 1 2 3; do
		is 'accepted pending' "SELECT t.finish(1, 1, $n, 'tempfail', 'later', 75)"
		is 0 'SELECT attempt FROM jobctl.jobs'
		sql "SELECT t.claim(1, $n + 1)"
	done
	is 3 "SELECT count(*) FROM jobctl.job_attempts WHERE outcome = 'tempfail' AND attempt = 1"
}

@test "backoff grows as its policy says, give or take a tenth, up to its limit" {
	is t "SELECT bool_and(d BETWEEN want * 0.9 AND want * 1.1) FROM (VALUES
		(NULL, NULL::interval, NULL::interval, 1, interval '10 s'), (NULL, NULL, NULL, 4, '80 s'),
		(NULL, NULL, NULL, 30, '1 h'), ('exponential', '1 s', '5 s', 2, '2 s'), ('exponential', '1 s', '5 s', 9, '5 s'),
		('linear', '3 s', NULL, 5, '15 s'), ('linear', NULL, '25 s', 5, '25 s'), ('constant', '7 s', NULL, 9, '7 s'),
		('constant', '2 h', NULL, 9, '2 h'), ('exponential', '365 days', '365 days', 1000, '365 days'),
		('linear', '365 days', '365 days', 1000, '365 days'), ('constant', '0', NULL, 3, '0'))
		v(policy, base, longest, n, want), LATERAL jobctl.retry_delay(policy, base, longest, n) d,
		generate_series(1, 100)"
	is t "SELECT count(DISTINCT jobctl.retry_delay(NULL, NULL, NULL, 1)) > 5 FROM generate_series(1, 10)"
}

@test "a cancelled job is cancelled by any outcome but ok" {
	local n=0 outcome

	for outcome in exit signal timeout not_found not_executable tempfail permanent cancelled; do
		sql 'CALL t.clear()'
		running
		is '1 running running' 'SELECT t.cancel(1)'
		is 'accepted cancelled' "SELECT t.finish(1, 1, 1, '$outcome')"
		is "cancelled|$outcome" 'SELECT status, outcome FROM jobctl.job'
	done
	sql 'CALL t.clear()'
	running
	sql 'SELECT t.cancel(1)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
}

@test "said again it is repeated, and nothing happens twice" {
	running "backoff => 'constant:0s'"
	sql "SELECT t.finish(1, 1, 1, 'exit')"
	is repeated "SELECT t.finish(1, 1, 1, 'exit')"
	is 1 'SELECT count(*) FROM jobctl.job_attempts'
	sql 'SELECT t.claim(1, 2), t.finish(1, 1, 2)'
	is repeated 'SELECT t.finish(1, 1, 2)'
	is repeated "SELECT t.finish(1, 1, 1, 'exit')"
	is '1|0' 'SELECT (SELECT count(*) FROM jobctl.finished_jobs), (SELECT count(*) FROM jobctl.jobs)'
}

@test "one end said twice in one call is one end" {
	running
	is 'accepted completed' "SELECT string_agg(concat_ws(' ', verdict, status), ',') FROM jobctl.finish(t.w(1), t.jj(1, 1),
		t.kk(1, 1), '{ok,exit}', '{0,1}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{0,0}', '{0,0}')"
	is 1 'SELECT count(*) FROM jobctl.finished_jobs'
}

@test "a token that does not run the job changes nothing" {
	running
	is superseded 'SELECT t.finish(1, 1, 9)'
	is superseded 'SELECT t.finish(2, 1, 1)'
	is superseded 'SELECT t.finish(1, 2, 1)'
	sql 'SELECT t.expire(1), t.reap()'
	is superseded 'SELECT t.finish(1, 1, 1)'
	sql 'SELECT t.worker(1)'
	is superseded 'SELECT t.finish(1, 1, 1)'
	is 'pending|0|1' 'SELECT status, attempt, crashes FROM jobctl.jobs'
}

@test "who was lost while it was to be cancelled is superseded too" {
	running
	sql 'SELECT t.cancel(1), t.expire(1)'
	is '1 cancelled' 'SELECT t.reap()'
	is superseded 'SELECT t.finish(1, 1, 1)'
	is 'cancelled|worker_lost' 'SELECT status, outcome FROM jobctl.job'
}

@test "a row that somebody holds is busy, the others of the batch are not" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 2)'
	hold_open "SELECT jobctl.submit('a', after => t.jj(1))"
	is 'busy,accepted completed' "SELECT string_agg(concat_ws(' ', verdict, status), ',' ORDER BY id) FROM jobctl.finish(t.w(1),
		t.jj(1, 2), t.kk(1, 1), '{ok,ok}', '{0,0}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{0,0}', '{0,0}')"
	is running 'SELECT t.state(1)'
	echo 'ROLLBACK;' >&"$TX"
	eventually 10 is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	let_go
}

@test "many in one call, each to its own end" {
	jobs 4 'max_attempts => 1'
	sql 'SELECT t.worker(1), t.claim(1, 1, 3), t.claim(1, 2, 1)'
	is $'1|accepted|completed\n2|accepted|failed\n3|superseded|\n4|accepted|pending' "SELECT t.n(id), verdict, status
		FROM jobctl.finish(t.w(1), t.jj(1, 2, 3, 4), t.kk(1, 1, 7, 2), '{ok,exit,ok,tempfail}', '{0,1,0,75}',
		'{NULL,NULL,NULL,NULL}', '{NULL,x,NULL,NULL}', '{NULL,NULL,NULL,NULL}', '{0,0,0,0}', '{0,0,0,0}') ORDER BY id"
	is '00000000-0000-4000-b000-000000000001|1' 'SELECT token, unfinished FROM jobctl.claims'
}

@test "no jobs, no verdicts" {
	sql 'SELECT t.worker(1)'
	is '' "SELECT * FROM jobctl.finish(t.w(1), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')"
	is '' "SELECT * FROM jobctl.finish(t.w(1), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
}

@test "an outcome that does not exist is refused, and the job runs on" {
	running 'max_attempts => 1'
	refuses 23514 "SELECT t.finish(1, 1, 1, 'lost')" outcome_check
	refuses 23502 "SELECT t.finish(1, 1, 1, NULL)" outcome
	is running 'SELECT t.state(1)'
}

@test "a job given back keeps its place and its attempt" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	is accepted 'SELECT t.give_back(1, 1, 1)'
	is 'pending|0|0' 'SELECT status, attempt, (SELECT count(*) FROM jobctl.job_attempts) FROM jobctl.jobs WHERE id = t.j(1)'
	is 1 'SELECT t.claim(1, 2)'
	is accepted "SELECT t.give_back(1, 1, 2, 'the host shuts down')"
	is 'interrupted|the host shuts down' 'SELECT outcome, error_message FROM jobctl.job_attempts'
	is superseded "SELECT t.give_back(1, 1, 2, 'the host shuts down')"
	is superseded 'SELECT t.finish(1, 1, 1)'
}

@test "a job given back is offered to who is idle" {
	running
	sql 'SELECT t.worker(2), jobctl.worker_idle(t.w(2))'
	[ "$(notified 'SELECT t.give_back(1, 1, 1)')" = '2 wake' ]
}

@test "a cancelled job is not given back but cancelled, and so are those after it" {
	running
	sql "SELECT jobctl.submit('a', id => t.j(2), after_ok => t.jj(1)), t.cancel(1)"
	is accepted "SELECT t.give_back(1, 1, 1, 'stopped')"
	is 'cancelled|cancelled' 'SELECT t.state(1), t.state(2)'
}

@test "cancelling what waits, what runs, what ended and what never was" {
	jobs 4
	sql "SELECT jobctl.hold(t.jj(4)), t.worker(1), t.claim(1, 1, 2), t.finish(1, 1, 1)"
	is '1 completed completed,2 running running,3 pending cancelled,4 held cancelled' 'SELECT t.cancel(1, 2, 3, 4, 5, 4)'
	is '1 completed completed,2 running running,3 cancelled cancelled,4 cancelled cancelled' 'SELECT t.cancel(1, 2, 3, 4)'
	is 'cancelled by jobctl' "SELECT error_message FROM jobctl.job WHERE id = t.j(3)"
	sql "SELECT jobctl.cancel(t.jj(2), 'not needed')"
	is 5 "SELECT count(*) FROM jobctl.job_events WHERE event = 'cancel' AND role_name = 'jobctl'"
	is '' 'SELECT t.cancel(5)'
	is '' "SELECT * FROM jobctl.cancel('{}')"
	is '' "SELECT * FROM jobctl.cancel(NULL)"
}

@test "the worker of a running job is told to stop it" {
	running
	[ "$(notified 'SELECT t.cancel(1)')" = '1 cancel' ]
	is '1 cancel' "SELECT t.beat(1, '{1}', '{1}')"
}

@test "held jobs stay until they are released, then go to the end" {
	jobs 3
	is $'1|pending|held\n2|pending|held' 'SELECT t.n(h.id), was, status FROM jobctl.hold(t.jj(1, 2, 9)) h'
	is '1|held|held' 'SELECT t.n(h.id), was, status FROM jobctl.hold(t.jj(1)) h'
	sql 'SELECT t.worker(1)'
	is 3 'SELECT t.claim(1, 1, 3)'
	is '3|running|running' 'SELECT t.n(h.id), was, status FROM jobctl.hold(t.jj(3)) h'
	jobs 4
	is $'1|held|pending\n3|running|running' 'SELECT t.n(r.id), was, status FROM jobctl.release(t.jj(1, 3)) r ORDER BY 1'
	is 2 "SELECT count(*) FROM jobctl.job_events WHERE event = 'hold'"
	is 4,1 'SELECT t.claim(1, 2, 3)'
}

@test "above READ COMMITTED it is refused, with a hint" {
	running
	refuses JC078 "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.finish(1, 1, 1)" 'BEGIN ISOLATION LEVEL READ COMMITTED'
	refuses JC078 "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT t.cancel(1)"
	refuses JC078 "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT t.give_back(1, 1, 1)"
	refuses JC078 "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT t.reap()"
	refuses JC078 "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT jobctl.maintain()"
	is running 'SELECT t.state(1)'
}
