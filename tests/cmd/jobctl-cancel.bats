#!/usr/bin/env bats
# jobctl-cancel: the jobs that were meant, every one, and no other

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

status_of() {
	sql "SELECT status FROM jobctl.job WHERE id = '$1'"
}

# N jobs in a queue; JOBS are their ids, the oldest first.
some() {	# N QUEUE
	sql "SELECT jobctl.submit('k', queue => '$2') FROM generate_series(1, $1)" >/dev/null
	mapfile -t JOBS < <(sql "SELECT id FROM jobctl.jobs WHERE queue = '$2' ORDER BY id")
}

@test "a waiting job is cancelled at once, with who and why" {
	some 1 q
	run -0 --separate-stderr jobctl-cancel "${JOBS[0]}" --reason 'wrong codec'
	[ "$output" = "${JOBS[0]} cancelled" ]
	[ -z "$stderr" ]
	[ "$(sql "SELECT status, outcome, error_message FROM jobctl.job")" = 'cancelled|cancelled|wrong codec' ]
	[ "$(sql "SELECT event, role_name, why FROM jobctl.job_events")" = 'cancel|jobctl|wrong codec' ]
}

@test "a running job is told, and that is said" {
	some 1 q
	claim q
	run -0 --separate-stderr jobctl-cancel "${JOBS[0]}"
	[ "$output" = "${JOBS[0]} running" ]
	[[ "$stderr" == *"1 running: told to stop"* ]]
	[ "$(sql "SELECT cancel_requested_at IS NOT NULL FROM jobctl.jobs")" = t ]
	run -0 jobctl-cancel -Q "${JOBS[0]}"
	[ -z "$output" ]
}

@test "a job that has ended: what it had become, exit 1; cancelled already is fine" {
	some 2 q
	claim q
	finish "${JOBS[0]}" ok 0 >/dev/null
	run -1 jobctl-cancel "${JOBS[0]}"
	[ "$output" = "${JOBS[0]} completed" ]
	finish "${JOBS[1]}" cancelled >/dev/null
	run -0 jobctl-cancel "${JOBS[1]}"
	[ "$output" = "${JOBS[1]} cancelled" ]
}

@test "ids in the order given, each once; a bad one spares the others nothing" {
	some 3 q
	run -66 --separate-stderr jobctl-cancel "${JOBS[2]}" 00000000-0000-7000-8000-000000000000 \
		"${JOBS[0]:0:30}" "${JOBS[2]}" xyz
	[ "$output" = "${JOBS[2]} cancelled
${JOBS[0]} cancelled" ]
	[ "${stderr_lines[0]}" = "jobctl-cancel: no such job: 00000000-0000-7000-8000-000000000000" ]
	[[ "${stderr_lines[1]}" == *'"xyz" is not a job id' ]]
	[ "$(status_of "${JOBS[1]}")" = pending ]
}

@test "jobs that depend on one another are all answered for" {
	local a b c

	a=$(submit k)
	b=$(submit k "after_ok => '{$a}'")
	c=$(submit k "after_ok => '{$b}'")
	run -0 jobctl-cancel "$c" "$a" "$b"
	[ "$output" = "$c cancelled
$a cancelled
$b cancelled" ]
}

@test "a job that ends while its lock is waited for is answered for" {
	some 1 q
	claim q
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT 'locked' FROM jobctl.jobs FOR UPDATE;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = locked ]
	start jobctl-cancel "${JOBS[0]}"
	eventually 10 waits_for_lock
	echo "SELECT status FROM jobctl.finish('$SIM_WORKER', '{${JOBS[0]}}', '{$SIM_TOKEN}', '{ok}', '{0}',
		'{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}'); COMMIT;" >&"${HOLDER[1]}"
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = "${JOBS[0]} completed" ]
}

waits_for_lock() {
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
		AND application_name LIKE 'jobctl-cancel %' AND datname = current_database()")" = 1 ]
}

