-- drop: FUNCTION jobctl.reap(uuid[], text)
--
-- Workers that are dead: those whose lease has run out, and those that the caller
-- has seen die (dead: their ids; why: the proof).  Their jobs go back to the queue
-- with the attempt given back and the crash counted; the third crash fails the job.
-- Returns a row per job: what became of it.
CREATE OR REPLACE FUNCTION jobctl.reap(dead uuid[] DEFAULT '{}', why text DEFAULT NULL)
RETURNS TABLE (id uuid, worker uuid, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w jobctl.workers;
    job jobctl.jobs;
    reason text;
BEGIN
    FOR w IN
        SELECT * FROM jobctl.workers d
        WHERE d.lease_until < clock_timestamp() OR d.worker_id = ANY (dead)
        ORDER BY d.worker_id FOR UPDATE SKIP LOCKED
    LOOP
        reason := format('worker lost: %s pid %s, %s', w.host, w.pid,
                         CASE WHEN w.worker_id = ANY (dead) THEN why
                              ELSE format('lease expired %s', to_char(w.lease_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) END);
        FOR job IN
            SELECT j.* FROM jobctl.claims c
            CROSS JOIN LATERAL unnest(c.ids) AS i(id)
            JOIN jobctl.jobs j ON j.id = i.id AND j.token = c.token
            WHERE c.worker_id = w.worker_id
            ORDER BY j.id FOR UPDATE OF j
        LOOP
            id := job.id;
            worker := w.worker_id;
            status := CASE WHEN job.cancel_requested_at IS NOT NULL THEN 'cancelled'
                           WHEN job.crashes >= 2 THEN 'failed' ELSE 'pending' END;
            UPDATE jobctl.jobs j SET crashes = j.crashes + 1 WHERE j.id = job.id;
            IF status = 'pending' THEN
                INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, worker_pid,
                                                 worker_host, worker_id, outcome, project_id, error_message)
                VALUES (job.id, job.token, now(), job.started_at, job.attempt, w.pid, w.host, w.worker_id,
                        'worker_lost', job.project_id, reason);
                UPDATE jobctl.jobs j
                SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL,
                    attempt = j.attempt - 1, seq = nextval('jobctl.job_seq'), error_message = reason
                WHERE j.id = job.id;
                PERFORM jobctl.wake_workers(job.queue);
            ELSE
                PERFORM jobctl.end_jobs(ARRAY[job.id], status,
                    CASE status WHEN 'failed' THEN 'worker_lost' ELSE 'cancelled' END,
                    CASE status WHEN 'failed' THEN 'killed 3 workers; the last: ' || reason END);
            END IF;
            PERFORM jobctl.note_event('reap', job.id, job.project_id, job.queue, reason);
            RETURN NEXT;
        END LOOP;
        DELETE FROM jobctl.claims c WHERE c.worker_id = w.worker_id;
        DELETE FROM jobctl.workers d WHERE d.worker_id = w.worker_id;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.reap(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.reap(uuid[], text) TO jobctl_worker, jobctl_operator;
