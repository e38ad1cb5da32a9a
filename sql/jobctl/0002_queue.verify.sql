-- The live side of the queue: what 0002_queue.up.sql promises.  A superuser with psql
-- meets each rule by its name.

-- probe: kind-index
-- expect: value {repo_path,repository_id} 01:00:00
SELECT concat_ws(' ', unique_args, timeout) FROM jobctl.kinds WHERE kind = 'index';

-- probe: kind-exec-is-run-once
-- expect: value 1
SELECT max_attempts FROM jobctl.kinds WHERE kind = 'exec';

-- probe: kind-timeout
-- expect: 23514 kinds_timeout_check
INSERT INTO jobctl.kinds (kind, timeout) VALUES ('k', '0');

-- probe: kind-attempts-none
-- expect: 23514 kinds_max_attempts_check
INSERT INTO jobctl.kinds (kind, max_attempts) VALUES ('k', 0);

-- probe: kind-attempts-1000
INSERT INTO jobctl.kinds (kind, max_attempts) VALUES ('k', 1000);

-- probe: kind-attempts-1001
-- expect: 23514 kinds_max_attempts_check
INSERT INTO jobctl.kinds (kind, max_attempts) VALUES ('k', 1001);

-- probe: kind-twice
-- expect: 23505 kinds_pkey
INSERT INTO jobctl.kinds (kind) VALUES ('index');

-- Queues.

-- probe: queue-limit
-- expect: 23514 queues_max_running_check
INSERT INTO jobctl.queues (queue, max_running) VALUES ('q', -1);

-- probe: queue-paused-by-nobody
-- expect: 23514 ck_pause_is_whole
INSERT INTO jobctl.queues (queue, paused_at) VALUES ('q', now());

-- probe: queue-reason-without-pause
-- expect: 23514 ck_pause_is_whole
INSERT INTO jobctl.queues (queue, paused_why) VALUES ('q', 'because');

-- probe: queue-paused-for-ever
-- expect: 23514 ck_pause_ends
INSERT INTO jobctl.queues (queue, paused_at, paused_by, paused_until) VALUES ('q', now(), 'me', 'infinity');

-- probe: queue-paused
INSERT INTO jobctl.queues (queue, paused_at, paused_by, paused_why, paused_until)
VALUES ('q', now(), 'me', 'because', now());

-- probe: queue-twice
-- expect: 23505 queues_pkey
INSERT INTO jobctl.queues (queue) VALUES ('q'), ('q');

-- Workers.

-- probe: worker keeps
INSERT INTO jobctl.workers (worker_id, host, boot_id, pid, pid_start, version, slots, lease, lease_until, role_name)
VALUES ('a0000000-0000-4000-8000-000000000001', 'h', 'b', 1, 1, 'v', 1, '1 min', now(), 'me');

-- probe: worker-without-slots
-- expect: 23514 workers_slots_check
UPDATE jobctl.workers SET slots = 0;

-- probe: worker-host
-- expect: 23514 workers_host_check
UPDATE jobctl.workers SET host = repeat('h', 256);

-- probe: worker-boot-id
-- expect: 23514 workers_boot_id_check
UPDATE jobctl.workers SET boot_id = repeat('b', 65);

-- probe: worker-version
-- expect: 23514 workers_version_check
UPDATE jobctl.workers SET version = repeat('v', 65);

-- probe: worker-lease-none
-- expect: 23514 ck_lease
UPDATE jobctl.workers SET lease = '0';

-- probe: worker-lease-of-a-day
UPDATE jobctl.workers SET lease = '1 day';

-- probe: worker-lease-longer
-- expect: 23514 ck_lease
UPDATE jobctl.workers SET lease = '1 day 1 s';

-- probe: worker-host-unknown
-- expect: 23502 host
UPDATE jobctl.workers SET host = NULL;

-- Jobs: defaults.

-- probe: job keeps
-- expect: rows 1
INSERT INTO jobctl.jobs (id, kind, unique_key) VALUES ('00000000-0000-4000-8000-000000000001', 'work', 'key');

-- probe: job-defaults
-- expect: value pending default default 0 0 3 0 0 0 {}
SELECT concat_ws(' ', status, queue, project_id, priority, attempt, max_attempts, blockers, crashes, spent, args)
  FROM jobctl.jobs;

