DROP FUNCTION jobctl.ensure_partitions(integer);
DROP TABLE jobctl.job_output;
DROP TABLE jobctl.job_attempts;
DROP TABLE jobctl.finished_jobs;
