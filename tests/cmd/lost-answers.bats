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

# Run CASE for every call, WHEN it is lost, some at a time, until one run makes no
# such call; there must be so many at least.  CASE gets a name for its queue and
# files; what it says is shown if it fails.
every_call() {	# WHEN CASE AT-LEAST
	local when=$1 case=$2 n=1 i pids bad=

	while [ "$n" = 1 ] || [ -e "$D/fired.$case.$when$((n - 1))" ]; do
		pids=()
		for ((i = n; i < n + 4; i++)); do
			"$case" "$case.$when$i" "$when:#$i" >"$D/out.$i" 2>&1 3>&- &
			pids+=("$!")
		done
		for ((i = n; i < n + 4; i++)); do
			wait "${pids[i - n]}" || bad+=" $i"
		done
		[ -z "$bad" ] || break
		n=$i
	done
	for i in $bad; do
		echo "$case, $when call $i:"
		cat "$D/out.$i"
	done
	[ -z "$bad" ]
	n=$(find "$D" -name "fired.$case.$when*" | wc -l)
	[ "$n" -ge "$3" ]
}

# Jobs of every fate, into a queue: each script's first word is the name under which
# the ledger and the database have to agree.
submit_all() {	# QUEUE
	psql -XAtq -v ON_ERROR_STOP=1 -v q="$1" -v d="$D" <<-'END'
		SELECT count(jobctl.submit('k', jsonb_build_object('name', name, 'sh',
			format('echo %s $JOBCTL_ATTEMPT >>%s/ledger.%s; ', name, :'d', :'q') || sh),
			:'q', max_attempts => tries, backoff => 'constant:1ms', timeout => timeout))
		FROM (VALUES
			('writes', 1, NULL::interval, 'echo out; echo err >&2'),
			('much', 1, NULL, 'head -c 100000 /dev/zero'),
			('says', 1, NULL, 'echo "{\"progress\":[3,4],\"message\":\"m\",\"stats\":{\"s\":1},\"result\":[5]}" >&3'),
			('resumes', 2, NULL, '[ -z "$JOBCTL_CHECKPOINT" ] || exit 0; echo "{\"checkpoint\":[1]}" >&3; exit 1'),
			('fails', 2, NULL, 'exit 3'),
			('refuses', 5, NULL, 'exit 65'),
			('waits', 1, NULL, '[ -e ' || :'d' || '/waited.' || :'q' || ' ] || { touch ' || :'d' || '/waited.' || :'q' || '; exit 75; }'),
			('cancelled', 3, NULL, 'env -u LD_PRELOAD psql -Xqo /dev/null -c "SELECT jobctl.cancel(''{$JOBCTL_JOB_ID}'')"; exec sleep 1000'),
			('late', 1, '100 ms', 'exec sleep 1000'),
			('killed', 1, NULL, 'kill -KILL $$')
		) AS v(name, tries, timeout, sh);
		SELECT jobctl.submit('k', jsonb_build_object('name', 'after', 'sh',
			format('echo after $JOBCTL_ATTEMPT >>%s/ledger.%s', :'d', :'q')), :'q',
			after => ARRAY(SELECT id FROM jobctl.job WHERE queue = :'q'));
	END
}

# Ended, how, at which attempt, after which runs, with how much output, saying what.
fates() {	# QUEUE
	sql "SELECT args->>'name', status, outcome, attempt,
		(SELECT string_agg(r.attempt || '/' || r.outcome, ' ' ORDER BY r.ended_at) FROM jobctl.job_run r WHERE r.job_id = j.id),
		(SELECT coalesce(sum(length(o.data)), 0) FROM jobctl.job_output o WHERE o.job_id = j.id),
		concat_ws(' ', progress_done, progress_total, message, stats, result)
		FROM jobctl.job j WHERE queue = '$1' ORDER BY args->>'name'"
}

