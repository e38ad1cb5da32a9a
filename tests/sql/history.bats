#!/usr/bin/env bats
# What is kept of jobs and runs, and how the views tell it.

bats_require_minimum_version 1.5.0
load queue

@test "every run is one row of job_run, the present one included" {
	jobs 1 "backoff => 'constant:0s', max_attempts => 9"
	sql 'SELECT t.worker(1), t.worker(2)'
	sql "SELECT t.claim(1, 1), t.finish(1, 1, 1, 'exit', 'boom', 3)"
	sql "SELECT t.claim(1, 2), t.give_back(1, 1, 2, 'stopped')"
	sql 'SELECT t.claim(2, 3), t.reap(2)'
	sql 'SELECT t.claim(1, 4)'
	is $'1|exit|3|boom|host1\n2|interrupted||stopped|host1\n2|worker_lost||worker lost: host2 pid 1002, the process is gone|host2\n2||||host1' \
		'SELECT attempt, outcome, exit_code, error_message, worker_host FROM jobctl.job_run ORDER BY started_at'
	sql 'SELECT t.finish(1, 1, 4)'
	is '2|ok||t' 'SELECT attempt, outcome, error_message, ended_at IS NOT NULL FROM jobctl.job_run ORDER BY started_at DESC LIMIT 1'
	is 4 'SELECT count(*) FROM jobctl.job_run'
}

@test "a job that never ran has no run" {
	jobs 1
	sql 'SELECT t.cancel(1)'
	is 'cancelled||' 'SELECT status, started_at, worker FROM jobctl.job'
	is 0 'SELECT count(*) FROM jobctl.job_run'
}

@test "a job is live or finished, and one row either way" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1)'
	is $'1|completed|f|t\n2|pending|t|t' "SELECT t.n(id), status, live, at = coalesce(completed_at, created_at) FROM jobctl.job ORDER BY id"
}

@test "every reason there is for a job not to run" {
	sql "SELECT jobctl.submit('a', id => t.j(1)), jobctl.submit('a', id => t.j(2)), jobctl.submit('a', id => t.j(3), hold => true),
		jobctl.submit('a', id => t.j(4), run_in => '1 h'), jobctl.submit('a', id => t.j(5), after => t.jj(2)),
		jobctl.submit('b', id => t.j(6)), jobctl.submit('a', queue => 'empty', id => t.j(7))"
	sql "SELECT t.worker(1, kinds => '{a}')"
	is $'1|{Ready}\n2|{Behind}\n3|{Held}\n4|{Scheduled}\n5|{Dependency}\n6|{NoHandler}\n7|{NoWorker}' \
		'SELECT t.n(id), reasons FROM jobctl.job ORDER BY id'
	sql "SELECT t.claim(1, 1), t.finish(1, 1, 1, 'exit')"
	is '{Backoff}' 'SELECT reasons FROM jobctl.job WHERE id = t.j(1)'
	sql "SELECT jobctl.pause_queue('default'), jobctl.limit_queue('default', 0)"
	is '{Dependency,QueuePaused,ConcurrencyLimit}' 'SELECT reasons FROM jobctl.job WHERE id = t.j(5)'
}

@test "and how it stands with one that does" {
	jobs 1
	sql "SELECT t.worker(1, lease => '1 hour'), t.claim(1, 1)"
	is '{Healthy}' 'SELECT reasons FROM jobctl.job'
	sql "SELECT t.cancel(1); UPDATE jobctl.workers SET heartbeat_at = now() - interval '42 min'"
	is '{HeartbeatLate,CancelRequested}' 'SELECT reasons FROM jobctl.job'
	sql 'SELECT t.expire(1)'
	is '{LeaseExpired,CancelRequested}' 'SELECT reasons FROM jobctl.job'
}

@test "what people did is written down with who, where from and why" {
	jobs 1
	PGAPPNAME='jobctl-hold h:1' sql "SELECT jobctl.hold(t.jj(1), 'not tonight')"
	sql "SELECT jobctl.release(t.jj(1)); SELECT jobctl.cancel(t.jj(1), repeat('x', 5000)); SELECT jobctl.limit_queue('q', 3)"
	is $'hold|default|default|jobctl|jobctl-hold h:1|11\nrelease|default|default|jobctl|psql|\ncancel|default|default|jobctl|psql|1000\nlimit||q|jobctl|psql|13' \
		'SELECT event, project_id, queue, role_name, client, length(why) FROM jobctl.job_events ORDER BY event_id'
}

@test "output survives the job" {
	jobs 1
	sql "SELECT t.worker(1), t.claim(1, 1), t.output(1, 1, 1, 1, 'hello'), t.finish(1, 1, 1)"
	is 'hello|t' "SELECT convert_from(o.data, 'UTF8'), o.token = f.token FROM jobctl.job_output o JOIN jobctl.finished_jobs f ON f.id = o.job_id"
}
