-- drop: FUNCTION jobctl.pause_queue(text, text)
-- drop: FUNCTION jobctl.resume_queue(text)
-- drop: FUNCTION jobctl.limit_queue(text, integer)
-- drop: FUNCTION jobctl.note_queue_event(text, text, text)
--
-- Settings of a queue: an operator pauses it (what runs, runs on), resumes it, and
-- limits how many of its jobs run at once on all hosts together (null: no limit).
CREATE OR REPLACE FUNCTION jobctl.note_queue_event(event text, queue text, why text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO jobctl.job_events (event, queue, why) VALUES (event, queue, left(why, 1000))
$$;

CREATE OR REPLACE FUNCTION jobctl.pause_queue(queue text, why text DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobctl.queues AS q (queue, paused_at, paused_by, paused_why)
    VALUES (queue, now(), jobctl.caller(), left(why, 1000))
    ON CONFLICT (queue) DO UPDATE
    SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, paused_why = excluded.paused_why;
    SELECT jobctl.note_queue_event('pause', queue, why)
$$;

CREATE OR REPLACE FUNCTION jobctl.resume_queue(queue text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    UPDATE jobctl.queues q SET paused_at = NULL, paused_by = NULL, paused_why = NULL
    WHERE q.queue = resume_queue.queue;
    SELECT jobctl.note_queue_event('resume', queue, NULL);
    SELECT jobctl.wake_workers(queue)
$$;

CREATE OR REPLACE FUNCTION jobctl.limit_queue(queue text, max_running integer) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobctl.queues AS q (queue, max_running) VALUES (queue, max_running)
    ON CONFLICT (queue) DO UPDATE SET max_running = excluded.max_running;
    SELECT jobctl.note_queue_event('limit', queue, coalesce('max-running=' || max_running, 'no limit'));
    SELECT jobctl.wake_workers(queue)
$$;
REVOKE ALL ON FUNCTION jobctl.pause_queue(text, text), jobctl.resume_queue(text),
    jobctl.limit_queue(text, integer), jobctl.note_queue_event(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.pause_queue(text, text), jobctl.resume_queue(text),
    jobctl.limit_queue(text, integer) TO jobctl_operator;
