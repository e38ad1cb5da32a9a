#!/usr/bin/env bats
# The view jobctl.indexing_jobs: a table to whoever writes it, the queue underneath, and
# none of the queue's promises broken from this side.

bats_require_minimum_version 1.5.0
load queue

# ann submits and works in projects a and b, bob in b; sub may only submit, eye only look.
setup_file() {
	new_database
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_DIRNAME/prelude.sql"
	role_login idx_b jobctl_reader
	role_login idx_ann jobctl_submitter jobctl_worker idx_b
	role_login idx_bob jobctl_submitter jobctl_worker idx_b
	role_login idx_sub jobctl_submitter
	role_login idx_eye jobctl_reader
}

ann() { sql_as idx_ann "$@"; }
bob() { sql_as idx_bob "$@"; }

insert() {	# N PATH [PROJECT [STATUS]]: what is then shown of it
	sql "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id, status)
		VALUES (t.j($1), '$2', '${3:-default}', '${4:-pending}') RETURNING t.n(id), status"
}

become() {	# N STATUS [, COLUMN = VALUE...]
	printf "UPDATE jobctl.indexing_jobs SET status = '%s'%s WHERE id = t.j(%s) RETURNING status" "$2" "${3:+, $3}" "$1"
}

shows() {	# N 'COLUMN, ...' WANT
	is "$3" "SELECT $2 FROM jobctl.indexing_jobs WHERE id = t.j($1)"
}

# A job that is already this.
in_state() {	# N STATUS
	insert "$1" "/srv/$1" default "$2" >/dev/null
	shows "$1" status "$2"
}

@test "its columns, in their order, with type, length and default" {
	local want

	want=$(cat <<-'END'
		id|uuid||jobctl.new_id()
		repo_path|text||
		project_id|character varying|255|
		status|character varying|20|'pending'::character varying
		error_message|text||
		files_indexed|integer||0
		chunks_created|integer||0
		started_at|timestamp with time zone||
		completed_at|timestamp with time zone||
		created_at|timestamp with time zone||now()
	END
	)
	is "$want" "SET search_path = pg_catalog; SELECT column_name, data_type, character_maximum_length, column_default FROM information_schema.columns
		WHERE table_schema = 'jobctl' AND table_name = 'indexing_jobs' ORDER BY ordinal_position"
}

@test "a path and a project are enough: pending, 0, 0, now" {
	is '/srv/a|default|pending||0|0||' "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/srv/a', 'default')
		RETURNING repo_path, project_id, status, error_message, files_indexed, chunks_created, started_at, completed_at"
	is 't|t' "SELECT created_at > now() - interval '1 min', id = (SELECT id FROM jobctl.jobs) FROM jobctl.indexing_jobs"
	is 'index|index|01:00:00' 'SELECT kind, queue, timeout FROM jobctl.jobs'
}

@test "each status may be inserted, and no other" {
	local status

	for status in pending running completed failed; do
		is "$status" "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/$status', 'default', '$status')
			RETURNING status"
	done
	is 'completed|4|9|t|t' "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status, files_indexed, chunks_created)
		VALUES ('/x', 'default', 'completed', 4, 9) RETURNING status, files_indexed, chunks_created,
		started_at IS NOT NULL, completed_at >= started_at"
	is 'failed|no disk' "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status, error_message)
		VALUES ('/x', 'default', 'failed', 'no disk') RETURNING status, error_message"
	is 6 'SELECT count(*) FROM jobctl.indexing_jobs'
	for status in 'done' Pending held cancelled processing ''; do
		refuses 23514 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/y', 'default', '$status')" \
			'CONSTRAINT NAME:  ck_indexing_jobs_status'
		refuses 23514 "UPDATE jobctl.indexing_jobs SET status = '$status'" ck_indexing_jobs_status
	done
	is 6 'SELECT count(*) FROM jobctl.indexing_jobs'
}

