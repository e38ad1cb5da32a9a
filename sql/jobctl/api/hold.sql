-- drop: FUNCTION jobctl.hold(uuid[], text)
--
-- Keep pending jobs from starting.  Returns those that are held now.
CREATE OR REPLACE FUNCTION jobctl.hold(ids uuid[], why text DEFAULT NULL) RETURNS SETOF uuid
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
    UPDATE jobctl.jobs j SET status = 'held' WHERE j.id = ANY (held);
    PERFORM jobctl.note_events('hold', held, why);
    RETURN QUERY SELECT unnest(held);
END
$$;
REVOKE ALL ON FUNCTION jobctl.hold(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.hold(uuid[], text) TO jobctl_submitter, jobctl_operator;
