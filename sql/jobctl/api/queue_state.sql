-- drop: FUNCTION jobctl.queue_state(text[])
--
-- What the view jobctl.queue shows: a row for each queue that has a live job, a
-- setting, a worker that is alive and names it, or something that ended within an
-- hour; or only for the queues named, seen or not.  Jobs of projects that the caller
-- does not see are not counted.
--
-- A pending job is counted once, for the first of its reasons: scheduled while its
-- time is ahead, else blocked while it waits for other jobs, else ready.
--
-- The counts are exact and read from indexes alone.  The oldest ready job is looked
-- for among the first of each priority (of the hundred lowest: what starves is there),
-- because to look at each job would take ten times as long as to count them.
CREATE OR REPLACE FUNCTION jobctl.queue_state(named text[] DEFAULT NULL)
RETURNS TABLE (queue text, ready bigint, scheduled bigint, blocked bigint, held bigint, running bigint,
               max_running integer, paused_at timestamptz, paused_by text, paused_why text,
               paused_until timestamptz, oldest_ready_s double precision, workers bigint, slots bigint,
               ended_per_min double precision, failed_per_min double precision, seen boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    visible text[] := jobctl.project_filter();
BEGIN
    RETURN QUERY
    WITH counted AS (
        SELECT j.queue AS name, count(*) AS ready, 0 AS scheduled, 0 AS blocked, 0 AS held,
               NULL::timestamptz AS oldest
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, count(*) FILTER (WHERE j.wake_at <= now() AND j.blockers = 0),
               count(*) FILTER (WHERE j.wake_at > now()), 0, 0,
               min(j.wake_at) FILTER (WHERE j.wake_at <= now() AND j.blockers = 0)
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.wake_at IS NOT NULL
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, 0, 0, count(*) FILTER (WHERE j.wake_at IS NULL OR j.wake_at <= now()), 0, NULL
        FROM jobctl.jobs j
        WHERE j.status = 'pending' AND j.blockers > 0
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
        UNION ALL
        SELECT j.queue, 0, 0, 0, count(*), NULL
        FROM jobctl.jobs j
        WHERE j.status = 'held'
          AND (named IS NULL OR j.queue = ANY (named)) AND (visible IS NULL OR j.project_id = ANY (visible))
        GROUP BY j.queue
    ), waiting AS MATERIALIZED (
        SELECT c.name::text AS name, sum(c.ready)::bigint AS ready, sum(c.scheduled)::bigint AS scheduled,
               sum(c.blocked)::bigint AS blocked, sum(c.held)::bigint AS held, min(c.oldest) AS oldest
        FROM counted c GROUP BY c.name
    ), running AS (
        SELECT c.queue AS name, sum(c.unfinished) AS n FROM jobctl.claims c
        WHERE visible IS NULL AND (named IS NULL OR c.queue = ANY (named))
        GROUP BY c.queue
        UNION ALL
        SELECT c.queue, count(*) FROM jobctl.claims c JOIN jobctl.jobs j ON j.id = ANY (c.ids) AND j.token = c.token
        WHERE visible IS NOT NULL AND j.project_id = ANY (visible) AND (named IS NULL OR c.queue = ANY (named))
        GROUP BY c.queue
    ), serving AS MATERIALIZED (
        SELECT u.name, count(*) AS n, sum(w.slots) AS slots
        FROM jobctl.workers w
        CROSS JOIN LATERAL (SELECT DISTINCT q.name FROM unnest(coalesce(w.queues, '{*}')) AS q(name)) u
        WHERE w.lease_until > now() GROUP BY u.name
    ), everywhere AS (
        SELECT coalesce(sum(s.n), 0) AS n, coalesce(sum(s.slots), 0) AS slots FROM serving s WHERE s.name = '*'
    ), ended AS MATERIALIZED (   -- whole minutes are counted: the last five, and what there is of this one
        SELECT c.queue AS name, sum(c.n) FILTER (WHERE c.at >= m.since) / m.minutes AS per_min,
               sum(c.n) FILTER (WHERE c.at >= m.since AND c.status = 'failed') / m.minutes AS failed_per_min
        FROM jobctl.job_count c
        CROSS JOIN (SELECT t.since, extract(epoch FROM now() - t.since) / 60 AS minutes
                    FROM (SELECT date_trunc('minute', now()) - interval '5 min' AS since) t) m
        WHERE c.at >= now() - interval '1 hour' AND c.status <> 'retried'
          AND (named IS NULL OR c.queue = ANY (named)) AND (visible IS NULL OR c.project = ANY (visible))
        GROUP BY c.queue, m.minutes
    ), found AS (
        SELECT w.name FROM waiting w
        UNION SELECT r.name FROM running r
        UNION SELECT q.queue FROM jobctl.queues q
              WHERE q.max_running IS NOT NULL
                 OR q.paused_at IS NOT NULL AND (q.paused_until IS NULL OR q.paused_until > now())
        UNION SELECT s.name FROM serving s WHERE s.name <> '*'
        UNION SELECT d.name FROM ended d
    ), names AS (
        SELECT f.name, bool_or(f.found) AS seen
        FROM (SELECT o.name, true AS found FROM found o WHERE named IS NULL OR o.name = ANY (named)
              UNION ALL SELECT unnest(named), false) f
        GROUP BY f.name
    )
    SELECT n.name, coalesce(w.ready, 0), coalesce(w.scheduled, 0), coalesce(w.blocked, 0), coalesce(w.held, 0),
           coalesce(r.n, 0)::bigint, q.max_running,
           p.at, p.by::text, p.why, p.until,
           extract(epoch FROM now() - least(w.oldest, CASE WHEN w.ready > 0 THEN jobctl.oldest_ready(n.name, visible) END))
               ::double precision,
           (coalesce(s.n, 0) + e.n)::bigint, (coalesce(s.slots, 0) + e.slots)::bigint,
           coalesce(d.per_min, 0)::double precision, coalesce(d.failed_per_min, 0)::double precision,
           n.seen
    FROM names n
    CROSS JOIN everywhere e
    LEFT JOIN waiting w ON w.name = n.name
    LEFT JOIN running r ON r.name = n.name
    LEFT JOIN serving s ON s.name = n.name
    LEFT JOIN ended d ON d.name = n.name
    LEFT JOIN jobctl.queues q ON q.queue = n.name
    LEFT JOIN LATERAL (SELECT q.paused_at, q.paused_by, q.paused_why, q.paused_until
                       WHERE q.paused_until IS NULL OR q.paused_until > now()) p(at, by, why, until) ON true;
END
$$;
REVOKE ALL ON FUNCTION jobctl.queue_state(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.queue_state(text[]) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