@test "what must be there is asked for by name" {
	refuses 23502 "INSERT INTO jobctl.indexing_jobs (project_id) VALUES ('default')" 'COLUMN NAME:  repo_path'
	refuses 23502 "INSERT INTO jobctl.indexing_jobs (repo_path) VALUES ('/a')" 'COLUMN NAME:  project_id'
	refuses 23502 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/a', 'default', NULL)" 'COLUMN NAME:  status'
	refuses 23502 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, id) VALUES ('/a', 'default', NULL)" 'COLUMN NAME:  id'
	in_state 1 pending
	refuses 23502 "UPDATE jobctl.indexing_jobs SET repo_path = NULL" 'COLUMN NAME:  repo_path'
	shows 1 repo_path /srv/1
}

@test "a path is absolute and has no component '..'" {
	local path

	for path in a ./a '' ../a /a/../b /.. /a/..; do
		refuses 23514 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('$path', 'default')" \
			'CONSTRAINT NAME:  ck_index_repo_path'
	done
	for path in / /a/foo..bar /a/... '/no such place'; do
		is "$path" "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('$path', 'default') RETURNING repo_path"
	done
}

@test "from pending to running to completed, with the server's times" {
	in_state 1 pending
	is 'running|t|' "$(become 1 running "started_at = '1999-01-01', completed_at = '1999-01-02'"), started_at > now() - interval '1 min', completed_at"
	is '12|0' 'UPDATE jobctl.indexing_jobs SET files_indexed = 12 RETURNING files_indexed, chunks_created'
	is 'completed|12|80|t|' "$(become 1 completed 'chunks_created = 80'), files_indexed, chunks_created,
		completed_at >= started_at AND completed_at > now() - interval '1 min', error_message"
	is 'completed|ok|jobctl@local' 'SELECT status, outcome, worker_host FROM jobctl.finished_jobs'
	is '0|0' 'SELECT (SELECT count(*) FROM jobctl.workers), count(*) FROM jobctl.claims'
}

@test "an error is shown while it runs, and gone when it completes" {
	in_state 1 running
	is 'running|one file is odd' "$(become 1 running "error_message = 'one file is odd'"), error_message"
	is 'completed|' "$(become 1 completed), error_message"
}

@test "failed is failed, at once and with the reason" {
	in_state 1 running
	in_state 2 running
	is 'failed|disk full|t' "$(become 1 failed "error_message = 'disk full'"), error_message, completed_at IS NOT NULL"
	is 'failed|failed, and it was not said why' "$(become 2 failed), error_message"
	is 0 'SELECT count(*) FROM jobctl.jobs'
}

@test "one that waits may be given up: it is cancelled, and shown as failed" {
	in_state 1 pending
	is 'failed|not wanted|' "$(become 1 failed "error_message = 'not wanted'"), error_message, started_at"
	is cancelled 'SELECT status FROM jobctl.finished_jobs'
}

@test "backwards, or past a step, is refused by name, and changes nothing" {
	local from to

	for from in pending running completed failed; do
		sql 'CALL t.clear()'
		in_state 1 "$from"
		for to in pending running completed failed; do
			case $from-$to in
			pending-running | pending-failed | running-completed | running-failed) continue ;;
			pending-pending | running-running | completed-completed | failed-failed)
				is "$to" "$(become 1 "$to")" ;;	# what it is may be said again
			*) refuses 23514 "$(become 1 "$to")" 'CONSTRAINT NAME:  ck_job_transition' ;;
			esac
			shows 1 status "$from"
		done
	done
	refuses 23514 "$(become 1 pending)" "HINT:  to have it run again: jobctl-retry $(sql 'SELECT t.j(1)')"
}

@test "only of one that runs is there anything to tell" {
	in_state 1 pending
	in_state 2 completed
	in_state 3 failed
	refuses 23514 'UPDATE jobctl.indexing_jobs SET files_indexed = 1 WHERE id = t.j(1)' ck_job_transition
	refuses 23514 'UPDATE jobctl.indexing_jobs SET files_indexed = 1 WHERE id = t.j(2)' ck_job_transition
	refuses 23514 "UPDATE jobctl.indexing_jobs SET error_message = 'x' WHERE id = t.j(3)" ck_job_transition
	is $'0\n0\n0' 'SELECT files_indexed FROM jobctl.indexing_jobs'
}

