#!/usr/bin/env bats
# jobctl-wait: the same answer whether jobs end before it looks, while it looks,
# or while it has no connection to look with.

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	cd "$BATS_TEST_TMPDIR" || return 1
	worker w
}

# A job that has ended so: ID becomes its id.
ended() {	# OUTCOME [EXIT-CODE [ERROR [SIGNAL]]]
	ID=$(submit k "queue => 'e'" "max_attempts => 1")
	claim e "token $ID"
	finish "$ID" "$1" "${2:-}" "${3-}" '' "${4:-}" >/dev/null
}

running() {	# ID becomes the id of a job that runs
	ID=$(submit k "queue => 'r'" "max_attempts => 1")
	claim r "token $ID"
}

use_token() {	# TOKEN-NAME; for finish
	# shellcheck disable=SC2034 # simulate.bash reads it
	SIM_TOKEN=$(sim_uuid "$1")
}

# jobctl-wait in the background: WAIT, its output in out and err.
begin_wait() {	# ARG...
	start_wait "$@"
	eventually 10 looking
}

start_wait() {	# ARG...
	env --default-signal=INT jobctl-wait "$@" >out 2>err 3>&- <&0 &
	WAIT=$!
}

looking() {
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle'
		AND application_name LIKE 'jobctl-wait %:$WAIT' AND query LIKE '%jobctl.job %'")" = 1 ]
}

looking_or_over() {
	looking || gone_or_zombie "$WAIT"
}

wait_is() {	# STATUS
	local status=0

	wait "$WAIT" || status=$?
	[ "$status" = "$1" ] || {
		echo "exit $status"
		cat out err
		return 1
	}
}

@test "one job, ended before: its own exit status" {
	ended ok
	run -0 --separate-stderr jobctl-wait "$ID"
	[ -z "$output$stderr" ]
	ended exit 3 'no space left'
	run -3 --separate-stderr jobctl-wait "$ID"
	[ -z "$output" ]
	[ "$stderr" = "jobctl-wait: job $ID failed: no space left" ]
	ended exit 0
	run -1 jobctl-wait "$ID"
	ended exit 300
	run -44 jobctl-wait "$ID"
	ended exit 256
	run -1 jobctl-wait "$ID"
	ended exit
	run -1 jobctl-wait "$ID"
	ended permanent 65
	run -65 jobctl-wait "$ID"
	ended timeout
	run -124 jobctl-wait "$ID"
	ended not_executable
	run -126 jobctl-wait "$ID"
	ended not_found
	run -127 jobctl-wait "$ID"
	ended signal '' 'killed by signal 9 (KILL)' 9
	run -137 --separate-stderr jobctl-wait "$ID"
	[ "$stderr" = "jobctl-wait: job $ID failed: killed by signal 9 (KILL)" ]
}

@test "one job, cancelled: 1, with the reason" {
	ID=$(submit k)
	sql "SELECT jobctl.cancel('{$ID}', 'not needed')"
	run -1 --separate-stderr jobctl-wait "$ID"
	[ "$stderr" = "jobctl-wait: job $ID was cancelled: not needed" ]
}

@test "one job whose workers were lost: 125" {
	ID=$(submit k)
	sql "UPDATE jobctl.jobs SET crashes = 2"
	claim default
	sql "SELECT jobctl.reap('{$SIM_WORKER}', 'seen to die')"
	run -125 jobctl-wait "$ID"
}

@test "one job, ended while it waits" {
	running
	begin_wait "$ID"
	finish "$ID" exit 7 bad
	wait_is 7
	[ ! -s out ]
	[ "$(<err)" = "jobctl-wait: job $ID failed: bad" ]
}

@test "an attempt that failed is not the end" {
	ID=$(submit k "backoff => 'constant:0s'")
	claim default
	begin_wait "$ID"
	finish "$ID" exit 7
	eventually 10 prints t sql "SELECT wake_at <= now() FROM jobctl.jobs"
	claim default second
	finish "$ID" ok
	wait_is 0
}

@test "several: 0 if all completed, else 1" {
	local a b
	ended ok; a=$ID
	ended ok; b=$ID
	run -0 --separate-stderr jobctl-wait "$a" "$b" "$a"
	[ -z "$output$stderr" ]
	ended exit 9 bad
	run -1 --separate-stderr jobctl-wait "$a" "$ID" "$b"
	[ "$stderr" = "jobctl-wait: job $ID failed: bad" ]
}

