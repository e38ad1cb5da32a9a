#!/usr/bin/env bats
# The view jobctl.index_jobs and the three functions an API calls: create, update, get.

bats_require_minimum_version 1.5.0
load queue

setup_file() {
	new_database
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_DIRNAME/prelude.sql"
	role_login ijob_ann jobctl_submitter jobctl_worker jobctl_reader
	role_login ijob_bob jobctl_submitter jobctl_worker jobctl_reader
	role_login ijob_cy jobctl_submitter jobctl_worker jobctl_reader
}

setup() {
	sql 'CALL t.clear()'
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'ijob_ann'), ('b', 'ijob_bob'), ('b2', 'ijob_bob')"
	sql 'DELETE FROM catalog.repositories'
}

create() {	# N [ARGUMENTS]: job N for repository N
	sql "SELECT t.n(jobctl.create_index_job(t.k($1), id => t.j($1)${2:+, $2}))"
}

update() {	# N STATUS [ARGUMENTS]
	printf "SELECT u.status FROM jobctl.update_index_job(t.j(%s), '%s'%s) u" "$1" "$2" "${3:+, $3}"
}

@test "its columns, in their order" {
	local want

	want=$(cat <<-'END'
		id|uuid
		repository_id|uuid
		ref|text
		status|character varying(20)
		started_at|timestamp with time zone
		completed_at|timestamp with time zone
		error_message|text
		stats|jsonb
		created_at|timestamp with time zone
		queue_job_id|uuid
		commit_sha|text
	END
	)
	is "$want" "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = 'jobctl.index_jobs'::regclass AND attnum > 0 ORDER BY attnum"
}

@test "create answers with an id at once; the commit may be told or not" {
	[ "$(create 1)" = 1 ]
	[ "$(create 2 "ref => 'main', commit_sha => 'abc123'")" = 2 ]
	is $'pending|||\npending|main|abc123|' 'SELECT status, ref, commit_sha, stats FROM jobctl.index_jobs ORDER BY id'
	is t "SELECT bool_and(id = queue_job_id AND repository_id = t.k(t.n(id)) AND created_at > now() - interval '1 min') FROM jobctl.index_jobs"
	is 'index|index|01:00:00' 'SELECT DISTINCT kind, queue, timeout FROM jobctl.jobs'
	refuses 23502 'SELECT jobctl.create_index_job(NULL)' 'COLUMN NAME:  repository_id'
}

@test "said again it is the same job, and so it is while the repository has a live one" {
	create 1
	[ "$(create 1)" = 1 ]
	is 1 'SELECT t.n(jobctl.create_index_job(t.k(1)))'
	sql "$(update 1 processing)"
	is 1 'SELECT t.n(jobctl.create_index_job(t.k(1)))'
	sql "$(update 1 completed)"
	[ "$(create 1)" = 1 ]
	is f 'SELECT jobctl.create_index_job(t.k(1)) = t.j(1)'
	is 2 'SELECT count(*) FROM jobctl.index_jobs'
}

@test "twenty at once for one repository are one job" {
	local pids=()

	for _ in {1..20}; do
		psql -XAtqc 'SELECT jobctl.create_index_job(t.k(1))' >>"$BATS_TEST_TMPDIR/ids" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/ids")" = 20 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/ids")" = "$(sql 'SELECT id FROM jobctl.jobs')" ]
}

@test "what the catalog knows of a repository, the job has; and it is in its project" {
	sql "INSERT INTO catalog.repositories (id, project_id, path, name) VALUES (t.k(1), 'a', '/srv/a', 'a'), (t.k(2), 'a', '\"/srv/\\351\"', 'q')"
	is 1 "SET ROLE ijob_ann; SELECT t.n(jobctl.create_index_job(t.k(1), id => t.j(1)))"
	is 'a|/srv/a|index:/srv/a' "SELECT project_id, args ->> 'repo_path', unique_key FROM jobctl.jobs"
	is 1 "SET ROLE ijob_ann; SELECT t.n(jobctl.submit('index', '{\"repo_path\": \"/srv/a/\"}', project => 'a'))"
	# one whose path is no text is for whoever knows it
	create 2
	is 'a|' "SELECT project_id, args ->> 'repo_path' FROM jobctl.jobs WHERE id = t.j(2)"
	refuses JC065 "SELECT jobctl.create_index_job(t.k(1), project => 'default')" 'is of project "a", not "default"'
}

