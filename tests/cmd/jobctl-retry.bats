#!/usr/bin/env bats
# jobctl-retry: again, the same job, all of them or none

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	worker w1 host1 101
}

# A job of queue q that has failed; ID is its id.
failed() {	# [SQL-ARGUMENT...]
	ID=$(submit k "queue => 'q'" "max_attempts => 1" "$@")
	claim q "claim $ID"
	wrote "$ID" 1 2 'first try\n'
	finish "$ID" exit 3 boom >/dev/null
}

# N of them: JOBS
some() {	# N
	JOBS=()
	while [ "${#JOBS[@]}" -lt "$1" ]; do
		failed
		JOBS+=("$ID")
	done
}

job() {	# ID EXPRESSION
	sql "SELECT $2 FROM jobctl.job WHERE id = '$1'"
}

@test "a job that failed runs again, with who and why, and keeps its history" {
	failed
	run -0 --separate-stderr jobctl-retry "${ID:0:23}" --reason 'disk is empty again'
	[ "$output" = "$ID pending" ]
	[ -z "$stderr" ]
	[ "$(sql 'SELECT event, role_name, why FROM jobctl.job_events')" = 'retry|jobctl|disk is empty again' ]
	[ "$(job "$ID" 'status, attempt, max_attempts')" = 'pending|1|2' ]
	[ "$(jobctl-logs "$ID")" = 'first try' ]
	claim q again
	wrote "$ID" 1 1 'second try\n'
	finish "$ID" ok 0 >/dev/null
	[ "$(jobctl-logs --attempt 1 "$ID")" = 'first try' ]
	[ "$(jobctl-logs "$ID")" = 'second try' ]
	run -0 jobctl-status "$ID"
	[[ "$output" == *$'\nstatus     completed '* ]]
	[[ "$output" == *$'\nattempt    2 of 2\n'* ]]
	[[ "$output" == *$'\nearlier    attempt 1, '*': exit 3 on host1: boom'* ]]
	[[ "$output" == *$'\nevents     '*' retry by jobctl (jobctl-retry '*'): disk is empty again'* ]]
}

