-- drop: FUNCTION jobctl.queue_state(text[])
--
-- What the view jobctl.queue shows: a row for each queue that has a live job, a
-- setting, a worker that is alive and names it, or something that ended within an
-- hour; or only for the queues named, seen or not.  Jobs of projects that the caller
-- does not see are not counted.
--
-- The counts are those of count_live().  The oldest ready job is looked for among the
-- first of each priority (of the hundred lowest: what starves is there), because to look
-- at each job would take ten times as long as to count them.
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
    WITH live AS MATERIALIZED (
        SELECT * FROM jobctl.count_live(named, visible)
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
        SELECT l.name FROM live l
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
    SELECT n.name, coalesce(l.ready, 0), coalesce(l.scheduled, 0), coalesce(l.blocked, 0), coalesce(l.held, 0),
           coalesce(l.running, 0), q.max_running,
           p.at, p.by::text, p.why, p.until,
           extract(epoch FROM now() - least(l.oldest, CASE WHEN l.ready > 0 THEN jobctl.oldest_ready(n.name, visible) END))
               ::double precision,
           (coalesce(s.n, 0) + e.n)::bigint, (coalesce(s.slots, 0) + e.slots)::bigint,
           coalesce(d.per_min, 0)::double precision, coalesce(d.failed_per_min, 0)::double precision,
           n.seen
    FROM names n
    CROSS JOIN everywhere e
    LEFT JOIN live l ON l.name = n.name
    LEFT JOIN serving s ON s.name = n.name
    LEFT JOIN ended d ON d.name = n.name
    LEFT JOIN jobctl.queues q ON q.queue = n.name
    LEFT JOIN LATERAL (SELECT q.paused_at, q.paused_by, q.paused_why, q.paused_until
                       WHERE q.paused_until IS NULL OR q.paused_until > now()) p(at, by, why, until) ON true;
END
$$;
REVOKE ALL ON FUNCTION jobctl.queue_state(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.queue_state(text[]) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
