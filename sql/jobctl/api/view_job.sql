-- drop: VIEW jobctl.job
--
-- Every job, live and finished, in the words of jobctl-formats(7) and
-- jobctl-reasons(7).  Two columns are there to narrow a search: live is true for
-- jobs that have not ended (WHERE live leaves the finished ones unread), and at is
-- when a job ended or, if it has not, was submitted.
--
-- Both halves select from one table alone and look the rest up column by column, so
-- that the planner sees through the view: ORDER BY id or a search by id uses the
-- indexes, and a column that is not asked for costs nothing.  What a reason
-- needs to know of queues and workers is gathered once per query, not per job; and what
-- takes a function that a session has to prepare first, only if there may be such a reason.
-- Those functions are PARALLEL RESTRICTED, as all must be that are named here: one that is
-- not, asked for or not, and millions of jobs are counted by one process.
CREATE OR REPLACE VIEW jobctl.job WITH (security_invoker = true) AS
SELECT j.id, j.project_id::text AS project, j.queue::text AS queue, j.kind::text AS kind, j.status,
       CASE WHEN j.status = 'running' THEN
           coalesce(nullif(array_remove(ARRAY[
               CASE WHEN j.worker_id NOT IN (SELECT w.worker_id FROM jobctl.workers w
                                             WHERE w.lease_until >= now()) THEN 'LeaseExpired'
                    WHEN j.worker_id IN (SELECT w.worker_id FROM jobctl.workers w
                                         WHERE w.heartbeat_at < now() - w.lease * 0.6) THEN 'HeartbeatLate' END,
               CASE WHEN j.xmax <> '0' AND j.xmax IN (SELECT jobctl.old_transactions()) THEN 'Blocked' END,
               CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'CancelRequested' END,
               CASE WHEN extract(epoch FROM now() - j.started_at) >
                         ((SELECT jsonb_object_agg(k.project_id || ' ' || k.kind, k.p95_s)
                           FROM jobctl.kind_seconds k WHERE k.n >= 20)
                          ->> (j.project_id || ' ' || j.kind))::double precision
                    THEN 'Slow' END], NULL), '{}'),
               ARRAY['Healthy'])
       ELSE
           coalesce(nullif(array_remove(ARRAY[
               CASE WHEN j.status = 'held' THEN 'Held' END,
               CASE WHEN j.wake_at > now() THEN
                   CASE WHEN j.error_message IS NULL THEN 'Scheduled' ELSE 'Backoff' END END,
               CASE WHEN j.blockers > 0 THEN 'Dependency' END,
               CASE WHEN j.queue IN (SELECT q.queue FROM jobctl.queues q WHERE q.paused_at IS NOT NULL
                                     AND (q.paused_until IS NULL OR q.paused_until > now()))
                    THEN 'QueuePaused' END,
               CASE WHEN j.queue IN (SELECT q.queue FROM jobctl.queues q WHERE q.max_running IS NOT NULL)
                     AND j.queue IN (SELECT jobctl.full_queues()) THEN 'ConcurrencyLimit' END,
               CASE WHEN EXISTS (SELECT FROM jobctl.projects p WHERE p.max_running IS NOT NULL)
                     AND j.project_id IN (SELECT jobctl.full_projects()) THEN 'Quota' END,
               CASE WHEN NOT (j.queue IN (SELECT unnest(coalesce(w.queues, '{*}')) FROM jobctl.workers w
                                          WHERE w.lease_until > now())
                              OR '*' IN (SELECT unnest(coalesce(w.queues, '{*}')) FROM jobctl.workers w
                                         WHERE w.lease_until > now())) THEN 'NoWorker'
                    WHEN NOT (j.queue IN (SELECT unnest(coalesce(w.queues, '{*}')) FROM jobctl.workers w
                                          WHERE w.lease_until > now() AND w.kinds IS NULL)
                              OR '*' IN (SELECT unnest(coalesce(w.queues, '{*}')) FROM jobctl.workers w
                                         WHERE w.lease_until > now() AND w.kinds IS NULL)
                              OR (j.queue, j.kind) IN (SELECT h.queue, h.kind FROM jobctl.live_handlers() h)
                              OR ('*', j.kind) IN (SELECT h.queue, h.kind FROM jobctl.live_handlers() h))
                    THEN 'NoHandler' END,
               CASE WHEN j.xmax <> '0' AND j.xmax IN (SELECT jobctl.old_transactions()) THEN 'RowLocked' END], NULL), '{}'),
               CASE WHEN j.id IN (SELECT jobctl.next_jobs()) THEN ARRAY['Ready'] ELSE ARRAY['Behind'] END)
       END AS reasons,
       j.priority, j.attempt, j.max_attempts, j.crashes, j.run_at, j.created_at, j.started_at,
       NULL::timestamptz AS completed_at,
       j.worker_id AS worker,
       (SELECT w.host FROM jobctl.workers w WHERE w.worker_id = j.worker_id) AS worker_host,
       (SELECT w.pid FROM jobctl.workers w WHERE w.worker_id = j.worker_id) AS worker_pid,
       (SELECT extract(epoch FROM now() - w.heartbeat_at)::double precision
        FROM jobctl.workers w WHERE w.worker_id = j.worker_id) AS heartbeat_age_s,
       NULL::text AS outcome, NULL::integer AS exit_code, NULL::integer AS signal, j.error_message,
       (SELECT p.message FROM jobctl.job_progress p WHERE p.job_id = j.id) AS message,
       (SELECT p.done FROM jobctl.job_progress p WHERE p.job_id = j.id) AS progress_done,
       (SELECT p.total FROM jobctl.job_progress p WHERE p.job_id = j.id) AS progress_total,
       (SELECT p.stats FROM jobctl.job_progress p WHERE p.job_id = j.id) AS stats,
       -- if it goes on as so far; else what is left of the time that half of its kind ran
       CASE WHEN j.status = 'running' THEN coalesce(
           (SELECT extract(epoch FROM now() - j.started_at)::double precision * (p.total - p.done) / p.done
            FROM jobctl.job_progress p WHERE p.job_id = j.id AND p.done > 0 AND p.total >= p.done),
           (SELECT k.p50_s - extract(epoch FROM now() - j.started_at)::double precision
            FROM jobctl.kind_seconds k WHERE k.project_id = j.project_id AND k.kind = j.kind
              AND k.p50_s >= extract(epoch FROM now() - j.started_at)))
       END AS eta_s,
       NULL::jsonb AS result, NULL::bigint AS max_rss_bytes, NULL::double precision AS cpu_s,
       j.unique_key, j.created_by, j.timeout, j.cancel_requested_at, j.args::jsonb AS args,
       true AS live, j.created_at AS at
FROM jobctl.jobs j
UNION ALL
SELECT f.id, f.project_id::text, f.queue, f.kind, f.status, NULL, f.priority, f.attempt, f.max_attempts,
       f.crashes, f.run_at, f.created_at, f.started_at, f.completed_at,
       f.worker_id, f.worker_host, f.worker_pid, NULL,
       f.outcome, f.exit_code, f.signal, f.error_message,
       f.message, f.progress_done, f.progress_total, f.stats, NULL, f.result, f.max_rss_bytes, f.cpu_s,
       f.unique_key, f.created_by, f.timeout, NULL, f.args, false, f.completed_at
FROM jobctl.finished_jobs f;
COMMENT ON VIEW jobctl.job IS 'every job, live and finished';
GRANT SELECT ON jobctl.job TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
