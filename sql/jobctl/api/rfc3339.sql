-- drop: FUNCTION jobctl.rfc3339(timestamptz)
CREATE OR REPLACE FUNCTION jobctl.rfc3339(t timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
    RETURN to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
