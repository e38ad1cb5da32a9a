#!/usr/bin/env bats
# How many jobs an hour a project may submit: exact, whichever way in, and never open by mistake.

bats_require_minimum_version 1.5.0
load queue

limit() {	# N
	sql "SELECT jobctl.limit_submissions('default', $1)"
}

# As if what was submitted had been so long ago.
age() {	# INTERVAL
	sql "UPDATE jobctl.submissions SET minutes = ARRAY(SELECT m - interval '$1' FROM unnest(minutes) WITH ORDINALITY u(m, n) ORDER BY n)"
}

teardown() {
	limit NULL
	sql 'DELETE FROM jobctl.submissions'
	stop_all
	is '' 'SELECT * FROM t.broken()'
}

@test "so many pass, and the next is told when to come again" {
	limit 3
	jobs 3
	refuses JC075 "SELECT jobctl.submit('work')" 'project "default" may submit 3 jobs an hour, and has submitted 3'
	run ! sql "SELECT jobctl.submit('work')"
	[[ $output =~ HINT:\ +try\ again\ at\ 20[0-9T:.-]+Z,\ in\ (59m[0-9]{2}s|1h0[01]m) ]]
	is 3 'SELECT count(*) FROM jobctl.jobs'
	limit 4
	sql "SELECT jobctl.submit('work')"
	refuses JC075 "SELECT jobctl.submit('work')" 'may submit 4 jobs'
	limit 0
	refuses JC065 "SELECT jobctl.submit('work')" 'may submit 0 jobs an hour'
	limit NULL
	jobs 0
	sql "SELECT jobctl.submit('work')"
}

@test "an hour is any hour: what is older makes room, minute by minute" {
	limit 5
	jobs 2
	age '30 min'
	sql "SELECT jobctl.submit('work', id => t.j(n)) FROM generate_series(11, 13) n" >/dev/null
	refuses JC075 "SELECT jobctl.submit('work')" 'has submitted 5'
	age '29 min'
	refuses JC075 "SELECT jobctl.submit('work')" 'has submitted 5'
	age '3 min'
	sql "SELECT jobctl.submit('work', id => t.j(n)) FROM generate_series(21, 22) n" >/dev/null
	refuses JC075 "SELECT jobctl.submit('work')" 'has submitted 5'
	is t 'SELECT cardinality(minutes) BETWEEN 2 AND 3 AND cardinality(minutes) = cardinality(counts) FROM jobctl.submissions'
}

@test "when there is room again for so many is said exactly" {
	limit 4
	sql "INSERT INTO jobctl.submissions VALUES ('default', ARRAY[date_trunc('minute', now()) - interval '50 min',
		date_trunc('minute', now()) - interval '20 min'], '{1,3}')"
	refuses JC075 "SELECT jobctl.submit('work')" "HINT:  try again at $(sql "SELECT jobctl.rfc3339(minutes[1] + interval '61 min') FROM jobctl.submissions")"
	refuses JC075 "SELECT jobctl.count_submissions('default', 2)" \
		"HINT:  try again at $(sql "SELECT jobctl.rfc3339(minutes[2] + interval '61 min') FROM jobctl.submissions")"
}

@test "only what becomes a job counts" {
	limit 2
	sql "SELECT jobctl.submit('work', unique_key => 'k', id => t.j(1))"
	is 1 "SELECT t.n(jobctl.submit('work', unique_key => 'k'))"
	is 1 "SELECT t.n(jobctl.submit('work', unique_key => 'k', on_conflict => 'replace'))"
	is 1 "SELECT t.n(jobctl.submit('work', id => t.j(1), repeated => true))"
	sql "BEGIN; SELECT jobctl.submit('work'); ROLLBACK"
	refuses 23514 "SELECT jobctl.submit('index', '{\"repo_path\": \"a\"}')"
	is '{1}' 'SELECT counts FROM jobctl.submissions'
	sql "SELECT jobctl.submit('work', id => t.j(2))"
	# nor does having one run again
	sql 'SELECT t.cancel(1)'
	is pending 'SELECT status FROM jobctl.retry(t.jj(1))'
}

