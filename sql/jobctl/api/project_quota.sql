-- drop: FUNCTION jobctl.limit_project(text, integer)
-- drop: FUNCTION jobctl.full_projects()
-- drop: FUNCTION jobctl.project_rooms()
--
-- How many jobs of a project may run at once, in all queues and on all hosts together.

-- Of each project that has such a limit, how many more may start.
CREATE OR REPLACE FUNCTION jobctl.project_rooms() RETURNS TABLE (project text, room integer)
LANGUAGE sql STABLE AS $$
    SELECT p.project_id::text, p.max_running - coalesce(r.n, 0)::integer
    FROM jobctl.projects p
    LEFT JOIN (SELECT j.project_id, count(*) AS n
               FROM jobctl.claims c CROSS JOIN LATERAL unnest(c.ids) AS i(id)
               CROSS JOIN LATERAL (SELECT o.project_id FROM jobctl.jobs o
                                   WHERE o.id = i.id AND (o.token = c.token OR c.ahead AND o.token IS NULL)
                                   LIMIT 1) j
               GROUP BY j.project_id) r ON r.project_id = p.project_id
    WHERE p.max_running IS NOT NULL
$$;
REVOKE ALL ON FUNCTION jobctl.project_rooms() FROM PUBLIC;

-- Projects that run as many jobs as they may, of those that the caller sees.
CREATE OR REPLACE FUNCTION jobctl.full_projects() RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.project FROM jobctl.project_rooms() r
    WHERE r.room <= 0 AND r.project IN (SELECT jobctl.visible_projects())
$$;
REVOKE ALL ON FUNCTION jobctl.full_projects() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.full_projects() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- Set the limit (null: none), for those whom the project is not hidden from.
CREATE OR REPLACE FUNCTION jobctl.limit_project(project text, max_running integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM jobctl.lock_queues();   -- claims under way, which may not have seen it
    UPDATE jobctl.projects p SET max_running = limit_project.max_running
    WHERE p.project_id = project AND p.project_id IN (SELECT jobctl.visible_projects());
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such project "%s"', project);
    END IF;
    INSERT INTO jobctl.job_events (event, project_id, why)
    VALUES ('limit', project, coalesce('max-running=' || max_running, 'no limit'));
    PERFORM pg_notify('jobctl_' || replace(w.worker_id::text, '-', ''), 'wake') FROM jobctl.workers w WHERE w.idle;
END
$$;
REVOKE ALL ON FUNCTION jobctl.limit_project(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.limit_project(text, integer) TO jobctl_operator;
