-- drop: FUNCTION jobctl.stand(uuid[], uuid[], text[])
--
-- What hold() and release() say of jobs that they leave as they are: those of ids that are
-- not changed and in the projects visible (null: all).
CREATE OR REPLACE FUNCTION jobctl.stand(ids uuid[], changed uuid[], visible text[])
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE sql STABLE
AS $$
    SELECT j.id, j.status, j.status FROM jobctl.jobs j
    WHERE j.id = ANY (ids) AND j.id <> ALL (changed) AND (visible IS NULL OR j.project_id = ANY (visible))
    UNION ALL
    SELECT f.id, f.status, f.status FROM jobctl.finished_jobs f
    WHERE f.id = ANY (ids) AND f.id <> ALL (changed) AND (visible IS NULL OR f.project_id = ANY (visible))
$$;
REVOKE ALL ON FUNCTION jobctl.stand(uuid[], uuid[], text[]) FROM PUBLIC;
