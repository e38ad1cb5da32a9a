-- drop: FUNCTION jobctl.running_reasons(jobctl.jobs)
--
-- How it stands with a running job, all that is to be said, the worst first.
CREATE OR REPLACE FUNCTION jobctl.running_reasons(job jobctl.jobs) RETURNS text[]
LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT array_remove(ARRAY[
            CASE WHEN w.worker_id IS NULL OR w.lease_until < now() THEN 'LeaseExpired'
                 WHEN w.heartbeat_at < now() - w.lease * 0.6 THEN 'HeartbeatLate' END,
            CASE WHEN job.cancel_requested_at IS NOT NULL THEN 'CancelRequested' END], NULL) AS r
        FROM (SELECT job.worker_id AS id) x
        LEFT JOIN jobctl.workers w ON w.worker_id = x.id
    )
    SELECT CASE WHEN cardinality(r) > 0 THEN r ELSE ARRAY['Healthy'] END FROM found
$$;
GRANT EXECUTE ON FUNCTION jobctl.running_reasons(jobctl.jobs) TO PUBLIC;
