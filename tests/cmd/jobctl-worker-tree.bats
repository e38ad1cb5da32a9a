#!/usr/bin/env bats
# jobctl-worker: nothing that a job started outlives the job, or the worker.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
}

# For a job's script: a process that has left the job's group and session, and everything
# that tells whose it is, and has no parent any more.  Its pid is in $D/NAME.
escape() {	# NAME [KEEP [SCRIPT]]
	local env='env -i'

	[ -z "${2:-}" ] || env=
	printf '(%s setsid sh -c '\''echo $$ >%s.tmp; mv %s.tmp %s; %s'\'' >/dev/null 2>&1 3>&- &);' \
		"$env" "$D/$1" "$D/$1" "$D/$1" "${3:-exec sleep 1000}"
	printf 'until [ -e %s ]; do sleep 0.02; done;' "$D/$1"
}

dead() {	# NAME: and it has lived
	[ -s "$D/$1" ] && gone_or_zombie "$(cat "$D/$1")"
}

alive() {	# NAME
	[ -s "$D/$1" ] && ! dead "$1"
}

@test "what a job leaves behind is killed before its end is written" {
	local id
	id=$(submit_sh "$(escape kept keep) $(escape bare) echo out")
	start_sh_worker
	eventually 10 status_is "$id" completed
	dead kept
	dead bare
	[ "$(output "$id" 1)" = out ]
}

@test "so is what fails, times out, or is cancelled leaves behind" {
	local a b c
	a=$(submit_sh "$(escape a) exit 65")
	# b has to escape in time
	b=$(submit_sh "$(escape b) sleep 1000" "timeout => '$((5 * SUITE_SLOW)) s', max_attempts => 1")
	c=$(submit_sh "$(escape c) sleep 1000")
	start_sh_worker
	eventually 10 status_is "$a" failed
	dead a
	eventually 20 status_is "$b" failed
	dead b
	eventually 10 exists "$D/c"
	jobctl-cancel "$c"
	eventually 10 status_is "$c" cancelled
	dead c
}

