-- drop: FUNCTION jobctl.maintain()
--
-- What keeps a queue healthy, done by whichever worker comes by: dead workers'
-- jobs given back, jobs freed that were locked when what they waited for ended,
-- partitions made ahead, claims dropped whose jobs were all moved by hand, ends counted.  Cheap
-- when there is nothing to do.  Returns the jobs reaped, how many milliseconds it
-- is to the end of the next lease, if nobody renews that (NULL if there is none), and
-- whether there are more ends to be counted: to be called again soon.
CREATE OR REPLACE FUNCTION jobctl.maintain(OUT reaped integer, OUT lease_ms bigint, OUT behind boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    unsettled uuid[] := ARRAY(SELECT u.needs_id FROM jobctl.unsettled u LIMIT 1000 FOR UPDATE SKIP LOCKED);
BEGIN
    behind := jobctl.count_ends();
    reaped := (SELECT count(*) FROM jobctl.reap());
    IF unsettled <> '{}' THEN
        PERFORM jobctl.settle_dependents(unsettled);
        DELETE FROM jobctl.unsettled u
        WHERE u.needs_id = ANY (unsettled)
          AND NOT EXISTS (SELECT FROM jobctl.job_dependencies d WHERE d.needs_id = u.needs_id);
    END IF;
    DELETE FROM jobctl.claims c
    WHERE (c.token, c.queue, c.ahead) IN (
        SELECT o.token, o.queue, o.ahead FROM jobctl.claims o
        WHERE o.claimed_at < now() - interval '10 minutes'
          AND NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = ANY (o.ids)
                          AND (j.token = o.token OR o.ahead AND j.token IS NULL))
        FOR UPDATE SKIP LOCKED);
    IF to_regclass('jobctl.finished_jobs_' || to_char(date_trunc('week', now() AT TIME ZONE 'UTC')
                                                      + interval '2 weeks', 'YYYYMMDD')) IS NULL THEN
        PERFORM jobctl.ensure_partitions();
    END IF;
    lease_ms := (SELECT ceil(extract(epoch FROM min(w.lease_until) - clock_timestamp()) * 1000)
                 FROM jobctl.workers w WHERE w.lease_until > clock_timestamp());
END
$$;
REVOKE ALL ON FUNCTION jobctl.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.maintain() TO jobctl_worker, jobctl_operator;
