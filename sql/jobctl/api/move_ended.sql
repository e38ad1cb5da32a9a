-- drop: FUNCTION jobctl.move_ended(uuid[], text, text, text[])
--
-- Move live jobs to the finished ones, each with its message (null: that of its
-- last failed attempt).  The caller holds the rows' locks, and settles who depends
-- on them.
CREATE OR REPLACE FUNCTION jobctl.move_ended(ids uuid[], end_status text, end_outcome text, messages text[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- dated as in finish()
    WITH gone AS (
        DELETE FROM jobctl.jobs j WHERE j.id = ANY (ids) RETURNING j.*
    ), reported AS (
        DELETE FROM jobctl.job_progress p WHERE p.job_id = ANY (ids) RETURNING p.*
    ), waits AS (
        DELETE FROM jobctl.job_dependencies d WHERE d.job_id = ANY (ids) RETURNING d.*
    ), unmet AS (
        SELECT w.job_id, array_agg(w.needs_id) FILTER (WHERE NOT w.needs_ok) AS after,
               array_agg(w.needs_id) FILTER (WHERE w.needs_ok) AS after_ok
        FROM waits w GROUP BY w.job_id
    )
    INSERT INTO jobctl.finished_jobs (
        id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes, spent,
        worker_pid, worker_host, token, worker_id, status, outcome, project_id, queue, kind, created_by,
        unique_key, backoff, backoff_base, backoff_max, timeout, error_message,
        progress_done, progress_total, message, stats, checkpoint, after, after_ok, args)
    SELECT g.id, (SELECT clock_timestamp()), g.created_at, g.run_at, g.started_at, g.priority, g.attempt, g.max_attempts, g.crashes,
           g.spent, w.pid, w.host, g.token, g.worker_id, end_status, end_outcome, g.project_id, g.queue, g.kind,
           g.created_by, g.unique_key, g.backoff, g.backoff_base, g.backoff_max, g.timeout,
           coalesce(m.message, g.error_message), r.done, r.total, r.message, r.stats, r.checkpoint,
           u.after, u.after_ok, g.args
    FROM unnest(ids, messages) AS m(id, message)
    JOIN gone g ON g.id = m.id
    LEFT JOIN reported r ON r.job_id = g.id
    LEFT JOIN unmet u ON u.job_id = g.id
    LEFT JOIN jobctl.workers w ON w.worker_id = g.worker_id;
END
$$;
REVOKE ALL ON FUNCTION jobctl.move_ended(uuid[], text, text, text[]) FROM PUBLIC;
