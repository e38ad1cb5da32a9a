-- drop: FUNCTION jobctl.release(uuid[], text)
--
-- Let held jobs go, to the end of the queue.  Returns a row for each job found, with what it
-- was and what it is now: pending, or, if it was not held, what it is.
CREATE OR REPLACE FUNCTION jobctl.release(ids uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    held uuid[] := ARRAY(SELECT j.id FROM jobctl.jobs j
                         WHERE j.id = ANY (ids) AND j.status = 'held'
                           AND (visible IS NULL OR j.project_id = ANY (visible))
                         ORDER BY j.id FOR NO KEY UPDATE);
BEGIN
    UPDATE jobctl.jobs j
    SET status = 'pending', seq = nextval('jobctl.job_seq'), run_at = greatest(j.run_at, now())
    WHERE j.id = ANY (held);
    PERFORM jobctl.note_events('release', held, why);
    PERFORM jobctl.wake_workers(q.queue)
    FROM (SELECT DISTINCT j.queue FROM jobctl.jobs j WHERE j.id = ANY (held)) q;
    RETURN QUERY SELECT u.id, 'held', 'pending' FROM unnest(held) AS u(id);
    RETURN QUERY SELECT s.* FROM jobctl.stand(ids, held, visible) s;
END
$$;
REVOKE ALL ON FUNCTION jobctl.release(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.release(uuid[], text) TO jobctl_submitter, jobctl_operator;
