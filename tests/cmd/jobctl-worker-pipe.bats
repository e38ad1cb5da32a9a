#!/usr/bin/env bats
# jobctl-worker --pipe: handlers that stay.

# shellcheck disable=SC2016	# the scripts are for the handler

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
}

pipe_worker() {	# ARG...: in the foreground; $D/end is sourced by a handler at the end of its input
	jobctl-worker -q "$Q" --pipe "$@" -- "$SUITE_ROOT/tests/pipe-handler" "$D/end"
}

start_pipe_worker() {	# ARG...
	start_worker -q "$Q" --pipe "$@" -- "$SUITE_ROOT/tests/pipe-handler" "$D/end"
}

outcomes() {	# of the jobs of $Q, in the order of their submission
	sql "SELECT string_agg(status || coalesce('/' || outcome, ''), ' ' ORDER BY created_at, id) FROM jobctl.job WHERE queue = '$Q'"
}

@test "one process gets the jobs, one after the other, and answers" {
	local i
	for i in 1 2 3; do
		submit_sh 'ok $$'
	done
	pipe_worker --drain
	prints 'completed/ok completed/ok completed/ok' outcomes
	prints '1|3' sql "SELECT count(DISTINCT result::text), count(*) FROM jobctl.job WHERE queue = '$Q' AND result IS NOT NULL"
	prints '0|t|t' sql "SELECT DISTINCT exit_code, max_rss_bytes IS NULL, cpu_s IS NULL FROM jobctl.job WHERE queue = '$Q'"
}

@test "a job is a line with all that there is to know" {
	local id
	id=$(submit_sh 'ok "$line"' "timeout => '1 h'" "max_attempts => 7")
	pipe_worker --drain
	prints "$id|default|$Q|sh|1|7|t|args,attempt,deadline,id,kind,max_attempts,project,queue,token" sql "
		SELECT concat_ws('|', result->>'id', result->>'project', result->>'queue', result->>'kind', result->>'attempt',
		       result->>'max_attempts', ((result->>'deadline')::timestamptz - now()) BETWEEN '50 min' AND '1 h',
		       (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(result) k))
		FROM jobctl.job WHERE id = '$id'"
	prints 'ok "$line"' job "$id" "result->'args'->>'sh'"
}

@test "args arrive as they are, whatever they hold" {
	local id args='{"sh":"ok \"$line\"","t":"\u0001\ttab\u2028 \ud83d\ude00 \\u0000 \"q\"","n":123456789012345678901234567890.5,"e":{},"a":[null,true]}'
	id=$(submit sh "$args")
	pipe_worker --drain
	prints t job "$id" "result->'args' = args"
}

@test "an answer that is not ok: again, or for good" {
	local again never other busy
	again=$(submit_sh 'no oops')
	never=$(submit_sh 'no "bad input" false')
	other=$(submit_sh 'say "{\"id\":\"$id\",\"ok\":false,\"error\":{\"code\":7},\"retry\":true}"' 'max_attempts => 1')
	busy=$(submit_sh 'no "not now" "\"later\""' 'max_attempts => 1')
	pipe_worker --drain --permanent none
	prints 'pending|0' job "$busy" "status || '|' || attempt"
	prints 1/tempfail runs "$busy"
	prints 'pending|1|oops' job "$again" "status || '|' || attempt || '|' || error_message"
	prints 1/exit runs "$again"
	prints 'failed|permanent|65|bad input' job "$never" "status || '|' || outcome || '|' || exit_code || '|' || error_message"
	prints 'failed|exit|1|{"code":7}' job "$other" "status || '|' || outcome || '|' || exit_code || '|' || error_message"
}

@test "an answer that does not say what went wrong" {
	local id
	id=$(submit_sh 'say "{\"id\":\"$id\",\"ok\":false}"' 'max_attempts => 1')
	pipe_worker --drain
	prints 'the handler did not say why it failed' job "$id" error_message
}

