#!/usr/bin/env bats
# jobctl-worker: what a job is given, and what becomes of it.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
}

@test "an exit code says what becomes of the job" {
	local id ids=()
	local expected=(
		0 ok completed
		1 exit failed
		65 permanent failed
		78 permanent failed
		126 not_executable failed
		127 not_found failed
		137 exit failed
		255 exit failed)
	set -- "${expected[@]}"
	while [ $# -gt 0 ]; do
		ids+=("$(submit_sh "exit $1" 'max_attempts => 1')")
		shift 3
	done
	run -0 sh_worker --drain
	[ "$output" = "" ]
	set -- "${expected[@]}"
	for id in "${ids[@]}"; do
		echo "exit $1"
		prints "$3|$2|$1|1" job "$id" "status || '|' || outcome || '|' || exit_code || '|' || attempt"
		shift 3
	done
}

@test "a permanent failure is not tried again, any other is" {
	local permanent other
	permanent=$(submit_sh 'echo never >&2; exit 65')
	other=$(submit_sh 'echo later >&2; exit 3')
	sh_worker --drain
	prints 'failed|1/permanent|never' job "$permanent" \
		"status || '|$(runs "$permanent")|' || error_message"
	prints 'pending|1|later' job "$other" "status || '|' || attempt || '|' || error_message"
	prints '1/exit' runs "$other"
	prints '{Backoff}' job "$other" 'reasons[1:1]'
}

@test "--permanent names other codes" {
	local a b c
	a=$(submit_sh 'exit 3')
	b=$(submit_sh 'exit 4')
	c=$(submit_sh 'exit 65')
	sh_worker --drain --permanent 3,4
	status_is "$a" failed
	status_is "$b" failed
	status_is "$c" pending
}

@test "--permanent none: any failure is tried again" {
	local id
	id=$(submit_sh 'exit 65')
	sh_worker --drain --permanent none
	status_is "$id" pending
}

@test "exit 75 gives the attempt back" {
	local id
	id=$(submit_sh 'exit 75' 'max_attempts => 1')
	sh_worker --drain
	prints 'pending|0' job "$id" "status || '|' || attempt"
	prints '1/tempfail' runs "$id"
}

@test "a job that dies by a signal says which" {
	local name id
	for name in TERM KILL SEGV PIPE; do
		id=$(submit_sh "echo last words >&2; kill -$name \$\$" 'max_attempts => 1')
		sh_worker --drain
		prints "failed|signal|$(kill -l "$name")|none" job "$id" \
			"status || '|' || outcome || '|' || signal || '|' || coalesce(exit_code::text, 'none')"
		prints "killed by signal $(kill -l "$name") ($name): last words" job "$id" error_message
	done
}

@test "a job is tried as often as it may be, after the backoff" {
	local id
	id=$(submit_sh "echo \$JOBCTL_ATTEMPT of \$JOBCTL_MAX_ATTEMPTS >>$D/log; exit 1" \
		'max_attempts => 3' "backoff => 'constant:10ms'")
	sh_worker --max-jobs 3
	status_is "$id" failed
	prints '1/exit 2/exit 3/exit' runs "$id"
	[ "$(cat "$D/log")" = $'1 of 3\n2 of 3\n3 of 3' ]
}

@test "a job that takes too long is stopped, and tried again" {
	local id
	id=$(submit_sh 'exec sleep 1000' "timeout => '200 ms'" "backoff => 'constant:10ms'" \
		'max_attempts => 2')
	sh_worker --max-jobs 2
	prints 'failed|timeout|15' job "$id" "status || '|' || outcome || '|' || signal"
	prints 'timed out after 0.2s' job "$id" error_message
	prints '1/timeout 2/timeout' runs "$id"
}

@test "a job that ignores TERM is killed when the grace is over" {
	local id
	id=$(submit_sh "trap '' TERM; touch $D/up; while :; do sleep 1000; done" 'max_attempts => 1')
	start_sh_worker --grace 200ms
	eventually 10 exists "$D/up"
	jobctl-cancel -Q "$id"
	eventually 10 status_is "$id" cancelled
	prints 'cancelled|9' job "$id" "outcome || '|' || signal"
}

@test "time, memory and CPU of an attempt are recorded" {
	local id
	id=$(submit_sh 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done')
	sh_worker --drain
	prints t job "$id" 'cpu_s > 0 AND max_rss_bytes > 100000 AND completed_at >= started_at'
}

@test "the args are standard input, as JSON" {
	local id
	id=$(submit k '{"b": [1, 2.50, null], "a": "ü\n\"\u0001"}')
	jobctl-worker -q "$Q" --drain -- cat
	output "$id" 1 >"$D/out"
	printf '%s\n' '{"a": "ü\n\"\u0001", "b": [1, 2.50, null]}' >"$D/want"
	cmp "$D/out" "$D/want"
}

@test "large args need not be read" {
	local id
	id=$(sql "SELECT jobctl.submit('k', jsonb_build_object('x', repeat('x', 900000)), '$Q')")
	jobctl-worker -q "$Q" --drain -- true
	status_is "$id" completed
	id=$(sql "SELECT jobctl.submit('k', jsonb_build_object('x', repeat('x', 900000)), '$Q')")
	jobctl-worker -q "$Q" --drain -- wc -c
	[ "$(output "$id" 1)" = 900010 ]
}

@test "{name} is replaced, and a value is one word whatever it holds" {
	local id value
	value=$'a b\t\n$(id) `id` "quoted" \'single\' ; & | > < * ? ~ # \\ {name} é \u202e -rf'
	id=$(submit k "$(jq -cn --arg v "$value" '{v: $v, dash: "-n", empty: "", n: 1, o: {"x": [1, "}"]}}')")
	jobctl-worker -q "$Q" --drain -- printf '<%s>\0' '{v}' 'x{v}{empty}y' '{dash}' '{empty}' '{n}' '{o}' '{}' '{ v }'
	output "$id" 1 >"$D/out"
	printf '<%s>\0' "$value" "x${value}y" -n '' 1 '{"x": [1, "}"]}' '{}' '{ v }' >"$D/want"
	cmp "$D/out" "$D/want"
}

@test "numbers reach the command with all their digits" {
	local id
	id=$(submit k '{"a": 0.1, "b": 123456789012345678901234567890, "c": 1.10}')
	jobctl-worker -q "$Q" --drain -- echo '{a} {b} {c}'
	[ "$(output "$id" 1)" = '0.1 123456789012345678901234567890 1.10' ]
}

@test "args that lack a {name} fail the job for good" {
	local id
	id=$(submit k '{"other": 1}')
	jobctl-worker -q "$Q" --drain -- echo '{to}'
	prints 'failed|permanent|1' job "$id" "status || '|' || outcome || '|' || attempt"
	[[ "$(job "$id" error_message)" == *'{to}'* ]]
}

@test "an argument that is too long fails the job for good" {
	local id
	id=$(sql "SELECT jobctl.submit('k', jsonb_build_object('x', repeat('x', 200000)), '$Q')")
	jobctl-worker -q "$Q" --drain -- true '{x}'
	prints 'failed|permanent' job "$id" "status || '|' || outcome"
	[[ "$(job "$id" error_message)" == *'Argument list too long' ]]
}

@test "the environment says what the job is" {
	local id
	id=$(submit k '{}' "timeout => '1 hour'" 'max_attempts => 7' "project => 'default'")
	JOBCTL_JOB_ID=old JOBCTL_SOMETHING=else PLAIN=kept jobctl-worker -q "$Q" --drain -- env
	output "$id" 1 >"$D/env"
	grep -qxF "JOBCTL_JOB_ID=$id" "$D/env"
	grep -qxF "JOBCTL_QUEUE=$Q" "$D/env"
	grep -qxF JOBCTL_KIND=k "$D/env"
	grep -qxF JOBCTL_PROJECT=default "$D/env"
	grep -qxF JOBCTL_ATTEMPT=1 "$D/env"
	grep -qxF JOBCTL_MAX_ATTEMPTS=7 "$D/env"
	grep -qxF JOBCTL_CONTROL_FD=3 "$D/env"
	grep -qxF "JOBCTL_DATABASE=$JOBCTL_DATABASE" "$D/env"
	grep -qxF PLAIN=kept "$D/env"
	grep -qxE 'JOBCTL_DEADLINE=20[0-9-]{8}T[0-9:]{8}\.?[0-9]*Z' "$D/env"
	grep -qxE 'JOBCTL_TOKEN=[0-9a-f-]{36}' "$D/env"
	run ! grep -E '^JOBCTL_(SOMETHING|CHECKPOINT)=' "$D/env"
	[ "$(cut -d= -f1 "$D/env" | sort | uniq -d)" = "" ]
}

@test "a job does not see the worker's password or what is systemd's" {
	local id
	id=$(submit k)
	PGPASSWORD=secret NOTIFY_SOCKET=/x WATCHDOG_USEC=99000000 LISTEN_FDS=1 LISTEN_PID=1 CREDENTIALS_DIRECTORY=/x \
		JOURNAL_STREAM=1:1 INVOCATION_ID=x jobctl-worker -q "$Q" --drain -- env
	output "$id" 1 >"$D/env"
	run ! grep -E '^(PGPASSWORD|NOTIFY_|WATCHDOG_|LISTEN_|CREDENTIALS_|JOURNAL_|INVOCATION_)' "$D/env"
	grep -q ^PATH= "$D/env"
}

@test "with -d a job's programs find the same database" {
	local id
	id=$(submit k)
	local here=$JOBCTL_DATABASE
	JOBCTL_DATABASE=host=/nonexistent jobctl-worker -d "$here" -q "$Q" --drain -- env
	output "$id" 1 >"$D/env"
	[ "$(grep ^JOBCTL_DATABASE= "$D/env")" = "JOBCTL_DATABASE=$JOBCTL_DATABASE" ]
}

@test "a process starts clean, however the worker was started" {
	local id
	id=$(submit_sh 'cat /proc/self/status | grep -E "^Sig(Blk|Ign|Cgt)"; (ls -l /proc/$$/fd >'"$D"'/fds); sed "s/.* \([0-9]* ->\)/\1/;s/:.*//" '"$D"'/fds; ulimit -n; cut -d" " -f1,5,6 /proc/$$/stat')
	(
		exec 7</dev/null 9>/dev/null
		ulimit -Sn 300
		env --ignore-signal=HUP --ignore-signal=INT --ignore-signal=QUIT --ignore-signal=CHLD \
			--ignore-signal=PIPE --block-signal=USR1 --block-signal=TERM \
			jobctl-worker -q "$Q" -j 100 --drain -- sh -c '{sh}'
	)
	output "$id" 1 >"$D/out"
	cat "$D/out"
	[ "$(grep -c '0000000000000000$' "$D/out")" = 3 ]
	[ "$(grep -c -- '->' "$D/out")" = 4 ]
	grep -qF '0 -> /memfd' "$D/out"
	[ "$(grep -cE '^[123] -> pipe$' "$D/out")" = 3 ]
	grep -qx 300 "$D/out"
	# shellcheck disable=SC2046 # fields
	set -- $(tail -n 1 "$D/out")
	[ "$1" = "$2" ]
	[ "$1" = "$3" ]
}

@test "a worker without standard descriptors works" {
	local id
	id=$(submit_sh 'cat >/dev/null; echo out; echo err >&2')
	jobctl-worker -q "$Q" --drain -- sh -c '{sh}' <&- >&- 2>&- 3>&-
	[ "$(output "$id" 1)" = out ]
	[ "$(output "$id" 2)" = err ]
}

@test "progress, message, stats and result are kept" {
	local id
	id=$(submit_sh 'cat >&3 <<END
{"progress":[1,10],"message":"first"}
{"stats":{"files":1,"bytes":0.1}}

{"progress":[10,10],"stats":{"files":2,"x":"y"},"unknown":true}
{"message":"last \u001b[31m", "result":{"big":123456789012345678901234567890,"f":0.10}}
END')
	sh_worker --drain
	prints '10/10' job "$id" "progress_done || '/' || progress_total"
	prints 'last \033[31m' job "$id" "replace(message, E'\\033', '\\033')"
	prints '{"x": "y", "bytes": 0.1, "files": 2}' job "$id" stats
	prints '{"f": 0.10, "big": 123456789012345678901234567890}' job "$id" result
}

@test "a running job's progress and output can be seen" {
	local id
	id=$(submit_sh "echo '{\"progress\":[3,7],\"message\":\"three\"}' >&3; echo so far; $(wait_for go)")
	start_sh_worker
	eventually 10 prints '3/7 three' job "$id" "progress_done || '/' || progress_total || ' ' || message"
	eventually 10 prints 'so far' output "$id" 1
	status_is "$id" running
	touch "$D/go"
	eventually 10 status_is "$id" completed
}

@test "lines that are not understood change nothing, and are said once" {
	local id
	id=$(submit_sh '
		good="{\"progress\":[1,2],\"stats\":{\"n\":1}}"
		echo "$good" >&3
		printf "\377\376{\"message\":\"no\"}\n" >&3
		printf "{\"message\":\"nul\000\"}\n\000\n" >&3
		echo "{\"message\":" >&3
		echo "[1]" >&3; echo "null" >&3; echo "{} x" >&3
		echo "{\"progress\":[-1,5]}" >&3
		echo "{\"progress\":[5]}" >&3
		echo "{\"progress\":[\"5\",6]}" >&3
		echo "{\"progress\":5}" >&3
		echo "{\"progress\":[1e400,6]}" >&3
		echo "{\"message\":7}" >&3
		echo "{\"message\":\"\\u0000\"}" >&3
		echo "{\"stats\":[1]}" >&3
		echo "{\"message\":\"half\",\"stats\":[1]}" >&3
		echo "{\"stats\":{\"n\":2},\"progress\":[9,\"x\"]}" >&3
		head -c 100000 /dev/zero | tr "\000" "[" >&3; echo >&3
		{ printf "{\"message\":\""; head -c 70000 /dev/zero | tr "\000" x; echo "\"}"; } >&3
		{ printf "{\"result\":"; head -c 3000 /dev/zero | tr "\000" "["; head -c 3000 /dev/zero | tr "\000" "]"; echo "}"; } >&3')
	run -0 --separate-stderr sh_worker --drain
	prints '1/2|none|{"n": 1}|none' job "$id" \
		"progress_done || '/' || progress_total || '|' || coalesce(message, 'none') || '|' || stats || '|' || coalesce(result::text, 'none')"
	echo "$stderr"
	[ "$(grep -c 'is not understood' <<<"$stderr")" = 1 ]
	[[ "$stderr" == *'lines=20'* ]]
	[ "$(wc -l <<<"$stderr")" = 2 ]
}

@test "what is understood comes through between what is not, and without a last newline" {
	local id
	id=$(submit_sh 'yes garbage | head -n 20000 >&3; echo "{\"message\":\"one\"}" >&3
		yes garbage | head -n 20000 >&3; printf "{\"result\":7}" >&3')
	run -0 sh_worker --drain -Q
	[ "$output" = "" ]
	prints 'one 7' job "$id" "message || ' ' || result"
}

@test "a total that is not known, a count with a fraction" {
	local id
	id=$(submit_sh 'echo "{\"progress\":[3.0,null]}" >&3')
	sh_worker --drain
	prints '3|none' job "$id" "progress_done || '|' || coalesce(progress_total::text, 'none')"
}

@test "too large a checkpoint is not kept, and holds up nothing" {
	local id
	id=$(submit_sh '{ printf "{\"progress\":[1,2],\"checkpoint\":["; yes 1, | head -n 15000 | tr -d "\n"; echo "1]}"; } >&3')
	run -0 sh_worker --drain
	prints '1/2' job "$id" "progress_done || '/' || progress_total"
	status_is "$id" completed
}

@test "an attempt gets the checkpoint of the one before it" {
	local id
	id=$(submit_sh "
		echo \"\$JOBCTL_ATTEMPT:\$JOBCTL_CHECKPOINT\" >>$D/log
		echo '{\"checkpoint\":{\"line\":\"'\$JOBCTL_ATTEMPT'\"}}' >&3
		[ \$JOBCTL_ATTEMPT = 3 ]" "backoff => 'constant:10ms'")
	sh_worker --max-jobs 3
	status_is "$id" completed
	[ "$(cat "$D/log")" = $'1:\n2:{"line": "1"}\n3:{"line": "2"}' ]
}

@test "output is kept with its stream and its order, whatever bytes it has" {
	local id
	id=$(submit_sh 'head -c 3000 /dev/urandom | tee '"$D"'/sent; printf "\000\377\n" >&2')
	sh_worker --drain
	output "$id" 1 >"$D/out"
	cmp "$D/sent" "$D/out"
	[ "$(output "$id" 2 | od -An -tx1)" = ' 00 ff 0a' ]
}

@test "of much output the beginning and the end are kept" {
	local id total
	id=$(submit_sh 'seq 1 9000000; echo done >&2')
	sh_worker --drain
	status_is "$id" completed
	total=$(seq 1 9000000 | wc -c)
	prints "$total" sql "SELECT sum(length(data) + dropped) FROM jobctl.job_output WHERE job_id = '$id' AND stream = 1"
	prints t sql "SELECT sum(length(data)) < 400000 FROM jobctl.job_output WHERE job_id = '$id'"
	output "$id" 1 >"$D/out"
	[ "$(head -n 2 "$D/out")" = $'1\n2' ]
	[ "$(tail -n 1 "$D/out")" = 9000000 ]
	[ "$(output "$id" 2)" = 'done' ]
}

@test "error_message is the last line of stderr, fit to be stored" {
	local id
	id=$(submit_sh 'printf "first\nlast \377\000\033[1m \n\n" >&2; exit 1' 'max_attempts => 1')
	sh_worker --drain
	prints $'last \ufffd[1m ' job "$id" error_message
	id=$(submit_sh 'exit 9' 'max_attempts => 1')
	sh_worker --drain
	prints 'exited with status 9' job "$id" error_message
}

@test "a job may close all its descriptors" {
	local id
	id=$(submit_sh "exec <&- >&- 2>&- 3>&-; $(wait_for go) exit 4" 'max_attempts => 1')
	start_sh_worker
	eventually 10 status_is "$id" running
	touch "$D/go"
	eventually 10 status_is "$id" failed
	prints 4 job "$id" exit_code
}

@test "what a job leaves behind in its group dies with it" {
	local id pid
	id=$(submit_sh 'sleep 1000 & echo $!')
	sh_worker --drain
	status_is "$id" completed
	pid=$(output "$id" 1)
	eventually 10 gone_or_zombie "$pid"
}

@test "a daemon that holds the pipes does not hold the job" {
	local id pid
	id=$(submit_sh 'setsid sh -c "while :; do echo noise; echo x >&3; sleep 0.01; done" & echo $!; exit 6' 'max_attempts => 1')
	run -0 sh_worker --drain -Q
	prints 'failed|6' job "$id" "status || '|' || exit_code"
	pid=$(output "$id" 1 | grep -o '^[0-9]*' | head -n 1)
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(family "$pid") 2>/dev/null || true
}

@test "-j runs so many at once, and no more" {
	for _ in 1 2 3 4 5 6 7 8; do
		submit_sh "mkdir $D/run.\$\$; ls -d $D/run.* | wc -l >>$D/seen; $(wait_for go) rmdir $D/run.\$\$" >/dev/null
	done
	start_sh_worker -j 4 --drain
	eventually 10 prints 4 sql "SELECT count(*) FROM jobctl.jobs j WHERE j.queue = '$Q' AND status = 'running'"
	four_run() { [ "$(find "$D" -name 'run.*' | wc -l)" = 4 ]; }
	eventually 10 four_run
	# who has not counted yet would count those that come after
	counted() { [ "$(wc -l <"$D/seen")" = 4 ]; }
	eventually 10 counted
	touch "$D/go"
	eventually 10 gone_or_zombie "$WORKER_PID"
	[ "$(sort -n "$D/seen" | tail -n 1)" = 4 ]
	[ "$(wc -l <"$D/seen")" = 8 ]
}

@test "-j 1000 raises the limit of open files by itself" {
	sql "SELECT count(jobctl.submit('k', queue => '$Q')) FROM generate_series(1, 1200)"
	(ulimit -Sn 100; jobctl-worker -q "$Q" -j 1000 --drain -- true)
	prints '1200|ok' sql "SELECT count(*) || '|' || max(outcome) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
}

@test "jobs are taken and written in batches" {
	local began ms
	sql "SELECT count(jobctl.submit('k', queue => '$Q')) FROM generate_series(1, 1000)"
	began=${EPOCHREALTIME/./}
	jobctl-worker -q "$Q" -j 2 --drain -- true
	ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	echo "$ms ms"
	sql "SELECT count(DISTINCT token), count(DISTINCT completed_at), count(*) FROM jobctl.finished_jobs WHERE queue = '$Q'"
	# the slower the jobs the fewer are in a batch
	prints t sql "SELECT count(*) = 1000 AND count(DISTINCT token) < 100 + $ms / 80
			AND count(DISTINCT completed_at) < 300 + $ms / 50
		FROM jobctl.finished_jobs WHERE queue = '$Q'"
}

@test "eight workers run each of many jobs once" {
	sql "SELECT count(jobctl.submit('k', jsonb_build_object('n', n), '$Q')) FROM generate_series(1, 800) n"
	for _ in 1 2 3 4 5 6 7 8; do
		start_worker -q "$Q" -j 2 --drain -- sh -c "echo \$1 >>$D/log" sh '{n}'
	done
	drained() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" = 800 ]; }
	eventually 60 drained
	[ "$(sort -n "$D/log" | uniq | wc -l)" = 800 ]
	[ "$(wc -l <"$D/log")" = 800 ]
	prints 1 sql "SELECT max(attempt) FROM jobctl.job WHERE queue = '$Q'"
}

@test "a queue's limit holds across workers, and does not slow it down" {
	sql "SELECT jobctl.limit_queue('$Q', 2)"
	for _ in $(seq 30); do
		submit_sh "mkdir $D/run.\$\$; ls -d $D/run.* | wc -l >>$D/seen; sleep 0.01; rmdir $D/run.\$\$" >/dev/null
	done
	start_sh_worker -j 4 --poll 1h
	start_sh_worker -j 4 --poll 1h
	all_done() { [ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" = 30 ]; }
	eventually 20 all_done
	[ "$(sort -n "$D/seen" | tail -n 1)" -le 2 ]
}

@test "a paused queue is left alone until it is resumed" {
	local id
	sql "SELECT jobctl.pause_queue('$Q', 'test')"
	id=$(submit k)
	jobctl-worker -q "$Q" --drain -- true
	status_is "$id" pending
	start_worker -q "$Q" --poll 1h -- true
	idle() { [ "$(sql "SELECT idle FROM jobctl.workers WHERE '$Q' = ANY (queues)")" = t ]; }
	eventually 10 idle
	sql "SELECT jobctl.resume_queue('$Q')"
	eventually 10 status_is "$id" completed
}

@test "an idle worker is woken by a submit, and by a scheduled job's time" {
	local id
	start_worker -q "$Q" --poll 1h -- true
	idle() { [ "$(sql "SELECT idle FROM jobctl.workers WHERE '$Q' = ANY (queues)")" = t ]; }
	eventually 10 idle
	id=$(submit k)
	eventually 10 status_is "$id" completed
	id=$(submit k '{}' "run_in => '500 ms'")
	start_worker -q "$Q" --poll 1h -- true
	eventually 10 status_is "$id" completed
	prints t sql "SELECT started_at - created_at >= '500 ms' FROM jobctl.finished_jobs WHERE id = '$id'"
}

@test "an idle worker learns of what is scheduled after it went idle, and when that changes" {
	local far near
	start_worker -q "$Q" --poll 1h -- true
	idle() { [ "$(sql "SELECT idle FROM jobctl.workers WHERE '$Q' = ANY (queues)")" = t ]; }
	eventually 10 idle
	far=$(submit k '{}' "run_in => '2 s'")
	near=$(submit k '{}' "run_in => '500 ms'")
	eventually 10 status_is "$near" completed
	eventually 10 status_is "$far" completed
	near=$(submit k '{}' "run_in => '1 ms'")	# due by the time it is looked for
	eventually 10 status_is "$near" completed
}

@test "higher priority first, then the older; queues in the order given" {
	local id
	QUEUE=$Q-b submit_sh "echo b >>$D/log" >/dev/null
	submit_sh "echo low >>$D/log" >/dev/null
	submit_sh "echo high1 >>$D/log" 'priority => 5' >/dev/null
	submit_sh "echo high2 >>$D/log" 'priority => 5' >/dev/null
	jobctl-worker -q "$Q,$Q-b" --drain -- sh -c '{sh}'
	[ "$(xargs <"$D/log")" = 'high1 high2 low b' ]
}

@test "only the kinds asked for are taken" {
	local a b c
	a=$(submit alpha)
	b=$(submit beta)
	c=$(submit gamma)
	jobctl-worker -q "$Q" --kinds alpha,gamma --drain -- true
	status_is "$a" completed
	status_is "$b" pending
	status_is "$c" completed
}

@test "--all-queues takes every queue, and without -q it is the default one" {
	local a b
	a=$(QUEUE=other-$Q submit everywhere)
	b=$(QUEUE=default submit everywhere)
	jobctl-worker --kinds everywhere --drain -- true
	status_is "$a" pending
	status_is "$b" completed
	jobctl-worker --all-queues --kinds everywhere --drain -- true
	status_is "$a" completed
}

@test "a job that fails by itself is not the worker's failure" {
	submit_sh 'exit 1' >/dev/null
	run -0 --separate-stderr sh_worker --drain
	[ "$stderr" = "" ]
	[ "$output" = "" ]
}

@test "a command that does not exist is found out before any job is taken" {
	local id
	id=$(submit k)
	run -66 --separate-stderr jobctl-worker -q "$Q" --drain -- no-such-command-anywhere
	[ "$stderr" = 'jobctl-worker: cannot run no-such-command-anywhere: No such file or directory' ]
	run -66 jobctl-worker -q "$Q" --drain -- "$D"
	run -66 jobctl-worker -q "$Q" --drain -- /dev/null
	status_is "$id" pending
	prints 0 job "$id" attempt
}

@test "a command that disappears fails its jobs as not found" {
	local id
	printf '#!/bin/sh\nrm -- "$0"\n' >"$D/once"
	chmod +x "$D/once"
	submit k >/dev/null
	id=$(submit k '{}' 'max_attempts => 1')
	jobctl-worker -q "$Q" --drain -- "$D/once"
	prints 'failed|not_found|127' job "$id" "status || '|' || outcome || '|' || exit_code"
}

@test "mistakes on the command line are said, with status 64" {
	local line
	while read -r line; do
		echo "$line"
		eval "run -64 --separate-stderr jobctl-worker $line"
		[ "$output" = "" ]
		[ "$(wc -l <<<"$stderr")" = 2 ]
		[[ "$stderr" == *"try 'jobctl-worker --help'"* ]]
	done <<-'END'
		--drain
		true
		-- ''
		--exec -- true
		--exec --handlers /
		--handlers / -- true
		-- '{cmd}'
		-- '/opt/{tool}/run'
		-j 0 -- true
		-j 1001 -- true
		-q '' -- true
		-q 'a,,b' -- true
		-q 'a b' -- true
		-q a --all-queues -- true
		--kinds 'x y' -- true
		--kinds x --handlers /
		--allow x -- true
		--env X -- true
		--permanent 0 -- true
		--permanent '' -- true
		--permanent none,3 -- true
		--permanent 65, -- true
		--permanent x -- true
		--stop-after 3 -- true
		--stop-after fail= -- true
		--stop-after fail=0 -- true
		--stop-after fail=101% -- true
		--stop-after fail=% -- true
		--lease 1ms -- true
		--max-time 10 -- true
	END
}

@test "a job that the kernel kills for want of memory says so" {
	local id other group dir limit
	dir=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
	[ -d "$dir" ] || dir=/sys/fs/cgroup limit=memory.max
	group=$dir/jobctl-test-$$
	mkdir "$group" 2>/dev/null || skip 'no control group can be made'
	[ -w "$group/$limit" ] || { rmdir "$group"; skip 'memory is not counted by group'; }
	echo 100M >"$group/$limit"
	id=$(submit_sh 'echo big >&2; exec tail /dev/zero' 'max_attempts => 1')
	other=$(submit_sh 'kill -KILL $$' 'max_attempts => 1')
	run -0 sh -c 'echo $$ >"$1/cgroup.procs"; exec jobctl-worker -q "$2" --drain -- sh -c "{sh}"' sh "$group" "$Q" 3>&-
	rmdir "$group"
	prints 'killed by signal 9 (KILL), out of memory: big' job "$id" error_message
	prints 'signal|9' job "$id" "outcome || '|' || signal"
	prints 'killed by signal 9 (KILL)' job "$other" error_message
}
