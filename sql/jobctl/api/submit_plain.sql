-- drop: FUNCTION jobctl.submit_plain(integer, integer, uuid, text, jsonb, text, text, integer, text, integer, interval, boolean)
-- after: job_key
-- after: notify_idle
-- after: require_schema
-- after: submit
--
-- submit() for a session that says nothing else, as that of a program which submits
-- one job: half of what such a session costs is what it looks up and plans for the
-- first time.  So this is one statement, parsed already, and asks for the schema's
-- version in passing.  PL/pgSQL is not even loaded, unless there is a worker to wake,
-- or the job turns out not to be plain: another has its unique key, or the project is
-- not everybody's or has a limit.  A session that goes on is better off with
-- submit(), whose plans are kept.
CREATE OR REPLACE FUNCTION jobctl.submit_plain(
    oldest integer, newest integer, id uuid, kind text, args jsonb, queue text, project text,
    priority integer, unique_key text, max_attempts integer, timeout interval, hold boolean) RETURNS uuid
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH made AS (
        INSERT INTO jobctl.jobs AS j (id, priority, max_attempts, status, project_id, queue, kind, unique_key,
                                      timeout, args)
        SELECT submit_plain.id, submit_plain.priority, coalesce(submit_plain.max_attempts, k.max_attempts, 3),
               CASE WHEN hold THEN 'held' ELSE 'pending' END, p.project_id, submit_plain.queue, submit_plain.kind,
               CASE WHEN k.unique_args IS NULL THEN submit_plain.unique_key
                    ELSE jobctl.job_key(submit_plain.kind, k.unique_args, submit_plain.args, submit_plain.unique_key)
               END,
               coalesce(submit_plain.timeout, k.timeout), submit_plain.args
        FROM jobctl.projects p LEFT JOIN jobctl.kinds k ON k.kind = submit_plain.kind
        WHERE p.project_id = submit_plain.project AND p.owner_role = 'public'
          AND p.submits_per_hour IS NULL
          AND jobctl.require_schema(oldest, newest) IS NULL
        ON CONFLICT DO NOTHING
        RETURNING j.id, CASE WHEN NOT hold THEN jobctl.notify_idle(j.queue) END
    )
    SELECT coalesce((SELECT made.id FROM made),
                    jobctl.submit(kind, args, queue, project, priority, unique_key => unique_key,
                                  max_attempts => max_attempts, timeout => timeout, hold => hold, id => id));
END;
REVOKE ALL ON FUNCTION jobctl.submit_plain(integer, integer, uuid, text, jsonb, text, text, integer, text, integer,
    interval, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.submit_plain(integer, integer, uuid, text, jsonb, text, text, integer, text, integer,
    interval, boolean) TO jobctl_submitter, jobctl_operator;
