-- drop: FUNCTION jobctl.count_ends()
--
-- Count what ended since the last time into job_counts, once a minute, and 10,000 ends
-- at a time, so that whoever does it is not kept long: true if there are more.  Costs
-- claims and finishes nothing.  One at a time, and ten times a second at most, however
-- many workers there are: who comes meanwhile leaves it be.
--
-- An end that was written but is not committed yet must not be passed over.  Whoever
-- writes one has the table's lock until then, and dates it in the statement that took
-- that (in a subquery, or each row had its own moment), so only those that hold it now can have one from before: counting stops where they began.
CREATE OR REPLACE FUNCTION jobctl.count_ends() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
    upto timestamptz := clock_timestamp() - interval '1 s';
    slice timestamptz;
BEGIN
    SELECT u.counted_until INTO since FROM jobctl.counted u
    WHERE u.counted_until < upto - interval '1 min'
      AND u.counted_at NOT BETWEEN clock_timestamp() - interval '100 ms' AND clock_timestamp()
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Nobody knows when a prepared transaction began, nor one that may not be looked at.
    upto := least(upto, (SELECT min(coalesce(a.xact_start, '-infinity'))
                         FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
                         WHERE l.relation IN ('jobctl.finished_jobs'::regclass, 'jobctl.job_attempts'::regclass)
                           AND l.mode = 'RowExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
                           AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())));
    IF upto <= since THEN
        RETURN false;
    END IF;
    -- those of one moment are counted together, however many they are
    slice := (SELECT min(b.at) + interval '1 microsecond'
              FROM ((SELECT f.completed_at AS at FROM jobctl.finished_jobs f
                     WHERE f.completed_at >= since AND f.completed_at < upto
                     ORDER BY f.completed_at OFFSET 9999 LIMIT 1)
                    UNION ALL
                    (SELECT a.ended_at FROM jobctl.job_attempts a
                     WHERE a.ended_at >= since AND a.ended_at < upto
                     ORDER BY a.ended_at OFFSET 9999 LIMIT 1)) b);
    upto := coalesce(slice, upto);
    UPDATE jobctl.counted SET counted_until = upto, counted_at = clock_timestamp();

    -- what ended together began together, mostly: that is put together first, and cheaply
    MERGE INTO jobctl.job_counts o
    USING (SELECT date_trunc('minute', e.ended_at) AS at, e.project_id, e.queue, e.kind, e.status, e.outcome,
                  jobctl.run_bucket(e.started_at, e.ended_at) AS bucket, sum(e.n)::bigint AS n,
                  coalesce(sum(e.n * date_part('epoch', e.ended_at - e.started_at)), 0) AS run_s
           FROM (SELECT f.completed_at AS ended_at, f.started_at, f.project_id, f.queue, f.kind, f.status, f.outcome,
                        count(*) AS n
                 FROM jobctl.finished_jobs f WHERE f.completed_at >= since AND f.completed_at < upto
                 GROUP BY 1, 2, 3, 4, 5, 6, 7
                 UNION ALL
                 SELECT a.ended_at, a.started_at, a.project_id, a.queue, a.kind, coalesce(a.ended_as, 'retried'),
                        a.outcome, count(*)
                 FROM jobctl.job_attempts a WHERE a.ended_at >= since AND a.ended_at < upto
                 GROUP BY 1, 2, 3, 4, 5, 6, 7) e
           GROUP BY 1, 2, 3, 4, 5, 6, 7) c
    ON o.at = c.at AND o.project_id = c.project_id AND o.queue = c.queue AND o.kind = c.kind
       AND o.status = c.status AND o.outcome = c.outcome AND o.bucket IS NOT DISTINCT FROM c.bucket
    WHEN MATCHED THEN
        UPDATE SET n = o.n + c.n, run_s = o.run_s + c.run_s
    WHEN NOT MATCHED THEN
        INSERT (at, project_id, queue, kind, status, outcome, bucket, n, run_s)
        VALUES (c.at, c.project_id, c.queue, c.kind, c.status, c.outcome, c.bucket, c.n, c.run_s);

    IF date_trunc('minute', since) < date_trunc('minute', upto) THEN
        WITH buckets AS (
            SELECT o.project_id, o.kind, o.bucket, sum(o.n) AS n
            FROM jobctl.job_counts o
            WHERE o.status = 'completed' AND o.bucket IS NOT NULL
              AND (o.project_id, o.kind) IN (SELECT c.project_id, c.kind FROM jobctl.job_counts c
                                             WHERE c.at >= date_trunc('minute', since))
            GROUP BY o.project_id, o.kind, o.bucket
        ), sums AS (
            SELECT b.*, sum(b.n) OVER (PARTITION BY b.project_id, b.kind ORDER BY b.bucket) AS upto,
                   sum(b.n) OVER (PARTITION BY b.project_id, b.kind) AS total
            FROM buckets b
        )
        INSERT INTO jobctl.kind_seconds AS k (project_id, kind, n, p50_s, p95_s)
        SELECT s.project_id, s.kind, max(s.total),     -- the middle of the bucket, on its scale
               2 ^ ((min(s.bucket) FILTER (WHERE s.upto >= 0.5 * s.total) - 0.5) / 4),
               2 ^ ((min(s.bucket) FILTER (WHERE s.upto >= 0.95 * s.total) - 0.5) / 4)
        FROM sums s GROUP BY s.project_id, s.kind
        ON CONFLICT (project_id, kind) DO UPDATE SET n = excluded.n, p50_s = excluded.p50_s, p95_s = excluded.p95_s;
    END IF;
    IF date_trunc('hour', since) < date_trunc('hour', upto) THEN
        PERFORM jobctl.fold_counts('hour', date_trunc('hour', upto) - interval '1 day');
    END IF;
    IF date_trunc('day', since) < date_trunc('day', upto) THEN
        PERFORM jobctl.fold_counts(NULL, date_trunc('day', upto) - interval '31 days');
    END IF;
    RETURN slice IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION jobctl.count_ends() FROM PUBLIC;