@test "whichever way in: plain, in bulk, by the views" {
	limit 3
	sql "SELECT jobctl.submit_plain(4, 4, t.j(1), 'work', '{}', 'default', 'default', 0, NULL, NULL, NULL, false)"
	sql "BEGIN; SELECT jobctl.copy_begin(); INSERT INTO pg_temp.jobctl_incoming (line, id, project, queue, kind, args, hold)
		VALUES (1, t.j(2), 'default', 'q', 'a', '{}', false); SELECT jobctl.copy_end(); COMMIT"
	sql "INSERT INTO jobctl.indexing_jobs (id, repo_path, project_id) VALUES (t.j(3), '/a', 'default')"
	is 3 'SELECT sum(c) FROM jobctl.submissions, unnest(counts) c'
	refuses JC075 "SELECT jobctl.submit_plain(4, 4, t.j(4), 'work', '{}', 'default', 'default', 0, NULL, NULL, NULL, false)" 'an hour'
	refuses JC075 "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/b', 'default')" 'an hour'
	refuses JC075 "SELECT jobctl.create_index_job(t.k(1))" 'an hour'
	refuses JC075 "BEGIN; SELECT jobctl.copy_begin(); INSERT INTO pg_temp.jobctl_incoming (line, id, project, queue, kind, args, hold)
		VALUES (1, t.j(8), 'default', 'q', 'a', '{}', false); SELECT jobctl.copy_end(); COMMIT" 'line 1: project "default" may submit 3'
	refuses JC065 "BEGIN; SELECT jobctl.copy_begin(); INSERT INTO pg_temp.jobctl_incoming (line, id, project, queue, kind, args, hold)
		SELECT n, t.j(n), 'default', 'q', 'a', '{}', false FROM generate_series(11, 14) n; SELECT jobctl.copy_end(); COMMIT" \
		'line 11: project "default" may submit 3 jobs an hour, and these are 4'
	is 3 'SELECT count(*) FROM jobctl.jobs'
}

@test "lines of a bulk with keys of their own are counted once each" {
	limit 3
	sql "SELECT jobctl.submit('a', unique_key => 'k1')"
	sql "BEGIN; SELECT jobctl.copy_begin(); INSERT INTO pg_temp.jobctl_incoming (line, id, project, queue, kind, args, hold, unique_key, on_conflict)
		VALUES (1, t.j(11), 'default', 'q', 'a', '{}', false, 'k1', NULL), (2, t.j(12), 'default', 'q', 'a', '{}', false, 'k2', NULL),
		       (3, t.j(13), 'default', 'q', 'a', '{}', false, 'k3', 'fail'); SELECT jobctl.copy_end(); COMMIT" >/dev/null
	is '3|3' 'SELECT (SELECT sum(c) FROM unnest(counts) c), (SELECT count(*) FROM jobctl.jobs) FROM jobctl.submissions'
}

@test "it is exact, however many submit at once" {
	local pids=()

	limit 50
	for _ in {1..60}; do
		printf "SELECT jobctl.submit('work');\n"
	done >"$BATS_TEST_TMPDIR/many.sql"
	for _ in {1..4}; do
		psql -XAtqf "$BATS_TEST_TMPDIR/many.sql" >>"$BATS_TEST_TMPDIR/out" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	is 50 'SELECT count(*) FROM jobctl.jobs'
	is 50 'SELECT sum(c) FROM jobctl.submissions, unnest(counts) c'
}

@test "what cannot be counted is refused" {
	limit 10
	hold_open "SELECT jobctl.submit('work')"
	refuses JC075 "SELECT jobctl.submit('work')" 'somebody'\''s transaction submits to project "default", and does not end'
	let_go
	hold_open 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobctl.jobs'
	jobs 1
	echo "SELECT jobctl.submit('work');" >&"$TX"
	let_go
	eventually 10 gone_or_zombie "$STARTED_PID"
	grep -q 'could not serialize access' "$STARTED_LOG"
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "another project's limit is its own, and who may set it" {
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('b', 'public')"
	limit 1
	jobs 1
	refuses JC075 "SELECT jobctl.submit('work')" 'an hour'
	sql "SELECT jobctl.submit('work', project => 'b')"
	refuses JC066 "SELECT jobctl.limit_submissions('nix', 1)" 'no such project "nix"'
	is 'submits-per-hour=1' 'SELECT why FROM jobctl.job_events ORDER BY event_id DESC LIMIT 1'
	role_login sub_limits jobctl_submitter
	PGUSER=sub_limits refuses 42501 "SELECT jobctl.limit_submissions('default', NULL)"
}
