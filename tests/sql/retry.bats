#!/usr/bin/env bats
# Running jobs again: the same id, the history kept, all of a call or nothing.

bats_require_minimum_version 1.5.0
load queue

# Job J has failed for good, under token J.
failed() {	# J [SUBMIT-ARGUMENTS]
	sql "SELECT jobctl.submit('work', id => t.j($1)${2:+, $2}), t.worker(1), t.claim(1, $1, 1),
		t.finish(1, $1, $1, 'permanent', 'boom $1', 65)" >/dev/null
	is failed "SELECT t.state($1)"
}

# NUMBER WAS STATUS of each job that retry() tells of.
retry() {	# NUMBERS [RETRY-ARGUMENTS]
	printf "SELECT concat_ws(' ', t.n(r.id), r.was, r.status) FROM jobctl.retry(t.jj(%s)%s) r ORDER BY r.id" "$1" "${2:+, $2}"
}

@test "a job that failed is pending again, the same job, and runs" {
	failed 1 "priority => 7, queue => 'default', unique_key => 'k', backoff => 'linear:3s', timeout => '5 min'"
	local before

	before=$(sql "SELECT created_at, created_by, priority, queue, kind, args, unique_key, backoff, backoff_base, timeout FROM jobctl.finished_jobs")
	is '1 failed pending' "$(retry 1)"
	is "$before" 'SELECT created_at, created_by, priority, queue, kind, args, unique_key, backoff, backoff_base, timeout FROM jobctl.jobs'
	is 't|t' 'SELECT wake_at IS NULL, run_at = (SELECT at FROM jobctl.job_events) FROM jobctl.jobs'
	is 0 'SELECT count(*) FROM jobctl.finished_jobs'
	is 1 'SELECT t.claim(1, 2)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 2)'
	is 'completed|2|' 'SELECT status, attempt, error_message FROM jobctl.job'
}

@test "its end stays in its history, and so does its output" {
	failed 1
	sql 'SELECT t.worker(1)'
	sql "$(retry 1)"
	is '1|failed|permanent|65|boom 1|host1|4096|t' "SELECT attempt, ended_as, outcome, exit_code, error_message, worker_host,
		max_rss_bytes, token = t.k(1) FROM jobctl.job_attempts"
	is '1|permanent|65|boom 1' 'SELECT attempt, outcome, exit_code, error_message FROM jobctl.job_run'
	sql "SELECT t.claim(1, 2), t.output(1, 1, 2, 1, 'again'), t.finish(1, 1, 2)"
	is $'1|permanent\n2|ok' 'SELECT attempt, outcome FROM jobctl.job_run ORDER BY started_at'
	is repeated "SELECT t.finish(1, 1, 1, 'permanent')"
}

@test "what it returned is kept, too, and it begins anew; one that failed goes on where it was" {
	sql "SELECT jobctl.submit('work', id => t.j(1)), jobctl.submit('work', id => t.j(2)), t.worker(1), t.claim(1, 1, 2),
		t.report(1, 1, 1, 5, 5, 'all', '{\"x\": 1}', '[5]'), t.report(1, 2, 1, 3, 5, 'some', '{\"x\": 2}', '[3]')"
	sql "SELECT jobctl.finish(t.w(1), t.jj(1), t.kk(1), '{ok}', '{0}', '{NULL}', '{NULL}', ARRAY['{\"r\": 1}'::jsonb], '{1}', '{1}'),
		t.finish(1, 2, 1, 'permanent')"
	is $'1 completed pending\n2 failed pending' "$(retry '1, 2')"
	is '{"r": 1}' 'SELECT result FROM jobctl.job_attempts WHERE job_id = t.j(1)'
	is '2|3|5|some|{"x": 2}|[3]' 'SELECT t.n(job_id), done, total, message, stats, checkpoint FROM jobctl.job_progress'
	is $'1|\n2|[3]' "SELECT t.n(c.id), c.checkpoint FROM jobctl.claim(t.k(2), t.w(1), '{default}', 9) c ORDER BY 1"
}

