-- drop: FUNCTION jobctl.ensure_project(text)
--
-- Returns if the caller may use the project, JC077 or JC066 if not.  A caller who
-- sees every project may name one that does not exist: it is made, and belongs
-- to jobctl_all_projects until an owner is set.
CREATE OR REPLACE FUNCTION jobctl.ensure_project(project text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := (SELECT p.owner_role FROM jobctl.projects p WHERE p.project_id = ensure_project.project);
    sees_all boolean;
BEGIN
    IF owner = 'public' THEN
        RETURN;
    END IF;
    sees_all := pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE');
    IF owner IS NULL AND sees_all THEN
        INSERT INTO jobctl.projects (project_id, owner_role)
        VALUES (ensure_project.project, 'jobctl_all_projects') ON CONFLICT DO NOTHING;
    ELSIF NOT sees_all AND NOT EXISTS (
            SELECT FROM pg_roles r
            WHERE r.rolname = owner AND pg_has_role(jobctl.caller(), r.oid, 'USAGE')) THEN
        -- the same answer for one that does not exist and for somebody else's
        RAISE EXCEPTION USING ERRCODE = 'JC066',
            MESSAGE = format('no such project "%s"', ensure_project.project),
            HINT = 'a project is made by an administrator, who also says which role owns it';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.ensure_project(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.ensure_project(text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator;
