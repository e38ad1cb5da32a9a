# shellcheck shell=bash
# lose.bash - programs whose connection breaks at a chosen call, see tests/fault/lose.c

build_lose() {	# in setup_file
	LOSE_SO=$BATS_FILE_TMPDIR/lose.so
	export LOSE_SO
	"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -I"$SUITE_ROOT/lib" -o "$LOSE_SO" \
		"$SUITE_ROOT/tests/fault/lose.c"
}

# Run with the connection breaking once.
losing() {	# WHEN:TEXT|WHEN:#N COMMAND...
	local lose=$1

	shift
	LD_PRELOAD=$LOSE_SO LOSE=$lose ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$@"
}

# Run CASE for every call, WHEN it is lost, some at a time, until one run makes no
# such call; there must be so many at least.  CASE gets a name for its queue and
# files; what it says is shown if it fails.  With sessions being most of the cost,
# CASE_begin and CASE_check, if there are any, get the names of all that run together.
every_call() {	# WHEN CASE AT-LEAST
	local when=$1 case=$2 n=1 i names pids bad=

	while [ "$n" = 1 ] || [ -e "$D/fired.$case.$when$((n - 1))" ]; do
		names=() pids=()
		for ((i = n; i < n + 4; i++)); do
			names+=("$case.$when$i")
		done
		! declare -F "${case}_begin" >/dev/null || "${case}_begin" "${names[@]}" || return 1
		for ((i = n; i < n + 4; i++)); do
			"$case" "${names[i - n]}" "$when:#$i" >"$D/out.$i" 2>&1 3>&- &
			pids+=("$!")
		done
		for ((i = n; i < n + 4; i++)); do
			wait "${pids[i - n]}" || bad+=" $i"
		done
		[ -z "$bad" ] || break
		! declare -F "${case}_check" >/dev/null || "${case}_check" "${names[@]}" || return 1
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

# A session that does what jobs ask for.
start_session() {
	mkfifo "$D/asked"
	exec 7<>"$D/asked"	# it does not end with one who asks
	start psql -Xqo /dev/null -f "$D/asked"
}

# For = ANY: the queues as an array.
array() {	# QUEUE...
	local IFS=,

	echo "{$*}"
}

# Jobs of every fate, into each queue: each script's first word is the name under which
# the ledger and the database have to agree.
to_the_end_begin() {	# QUEUE...
	# late is to have written its line by then, if it can
	psql -XAtqo /dev/null -v ON_ERROR_STOP=1 -v queues="$(array "$@")" -v d="$D" -v late="$((200 * SUITE_SLOW)) ms" <<-'END'
		SELECT jobctl.submit('k', jsonb_build_object('name', name, 'sh',
			format('echo %s $JOBCTL_ATTEMPT >>%s/ledger.%s; ', name, :'d', q) || replace(sh, 'WAITED', :'d' || '/waited.' || q)),
			q, max_attempts => tries, backoff => 'constant:1ms', timeout => timeout)
		FROM unnest(:'queues'::text[]) AS q, (VALUES
			('writes', 1, NULL::interval, 'echo out; echo err >&2'),
			('much', 1, NULL, 'head -c 100000 /dev/zero'),
			('says', 1, NULL, 'echo "{\"progress\":[3,4],\"message\":\"m\",\"stats\":{\"s\":1},\"result\":[5]}" >&3'),
			('resumes', 2, NULL, '[ -z "$JOBCTL_CHECKPOINT" ] || exit 0; echo "{\"checkpoint\":[1]}" >&3; exit 1'),
			('fails', 2, NULL, 'exit 3'),
			('refuses', 5, NULL, 'exit 65'),
			('waits', 1, NULL, '[ -e WAITED ] || { touch WAITED; exit 75; }'),
			('cancelled', 3, NULL, 'echo "SELECT jobctl.cancel(''{$JOBCTL_JOB_ID}'');" >' || :'d' || '/asked; exec sleep 1000'),
			('late', 1, :'late', 'exec sleep 1000'),
			('killed', 1, NULL, 'kill -KILL $$')
		) AS v(name, tries, timeout, sh);
		SELECT jobctl.submit('k', jsonb_build_object('name', 'after', 'sh',
			format('echo after $JOBCTL_ATTEMPT >>%s/ledger.%s', :'d', q)), q,
			after => ARRAY(SELECT id FROM jobctl.job WHERE queue = q))
		FROM unnest(:'queues'::text[]) AS q;
	END
}

# Ended, how, at which attempt, after which runs, with how much output, saying what.
fates() {	# QUEUE...
	sql "SELECT queue, args->>'name', status, outcome, attempt,
		(SELECT string_agg(r.attempt || '/' || r.outcome, ' ' ORDER BY r.ended_at) FROM jobctl.job_run r WHERE r.job_id = j.id),
		(SELECT coalesce(sum(length(o.data)), 0) FROM jobctl.job_output o WHERE o.job_id = j.id),
		concat_ws(' ', progress_done, progress_total, message, stats, result)
		FROM jobctl.job j WHERE queue = ANY ('$(array "$@")') ORDER BY array_position('$(array "$@")', queue), args->>'name'"
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

# Without that of late, which may be stopped before it has written its line.
right_ledger() {
	printf '%s\n' 'after 1' 'cancelled 1' 'fails 1' 'fails 2' 'killed 1' 'much 1' \
		'refuses 1' 'resumes 1' 'resumes 2' 'says 1' 'waits 1' 'waits 1' 'writes 1'
}

# A worker that could not begin has done nothing, and says 69: whoever started it does so again.
work() {	# NAME LOSE ARG...
	local name=$1 lose=$2 status=0

	shift 2
	LOSE_FIRED=$D/fired.$name losing "$lose" timeout $((60 * SUITE_SLOW)) jobctl-worker -q "$name" "$@" -- sh -c '{sh}' || status=$?
	if [ "$status" = 69 ]; then
		[ ! -e "$D/ledger.$name" ] || return 1
		status=0
		jobctl-worker -q "$name" "$@" -- sh -c '{sh}' || status=$?
	fi
	[ "$status" = 0 ] || { echo "exit status $status"; return 1; }
}

to_the_end() {	# NAME LOSE
	# what is tried again in a millisecond may not be ready when the rest is done
	work "$1" "$2" -j 3 --grace 100ms --idle-exit 300ms || return 1
	diff <(right_ledger) <(grep -v '^late ' "$D/ledger.$1" | sort) || return 1
	[[ "$(grep '^late ' "$D/ledger.$1")" =~ ^('late 1')?$ ]]
}

to_the_end_check() {	# NAME...
	local name

	diff <(for name; do right_fates | sed "s/^/$name|/"; done) <(fates "$@")
}
