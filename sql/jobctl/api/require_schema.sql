-- drop: FUNCTION jobctl.require_schema(integer, integer)
-- after: refuse_schema
--
-- Every program asks this first.  JC076 unless the schema's version lies between
-- the oldest and the newest the program knows.  The version is the number of the
-- newest migration, said here so that no session opens a table to learn it: these
-- functions are there only while that is the newest applied.  One expression, parsed
-- already, which becomes part of the statement that asks.
CREATE OR REPLACE FUNCTION jobctl.require_schema(oldest integer, newest integer) RETURNS void
LANGUAGE sql STABLE
RETURN CASE WHEN 4 BETWEEN oldest AND newest THEN NULL ELSE jobctl.refuse_schema(4, oldest, newest) END;
