-- drop: FUNCTION jobctl.prune_events(uuid, interval, bigint)
-- drop: FUNCTION jobctl.prune_partition(uuid, text, interval, bigint)
-- drop: FUNCTION jobctl.drop_partition(text)
-- drop: FUNCTION jobctl.prune_end(uuid)
-- drop: FUNCTION jobctl.prune_begin(uuid)
-- drop: FUNCTION jobctl.prunable(interval)
--
-- Retention: partitions whose every row ended longer ago than is to be kept are
-- dropped whole.  No live job is in one.  Runs and output of jobs that are still
-- there, live ones and those that ended later, stay with them.

-- The partitions that are old enough (to keep less than a day is not possible), those
-- of jobs first, the oldest first; why_not says what keeps one nevertheless.  What is in
-- a default partition is not among them: ensure_partitions() gives it one of its own.
CREATE OR REPLACE FUNCTION jobctl.prunable(keep interval)
RETURNS TABLE ("table" text, partition text, since timestamptz, until timestamptz, rows bigint, bytes bigint, why_not text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET enable_seqscan = off AS $$
    SELECT p.relname, c.relname, w.monday, w.monday + interval '1 week',
           CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, pg_total_relation_size(c.oid),
           CASE WHEN p.relname = 'finished_jobs'
                     AND EXISTS (SELECT FROM jobctl.unsettled u JOIN jobctl.finished_jobs f ON f.id = u.needs_id
                                 WHERE f.completed_at >= w.monday AND f.completed_at < w.monday + interval '1 week')
                THEN 'a job waits for one of these, and has not been told yet'
                WHEN p.relname <> 'job_output'
                     AND w.monday + interval '1 week' > (SELECT u.counted_until FROM jobctl.counted u)
                THEN 'these are not counted yet' END
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT CASE WHEN c.relname ~ '_[0-9]{8}$'
                               THEN to_date(right(c.relname, 8), 'YYYYMMDD')::timestamptz END) AS w(monday)
    WHERE p.relnamespace = 'jobctl'::regnamespace AND p.relname IN ('finished_jobs', 'job_attempts', 'job_output')
      AND w.monday + interval '1 week' <= now() - greatest(keep, '1 day')
    ORDER BY p.relname <> 'finished_jobs', w.monday, p.relname
$$;

