-- drop: FUNCTION jobctl.hold(uuid[], text)
--
-- Keep pending jobs from starting.  Returns a row for each job found, with what it was and
-- what it is now: held, or, if it was neither pending nor held, what it is.
CREATE OR REPLACE FUNCTION jobctl.hold(ids uuid[], why text DEFAULT NULL)
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    held uuid[] := ARRAY(SELECT j.id FROM jobctl.jobs j
                         WHERE j.id = ANY (ids) AND j.status = 'pending'
                           AND (visible IS NULL OR j.project_id = ANY (visible))
                         ORDER BY j.id FOR NO KEY UPDATE);
BEGIN
    PERFORM jobctl.require_read_committed();
    PERFORM jobctl.mark_running(held);
    held := ARRAY(SELECT j.id FROM jobctl.jobs j WHERE j.id = ANY (held) AND j.status = 'pending' ORDER BY j.id);
    UPDATE jobctl.jobs j SET status = 'held' WHERE j.id = ANY (held);
    PERFORM jobctl.note_events('hold', held, why);
    RETURN QUERY SELECT u.id, 'pending', 'held' FROM unnest(held) AS u(id);
    RETURN QUERY SELECT s.* FROM jobctl.stand(ids, held, visible) s;
END
$$;
REVOKE ALL ON FUNCTION jobctl.hold(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.hold(uuid[], text) TO jobctl_submitter, jobctl_operator;
