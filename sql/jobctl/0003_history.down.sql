DROP FUNCTION jobctl.ensure_partitions(integer);
DROP TABLE jobctl.pruning;
DROP TABLE jobctl.kind_seconds;
DROP TABLE jobctl.counted;
DROP TABLE jobctl.job_counts;
DROP TABLE jobctl.job_output;
DROP TABLE jobctl.job_attempts;
DROP TABLE jobctl.finished_jobs;
