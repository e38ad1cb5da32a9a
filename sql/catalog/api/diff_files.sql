-- drop: FUNCTION catalog.diff_files(uuid, uuid, text[], bigint[], timestamptz[])
-- after: check_run
--
-- What to do about these files.  Those that are stored and did not change are not
-- returned, except binary ones: they have binary set.  The others are to be looked
-- into: not known yet, other size or time, unreadable when last seen, or to be
-- indexed again.  Returns their places in the arrays, whether there is anything by
-- this path, and the hash of what is stored (null if there is none, or if it is to
-- be replaced whatever it is).
CREATE OR REPLACE FUNCTION catalog.diff_files(
    repository uuid, token uuid, paths text[], sizes bigint[], times timestamptz[])
RETURNS TABLE (place bigint, known boolean, "binary" boolean, content_hash text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    redo_before timestamptz := (SELECT r.redo_before FROM catalog.index_runs r
                                WHERE r.repository_id = diff_files.repository);
BEGIN
    PERFORM catalog.check_run(repository, token);
    RETURN QUERY
    SELECT l.place, f.id IS NOT NULL OR b.relative_path IS NOT NULL,
           (b.size_bytes = l.size AND b.modified_at = l.time AND redo_before IS NULL) IS TRUE,
           CASE WHEN f.indexed_at < redo_before THEN NULL ELSE f.content_hash END
    FROM unnest(paths, sizes, times) WITH ORDINALITY AS l(path, size, time, place)
    LEFT JOIN catalog.code_files f
           ON f.repository_id = diff_files.repository AND f.relative_path = l.path AND NOT f.is_deleted
    LEFT JOIN catalog.binary_files b
           ON b.repository_id = diff_files.repository AND b.relative_path = l.path
    WHERE f.id IS NULL OR f.size_bytes <> l.size OR f.modified_at IS DISTINCT FROM l.time
       OR f.content_hash IS NULL OR f.indexed_at < redo_before;
END
$$;
REVOKE ALL ON FUNCTION catalog.diff_files(uuid, uuid, text[], bigint[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.diff_files(uuid, uuid, text[], bigint[], timestamptz[])
    TO jobctl_worker, jobctl_operator;
