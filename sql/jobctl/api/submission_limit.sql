-- drop: FUNCTION jobctl.limit_submissions(text, integer)
-- drop: FUNCTION jobctl.count_submissions(text, integer)
--
-- How many jobs may be submitted to a project within an hour.

-- n more, in the caller's transaction.  Exact however many submit at once, because each
-- holds the project's row until it commits; one that is rolled back was none.  What is not
-- known is refused: the row cannot be had in time, or the transaction cannot see the others.
--
-- An hour is any sixty minutes, and up to one more: kept are whole minutes.
CREATE OR REPLACE FUNCTION jobctl.count_submissions(project text, n integer) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '5s' AS $$
DECLARE
    per_hour integer;
    kept jobctl.submissions;
    since timestamptz;
    used bigint;
    room_at timestamptz;
BEGIN
    BEGIN
        INSERT INTO jobctl.submissions (project_id) VALUES (project) ON CONFLICT DO NOTHING;
        SELECT * INTO kept FROM jobctl.submissions s WHERE s.project_id = project FOR UPDATE;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('somebody''s transaction submits to project "%s", and does not end', project), HINT = 'try again';
    END;
    -- read only now: a limit that was set while we waited counts
    per_hour := (SELECT p.submits_per_hour FROM jobctl.projects p WHERE p.project_id = project);
    since := clock_timestamp();
    SELECT coalesce(array_agg(u.minute ORDER BY u.minute), '{}'), coalesce(array_agg(u.n ORDER BY u.minute), '{}'),
           coalesce(sum(u.n), 0)
    INTO kept.minutes, kept.counts, used
    FROM unnest(kept.minutes, kept.counts) AS u(minute, n) WHERE u.minute > since - interval '61 min';
    IF n > per_hour THEN
        RAISE EXCEPTION USING ERRCODE = 'JC065',
            MESSAGE = format('project "%s" may submit %s jobs an hour, and these are %s', project, per_hour, n),
            HINT = 'nothing was submitted; jobctl.limit_submissions() sets the limit';
    ELSIF used + n > per_hour THEN
        SELECT u.minute + interval '61 min' INTO room_at
        FROM (SELECT o.minute, sum(o.n) OVER (ORDER BY o.minute) AS upto
              FROM unnest(kept.minutes, kept.counts) AS o(minute, n)) u
        WHERE used - u.upto + n <= per_hour ORDER BY u.minute LIMIT 1;
        RAISE EXCEPTION USING ERRCODE = 'JC075',
            MESSAGE = format('project "%s" may submit %s jobs an hour, and has submitted %s', project, per_hour, used),
            HINT = format('try again at %s, in %s', jobctl.rfc3339(room_at), jobctl.span_text(room_at - since));
    END IF;
    IF kept.minutes[cardinality(kept.minutes)] = date_trunc('minute', since) THEN
        kept.counts[cardinality(kept.counts)] := kept.counts[cardinality(kept.counts)] + n;
    ELSE
        kept.minutes := kept.minutes || date_trunc('minute', since);
        kept.counts := kept.counts || n;
    END IF;
    UPDATE jobctl.submissions s SET minutes = kept.minutes, counts = kept.counts WHERE s.project_id = project;
END
$$;
REVOKE ALL ON FUNCTION jobctl.count_submissions(text, integer) FROM PUBLIC;

-- Set the limit (null: none), for those whom the project is not hidden from.
CREATE OR REPLACE FUNCTION jobctl.limit_submissions(project text, per_hour integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobctl.projects p SET submits_per_hour = per_hour
    WHERE p.project_id = project AND p.project_id IN (SELECT jobctl.visible_projects());
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such project "%s"', project);
    END IF;
    INSERT INTO jobctl.job_events (event, project_id, why)
    VALUES ('limit', project, coalesce('submits-per-hour=' || per_hour, 'no limit of submissions'));
END
$$;
REVOKE ALL ON FUNCTION jobctl.limit_submissions(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.limit_submissions(text, integer) TO jobctl_operator;
