#!/usr/bin/env bats
# jobctl-logs: what a job wrote, byte for byte, while it writes and afterwards

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	worker w1 host1 101
}

# A job that runs; ID is its id.
running() {	# [SQL-ARGUMENT...]
	ID=$(submit k "queue => 'q'" "$@")
	claim q one
}

@test "both streams, in the order in which they were captured, byte for byte" {
	running
	wrote "$ID" 1 1 'one\n'
	wrote "$ID" 2 2 'two \377\000\033[31m\n'
	wrote "$ID" 3 1 'three, no newline'
	jobctl-logs "$ID" >"$BATS_TEST_TMPDIR/got" 2>"$BATS_TEST_TMPDIR/err"
	printf 'one\ntwo \377\000\033[31m\nthree, no newline' | cmp - "$BATS_TEST_TMPDIR/got"
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
	finish "$ID" ok 0
	jobctl-logs "${ID:0:23}" | cmp - "$BATS_TEST_TMPDIR/got"
}

@test "--stdout and --stderr show one stream, together both" {
	running
	wrote "$ID" 1 1 'out1\n'
	wrote "$ID" 2 2 'err1\n'
	wrote "$ID" 3 1 'out2\n'
	[ "$(jobctl-logs --stdout "$ID")" = "out1
out2" ]
	[ "$(jobctl-logs --stderr "$ID")" = err1 ]
	[ "$(jobctl-logs --stderr --stdout "$ID")" = "out1
err1
out2" ]
}

@test "a job that wrote nothing, and one that has not run: nothing, exit 0" {
	running
	run -0 --separate-stderr jobctl-logs "$ID"
	[ -z "$output$stderr" ]
	run -0 --separate-stderr jobctl-logs "$(submit k)"
	[ -z "$output" ]
	[[ "$stderr" == *"has not run yet"* ]]
}

@test "more pieces than are read at once" {
	local n

	running
	sql "SELECT jobctl.append_output('$SIM_WORKER', array_agg('$ID'::uuid), array_agg('$SIM_TOKEN'::uuid),
		array_agg(n), array_agg(1), array_agg(0::bigint),
		array_agg(convert_to(repeat(n || ' ', 4000) || E'\\n', 'UTF8')))
		FROM generate_series(1, 100) n" >/dev/null
	jobctl-logs "$ID" >"$BATS_TEST_TMPDIR/got"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/got")" = 100 ]
	diff <(cut -d' ' -f1 "$BATS_TEST_TMPDIR/got") <(seq 100)
	[ "$(jobctl-logs -n 37 "$ID" | cut -d' ' -f1 | head -1)" = 64 ]
}

@test "-n: the last lines, across pieces and streams, whole" {
	running
	wrote "$ID" 1 1 'a\nb\nc\nd'
	wrote "$ID" 2 1 'D\ne\n'
	wrote "$ID" 3 2 'x\ny\n'
	wrote "$ID" 4 1 'f\n'
	tail_is() {	# N TEXT [OPTION]
		[ "$(jobctl-logs -n "$1" ${3:+"$3"} "$ID" && echo .)" = "$(printf %b. "$2")" ]
	}
	tail_is 0 ''
	tail_is 1 'f\n'
	tail_is 3 'x\ny\nf\n'
	tail_is 5 'dD\ne\nx\ny\nf\n'
	tail_is 8 'a\nb\nc\ndD\ne\nx\ny\nf\n'
	tail_is 100 'a\nb\nc\ndD\ne\nx\ny\nf\n'
	tail_is 3 'dD\ne\nf\n' --stdout
	tail_is 1 'y\n' --stderr
	wrote "$ID" 5 1 'unfinished'
	tail_is 1 'unfinished'
	tail_is 2 'f\nunfinished'
}