@test "the same id twice is one job" {
	ended exit 9
	run -9 jobctl-wait "$ID" "$ID"
	run -9 jobctl-wait "${ID^^}" "${ID:0:30}"
}

@test "several, ending one by one" {
	local a b
	running; a=$ID
	ID=$(submit k "queue => 'r2'"); b=$ID
	claim r2
	begin_wait -v "$a" "$b"
	finish "$b" ok
	eventually 10 grep -q "$b completed" err
	kill -0 "$WAIT"
	use_token "token $a"
	finish "$a" ok
	wait_is 0
	[ "$(wc -l <err)" = 2 ]
}

@test "--any and --count: until so many have ended" {
	local a b
	running; a=$ID
	ended ok; b=$ID
	run -0 --separate-stderr jobctl-wait --any "$a" "$b"
	[ -z "$output$stderr" ]
	run -0 jobctl-wait --count 1 "$a" "$b"
	ended exit 5
	run -1 jobctl-wait --count 2 "$a" "$b" "$ID"
	begin_wait --count 2 "$a" "$b"
	use_token "token $a"
	finish "$a" ok
	wait_is 0
	run -0 jobctl-wait --count 5 "$a" "$b"
}

@test "--fail-fast: no longer than the first failure" {
	local a
	running; a=$ID
	ended exit 5
	run -1 jobctl-wait --fail-fast "$a" "$ID"
	begin_wait --fail-fast "$a" "$(submit k)"
	use_token "token $a"
	finish "$a" exit 1
	wait_is 1
	ended ok
	run -0 jobctl-wait --fail-fast "$ID"
}

@test "--timeout: 124, and not much later" {
	local from took try
	running
	# a busy machine makes it late now and then, but not five times
	for try in 1 2 3 4 5; do
		from=${EPOCHREALTIME/./}
		run -124 --separate-stderr jobctl-wait --timeout 300ms "$ID"
		took=$((${EPOCHREALTIME/./} - from))
		echo "try $try: $took us $output$stderr"
		[ "$took" -ge 300000 ]
		[ -z "$output$stderr" ]
		[ "$took" -ge $((2000000 * SUITE_SLOW)) ] || break
	done
	[ "$took" -lt $((2000000 * SUITE_SLOW)) ]
	run -124 jobctl-wait --timeout 0 "$ID"
	finish "$ID" ok
	run -0 jobctl-wait --timeout 0 "$ID"
}

@test "--test does not wait" {
	running
	run -124 --separate-stderr jobctl-wait --test "$ID"
	[ -z "$output$stderr" ]
	finish "$ID" exit 3
	run -3 jobctl-wait --test -Q "$ID"
	ended ok
	run -0 jobctl-wait --test "$ID"
}

@test "--json: an object as each ends" {
	local a
	ended ok; a=$ID
	ended exit 3 $'line\nand "quotes"'
	run -1 --separate-stderr jobctl-wait --json "$a" "$ID"
	[ -z "$stderr" ]
	[ "${#lines[@]}" = 2 ]
	[ "$(jq -r --arg id "$a" 'select(.id == $id) | "\(.v) \(.status) \(.outcome) \(.exit_code) \(.signal) \(.error_message)"' \
		<<<"$output")" = '1 completed ok null null null' ]
	[ "$(jq -r --arg id "$ID" 'select(.id == $id) | "\(.status) \(.exit_code) \(.error_message)"' <<<"$output")" = \
		$'failed 3 line\nand "quotes"' ]
	run -1 jobctl-wait --json -Q "$a" "$ID"
	[ -z "$output" ]
}

@test "-Q: nothing but the exit status" {
	ended exit 3 oops
	run -3 jobctl-wait -Q "$ID"
	[ -z "$output" ]
}

@test "many failures: the first ten are told, the rest counted" {
	sql "SELECT count(jobctl.submit('k', max_attempts => 1)) FROM generate_series(1, 30)"
	claim default
	sql "SELECT count(*) FROM jobctl.finish('$SIM_WORKER', ARRAY(SELECT id FROM jobctl.jobs),
		ARRAY(SELECT token FROM jobctl.jobs), array_fill('exit'::text, '{30}'), array_fill(1, '{30}'),
		array_fill(NULL::int, '{30}'), array_fill(NULL::text, '{30}'), array_fill(NULL::jsonb, '{30}'),
		array_fill(NULL::float8, '{30}'), array_fill(NULL::bigint, '{30}'))"
	run -1 --separate-stderr jobctl-wait - < <(sql 'SELECT id FROM jobctl.job')
	[ "${#stderr_lines[@]}" = 11 ]
	[ "${stderr_lines[10]}" = 'jobctl-wait: and 20 more failed or were cancelled' ]
}

