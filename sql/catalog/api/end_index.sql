-- drop: FUNCTION catalog.end_index(uuid, uuid, text, text, bigint, bigint)
-- after: check_run
--
-- The run has seen the whole repository, of which this commit was checked out.  If
-- nothing had changed: the SHA-256 of the tree's listing, and how many files it has,
-- for the next run, which reads the catalog's list only if its own differs.
CREATE OR REPLACE FUNCTION catalog.end_index(
    repository uuid, token uuid, commit_sha text, listing text, files bigint, binaries bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r catalog.repositories;
BEGIN
    PERFORM catalog.check_run(repository, token);
    UPDATE catalog.repositories u SET last_indexed_at = now(), commit_sha = end_index.commit_sha
    WHERE u.id = repository RETURNING * INTO r;
    UPDATE catalog.index_runs i SET token = NULL, redo_before = NULL, listing = end_index.listing,
        files = end_index.files, binaries = end_index.binaries
    WHERE i.repository_id = repository;
    PERFORM pg_advisory_unlock(hashtextextended(format('catalog.repositories %s %s', r.project_id, r.path), 0));
END
$$;
REVOKE ALL ON FUNCTION catalog.end_index(uuid, uuid, text, text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.end_index(uuid, uuid, text, text, bigint, bigint) TO jobctl_worker, jobctl_operator;
