-- drop: FUNCTION jobctl.note_event(text, uuid, text, text, text)
CREATE OR REPLACE FUNCTION jobctl.note_event(event text, job uuid, project text, queue text, why text)
RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO jobctl.job_events (event, job_id, project_id, queue, why)
    VALUES (event, job, project, queue, why)
$$;
REVOKE ALL ON FUNCTION jobctl.note_event(text, uuid, text, text, text) FROM PUBLIC;
