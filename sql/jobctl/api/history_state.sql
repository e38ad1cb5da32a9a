-- drop: FUNCTION jobctl.history_state()
--
-- Of each partitioned table: the first week, by its Monday, that has no partition yet,
-- and how many rows are in the default partition for want of one (100,000: or more).
CREATE OR REPLACE FUNCTION jobctl.history_state()
RETURNS TABLE ("table" text, until timestamptz, stray_rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.name,
           (SELECT min(w.monday) AT TIME ZONE 'UTC'
            FROM (SELECT date_trunc('week', now() AT TIME ZONE 'UTC') + n * interval '1 week'
                  FROM generate_series(0, 53) n) w(monday)
            WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relispartition
                              AND c.oid = to_regclass('jobctl.' || t.name || to_char(w.monday, '"_"YYYYMMDD')))),
           t.stray_rows
    FROM (SELECT 'finished_jobs', (SELECT count(*) FROM (SELECT FROM jobctl.finished_jobs_default LIMIT 100000) r)
          UNION ALL
          SELECT 'job_attempts', (SELECT count(*) FROM (SELECT FROM jobctl.job_attempts_default LIMIT 100000) r)
          UNION ALL
          SELECT 'job_output', (SELECT count(*) FROM (SELECT FROM jobctl.job_output_default LIMIT 100000) r)
         ) t(name, stray_rows)
$$;
REVOKE ALL ON FUNCTION jobctl.history_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.history_state() TO jobctl_operator, jobctl_reader;
