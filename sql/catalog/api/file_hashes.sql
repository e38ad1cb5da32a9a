-- drop: FUNCTION catalog.file_hashes(uuid, uuid, text[])
-- after: check_run
--
-- The hashes of stored files, for each of these paths: null if nothing is stored by
-- this path, or if it is to be replaced whatever it is.
CREATE OR REPLACE FUNCTION catalog.file_hashes(repository uuid, token uuid, paths text[])
RETURNS TABLE (place bigint, content_hash text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    redo_before timestamptz := (SELECT r.redo_before FROM catalog.index_runs r
                                WHERE r.repository_id = file_hashes.repository);
BEGIN
    PERFORM catalog.check_run(repository, token);
    RETURN QUERY
    SELECT l.place, CASE WHEN f.indexed_at < redo_before THEN NULL ELSE f.content_hash END
    FROM unnest(paths) WITH ORDINALITY AS l(path, place)
    LEFT JOIN catalog.code_files f
           ON f.repository_id = file_hashes.repository AND f.relative_path = l.path AND NOT f.is_deleted
    ORDER BY l.place;
END
$$;
REVOKE ALL ON FUNCTION catalog.file_hashes(uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.file_hashes(uuid, uuid, text[]) TO jobctl_worker, jobctl_operator;
