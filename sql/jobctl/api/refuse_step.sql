-- drop: FUNCTION jobctl.refuse_step(uuid, text, text)
--
-- Tells a caller who wants a job to go from what it was when they looked (seen) to
-- something else why that cannot be: JC066 if they see no such job, else 23514.
CREATE OR REPLACE FUNCTION jobctl.refuse_step(job uuid, seen text, becomes text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    stands text := (SELECT v.status FROM jobctl.job v
                    WHERE v.id = job AND (visible IS NULL OR v.project = ANY (visible)));
BEGIN
    IF stands IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'JC066', MESSAGE = format('no such job %s', job);
    END IF;
    RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_transition',
        MESSAGE = CASE WHEN stands = 'held' AND becomes = 'running' THEN format('job %s is held', job)
                       WHEN stands <> seen AND (stands, seen) NOT IN (('held', 'pending'), ('cancelled', 'failed'))
                           THEN format('job %s is %s by now: somebody else was faster', job, stands)
                       WHEN seen = becomes THEN format('job %s is %s: only one that runs has something to tell',
                                                       job, stands)
                       ELSE format('job %s cannot go from %s to %s', job, stands, becomes) END,
        HINT = CASE WHEN stands = 'held' AND becomes = 'running' THEN 'to let it go: jobctl-release ' || job
                    WHEN becomes = 'pending' AND stands IN ('completed', 'failed', 'cancelled')
                        THEN 'to have it run again: jobctl-retry ' || job
                    ELSE 'jobctl-status ' || job END;
END
$$;
REVOKE ALL ON FUNCTION jobctl.refuse_step(uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.refuse_step(uuid, text, text) TO jobctl_submitter, jobctl_worker, jobctl_operator;
