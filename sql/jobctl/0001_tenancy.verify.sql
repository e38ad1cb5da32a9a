SELECT jobctl.caller(), (SELECT count(*) FROM jobctl.visible_projects());
SELECT 1 / count(*) FROM jobctl.projects WHERE project_id = 'default' AND owner_role = 'public';
SELECT 1 / (count(*) = 5)::int FROM pg_catalog.pg_roles
 WHERE rolname IN ('jobctl_submitter', 'jobctl_worker', 'jobctl_operator', 'jobctl_reader',
                   'jobctl_all_projects');
