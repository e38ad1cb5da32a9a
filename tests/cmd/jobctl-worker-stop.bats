#!/usr/bin/env bats
# jobctl-worker: how it ends, told to or by itself, and how it stops a job.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
}

# A worker that others may tell to stop: not ignoring INT, as a background job of a script does.
start_stoppable() {
	start env --default-signal=INT --default-signal=HUP jobctl-worker -q "$Q" "$@" -- sh -c '{sh}'
	# shellcheck disable=SC2034 # for the tests
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
}

running() {	# N: so many jobs of $Q run
	prints "$1" sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'running'"
}

@test "told to stop, it lets jobs finish and takes no more" {
	local signal first second
	for signal in TERM INT HUP; do
		rm -f "$D/go" "$D/begun"
		first=$(submit_sh "touch $D/begun; $(wait_for go)")
		start_stoppable
		# "running" it is before the worker knows that it has it
		eventually 10 exists "$D/begun"
		kill -"$signal" "$WORKER_PID"
		eventually 10 says "msg=stopping why=$signal"
		second=$(submit_sh true)
		touch "$D/go"
		ended 0
		status_is "$first" completed
		status_is "$second" pending
		prints 0 workers
		sql "SELECT jobctl.cancel('{$second}')"
	done
}

@test "an idle worker ends at once" {
	start_stoppable --poll 1h
	eventually 10 prints 1 workers
	kill -TERM "$WORKER_PID"
	ended 0
	prints 0 workers
}

@test "HUP and INT that were ignored stay so, TERM is heard" {
	local id
	id=$(submit_sh "$(wait_for go)")
	start env --ignore-signal=HUP --ignore-signal=INT jobctl-worker -q "$Q" -- sh -c '{sh}'
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
	eventually 10 status_is "$id" running
	kill -HUP "$WORKER_PID"
	kill -INT "$WORKER_PID"
	touch "$D/go"
	eventually 10 status_is "$id" completed
	id=$(submit_sh true)
	eventually 10 status_is "$id" completed
	kill -TERM "$WORKER_PID"
	ended 0
}

@test "jobs that were not started go back as they were" {
	local i id ids=()
	# short ones, so that the worker claims ahead
	for i in $(seq 40); do
		submit_sh true >/dev/null
	done
	submit_sh "$(wait_for go)" >/dev/null
	for i in $(seq 20); do
		ids+=("$(submit_sh true)")
	done
	sql "CREATE TABLE before AS SELECT id, seq, run_at, priority FROM jobctl.jobs"
	start_stoppable
	# what is given back stays in the claim, which goes with the last job
	claimed_ahead() { prints t sql "SELECT max(cardinality(ids)) > 1 FROM jobctl.claims WHERE queue = '$Q'"; }
	eventually 10 prints 40 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
	eventually 10 claimed_ahead
	kill -TERM "$WORKER_PID"
	eventually 10 running 1
	for id in "${ids[@]}"; do
		prints 'pending|0' job "$id" "status || '|' || attempt"
	done
	prints 20 sql "SELECT count(*) FROM jobctl.jobs j JOIN before b USING (id, seq, run_at, priority) WHERE j.status = 'pending' AND j.queue = '$Q'"
	prints 0 sql "SELECT count(*) FROM jobctl.job_attempts"
	touch "$D/go"
	ended 0
	sql "DROP TABLE before"
}

@test "jobs claimed ahead of a long one go back for others to run" {
	local i long
	for i in $(seq 40); do
		submit_sh true >/dev/null
	done
	long=$(submit_sh "$(wait_for go)")
	for i in $(seq 20); do
		submit_sh true >/dev/null
	done
	start_sh_worker
	eventually 10 status_is "$long" running
	jobs_left() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND live AND id <> '$long'")" = "$1" ]; }
	eventually 10 running 1
	sh_worker --idle-exit 100ms --poll 50ms
	eventually 10 jobs_left 0
	status_is "$long" running
	prints 1 sql "SELECT max(attempt) FROM jobctl.job WHERE queue = '$Q'"
	touch "$D/go"
	eventually 10 status_is "$long" completed
}

