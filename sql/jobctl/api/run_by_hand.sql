-- drop: FUNCTION jobctl.run_by_hand(uuid, text, text, jsonb, text, boolean)
--
-- A program that is no worker of ours runs a job, and says so in three steps, each from
-- what it saw the job to be to what that becomes:
--   pending -> running               it takes the job, as a claim does
--   running -> running               it goes on: stats and error are noted
--   running -> completed or failed   it ended
-- Stats are merged key by key, or with replaces stand in place of those before; an empty
-- error takes the one before away; null leaves what was noted.  One whose time is over has
-- failed as soon as reap() finds it, see lose_worker(), and nobody can go on with it.
--
-- The job's row is locked, so of two programs one wins; the other is told what the job is
-- by now (23514, ck_job_transition).  Only the role that took a job may go on with it:
-- else, and if a worker runs it, JC077.  JC075 if its queue or project has no room, JC066 if
-- there is no such job.
CREATE OR REPLACE FUNCTION jobctl.run_by_hand(job uuid, seen text, becomes text, stats jsonb DEFAULT NULL,
                                              error text DEFAULT NULL, replaces boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    j jobctl.jobs;
    w jobctl.workers;
BEGIN
    PERFORM jobctl.require_read_committed();
    PERFORM FROM jobctl.jobs o WHERE o.id = job AND (visible IS NULL OR o.project_id = ANY (visible));
    IF NOT FOUND OR (seen, becomes) NOT IN (('pending', 'running'), ('running', 'running'), ('running', 'completed'),
                                            ('running', 'failed'))
       OR seen = 'pending' AND NOT jobctl.take_job(job) THEN
        PERFORM jobctl.refuse_step(job, seen, becomes);
    END IF;
    SELECT * INTO j FROM jobctl.jobs o WHERE o.id = job AND o.status = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM jobctl.refuse_step(job, seen, becomes);
    END IF;
    SELECT * INTO w FROM jobctl.workers o WHERE o.worker_id = j.worker_id;
    IF w.pid <> 0 OR w.role_name <> jobctl.caller() THEN
        RAISE EXCEPTION USING ERRCODE = 'JC077',
            MESSAGE = format('job %s is run by %s, who alone says how it ends', job,
                             CASE w.pid WHEN 0 THEN w.host ELSE format('the worker %s:%s', w.host, w.pid) END),
            HINT = 'to stop it: jobctl-cancel ' || job;
    END IF;
    -- without a time limit of its own a job has a day from each sign of life
    UPDATE jobctl.workers o
    SET heartbeat_at = clock_timestamp(),
        lease_until = CASE WHEN j.timeout IS NULL THEN clock_timestamp() + o.lease ELSE o.lease_until END
    WHERE o.worker_id = w.worker_id;
    IF stats IS NOT NULL THEN
        INSERT INTO jobctl.job_progress AS p (job_id, project_id, stats) VALUES (job, j.project_id, run_by_hand.stats)
        ON CONFLICT (job_id) DO UPDATE
        SET stats = CASE WHEN replaces THEN excluded.stats ELSE coalesce(p.stats, '{}') || excluded.stats END,
            updated_at = now();
    END IF;
    IF becomes = 'running' THEN
        UPDATE jobctl.jobs o SET error_message = nullif(error, '') WHERE o.id = job AND error IS NOT NULL;
        RETURN;
    END IF;
    PERFORM jobctl.finish(w.worker_id, ARRAY[job], ARRAY[j.token],
                          ARRAY[CASE becomes WHEN 'completed' THEN 'ok' ELSE 'permanent' END],
                          ARRAY[NULL::integer], ARRAY[NULL::integer],
                          ARRAY[CASE becomes WHEN 'failed' THEN coalesce(nullif(error, ''), j.error_message,
                                                                           'failed, and it was not said why') END],
                          ARRAY[NULL::jsonb], ARRAY[NULL::double precision], ARRAY[NULL::bigint]);
    DELETE FROM jobctl.workers o WHERE o.worker_id = w.worker_id;
END
$$;
REVOKE ALL ON FUNCTION jobctl.run_by_hand(uuid, text, text, jsonb, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.run_by_hand(uuid, text, text, jsonb, text, boolean) TO jobctl_worker;
