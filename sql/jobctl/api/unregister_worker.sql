-- drop: FUNCTION jobctl.unregister_worker(uuid)
--
-- A worker leaves in order: it has finished or given back its jobs.  If some are
-- left, it stays and is reaped when its lease ends; returns whether it went.
CREATE OR REPLACE FUNCTION jobctl.unregister_worker(worker uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM jobctl.workers w WHERE w.worker_id = worker AND w.role_name = jobctl.caller();
    RETURN FOUND;
EXCEPTION WHEN foreign_key_violation THEN   -- claims
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION jobctl.unregister_worker(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.unregister_worker(uuid) TO jobctl_worker;