@test "it may make as many attempts as at first, however often it is retried, and backoff begins anew" {
	local round

	jobs 1 "max_attempts => 2, backoff => 'linear:10s'"
	sql 'SELECT t.worker(1)'
	for round in 0 1 2; do
		sql "SELECT t.claim(1, $((round * 2 + 1)))"
		is $'accepted pending\nt' "BEGIN; SELECT t.finish(1, 1, $((round * 2 + 1)), 'exit');
			SELECT wake_at - now() BETWEEN '9 s' AND '11.1 s' FROM jobctl.jobs; COMMIT"
		sql "SELECT t.fall_due(1), t.claim(1, $((round * 2 + 2)))"
		is 'accepted failed' "SELECT t.finish(1, 1, $((round * 2 + 2)), 'exit')"
		sql "$(retry 1)"
		is "$((round * 2 + 2))|$((round * 2 + 4))" 'SELECT attempt, max_attempts FROM jobctl.jobs'
	done
	sql "UPDATE jobctl.jobs SET attempt = 999, max_attempts = 1000, spent = 0; SELECT t.claim(1, 9), t.finish(1, 1, 9, 'permanent')"
	sql "$(retry 1)"
	is '1000|1000' 'SELECT attempt, max_attempts FROM jobctl.jobs'
	refuses 23514 'UPDATE jobctl.jobs SET spent = -1' jobs_spent_check
}

@test "a job that killed three workers gets three others" {
	jobs 1
	for k in 1 2 3; do
		sql "SELECT t.worker($k), t.claim($k, $k), t.reap($k)"
	done
	is 'failed|3' 'SELECT status, crashes FROM jobctl.job'
	sql "$(retry 1)"
	is 0 'SELECT crashes FROM jobctl.jobs'
	is superseded "SELECT t.finish(3, 1, 3)"
}

@test "one that never ran keeps why it ended, and has no run" {
	jobs 2
	sql "SELECT jobctl.cancel(t.jj(1), 'not today')"
	is '1 cancelled pending' "$(retry 1)"
	is 'cancelled|cancelled|not today|' 'SELECT ended_as, outcome, error_message, token FROM jobctl.job_attempts'
	is 0 'SELECT count(*) FROM jobctl.job_run'
	is '0||t' 'SELECT attempt, error_message, spent = 0 FROM jobctl.jobs WHERE id = t.j(1)'
}

@test "what was to come later comes now; what is ready stays where it is" {
	sql "SELECT jobctl.submit('work', id => t.j(1), run_in => '1 h'), jobctl.submit('work', id => t.j(2)),
		jobctl.submit('work', id => t.j(3)), t.worker(1), t.claim(1, 1), t.finish(1, 2, 1, 'exit', 'boom')"
	is $'1 pending pending\n2 pending pending\n3 pending pending' "$(retry '1, 2, 3')"
	is $'1|0\n2|1\n3|0' 'SELECT t.n(id), attempt FROM jobctl.jobs WHERE wake_at IS NULL AND run_at <= now() ORDER BY id'
	is 2 "SELECT count(*) FROM jobctl.job_events WHERE event = 'retry'"
	is 3,1,2 'SELECT t.claim(1, 2, 9)'
}

@test "run_in is from now" {
	failed 1
	sql "SELECT jobctl.submit('work', id => t.j(2))"
	sql "$(retry '1, 2' "run_in => '1 h'")"
	is 2 "SELECT count(*) FROM jobctl.jobs WHERE wake_at = run_at AND run_at - now() BETWEEN '59 min' AND '1 h'"
	is '' 'SELECT t.claim(1, 9, 9)'
}

@test "edits are put over the arguments, of jobs that wait, too, and are written down" {
	failed 1 "args => '{\"a\": 1, \"b\": {\"c\": 1}}'"
	sql "SELECT jobctl.submit('work', '{\"a\": 0}', id => t.j(2))"
	sql "$(retry '1, 2' "edits => '{\"b\": 2, \"d\": null}'")"
	is $'{"a": 1, "b": 2, "d": null}\n{"a": 0, "b": 2, "d": null}' 'SELECT args FROM jobctl.jobs ORDER BY id'
	is 2 "SELECT count(*) FROM jobctl.job_events WHERE event = 'edit' AND why = '{\"b\": 2, \"d\": null}'"
	refuses JC065 "$(retry 1 "edits => '[]'")" 'must be a JSON object'
	refuses 23514 "$(retry 1 "edits => jsonb_build_object('x', repeat(md5('x'), 40000) || random())")" ck_args_size
}

