#!/usr/bin/env bats
# jobctl-events: what happened, in order, nothing missed and nothing told twice

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

# A job that was held, let go, ran twice and has failed: ID
story() {
	ID=$(submit k "queue => 'q'" "max_attempts => 2" "backoff => 'constant:0s'")
	sql "SELECT jobctl.hold('{$ID}', 'not yet')" >/dev/null
	sql "SELECT jobctl.release('{$ID}')" >/dev/null
	claim q one
	finish "$ID" exit 3 boom >/dev/null
	claim q two
	finish "$ID" signal NULL '' '' 9 >/dev/null
}

# What the program says, without times and durations.
told() {	# ARG...
	jobctl-events "$@" | cut -d' ' -f3- | sed 's/ran [0-9.]*s/ran 0s/'
}

@test "one job from its submission to its end" {
	story
	run -0 --separate-stderr told "${ID:0:23}"
	[ -z "$stderr" ]
	[ "$output" = "submit     kind k, queue q, by jobctl
hold       by jobctl (psql): not yet
release    by jobctl (psql)
start      attempt 1 on host1 pid 101
attempt    attempt 1, ran 0s, exit 3: boom
start      attempt 2 on host1 pid 101
failed     attempt 2, ran 0s, signal 9" ]
	run -0 jobctl-events "$ID"
	[[ "${lines[0]}" =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z\ \ submit ]]
	diff <(cut -d' ' -f1 <<<"$output") <(cut -d' ' -f1 <<<"$output" | sort)
}

@test "what it waits for, how far it is, and when it is due" {
	local need

	need=$(submit k)
	ID=$(submit k "after_ok => '{$need}'" "run_in => '1 h'")
	run -0 told "$ID"
	[ "${lines[1]}" = "wait       for job $need to complete" ]
	[ "${lines[2]}" = "due" ]
	ID=$(submit k "queue => 'q'")
	claim q
	report "$ID" 3 10 'frame 3'
	run -0 told "$ID"
	[ "${lines[2]}" = 'progress   3/10: frame 3' ]
}

@test "on a terminal: how long ago, how far ahead, and nothing that moves the cursor" {
	ID=$(submit k "run_in => '1 h'")
	sql "SET session_replication_role = replica;
	     UPDATE jobctl.jobs SET created_at = now() - interval '62 s', queue = 'q'"
	sql "SELECT jobctl.hold('{$ID}', E'\\033[31mred\\n')" >/dev/null
	sql "UPDATE jobctl.job_events SET at = now() - interval '125 s'"
	run -0 script -qec "jobctl-events $ID" /dev/null
	[[ "${lines[0]}" =~ ^' 2m'[0-9]+'s ago  hold       by jobctl (psql): \x1b[31mred\n'$'\r'$ ]]
	[[ "${lines[1]}" =~ ^' 1m'[0-9]+'s ago  submit     kind k' ]]
	sql "SELECT jobctl.release('{$ID}')" >/dev/null
	run -0 script -qec "jobctl-events $ID" /dev/null
	[[ "${lines[-1]}" =~ ^' '+'in '(59m[0-9]+s|1h00m)'  due' ]]
}

@test "--timestamps chooses, whatever standard output is" {
	story
	run -0 jobctl-events --timestamps relative "$ID"
	[[ "${lines[0]}" =~ ^' '+[0-9.]+s' ago  submit' ]]
	run -0 script -qec "jobctl-events --timestamps=absolute $ID" /dev/null
	[[ "${lines[0]}" =~ ^20[0-9T:.-]+Z\ \ submit ]]
	run -64 jobctl-events --timestamps=maybe "$ID"
	run -64 jobctl-events --timestamps=relative --json "$ID"
}

@test "--json and -o: every field, null when unknown, one token each" {
	story
	jobctl-events --json "$ID" >"$BATS_TEST_TMPDIR/out"
	[ "$(jq -r 'keys_unsorted | join(",")' "$BATS_TEST_TMPDIR/out" | sort -u)" = \
		v,at,event,id,project,queue,kind,attempt,outcome,exit_code,signal,worker_host,worker_pid,run_s,role,client,message ]
	[ "$(jq -c 'select(.event == "attempt") | [.v, .id, .project, .queue, .kind, .attempt, .outcome, .exit_code, .signal,
		.worker_host, .worker_pid, .role, .client, .message]' "$BATS_TEST_TMPDIR/out")" = \
		"[1,\"$ID\",\"default\",\"q\",\"k\",1,\"exit\",3,null,\"host1\",101,null,null,\"boom\"]" ]
	[ "$(jq -c 'select(.event == "hold") | [.attempt, .run_s, .role, .client, .message]' "$BATS_TEST_TMPDIR/out")" = \
		'[null,null,"jobctl","psql","not yet"]' ]
	[ "$(jq 'select(.event == "failed") | .run_s | type' "$BATS_TEST_TMPDIR/out")" = '"number"' ]
	run -0 jobctl-events -H -o event,attempt,message "$ID"
	[ "${lines[0]}" = $'submit\t\t' ]
	[ "${lines[4]}" = $'attempt\t1\tboom' ]
	[ "$(jobctl-events -o event,id -n 1 | head -1)" = $'event\tid' ]
	run -64 jobctl-events -o nonsense "$ID"
}

@test "of all: what was done and what ended, the newest last" {
	story
	sql "SELECT jobctl.pause_queue('q', 'night')"
	run -0 --separate-stderr told
	echo "$output"
	[ "$output" = "hold       $ID  k  by jobctl (psql): not yet
release    $ID  k  by jobctl (psql)
attempt    $ID  k  attempt 1, ran 0s, exit 3: boom
failed     $ID  k  attempt 2, ran 0s, signal 9
pause      queue q, by jobctl (psql): night" ]
	[ -z "$stderr" ]
	run -0 told -n 2
	[ "${#lines[@]}" = 2 ]
	[[ "${lines[1]}" == pause* ]]
}

@test "twenty, or as many as one asks for, in pages" {
	sql "SELECT jobctl.submit('k') FROM generate_series(1, 12000)" >/dev/null
	run -0 --separate-stderr jobctl-events
	[ "$stderr" = 'jobctl-events: no event matches' ]
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs))" >/dev/null
	run -0 --separate-stderr jobctl-events
	[ "${#lines[@]}" = 20 ]
	[ "$stderr" = 'jobctl-events: there are more; -n 0 shows all' ]
	jobctl-events -n 0 -o id,event -H >"$BATS_TEST_TMPDIR/all"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/all")" = 24000 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/all" | wc -l)" = 24000 ]
	[ "$(jobctl-events -n 7000 -H -o event | sort | uniq -c | tr -s ' ')" = ' 7000 cancelled' ]
}

