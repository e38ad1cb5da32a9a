-- What ended: finished jobs, earlier attempts, captured output.  Partitioned by
-- week, so that retention drops partitions and never deletes rows.  Partitions
-- are made ahead by any worker (jobctl.ensure_partitions); the default ones
-- catch what comes when none was.

CREATE TABLE jobctl.finished_jobs (
    id uuid NOT NULL,
    completed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    started_at timestamptz,
    priority integer NOT NULL,
    attempt integer NOT NULL,
    max_attempts integer NOT NULL,
    crashes integer NOT NULL,
    exit_code integer,
    signal integer,
    worker_pid integer,
    max_rss_bytes bigint,
    cpu_s double precision,
    progress_done bigint,
    progress_total bigint,
    token uuid,
    worker_id uuid,
    status text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    outcome text CHECK (outcome IN ('ok', 'exit', 'signal', 'timeout', 'not_found', 'not_executable',
                                    'tempfail', 'permanent', 'worker_lost', 'cancelled', 'dependency')),
    project_id text NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    created_by name NOT NULL,
    worker_host text,
    unique_key text,
    backoff text,
    backoff_base interval,
    backoff_max interval,
    timeout interval,
    error_message text,
    message text,
    stats jsonb,
    checkpoint jsonb,
    result jsonb,
    args jsonb NOT NULL
) PARTITION BY RANGE (completed_at);
CREATE INDEX finished_jobs_id ON jobctl.finished_jobs (id);
CREATE INDEX finished_jobs_unique ON jobctl.finished_jobs (project_id, unique_key, completed_at)
    WHERE unique_key IS NOT NULL;
CREATE INDEX finished_jobs_completed_at ON jobctl.finished_jobs (completed_at);
COMMENT ON TABLE jobctl.finished_jobs IS 'jobs that completed, failed or were cancelled';

CREATE TABLE jobctl.job_attempts (
    job_id uuid NOT NULL,
    token uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    exit_code integer,
    signal integer,
    worker_pid integer,
    max_rss_bytes bigint,
    cpu_s double precision,
    worker_id uuid,
    outcome text NOT NULL CHECK (outcome IN ('exit', 'signal', 'timeout', 'not_found', 'not_executable',
                                             'tempfail', 'worker_lost', 'interrupted')),
    project_id text NOT NULL,
    worker_host text,
    error_message text
) PARTITION BY RANGE (ended_at);
CREATE INDEX job_attempts_job ON jobctl.job_attempts (job_id);
COMMENT ON TABLE jobctl.job_attempts IS 'attempts that ended and were not the last';

CREATE TABLE jobctl.job_output (
    job_id uuid NOT NULL,
    token uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    n integer NOT NULL,
    attempt integer NOT NULL,
    stream smallint NOT NULL CHECK (stream IN (1, 2)),
    project_id text NOT NULL,
    dropped bigint NOT NULL DEFAULT 0 CHECK (dropped >= 0),
    data bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX job_output_job ON jobctl.job_output (job_id, token, n);
COMMENT ON TABLE jobctl.job_output IS 'captured output, in pieces numbered n within an attempt';
COMMENT ON COLUMN jobctl.job_output.dropped IS 'bytes of the stream that were dropped just before this piece';

CREATE TABLE jobctl.finished_jobs_default PARTITION OF jobctl.finished_jobs DEFAULT;
CREATE TABLE jobctl.job_attempts_default PARTITION OF jobctl.job_attempts DEFAULT;
CREATE TABLE jobctl.job_output_default PARTITION OF jobctl.job_output DEFAULT;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['finished_jobs', 'job_attempts', 'job_output'] LOOP
        EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY visible ON jobctl.%I FOR SELECT USING
                        (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())))', t);
        EXECUTE format('GRANT SELECT ON jobctl.%I TO jobctl_submitter, jobctl_worker,
                        jobctl_operator, jobctl_reader', t);
    END LOOP;
END
$$;

-- Partitions for this week and the next few, for each partitioned table, named
-- TABLE_YYYYMMDD after the Monday (UTC) they begin on.  Harmless to repeat and to
-- run at once from many workers: only one of them works, the others return 0.
-- Attaching locks the default partition: it gives up after a second and the
-- next call tries again.
CREATE FUNCTION jobctl.ensure_partitions(weeks integer DEFAULT 4) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s' AS $$
DECLARE
    monday timestamp;
    parent text;
    child text;
    column_name text;
    made integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7305804402) THEN
        RETURN 0;
    END IF;
    FOR parent, column_name IN VALUES ('finished_jobs', 'completed_at'), ('job_attempts', 'ended_at'),
                                      ('job_output', 'at') LOOP
        FOR w IN 0 .. weeks LOOP
            monday := date_trunc('week', now() AT TIME ZONE 'UTC') + w * interval '1 week';
            child := parent || to_char(monday, '"_"YYYYMMDD');
            CONTINUE WHEN to_regclass('jobctl.' || child) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE jobctl.%I (LIKE jobctl.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                               child, parent);
                -- what fell into the default partition meanwhile belongs here
                EXECUTE format('WITH moved AS (DELETE FROM jobctl.%I WHERE %I >= %L AND %I < %L RETURNING *)
                                INSERT INTO jobctl.%I SELECT * FROM moved',
                               parent || '_default', column_name, monday AT TIME ZONE 'UTC',
                               column_name, (monday + interval '1 week') AT TIME ZONE 'UTC', child);
                EXECUTE format('ALTER TABLE jobctl.%I ATTACH PARTITION jobctl.%I FOR VALUES FROM (%L) TO (%L)',
                               parent, child, monday AT TIME ZONE 'UTC',
                               (monday + interval '1 week') AT TIME ZONE 'UTC');
                made := made + 1;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                RETURN made;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION jobctl.ensure_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.ensure_partitions(integer) TO jobctl_worker, jobctl_operator;

SELECT jobctl.ensure_partitions();
