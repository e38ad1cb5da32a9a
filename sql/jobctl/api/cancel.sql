-- drop: FUNCTION jobctl.cancel(uuid[], text)
--
-- One that waits is cancelled at once; one that runs is told through its worker,
-- and is cancelled when its command has ended.  Returns a row for each job found,
-- with what it was and what it is now: cancelled, running (it has been told), or
-- what it had become before.
CREATE OR REPLACE FUNCTION jobctl.cancel(ids uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    job jobctl.jobs;
    told uuid[] := '{}';
BEGIN
    FOR job IN
        SELECT * FROM jobctl.jobs j
        WHERE j.id = ANY (ids) AND (visible IS NULL OR j.project_id = ANY (visible))
        ORDER BY j.id FOR UPDATE
    LOOP
        id := job.id;
        was := job.status;
        IF job.status = 'running' THEN
            status := 'running';
            UPDATE jobctl.jobs j SET cancel_requested_at = coalesce(j.cancel_requested_at, now())
            WHERE j.id = job.id;
            PERFORM pg_notify('jobctl_' || replace(job.worker_id::text, '-', ''), 'cancel');
        ELSE
            status := 'cancelled';
            -- one that depended on a job before it in this list is gone already
            CONTINUE WHEN NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = job.id);
            PERFORM jobctl.end_jobs(ARRAY[job.id], 'cancelled', 'cancelled', coalesce(why, 'cancelled by ' || jobctl.caller()));
        END IF;
        PERFORM jobctl.note_event('cancel', job.id, job.project_id, job.queue, why);
        told := told || job.id;
        RETURN NEXT;
    END LOOP;
    -- not by time: one that ended while its lock was waited for ended after now()
    RETURN QUERY
        SELECT f.id, f.status, f.status FROM jobctl.finished_jobs f
        WHERE f.id = ANY (ids) AND f.id <> ALL (told) AND (visible IS NULL OR f.project_id = ANY (visible));
END
$$;
REVOKE ALL ON FUNCTION jobctl.cancel(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.cancel(uuid[], text) TO jobctl_submitter, jobctl_operator;
