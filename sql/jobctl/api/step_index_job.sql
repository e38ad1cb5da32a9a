-- drop: FUNCTION jobctl.step_index_job(uuid, text, text, jsonb, text, boolean)
--
-- What a write to jobctl.indexing_jobs or jobctl.index_jobs wants of a job that is there:
-- from what the caller saw it to be to what it is to become, in the words of either view.
-- Forwards only.  Stats and error: what there is to tell, as run_by_hand() takes it.
-- Each step is allowed to whom the function is that does it; pending -> failed is cancel().
CREATE OR REPLACE FUNCTION jobctl.step_index_job(job uuid, seen text, becomes text, stats jsonb, error text,
                                                 replaces boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was text;
BEGIN
    seen := replace(seen, 'processing', 'running');
    becomes := replace(becomes, 'processing', 'running');
    IF seen = becomes AND stats IS NULL AND error IS NULL THEN
        RETURN;
    ELSIF seen = 'pending' AND becomes = 'failed' THEN
        SELECT c.was INTO was FROM jobctl.cancel(ARRAY[job], nullif(error, '')) c;
        IF NOT FOUND OR was NOT IN ('pending', 'held') THEN
            PERFORM jobctl.refuse_step(job, seen, becomes);
        END IF;
    ELSIF (seen, becomes) IN (('pending', 'running'), ('running', 'running'), ('running', 'completed'),
                              ('running', 'failed')) THEN
        PERFORM jobctl.run_by_hand(job, seen, becomes, stats, error, replaces);
    ELSE
        PERFORM jobctl.refuse_step(job, seen, becomes);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.step_index_job(uuid, text, text, jsonb, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.step_index_job(uuid, text, text, jsonb, text, boolean)
    TO jobctl_submitter, jobctl_worker, jobctl_operator;
