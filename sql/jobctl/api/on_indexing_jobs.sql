-- drop: FUNCTION jobctl.on_indexing_jobs()
--
-- What is written to the view jobctl.indexing_jobs, said in calls of the functions that do
-- it, with the rights of who writes.
--
-- INSERT submits to the queue "index".  If the repository has a live job, the row is that
-- job's, and so it is if the id is known: an insert can be said again.  One that is not
-- pending is taken at once, and ended.
CREATE OR REPLACE FUNCTION jobctl.on_indexing_jobs() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given uuid := NEW.id;
    job jobctl.indexing_jobs;
    error text := CASE WHEN NEW.error_message IS DISTINCT FROM OLD.error_message THEN coalesce(NEW.error_message, '') END;
    -- those that were written, so that two who write one each keep both
    counts jsonb := (SELECT jsonb_object_agg(c.name, c.n)
                     FROM (VALUES ('files_indexed', NEW.files_indexed, OLD.files_indexed),
                                  ('chunks_created', NEW.chunks_created, OLD.chunks_created)) AS c(name, n, was)
                     WHERE CASE TG_OP WHEN 'UPDATE' THEN c.n IS DISTINCT FROM c.was ELSE c.n <> 0 END);
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM jobctl.refuse_view_change(TG_OP, OLD.id);
    END IF;
    PERFORM jobctl.require_column(TG_TABLE_NAME, 'id', NEW.id IS NOT NULL);
    PERFORM jobctl.require_column(TG_TABLE_NAME, 'repo_path', NEW.repo_path IS NOT NULL);
    PERFORM jobctl.require_column(TG_TABLE_NAME, 'project_id', NEW.project_id IS NOT NULL);
    PERFORM jobctl.require_column(TG_TABLE_NAME, 'created_at', NEW.created_at IS NOT NULL);
    PERFORM jobctl.require_status(TG_TABLE_NAME, NEW.status, '{pending,running,completed,failed}');
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.id, NEW.repo_path, NEW.project_id, NEW.created_at)
           IS DISTINCT FROM (OLD.id, OLD.repo_path, OLD.project_id, OLD.created_at) THEN
            PERFORM jobctl.refuse_view_change(TG_OP, OLD.id);
        END IF;
        PERFORM jobctl.step_index_job(OLD.id, OLD.status, NEW.status, counts, error);
    ELSE
        NEW.id := jobctl.submit('index', jsonb_build_object('repo_path', NEW.repo_path), 'index', NEW.project_id,
                                id => NEW.id, repeated => true);
        SELECT v.* INTO job FROM jobctl.indexing_jobs v WHERE v.id = NEW.id;
        IF NEW.id = given AND job.repo_path IS DISTINCT FROM NEW.repo_path THEN
            PERFORM jobctl.refuse_view_change(TG_OP, NEW.id);
        END IF;
        PERFORM jobctl.enter_index_job(NEW.id, job.status, NEW.status, counts, error);
    END IF;
    SELECT v.* INTO NEW FROM jobctl.indexing_jobs v WHERE v.id = NEW.id;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION jobctl.on_indexing_jobs() FROM PUBLIC;
