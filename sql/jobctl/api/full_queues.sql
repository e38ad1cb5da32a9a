-- drop: FUNCTION jobctl.full_queues()
--
-- Queues that run as many jobs as they may, whoever's jobs those are.
CREATE OR REPLACE FUNCTION jobctl.full_queues() RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.queue::text FROM jobctl.queues q
    WHERE q.max_running IS NOT NULL AND q.max_running <= jobctl.running_in_queue(q.queue)
$$;
REVOKE ALL ON FUNCTION jobctl.full_queues() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.full_queues() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
