#!/usr/bin/env bats
# jobctl.submit_plain(): the same job as submit() makes, for less.

bats_require_minimum_version 1.5.0
load queue

# With jobctl's own version of the schema, unless two others are given.
plain() {	# N KIND ARGS [REST [OLDEST NEWEST]]
	local newest

	newest=${6:-$(sql "SELECT max(version) FROM jobctl.schema_migrations WHERE set = 'jobctl'")}
	echo "SELECT jobctl.submit_plain(${5:-1}, $newest, t.j($1), '$2', '$3', ${4:-"'default', 'default', 0, NULL, NULL, NULL, false"})"
}

# All of a job that does not say when it was made.
row() {	# N
	sql "SELECT to_jsonb(j) - '{id,seq,created_at,run_at}'::text[] || jsonb_build_object('due', run_at = created_at)
		FROM jobctl.jobs j WHERE id = t.j($1)"
}

@test "the row is that of submit(), with the kind's defaults" {
	sql "INSERT INTO jobctl.kinds (kind, timeout, max_attempts, unique_args) VALUES ('slow', '1 h', 9, NULL), ('one', NULL, NULL, '{x}')"
	same() {	# KIND ARGS QUEUE PRIORITY KEY ATTEMPTS TIMEOUT HOLD
		sql "$(plain 1 "$1" "$2" "$3, 'default', $4, $5, $6, $7, $8")" >/dev/null
		row 1 >"$BATS_TEST_TMPDIR/plain"
		sql "DELETE FROM jobctl.jobs;
			SELECT jobctl.submit('$1', '$2', $3, priority => $4, unique_key => $5, max_attempts => $6, timeout => $7,
				hold => $8, id => t.j(2))" >/dev/null
		[ -s "$BATS_TEST_TMPDIR/plain" ] || return
		diff "$BATS_TEST_TMPDIR/plain" <(row 2) || return
		sql 'DELETE FROM jobctl.jobs'
	}
	same mail '{}' "'default'" 0 NULL NULL NULL false
	same mail '{"to": ["ann", 1]}' "'q'" -7 "'key'" 5 "'5 min'" true
	same slow '{}' "'q'" 1 NULL NULL NULL false
	same slow '{}' "'q'" 1 NULL 2 "'1 s'" false
	same exec '{"argv": ["a"]}' "'q'" 0 "'k'" NULL NULL false
	same index '{"repo_path": "//a/./b/"}' "'q'" 0 NULL NULL NULL false
	same index '{"repository_id": "6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11"}' "'q'" 0 NULL NULL NULL false
	same one '{"x": 3}' "'q'" 0 NULL NULL NULL false
	same one '{}' "'q'" 0 NULL NULL NULL false
	sql "DELETE FROM jobctl.kinds WHERE kind IN ('slow', 'one')"
}

@test "said again with its id, it is one job" {
	sql "$(plain 1 a '{}'); $(plain 1 a '{}')"
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "a live job with the key stands for it" {
	sql "$(plain 1 a '{}' "'default', 'default', 0, 'k', NULL, NULL, false")"
	is 1 "SELECT t.n(($(plain 2 a '{}' "'default', 'default', 0, 'k', NULL, NULL, false")))"
	is 1 "SELECT count(*) FROM jobctl.jobs"
}

@test "a project that is not everybody's is for its owners" {
	role_login plain_ann jobctl_submitter
	role_login plain_bob jobctl_submitter
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'plain_ann')"
	PGUSER=plain_ann sql "$(plain 1 a '{}' "'default', 'a', 0, NULL, NULL, NULL, false" 1 9000)"
	is 'a|plain_ann' 'SELECT project_id, created_by FROM jobctl.jobs'
	PGUSER=plain_bob refuses JC066 "$(plain 2 a '{}' "'default', 'a', 0, NULL, NULL, NULL, false" 1 9000)" 'no such project "a"'
	PGUSER=plain_bob refuses JC066 "$(plain 2 a '{}' "'default', 'b', 0, NULL, NULL, NULL, false" 1 9000)" 'no such project "b"'
	is 1 'SELECT count(*) FROM jobctl.jobs'
}

@test "what submit() refuses is refused" {
	refuses 23514 "$(plain 1 'a b' '{}')" name_is_plain
	refuses 23514 "$(plain 1 a '[1]')" ck_args_is_object
	refuses 23514 "$(plain 1 index '{"repo_path": "a"}')" ck_index_repo_path
	refuses 23514 "$(plain 1 a '{}' "'default', 'default', 0, NULL, 0, NULL, false")" max_attempts
	refuses 23514 "$(plain 1 a '{}' "'default', 'default', 0, NULL, NULL, '-1 s', false")" ck_timeout
	refuses JC065 "$(plain 1 index '{"repo_path": "/a"}' "'default', 'default', 0, 'k', NULL, NULL, false")" 'no other key'
	is 0 'SELECT count(*) FROM jobctl.jobs'
}

@test "nothing is submitted to a schema that is too old or too new" {
	refuses JC076 "$(plain 1 a '{}' '' 1 2)" 'knows no later one than 2'
	refuses JC076 "$(plain 1 a '{}' '' 9000 9001)" 'needs 9000'
	refuses JC076 "$(plain 1 a '{}' "'default', 'new', 0, NULL, NULL, NULL, false" 9000 9001)" 'needs 9000'
	is 0 'SELECT count(*) FROM jobctl.jobs'
}

@test "an idle worker of the queue is told, and of a held job nobody" {
	sql "SELECT t.worker(1), jobctl.worker_idle(t.w(1))"
	[ "$(notified "$(plain 1 a '{}')")" = '1 wake' ]
	[ "$(notified "$(plain 2 a '{}' "'default', 'default', 0, NULL, NULL, NULL, true")")" = '' ]
	[ "$(notified "$(plain 3 a '{}' "'other', 'default', 0, NULL, NULL, NULL, false")")" = '' ]
}

# Loading it takes longer than the job's insertion.
@test "PL/pgSQL is not loaded for it" {
	[ "$(psql -XAtq -c "SET client_min_messages = error" -c "$(plain 1 exec '{"argv": ["a"]}')" \
		-c "SELECT current_setting('plpgsql.variable_conflict', true) IS NULL" | tail -n 1)" = t ]
	[ "$(psql -XAtq -c "SELECT jobctl.submit('a')" \
		-c "SELECT current_setting('plpgsql.variable_conflict', true) IS NULL" | tail -n 1)" = f ]
}
