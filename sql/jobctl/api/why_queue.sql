-- drop: FUNCTION jobctl.why_queue(text)
--
-- Why jobs of a queue are not running, or how it stands with it, as jobctl.why() says
-- it of a job: what keeps all of them, then what keeps some of those at its head (the
-- first thousand), then what is wrong with those that run.  Without anything of that
-- kind one row says how it goes: Idle, or Busy.  No row if nobody has heard of the queue.
CREATE OR REPLACE FUNCTION jobctl.why_queue(queue text)
RETURNS TABLE (reason text, healthy boolean, why text, next text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    q record;
    head uuid[];
    r record;
    said boolean := false;
BEGIN
    SELECT s.* INTO q FROM jobctl.queue_state(ARRAY[why_queue.queue]) s;
    IF NOT q.seen THEN
        RETURN;
    END IF;
    -- of each reason the job that has it first, which tells it for all
    head := ARRAY(SELECT j.id FROM jobctl.jobs j
                  WHERE j.queue = why_queue.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
                  ORDER BY j.priority DESC, j.seq LIMIT 1000)
         || ARRAY(SELECT o.id FROM jobctl.running_jobs() o WHERE o.queue = why_queue.queue);
    FOR r IN
        SELECT u.reason, count(*) AS n, (array_agg(j.id ORDER BY j.id))[1] AS first, j.status
        FROM jobctl.job j CROSS JOIN LATERAL unnest(j.reasons) WITH ORDINALITY AS u(reason, nth)
        WHERE j.live AND j.id = ANY (head) AND u.reason NOT IN ('Behind', 'Ready', 'Healthy')
        GROUP BY u.reason, j.status
        ORDER BY j.status, min(u.nth)
    LOOP
        FOR reason, healthy, why, next IN SELECT w.* FROM jobctl.why(r.first) w WHERE w.reason = r.reason LOOP
            -- what is the queue's is said of the queue, what is a job's of the job
            IF r.reason NOT IN ('QueuePaused', 'ConcurrencyLimit', 'NoWorker') THEN
                why := format('%s %s%s; %s %s', r.n, CASE WHEN r.status = 'running' THEN 'running' ELSE 'ready' END,
                              CASE WHEN r.n = 1000 THEN ' or more' ELSE '' END,
                              CASE WHEN r.n > 1 THEN 'the first,' ELSE 'that is' END, r.first) || ': ' || why;
                next := ARRAY['jobctl-explain ' || r.first] || next;
            END IF;
            said := true;
            RETURN NEXT;
        END LOOP;
    END LOOP;
    IF said THEN
        RETURN;
    END IF;
    healthy := true;
    reason := CASE WHEN q.ready + q.running > 0 THEN 'Busy' ELSE 'Idle' END;
    why := CASE WHEN q.ready + q.running > 0 THEN 'jobs run, and nothing keeps the others but those before them'
                ELSE 'no job is ready' END
        || CASE WHEN q.scheduled > 0 THEN format('; the next is due in %s', jobctl.span_text(
                (SELECT min(j.wake_at) - now() FROM jobctl.jobs j
                 WHERE j.status = 'pending' AND j.wake_at > now() AND j.queue = why_queue.queue))) ELSE '' END
        || CASE WHEN q.held > 0 THEN format('; %s held', q.held) ELSE '' END
        || CASE WHEN q.blocked > 0 THEN format('; %s wait for other jobs', q.blocked) ELSE '' END;
    next := CASE WHEN q.held > 0 THEN ARRAY[format('jobctl-release -q %s --dry-run', why_queue.queue)] ELSE '{}' END;
    IF q.ready = 0 AND q.running = 0 AND q.paused_at IS NOT NULL THEN
        RETURN QUERY SELECT 'QueuePaused', false, format('paused %s ago by %s%s', jobctl.span_text(now() - q.paused_at),
            q.paused_by, coalesce(': ' || q.paused_why, '')), ARRAY['jobctl-queue resume -q ' || why_queue.queue];
        RETURN;
    END IF;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION jobctl.why_queue(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.why_queue(text) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
