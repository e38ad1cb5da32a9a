-- Roles, projects, and who is asking.
--
-- Roles say what a caller may do, projects say with whose jobs.  The roles are
-- siblings: none contains another, and functions are granted one by one.
-- Roles belong to the whole server, so another database may have made them.

CREATE SCHEMA IF NOT EXISTS jobctl;
COMMENT ON SCHEMA jobctl IS 'background jobs; see jobctl(7)';
GRANT USAGE ON SCHEMA jobctl TO PUBLIC;

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['jobctl_submitter', 'jobctl_worker', 'jobctl_operator',
                             'jobctl_reader', 'jobctl_all_projects'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', r);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;   -- another database's migration made it at this moment
            END;
        END IF;
        IF NOT pg_catalog.pg_has_role(current_user, r, 'USAGE') THEN
            EXECUTE format('GRANT %I TO %I', r, current_user);
        END IF;
    END LOOP;
END
$$;

-- Says no more than PUBLIC's grant, but makes the server know that this database
-- needs the role, should the schema be removed from another.
GRANT USAGE ON SCHEMA jobctl TO jobctl_all_projects;

-- What may name a project, queue or kind.  As a domain the rule is checked when
-- a value comes in and not again at every update of the row.
CREATE DOMAIN jobctl.name AS text
    CONSTRAINT name_is_plain CHECK (VALUE ~ '^[[:alnum:]_][[:alnum:]_.:/@+-]*$' AND length(VALUE) <= 255);
COMMENT ON DOMAIN jobctl.name IS
    'letters, digits and _ . : / @ + -, not beginning with punctuation but _, at most 255';

CREATE TABLE jobctl.projects (
    project_id jobctl.name PRIMARY KEY,
    owner_role name NOT NULL,
    max_running integer CHECK (max_running >= 0),
    submits_per_hour integer CHECK (submits_per_hour >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX projects_limited ON jobctl.projects (project_id) WHERE max_running IS NOT NULL;
COMMENT ON TABLE jobctl.projects IS 'tenants';
COMMENT ON COLUMN jobctl.projects.max_running IS 'how many of its jobs may run at once, in all queues together';
COMMENT ON COLUMN jobctl.projects.submits_per_hour IS 'how many jobs may be submitted to it within any hour';
COMMENT ON COLUMN jobctl.projects.owner_role IS
    'members of this role see and change the project''s jobs; "public" is every role';

INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('default', 'public');

-- A row for each project that has such a limit.  Whoever submits to one has it locked.
CREATE TABLE jobctl.submissions (
    project_id jobctl.name PRIMARY KEY REFERENCES jobctl.projects ON DELETE CASCADE,
    minutes timestamptz[] NOT NULL DEFAULT '{}',
    counts integer[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE jobctl.submissions IS 'how many jobs were submitted in each minute of the last hour';

-- The role that is asking, inside functions that run with their owner's rights:
-- what SET ROLE chose, else who logged in.  Neither can be made up.
CREATE FUNCTION jobctl.caller() RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END;

-- Projects the caller may see: USAGE, so that a role that does not inherit must
-- SET ROLE first.  An owner that was dropped leaves its projects to
-- jobctl_all_projects.  Security definer: it reads the table that the policies
-- built on it protect.
CREATE FUNCTION jobctl.visible_projects() RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.project_id
    FROM jobctl.projects p
    LEFT JOIN pg_roles r ON r.rolname = p.owner_role
    WHERE p.owner_role = 'public'
       OR (SELECT pg_has_role(jobctl.caller(), 'jobctl_all_projects', 'USAGE'))
       OR pg_has_role(jobctl.caller(), r.oid, 'USAGE')
$$;
REVOKE ALL ON FUNCTION jobctl.visible_projects() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.visible_projects()
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader, jobctl_all_projects;

ALTER TABLE jobctl.projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON jobctl.projects FOR SELECT
    USING (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())));
ALTER TABLE jobctl.submissions ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON jobctl.submissions FOR SELECT
    USING (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())));
GRANT SELECT ON jobctl.projects, jobctl.submissions
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
