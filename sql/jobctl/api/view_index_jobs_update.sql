-- drop: FUNCTION jobctl.update_index_job(uuid, text, jsonb, text)
-- after: view_index_jobs_get
--
-- Say of a job of jobctl.index_jobs what it is now (null: as it was), with stats, which are
-- merged key by key, and an error, which stays until another is said or it completes.
-- Forwards only, see run_by_hand(); that it ended as it did can be said again.  Returns the
-- row.
CREATE OR REPLACE FUNCTION jobctl.update_index_job(id uuid, status text DEFAULT NULL, stats jsonb DEFAULT NULL,
                                                   error_message text DEFAULT NULL) RETURNS jobctl.index_jobs
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job jobctl.index_jobs := jobctl.get_index_job(id);
    becomes text := coalesce(update_index_job.status, job.status);
BEGIN
    PERFORM jobctl.require_status('index_jobs', becomes, '{pending,processing,completed,failed}');
    IF becomes <> job.status OR becomes NOT IN ('completed', 'failed') OR NOT coalesce(job.stats @> stats, stats IS NULL)
       OR error_message <> job.error_message THEN
        PERFORM jobctl.step_index_job(job.id, job.status, becomes, stats, error_message);
    END IF;
    RETURN jobctl.get_index_job(id);
END
$$;
REVOKE ALL ON FUNCTION jobctl.update_index_job(uuid, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.update_index_job(uuid, text, jsonb, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator;
