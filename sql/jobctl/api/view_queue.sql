-- drop: VIEW jobctl.queue
--
-- The queues, in the words of jobctl-formats(7); see queue_state().
CREATE OR REPLACE VIEW jobctl.queue WITH (security_invoker = true) AS
    SELECT s.queue, s.ready, s.scheduled, s.blocked, s.held, s.running, s.max_running,
           s.paused_at, s.paused_by, s.paused_why, s.paused_until, s.oldest_ready_s,
           s.workers, s.slots, s.ended_per_min, s.failed_per_min
    FROM jobctl.queue_state() AS s;
COMMENT ON VIEW jobctl.queue IS 'every queue there is, with what waits, what runs and who serves it';
GRANT SELECT ON jobctl.queue TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
