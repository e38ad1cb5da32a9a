-- drop: FUNCTION jobctl.queue_room(text)
--
-- How many more jobs of a queue may start now: 0 while it is paused, a large
-- number if it has no limit.  A limit is exact across all hosts because whoever
-- claims holds the queue's row while counting; only queues with one pay for it.
-- claim() locks the table of settings (ROW SHARE) before it comes here: who changes
-- one waits for claims under way (lock_queues()).
CREATE OR REPLACE FUNCTION jobctl.queue_room(queue text) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    setting jobctl.queues;
BEGIN
    SELECT * INTO setting FROM jobctl.queues q WHERE q.queue = queue_room.queue;
    IF setting.max_running IS NOT NULL THEN
        PERFORM jobctl.require_read_committed();
        SELECT * INTO setting FROM jobctl.queues q WHERE q.queue = queue_room.queue FOR NO KEY UPDATE;
    END IF;
    IF setting.paused_at IS NOT NULL AND coalesce(setting.paused_until > clock_timestamp(), true) THEN
        RETURN 0;
    ELSIF setting.max_running IS NULL THEN
        RETURN 1000000;
    END IF;
    RETURN setting.max_running - jobctl.running_in_queue(queue_room.queue);
END
$$;
REVOKE ALL ON FUNCTION jobctl.queue_room(text) FROM PUBLIC;