@test "filters: queue, project, event, time" {
	story
	submit k "queue => 'r'" >/dev/null
	claim r
	sql "SELECT jobctl.cancel('{$CLAIMED}')" >/dev/null
	[ "$(jobctl-events -q r -o event -H)" = cancel ]
	[ "$(jobctl-events -q q,r --event cancel,failed -o event -H)" = 'failed
cancel' ]
	[ "$(jobctl-events -p default -o event -H | wc -l)" = 5 ]
	[ "$(jobctl-events -p other -o event -H | wc -l)" = 0 ]
	[ "$(jobctl-events --event start --event failed -o event,attempt -H "$ID")" = $'start\t1\nstart\t2\nfailed\t2' ]
	[ "$(jobctl-events -n 1 -o event -H "$ID")" = failed ]
	sql "UPDATE jobctl.job_events SET at = now() - interval '2 h' WHERE event = 'hold'"
	[ "$(jobctl-events --since 1h -o event -H "$ID" | head -1)" = submit ]
	[ "$(jobctl-events --older-than 1h -o event -H)" = hold ]
	run -64 jobctl-events --event dance
	run -64 jobctl-events --event start
	run -64 jobctl-events --event ,
	run -64 jobctl-events -q q "$ID"
	run -64 jobctl-events --since yesterday
}

@test "-f JOB: as it happens, until it has ended" {
	ID=$(submit k "queue => 'q'" "max_attempts => 2" "backoff => 'constant:0s'")
	start jobctl-events -f "$ID"
	eventually 10 grep -q submit "$STARTED_LOG"
	claim q one
	eventually 10 grep -q 'start      attempt 1' "$STARTED_LOG"
	report "$ID" 1 2 'half'
	eventually 10 grep -q 'progress   1/2: half' "$STARTED_LOG"
	finish "$ID" exit 3 boom >/dev/null
	claim q two
	sql "SELECT jobctl.cancel('{$ID}', 'enough')" >/dev/null
	eventually 10 grep -q 'cancel     by jobctl (psql): enough' "$STARTED_LOG"
	run ! gone_or_zombie "$STARTED_PID"
	finish "$ID" cancelled >/dev/null
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(cut -d' ' -f3 "$STARTED_LOG" | tr '\n' ' ')" = 'submit start progress attempt start cancel cancelled ' ]
}

@test "-f JOB on a terminal: counted from its submission" {
	ID=$(submit k "queue => 'q'")
	sql "UPDATE jobctl.jobs SET run_at = run_at, priority = 1"
	claim q
	finish "$ID" ok 0 >/dev/null
	sql "UPDATE jobctl.finished_jobs SET created_at = created_at - interval '1 h', started_at = created_at - interval '3595 s',
		completed_at = created_at - interval '1 min'"
	run -0 script -qec "jobctl-events -f $ID" /dev/null
	[[ "${lines[0]}" =~ ^' 1h00m ago  submit' ]]
	[[ "${lines[1]}" =~ ^'     +5.0s  start' ]]
	[[ "${lines[2]}" =~ ^'   +59m00s  completed  attempt 1, ran 58m55s' ]]
}

@test "-f --exit-status is the job's" {
	local outcome code signal want

	while read -r outcome code signal want; do
		ID=$(submit k "queue => 'q'" "max_attempts => 1")
		claim q "claim $ID"
		finish "$ID" "$outcome" "$code" '' '' "$signal" >/dev/null
		run -"$want" jobctl-events -f --exit-status "$ID"
	done <<-END
		ok 0 NULL 0
		exit 3 NULL 3
		signal NULL 9 137
		timeout NULL 15 124
		cancelled NULL NULL 1
	END
	run -64 jobctl-events --exit-status "$ID"
	run -64 jobctl-events -f --exit-status
}

@test "-f JOB goes on with a job that is retried, and ends with it" {
	story
	sql "SELECT jobctl.retry('{$ID}', 'once more')" >/dev/null
	start jobctl-events -f "$ID"
	eventually 10 grep -q 'retry      by jobctl (psql): once more' "$STARTED_LOG"
	grep -q '  failed     attempt 2' "$STARTED_LOG"
	claim q three
	finish "$ID" ok 0 >/dev/null
	eventually 10 gone_or_zombie "$STARTED_PID"
	[[ "$(tail -n 1 "$STARTED_LOG")" == *'  completed  attempt 3, ran '* ]]
}

@test "-f of all: what comes, once each, also what is committed late" {
	local n

	story
	start jobctl-events -f -n 2 -o event,id -H
	eventually 10 prints 2 wc -l <"$STARTED_LOG" || eventually 10 grep -q failed "$STARTED_LOG"
	coproc LATE { psql -XAtq 2>&1; }
	ID=$(submit k)
	echo "BEGIN; SELECT status FROM jobctl.hold('{$ID}');" >&"${LATE[1]}"
	read -r -t 10 -u "${LATE[0]}" n
	[ "$n" = held ]
	sql "SELECT jobctl.pause_queue('q'); SELECT jobctl.resume_queue('q')"
	eventually 10 grep -q resume "$STARTED_LOG"
	echo "COMMIT;" >&"${LATE[1]}"
	eventually 10 grep -q "hold.$ID" "$STARTED_LOG"
	sql "SELECT jobctl.cancel('{$ID}')" >/dev/null
	eventually 10 grep -q "cancelled.$ID" "$STARTED_LOG"
	[ "$(cut -f1 "$STARTED_LOG" | tr '\n' ' ')" = 'attempt failed pause resume hold cancel cancelled ' ]
}

session() {	# PID: its backend
	sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'jobctl-events %:$1'"
}

@test "-f goes on over a lost connection, and tells nothing twice" {
	local one all

	ID=$(submit k "queue => 'q'")
	start jobctl-events -Qf -o event -H "$ID"
	one=$STARTED_LOG
	eventually 10 grep -q submit "$one"
	sql "SELECT pg_terminate_backend($(session "$STARTED_PID"))" >/dev/null
	start jobctl-events -Qf -o event -H
	all=$STARTED_LOG
	sql "SELECT jobctl.pause_queue('q')"
	eventually 10 grep -q pause "$all"
	sql "SELECT pg_terminate_backend($(session "$STARTED_PID"))" >/dev/null
	sql "SELECT jobctl.cancel('{$ID}')" >/dev/null
	eventually 10 grep -q cancelled "$one"
	eventually 10 grep -q cancelled "$all"
	[ "$(tr '\n' ' ' <"$one")" = 'submit cancel cancelled ' ]
	[ "$(tr '\n' ' ' <"$all")" = 'pause cancel cancelled ' ]
}

@test "-f ends when its reader goes away, and holds no transaction" {
	story
	run -0 timeout 20 bash -c "jobctl-events -f | head -1"
	start jobctl-events -f
	eventually 10 grep -q failed "$STARTED_LOG"
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-events %:$STARTED_PID'
		AND state = 'idle in transaction'")" = 0 ]
}

@test "another's are not seen, and a queue's are everybody's" {
	role_login events_ann jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('events', 'jobctl') ON CONFLICT DO NOTHING"
	ID=$(submit k "project => 'events'")
	sql "SELECT jobctl.cancel('{$ID}'); SELECT jobctl.pause_queue('q')" >/dev/null
	run -66 as_role events_ann jobctl-events "$ID"
	[ "$output" = "jobctl-events: no such job: $ID" ]
	[ "$(as_role events_ann jobctl-events -o event -H)" = pause ]
	[ "$(jobctl-events -o event -H | wc -l)" = 3 ]
}

@test "a full disk, no database, mistakes" {
	story
	run -74 bash -c "jobctl-events $ID >/dev/full"
	run -74 bash -c "jobctl-events -f $ID >/dev/full"
	run -74 bash -c 'jobctl-events >/dev/full'
	run -69 jobctl-events -d 'host=/nowhere'
	run -66 jobctl-events 00000000-0000-7000-8000-000000000000
	run -64 jobctl-events abc
	run -64 jobctl-events a b
	run -64 jobctl-events -n -1
	run -64 jobctl-events -f --older-than 1h
}
