-- What ended: what 0003_history.up.sql promises.

-- Each partitioned table has a default partition, this week's and four more.

-- probe: partitions
-- expect: value finished_jobs 6 job_attempts 6 job_output 6
SELECT string_agg(p.relname || ' ' || p.n, ' ' ORDER BY p.relname)
  FROM (SELECT c.relname, count(*) AS n FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
         WHERE c.relnamespace = 'jobctl'::regnamespace AND c.relkind = 'p' GROUP BY c.relname) AS p;

-- probe: partitions-again-are-none
-- expect: value 0
SELECT jobctl.ensure_partitions();

-- probe: partitions-read-by-name-show-nothing
-- expect: rows 0
SELECT c.relname FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
 WHERE p.relnamespace = 'jobctl'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;

-- probe: a-publication-stops-nothing
-- expect: rows 0
SELECT c.relname FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'jobctl'::regnamespace AND c.relkind IN ('r', 'p') AND c.relreplident = 'd'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);

-- Finished jobs.

-- probe: finished keeps
-- expect: rows 1
INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, priority, attempt, max_attempts, crashes,
    status, outcome, project_id, queue, kind, created_by, args)
VALUES ('00000000-0000-4000-8000-000000000001', now(), now(), now(), 0, 1, 3, 0,
        'completed', 'ok', 'default', 'default', 'work', 'me', '{}');

-- probe: finished-is-in-this-weeks-partition
-- expect: rows 1
SELECT FROM jobctl.finished_jobs f
 WHERE f.tableoid = ('jobctl.finished_jobs' || to_char(date_trunc('week', now() AT TIME ZONE 'UTC'), '"_"YYYYMMDD'))::regclass;

-- probe: finished-still-running
-- expect: 23514 finished_jobs_status_check
UPDATE jobctl.finished_jobs SET status = 'running';

-- probe: finished-statuses
UPDATE jobctl.finished_jobs SET status = s FROM unnest(ARRAY['completed', 'failed', 'cancelled']) AS s;

-- probe: finished-outcome
-- expect: 23514 finished_jobs_outcome_check
UPDATE jobctl.finished_jobs SET outcome = 'interrupted';

-- probe: finished-without-outcome
-- expect: 23502 outcome
UPDATE jobctl.finished_jobs SET outcome = NULL;

-- Attempts and output.

-- probe: attempt keeps
INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
VALUES ('00000000-0000-4000-8000-000000000001', gen_random_uuid(), now(), now(), 1, 'exit', 'default', 'q', 'k');

-- probe: attempt-that-was-not-the-end
-- expect: 23514 job_attempts_outcome_check
UPDATE jobctl.job_attempts SET outcome = 'ok';

-- probe: attempt-that-was-the-end
UPDATE jobctl.job_attempts SET outcome = 'ok', ended_as = 'completed';

-- probe: attempt-ended-as
-- expect: 23514 ck_attempt_ended_as
UPDATE jobctl.job_attempts SET ended_as = 'running';

-- probe: attempt-that-never-began
-- expect: 23514 ck_attempt_began
UPDATE jobctl.job_attempts SET token = NULL;

-- probe: output keeps
INSERT INTO jobctl.job_output (job_id, token, n, attempt, stream, project_id, data)
VALUES ('00000000-0000-4000-8000-000000000001', gen_random_uuid(), 1, 1, 1, 'default', 'x');

-- probe: output-stream
-- expect: 23514 job_output_stream_check
UPDATE jobctl.job_output SET stream = 3;

-- probe: output-dropped
-- expect: 23514 job_output_dropped_check
UPDATE jobctl.job_output SET dropped = -1;

-- Counts and who prunes.

-- probe: count-of-nothing
-- expect: 23514 job_counts_n_check
INSERT INTO jobctl.job_counts (at, n, run_s, project_id, queue, kind, status, outcome)
VALUES (now(), 0, 0, 'default', 'q', 'k', 'completed', 'ok');

-- probe: counted-is-one
-- expect: 23505 counted_is_one
INSERT INTO jobctl.counted DEFAULT VALUES;

-- probe: kind-seconds-twice
-- expect: 23505 kind_seconds_pkey
INSERT INTO jobctl.kind_seconds SELECT 'default', 'k', 1, 1, 1 FROM generate_series(1, 2);

-- probe: pruning-is-one
-- expect: 23505 pruning_is_one
INSERT INTO jobctl.pruning SELECT gen_random_uuid(), 'c', now(), now() FROM generate_series(1, 2);

-- probe: as-reader keeps
SET LOCAL ROLE jobctl_reader;

-- probe: reader-sees-history
-- expect: rows 1
SELECT FROM jobctl.finished_jobs;

-- probe: reader-sees-no-tokens
-- expect: 42501
SELECT token FROM jobctl.pruning;

-- Queries.

-- query: finished-by-id uses finished_jobs_id within 100ms
SELECT status FROM jobctl.finished_jobs WHERE id = '00000000-0000-4000-8000-000000000001';

-- query: finished-by-key uses finished_jobs_unique
SELECT id FROM jobctl.finished_jobs WHERE project_id = 'project_id-7' AND unique_key = 'unique_key-7'
 ORDER BY completed_at DESC LIMIT 1;

-- query: finished-without-key not uses finished_jobs_unique
SELECT id FROM jobctl.finished_jobs WHERE project_id = 'project_id-7' AND unique_key IS NULL;

-- query: latest-finished uses finished_jobs_completed_at within 100ms
SELECT id FROM jobctl.finished_jobs ORDER BY completed_at DESC LIMIT 20;

-- query: latest-bad uses finished_jobs_bad
SELECT id FROM jobctl.finished_jobs WHERE status <> 'completed' ORDER BY completed_at DESC, id DESC LIMIT 20;

-- query: latest-good not uses finished_jobs_bad
SELECT id FROM jobctl.finished_jobs WHERE status = 'completed' ORDER BY completed_at DESC, id DESC LIMIT 20;

-- query: attempts-of-a-job uses job_attempts_job
SELECT attempt FROM jobctl.job_attempts WHERE job_id = '00000000-0000-4000-8000-000000000001';

-- query: latest-attempts uses job_attempts_ended_at
SELECT job_id FROM jobctl.job_attempts ORDER BY ended_at DESC LIMIT 20;

-- query: output-of-an-attempt uses job_output_job
SELECT data FROM jobctl.job_output
 WHERE job_id = '00000000-0000-4000-8000-000000000001' AND token = '00000000-0000-4000-8000-000000000002'
 ORDER BY n;

-- query: latest-counts uses job_counts_at
SELECT sum(n) FROM jobctl.job_counts WHERE at BETWEEN now() - interval '5 minutes' AND now();
