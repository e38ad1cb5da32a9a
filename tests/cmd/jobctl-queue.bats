#!/usr/bin/env bats
# jobctl-queue: what queues are shown as, and that what an operator says holds on every host

bats_require_minimum_version 1.5.0
load ../helper
load ../worker
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	D=$BATS_TEST_TMPDIR
	sql 'TRUNCATE jobctl.job_counts'
}

teardown() {
	stop_all
}

# Jobs of a queue that run until a file says otherwise, and write down how many do.
some() {	# N QUEUE
	local script

	script="touch $D/run.\$\$; ls $D/run.* | wc -l >>$D/seen; $(wait_for go) rm $D/run.\$\$"

	psql -XAtqv script="$script" -v queue="$2" -v n="$1" >/dev/null <<-'END'
		SELECT jobctl.submit('sh', jsonb_build_object('sh', :'script'), :'queue') FROM generate_series(1, :n)
	END
}

at_most() {	# N: how many were ever seen to run at once
	[ "$(sort -n "$D/seen" | tail -n 1)" -le "$1" ]
}

workers() {	# N QUEUE ARG...
	local n=$1 q=$2

	shift 2
	for ((; n > 0; n--)); do
		start_worker -q "$q" "$@" --poll 50ms -- sh -c '{sh}'
	done
}

running() {	# QUEUE
	sql "SELECT running FROM jobctl.queue_state('{$1}')"
}

finished() {
	sql 'SELECT count(*) FROM jobctl.finished_jobs'
}

# --- list ---

@test "a table, fields, JSON: the same queues with the same numbers" {
	worker w1 host1 101 mail
	sql "SELECT jobctl.submit('k', queue => 'mail') FROM generate_series(1, 3)" >/dev/null
	sql "SELECT jobctl.limit_queue('mail', 1), jobctl.submit('k', queue => 'enc', run_in => '1h')" >/dev/null
	claim mail
	run -0 --separate-stderr jobctl-queue
	echo "$output"
	[[ "${lines[0]}" =~ ^'QUEUE  READY  SCHEDULED  BLOCKED  HELD  RUNNING  LIMIT  OLDEST  WORKERS  SLOTS  ENDED/MIN  FAILED/MIN'$ ]]
	[[ "${lines[1]}" =~ ^enc\ +0\ +1\ +0\ +0\ +0\ +-\ +-\ +0\ +0\ +0.0\ +0.0$ ]]
	[[ "${lines[2]}" =~ ^mail\ +2\ +0\ +0\ +0\ +1\ +1\ +[0-9.]+s\ +1\ +100\ +0.0\ +0.0$ ]]
	[ -z "$stderr" ]
	run -0 jobctl-queue list -H -o queue,running,max_running,workers
	[ "$output" = $'enc\t0\t\t0\nmail\t1\t1\t1' ]
	run -0 jobctl-queue --json
	[ "$(jq -c '[.v, .queue, .ready, .scheduled, .running, .max_running, .paused_at, .slots]' <<<"$output")" = \
		$'[1,"enc",0,1,0,null,null,0]\n[1,"mail",2,0,1,1,null,100]' ]
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"${lines[0]}")" = 'v queue ready scheduled blocked held running max_running oldest_ready_s workers slots ended_per_min failed_per_min paused_at paused_until paused_by paused_why' ]
	[ "$(jq '.oldest_ready_s' <<<"${lines[0]}")" = null ]
}

@test "what ended is told as rates" {
	worker w1 host1 101 mail
	sql "SELECT jobctl.submit('k', queue => 'mail') FROM generate_series(1, 12)" >/dev/null
	claim mail
	for id in $CLAIMED; do
		finish "$id" ok 0 >/dev/null
	done
	run -0 jobctl-queue -H -o queue,ended_per_min,failed_per_min
	[[ "$output" =~ ^mail$'\t'2\.[0-4]$'\t'0\.0$ ]]
}

