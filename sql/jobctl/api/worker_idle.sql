-- drop: FUNCTION jobctl.worker_idle(uuid)
--
-- A worker found too little to do and asks to be notified.  It claims once more
-- after this: what was submitted before is found then, what comes later notifies.
-- Returns the milliseconds until the next job falls due, null if none is scheduled.
CREATE OR REPLACE FUNCTION jobctl.worker_idle(worker uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
BEGIN
    UPDATE jobctl.workers w SET idle = true
    WHERE w.worker_id = worker AND w.role_name = jobctl.caller() AND NOT w.idle;
    RETURN (SELECT greatest(0, ceil(extract(epoch FROM min(j.wake_at) - clock_timestamp()) * 1000))::bigint
            FROM jobctl.jobs j WHERE j.status = 'pending' AND j.wake_at IS NOT NULL);
END
$$;
REVOKE ALL ON FUNCTION jobctl.worker_idle(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.worker_idle(uuid) TO jobctl_worker;
