#!/usr/bin/env bats
# Who may call what, and that a tenant never sees or changes another's jobs.

bats_require_minimum_version 1.5.0
load queue

# ann owns project a, bob owns b; both submit, work and read.  cy may do nothing.
setup_file() {
	new_database
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_DIRNAME/prelude.sql"
	role_login sql_ann jobctl_submitter jobctl_worker jobctl_reader
	role_login sql_bob jobctl_submitter jobctl_worker jobctl_reader
	role_login sql_op jobctl_operator jobctl_all_projects
	role_login sql_cy
}

setup() {
	sql 'CALL t.clear()'
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'sql_ann'), ('b', 'sql_bob')"
}

ann() { sql_as sql_ann "$@"; }
bob() { sql_as sql_bob "$@"; }

# The role's statement fails with this SQLSTATE, and the text is somewhere in it.
refuses_as() {	# ROLE SQLSTATE 'SELECT ...' [TEXT]
	PGUSER=$1 refuses "${@:2}"
}

is_as() {	# ROLE WANT 'SELECT ...'
	PGUSER=$1 is "${@:2}"
}

# Bob has: job 1 running under worker 2 and token 1 with a report and output, 2 finished, 3 pending,
# 4 waiting for 3, all in project b, and a story.
bobs_jobs() {
	bob "SELECT jobctl.submit('secret', '{\"password\": 1}', project => 'b', id => t.j(n), unique_key => 'k' || n)
		FROM generate_series(1, 3) n" >/dev/null
	bob "SELECT jobctl.submit('secret', project => 'b', id => t.j(4), after => t.jj(3)), t.worker(2), t.claim(2, 1, 2)"
	bob "SELECT t.report(2, 1, 1, 1, 2, 'm'), t.output(2, 1, 1, 1, 'o'), t.finish(2, 2, 1), jobctl.hold(t.jj(3)), jobctl.release(t.jj(3))"
}

# All that can be known of Bob's jobs, as the superuser sees it.
bobs_world() {
	sql "SELECT md5(string_agg(x::text, '|' ORDER BY x::text)) FROM (
		SELECT to_jsonb(j) FROM jobctl.jobs j UNION ALL SELECT to_jsonb(f) FROM jobctl.finished_jobs f
		UNION ALL SELECT to_jsonb(p) FROM jobctl.job_progress p UNION ALL SELECT to_jsonb(o) FROM jobctl.job_output o
		UNION ALL SELECT to_jsonb(d) FROM jobctl.job_dependencies d UNION ALL SELECT to_jsonb(e) FROM jobctl.job_events e
		UNION ALL SELECT to_jsonb(c) FROM jobctl.claims c UNION ALL SELECT to_jsonb(w) FROM jobctl.workers w
		UNION ALL SELECT to_jsonb(q) FROM jobctl.queues q) w(x)"
}

# --- the catalog ---

