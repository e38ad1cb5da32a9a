-- drop: FUNCTION catalog.list_files(uuid, uuid, text, bigint)
-- after: check_run
--
-- A repository's files that are not deleted, in the order of their paths' bytes,
-- those after "after" (null: from the first), at most "max" of them: path, size, time
-- in microseconds since 1970, and whether it is no text.  The time is null if the file
-- must be looked into whatever its time: unreadable when last seen, or to be indexed
-- again.
CREATE OR REPLACE FUNCTION catalog.list_files(repository uuid, token uuid, after text, max bigint)
RETURNS TABLE (path text, size bigint, "time" bigint, "binary" boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    redo_before timestamptz := (SELECT r.redo_before FROM catalog.index_runs r
                                WHERE r.repository_id = list_files.repository);
BEGIN
    PERFORM catalog.check_run(repository, token);
    RETURN QUERY
    SELECT l.path, l.size, (extract(epoch FROM l.time) * 1000000)::bigint, l.is_binary
    FROM (SELECT f.relative_path, f.size_bytes,
                 CASE WHEN f.content_hash IS NOT NULL AND (f.indexed_at < redo_before) IS NOT TRUE
                 THEN f.modified_at END, false
          FROM catalog.code_files f
          WHERE f.repository_id = list_files.repository AND NOT f.is_deleted
            AND f.relative_path > coalesce(list_files.after, '')
          UNION ALL
          SELECT b.relative_path, b.size_bytes, CASE WHEN redo_before IS NULL THEN b.modified_at END, true
          FROM catalog.binary_files b
          WHERE b.repository_id = list_files.repository AND b.relative_path > coalesce(list_files.after, '')
          ORDER BY 1 LIMIT list_files.max) AS l(path, size, time, is_binary);
END
$$;
REVOKE ALL ON FUNCTION catalog.list_files(uuid, uuid, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.list_files(uuid, uuid, text, bigint) TO jobctl_worker, jobctl_operator;
