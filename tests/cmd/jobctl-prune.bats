#!/usr/bin/env bats
# jobctl-prune: what is old goes, and nothing else: no live job, nothing that is not exported

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	D=$BATS_TEST_TMPDIR
	clear_jobs
	sql "TRUNCATE jobctl.job_counts, jobctl.pruning, jobctl.unsettled; UPDATE jobctl.counted SET counted_until = now();
		DELETE FROM jobctl.projects WHERE project_id <> 'default'"
	psql -XAtq <<-'SQL'
		SELECT format('DROP TABLE %s', oid::regclass) FROM pg_class
		WHERE relispartition AND relkind = 'r' AND relnamespace = 'jobctl'::regnamespace
		  AND relname ~ '_[0-9]{8}$' AND right(relname, 8)::date < now() - interval '8 days' \gexec
	SQL
}

# N jobs that ended so long ago, each with an earlier attempt and some output.
past() {	# DAYS N [PROJECT]
	sql "WITH f AS (
			INSERT INTO jobctl.finished_jobs SELECT (jsonb_populate_record(NULL::jobctl.finished_jobs, jsonb_build_object(
				'id', jobctl.new_id(), 'completed_at', t.at, 'created_at', t.at, 'run_at', t.at, 'started_at', t.at,
				'priority', 0, 'attempt', 2, 'spent', 2, 'max_attempts', 2, 'crashes', 0, 'status', 'completed', 'outcome', 'ok',
				'project_id', '${3:-default}', 'queue', 'q', 'kind', 'k', 'created_by', 'me', 'args', '{\"n\": 1}'::jsonb))).*
			FROM generate_series(1, $2), (SELECT now() - interval '$1 days' AS at) t RETURNING id, completed_at, project_id
		), a AS (
			INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
			SELECT f.id, jobctl.new_id(), f.completed_at, f.completed_at, 1, 'exit', f.project_id, 'q', 'k' FROM f
		)
		INSERT INTO jobctl.job_output (job_id, token, at, n, attempt, stream, project_id, data)
		SELECT f.id, jobctl.new_id(), f.completed_at, 1, 1, 1, f.project_id, 'text' FROM f"
	eventually 10 in_partitions
}

# Making them waits for nobody, autovacuum included.
in_partitions() {
	sql 'SELECT jobctl.ensure_partitions()' >/dev/null
	prints 0 sql 'SELECT (SELECT count(*) FROM jobctl.finished_jobs_default) + (SELECT count(*) FROM jobctl.job_attempts_default)
		+ (SELECT count(*) FROM jobctl.job_output_default)'
}

rows() {	# jobs, attempts, pieces of output
	sql "SELECT (SELECT count(*) FROM jobctl.finished_jobs), (SELECT count(*) FROM jobctl.job_attempts),
		(SELECT count(*) FROM jobctl.job_output)"
}

old_partitions() {
	sql "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = 'jobctl'::regnamespace
		AND relname ~ '_[0-9]{8}\$' AND right(relname, 8)::date < now() - interval '30 days'"
}

# HOLDER's transaction is over, not only about to be.
let_go() {
	echo "COMMIT; SELECT 'let go';" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = 'let go' ]
}