@test "functions are granted one by one: p public, s submitter, w worker, o operator, r reader" {
	local want got

	# a letter for a role that may call it; p means everybody.  All others: nobody.
	want=$(sort <<-END
		append_output w
		arg_uuid p
		caller p
		cancel so
		claim w
		copy_begin so
		copy_end so
		copy_landed so
		create_index_job so
		drained o
		ensure_partitions wo
		ensure_project swo
		enter_index_job swo
		finish w
		get_index_job swor
		full_queues swor
		give_back w
		heartbeat w
		history_state or
		hold so
		home_project so
		left_cancelled so
		limit_queue o
		limit_project o
		limit_submissions o
		full_projects swor
		live_counts swor
		live_handlers swor
		maintain wo
		new_id p
		next_jobs swor
		pause_queue o
		project_filter p
		prunable or
		prune_begin o
		prune_end o
		prune_events o
		prune_partition o
		queue_state swor
		reap wo
		register_worker w
		refuse_schema p
		refuse_step swo
		refuse_view_change swo
		release so
		retry so
		report w
		require_column swo
		require_schema p
		require_status swo
		resume_queue o
		run_bucket p
		run_by_hand w
		stat_count p
		step_index_job swo
		retry_delay p
		rfc3339 p
		running_jobs swor
		story swor
		submit so
		submit_plain so
		unregister_worker w
		update_index_job swo
		ahead_of swor
		old_transactions swor
		row_lockers swor
		span_text p
		why swor
		why_waits swor
		why_runs swor
		why_no_worker swor
		told_locker swor
		why_queue swor
		job_surroundings swor
		database_state swor
		worker_session swor
		visible_projects swora
		waiting_jobs swor
		worker_idle w
		xmin_holders or
	END
	)
	got=$(psql -XAtqF ' ' -c "SELECT p.proname, CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN 'p' ELSE
			string_agg(r.letter, '' ORDER BY r.n) FILTER (WHERE has_function_privilege(r.name, p.oid, 'EXECUTE')) END AS who
		FROM pg_proc p CROSS JOIN (VALUES (1, 's', 'jobctl_submitter'), (2, 'w', 'jobctl_worker'), (3, 'o', 'jobctl_operator'),
			(4, 'r', 'jobctl_reader'), (5, 'a', 'jobctl_all_projects')) r(n, letter, name)
		WHERE p.pronamespace = 'jobctl'::regnamespace GROUP BY p.oid, p.proname" | awk 'NF > 1' | LC_ALL=C sort)
	diff <(LC_ALL=C sort <<<"$want") - <<<"$got"
}

@test "tables give SELECT at most, and so do views but for two, which are written through triggers" {
	run -0 sql "SELECT c.relname, r.rolname, p FROM pg_class c CROSS JOIN pg_roles r
		CROSS JOIN unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
		WHERE c.relnamespace = 'jobctl'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT r.rolsuper
		  AND NOT (c.relname IN ('indexing_jobs', 'index_jobs') AND p IN ('INSERT', 'UPDATE', 'DELETE')
		           AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgtype & 64 > 0)
		           AND r.rolname !~ '^jobctl_(reader|all_projects)\$')
		  AND has_table_privilege(r.oid, c.oid, p) AND r.rolname !~ '^pg_'"
	[ -z "$output" ]
	run -0 sql "SELECT c.relname, r.rolname FROM pg_class c CROSS JOIN pg_roles r
		WHERE c.relnamespace = 'jobctl'::regnamespace AND c.relkind = 'S' AND NOT r.rolsuper AND r.rolname !~ '^pg_'
		  AND has_sequence_privilege(r.oid, c.oid, 'USAGE, SELECT, UPDATE')"
	[ -z "$output" ]
}

@test "what has a project has row-level security, and so has each partition" {
	run -0 sql "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'jobctl'::regnamespace AND c.relkind IN ('r', 'p')
		AND NOT c.relrowsecurity
		AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'project_id') OR c.relname IN ('claims', 'unsettled', 'pruning'))"
	[ -z "$output" ]
	run -0 sql "SELECT c.relname FROM pg_class c CROSS JOIN pg_roles r WHERE c.relnamespace = 'jobctl'::regnamespace
		AND (c.relispartition OR c.relname IN ('claims', 'unsettled', 'pruning')) AND c.relkind = 'r' AND r.rolname LIKE 'jobctl!_%' ESCAPE '!'
		AND has_table_privilege(r.oid, c.oid, 'SELECT')"
	[ -z "$output" ]
}

@test "views see with the eyes of who asks" {
	run -0 sql "SELECT relname FROM pg_class WHERE relnamespace = 'jobctl'::regnamespace AND relkind = 'v'
		AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)"
	[ -z "$output" ]
}

@test "a function that anybody may call, or that runs as its owner, looks nothing up by the caller's path" {
	run -0 sql "SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'jobctl'::regnamespace
		AND p.prosqlbody IS NULL AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
		AND (p.prosecdef OR EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		                            WHERE a.grantee <> p.proowner))"
	[ -z "$output" ]
}

@test "who has no role can do nothing" {
	local f

	for f in "SELECT jobctl.submit('a')" "SELECT t.cancel(1)" "SELECT t.claim(1, 1)" 'SELECT jobctl.maintain()' \
		'SELECT * FROM jobctl.job' 'SELECT * FROM jobctl.jobs' 'SELECT * FROM jobctl.workers' 'SELECT * FROM jobctl.projects' \
		'SELECT jobctl.copy_begin()' "SELECT jobctl.pause_queue('default')" 'SELECT jobctl.project_filter()' \
		'SELECT jobctl.visible_projects()' 'SELECT jobctl.live_counts()' 'SELECT jobctl.live_handlers()' 'SELECT jobctl.full_queues()' \
		'SELECT jobctl.full_projects()' 'SELECT jobctl.next_jobs()' 'SELECT jobctl.old_transactions()'; do
		refuses_as sql_cy 42501 "$f"
	done
	is_as sql_cy '' 'SELECT jobctl.require_schema(4, 4)'
}

