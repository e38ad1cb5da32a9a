-- The live side of the queue: jobs that are pending, running or held, who runs
-- them, and what they wait for.
--
-- jobs is small and hot.  Every index on it is paid three times per job (insert,
-- claim, finish), so there is none on worker or project: running jobs are found
-- through claims.

CREATE TABLE jobctl.kinds (
    kind jobctl.name PRIMARY KEY,
    timeout interval CHECK (timeout > '0'),
    max_attempts integer CHECK (max_attempts BETWEEN 1 AND 1000),
    unique_args text[]
);
COMMENT ON TABLE jobctl.kinds IS 'defaults for jobs of a kind; a kind need not have a row';
COMMENT ON COLUMN jobctl.kinds.unique_args IS
    'at most one live job per project and value of the first of these arguments that it has, two spellings of a path being one value';

-- A command line is not known to be safe to run twice.
INSERT INTO jobctl.kinds (kind, timeout, max_attempts, unique_args) VALUES
    ('exec', NULL, 1, NULL),
    ('index', '1 hour', NULL, '{repo_path,repository_id}');

CREATE TABLE jobctl.queues (
    queue jobctl.name PRIMARY KEY,
    max_running integer CHECK (max_running >= 0),
    paused_at timestamptz,
    paused_by name,
    paused_why text,
    paused_until timestamptz CONSTRAINT ck_pause_ends CHECK (isfinite(paused_until)),
    CONSTRAINT ck_pause_is_whole CHECK ((paused_at IS NULL) = (paused_by IS NULL)
                                        AND (paused_at IS NOT NULL OR paused_why IS NULL AND paused_until IS NULL))
);
COMMENT ON TABLE jobctl.queues IS 'settings of a queue; a queue need not have a row';
COMMENT ON COLUMN jobctl.queues.paused_until IS
    'when the pause ends by itself, null: when somebody resumes; once it has passed the queue is not paused';