-- One prunes at a time, and says so again at least once a minute.  Who sees not every
-- project may not: it would drop what it does not see.
CREATE OR REPLACE FUNCTION jobctl.prune_begin(token uuid, OUT mine boolean, OUT client text, OUT since timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jobctl.project_filter() IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC077', MESSAGE = 'jobs of every project would go, and you do not see every project',
            HINT = 'connect as a role that is a member of jobctl_all_projects, too';
    END IF;
    DELETE FROM jobctl.pruning p WHERE p.lease_until < clock_timestamp();
    WHILE mine IS NULL LOOP       -- whose turn it was may end it before we have seen whose
        INSERT INTO jobctl.pruning AS p (token, client, lease_until)
        VALUES (prune_begin.token, coalesce(current_setting('application_name', true), ''), clock_timestamp() + interval '1 min')
        ON CONFLICT ((true)) DO UPDATE SET lease_until = excluded.lease_until WHERE p.token = excluded.token;
        SELECT p.token = prune_begin.token, p.client, p.since INTO mine, client, since FROM jobctl.pruning p;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION jobctl.prune_end(token uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM jobctl.pruning p WHERE p.token = prune_end.token
$$;

-- Whoever writes what ended has the parent locked, so ask for it for a moment only,
-- and again, rather than let everybody queue up behind us.
CREATE OR REPLACE FUNCTION jobctl.drop_partition(partition text) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '100ms' AS $$
BEGIN
    FOR i IN 1 .. 30 LOOP
        BEGIN
            EXECUTE format('DROP TABLE jobctl.%I', partition);
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.1 + 0.3 * random());
        END;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'JC075',
        MESSAGE = format('jobctl.%s cannot be dropped: somebody''s transaction reads or writes what ended', partition),
        HINT = 'try again; pg_locks says who';
END
$$;

-- Drop one that prunable() names; exported: how many rows of it were written elsewhere,
-- so that none is dropped that was not.  Returns what became of it: dropped; reduced to
-- the rows of jobs that are still there; kept, because all are; gone already.
CREATE OR REPLACE FUNCTION jobctl.prune_partition(token uuid, partition text, keep interval, exported bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET lock_timeout = '5s'
SET enable_seqscan = off
SET jit = off AS $$
DECLARE
    p record;
    stays text := partition || '_stays';
    n bigint;
    stay bigint := 0;
BEGIN
    IF NOT (SELECT b.mine FROM jobctl.prune_begin(token) b) THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075', MESSAGE = 'another took over: this one was silent for too long';
    END IF;
    SELECT * INTO p FROM jobctl.prunable(keep) o WHERE o.partition = prune_partition.partition AND o.why_not IS NULL;
    IF NOT FOUND THEN
        RETURN CASE WHEN to_regclass('jobctl.' || quote_ident(partition)) IS NULL THEN 'gone' ELSE 'kept' END;
    END IF;
    -- a job of this week that is retried now, and its run with it, waits for what becomes of the week
    EXECUTE format('LOCK TABLE jobctl.%I IN SHARE MODE', partition);
    EXECUTE format('SELECT count(*) FROM jobctl.%I', partition) INTO n;
    IF n <> exported THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('jobctl.%s has %s rows, and %s were exported: it stays', partition, n, exported);
    ELSIF p.table <> 'finished_jobs' AND n > 0 THEN
        EXECUTE format('CREATE TABLE jobctl.%I (LIKE jobctl.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', stays, p.table);
        EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', stays);
        EXECUTE format('INSERT INTO jobctl.%I SELECT o.* FROM jobctl.%I o WHERE o.job_id = ANY (ARRAY(
                            SELECT d.job_id FROM (SELECT DISTINCT i.job_id FROM jobctl.%I i) d
                            CROSS JOIN LATERAL (SELECT FROM jobctl.jobs j WHERE j.id = d.job_id LIMIT 1) live
                            UNION ALL
                            SELECT d.job_id FROM (SELECT DISTINCT i.job_id FROM jobctl.%I i) d
                            CROSS JOIN LATERAL (SELECT FROM jobctl.finished_jobs f WHERE f.id = d.job_id LIMIT 1) ended))',
                       stays, partition, partition, partition);
        GET DIAGNOSTICS stay = ROW_COUNT;
        IF stay = 0 OR stay = n THEN
            EXECUTE format('DROP TABLE jobctl.%I', stays);
        END IF;
    END IF;
    IF stay > 0 AND stay = n THEN
        RETURN 'kept';
    END IF;
    PERFORM jobctl.drop_partition(partition);
    IF stay = 0 THEN
        RETURN 'dropped';
    END IF;
    EXECUTE format('ALTER TABLE jobctl.%I RENAME TO %I', stays, partition);
    EXECUTE format('ALTER TABLE jobctl.%I ATTACH PARTITION jobctl.%I FOR VALUES FROM (%L) TO (%L)',
                   p.table, partition, p.since, p.until);
    RETURN 'reduced';
END
$$;

-- Events that are as old, of the next 5,000 behind the one given; those of live jobs
-- stay.  Returns the last one looked at, null when there is no older one left.
CREATE OR REPLACE FUNCTION jobctl.prune_events(token uuid, keep interval, behind bigint,
                                               OUT deleted bigint, OUT last bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
BEGIN
    IF NOT (SELECT b.mine FROM jobctl.prune_begin(token) b) THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075', MESSAGE = 'another took over: this one was silent for too long';
    END IF;
    WITH next AS MATERIALIZED (
        SELECT e.event_id, e.at, e.job_id FROM jobctl.job_events e
        WHERE e.event_id > behind ORDER BY e.event_id LIMIT 5000
    ), gone AS (
        DELETE FROM jobctl.job_events e
        WHERE e.event_id = ANY (ARRAY(SELECT n.event_id FROM next n
                                      WHERE n.at < now() - greatest(keep, '1 day')
                                        AND NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = n.job_id)))
        RETURNING e.event_id
    )
    -- they are numbered about as they are dated: what comes after an hour of newer ones is newer
    SELECT (SELECT count(*) FROM gone), max(n.event_id) FILTER (WHERE n.at < now() - keep + interval '1 hour')
    INTO deleted, last FROM next n;
END
$$;
REVOKE ALL ON FUNCTION jobctl.prunable(interval), jobctl.prune_begin(uuid), jobctl.prune_end(uuid), jobctl.drop_partition(text),
    jobctl.prune_partition(uuid, text, interval, bigint), jobctl.prune_events(uuid, interval, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.prunable(interval) TO jobctl_operator, jobctl_reader;
GRANT EXECUTE ON FUNCTION jobctl.prune_begin(uuid), jobctl.prune_end(uuid),
    jobctl.prune_partition(uuid, text, interval, bigint), jobctl.prune_events(uuid, interval, bigint) TO jobctl_operator;
