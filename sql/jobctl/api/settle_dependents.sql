-- drop: FUNCTION jobctl.settle_dependents(uuid[])
--
-- The jobs have ended: those that waited for them may run, or never will and are
-- cancelled, and then those that waited for these, and so on.  Called as a
-- statement of its own after the move, so that it sees dependencies that
-- committed while the jobs were ending.
--
-- Waits for nobody, and follows a chain for a thousand jobs: a job that somebody's
-- transaction has locked, and the rest of the chain, are left for maintain(), which
-- finds what they waited for in unsettled.
CREATE OR REPLACE FUNCTION jobctl.settle_dependents(ended uuid[]) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $$
DECLARE
    seen uuid[] := ended;
    doomed uuid[];
    reasons text[];
BEGIN
    IF NOT EXISTS (SELECT FROM jobctl.job_dependencies d WHERE d.needs_id = ANY (ended)) THEN
        RETURN;
    END IF;
    FOR step IN 1 .. 1000 LOOP
        SELECT array_agg(l.id), array_agg(l.reason) INTO doomed, reasons
        FROM (SELECT j.id, n.reason
              FROM (SELECT d.job_id, min(format('job %s, which must complete first, is %s', f.id, f.status)) AS reason
                    FROM (SELECT b.id, b.status FROM jobctl.finished_jobs b
                          WHERE b.id = ANY (ended) AND b.status <> 'completed') f
                    JOIN jobctl.job_dependencies d ON d.needs_id = f.id AND d.needs_ok
                    GROUP BY d.job_id) n
              JOIN jobctl.jobs j ON j.id = n.job_id
              FOR UPDATE OF j SKIP LOCKED) l;
        PERFORM jobctl.move_ended(doomed, 'cancelled', 'dependency', reasons);
        PERFORM jobctl.free_dependents(ended);
        EXIT WHEN doomed IS NULL;
        seen := seen || doomed;
        ended := doomed;
    END LOOP;
    INSERT INTO jobctl.unsettled (needs_id)
    SELECT DISTINCT d.needs_id FROM jobctl.job_dependencies d WHERE d.needs_id = ANY (seen)
    ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION jobctl.settle_dependents(uuid[]) FROM PUBLIC;