@test "what it is, whose, and since when, cannot change; and it cannot be deleted" {
	local change

	in_state 1 running
	for change in 'id = t.j(2)' "repo_path = '/b'" "project_id = 'b'" "created_at = now() + interval '1 s'"; do
		refuses 23514 "UPDATE jobctl.indexing_jobs SET $change" 'CONSTRAINT NAME:  ck_job_identity'
	done
	refuses JC077 'DELETE FROM jobctl.indexing_jobs' 'jobctl-cancel'
	shows 1 'repo_path, status' '/srv/1|running'
}

@test "a held job is shown as pending, and not taken" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', id => t.j(1), hold => true)"
	shows 1 status pending
	refuses 23514 "$(become 1 running)" 'HINT:  to let it go: jobctl-release'
	is failed "$(become 1 failed)"
}

@test "nor one that waits for its time, for another job, or in a queue that is paused" {
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', run_in => '1 h', id => t.j(1))"
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/b\"}', after => t.jj(1), id => t.j(2))"
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/c\"}', 'slow', id => t.j(3)), jobctl.pause_queue('slow')" >/dev/null
	refuses JC075 "$(become 1 running)" 'cannot run now: its time is 20'
	refuses JC075 "$(become 2 running)" 'cannot run now: it waits for another job'
	refuses JC075 "$(become 3 running)" 'cannot run now: queue "slow" is paused'
	is $'pending\npending\npending' 'SELECT status FROM jobctl.indexing_jobs'
	sql 'SELECT t.fall_due(1)'
	is running "$(become 1 running)"
}

@test "counters are numbers whatever the job says of itself" {
	sql "SELECT jobctl.submit('index', jsonb_build_object('repo_path', '/' || n), id => t.j(n)) FROM generate_series(1, 5) n" >/dev/null
	sql "SELECT t.worker(1), t.claim(1, 1, 5)" >/dev/null
	sql "SELECT t.report(1, 1, 1, stats => '{\"files_indexed\": \"many\", \"chunks_created\": []}'),
		t.report(1, 2, 1, stats => '{\"files_indexed\": 1e30, \"chunks_created\": -1e30}'),
		t.report(1, 3, 1, stats => '{\"files_indexed\": 7.6, \"other\": true}'),
		t.report(1, 4, 1, stats => '{\"files_indexed\": null}')" >/dev/null
	is $'0|0\n2147483647|-2147483648\n8|0\n|0\n0|0' 'SELECT files_indexed, chunks_created FROM jobctl.indexing_jobs ORDER BY id'
	sql 'SELECT t.finish(1, n, 1) FROM generate_series(1, 5) n' >/dev/null
	is $'0|0\n2147483647|-2147483648\n8|0\n|0\n0|0' 'SELECT files_indexed, chunks_created FROM jobctl.indexing_jobs ORDER BY id'
}

@test "counters leave alone what else a job has said" {
	in_state 1 running
	sql "UPDATE jobctl.job_progress SET stats = '{\"speed\": 3}'; INSERT INTO jobctl.job_progress (job_id, project_id, stats)
		VALUES (t.j(1), 'default', '{\"speed\": 3}') ON CONFLICT DO NOTHING"
	is 4 'UPDATE jobctl.indexing_jobs SET files_indexed = 4 RETURNING files_indexed'
	is '3|4' "SELECT stats ->> 'speed', stats ->> 'files_indexed' FROM jobctl.job"
}

@test "two who write a counter each keep both" {
	in_state 1 running
	meanwhile 'UPDATE jobctl.indexing_jobs SET files_indexed = 12 WHERE id = t.j(1)' 'UPDATE jobctl.indexing_jobs SET chunks_created = 80 WHERE id = t.j(1)'
	shows 1 'files_indexed, chunks_created' '12|80'
}

@test "what is told of one that is to wait is refused, and not lost in silence" {
	refuses 23514 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, files_indexed) VALUES ('/a', 'default', 5)" ck_job_transition
	refuses 23514 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, error_message) VALUES ('/a', 'default', 'x')" 'only one that runs'
	is 0 'SELECT count(*) FROM jobctl.jobs'
	is 'pending|0|0' "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, files_indexed, chunks_created)
		VALUES ('/a', 'default', 0, NULL) RETURNING status, files_indexed, chunks_created"
}

