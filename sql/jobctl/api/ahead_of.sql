-- drop: FUNCTION jobctl.ahead_of(uuid)
--
-- How many jobs that are ready come before a pending one, whoever's they are, and
-- how many of them for their priority; 100,000 stands for that many or more.
CREATE OR REPLACE FUNCTION jobctl.ahead_of(job uuid, OUT higher integer, OUT earlier integer)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
    SELECT (SELECT count(*) FROM (SELECT FROM jobctl.jobs o
            WHERE o.queue = j.queue AND o.status = 'pending' AND o.wake_at IS NULL AND o.blockers = 0
              AND o.priority > j.priority LIMIT 100000) h),
           (SELECT count(*) FROM (SELECT FROM jobctl.jobs o
            WHERE o.queue = j.queue AND o.status = 'pending' AND o.wake_at IS NULL AND o.blockers = 0
              AND o.priority = j.priority AND o.seq < j.seq LIMIT 100000) e)
    FROM jobctl.jobs j
    WHERE j.id = job AND j.project_id IN (SELECT jobctl.visible_projects())
$$;
REVOKE ALL ON FUNCTION jobctl.ahead_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.ahead_of(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
