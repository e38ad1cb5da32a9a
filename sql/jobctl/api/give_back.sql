-- drop: FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text)
--
-- A worker that stops returns jobs: the attempt is not spent and the place in the
-- queue is kept.  why null: never started, not worth a record.  One whose
-- cancelling was asked for is cancelled.
--
-- Verdicts: accepted; busy (somebody's transaction holds the row: say it again
-- later); superseded (the token does not run the job, or not any more).
CREATE OR REPLACE FUNCTION jobctl.give_back(worker uuid, ids uuid[], tokens uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, token uuid, verdict text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    w jobctl.workers;
    ended uuid[];
    back uuid[];
    done_tokens uuid[];
    done_queues text[];
BEGIN
    PERFORM jobctl.require_read_committed();
    SELECT * INTO w FROM jobctl.workers o WHERE o.worker_id = worker AND o.role_name = jobctl.caller();
    PERFORM jobctl.mark_taken(w.worker_id, give_back.ids, give_back.tokens);
    ended := ARRAY(SELECT j.id FROM unnest(give_back.ids, give_back.tokens) AS i(id, token)
                   JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = w.worker_id
                   WHERE j.cancel_requested_at IS NOT NULL
                   FOR UPDATE OF j SKIP LOCKED);
    back := ARRAY(SELECT j.id FROM unnest(give_back.ids, give_back.tokens) AS i(id, token)
                  JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = w.worker_id
                  WHERE j.cancel_requested_at IS NULL
                  FOR NO KEY UPDATE OF j SKIP LOCKED);
    SELECT array_agg(j.token), array_agg(j.queue) INTO done_tokens, done_queues
    FROM jobctl.jobs j WHERE j.id = ANY (ended || back);
    RETURN QUERY
        SELECT DISTINCT i.id, i.token,
               CASE WHEN j.id IS NULL THEN 'superseded' WHEN j.id = ANY (ended || back) THEN 'accepted' ELSE 'busy' END
        FROM unnest(give_back.ids, give_back.tokens) AS i(id, token)
        LEFT JOIN jobctl.jobs j ON j.id = i.id
            AND (j.token = i.token AND j.worker_id = w.worker_id
                 OR j.token IS NULL AND (i.id, i.token) IN (SELECT h.id, h.token FROM jobctl.has_ahead(w.worker_id, give_back.tokens) h));

    IF why IS NOT NULL THEN
        INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, worker_pid, worker_host,
                                         worker_id, outcome, project_id, queue, kind, error_message)
        SELECT j.id, j.token, (SELECT clock_timestamp()), j.started_at, j.attempt, w.pid, w.host, w.worker_id, 'interrupted',
               j.project_id, j.queue, j.kind, why
        FROM jobctl.jobs j WHERE j.id = ANY (back);
    END IF;
    UPDATE jobctl.jobs j
    SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL, attempt = j.attempt - 1,
        run_at = CASE WHEN why IS NULL THEN j.run_at ELSE now() END
    WHERE j.id = ANY (back);
    PERFORM jobctl.leave_claims(done_tokens, done_queues);
    PERFORM jobctl.end_jobs(ended, 'cancelled', 'cancelled', why);
    PERFORM jobctl.wake_workers(q.queue)
    FROM (SELECT DISTINCT j.queue FROM jobctl.jobs j WHERE j.id = ANY (back)) q;
END
$$;
REVOKE ALL ON FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text) TO jobctl_worker;
