-- drop: FUNCTION jobctl.running_jobs()
--
-- The running jobs that the caller may see, found through their claims: to look for
-- them in jobctl.job would read every live job.  quiet_s: since the job last reported
-- progress, or was started.
CREATE OR REPLACE FUNCTION jobctl.running_jobs()
RETURNS TABLE (id uuid, project text, queue text, kind text, worker uuid,
               run_s double precision, quiet_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
    SELECT j.id, j.project_id::text, j.queue::text, j.kind::text, j.worker_id,
           extract(epoch FROM now() - j.started_at)::double precision,
           extract(epoch FROM now() - greatest(j.started_at, p.updated_at))::double precision
    FROM (SELECT jobctl.project_filter() AS projects OFFSET 0) visible
    CROSS JOIN jobctl.claims c
    CROSS JOIN LATERAL unnest(c.ids) AS taken(id)
    JOIN jobctl.jobs j ON j.id = taken.id AND j.token = c.token
    LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
    WHERE visible.projects IS NULL OR j.project_id = ANY (visible.projects)
$$;
REVOKE ALL ON FUNCTION jobctl.running_jobs() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.running_jobs()
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
