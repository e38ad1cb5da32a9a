-- drop: FUNCTION jobctl.require_schema(integer, integer)
--
-- Every program asks this first.  JC076 unless the schema's version lies between
-- the oldest and the newest the program knows.  SQL, so that a program that only
-- looks does not wait for PL/pgSQL to be loaded.
CREATE OR REPLACE FUNCTION jobctl.require_schema(oldest integer, newest integer) RETURNS void
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN max(m.version) BETWEEN oldest AND newest THEN NULL
                ELSE jobctl.refuse_schema(max(m.version)::integer, oldest, newest) END
    FROM jobctl.schema_migrations m WHERE m.set = 'jobctl'
$$;
