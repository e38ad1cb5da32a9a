-- drop: FUNCTION jobctl.live_handlers()
--
-- What workers that are alive would take: queue and kind, '*' for any.
CREATE OR REPLACE FUNCTION jobctl.live_handlers() RETURNS TABLE (queue text, kind text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT q.queue, k.kind
    FROM jobctl.workers w
    CROSS JOIN LATERAL unnest(coalesce(w.queues, '{*}')) AS q(queue)
    CROSS JOIN LATERAL unnest(coalesce(w.kinds, '{*}')) AS k(kind)
    WHERE w.lease_until > now()
$$;
REVOKE ALL ON FUNCTION jobctl.live_handlers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.live_handlers() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
