-- drop: FUNCTION jobctl.pending_reasons(jobctl.jobs)
--
-- Why a job that is pending or held does not run, all reasons, the most telling
-- first (jobctl-reasons(7)).
CREATE OR REPLACE FUNCTION jobctl.pending_reasons(job jobctl.jobs) RETURNS text[]
LANGUAGE sql STABLE AS $$
    WITH serving AS (
        SELECT w.kinds FROM jobctl.workers w
        WHERE w.lease_until > now() AND (w.queues IS NULL OR job.queue = ANY (w.queues))
    ), setting AS (
        SELECT q.paused_at, q.max_running FROM jobctl.queues q WHERE q.queue = job.queue
    ), found AS (
        SELECT array_remove(ARRAY[
            CASE WHEN job.status = 'held' THEN 'Held' END,
            CASE WHEN job.wake_at > now() THEN
                CASE WHEN job.error_message IS NULL THEN 'Scheduled' ELSE 'Backoff' END END,
            CASE WHEN job.blockers > 0 THEN 'Dependency' END,
            CASE WHEN (SELECT paused_at FROM setting) IS NOT NULL THEN 'QueuePaused' END,
            CASE WHEN (SELECT max_running FROM setting) <= jobctl.running_in_queue(job.queue)
                THEN 'ConcurrencyLimit' END,
            CASE WHEN NOT EXISTS (SELECT FROM serving) THEN 'NoWorker'
                 WHEN NOT EXISTS (SELECT FROM serving s WHERE s.kinds IS NULL OR job.kind = ANY (s.kinds))
                THEN 'NoHandler' END], NULL) AS r
    )
    SELECT CASE WHEN cardinality(f.r) > 0 THEN f.r
           WHEN job.id = (SELECT j.id FROM jobctl.jobs j
                          WHERE j.queue = job.queue AND j.status = 'pending' AND j.wake_at IS NULL
                            AND j.blockers = 0
                          ORDER BY j.priority DESC, j.seq LIMIT 1) THEN ARRAY['Ready']
           ELSE ARRAY['Behind'] END
    FROM found f
$$;
GRANT EXECUTE ON FUNCTION jobctl.pending_reasons(jobctl.jobs) TO PUBLIC;