@test "ids from standard input, thousands of them" {
	sql "SELECT count(jobctl.submit('k')) FROM generate_series(1, 12000)"
	sql 'SELECT id FROM jobctl.job' >ids
	run -124 jobctl-wait --test - <ids
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs ORDER BY id LIMIT 11999))"
	run -124 jobctl-wait -Q --test - <ids
	begin_wait -Q - <ids
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs))"
	wait_is 1
}

@test "standard input: blanks around, empty lines, beginnings of ids" {
	local a
	ended ok; a=$ID
	ended ok
	run -0 --separate-stderr jobctl-wait - < <(printf '\n%s \r\n\n%s' "$a" "${ID:0:34}")
	[ -z "$stderr" ]
	run -0 jobctl-wait - </dev/null
	run -0 jobctl-wait "$a" - <<<"$ID"
	run -65 --separate-stderr jobctl-wait - <<<$'\nzebra'
	[ "${stderr_lines[0]}" = 'jobctl-wait: line 2: "zebra" is not a job id' ]
	run -65 --separate-stderr jobctl-wait - < <(printf '%s\0x\n' "$a")
	[ "${stderr_lines[0]}" = 'jobctl-wait: line 1: a NUL byte' ]
	run -65 --separate-stderr jobctl-wait - < <(printf '%s\n' "$a"; head -c 5000000 /dev/zero | tr '\0' 1)
	[ "${stderr_lines[0]}" = 'jobctl-wait: line 2: longer than 4 MiB' ]
}

@test "a job that is not there is exit 66, at once" {
	local none=01234567-0000-7000-8000-000000000001
	running
	run -66 --separate-stderr jobctl-wait $none
	[ "$stderr" = "jobctl-wait: no such job $none" ]
	run -66 --separate-stderr jobctl-wait "$ID" $none 01234567-0000-7000-8000-000000000002
	[ "$stderr" = "jobctl-wait: no such job $none, and 1 more" ]
	run -66 --separate-stderr jobctl-wait 01234567
	[ "$stderr" = "jobctl-wait: no such job: 01234567" ]
}

@test "an id cut short must be clear" {
	local a=01234567-0000-7000-8000-000000000001
	sql "SELECT jobctl.submit('k', id => '$a'), jobctl.submit('k', id => '01234567-0000-7000-8000-000000000002')"
	run -64 --separate-stderr jobctl-wait 01234567
	[[ "${stderr_lines[1]}" == *"$a 01234567-0000-7000-8000-000000000002"* ]]
	sql "SELECT jobctl.cancel('{$a}')"
	run -1 jobctl-wait -Q "${a%?}1"
}

@test "filters choose among the jobs that are live now" {
	local a
	running
	ended exit 3
	a=$(submit other "queue => 'f'")
	run -124 jobctl-wait --test -q f
	run -124 jobctl-wait --test --kind other
	run -124 jobctl-wait --test -q r -p default --worker w
	run -124 jobctl-wait --test -s held,pending
	run -0 jobctl-wait --test -q e
	run -0 jobctl-wait --test -p none
	begin_wait -q f
	sql "SELECT jobctl.cancel('{$a}')"
	wait_is 1
	run -1 jobctl-wait -Q -q e -s failed
}

@test "what is wrong with the command line is exit 64" {
	run -64 --separate-stderr jobctl-wait
	[ "${stderr_lines[0]}" = 'jobctl-wait: missing arguments: ids, - to read them, or a filter' ]
	run -64 jobctl-wait -q q 01234567
	run -64 jobctl-wait --any --count 2 01234567
	run -64 jobctl-wait --test --timeout 5s 01234567
	run -64 jobctl-wait --count 0 01234567
	run -64 jobctl-wait --timeout soon 01234567
	run -64 --separate-stderr jobctl-wait zebra
	[ "${stderr_lines[0]}" = 'jobctl-wait: "zebra" is not a job id' ]
	run -64 jobctl-wait ''
	run -64 jobctl-wait 0123456
	run -64 jobctl-wait -s 'done'
}