@test "a job that was submitted by path tells of its repository when it has a result" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(1)), t.worker(1), t.claim(1, 1)" >/dev/null
	is 't|t' 'SELECT repository_id IS NULL, commit_sha IS NULL FROM jobctl.index_jobs'
	sql "SELECT jobctl.finish(t.w(1), t.jj(1), t.kk(1), '{ok}', '{0}', '{NULL}', '{NULL}',
		ARRAY[jsonb_build_object('repository_id', t.k(7), 'commit_sha', 'abc')], '{0}', '{0}')" >/dev/null
	is 't|abc' 'SELECT repository_id = t.k(7), commit_sha FROM jobctl.index_jobs'
}

@test "arguments and results may be anything; a list of jobs is one all the same" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\", \"repository_id\": \"none of ours\", \"ref\": [1], \"commit_sha\": null}', id => t.j(1))"
	is '|[1]|' 'SELECT repository_id, ref, commit_sha FROM jobctl.index_jobs'
	refuses 23514 "SELECT jobctl.submit('index', '{\"repository_id\": \"none of ours\"}')" ck_index_repo_path
	refuses 23514 "SELECT jobctl.submit('index', jsonb_build_object('repository_id', t.k(1), 'repo_path', 'a'))" ck_index_repo_path
	refuses 23514 "SELECT jobctl.submit('index', jsonb_build_object('repository_id', t.k(1), 'repo_path', NULL))" ck_index_repo_path
}

@test "update: times, stats merged, error cleared on success" {
	create 1
	is 'processing|t||' "SELECT status, started_at > now() - interval '1 min', completed_at, stats FROM jobctl.update_index_job(t.j(1), 'processing')"
	is '{"files": 3}' "SELECT stats FROM jobctl.update_index_job(t.j(1), stats => '{\"files\": 3}')"
	is '{"files": 4, "chunks": 9}|odd' "SELECT stats, error_message FROM jobctl.update_index_job(t.j(1), 'processing', '{\"chunks\": 9, \"files\": 4}', 'odd')"
	is 'completed||{"last": true, "files": 4, "chunks": 9}|t' "SELECT status, error_message, stats, completed_at >= started_at
		FROM jobctl.update_index_job(t.j(1), 'completed', '{\"last\": true}')"
	create 2
	sql "$(update 2 processing)"
	is 'failed|no disk' "SELECT status, error_message FROM jobctl.update_index_job(t.j(2), 'failed', error_message => 'no disk')"
	refuses 23514 "SELECT jobctl.update_index_job(t.j(2), stats => '{\"late\": 1}')" ck_job_transition
}

@test "an end can be said again, and no other" {
	create 1
	sql "$(update 1 processing)"
	is completed "$(update 1 completed "'{\"n\": 1}'")"
	is completed "$(update 1 completed "'{\"n\": 1}'")"
	is completed "$(update 1 completed)"
	refuses 23514 "$(update 1 completed "'{\"n\": 2}'")" ck_job_transition
	refuses 23514 "$(update 1 failed)" 'cannot go from completed to failed'
	refuses 23514 "$(update 1 processing)" ck_job_transition
	is '{"n": 1}' 'SELECT stats FROM jobctl.index_jobs'
}

@test "update is checked: the status, the stats, the order" {
	local status

	create 1
	for status in running 'done' '' PENDING; do
		refuses 23514 "$(update 1 "$status")" 'CONSTRAINT NAME:  ck_index_jobs_status'
	done
	refuses 23514 "$(update 1 completed)" 'cannot go from pending to completed'
	sql "$(update 1 processing)"
	refuses 23514 "$(update 1 pending)" 'cannot go from running to pending'
	refuses 23514 "$(update 1 processing "'[1]'")" job_progress_stats_check
	is 'processing|' 'SELECT status, stats FROM jobctl.index_jobs'
}

