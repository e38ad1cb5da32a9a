-- drop: VIEW jobctl.index_jobs
-- after: arg_uuid
-- after: on_index_jobs
-- after: view_index_base
--
-- Jobs of kind index once more, for an API that knows repositories by their ids: see
-- jobctl-contracts(7), create_index_job() and update_index_job().  What the one who
-- submitted a job did not know of repository and commit, its result may tell.
CREATE OR REPLACE VIEW jobctl.index_jobs WITH (security_invoker = true) AS
SELECT r.id, coalesce(jobctl.arg_uuid(r.args, 'repository_id'), jobctl.arg_uuid(r.result, 'repository_id')) AS repository_id,
       r.args ->> 'ref' AS ref, CASE r.status WHEN 'running' THEN 'processing' ELSE r.status END::varchar(20) AS status,
       r.started_at, r.completed_at, r.error_message, r.stats, r.created_at, r.id AS queue_job_id,
       coalesce(r.args ->> 'commit_sha', r.result ->> 'commit_sha') AS commit_sha
FROM jobctl.index_base r;
ALTER VIEW jobctl.index_jobs ALTER status SET DEFAULT 'pending', ALTER created_at SET DEFAULT now();
COMMENT ON VIEW jobctl.index_jobs IS 'jobs of kind index by repository, to be read and written as a table';
COMMENT ON COLUMN jobctl.index_jobs.status IS 'pending, processing, completed or failed';
COMMENT ON COLUMN jobctl.index_jobs.queue_job_id IS 'the job''s id in the queue, which is its id';

CREATE OR REPLACE TRIGGER write_index_jobs INSTEAD OF INSERT OR UPDATE OR DELETE ON jobctl.index_jobs
    FOR EACH ROW EXECUTE FUNCTION jobctl.on_index_jobs();
GRANT SELECT ON jobctl.index_jobs TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
-- as for jobctl.indexing_jobs
GRANT INSERT, UPDATE, DELETE ON jobctl.index_jobs TO jobctl_submitter, jobctl_worker, jobctl_operator;
