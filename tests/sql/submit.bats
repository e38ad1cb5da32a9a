#!/usr/bin/env bats
# jobctl.submit(): what goes in is what was said, and what cannot be is refused.

bats_require_minimum_version 1.5.0
load queue

@test "a job is pending, in the default queue and project, and belongs to its submitter" {
	id=$(sql "SELECT jobctl.submit('mail', '{\"to\": \"ann\"}')")
	is "pending|default|default|mail|0|0|3|jobctl|ann" "SELECT status, queue, project_id, kind, priority, attempt,
		max_attempts, created_by, args ->> 'to' FROM jobctl.jobs WHERE id = '$id'"
}

@test "the id is a version 7 UUID of this moment" {
	id=$(sql "SELECT jobctl.submit('mail')")
	[[ $id =~ ^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	is t "SELECT abs(extract(epoch FROM clock_timestamp()) * 1000
		- ('x' || left(replace('$id', '-', ''), 12))::bit(48)::bigint) < 60000"
}

@test "every argument arrives" {
	sql "SELECT jobctl.submit('mail', '{\"a\": 1}', queue => 'q', priority => -7, run_in => '1 hour',
		unique_key => 'key', max_attempts => 9, backoff => 'linear:30s:10m', timeout => '5 min', hold => true,
		id => t.j(1))"
	is 'held|q|-7|t|key|9|linear|00:00:30|00:10:00|00:05:00' "SELECT status, queue, priority,
		wake_at = run_at AND run_at = created_at + interval '1 hour', unique_key, max_attempts, backoff,
		backoff_base, backoff_max, timeout FROM jobctl.jobs WHERE id = t.j(1)"
}

@test "run_in outranks run_at; the past is now" {
	sql "SELECT jobctl.submit('a', run_at => '2000-01-01', run_in => '1 hour', id => t.j(1)),
		jobctl.submit('a', run_at => '2000-01-01', id => t.j(2)), jobctl.submit('a', run_in => '-1 h', id => t.j(3))"
	is $'f\nt\nt' "SELECT wake_at IS NULL FROM jobctl.jobs ORDER BY id"
}

@test "nulls mean what was not said" {
	sql "SELECT jobctl.submit('mail', NULL, priority => NULL, max_attempts => NULL, backoff => NULL,
		timeout => NULL, on_conflict => NULL, id => t.j(1))"
	is '{}|0|3' "SELECT args, priority, max_attempts FROM jobctl.jobs WHERE id = t.j(1)"
}

@test "a kind has defaults: an hour for index, one attempt for exec" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(1)),
		jobctl.submit('index', '{\"repo_path\": \"/b\"}', id => t.j(2), timeout => '2 min', max_attempts => 7),
		jobctl.submit('exec', id => t.j(3))"
	is $'01:00:00|3\n00:02:00|7\n|1' "SELECT timeout, max_attempts FROM jobctl.jobs ORDER BY id"
}

@test "said again with its id, it is one job" {
	sql "SELECT jobctl.submit('a', id => t.j(1))"
	is "$(sql 'SELECT t.j(1)')" "SELECT jobctl.submit('a', id => t.j(1))"
	is "$(sql 'SELECT t.j(1)')" "SELECT jobctl.submit('a', id => t.j(1), repeated => true)"
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "said again after it ended, it does not begin anew" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1)'
	is "$(sql 'SELECT t.j(1)')" "SELECT jobctl.submit('work', id => t.j(1), repeated => true)"
	is 0 'SELECT count(*) FROM jobctl.jobs'
}