@test "two that end it at once: one wins, the other is told" {
	create 1
	sql "$(update 1 processing)"
	meanwhile "$(update 1 completed "'{\"n\": 1}'")" "$(update 1 failed "NULL, 'late'")"
	grep -q 'is completed by now: somebody else was faster' "$STARTED_LOG"
	is 'completed|{"n": 1}|' 'SELECT status, stats, error_message FROM jobctl.index_jobs'
}

@test "two who tell of it at once: all they said is kept" {
	create 1
	sql "$(update 1 processing)"
	meanwhile "$(update 1 processing "'{\"files\": 1, \"a\": true}'")" "$(update 1 processing "'{\"files\": 2, \"b\": true}'")"
	is '{"a": true, "b": true, "files": 2}' 'SELECT stats FROM jobctl.index_jobs'
}

@test "an error stays until another is said, and is what it failed of" {
	create 1
	sql "$(update 1 processing "NULL, 'a file is odd'")"
	is 'a file is odd' "SELECT error_message FROM jobctl.update_index_job(t.j(1), stats => '{\"files\": 3}')"
	is 'failed|a file is odd' "SELECT status, error_message FROM jobctl.update_index_job(t.j(1), 'failed')"
	is failed "$(update 1 failed "NULL, 'a file is odd'")"
	refuses 23514 "$(update 1 failed "NULL, 'another'")" 'only one that runs has something to tell'
}

@test "having one run again with other arguments leaves the repository its one live job" {
	create 1
	sql 'SELECT t.cancel(1)'
	is pending "SELECT status FROM jobctl.retry(t.jj(1), edits => '{\"ref\": \"main\"}')"
	is 1 'SELECT t.n(jobctl.create_index_job(t.k(1)))'
}

@test "as a table: insert, update, delete" {
	is 'pending|main|t' "INSERT INTO jobctl.index_jobs (repository_id, ref) VALUES (t.k(1), 'main') RETURNING status, ref, id = queue_job_id"
	is t "INSERT INTO jobctl.index_jobs (repository_id, queue_job_id) VALUES (t.k(2), t.j(2)) RETURNING id = t.j(2)"
	is '{"files": 2}|completed|t' "INSERT INTO jobctl.index_jobs (repository_id, status, stats) VALUES (t.k(3), 'completed', '{\"files\": 2}')
		RETURNING stats, status, completed_at >= started_at"
	is 'failed|no' "INSERT INTO jobctl.index_jobs (repository_id, status, error_message) VALUES (t.k(4), 'failed', 'no') RETURNING status, error_message"
	is processing "UPDATE jobctl.index_jobs SET status = 'processing' WHERE id = t.j(2) RETURNING status"
	is '{"b": 1}' "UPDATE jobctl.index_jobs SET stats = '{\"b\": 1}' WHERE id = t.j(2) RETURNING stats"
	is '{"c": 1}' "UPDATE jobctl.index_jobs SET stats = '{\"c\": 1}' WHERE id = t.j(2) RETURNING stats"
	is completed "UPDATE jobctl.index_jobs SET status = 'completed' WHERE id = t.j(2) RETURNING status"
	refuses 23514 "INSERT INTO jobctl.index_jobs (repository_id, status) VALUES (t.k(5), 'running')" ck_index_jobs_status
	refuses 23502 "INSERT INTO jobctl.index_jobs (ref) VALUES ('main')" repository_id
	refuses JC065 "INSERT INTO jobctl.index_jobs (id, queue_job_id, repository_id) VALUES (t.j(8), t.j(9), t.k(5))" 'one and the same'
	refuses 23505 "INSERT INTO jobctl.index_jobs (id, repository_id) VALUES (t.j(2), t.k(5))" 'is taken'
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(6))"
	refuses 23505 "INSERT INTO jobctl.index_jobs (id, repository_id) VALUES (t.j(6), t.k(5))" 'is taken'
	sql 'SELECT t.cancel(6)'
	refuses 23514 "INSERT INTO jobctl.index_jobs (repository_id, stats) VALUES (t.k(5), '{\"files\": 2}')" ck_job_transition
	refuses 23514 "UPDATE jobctl.index_jobs SET queue_job_id = t.j(9)" ck_job_identity
	refuses 23514 "UPDATE jobctl.index_jobs SET commit_sha = 'x'" ck_job_identity
	refuses JC077 'DELETE FROM jobctl.index_jobs' 'jobctl-cancel'
	is 5 'SELECT count(*) FROM jobctl.index_jobs'
}

