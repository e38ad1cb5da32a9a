-- drop: FUNCTION jobctl.waiting_jobs(integer)
--
-- Some of the jobs that wait and that the caller may see, for a screen that cannot show
-- them all: of each queue the first that are ready, as they will be claimed, three at
-- least and about so many in all; and so many at most of those that are scheduled, the
-- next due first, that wait for other jobs, and that are held.  Each is the beginning
-- of an index.
CREATE OR REPLACE FUNCTION jobctl.waiting_jobs(most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    WITH v AS MATERIALIZED (SELECT jobctl.project_filter() AS projects),
    q AS MATERIALIZED (SELECT r.name, count(*) OVER () AS n FROM jobctl.ready_queues() AS r(name))
    (SELECT r.id FROM q CROSS JOIN LATERAL (
         SELECT j.id FROM jobctl.jobs j, v
         WHERE j.queue = q.name AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
           AND (v.projects IS NULL OR j.project_id = ANY (v.projects))
         ORDER BY j.priority DESC, j.seq LIMIT greatest(most / q.n, 3)) r)
    UNION ALL
    (SELECT j.id FROM jobctl.jobs j, v
     WHERE j.status = 'pending' AND j.wake_at IS NOT NULL AND j.blockers = 0
       AND (v.projects IS NULL OR j.project_id = ANY (v.projects))
     ORDER BY j.wake_at LIMIT most)
    UNION ALL
    (SELECT j.id FROM jobctl.jobs j, v
     WHERE j.status = 'pending' AND j.blockers > 0
       AND (v.projects IS NULL OR j.project_id = ANY (v.projects))
     ORDER BY j.queue LIMIT most)
    UNION ALL
    (SELECT j.id FROM jobctl.jobs j, v
     WHERE j.status = 'held' AND (v.projects IS NULL OR j.project_id = ANY (v.projects))
     ORDER BY j.queue LIMIT most)
$$;
REVOKE ALL ON FUNCTION jobctl.waiting_jobs(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.waiting_jobs(integer)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
