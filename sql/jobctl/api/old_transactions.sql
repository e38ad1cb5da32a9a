-- drop: FUNCTION jobctl.old_transactions()
--
-- Transactions that have been open for more than two seconds and have an id: a row
-- whose xmax is one of them is locked, and a claim passes it over without a word.  Two
-- seconds, because a claim or an end under way is none of an operator's business.
CREATE OR REPLACE FUNCTION jobctl.old_transactions() RETURNS SETOF xid
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.transactionid
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND (a.xact_start IS NULL OR a.xact_start < clock_timestamp() - interval '2 s')
$$;
REVOKE ALL ON FUNCTION jobctl.old_transactions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.old_transactions() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
