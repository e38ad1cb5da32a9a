-- drop: VIEW jobctl.kind_times
-- drop: VIEW jobctl.job_count
--
-- Runs that ended, counted by the minute (by the hour when that is a day ago, as
-- '-infinity' when it is a month ago): status completed, failed or cancelled, or
-- retried for an attempt that was not the last.  An end stays counted if the job is
-- retried by hand.  What ended since the last counting
-- is counted here and now, so that sum(n) has every end that was committed, and
-- never goes down.  It is told to end at infinity as well, because of a range with both
-- ends the planner expects little even where it knows nothing of a table yet.
CREATE OR REPLACE VIEW jobctl.job_count WITH (security_invoker = true) AS
SELECT c.at, c.project_id AS project, c.queue, c.kind, c.status, c.outcome, c.bucket, c.n, c.run_s
FROM jobctl.job_counts c
UNION ALL
SELECT date_trunc('minute', f.completed_at), f.project_id::text, f.queue, f.kind, f.status, f.outcome,
       jobctl.run_bucket(f.started_at, f.completed_at), count(*),
       coalesce(sum(date_part('epoch', f.completed_at - f.started_at)), 0)
FROM jobctl.finished_jobs f
WHERE f.completed_at >= (SELECT u.counted_until FROM jobctl.counted u) AND f.completed_at < 'infinity'
GROUP BY 1, 2, 3, 4, 5, 6, 7
UNION ALL
SELECT date_trunc('minute', a.ended_at), a.project_id, a.queue, a.kind, coalesce(a.ended_as, 'retried'), a.outcome,
       jobctl.run_bucket(a.started_at, a.ended_at), count(*),
       coalesce(sum(date_part('epoch', a.ended_at - a.started_at)), 0)
FROM jobctl.job_attempts a
WHERE a.ended_at >= (SELECT u.counted_until FROM jobctl.counted u) AND a.ended_at < 'infinity'
GROUP BY 1, 2, 3, 4, 5, 6, 7;
COMMENT ON VIEW jobctl.job_count IS 'runs that ended, counted';
GRANT SELECT ON jobctl.job_count TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- How long completed jobs of a kind ran, as of the last counting: within a tenth of
-- the true value, as the buckets are.
CREATE OR REPLACE VIEW jobctl.kind_times WITH (security_invoker = true) AS
SELECT k.project_id AS project, k.kind, k.n, k.p50_s, k.p95_s FROM jobctl.kind_seconds k;
COMMENT ON VIEW jobctl.kind_times IS 'how long completed jobs of a kind ran';
GRANT SELECT ON jobctl.kind_times TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