@test "what is older than 30 days goes, by whole weeks, and nothing else" {
	past 20 2
	past 38 3
	past 100 5
	[ "$(rows)" = '10|10|10' ]
	run -0 --separate-stderr jobctl-prune --yes -H -o table,status
	[ "$(sort <<<"$output" | uniq -c | tr -s ' \t' ' ')" = ' 2 finished_jobs dropped
 2 job_attempts dropped
 2 job_output dropped' ]
	[ -z "$stderr" ]
	[ "$(rows)" = '2|2|2' ]
	[ "$(old_partitions)" = 0 ]
	run -0 --separate-stderr jobctl-prune --yes
	[ -z "$output" ]
	[ "$stderr" = 'jobctl-prune: nothing was old enough to be dropped' ]
}

@test "--keep, to the week: a day that is to be kept keeps its week" {
	past 90 1
	past 80 1
	jobctl-prune --yes -Q --keep 98d
	[ "$(rows)" = '2|2|2' ]
	run -0 jobctl-prune --yes -Q --keep 87d
	[ -z "$output" ]
	[ "$(sql 'SELECT count(*) >= 1 FROM jobctl.finished_jobs')" = t ]
	[ "$(sql "SELECT count(*) FROM jobctl.finished_jobs WHERE completed_at > now() - interval '87 days'")" = 1 ]
	jobctl-prune --yes -Q --keep 70d
	[ "$(rows)" = '0|0|0' ]
}

@test "--dry-run: the same, and nothing is changed" {
	past 50 4
	run -0 jobctl-prune --dry-run -H -o table,partition,status
	[ "${#lines[@]}" = 3 ]
	[[ "${lines[0]}" == finished_jobs[[:space:]]finished_jobs_20[0-9]*[[:space:]]due ]]
	run -0 jobctl-prune --dry-run --json
	[ "$(jq -c '[.v, .table, .status, (.bytes > 0), (.since < .until)]' <<<"${lines[2]}")" = '[1,"job_output","due",true,true]' ]
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"${lines[0]}")" = 'v table partition since until rows bytes status' ]
	[ "$(rows)" = '4|4|4' ]
	[ "$(old_partitions)" = 3 ]
	run -64 jobctl-prune --dry-run --export "$D/x"
}

@test "a live job keeps what it wrote and its attempts, however old; others' go from beside it" {
	past 50 3
	local id

	id=$(submit k "backoff => 'constant:1h'")
	sql "INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
		VALUES ('$id', jobctl.new_id(), now() - interval '50 days', now(), 1, 'exit', 'default', 'q', 'k');
		INSERT INTO jobctl.job_output (job_id, token, at, n, attempt, stream, project_id, data)
		VALUES ('$id', jobctl.new_id(), now() - interval '50 days', 1, 1, 1, 'default', 'mine');
		INSERT INTO jobctl.job_events (event, job_id, at, project_id) VALUES ('hold', '$id', now() - interval '50 days', 'default'),
			('hold', jobctl.new_id(), now() - interval '50 days', 'default'), ('pause', NULL, now() - interval '50 days', NULL),
			('pause', NULL, now() - interval '5 days', NULL)"
	run -0 --separate-stderr jobctl-prune --yes -H -o table,status
	[ "$output" = $'finished_jobs\tdropped\njob_attempts\treduced\njob_output\treduced' ]
	[ "$stderr" = 'jobctl-prune: deleted 2 events' ]
	[ "$(rows)" = '0|1|1' ]
	[ "$(sql "SELECT count(*) FROM jobctl.jobs")" = 1 ]
	[ "$(sql "SELECT string_agg(event, ',' ORDER BY event_id) FROM jobctl.job_events")" = hold,pause ]
	run -0 --separate-stderr jobctl-prune --yes -H -o table,status
	[ "$output" = $'job_attempts\tkept\njob_output\tkept' ]
	[ "$(rows)" = '0|1|1' ]
	# a tenant sees no more of a partition that was made anew
	role_login prune_eve jobctl_reader
	[ "$(sql "SELECT bool_and(relrowsecurity) FROM pg_class WHERE relkind = 'r' AND relname ~ '^job_(output|attempts)_[0-9]'")" = t ]
	jobctl-cancel -Q "$id"
	run -0 jobctl-prune --yes -H -o status
	[ "$(rows)" = '1|1|1' ]		# the job ended now, and is kept whole
	sql "UPDATE jobctl.finished_jobs SET completed_at = now() - interval '40 days'"
	jobctl-prune --yes -Q
	[ "$(rows)" = '0|0|0' ]
	[ "$(old_partitions)" = 0 ]
}

