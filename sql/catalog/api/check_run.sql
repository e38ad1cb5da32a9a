-- drop: FUNCTION catalog.check_run(uuid, uuid)
--
-- The project of a repository whose current run has this token, else JC075.
-- Until the transaction ends no other run can take over.
CREATE OR REPLACE FUNCTION catalog.check_run(repository uuid, token uuid) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run catalog.index_runs;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('catalog.index_runs ' || repository::text, 0));
    SELECT * INTO run FROM catalog.index_runs r WHERE r.repository_id = check_run.repository;
    IF run.token IS DISTINCT FROM check_run.token OR check_run.token IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('another run has taken over the indexing of this repository: %s',
                             coalesce(run.holder, 'unknown')),
            HINT = 'let that run finish, then run this again';
    END IF;
    PERFORM jobctl.ensure_project(run.project_id);
    RETURN run.project_id;
END
$$;
REVOKE ALL ON FUNCTION catalog.check_run(uuid, uuid) FROM PUBLIC;
