-- drop: FUNCTION jobctl.home_project()
--
-- The project of a caller who names none: their own if they have one and only one, else
-- "default".  JC065 if they have several: what is put into "default" everybody sees.
CREATE OR REPLACE FUNCTION jobctl.home_project() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own text[];
BEGIN
    IF pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE') THEN
        RETURN 'default';
    END IF;
    own := ARRAY(SELECT p.project_id FROM jobctl.projects p
                 WHERE p.owner_role <> 'public' AND p.project_id IN (SELECT jobctl.visible_projects())
                 ORDER BY p.project_id);
    IF cardinality(own) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065', MESSAGE = 'it has to be said which project this is for',
            HINT = 'yours are ' || array_to_string(own[1:5], ', ') || '; jobctl.create_index_job(..., project => ...)';
    END IF;
    RETURN coalesce(own[1], 'default');
END
$$;
REVOKE ALL ON FUNCTION jobctl.home_project() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.home_project() TO jobctl_submitter, jobctl_operator;
