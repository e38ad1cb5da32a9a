-- drop: FUNCTION jobctl.wake_due()
--
-- Jobs whose time has come join the queue, behind what is there.  Whoever claims
-- first does it for all; a thousand at a time, so that no claim takes long.
CREATE OR REPLACE FUNCTION jobctl.wake_due() RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE jobctl.jobs j
    SET wake_at = NULL, seq = nextval('jobctl.job_seq')
    FROM (SELECT d.id FROM jobctl.jobs d
          WHERE d.status = 'pending' AND d.wake_at IS NOT NULL AND d.wake_at <= now()
          ORDER BY d.wake_at LIMIT 1000 FOR UPDATE SKIP LOCKED) due
    WHERE j.id = due.id
$$;
REVOKE ALL ON FUNCTION jobctl.wake_due() FROM PUBLIC;
