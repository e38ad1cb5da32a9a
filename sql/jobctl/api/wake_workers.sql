-- drop: FUNCTION jobctl.wake_workers(text, integer)
--
-- Tell idle workers of a queue that there is something for them, but not what.  A
-- busy one will look by itself, so a burst costs no notification each.  A few at
-- random, not all: one job needs one worker, and polling covers the case that
-- those asked died.  For all of them at_most is null.
CREATE OR REPLACE FUNCTION jobctl.wake_workers(queue text, at_most integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('jobctl_' || replace(w.worker_id::text, '-', ''), 'wake')
    FROM (SELECT o.worker_id FROM jobctl.workers o
          WHERE o.idle AND o.lease_until > now() AND (o.queues IS NULL OR wake_workers.queue = ANY (o.queues))
          ORDER BY random() LIMIT at_most) w;
END
$$;
REVOKE ALL ON FUNCTION jobctl.wake_workers(text, integer) FROM PUBLIC;