@test "what was dropped is marked, on a line of its own" {
	running
	wrote "$ID" 1 1 'begin'
	wrote "$ID" 2 1 'end\n' 123456
	[ "$(jobctl-logs "$ID")" = "begin
[... 123456 bytes dropped ...]
end" ]
	[ "$(jobctl-logs --json "$ID" | jq -c '[.n, .dropped, .text]')" = '[1,0,"begin"]
[2,123456,"end\n"]' ]
}

@test "--timestamps: before each line, not in the middle of one" {
	running
	wrote "$ID" 1 1 'one\ntw'
	wrote "$ID" 2 1 'o\nthree'
	run -0 jobctl-logs --timestamps "$ID"
	[[ "${lines[0]}" =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z\ one$ ]]
	[[ "${lines[1]}" =~ ^20[0-9T:.-]+Z\ two$ ]]
	[[ "${lines[2]}" =~ ^20[0-9T:.-]+Z\ three$ ]]
	[ "${#lines[@]}" = 3 ]
	[ "$(jobctl-logs --timestamps=absolute "$ID")" = "$output" ]
	run -64 jobctl-logs --timestamps=never "$ID"
}

@test "--timestamps=relative: how long after its run began" {
	running "backoff => 'constant:0s'"
	wrote "$ID" 1 1 'one\ntw'
	wrote "$ID" 2 1 'o\n'
	wrote "$ID" 3 2 'three\n' 5
	sql "UPDATE jobctl.jobs SET started_at = created_at;
		UPDATE jobctl.job_output o SET at = j.created_at + CASE n WHEN 3 THEN interval '125 s' ELSE '2.1 s' END FROM jobctl.jobs j"
	[ "$(jobctl-logs --timestamps=relative "$ID")" = "   +2.1s one
   +2.1s two
  +2m05s [... 5 bytes dropped ...]
  +2m05s three" ]
	finish "$ID" exit 1 >/dev/null
	claim q two
	wrote "$ID" 1 1 'again\n'
	[[ "$(jobctl-logs --timestamps=relative "$ID")" =~ ^' '+'+'[0-9.]+'s again'$ ]]
}

@test "--json: pieces with their stream, as valid UTF-8" {
	running
	wrote "$ID" 1 1 'h\303'
	wrote "$ID" 2 2 'bad \377\000\n'
	wrote "$ID" 3 1 '\251\n'
	run -0 jobctl-logs --json "$ID"
	[ "$(jq -c '[.v, .id, .attempt, .n, .stream, .dropped, .text]' <<<"${lines[0]}")" = "[1,\"$ID\",1,1,\"stdout\",0,\"h\"]" ]
	[ "$(jq -r .stream <<<"${lines[1]}")" = stderr ]
	[ "$(jq -c .text <<<"${lines[1]}")" = '"bad �\u0000\n"' ]
	[ "$(jq -r .text <<<"${lines[2]}")" = "é" ]
	[[ "$(jq -r .at <<<"${lines[2]}")" == 20*Z ]]
}

@test "on a terminal control characters are shown, and characters survive their cut" {
	running
	wrote "$ID" 1 1 'tab\there \033]0;owned\007 h\303'
	wrote "$ID" 2 1 '\251 \342\202'
	wrote "$ID" 3 1 '\254 \377 \342\200\256\n\303'
	run -0 script -qec "jobctl-logs $ID" /dev/null
	[ "${output//$'\r'/}" = 'tab	here \x1b]0;owned\x07 hé € \xff \u202e
\xc3' ]
}

@test "the last run without --attempt, any with it" {
	running "backoff => 'constant:0s'"
	wrote "$ID" 1 1 'first\n'
	finish "$ID" exit 1 >/dev/null
	claim q two
	wrote "$ID" 1 1 'second\n'
	[ "$(jobctl-logs "$ID")" = second ]
	[ "$(jobctl-logs --attempt 1 "$ID")" = first ]
	[ "$(jobctl-logs --attempt 2 "$ID")" = second ]
	finish "$ID" exit 1 >/dev/null
	[ "$(jobctl-logs "$ID")" = second ]
	run -66 jobctl-logs --attempt 3 "$ID"
	[ "$output" = "jobctl-logs: job $ID has no attempt 3" ]
}

@test "an attempt that was given back and taken again: the later run" {
	running
	wrote "$ID" 1 1 'interrupted\n'
	sql "SELECT jobctl.give_back('$SIM_WORKER', '{$ID}', '{$SIM_TOKEN}', 'worker stopped')" >/dev/null
	claim q two
	wrote "$ID" 1 1 'again\n'
	[ "$(jobctl-logs --attempt 1 "$ID")" = again ]
}

@test "-f shows what is written, when it is written, and ends with the job" {
	running
	wrote "$ID" 1 1 'one\n'
	start jobctl-logs -Qf "$ID"
	eventually 10 prints one cat "$STARTED_LOG"
	wrote "$ID" 2 2 'two'
	eventually 10 prints 'one
two' cat "$STARTED_LOG"
	run ! gone_or_zombie "$STARTED_PID"
	wrote "$ID" 3 1 '\n'
	finish "$ID" ok 0
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = 'one
two' ]
}

@test "-f of a job that has not run waits for it" {
	ID=$(submit k "queue => 'q'" "max_attempts => 1")
	start jobctl-logs -f "$ID"
	eventually 10 session_of "$STARTED_PID"
	claim q one
	wrote "$ID" 1 1 'here\n'
	eventually 10 prints here cat "$STARTED_LOG"
	finish "$ID" exit 3 >/dev/null
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = "here
jobctl-logs: the job has failed" ]
}

session_of() {	# PID: it has a session
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%:$1'")" = 1 ]
}

@test "-f goes on with the next attempt and says so" {
	running "backoff => 'constant:0s'" "max_attempts => 2"
	wrote "$ID" 1 1 'first\n'
	start jobctl-logs -f "$ID"
	eventually 10 prints first cat "$STARTED_LOG"
	finish "$ID" exit 1 >/dev/null
	claim q two
	wrote "$ID" 1 1 'second\n'
	finish "$ID" exit 1 >/dev/null
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = "first
jobctl-logs: attempt 2 begins
second
jobctl-logs: the job has failed" ]
}

@test "-f misses no run, however fast they follow each other" {
	local n

	running "backoff => 'constant:0s'" "max_attempts => 5"
	wrote "$ID" 1 1 'run 1\n'
	for n in 2 3 4 5; do
		finish "$ID" exit 1 >/dev/null
		claim q "token $n"
		wrote "$ID" 1 1 "run $n\\n"
	done
	finish "$ID" exit 1 >/dev/null
	run -0 --separate-stderr jobctl-logs -f --attempt 1 "$ID"
	[ "$output" = "$(printf 'run %d\n' 1 2 3 4 5)" ]
}

@test "-f of a job that has ended shows it and ends" {
	running
	wrote "$ID" 1 1 'done\n'
	finish "$ID" ok 0 >/dev/null
	run -0 timeout 20 jobctl-logs -Qf "$ID"
	[ "$output" = 'done' ]
	sql "SELECT jobctl.cancel(ARRAY[jobctl.submit('k', id => '0199c0de-7a31-7000-8000-000000000001')])" >/dev/null
	run -0 timeout 20 jobctl-logs -f 0199c0de-7a31
	[ "$output" = "jobctl-logs: the job was cancelled" ]
}

@test "-f -n: the last lines, then what follows" {
	running
	wrote "$ID" 1 1 'one\ntwo\nthree\n'
	start jobctl-logs -Qf -n 1 "$ID"
	eventually 10 prints three cat "$STARTED_LOG"
	wrote "$ID" 2 1 'four\n'
	finish "$ID" ok 0
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = 'three
four' ]
}

@test "-f --exit-status: the job's own; 124, 126, 127, 128+N by convention" {
	local outcome code signal want

	while read -r outcome code signal want; do
		running "max_attempts => 1"
		finish "$ID" "$outcome" "$code" '' '' "$signal" >/dev/null
		run -"$want" jobctl-logs -Qf --exit-status "$ID"
	done <<-END
		ok 0 NULL 0
		exit 3 NULL 3
		permanent 65 NULL 65
		signal NULL 9 137
		timeout NULL 15 124
		not_executable NULL NULL 126
		not_found NULL NULL 127
		cancelled NULL NULL 1
	END
	run -64 jobctl-logs --exit-status "$ID"
}

@test "-f goes on over a lost connection and shows nothing twice" {
	local pid

	running
	wrote "$ID" 1 1 'one\n'
	start jobctl-logs -Qf "$ID"
	eventually 10 prints one cat "$STARTED_LOG"
	pid=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%:$STARTED_PID'")
	sql "SELECT pg_terminate_backend($pid)" >/dev/null
	wrote "$ID" 2 1 'two\n'
	eventually 10 prints 'one
two' cat "$STARTED_LOG"
	finish "$ID" ok 0
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cat "$STARTED_LOG")" = 'one
two' ]
}

@test "-f ends when its reader goes away, even if the job stays silent" {
	running
	wrote "$ID" 1 1 'one\n'
	run -0 timeout 20 bash -c "jobctl-logs -f $ID | head -1"
	[ "$output" = one ]
}

@test "-f holds no transaction while it waits" {
	running
	wrote "$ID" 1 1 'one\n'
	start jobctl-logs -f "$ID"
	eventually 10 prints one cat "$STARTED_LOG"
	[ "$(sql "SELECT state FROM pg_stat_activity WHERE application_name LIKE '%:$STARTED_PID'")" != 'idle in transaction' ]
}

@test "a full disk is an error" {
	running
	wrote "$ID" 1 1 'one\n'
	run -74 bash -c "jobctl-logs $ID >/dev/full"
	finish "$ID" ok 0
	run -74 bash -c "jobctl-logs -f $ID >/dev/full"
}

@test "unknown, ambiguous and hidden jobs" {
	role_login logs_ann jobctl_reader
	running
	run -66 jobctl-logs 00000000-0000-7000-8000-000000000000
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('logs', 'jobctl') ON CONFLICT DO NOTHING"
	ID=$(submit k "queue => 'q'" "project => 'logs'")
	claim q two
	wrote "$ID" 1 1 'secret\n'
	run -66 as_role logs_ann jobctl-logs "$ID"
	[ "$output" = "jobctl-logs: no such job: $ID" ]
	[ "$(jobctl-logs "$ID")" = secret ]
}

@test "mistakes on the command line" {
	run -64 jobctl-logs
	run -64 jobctl-logs a b
	run -64 jobctl-logs abc
	run -64 jobctl-logs -n x 00000000-0000-7000-8000-000000000000
	run -64 jobctl-logs --attempt 0 00000000-0000-7000-8000-000000000000
	run -69 jobctl-logs -d 'host=/nowhere' 00000000-0000-7000-8000-000000000000
}
