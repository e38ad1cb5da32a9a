-- drop: VIEW jobctl.table_state
--
-- Size and dead rows of each of our tables, the partitions of one taken together; bytes
-- with indexes and TOAST.  Rows are the server's estimates.
CREATE OR REPLACE VIEW jobctl.table_state WITH (security_invoker = true) AS
SELECT CASE r.relnamespace WHEN 'jobctl'::regnamespace THEN '' ELSE n.nspname || '.' END || r.relname AS "table",
       r.relkind = 'p' AS partitioned,
       sum(pg_catalog.pg_total_relation_size(c.oid))::bigint AS bytes,
       sum(s.n_live_tup)::bigint AS live_rows, sum(s.n_dead_tup)::bigint AS dead_rows,
       max(s.last_vacuum) AS last_vacuum, max(s.last_autovacuum) AS last_autovacuum,
       bool_or('autovacuum_enabled=false' = ANY (c.reloptions)) IS TRUE AS never_vacuumed
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_class r ON r.oid = coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' AND n.nspname IN ('jobctl', 'catalog', 'tracking')
GROUP BY r.oid, r.relname, r.relnamespace, r.relkind, n.nspname;
GRANT SELECT ON jobctl.table_state TO jobctl_operator, jobctl_reader;
