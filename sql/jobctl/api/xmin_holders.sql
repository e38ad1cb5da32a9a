-- drop: FUNCTION jobctl.xmin_holders()
--
-- Who keeps VACUUM from removing dead rows of this database, the oldest first: a
-- session with an open transaction, a prepared transaction, a replication slot, a
-- standby with hot_standby_feedback.  transactions: how many began since; age_s is null
-- where the server does not know it.  A session's query is for operators only.
CREATE OR REPLACE FUNCTION jobctl.xmin_holders()
RETURNS TABLE (holder text, pid integer, name text, role text, application text, client text, state text,
               age_s double precision, transactions bigint, query text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.holder, h.pid, h.name, h.role, h.application, h.client, h.state,
           CASE WHEN h.age_s < 0 THEN 0 ELSE h.age_s END, greatest(h.transactions, 0),
           CASE WHEN (SELECT pg_has_role(jobctl.caller(), 'jobctl_operator', 'USAGE')) THEN h.query END
    FROM (
        -- a VACUUM ignores others, and a parallel worker goes with its leader
        SELECT 'session', a.pid, NULL, a.usename::text, a.application_name, host(a.client_addr), a.state,
               extract(epoch FROM clock_timestamp() - a.xact_start)::double precision,
               greatest(age(a.backend_xid), age(a.backend_xmin))::bigint, left(a.query, 1000)
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.leader_pid IS NULL
          AND a.backend_type <> 'walsender' AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
          AND a.pid NOT IN (SELECT v.pid FROM pg_stat_progress_vacuum v)
        UNION ALL
        SELECT 'prepared', NULL, x.gid, x.owner::text, NULL, NULL, 'prepared',
               extract(epoch FROM clock_timestamp() - x.prepared)::double precision,
               age(x.transaction)::bigint, NULL
        FROM pg_prepared_xacts x WHERE x.database = current_database()
        UNION ALL
        SELECT 'slot', s.active_pid, s.slot_name::text, NULL, NULL, NULL,
               CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL,
               greatest(age(s.xmin), age(s.catalog_xmin))::bigint, NULL
        FROM pg_replication_slots s WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
        UNION ALL
        SELECT 'standby', r.pid, NULL, r.usename::text, r.application_name, host(r.client_addr), r.state,
               NULL, age(r.backend_xmin)::bigint, NULL
        FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
    ) h(holder, pid, name, role, application, client, state, age_s, transactions, query)
    ORDER BY h.transactions DESC, h.age_s DESC NULLS LAST
$$;
REVOKE ALL ON FUNCTION jobctl.xmin_holders() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.xmin_holders() TO jobctl_operator, jobctl_reader;
