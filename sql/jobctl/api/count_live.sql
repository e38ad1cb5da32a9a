-- drop: FUNCTION jobctl.count_live(text[], text[])
-- drop: FUNCTION jobctl.live_counts()
--
-- The part of queue_state() that counts: of each queue that has a live job (or of those
-- named), in the projects that are visible (null: all).  A pending job is counted once,
-- for the first of its reasons: scheduled while its time is ahead, else blocked while it
-- waits for other jobs, else ready; oldest is of those that were scheduled.
--
-- The counts are exact and read from indexes alone, where there are millions by several
-- processes.
CREATE OR REPLACE FUNCTION jobctl.count_live(named text[], visible text[])
RETURNS TABLE (name text, ready bigint, scheduled bigint, blocked bigint, held bigint, running bigint,
               oldest timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH counted AS (
        SELECT j.queue::text AS name, count(*) AS ready, 0 AS scheduled, 0 AS blocked, 0 AS held, 0 AS running,
               NULL::timestamptz AS oldest
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, count(*) FILTER (WHERE j.wake_at <= now() AND j.blockers = 0),
               count(*) FILTER (WHERE j.wake_at > now()), 0, 0, 0,
               min(j.wake_at) FILTER (WHERE j.wake_at <= now() AND j.blockers = 0)
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.wake_at IS NOT NULL
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, 0, 0, count(*) FILTER (WHERE j.wake_at IS NULL OR j.wake_at <= now()), 0, 0, NULL
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.blockers > 0
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, 0, 0, 0, count(*), 0, NULL
        FROM jobctl.jobs j
        WHERE j.status = 'held'
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT c.queue, 0, 0, 0, 0, sum(c.unfinished), NULL
        FROM jobctl.claims c
        WHERE visible IS NULL AND NOT c.ahead AND (named IS NULL OR c.queue = ANY (named))
        GROUP BY c.queue
        UNION ALL
        SELECT c.queue, 0, 0, 0, 0, count(*), NULL
        FROM jobctl.claims c JOIN jobctl.jobs j ON j.id = ANY (c.ids) AND j.token = c.token
        WHERE visible IS NOT NULL AND j.project_id = ANY (visible) AND (named IS NULL OR c.queue = ANY (named))
        GROUP BY c.queue
    )
    SELECT c.name, sum(c.ready)::bigint, sum(c.scheduled)::bigint, sum(c.blocked)::bigint, sum(c.held)::bigint,
           sum(c.running)::bigint, min(c.oldest)
    FROM counted c GROUP BY c.name;
END
$$;
REVOKE ALL ON FUNCTION jobctl.count_live(text[], text[]) FROM PUBLIC;

-- How many live jobs each queue has of each status, of those that the caller sees.
CREATE OR REPLACE FUNCTION jobctl.live_counts() RETURNS TABLE (queue text, status text, n bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.name, s.status, s.n
    FROM jobctl.count_live(NULL, jobctl.project_filter()) l
    CROSS JOIN LATERAL (VALUES ('pending', l.ready + l.scheduled + l.blocked), ('held', l.held),
                               ('running', l.running)) s(status, n)
    WHERE s.n > 0
$$;
REVOKE ALL ON FUNCTION jobctl.live_counts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.live_counts() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
