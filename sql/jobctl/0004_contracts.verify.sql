-- What systems rely on that had tables indexing_jobs and index_jobs of their own: each
-- sentence of the reports that were written about those by hand, as a statement.  The views
-- are made by api/, so this holds when the set is at its head.

-- "10 columns, types, defaults": in their order, each with its own
-- probe: indexing_jobs_columns
-- expect: rows 10
SELECT a.attname
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN (VALUES (1, 'id', 'uuid', 'new_id()'), (2, 'repo_path', 'text', NULL),
             (3, 'project_id', 'character varying(255)', NULL),
             (4, 'status', 'character varying(20)', '''pending''::character varying'),
             (5, 'error_message', 'text', NULL), (6, 'files_indexed', 'integer', '0'),
             (7, 'chunks_created', 'integer', '0'), (8, 'started_at', 'timestamp with time zone', NULL),
             (9, 'completed_at', 'timestamp with time zone', NULL),
             (10, 'created_at', 'timestamp with time zone', 'now()')) w(n, name, type, value)
  ON w.n = a.attnum AND w.name = a.attname AND w.type = pg_catalog.format_type(a.atttypid, a.atttypmod)
 AND w.value IS NOT DISTINCT FROM replace(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'jobctl.', '')
WHERE a.attrelid = 'jobctl.indexing_jobs'::regclass;

-- probe: indexing_jobs_has_no_more_columns
-- expect: value 10
SELECT count(*) FROM pg_catalog.pg_attribute
WHERE attrelid = 'jobctl.indexing_jobs'::regclass AND attnum > 0 AND NOT attisdropped;

-- probe: index_jobs_columns
-- expect: value id uuid, repository_id uuid, ref text, status character varying(20), started_at timestamp with time zone, completed_at timestamp with time zone, error_message text, stats jsonb, created_at timestamp with time zone, queue_job_id uuid, commit_sha text
SELECT string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'jobctl.index_jobs'::regclass AND a.attnum > 0;

-- "Indexes on the live table": by definition, not by number
-- probe: idx_active_jobs_definition
-- expect: value (project_id, created_at) WHERE ((kind)::text = 'index'::text)
SELECT substring(pg_catalog.pg_get_indexdef('jobctl.idx_active_jobs'::regclass) FROM 'USING btree (.*)');

-- probe: idx_created_at_definition
-- expect: value (created_at) WHERE ((kind)::text = 'index'::text)
SELECT substring(pg_catalog.pg_get_indexdef('jobctl.idx_created_at'::regclass) FROM 'USING btree (.*)');

-- "At most 2 at once, one hour each"
-- probe: default_limit
-- expect: value 2
SELECT max_running FROM jobctl.queues WHERE queue = 'index';

-- probe: default_timeout
-- expect: value 01:00:00
SELECT timeout FROM jobctl.kinds WHERE kind = 'index';

-- "CHECK rejects a bad status": each that is allowed, and some that are not
-- probe: status_pending
-- expect: value pending
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', 'pending') RETURNING status;

-- probe: status_running
-- expect: value running
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', 'running') RETURNING status;

-- probe: status_completed
-- expect: value completed
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', 'completed') RETURNING status;

-- probe: status_failed
-- expect: value failed
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', 'failed') RETURNING status;

-- probe: status_invalid
-- expect: 23514 ck_indexing_jobs_status
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', 'invalid');

-- probe: status_null
-- expect: 23502 status
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/verify', 'default', NULL);

-- probe: id_null
-- expect: 23502 id
INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id) VALUES (NULL, '/verify', 'default');

-- probe: created_at_null
-- expect: 23502 created_at
INSERT INTO jobctl.indexing_jobs (created_at, repo_path, project_id) VALUES (NULL, '/verify', 'default');

-- probe: path_missing
-- expect: 23502 repo_path
INSERT INTO jobctl.indexing_jobs (project_id) VALUES ('default');

-- probe: project_missing
-- expect: 23502 project_id
INSERT INTO jobctl.indexing_jobs (repo_path) VALUES ('/verify');

-- probe: path_relative
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('verify', 'default');

-- probe: path_upwards
-- expect: 23514 ck_index_repo_path
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify/../etc', 'default');

-- probe: path_with_dots
-- expect: value /a/foo..bar
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/a/foo..bar', 'default') RETURNING repo_path;

-- "Functional test 1: insert with defaults"
-- probe: insert_with_defaults keeps
-- expect: value pending 0 0 f f t
INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id)
VALUES ('00000000-0000-7000-8000-000000000001', '/verify', 'default')
RETURNING concat_ws(' ', status, files_indexed, chunks_created, started_at IS NOT NULL, completed_at IS NOT NULL,
                    created_at IS NOT NULL);

-- probe: it_is_a_job_of_the_queue
-- expect: value index index 01:00:00
SELECT concat_ws(' ', kind, queue, timeout) FROM jobctl.jobs;

-- probe: counters_of_one_that_waits
-- expect: 23514 ck_job_transition
INSERT INTO jobctl.indexing_jobs (repo_path, project_id, files_indexed) VALUES ('/verify/2', 'default', 1);

-- probe: one_active_job_for_a_repository
-- expect: value 00000000-0000-7000-8000-000000000001
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify/', 'default') RETURNING id;

-- probe: status_invalid_by_update
-- expect: 23514 ck_indexing_jobs_status
UPDATE jobctl.indexing_jobs SET status = 'held' WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: pending_to_completed
-- expect: 23514 ck_job_transition
UPDATE jobctl.indexing_jobs SET status = 'completed' WHERE id = '00000000-0000-7000-8000-000000000001';

-- "Functional test 2: pending -> running -> completed"
-- probe: pending_to_running keeps
-- expect: value running t f
UPDATE jobctl.indexing_jobs SET status = 'running' WHERE id = '00000000-0000-7000-8000-000000000001'
RETURNING concat_ws(' ', status, started_at IS NOT NULL, completed_at IS NOT NULL);

-- probe: counters_and_error_while_it_runs
-- expect: value 4 0 odd
UPDATE jobctl.indexing_jobs SET files_indexed = 4, error_message = 'odd' WHERE id = '00000000-0000-7000-8000-000000000001'
RETURNING concat_ws(' ', files_indexed, chunks_created, error_message);

-- probe: running_to_failed
-- expect: value failed disk full t
UPDATE jobctl.indexing_jobs SET status = 'failed', error_message = 'disk full'
WHERE id = '00000000-0000-7000-8000-000000000001'
RETURNING concat_ws(' ', status, error_message, completed_at IS NOT NULL);

-- probe: running_to_pending
-- expect: 23514 ck_job_transition
UPDATE jobctl.indexing_jobs SET status = 'pending' WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: running_to_completed keeps
-- expect: value completed 4 9 t
UPDATE jobctl.indexing_jobs SET status = 'completed', files_indexed = 4, chunks_created = 9
WHERE id = '00000000-0000-7000-8000-000000000001'
RETURNING concat_ws(' ', status, files_indexed, chunks_created, completed_at >= started_at);

-- "Functional test 3: backward transitions"
-- probe: completed_to_running
-- expect: 23514 ck_job_transition
UPDATE jobctl.indexing_jobs SET status = 'running' WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: completed_to_failed
-- expect: 23514 ck_job_transition
UPDATE jobctl.indexing_jobs SET status = 'failed' WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: late_counters
-- expect: 23514 ck_job_transition
UPDATE jobctl.indexing_jobs SET files_indexed = 5 WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: another_path
-- expect: 23514 ck_job_identity
UPDATE jobctl.indexing_jobs SET repo_path = '/other' WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: no_deletion
-- expect: JC077
DELETE FROM jobctl.indexing_jobs WHERE id = '00000000-0000-7000-8000-000000000001';

-- probe: after_it_ended_another
-- expect: value t
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify', 'default')
RETURNING id <> '00000000-0000-7000-8000-000000000001';

-- What only the queue knows of: held is pending, cancelled has failed.
-- probe: held keeps
SELECT jobctl.submit('index', '{"repo_path": "/verify/3"}', id => '00000000-0000-7000-8000-000000000003', hold => true);

-- probe: held_is_pending
-- expect: value pending
SELECT status FROM jobctl.indexing_jobs WHERE id = '00000000-0000-7000-8000-000000000003';

-- probe: cancelled keeps
SELECT jobctl.cancel('{00000000-0000-7000-8000-000000000003}');

-- probe: cancelled_is_failed
-- expect: value failed t
SELECT concat_ws(' ', status, completed_at IS NOT NULL) FROM jobctl.indexing_jobs
WHERE id = '00000000-0000-7000-8000-000000000003';

-- The API's three functions, in that order.
-- probe: create_index_job keeps
-- expect: value 00000000-0000-7000-8000-000000000002
SELECT jobctl.create_index_job('00000000-0000-4000-8000-000000000009', 'main',
                               id => '00000000-0000-7000-8000-000000000002');

-- probe: create_said_again
-- expect: value 00000000-0000-7000-8000-000000000002
SELECT jobctl.create_index_job('00000000-0000-4000-8000-000000000009');

-- probe: create_without_repository
-- expect: 23502 repository_id
SELECT jobctl.create_index_job(NULL);

-- probe: without_a_path_it_is_in_one_view
-- expect: rows 0
SELECT FROM jobctl.indexing_jobs WHERE id = '00000000-0000-7000-8000-000000000002';

-- probe: by_queue_job_id
-- expect: value pending main 00000000-0000-4000-8000-000000000009
SELECT concat_ws(' ', status, ref, repository_id, commit_sha) FROM jobctl.index_jobs
WHERE queue_job_id = '00000000-0000-7000-8000-000000000002';

-- probe: update_to_processing keeps
-- expect: value processing {"files": 3}
SELECT concat_ws(' ', u.status, u.stats)
FROM jobctl.update_index_job('00000000-0000-7000-8000-000000000002', 'processing', '{"files": 3}', 'a file is odd') u;

-- probe: error_stays_while_it_runs
-- expect: value {"files": 3, "chunks": 5} a file is odd
SELECT concat_ws(' ', u.stats, u.error_message)
FROM jobctl.update_index_job('00000000-0000-7000-8000-000000000002', stats => '{"chunks": 5}') u;

-- probe: error_cleared_on_success keeps
-- expect: value completed {"files": 3, "chunks": 7} t
SELECT concat_ws(' ', u.status, u.stats, u.error_message IS NULL)
FROM jobctl.update_index_job('00000000-0000-7000-8000-000000000002', 'completed', '{"chunks": 7}') u;

-- probe: end_said_again
-- expect: value completed
SELECT u.status FROM jobctl.update_index_job('00000000-0000-7000-8000-000000000002', 'completed', '{"chunks": 7}') u;

-- probe: late_update
-- expect: 23514 ck_job_transition
SELECT jobctl.update_index_job('00000000-0000-7000-8000-000000000002', 'failed', error_message => 'late');

-- probe: index_jobs_statuses
-- expect: value completed failed pending processing
WITH made AS (INSERT INTO jobctl.index_jobs (repository_id, status)
              SELECT gen_random_uuid(), s FROM unnest('{pending,processing,completed,failed}'::text[]) s RETURNING status)
SELECT string_agg(status, ' ' ORDER BY status) FROM made;

-- probe: index_jobs_status_invalid_by_insert
-- expect: 23514 ck_index_jobs_status
INSERT INTO jobctl.index_jobs (repository_id, status) VALUES (gen_random_uuid(), 'running');

-- probe: index_jobs_status_invalid
-- expect: 23514 ck_index_jobs_status
SELECT jobctl.update_index_job('00000000-0000-7000-8000-000000000002', 'running');

-- probe: get_of_nobody
-- expect: JC066
SELECT jobctl.get_index_job('00000000-0000-7000-8000-00000000000f');

-- "Counters by status, a histogram of duration"
-- probe: ends_are_counted
-- expect: value cancelled 1, completed 2
SELECT string_agg(c.status || ' ' || c.n, ', ' ORDER BY c.status)
FROM (SELECT status, sum(n) AS n FROM jobctl.job_count WHERE kind = 'index' GROUP BY status) c;

-- probe: and_how_long_they_took
-- expect: value 2
SELECT sum(n) FROM jobctl.job_count WHERE kind = 'index' AND bucket IS NOT NULL;

-- "Isolation by project": nobody's job and somebody else's are the same answer.
-- probe: project_of_others keeps
INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'pg_monitor');

-- probe: job_of_others keeps
INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id)
VALUES ('00000000-0000-7000-8000-000000000004', '/verify', 'theirs');

-- probe: as_worker keeps
SET LOCAL ROLE jobctl_worker;

-- probe: sees_none_of_theirs
-- expect: value 0 0
SELECT concat_ws(' ', (SELECT count(*) FROM jobctl.indexing_jobs WHERE project_id = 'theirs'),
                 (SELECT count(*) FROM jobctl.index_jobs WHERE id = '00000000-0000-7000-8000-000000000004'));

-- probe: changes_none_of_theirs
-- expect: rows 0
UPDATE jobctl.indexing_jobs SET status = 'running' WHERE id = '00000000-0000-7000-8000-000000000004';

-- probe: get_of_theirs
-- expect: JC066
SELECT jobctl.get_index_job('00000000-0000-7000-8000-000000000004');

-- probe: update_of_theirs
-- expect: JC066
SELECT jobctl.update_index_job('00000000-0000-7000-8000-000000000004', 'processing');

-- probe: taking_theirs
-- expect: JC066
SELECT jobctl.run_by_hand('00000000-0000-7000-8000-000000000004', 'pending', 'running');

-- probe: as_submitter keeps
SET LOCAL ROLE jobctl_submitter;

-- probe: creating_among_theirs
-- expect: JC066
SELECT jobctl.create_index_job('00000000-0000-4000-8000-000000000008', project => 'theirs');

-- probe: inserting_among_theirs
-- expect: JC066
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify/5', 'theirs');

-- probe: as_reader keeps
SET LOCAL ROLE jobctl_reader;

-- probe: reader_writes_neither
-- expect: 42501
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify/5', 'default');

-- probe: as_before keeps
RESET ROLE;

-- "A tenant's submissions are limited"
-- probe: limit_submissions keeps
SELECT jobctl.limit_submissions('default', 1);

-- probe: within_the_limit keeps
SELECT jobctl.submit('verify');

-- probe: limit_reached
-- expect: JC075
SELECT jobctl.submit('verify');

-- probe: limit_reached_by_the_view
-- expect: JC075
INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/verify/5', 'default');

-- probe: limit_reached_by_the_function
-- expect: JC075
SELECT jobctl.create_index_job('00000000-0000-4000-8000-000000000008', project => 'default');

-- rows: jobctl.jobs 100000
INSERT INTO jobctl.jobs (id, kind, queue, project_id, args, created_at)
SELECT jobctl.new_id(), 'index', 'index', CASE WHEN n % 1000 = 0 THEN 'default' ELSE 'verify' END,
       jsonb_build_object('repo_path', '/verify/' || n), now() - n * interval '1 s'
FROM generate_series(1, current_setting('jobctl.rows')::int) n;

-- query: active_jobs_of_a_project uses idx_active_jobs rows 100000 within 10ms
SELECT * FROM jobctl.indexing_jobs WHERE project_id = 'default' AND status IN ('pending', 'running');

-- query: newest_first uses idx_created_at rows 100000 within 10ms
SELECT * FROM jobctl.indexing_jobs ORDER BY created_at DESC LIMIT 5;

-- query: newest_of_a_project uses idx_active_jobs rows 100000 within 50ms
SELECT * FROM jobctl.indexing_jobs WHERE project_id = 'default' ORDER BY created_at DESC LIMIT 5;

-- query: by_queue_job_id uses jobs_pkey rows 100000 within 50ms
SELECT * FROM jobctl.index_jobs WHERE queue_job_id = '00000000-0000-7000-8000-000000000002';

-- A job of another kind is in none of them.
-- query: other_kinds_by_project not uses idx_active_jobs rows 100000
SELECT * FROM jobctl.jobs WHERE project_id = 'default' AND kind = 'verify';

-- query: other_kinds_newest_first not uses idx_created_at rows 100000
SELECT * FROM jobctl.jobs WHERE kind = 'verify' ORDER BY created_at DESC LIMIT 5;

-- rows: jobctl.finished_jobs 100000
INSERT INTO jobctl.finished_jobs (id, kind, queue, project_id, args, status, outcome, created_by, priority, attempt,
                                  max_attempts, crashes, run_at, created_at, completed_at)
SELECT jobctl.new_id(), 'index', 'index', CASE WHEN n % 1000 = 0 THEN 'default' ELSE 'verify' END,
       jsonb_build_object('repo_path', '/verify/' || n), CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END, 'ok',
       'verify', 0, 1, 3, 0, now(), now() - n * interval '1 s', now()
FROM generate_series(1, current_setting('jobctl.rows')::int) n;

-- query: completed_newest_first uses finished_index_done rows 100000 within 50ms
SELECT * FROM jobctl.indexing_jobs WHERE status = 'completed' ORDER BY created_at DESC LIMIT 5;

-- query: completed_of_a_project uses finished_index_done_project rows 100000 within 50ms
SELECT * FROM jobctl.indexing_jobs WHERE project_id = 'default' AND status = 'completed' ORDER BY created_at DESC LIMIT 5;

-- query: failed_newest_first uses finished_index_bad rows 100000 within 50ms
SELECT * FROM jobctl.indexing_jobs WHERE status = 'failed' ORDER BY created_at DESC LIMIT 5;

-- query: running uses jobs_index_running rows 100000 within 50ms
SELECT * FROM jobctl.indexing_jobs WHERE status = 'running' ORDER BY created_at DESC LIMIT 5;

-- query: processing uses jobs_index_running rows 100000 within 50ms
SELECT * FROM jobctl.index_jobs WHERE status = 'processing' ORDER BY created_at DESC LIMIT 5;
