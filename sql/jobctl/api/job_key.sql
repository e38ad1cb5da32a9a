-- drop: FUNCTION jobctl.job_key(text, text[], jsonb, text)
--
-- The unique key of a job whose kind is unique by an argument: the first of these that it
-- has.  A path is the same path however many slashes and "/./" it has; what is too long for
-- a key is hashed.  JC065 if the caller gave a key of its own; without any of the arguments
-- it has that one.
CREATE OR REPLACE FUNCTION jobctl.job_key(kind text, unique_args text[], args jsonb, given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    arg text;
    value text;
    key text;
BEGIN
    FOREACH arg IN ARRAY unique_args LOOP
        value := args ->> arg;
        EXIT WHEN value IS NOT NULL;
    END LOOP;
    IF value IS NULL THEN
        RETURN given;
    ELSIF given IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('a job of kind "%s" is unique by its %s, it has no other key', kind, arg),
            HINT = 'leave out the unique key';
    END IF;
    IF value LIKE '/%' THEN
        value := regexp_replace(value || '/', '/([.]?/)+', '/', 'g');
        value := coalesce(nullif(rtrim(value, '/'), ''), '/');
    END IF;
    key := kind || ':' || value;
    RETURN CASE WHEN octet_length(key) > 1000 THEN encode(sha256(convert_to(key, 'UTF8')), 'hex') ELSE key END;
END
$$;
REVOKE ALL ON FUNCTION jobctl.job_key(text, text[], jsonb, text) FROM PUBLIC;
