# shellcheck shell=bash
# worker.bash - what the tests of jobctl-worker share, on top of helper.bash
#
# Each test has a queue of its own, $Q, and a directory, $D.

setup() {
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
}

# Submit into $Q; prints the id.  OPTION is an argument of jobctl.submit: 'timeout => ''1 s'''.
submit() {	# KIND [ARGS-JSON [OPTION...]]
	local kind=$1 args=${2:-"{}"} option more=

	shift
	[ $# = 0 ] || shift
	for option; do
		more+=", $option"
	done
	psql -XAtq -v ON_ERROR_STOP=1 -v kind="$kind" -v args="$args" -v queue="${QUEUE:-$Q}" <<-END
		SELECT jobctl.submit(:'kind', :'args', :'queue' $more)
	END
}

# The command of a job for a worker started with "-- sh -c {sh}".
submit_sh() {	# SCRIPT [OPTION...]
	local script=$1

	shift
	submit sh "$(jq -cn --arg sh "$script" '{sh: $sh}')" "$@"
}

many() {	# N: of kind k, with no args
	sql "SELECT count(jobctl.submit('k', queue => '$Q')) FROM generate_series(1, $1)" >/dev/null
}

submit_exec() {	# WORD...
	submit exec "$(jq -cn '{argv: $ARGS.positional}' --args -- "$@")"
}

job() {		# ID EXPRESSION: of the view jobctl.job
	sql "SELECT $2 FROM jobctl.job WHERE id = '$1'"
}

status_is() {	# ID STATUS
	prints "$2" job "$1" status
}

# The runs of a job, in order: attempt/outcome, and running for one without.
runs() {	# ID
	sql "SELECT string_agg(attempt || '/' || coalesce(outcome, 'running'), ' ' ORDER BY started_at, attempt)
	     FROM jobctl.job_run WHERE job_id = '$1'"
}

# What a job wrote; \x00 and other bytes are safe in a file.
output() {	# ID STREAM >FILE
	sql "SELECT encode(string_agg(data, '' ORDER BY n), 'base64') FROM jobctl.job_output
	     WHERE job_id = '$1' AND stream = $2" | base64 -d
}

sh_worker() {	# ARG...: runs the shell scripts that submit_sh submits, in the foreground
	jobctl-worker -q "$Q" "$@" -- sh -c '{sh}'
}

start_sh_worker() {	# ARG...
	start_worker -q "$Q" "$@" -- sh -c '{sh}'
}

# For a job's script: say that it runs, then wait for the test.  In the script $D is the directory.
wait_for() {	# FILE
	printf 'until [ -e %q ]; do sleep 0.02; done;' "$D/$1"
}

exists() {
	[ -e "$1" ]
}

# For a job's script: write down the time until it is killed.
live_on() {
	printf 'while :; do date +%%s.%%N >>%q; sleep 0.05; done' "$D/signs"
}

# The lease, as the server has it, went on for longer than what did so.  When it is asked
# does not matter.
lease_outlived_it() {
	local last

	last=$(grep -xE '[0-9]+\.[0-9]{9}' "$D/signs" | tail -n 1)
	prints t sql "SELECT lease_until > to_timestamp($last) FROM jobctl.workers WHERE '$Q' = ANY (queues)"
}

says() {	# TEXT: the worker's log has it
	grep -qF -- "$1" "$WORKER_LOG"
}

# Clock ticks of CPU that a process has used itself.
cpu_ticks() {	# PID
	local stat

	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086 # fields
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# WORKER_PID is the guardian, as for any user; below it is the worker, below that are jobs.
the_worker() {
	pgrep -P "$WORKER_PID"
}

# As nothing else does: the guardian and the worker at once, so that neither sees the other die.
kill_worker() {	# GUARDIAN
	local both pid

	mapfile -t both < <(echo "$1"; pgrep -P "$1")
	kill -STOP "${both[@]}"
	kill -KILL "${both[@]}"
	for pid in "${both[@]}"; do
		eventually 10 gone_or_zombie "$pid"
	done
}

no_jobs_run() {
	local worker

	worker=$(the_worker) || return 0
	[ -z "$(pgrep -P "$worker")" ]
}

# Clock ticks of CPU of the guardian and the worker.
worker_ticks() {
	echo $(($(cpu_ticks "$WORKER_PID") + $(cpu_ticks "$(the_worker)")))
}

exit_status() {	# PID: of a process that this shell started
	local status=0

	wait "$1" || status=$?
	echo "$status"
}

ended() {	# STATUS: so the worker ended
	eventually 20 gone_or_zombie "$WORKER_PID"
	prints "$1" exit_status "$WORKER_PID"
}

workers() {	# how many are registered for $Q
	sql "SELECT count(*) FROM jobctl.workers WHERE '$Q' = ANY (queues)"
}
