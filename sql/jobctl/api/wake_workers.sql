-- drop: FUNCTION jobctl.wake_workers(text)
--
-- Tell idle workers of a queue that there is something for them, but not what.  A
-- busy one will look by itself, so a burst costs no notification each.  A few at
-- random, not all: one job needs one worker, and polling covers the case that
-- those asked died.
CREATE OR REPLACE FUNCTION jobctl.wake_workers(queue text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('jobctl_' || replace(w.worker_id::text, '-', ''), 'wake')
    FROM (SELECT o.worker_id FROM jobctl.workers o
          WHERE o.idle AND o.lease_until > now() AND (o.queues IS NULL OR wake_workers.queue = ANY (o.queues))
          ORDER BY random() LIMIT 3) w;
END
$$;
REVOKE ALL ON FUNCTION jobctl.wake_workers(text) FROM PUBLIC;
