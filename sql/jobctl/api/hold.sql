-- drop: FUNCTION jobctl.hold(uuid[], text)
--
-- Keep pending jobs from starting.  Returns those that are held now.
CREATE OR REPLACE FUNCTION jobctl.hold(ids uuid[], why text DEFAULT NULL) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    job record;
BEGIN
    FOR job IN
        UPDATE jobctl.jobs j SET status = 'held'
        WHERE j.id = ANY (ids) AND j.status = 'pending' AND (visible IS NULL OR j.project_id = ANY (visible))
        RETURNING j.id, j.project_id, j.queue
    LOOP
        PERFORM jobctl.note_event('hold', job.id, job.project_id, job.queue, why);
        RETURN NEXT job.id;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.hold(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.hold(uuid[], text) TO jobctl_submitter, jobctl_operator;
