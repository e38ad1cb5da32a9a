-- drop: FUNCTION jobctl.cancel(uuid[], text)
--
-- One that waits is cancelled at once; one that runs is told through its worker,
-- and is cancelled when its command has ended.  Returns a row for each job found,
-- with what it was and what it is now: cancelled, running (it has been told), or
-- what it had become before.  One that somebody took by hand is cancelled at once too:
-- there is no worker to tell, and what they say of it later is refused.
CREATE OR REPLACE FUNCTION jobctl.cancel(ids uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    todo uuid[];
    told uuid[];
    ended uuid[];
    by_hand uuid[];
    answered uuid[] := ARRAY[]::uuid[];
BEGIN
    PERFORM jobctl.require_read_committed();
    LOOP    -- again for a job that was claimed, or given back, between the two locks
        todo := ARRAY(SELECT j.id FROM jobctl.jobs j
                      WHERE j.id = ANY (ids) AND j.id <> ALL (answered)
                        AND (visible IS NULL OR j.project_id = ANY (visible)));
        EXIT WHEN todo = '{}';
        -- the weaker lock: a job that runs can go on reporting, and be waited for
        told := ARRAY(SELECT j.id FROM jobctl.jobs j
                      WHERE j.id = ANY (todo) AND j.status = 'running' ORDER BY j.id FOR NO KEY UPDATE);
        ended := ARRAY(SELECT j.id FROM jobctl.jobs j
                       WHERE j.id = ANY (todo) AND j.status <> 'running' ORDER BY j.id FOR UPDATE);
        PERFORM jobctl.mark_running(ended);
        told := told || ARRAY(SELECT j.id FROM jobctl.jobs j WHERE j.id = ANY (ended) AND j.status = 'running');
        ended := ARRAY(SELECT unnest(ended) EXCEPT SELECT unnest(told));
        by_hand := ARRAY(SELECT j.id FROM jobctl.jobs j JOIN jobctl.workers w ON w.worker_id = j.worker_id AND w.pid = 0
                         WHERE j.id = ANY (told));
        RETURN QUERY SELECT j.id, j.status, CASE WHEN j.status = 'running' AND j.id <> ALL (by_hand) THEN 'running'
                                                 ELSE 'cancelled' END
                     FROM jobctl.jobs j WHERE j.id = ANY (told || ended);
        PERFORM jobctl.note_events('cancel', told || ended, why);
        UPDATE jobctl.jobs j SET cancel_requested_at = now() WHERE j.id = ANY (told) AND j.cancel_requested_at IS NULL;
        PERFORM pg_notify('jobctl_' || replace(j.worker_id::text, '-', ''), 'cancel')
        FROM jobctl.jobs j WHERE j.id = ANY (told);
        PERFORM jobctl.cancel_by_hand(by_hand, why);
        PERFORM jobctl.end_jobs(ended, 'cancelled', 'cancelled', coalesce(why, 'cancelled by ' || jobctl.caller()));
        answered := answered || told || ended;
    END LOOP;
    RETURN QUERY SELECT f.id, f.status, f.status FROM jobctl.finished_jobs f
                 WHERE f.id = ANY (ids) AND f.id <> ALL (answered)
                   AND (visible IS NULL OR f.project_id = ANY (visible));
END
$$;
REVOKE ALL ON FUNCTION jobctl.cancel(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.cancel(uuid[], text) TO jobctl_submitter, jobctl_operator;