@test "a reader reads, a worker does not submit, a submitter does not work, neither operates" {
	sql_as sql_op "SELECT jobctl.pause_queue('default')"
	refuses_as sql_op 42501 'SELECT t.claim(1, 1)'
	refuses_as sql_ann 42501 "SELECT jobctl.resume_queue('default')"
	refuses_as sql_ann 42501 "UPDATE jobctl.jobs SET priority = 1"
	refuses_as sql_ann 42501 "SELECT * FROM jobctl.claims"
	refuses_as sql_ann 42501 "SELECT * FROM jobctl.finished_jobs_default"
	refuses_as sql_ann 42501 "SELECT jobctl.end_jobs(t.jj(1), 'cancelled', 'cancelled', 'x')"
	refuses_as sql_ann 42501 "SELECT nextval('jobctl.job_seq')"
}

# --- tenants ---

@test "Ann sees nothing of Bob's jobs by any table or view" {
	local relation

	bobs_jobs
	bob "SELECT jobctl.submit('index', '{\"repo_path\": \"/secret\"}', project => 'b')" >/dev/null
	sql "INSERT INTO jobctl.submissions (project_id) VALUES ('b')"
	for relation in job job_run index_base indexing_jobs index_jobs jobs finished_jobs job_attempts job_output job_progress job_dependencies job_events event submissions; do
		is_as sql_ann 0 "SELECT count(*) FROM jobctl.$relation"
		[ "$relation" = job_attempts ] || [ "$(bob "SELECT count(*) > 0 FROM jobctl.$relation")" = t ]
	done
	is_as sql_ann a,default "SELECT string_agg(project_id, ',' ORDER BY project_id) FROM jobctl.projects"
	is_as sql_ann 0 'SELECT count(*) FROM jobctl.next_jobs()'
	is_as sql_op 5 'SELECT count(*) FROM jobctl.job'
}

@test "a leaky function in her query is not shown his rows" {
	bobs_jobs
	ann "CREATE FUNCTION pg_temp.leak(jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS \$\$
		BEGIN RAISE NOTICE 'leaked %', \$1; RETURN true; END \$\$;
		SELECT count(*) FROM jobctl.job WHERE pg_temp.leak(args)" >"$BATS_TEST_TMPDIR/out" 2>&1
	run ! grep leaked "$BATS_TEST_TMPDIR/out"
}

