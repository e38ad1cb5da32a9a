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
    spent integer NOT NULL DEFAULT 0,
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
    outcome text NOT NULL CHECK (outcome IN ('ok', 'exit', 'signal', 'timeout', 'not_found', 'not_executable',
                                    'tempfail', 'permanent', 'worker_lost', 'cancelled', 'dependency')),
    project_id varchar(255) NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    created_by text NOT NULL,
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
    after uuid[],
    after_ok uuid[],
    args jsonb NOT NULL
) PARTITION BY RANGE (completed_at);
CREATE INDEX finished_jobs_id ON jobctl.finished_jobs (id);
CREATE INDEX finished_jobs_unique ON jobctl.finished_jobs (project_id, unique_key, completed_at)
    WHERE unique_key IS NOT NULL;
CREATE INDEX finished_jobs_completed_at ON jobctl.finished_jobs (completed_at);
CREATE INDEX finished_jobs_bad ON jobctl.finished_jobs (completed_at, id) WHERE status <> 'completed';
-- For jobctl.indexing_jobs, as its two branches here are: of each the newest is found at once.
CREATE INDEX finished_index_done ON jobctl.finished_jobs (created_at)
    WHERE kind = 'index' AND status = 'completed';
CREATE INDEX finished_index_done_project ON jobctl.finished_jobs (project_id, created_at)
    WHERE kind = 'index' AND status = 'completed';
CREATE INDEX finished_index_bad ON jobctl.finished_jobs (created_at)
    WHERE kind = 'index' AND status <> 'completed';
COMMENT ON TABLE jobctl.finished_jobs IS 'jobs that completed, failed or were cancelled';
COMMENT ON COLUMN jobctl.finished_jobs.after IS 'jobs it still waited for when it ended: if it is retried, it does again';

CREATE TABLE jobctl.job_attempts (
    job_id uuid NOT NULL,
    token uuid,
    ended_at timestamptz NOT NULL,
    started_at timestamptz,
    attempt integer NOT NULL,
    exit_code integer,
    signal integer,
    worker_pid integer,
    max_rss_bytes bigint,
    cpu_s double precision,
    worker_id uuid,
    ended_as text CONSTRAINT ck_attempt_ended_as CHECK (ended_as IN ('completed', 'failed', 'cancelled')),
    outcome text NOT NULL,
    project_id text NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    worker_host text,
    error_message text,
    result jsonb,
    CONSTRAINT job_attempts_outcome_check CHECK
        (outcome IN ('exit', 'signal', 'timeout', 'not_found', 'not_executable', 'tempfail', 'worker_lost', 'interrupted')
         OR ended_as IS NOT NULL AND outcome IN ('ok', 'permanent', 'cancelled', 'dependency')),
    CONSTRAINT ck_attempt_began CHECK (token IS NOT NULL AND started_at IS NOT NULL OR ended_as IS NOT NULL)
) PARTITION BY RANGE (ended_at);
CREATE INDEX job_attempts_job ON jobctl.job_attempts (job_id);
CREATE INDEX job_attempts_ended_at ON jobctl.job_attempts (ended_at);
COMMENT ON TABLE jobctl.job_attempts IS 'attempts that ended and were not the last, and ends of jobs that were retried';
COMMENT ON COLUMN jobctl.job_attempts.ended_as IS
    'what the job had become, until somebody retried it; no token then: it ended without having run';

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

-- What ended, counted: rates, failure rates and how long jobs of a kind take are read
-- here, and outlive the rows they count.
CREATE TABLE jobctl.job_counts (
    at timestamptz NOT NULL,
    n bigint NOT NULL CHECK (n > 0),
    run_s double precision NOT NULL,
    bucket integer,
    project_id text NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    outcome text NOT NULL
);
CREATE INDEX job_counts_at ON jobctl.job_counts (at);
COMMENT ON TABLE jobctl.job_counts IS 'runs that ended before counted_until; see jobctl.job_count';