@test "an error stays until another is said, or it is taken away" {
	in_state 1 running
	sql "UPDATE jobctl.indexing_jobs SET error_message = 'odd'"
	is odd 'UPDATE jobctl.indexing_jobs SET files_indexed = 1 RETURNING error_message'
	is '' 'UPDATE jobctl.indexing_jobs SET error_message = NULL RETURNING error_message'
	sql "UPDATE jobctl.indexing_jobs SET error_message = 'odd'"
	is 'failed|odd' "$(become 1 failed), error_message"
}

# --- one job for a repository ---

@test "a second insert is the first job, for as long as that lives" {
	is '1|pending' "$(printf "SELECT '%s'" "$(insert 1 /srv/repo)")"
	is '1|pending' "$(printf "SELECT '%s'" "$(insert 2 /srv//repo/)")"
	sql "$(become 1 running)"
	is '1|running' "$(printf "SELECT '%s'" "$(insert 3 /srv/repo)")"
	sql "$(become 1 completed)"
	is '4|pending' "$(printf "SELECT '%s'" "$(insert 4 /srv/repo)")"
	is 2 'SELECT count(*) FROM jobctl.indexing_jobs'
}

@test "an insert can be said again; another's id cannot be taken" {
	insert 1 /a
	insert 1 /a
	refuses 23505 "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id) VALUES (t.j(1), '/b', 'default')" 'is taken'
	insert 2 /b default completed
	insert 2 /b default completed
	is '1|pending,2|completed' "SELECT string_agg(t.n(id) || '|' || status, ',' ORDER BY id) FROM jobctl.indexing_jobs"
	sql "SELECT jobctl.submit('mail', id => t.j(3))"
	refuses 23505 "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id) VALUES (t.j(3), '/c', 'default')" 'is taken'
}

@test "twenty inserts at once are one job" {
	local pids=()

	for _ in {1..20}; do
		psql -XAtqc "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/srv/repo', 'default') RETURNING id" \
			>>"$BATS_TEST_TMPDIR/ids" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/ids")" = 20 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/ids")" = "$(sql 'SELECT id FROM jobctl.jobs')" ]
}

@test "a job that names its repository by the id alone has no path, and is not here" {
	sql "SELECT jobctl.create_index_job(t.k(1), id => t.j(1))"
	is 0 'SELECT count(*) FROM jobctl.indexing_jobs'
	is 1 'SELECT count(*) FROM jobctl.index_jobs'
}

# --- who runs it ---

@test "of many who take one job one wins, and the others are told" {
	local pids=()

	in_state 1 pending
	for _ in {1..12}; do
		psql -XAtqc "$(become 1 running)" >>"$BATS_TEST_TMPDIR/out" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	cat "$BATS_TEST_TMPDIR/out"
	# those that came after it was running said what it was, and won nothing
	is 1 "SELECT count(*) FROM jobctl.claims"
	is 1 "SELECT attempt FROM jobctl.jobs"
	[ "$(grep -c '^running$' "$BATS_TEST_TMPDIR/out")" -ge 1 ]
	run ! grep -v -e '^running$' -e 'somebody else was faster' -e '^HINT\|^CONTEXT\|^PL\|^SQL' "$BATS_TEST_TMPDIR/out"
}

@test "who waited for the row is told that it is gone" {
	in_state 1 pending
	meanwhile "$(become 1 running)" "$(become 1 running)"
	grep -q 'is running by now: somebody else was faster' "$STARTED_LOG"
	is 1 'SELECT attempt FROM jobctl.jobs'
}

@test "two that end it at once: one is told" {
	in_state 1 running
	meanwhile "$(become 1 completed 'files_indexed = 3')" "$(become 1 failed "error_message = 'late'")"
	grep -q 'is completed by now: somebody else was faster' "$STARTED_LOG"
	shows 1 'status, files_indexed, error_message' 'completed|3|'
}

