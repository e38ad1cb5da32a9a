#!/usr/bin/env bats
# Lost answers: a connection that breaks before or after the server acted, at every
# single call that a program makes, one run for each, until there is no such call.
#
# What jobs did is read from a ledger that they keep themselves.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker
load ../lose

setup_file() {
	new_database
	build_lose
}

# Short jobs, so that some are claimed ahead; then one that has the worker told to
# leave, and to leave at once: it and what has not been started go back.
interrupted_begin() {	# NAME...
	psql -XAtqo /dev/null -v ON_ERROR_STOP=1 -v queues="$(array "$@")" -v d="$D" <<-'END'
		SELECT jobctl.submit('k', jsonb_build_object('sh',
			format('echo %s >>%s/ledger.%s; ', n, :'d', q) || CASE n WHEN 3 THEN
			format('[ ! -e %1$s/told.%2$s ] || exit 0; touch %1$s/told.%2$s; kill -TERM $PPID; kill -HUP $PPID; exec sleep 1000', :'d', q)
			ELSE '' END), q, max_attempts => 1)
		FROM unnest(:'queues'::text[]) AS q, generate_series(1, 9) AS n
	END
}

interrupted() {	# NAME LOSE
	work "$1" "$2" --drain
}

interrupted_check() {	# NAME...
	local name

	same_in_all 'pending|7|0' "status, count(*), max(attempt)" "status = 'pending'" "$@" || return 1
	jobctl-worker -q "$(IFS=,; echo "$*")" -j 4 --drain -- sh -c '{sh}' || return 1
	for name; do
		diff <({ seq 9; echo 3; } | sort -n) <(sort -n "$D/ledger.$name") || return 1
	done
	same_in_all 'completed|9|1|1' "status, count(*), max(attempt), (SELECT count(*) FROM jobctl.job_run r
		WHERE r.job_id = ANY (array_agg(job.id)) AND r.outcome = 'interrupted')" true "$@"
}

# Grouped by status, the jobs of each queue are a row of these columns.
same_in_all() {	# ROW COLUMNS CONDITION QUEUE...
	local row=$1 columns=$2 condition=$3 name

	shift 3
	diff <(for name; do echo "$name|$row"; done) <(sql "SELECT queue, $columns FROM jobctl.job
		WHERE queue = ANY ('$(array "$@")') AND $condition
		GROUP BY queue, status ORDER BY array_position('$(array "$@")', queue)")
}

# The jobs of a queue in the order of their n, and nothing else, were printed.
printed() {	# QUEUE
	diff <(sql "SELECT id FROM jobctl.job WHERE queue = '$1' ORDER BY (args->>'n')::int") "$D/ids.$1"
}

# Status 0, and all are there; or 69, before anything was sent, and none is.
submitted() {	# QUEUE N STATUS
	printed "$1" || return 1
	case $3 in
	0) [ "$(wc -l <"$D/ids.$1")" = "$2" ] ;;
	69) [ ! -s "$D/ids.$1" ] ;;
	*) return 1 ;;
	esac
}

one_job() {	# NAME LOSE
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-submit -q "$1" k n=1 >"$D/ids.$1" || return 1
	submitted "$1" 1 0
}

many_jobs() {	# NAME LOSE
	local status=0

	seq 10 | sed 's/.*/{"kind":"k","args":{"n":&}}/' >"$D/in.$1"
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-submit -q "$1" --jsonl --batch 6 \
		<"$D/in.$1" >"$D/ids.$1" || status=$?
	submitted "$1" 10 "$status"
}

many_lines() {	# NAME LOSE
	local status=0

	seq 10 >"$D/in.$1"
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-submit -q "$1" --lines k n={} \
		<"$D/in.$1" >"$D/ids.$1" || status=$?
	submitted "$1" 10 "$status"
}

# It either says what became of the job or that it could not, and can be said again.
cancel() {	# NAME LOSE
	local id status=0

	id=$(QUEUE=$1 submit k) || return 1
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-cancel "$id" >"$D/said.$1" || status=$?
	if [ "$status" = 69 ]; then
		[ ! -s "$D/said.$1" ] || return 1
		jobctl-cancel "$id" >"$D/said.$1" || return 1
	fi
	[ "$(<"$D/said.$1")" = "$id cancelled" ] || return 1
	prints 'cancelled|1' job "$id" "status, (SELECT count(*) FROM jobctl.job_events e WHERE e.job_id = '$id')"
}

# All of them and once, or said again.
retry() {	# NAME LOSE
	local id status=0

	id=$(QUEUE=$1 submit k) || return 1
	sql "SELECT jobctl.cancel('{$id}')" >/dev/null || return 1
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-retry "$id" --edit n:=1 >"$D/said.$1" || status=$?
	if [ "$status" = 69 ]; then
		[ ! -s "$D/said.$1" ] || return 1
		jobctl-retry "$id" >"$D/said.$1" || return 1
	fi
	[ "$(<"$D/said.$1")" = "$id pending" ] || return 1
	prints 'pending|1|1' job "$id" "status, (SELECT count(*) FROM jobctl.job_attempts a WHERE a.job_id = '$id'),
		(SELECT count(*) FROM jobctl.job_events e WHERE e.job_id = '$id' AND e.event = 'retry')"
}

wait_end() {	# NAME LOSE
	local id status=0

	id=$(QUEUE=$1 submit k) || return 1
	sql "SELECT jobctl.cancel('{$id}')" >/dev/null || return 1
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-wait --json "$id" >"$D/said.$1" || status=$?
	[ "$status" = 1 ] || return 1
	[ "$(jq -r .status "$D/said.$1")" = cancelled ]
}

@test "a worker: a call that is not sent" {
	start_session
	every_call before to_the_end 20
}

@test "a worker: an answer that is lost" {
	start_session
	every_call after to_the_end 20
}

@test "a job that goes on writing while the answer for its output is lost" {
	local id
	id=$(submit_sh "n=0; until [ -e $D/go ]; do n=\$((n + 1)); echo \$n; sleep 0.02; done; echo \$n >$D/n")
	start losing after:append_output jobctl-worker -q "$Q" -- sh -c '{sh}'
	# shellcheck disable=SC2034 # for says
	WORKER_LOG=$STARTED_LOG
	eventually 20 says 'the database is back'
	touch "$D/go"
	eventually 20 status_is "$id" completed
	diff <(seq "$(<"$D/n")") <(output "$id" 1)
}

@test "a worker that is interrupted: a call that is not sent, an answer that is lost" {
	every_call before interrupted 10
	every_call after interrupted 10
}

@test "one job submitted: a call that is not sent, an answer that is lost" {
	every_call before one_job 1
	every_call after one_job 1
}

@test "many jobs submitted: a call that is not sent, an answer that is lost" {
	every_call before many_jobs 12
	every_call after many_jobs 12
}

@test "lines submitted: a call that is not sent, an answer that is lost" {
	every_call before many_lines 5
	every_call after many_lines 5
}

@test "a job cancelled: a call that is not sent, an answer that is lost" {
	every_call before cancel 2
	every_call after cancel 2
}

@test "a job retried: a call that is not sent, an answer that is lost" {
	every_call before retry 3
	every_call after retry 3
}

@test "a job waited for: a call that is not sent, an answer that is lost" {
	every_call before wait_end 1
	every_call after wait_end 1
}
