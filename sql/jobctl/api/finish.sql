-- drop: FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[], double precision[], bigint[], tid[])
--
-- Attempts ended: one array element each.  The outcome decides what becomes of
-- the job:
--   ok                                    completed
--   cancelled                             cancelled
--   permanent                             failed
--   tempfail                              pending again after a while, the attempt given back
--   exit signal timeout not_found not_executable
--                                         pending again with backoff while attempts are left, else failed
-- A job whose cancelling was asked for is cancelled by any outcome but ok.  Places are those that
-- claim() gave: they save looking for the rows.
--
-- Verdicts, in no order, one for each (id, token): accepted; repeated (said before,
-- and accepted then); busy (somebody's transaction holds the row: say it again
-- later, we wait for nobody); superseded (the token no longer runs the job:
-- nothing was changed).
CREATE OR REPLACE FUNCTION jobctl.finish(
    worker uuid, ids uuid[], tokens uuid[], outcomes text[], exit_codes integer[], signals integer[],
    errors text[], results jsonb[], cpu_seconds double precision[], rss_bytes bigint[],
    places tid[] DEFAULT NULL)
RETURNS TABLE (id uuid, token uuid, verdict text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off AS $$
DECLARE
    w jobctl.workers;
    locked tid[];
    nths bigint[];
    done_ids uuid[];
    done_tokens uuid[];
    done_queues text[];
    became text[];
    said text[];
    reporting uuid[];
    ended uuid[];
    quick record;
    n integer;
    ahead boolean[];
BEGIN
    PERFORM jobctl.require_read_committed();
    SELECT * INTO w FROM jobctl.workers o WHERE o.worker_id = worker AND o.role_name = jobctl.caller();
    SELECT * INTO quick FROM jobctl.lock_ahead(w.worker_id, ids, tokens, outcomes, places);
    n := coalesce(cardinality(quick.nths), 0);
    IF n < cardinality(ids) THEN
        -- Locks first, and nothing wide: what is locked stays where it is, and the next
        -- statement goes straight there.  Those with no progress have null in reporting.
        SELECT array_agg(m.at), array_agg(m.nth), array_agg(m.id), array_agg(m.token), array_agg(m.queue),
               array_agg(m.becomes), array_agg(m.said),
               array_agg(CASE WHEN m.becomes <> 'pending' THEN m.reporting END),
               array_agg(m.id) FILTER (WHERE m.becomes <> 'pending')
        INTO locked, nths, done_ids, done_tokens, done_queues, became, said, reporting, ended
        FROM (SELECT j.ctid AS at, i.nth, j.id, j.token, j.queue, p.job_id AS reporting,
                     coalesce(errors[i.nth], CASE WHEN i.outcome <> 'ok' THEN
                              concat_ws(' ', i.outcome, coalesce(exit_codes[i.nth], signals[i.nth])) END) AS said,
                     CASE WHEN i.outcome = 'ok' THEN 'completed'
                          WHEN i.outcome = 'cancelled' OR j.cancel_requested_at IS NOT NULL THEN 'cancelled'
                          WHEN i.outcome = 'permanent' THEN 'failed'
                          WHEN i.outcome = 'tempfail' OR j.attempt < j.max_attempts THEN 'pending'
                          ELSE 'failed' END AS becomes
              FROM (SELECT DISTINCT ON (u.id, u.token) u.*
                    FROM unnest(finish.ids, finish.tokens, outcomes) WITH ORDINALITY AS u(id, token, outcome, nth)
                    WHERE u.nth NOT IN (SELECT unnest(quick.nths))
                    ORDER BY u.id, u.token) i
              JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = w.worker_id
              LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
              FOR UPDATE OF j SKIP LOCKED) m;
    END IF;
    IF n > 0 THEN
        ahead := array_fill(true, ARRAY[n]) || array_fill(false, ARRAY[coalesce(cardinality(nths), 0)]);
        locked := quick.places || locked;
        nths := quick.nths || nths;
        done_ids := quick.done_ids || done_ids;
        done_tokens := quick.done_tokens || done_tokens;
        done_queues := quick.done_queues || done_queues;
        became := array_fill('completed'::text, ARRAY[n]) || became;
        said := array_fill(NULL::text, ARRAY[n]) || said;
        reporting := array_fill(NULL::uuid, ARRAY[n]) || reporting;
        ended := quick.done_ids || ended;
    END IF;

    -- Dated once the statement has its locks, for whoever counts: see count_ends().  What there is
    -- of each is looked up: an unnest() of several arrays makes a row of each element of each.
    INSERT INTO jobctl.finished_jobs (
        id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts, crashes,
        spent, exit_code, signal, worker_pid, worker_host, max_rss_bytes, cpu_s, progress_done, progress_total,
        token, worker_id, status, outcome, project_id, queue, kind, created_by, unique_key, backoff,
        backoff_base, backoff_max, timeout, error_message, message, stats, checkpoint, result, args)
    SELECT j.id, (SELECT clock_timestamp()), j.created_at, j.run_at,
           coalesce(j.started_at, quick.since[array_position(quick.claims, tokens[m.nth])]), j.priority,
           j.attempt + CASE WHEN j.token IS NULL THEN 1 ELSE 0 END, j.max_attempts, j.crashes,
           j.spent, exit_codes[m.nth], signals[m.nth], w.pid, w.host, rss_bytes[m.nth], cpu_seconds[m.nth], p.done, p.total,
           tokens[m.nth], w.worker_id, became[m.k], outcomes[m.nth], j.project_id, j.queue, j.kind, j.created_by,
           j.unique_key, j.backoff, j.backoff_base, j.backoff_max, j.timeout,
           said[m.k], p.message, p.stats, p.checkpoint, results[m.nth], j.args
    FROM (SELECT u.at, u.k, nths[u.k] AS nth FROM unnest(locked) WITH ORDINALITY AS u(at, k)) m
    JOIN jobctl.jobs j ON j.ctid = m.at
    LEFT JOIN jobctl.job_progress p ON p.job_id = reporting[m.k]
    WHERE became[m.k] <> 'pending';
    DELETE FROM jobctl.jobs j USING unnest(locked) WITH ORDINALITY AS m(at, k)
    WHERE j.ctid = m.at AND became[m.k] <> 'pending';
    DELETE FROM jobctl.job_progress p WHERE p.job_id = ANY (reporting);
    IF 'pending' = ANY (became) THEN
        INSERT INTO jobctl.job_attempts (
            job_id, token, ended_at, started_at, attempt, exit_code, signal, worker_pid, worker_host,
            max_rss_bytes, cpu_s, worker_id, outcome, project_id, queue, kind, error_message)
        SELECT j.id, j.token, (SELECT clock_timestamp()), j.started_at, j.attempt, exit_codes[m.nth], signals[m.nth], w.pid, w.host,
               rss_bytes[m.nth], cpu_seconds[m.nth], j.worker_id, outcomes[m.nth], j.project_id, j.queue, j.kind, m.said
        FROM unnest(done_ids, nths, became, said) AS m(id, nth, becomes, said) JOIN jobctl.jobs j ON j.id = m.id
        WHERE m.becomes = 'pending';
        UPDATE jobctl.jobs j
        SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL,
            attempt = j.attempt - CASE WHEN outcomes[m.nth] = 'tempfail' THEN 1 ELSE 0 END,
            wake_at = now() + d.delay, run_at = now() + d.delay,
            seq = nextval('jobctl.job_seq'), error_message = m.said
        FROM unnest(done_ids, nths, became, said) AS m(id, nth, becomes, said)
        JOIN jobctl.jobs e ON e.id = m.id
        CROSS JOIN LATERAL (
            SELECT CASE WHEN outcomes[m.nth] = 'tempfail'
                   THEN jobctl.retry_delay('constant', e.backoff_base, e.backoff_max, 1)
                   ELSE jobctl.retry_delay(e.backoff, e.backoff_base, e.backoff_max, e.attempt - e.spent) END AS delay) d
        WHERE j.id = e.id AND m.becomes = 'pending';
    END IF;

    PERFORM jobctl.leave_claims(done_tokens, done_queues, ahead);
    PERFORM jobctl.settle_dependents(ended);
    RETURN QUERY SELECT u.id, done_tokens[u.k], 'accepted', became[u.k] FROM unnest(done_ids) WITH ORDINALITY AS u(id, k);
    IF cardinality(done_ids) = cardinality(ids) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT DISTINCT u.id, u.token,
               CASE WHEN EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = u.id AND j.token = u.token
                                                             AND j.worker_id = w.worker_id)
                      OR EXISTS (SELECT FROM jobctl.jobs j JOIN jobctl.claims c ON j.id = ANY (c.ids)
                                 WHERE j.id = u.id AND j.token IS NULL AND c.token = u.token AND c.ahead
                                   AND c.worker_id = w.worker_id) THEN 'busy'
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
    double precision[], bigint[], tid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.finish(uuid, uuid[], uuid[], text[], integer[], integer[], text[], jsonb[],
    double precision[], bigint[], tid[]) TO jobctl_worker;