@test "a worker does not get what somebody took, nor somebody what a worker runs" {
	in_state 1 running
	sql "SELECT t.worker(1, '{index}')"
	is '' "SELECT t.claim(1, 1, 9, '{index}')"
	insert 2 /two
	is 2 "SELECT t.claim(1, 2, 9, '{index}')"
	refuses JC077 "$(become 2 completed)" 'is run by the worker host1:1001'
	refuses JC077 "UPDATE jobctl.indexing_jobs SET files_indexed = 9 WHERE id = t.j(2)" 'is run by the worker'
	is 'accepted completed' 'SELECT t.finish(1, 2, 2)'
}

@test "only the role that took it goes on with it" {
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('b', 'idx_b')"
	ann "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id, status) VALUES (t.j(1), '/a', 'b', 'running')"
	PGUSER=idx_bob refuses JC077 "$(become 1 completed)" 'is run by idx_ann@local'
	is running "SELECT status FROM jobctl.indexing_jobs"
	PGUSER=idx_ann is completed "$(become 1 completed)"
}

@test "limits count it: of the queue, of the project" {
	insert 1 /1
	insert 2 /2
	insert 3 /3
	sql "SELECT jobctl.limit_queue('index', 1)"
	sql "$(become 1 running)"
	refuses JC075 "$(become 2 running)" 'queue "index" is paused, or runs as many jobs as it may'
	is '{ConcurrencyLimit,NoWorker}' 'SELECT reasons FROM jobctl.job WHERE id = t.j(2)'
	sql "$(become 1 completed)"
	is running "$(become 2 running)"
	sql "SELECT jobctl.limit_queue('index', NULL), jobctl.limit_project('default', 1)" >/dev/null
	refuses JC075 "$(become 3 running)" 'project "default" runs as many jobs as it may'
	sql "SELECT jobctl.limit_project('default', NULL)"
	is running "$(become 3 running)"
}

@test "whose time is over has failed, and cannot go on" {
	in_state 1 running
	is '01:00:00|t' "SELECT lease, lease_until > now() + interval '59 min' FROM jobctl.workers"
	sql "UPDATE jobctl.jobs SET timeout = '2 h'"	# its lease was made of what it was
	sql "UPDATE jobctl.indexing_jobs SET files_indexed = 5"
	is t "SELECT lease_until < now() + interval '61 min' FROM jobctl.workers"
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	sql 'SELECT jobctl.maintain()'
	shows 1 'status, files_indexed, error_message' 'failed|5|jobctl@local took it and has not said how it ended within 1h00m'
	is timeout 'SELECT outcome FROM jobctl.finished_jobs'
	refuses 23514 "$(become 1 completed)" 'cannot go from failed to completed'
	is '0|0' 'SELECT (SELECT count(*) FROM jobctl.workers), count(*) FROM jobctl.claims'
}

@test "without a time limit each sign of life is good for a day" {
	in_state 1 pending
	sql 'UPDATE jobctl.jobs SET timeout = NULL'
	sql "$(become 1 running)"
	sql "UPDATE jobctl.workers SET lease_until = now() + interval '1 s'"
	sql 'UPDATE jobctl.indexing_jobs SET files_indexed = 5'
	is t "SELECT lease_until > now() + interval '23 h' FROM jobctl.workers"
}

@test "cancelled while it is run by hand: at once, and who runs it is told" {
	in_state 1 running
	is '1 running cancelled' 'SELECT t.cancel(1)'
	shows 1 'status, error_message' 'failed|cancelled by jobctl'
	is 'jobctl@local' 'SELECT worker_host FROM jobctl.finished_jobs'
	refuses 23514 "$(become 1 completed)" 'cannot go from cancelled to completed'
	is '0|0' 'SELECT (SELECT count(*) FROM jobctl.workers), count(*) FROM jobctl.claims'
}

@test "a job that others wait for lets them go when it is ended here" {
	in_state 1 running
	sql "SELECT jobctl.submit('a', after_ok => t.jj(1), id => t.j(2))"
	sql "$(become 1 completed)"
	is '0' 'SELECT blockers FROM jobctl.jobs WHERE id = t.j(2)'
}