@test "she changes nothing of them by any function" {
	local before

	bobs_jobs
	ann 'SELECT t.worker(1)'
	before=$(bobs_world)
	is_as sql_ann '' 'SELECT t.cancel(1, 2, 3, 4)'
	is_as sql_ann '' 'SELECT jobctl.hold(t.jj(3))'
	is_as sql_ann '' 'SELECT jobctl.release(t.jj(3))'
	is_as sql_ann '' "SELECT jobctl.retry(t.jj(1, 2, 3, 4), edits => '{\"x\": 1}')"
	is_as sql_ann 0 'SELECT count(*) FROM jobctl.story(t.j(2))'
	is_as sql_ann '' "UPDATE jobctl.indexing_jobs SET status = 'failed' RETURNING id"
	is_as sql_ann '' "UPDATE jobctl.index_jobs SET stats = '{}' RETURNING id"
	refuses_as sql_ann JC066 "SELECT jobctl.run_by_hand(t.j(3), 'pending', 'running')" 'no such job'
	refuses_as sql_ann JC066 "SELECT jobctl.run_by_hand(t.j(1), 'running', 'completed')" 'no such job'
	refuses_as sql_ann JC066 "SELECT jobctl.refuse_step(t.j(3), 'pending', 'running')" 'no such job'
	refuses_as sql_ann JC066 "SELECT jobctl.step_index_job(t.j(3), 'pending', 'failed', NULL, NULL)" 'no such job'
	refuses_as sql_ann JC066 "SELECT jobctl.enter_index_job(t.j(3), 'pending', 'running', NULL, NULL)" 'no such job'
	is_as sql_ann '' 'SELECT t.claim(1, 7, 9)'
	is_as sql_ann '' 'SELECT t.claim(1, 7, 9, NULL)'
	refuses_as sql_ann JC069 'SELECT t.claim(2, 7, 9)'
	refuses_as sql_ann JC069 'SELECT t.claim(2, 1, 9)'
	is_as sql_ann superseded 'SELECT t.finish(2, 1, 1)'
	is_as sql_ann superseded 'SELECT t.finish(1, 1, 1)'
	is_as sql_ann superseded 'SELECT t.give_back(2, 1, 1)'
	is_as sql_ann superseded 'SELECT t.give_back(1, 1, 1)'
	refuses_as sql_ann JC069 "SELECT t.beat(2, '{1}', '{1}')"
	ann "SELECT t.report(2, 1, 1, 9, 9, 'x'), t.report(1, 1, 1, 9, 9, 'x'), t.output(2, 1, 1, 9, 'x'), t.output(1, 1, 1, 9, 'x')"
	refuses_as sql_ann JC077 'SELECT t.worker(2)' 'is taken'
	is_as sql_ann f 'SELECT jobctl.unregister_worker(t.w(2))'
	ann 'SELECT jobctl.worker_idle(t.w(2))'
	is_as sql_ann '' 'SELECT t.reap(2)'
	is_as sql_ann 0 'SELECT reaped FROM jobctl.maintain()'
	[ "$(bobs_world)" = "$before" ]
}

@test "what is Bob's and what does not exist is the same to her" {
	bobs_jobs
	is "no such project \"b\"" "$(answer "SELECT jobctl.submit('a', project => 'b')")"
	is "no such project \"x\"" "$(answer "SELECT jobctl.submit('a', project => 'x')")"
	is "no such job $(sql 'SELECT t.j(3)') to wait for" "$(answer "SELECT jobctl.submit('a', project => 'a', after => t.jj(3))")"
	is "no such job $(sql 'SELECT t.j(2)') to wait for" "$(answer "SELECT jobctl.submit('a', project => 'a', after => t.jj(2))")"
	is "no such job $(sql 'SELECT t.j(9)') to wait for" "$(answer "SELECT jobctl.submit('a', project => 'a', after => t.jj(9))")"
	is_as sql_ann $'f\nf\nf' 'SELECT jobctl.copy_landed(t.k(1), t.j(n)) FROM unnest(ARRAY[1, 2, 9]) n'
	is_as sql_ann 2 "SELECT t.n(jobctl.submit('a', project => 'a', id => t.j(2), repeated => true))"
	is 1 "SELECT count(*) FROM jobctl.jobs WHERE id = t.j(2) AND project_id = 'a'"
	sql "DELETE FROM jobctl.jobs WHERE id = t.j(2)"
}

# What Ann is told, as a statement that gives the same text.
answer() {	# 'SELECT ...'
	local out

	out=$(ann "$1" 2>&1) || true
	printf "SELECT \$t\$%s\$t\$" "$(sed -n 's/^ERROR:  //p' <<<"$out")"
}

@test "her key does not meet his, and reaping tells each only of their own" {
	bobs_jobs
	is_as sql_ann 11 "SELECT t.n(jobctl.submit('a', project => 'a', unique_key => 'k3', id => t.j(11)))"
	ann 'SELECT t.worker(1), t.claim(1, 7)'
	sql 'SELECT t.expire(1), t.expire(2)'
	is_as sql_ann '11 pending' 'SELECT t.reap()'
	is pending 'SELECT t.state(1)'
}

@test "a dead worker of hers she may bury herself" {
	ann "SELECT jobctl.submit('a', project => 'a', id => t.j(1)), t.worker(1), t.claim(1, 1)"
	is_as sql_bob '' 'SELECT t.reap(1)'
	is_as sql_ann '1 pending' 'SELECT t.reap(1)'
	ann 'SELECT t.worker(1), t.claim(1, 2)'
	is_as sql_op '1 pending' 'SELECT t.reap(1)'
}

