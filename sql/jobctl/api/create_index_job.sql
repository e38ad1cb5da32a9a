-- drop: FUNCTION jobctl.create_index_job(uuid, text, text, text, uuid)
--
-- Submit a job that indexes a repository, at a ref and, if it is known by now, a commit.
-- Returns its id at once; if the repository has a live job, that one's.
--
-- If the catalog has the repository, the job has its path and is of its project; it is
-- JC065 to name another.  Else it is for whoever knows where the repository is, and for
-- the caller's own project if none is named, see home_project().
-- id: made by the caller, who can then say it again after a lost answer.
CREATE OR REPLACE FUNCTION jobctl.create_index_job(
    repository_id uuid, ref text DEFAULT NULL, commit_sha text DEFAULT NULL, project text DEFAULT NULL,
    id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known_path text;
    known_project text;
    args jsonb := jsonb_strip_nulls(jsonb_build_object('repository_id', repository_id, 'ref', ref, 'commit_sha', commit_sha));
BEGIN
    PERFORM jobctl.require_column('index_jobs', 'repository_id', repository_id IS NOT NULL);
    -- a set of its own, which a database need not have
    IF to_regclass('catalog.repositories') IS NOT NULL THEN
        EXECUTE 'SELECT r.path, r.project_id FROM catalog.repositories r WHERE r.id = $1'
        INTO known_path, known_project USING repository_id;
    END IF;
    IF known_project <> project THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('repository %s is of project "%s", not "%s"', repository_id, known_project, project);
    END IF;
    IF known_path LIKE '/%' THEN    -- and not quoted
        args := args || jsonb_build_object('repo_path', known_path);
    END IF;
    RETURN jobctl.submit('index', args, 'index', coalesce(known_project, project, jobctl.home_project()),
                         id => coalesce(create_index_job.id, jobctl.new_id()),
                         repeated => create_index_job.id IS NOT NULL);
END
$$;
REVOKE ALL ON FUNCTION jobctl.create_index_job(uuid, text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.create_index_job(uuid, text, text, text, uuid) TO jobctl_submitter, jobctl_operator;
