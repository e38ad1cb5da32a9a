-- drop: FUNCTION jobctl.job_key(text, text, jsonb, text)
--
-- The unique key of a job whose kind is unique by an argument.  A path is the same
-- path however many slashes and "/./" it has; what is too long for a key is hashed.
-- JC065 if the caller gave a key of its own.
CREATE OR REPLACE FUNCTION jobctl.job_key(kind text, unique_arg text, args jsonb, given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text := args ->> unique_arg;
    key text;
BEGIN
    IF given IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('a job of kind "%s" is unique by its %s, it has no other key', kind, unique_arg),
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
REVOKE ALL ON FUNCTION jobctl.job_key(text, text, jsonb, text) FROM PUBLIC;
