-- drop: FUNCTION jobctl.left_cancelled(uuid[])
--
-- For whoever has just retried these jobs: those that were cancelled because they needed one
-- of them to complete, or needed one of those, and so on, and are cancelled still.
CREATE OR REPLACE FUNCTION jobctl.left_cancelled(ids uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
    WITH RECURSIVE fallen AS MATERIALIZED (     -- since the first of these had ended
        SELECT f.id, unnest(f.after_ok) AS needs_id FROM jobctl.finished_jobs f
        WHERE f.status <> 'completed' AND f.outcome = 'dependency'
          AND f.completed_at >= (SELECT min(a.ended_at) FROM jobctl.job_attempts a
                                 WHERE a.job_id = ANY (ids) AND a.ended_as <> 'completed')
    ), lost AS (
        SELECT n.id FROM fallen n WHERE n.needs_id = ANY (ids)
        UNION
        SELECT n.id FROM lost l JOIN fallen n ON n.needs_id = l.id
    )
    SELECT l.id FROM lost l ORDER BY l.id
$$;
REVOKE ALL ON FUNCTION jobctl.left_cancelled(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.left_cancelled(uuid[]) TO jobctl_submitter, jobctl_operator;