CREATE TABLE jobctl.counted (
    counted_until timestamptz NOT NULL DEFAULT now(),
    counted_at timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE UNIQUE INDEX counted_is_one ON jobctl.counted ((true));
INSERT INTO jobctl.counted DEFAULT VALUES;
COMMENT ON TABLE jobctl.counted IS 'how far job_counts goes, and when it was last brought there';

CREATE TABLE jobctl.kind_seconds (
    project_id text NOT NULL,
    kind text NOT NULL,
    n bigint NOT NULL,
    p50_s double precision NOT NULL,
    p95_s double precision NOT NULL,
    PRIMARY KEY (project_id, kind)
);
COMMENT ON TABLE jobctl.kind_seconds IS 'how long completed jobs ran, from job_counts; see jobctl.kind_times';

CREATE TABLE jobctl.pruning (
    token uuid NOT NULL,
    client text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL
);
CREATE UNIQUE INDEX pruning_is_one ON jobctl.pruning ((true));
-- a token is as good as a key
ALTER TABLE jobctl.pruning ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE jobctl.pruning IS 'who drops old partitions now, until lease_until';

CREATE TABLE jobctl.finished_jobs_default PARTITION OF jobctl.finished_jobs DEFAULT;
CREATE TABLE jobctl.job_attempts_default PARTITION OF jobctl.job_attempts DEFAULT;
CREATE TABLE jobctl.job_output_default PARTITION OF jobctl.job_output DEFAULT;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['finished_jobs', 'job_attempts', 'job_output'] LOOP
        -- a partition read by its own name follows its own policies: none, so nothing
        EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', t || '_default');
        EXECUTE format('ALTER TABLE jobctl.%I REPLICA IDENTITY FULL', t || '_default');
    END LOOP;
    -- They have no primary key: a unique index would be paid by every job that ends.  So that
    -- rows can go on being changed where somebody publishes all tables:
    FOREACH t IN ARRAY ARRAY['finished_jobs', 'job_attempts', 'job_output', 'job_counts', 'counted', 'pruning'] LOOP
        EXECUTE format('ALTER TABLE jobctl.%I REPLICA IDENTITY FULL', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['finished_jobs', 'job_attempts', 'job_output', 'job_counts', 'kind_seconds'] LOOP
        EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY visible ON jobctl.%I FOR SELECT USING
                        (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())))', t);
    END LOOP;
END
$$;
GRANT SELECT ON jobctl.finished_jobs, jobctl.job_attempts, jobctl.job_output, jobctl.job_counts,
    jobctl.counted, jobctl.kind_seconds
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- Partitions for this week and the next few (a year at most), and for weeks that have
-- rows in the default partition, for each partitioned table, named TABLE_YYYYMMDD after
-- the Monday (UTC) they begin on.  Harmless to repeat and to run at once from many
-- workers: only one of them works, the others return 0.  Attaching locks the default
-- partition: it gives up after a second, and the next call goes on where this one stopped.
CREATE FUNCTION jobctl.ensure_partitions(weeks integer DEFAULT 4) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET lock_timeout = '1s' AS $$
DECLARE
    parent text;
    column_name text;
    monday timestamptz;
    child text;
    made integer := 0;
BEGIN
    BEGIN   -- not an advisory lock, which anybody could hold
        LOCK TABLE jobctl.finished_jobs_default IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 0;
    END;
    FOR parent, column_name, monday IN
        SELECT p.name, p.key, w.monday
        FROM (VALUES ('finished_jobs', 'completed_at'), ('job_attempts', 'ended_at'), ('job_output', 'at'))
             AS p(name, key)
        JOIN (SELECT NULL, date_trunc('week', now()) + n * interval '1 week'
              FROM generate_series(0, least(weeks, 52)) AS n
              UNION (SELECT DISTINCT 'finished_jobs', date_trunc('week', completed_at) FROM jobctl.finished_jobs_default LIMIT 60)
              UNION (SELECT DISTINCT 'job_attempts', date_trunc('week', ended_at) FROM jobctl.job_attempts_default LIMIT 60)
              UNION (SELECT DISTINCT 'job_output', date_trunc('week', at) FROM jobctl.job_output_default LIMIT 60)
             ) AS w(name, monday) ON w.name IS NULL OR w.name = p.name
        GROUP BY 1, 2, 3
        ORDER BY w.monday, p.name
    LOOP
        child := parent || to_char(monday, '"_"YYYYMMDD');
        CONTINUE WHEN to_regclass('jobctl.' || child) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE jobctl.%I (LIKE jobctl.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                           child, parent);
            EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', child);
            EXECUTE format('ALTER TABLE jobctl.%I REPLICA IDENTITY FULL', child);
            -- what fell into the default partition meanwhile belongs here
            EXECUTE format('WITH moved AS (DELETE FROM jobctl.%I WHERE %I >= %L AND %I < %L RETURNING *)
                            INSERT INTO jobctl.%I SELECT * FROM moved',
                           parent || '_default', column_name, monday, column_name, monday + interval '1 week', child);
            EXECUTE format('ALTER TABLE jobctl.%I ATTACH PARTITION jobctl.%I FOR VALUES FROM (%L) TO (%L)',
                           parent, child, monday, monday + interval '1 week');
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            RETURN made;
        END;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION jobctl.ensure_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.ensure_partitions(integer) TO jobctl_worker, jobctl_operator;

SELECT jobctl.ensure_partitions();