@test "a job that ends while another's lock is waited for is answered for" {
	some 2 q
	claim q
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "BEGIN; SELECT 'locked' FROM jobctl.jobs WHERE id = '${JOBS[0]}' FOR UPDATE;" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = locked ]
	start jobctl-cancel "${JOBS[@]}"
	eventually 10 waits_for_lock
	finish "${JOBS[1]}" ok 0
	echo "COMMIT;" >&"${HOLDER[1]}"
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(grep -v ^jobctl- "$STARTED_LOG")" = "${JOBS[0]} running
${JOBS[1]} completed" ]
}

@test "filters: more than one job needs --yes without a terminal" {
	some 3 q
	submit k "queue => 'other'" >/dev/null
	run -64 jobctl-cancel -q q </dev/null
	[[ "$output" == *"3 jobs match: 3 pending"*"this would cancel 3 jobs"*"--yes"*"--dry-run"* ]]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 4 ]
	run -0 --separate-stderr jobctl-cancel -q q --yes
	[ "${#lines[@]}" = 3 ]
	[ "$stderr" = 'jobctl-cancel: 3 jobs match: 3 pending' ]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 1 ]
	run -0 jobctl-cancel -q other
}

@test "filters: how many there are, of what and where, the most first" {
	local n

	some 3 q
	claim q
	some 2 r
	some 1 s
	run -0 --separate-stderr jobctl-cancel --all --dry-run
	[ "$stderr" = 'jobctl-cancel: 6 jobs match: 3 running in q, 2 pending in r, 1 pending in s' ]
	run -0 --separate-stderr jobctl-cancel -q s --dry-run
	[ "$stderr" = 'jobctl-cancel: 1 job matches: 1 pending' ]
	run -0 --separate-stderr jobctl-cancel -Q --all --dry-run
	[ -z "$stderr$output" ]
	for n in 1 2 3 4 5 6 7; do
		some 1 "t$n"
	done
	run -0 --separate-stderr jobctl-cancel --all --dry-run
	[[ "$stderr" == *': 3 running in q, 2 pending in r, 1 pending in '*', 2 others' ]]
}

@test "filters: nothing matches is exit 1" {
	some 1 q
	run -1 --separate-stderr jobctl-cancel -q nothing
	[ -z "$output" ]
	[ "$stderr" = "jobctl-cancel: no job matches" ]
	run -1 jobctl-cancel -s completed
}

@test "no filter at all needs --all" {
	some 2 q
	claim q
	some 2 other
	run -64 jobctl-cancel
	[[ "$output" == *"--all"* ]]
	run -64 jobctl-cancel --yes
	run -64 jobctl-cancel --all
	run -0 --separate-stderr jobctl-cancel --all --yes
	[ "$(cut -d' ' -f2 <<<"$output" | sort | uniq -c | tr -s ' ')" = " 2 cancelled
 2 running" ]
	run -64 jobctl-cancel --all -q q
	run -64 jobctl-cancel --all "${JOBS[0]}"
	run -64 jobctl-cancel -q q "${JOBS[0]}"
}

@test "--dry-run says what would be and changes nothing" {
	some 3 q
	run -0 --separate-stderr jobctl-cancel -q q --dry-run
	[ "$output" = "$(printf '%s cancelled\n' "${JOBS[@]}")" ]
	[ "$stderr" = 'jobctl-cancel: 3 jobs match: 3 pending' ]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 3 ]
	claim q
	run -0 --separate-stderr jobctl-cancel --dry-run --json "${JOBS[1]}"
	[ "$output" = "{\"v\":1,\"id\":\"${JOBS[1]}\",\"was\":\"running\",\"status\":\"running\"}" ]
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs WHERE cancel_requested_at IS NOT NULL')" = 0 ]
	[ "$(sql 'SELECT count(*) FROM jobctl.job_events')" = 0 ]
}

@test "--json: what it was and what it is" {
	some 1 q
	run -0 jobctl-cancel --json "${JOBS[0]}"
	[ "$output" = "{\"v\":1,\"id\":\"${JOBS[0]}\",\"was\":\"pending\",\"status\":\"cancelled\"}" ]
	run -66 --separate-stderr jobctl-cancel --json 00000000-0000-7000-8000-000000000000
	[ "$(jq .exit <<<"$stderr")" = 66 ]
}

