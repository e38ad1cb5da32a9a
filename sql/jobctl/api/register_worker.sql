-- drop: FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[], integer, interval)
--
-- A worker process says that it exists, or again that it does.  The id is its own.
-- Null queues: every queue; null kinds: every kind.
CREATE OR REPLACE FUNCTION jobctl.register_worker(
    worker uuid, host text, boot_id text, pid integer, pid_start bigint, version text,
    queues text[], kinds text[], slots integer, lease interval) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobctl.workers AS w (worker_id, host, boot_id, pid, pid_start, version, queues, kinds,
                                     slots, lease, lease_until, role_name)
    VALUES (worker, host, boot_id, pid, pid_start, version, queues, kinds, slots, lease, now() + lease,
            jobctl.caller())
    ON CONFLICT (worker_id) DO UPDATE
    SET lease_until = now() + excluded.lease, heartbeat_at = now()
    WHERE w.role_name = excluded.role_name
$$;
REVOKE ALL ON FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[],
    integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.register_worker(uuid, text, text, integer, bigint, text, text[], text[],
    integer, interval) TO jobctl_worker;