@test "answers come in any order" {
	local i
	submit_sh 'ids=$id; for i in 2 3 4; do take; ids="$id $ids"; done; for id in $ids; do ok "\"$id\""; done'
	for i in 2 3 4; do
		submit_sh 'exit 1'
	done
	pipe_worker --window 4 --drain
	prints 'completed/ok completed/ok completed/ok completed/ok' outcomes
	prints 4 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND result = to_jsonb(id::text)"
}

@test "--window is how many it holds" {
	local i
	submit_sh 'until [ "$(jobctl-status -q '"$Q"' -s running -H -o id | wc -l)" = 3 ]; do sleep 0.05; done; touch '"$D/three; $(wait_for go)"' ok'
	for i in 1 2 3 4 5; do
		submit_sh ok
	done
	start_pipe_worker --window 3 --drain
	eventually 20 exists "$D/three"
	touch "$D/go"
	ended 0
	prints 6 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND outcome = 'ok' AND attempt = 1"
}

@test "a handler that dies fails what it held, no more, and is started again" {
	local killer i ids=()
	killer=$(submit_sh 'echo "about to die" >&2; kill -9 $$' "backoff => 'constant:1h'")
	for i in 1 2 3 4; do
		ids+=("$(submit_sh ok)")
	done
	start_pipe_worker --window 3
	for i in "${ids[@]}"; do
		eventually 10 status_is "$i" completed
		prints 1/ok runs "$i"
	done
	prints 'pending|1|killed by signal 9 (KILL): about to die' job "$killer" "status || '|' || attempt || '|' || error_message"
	says 'the handler has ended" why="killed by signal 9 (KILL): about to die" held=1'
}

@test "what a dying handler had read is failed, and what it had answered is not" {
	local answered held unread
	answered=$(submit_sh 'ok 1')
	held=$(submit_sh 'take; exit 3')
	held+=" $(submit_sh 'ok')"
	unread=$(submit_sh 'ok 2')
	pipe_worker --window 4 --drain
	prints 1/ok runs "$answered"
	prints 1/exit runs "${held% *}"
	prints 1/exit runs "${held#* }"
	prints 1/ok runs "$unread"
}

@test "how it ends is what its jobs ended with, by the same conventions" {
	local now=() code
	for code in 75 65 127 0; do
		now+=("$(submit_sh "exit $code" 'max_attempts => 1' "backoff => 'constant:1h'")")
		pipe_worker --drain
	done
	prints 1/tempfail runs "${now[0]}"
	prints 'pending|0' job "${now[0]}" "status || '|' || attempt"
	prints 'failed|permanent|65' job "${now[1]}" "status || '|' || outcome || '|' || exit_code"
	prints 'failed|not_found' job "${now[2]}" "status || '|' || outcome"
	prints 'failed|exit|0|it exited without an answer' job "${now[3]}" "status || '|' || outcome || '|' || exit_code || '|' || error_message"
}

@test "a handler that is killed while it is idle is started again for the next job" {
	local first second
	first=$(submit_sh 'ok $$')
	start_pipe_worker
	eventually 10 status_is "$first" completed
	kill -KILL "$(job "$first" result)"
	eventually 10 says 'the handler has ended'
	second=$(submit_sh 'ok $$')
	eventually 10 status_is "$second" completed
	prints 1/ok runs "$second"
	[ "$(job "$first" result)" != "$(job "$second" result)" ]
}

@test "one that ends of itself when it has answered is not held to be broken" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		submit_sh 'ok; exit 0'
	done
	run -0 --separate-stderr pipe_worker --drain
	[ -z "$stderr" ]
	prints 8 sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND outcome = 'ok' AND attempt = 1"
}

@test "a job past its time limit stops the handler, and spends no attempt of the others" {
	local time late other next
	start_pipe_worker --window 2 --grace 100ms
	# longer, until the handler has come to read both
	for time in 2 8 30; do
		late=$(submit_sh 'take; touch '"$D"'/both; sleep 1000' "timeout => '$time s'" 'max_attempts => 1')
		other=$(submit_sh ok)
		next=$(submit_sh 'ok')
		eventually $((time + 20)) status_is "$next" completed
		[ ! -e "$D/both" ] || break
	done
	eventually 10 prints '1/timeout' runs "$late"
	prints "timed out after $time.0s" job "$late" error_message
	eventually 10 prints '1/interrupted 1/ok' runs "$other"
	exists "$D/both"
}

