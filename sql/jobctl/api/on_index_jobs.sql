-- drop: FUNCTION jobctl.on_index_jobs()
--
-- What is written to the view jobctl.index_jobs, as on_indexing_jobs() does for the other.
-- The id and queue_job_id of a row are one: whichever is given is the job's.
CREATE OR REPLACE FUNCTION jobctl.on_index_jobs() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given uuid := coalesce(NEW.id, NEW.queue_job_id);
    job jobctl.index_jobs;
    stats jsonb := CASE WHEN NEW.stats IS DISTINCT FROM OLD.stats THEN coalesce(NEW.stats, '{}') END;
    error text := CASE WHEN NEW.error_message IS DISTINCT FROM OLD.error_message THEN coalesce(NEW.error_message, '') END;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM jobctl.refuse_view_change(TG_OP, OLD.id);
    END IF;
    PERFORM jobctl.require_status(TG_TABLE_NAME, NEW.status, '{pending,processing,completed,failed}');
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.id, NEW.repository_id, NEW.ref, NEW.created_at, NEW.queue_job_id, NEW.commit_sha)
           IS DISTINCT FROM (OLD.id, OLD.repository_id, OLD.ref, OLD.created_at, OLD.queue_job_id, OLD.commit_sha) THEN
            PERFORM jobctl.refuse_view_change(TG_OP, OLD.id);
        END IF;
        PERFORM jobctl.step_index_job(OLD.id, OLD.status, NEW.status, stats, error, replaces => true);
    ELSE
        IF NEW.id <> NEW.queue_job_id THEN
            RAISE EXCEPTION USING ERRCODE = 'JC065', MESSAGE = 'id and queue_job_id are one and the same',
                HINT = 'give one of them, or none';
        END IF;
        NEW.id := jobctl.create_index_job(NEW.repository_id, NEW.ref, NEW.commit_sha, id => given);
        SELECT v.* INTO job FROM jobctl.index_jobs v WHERE v.id = NEW.id;
        IF NEW.id = given AND job.repository_id IS DISTINCT FROM NEW.repository_id THEN
            PERFORM jobctl.refuse_view_change(TG_OP, NEW.id);
        END IF;
        PERFORM jobctl.enter_index_job(NEW.id, job.status, NEW.status, stats, error);
    END IF;
    SELECT v.* INTO NEW FROM jobctl.index_jobs v WHERE v.id = NEW.id;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION jobctl.on_index_jobs() FROM PUBLIC;