@test "what goes wrong with jobctl itself is 125" {
	JOBCTL_DATABASE=host=/nonexistent run -125 --separate-stderr jobctl-wait 01234567-0000-7000-8000-000000000001
	[[ "$stderr" == 'jobctl-wait: cannot connect to '* ]]
	JOBCTL_DATABASE=host=/nonexistent run -125 --separate-stderr jobctl-wait --json 01234567
	[ "$(jq .exit <<<"$stderr")" = 125 ]
}

@test "a lost connection is made again, and what ended meanwhile is seen" {
	local a
	running; a=$ID
	begin_wait "$a"
	sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS false" -d postgres
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-wait %:$WAIT'" -d postgres
	eventually 10 grep -q 'lost the connection to the database; trying again' err
	sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS true" -d postgres
	finish "$a" exit 6
	wait_is 6
	[ "$(grep -c 'lost the connection' err)" = 1 ]
}

@test "without a connection, --timeout counts on" {
	local seconds status
	running
	# its connection must break before its time is over: where that is too slow, with more time
	for seconds in 1 2 4 8; do
		start_wait --timeout "${seconds}s" "$ID"
		eventually 10 looking_or_over
		sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS false" -d postgres
		sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name LIKE 'jobctl-wait %:$WAIT'" -d postgres
		status=0
		wait "$WAIT" || status=$?
		sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS true" -d postgres
		[ "$status" = 124 ]
		! grep -q 'lost the connection' err || break
	done
	grep -q 'lost the connection' err
}

@test "it says once why nothing happens" {
	local a
	sql 'DELETE FROM jobctl.workers'
	a=$(submit k "queue => 'nobody'")
	jobctl-wait --timeout 30s "$a" 2>err 3>&- &
	eventually 15 grep -qx "jobctl-wait: job $a waits: no worker serves queue \"nobody\"" err
	sql "SELECT jobctl.cancel('{$a}')"
	wait $! || true
	[ "$(grep -c waits: err)" = 1 ]
}

@test "held jobs, paused queues and kinds that nobody takes are named, too" {
	local a b c
	sql 'DELETE FROM jobctl.workers'
	sql "SELECT jobctl.register_worker('$(sim_uuid picky)', 'h', 'b', 1, 1, '0', '{p,k}', '{other}', 1, '1h')"
	a=$(submit k "queue => 'k'" 'hold => true')
	sql "SELECT jobctl.pause_queue('p')"
	b=$(submit other "queue => 'p'")
	c=$(submit k "queue => 'k'")
	local pids=()
	jobctl-wait --timeout 20s "$a" 2>err.a 3>&- &
	pids+=($!)
	jobctl-wait --timeout 20s "$b" 2>err.b 3>&- &
	pids+=($!)
	jobctl-wait --timeout 20s "$c" 2>err.c 3>&- &
	pids+=($!)
	eventually 15 grep -qx "jobctl-wait: job $a waits: it is held" err.a
	eventually 15 grep -qx "jobctl-wait: job $b waits: queue \"p\" is paused" err.b
	eventually 15 grep -qx "jobctl-wait: job $c waits: no worker of queue \"k\" takes kind \"k\"" err.c
	sql "SELECT jobctl.cancel('{$a,$b,$c}')"
	wait "${pids[@]}" || true
}

@test "interrupted: 130" {
	running
	begin_wait "$ID"
	kill -INT "$WAIT"
	wait_is 130
}

@test "--progress draws on a terminal only" {
	running
	run -124 --separate-stderr jobctl-wait --progress --timeout 300ms "$ID"
	[ -z "$output$stderr" ]
	report "$ID" 3 10 'frame 3'
	script -qefc "jobctl-wait --progress --timeout 500ms $ID" /dev/null >out </dev/null || true
	grep -qF 'running, 3 of 10  frame 3' out
	submit k >/dev/null
	sql 'SELECT id FROM jobctl.job' >ids
	script -qefc 'jobctl-wait --progress --timeout 500ms - <ids' /dev/null >out </dev/null || true
	grep -qF '0 of 2 ended, 0 failed, 1 running' out
}

@test "somebody else's jobs are not there" {
	role_login wait_a jobctl_reader
	role_login wait_b jobctl_submitter
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('b', 'wait_b') ON CONFLICT DO NOTHING"
	ID=$(submit k "project => 'b'")
	run -124 as_role wait_b jobctl-wait --test "$ID"
	run -66 as_role wait_a jobctl-wait --test "$ID"
	run -66 as_role wait_a jobctl-wait --test "${ID:0:30}"
	run -0 as_role wait_a jobctl-wait --test -p b
}
