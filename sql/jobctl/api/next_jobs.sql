-- drop: FUNCTION jobctl.next_jobs()
--
-- The job at the head of each queue.  Jobs of projects that the caller does not
-- see count, but are not returned.
CREATE OR REPLACE FUNCTION jobctl.next_jobs() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.id
    FROM (SELECT jobctl.project_filter() AS projects OFFSET 0) visible
    CROSS JOIN jobctl.ready_queues() AS q(queue)
    CROSS JOIN LATERAL (
        SELECT j.id, j.project_id FROM jobctl.jobs j
        WHERE j.queue = q.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
        ORDER BY j.priority DESC, j.seq LIMIT 1) n
    WHERE visible.projects IS NULL OR n.project_id = ANY (visible.projects)
$$;
GRANT EXECUTE ON FUNCTION jobctl.next_jobs() TO PUBLIC;
