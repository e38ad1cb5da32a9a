-- drop: FUNCTION jobctl.release(uuid[], text)
--
-- Let held jobs go.  Returns those that were held.
CREATE OR REPLACE FUNCTION jobctl.release(ids uuid[], why text DEFAULT NULL) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    job record;
BEGIN
    FOR job IN
        UPDATE jobctl.jobs j SET status = 'pending', seq = nextval('jobctl.job_seq')
        WHERE j.id = ANY (ids) AND j.status = 'held' AND (visible IS NULL OR j.project_id = ANY (visible))
        RETURNING j.id, j.project_id, j.queue
    LOOP
        PERFORM jobctl.note_event('release', job.id, job.project_id, job.queue, why);
        PERFORM jobctl.wake_workers(job.queue);
        RETURN NEXT job.id;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.release(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.release(uuid[], text) TO jobctl_submitter, jobctl_operator;