-- probe: job-created-by
-- expect: value true
SELECT (created_by = jobctl.caller() AND created_at = now() AND run_at = now() AND wake_at IS NULL)::text
  FROM jobctl.jobs;

-- Jobs: status.

-- probe: status-held
INSERT INTO jobctl.jobs (id, kind, status) VALUES (gen_random_uuid(), 'a', 'held');

-- probe: status-completed
-- expect: 23514 ck_status
INSERT INTO jobctl.jobs (id, kind, status) VALUES (gen_random_uuid(), 'a', 'completed');

-- probe: status-in-capitals
-- expect: 23514 ck_status
INSERT INTO jobctl.jobs (id, kind, status) VALUES (gen_random_uuid(), 'a', 'PENDING');

-- probe: begin-running
-- expect: 23514 ck_job_transition
INSERT INTO jobctl.jobs (id, kind, status, token, worker_id, started_at)
VALUES (gen_random_uuid(), 'a', 'running', gen_random_uuid(), gen_random_uuid(), now());

-- probe: running-without-token
-- expect: 23514 ck_running_has_token
UPDATE jobctl.jobs SET status = 'running', started_at = now();

-- probe: running-without-worker
-- expect: 23514 ck_running_has_token
UPDATE jobctl.jobs SET status = 'running', started_at = now(), token = gen_random_uuid();

-- probe: pending-with-worker
-- expect: 23514 ck_running_has_token
UPDATE jobctl.jobs SET token = gen_random_uuid(), worker_id = gen_random_uuid();

-- probe: running-that-never-began
-- expect: 23514 ck_running_is_due
UPDATE jobctl.jobs SET status = 'running', token = gen_random_uuid(), worker_id = gen_random_uuid();

-- probe: running-before-its-time
-- expect: 23514 ck_running_is_due
UPDATE jobctl.jobs SET status = 'running', token = gen_random_uuid(), worker_id = gen_random_uuid(),
       started_at = now(), wake_at = now();

-- probe: running-that-waits
-- expect: 23514 ck_running_is_due
UPDATE jobctl.jobs SET status = 'running', token = gen_random_uuid(), worker_id = gen_random_uuid(),
       started_at = now(), blockers = 1;

-- probe: cancelled-before-it-runs
-- expect: 23514 ck_cancelled_waits_for_end
UPDATE jobctl.jobs SET cancel_requested_at = now();

-- Jobs: what each may hold.

-- probe: attempt
-- expect: 23514 jobs_attempt_check
UPDATE jobctl.jobs SET attempt = -1;

-- probe: max-attempts-none
-- expect: 23514 jobs_max_attempts_check
UPDATE jobctl.jobs SET max_attempts = 0;

-- probe: max-attempts-1000
UPDATE jobctl.jobs SET max_attempts = 1000;

-- probe: max-attempts-1001
-- expect: 23514 jobs_max_attempts_check
UPDATE jobctl.jobs SET max_attempts = 1001;

-- probe: blockers
-- expect: 23514 jobs_blockers_check
UPDATE jobctl.jobs SET blockers = -1;

-- probe: crashes
-- expect: 23514 jobs_crashes_check
UPDATE jobctl.jobs SET crashes = -1;

-- probe: spent
-- expect: 23514 jobs_spent_check
UPDATE jobctl.jobs SET spent = -1;

-- probe: timeout
-- expect: 23514 ck_timeout
UPDATE jobctl.jobs SET timeout = '0';

-- probe: backoff
-- expect: 23514 ck_backoff
UPDATE jobctl.jobs SET backoff = 'never';

-- probe: backoff-kinds
UPDATE jobctl.jobs SET backoff = b FROM unnest(ARRAY['exponential', 'linear', 'constant']) AS b;

-- probe: backoff-base
-- expect: 23514 ck_backoff_base
UPDATE jobctl.jobs SET backoff_base = '-1 s';

-- probe: backoff-of-a-year
UPDATE jobctl.jobs SET backoff_base = '365 days', backoff_max = '365 days';

-- probe: backoff-max
-- expect: 23514 ck_backoff_max
UPDATE jobctl.jobs SET backoff_max = '366 days';

-- probe: unique-key-empty
-- expect: 23514 ck_unique_key
UPDATE jobctl.jobs SET unique_key = '';

-- probe: unique-key-of-1000
UPDATE jobctl.jobs SET unique_key = repeat('k', 1000);

