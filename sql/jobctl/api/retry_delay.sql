-- drop: FUNCTION jobctl.retry_delay(text, interval, interval, integer)
--
-- How long to wait after attempt number n failed: exponential from 10 s to 1 h
-- unless the job says otherwise, give or take a tenth so that jobs that failed
-- together do not come back together.  In seconds, because intervals overflow.
CREATE OR REPLACE FUNCTION jobctl.retry_delay(policy text, base interval, longest interval, n integer)
RETURNS interval
LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN make_interval(secs => least(
        extract(epoch FROM coalesce(base, '10 s'))::double precision
            * CASE coalesce(policy, 'exponential') WHEN 'exponential' THEN 2 ^ least(n - 1, 40) WHEN 'linear' THEN n ELSE 1 END,
        extract(epoch FROM coalesce(longest, greatest(base, '1 h')))::double precision)
        * (0.9 + 0.2 * random()));
