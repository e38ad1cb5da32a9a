-- drop: FUNCTION catalog.search_scope(text, text)
--
-- The active repositories that the caller may see, of one project if it is not
-- null, with this path or name if that is not null.  JC066 if what was named does
-- not exist.
CREATE OR REPLACE FUNCTION catalog.search_scope(project text, repo text)
RETURNS TABLE (id uuid, project_id text, path text, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    visible text[] := jobctl.project_filter();
BEGIN
    IF project IS NOT NULL AND NOT EXISTS (SELECT FROM jobctl.projects p WHERE p.project_id = project)
       OR project <> ALL (visible) THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such project "%s"', project);
    END IF;
    RETURN QUERY
    SELECT r.id, r.project_id, r.path, r.name FROM catalog.repositories r
    WHERE r.is_active AND (visible IS NULL OR r.project_id = ANY (visible))
      AND (project IS NULL OR r.project_id = project)
      AND (repo IS NULL OR r.path = repo OR r.name = repo);
    IF NOT FOUND AND repo IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no repository "%s" was indexed', repo),
            HINT = 'run: jobctl-index PATH';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION catalog.search_scope(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.search_scope(text, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
