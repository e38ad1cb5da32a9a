-- drop: FUNCTION jobctl.ready_queues()
--
-- Queues that have a job ready, found by skipping through the claim index.
CREATE OR REPLACE FUNCTION jobctl.ready_queues() RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE q(name) AS (
        (SELECT j.queue::text FROM jobctl.jobs j
         WHERE j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
         ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue::text FROM jobctl.jobs j
                WHERE j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0 AND j.queue > q.name
                ORDER BY j.queue LIMIT 1)
        FROM q WHERE q.name IS NOT NULL
    )
    SELECT name FROM q WHERE name IS NOT NULL
$$;
REVOKE ALL ON FUNCTION jobctl.ready_queues() FROM PUBLIC;