-- probe: unique-key-longer
-- expect: 23514 ck_unique_key
UPDATE jobctl.jobs SET unique_key = repeat('k', 1001);

-- probe: run-at-infinity
-- expect: 23514 ck_times_are_finite
UPDATE jobctl.jobs SET run_at = 'infinity';

-- probe: wake-at-infinity
-- expect: 23514 ck_times_are_finite
UPDATE jobctl.jobs SET wake_at = 'infinity';

-- probe: created-at-infinity
-- expect: 23514 ck_times_are_finite
INSERT INTO jobctl.jobs (id, kind, created_at) VALUES (gen_random_uuid(), 'a', '-infinity');

-- probe: args-no-object
-- expect: 23514 ck_args_is_object
UPDATE jobctl.jobs SET args = '[1]';

-- probe: args-too-large
-- expect: 23514 ck_args_size
UPDATE jobctl.jobs SET args = jsonb_build_object('a', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 40000) n));

-- probe: args-too-large-as-text
-- expect: 23514 ck_args_size
UPDATE jobctl.jobs SET args = (SELECT jsonb_object_agg(n, '1e130000'::numeric) FROM generate_series(1, 70) n);

-- probe: path-absolute
INSERT INTO jobctl.jobs (id, kind, args) VALUES (gen_random_uuid(), 'index', '{"repo_path": "/a/foo..bar"}');

-- probe: path-relative
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.jobs (id, kind, args) VALUES (gen_random_uuid(), 'index', '{"repo_path": "a/b"}');

-- probe: path-with-dots
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.jobs (id, kind, args) VALUES (gen_random_uuid(), 'index', '{"repo_path": "/a/../b"}');

-- probe: path-missing
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.jobs (id, kind) VALUES (gen_random_uuid(), 'index');

-- probe: repository-by-id
INSERT INTO jobctl.jobs (id, kind, args)
VALUES (gen_random_uuid(), 'index', '{"repository_id": "00000000-0000-4000-8000-000000000009"}');

-- probe: repository-by-no-id
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.jobs (id, kind, args) VALUES (gen_random_uuid(), 'index', '{"repository_id": "9"}');

-- probe: queue-name
-- expect: 23514 name_is_plain
UPDATE jobctl.jobs SET queue = 'a b';

-- Jobs: keys.

-- probe: job-twice
-- expect: 23505 jobs_pkey
INSERT INTO jobctl.jobs SELECT * FROM jobctl.jobs;

-- probe: key-twice
-- expect: 23505 jobs_unique
INSERT INTO jobctl.jobs (id, kind, unique_key) VALUES (gen_random_uuid(), 'a', 'key');

-- probe: key-in-another-project
INSERT INTO jobctl.jobs (id, kind, unique_key, project_id) VALUES (gen_random_uuid(), 'a', 'key', 'other');

-- probe: no-key-twice
-- expect: rows 2
INSERT INTO jobctl.jobs (id, kind) VALUES (gen_random_uuid(), 'a'), (gen_random_uuid(), 'a');

-- Jobs: what never changes.

-- probe: id-changes
-- expect: 23514 ck_job_identity
UPDATE jobctl.jobs SET id = gen_random_uuid();

-- probe: project-changes
-- expect: 23514 ck_job_identity
UPDATE jobctl.jobs SET project_id = 'other';

-- probe: kind-changes
-- expect: 23514 ck_job_identity
UPDATE jobctl.jobs SET kind = 'other';

-- probe: creator-changes
-- expect: 23514 ck_job_identity
UPDATE jobctl.jobs SET created_by = 'other';

-- probe: creation-changes
-- expect: 23514 ck_job_identity
UPDATE jobctl.jobs SET created_at = now() - interval '1 day';

-- Jobs: from pending to running or held, and back; nothing else.

-- probe: runs keeps
-- expect: rows 1
UPDATE jobctl.jobs SET status = 'running', token = 'c0000000-0000-4000-8000-000000000001',
       worker_id = 'a0000000-0000-4000-8000-000000000001', started_at = now();

-- probe: running-to-held
-- expect: 23514 ck_job_transition
UPDATE jobctl.jobs SET status = 'held', token = NULL, worker_id = NULL;

-- probe: running-to-pending
UPDATE jobctl.jobs SET status = 'pending', token = NULL, worker_id = NULL;

-- probe: token-changes
-- expect: 23514 ck_job_claim
UPDATE jobctl.jobs SET token = gen_random_uuid();

