-- drop: VIEW jobctl.event
--
-- What happened: what people and reapers did to jobs and queues, how attempts ended, and how
-- jobs did.  event is one of
--   cancel retry hold release edit reap     done to a job: role, client, message (why)
--   pause resume limit                      done to a queue: no id, no project
--   attempt                                 it ended, and the job did not end with it
--   completed failed cancelled              the job ended; it may have been retried since
--
-- Each part selects from one table that has an index on its time and one on the job, so that
-- ORDER BY at LIMIT n, and one job's events, need read no more than that.
CREATE OR REPLACE VIEW jobctl.event WITH (security_invoker = true) AS
SELECT e.at, e.event, e.job_id AS id, e.project_id AS project, e.queue, NULL::integer AS attempt,
       NULL::text AS outcome, NULL::integer AS exit_code, NULL::integer AS signal, NULL::text AS worker_host,
       NULL::integer AS worker_pid, NULL::double precision AS run_s, e.role_name::text AS role, e.client,
       e.why AS message, e.event_id
FROM jobctl.job_events e
UNION ALL
SELECT a.ended_at, coalesce(a.ended_as, 'attempt'), a.job_id, a.project_id,
       a.queue, a.attempt, a.outcome, a.exit_code, a.signal, a.worker_host,
       a.worker_pid, extract(epoch FROM a.ended_at - a.started_at)::double precision, NULL, NULL,
       a.error_message, NULL
FROM jobctl.job_attempts a
UNION ALL
SELECT f.completed_at, f.status, f.id, f.project_id::text, f.queue, f.attempt,
       f.outcome, f.exit_code, f.signal, f.worker_host,
       f.worker_pid, extract(epoch FROM f.completed_at - f.started_at)::double precision, NULL, NULL,
       f.error_message, NULL
FROM jobctl.finished_jobs f;
COMMENT ON VIEW jobctl.event IS 'what was done to jobs and queues, and how attempts and jobs ended';
GRANT SELECT ON jobctl.event TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
