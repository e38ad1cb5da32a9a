-- drop: VIEW jobctl.index_base
--
-- Jobs of kind index as the views jobctl.indexing_jobs and jobctl.index_jobs show them: a
-- held job is pending, a cancelled one has failed.
--
-- A branch for each status, so that the planner leaves out those that are not asked for.
-- They have no WHERE of their own, for only then does it merge them in the order of an
-- index: "here" stands for that.
CREATE OR REPLACE VIEW jobctl.index_base WITH (security_invoker = true) AS
SELECT u.id, u.args, u.result, u.project_id, u.status, u.error_message, u.stats, u.started_at, u.completed_at,
       u.created_at
FROM (SELECT j.id, j.args::jsonb AS args, NULL::jsonb AS result, j.project_id, 'pending'::varchar(20) AS status,
             j.error_message, (SELECT p.stats FROM jobctl.job_progress p WHERE p.job_id = j.id) AS stats,
             j.started_at, NULL::timestamptz AS completed_at, j.created_at,
             j.kind::text AS kind, j.status <> 'running' AS here
      FROM jobctl.jobs j
      UNION ALL
      SELECT j.id, j.args::jsonb, NULL, j.project_id, 'running'::varchar(20),
             j.error_message, (SELECT p.stats FROM jobctl.job_progress p WHERE p.job_id = j.id),
             j.started_at, NULL, j.created_at, j.kind::text, j.status = 'running'
      FROM jobctl.jobs j
      UNION ALL
      SELECT f.id, f.args, f.result, f.project_id, 'completed'::varchar(20), f.error_message, f.stats,
             f.started_at, f.completed_at, f.created_at, f.kind, f.status = 'completed'
      FROM jobctl.finished_jobs f
      UNION ALL
      SELECT f.id, f.args, f.result, f.project_id, 'failed'::varchar(20), f.error_message, f.stats,
             f.started_at, f.completed_at, f.created_at, f.kind, f.status <> 'completed'
      FROM jobctl.finished_jobs f) u
WHERE u.kind = 'index' AND u.here;
COMMENT ON VIEW jobctl.index_base IS 'what jobctl.indexing_jobs and jobctl.index_jobs show';
GRANT SELECT ON jobctl.index_base TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
