-- drop: FUNCTION jobctl.next_jobs()
--
-- The job at the head of each queue.  Jobs of projects that the caller does not
-- see count, but are not returned.  As project_filter() has it, but without PL/pgSQL,
-- which would take a program that only looks longer to load than all else.
CREATE OR REPLACE FUNCTION jobctl.next_jobs() RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.id
    FROM jobctl.ready_queues() AS q(queue)
    CROSS JOIN LATERAL (
        SELECT j.id, j.project_id FROM jobctl.jobs j
        WHERE j.queue = q.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
        ORDER BY j.priority DESC, j.seq LIMIT 1) n
    WHERE (SELECT pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE'))
       OR n.project_id = ANY (ARRAY(SELECT jobctl.visible_projects()))
$$;
REVOKE ALL ON FUNCTION jobctl.next_jobs() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.next_jobs() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
