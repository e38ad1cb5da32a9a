-- drop: FUNCTION jobctl.row_lockers(uuid)
--
-- Who has a live job's row locked: sessions, and prepared transactions (no pid, gid is
-- what to say to ROLLBACK PREPARED).  The query is for operators, who would see it in
-- pg_stat_activity as well; what the server does not show to the owner of this
-- function is null.
--
-- Read off the row itself and not by trying to lock it, which would make a claim at
-- that moment pass it over.  xmax is a transaction, or a list of several
-- (a multixact), which nothing but looking tells apart.
CREATE OR REPLACE FUNCTION jobctl.row_lockers(job uuid)
RETURNS TABLE (pid integer, gid text, username text, application text, client text, state text, since timestamptz, query text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    operator boolean := pg_has_role(jobctl.caller(), 'jobctl_operator', 'USAGE');
    holders xid[] := ARRAY(SELECT j.xmax FROM jobctl.jobs j
                           WHERE j.id = job AND j.xmax <> '0' AND (visible IS NULL OR j.project_id = ANY (visible)));
BEGIN
    IF holders = '{}' THEN
        RETURN;
    END IF;
    BEGIN
        holders := holders || ARRAY(SELECT m.xid FROM pg_get_multixact_members(holders[1]) m WHERE m.mode <> 'keysh');
    EXCEPTION WHEN OTHERS THEN
        NULL;   -- no multixact has this number
    END;
    RETURN QUERY
        SELECT l.pid, x.gid, coalesce(a.usename, x.owner)::text, a.application_name,
               coalesce(a.client_addr::text, 'local'), coalesce(a.state, CASE WHEN l.pid IS NULL THEN 'prepared' END),
               coalesce(a.xact_start, x.prepared), CASE WHEN operator THEN left(a.query, 200) END
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LEFT JOIN pg_prepared_xacts x ON l.pid IS NULL AND x.transaction = l.transactionid
        WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
          AND l.transactionid = ANY (holders) AND l.pid IS DISTINCT FROM pg_backend_pid();
END
$$;
REVOKE ALL ON FUNCTION jobctl.row_lockers(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.row_lockers(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
