-- drop: FUNCTION jobctl.enter_index_job(uuid, text, text, jsonb, text)
--
-- What an INSERT wants of the job that it made, or that was there: it stands as it is, and
-- one that is wanted to be further is taken, and ended.  What it is may be said again; of
-- one that is to wait there is nothing to tell.
CREATE OR REPLACE FUNCTION jobctl.enter_index_job(job uuid, stands text, wanted text, stats jsonb, error text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF wanted = 'pending' AND (stats IS NOT NULL OR error IS NOT NULL) THEN
        PERFORM jobctl.refuse_step(job, 'pending', 'pending');
    ELSIF wanted IN ('pending', stands) THEN
        RETURN;
    ELSIF stands = 'pending' AND wanted IN ('completed', 'failed') THEN
        PERFORM jobctl.step_index_job(job, 'pending', 'running', NULL, NULL);
        stands := 'running';
    END IF;
    PERFORM jobctl.step_index_job(job, stands, wanted, stats, error);
END
$$;
REVOKE ALL ON FUNCTION jobctl.enter_index_job(uuid, text, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.enter_index_job(uuid, text, text, jsonb, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator;