@test "so is what short jobs leave behind while more are at hand" {
	local i id
	for i in {1..8}; do
		id=$(submit_sh "$(escape "a$i" keep)")
		submit_sh "! grep -qs 'State:.[^Z]' /proc/\$(cat $D/a$i)/status" "after => '{$id}'" "max_attempts => 1" >/dev/null
		for _ in {1..10}; do
			submit_sh : >/dev/null
		done
	done
	sh_worker -j 2 --drain
	prints 96 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

@test "what a job left behind before it was taken away dies, though the job runs here again" {
	local id
	id=$(submit_sh "if [ \$JOBCTL_ATTEMPT = 1 ]; then $(escape kept keep) exec sleep 1000; fi
		echo \$\$ >$D/again; exec sleep 1000")
	start_sh_worker -j 2 --lease $((4 * SUITE_SLOW))s --poll 50ms
	eventually 10 exists "$D/kept"
	sql "UPDATE jobctl.jobs SET status = 'pending', token = NULL, worker_id = NULL, started_at = NULL WHERE id = '$id'"
	eventually 10 test -s "$D/again"
	eventually 10 says 'superseded'
	eventually 10 dead kept
	alive again
}

@test "the processes of another job live on" {
	local a b
	a=$(submit_sh "$(escape a keep) $(wait_for go)")
	b=$(submit_sh "$(wait_for b-may-end)")
	start_sh_worker -j 2
	eventually 10 exists "$D/a"
	eventually 10 status_is "$b" running
	touch "$D/b-may-end"
	eventually 10 status_is "$b" completed
	alive a
	status_is "$a" running
	touch "$D/go"
	eventually 10 status_is "$a" completed
	dead a
}

@test "a process that was there before a job is not taken for its child" {
	local a b
	a=$(submit_sh "$(escape a) $(wait_for go)")
	start_sh_worker -j 2
	eventually 10 exists "$D/a"
	b=$(submit_sh true)
	eventually 10 status_is "$b" completed
	alive a
	touch "$D/go"
	eventually 10 status_is "$a" completed
	dead a
}

@test "what a job starts before the worker has its turn again is its own" {
	local id
	id=$(submit_sh "$(escape bare)")
	# leaks cannot be looked for in a process that is traced
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 timeout 30 strace -f -qq -o "$D/trace" -e trace=pidfd_open \
		-e inject=pidfd_open:delay_exit=200000 jobctl-worker -q "$Q" --drain -j 2 -- sh -c '{sh}'
	status_is "$id" completed
	dead bare
}

@test "orphans that end by themselves are collected" {
	local id worker
	id=$(submit_sh "for i in 1 2 3 4 5; do (setsid true &); done; echo >$D/up; $(wait_for go)")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 exists "$D/up"
	worker=$(the_worker)
	only_the_job() { [ "$(pgrep -cP "$worker")" = 1 ]; }
	eventually 10 only_the_job
	touch "$D/go"
	eventually 10 status_is "$id" completed
}

@test "a crowd that goes on forking is killed" {
	local id
	id=$(submit_sh "for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'while :; do (sleep 0.01; sleep 1000$$) & sleep 0.01; done' >/dev/null 2>&1 3>&- &); done; sleep 0.2")
	start_sh_worker
	eventually 10 status_is "$id" completed
	run -1 pgrep -f "sleep 1000$$"
}

@test "kill -9 of the worker: its jobs and all their processes are dead, then given back, at once" {
	local id worker
	id=$(submit_sh "[ ! -e $D/kept ] || exit 0; $(escape kept keep) $(escape bare) sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/bare"
	worker=$(the_worker)
	kill -KILL "$worker"
	eventually 10 gone_or_zombie "$WORKER_PID"
	dead kept
	dead bare
	prints 137 exit_status "$WORKER_PID"
	prints 'pending|1|0' job "$id" "status || '|' || crashes || '|' || attempt"
	prints "worker lost: $(uname -n) pid $WORKER_PID, killed by signal 9 (KILL)" job "$id" error_message
	prints 0 workers
	says 'gave back the jobs of the worker'
	sh_worker --drain
	prints '1/worker_lost 1/ok' runs "$id"
}

given_back() {	# how many jobs, by the guardian
	grep -oP 'gave back the jobs of the worker.* jobs="?\K[0-9]+' "$WORKER_LOG"
}

@test "jobs that had not started do not answer for the death of their worker" {
	local i id ids n q=$Q
	for ((n = 1; ; n++)); do
		Q=$q.$n ids=()
		# short ones, so that the worker claims ahead
		for i in {1..40}; do
			submit_sh true >/dev/null
		done
		id=$(submit_sh "[ ! -e $D/killed.$n ] || exit 0; touch $D/killed.$n; kill -KILL \$PPID; sleep 1000")
		for i in {1..20}; do
			ids+=("$(submit_sh true)")
		done
		start_sh_worker --lease 1h
		eventually 10 gone_or_zombie "$WORKER_PID"
		[ "$(given_back)" -gt 1 ] && break
		# it claims nothing ahead if it was held up for a second: then with another
		[ "$n" -lt 5 ]
	done
	prints 'pending|1' job "$id" "status || '|' || crashes"
	for i in "${ids[@]}"; do
		prints 'pending|0|0' job "$i" "status || '|' || crashes || '|' || attempt"
	done
	prints 0 sql "SELECT count(*) FROM jobctl.job_run WHERE job_id = ANY ('{$(IFS=,; echo "${ids[*]}")}')"
	sh_worker --drain
	prints 61 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

# One that is stopped sends the guardian a signal; one that hangs sends none.
@test "the guardian has its timer set for the end of a lease, without having been woken" {
	start_sh_worker --lease 2s
	eventually 10 prints 1 workers
	sleep 1		# past the first time that it looks; it sets the timer again then
	armed() {
		grep -h '^it_value' /proc/"$WORKER_PID"/fdinfo/* >"$D/timers" && ! grep -F '(0, 0)' "$D/timers"
	}
	eventually 10 armed
}

@test "kill -9 of the guardian: the worker does its work" {
	local id worker
	id=$(submit_sh "[ ! -e $D/kept ] || exit 0; trap '' TERM; $(escape kept keep) $(escape bare) sleep 1000; sleep 1000")
	start_sh_worker --lease 1h --grace 1h
	eventually 10 exists "$D/bare"
	worker=$(the_worker)
	kill -KILL "$WORKER_PID"
	eventually 10 gone_or_zombie "$worker"
	dead kept
	dead bare
	prints 'pending|1|0' job "$id" "status || '|' || crashes || '|' || attempt"
	prints "worker lost: $(uname -n) pid $WORKER_PID, its guardian was killed" job "$id" error_message
	prints 0 workers
}

@test "while the worker below a dead guardian lives, nobody takes its jobs" {
	local id worker
	id=$(submit_sh "[ ! -e $D/kept ] || exit 0; $(escape kept keep) sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/kept"
	worker=$(the_worker)
	kill -STOP "$worker"
	kill -KILL "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	jobctl-reap -Q
	sh_worker --drain -Q
	status_is "$id" running
	alive kept
	kill -CONT "$worker"
	eventually 10 gone_or_zombie "$worker"
	dead kept
	prints 'pending|1' job "$id" "status || '|' || crashes"
}

@test "a worker that is stopped loses its jobs' processes before the server's lease ends" {
	local id worker
	id=$(submit_sh "[ ! -e $D/kept ] || exit 0; $(escape kept keep) $(escape bare '' "$(live_on)") echo \$\$ >$D/pid; sleep 1000")
	start_sh_worker --lease $((20 * SUITE_SLOW))s
	eventually 10 test -s "$D/pid"
	eventually 10 test -s "$D/signs"
	worker=$(the_worker)
	kill -STOP "$worker"
	eventually 30 dead bare
	eventually 10 dead kept
	eventually 10 dead pid
	lease_outlived_it
	eventually 10 says 'killed them'
	kill -CONT "$worker"
	eventually 20 status_is "$id" completed
	prints '1/interrupted 1/ok' runs "$id"
}

@test "a worker that cannot reach the server kills also what left its jobs' groups" {
	local id
	id=$(submit_sh "[ ! -e $D/kept ] || exit 0; $(escape kept keep) $(escape bare) sleep 1000")
	start_sh_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 exists "$D/bare"
	start sql "BEGIN; LOCK jobctl.workers; SELECT pg_sleep(600)"
	eventually 10 says 'the lease could not be renewed in time'
	eventually 10 dead kept
	eventually 10 dead bare
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'
		AND datname = current_database() AND pid <> pg_backend_pid()"
	eventually 20 status_is "$id" completed
}

@test "a process that the worker's own shell had started is none of its business" {
	local id pid
	id=$(submit_sh true)
	# shellcheck disable=SC2016
	run -0 bash -c 'sleep 1000 >/dev/null 2>&1 3>&- & echo $!; exec jobctl-worker -q "$0" --drain -- sh -c {sh} >/dev/null 2>&1' "$Q" 3>&-
	pid=$output
	echo "$pid $(began "$pid")" >>"$BATS_TEST_TMPDIR/started"
	status_is "$id" completed
	kill -0 "$pid"
	run -0 grep -c '^State:[[:space:]]*S' "/proc/$pid/status"
}

@test "its exit status is the worker's, its signals are passed on" {
	local id
	run -64 jobctl-worker --nonsense
	run -1 jobctl-worker -q "$Q" --drain --fail-on-job-failure -- sh -c "$(submit_sh 'exit 65' >/dev/null; echo 'exit 65')"
	id=$(submit_sh "touch $D/begun; $(wait_for go)")
	start_sh_worker
	eventually 10 exists "$D/begun"
	kill -TERM "$WORKER_PID"
	eventually 10 says 'stopping'
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	status_is "$id" pending
}

@test "a signal to both, as pkill sends it, is one signal" {
	local id
	id=$(submit_sh "touch $D/begun; $(wait_for go)")
	start_sh_worker
	eventually 10 exists "$D/begun"
	kill -TERM "$WORKER_PID" "$(the_worker)"
	eventually 10 says 'stopping'
	kill -STOP "$(the_worker)"	# both have arrived when it goes on
	kill -CONT "$(the_worker)"
	touch "$D/go"
	eventually 10 gone_or_zombie "$WORKER_PID"
	prints 0 exit_status "$WORKER_PID"
	status_is "$id" completed
}