@test "by name also one that completed or was cancelled" {
	ID=$(submit k "queue => 'q'")
	claim q
	finish "$ID" ok 0 >/dev/null
	JOBS=("$ID" "$(submit k)")
	sql "SELECT jobctl.cancel('{${JOBS[1]}}')" >/dev/null
	run -0 jobctl-retry --json "${JOBS[1]}" "${JOBS[0]}"
	[ "$output" = "{\"v\":1,\"id\":\"${JOBS[1]}\",\"was\":\"cancelled\",\"status\":\"pending\"}
{\"v\":1,\"id\":\"${JOBS[0]}\",\"was\":\"completed\",\"status\":\"pending\"}" ]
}

@test "one that waits for its time or for its backoff runs now" {
	ID=$(submit k "run_in => '1 h'")
	run -0 jobctl-retry "$ID"
	[ "$output" = "$ID pending" ]
	[ "$(job "$ID" 'reasons')" = '{Ready}' ]
	ID=$(submit k "queue => 'q'" "backoff => 'constant:1h'")
	claim q
	finish "$ID" exit 1 >/dev/null
	[ "$(job "$ID" 'reasons')" = '{Backoff}' ]
	run -0 jobctl-retry -q q -s pending
	[ "$(job "$ID" 'reasons, attempt')" = '{Ready}|1' ]
}

@test "--in: later, by the server's clock" {
	failed
	run -0 jobctl-retry "$ID" --in 1h30m
	[ "$(job "$ID" "run_at - now() BETWEEN '89 min' AND '90 min'")" = t ]
	run -64 jobctl-retry "$ID" --in tomorrow
	run -64 jobctl-retry "$ID" --in -5s
}

@test "--edit: other arguments, as jobctl-submit takes them" {
	failed "args => '{\"a\": \"x\", \"b\": 1}'"
	run -0 jobctl-retry "$ID" --edit 'a=new text' --edit 'c:=[1, null]'
	[ "$(job "$ID" args)" = '{"a": "new text", "b": 1, "c": [1, null]}' ]
	[ "$(sql "SELECT why FROM jobctl.job_events WHERE event = 'edit'")" = '{"a": "new text", "c": [1, null]}' ]
}

@test "an edit that cannot be: a word about it, nothing changed" {
	failed
	run -64 --separate-stderr jobctl-retry "$ID" --edit nonsense
	[ "${stderr_lines[0]}" = 'jobctl-retry: --edit: "nonsense" is neither NAME=TEXT nor NAME:=JSON' ]
	run -64 jobctl-retry "$ID" --edit a=1 --edit a=2
	run -65 --separate-stderr jobctl-retry "$ID" --edit 'a:={'
	[[ "${stderr_lines[0]}" == 'jobctl-retry: --edit: the argument "a": '* ]]
	run -64 jobctl-retry "$ID" --edit $'a=\xff'
	[ "$(job "$ID" status)" = failed ]
	ID=$(submit index "args => '{\"repo_path\": \"/a\"}'")
	run -65 --separate-stderr jobctl-retry "$ID" --edit repo_path=a/b
	[ "$stderr" = 'jobctl-retry: a job of kind index needs an absolute repo_path without the component "..", or a repository_id' ]
	[ "$(job "$ID" args)" = '{"repo_path": "/a"}' ]
}

@test "running and held jobs: left alone, exit 1, and what would help" {
	JOBS=("$(submit k "queue => 'q'")" "$(submit k "hold => true")")
	claim q
	failed
	run -1 --separate-stderr jobctl-retry "${JOBS[@]}" "$ID"
	[ "$output" = "${JOBS[0]} running
${JOBS[1]} held
$ID pending" ]
	[ "$stderr" = "jobctl-retry: 1 running: left alone; jobctl-cancel stops what runs
jobctl-retry: 1 held: left alone; jobctl-release lets go what is held" ]
	[ "$(sql 'SELECT count(*) FROM jobctl.job_events')" = 1 ]
}

@test "a unique key that is taken: exit 75, by whom, and nothing changed" {
	local other

	failed
	JOBS=("$ID")
	failed "unique_key => 'k'"
	other=$(submit k "unique_key => 'k'")
	run -75 --separate-stderr jobctl-retry "${JOBS[0]}" "$ID"
	[ -z "$output" ]
	[ "$stderr" = "jobctl-retry: job $ID cannot be retried: job $other, which is pending, has its unique key \"k\"; nothing was changed
jobctl-retry: hint: that job does the work; to run this one too, first jobctl-wait $other" ]
	[ "$(sql 'SELECT count(*) FROM jobctl.finished_jobs')" = 2 ]
	[ "$(sql 'SELECT count(*) FROM jobctl.job_events')" = 0 ]
}

@test "jobs that were cancelled with it are named, and brought back" {
	local a b

	failed
	a=$(submit k "after_ok => '{$ID}'")
	b=$(submit k "after_ok => '{$a}'")
	submit k "after => '{$ID}'" >/dev/null
	run -1 --separate-stderr jobctl-retry "$b"
	[ "$stderr" = "jobctl-retry: job $b needs job $a to complete, which is cancelled; nothing was changed
jobctl-retry: hint: retry both: jobctl-retry $a $b" ]
	run -0 --separate-stderr jobctl-retry "$ID"
	[ "$output" = "$ID pending" ]
	[ "$stderr" = "jobctl-retry: 2 jobs stay cancelled for want of it; to bring back: jobctl-retry $a $b" ]
	run -0 --separate-stderr jobctl-retry "$a" "$b"
	[ -z "$stderr" ]
	[ "$(sql 'SELECT sum(blockers) FROM jobctl.jobs')" = 2 ]
	claim q
	finish "$ID" ok 0 >/dev/null
	claim default
	[[ "$CLAIMED" == *"$a"* ]]
	[[ "$CLAIMED" != *"$b"* ]]
}

@test "filters mean jobs that failed, unless they say which" {
	local c h

	some 3
	c=$(submit k "queue => 'q'")
	sql "SELECT jobctl.cancel('{$c}')" >/dev/null
	h=$(submit k "queue => 'q'")
	run -0 --separate-stderr jobctl-retry -q q --dry-run
	[ "$output" = "$(printf '%s pending\n' "${JOBS[@]}")" ]
	[ "$stderr" = 'jobctl-retry: 3 jobs match: 3 failed' ]
	run -0 --separate-stderr jobctl-retry -q q -s failed,cancelled --dry-run
	[ "${#lines[@]}" = 4 ]
	[ "$stderr" = 'jobctl-retry: 4 jobs match: 3 failed, 1 cancelled' ]
	run -0 --separate-stderr jobctl-retry --all --dry-run
	[ "${#lines[@]}" = 3 ]
	[ "$(sql 'SELECT count(*) FROM jobctl.finished_jobs')" = 4 ]
	[ "$(job "$h" status)" = pending ]
}

@test "how many, of what and where, before anything; and --yes, or nothing" {
	some 2
	submit k "queue => 'r'" >/dev/null
	claim r
	finish "$CLAIMED" permanent 65 >/dev/null
	run -64 --separate-stderr jobctl-retry --all </dev/null
	[ -z "$output" ]
	[ "$stderr" = "jobctl-retry: 3 jobs match: 2 failed in q, 1 failed in r
jobctl-retry: this would retry 3 jobs
jobctl-retry: hint: --yes does it without asking, --dry-run shows them" ]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 0 ]
	run -0 jobctl-retry --all --yes
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 3 ]
	run -1 --separate-stderr jobctl-retry --all --yes
	[ "$stderr" = 'jobctl-retry: no job matches' ]
}

@test "on a terminal it asks, having said how many" {
	some 2
	run -1 script -qec 'jobctl-retry -q q' /dev/null <<<n
	[[ "$output" == *'2 jobs match: 2 failed'*'retry 2 jobs? [y/N]'*'nothing was changed'* ]]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 0 ]
	run -0 script -qec 'jobctl-retry -q q' /dev/null <<<y
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 2 ]
}

@test "thousands in one transaction" {
	sql "SELECT jobctl.submit('k', queue => 'q') FROM generate_series(1, 2345)" >/dev/null
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs))" >/dev/null
	run -0 --separate-stderr jobctl-retry -s cancelled --yes
	[ "${#lines[@]}" = 2345 ]
	[ "$(sql "SELECT count(DISTINCT run_at), count(*) FROM jobctl.jobs WHERE status = 'pending'")" = '1|2345' ]
	# in the order of their submission
	[ "$(sql 'SELECT bool_and(o = n) FROM (SELECT row_number() OVER (ORDER BY id) o, row_number() OVER (ORDER BY seq) n FROM jobctl.jobs) x')" = t ]
}

@test "two at once: one wins, the other is told" {
	local first

	failed
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT status FROM jobctl.retry('{$ID}');" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" first
	[ "$first" = pending ]
	start jobctl-retry "$ID"
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
		AND application_name LIKE 'jobctl-retry %' AND datname = current_database()"
	echo "COMMIT;" >&"${HOLDER[1]}"
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = "jobctl-retry: somebody else retried job $ID at this moment; nothing was changed
jobctl-retry: hint: jobctl-status $ID" ]
	run -0 jobctl-retry "$ID"
	[ "$(sql "SELECT count(*) FROM jobctl.job_events")" = 1 ]
}

@test "another's jobs are unknown; a reader may only look" {
	role_login retry_ann jobctl_submitter
	role_login retry_eve jobctl_reader
	failed
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('retry', 'jobctl') ON CONFLICT DO NOTHING"
	JOBS=("$ID")
	failed "project => 'retry'"
	run -66 as_role retry_ann jobctl-retry "$ID"
	[ "$output" = "jobctl-retry: no such job: $ID" ]
	run -77 as_role retry_eve jobctl-retry "${JOBS[0]}"
	run -0 as_role retry_ann jobctl-retry --all --yes
	[ "$(job "$ID" status)" = failed ]
	[ "$(job "${JOBS[0]}" status)" = pending ]
}

@test "a full disk, no database, mistakes" {
	failed
	run -69 jobctl-retry -d 'host=/nowhere' "$ID"
	run -64 jobctl-retry
	run -64 jobctl-retry --yes
	run -64 jobctl-retry --all -q q
	run -64 jobctl-retry -q q "$ID"
	run -66 jobctl-retry 00000000-0000-7000-8000-000000000000
	run -64 --separate-stderr jobctl-retry --edit a=1
	[ "${stderr_lines[0]}" = 'jobctl-retry: which jobs? name them, give filters, or --all for all failed ones' ]
	[ "$(job "$ID" status)" = failed ]
	run -74 bash -c "jobctl-retry $ID >/dev/full"
}
