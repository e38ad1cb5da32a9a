-- Drops the roles too, unless another database of this server still uses them.
DROP TABLE jobctl.submissions;
DROP TABLE jobctl.projects;
DROP FUNCTION jobctl.visible_projects();
DROP FUNCTION jobctl.caller();
DROP DOMAIN jobctl.name;
REVOKE USAGE ON SCHEMA jobctl FROM PUBLIC, jobctl_all_projects;
COMMENT ON SCHEMA jobctl IS NULL;

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['jobctl_submitter', 'jobctl_worker', 'jobctl_operator',
                             'jobctl_reader', 'jobctl_all_projects'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r)
           -- a role with members other than us was given out: it stays
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                           JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                           JOIN pg_catalog.pg_roles u ON u.oid = m.member
                           WHERE g.rolname = r AND u.rolname <> current_user) THEN
            BEGIN
                EXECUTE format('DROP ROLE %I', r);
            EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
                RAISE NOTICE 'role % stays: it is in use', r;
            END;
        END IF;
    END LOOP;
END
$$;
