-- drop: FUNCTION jobctl.submit(text, jsonb, text, text, integer, timestamptz, interval, text, text, interval, uuid[], uuid[], integer, text, interval, boolean, uuid, boolean)
--
-- Put one job into the queue, in the caller's transaction: it exists when that
-- commits.  Returns its id.
--
--   SELECT jobctl.submit('mail', '{"to": "ann@example.org"}', queue => 'mail');
--
-- run_in counts from now, on the server's clock, and outranks run_at.
-- unique_key: at most one live job per project has it (jobs of some kinds have one
-- without asking, see jobctl.kinds).  If one has, on_conflict
--   skip     returns that job's id
--   fail     raises JC001
--   replace  gives that job these arguments, priority and time, unless it runs (JC075)
-- unique_for: a job with the key that completed within this time counts as well.
-- Without a key neither of the two has a meaning (JC065).
-- after, after_ok: wait until these jobs have ended, or completed; a job that can
-- no longer run because one of after_ok did not complete is cancelled.
-- backoff: exponential, linear or constant, then :BASE and :MAX as in linear:30s:10m.
-- JC075 if the project's limit of submissions in an hour is reached, see limit_submissions().
-- id: made by the caller, so that a submit whose answer was lost can be said
-- again, with repeated => true: it then also looks among finished jobs.
CREATE OR REPLACE FUNCTION jobctl.submit(
    kind text, args jsonb DEFAULT '{}', queue text DEFAULT 'default', project text DEFAULT 'default',
    priority integer DEFAULT 0, run_at timestamptz DEFAULT NULL, run_in interval DEFAULT NULL,
    unique_key text DEFAULT NULL, on_conflict text DEFAULT 'skip', unique_for interval DEFAULT NULL,
    after uuid[] DEFAULT NULL, after_ok uuid[] DEFAULT NULL, max_attempts integer DEFAULT NULL,
    backoff text DEFAULT NULL, timeout interval DEFAULT NULL, hold boolean DEFAULT false,
    id uuid DEFAULT NULL, repeated boolean DEFAULT false) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    job record;
    existing uuid;
BEGIN
    IF on_conflict NOT IN ('skip', 'fail', 'replace') THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('on_conflict is "%s", not skip, fail or replace', on_conflict);
    ELSIF backoff LIKE '%:%:%:%' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065', MESSAGE = format('backoff "%s" is not POLICY[:BASE[:MAX]]', backoff);
    END IF;
    -- A program that submits one job pays for each statement anew: there are few.
    SELECT coalesce(submit.id, jobctl.new_id()) AS id, coalesce(now() + run_in, run_at, now()) AS run_at,
           CASE WHEN k.unique_args IS NULL THEN submit.unique_key
                ELSE jobctl.job_key(submit.kind, k.unique_args, submit.args, submit.unique_key) END AS unique_key,
           coalesce(submit.max_attempts, k.max_attempts, 3) AS max_attempts,
           coalesce(submit.timeout, k.timeout) AS timeout,
           coalesce(p.owner_role = 'public', false) AS project_is_public, p.submits_per_hour
    INTO job
    FROM (SELECT) one LEFT JOIN jobctl.kinds k ON k.kind = submit.kind
    LEFT JOIN jobctl.projects p ON p.project_id = submit.project;
    IF job.unique_key IS NULL AND (unique_for IS NOT NULL OR on_conflict <> 'skip') THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('%s without a unique key',
                             CASE WHEN unique_for IS NULL THEN 'on_conflict' ELSE 'unique_for' END),
            HINT = format('jobs of kind "%s" have none of their own', kind);
    END IF;
    IF NOT job.project_is_public THEN
        PERFORM jobctl.ensure_project(project);
    END IF;
    IF repeated THEN
        SELECT f.id INTO existing FROM jobctl.finished_jobs f
        WHERE f.id = job.id AND f.project_id = submit.project;
        IF FOUND THEN
            RETURN existing;
        END IF;
    END IF;

    LOOP
        INSERT INTO jobctl.jobs AS j (id, priority, max_attempts, run_at, wake_at, status, project_id,
                                 queue, kind, unique_key, backoff, backoff_base, backoff_max, timeout, args)
        VALUES (job.id, coalesce(submit.priority, 0), job.max_attempts,
                job.run_at, CASE WHEN job.run_at > now() THEN job.run_at END,
                CASE WHEN hold THEN 'held' ELSE 'pending' END, submit.project, submit.queue, submit.kind,
                job.unique_key, nullif(split_part(submit.backoff, ':', 1), ''),
                nullif(split_part(submit.backoff, ':', 2), '')::interval,
                nullif(split_part(submit.backoff, ':', 3), '')::interval,
                job.timeout, coalesce(submit.args, '{}'))
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
        existing := jobctl.submit_conflict(job.id, submit.project, job.unique_key, submit.on_conflict,
                                           submit.args, submit.priority, job.run_at);
        IF existing IS NOT NULL THEN
            RETURN existing;
        END IF;
    END LOOP;
    -- What was said before may have been done, and the job ended, only just now.
    IF repeated THEN
        SELECT f.id INTO existing FROM jobctl.finished_jobs f
        WHERE f.id = job.id AND f.project_id = submit.project;
        IF FOUND THEN
            DELETE FROM jobctl.jobs j WHERE j.id = job.id;
            RETURN existing;
        END IF;
    END IF;

    -- Asked only now: a job with this key that was live when we inserted would
    -- have been a conflict, so one that completed before is visible here.
    IF unique_for IS NOT NULL AND job.unique_key IS NOT NULL THEN
        SELECT f.id INTO existing FROM jobctl.finished_jobs f
        WHERE f.project_id = submit.project AND f.unique_key = job.unique_key
          AND f.status = 'completed' AND f.completed_at > now() - unique_for
        ORDER BY f.completed_at DESC LIMIT 1;
        IF FOUND THEN
            DELETE FROM jobctl.jobs j WHERE j.id = job.id;
            IF on_conflict = 'fail' THEN
                RAISE EXCEPTION USING ERRCODE = 'JC001',
                    MESSAGE = format('job %s with unique key "%s" completed less than %s ago', existing,
                                     job.unique_key, unique_for);
            END IF;
            RETURN existing;
        END IF;
    END IF;

    -- only now is it known to be a new one
    IF job.submits_per_hour IS NOT NULL THEN
        PERFORM jobctl.count_submissions(submit.project, 1);
    END IF;
    IF after IS NOT NULL OR after_ok IS NOT NULL THEN
        PERFORM jobctl.add_dependencies(job.id, submit.after, submit.after_ok);
    END IF;
    -- One that is due before all others is told of too: whoever waits, waits less long.
    IF NOT hold AND EXISTS (SELECT FROM jobctl.workers w WHERE w.idle)
       AND (job.run_at <= now() OR NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.status = 'pending'
                                               AND j.wake_at > now() AND j.wake_at < job.run_at)) THEN
        PERFORM jobctl.wake_workers(submit.queue);
    END IF;
    RETURN job.id;
END
$$;
REVOKE ALL ON FUNCTION jobctl.submit(text, jsonb, text, text, integer, timestamptz, interval, text, text,
    interval, uuid[], uuid[], integer, text, interval, boolean, uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.submit(text, jsonb, text, text, integer, timestamptz, interval, text, text,
    interval, uuid[], uuid[], integer, text, interval, boolean, uuid, boolean)
    TO jobctl_submitter, jobctl_operator;