@test "a job that waits for one of them, and has not been told, keeps the week" {
	past 50 1
	local old live

	old=$(sql 'SELECT id FROM jobctl.finished_jobs')
	live=$(submit k)
	sql "INSERT INTO jobctl.job_dependencies VALUES ('$live', '$old', true, 'default');
		UPDATE jobctl.jobs SET blockers = 1; INSERT INTO jobctl.unsettled VALUES ('$old')"
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT 'locked' FROM jobctl.jobs FOR UPDATE;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = locked ]
	run -0 --separate-stderr jobctl-prune --yes -H -o table,status
	[[ "$output" == $'finished_jobs\tkept'* ]]
	[[ "$stderr" == *'stays: a job waits for one of these, and has not been told yet'* ]]
	[ "$(rows)" = '1|1|1' ]
	let_go
	jobctl-prune --yes -Q
	[ "$(rows)" = '0|0|0' ]
	[ "$(sql 'SELECT blockers FROM jobctl.jobs')" = 0 ]
}

@test "what ended is counted before it goes" {
	past 50 7
	sql "UPDATE jobctl.counted SET counted_until = now() - interval '60 days'"
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT 'locked' FROM jobctl.counted FOR UPDATE;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = locked ]
	run -0 --separate-stderr jobctl-prune --yes -H -o table,status
	[ "$output" = $'finished_jobs\tkept\njob_attempts\tkept\njob_output\tkept' ]
	[[ "$stderr" == *'finished_jobs_'*' stays: these are not counted yet'* ]]
	let_go
	[ "$(sql "SELECT sum(n) FROM jobctl.job_count WHERE status = 'completed'")" = 7 ]
	jobctl-prune --yes -Q
	[ "$(rows)" = '0|0|0' ]
	[ "$(sql "SELECT sum(n) FROM jobctl.job_count WHERE status = 'completed'")" = 7 ]
	[ "$(sql "SELECT sum(n) FROM jobctl.job_count WHERE status = 'retried'")" = 7 ]
}

# Counting goes by parts, and after the first the partition's week is not over.
@test "what ended is counted before it goes, however much it is" {
	past 50 10001
	sql "UPDATE jobctl.counted SET counted_until = now() - interval '60 days'"
	jobctl-prune --yes -Q
	[ "$(rows)" = '0|0|0' ]
	[ "$(sql "SELECT sum(n) FROM jobctl.job_counts WHERE status = 'completed'")" = 10001 ]
}

# --- export ---

@test "an export has every job once, with all fields and its attempts" {
	past 50 230
	past 20 1
	local id

	id=$(sql 'SELECT id FROM jobctl.finished_jobs ORDER BY id LIMIT 1')
	jobctl-status --json "$id" | jq 'del(.age_s)' >"$D/status"
	run -0 --separate-stderr jobctl-prune --yes -Q --export "$D/old.jsonl"
	[ -z "$output$stderr" ]
	[ "$(rows)" = '1|1|1' ]
	[ "$(wc -l <"$D/old.jsonl")" = 230 ]
	[ "$(jq -r .id "$D/old.jsonl" | sort -u | wc -l)" = 230 ]
	diff "$D/status" <(jq --arg id "$id" 'select(.id == $id) | del(.age_s, .attempts)' "$D/old.jsonl")
	[ "$(jq -c --arg id "$id" 'select(.id == $id) | .attempts | map([.attempt, .outcome, .exit_code])' "$D/old.jsonl")" = \
		'[[1,"exit",null]]' ]
	[ "$(stat -c %a "$D/old.jsonl")" = 600 ]
	[ ! -e "$D/old.jsonl.part" ]
}