@test "a handler may use the grace to answer for the others" {
	local time late other
	# longer, until the handler has come to set its trap
	for time in 2 8 30; do
		late=$(submit_sh 'late=$id; take; trap "ok; exit 0" TERM; touch '"$D"'/trap; while :; do sleep 0.05; done' \
			"timeout => '$time s'" 'max_attempts => 1')
		other=$(submit_sh 'ok')
		pipe_worker --window 2 --drain
		[ ! -e "$D/trap" ] || break
	done
	prints 1/timeout runs "$late"
	prints 1/ok runs "$other"
}

@test "a job is cancelled while a handler has it" {
	local id other
	id=$(submit_sh 'touch '"$D"'/runs; sleep 1000')
	start_pipe_worker --poll 1h --window 2
	eventually 10 exists "$D/runs"
	sql "SELECT jobctl.cancel('{$id}')"
	eventually 10 status_is "$id" cancelled
	prints 'cancelled while running' job "$id" error_message
	other=$(submit_sh ok)
	eventually 10 status_is "$other" completed
}

@test "a line without ok reports; the checkpoint comes back" {
	local id
	id=$(submit_sh 'case $line in
		*checkpoint\":42*) ok "\"resumed\"" ;;
		*) say "{\"id\":\"$id\",\"progress\":[3,10],\"message\":\"third\",\"stats\":{\"files\":2},\"checkpoint\":42}"
		   '"$(wait_for go)"' no later ;;
		esac' "backoff => 'constant:10ms'")
	start_pipe_worker
	eventually 10 prints '3|10|third|{"files": 2}' job "$id" "concat_ws('|', progress_done, progress_total, message, stats)"
	touch "$D/go"
	eventually 10 status_is "$id" completed
	prints resumed job "$id" "result#>>'{}'"
}

