-- drop: FUNCTION jobctl.lose_worker(jobctl.jobs, jobctl.workers, text, boolean, boolean, boolean)
--
-- The part of reap() for one running job, which the caller has locked: returns
-- what becomes of it, and with dry_run only that.  A job that was claimed and not
-- started cannot be what killed the worker; nor is any if the worker did not crash.
--
-- One that was taken by hand (take_job(): no process) has failed, because its time limit
-- is over.  Who took it has no token that would tell them from the next, so nobody may have
-- it next unless a person says so.
CREATE OR REPLACE FUNCTION jobctl.lose_worker(job jobctl.jobs, w jobctl.workers, reason text, dry_run boolean,
                                              started boolean, crashed boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    by_hand boolean := w.pid = 0;
    becomes text := CASE WHEN job.cancel_requested_at IS NOT NULL THEN 'cancelled'
                         WHEN by_hand THEN 'failed'
                         WHEN started AND crashed AND job.crashes >= 2 THEN 'failed' ELSE 'pending' END;
    outcome text := CASE WHEN by_hand AND becomes = 'failed' THEN 'timeout'
                         WHEN crashed THEN 'worker_lost' WHEN becomes = 'cancelled' THEN 'cancelled'
                         ELSE 'interrupted' END;
BEGIN
    IF dry_run THEN
        RETURN becomes;
    END IF;
    PERFORM jobctl.note_events('reap', ARRAY[job.id], reason);
    UPDATE jobctl.jobs j SET crashes = j.crashes + 1
    WHERE j.id = job.id AND started AND crashed AND NOT by_hand;
    IF becomes <> 'pending' THEN
        PERFORM jobctl.end_jobs(ARRAY[job.id], becomes, outcome,
            CASE WHEN becomes = 'failed' AND NOT by_hand THEN 'killed 3 workers; the last: ' || reason ELSE reason END);
        RETURN becomes;
    END IF;
    IF started THEN
        INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, worker_pid,
                                         worker_host, worker_id, outcome, project_id, queue, kind, error_message)
        VALUES (job.id, job.token, clock_timestamp(), job.started_at, job.attempt, w.pid, w.host, w.worker_id,
                outcome, job.project_id, job.queue, job.kind, reason);
    END IF;
    UPDATE jobctl.jobs j
    SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL, attempt = j.attempt - 1,
        seq = CASE WHEN started THEN nextval('jobctl.job_seq') ELSE j.seq END,
        run_at = CASE WHEN started THEN now() ELSE j.run_at END,
        error_message = CASE WHEN started THEN reason ELSE j.error_message END
    WHERE j.id = job.id;
    PERFORM jobctl.wake_workers(job.queue);
    RETURN becomes;
END
$$;
REVOKE ALL ON FUNCTION jobctl.lose_worker(jobctl.jobs, jobctl.workers, text, boolean, boolean, boolean) FROM PUBLIC;
