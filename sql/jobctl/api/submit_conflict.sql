-- drop: FUNCTION jobctl.submit_conflict(uuid, text, text, text, jsonb, integer, timestamptz)
--
-- The insert of submit() met a row: the same id (said before: that is success),
-- or the same unique key.  Null if that row is gone by now: insert again.
CREATE OR REPLACE FUNCTION jobctl.submit_conflict(
    new_id uuid, project text, key text, on_conflict text, new_args jsonb, new_priority integer,
    new_run_at timestamptz) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    other jobctl.jobs;
BEGIN
    SELECT * INTO other FROM jobctl.jobs j WHERE j.id = new_id;
    IF FOUND THEN
        IF other.project_id <> project THEN
            RAISE EXCEPTION USING ERRCODE = 'JC065', MESSAGE = format('the id %s is taken', new_id);
        END IF;
        RETURN new_id;
    ELSIF EXISTS (SELECT FROM jobctl.finished_jobs f WHERE f.id = new_id AND f.project_id = project) THEN
        RETURN new_id;      -- it ended between the insert and now
    END IF;
    IF on_conflict = 'replace' THEN
        SELECT * INTO other FROM jobctl.jobs j
        WHERE j.project_id = project AND j.unique_key = key FOR NO KEY UPDATE;
        PERFORM jobctl.mark_running(ARRAY[other.id]);
        SELECT * INTO other FROM jobctl.jobs j WHERE j.id = other.id;
    ELSE
        SELECT * INTO other FROM jobctl.jobs j WHERE j.project_id = project AND j.unique_key = key;
    END IF;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF on_conflict = 'fail' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC001',
            MESSAGE = format('job %s with unique key "%s" is %s', other.id, key, other.status);
    ELSIF on_conflict = 'replace' AND other.status = 'running' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('job %s with unique key "%s" is running', other.id, key),
            HINT = 'submit again when it has ended: jobctl-wait ' || other.id;
    ELSIF on_conflict = 'replace' THEN
        UPDATE jobctl.jobs j
        SET args = coalesce(new_args, '{}'), priority = coalesce(new_priority, 0), run_at = new_run_at,
            wake_at = CASE WHEN new_run_at > now() THEN new_run_at END
        WHERE j.id = other.id;
        PERFORM jobctl.wake_workers(other.queue);
    END IF;
    RETURN other.id;
END
$$;
REVOKE ALL ON FUNCTION jobctl.submit_conflict(uuid, text, text, text, jsonb, integer, timestamptz) FROM PUBLIC;
