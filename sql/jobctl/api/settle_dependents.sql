-- drop: FUNCTION jobctl.settle_dependents(uuid[])
--
-- The jobs have ended: those that waited for them may run, or never will.  Called
-- as a statement of its own after the move, so that it sees dependencies that
-- committed while the jobs were ending.
CREATE OR REPLACE FUNCTION jobctl.settle_dependents(ended uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    doomed record;
    freed text;
BEGIN
    IF NOT EXISTS (SELECT FROM jobctl.job_dependencies d WHERE d.needs_id = ANY (ended)) THEN
        RETURN;
    END IF;
    -- in one order everywhere, so that two of these cannot deadlock
    PERFORM FROM jobctl.jobs j
    WHERE j.id IN (SELECT d.job_id FROM jobctl.job_dependencies d WHERE d.needs_id = ANY (ended))
    ORDER BY j.id FOR UPDATE;

    FOR doomed IN
        SELECT d.job_id, min(f.id::text) AS needs, min(f.status) AS status
        FROM jobctl.job_dependencies d
        JOIN jobctl.finished_jobs f ON f.id = d.needs_id
        WHERE d.needs_id = ANY (ended) AND d.needs_ok AND f.status <> 'completed'
        GROUP BY d.job_id
    LOOP
        PERFORM jobctl.end_jobs(ARRAY[doomed.job_id], 'cancelled', 'dependency',
            format('job %s, which must complete first, is %s', doomed.needs, doomed.status));
    END LOOP;

    FOR freed IN
        WITH met AS (
            DELETE FROM jobctl.job_dependencies d WHERE d.needs_id = ANY (ended) RETURNING d.job_id
        ), counted AS (
            SELECT m.job_id, count(*) AS n FROM met m GROUP BY m.job_id
        ), changed AS (
            UPDATE jobctl.jobs j
            SET blockers = j.blockers - c.n,
                run_at = CASE WHEN j.blockers = c.n THEN greatest(j.run_at, now()) ELSE j.run_at END
            FROM counted c WHERE j.id = c.job_id
            RETURNING j.queue, j.blockers, j.wake_at, j.status
        )
        SELECT DISTINCT c.queue FROM changed c
        WHERE c.blockers = 0 AND c.wake_at IS NULL AND c.status = 'pending'
    LOOP
        PERFORM jobctl.wake_workers(freed);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.settle_dependents(uuid[]) FROM PUBLIC;
