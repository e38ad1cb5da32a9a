-- drop: FUNCTION jobctl.arg_uuid(jsonb, text)
--
-- A UUID among arguments or results, which may be anything: null if it is none.
CREATE OR REPLACE FUNCTION jobctl.arg_uuid(args jsonb, name text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN args ->> name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (args ->> name)::uuid END;
