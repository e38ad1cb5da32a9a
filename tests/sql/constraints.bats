#!/usr/bin/env bats
# The database defends itself: a superuser with psql meets each rule by its name.

bats_require_minimum_version 1.5.0
load queue

# Values for a job that breaks one rule; the others hold.
insert_job() {	# 'COLUMN, ...' 'VALUE, ...'
	printf "INSERT INTO jobctl.jobs (id, kind, %s) VALUES (t.j(9), 'a', %s)" "$1" "$2"
}

@test "a job has a status that exists, and begins pending or held" {
	refuses 23514 "$(insert_job status "'completed'")" ck_status
	refuses 23514 "$(insert_job status "'PENDING'")" ck_status
	refuses 23514 "$(insert_job 'status, token, worker_id, started_at' "'running', t.k(1), t.w(1), now()")" ck_job_transition
	sql "$(insert_job status "'held'")"
}

@test "only a running job has a token and a worker, and then both" {
	refuses 23514 "$(insert_job token 't.k(1)')" ck_running_has_token
	refuses 23514 "$(insert_job 'token, worker_id' 't.k(1), t.w(1)')" ck_running_has_token
	refuses 23514 "$(insert_job worker_id 't.w(1)')" ck_running_has_token
	jobs 1
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', started_at = now()" ck_running_has_token
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', started_at = now(), token = t.k(1)" ck_running_has_token
}

@test "a running job is due, waits for nothing and has begun" {
	jobs 1
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', token = t.k(1), worker_id = t.w(1)" ck_running_is_due
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', token = t.k(1), worker_id = t.w(1), started_at = now(),
		wake_at = now()" ck_running_is_due
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', token = t.k(1), worker_id = t.w(1), started_at = now(),
		blockers = 1" ck_running_is_due
}

@test "from pending to running or held, and back; nothing else" {
	sql "SELECT jobctl.submit('a', id => t.j(1), hold => true), jobctl.submit('a', id => t.j(2)), t.worker(1), t.claim(1, 1)"
	refuses 23514 "UPDATE jobctl.jobs SET status = 'running', token = t.k(1), worker_id = t.w(1), started_at = now()
		WHERE id = t.j(1)" ck_job_transition
	refuses 23514 "UPDATE jobctl.jobs SET status = 'held', token = NULL, worker_id = NULL WHERE id = t.j(2)" ck_job_transition
}

@test "what a job is never changes" {
	local change

	jobs 1
	for change in "id = t.j(2)" "project_id = 'other'" "kind = 'other'" "created_by = 'other'" "created_at = now() - interval '1 day'"; do
		refuses 23514 "UPDATE jobctl.jobs SET $change" ck_job_identity
	done
}

@test "who runs a job does not change while it runs" {
	local change

	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	for change in 'token = t.k(2)' 'worker_id = t.w(2)' "queue = 'other'"; do
		refuses 23514 "UPDATE jobctl.jobs SET $change" ck_job_claim
	done
}

@test "only a running job waits for its cancellation" {
	jobs 1
	refuses 23514 'UPDATE jobctl.jobs SET cancel_requested_at = now()' ck_cancelled_waits_for_end
}

@test "numbers have bounds" {
	refuses 23514 "$(insert_job attempt -1)" jobs_attempt_check
	refuses 23514 "$(insert_job crashes -1)" jobs_crashes_check
	refuses 23514 "$(insert_job blockers -1)" jobs_blockers_check
	refuses 23514 "$(insert_job max_attempts 0)" jobs_max_attempts_check
	refuses 23514 "$(insert_job timeout "'0'")" ck_timeout
	refuses 23514 "$(insert_job backoff "'never'")" ck_backoff
	refuses 23514 "$(insert_job backoff_base "'-1 s'")" ck_backoff_base
	refuses 23514 "$(insert_job backoff_max "'10 years'")" ck_backoff_max
	refuses 23514 "$(insert_job run_at "'infinity'")" ck_times_are_finite
	refuses 23514 "$(insert_job wake_at "'infinity'")" ck_times_are_finite
	refuses 23514 "$(insert_job created_at "'-infinity'")" ck_times_are_finite
	refuses 23514 "$(insert_job unique_key "''")" ck_unique_key
	refuses 23514 "$(insert_job args "'1'")" ck_args_is_object
}

@test "keys are unique among live jobs of a project" {
	jobs 1 "unique_key => 'k'"
	refuses 23505 "$(insert_job unique_key "'k'")" jobs_unique
	sql "$(insert_job 'unique_key, project_id' "'k', 'other'")"
}

@test "names are plain in every table that has them" {
	local n

	for n in "projects (project_id, owner_role) VALUES ('a b', 'public')" "queues (queue) VALUES ('a b')" "kinds (kind) VALUES ('a b')" \
		"jobs (id, kind, queue) VALUES (t.j(9), 'a', 'a b')" "jobs (id, kind, project_id) VALUES (t.j(9), 'a', 'a b')"; do
		refuses 23514 "INSERT INTO jobctl.$n" name_is_plain
	done
}

