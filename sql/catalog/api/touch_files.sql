-- drop: FUNCTION catalog.touch_files(uuid, uuid, text[], bigint[], timestamptz[])
-- after: check_run
--
-- Files whose content proved to be what is stored: take note of their new times.
CREATE OR REPLACE FUNCTION catalog.touch_files(
    repository uuid, token uuid, paths text[], sizes bigint[], times timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM catalog.check_run(repository, token);
    UPDATE catalog.code_files f SET modified_at = n.time, size_bytes = n.size
    FROM unnest(paths, sizes, times) AS n(path, size, time)
    WHERE f.repository_id = touch_files.repository AND f.relative_path = n.path AND NOT f.is_deleted;
END
$$;
REVOKE ALL ON FUNCTION catalog.touch_files(uuid, uuid, text[], bigint[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.touch_files(uuid, uuid, text[], bigint[], timestamptz[])
    TO jobctl_worker, jobctl_operator;
