-- drop: FUNCTION jobctl.free_dependents(uuid[])
--
-- The part of settle_dependents() for jobs that got what they waited for: one
-- blocker less for each, and when none is left, idle workers are told.
CREATE OR REPLACE FUNCTION jobctl.free_dependents(ended uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    failed uuid[] := ARRAY(SELECT f.id FROM jobctl.finished_jobs f
                           WHERE f.id = ANY (ended) AND f.status <> 'completed');
    freed text;
BEGIN
    FOR freed IN
        WITH waiting AS MATERIALIZED (
            SELECT j.id FROM jobctl.jobs j
            WHERE j.id IN (SELECT d.job_id FROM jobctl.job_dependencies d
                           WHERE d.needs_id = ANY (ended) AND NOT (d.needs_ok AND d.needs_id = ANY (failed)))
            FOR NO KEY UPDATE SKIP LOCKED
        ), met AS (
            DELETE FROM jobctl.job_dependencies d USING waiting w
            WHERE d.job_id = w.id AND d.needs_id = ANY (ended) AND NOT (d.needs_ok AND d.needs_id = ANY (failed))
            RETURNING d.job_id
        ), changed AS (
            UPDATE jobctl.jobs j
            SET blockers = j.blockers - m.n,
                run_at = CASE WHEN j.blockers = m.n THEN greatest(j.run_at, now()) ELSE j.run_at END
            FROM (SELECT met.job_id, count(*)::integer AS n FROM met GROUP BY met.job_id) m
            WHERE j.id = m.job_id
            RETURNING j.queue, j.blockers, j.wake_at, j.status
        )
        SELECT DISTINCT c.queue FROM changed c
        WHERE c.blockers = 0 AND c.wake_at IS NULL AND c.status = 'pending'
    LOOP
        PERFORM jobctl.wake_workers(freed);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.free_dependents(uuid[]) FROM PUBLIC;
