-- drop: FUNCTION jobctl.add_dependencies(uuid, uuid[], uuid[])
--
-- Make a job just submitted wait for others.  A needed job that is still live is
-- locked until we commit, so that it cannot end unseen in between (finish()
-- passes over a locked row and is called again).
CREATE OR REPLACE FUNCTION jobctl.add_dependencies(job_id uuid, after uuid[], after_ok uuid[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    need record;
    ended text;
    waits integer := 0;
BEGIN
    FOR need IN
        SELECT n.id, bool_or(n.ok) AS ok
        FROM (SELECT unnest(after) AS id, false AS ok UNION ALL SELECT unnest(after_ok), true) n
        GROUP BY n.id ORDER BY n.id
    LOOP
        PERFORM FROM jobctl.jobs j
        WHERE j.id = need.id AND (visible IS NULL OR j.project_id = ANY (visible))
        FOR KEY SHARE;
        IF FOUND THEN
            INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
            SELECT j.id, need.id, need.ok, j.project_id FROM jobctl.jobs j WHERE j.id = add_dependencies.job_id;
            waits := waits + 1;
            CONTINUE;
        END IF;
        SELECT f.status INTO ended FROM jobctl.finished_jobs f
        WHERE f.id = need.id AND (visible IS NULL OR f.project_id = ANY (visible));
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such job %s to wait for', need.id);
        ELSIF need.ok AND ended <> 'completed' THEN
            -- all of them, so that it waits for them should it be retried
            INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
            SELECT j.id, n.id, bool_or(n.ok), j.project_id
            FROM jobctl.jobs j, (SELECT unnest(after) AS id, false AS ok UNION ALL SELECT unnest(after_ok), true) n
            WHERE j.id = add_dependencies.job_id
            GROUP BY j.id, n.id, j.project_id
            ON CONFLICT DO NOTHING;
            PERFORM jobctl.end_jobs(ARRAY[add_dependencies.job_id], 'cancelled', 'dependency',
                                    format('job %s, which must complete first, is %s', need.id, ended));
            RETURN;
        END IF;
    END LOOP;
    UPDATE jobctl.jobs j SET blockers = waits WHERE j.id = add_dependencies.job_id AND waits > 0;
END
$$;
REVOKE ALL ON FUNCTION jobctl.add_dependencies(uuid, uuid[], uuid[]) FROM PUBLIC;
