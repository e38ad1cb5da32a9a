-- drop: FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[], double precision[], bigint[])
--
-- Attempts ended: one array element each.  The outcome decides what becomes of
-- the job:
--   ok                                    completed
--   cancelled                             cancelled
--   permanent                             failed
--   tempfail                              pending again after a while, the attempt given back
--   exit signal timeout not_found not_executable
--                                         pending again with backoff while attempts are left, else failed
-- A job whose cancelling was asked for is cancelled by any outcome but ok.
--
-- Verdicts, in no order: accepted; repeated (said before, and accepted then);
-- busy (somebody holds the row's lock: say it again later); superseded (the token
-- no longer runs the job: nothing was changed).
CREATE OR REPLACE FUNCTION jobctl.finish(
    worker uuid, ids uuid[], tokens uuid[], outcomes text[], exit_codes integer[], signals integer[],
    errors text[], results jsonb[], cpu_seconds double precision[], rss_bytes bigint[])
RETURNS TABLE (id uuid, token uuid, verdict text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ended uuid[];
BEGIN
    RETURN QUERY
    WITH input AS MATERIALIZED (
        SELECT u.* FROM unnest(finish.ids, finish.tokens, outcomes, exit_codes, signals, errors, results,
                               cpu_seconds, rss_bytes)
            AS u(id, token, outcome, exit_code, signal, error, result, cpu_s, rss)
    ), locked AS MATERIALIZED (
        SELECT j.id, i.token, i.outcome, i.exit_code, i.signal, i.error, i.result, i.cpu_s, i.rss,
               CASE WHEN i.outcome = 'ok' THEN 'completed'
                    WHEN i.outcome = 'cancelled' OR j.cancel_requested_at IS NOT NULL THEN 'cancelled'
                    WHEN i.outcome = 'permanent' THEN 'failed'
                    WHEN i.outcome = 'tempfail' OR j.attempt < j.max_attempts THEN 'pending'
                    ELSE 'failed' END AS becomes
        FROM input i
        JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = worker
        FOR UPDATE OF j SKIP LOCKED
    ), gone AS (
        DELETE FROM jobctl.jobs j USING locked l
        WHERE j.id = l.id AND l.becomes <> 'pending'
        RETURNING j.*
    ), reported AS (
        DELETE FROM jobctl.job_progress p USING locked l
        WHERE p.job_id = l.id AND l.becomes <> 'pending'
        RETURNING p.*
    ), moved AS (
        INSERT INTO jobctl.finished_jobs (
            id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes,
            exit_code, signal, worker_pid, worker_host, max_rss_bytes, cpu_s, progress_done, progress_total,
            token, worker_id, status, outcome, project_id, queue, kind, created_by, unique_key, backoff,
            backoff_base, backoff_max, timeout, error_message, message, stats, checkpoint, result, args)
        SELECT g.id, now(), g.created_at, g.run_at, g.started_at, g.priority, g.attempt, g.max_attempts,
               g.crashes, l.exit_code, l.signal, w.pid, w.host, l.rss, l.cpu_s, r.done, r.total,
               g.token, g.worker_id, l.becomes, l.outcome, g.project_id, g.queue, g.kind, g.created_by,
               g.unique_key, g.backoff, g.backoff_base, g.backoff_max, g.timeout,
               l.error, r.message, r.stats, r.checkpoint, l.result, g.args
        FROM gone g
        JOIN locked l ON l.id = g.id
        LEFT JOIN reported r ON r.job_id = g.id
        LEFT JOIN jobctl.workers w ON w.worker_id = g.worker_id
    ), again AS (
        UPDATE jobctl.jobs j
        SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL,
            attempt = j.attempt - CASE WHEN l.outcome = 'tempfail' THEN 1 ELSE 0 END,
            wake_at = now() + d.delay, run_at = now() + d.delay,
            seq = nextval('jobctl.job_seq'), error_message = l.error
        FROM locked l
        JOIN jobctl.jobs o ON o.id = l.id
        CROSS JOIN LATERAL (
            SELECT CASE WHEN l.outcome = 'tempfail'
                   THEN jobctl.retry_delay('constant', o.backoff_base, o.backoff_max, 1)
                   ELSE jobctl.retry_delay(o.backoff, o.backoff_base, o.backoff_max, o.attempt) END AS delay) d
        WHERE j.id = l.id AND l.becomes = 'pending'
        RETURNING j.id, j.project_id, o.attempt, o.started_at
    ), kept AS (
        INSERT INTO jobctl.job_attempts (
            job_id, token, ended_at, started_at, attempt, exit_code, signal, worker_pid, worker_host,
            max_rss_bytes, cpu_s, worker_id, outcome, project_id, error_message)
        SELECT a.id, l.token, now(), a.started_at, a.attempt, l.exit_code, l.signal, w.pid, w.host,
               l.rss, l.cpu_s, worker, l.outcome, a.project_id, l.error
        FROM again a JOIN locked l ON l.id = a.id LEFT JOIN jobctl.workers w ON w.worker_id = worker
    )
    SELECT i.id, i.token,
           CASE WHEN l.id IS NOT NULL THEN 'accepted'
                WHEN EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = i.id AND j.token = i.token) THEN 'busy'
                WHEN EXISTS (SELECT FROM jobctl.finished_jobs f WHERE f.id = i.id AND f.token = i.token
                                                                  AND f.worker_id = worker)
                  OR EXISTS (SELECT FROM jobctl.job_attempts a WHERE a.job_id = i.id AND a.token = i.token
                                                                 AND a.outcome <> 'worker_lost') THEN 'repeated'
                ELSE 'superseded' END,
           l.becomes
    FROM input i LEFT JOIN locked l ON l.id = i.id AND l.token = i.token;

    PERFORM jobctl.close_claims(finish.ids, finish.tokens);
    ended := ARRAY(SELECT DISTINCT d.needs_id FROM jobctl.job_dependencies d
                   WHERE d.needs_id = ANY (finish.ids)
                     AND NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = d.needs_id));
    IF cardinality(ended) > 0 THEN
        PERFORM jobctl.settle_dependents(ended);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[],
    double precision[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[],
    double precision[], bigint[]) TO jobctl_worker;
