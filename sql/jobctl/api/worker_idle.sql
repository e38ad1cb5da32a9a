-- drop: FUNCTION jobctl.worker_idle(uuid)
--
-- A worker found too little to do and asks to be notified.  It claims once more
-- after this: what was submitted before is found then, what comes later notifies.
-- It stays on the list until a claim has filled it; meanwhile it asks again, after a
-- claim, for what this returns: the milliseconds until the next job falls due or the
-- pause of one of its queues ends (null if nothing of the kind is ahead), and whether
-- there are jobs that are due already, or a pause that has ended since, which only a
-- claim can tell to be its own.
CREATE OR REPLACE FUNCTION jobctl.worker_idle(worker uuid, OUT next_ms bigint, OUT overdue boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    asked timestamptz;
    next timestamptz;
    ended boolean;
BEGIN
    UPDATE jobctl.workers w SET idle = true
    WHERE w.worker_id = worker AND w.role_name = jobctl.caller() AND NOT w.idle;
    asked := clock_timestamp();     -- our row may have been locked
    -- a second: the claim before this is hardly older
    SELECT min(q.paused_until) FILTER (WHERE q.paused_until > asked), coalesce(bool_or(q.paused_until <= asked), false)
    INTO next, ended
    FROM jobctl.queues q JOIN jobctl.workers w ON w.queues IS NULL OR q.queue = ANY (w.queues)
    WHERE w.worker_id = worker AND q.paused_until > asked - interval '1 second';
    next := least(next, (SELECT min(j.wake_at) FROM jobctl.jobs j WHERE j.status = 'pending' AND j.wake_at > asked));
    next_ms := ceil(extract(epoch FROM next - asked) * 1000);
    overdue := ended OR EXISTS (SELECT FROM jobctl.jobs j WHERE j.status = 'pending' AND j.wake_at <= asked);
END
$$;
REVOKE ALL ON FUNCTION jobctl.worker_idle(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.worker_idle(uuid) TO jobctl_worker;
