-- drop: FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[])
--
-- Renew a worker's lease, and learn what it must know about the jobs it holds
-- (ids, tokens: all of them, those that ended and could not be written yet
-- included): one row for each that it is to stop, with what = cancel or superseded.
-- JC069 if the worker was given up for dead: everything it runs is superseded.
--
-- A job that was claimed a lease ago and that it does not name goes back to the
-- queue: the answer to that claim never arrived, and nobody runs it.
CREATE OR REPLACE FUNCTION jobctl.heartbeat(worker uuid, ids uuid[], tokens uuid[])
RETURNS TABLE (id uuid, token uuid, what text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    fresh timestamptz;
BEGIN
    UPDATE jobctl.workers w
    SET heartbeat_at = clock_timestamp(), lease_until = clock_timestamp() + w.lease
    WHERE w.worker_id = worker AND w.role_name = jobctl.caller()
    RETURNING w.heartbeat_at - w.lease INTO fresh;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC069', MESSAGE = 'this worker is not registered, or was given up for dead';
    END IF;
    PERFORM jobctl.mark_running(ARRAY(
        SELECT j.id FROM jobctl.claims c JOIN jobctl.jobs j ON j.id = ANY (c.ids)
        WHERE c.worker_id = worker AND c.ahead AND c.claimed_at <= now() - interval '1 second' AND j.status = 'pending'
        FOR NO KEY UPDATE OF j SKIP LOCKED), worker);
    RETURN QUERY
        SELECT i.id, i.token, CASE WHEN j.id IS NULL THEN 'superseded' ELSE 'cancel' END
        FROM unnest(heartbeat.ids, heartbeat.tokens) AS i(id, token)
        LEFT JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = worker
        WHERE j.cancel_requested_at IS NOT NULL
           OR j.id IS NULL AND NOT ((i.id, i.token) IN (SELECT h.id, h.token FROM jobctl.has_ahead(worker, heartbeat.tokens) h)
                                    AND EXISTS (SELECT FROM jobctl.jobs o WHERE o.id = i.id AND o.token IS NULL));
    IF (SELECT sum(c.unfinished) FROM jobctl.claims c WHERE c.worker_id = worker) > cardinality(ids) THEN
        PERFORM jobctl.give_back(worker, array_agg(j.id), array_agg(j.token))
        FROM jobctl.claims c
        JOIN jobctl.jobs j ON j.id = ANY (c.ids) AND j.token = c.token
        WHERE c.worker_id = worker AND c.claimed_at < fresh
          AND NOT EXISTS (SELECT FROM unnest(heartbeat.ids, heartbeat.tokens) AS i(id, token)
                          WHERE i.id = j.id AND i.token = j.token);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[]) TO jobctl_worker;
