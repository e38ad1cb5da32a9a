-- drop: VIEW jobctl.job_run
--
-- Every run of every job, the last one and the present one included: an attempt
-- that was given back and taken again is two runs with one attempt number.
CREATE OR REPLACE VIEW jobctl.job_run WITH (security_invoker = true) AS
    SELECT a.job_id, a.token, a.attempt, a.started_at, a.ended_at, a.outcome, a.exit_code, a.signal,
           a.error_message, a.worker_id, a.worker_host, a.worker_pid, a.cpu_s, a.max_rss_bytes
    FROM jobctl.job_attempts a WHERE a.token IS NOT NULL
    UNION ALL
    SELECT f.id, f.token, f.attempt, f.started_at, f.completed_at, f.outcome, f.exit_code, f.signal,
           f.error_message, f.worker_id, f.worker_host, f.worker_pid, f.cpu_s, f.max_rss_bytes
    FROM jobctl.finished_jobs f WHERE f.token IS NOT NULL
    UNION ALL
    SELECT j.id, j.token, j.attempt, j.started_at, NULL, NULL, NULL, NULL,
           NULL, j.worker_id, w.host, w.pid, NULL, NULL
    FROM jobctl.jobs j LEFT JOIN jobctl.workers w ON w.worker_id = j.worker_id
    WHERE j.status = 'running';
GRANT SELECT ON jobctl.job_run TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
