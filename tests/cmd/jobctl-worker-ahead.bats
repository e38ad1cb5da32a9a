#!/usr/bin/env bats
# jobctl-worker: jobs so short that it claims a hundred and more ahead.

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

# What is counted of a table is counted for all who use it.
setup() {
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
	new_database
}

# Answers each at once, but stops before the answer to the Nth until there is $D/go.
start_quick_worker() {	# N [ARG...]
	local n=$1

	shift
	# shellcheck disable=SC2016	# the script is for the handler
	start_worker -q "$Q" --pipe "$@" -- bash -c 'n=0
		while IFS= read -r line; do
			id=${line#*\"id\":\"}
			[ $((n += 1)) != "$2" ] || until [ -e "$1/go" ]; do sleep 0.02; done
			printf "{\"id\":\"%s\",\"ok\":true}\n" "${id%%\"*}"
		done' - "$D" "$n"
}

completed() {
	sql "SELECT count(*) FROM jobctl.finished_jobs WHERE queue = '$Q' AND status = 'completed' AND attempt = 1"
}

claimed_ahead() {
	sql "SELECT count(*) FROM jobctl.claims WHERE ahead"
}

@test "the rows of many short jobs are not written twice" {
	many 3000
	start_quick_worker 0 --drain
	ended 0
	prints 3000 completed
	prints 0 claimed_ahead
	few_updates() { prints t sql "SELECT n_tup_del = 3000 AND n_tup_upd < 1500 FROM pg_stat_user_tables WHERE relid = 'jobctl.jobs'::regclass"; }
	eventually 10 few_updates
}

@test "one of them that takes longer is seen to run, and can be cancelled" {
	local id

	many 2000
	start_quick_worker 1500
	eventually 10 prints 1499 completed
	id=$(sql "SELECT id FROM jobctl.jobs WHERE queue = '$Q' ORDER BY seq LIMIT 1")
	eventually 10 prints 'running|1|true' job "$id" "status || '|' || attempt || '|' || (started_at < now())"
	# the others were given back, because they could not start
	eventually 10 prints 501 sql "SELECT count(*) FROM jobctl.jobs WHERE queue = '$Q' AND (status = 'pending') = (id <> '$id')"
	eventually 10 prints 0 claimed_ahead
	jobctl-cancel "$id"
	eventually 10 status_is "$id" cancelled
	touch "$D/go"
	eventually 10 prints 1999 completed
}

@test "one that is cancelled before a second has passed runs for who cancels it" {
	local id

	many 2000
	start_quick_worker 1500
	eventually 10 prints 1499 completed
	id=$(sql "SELECT id FROM jobctl.jobs WHERE queue = '$Q' ORDER BY seq LIMIT 1")
	run -0 sql "SELECT was FROM jobctl.cancel('{$id}')"
	[ "$output" = running ]
	eventually 10 status_is "$id" cancelled
	touch "$D/go"
	eventually 10 prints 1999 completed
}

@test "when it is killed all of them go back, and only what was started counts it" {
	local id

	many 2000
	start_quick_worker 1500
	eventually 10 prints 1499 completed
	id=$(sql "SELECT id FROM jobctl.jobs WHERE queue = '$Q' ORDER BY seq LIMIT 1")
	kill -KILL "$(the_worker)"
	eventually 10 prints 501 sql "SELECT count(*) FROM jobctl.jobs WHERE queue = '$Q' AND status = 'pending' AND attempt = 0 AND (crashes = 1) = (id = '$id')"
	prints 0 sql 'SELECT count(*) FROM jobctl.claims'
	start_quick_worker 0 --drain
	ended 0
	prints 2000 completed
}

@test "when it is frozen past its lease another runs them, and it is told so" {
	local frozen log

	many 2000
	start_quick_worker 1500
	eventually 10 prints 1499 completed
	frozen=("$WORKER_PID" "$(the_worker)")
	log=$WORKER_LOG
	kill -STOP "${frozen[@]}"
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	start_quick_worker 0 --drain
	ended 0
	prints 2000 completed
	kill -CONT "${frozen[@]}"
	touch "$D/go"
	WORKER_LOG=$log
	eventually 10 says superseded
	prints 0 claimed_ahead
	prints 2000 sql "SELECT count(*) FROM jobctl.finished_jobs"
}

# The claim's row is locked meanwhile, too.
@test "somebody who was about to hold one of them, and is gone, has changed nothing" {
	local id

	many 2000
	start_quick_worker 1500
	eventually 10 prints 1499 completed
	id=$(sql "SELECT id FROM jobctl.jobs WHERE queue = '$Q' ORDER BY seq LIMIT 1")
	start psql -Xq -c "BEGIN; SELECT jobctl.hold('{$id}')" -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"
	touch "$D/go"
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()" >/dev/null
	eventually 20 prints 2000 completed
}
