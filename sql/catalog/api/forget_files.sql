-- drop: FUNCTION catalog.forget_files(uuid, uuid, text[])
-- after: check_run
--
-- Mark files as deleted and drop their chunks.  Returns how many there were.
-- Binary files are just forgotten.
CREATE OR REPLACE FUNCTION catalog.forget_files(repository uuid, token uuid, paths text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids uuid[];
BEGIN
    PERFORM catalog.check_run(repository, token);
    WITH gone AS (
        UPDATE catalog.code_files f SET is_deleted = true, deleted_at = now()
        WHERE f.repository_id = forget_files.repository AND f.relative_path = ANY (paths) AND NOT f.is_deleted
        RETURNING f.id)
    SELECT array_agg(g.id) INTO ids FROM gone g;
    DELETE FROM catalog.code_chunks c WHERE c.code_file_id = ANY (ids);
    DELETE FROM catalog.binary_files b
    WHERE b.repository_id = forget_files.repository AND b.relative_path = ANY (paths);
    RETURN coalesce(cardinality(ids), 0);
END
$$;
REVOKE ALL ON FUNCTION catalog.forget_files(uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.forget_files(uuid, uuid, text[]) TO jobctl_worker, jobctl_operator;