@test "said twice at once, it is one job" {
	local pids=()

	for _ in {1..8}; do
		sql "SELECT jobctl.submit('a', id => t.j(1))" >/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "what cannot be a kind, a queue or arguments is refused" {
	local kind

	for kind in '' ' ' 'a b' '-a' $'a\n' 'a;b' "$(printf 'x%.0s' {1..256})"; do
		refuses 23514 "SELECT jobctl.submit(\$\$$kind\$\$)" name_is_plain
	done
	refuses 23514 "SELECT jobctl.submit('a', queue => '')" name_is_plain
	refuses 23502 "SELECT jobctl.submit(NULL)" kind
	refuses 23514 "SELECT jobctl.submit('a', '[1]')" ck_args_is_object
	refuses 23514 "SELECT jobctl.submit('a', '\"x\"')" ck_args_is_object
	refuses 22P05 "SELECT jobctl.submit('a', '{\"x\": \"\\u0000\"}')"
	refuses 23514 "SELECT jobctl.submit('a', jsonb_build_object('x', repeat('x', 1048577)))" ck_args_size
	sql "SELECT jobctl.submit('a', jsonb_build_object('x', repeat('x', 1048000)))"
}

@test "what cannot be a time, a number or a policy is refused" {
	refuses 23514 "SELECT jobctl.submit('a', run_at => 'infinity')" ck_times_are_finite
	refuses 23514 "SELECT jobctl.submit('a', run_at => '-infinity')" ck_times_are_finite
	refuses 22008 "SELECT jobctl.submit('a', run_in => '293000 years')"
	refuses 23514 "SELECT jobctl.submit('a', max_attempts => 0)"
	refuses 23514 "SELECT jobctl.submit('a', max_attempts => 1001)"
	refuses 23514 "SELECT jobctl.submit('a', timeout => '0')" ck_timeout
	refuses 23514 "SELECT jobctl.submit('a', timeout => '-1 s')" ck_timeout
	refuses 23514 "SELECT jobctl.submit('a', backoff => 'quadratic')" ck_backoff
	refuses 23514 "SELECT jobctl.submit('a', backoff => 'linear:-1s')" ck_backoff_base
	refuses 23514 "SELECT jobctl.submit('a', backoff => 'linear:1s:1000 years')" ck_backoff_max
	refuses 22007 "SELECT jobctl.submit('a', backoff => 'linear:soon')"
	refuses JC065 "SELECT jobctl.submit('a', backoff => 'linear:1s:2s:3s')" 'POLICY[:BASE[:MAX]]'
	refuses JC065 "SELECT jobctl.submit('a', on_conflict => 'ignore')" 'not skip, fail or replace'
	is 0 'SELECT count(*) FROM jobctl.jobs'
}

@test "a repository's path is absolute and has no .. component" {
	local path

	for path in srv/repo '' . ./a /a/.. /../a /a/../b; do
		refuses 23514 "SELECT jobctl.submit('index', '{\"repo_path\": \"$path\"}')" ck_index_repo_path
	done
	refuses 23514 "SELECT jobctl.submit('index', '{\"repo_path\": 7}')" ck_index_repo_path
	refuses 23514 "SELECT jobctl.submit('index', '{\"repo_path\": null}')" ck_index_repo_path
	refuses 23514 "SELECT jobctl.submit('index')" ck_index_repo_path
	for path in /a/foo..bar /..a /a.. / '/tmp/with space' /a/...; do
		sql "SELECT jobctl.submit('index', '{\"repo_path\": \"$path\"}')"
	done
}

@test "nor by INSERT, nor by UPDATE" {
	refuses 23514 "INSERT INTO jobctl.jobs (id, kind, args) VALUES (t.j(1), 'index', '{\"repo_path\": \"a\"}')" \
		ck_index_repo_path
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(1))"
	refuses 23514 "UPDATE jobctl.jobs SET args = '{\"repo_path\": \"/a/../b\"}' WHERE id = t.j(1)" ck_index_repo_path
}

@test "a project that is not there is refused, unless the caller sees them all" {
	sql "SELECT jobctl.submit('a', project => 'new', id => t.j(1))"
	is jobctl_all_projects "SELECT owner_role FROM jobctl.projects WHERE project_id = 'new'"
	refuses 23514 "SELECT jobctl.submit('a', project => 'not plain')" name_is_plain
}

@test "an idle worker of the queue is told that there is something, and no other" {
	sql "SELECT t.worker(1), t.worker(2, '{other}'), t.worker(3), jobctl.worker_idle(t.w(1)), jobctl.worker_idle(t.w(2))"
	[ "$(notified "SELECT jobctl.submit('a')")" = '1 wake' ]
	[ "$(notified "SELECT jobctl.submit('a', queue => 'other')")" = '2 wake' ]
	[ "$(notified "SELECT jobctl.submit('a', queue => 'nobodys')")" = '' ]
	[ "$(notified "SELECT jobctl.submit('a', hold => true)")" = '' ]
	sql "SELECT t.expire(1)"
	[ "$(notified "SELECT jobctl.submit('a')")" = '' ]
}

@test "a worker of every queue is told of any" {
	sql "SELECT t.worker(1, NULL), jobctl.worker_idle(t.w(1))"
	[ "$(notified "SELECT jobctl.submit('a', queue => 'any')")" = '1 wake' ]
}

@test "who sleeps until a job is due is told of one that is due before it" {
	sql "SELECT t.worker(1), jobctl.worker_idle(t.w(1))"
	[ "$(notified "SELECT jobctl.submit('a', run_in => '1 h')")" = '1 wake' ]
	[ "$(notified "SELECT jobctl.submit('a', run_in => '2 h')")" = '' ]
	[ "$(notified "SELECT jobctl.submit('a', run_in => '1 min')")" = '1 wake' ]
	is t 'SELECT next_ms BETWEEN 1 AND 60000 FROM jobctl.worker_idle(t.w(1))'
}

@test "one that is overdue, because somebody has it locked, hides none from who sleeps" {
	sql "SELECT t.worker(1), jobctl.worker_idle(t.w(1)), jobctl.submit('a', id => t.j(1), run_in => '1 h')" >/dev/null
	sql "UPDATE jobctl.jobs SET wake_at = now() - interval '1 s'"
	[ "$(notified "SELECT jobctl.submit('a', run_in => '1 min')")" = '1 wake' ]
	is t 'SELECT overdue AND next_ms BETWEEN 1 AND 60000 FROM jobctl.worker_idle(t.w(1))'
	sql 'SELECT t.cancel(1)'
	is f 'SELECT overdue FROM jobctl.worker_idle(t.w(1))'
}

@test "a burst tells three workers, not all" {
	sql "SELECT t.worker(n), jobctl.worker_idle(t.w(n)) FROM generate_series(1, 9) n" >/dev/null
	[ "$(notified "SELECT jobctl.submit('a')" | wc -l)" = 3 ]
}
