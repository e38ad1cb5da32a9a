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
-- Verdicts, in no order, one for each (id, token): accepted; repeated (said before,
-- and accepted then); busy (somebody's transaction holds the row: say it again
-- later, we wait for nobody); superseded (the token no longer runs the job:
-- nothing was changed).
CREATE OR REPLACE FUNCTION jobctl.finish(
    worker uuid, ids uuid[], tokens uuid[], outcomes text[], exit_codes integer[], signals integer[],
    errors text[], results jsonb[], cpu_seconds double precision[], rss_bytes bigint[])
RETURNS TABLE (id uuid, token uuid, verdict text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $$
DECLARE
    w jobctl.workers;
    done_ids uuid[];
    done_tokens uuid[];
    done_queues text[];
    became text[];
    ended uuid[];
BEGIN
    PERFORM jobctl.require_read_committed();
    SELECT * INTO w FROM jobctl.workers o WHERE o.worker_id = worker AND o.role_name = jobctl.caller();
    WITH input AS MATERIALIZED (
        SELECT DISTINCT ON (u.id, u.token) u.*
        FROM unnest(finish.ids, finish.tokens, outcomes, exit_codes, signals, errors, results, cpu_seconds, rss_bytes)
            AS u(id, token, outcome, exit_code, signal, error, result, cpu_s, rss)
        ORDER BY u.id, u.token
    ), mine AS MATERIALIZED (
        SELECT j.*, i.outcome, i.exit_code, i.signal, i.result, i.cpu_s, i.rss,
               coalesce(i.error, CASE WHEN i.outcome <> 'ok' THEN
                                 concat_ws(' ', i.outcome, coalesce(i.exit_code, i.signal)) END) AS error,
               p.done, p.total, p.message, p.stats, p.checkpoint,
               CASE WHEN i.outcome = 'ok' THEN 'completed'
                    WHEN i.outcome = 'cancelled' OR j.cancel_requested_at IS NOT NULL THEN 'cancelled'
                    WHEN i.outcome = 'permanent' THEN 'failed'
                    WHEN i.outcome = 'tempfail' OR j.attempt < j.max_attempts THEN 'pending'
                    ELSE 'failed' END AS becomes
        FROM input i
        JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = w.worker_id
        LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
        FOR UPDATE OF j SKIP LOCKED
    ), gone AS (
        DELETE FROM jobctl.jobs j
        WHERE j.id = ANY (ARRAY(SELECT e.id FROM mine e WHERE e.becomes <> 'pending'))
    ), reported AS (
        DELETE FROM jobctl.job_progress p
        WHERE p.job_id = ANY (ARRAY(SELECT e.id FROM mine e WHERE e.becomes <> 'pending'))
    ), moved AS (
        INSERT INTO jobctl.finished_jobs (
            id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes,
            exit_code, signal, worker_pid, worker_host, max_rss_bytes, cpu_s, progress_done, progress_total,
            token, worker_id, status, outcome, project_id, queue, kind, created_by, unique_key, backoff,
            backoff_base, backoff_max, timeout, error_message, message, stats, checkpoint, result, args)
        SELECT e.id, now(), e.created_at, e.run_at, e.started_at, e.priority, e.attempt, e.max_attempts, e.crashes,
               e.exit_code, e.signal, w.pid, w.host, e.rss, e.cpu_s, e.done, e.total,
               e.token, e.worker_id, e.becomes, e.outcome, e.project_id, e.queue, e.kind, e.created_by,
               e.unique_key, e.backoff, e.backoff_base, e.backoff_max, e.timeout,
               e.error, e.message, e.stats, e.checkpoint, e.result, e.args
        FROM mine e WHERE e.becomes <> 'pending'
    ), again AS (
        UPDATE jobctl.jobs j
        SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL,
            attempt = j.attempt - CASE WHEN e.outcome = 'tempfail' THEN 1 ELSE 0 END,
            wake_at = now() + d.delay, run_at = now() + d.delay,
            seq = nextval('jobctl.job_seq'), error_message = e.error
        FROM mine e
        CROSS JOIN LATERAL (
            SELECT CASE WHEN e.outcome = 'tempfail'
                   THEN jobctl.retry_delay('constant', e.backoff_base, e.backoff_max, 1)
                   ELSE jobctl.retry_delay(e.backoff, e.backoff_base, e.backoff_max, e.attempt) END AS delay) d
        WHERE j.id = e.id AND e.becomes = 'pending'
    ), kept AS (
        INSERT INTO jobctl.job_attempts (
            job_id, token, ended_at, started_at, attempt, exit_code, signal, worker_pid, worker_host,
            max_rss_bytes, cpu_s, worker_id, outcome, project_id, error_message)
        SELECT e.id, e.token, now(), e.started_at, e.attempt, e.exit_code, e.signal, w.pid, w.host,
               e.rss, e.cpu_s, e.worker_id, e.outcome, e.project_id, e.error
        FROM mine e WHERE e.becomes = 'pending'
    )
    SELECT array_agg(e.id), array_agg(e.token), array_agg(e.queue), array_agg(e.becomes),
           array_agg(e.id) FILTER (WHERE e.becomes <> 'pending')
    INTO done_ids, done_tokens, done_queues, became, ended FROM mine e;

    PERFORM jobctl.leave_claims(done_tokens, done_queues);
    PERFORM jobctl.settle_dependents(ended);
    RETURN QUERY SELECT u.id, u.token, 'accepted', u.status FROM unnest(done_ids, done_tokens, became) AS u(id, token, status);
    IF cardinality(done_ids) = cardinality(ids) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT DISTINCT u.id, u.token,
               CASE WHEN EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = u.id AND j.token = u.token
                                                             AND j.worker_id = w.worker_id) THEN 'busy'
                    WHEN EXISTS (SELECT FROM jobctl.finished_jobs f WHERE f.id = u.id AND f.token = u.token
                                 AND f.worker_id = worker AND f.outcome <> 'worker_lost')
                      OR EXISTS (SELECT FROM jobctl.job_attempts a WHERE a.job_id = u.id AND a.token = u.token
                                 AND a.worker_id = worker AND a.outcome <> 'worker_lost') THEN 'repeated'
                    ELSE 'superseded' END,
               NULL
        FROM unnest(finish.ids, finish.tokens) AS u(id, token)
        WHERE done_ids IS NULL OR u.id <> ALL (done_ids);
END
$$;
REVOKE ALL ON FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[],
    double precision[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[],
    double precision[], bigint[]) TO jobctl_worker;