CREATE TABLE jobctl.workers (
    worker_id uuid PRIMARY KEY,
    host text NOT NULL CHECK (length(host) <= 255),
    boot_id text NOT NULL CHECK (length(boot_id) <= 64),
    pid integer NOT NULL,
    pid_start bigint NOT NULL,
    version text NOT NULL CHECK (length(version) <= 64),
    queues text[],
    kinds text[],
    slots integer NOT NULL CHECK (slots > 0),
    lease interval NOT NULL CONSTRAINT ck_lease CHECK (lease > '0' AND lease <= '1 day'),
    lease_until timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    idle boolean NOT NULL DEFAULT false,
    role_name name NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
CREATE INDEX workers_idle ON jobctl.workers (worker_id) WHERE idle;
COMMENT ON TABLE jobctl.workers IS 'worker processes; alive while lease_until is ahead';
COMMENT ON COLUMN jobctl.workers.queues IS 'null: every queue';
COMMENT ON COLUMN jobctl.workers.kinds IS 'null: every kind';
COMMENT ON COLUMN jobctl.workers.pid IS '0: no process, but somebody who runs a job by hand; see jobctl.take_job';
COMMENT ON COLUMN jobctl.workers.pid_start IS
    'start time of the process in clock ticks since boot: with boot_id and pid it names a process for ever';
COMMENT ON COLUMN jobctl.workers.idle IS 'has a free slot and wants to be notified of new jobs';

CREATE SEQUENCE jobctl.job_seq CACHE 1;

-- a sequence, because what is set is seen at once, before it is committed, and waits for nobody
CREATE SEQUENCE jobctl.claim_mark MINVALUE -9223372036854775808;
COMMENT ON SEQUENCE jobctl.claim_mark IS 'where the last claim of a busy queue ended; see jobctl.lock_ready';
CREATE SEQUENCE jobctl.claim_look MINVALUE -9223372036854775808;
COMMENT ON SEQUENCE jobctl.claim_look IS 'until when nobody looks before the mark; see jobctl.lock_ready';

-- As a domain these are checked when args come in and not again at every claim.
-- As text too: a number takes a few bytes here and up to 131,072 digits there, and what no
-- claim can return would block its queue.
CREATE DOMAIN jobctl.args AS jsonb
    CONSTRAINT ck_args_is_object CHECK (jsonb_typeof(VALUE) = 'object')
    CONSTRAINT ck_args_size CHECK (pg_column_size(VALUE) <= 1048576 AND octet_length(VALUE::text) <= 8388608);
COMMENT ON DOMAIN jobctl.args IS 'a JSON object of at most 1 MiB, and 8 MiB as text';

-- A job of kind index names a path, or the repository by its id and leaves the path to
-- whoever runs it.  Submitter and worker may be different hosts: whether the path exists is
-- the job's business.  A ".." component is not a matter of hosts.  The search path keeps it
-- from becoming part of the statement: see below.  No backslash: what that means is a setting.
CREATE FUNCTION jobctl.names_tree(args jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT args ? 'repo_path' AND args ? 'repository_id'
           THEN coalesce(args ->> 'repository_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', false)
           ELSE coalesce(jsonb_typeof(args -> 'repo_path') = 'string' AND args ->> 'repo_path' LIKE '/%'
                         AND args ->> 'repo_path' !~ '(^|/)[.][.](/|$)', false) END
$$;
REVOKE ALL ON FUNCTION jobctl.names_tree(jsonb) FROM PUBLIC;

-- Each statement that inserts or updates reads the table's checks and its triggers'
-- conditions anew, from text: with single jobs that was a third of the server's work
-- for a claim.  So they are short, and compare with constants as little as they can.
--
-- Columns that are never null come first, of those the ones of a fixed width, and the
-- indexed ones before the others: what is before a column is read to get there.
CREATE TABLE jobctl.jobs (
    id uuid PRIMARY KEY,
    seq bigint NOT NULL DEFAULT nextval('jobctl.job_seq'),
    priority integer NOT NULL DEFAULT 0,
    blockers integer NOT NULL DEFAULT 0 CHECK (blockers >= 0),
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts integer NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 1000),
    crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    spent integer NOT NULL DEFAULT 0 CHECK (spent >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    run_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'pending',
    queue jobctl.name NOT NULL DEFAULT 'default',
    project_id varchar(255) NOT NULL DEFAULT 'default',
    kind jobctl.name NOT NULL,
    wake_at timestamptz,
    unique_key text CONSTRAINT ck_unique_key CHECK (octet_length(unique_key) BETWEEN 1 AND 1000),
    token uuid,
    worker_id uuid,
    started_at timestamptz,
    cancel_requested_at timestamptz,
    created_by text NOT NULL DEFAULT jobctl.caller(),
    backoff text CONSTRAINT ck_backoff CHECK (backoff IN ('exponential', 'linear', 'constant')),
    backoff_base interval CONSTRAINT ck_backoff_base CHECK (backoff_base BETWEEN '0' AND '365 days'),
    backoff_max interval CONSTRAINT ck_backoff_max CHECK (backoff_max BETWEEN '0' AND '365 days'),
    timeout interval CONSTRAINT ck_timeout CHECK (timeout > '0'),
    error_message text,
    args jobctl.args NOT NULL DEFAULT '{}',
    CONSTRAINT ck_status CHECK (status IN ('pending', 'running', 'held')),
    CONSTRAINT ck_running_has_token CHECK
        ((status = 'running') = (token IS NOT NULL) AND (token IS NULL) = (worker_id IS NULL)),
    CONSTRAINT ck_running_is_due CHECK
        (status <> 'running' OR (wake_at IS NULL AND blockers = 0 AND started_at IS NOT NULL)),
    CONSTRAINT ck_cancelled_waits_for_end CHECK (cancel_requested_at IS NULL OR status = 'running'),
    -- one infinite time, and whoever subtracts it from now() gets an error
    CONSTRAINT ck_times_are_finite CHECK (isfinite(created_at) AND isfinite(run_at) AND isfinite(wake_at)),
    CONSTRAINT ck_index_repo_path CHECK (kind <> 'index' OR jobctl.names_tree(args))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200,
        autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE jobctl.job_seq OWNED BY jobctl.jobs.seq;
COMMENT ON TABLE jobctl.jobs IS 'live jobs: pending, running or held';
COMMENT ON COLUMN jobctl.jobs.seq IS 'order within a priority; new when the job goes back to the queue';
COMMENT ON COLUMN jobctl.jobs.run_at IS 'when the job became or becomes eligible';
COMMENT ON COLUMN jobctl.jobs.wake_at IS 'run_at while it is ahead, null once due';
COMMENT ON COLUMN jobctl.jobs.blockers IS 'unmet dependencies';
COMMENT ON COLUMN jobctl.jobs.token IS 'of the claim that runs the job; made by the worker';
COMMENT ON COLUMN jobctl.jobs.crashes IS 'workers lost while running it';
COMMENT ON COLUMN jobctl.jobs.spent IS 'attempts made before somebody retried the job: backoff begins anew behind them';
COMMENT ON COLUMN jobctl.jobs.error_message IS 'of the last attempt that failed';

CREATE INDEX jobs_claim ON jobctl.jobs (queue, priority DESC, seq)
    WHERE status = 'pending' AND wake_at IS NULL AND blockers = 0;
CREATE INDEX jobs_wake ON jobctl.jobs (wake_at) INCLUDE (queue, blockers)
    WHERE status = 'pending' AND wake_at IS NOT NULL;
-- To count what waits for other jobs or for people: what is ready pays for neither.
CREATE INDEX jobs_blocked ON jobctl.jobs (queue) INCLUDE (wake_at)
    WHERE status = 'pending' AND blockers > 0;
CREATE INDEX jobs_held ON jobctl.jobs (queue)
    WHERE status = 'held';
CREATE UNIQUE INDEX jobs_unique ON jobctl.jobs (project_id, unique_key)
    WHERE unique_key IS NOT NULL;

-- For jobctl.indexing_jobs; jobs of other kinds are in none of these.
CREATE INDEX idx_active_jobs ON jobctl.jobs (project_id, created_at) WHERE kind = 'index';
CREATE INDEX idx_created_at ON jobctl.jobs (created_at) WHERE kind = 'index';
CREATE INDEX jobs_index_running ON jobctl.jobs (created_at) WHERE kind = 'index' AND status = 'running';

-- Whoever writes SQL by hand meets the same rules as the programs.  The WHEN
-- clause lets lawful changes pass without calling anything.
CREATE FUNCTION jobctl.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_transition',
            MESSAGE = format('job %s cannot begin as %s', NEW.id, NEW.status);
    ELSIF TG_NAME = 'refuse_identity' THEN
        RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_identity',
            MESSAGE = format('the id, project, kind, creator and creation time of job %s cannot change', OLD.id);
    ELSIF OLD.status <> NEW.status THEN
        RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_transition',
            MESSAGE = format('job %s cannot go from %s to %s', OLD.id, OLD.status, NEW.status);
    END IF;
    RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_claim',
        MESSAGE = format('the queue, worker and token of job %s cannot change while it runs', OLD.id);
END
$$;
REVOKE ALL ON FUNCTION jobctl.refuse_change() FROM PUBLIC;
-- The cast is the check of a project's name: as the column's own type it would hide from
-- jobctl.indexing_jobs, whose project_id is a varchar(255), that an index serves it.
CREATE TRIGGER refuse_start BEFORE INSERT ON jobctl.jobs
    FOR EACH ROW WHEN (NEW.status = 'running' OR NEW.project_id::jobctl.name = '')
    EXECUTE FUNCTION jobctl.refuse_change();
-- Not even read, unless a statement names one of these columns.
CREATE TRIGGER refuse_identity BEFORE UPDATE OF id, project_id, kind, created_by, created_at ON jobctl.jobs
    FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.project_id <> NEW.project_id OR OLD.kind <> NEW.kind
          OR OLD.created_by <> NEW.created_by OR OLD.created_at <> NEW.created_at)
    EXECUTE FUNCTION jobctl.refuse_change();
-- From pending to running or held, and back.  A job has a token while it runs.
CREATE TRIGGER refuse_change BEFORE UPDATE OF status, token, worker_id, queue ON jobctl.jobs
    FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND OLD.status <> 'pending' AND NEW.status <> 'pending'
          OR OLD.token <> NEW.token
          OR OLD.token = NEW.token AND (OLD.worker_id <> NEW.worker_id OR OLD.queue <> NEW.queue))
    EXECUTE FUNCTION jobctl.refuse_change();

-- A worker cannot go while it has claims; whoever claims has its row share-locked.
--
-- To write into each job's row that it runs is most of what a claim costs, and a job that takes
-- a millisecond is gone before anybody could read it.  So a worker that takes many short jobs
-- takes them ahead: the claim alone says whose they are, and their rows say pending until
-- mark_running() writes it there: when one is not through a second later, when its worker gives
-- it back or dies, or when somebody is about to change it.  Whoever changes a pending job has
-- its row locked and asks mark_running() with a statement of its own before: a claim locks the
-- rows, too, and has them until what it took can be seen.
CREATE TABLE jobctl.claims (
    token uuid NOT NULL,
    queue text NOT NULL,
    ahead boolean NOT NULL DEFAULT false,
    worker_id uuid NOT NULL REFERENCES jobctl.workers,
    ids uuid[] NOT NULL,
    first_seq bigint,
    last_seq bigint,
    unfinished integer NOT NULL CONSTRAINT ck_claim_is_open CHECK (unfinished > 0),
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (token, queue, ahead),
    CONSTRAINT ck_ahead_has_bounds CHECK (num_nulls(first_seq, last_seq) = CASE WHEN ahead THEN 0 ELSE 2 END)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100,
        autovacuum_vacuum_cost_delay = 0);
-- ids that were made one after the other shrink well, and that costs more than it saves
ALTER TABLE jobctl.claims ALTER COLUMN ids SET STORAGE EXTERNAL;
CREATE INDEX claims_worker ON jobctl.claims (worker_id);
CREATE INDEX claims_queue ON jobctl.claims (queue);
CREATE INDEX claims_ahead ON jobctl.claims (last_seq) WHERE ahead;
COMMENT ON TABLE jobctl.claims IS 'what each claim took of a queue: how running jobs are found and counted';
COMMENT ON COLUMN jobctl.claims.unfinished IS
    'how many of ids still run under this token; the row goes with the last';
COMMENT ON COLUMN jobctl.claims.ahead IS 'the rows of these jobs do not say that they run; see jobctl.mark_running';
COMMENT ON COLUMN jobctl.claims.first_seq IS 'with last_seq: the least and the greatest seq of jobs taken ahead';

CREATE TABLE jobctl.job_dependencies (
    job_id uuid NOT NULL,
    needs_id uuid NOT NULL,
    needs_ok boolean NOT NULL,
    project_id text NOT NULL,
    PRIMARY KEY (job_id, needs_id),
    CONSTRAINT ck_no_self_dependency CHECK (job_id <> needs_id)
);
CREATE INDEX job_dependencies_needs ON jobctl.job_dependencies (needs_id);
COMMENT ON TABLE jobctl.job_dependencies IS 'dependencies not met yet: job_id waits for needs_id to end';

CREATE TABLE jobctl.unsettled (
    needs_id uuid PRIMARY KEY
);
COMMENT ON TABLE jobctl.unsettled IS
    'jobs that ended while somebody''s transaction had a job locked that waited for them; maintain() tells it';

CREATE TABLE jobctl.job_progress (
    job_id uuid PRIMARY KEY,
    project_id text NOT NULL,
    done bigint CHECK (done >= 0),
    total bigint CHECK (total >= 0),
    message text CHECK (length(message) <= 1000),
    stats jsonb CHECK (jsonb_typeof(stats) = 'object' AND pg_column_size(stats) <= 65536),
    checkpoint jsonb CHECK (pg_column_size(checkpoint) <= 65536),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE jobctl.job_progress IS 'what a live job last reported; a checkpoint outlives the attempt';

CREATE TABLE jobctl.job_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    project_id text,
    job_id uuid,
    queue text,
    event text NOT NULL CONSTRAINT ck_event CHECK
        (event IN ('cancel', 'retry', 'hold', 'release', 'pause', 'resume', 'limit', 'reap', 'edit')),
    role_name name NOT NULL DEFAULT jobctl.caller(),
    client text DEFAULT current_setting('application_name', true),
    why text
);
CREATE INDEX job_events_job ON jobctl.job_events (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX job_events_at ON jobctl.job_events (at);
COMMENT ON TABLE jobctl.job_events IS 'what people and reapers did to jobs and queues';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['jobs', 'job_dependencies', 'job_progress', 'job_events'] LOOP
        EXECUTE format('ALTER TABLE jobctl.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY visible ON jobctl.%I FOR SELECT USING
                        (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())))', t);
    END LOOP;
END
$$;
-- A queue's own events belong to no project.
CREATE POLICY queue_events ON jobctl.job_events FOR SELECT USING (project_id IS NULL);
GRANT SELECT ON jobctl.jobs, jobctl.job_dependencies, jobctl.job_progress, jobctl.job_events,
    jobctl.kinds, jobctl.queues, jobctl.workers
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
-- Nobody reads these two but our functions: tokens are as good as keys.
ALTER TABLE jobctl.claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobctl.unsettled ENABLE ROW LEVEL SECURITY;