@test "a key that the kind makes of an argument follows it" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(1)), jobctl.submit('index', '{\"repo_path\": \"/c\"}', id => t.j(2))"
	sql 'SELECT t.cancel(1, 2)'
	sql "$(retry 1 "edits => '{\"repo_path\": \"/b\"}'")"
	is index:/b 'SELECT unique_key FROM jobctl.jobs'
	refuses JC075 "$(retry 2 "edits => '{\"repo_path\": \"/b\"}'")" "job $(sql 'SELECT t.j(1)'), which is pending, has its unique key \"index:/b\""
	refuses 23514 "$(retry 2 "edits => '{\"repo_path\": \"b\"}'")" ck_index_repo_path
	is '{"repo_path": "/c"}' 'SELECT args FROM jobctl.finished_jobs'
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/d\"}', id => t.j(3))"
	refuses JC075 "$(retry 3 "edits => '{\"repo_path\": \"/b\"}'")" 'has its unique key "index:/b"'
	sql "$(retry 3 "edits => '{\"repo_path\": \"/e\"}'")"
	is index:/e 'SELECT unique_key FROM jobctl.jobs WHERE id = t.j(3)'
}

@test "running and held jobs are left alone, and that is said" {
	sql "SELECT jobctl.submit('work', id => t.j(1)), jobctl.submit('work', id => t.j(2), hold => true), t.worker(1), t.claim(1, 1)"
	is $'1 running running\n2 held held' "$(retry '1, 2, 9')"
	is 0 'SELECT count(*) FROM jobctl.job_events'
	is '1|t' "SELECT t.n(id), t.k(1) = token FROM jobctl.jobs WHERE status = 'running'"
}

@test "a unique key that is taken: who has it, and nothing is changed" {
	failed 1
	failed 2 "unique_key => 'k'"
	sql "SELECT jobctl.submit('work', id => t.j(3), unique_key => 'k', run_in => '1 h')"
	refuses JC075 "$(retry '1, 2')" "job $(sql 'SELECT t.j(2)') cannot be retried: job $(sql 'SELECT t.j(3)'), which is pending, has its unique key \"k\""
	is failed 'SELECT t.state(1)'
	is failed 'SELECT t.state(2)'
	is 0 'SELECT count(*) FROM jobctl.job_events'
	sql 'SELECT t.cancel(3)'
	is $'1 failed pending\n2 failed pending' "$(retry '1, 2')"
}

@test "two that want one key: neither" {
	failed 1 "unique_key => 'k'"
	failed 2 "unique_key => 'k'"
	refuses JC075 "$(retry '1, 2')" 'have the same unique key "k"'
	is 2 "SELECT count(*) FROM jobctl.finished_jobs"
	sql "$(retry 2)"
	is pending 'SELECT t.state(2)'
}

@test "what it had waited for when it ended, it waits for again" {
	jobs 1
	sql "SELECT jobctl.submit('work', id => t.j(2)), jobctl.submit('work', id => t.j(3), after_ok => t.jj(1), after => t.jj(2)), t.cancel(3)"
	sql "$(retry 3)"
	is 2 'SELECT blockers FROM jobctl.jobs WHERE id = t.j(3)'
	sql "SELECT t.worker(1), t.claim(1, 1, 2), t.finish(1, 2, 1, 'permanent'), t.finish(1, 1, 1)"
	is 3 'SELECT t.claim(1, 2, 9)'
}

@test "a job whose need has failed is retried with it, not alone" {
	sql "SELECT jobctl.submit('work', id => t.j(1)), jobctl.submit('work', id => t.j(2), after_ok => t.jj(1)),
		jobctl.submit('work', id => t.j(3), after_ok => t.jj(2)), t.worker(1), t.claim(1, 1), t.finish(1, 1, 1, 'permanent')"
	# submitted when it was too late
	sql "SELECT jobctl.submit('work', id => t.j(4), after_ok => t.jj(1, 3))"
	is 4 'SELECT count(*) FROM jobctl.finished_jobs'
	refuses JC001 "$(retry 2)" "needs job $(sql 'SELECT t.j(1)') to complete, which is failed"
	refuses JC001 "$(retry 4)" 'to complete, which is'
	is 4 'SELECT count(*) FROM jobctl.finished_jobs'
	sql "$(retry '4, 3, 2, 1')"
	is $'1|0\n2|1\n3|1\n4|2' 'SELECT t.n(id), blockers FROM jobctl.jobs ORDER BY id'
	sql 'SELECT t.claim(1, 2, 9), t.finish(1, 1, 2)'
	is 2 'SELECT t.claim(1, 3, 9)'
}