@test "lines that are no answers change nothing, and are said once" {
	local id
	id=$(submit_sh 'say garbage; say "{}"; say "{\"id\":7,\"ok\":true}"; say "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"ok\":true}"
		say "{\"id\":\"$id\",\"ok\":\"yes\"}"; say "[]"; printf "\xff\xfe\000\n"; say ""; say "{\"id\":\"$id\",\"ok\":true,\"id\":1}"; ok; ok')
	run -0 --separate-stderr pipe_worker --drain
	status_is "$id" completed
	[ "$(grep -c 'a line from the handler is not an answer' <<<"$stderr")" = 1 ]
	[[ $stderr == *'lines from the handler were not answers" lines=9'* ]]
}

@test "a report of the wrong type is not kept, the answer with it is" {
	local id
	id=$(submit_sh 'say "{\"id\":\"$id\",\"ok\":true,\"progress\":\"far\",\"result\":1}"')
	run -0 --separate-stderr pipe_worker --drain
	prints 'completed|' job "$id" "status || '|' || coalesce(result::text, '')"
	[[ $stderr == *'a member of the report has the wrong type'* ]]
}

@test "a line without end stops the handler" {
	local id next
	id=$(submit_sh 'head -c 3000000 /dev/zero | tr "\0" x; sleep 1000')
	next=$(submit_sh ok)
	start_pipe_worker
	eventually 10 status_is "$next" completed
	prints 'pending|the handler wrote a line that is too long' job "$id" "status || '|' || error_message"
}

@test "a large result comes through" {
	local id
	id=$(submit_sh 'ok "\"$(head -c 900000 /dev/zero | tr "\0" x)\""')
	pipe_worker --drain
	prints 'completed|900000' job "$id" "status || '|' || length(result#>>'{}')"
}

@test "a handler that reads slowly gets large jobs whole" {
	local i
	head -c 400000 /dev/zero | tr '\0' y >"$D/big"
	for i in 1 2 3 4 5 6 7 8; do
		jq -cn --rawfile big "$D/big" '{kind: "sh", args: {sh: "ok ${#line}", big: $big}}'
	done | jobctl-submit -q "$Q" --jsonl
	pipe_worker --window 5 --drain
	prints '8|t' sql "SELECT count(*), min(result::text::int) > 400000 FROM jobctl.job WHERE queue = '$Q' AND outcome = 'ok'"
}

@test "-j is how many handlers; a slow one does not hold up the others" {
	local slow i ids=()
	slow=$(submit_sh "$(wait_for go)"' ok $$')
	start_pipe_worker -j 2
	eventually 10 status_is "$slow" running
	for i in 1 2 3 4 5; do
		ids+=("$(submit_sh 'ok $$')")
	done
	for i in "${ids[@]}"; do
		eventually 10 status_is "$i" completed
	done
	status_is "$slow" running
	touch "$D/go"
	eventually 10 status_is "$slow" completed
	prints 2 sql "SELECT count(DISTINCT result::text) FROM jobctl.job WHERE queue = '$Q'"
}

@test "at the end of its input a handler ends, and may take its time to tidy up" {
	submit_sh ok
	echo "sleep 0.3; touch $D/tidy" >"$D/end"
	pipe_worker --drain
	exists "$D/tidy"
}

@test "one that does not end at the end of its input is made to" {
	local pid
	# not in the end: 200 ms after that begins it may already be killed
	submit_sh 'trap "" TERM; echo $$ >'"$D"'/pid; ok $$'
	echo 'sleep 1000 & while :; do wait; done' >"$D/end"
	pipe_worker --drain --grace 200ms
	pid=$(<"$D/pid")
	gone_or_zombie "$pid"
}

@test "told to stop, the worker waits for what handlers hold and gives the rest back" {
	local first second third
	first=$(submit_sh "touch $D/held; $(wait_for go) ok")
	start_pipe_worker
	eventually 10 exists "$D/held"
	second=$(submit_sh ok)
	kill -TERM "$WORKER_PID"
	eventually 10 says msg=stopping
	third=$(submit_sh ok)
	touch "$D/go"
	ended 0
	prints 1/ok runs "$first"
	status_is "$second" pending
	status_is "$third" pending
}

@test "a second signal stops the handlers, and spends no attempt" {
	local one two
	one=$(submit_sh 'take; touch '"$D"'/both; trap "" TERM; while :; do sleep 1; done')
	two=$(submit_sh ok)
	start_pipe_worker --window 2 --grace 100ms
	eventually 10 exists "$D/both"
	kill -TERM "$WORKER_PID"
	eventually 10 says msg=stopping
	kill -TERM "$WORKER_PID"
	ended 0
	prints 'pending|0 pending|0' sql "SELECT string_agg(status || '|' || attempt, ' ') FROM jobctl.job WHERE id IN ('$one', '$two')"
	prints 1/interrupted runs "$one"
}

@test "a worker that is killed takes its handlers along; only what was handed over counts as its crash" {
	local held waiting pid
	held=$(submit_sh 'echo $$ >'"$D"'/pid.tmp; mv '"$D"'/pid.tmp '"$D"'/pid; sleep 1000')
	start_pipe_worker
	eventually 10 exists "$D/pid"
	waiting=$(submit_sh ok)
	pid=$(<"$D/pid")
	kill -KILL "$(the_worker)"
	eventually 10 gone_or_zombie "$pid"
	eventually 10 prints 'pending|1' job "$held" "status || '|' || crashes"
	prints 'pending|0' job "$waiting" "status || '|' || crashes"
}

@test "what a handler leaves behind dies with it, before its jobs go on" {
	local id
	id=$(submit_sh 'setsid sh -c "echo \$\$ >'"$D"'/pid.tmp; mv '"$D"'/pid.tmp '"$D"'/pid; exec sleep 1000" & until [ -e '"$D"'/pid ]; do sleep 0.02; done; exit 3' 'max_attempts => 1')
	start_pipe_worker -j 2
	eventually 10 status_is "$id" failed
	gone_or_zombie "$(<"$D/pid")"
}

@test "a handler that never answers: a worker for cron gives up, and no attempt is spent" {
	local id
	id=$(submit_sh ok)
	run -69 --separate-stderr jobctl-worker -q "$Q" --pipe --drain -- sh -c 'echo "no module" >&2; exit 1'
	[[ $stderr == *'the handler ends before it answers: no module'* ]]
	prints 'pending|0|0' job "$id" "status || '|' || attempt || '|' || crashes"
}

@test "when it gives up, what another handler holds is finished" {
	local i
	cat >"$D/handler" <<-END
		#!/bin/sh
		mkdir $D/one 2>&1 || { echo >>$D/failures; exit 1; }
		exec "$SUITE_ROOT/tests/pipe-handler"
	END
	chmod +x "$D/handler"
	for i in 1 2; do
		submit_sh 'until [ "$(wc -l <'"$D/failures"')" = 5 ]; do sleep 0.1; done; sleep 0.5; ok'
	done
	run -69 --separate-stderr jobctl-worker -q "$Q" --pipe -j 2 --drain --poll 100ms -- "$D/handler"
	[[ $stderr == *'the handler ends before it answers'* ]]
	prints 'completed 1, pending 0' sql "SELECT string_agg(status || ' ' || attempt, ', ' ORDER BY status) FROM jobctl.job WHERE queue = '$Q'"
}

@test "only ends without an answer that follow each other are counted" {
	local i
	cat >"$D/handler" <<-END
		#!/bin/sh
		echo >>$D/starts
		[ \$((\$(wc -l <$D/starts) % 4)) = 0 ] || exit 1
		exec "$SUITE_ROOT/tests/pipe-handler"
	END
	chmod +x "$D/handler"
	for i in 1 2; do
		submit_sh 'ok; exit 0'
	done
	jobctl-worker -q "$Q" --pipe --drain -Q -- "$D/handler"
	prints 'completed/ok completed/ok' outcomes
}

@test "a worker that stays waits longer and longer for a handler that cannot start, and then goes on" {
	local id i starts
	id=$(submit_sh ok)
	cat >"$D/handler" <<-END
		#!/bin/sh
		[ -e $D/mended ] || { date +%s%N >>$D/starts; echo broken >&2; exit 1; }
		exec "$SUITE_ROOT/tests/pipe-handler"
	END
	chmod +x "$D/handler"
	start_worker -q "$Q" --pipe -- "$D/handler"
	eventually 10 says 'why=broken held=0'
	five_starts() { [ "$(wc -l <"$D/starts")" -ge 5 ]; }
	eventually 10 five_starts
	mapfile -t starts <"$D/starts"
	for i in 0 1 2 3; do	# 100 ms, 200, ...; a busy machine makes them longer
		[ $((starts[i + 1] - starts[i])) -ge $((90000000 << i)) ]
	done
	touch "$D/mended"
	eventually 20 status_is "$id" completed
	prints 1/ok runs "$id"
}

@test "one that closes its output is stopped" {
	local id next
	id=$(submit_sh 'exec 1>&-; sleep 1000' 'max_attempts => 1')
	next=$(submit_sh ok)
	pipe_worker --grace 100ms --drain
	prints 'failed|the handler closed its standard output' job "$id" "status || '|' || error_message"
	prints 1/ok runs "$next"
}

@test "one that closes its input is stopped, when there is more for it" {
	local id next
	id=$(submit_sh 'exec 0<&-; touch '"$D"'/closed; sleep 1000' 'max_attempts => 1')
	start_pipe_worker --grace 100ms --window 2
	eventually 10 exists "$D/closed"
	next=$(submit_sh ok)
	eventually 10 status_is "$id" failed
	prints 'the handler closed its standard input' job "$id" error_message
	eventually 10 status_is "$next" completed
	prints 1/ok runs "$next"
}

@test "with a window of one its standard error is the job's" {
	local one two
	# the worker finds both at once, the output and the answer
	one=$(submit_sh 'kill -STOP $PPID; echo first >&2; ok; kill -CONT $PPID')
	two=$(submit_sh 'echo second >&2; no failed')
	pipe_worker --drain
	[ "$(output "$one" 2)" = first ]
	[ "$(output "$two" 2)" = second ]
}

@test "with a larger one it is in the log" {
	local id
	id=$(submit_sh 'echo "to the log" >&2; ok')
	run -0 --separate-stderr pipe_worker --window 2 --drain -v
	[[ $stderr == *'msg="the handler says" stderr="to the log"'* ]]
	[ -z "$(output "$id" 2)" ]
}

@test "it has the worker's environment, a mark of its own, and nothing of a job's" {
	local id
	id=$(submit_sh 'ok "\"$(env | grep ^JOBCTL_ | cut -d= -f1 | sort | tr "\n" " ")\""')
	env -u JOBCTL_DB_DIR jobctl-worker -q "$Q" --pipe --drain -- "$SUITE_ROOT/tests/pipe-handler"
	prints 'JOBCTL_DATABASE JOBCTL_HANDLER ' job "$id" "result#>>'{}'"
}

@test "while the lease is not renewed nothing is handed over, and what is held is stopped" {
	local id stopped
	stopped() { sql "SELECT count(*) FROM jobctl.job_run WHERE job_id = '$id' AND outcome IN ('interrupted', 'worker_lost')"; }
	stopped_more() { [ "$(stopped)" -gt "$stopped" ]; }
	id=$(submit_sh 'echo $$ >'"$D"'/pid.tmp; mv '"$D"'/pid.tmp '"$D"'/pid; sleep 1000')
	start_pipe_worker --lease $((6 * SUITE_SLOW))s --grace 100ms
	eventually 10 exists "$D/pid"
	stopped=$(stopped)	# so short a lease may not have been renewed once before
	# the worker alone: its guardian fences
	kill -STOP "$(the_worker)"
	eventually 10 gone_or_zombie "$(<"$D/pid")"
	rm "$D/pid"
	kill -CONT "$(the_worker)"
	eventually 10 stopped_more
	eventually 10 exists "$D/pid"
	kill -TERM "$WORKER_PID"
	eventually 10 says msg=stopping
	kill -TERM "$WORKER_PID"
	ended 0
}

@test "words that exclude each other or go together" {
	run -64 --separate-stderr jobctl-worker --pipe --handlers /
	[[ $stderr == *'--pipe goes with -- COMMAND'* ]]
	run -64 --separate-stderr jobctl-worker --pipe
	run -64 --separate-stderr jobctl-worker --window 5 -- true
	[[ $stderr == *'--window goes with --pipe'* ]]
	run -64 --separate-stderr jobctl-worker --pipe --window 0 -- true
	run -64 --separate-stderr jobctl-worker --pipe --window 1000 -j 3 -- true
	[[ $stderr == *'more than 2000 jobs'* ]]
	run -66 --separate-stderr jobctl-worker --pipe -- "$D/nothing"
}

@test "a large result that is reported before the answer does not hold the answer up" {
	local id
	id=$(submit_sh 'say "{\"id\":\"$id\",\"result\":\"$(head -c 900000 /dev/zero | tr "\0" x)\"}"; sleep 0.5; ok')
	start_pipe_worker
	eventually 10 status_is "$id" completed
	prints 900000 job "$id" "length(result#>>'{}')"
}

@test "a job whose time is over before its line was read does not stop others for ever" {
	local long short
	long=$(submit_sh "$(wait_for go) ok" 'priority => 1')
	short=$(submit_sh ok "timeout => '500 ms'" "backoff => 'constant:10ms'" 'max_attempts => 2')
	start_pipe_worker --window 2 --grace 100ms
	timed_out() { [[ $(runs "$short") == 1/timeout* ]]; }
	eventually 20 timed_out
	touch "$D/go"
	eventually 20 status_is "$long" completed
	# the second time it may have been first, or late
	ended_twice() { [[ $(runs "$short") == '1/timeout 2/'@(timeout|ok) ]]; }
	eventually 10 ended_twice
}
