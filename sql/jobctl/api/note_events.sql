-- drop: FUNCTION jobctl.note_events(text, uuid[], text)
--
-- Write down what somebody did to live jobs.
CREATE OR REPLACE FUNCTION jobctl.note_events(event text, jobs uuid[], why text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobctl.job_events (event, job_id, project_id, queue, why)
    SELECT note_events.event, j.id, j.project_id, j.queue, left(note_events.why, 1000)
    FROM jobctl.jobs j WHERE j.id = ANY (jobs);
END
$$;
REVOKE ALL ON FUNCTION jobctl.note_events(text, uuid[], text) FROM PUBLIC;
