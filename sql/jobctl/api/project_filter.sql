-- drop: FUNCTION jobctl.project_filter()
--
-- Null if the caller sees every project, else those it sees: for functions that
-- run with their owner's rights, where row-level security does not apply.
CREATE OR REPLACE FUNCTION jobctl.project_filter() RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE') THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(SELECT jobctl.visible_projects());
END
$$;
