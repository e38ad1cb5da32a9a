-- drop: VIEW jobctl.indexing_jobs
-- after: stat_count
-- after: on_indexing_jobs
-- after: view_index_base
--
-- Jobs of kind index, as a table that other systems know by this name and these columns:
-- see jobctl-contracts(7).  It is written as a table is: INSERT submits, UPDATE takes a
-- job, tells of it and ends it.  A job that names no path is not here.
CREATE OR REPLACE VIEW jobctl.indexing_jobs WITH (security_invoker = true) AS
SELECT r.id, r.args ->> 'repo_path' AS repo_path, r.project_id, r.status, r.error_message,
       jobctl.stat_count(r.stats, 'files_indexed') AS files_indexed,
       jobctl.stat_count(r.stats, 'chunks_created') AS chunks_created,
       r.started_at, r.completed_at, r.created_at
FROM jobctl.index_base r WHERE r.args ->> 'repo_path' IS NOT NULL;
ALTER VIEW jobctl.indexing_jobs ALTER id SET DEFAULT jobctl.new_id(), ALTER status SET DEFAULT 'pending',
    ALTER files_indexed SET DEFAULT 0, ALTER chunks_created SET DEFAULT 0, ALTER created_at SET DEFAULT now();
COMMENT ON VIEW jobctl.indexing_jobs IS 'jobs of kind index, to be read and written as a table';
COMMENT ON COLUMN jobctl.indexing_jobs.status IS 'pending, running, completed or failed';
COMMENT ON COLUMN jobctl.indexing_jobs.started_at IS 'the server''s time, like the other two: what is written here is not taken';

CREATE OR REPLACE TRIGGER write_indexing_jobs INSTEAD OF INSERT OR UPDATE OR DELETE ON jobctl.indexing_jobs
    FOR EACH ROW EXECUTE FUNCTION jobctl.on_indexing_jobs();
GRANT SELECT ON jobctl.indexing_jobs TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
-- what the role may do of it is up to the functions that the trigger calls
GRANT INSERT, UPDATE, DELETE ON jobctl.indexing_jobs TO jobctl_submitter, jobctl_worker, jobctl_operator;