@test "an export that fails drops nothing: a file that exists, no such directory, a full disk" {
	past 50 300
	echo precious >"$D/there"
	run -73 --separate-stderr jobctl-prune --yes --export "$D/there"
	[ "$stderr" = "jobctl-prune: \"$D/there\" exists already
jobctl-prune: hint: an export overwrites nothing: name another file" ]
	[ "$(cat "$D/there")" = precious ]
	run -73 jobctl-prune --yes --export "$D/none/x"
	ln -s "$D/nowhere" "$D/link"
	run -73 jobctl-prune --yes --export "$D/link"
	run -74 bash -c "trap '' XFSZ; ulimit -f 8; jobctl-prune --yes --export '$D/big'"
	[[ "$output" == *"cannot write \"$D/big.part\": File too large"* ]]
	[ ! -e "$D/big" ]
	[ ! -e "$D/big.part" ]
	[ "$(rows)" = '300|300|300' ]
	[ "$(sql 'SELECT count(*) FROM jobctl.pruning')" = 0 ]
	# with nothing to write there is no file
	jobctl-prune --yes -Q
	jobctl-prune --yes -Q --export "$D/nothing"
	[ ! -e "$D/nothing" ]
}

@test "what was not exported is not dropped" {
	past 50 3
	local part token=00000000-0000-4000-8000-000000000001

	part=$(sql "SELECT partition FROM jobctl.prunable('30 days') WHERE \"table\" = 'finished_jobs'")
	run -1 sql "SELECT jobctl.prune_partition('$token', '$part', '30 days', 2)"
	[[ "$output" == *'has 3 rows, and 2 were exported: it stays'* ]]
	[ "$(sql "SELECT jobctl.prune_partition('$token', '$part', '30 days', 3)")" = dropped ]
	[ "$(sql "SELECT jobctl.prune_partition('$token', '$part', '30 days', 3)")" = gone ]
	[ "$(sql "SELECT jobctl.prune_partition('$token', 'jobs', '30 days')")" = kept ]
	[ "$(sql "SELECT jobctl.prune_partition('$token', 'finished_jobs_default', '30 days')")" = kept ]
	part=$(sql "SELECT 'finished_jobs_' || to_char(date_trunc('week', now() AT TIME ZONE 'UTC'), 'YYYYMMDD')")
	[ "$(sql "SELECT jobctl.prune_partition('$token', '$part', '-1 year')")" = kept ]
}

# --- several, and others at work ---

@test "of several at once one works, the others say so and are no failure" {
	past 50 1
	past 60 1
	sql "SELECT jobctl.prune_begin('00000000-0000-4000-8000-000000000001')" >/dev/null
	run -0 --separate-stderr jobctl-prune --yes
	[ -z "$output" ]
	[[ "$stderr" =~ ^'jobctl-prune: psql has been at it since 20'[0-9TZ:.-]+': nothing to do here'$ ]]
	[ "$(rows)" = '2|2|2' ]
	# one that has died is not waited for for ever
	sql "UPDATE jobctl.pruning SET lease_until = now() - interval '1 s'"
	local n pids=()
	for n in 1 2 3 4; do
		jobctl-prune --yes -H -o partition,status >"$D/out.$n" 2>"$D/err.$n" 3>&- &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n"
	done
	[ "$(rows)" = '0|0|0' ]
	[ "$(cat "$D"/out.* | grep -c dropped)" = 6 ]
	[ "$(sql 'SELECT count(*) FROM jobctl.pruning')" = 0 ]
}

@test "who reads what ended delays it, and nobody else is kept waiting" {
	past 50 1
	worker w1
	submit k "queue => 'q'" >/dev/null
	claim q
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT count(*) FROM jobctl.finished_jobs;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = 1 ]
	start jobctl-prune --yes
	eventually 10 prints t sql "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%prune_partition%' AND datname = current_database()
		AND application_name LIKE 'jobctl-prune %'"
	# less than the 5 s that prune_partition() itself would wait
	PGOPTIONS='-c lock_timeout=4s' finish "$CLAIMED" ok 0
	[ "$(sql "SELECT count(*) FROM jobctl.finished_jobs")" = 2 ]
	echo 'COMMIT;' >&"${HOLDER[1]}"
	eventually 20 gone_or_zombie "$STARTED_PID"
	[ "$(rows)" = '1|0|0' ]
}

