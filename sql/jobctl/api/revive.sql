-- drop: FUNCTION jobctl.revive(uuid[], uuid[], text[], interval, jsonb)
--
-- The part of retry() for jobs that have ended, which the caller has locked: they move back
-- to the live ones, with the unique keys given (keyed says whose), and what they ended with
-- to the history.  What they had reported and where they were to go on stays theirs, unless
-- they completed.
CREATE OR REPLACE FUNCTION jobctl.revive(ended uuid[], keyed uuid[], keys text[], run_in interval, edits jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    needs uuid[];
    unmet record;
BEGIN
    -- whoever waits for one of them, and was not told of its end yet, goes on waiting
    DELETE FROM jobctl.unsettled u WHERE u.needs_id = ANY (ended);
    -- a claim that took it ahead knows by its id alone that it is the claim's
    UPDATE jobctl.claims c
    SET ids = ARRAY(SELECT i.id FROM unnest(c.ids) AS i(id) WHERE i.id NOT IN (SELECT unnest(ended)))
    WHERE c.ahead AND (SELECT bool_or(i.id IN (SELECT unnest(ended))) FROM unnest(c.ids) AS i(id));
    INSERT INTO jobctl.jobs (id, created_at, created_by, priority, attempt, spent, max_attempts, run_at, wake_at,
                             queue, project_id, kind, unique_key, backoff, backoff_base, backoff_max, timeout,
                             error_message, args)
    SELECT f.id, f.created_at, f.created_by, f.priority, f.attempt, f.attempt,
           least(f.attempt + f.max_attempts - f.spent, 1000), now() + coalesce(run_in, '0'),
           CASE WHEN run_in > '0' THEN now() + run_in END, f.queue, f.project_id, f.kind, u.key,
           f.backoff, f.backoff_base, f.backoff_max, f.timeout,
           CASE f.status WHEN 'failed' THEN f.error_message END,
           CASE WHEN edits IS NULL THEN f.args ELSE f.args || edits END
    FROM unnest(keyed, keys) AS u(id, key) JOIN jobctl.finished_jobs f ON f.id = u.id
    WHERE f.id = ANY (ended)
    ORDER BY f.id;
    INSERT INTO jobctl.job_progress (job_id, project_id, done, total, message, stats, checkpoint)
    SELECT f.id, f.project_id, f.progress_done, f.progress_total, f.message, f.stats, f.checkpoint
    FROM jobctl.finished_jobs f
    WHERE f.id = ANY (ended) AND f.status <> 'completed'
      AND num_nonnulls(f.progress_done, f.progress_total, f.message, f.stats, f.checkpoint) > 0;

    -- those needed that are live, of these too, cannot end before we commit
    needs := ARRAY(SELECT j.id FROM jobctl.jobs j
                   WHERE j.id IN (SELECT unnest(f.after || f.after_ok) FROM jobctl.finished_jobs f WHERE f.id = ANY (ended))
                   ORDER BY j.id FOR KEY SHARE);
    SELECT f.id, n.id AS needs_id, b.status INTO unmet
    FROM jobctl.finished_jobs f
    CROSS JOIN LATERAL unnest(f.after_ok) AS n(id)
    JOIN jobctl.finished_jobs b ON b.id = n.id
    WHERE f.id = ANY (ended) AND b.status <> 'completed' AND n.id <> ALL (needs)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC001',
            MESSAGE = format('job %s needs job %s to complete, which is %s; nothing was changed',
                             unmet.id, unmet.needs_id, unmet.status),
            HINT = format('retry both: jobctl-retry %s %s', unmet.needs_id, unmet.id);
    END IF;
    INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
    SELECT f.id, n.id, n.ok, f.project_id
    FROM jobctl.finished_jobs f
    CROSS JOIN LATERAL (SELECT unnest(f.after) AS id, false AS ok UNION ALL SELECT unnest(f.after_ok), true) n
    WHERE f.id = ANY (ended) AND n.id = ANY (needs);
    UPDATE jobctl.jobs j SET blockers = d.n
    FROM (SELECT w.job_id, count(*)::integer AS n FROM jobctl.job_dependencies w
          WHERE w.job_id = ANY (ended) GROUP BY w.job_id) d
    WHERE j.id = d.job_id;

    WITH gone AS (
        DELETE FROM jobctl.finished_jobs f WHERE f.id = ANY (ended) RETURNING f.*
    )
    INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, exit_code, signal, worker_pid,
                                     worker_host, max_rss_bytes, cpu_s, worker_id, ended_as, outcome, project_id,
                                     queue, kind, error_message, result)
    SELECT g.id, g.token, g.completed_at, g.started_at, g.attempt, g.exit_code, g.signal, g.worker_pid,
           g.worker_host, g.max_rss_bytes, g.cpu_s, g.worker_id, g.status, g.outcome, g.project_id,
           g.queue, g.kind, g.error_message, g.result
    FROM gone g;
END
$$;
REVOKE ALL ON FUNCTION jobctl.revive(uuid[], uuid[], text[], interval, jsonb) FROM PUBLIC;
