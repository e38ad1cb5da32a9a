#!/usr/bin/env bats
# Unique keys: at most one live job has one, whoever submits when.

bats_require_minimum_version 1.5.0
load queue

keyed() {	# [SUBMIT-ARGUMENTS]: the job's number
	sql "SELECT t.n(jobctl.submit('a', unique_key => 'k'${1:+, $1}))"
}

@test "skip returns the live job's id" {
	[ "$(keyed 'id => t.j(1)')" = 1 ]
	[ "$(keyed 'id => t.j(2)')" = 1 ]
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	[ "$(keyed 'id => t.j(3)')" = 1 ]
	sql 'SELECT t.finish(1, 1, 1)'
	[ "$(keyed 'id => t.j(4)')" = 4 ]
}

@test "fail says which job has the key" {
	keyed 'id => t.j(1)'
	refuses JC001 "SELECT jobctl.submit('a', unique_key => 'k', on_conflict => 'fail')" 'unique key "k" is pending'
}

@test "replace changes what waits, and not what runs" {
	keyed "id => t.j(1), run_in => '1 h'"
	sql 'SELECT t.worker(1), jobctl.worker_idle(t.w(1))'
	[ "$(notified "SELECT jobctl.submit('a', '{\"n\": 2}', unique_key => 'k', on_conflict => 'replace', priority => 5)")" = '1 wake' ]
	is '1|{"n": 2}|5|t' 'SELECT t.n(id), args, priority, wake_at IS NULL FROM jobctl.jobs'
	sql 'SELECT t.claim(1, 1)'
	refuses JC075 "SELECT jobctl.submit('a', unique_key => 'k', on_conflict => 'replace')" 'jobctl-wait 00000000'
}

@test "a job with the key that completed lately counts if asked" {
	keyed 'id => t.j(1)'
	sql 'SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1)'
	[ "$(keyed "id => t.j(2), unique_for => '1 h'")" = 1 ]
	refuses JC001 "SELECT jobctl.submit('a', unique_key => 'k', unique_for => '1 h', on_conflict => 'fail')" 'less than 01:00:00 ago'
	is 0 'SELECT count(*) FROM jobctl.jobs'
	[ "$(keyed "id => t.j(3), unique_for => '0'")" = 3 ]
	sql "SELECT t.claim(1, 2), t.finish(1, 3, 2, 'permanent')"
	sql "DELETE FROM jobctl.finished_jobs WHERE status = 'completed'"
	[ "$(keyed "id => t.j(4), unique_for => '1 h'")" = 4 ]
}

@test "what to do about a key needs one, which some kinds have" {
	refuses JC065 "SELECT jobctl.submit('a', unique_for => '1 h')" 'unique_for without a unique key'
	refuses JC065 "SELECT jobctl.submit('a', on_conflict => 'fail')" 'on_conflict without a unique key'
	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/r\"}', unique_for => '1 h', on_conflict => 'fail')"
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "projects do not share keys" {
	keyed 'id => t.j(1)'
	[ "$(keyed "id => t.j(2), project => 'p'")" = 2 ]
}

@test "submitted at once from eight sessions it is one job" {
	local i pids=()

	for i in {1..8}; do
		psql -XAtqc "SELECT jobctl.submit('a', unique_key => 'k') FROM generate_series(1, 20)" >"$BATS_TEST_TMPDIR/$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(cat "$BATS_TEST_TMPDIR"/[1-8] | sort -u | wc -l)" = 1 ]
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "while workers finish it, submitting never fails and never doubles" {
	local i pids=()

	sql 'SELECT t.worker(1)'
	psql -XAtqc "DO \$\$ DECLARE j uuid; BEGIN FOR i IN 1..300 LOOP
		SELECT id INTO j FROM jobctl.claim(t.k(i), t.w(1), '{default}', 1);
		PERFORM jobctl.finish(t.w(1), ARRAY[j], t.kk(i), '{ok}', '{0}', '{NULL}', '{NULL}', '{NULL}', '{0}', '{0}') WHERE j IS NOT NULL;
		COMMIT; END LOOP; END \$\$" 2>"$BATS_TEST_TMPDIR/err" &
	pids+=($!)
	for i in 1 2 3; do
		psql -XAtqc "DO \$\$ BEGIN FOR i IN 1..300 LOOP PERFORM jobctl.submit('a', unique_key => 'k'); COMMIT; END LOOP; END \$\$" \
			2>>"$BATS_TEST_TMPDIR/err" &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat "$BATS_TEST_TMPDIR/err"
	[ -z "$output" ]
	is t 'SELECT count(*) <= 1 FROM jobctl.jobs'
}

@test "one active job per repository, however its path is spelled" {
	local path

	sql "SELECT jobctl.submit('index', '{\"repo_path\": \"/srv/repo\"}', id => t.j(1))"
	for path in /srv/repo /srv/repo/ //srv//repo /srv/./repo /srv/repo/. /./srv/repo//./; do
		is 1 "SELECT t.n(jobctl.submit('index', '{\"repo_path\": \"$path\"}', id => t.j(2)))"
	done
	for path in /srv/repo2 /srv /srv/.repo /srv/repo. /srv/Repo; do
		is 1 "SELECT count(*) FROM (SELECT jobctl.submit('index', '{\"repo_path\": \"$path\"}') id) s WHERE id <> t.j(1)"
	done
}

@test "a key of one's own does not get around that" {
	refuses JC065 "SELECT jobctl.submit('index', '{\"repo_path\": \"/a\"}', unique_key => 'mine')" 'unique by its repo_path'
}

@test "the longest path has a key" {
	sql "SELECT jobctl.submit('index', jsonb_build_object('repo_path', repeat('/é', 2000)), id => t.j(1))"
	is 1 "SELECT t.n(jobctl.submit('index', jsonb_build_object('repo_path', repeat('/é', 2000) || '/')))"
	refuses 23514 "SELECT jobctl.submit('a', unique_key => repeat('é', 501))" ck_unique_key
	refuses 23514 "SELECT jobctl.submit('a', unique_key => '')" ck_unique_key
	sql "SELECT jobctl.submit('a', unique_key => (SELECT string_agg(chr(20000 + n), '') FROM generate_series(1, 333) n),
		project => (SELECT string_agg(chr(20000 + n * 7), '') FROM generate_series(1, 255) n))"
}