-- probe: worker-changes
-- expect: 23514 ck_job_claim
UPDATE jobctl.jobs SET worker_id = gen_random_uuid();

-- probe: queue-changes-while-it-runs
-- expect: 23514 ck_job_claim
UPDATE jobctl.jobs SET queue = 'other';

-- probe: cancelled-while-it-runs
UPDATE jobctl.jobs SET cancel_requested_at = now();

-- Claims.

-- probe: claim keeps
INSERT INTO jobctl.claims (token, queue, worker_id, ids, unfinished)
VALUES ('c0000000-0000-4000-8000-000000000001', 'default', 'a0000000-0000-4000-8000-000000000001',
        '{00000000-0000-4000-8000-000000000001}', 1);

-- probe: worker-with-claims-stays
-- expect: 23503 claims_worker_id_fkey
DELETE FROM jobctl.workers;

-- probe: claim-of-nobody
-- expect: 23503 claims_worker_id_fkey
UPDATE jobctl.claims SET worker_id = gen_random_uuid();

-- probe: claim-without-jobs
-- expect: 23514 ck_claim_is_open
UPDATE jobctl.claims SET unfinished = 0;

-- probe: ahead-without-bounds
-- expect: 23514 ck_ahead_has_bounds
UPDATE jobctl.claims SET ahead = true, first_seq = 1;

-- probe: bounds-of-what-runs
-- expect: 23514 ck_ahead_has_bounds
UPDATE jobctl.claims SET first_seq = 1, last_seq = 2;

-- probe: claim-twice
-- expect: 23505 claims_pkey
INSERT INTO jobctl.claims SELECT * FROM jobctl.claims;

-- Dependencies, progress, events.

-- probe: depends-on-itself
-- expect: 23514 ck_no_self_dependency
INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
SELECT id, id, true, project_id FROM jobctl.jobs;

-- probe: depends-twice
-- expect: 23505 job_dependencies_pkey
INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
SELECT '00000000-0000-4000-8000-000000000001'::uuid, '00000000-0000-4000-8000-000000000002'::uuid, true, 'default'
  FROM generate_series(1, 2);

-- probe: unsettled-twice
-- expect: 23505 unsettled_pkey
INSERT INTO jobctl.unsettled
SELECT '00000000-0000-4000-8000-000000000001'::uuid FROM generate_series(1, 2);

-- probe: progress keeps
INSERT INTO jobctl.job_progress (job_id, project_id, done, total, message, stats)
VALUES ('00000000-0000-4000-8000-000000000001', 'default', 0, 0, repeat('m', 1000), '{}');

-- probe: progress-done
-- expect: 23514 job_progress_done_check
UPDATE jobctl.job_progress SET done = -1;

-- probe: progress-total
-- expect: 23514 job_progress_total_check
UPDATE jobctl.job_progress SET total = -1;

-- probe: progress-message
-- expect: 23514 job_progress_message_check
UPDATE jobctl.job_progress SET message = repeat('m', 1001);

-- probe: progress-stats
-- expect: 23514 job_progress_stats_check
UPDATE jobctl.job_progress SET stats = '[]';

-- probe: progress-checkpoint
-- expect: 23514 job_progress_checkpoint_check
UPDATE jobctl.job_progress SET checkpoint = to_jsonb((SELECT string_agg(md5(n::text), '') FROM generate_series(1, 3000) n));

-- probe: progress-twice
-- expect: 23505 job_progress_pkey
INSERT INTO jobctl.job_progress SELECT * FROM jobctl.job_progress;

-- probe: events
-- expect: rows 9
INSERT INTO jobctl.job_events (event)
SELECT unnest(ARRAY['cancel', 'retry', 'hold', 'release', 'pause', 'resume', 'limit', 'reap', 'edit']);

-- probe: event-of-no-kind
-- expect: 23514 ck_event
INSERT INTO jobctl.job_events (event) VALUES ('dance');

-- probe: event-number-is-ours
-- expect: 428C9
INSERT INTO jobctl.job_events (event_id, event) VALUES (1, 'cancel');

-- What a role sees and may do.

-- probe: project-of-others keeps
INSERT INTO jobctl.jobs (id, kind, project_id) VALUES ('00000000-0000-4000-8000-000000000009', 'a', 'other');

