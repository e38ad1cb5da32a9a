#!/usr/bin/env bats
# What an operator asks while there are very many jobs is answered from indexes: no
# program reads through the live jobs, or through the finished ones, to answer it.
# (Counting jobs by something reads those that it counts.)

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	new_database
	sql "INSERT INTO jobctl.jobs (id, kind, queue, priority, created_at)
		SELECT jobctl.new_id(), 'k' || n % 5, 'q' || n % 7, n % 3, now() - n * interval '1 s' FROM generate_series(1, 30000) n"
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts,
			crashes, status, outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), now() - n * interval '1 s', now() - n * interval '1 s', now() - n * interval '1 s',
			now() - n * interval '1 s', 0, 1, 3, 0, CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END,
			CASE WHEN n % 50 = 0 THEN 'exit' ELSE 'ok' END, 'default', 'q' || n % 7, 'k' || n % 5, 'me', '{}'
		FROM generate_series(1, 60000) n"
	# What ended before Monday has no partition yet: without its own it would be where nothing belongs.
	sql 'SELECT jobctl.ensure_partitions()' >/dev/null
	sql "SELECT jobctl.submit('k1', queue => 'q1'), jobctl.register_worker('00000000-0000-4000-8000-000000000001', 'h', 'b',
		1, 1, '0', '{q1}', NULL, 10, '1 hour')" >/dev/null
	sql "SELECT jobctl.claim('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', '{q1}', 5)" >/dev/null
	sql 'VACUUM ANALYZE'
	LIVE=$(sql "SELECT id FROM jobctl.jobs WHERE status = 'pending' ORDER BY id DESC LIMIT 1")
	RUNS=$(sql "SELECT jobctl.running_jobs()" | head -n 1 | tr -d '(' | cut -d, -f1)
	ENDED=$(sql "SELECT id FROM jobctl.finished_jobs WHERE status = 'failed' LIMIT 1")
	export LIVE RUNS ENDED
}

# How many rows were read by sequential scans of the two, so far.  Sessions that are
# over have said what they did.
scanned() {
	sql "SELECT sum(seq_tup_read) FROM pg_stat_user_tables
		WHERE schemaname = 'jobctl' AND (relname = 'jobs' OR relname LIKE 'finished_jobs%')"
}

# Runs it, whatever it answers, and tells if it read through either.
by_index() {	# COMMAND [ARG...]
	local before after status=0

	eventually 10 prints 0 others
	before=$(scanned)
	timeout 60 "$@" >/dev/null 2>&1 3>&- </dev/null || status=$?
	[ "$status" -lt 3 ] || {
		echo "$*: exit status $status"
		return 1
	}
	eventually 10 prints 0 others
	after=$(scanned)
	[ $((after - before)) -lt 1000 ] || {
		echo "$*: $((after - before)) rows"
		return 1
	}
}

@test "a job, whatever has become of it" {
	local id program
	for id in "$LIVE" "$RUNS" "$ENDED"; do
		for program in status explain events logs; do
			by_index "jobctl-$program" "$id"
		done
		by_index jobctl-status --json "$id"
	done
}

@test "lists" {
	by_index jobctl-status
	by_index jobctl-status -s running
	by_index jobctl-status -s failed --since 1h
	by_index jobctl-events --since 10m
	by_index jobctl-events -q q1 -n 10
	by_index jobctl-top -b
}

@test "queues" {
	by_index jobctl-queue
	by_index jobctl-queue list q1
	by_index jobctl-explain -q q1
	by_index jobctl-explain -q q2
}

@test "changes" {
	by_index jobctl-retry "$ENDED" --dry-run
	by_index jobctl-retry -q q1 --since 1h --dry-run
	by_index jobctl-hold "$LIVE" --dry-run
	by_index jobctl-release -q q1 --dry-run
	by_index jobctl-cancel "$LIVE" --dry-run
	by_index jobctl-prune --dry-run
	by_index jobctl-reap --dry-run
}

@test "monitoring" {
	local mode
	by_index jobctl-metrics
	by_index jobctl-doctor
	for mode in failure-rate stuck oldest-ready workers table-size xmin; do
		by_index jobctl-check "$mode"
	done
}

# How often the partition that is not of these weeks has been looked at, by any way.
looked_at() {
	sql "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
		WHERE schemaname = 'jobctl' AND relname = 'finished_jobs_then'"
}

@test "what ended long ago is not looked at for what ended lately" {
	local before id option
	id=$(jobctl-submit -q nobody k)
	jobctl-cancel -Q "$id"
	sql "CREATE TABLE jobctl.finished_jobs_then PARTITION OF jobctl.finished_jobs
		FOR VALUES FROM ('2001-01-01Z') TO ('2001-01-08Z')"
	# making its indexes reads it, and that is told when the session ends
	eventually 10 prints 0 others
	before=$(looked_at)
	for option in '-s failed --since 1h' '-a --since 1h -n 5' "$id" "$LIVE" '-s completed --since 1h --count'; do
		# shellcheck disable=SC2086 # words
		jobctl-status $option >/dev/null
		eventually 10 prints 0 others
		[ "$(looked_at)" = "$before" ] || {
			echo "$option: $(looked_at)"
			return 1
		}
	done
	jobctl-status -s failed --since 2000-12-01T00:00:00Z >/dev/null
	eventually 10 prints 0 others
	[ "$(looked_at)" -gt "$before" ]
	sql 'DROP TABLE jobctl.finished_jobs_then'
}

@test "and this test would see it" {
	run -1 by_index psql -Xqc "SELECT max(args::text) FROM jobctl.jobs"
	[[ $output == *'30001 rows' ]]
}
