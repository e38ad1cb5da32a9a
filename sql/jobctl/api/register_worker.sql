-- drop: FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[], integer, interval)
--
-- A worker process says that it exists, or again that it does.  The id is its own.
-- Null queues: every queue; null kinds: every kind.  JC077 if another role's
-- worker has the id.  A new one is told to the workers of its host, which see to it
-- that nobody waits for its lease when it dies.
CREATE OR REPLACE FUNCTION jobctl.register_worker(
    worker uuid, host text, boot_id text, pid integer, pid_start bigint, version text,
    queues text[], kinds text[], slots integer, lease interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh boolean;
BEGIN
    INSERT INTO jobctl.workers AS w (worker_id, host, boot_id, pid, pid_start, version, queues, kinds,
                                     slots, lease, lease_until, heartbeat_at, role_name)
    VALUES (worker, host, boot_id, pid, pid_start, version, queues, kinds, slots, lease,
            clock_timestamp() + lease, clock_timestamp(), jobctl.caller())
    ON CONFLICT ON CONSTRAINT workers_pkey DO UPDATE
    SET host = excluded.host, boot_id = excluded.boot_id, pid = excluded.pid, pid_start = excluded.pid_start,
        version = excluded.version, queues = excluded.queues, kinds = excluded.kinds, slots = excluded.slots,
        lease = excluded.lease, lease_until = excluded.lease_until, heartbeat_at = excluded.heartbeat_at
    WHERE w.role_name = excluded.role_name
    RETURNING w.xmax = 0 INTO fresh;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC077', MESSAGE = format('the worker id %s is taken', worker);
    END IF;
    IF fresh THEN
        PERFORM pg_notify('jobctl_' || replace(w.worker_id::text, '-', ''), 'neighbour')
        FROM jobctl.workers w
        WHERE w.host = register_worker.host AND w.boot_id = register_worker.boot_id AND w.worker_id <> worker;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[],
    integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[],
    integer, interval) TO jobctl_worker;