@test "a run that comes to an old week at the last moment, with a job that lives again, stays" {
	past 50 1
	local id

	id=$(submit k)
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; INSERT INTO jobctl.job_attempts (job_id, token, ended_at, started_at, attempt, outcome, project_id, queue, kind)
		VALUES ('$id', jobctl.new_id(), now() - interval '50 days', now(), 1, 'exit', 'default', 'q', 'k'); SELECT 'ran';" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = ran ]
	start jobctl-prune --yes -H -o table,status
	eventually 10 prints t sql "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation::regclass::text LIKE '%job_attempts_%'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	echo 'COMMIT;' >&"${HOLDER[1]}"
	eventually 20 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = $'finished_jobs\tdropped\njob_attempts\treduced\njob_output\tdropped' ]
	[ "$(sql 'SELECT job_id FROM jobctl.job_attempts')" = "$id" ]
}

@test "when it cannot have the lock it says so: exit 75, and what it has done is done" {
	past 50 1
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT count(*) FROM jobctl.job_output;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	run -75 --separate-stderr jobctl-prune --yes -H -o table,status
	[ "$output" = $'finished_jobs\tdropped\njob_attempts\tdropped' ]
	[[ "$stderr" == *'job_output_'*' cannot be dropped: somebody'* ]]
	[ "$(rows)" = '0|0|1' ]
	[ "$(sql 'SELECT count(*) FROM jobctl.pruning')" = 0 ]
	let_go
	jobctl-prune --yes -Q
	[ "$(rows)" = '0|0|0' ]
}

# --- consent, mistakes, rights ---

@test "without a terminal --yes is needed; on one it asks" {
	past 50 1
	run -64 --separate-stderr jobctl-prune </dev/null
	[[ "$stderr" =~ 'this would drop 3 partitions, '[0-9.]+' kB'.*'--yes does it without asking' ]]
	run -1 script -qec jobctl-prune /dev/null <<<n
	[[ "$output" == *'drop 3 partitions, '*', for good? [y/N]'*'nothing was dropped'* ]]
	[ "$(rows)" = '1|1|1' ]
	run -0 script -qec jobctl-prune /dev/null <<<y
	[ "$(rows)" = '0|0|0' ]
	run -0 jobctl-prune </dev/null
}

@test "how long is no time, or none at all" {
	local keep

	past 50 1
	for keep in 1h 0 -1d x '' 11y 30; do
		run -64 jobctl-prune --yes --keep "$keep"
	done
	run -64 jobctl-prune --yes everything
	run -64 jobctl-prune --dry-run -o nothing
	run -64 jobctl-prune --yes --export ''
	[ "$(rows)" = '1|1|1' ]
}

@test "who does not see every project drops none: exit 77" {
	past 50 1
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'jobctl')"
	past 51 1 a
	role_login prune_op jobctl_operator
	role_login prune_all jobctl_operator jobctl_all_projects
	role_login prune_eve jobctl_reader
	run -77 as_role prune_op jobctl-prune --yes
	[[ "$output" == *'you do not see every project'*'jobctl_all_projects'* ]]
	run -77 as_role prune_eve jobctl-prune --yes
	run -0 as_role prune_eve jobctl-prune --dry-run
	run -0 as_role prune_op jobctl-prune --dry-run
	[ "$(rows)" = '2|2|2' ]
	run -0 as_role prune_all jobctl-prune --yes --export "$D/all"
	[ "$(jq -r .project "$D/all" | sort | paste -sd,)" = a,default ]
	[ "$(rows)" = '0|0|0' ]
}

@test "a full disk for what it prints: exit 74" {
	past 50 1
	run -74 bash -c 'jobctl-prune --dry-run >/dev/full'
}
