-- drop: FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text)
--
-- A worker that stops returns jobs: the attempt is not spent and the place in the
-- queue is kept.  why null: never started, not worth a record.
CREATE OR REPLACE FUNCTION jobctl.give_back(worker uuid, ids uuid[], tokens uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, token uuid, verdict text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    woken text;
BEGIN
    -- cancelled while it was ours to give back: then that is what it is
    PERFORM jobctl.end_jobs(ARRAY(
        SELECT j.id FROM unnest(give_back.ids, give_back.tokens) AS i(id, token)
        JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = worker
        WHERE j.cancel_requested_at IS NOT NULL
        FOR UPDATE OF j SKIP LOCKED), 'cancelled', 'cancelled', why);
    RETURN QUERY
    WITH input AS MATERIALIZED (
        SELECT u.* FROM unnest(give_back.ids, give_back.tokens) AS u(id, token)
    ), locked AS MATERIALIZED (
        SELECT j.id, j.token, j.attempt, j.started_at, j.project_id
        FROM input i JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = worker
        FOR UPDATE OF j SKIP LOCKED
    ), back AS (
        UPDATE jobctl.jobs j
        SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL, attempt = j.attempt - 1
        FROM locked l WHERE j.id = l.id
    ), kept AS (
        INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, worker_pid, worker_host,
                                         worker_id, outcome, project_id, error_message)
        SELECT l.id, l.token, now(), l.started_at, l.attempt, w.pid, w.host, worker, 'interrupted',
               l.project_id, why
        FROM locked l LEFT JOIN jobctl.workers w ON w.worker_id = worker
        WHERE why IS NOT NULL
    )
    SELECT i.id, i.token,
           CASE WHEN l.id IS NOT NULL THEN 'accepted'
                WHEN EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = i.id AND j.token = i.token) THEN 'busy'
                ELSE 'superseded' END
    FROM input i LEFT JOIN locked l ON l.id = i.id;

    PERFORM jobctl.close_claims(give_back.ids, give_back.tokens);
    FOR woken IN SELECT DISTINCT j.queue FROM jobctl.jobs j
                 WHERE j.id = ANY (give_back.ids) AND j.status = 'pending' AND j.wake_at IS NULL LOOP
        PERFORM jobctl.wake_workers(woken);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.give_back(uuid, uuid[], uuid[], text) TO jobctl_worker;
