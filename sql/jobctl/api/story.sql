-- drop: FUNCTION jobctl.story(uuid)
--
-- One job from its submission on, in order: its rows of jobctl.event, and
--   submit      role is who did
--   wait        for another job, which has not ended: message
--   start       a run began: attempt, worker_host, worker_pid
--   progress    the latest report of one that is live: message
--   due         at is ahead: then the job becomes eligible
CREATE OR REPLACE FUNCTION jobctl.story(job uuid)
RETURNS TABLE (at timestamptz, event text, id uuid, project text, queue text, attempt integer, outcome text,
               exit_code integer, signal integer, worker_host text, worker_pid integer, run_s double precision,
               role text, client text, message text, event_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.at, s.event, story.job, j.project, coalesce(s.queue, j.queue), s.attempt, s.outcome, s.exit_code, s.signal,
           s.worker_host, s.worker_pid, s.run_s, s.role, s.client, s.message, s.event_id
    FROM (SELECT o.* FROM jobctl.job o WHERE o.id = story.job LIMIT 1) j
    CROSS JOIN LATERAL (
        SELECT 1 AS rank, j.created_at AS at, 'submit' AS event, NULL::text AS queue, NULL::integer AS attempt,
               NULL::text AS outcome, NULL::integer AS exit_code, NULL::integer AS signal, NULL::text AS worker_host,
               NULL::integer AS worker_pid, NULL::double precision AS run_s, j.created_by AS role,
               NULL::text AS client, NULL::text AS message, NULL::bigint AS event_id
        UNION ALL
        SELECT 2, j.created_at, 'wait', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               format('for job %s to %s', d.needs_id, CASE WHEN d.needs_ok THEN 'complete' ELSE 'end' END), NULL
        FROM jobctl.job_dependencies d WHERE d.job_id = story.job
        UNION ALL
        SELECT 3, r.started_at, 'start', NULL, r.attempt, NULL, NULL, NULL, r.worker_host, r.worker_pid, NULL,
               NULL, NULL, NULL, NULL
        FROM jobctl.job_run r WHERE r.job_id = story.job
        UNION ALL
        SELECT 4, p.updated_at, 'progress', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               concat_ws(': ', p.done || coalesce('/' || p.total, ''), p.message), NULL
        FROM jobctl.job_progress p WHERE p.job_id = story.job
        UNION ALL
        SELECT CASE WHEN e.event_id IS NULL THEN 6 ELSE 5 END, e.at, e.event, e.queue, e.attempt, e.outcome, e.exit_code,
               e.signal, e.worker_host, e.worker_pid, e.run_s, e.role, e.client, e.message, e.event_id
        FROM jobctl.event e WHERE e.id = story.job
        UNION ALL
        SELECT 7, j.run_at, 'due', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        WHERE j.status = 'pending' AND j.run_at > now()) s
    ORDER BY s.at, s.rank, s.event_id, s.attempt, s.message
$$;
REVOKE ALL ON FUNCTION jobctl.story(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.story(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
