-- drop: FUNCTION jobctl.pause_queue(text, text, interval)
-- drop: FUNCTION jobctl.resume_queue(text)
-- drop: FUNCTION jobctl.limit_queue(text, integer)
-- drop: FUNCTION jobctl.drained(text[])
-- drop: FUNCTION jobctl.lock_queues()
-- drop: FUNCTION jobctl.note_queue_event(text, text, text)
--
-- Settings of a queue: an operator pauses it (what runs, runs on) until somebody
-- resumes it or for some time, and limits how many of its jobs run at once on all
-- hosts together (null: no limit).  Each returns what was before, and changes
-- nothing and notes nothing if that is what is wanted.
CREATE OR REPLACE FUNCTION jobctl.note_queue_event(event text, queue text, why text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO jobctl.job_events (event, queue, why) VALUES (event, queue, left(why, 1000))
$$;

-- Wait for claims under way, which may have read the old setting: they hold ROW SHARE
-- since before they read it (claim()).  Those that come meanwhile wait for us, so not
-- for long.
CREATE OR REPLACE FUNCTION jobctl.lock_queues() RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '2s' AS $$
BEGIN
    LOCK TABLE jobctl.queues IN EXCLUSIVE MODE;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION USING ERRCODE = 'JC075',
        MESSAGE = 'somebody''s transaction claims jobs, or changes a queue, and does not end',
        HINT = 'try again; pg_locks says who locks jobctl.queues';
END
$$;

-- When this has returned and is committed, nothing of the queue starts.
CREATE OR REPLACE FUNCTION jobctl.pause_queue(queue text, why text DEFAULT NULL, pause_for interval DEFAULT NULL,
    OUT was_at timestamptz, OUT was_by text, OUT was_why text, OUT was_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' AS $$
DECLARE
    until timestamptz := clock_timestamp() + pause_for;
    was jobctl.queues;
BEGIN
    PERFORM jobctl.lock_queues();
    SELECT * INTO was FROM jobctl.queues q
    WHERE q.queue = pause_queue.queue AND q.paused_at IS NOT NULL
      AND coalesce(q.paused_until > clock_timestamp(), true);
    IF was.paused_at IS NULL OR was.paused_why IS DISTINCT FROM coalesce(left(why, 1000), was.paused_why)
       OR was.paused_until IS DISTINCT FROM until THEN
        INSERT INTO jobctl.queues AS q (queue, paused_at, paused_by, paused_why, paused_until)
        VALUES (queue, clock_timestamp(), jobctl.caller(), coalesce(left(why, 1000), was.paused_why), until)
        ON CONFLICT ON CONSTRAINT queues_pkey DO UPDATE
        SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, paused_why = excluded.paused_why,
            paused_until = excluded.paused_until;
        PERFORM jobctl.note_queue_event('pause', queue,
            concat_ws(' ', why, to_char(until, '"(until "YYYY-MM-DD"T"HH24:MI:SS"Z)"')));
    END IF;
    SELECT was.paused_at, was.paused_by, was.paused_why, was.paused_until INTO was_at, was_by, was_why, was_until;
END
$$;

CREATE OR REPLACE FUNCTION jobctl.resume_queue(queue text,
    OUT was_at timestamptz, OUT was_by text, OUT was_why text, OUT was_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    was jobctl.queues;
BEGIN
    SELECT * INTO was FROM jobctl.queues q WHERE q.queue = resume_queue.queue FOR NO KEY UPDATE;
    UPDATE jobctl.queues q SET paused_at = NULL, paused_by = NULL, paused_why = NULL, paused_until = NULL
    WHERE q.queue = resume_queue.queue AND q.paused_at IS NOT NULL;
    IF was.paused_at IS NULL OR was.paused_until <= clock_timestamp() THEN
        RETURN;
    END IF;
    PERFORM jobctl.note_queue_event('resume', queue, NULL);
    PERFORM jobctl.wake_workers(queue, NULL);
    SELECT was.paused_at, was.paused_by, was.paused_why, was.paused_until INTO was_at, was_by, was_why, was_until;
END
$$;

CREATE OR REPLACE FUNCTION jobctl.limit_queue(queue text, max_running integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was integer;
BEGIN
    PERFORM jobctl.lock_queues();
    was := (SELECT q.max_running FROM jobctl.queues q WHERE q.queue = limit_queue.queue);
    IF was IS DISTINCT FROM max_running THEN
        INSERT INTO jobctl.queues AS q (queue, max_running) VALUES (queue, max_running)
        ON CONFLICT ON CONSTRAINT queues_pkey DO UPDATE SET max_running = excluded.max_running;
        PERFORM jobctl.note_queue_event('limit', queue, coalesce('max-running=' || max_running, 'no limit'));
        PERFORM jobctl.wake_workers(queue, NULL);
    END IF;
    RETURN was;
END
$$;

-- What still runs of queues, whoever's jobs those are, and whether they are paused.
CREATE OR REPLACE FUNCTION jobctl.drained(queues text[])
RETURNS TABLE (queue text, running integer, paused boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.name, jobctl.running_in_queue(u.name),
           EXISTS (SELECT FROM jobctl.queues q WHERE q.queue = u.name AND q.paused_at IS NOT NULL
                   AND coalesce(q.paused_until > clock_timestamp(), true))
    FROM unnest(queues) WITH ORDINALITY AS u(name, n) ORDER BY u.n
$$;
REVOKE ALL ON FUNCTION jobctl.pause_queue(text, text, interval), jobctl.resume_queue(text),
    jobctl.limit_queue(text, integer), jobctl.drained(text[]), jobctl.lock_queues(),
    jobctl.note_queue_event(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.pause_queue(text, text, interval), jobctl.resume_queue(text),
    jobctl.limit_queue(text, integer), jobctl.drained(text[]) TO jobctl_operator;