@test "queues and kinds" {
	refuses 23514 "INSERT INTO jobctl.queues (queue, max_running) VALUES ('q', -1)" queues_max_running_check
	refuses 23514 "INSERT INTO jobctl.queues (queue, paused_at) VALUES ('q', now())" ck_pause_is_whole
	refuses 23514 "INSERT INTO jobctl.queues (queue, paused_by) VALUES ('q', 'me')" ck_pause_is_whole
	refuses 23514 "INSERT INTO jobctl.queues (queue, paused_at, paused_by, paused_until) VALUES ('q', now(), 'me', 'infinity')" ck_pause_ends
	refuses 23514 "SELECT jobctl.limit_project('default', -1)" projects_max_running_check
	refuses 23514 "SELECT jobctl.limit_submissions('default', -1)" projects_submits_per_hour_check
	refuses 23514 "INSERT INTO jobctl.kinds (kind, timeout) VALUES ('k', '0')" kinds_timeout_check
	refuses 23514 "INSERT INTO jobctl.kinds (kind, max_attempts) VALUES ('k', 0)" kinds_max_attempts_check
	refuses 23514 "INSERT INTO jobctl.job_counts (at, n, run_s, project_id, queue, kind, status, outcome)
		VALUES (now(), 0, 0, 'default', 'q', 'k', 'completed', 'ok')" job_counts_n_check
}

@test "workers" {
	refuses 23514 "SELECT jobctl.register_worker(t.w(1), 'h', 'b', 1, 1, 'v', NULL, NULL, 0, '1 s')" workers_slots_check
	refuses 23514 "SELECT jobctl.register_worker(t.w(1), repeat('h', 256), 'b', 1, 1, 'v', NULL, NULL, 1, '1 s')" workers_host_check
	refuses 23514 "SELECT jobctl.register_worker(t.w(1), 'h', repeat('b', 65), 1, 1, 'v', NULL, NULL, 1, '1 s')" workers_boot_id_check
	refuses 23514 "SELECT jobctl.register_worker(t.w(1), 'h', 'b', 1, 1, repeat('v', 65), NULL, NULL, 1, '1 s')" workers_version_check
	refuses 23502 "SELECT jobctl.register_worker(t.w(1), NULL, 'b', 1, 1, 'v', NULL, NULL, 1, '1 s')" host
}

@test "a worker with claims cannot vanish, nor a claim be of nobody" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	refuses 23503 'DELETE FROM jobctl.workers' claims_worker_id_fkey
	refuses 23503 "INSERT INTO jobctl.claims (token, queue, worker_id, ids, unfinished) VALUES (t.k(2), 'q', t.w(2), t.jj(1), 1)" claims_worker_id_fkey
	refuses 23514 'UPDATE jobctl.claims SET unfinished = 0' ck_claim_is_open
	refuses 23514 'UPDATE jobctl.claims SET ahead = true, first_seq = 1' ck_ahead_has_bounds
	refuses 23514 'UPDATE jobctl.claims SET first_seq = 1' ck_ahead_has_bounds
}

@test "dependencies, progress and events" {
	refuses 23514 "INSERT INTO jobctl.job_dependencies VALUES (t.j(1), t.j(1), true, 'default')" ck_no_self_dependency
	local what

	for what in 'done -1' 'total -1' "message repeat('x',1001)" "stats '[]'" "checkpoint to_jsonb(repeat('x',70000))"; do
		refuses 23514 "INSERT INTO jobctl.job_progress (job_id, project_id, ${what% *}) VALUES (t.j(1), 'default', ${what#* })" \
			"job_progress_${what% *}_check"
	done
	refuses 23514 "INSERT INTO jobctl.job_events (event) VALUES ('dance')" ck_event
}

@test "history holds only what can have happened" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1)'
	refuses 23514 "UPDATE jobctl.finished_jobs SET status = 'running'" finished_jobs_status_check
	refuses 23514 "UPDATE jobctl.finished_jobs SET outcome = 'interrupted'" finished_jobs_outcome_check
	refuses 23502 'UPDATE jobctl.finished_jobs SET outcome = NULL' outcome
	refuses 23514 "INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
		VALUES (t.j(1), t.k(1), now(), now(), 1, 'ok', 'default', 'q', 'k')" job_attempts_outcome_check
	refuses 23514 "INSERT INTO jobctl.job_output (job_id, token, n, attempt, stream, project_id, data)
		VALUES (t.j(1), t.k(1), 1, 1, 3, 'default', '')" job_output_stream_check
	refuses 23514 "INSERT INTO jobctl.job_output (job_id, token, n, attempt, stream, project_id, dropped, data)
		VALUES (t.j(1), t.k(1), 1, 1, 1, 'default', -1, '')" job_output_dropped_check
}

# All that is checked is checked above, by name.
@test "no constraint of the queue is without its test" {
	local name

	for name in $(sql "SELECT DISTINCT conname FROM pg_constraint c JOIN pg_class r ON r.oid = conrelid
			WHERE connamespace = 'jobctl'::regnamespace AND contype = 'c' AND NOT relispartition
			UNION SELECT 'claims_worker_id_fkey' UNION SELECT 'name_is_plain'"); do
		# named by a loop, or not ours
		[[ $name != @(schema_migration*|job_progress_*_check) ]] || continue
		grep -qF "$name" "$BATS_TEST_DIRNAME"/*.bats || {
			echo "$name"
			return 1
		}
	done
}
