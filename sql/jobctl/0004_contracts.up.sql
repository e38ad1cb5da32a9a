-- The contracts that the views jobctl.indexing_jobs and jobctl.index_jobs keep, which
-- 0004_contracts.verify.sql states.  Their indexes belong to the tables.
--
-- At most two repositories are indexed at once, on all hosts together, unless somebody has
-- said otherwise before.
INSERT INTO jobctl.queues (queue, max_running) VALUES ('index', 2) ON CONFLICT DO NOTHING;
