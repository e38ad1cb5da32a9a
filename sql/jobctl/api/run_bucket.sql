-- drop: FUNCTION jobctl.run_bucket(timestamptz, timestamptz)
--
-- Which bucket of job_counts a run belongs to: b if it took more than 2^((b-1)/4)
-- and at most 2^(b/4) seconds, at least -40 (a millisecond) and at most 96 (half a
-- year).  Null if it never began.
CREATE OR REPLACE FUNCTION jobctl.run_bucket(started_at timestamptz, ended_at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    -- a little less: 0.25 s belongs to the bucket that ends there, whatever ln() rounds to
    RETURN CASE WHEN started_at IS NOT NULL THEN
        least(96, ceil(4 * ln(greatest(date_part('epoch', ended_at - started_at), 0.0009765625))
                       / ln(2::double precision) - 1e-9))::integer END;
