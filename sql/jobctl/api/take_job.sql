-- drop: FUNCTION jobctl.take_job(uuid)
--
-- The part of run_by_hand() that claims: the job runs from now on under a worker of its
-- own that is no process (pid 0) and serves no queue.  Its lease is the job's time limit,
-- or a day; see lose_worker() for what follows.  False if the job is not pending.
--
-- Locks in the order of claim(): the queue's row if it has a limit, the project's, the job.
CREATE OR REPLACE FUNCTION jobctl.take_job(job uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    j jobctl.jobs;
    claim uuid := gen_random_uuid();
    hand uuid := gen_random_uuid();
    lease interval;
    refusal text;
BEGIN
    LOCK TABLE jobctl.queues IN ROW SHARE MODE;     -- see queue_room()
    SELECT * INTO j FROM jobctl.jobs o WHERE o.id = job;
    IF jobctl.queue_room(j.queue) <= 0 THEN
        refusal := format('queue "%s" is paused, or runs as many jobs as it may', j.queue);
    END IF;
    PERFORM FROM jobctl.projects p WHERE p.project_id = j.project_id AND p.max_running IS NOT NULL FOR NO KEY UPDATE;
    IF FOUND AND EXISTS (SELECT FROM jobctl.project_rooms() r WHERE r.project = j.project_id AND r.room <= 0) THEN
        refusal := format('project "%s" runs as many jobs as it may', j.project_id);
    END IF;
    PERFORM FROM jobctl.jobs o WHERE o.id = job AND o.status = 'pending' FOR NO KEY UPDATE;
    PERFORM jobctl.mark_running(ARRAY[job]);
    SELECT * INTO j FROM jobctl.jobs o WHERE o.id = job AND o.status = 'pending';
    IF NOT FOUND THEN
        RETURN false;
    ELSIF j.blockers > 0 THEN
        refusal := 'it waits for another job';
    ELSIF j.wake_at > now() THEN
        refusal := format('its time is %s', jobctl.rfc3339(j.wake_at));
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC075', MESSAGE = format('job %s cannot run now: %s', job, refusal),
            HINT = 'jobctl-explain ' || job;
    END IF;
    lease := least(coalesce(j.timeout, '1 day'), '1 day');
    INSERT INTO jobctl.workers (worker_id, host, boot_id, pid, pid_start, version, queues, kinds, slots, lease,
                                lease_until, heartbeat_at, role_name)
    VALUES (hand, left(jobctl.caller() || '@' || coalesce(host(inet_client_addr()), 'local'), 255), '', 0, 0,
            'by hand', '{}', '{}', 1, lease, clock_timestamp() + lease, clock_timestamp(), jobctl.caller());
    INSERT INTO jobctl.claims (token, queue, worker_id, ids, unfinished) VALUES (claim, j.queue, hand, ARRAY[job], 1);
    UPDATE jobctl.jobs o
    SET status = 'running', token = claim, worker_id = hand, attempt = o.attempt + 1,
        started_at = now(), wake_at = NULL
    WHERE o.id = job;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION jobctl.take_job(uuid) FROM PUBLIC;
