-- drop: FUNCTION jobctl.worker_session(uuid)
--
-- A worker's session as the server sees it, by its application name; no row if there
-- is none, or if a pooler is between.  waits_for: the sessions that it waits for.  Of
-- two, the one that waits.
CREATE OR REPLACE FUNCTION jobctl.worker_session(worker uuid)
RETURNS TABLE (pid integer, state text, since timestamptz, waits_for integer[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.pid, a.state, a.state_change, b.pids
    FROM jobctl.workers w
    JOIN pg_stat_activity a ON a.application_name = left(format('jobctl-worker %s:%s', w.host, w.pid), 63)
    CROSS JOIN LATERAL pg_blocking_pids(a.pid) AS b(pids)
    WHERE w.worker_id = worker AND a.datname = current_database()
    ORDER BY cardinality(b.pids) = 0, a.backend_start DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION jobctl.worker_session(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.worker_session(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