@test "work in a public project is for everybody" {
	ann "SELECT jobctl.submit('a', id => t.j(1))"
	bob 'SELECT t.worker(2)'
	is_as sql_bob 1 'SELECT t.claim(2, 1)'
	is_as sql_ann sql_ann 'SELECT created_by FROM jobctl.job'
}

# --- who is asking ---

@test "SET ROLE is who asks; nobody else can be made up" {
	bobs_jobs
	role_login sql_dot sql_bob
	is_as sql_dot 4 'SELECT count(*) FROM jobctl.job'
	sql_as sql_dot "SET ROLE sql_bob; SELECT jobctl.submit('a', project => 'b', id => t.j(5))"
	is sql_bob 'SELECT created_by FROM jobctl.jobs WHERE id = t.j(5)'
	refuses_as sql_ann 42501 'SET ROLE sql_bob'
	refuses_as sql_ann 42501 "SELECT set_config('role', 'sql_bob', false)"
	refuses_as sql_ann 42501 'SET ROLE jobctl_all_projects'
	refuses_as sql_ann 42501 'SET SESSION AUTHORIZATION sql_bob'
}

@test "a role that does not inherit sees only what it sets itself to" {
	bobs_jobs
	sql "SELECT FROM pg_roles WHERE rolname = 'sql_eve'" | grep -q . || role_login sql_eve
	sql 'ALTER ROLE sql_eve NOINHERIT; GRANT sql_bob, jobctl_reader TO sql_eve'
	refuses_as sql_eve 42501 'SELECT count(*) FROM jobctl.job'
	is_as sql_eve 0 'SET ROLE jobctl_reader; SELECT count(*) FROM jobctl.job'
	is_as sql_eve 4 'SET ROLE sql_bob; SELECT count(*) FROM jobctl.job'
}

@test "a project whose owner was dropped is its own no more" {
	sql 'CREATE ROLE sql_gone LOGIN; GRANT jobctl_submitter, jobctl_reader TO sql_gone'
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('c', 'sql_gone')"
	PGUSER=sql_gone sql "SELECT jobctl.submit('a', project => 'c', id => t.j(1))"
	sql 'DROP OWNED BY sql_gone; DROP ROLE sql_gone'
	refuses_as sql_ann JC066 "SELECT jobctl.submit('a', project => 'c')" 'no such project "c"'
	is_as sql_ann 0 'SELECT count(*) FROM jobctl.job'
	is_as sql_op 1 'SELECT count(*) FROM jobctl.job'
}

# --- tricks ---

@test "objects of the caller's own are not taken for ours" {
	ann "CREATE TEMP TABLE jobs (id uuid); CREATE TEMP TABLE kinds (kind text); CREATE TEMP TABLE projects (project_id text);
		CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS \$\$ SELECT 'infinity'::timestamptz \$\$;
		CREATE FUNCTION pg_temp.format(text, text) RETURNS text LANGUAGE sql AS \$\$ SELECT 'mine' \$\$;
		CREATE TYPE pg_temp.uuid AS (x integer);
		SET search_path = pg_temp, jobctl, pg_catalog;
		SELECT jobctl.submit('a', project => 'a', id => t.j(1)); SELECT t.worker(1); SELECT t.claim(1, 1); SELECT t.finish(1, 1, 1)"
	is 'completed|t' "SELECT status, completed_at < now() + interval '1 min' FROM jobctl.finished_jobs"
	refuses_as sql_ann JC066 "CREATE FUNCTION pg_temp.format(text, text) RETURNS text LANGUAGE sql AS \$\$ SELECT 'mine' \$\$;
		SET search_path = pg_temp, pg_catalog; SELECT jobctl.submit('a', project => 'b')" 'no such project "b"'
}

