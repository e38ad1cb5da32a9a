-- drop: FUNCTION jobctl.wake_due()
--
-- Jobs whose time has come join the queue, behind what is there, and idle workers
-- are told.  Whoever claims first does it for all; a thousand at a time, so that no
-- claim takes long.
CREATE OR REPLACE FUNCTION jobctl.wake_due() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    q text;
BEGIN
    -- cheaper than to find out by an UPDATE, and that it is none is the rule
    PERFORM FROM jobctl.jobs d WHERE d.status = 'pending' AND d.wake_at IS NOT NULL AND d.wake_at <= now() LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR q IN
        WITH due AS MATERIALIZED (
            SELECT d.id FROM jobctl.jobs d
            WHERE d.status = 'pending' AND d.wake_at IS NOT NULL AND d.wake_at <= now()
            ORDER BY d.wake_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
        ), woken AS (
            UPDATE jobctl.jobs j SET wake_at = NULL, seq = nextval('jobctl.job_seq')
            WHERE j.id = ANY (ARRAY(SELECT due.id FROM due)) RETURNING j.queue
        )
        SELECT DISTINCT w.queue FROM woken w
    LOOP
        PERFORM jobctl.wake_workers(q);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.wake_due() FROM PUBLIC;
