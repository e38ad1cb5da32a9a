-- drop: FUNCTION jobctl.retry(uuid[], text, interval, jsonb)
--
-- Let jobs run again, now or after run_in, with edits put over their args.
--
--   completed failed cancelled   live again under the same id.  Its end becomes a part of its
--                                history; it may make as many attempts as it might at first,
--                                and waits again for what it had waited for when it ended
--   pending                      what was to come later comes now; attempts stay counted
--   running held                 is left as it is
--
-- Returns a row for each job found, with what it was and what it is now.
--
-- All or nothing.  Nothing is changed, and no row returned, if a unique key is taken by a
-- live job or wanted by two of these, or if somebody retries one of them at this moment
-- (JC075); or if one needs a job to complete that has failed and is not among them (JC001).
CREATE OR REPLACE FUNCTION jobctl.retry(ids uuid[], why text DEFAULT NULL, run_in interval DEFAULT NULL,
                                        edits jsonb DEFAULT NULL)
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET lock_timeout = '5s' AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    waiting uuid[];
    live uuid[];
    ended uuid[];
    raced uuid;
    keyed uuid[];
    keys text[];
BEGIN
    PERFORM jobctl.require_read_committed();
    IF jsonb_typeof(edits) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065', MESSAGE = 'edits must be a JSON object';
    END IF;
    waiting := ARRAY(SELECT j.id FROM jobctl.jobs j
                     WHERE j.id = ANY (ids) AND j.status = 'pending'
                       AND (j.wake_at IS NOT NULL OR run_in IS NOT NULL OR edits IS NOT NULL)
                       AND (visible IS NULL OR j.project_id = ANY (visible))
                     ORDER BY j.id FOR NO KEY UPDATE);
    PERFORM jobctl.mark_running(waiting);
    waiting := ARRAY(SELECT j.id FROM jobctl.jobs j WHERE j.id = ANY (waiting) AND j.status = 'pending' ORDER BY j.id);
    live := ARRAY(SELECT j.id FROM jobctl.jobs j
                  WHERE j.id = ANY (ids) AND (visible IS NULL OR j.project_id = ANY (visible)));
    -- one that was live just now is left alone, whatever it has become
    ended := ARRAY(SELECT f.id FROM jobctl.finished_jobs f
                   WHERE f.id = ANY (ids) AND f.id <> ALL (live)
                     AND (visible IS NULL OR f.project_id = ANY (visible))
                   ORDER BY f.id FOR UPDATE);
    SELECT j.id INTO raced FROM jobctl.jobs j
    WHERE j.id = ANY (ids) AND j.id <> ALL (live) AND (visible IS NULL OR j.project_id = ANY (visible)) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('somebody else retried job %s at this moment; nothing was changed', raced),
            HINT = 'jobctl-status ' || raced;
    END IF;
    RETURN QUERY SELECT j.id, j.status, j.status FROM jobctl.jobs j WHERE j.id = ANY (live);
    RETURN QUERY SELECT f.id, f.status, 'pending' FROM jobctl.finished_jobs f WHERE f.id = ANY (ended);

    SELECT array_agg(x.id), array_agg(CASE WHEN edits IS NULL OR k.unique_args IS NULL THEN x.unique_key
                                           ELSE jobctl.job_key(x.kind, k.unique_args, x.args || edits, NULL) END)
    INTO keyed, keys
    FROM (SELECT f.id, f.kind, f.args, f.unique_key FROM jobctl.finished_jobs f WHERE f.id = ANY (ended)
          UNION ALL
          SELECT j.id, j.kind, j.args, j.unique_key FROM jobctl.jobs j WHERE j.id = ANY (waiting)) x
    LEFT JOIN jobctl.kinds k ON k.kind = x.kind;
    PERFORM jobctl.refuse_taken_keys(keyed, keys);
    BEGIN
        UPDATE jobctl.jobs j
        SET args = CASE WHEN edits IS NULL THEN j.args ELSE j.args || edits END, unique_key = u.key,
            run_at = CASE WHEN moves THEN now() + coalesce(run_in, '0') ELSE j.run_at END,
            wake_at = CASE WHEN run_in > '0' THEN now() + run_in END,
            seq = CASE WHEN moves THEN nextval('jobctl.job_seq') ELSE j.seq END
        FROM unnest(keyed, keys) AS u(id, key)
        JOIN jobctl.jobs o ON o.id = u.id
        CROSS JOIN LATERAL (SELECT o.wake_at IS NOT NULL OR run_in IS NOT NULL AS moves) m
        WHERE j.id = u.id AND j.id = ANY (waiting);
        PERFORM jobctl.revive(ended, keyed, keys, run_in, edits);
    EXCEPTION WHEN unique_violation THEN
        PERFORM jobctl.refuse_taken_keys(keyed, keys);
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = 'the unique key of one of these jobs was taken until just now; nothing was changed',
            HINT = 'try again';
    END;
    PERFORM jobctl.note_events('retry', ended || waiting, why);
    IF edits IS NOT NULL THEN
        PERFORM jobctl.note_events('edit', ended || waiting, edits::text);
    END IF;
    PERFORM jobctl.wake_workers(q.queue)
    FROM (SELECT DISTINCT j.queue FROM jobctl.jobs j WHERE j.id = ANY (ended || waiting)) q;
END
$$;
REVOKE ALL ON FUNCTION jobctl.retry(uuid[], text, interval, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.retry(uuid[], text, interval, jsonb) TO jobctl_submitter, jobctl_operator;