@test "a staging table of the caller's own is refused" {
	local mine='CREATE TEMP TABLE jobctl_incoming (line bigint, id uuid, project text, queue text, kind text, args jsonb, priority integer,
		run_at timestamptz, run_in interval, unique_key text, on_conflict text, unique_for interval, after uuid[], after_ok uuid[],
		max_attempts integer, backoff text, timeout interval, hold boolean)'

	refuses_as sql_ann JC064 "BEGIN; $mine; SELECT jobctl.copy_end()" 'without copy_begin()'
	refuses_as sql_ann 42P07 "BEGIN; $mine; SELECT jobctl.copy_begin()"
	refuses_as sql_ann JC064 "BEGIN; SELECT jobctl.copy_begin(); DISCARD TEMP; $mine; SELECT jobctl.copy_end()"
	refuses_as sql_ann 42501 "BEGIN; SELECT jobctl.copy_begin(); CREATE TRIGGER x BEFORE DELETE ON pg_temp.jobctl_incoming
		EXECUTE FUNCTION suppress_redundant_updates_trigger()"
	refuses_as sql_ann 42501 "BEGIN; SELECT jobctl.copy_begin(); CREATE TEMP TABLE kid () INHERITS (jobctl_incoming)"
	refuses_as sql_ann 42501 "BEGIN; SELECT jobctl.copy_begin(); ALTER TABLE pg_temp.jobctl_incoming ADD COLUMN x integer"
	refuses_as sql_ann 42501 "BEGIN; SELECT jobctl.copy_begin(); SELECT * FROM pg_temp.jobctl_incoming"
	refuses_as sql_ann JC064 'SELECT jobctl.copy_end()'
}

@test "what is said in bulk is checked as what is said once" {
	local begin="BEGIN; SELECT jobctl.copy_begin(); INSERT INTO pg_temp.jobctl_incoming (line, id, project, queue, kind, args, hold"

	bobs_jobs
	refuses_as sql_ann JC066 "$begin) VALUES (1, t.j(9), 'b', 'q', 'a', '{}', false); SELECT jobctl.copy_end()" 'line 1: no such project "b"'
	refuses_as sql_ann JC066 "$begin, after) VALUES (1, t.j(9), 'a', 'q', 'a', '{}', false, t.jj(3)); SELECT jobctl.copy_end()" 'no such job'
	refuses_as sql_ann 23514 "$begin, run_at) VALUES (1, t.j(9), 'a', 'q', 'a', '{}', false, 'infinity'); SELECT jobctl.copy_end()" \
		ck_times_are_finite
	refuses_as sql_ann JC065 "$begin, unique_key) VALUES (1, t.j(9), 'a', 'q', 'index', '{\"repo_path\": \"/a\"}', false, 'k'); SELECT jobctl.copy_end()" \
		'line 1: a job of kind "index" is unique by its repo_path'
	ann "$begin) VALUES (1, t.j(9), 'a', 'q', 'a', '{}', false); SELECT jobctl.copy_end(); COMMIT"
	is sql_ann 'SELECT created_by FROM jobctl.jobs WHERE id = t.j(9)'
}

@test "a partition that default privileges give away shows nothing" {
	sql "ALTER DEFAULT PRIVILEGES IN SCHEMA jobctl GRANT SELECT ON TABLES TO sql_ann"
	sql "SELECT jobctl.ensure_partitions(6)"
	sql "ALTER DEFAULT PRIVILEGES IN SCHEMA jobctl REVOKE SELECT ON TABLES FROM sql_ann"
	local part
	part=finished_jobs_$(sql "SELECT to_char(date_trunc('week', now() AT TIME ZONE 'UTC') + interval '6 weeks', 'YYYYMMDD')")

	sql "INSERT INTO jobctl.finished_jobs SELECT (jsonb_populate_record(NULL::jobctl.finished_jobs, jsonb_build_object('id', t.j(1),
		'completed_at', now() + interval '6 weeks', 'created_at', now(), 'run_at', now(), 'priority', 0, 'attempt', 1,
		'max_attempts', 1, 'crashes', 0, 'spent', 0, 'status', 'completed', 'outcome', 'ok', 'project_id', 'b', 'queue', 'q', 'kind', 'k',
		'created_by', 'x', 'args', '{}'::jsonb))).*"
	is 1 "SELECT count(*) FROM jobctl.$part"
	is_as sql_ann 0 "SELECT count(*) FROM jobctl.$part"
}

@test "the locks anybody can hold do not stop the queue" {
	hold_open 'SELECT pg_advisory_lock(7305804402), pg_advisory_lock(uuid_hash_extended(t.w(1), 0))'
	jobs 1
	sql 'SELECT t.worker(1)'
	is 1 'SELECT t.claim(1, 1)'
	is 0 'SELECT reaped FROM jobctl.maintain()'
	let_go
}