right_fates() {
	cat <<-'END'
		after|completed|ok|1|1/ok|0|
		cancelled|cancelled|cancelled|1|1/cancelled|0|
		fails|failed|exit|2|1/exit 2/exit|0|
		killed|failed|signal|1|1/signal|0|
		late|failed|timeout|1|1/timeout|0|
		much|completed|ok|1|1/ok|100000|
		refuses|failed|permanent|1|1/permanent|0|
		resumes|completed|ok|2|1/exit 2/ok|0|
		says|completed|ok|1|1/ok|0|3 4 m {"s": 1} [5]
		waits|completed|ok|1|1/tempfail 1/ok|0|
		writes|completed|ok|1|1/ok|8|
	END
}

right_ledger() {
	printf '%s\n' 'after 1' 'cancelled 1' 'fails 1' 'fails 2' 'killed 1' 'late 1' 'much 1' \
		'refuses 1' 'resumes 1' 'resumes 2' 'says 1' 'waits 1' 'waits 1' 'writes 1'
}

# A worker that could not begin has done nothing, and says 69: whoever started it does so again.
work() {	# NAME LOSE ARG...
	local name=$1 lose=$2 status=0

	shift 2
	LOSE_FIRED=$D/fired.$name losing "$lose" timeout 60 jobctl-worker -q "$name" "$@" -- sh -c '{sh}' || status=$?
	if [ "$status" = 69 ]; then
		[ ! -e "$D/ledger.$name" ] || return 1
		status=0
		jobctl-worker -q "$name" "$@" -- sh -c '{sh}' || status=$?
	fi
	[ "$status" = 0 ] || { echo "exit status $status"; return 1; }
}

to_the_end() {	# NAME LOSE
	submit_all "$1" || return 1
	# what is tried again in a millisecond may not be ready when the rest is done
	work "$1" "$2" -j 3 --grace 100ms --idle-exit 300ms || return 1
	diff <(right_ledger) <(sort "$D/ledger.$1") || return 1
	diff <(right_fates) <(fates "$1")
}

# Short jobs, so that some are claimed ahead; then one that has the worker told to
# leave, and to leave at once: it and what has not been started go back.
interrupted() {	# NAME LOSE
	psql -XAtq -v ON_ERROR_STOP=1 -v q="$1" -v d="$D" <<-'END' || return 1
		SELECT count(jobctl.submit('k', jsonb_build_object('sh',
			format('echo %s >>%s/ledger.%s; ', n, :'d', :'q') || CASE n WHEN 3 THEN
			format('[ ! -e %1$s/told.%2$s ] || exit 0; touch %1$s/told.%2$s; kill -TERM $PPID; kill -HUP $PPID; exec sleep 1000', :'d', :'q')
			ELSE '' END), :'q', max_attempts => 1))
		FROM generate_series(1, 9) n
	END
	work "$1" "$2" --drain || return 1
	sql "SELECT status, count(*), max(attempt) FROM jobctl.job WHERE queue = '$1' GROUP BY 1 ORDER BY 1" >"$D/first.$1"
	grep -qx 'pending|7|0' "$D/first.$1" || { cat "$D/first.$1"; return 1; }
	jobctl-worker -q "$1" --drain -- sh -c '{sh}' || return 1
	diff <({ seq 9; echo 3; } | sort -n) <(sort -n "$D/ledger.$1") || return 1
	prints 'completed|9|1' sql "SELECT status, count(*), max(attempt) FROM jobctl.job WHERE queue = '$1' GROUP BY 1" || return 1
	prints 1 sql "SELECT count(*) FROM jobctl.job_run JOIN jobctl.job ON id = job_id WHERE queue = '$1' AND job_run.outcome = 'interrupted'"
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
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-submit -q "$1" --jsonl --batch 4 \
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

wait_end() {	# NAME LOSE
	local id status=0

	id=$(QUEUE=$1 submit k) || return 1
	sql "SELECT jobctl.cancel('{$id}')" >/dev/null || return 1
	LOSE_FIRED=$D/fired.$1 losing "$2" jobctl-wait --json "$id" >"$D/said.$1" || status=$?
	[ "$status" = 1 ] || return 1
	[ "$(jq -r .status "$D/said.$1")" = cancelled ]
}

@test "a worker: a call that is not sent" {
	every_call before to_the_end 20
}

@test "a worker: an answer that is lost" {
	every_call after to_the_end 20
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

@test "a job waited for: a call that is not sent, an answer that is lost" {
	every_call before wait_end 1
	every_call after wait_end 1
}
