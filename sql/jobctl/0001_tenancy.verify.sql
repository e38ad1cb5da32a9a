-- Roles, projects and who is asking: what 0001_tenancy.up.sql promises.

-- probe: default-project
-- expect: value public
SELECT owner_role FROM jobctl.projects WHERE project_id = 'default';

-- probe: roles
-- expect: rows 5
SELECT rolname FROM pg_catalog.pg_roles
 WHERE rolname IN ('jobctl_submitter', 'jobctl_worker', 'jobctl_operator', 'jobctl_reader',
                   'jobctl_all_projects');

-- probe: roles-are-siblings
-- expect: rows 0
SELECT m.roleid::regrole, m.member::regrole FROM pg_catalog.pg_auth_members m
 WHERE m.roleid::regrole::text ~ '^jobctl_(submitter|worker|operator|reader|all_projects)$'
   AND m.member::regrole::text ~ '^jobctl_(submitter|worker|operator|reader|all_projects)$';

-- Names.

-- probe: name-with-all-that-may-be
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('_a1.b:c/d@e+f-g', 'public');

-- probe: name-with-a-space
-- expect: 23514 name_is_plain
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a b', 'public');

-- probe: name-that-begins-like-an-option
-- expect: 23514 name_is_plain
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('-a', 'public');

-- probe: name-that-is-empty
-- expect: 23514 name_is_plain
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('', 'public');

-- probe: name-of-255
INSERT INTO jobctl.projects (project_id, owner_role) VALUES (repeat('a', 255), 'public');

-- probe: name-of-256
-- expect: 23514 name_is_plain
INSERT INTO jobctl.projects (project_id, owner_role) VALUES (repeat('a', 256), 'public');

-- Projects.

-- probe: project-twice
-- expect: 23505 projects_pkey
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('default', 'public');

-- probe: project-without-owner
-- expect: 23502 owner_role
INSERT INTO jobctl.projects (project_id) VALUES ('a');

-- probe: project-that-runs-nothing
INSERT INTO jobctl.projects (project_id, owner_role, max_running) VALUES ('a', 'public', 0);

-- probe: project-with-less-than-nothing
-- expect: 23514 projects_max_running_check
INSERT INTO jobctl.projects (project_id, owner_role, max_running) VALUES ('a', 'public', -1);

-- Who is asking, and what they see.

-- probe: caller-is-the-session
-- expect: value true
SELECT (jobctl.caller() = session_user)::text;

-- probe: foreign-project keeps
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'pg_monitor');

-- probe: as-a-reader keeps
SET LOCAL ROLE jobctl_reader;

-- probe: caller-is-the-role
-- expect: value jobctl_reader
SELECT jobctl.caller();

-- probe: reader-sees-public-projects-only
-- expect: value default
SELECT string_agg(project_id, ' ' ORDER BY project_id) FROM jobctl.projects;

-- probe: reader-changes-nothing
-- expect: 42501
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'public');

-- probe: as-all-projects keeps
SET LOCAL ROLE jobctl_all_projects;

-- probe: all-projects-sees-them-all
-- expect: value default theirs
SELECT string_agg(v, ' ' ORDER BY v) FROM jobctl.visible_projects() v;

-- Queries.  A limit is rare.

-- rows: jobctl.projects
INSERT INTO jobctl.projects (project_id, owner_role, max_running)
SELECT 'project-' || n, 'public', CASE WHEN n % 100 = 0 THEN 1 END
  FROM generate_series(1, current_setting('jobctl.rows')::int) AS n;

-- query: any-limited uses projects_limited rows 10000
SELECT FROM jobctl.projects WHERE max_running IS NOT NULL LIMIT 1;

-- query: limited uses projects_limited rows 10000
SELECT project_id, max_running FROM jobctl.projects WHERE max_running IS NOT NULL ORDER BY project_id;

-- query: unlimited not uses projects_limited rows 10000
SELECT project_id FROM jobctl.projects WHERE max_running IS NULL ORDER BY project_id LIMIT 10;
