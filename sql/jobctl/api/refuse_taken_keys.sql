-- drop: FUNCTION jobctl.refuse_taken_keys(uuid[], text[])
--
-- The part of retry() that names what is in the way: JC075 if one of keys, which the jobs
-- are about to have, is that of a live job beside them, or of two of them.
CREATE OR REPLACE FUNCTION jobctl.refuse_taken_keys(ids uuid[], keys text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    taken record;
BEGIN
    -- live and ended jobs have their projects in two tables
    FOR taken IN
        WITH wanted AS MATERIALIZED (
            SELECT u.id, u.key, f.project_id
            FROM unnest(ids, keys) AS u(id, key) JOIN jobctl.finished_jobs f ON f.id = u.id WHERE u.key IS NOT NULL
            UNION ALL
            SELECT u.id, u.key, j.project_id
            FROM unnest(ids, keys) AS u(id, key) JOIN jobctl.jobs j ON j.id = u.id WHERE u.key IS NOT NULL
        )
        SELECT w.id, w.key, o.id AS other, o.status FROM wanted w
        JOIN jobctl.jobs o ON o.project_id = w.project_id AND o.unique_key = w.key AND o.id <> ALL (ids)
        UNION ALL
        SELECT min(w.id::text)::uuid, w.key, max(w.id::text)::uuid, NULL FROM wanted w
        GROUP BY w.project_id, w.key HAVING count(*) > 1
        LIMIT 1
    LOOP
        IF taken.status IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'JC075',
                MESSAGE = format('jobs %s and %s have the same unique key "%s": one of them can be live; nothing was changed',
                                 taken.id, taken.other, taken.key),
                HINT = 'retry one of them, and the other jobs by their ids';
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('job %s cannot be retried: job %s, which is %s, has its unique key "%s"; nothing was changed',
                             taken.id, taken.other, taken.status, taken.key),
            HINT = 'that job does the work; to run this one too, first jobctl-wait ' || taken.other;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.refuse_taken_keys(uuid[], text[]) FROM PUBLIC;
