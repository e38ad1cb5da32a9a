-- drop: FUNCTION catalog.list_files(uuid, uuid, boolean, text, bigint)
-- after: check_run
--
-- A repository's files, either the texts that are not deleted or the binary ones, in
-- the order of their paths' bytes, those after "after" (null: from the first), at most
-- "max" of them: path, size, and time in microseconds since 1970.  The time is null if
-- the file must be looked into whatever its time: unreadable when last seen, or to be
-- indexed again.
--
-- CPU for 10,000 rows: 15 ms with ORDER BY answered by the index, 27 ms with a sort,
-- which the planner prefers, and with numeric instead of double, which holds
-- microseconds exactly until 2106.
CREATE OR REPLACE FUNCTION catalog.list_files(
    repository uuid, token uuid, "binary" boolean, after text, max bigint)
RETURNS TABLE (path text, size bigint, "time" bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_sort = off AS $$
DECLARE
    redo_before timestamptz := (SELECT r.redo_before FROM catalog.index_runs r
                                WHERE r.repository_id = list_files.repository);
BEGIN
    PERFORM catalog.check_run(repository, token);
    IF list_files.binary THEN
        RETURN QUERY
        SELECT b.relative_path, b.size_bytes,
               round(date_part('epoch', CASE WHEN redo_before IS NULL THEN b.modified_at END) * 1000000)::bigint
        FROM catalog.binary_files b
        WHERE b.repository_id = list_files.repository AND b.relative_path > coalesce(list_files.after, '')
        ORDER BY b.relative_path LIMIT list_files.max;
    ELSE
        RETURN QUERY
        SELECT f.relative_path, f.size_bytes,
               round(date_part('epoch', CASE WHEN f.content_hash IS NOT NULL
                                              AND (f.indexed_at < redo_before) IS NOT TRUE
                                             THEN f.modified_at END) * 1000000)::bigint
        FROM catalog.code_files f
        WHERE f.repository_id = list_files.repository AND NOT f.is_deleted
          AND f.relative_path > coalesce(list_files.after, '')
        ORDER BY f.relative_path LIMIT list_files.max;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION catalog.list_files(uuid, uuid, boolean, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.list_files(uuid, uuid, boolean, text, bigint)
    TO jobctl_worker, jobctl_operator;