@test "a need that is gone with its history is no obstacle" {
	sql "SELECT jobctl.submit('work', id => t.j(1)), jobctl.submit('work', id => t.j(2), after_ok => t.jj(1)), t.cancel(1)"
	sql 'DELETE FROM jobctl.finished_jobs WHERE id = t.j(1)'
	sql "$(retry 2)"
	is 0 'SELECT blockers FROM jobctl.jobs'
}

@test "who waits for one, and was not told of its end, goes on waiting" {
	jobs 1
	sql "SELECT jobctl.submit('work', id => t.j(2), after_ok => t.jj(1))"
	hold_open 'SELECT FROM jobctl.jobs WHERE id = t.j(2) FOR UPDATE'
	sql "SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1, 'permanent')"
	let_go
	is 1 'SELECT count(*) FROM jobctl.unsettled'
	sql "$(retry 1)"
	sql 'SELECT jobctl.maintain()'
	is 'pending|1' 'SELECT status, blockers FROM jobctl.jobs WHERE id = t.j(2)'
	sql 'SELECT t.claim(1, 2), t.finish(1, 1, 2)'
	is 2 'SELECT t.claim(1, 3)'
}

@test "idle workers of the queue are told" {
	failed 1
	sql 'SELECT jobctl.worker_idle(t.w(1))'
	[ "$(notified "$(retry 1)")" = '1 wake' ]
}

@test "who did it, and why" {
	failed 1
	PGAPPNAME='jobctl-retry h:1' sql "$(retry 1 "'disk is empty again'")"
	is 'retry|default|default|jobctl|jobctl-retry h:1|disk is empty again' \
		'SELECT event, project_id, queue, role_name, client, why FROM jobctl.job_events'
}

@test "an end stays counted, once" {
	failed 1
	sql "UPDATE jobctl.counted SET counted_until = now() - interval '1 h'"
	is 'failed|permanent|1' 'SELECT status, outcome, sum(n) FROM jobctl.job_count GROUP BY 1, 2'
	sql "$(retry 1)"
	is 'failed|permanent|1' 'SELECT status, outcome, sum(n) FROM jobctl.job_count GROUP BY 1, 2'
	sql "UPDATE jobctl.job_attempts SET ended_at = ended_at - interval '1 min', started_at = started_at - interval '1 min'"
	sql 'SELECT jobctl.maintain()'
	is 'failed|permanent|1' 'SELECT status, outcome, sum(n) FROM jobctl.job_counts GROUP BY 1, 2'
	is 1 'SELECT sum(n) FROM jobctl.job_count'
}

@test "above READ COMMITTED it is refused" {
	failed 1
	refuses JC078 "BEGIN ISOLATION LEVEL REPEATABLE READ; $(retry 1)"
}

@test "history says so only of what ended" {
	failed 1
	sql "$(retry 1)"
	refuses 23514 "UPDATE jobctl.job_attempts SET ended_as = 'pending'" ck_attempt_ended_as
	refuses 23514 'UPDATE jobctl.job_attempts SET ended_as = NULL' job_attempts_outcome_check
	refuses 23514 "UPDATE jobctl.job_attempts SET ended_as = NULL, outcome = 'exit', token = NULL" ck_attempt_began
}

# --- what happened ---

# EVENT ATTEMPT OUTCOME MESSAGE of a job's story
story() {	# J
	sql "SELECT concat_ws(' ', event, attempt, outcome, message) FROM jobctl.story(t.j($1))"
}

