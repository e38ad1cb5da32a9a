-- drop: FUNCTION catalog.note_binaries(uuid, uuid, text[], bigint[], timestamptz[])
-- after: forget_files
--
-- Files that proved to be no text.  If they were text before, that is forgotten;
-- returns how many were.
CREATE OR REPLACE FUNCTION catalog.note_binaries(
    repository uuid, token uuid, paths text[], sizes bigint[], times timestamptz[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project text := catalog.check_run(repository, token);
    gone bigint := catalog.forget_files(repository, token, paths);
BEGIN
    INSERT INTO catalog.binary_files (repository_id, project_id, relative_path, size_bytes, modified_at)
    SELECT note_binaries.repository, project, n.path, n.size, n.time
    FROM unnest(paths, sizes, times) AS n(path, size, time);
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION catalog.note_binaries(uuid, uuid, text[], bigint[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.note_binaries(uuid, uuid, text[], bigint[], timestamptz[])
    TO jobctl_worker, jobctl_operator;
