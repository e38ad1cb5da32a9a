-- drop: FUNCTION jobctl.why(uuid)
-- drop: FUNCTION jobctl.why_waits(jobctl.job, text)
-- drop: FUNCTION jobctl.why_runs(jobctl.job, text)
-- drop: FUNCTION jobctl.why_no_worker(jobctl.job, text)
-- drop: FUNCTION jobctl.told_locker(uuid)
--
-- Why a job is not running, or how it stands with one that is: a row for each of its
-- reasons, in their order, with the evidence, what to type next, and whether that is
-- well: a job that waits its turn is, one that nothing will run is not.  Of a job that
-- has ended the reason is its status.  A command is a program of ours with its
-- arguments, or SQL, which begins with a word in capitals.  No row: no such job.
--
-- What only the worker's host can know, whether its process is still there, is added
-- by jobctl-explain.

-- Who has the row locked, in words, and how to end it.
CREATE OR REPLACE FUNCTION jobctl.told_locker(job uuid, OUT who text, OUT next text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(concat_ws(', ',
               coalesce('pid ' || l.pid || coalesce(' (' || nullif(l.application, '') || ')', ''),
                        'the prepared transaction ' || quote_literal(l.gid)),
               'of ' || l.username, nullif(l.client, 'local'), l.state,
               'for ' || jobctl.span_text(clock_timestamp() - l.since), 'last said: ' || l.query), '; '),
           array_agg(CASE WHEN l.pid IS NOT NULL THEN format('SELECT pg_terminate_backend(%s)', l.pid)
                          ELSE format('ROLLBACK PREPARED %L', l.gid) END)
    FROM jobctl.row_lockers(job) l
$$;
REVOKE ALL ON FUNCTION jobctl.told_locker(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.told_locker(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- NoWorker and NoHandler: nobody takes it.
CREATE OR REPLACE FUNCTION jobctl.why_no_worker(j jobctl.job, reason text, OUT healthy boolean, OUT why text, OUT next text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    takes text := (SELECT string_agg(DISTINCT k.kind, ', ') FROM jobctl.workers w, unnest(w.kinds) AS k(kind)
                   WHERE w.lease_until > now() AND (w.queues IS NULL OR j.queue = ANY (w.queues)));
    alive bigint;
    others text;
BEGIN
    healthy := false;
    SELECT count(DISTINCT w.worker_id), string_agg(DISTINCT q.queue, ', ') INTO alive, others
    FROM jobctl.workers w LEFT JOIN LATERAL unnest(w.queues) AS q(queue) ON true WHERE w.lease_until > now();
    IF reason = 'NoHandler' THEN
        why := format('the workers of queue "%s" take only: %s', j.queue, takes);
    ELSIF alive = 0 THEN
        why := 'no worker is alive';
    ELSE
        why := format('%s alive, serving only: %s', CASE alive WHEN 1 THEN 'one worker is' ELSE alive || ' workers are' END,
                      left(others, 200));
    END IF;
    next := ARRAY[CASE j.kind WHEN 'exec' THEN format('jobctl-worker -q %s --exec', j.queue)
                              WHEN 'index' THEN format('jobctl-worker -q %s --kinds index -- jobctl-index', j.queue)
                              ELSE 'systemctl start jobctl-worker@' || j.queue END];
END
$$;
REVOKE ALL ON FUNCTION jobctl.why_no_worker(jobctl.job, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.why_no_worker(jobctl.job, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

CREATE OR REPLACE FUNCTION jobctl.why_waits(j jobctl.job, reason text, OUT healthy boolean, OUT why text, OUT next text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event jobctl.job_events;
    queue record;
    needs record;
    ahead record;
BEGIN
    healthy := true;
    next := '{}';
    IF reason IN ('QueuePaused', 'ConcurrencyLimit', 'Behind', 'Ready') THEN     -- it counts the queue
        SELECT s.* INTO queue FROM jobctl.queue_state(ARRAY[j.queue]) s;
    END IF;
    CASE reason
    WHEN 'Held' THEN
        healthy := false;
        SELECT e.* INTO event FROM jobctl.job_events e
        WHERE e.job_id = j.id AND e.event = 'hold' ORDER BY e.event_id DESC LIMIT 1;
        why := coalesce('held ' || jobctl.span_text(now() - event.at) || ' ago by ' || event.role_name
                        || coalesce(': ' || event.why, ''), 'submitted to be held, by ' || j.created_by);
        next := ARRAY['jobctl-release ' || j.id];
    WHEN 'Scheduled' THEN
        why := format('due at %s, in %s', to_char(j.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'),
                      jobctl.span_text(j.run_at - now()));
        next := ARRAY['jobctl-retry ' || j.id];
    WHEN 'Backoff' THEN
        healthy := false;
        why := format('attempt %s of %s failed: %s; again in %s',
                      (SELECT max(a.attempt) FROM jobctl.job_attempts a WHERE a.job_id = j.id), j.max_attempts,
                      j.error_message, jobctl.span_text(j.run_at - now()));
        next := ARRAY['jobctl-retry ' || j.id, 'jobctl-logs ' || j.id];
    WHEN 'Dependency' THEN
        SELECT string_agg(format('%s must %s, is %s', n.id, CASE WHEN n.ok THEN 'complete' ELSE 'end' END,
                                 coalesce(n.status || coalesce(', ' || array_to_string(n.reasons, ', '), ''),
                                          'not to be seen')), '; ') AS told,
               bool_and(coalesce(n.reasons <@ '{Scheduled,Dependency,ConcurrencyLimit,Quota,Behind,Ready,Healthy,CancelRequested}', true)) AS well,
               array_agg('jobctl-explain ' || n.id) AS next
        INTO needs
        FROM (SELECT d.needs_id AS id, d.needs_ok AS ok, v.status, v.reasons
              FROM jobctl.job_dependencies d
              LEFT JOIN LATERAL (SELECT s.status, s.reasons FROM jobctl.job s WHERE s.id = d.needs_id LIMIT 1) v ON true
              WHERE d.job_id = j.id ORDER BY d.needs_id LIMIT 3) n;
        healthy := needs.well;
        why := format('waits for %s: %s', (SELECT count(*) FROM jobctl.job_dependencies d WHERE d.job_id = j.id), needs.told);
        next := needs.next;
    WHEN 'QueuePaused' THEN
        healthy := false;
        why := format('queue "%s" was paused %s ago by %s%s%s', j.queue, jobctl.span_text(now() - queue.paused_at),
                      queue.paused_by, ': ' || queue.paused_why,
                      ', for another ' || jobctl.span_text(queue.paused_until - now()));
        next := ARRAY['jobctl-queue resume -q ' || j.queue];
    WHEN 'ConcurrencyLimit' THEN
        why := format('%s of at most %s jobs of queue "%s" run, on all hosts together', queue.running, queue.max_running, j.queue);
        healthy := queue.max_running > 0;
        next := ARRAY[format('jobctl-queue set -q %s max-running=%s', j.queue, queue.max_running + 1),
                      format('jobctl-status -q %s -s running', j.queue)];
    WHEN 'Quota' THEN
        SELECT p.max_running > 0, format('project "%s" runs %s, as many as it may', j.project,
               CASE p.max_running WHEN 1 THEN '1 job' ELSE p.max_running || ' jobs' END),
               ARRAY[format('SELECT jobctl.limit_project(%L, %s)', j.project, p.max_running + 1),
                     format('jobctl-status -p %s -s running', j.project)]
        INTO healthy, why, next
        FROM jobctl.projects p WHERE p.project_id = j.project;
    WHEN 'RowLocked' THEN
        healthy := false;
        SELECT 'every worker passes it over while its row is locked by ' || t.who, t.next INTO why, next
        FROM jobctl.told_locker(j.id) t;
        why := coalesce(why, 'its row was locked a moment ago, and is not any more');
    WHEN 'Behind', 'Ready' THEN
        SELECT a.higher, a.earlier, a.higher + a.earlier AS n INTO ahead FROM jobctl.ahead_of(j.id) a;
        why := CASE WHEN reason = 'Ready' OR ahead.n = 0 THEN format('the next of queue "%s"', j.queue)
                    ELSE format('%s%s %s ahead of it in queue "%s"%s', CASE WHEN ahead.n >= 100000 THEN 'over ' ELSE '' END,
                                ahead.n, CASE ahead.n WHEN 1 THEN 'is' ELSE 'are' END, j.queue,
                                CASE WHEN ahead.higher > 0 THEN format(', %s for their priority', ahead.higher) ELSE '' END) END
               || format('; %s running, %s for %s, %s a minute end', queue.running,
                         CASE queue.slots WHEN 1 THEN '1 slot' ELSE queue.slots || ' slots' END,
                         CASE queue.workers WHEN 1 THEN '1 worker' ELSE queue.workers || ' workers' END,
                         round(queue.ended_per_min::numeric, 1))
               || coalesce(': about ' || jobctl.span_text(make_interval(secs => ahead.n / nullif(queue.ended_per_min, 0) * 60)), '');
    ELSE
        SELECT w.* INTO healthy, why, next FROM jobctl.why_no_worker(j, reason) w;
    END CASE;
END
$$;
REVOKE ALL ON FUNCTION jobctl.why_waits(jobctl.job, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.why_waits(jobctl.job, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

CREATE OR REPLACE FUNCTION jobctl.why_runs(j jobctl.job, reason text, OUT healthy boolean, OUT why text, OUT next text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event jobctl.job_events;
    times jobctl.kind_times;
    w jobctl.workers;
    who text;
BEGIN
    healthy := false;
    next := '{}';
    SELECT k.* INTO times FROM jobctl.kind_times k WHERE k.project = j.project AND k.kind = j.kind;
    SELECT o.* INTO w FROM jobctl.workers o WHERE o.worker_id = j.worker;
    -- no process, see take_job()
    who := CASE w.pid WHEN 0 THEN 'who took it by hand, ' || w.host ELSE 'its worker, ' || w.host || ' pid ' || w.pid END;
    CASE reason
    WHEN 'Healthy', 'Slow' THEN
        healthy := reason = 'Healthy';
        why := 'runs for ' || jobctl.span_text(now() - j.started_at) || coalesce(
               '; of ' || times.n || ' that completed, half took up to '
               || jobctl.span_text(make_interval(secs => times.p50_s)) || ', all but one in twenty up to '
               || jobctl.span_text(make_interval(secs => times.p95_s)), '');
        next := ARRAY[format('jobctl-%s -f %s', CASE w.pid WHEN 0 THEN 'events' ELSE 'logs' END, j.id)]
                || CASE WHEN healthy THEN '{}' ELSE ARRAY['jobctl-cancel ' || j.id] END;
    WHEN 'HeartbeatLate' THEN
        why := format('%s, was last heard of %s ago; its lease ends in %s', who,
                      jobctl.span_text(now() - w.heartbeat_at), jobctl.span_text(w.lease_until - now()));
        next := CASE w.pid WHEN 0 THEN ARRAY['jobctl-cancel ' || j.id] ELSE '{}' END;
    WHEN 'LeaseExpired' THEN
        why := coalesce('the lease of ' || who || ', ended ' || jobctl.span_text(now() - w.lease_until)
                        || ' ago, and nobody has given the job back', 'its worker is not registered');
        next := ARRAY['jobctl-reap'];
    WHEN 'Blocked' THEN
        SELECT 'its end cannot be written while its row is locked by ' || t.who, t.next INTO why, next
        FROM jobctl.told_locker(j.id) t;
        why := coalesce(why, 'its row was locked a moment ago, and is not any more');
    WHEN 'CancelRequested' THEN
        healthy := true;
        SELECT e.* INTO event FROM jobctl.job_events e
        WHERE e.job_id = j.id AND e.event = 'cancel' ORDER BY e.event_id DESC LIMIT 1;
        why := format('cancelled %s ago%s%s; its command has not ended yet', jobctl.span_text(now() - j.cancel_requested_at),
                      ' by ' || event.role_name, ': ' || event.why);
    END CASE;
END
$$;
REVOKE ALL ON FUNCTION jobctl.why_runs(jobctl.job, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.why_runs(jobctl.job, text)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

CREATE OR REPLACE FUNCTION jobctl.why(job uuid)
RETURNS TABLE (reason text, healthy boolean, why text, next text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j jobctl.job;
BEGIN
    SELECT v.* INTO j FROM jobctl.job v WHERE v.id = job LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF NOT j.live THEN
        reason := initcap(j.status);
        healthy := j.status <> 'failed';
        why := format('%s %s ago', j.status, jobctl.span_text(now() - j.completed_at))
            || CASE WHEN j.status <> 'failed' THEN '' ELSE format(', attempt %s of %s', j.attempt, j.max_attempts) END
            || CASE WHEN j.status = 'completed' THEN '' ELSE coalesce(': ' || j.error_message, '') END;
        next := CASE WHEN j.started_at IS NULL THEN '{}' ELSE ARRAY['jobctl-logs ' || job] END
            || CASE WHEN j.status = 'completed' THEN '{}' ELSE ARRAY['jobctl-retry ' || job] END;
        RETURN NEXT;
        RETURN;
    END IF;
    FOREACH reason IN ARRAY j.reasons LOOP
        IF j.status = 'running' THEN
            SELECT r.* INTO healthy, why, next FROM jobctl.why_runs(j, reason) r;
        ELSE
            SELECT r.* INTO healthy, why, next FROM jobctl.why_waits(j, reason) r;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.why(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.why(uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
