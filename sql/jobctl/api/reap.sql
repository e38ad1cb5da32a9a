-- drop: FUNCTION jobctl.reap(uuid[], text, boolean, uuid[], boolean)
--
-- Workers that are dead: those whose lease has run out, and those that the caller
-- has seen die (dead: their ids; why: the proof), which must be workers of its own
-- role unless it sees every project.  Their jobs go back to the queue with the
-- attempt given back and the crash counted; the third crash fails the job.
-- started: who knows which of the jobs of the dead had been started says so; the
-- others go back as they were.  crashed: false if the dead ended by their own
-- decision; no job is to blame then, and those that ran were interrupted.
-- Returns a row per job of the caller's projects: what became of it, and why.
-- With dry_run nothing changes: what would become of them now.
--
-- Waits for nobody: a job that somebody's transaction has locked keeps its dead
-- worker until the next call.
CREATE OR REPLACE FUNCTION jobctl.reap(dead uuid[] DEFAULT '{}', why text DEFAULT NULL, dry_run boolean DEFAULT false,
                                       started uuid[] DEFAULT NULL, crashed boolean DEFAULT true)
RETURNS TABLE (id uuid, worker uuid, status text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    w jobctl.workers;
    job jobctl.jobs;
BEGIN
    PERFORM jobctl.require_read_committed();
    FOR w IN
        SELECT * FROM jobctl.workers d
        WHERE d.lease_until < clock_timestamp()
           OR d.worker_id = ANY (dead) AND (visible IS NULL OR d.role_name = jobctl.caller())
        ORDER BY d.worker_id FOR UPDATE SKIP LOCKED
    LOOP
        reason := CASE WHEN w.pid = 0 THEN
            format('%s took it and has not said how it ended within %s', w.host, jobctl.span_text(w.lease))
        ELSE
            format('%s: %s pid %s, %s',
                   CASE WHEN crashed OR NOT w.worker_id = ANY (dead) THEN 'worker lost' ELSE 'interrupted' END,
                   w.host, w.pid,
                   CASE WHEN w.worker_id = ANY (dead) THEN left(why, 500)
                        ELSE to_char(w.lease_until AT TIME ZONE 'UTC', '"lease expired "YYYY-MM-DD"T"HH24:MI:SS"Z"') END)
        END;
        -- a finish under way is over when we have these
        PERFORM FROM jobctl.claims c WHERE c.worker_id = w.worker_id ORDER BY c.ahead DESC, c.token, c.queue FOR UPDATE;
        IF NOT dry_run THEN
            PERFORM jobctl.mark_running(ARRAY(
                SELECT j.id FROM jobctl.claims c JOIN jobctl.jobs j ON j.id = ANY (c.ids)
                WHERE c.worker_id = w.worker_id AND c.ahead AND j.status = 'pending'
                FOR NO KEY UPDATE OF j SKIP LOCKED), w.worker_id);
        END IF;
        FOR job IN
            SELECT j.* FROM jobctl.claims c
            JOIN jobctl.jobs j ON j.id = ANY (c.ids) AND (j.token = c.token OR dry_run AND c.ahead AND j.token IS NULL)
            WHERE c.worker_id = w.worker_id
            FOR UPDATE OF j SKIP LOCKED
        LOOP
            id := job.id;
            worker := w.worker_id;
            status := jobctl.lose_worker(job, w, reason, dry_run,
                started IS NULL OR job.id = ANY (started) OR NOT w.worker_id = ANY (dead),
                crashed OR NOT w.worker_id = ANY (dead));
            CONTINUE WHEN visible IS NOT NULL AND job.project_id <> ALL (visible);
            RETURN NEXT;
        END LOOP;
        CONTINUE WHEN dry_run;
        PERFORM jobctl.recount_claims(w.worker_id);
        DELETE FROM jobctl.workers d
        WHERE d.worker_id = w.worker_id AND NOT EXISTS (SELECT FROM jobctl.claims c WHERE c.worker_id = w.worker_id);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.reap(uuid[], text, boolean, uuid[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.reap(uuid[], text, boolean, uuid[], boolean) TO jobctl_worker, jobctl_operator;
