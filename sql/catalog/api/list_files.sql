-- drop: FUNCTION catalog.list_files(uuid, uuid, text, bigint)
-- after: check_run
--
-- The paths of a repository's files that are not deleted, also of binary ones, in
-- order, those after "after" (null: from the first), at most "max" of them.
CREATE OR REPLACE FUNCTION catalog.list_files(repository uuid, token uuid, after text, max bigint)
RETURNS TABLE (path text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM catalog.check_run(repository, token);
    RETURN QUERY
    SELECT f.relative_path FROM catalog.code_files f
    WHERE f.repository_id = list_files.repository AND NOT f.is_deleted
      AND f.relative_path > coalesce(list_files.after, '')
    UNION ALL
    SELECT b.relative_path FROM catalog.binary_files b
    WHERE b.repository_id = list_files.repository AND b.relative_path > coalesce(list_files.after, '')
    ORDER BY relative_path LIMIT list_files.max;
END
$$;
REVOKE ALL ON FUNCTION catalog.list_files(uuid, uuid, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.list_files(uuid, uuid, text, bigint) TO jobctl_worker, jobctl_operator;
