-- drop: FUNCTION jobctl.cancel_by_hand(uuid[], text)
--
-- The part of cancel() for running jobs that were taken by hand, which the caller has
-- locked: they end, and with their claims go the workers that stood for whoever took them.
CREATE OR REPLACE FUNCTION jobctl.cancel_by_hand(jobs uuid[], why text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    hands uuid[] := ARRAY(SELECT j.worker_id FROM jobctl.jobs j WHERE j.id = ANY (jobs));
BEGIN
    IF hands = '{}' THEN
        RETURN;
    END IF;
    PERFORM jobctl.leave_claims(array_agg(j.token), array_agg(j.queue::text)) FROM jobctl.jobs j WHERE j.id = ANY (jobs);
    PERFORM jobctl.end_jobs(jobs, 'cancelled', 'cancelled', coalesce(why, 'cancelled by ' || jobctl.caller()));
    DELETE FROM jobctl.workers w WHERE w.worker_id = ANY (hands);
END
$$;
REVOKE ALL ON FUNCTION jobctl.cancel_by_hand(uuid[], text) FROM PUBLIC;
