-- drop: FUNCTION catalog.count_files(uuid, uuid)
-- after: check_run
--
-- How many files of a repository are known and not deleted, binary ones included.
CREATE OR REPLACE FUNCTION catalog.count_files(repository uuid, token uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM catalog.check_run(repository, token);
    RETURN (SELECT count(*) FROM catalog.code_files f
            WHERE f.repository_id = count_files.repository AND NOT f.is_deleted)
         + (SELECT count(*) FROM catalog.binary_files b WHERE b.repository_id = count_files.repository);
END
$$;
REVOKE ALL ON FUNCTION catalog.count_files(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.count_files(uuid, uuid) TO jobctl_worker, jobctl_operator;
