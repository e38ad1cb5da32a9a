-- drop: FUNCTION jobctl.require_schema(integer, integer)
--
-- Every program asks this first.  JC076 unless the schema's version lies between
-- the oldest and the newest the program knows.
CREATE OR REPLACE FUNCTION jobctl.require_schema(oldest integer, newest integer) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    have integer := (SELECT max(m.version) FROM jobctl.schema_migrations m WHERE m.set = 'jobctl');
BEGIN
    IF have IS NULL OR have < oldest THEN
        RAISE EXCEPTION USING ERRCODE = 'JC076',
            MESSAGE = format('the schema is at version %s and this program needs %s', coalesce(have, 0), oldest),
            HINT = 'run: jobctl-migrate up';
    ELSIF have > newest THEN
        RAISE EXCEPTION USING ERRCODE = 'JC076',
            MESSAGE = format('the schema is at version %s and this program knows no later one than %s', have, newest),
            HINT = 'install a newer jobctl on this host';
    END IF;
END
$$;