@test "queues that are named, and one that nobody has seen: exit 66" {
	submit k "queue => 'mail'" >/dev/null
	submit k "queue => 'enc'" >/dev/null
	submit k "queue => 'other'" >/dev/null
	run -0 jobctl-queue -H -o queue list mail -q enc,mail
	[ "$output" = $'enc\nmail' ]
	run -66 --separate-stderr jobctl-queue -H -o queue list mial mail
	[ "$output" = mail ]
	[ "$stderr" = 'jobctl-queue: no queue "mial" was ever seen
jobctl-queue: hint: did you mean "mail"?' ]
	run -66 --separate-stderr jobctl-queue list never --json
	[ -z "$output" ]
	[ "$(jq -r .error <<<"$stderr")" = 'no queue "never" was ever seen' ]
}

@test "a queue where all has ended long ago is known, and not in the list" {
	sql "INSERT INTO jobctl.job_counts (at, n, run_s, project_id, queue, kind, status, outcome)
		VALUES (now() - interval '3 days', 5, 1, 'default', 'old', 'k', 'completed', 'ok')"
	run -0 --separate-stderr jobctl-queue
	[ -z "$output" ]
	[ "$stderr" = 'jobctl-queue: there is no queue with a job, a setting or a worker' ]
	run -0 jobctl-queue -H -o queue,ready list old
	[ "$output" = $'old\t0' ]
}

@test "what is in a reason reaches no terminal unescaped" {
	run -0 jobctl-queue pause mail --reason $'\e[31mred\a\nline'
	run -0 jobctl-queue
	[[ "$output" == *'\x1b[31mred\x07\nline'* ]] || [[ "$output" == *'\e[31mred\a\nline'* ]] || false
	run -0 jobctl-queue pause mail
	run ! grep -q $'\e' <<<"$output"
	run -0 --separate-stderr jobctl-queue resume mail
	run ! grep -q $'\e' <<<"$stderr"
}

# --- pause and resume ---

@test "pause says who had paused, resume whether it was" {
	submit k "queue => 'mail'" >/dev/null
	run -0 --separate-stderr jobctl-queue pause mail --reason 'relay is down'
	[ "$output" = 'mail paused' ]
	[ -z "$stderr" ]
	[ "$(sql 'SELECT paused_by, paused_why, paused_until FROM jobctl.queues')" = 'jobctl|relay is down|' ]
	run -0 --separate-stderr jobctl-queue pause mail
	[ "$output" = 'mail paused' ]
	[[ "$stderr" =~ ^'jobctl-queue: "mail" was paused already, '[0-9.]+'s ago by jobctl: relay is down'$ ]]
	run -0 --separate-stderr jobctl-queue resume mail
	[ "$output" = 'mail resumed' ]
	[[ "$stderr" =~ ^'jobctl-queue: "mail" was paused '[0-9.]+'s ago by jobctl: relay is down'$ ]]
	run -0 --separate-stderr jobctl-queue resume mail
	[ "$stderr" = 'jobctl-queue: "mail" was not paused' ]
	[ "$(sql "SELECT string_agg(event || ':' || coalesce(why, ''), ' ' ORDER BY event_id) FROM jobctl.job_events")" = \
		'pause:relay is down resume:' ]
}

@test "a name nobody has seen is paused all the same, with a word of warning" {
	submit k "queue => 'mail'" >/dev/null
	run -0 --separate-stderr jobctl-queue pause mial
	[ "$output" = 'mial paused' ]
	[ "$stderr" = 'jobctl-queue: no queue "mial" was ever seen; did you mean "mail"?' ]
	run -0 --separate-stderr jobctl-queue set -q later max-running=2
	[[ "$stderr" == 'jobctl-queue: no queue "later" was ever seen, so far'* ]]
}

@test "--for ends a pause by itself, and workers that sleep start then" {
	local until

	touch "$D/go"
	start_worker -q mail --poll 1h -- sh -c '{sh}'
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle"
	# without an end, so that there is time to look
	jobctl-queue -Q pause mail
	some 1 mail
	[ "$(sql "SELECT reasons FROM jobctl.job WHERE live")" = '{QueuePaused}' ]
	[ "$(finished)" = 0 ]
	jobctl-queue -Q resume mail
	eventually 10 prints 1 finished
	jobctl-queue -Q pause mail --for 3s
	until=$(sql "SELECT paused_until FROM jobctl.queues")
	some 1 mail
	eventually 10 prints 2 finished
	# by the server's clock, however long the commands took
	[ "$(sql "SELECT max(completed_at) >= '$until' FROM jobctl.finished_jobs")" = t ]
	run -0 jobctl-queue resume mail
	[[ "$output" == *'"mail" was not paused'* ]]
}

@test "several queues at once, by -q and by name, and JSON of what they are now" {
	run -0 --separate-stderr jobctl-queue pause -q a,b c -q a --json --reason x
	[ "$(jq -r '[.queue, .paused_by, .paused_why] | join(" ")' <<<"$output")" = $'a jobctl x\nb jobctl x\nc jobctl x' ]
	run -0 jobctl-queue resume a b c -Q
	[ -z "$output" ]
	[ "$(sql 'SELECT count(*) FROM jobctl.queues WHERE paused_at IS NOT NULL')" = 0 ]
}

@test "once a pause has been answered nothing starts, with workers of many slots at work" {
	local n

	touch "$D/go"
	some 5000 busy
	workers 3 busy -j 4 --quiet
	eventually 20 sh -c "[ \$(psql -XAtqc 'SELECT count(*) FROM jobctl.finished_jobs') -gt 20 ]"
	for n in 1 2 3 4; do
		jobctl-queue pause busy -Q
		sql "CREATE TABLE pending_$n AS SELECT id, attempt FROM jobctl.jobs WHERE status = 'pending'"
		[ "$(sql "SELECT count(*) > 0 FROM pending_$n")" = t ]
		eventually 10 prints 0 running busy
		# What was claimed ahead and waited too long has come back; nothing of the rest has gone.
		[ "$(sql "SELECT count(*) FROM (TABLE pending_$n EXCEPT SELECT id, attempt FROM jobctl.jobs) s")" = 0 ]
		jobctl-queue resume busy -Q
		eventually 20 prints t sql "SELECT EXISTS (TABLE pending_$n EXCEPT SELECT id, attempt FROM jobctl.jobs)"
	done
	jobctl-queue pause busy -Q
}

# --- limits ---

@test "a limit holds across workers, and follows when it is changed while they run" {
	some 40 lim
	jobctl-queue -Q set -q lim max-running=3
	workers 4 lim -j 5 --quiet
	eventually 20 prints 3 running lim
	[ "$(sql "SELECT count(DISTINCT worker_id) >= 1 FROM jobctl.jobs WHERE status = 'running'")" = t ]
	run -0 --separate-stderr jobctl-queue set -q lim max-running=7
	[ "$output" = 'lim max-running=7' ]
	[ "$stderr" = 'jobctl-queue: "lim" had max-running=3' ]
	eventually 20 prints 7 running lim
	run -0 --separate-stderr jobctl-queue set -q lim max-running=2
	[[ "$stderr" == *'7 of "lim" run, and run on: none starts until fewer than 2 do' ]]
	[ "$(running lim)" = 7 ]
	touch "$D/go"
	eventually 30 prints 40 finished
	at_most 7
	run -0 jobctl-queue set -q lim max-running=none
	[ "$(sql "SELECT max_running FROM jobctl.queues")" = '' ]
}

@test "a limit set while many run holds as soon as they have ended" {
	local since

	touch "$D/go"
	some 2000 lim
	workers 3 lim -j 4 --quiet
	eventually 20 sh -c "[ \$(psql -XAtqc 'SELECT count(*) FROM jobctl.finished_jobs') -gt 5 ]"
	jobctl-queue -Q set -q lim max-running=1
	since=$(sql 'SELECT clock_timestamp()')
	# one that runs may be of before, and write down that it was not alone
	eventually 20 prints 0 sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'running' AND started_at < '$since'"
	[ "$(running lim)" -le 1 ]
	run -1 at_most 1
	: >"$D/seen"
	eventually 30 sh -c "[ \$(wc -l <'$D/seen') -gt 30 ]"
	at_most 1
	jobctl-queue -Q pause lim
}

@test "settings that are none" {
	local s

	for s in max-running=-1 max-running= max-running=x max-running=99999999999 max-runing=2 2 '' $'max-running=1\e[31m'; do
		run -64 jobctl-queue set -q mail "$s"
		[[ "$output" == *max-running* ]]
	done
	run -64 jobctl-queue set -q mail
	run -64 jobctl-queue set -q mail max-running=1 max-running=2
	run -64 jobctl-queue set max-running=1
	[[ "$output" == *'say -q QUEUE'* ]]
	[ "$(sql 'SELECT count(*) FROM jobctl.queues')" = 0 ]
}

# --- drain ---

@test "drain waits for what runs, says so, and leaves the queue paused" {
	some 3 mail
	workers 1 mail -j 2 --quiet
	eventually 10 prints 2 running mail
	start jobctl-queue drain mail --reason upgrade
	eventually 10 grep -q '^jobctl-queue: waiting for what runs: 2 of "mail"$' "$STARTED_LOG"
	[ "$(sql "SELECT paused_why FROM jobctl.queues")" = upgrade ]
	touch "$D/go"
	eventually 10 grep -qx 'mail drained' "$STARTED_LOG"
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(sql "SELECT count(*), max(status) FROM jobctl.jobs")" = '1|pending' ]
	run -0 --separate-stderr jobctl-queue drain mail
	[ "$output" = 'mail drained' ]
	[[ "$stderr" == *'was paused already'*upgrade ]]
}

@test "drain gives up in time: exit 75, and the pause stays" {
	some 1 mail
	workers 1 mail --quiet
	eventually 10 prints 1 running mail
	run -75 --separate-stderr jobctl-queue drain mail --timeout 300ms
	[ -z "$output" ]
	[[ "$stderr" == *'not drained in time: 1 of "mail" still runs'*'hint: '*'jobctl-status'* ]]
	[ "$(sql "SELECT paused_at IS NOT NULL FROM jobctl.queues")" = t ]
	touch "$D/go"
}

@test "drain ends when somebody resumes: exit 1" {
	some 1 mail
	workers 1 mail --quiet
	eventually 10 prints 1 running mail
	start bash -c 'jobctl-queue drain mail; echo "exit $?"'
	eventually 10 grep -q 'waiting' "$STARTED_LOG"
	jobctl-queue resume mail -Q
	eventually 10 grep -qx 'exit 1' "$STARTED_LOG"
	grep -q '"mail" was resumed while we waited' "$STARTED_LOG"
	touch "$D/go"
}

@test "drain outlives its connection" {
	some 1 mail
	workers 1 mail --quiet
	eventually 10 prints 1 running mail
	start jobctl-queue drain mail
	eventually 10 grep -q 'waiting' "$STARTED_LOG"
	eventually 10 prints t sql "SELECT count(pg_terminate_backend(pid)) = 1 FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-queue %' AND datname = current_database()"
	touch "$D/go"
	eventually 10 grep -qx 'mail drained' "$STARTED_LOG"
}

# --- mistakes, rights ---

@test "options of another command, missing names, bad names" {
	run -64 jobctl-queue list --reason x
	run -64 jobctl-queue list --for 1m
	run -64 jobctl-queue pause mail --timeout 1m
	run -64 jobctl-queue resume mail --reason x
	run -64 jobctl-queue pause mail -o queue
	run -64 jobctl-queue drain mail --for 1m
	run -64 jobctl-queue pause
	[[ "$output" == 'jobctl-queue: pause: which queue?'* ]]
	run -64 jobctl-queue paus mail
	[[ "$output" == *'did you mean "pause"?'* ]]
	run -64 jobctl-queue pause 'a b'
	run -64 jobctl-queue pause a,,b
	run -64 jobctl-queue pause mail --for 0s
	run -64 jobctl-queue -o nothing
	[[ "$output" == *'fields: queue ready scheduled'* ]]
	[ "$(sql 'SELECT count(*) FROM jobctl.queues')" = 0 ]
	run -74 bash -c 'jobctl-queue pause mail >/dev/full'
}

@test "a reader lists, and changes nothing: exit 77" {
	role_login queue_eve jobctl_reader
	submit k "queue => 'mail'" >/dev/null
	run -0 as_role queue_eve jobctl-queue -H -o queue,ready
	[ "$output" = $'mail\t1' ]
	for v in pause resume drain; do
		run -77 as_role queue_eve jobctl-queue "$v" mail
		[[ "$output" == *'connect as a member of jobctl_operator' ]]
	done
	run -77 as_role queue_eve jobctl-queue set -q mail max-running=1
	[ "$(sql 'SELECT count(*) FROM jobctl.queues')" = 0 ]
}

@test "an operator is enough" {
	role_login queue_op jobctl_operator
	run -0 as_role queue_op jobctl-queue pause mail --reason x
	run -0 as_role queue_op jobctl-queue set -q mail max-running=1
	run -0 as_role queue_op jobctl-queue drain mail
	[ "$(sql 'SELECT paused_by, paused_why, max_running FROM jobctl.queues')" = 'queue_op|x|1' ]
	run -0 as_role queue_op jobctl-queue resume mail
}
