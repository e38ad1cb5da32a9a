-- drop: FUNCTION catalog.begin_index(text, text, text, uuid, boolean, boolean)
--
-- Begin a run over a repository, which is made if there is none with this path in
-- the project; with make false nothing is done then, and all is null.  JC075 if a
-- run over it is under way: that is, if the session that began it still exists.
-- The token is the caller's, random; every later call of the run names it, from this
-- session or another.
--
-- Returns the repository's id, whether it was ever indexed completely, and whether
-- files that did not change are to be indexed again: because this run is forced,
-- or because one that was forced did not end.  Unless they are, also what the last run
-- noted of a tree in which nothing had changed, if it was such a run (end_index), and
-- when it began, in microseconds since 1970; it is gone then, so that a run that does
-- not end leaves nothing that may be wrong.
CREATE OR REPLACE FUNCTION catalog.begin_index(
    project text, path text, name text, token uuid, force boolean, make boolean,
    OUT repository uuid, OUT indexed boolean, OUT redo boolean,
    OUT listing text, OUT files bigint, OUT binaries bigint, OUT since bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    session_key bigint := hashtextextended(format('catalog.repositories %s %s', project, path), 0);
    run catalog.index_runs;
BEGIN
    PERFORM jobctl.ensure_project(project);
    IF NOT make AND NOT EXISTS (SELECT FROM catalog.repositories r
                                WHERE r.project_id = project AND r.path = begin_index.path) THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_lock(session_key) THEN
        SELECT i.* INTO run FROM catalog.index_runs i JOIN catalog.repositories r ON r.id = i.repository_id
        WHERE r.project_id = project AND r.path = begin_index.path;
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('another run is indexing %s: %s', path,
                             coalesce(run.holder || ', since ' || to_char(run.started_at, 'HH24:MI:SS'),
                                      'it has just begun')),
            HINT = 'wait for it to end, then run this again';
    END IF;

    INSERT INTO catalog.repositories AS r (project_id, path, name) VALUES (project, begin_index.path, begin_index.name)
    ON CONFLICT ON CONSTRAINT uq_repository_path DO UPDATE SET is_active = true, name = excluded.name
    RETURNING r.id, r.last_indexed_at IS NOT NULL INTO repository, indexed;
    -- waits for what an earlier run, whose session was lost, is still writing
    PERFORM pg_advisory_xact_lock(hashtextextended('catalog.index_runs ' || repository::text, 0));
    SELECT i.listing, i.files, i.binaries, round(date_part('epoch', i.started_at) * 1000000)
    INTO listing, files, binaries, since FROM catalog.index_runs i
    WHERE i.repository_id = repository AND i.redo_before IS NULL AND NOT force;
    INSERT INTO catalog.index_runs AS i (repository_id, project_id, token, holder, started_at, redo_before)
    VALUES (repository, project, begin_index.token, current_setting('application_name'), now(),
            CASE WHEN force THEN now() END)
    ON CONFLICT (repository_id) DO UPDATE
    SET token = excluded.token, holder = excluded.holder, started_at = excluded.started_at,
        redo_before = coalesce(i.redo_before, excluded.redo_before),
        listing = NULL, files = NULL, binaries = NULL
    RETURNING i.redo_before IS NOT NULL INTO redo;
END
$$;
REVOKE ALL ON FUNCTION catalog.begin_index(text, text, text, uuid, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.begin_index(text, text, text, uuid, boolean, boolean)
    TO jobctl_worker, jobctl_operator;