@test "a queue's job is found by its id alone" {
	sql "SELECT jobctl.submit('index', jsonb_build_object('repo_path', '/' || n), id => t.j(n)) FROM generate_series(1, 2000) n" >/dev/null
	sql 'ANALYZE jobctl.jobs'
	run -0 sql 'EXPLAIN SELECT * FROM jobctl.index_jobs WHERE queue_job_id = t.j(700)'
	[[ $output == *jobs_pkey* ]]
	[[ $output != *'Seq Scan on jobs'* ]]
	is 1 'SELECT count(*) FROM jobctl.index_jobs WHERE queue_job_id = t.j(700)'
}

# --- tenants ---

@test "nobody's job and somebody else's are the same answer, by all three" {
	is 1 "SET ROLE ijob_ann; SELECT t.n(jobctl.create_index_job(t.k(1), id => t.j(1)))"
	local n

	for n in 1 99; do
		PGUSER=ijob_bob refuses JC066 "SELECT jobctl.get_index_job(t.j($n))" "no such job $(sql "SELECT t.j($n)")"
		PGUSER=ijob_bob refuses JC066 "$(update $n processing)" "no such job $(sql "SELECT t.j($n)")"
		PGUSER=ijob_bob is '' "SELECT * FROM jobctl.index_jobs WHERE id = t.j($n)"
	done
	PGUSER=ijob_ann is pending 'SELECT status FROM jobctl.get_index_job(t.j(1))'
	is pending 'SELECT status FROM jobctl.index_jobs'
}

@test "a project that is not named is the caller's own, and never everybody's by mistake" {
	PGUSER=ijob_ann sql "INSERT INTO jobctl.index_jobs (id, repository_id) VALUES (t.j(1), t.k(1))"
	is a 'SELECT project_id FROM jobctl.jobs WHERE id = t.j(1)'
	PGUSER=ijob_bob refuses JC065 'SELECT jobctl.create_index_job(t.k(2))' 'yours are b, b2'
	PGUSER=ijob_bob is 2 "SELECT t.n(jobctl.create_index_job(t.k(2), id => t.j(2), project => 'b2'))"
	is b2 'SELECT project_id FROM jobctl.jobs WHERE id = t.j(2)'
	PGUSER=ijob_cy is 3 'SELECT t.n(jobctl.create_index_job(t.k(3), id => t.j(3)))'
	is default 'SELECT project_id FROM jobctl.jobs WHERE id = t.j(3)'
	PGUSER=ijob_cy refuses JC066 "SELECT jobctl.create_index_job(t.k(4), project => 'b')" 'no such project "b"'
}

# --- many at once ---

@test "a hundred at once, each created, taken, told of and ended: none is lost or stuck" {
	local n pids=()

	for n in {1..100}; do
		psql -XAtqv ON_ERROR_STOP=1 -c "SELECT t.n(jobctl.create_index_job(t.k($n), id => t.j($n)))" -c "$(update "$n" processing)" \
			-c "$(update "$n" processing "'{\"n\": $n}'")" -c "$(update "$n" completed)" >>"$BATS_TEST_TMPDIR/out" 2>&1 &
		pids+=($!)
		[ $((n % 25)) != 0 ] || { wait "${pids[@]}"; pids=(); }	# the server takes so many sessions
	done
	run -0 sort -u "$BATS_TEST_TMPDIR/out"
	run ! grep -v -e '^[0-9]*$' -e '^processing$' -e '^completed$' "$BATS_TEST_TMPDIR/out"
	is '100|100|t' "SELECT count(*), count(DISTINCT repository_id), bool_and(status = 'completed' AND (stats ->> 'n')::int = t.n(id)) FROM jobctl.index_jobs"
	is '0|0|0' 'SELECT (SELECT count(*) FROM jobctl.jobs), (SELECT count(*) FROM jobctl.workers), count(*) FROM jobctl.claims'
}
