-- drop: FUNCTION jobctl.stat_count(jsonb, text)
--
-- A counter among a job's stats, which are whatever the job said: 0 if it said nothing
-- or no number, null if it said null.
CREATE OR REPLACE FUNCTION jobctl.stat_count(stats jsonb, name text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(stats -> name)
           WHEN 'number' THEN greatest(-2147483648, least(2147483647, (stats ->> name)::numeric))::integer
           WHEN 'null' THEN NULL ELSE 0 END;
