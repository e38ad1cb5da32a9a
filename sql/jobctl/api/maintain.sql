-- drop: FUNCTION jobctl.maintain()
--
-- What keeps a queue healthy, done by whichever worker comes by: dead workers'
-- jobs given back, partitions made ahead, claims dropped whose jobs were all
-- moved by hand.  Cheap when there is nothing to do.  Returns the jobs reaped.
CREATE OR REPLACE FUNCTION jobctl.maintain() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reaped integer := (SELECT count(*) FROM jobctl.reap());
BEGIN
    IF to_regclass('jobctl.finished_jobs_' || to_char(date_trunc('week', now() AT TIME ZONE 'UTC')
                                                      + interval '2 weeks', 'YYYYMMDD')) IS NULL THEN
        PERFORM jobctl.ensure_partitions();
    END IF;
    DELETE FROM jobctl.claims c
    WHERE c.claimed_at < now() - interval '10 minutes'
      AND NOT EXISTS (SELECT FROM unnest(c.ids) AS i(id)
                      JOIN jobctl.jobs j ON j.id = i.id AND j.token = c.token);
    RETURN reaped;
END
$$;
REVOKE ALL ON FUNCTION jobctl.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.maintain() TO jobctl_worker, jobctl_operator;