@test "on a terminal it asks; anything but yes changes nothing" {
	some 2 q
	run -1 script -qec 'jobctl-cancel -q q' /dev/null <<<n
	[[ "$output" == *"2 jobs match: 2 pending"*"cancel 2 jobs? [y/N]"*"nothing was changed"* ]]
	run -1 script -qec 'jobctl-cancel -q q' /dev/null <<<''
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 2 ]
	run -0 script -qec 'jobctl-cancel -q q' /dev/null <<<y
	[ "$(sql 'SELECT count(*) FROM jobctl.jobs')" = 0 ]
}

@test "a job that began to run while a person thought is not stopped by -s pending" {
	some 3 q
	mkfifo "$BATS_TEST_TMPDIR/answer"
	exec 9<>"$BATS_TEST_TMPDIR/answer"
	start bash -c "script -qefc 'jobctl-cancel -q q -s pending' /dev/null <'$BATS_TEST_TMPDIR/answer'"
	eventually 10 grep -q 'y/N' "$STARTED_LOG"
	SIM_TOKEN=$(sim_uuid one)
	CLAIMED=$(sql "SELECT id FROM jobctl.claim(worker => '$SIM_WORKER', token => '$SIM_TOKEN',
		queues => '{q}', slots => 1)")
	echo y >&9
	eventually 10 prints 2 sql 'SELECT count(*) FROM jobctl.finished_jobs'
	exec 9>&-
	[ "$(status_of "$CLAIMED")" = running ]
	[ "$(sql "SELECT cancel_requested_at IS NULL FROM jobctl.jobs")" = t ]
}

@test "thousands, in batches, each answered for" {
	some 2345 q
	run -0 --separate-stderr jobctl-cancel -q q --yes
	diff <(printf '%s cancelled\n' "${JOBS[@]}") <(printf '%s\n' "${lines[@]}")
	[ "$(sql 'SELECT count(DISTINCT completed_at) FROM jobctl.finished_jobs')" = 5 ]
}

@test "filters of jobctl-status pick the same jobs" {
	some 2 q
	submit other "queue => 'q'" "hold => true" >/dev/null
	local f

	for f in '-q q' '-s held' '--kind k' '-p default' '--since 1h' '-q q -s pending --kind k'; do
		# shellcheck disable=SC2086 # words
		diff <(jobctl-cancel --dry-run $f | cut -d' ' -f1) <(jobctl-status -H -o id --sort id $f)
	done
	run -1 jobctl-cancel --dry-run --worker host1
	run -1 jobctl-cancel --dry-run --older-than 1h
}

@test "another's jobs are unknown, and not cancelled" {
	role_login cancel_ann jobctl_submitter
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('cancel', 'jobctl') ON CONFLICT DO NOTHING"
	local id

	id=$(submit k "project => 'cancel'")
	run -66 as_role cancel_ann jobctl-cancel "$id"
	[ "$output" = "jobctl-cancel: no such job: $id" ]
	run -1 as_role cancel_ann jobctl-cancel --all --yes
	[ "$(status_of "$id")" = pending ]
}

@test "a reader may look and not cancel: exit 77" {
	role_login cancel_eve jobctl_reader
	some 1 q
	run -77 as_role cancel_eve jobctl-cancel "${JOBS[0]}"
	run -0 as_role cancel_eve jobctl-cancel --dry-run "${JOBS[0]}"
	[ "$(status_of "${JOBS[0]}")" = pending ]
}

@test "a full disk, no database, mistakes" {
	some 1 q
	run -74 bash -c "jobctl-cancel ${JOBS[0]} >/dev/full"
	run -69 jobctl-cancel -d 'host=/nowhere' "${JOBS[0]}"
	run -64 jobctl-cancel -s nonsense
	run -64 jobctl-cancel -q ''
	run -64 jobctl-cancel -a
}
