-- One that somebody has changed stays.
DELETE FROM jobctl.queues WHERE queue = 'index' AND max_running = 2 AND paused_at IS NULL;
