-- drop: FUNCTION jobctl.notify_idle(text)
-- after: wake_workers
--
-- wake_workers(), if anybody asked for that.  Volatile: a statement that calls it sees
-- those too that have asked since it began.
CREATE OR REPLACE FUNCTION jobctl.notify_idle(queue text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT jobctl.wake_workers(notify_idle.queue) WHERE EXISTS (SELECT FROM jobctl.workers w WHERE w.idle)
$$;
REVOKE ALL ON FUNCTION jobctl.notify_idle(text) FROM PUBLIC;
