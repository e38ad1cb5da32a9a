-- drop: VIEW jobctl.job
--
-- Every job, live and finished, in the words of jobctl-formats(7).
CREATE OR REPLACE VIEW jobctl.job WITH (security_invoker = true) AS
SELECT j.id, j.project_id::text AS project, j.queue::text AS queue, j.kind::text AS kind, j.status,
       CASE WHEN j.status = 'running' THEN jobctl.running_reasons(j) ELSE jobctl.pending_reasons(j) END AS reasons,
       j.priority, j.attempt, j.max_attempts, j.crashes, j.run_at, j.created_at, j.started_at,
       NULL::timestamptz AS completed_at,
       j.worker_id AS worker, w.host AS worker_host, w.pid AS worker_pid,
       extract(epoch FROM now() - w.heartbeat_at)::double precision AS heartbeat_age_s,
       NULL::text AS outcome, NULL::integer AS exit_code, NULL::integer AS signal, j.error_message,
       p.message, p.done AS progress_done, p.total AS progress_total,
       p.stats, NULL::jsonb AS result, NULL::bigint AS max_rss_bytes, NULL::double precision AS cpu_s,
       j.unique_key, j.created_by::text AS created_by, j.timeout, j.cancel_requested_at, j.args
FROM jobctl.jobs j
LEFT JOIN jobctl.workers w ON w.worker_id = j.worker_id
LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
UNION ALL
SELECT f.id, f.project_id, f.queue, f.kind, f.status, NULL, f.priority, f.attempt, f.max_attempts,
       f.crashes, f.run_at, f.created_at, f.started_at, f.completed_at,
       f.worker_id, f.worker_host, f.worker_pid, NULL,
       f.outcome, f.exit_code, f.signal, f.error_message,
       f.message, f.progress_done, f.progress_total, f.stats, f.result, f.max_rss_bytes, f.cpu_s,
       f.unique_key, f.created_by::text, f.timeout, NULL, f.args
FROM jobctl.finished_jobs f;
COMMENT ON VIEW jobctl.job IS 'every job, live and finished';
GRANT SELECT ON jobctl.job TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
