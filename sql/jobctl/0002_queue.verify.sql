SELECT id, seq, priority, attempt, max_attempts, blockers, crashes, created_at, run_at, wake_at,
       started_at, cancel_requested_at, token, worker_id, status, project_id, queue, kind,
       created_by, unique_key, backoff, backoff_base, backoff_max, timeout, error_message, args
  FROM jobctl.jobs WHERE false;
SELECT 1 / (count(*) = 3)::int FROM pg_catalog.pg_indexes
 WHERE schemaname = 'jobctl' AND indexname IN ('jobs_claim', 'jobs_wake', 'jobs_unique');
SELECT 1 / count(*) FROM jobctl.kinds WHERE kind = 'index' AND unique_arg = 'repo_path';