-- probe: as-operator keeps
SET LOCAL ROLE jobctl_operator;

-- probe: operator-sees-its-projects
-- expect: value default
SELECT string_agg(DISTINCT project_id, ' ') FROM jobctl.jobs;

-- probe: operator-updates-through-functions-only
-- expect: 42501
UPDATE jobctl.jobs SET priority = 1;

-- probe: tokens-are-keys
-- expect: 42501
SELECT token FROM jobctl.claims;

-- Queries.  A live table as it is on a busy day: most jobs are ready.

-- rows: jobctl.jobs
INSERT INTO jobctl.jobs (id, kind, queue, project_id, priority, status, wake_at, blockers, unique_key)
SELECT gen_random_uuid(), 'kind-' || n % 7, 'queue-' || n % 10, 'project-' || n % 50, n % 5,
       CASE WHEN n % 100 = 0 THEN 'held' ELSE 'pending' END,
       CASE WHEN n % 100 IN (1, 2) THEN now() + n * interval '1 second' END, (n % 100 = 3)::int,
       CASE WHEN n % 4 = 0 THEN 'key-' || n END
  FROM generate_series(1, current_setting('jobctl.rows')::int) AS n;

-- query: claim uses jobs_claim within 100ms
SELECT id FROM jobctl.jobs
 WHERE queue = 'queue-7' AND status = 'pending' AND wake_at IS NULL AND blockers = 0
 ORDER BY priority DESC, seq LIMIT 10 FOR UPDATE SKIP LOCKED;

-- query: held-not-claimed not uses jobs_claim
SELECT id FROM jobctl.jobs WHERE queue = 'queue-7' AND status = 'held' ORDER BY priority DESC, seq LIMIT 10;

-- query: wake uses jobs_wake
SELECT id FROM jobctl.jobs WHERE status = 'pending' AND wake_at <= now() ORDER BY wake_at LIMIT 100;

-- query: due-not-woken not uses jobs_wake
SELECT id FROM jobctl.jobs WHERE status = 'pending' AND wake_at IS NULL LIMIT 100;

-- query: blocked uses jobs_blocked
SELECT count(*) FROM jobctl.jobs WHERE queue = 'queue-3' AND status = 'pending' AND blockers > 0;

-- query: held uses jobs_held
SELECT count(*) FROM jobctl.jobs WHERE queue = 'queue-0' AND status = 'held';

-- query: by-key uses jobs_unique within 100ms
SELECT id FROM jobctl.jobs WHERE project_id = 'project-8' AND unique_key = 'key-8';

-- query: by-id uses jobs_pkey
SELECT status FROM jobctl.jobs WHERE id = '00000000-0000-4000-8000-000000000001';

-- rows: jobctl.workers 1000
INSERT INTO jobctl.workers (worker_id, host, boot_id, pid, pid_start, version, slots, lease, lease_until, role_name, idle)
SELECT gen_random_uuid(), 'host-' || n % 50, 'boot', n, n, 'v', 1, '1 min', now(), 'me', n % 50 = 0
  FROM generate_series(1, 1000) AS n;

-- query: idle uses workers_idle rows 1000
SELECT worker_id FROM jobctl.workers WHERE idle;

-- query: busy not uses workers_idle rows 1000
SELECT worker_id FROM jobctl.workers WHERE NOT idle;

-- query: claims-of-a-worker uses claims_worker rows 10000
SELECT token FROM jobctl.claims WHERE worker_id = 'a0000000-0000-4000-8000-000000000001';

-- query: claims-of-a-queue uses claims_queue rows 10000
SELECT sum(unfinished) FROM jobctl.claims WHERE queue = 'queue-7';

-- query: claims-ahead uses claims_ahead rows 10000
SELECT ids FROM jobctl.claims WHERE ahead AND last_seq >= 9000;

-- query: dependents uses job_dependencies_needs
SELECT job_id FROM jobctl.job_dependencies WHERE needs_id = '00000000-0000-4000-8000-000000000001';

-- query: events-of-a-job uses job_events_job
SELECT event FROM jobctl.job_events WHERE job_id = '00000000-0000-4000-8000-000000000001';

-- query: events-of-no-job not uses job_events_job
SELECT event FROM jobctl.job_events WHERE job_id IS NULL;

-- query: latest-events uses job_events_at
SELECT event FROM jobctl.job_events ORDER BY at DESC LIMIT 20;