@test "not with the eyes of yesterday" {
	in_state 1 pending
	refuses JC078 "BEGIN ISOLATION LEVEL REPEATABLE READ; $(become 1 running)"
}

@test "each step is for whom the function is: submit, take, look" {
	PGUSER=idx_eye refuses 42501 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/a', 'default')"
	PGUSER=idx_sub is pending "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id) VALUES (t.j(1), '/a', 'default') RETURNING status"
	PGUSER=idx_sub refuses 42501 "$(become 1 running)"
	PGUSER=idx_eye refuses 42501 "$(become 1 running)"
	PGUSER=idx_eye is pending 'SELECT status FROM jobctl.indexing_jobs'
	PGUSER=idx_sub is failed "$(become 1 failed)"
	PGUSER=idx_sub refuses JC066 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/a', 'b')" 'no such project "b"'
}

# --- at 100,000 rows, as a member of a project sees it ---

plenty() {
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('b', 'idx_b'), ('big', 'idx_b')"
	sql "INSERT INTO jobctl.jobs (id, kind, queue, project_id, args, created_at)
		SELECT jobctl.new_id(), 'index', 'index', CASE n % 1000 WHEN 0 THEN 'b' ELSE 'big' END,
		       jsonb_build_object('repo_path', '/' || n), now() - n * interval '1 s' FROM generate_series(1, 100000) n"
	sql "INSERT INTO jobctl.finished_jobs (id, queue, kind, args, status, outcome, project_id, created_by, priority, attempt,
			max_attempts, crashes, run_at, created_at, completed_at)
		SELECT jobctl.new_id(), 'index', 'index', jsonb_build_object('repo_path', '/' || n), CASE n % 50 WHEN 0 THEN 'failed' ELSE 'completed' END,
		       'ok', CASE n % 1000 WHEN 0 THEN 'b' ELSE 'big' END, 'x', 0, 1, 3, 0, now(), now() - n * interval '1 s', now()
		FROM generate_series(1, 100000) n"
	sql 'VACUUM ANALYZE jobctl.jobs, jobctl.finished_jobs'
}

# Node types and indexes of the plan, one a line, and the rows that were read in all.
plan() {	# 'SELECT ...'
	sql_as idx_bob "EXPLAIN (ANALYZE, FORMAT JSON) $1" |
		jq -r '[.. | objects | select(has("Node Type"))] | (.[] | "\(."Node Type") \(."Index Name" // ."Relation Name" // "")"),
			"read \([.[] | select(has("Relation Name")) | (."Actual Rows" + (."Rows Removed by Filter" // 0)) * ."Actual Loops"] | add)"'
}

@test "active jobs of a project, and the newest five, come from their indexes at 100,000 rows" {
	local active="SELECT * FROM jobctl.indexing_jobs WHERE project_id = 'b' AND status IN ('pending', 'running')"
	local newest='SELECT * FROM jobctl.indexing_jobs ORDER BY created_at DESC LIMIT 5'
	local its="SELECT * FROM jobctl.indexing_jobs WHERE project_id = 'b' ORDER BY created_at DESC LIMIT 5"

	plenty
	run -0 plan "$active"
	echo "$output"
	[[ $output == *'Index Scan idx_active_jobs'* ]]
	[[ $output != *'Seq Scan '@(jobs|finished)* ]]
	[[ $output != *finished* ]]
	[[ $output == *'read 100' ]]

	run -0 plan "$newest"
	echo "$output"
	[[ $output == *'Merge Append'*'Index Scan idx_created_at'* ]]
	[[ $output != *'Seq Scan '@(jobs|finished)* ]]
	[[ $output != *'Sort '* ]]
	[ "${lines[-1]#read }" -lt 20 ]

	run -0 plan "$its"
	echo "$output"
	[[ $output == *'Merge Append'*'Index Scan idx_active_jobs'* ]]
	[[ $output != *'Seq Scan '@(jobs|finished)* ]]

	# and this test would see it
	sql 'DROP INDEX jobctl.idx_created_at, jobctl.idx_active_jobs'
	run -0 plan "$newest"
	[ "${lines[-1]#read }" -gt 90000 ]
}