@test "when the drain-timeout is over, what runs is stopped and given back" {
	local id
	id=$(submit_sh "touch $D/begun; exec sleep 1000")
	start_stoppable --drain-timeout 200ms
	eventually 10 exists "$D/begun"
	kill -TERM "$WORKER_PID"
	ended 0
	prints 'pending|0' job "$id" "status || '|' || attempt"
	prints '1/interrupted' runs "$id"
	prints 'interrupted: the worker was told to stop' sql \
		"SELECT error_message FROM jobctl.job_run WHERE job_id = '$id'"
}

@test "a second signal stops what runs, and spends no attempt" {
	local id
	id=$(submit_sh "trap 'echo stopped; exit 0' TERM; touch $D/ready; while :; do sleep 1000 & wait; done" 'max_attempts => 1')
	start_stoppable
	eventually 10 exists "$D/ready"
	kill -TERM "$WORKER_PID"
	eventually 10 says 'msg=stopping'
	kill -TERM "$WORKER_PID"
	ended 0
	prints 'pending|0' job "$id" "status || '|' || attempt"
	prints '1/interrupted' runs "$id"
	[ "$(output "$id" 1)" = stopped ]
}

@test "a job that is stopped may leave a checkpoint" {
	local id
	id=$(submit_sh 'trap "echo {\\\"checkpoint\\\":42} >&3; exit 1" TERM
		[ -z "$JOBCTL_CHECKPOINT" ] || { echo "from $JOBCTL_CHECKPOINT"; exit 0; }
		touch '"$D/ready"'; while :; do sleep 1000 & wait; done')
	start_stoppable --drain-timeout 0
	eventually 10 exists "$D/ready"
	kill -TERM "$WORKER_PID"
	ended 0
	sh_worker --drain
	status_is "$id" completed
	[ "$(output "$id" 1)" = 'from 42' ]
}

@test "a third signal ends the worker, and its jobs with it" {
	local id
	id=$(submit_sh "echo \$\$ >$D/pid.tmp; mv $D/pid.tmp $D/pid; trap '' TERM; while :; do sleep 1000; done")
	start_stoppable
	eventually 10 exists "$D/pid"
	kill -TERM "$WORKER_PID"
	eventually 10 says 'msg=stopping'
	kill -TERM "$WORKER_PID"
	eventually 10 says 'stopping what runs'
	status_is "$id" running
	kill -TERM "$WORKER_PID"
	ended 143
	gone_or_zombie "$(cat "$D/pid")"
	prints 'pending|0|0' job "$id" "status || '|' || crashes || '|' || attempt"
	prints 1/interrupted runs "$id"
	prints "interrupted: $(uname -n) pid $WORKER_PID, ended with status 143" job "$id" error_message
}

@test "a job is cancelled before it starts, and while it runs" {
	local waiting id
	waiting=$(submit_sh "touch $D/never")
	sql "SELECT jobctl.cancel('{$waiting}')"
	sh_worker --drain
	status_is "$waiting" cancelled
	run -1 exists "$D/never"
	id=$(submit_sh 'exec sleep 1000')
	start_sh_worker --poll 1h
	eventually 10 status_is "$id" running
	sql "SELECT jobctl.cancel('{$id}')"
	eventually 10 status_is "$id" cancelled
	prints 'cancelled|15|cancelled while running' job "$id" "outcome || '|' || signal || '|' || error_message"
}

last_heartbeat() {
	sql "SELECT heartbeat_at FROM jobctl.workers WHERE '$Q' = ANY (queues)"
}

came_after() {	# TIME OF A HEARTBEAT
	BEAT=$(last_heartbeat)
	[ "$BEAT" != "$1" ]
}

# A heartbeat has just come, at BEAT; with a lease of 20 seconds or more those after it are
# 4.5 to 5.5 and 9 to 11 seconds later.
see_heartbeat() {
	local before

	before=$(last_heartbeat)
	eventually 20 came_after "$before"
	BEAT=$(last_heartbeat)
}

# A running job is cancelled less than so long after a heartbeat.  A busy machine may need
# more, but not always.
cancelled_within() {	# SECONDS COMMAND..., which is given its id
	local i id limit=$1

	shift
	for i in 1 2 3; do
		rm -f "$D/begun"
		id=$(submit_sh "touch $D/begun; exec sleep 1000")
		eventually 10 exists "$D/begun"
		see_heartbeat
		"$@" "$id"
		eventually 20 status_is "$id" cancelled
		! prints t job "$id" "completed_at - timestamptz '$BEAT' < interval '$limit s'" || return 0
	done
	return 1
}

@test "a running job is cancelled at once, not at the next heartbeat" {
	start_sh_worker --lease 1h --poll 1h
	cancelled_within 4.4 jobctl-cancel -Q
}

@test "without a notification a running job is cancelled at the next heartbeat" {
	start_sh_worker --lease 20s --poll 1h
	ask_for_it() { sql "UPDATE jobctl.jobs SET cancel_requested_at = clock_timestamp() WHERE id = '$1'"; }
	cancelled_within 8.5 ask_for_it	# not at the one after it
}

@test "through a transaction pooler jobs run, and a running one is cancelled at the next heartbeat" {
	local id
	start_pooler
	id=$(submit_sh 'echo out')
	start_sh_worker -d "$POOLER" --lease 20s --poll 100ms
	eventually 10 status_is "$id" completed
	cancelled_within 8.5 jobctl-cancel -Q
	kill -TERM "$WORKER_PID"
	ended 0
	prints 0 workers
	run -1 grep -E 'level=(warning|error)' "$WORKER_LOG"
}

@test "a cancelled job that ignores TERM is killed" {
	local id
	id=$(submit_sh "trap '' TERM; touch $D/ready; while :; do sleep 1000; done")
	start_sh_worker --grace 100ms
	eventually 10 exists "$D/ready"
	sql "SELECT jobctl.cancel('{$id}')"
	eventually 9 status_is "$id" cancelled	# the grace is ten seconds if nothing is said
	prints 9 job "$id" signal
}

@test "a cancelled job learns it from jobctl-progress" {
	local id
	id=$(submit_sh 'trap "" TERM; while jobctl-progress 1/2; do sleep 0.02; done; echo "status $?" >&2; exit 0')
	start_sh_worker --grace 1h
	eventually 10 prints 1 job "$id" progress_done
	sql "SELECT jobctl.cancel('{$id}')"
	eventually 10 status_is "$id" cancelled
	[[ "$(output "$id" 2)" == *'this job is to stop'* ]]
}

@test "cancelling a job that was claimed ahead keeps it from starting" {
	local i long late
	for i in $(seq 40); do
		submit_sh true >/dev/null
	done
	long=$(submit_sh "$(wait_for go)")
	late=$(submit_sh "touch $D/never")
	start_sh_worker
	eventually 10 status_is "$long" running
	sql "SELECT jobctl.cancel('{$late}')"
	eventually 10 status_is "$late" cancelled
	touch "$D/go"
	eventually 10 status_is "$long" completed
	run -1 exists "$D/never"
}

@test "--drain ends when nothing is ready, and says nothing" {
	submit_sh true >/dev/null
	submit_sh true "run_in => '1 hour'" >/dev/null
	run -0 --separate-stderr sh_worker --drain
	[ "$output" = "" ]
	[ "$stderr" = "" ]
	run -0 --separate-stderr sh_worker --drain
	[ "$stderr" = "" ]
	prints 1 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND live"
	prints 0 workers
}

@test "--drain ends when the last job has ended, not at some time after" {
	local i
	# now and then the last ones end while a claim is on its way; less than the 13.5 seconds
	# after which the worker looks after the database and would find out
	for i in 1 2 3 4 5 6 7 8; do
		sql "SELECT count(jobctl.submit('k', '{}', '$Q')) FROM generate_series(1, 60)"
		run -0 timeout 12 jobctl-worker -q "$Q" --drain -j 2 --poll 1h -- true
	done
	prints 480 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

@test "--drain also runs what the jobs submit" {
	local id
	id=$(submit_sh "psql -Xqc \"SELECT jobctl.submit('sh', '{\\\"sh\\\": \\\"touch $D/second\\\"}', '$Q')\"")
	sh_worker --drain
	status_is "$id" completed
	exists "$D/second"
}

@test "--drain runs a job that was waiting for another" {
	local first second
	first=$(submit_sh true)
	second=$(submit_sh true "after_ok => '{$first}'")
	sh_worker --drain
	status_is "$second" completed
}

@test "--once runs one job, if there is one" {
	run -0 sh_worker --once
	submit_sh true >/dev/null
	submit_sh true >/dev/null
	run -0 --separate-stderr sh_worker --once
	[ "$stderr" = "" ]
	prints 1 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

@test "--max-jobs runs so many" {
	sql "SELECT count(jobctl.submit('k', queue => '$Q')) FROM generate_series(1, 300)"
	jobctl-worker -q "$Q" -j 3 --max-jobs 217 -- true
	prints 217 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
	prints 83 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'pending' AND attempt = 0"
}

@test "--max-time takes no more after it, and finishes what runs" {
	local time first second
	first=$(submit_sh "touch $D/begun; $(wait_for go)")
	second=$(submit_sh true)
	begun_or_over() { exists "$D/begun" || gone_or_zombie "$WORKER_PID"; }
	# a busy machine may need longer until the job runs
	for time in 300ms 1s 3s 10s 30s; do
		start_stoppable --max-time "$time" -v
		eventually 40 says 'why=max-time'
		eventually 20 begun_or_over
		[ ! -e "$D/begun" ] || break
		ended 0
	done
	status_is "$first" running
	touch "$D/go"
	ended 0
	status_is "$first" completed
	status_is "$second" pending
}

@test "--idle-exit waits for work, then ends" {
	local id
	# due when it is idle, and before it may end: it ends only after a look that found nothing
	id=$(submit_sh true "run_in => '1 s'")
	start_stoppable --idle-exit 2s --poll 1h
	eventually 10 status_is "$id" completed
	ended 0
}

@test "--fail-on-job-failure makes the worker's status 1" {
	submit_sh true >/dev/null
	submit_sh 'exit 75' >/dev/null
	run -0 sh_worker --drain --fail-on-job-failure
	submit_sh 'exit 3' >/dev/null
	run -1 --separate-stderr sh_worker --drain --fail-on-job-failure
	[ "$stderr" = "" ]
}

@test "--stop-after fail=N ends with status 1 after N failures" {
	local i
	for i in 1 2 3 4 5; do
		submit_sh 'exit 3' 'max_attempts => 1' >/dev/null
	done
	run -1 --separate-stderr sh_worker --stop-after fail=2
	[[ "$stderr" == *'too many jobs failed'* ]]
	prints t sql "SELECT count(*) = 2 FROM jobctl.job WHERE queue = '$Q' AND status = 'failed'"
	prints t sql "SELECT count(*) = 3 FROM jobctl.job WHERE queue = '$Q' AND status = 'pending' AND attempt = 0"
}

@test "--stop-after fail=N% waits for ten jobs" {
	local i
	for i in 1 2 3 4 5 6 7 8 9; do
		submit_sh 'exit 3' 'max_attempts => 1' >/dev/null
	done
	run -0 sh_worker --drain --stop-after fail=50%
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		submit_sh "[ $((i % 2)) = 0 ]" 'max_attempts => 1' >/dev/null
	done
	run -0 sh_worker --drain --stop-after fail=60%
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		submit_sh "[ $((i % 2)) = 0 ]" 'max_attempts => 1' >/dev/null
	done
	run -1 sh_worker --drain --stop-after fail=50%
}

@test "-Q leaves only errors, -v says more" {
	submit_sh true >/dev/null
	run -0 --separate-stderr sh_worker --drain -v
	[[ "$stderr" == *'msg=completed'* ]]
	submit_sh true >/dev/null
	start_stoppable -Q
	drained() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND live")" = 0 ]; }
	eventually 10 drained
	kill -TERM "$WORKER_PID"
	ended 0
	[ ! -s "$WORKER_LOG" ]
	submit_sh true >/dev/null
	start_stoppable -v
	eventually 10 drained
	eventually 5 says 'level=debug msg=started'
	eventually 5 says 'level=info msg=completed'
	[ "$(grep -vcE '^time=[0-9T:-]*Z level=[a-z]* msg=' "$WORKER_LOG")" = 0 ]
}
