-- drop: FUNCTION jobctl.fold_counts(text, timestamptz)
--
-- What was counted before that time is kept by the hour, or (unit null) as one.
CREATE OR REPLACE FUNCTION jobctl.fold_counts(unit text, before timestamptz) RETURNS void
LANGUAGE sql AS $$
    WITH old AS (
        DELETE FROM jobctl.job_counts c
        WHERE c.at < before AND (unit IS NULL OR c.at > '-infinity' AND c.at <> date_trunc(unit, c.at))
        RETURNING c.*
    )
    INSERT INTO jobctl.job_counts (at, project_id, queue, kind, status, outcome, bucket, n, run_s)
    SELECT coalesce(date_trunc(unit, o.at), '-infinity'), o.project_id, o.queue, o.kind, o.status, o.outcome,
           o.bucket, sum(o.n), sum(o.run_s)
    FROM old o GROUP BY 1, 2, 3, 4, 5, 6, 7
$$;
REVOKE ALL ON FUNCTION jobctl.fold_counts(text, timestamptz) FROM PUBLIC;
