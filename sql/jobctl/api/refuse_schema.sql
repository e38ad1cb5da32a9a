-- drop: FUNCTION jobctl.refuse_schema(integer, integer, integer)
--
-- The part of require_schema() for a schema of a version that does not fit.
CREATE OR REPLACE FUNCTION jobctl.refuse_schema(have integer, oldest integer, newest integer) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF have > newest THEN
        RAISE EXCEPTION USING ERRCODE = 'JC076',
            MESSAGE = format('the schema is at version %s and this program knows no later one than %s', have, newest),
            HINT = 'install a newer jobctl on this host';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'JC076',
        MESSAGE = format('the schema is at version %s and this program needs %s', have, oldest),
        HINT = 'run: jobctl-migrate up';
END
$$;
