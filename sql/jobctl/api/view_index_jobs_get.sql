-- drop: FUNCTION jobctl.get_index_job(uuid)
-- after: view_index_jobs
--
-- One row of jobctl.index_jobs.  JC066 if the caller sees no such job, be it somebody
-- else's or nobody's.
CREATE OR REPLACE FUNCTION jobctl.get_index_job(id uuid) RETURNS jobctl.index_jobs
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_job jobctl.index_jobs;
BEGIN
    SELECT v.* INTO found_job FROM jobctl.index_jobs v WHERE v.id = get_index_job.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such job %s', get_index_job.id);
    END IF;
    RETURN found_job;
END
$$;
REVOKE ALL ON FUNCTION jobctl.get_index_job(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.get_index_job(uuid)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