@test "the story of a job, from its submission to its second end" {
	sql "SELECT jobctl.submit('work', id => t.j(1), max_attempts => 2, backoff => 'constant:1h'),
		jobctl.submit('work', id => t.j(2), after_ok => t.jj(1)), t.worker(1)"
	sql "SELECT jobctl.hold(t.jj(1), 'wait')"
	sql "SELECT jobctl.release(t.jj(1))"
	sql "SELECT t.claim(1, 1); SELECT t.report(1, 1, 1, 3, 10, 'frame 3')"
	[ "$(story 1)" = $'submit\nhold wait\nrelease\nstart 1\nprogress 3/10: frame 3' ]
	sql "SELECT t.finish(1, 1, 1, 'exit', 'boom', 3)"
	[ "$(story 1 | tail -n 3)" = $'progress 3/10: frame 3\nattempt 1 exit boom\ndue' ]
	sql "SELECT t.fall_due(1); SELECT t.claim(1, 2); SELECT t.finish(1, 1, 2, 'exit', 'bang', 3)"
	sql "$(retry 1 "'once more'")"
	sql 'SELECT t.claim(1, 3)'
	sql 'SELECT t.reap(1)'
	sql 'SELECT t.worker(1), t.claim(1, 4)'
	sql 'SELECT t.cancel(1)'
	sql "SELECT t.finish(1, 1, 4, 'cancelled')"
	[ "$(story 1 | tail -n +4)" = "start 1
attempt 1 exit boom
start 2
failed 2 exit bang
retry once more
start 3
reap worker lost: host1 pid 1001, the process is gone
attempt 3 worker_lost worker lost: host1 pid 1001, the process is gone
start 3
cancel
cancelled 3 cancelled cancelled" ]
	[ "$(story 2)" = "submit
cancelled 0 dependency job $(sql 'SELECT t.j(1)'), which must complete first, is failed" ]
	[ -z "$(story 9)" ]
}

@test "one who waits says for what" {
	jobs 1
	sql "SELECT jobctl.submit('work', id => t.j(2), after_ok => t.jj(1)), jobctl.submit('work', id => t.j(3), after => t.jj(1), run_in => '1 h')"
	[ "$(story 2)" = "submit
wait for job $(sql 'SELECT t.j(1)') to complete" ]
	[ "$(story 3)" = "submit
wait for job $(sql 'SELECT t.j(1)') to end
due" ]
}

@test "what happened to all of them, and to queues" {
	failed 1
	sql "SELECT jobctl.pause_queue('q', 'night')"
	sql "$(retry 1)"
	is $'failed|1|default\npause||q\nretry|1|default' 'SELECT event, t.n(id), queue FROM jobctl.event ORDER BY at'
}

# --- what it costs ---

# The tables that the plan reads from end to end, but for partitions that are empty.
scans() {	# 'SELECT ...'
	sql "EXPLAIN $1" | grep -oE "Seq Scan on (jobs|finished_jobs_$WEEK|job_attempts_$WEEK|job_events)\>"
}

@test "among many, nothing is read from end to end" {
	WEEK=$(sql "SELECT to_char(date_trunc('week', now() AT TIME ZONE 'UTC'), 'YYYYMMDD')")
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes,
			token, status, outcome, project_id, queue, kind, created_by, args)
		SELECT gen_random_uuid(), date_trunc('week', now()) + n * interval '1 ms', now(), now(), now(), 0, 1, 1, 0, gen_random_uuid(),
			CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, 'ok', 'default', 'q' || n % 10, 'k', 'x', '{}'
		FROM generate_series(1, 50000) n;
		INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
		SELECT id, token, completed_at, started_at, 1, 'exit', project_id, queue, kind FROM jobctl.finished_jobs;
		INSERT INTO jobctl.job_events (event, job_id, project_id, queue, at)
		SELECT 'cancel', id, project_id, queue, completed_at FROM jobctl.finished_jobs;
		INSERT INTO jobctl.jobs (id, kind) SELECT gen_random_uuid(), 'k' FROM generate_series(1, 20000)"
	sql "ANALYZE jobctl.jobs, jobctl.finished_jobs, jobctl.job_attempts, jobctl.job_events"
	run -0 scans 'SELECT max(args::text) FROM jobctl.finished_jobs'
	[ "$output" = "Seq Scan on finished_jobs_$WEEK" ]
	run -1 scans "SELECT id, status, queue FROM jobctl.job WHERE NOT live AND status = ANY ('{failed}') AND queue = 'q0'
		ORDER BY completed_at, id LIMIT 100"
	run -1 scans "SELECT * FROM jobctl.event ORDER BY at DESC, event_id LIMIT 20"
	run -1 scans "SELECT * FROM jobctl.event WHERE at > now() + interval '1 h'"
	run -1 scans "SELECT * FROM jobctl.event WHERE id = t.j(1)"
	run -1 scans "SELECT * FROM jobctl.job_run WHERE job_id = t.j(1)"
}
