-- drop: FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[])
--
-- Renew a worker's lease, and learn what it must know about the jobs it runs: one
-- row for each that it is to stop, with what = cancel or superseded.  JC069 if the
-- worker was given up for dead: everything it runs is superseded.
CREATE OR REPLACE FUNCTION jobctl.heartbeat(worker uuid, ids uuid[], tokens uuid[])
RETURNS TABLE (id uuid, token uuid, what text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobctl.workers w
    SET heartbeat_at = clock_timestamp(), lease_until = clock_timestamp() + w.lease
    WHERE w.worker_id = worker AND w.role_name = jobctl.caller();
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC069', MESSAGE = 'this worker is not registered, or was given up for dead';
    END IF;
    RETURN QUERY
        SELECT i.id, i.token, CASE WHEN j.id IS NULL THEN 'superseded' ELSE 'cancel' END
        FROM unnest(heartbeat.ids, heartbeat.tokens) AS i(id, token)
        LEFT JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token
        WHERE j.id IS NULL OR j.cancel_requested_at IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.heartbeat(uuid, uuid[], uuid[]) TO jobctl_worker;
