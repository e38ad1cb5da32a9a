#!/usr/bin/env bats
# jobctl-status: what is asked for, all of it, nothing else, and safe to look at

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
}

# Ten kinds of jobs, one in each state that a list can show.
zoo() {
	worker w1 host1 101 run
	submit build "queue => 'run'" >/dev/null
	claim run
	RUNNING=$CLAIMED
	report "$RUNNING" 3 10 'frame 300' '{"files": 3}'
	RUNNING_TOKEN=$SIM_TOKEN
	DONE=$(submit build "queue => 'done'" "args => '{\"a\": 1}'")
	claim 'done'
	finish "$DONE" ok 0 '' '{"x": [1]}' >/dev/null
	FAILED=$(submit deploy "queue => 'fail'" "max_attempts => 1")
	claim fail
	finish "$FAILED" exit 3 'no space left' >/dev/null
	HELD=$(submit mail "queue => 'slow'" "hold => true")
	LATER=$(submit mail "queue => 'slow'" "run_in => '1 hour'")
	PENDING=$(submit mail "queue => 'slow'" "priority => 5" "unique_key => 'u'")
}

has_line() {	# REGULAR-EXPRESSION for a whole line
	grep -qxE -- "$1" <<<"$output"
}

ids() {
	jobctl-status -H -o id "$@"
}

@test "an empty queue: nothing on stdout, a word on stderr, exit 0" {
	run -0 --separate-stderr jobctl-status
	[ -z "$output" ]
	[[ "$stderr" == *"no job matches; -a looks at finished jobs, too"* ]]
	run -0 --separate-stderr jobctl-status --json
	[ -z "$output$stderr" ]
	run -0 --separate-stderr jobctl-status --count
	[ "$output" = 0 ]
	run -0 --separate-stderr jobctl-status --by status
	[ -z "$output" ]
}

@test "without options: the live jobs, newest first" {
	zoo
	run -0 --separate-stderr jobctl-status
	[ "${#lines[@]}" = 5 ]
	[[ "${lines[0]}" =~ ^ID\ +STATUS\ +REASON\ +QUEUE\ +KIND\ +ATTEMPT\ +AGE\ +RAN\ +LEFT\ +MESSAGE$ ]]
	[[ "${lines[1]}" == "${PENDING:0:13}"*pending*NoWorker*slow*mail* ]]
	[[ "${lines[4]}" == "${RUNNING:0:13}"*running*Healthy*run*build*1*"frame 300" ]]
	[ -z "$stderr" ]
	[ "$(ids)" = "$PENDING
$LATER
$HELD
$RUNNING" ]
}

@test "a table stops at 20 and says so; -n N, -n 0, -o and --json do not" {
	sql "SELECT jobctl.submit('k') FROM generate_series(1, 25)" >/dev/null
	run -0 --separate-stderr jobctl-status -H
	[ "${#lines[@]}" = 20 ]
	[ "$stderr" = "jobctl-status: there are more; -n 0 shows all" ]
	run -0 --separate-stderr jobctl-status -Hn 0
	[ "${#lines[@]}" = 25 ]
	[ -z "$stderr" ]
	run -0 --separate-stderr jobctl-status -Hn 22
	[ "${#lines[@]}" = 22 ]
	[ -z "$stderr" ]
	[ "$(ids | wc -l)" = 25 ]
	[ "$(jobctl-status --json | wc -l)" = 25 ]
	[ "$(jobctl-status --json -n 3 | wc -l)" = 3 ]
}

@test "twenty jobs and not one more are no reason for a note" {
	sql "SELECT jobctl.submit('k') FROM generate_series(1, 20)" >/dev/null
	run -0 --separate-stderr jobctl-status -H
	[ "${#lines[@]}" = 20 ]
	[ -z "$stderr" ]
}

@test "--json: every field of the vocabulary in its order, whatever the job" {
	zoo
	run -0 jobctl-status -a --json
	[ "${#lines[@]}" = 6 ]
	[ "$(jq -rc 'keys_unsorted | join(" ")' <<<"$output" | sort -u)" = "v id project queue kind status reason reasons priority attempt max_attempts crashes run_at created_at started_at completed_at age_s wait_s run_s worker worker_host worker_pid heartbeat_age_s outcome exit_code signal error_message message progress_done progress_total eta_s stats result max_rss_bytes cpu_s unique_key created_by args" ]
	[ "$(jq -c .v <<<"$output" | sort -u)" = 1 ]
}

@test "--json: types and values" {
	zoo
	run -0 jobctl-status --json "$RUNNING"
	[ "$(jq -c '[.id, .status, .reason, .reasons, .attempt, .worker_host, .worker_pid, .message,
		.progress_done, .progress_total, .stats, .outcome, .exit_code, .completed_at]' <<<"$output")" = \
		"[\"$RUNNING\",\"running\",\"Healthy\",[\"Healthy\"],1,\"host1\",101,\"frame 300\",3,10,{\"files\":3},null,null,null]" ]
	[ "$(jq '.eta_s >= 0 and .run_s >= 0 and .age_s >= .run_s and .heartbeat_age_s >= 0' <<<"$output")" = true ]
	[[ "$(jq -r .started_at <<<"$output")" =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z$ ]]
	run -0 jobctl-status --json "$FAILED"
	[ "$(jq -c '[.status, .outcome, .exit_code, .error_message, .reason, .reasons, .cpu_s, .max_rss_bytes]' <<<"$output")" = \
		'["failed","exit",3,"no space left",null,null,0.25,1048576]' ]
	run -0 jobctl-status --json "$DONE"
	[ "$(jq -c '[.result, .args, .wait_s >= 0, .run_s >= 0, .eta_s]' <<<"$output")" = '[{"x":[1]},{"a":1},true,true,null]' ]
	run -0 jobctl-status --json "$LATER"
	[ "$(jq -c '[.wait_s, .reasons]' <<<"$output")" = '[null,["Scheduled","NoWorker"]]' ]
}

@test "eta_s: from the progress, else from how long half of the kind ran, and not past that" {
	local a b c

	worker w1
	a=$(submit told "queue => 'q'")
	b=$(submit known "queue => 'q'")
	c=$(submit new "queue => 'q'")
	claim q
	sql "SET session_replication_role = replica;
	     UPDATE jobctl.jobs SET started_at = now() - interval '100 s'"
	report "$a" 25 100 ''
	sql "INSERT INTO jobctl.kind_seconds (project_id, kind, n, p50_s, p95_s) VALUES
		('default', 'told', 9, 5000, 9000), ('default', 'known', 9, 150, 300)"
	# against run_s of the same moment: time goes on between the statements above and here
	eta() { jobctl-status --json "$1" | jq "$2"; }
	[ "$(eta "$a" '(.eta_s - 3 * .run_s) | fabs < 0.01')" = true ]
	[ "$(eta "$b" '(.eta_s + .run_s - 150) | fabs < 0.01')" = true ]
	[ "$(eta "$c" .eta_s)" = null ]
	run -0 jobctl-status --sort -eta_s -H -o id
	[ "$output" = "$a
$b
$c" ]
	# for so long that a minute more is not to be seen
	sql "SET session_replication_role = replica;
	     UPDATE jobctl.jobs SET started_at = now() - interval '100000 s' WHERE id = '$a'"
	run -0 jobctl-status "$a"
	has_line 'progress +25/100 \(25%\), 3d11h left.*'
	sql "SET session_replication_role = replica;
	     UPDATE jobctl.jobs SET started_at = now() - interval '151 s'"
	[ "$(eta "$b" .eta_s)" = null ]
	finish "$b" ok
	[ "$(eta "$b" .eta_s)" = null ]
}

@test "-o gives these fields, one token each, and reasons joined by commas" {
	zoo
	run -0 jobctl-status -o status,reason,reasons,unique_key "$LATER" "$PENDING"
	[ "${lines[0]}" = "status	reason	reasons	unique_key" ]
	[ "${lines[1]}" = "pending	Scheduled	Scheduled,NoWorker	" ]
	[ "${lines[2]}" = "pending	NoWorker	NoWorker	u" ]
	[ "$(jobctl-status --json -o id,kind "$HELD")" = "{\"v\":1,\"id\":\"$HELD\",\"kind\":\"mail\"}" ]
}

@test "every field can be printed, sorted by and understood" {
	zoo
	local f fields

	fields=$(jobctl-status --json -n 1 | jq -r 'del(.v) | keys_unsorted[]')
	for f in $fields; do
		run -0 jobctl-status -a -H -o "$f" --sort "$f"
		[ "${#lines[@]}" -le 6 ]
		run -0 jobctl-status -a -H -o id --sort "-$f"
		[ "${#lines[@]}" = 6 ]
	done
	[ "$(wc -w <<<"$fields")" = 37 ]
}

@test "filters: each picks what it says" {
	zoo
	[ "$(ids -s running)" = "$RUNNING" ]
	[ "$(ids -s failed)" = "$FAILED" ]
	[ "$(ids -s completed)" = "$DONE" ]
	[ "$(ids -s FAILED)" = "$FAILED" ]
	[ "$(ids -s held,running)" = "$HELD
$RUNNING" ]
	[ "$(ids -s held -s running)" = "$(ids -s held,running)" ]
	[ "$(ids -q run)" = "$RUNNING" ]
	[ "$(ids -q run,slow --kind mail -s held)" = "$HELD" ]
	[ "$(ids -a --kind build --sort created_at)" = "$RUNNING
$DONE" ]
	[ "$(ids --reason Scheduled)" = "$LATER" ]
	[ "$(ids --reason noworker -s pending)" = "$PENDING
$LATER" ]
	[ "$(ids -p default -s running)" = "$RUNNING" ]
	[ -z "$(ids -p other)" ]
	[ -z "$(ids -q 'x'\'' OR true')" ]
}

@test "--worker: by host, host and pid, id, and the beginning of one" {
	zoo
	[ "$(ids --worker host1)" = "$RUNNING" ]
	[ "$(ids --worker host1:101)" = "$RUNNING" ]
	[ "$(ids --worker "$SIM_WORKER")" = "$RUNNING" ]
	[ "$(ids --worker "nobody,${SIM_WORKER:0:8}")" = "$RUNNING" ]
	[ "$(ids -a --worker host1 --sort created_at)" = "$RUNNING
$DONE
$FAILED" ]
	[ -z "$(ids --worker host1:102)" ]
}

@test "--since and --older-than: when a job ended, or was submitted if it has not" {
	zoo
	sql "SET session_replication_role = replica;
	     UPDATE jobctl.jobs SET created_at = now() - interval '3 hours' WHERE id = '$HELD';
	     UPDATE jobctl.finished_jobs SET created_at = now() - interval '3 days',
	            completed_at = now() - interval '2 days' WHERE id = '$FAILED'"
	[ "$(ids --older-than 2h)" = "$HELD" ]
	[ "$(ids --since 4h --older-than 2h)" = "$HELD" ]
	[ -z "$(ids -s failed --since 1d)" ]
	[ "$(ids -s failed --since 2d1h)" = "$FAILED" ]
	[ -z "$(ids -s failed --older-than 2d1h)" ]
	[ "$(ids -s failed --since 2020-01-01)" = "$FAILED" ]
	[ "$(ids -a --older-than 2000-01-01T00:00:00Z)" = "" ]
	[ -z "$(ids --since "$(date -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)")" ]
}

@test "--since HH:MM is the last such time, not the next" {
	submit k >/dev/null
	run -0 jobctl-status --count --since "$(date -d '-2 minutes' +%H:%M)"
	[ "$output" = 1 ]
	run -0 jobctl-status --count --since "$(date -d '+2 minutes' +%H:%M)"
	[ "$output" = 1 ]
}

@test "--sort: either way, unknown values last" {
	zoo
	[ "$(ids --sort -priority -n 1)" = "$PENDING" ]
	[ "$(ids --sort -run_at -n 1)" = "$LATER" ]
	[ "$(ids -s pending,running --sort started_at -n 1)" = "$RUNNING" ]
	[ "$(ids -s pending,running --sort -started_at -n 1)" = "$RUNNING" ]
	run -0 ids --sort id
	[ "${lines[0]}" = "$RUNNING" ]
}

@test "what has ended is listed by when, the last first" {
	local a b

	worker w1
	a=$(submit k "queue => 'a'")
	b=$(submit k "queue => 'b'")
	claim b
	finish "$b" ok
	claim a
	finish "$a" ok
	[ "$(ids -s completed)" = "$a
$b" ]
}

@test "lists longer than a page: every job once, in order" {
	sql "SELECT jobctl.submit('k', jsonb_build_object('pad', repeat('x', 200))) FROM generate_series(1, 1234)" >/dev/null
	diff <(ids) <(sql 'SELECT id FROM jobctl.jobs ORDER BY id DESC')
	diff <(ids --sort id) <(sql 'SELECT id FROM jobctl.jobs ORDER BY id')
	diff <(ids -n 1000) <(sql 'SELECT id FROM jobctl.jobs ORDER BY id DESC LIMIT 1000')
	diff <(jobctl-status --json -n 345 | jq -r .id) <(sql 'SELECT id FROM jobctl.jobs ORDER BY id DESC LIMIT 345')
	diff <(ids --sort -created_at) <(sql 'SELECT id FROM jobctl.jobs ORDER BY created_at DESC, id DESC')
}

@test "pages of what ended: also where many ended at the same moment" {
	sql "SELECT jobctl.submit('k') FROM generate_series(1, 700)" >/dev/null
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs ORDER BY random() LIMIT 300))"
	sql "SELECT count(*) FROM jobctl.cancel(ARRAY(SELECT id FROM jobctl.jobs))"
	diff <(ids -s cancelled) <(sql 'SELECT id FROM jobctl.finished_jobs ORDER BY completed_at DESC, id DESC')
	diff <(ids -s cancelled --sort completed_at) <(sql 'SELECT id FROM jobctl.finished_jobs ORDER BY completed_at, id')
	diff <(ids -a) <(sql 'SELECT id FROM jobctl.finished_jobs ORDER BY id DESC')
	diff <(ids -a --sort completed_at) <(sql 'SELECT id FROM jobctl.finished_jobs ORDER BY completed_at, id')
}

@test "--count: one number, every filter honoured" {
	zoo
	[ "$(jobctl-status --count)" = 4 ]
	[ "$(jobctl-status --count -a)" = 6 ]
	[ "$(jobctl-status --count -s failed,held)" = 2 ]
	[ "$(jobctl-status --count -n 3)" = 3 ]
	[ "$(jobctl-status --count --json -q slow)" = '{"v":1,"count":3}' ]
}

@test "millions of jobs can be counted by several processes" {
	local cheap='SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
	local count='EXPLAIN (COSTS OFF) SELECT status, count(*) FROM jobctl.job GROUP BY 1'

	[[ $(sql "$cheap $count") == *"Parallel Append"* ]]
	role_login status_counter jobctl_reader
	[[ $(sql_as status_counter "$cheap $count") == *"Parallel Append"* ]]
}

@test "--by: the most first, any number of fields, reasons by the first" {
	zoo
	run -0 jobctl-status --by status -a
	[[ "${lines[0]}" =~ ^STATUS\ +COUNT$ ]]
	[[ "${lines[1]}" =~ ^pending\ +2$ ]]
	[ "${#lines[@]}" = 6 ]
	run -0 jobctl-status --by reason --json
	[ "$(jq -rc '[.v, .reason, .count]' <<<"$output" | sort)" = '[1,"Healthy",1]
[1,"Held",1]
[1,"NoWorker",1]
[1,"Scheduled",1]' ]
	run -0 jobctl-status -H --by queue,status -s pending,held
	[[ "${lines[0]}" =~ ^slow\ +pending\ +2$ ]]
	[[ "${lines[1]}" =~ ^slow\ +held\ +1$ ]]
	run -0 jobctl-status -H --by queue,status -s pending,held --sort count -n 1
	[[ "$output" =~ ^slow\ +held\ +1$ ]]
	run -0 jobctl-status -H --by status --sort -status
	[[ "${lines[0]}" =~ ^running ]]
	for f in worker worker_host project outcome created_by exit_code signal priority attempt kind; do
		run -0 jobctl-status -a --by "$f"
	done
	run -64 jobctl-status --by args
	[[ "$output" == *"cannot be counted by args"* ]]
	run -64 jobctl-status --by status --sort queue
}

# What indexes and claims say against what the jobs say.
same_counts() {	# FUNCTION [ARG...]: runs SQL and commands as somebody
	local by

	for by in status queue status,queue queue,status; do
		diff <(as_role "$1" jobctl-status -H --by "$by" -n 0 | tr -s ' ' | sort) \
			<(sql_as "$1" "SELECT $by, count(*) FROM jobctl.job WHERE live GROUP BY $by" | tr '|' ' ' | sort)
	done
}

@test "--by status and queue counts all live jobs there are, in every state" {
	local after

	zoo
	after=$(submit mail "queue => 'slow'" "after => '{$PENDING}'")
	submit mail "queue => 'slow'" "after => '{$PENDING}'" "run_in => '1 hour'" >/dev/null
	submit mail "queue => 'run'" "hold => true" "after => '{$after}'" >/dev/null
	sql "UPDATE jobctl.jobs SET wake_at = now() - interval '1 s', run_at = wake_at WHERE id = '$LATER'"
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('hidden', 'jobctl_operator') ON CONFLICT DO NOTHING"
	submit build "project => 'hidden'" "queue => 'run'" >/dev/null
	claim run second
	submit build "project => 'hidden'" "queue => 'run'" >/dev/null
	[ "$(jobctl-status -H --by status | tr -s ' ' | paste -sd,)" = "pending 5,held 2,running 2" ]
	role_login status_reader jobctl_reader
	same_counts status_reader
	[ "$(as_role status_reader jobctl-status -H --by status -s running | tr -s ' ')" = 'running 1' ]
	role_login status_operator jobctl_operator
	same_counts status_operator
}

@test "-Q: 0 if something matches, 1 if nothing does, and not a word" {
	zoo
	run -0 jobctl-status -Q
	[ -z "$output" ]
	run -0 jobctl-status -Q -q slow -s pending
	run -1 jobctl-status -Q -q nothing
	[ -z "$output" ]
	run -1 jobctl-status -Q -q run -s pending
	run -0 jobctl-status -Q "$DONE"
	run -0 jobctl-status -Q -s completed "${DONE:0:23}"
	run -1 jobctl-status -Q -s failed "$DONE"
	run -0 jobctl-status -Q -s failed "$DONE" "$FAILED"
	run -66 jobctl-status -Q 00000000-0000-7000-8000-000000000000
	run -69 jobctl-status -Q -d 'host=/nowhere'
}

@test "--condition: 0 and 1 as -Q, any error 255" {
	zoo
	run -0 jobctl-status --condition -Q -q slow -s pending
	[ -z "$output" ]
	run -1 jobctl-status --condition -q nothing
	[ -z "$output" ]
	run -255 jobctl-status --condition -d 'host=/nowhere'
	[[ "$output" == *"cannot connect"* ]]
	run -255 jobctl-status --condition 00000000-0000-7000-8000-000000000000
	run -255 jobctl-status --condition --no-such-option
	run -255 jobctl-status --no-such-option --condition
	run -255 jobctl-status --condition -s nonsense
	run -255 jobctl-status --condition -n x
	run -64 jobctl-status -Q -- --condition
	run -0 jobctl-status --condition --help
}

@test "ids: whole, without dashes, in capitals, or a beginning" {
	zoo
	[ "$(ids "$HELD")" = "$HELD" ]
	[ "$(ids "${HELD//-/}")" = "$HELD" ]
	[ "$(ids "${HELD^^}")" = "$HELD" ]
	[ "$(ids "${HELD:0:25}")" = "$HELD" ]
}

@test "ids: one that says when it was made is believed only as long as it helps" {
	local id ago now ahead

	printf -v ago '%012x' $((($(date +%s) - 86400 * 400) * 1000))
	printf -v now '%012x' $(($(date +%s) * 1000))
	printf -v ahead '%012x' $((($(date +%s) + 86400 * 400) * 1000))
	for id in "${ago:0:8}-${ago:8}-7000-8000-000000000001" "${now:0:8}-${now:8}-7000-8000-000000000002" \
		"${ahead:0:8}-${ahead:8}-7000-8000-000000000003" aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa; do
		submit build "queue => 'q'" "id => '$id'"
		run -0 jobctl-status "$id"
		[[ "${lines[1]}" == status*pending* ]]
		sql "SELECT jobctl.cancel(ARRAY['$id'::uuid])"
		run -0 jobctl-status "$id"
		[[ "${lines[1]}" == status*cancelled* ]]
	done
}

@test "ids: in the order given, each once" {
	zoo
	[ "$(ids "$DONE" "$HELD" "$RUNNING" "${HELD:0:30}" "$DONE")" = "$DONE
$HELD
$RUNNING" ]
}

@test "an ambiguous beginning is exit 64 and lists the matches" {
	local n

	for n in 1 2 3 4 5 6 7; do
		submit k "id => '0199c0de-7a31-7000-8000-00000000000$n'" >/dev/null
	done
	run -64 --separate-stderr jobctl-status 0199c0de-7a31
	[ -z "$output" ]
	[[ "$stderr" == *'"0199c0de-7a31" is the beginning of more than one'* ]]
	[[ "$stderr" == *"hint: matches: 0199c0de-7a31-7000-8000-000000000001 "*000000000005" and more"* ]]
	run -64 --separate-stderr jobctl-status -H -o status 0199c0de7a31700080000000000000
	submit k "id => '0199c0de-7a31-7000-9000-000000000001'" >/dev/null
	submit k "id => '0199c0de-7a31-7000-9000-000000000002'" >/dev/null
	run -64 --separate-stderr jobctl-status 0199c0de-7a31-7000-9
	[[ "$stderr" == *"matches: 0199c0de-7a31-7000-9000-000000000001 0199c0de-7a31-7000-9000-000000000002" ]]
	run -0 jobctl-status -H -o status 0199c0de-7a31-7000-8000-000000000003
	[ "$output" = pending ]
}

@test "unknown and mistaken ids are said one by one, the others are shown" {
	zoo
	run -66 --separate-stderr jobctl-status -H -o id "$HELD" 00000000-0000-7000-8000-000000000000 "$DONE"
	[ "$output" = "$HELD
$DONE" ]
	[ "$stderr" = "jobctl-status: no such job: 00000000-0000-7000-8000-000000000000" ]
	run -66 --separate-stderr jobctl-status -H -o id zzzzzzzz abc 00000000 "$DONE"
	[ "$output" = "$DONE" ]
	[[ "${stderr_lines[0]}" == *'"zzzzzzzz" is not a job id'* ]]
	[[ "${stderr_lines[1]}" == *'"abc" is too short'* ]]
	[[ "${stderr_lines[2]}" == *'no such job: 00000000' ]]
	run -64 jobctl-status ''
	run -64 jobctl-status $'\033[31m'
	[[ "$output" != *$'\033'* ]]
}

@test "one job in full: running" {
	zoo
	SIM_TOKEN=$RUNNING_TOKEN
	wrote "$RUNNING" 1 1 'one\ntwo\n'
	run -0 jobctl-status "${RUNNING:0:23}"
	[ "${lines[0]}" = "job        $RUNNING" ]
	has_line 'status +running for [0-9.]+s: Healthy'
	has_line 'attempt +1 of 3'
	has_line "worker +host1 pid 101 \(${SIM_WORKER}\), heard of .* ago, lease ends in (59m|1h).*"
	has_line 'progress +3/10 \(30%\), .* left: frame 300'
	has_line 'stats +\{"files": 3\}'
}

@test "one job in full: failed, with its output, earlier runs and events" {
	local id n

	worker w1 host1 101
	id=$(submit k "queue => 'q'" "max_attempts => 2" "backoff => 'constant:0s'" \
		"args => jsonb_build_object('long', repeat('y', 80), 'n', 1)")
	claim q one
	finish "$id" signal '' 'killed' '' 9
	sql "SELECT jobctl.wake_due()" >/dev/null
	claim q two
	for n in 1 2 3; do
		wrote "$id" "$n" $((n % 2 + 1)) "line $n.1\\nline $n.2\\nline $n.3\\nline $n.4\\n"
	done
	finish "$id" exit 3 'no space left'
	run -0 jobctl-status "$id"
	has_line 'status +failed [0-9.]+s ago: exit 3'
	has_line 'ended +20.*, ran .*, CPU 0\.[23]s, memory 1\.0 MB'
	has_line 'error +no space left'
	has_line 'earlier +attempt 1, 20.*Z, ran .*: signal 9 on host1: killed'
	[[ "$output" == *$'output, the last lines\n  | line 1.3\n  | line 1.4\n  | line 2.1\n'*$'  | line 3.4\n'* ]]
	[[ "$output" == *$'\n''args       {'$'\n''               "n": 1,'* ]]
	[[ "$output" == *"next       jobctl-logs $id
           jobctl-retry $id" ]]
}

@test "one job in full: pending after a failure, waiting for others, held, reaped" {
	local a b id

	worker w1 host1 101
	a=$(submit k "queue => 'a'")
	b=$(submit k "queue => 'a'")
	id=$(submit k "queue => 'q'" "after => '{$a}'" "after_ok => '{$b}'" "run_in => '1 hour'")
	sql "SELECT jobctl.hold('{$id}', 'not today')" >/dev/null
	run -0 jobctl-status "$id"
	has_line 'status +held: Held, Scheduled, Dependency'
	[[ "$output" == *"waits for  $a to end, is pending"* ]]
	[[ "$output" == *"           $b to complete, is pending"* ]]
	has_line 'due +20.*Z, in (59m|1h00).*'
	has_line 'events +20.*Z hold by jobctl .*: not today'
	[[ "$output" == *"next       jobctl-release $id
           jobctl-explain $id"*"jobctl-cancel $id" ]]
	claim a
	finish "$a" exit 1 oops
	run -0 jobctl-status "$a"
	has_line 'status +pending: Backoff'
	has_line 'earlier +attempt 1,.*: exit 1 on host1: oops'
}

@test "several jobs in full, an empty line between them" {
	zoo
	run -0 --keep-empty-lines jobctl-status "$HELD" "$DONE"
	[[ "$output" == "job        $HELD"*$'\n\n'"job        $DONE"* ]]
}

@test "nothing from a row reaches the screen as it is" {
	local id evil='\u001b]0;owned\u0007\r\u202e\u009b31m'

	worker w1 $'h\033[2Jost' 7
	id=$(submit k "queue => 'q'" "unique_key => E'\\x1b[31m'" "args => '{\"a\": \"$evil\"}'" "max_attempts => 1")
	claim q
	wrote "$id" 1 2 'bad \033[2J \007 \377\n'
	report "$id" 1 2 $'mess\033[5mage\tand\nmore'
	run -0 jobctl-status "$id"
	[[ "$output" != *[$'\001'-$'\010\013'-$'\037\177']* ]]
	[[ "$output" == *'bad \x1b[2J \x07 \xff'* ]]
	run -0 jobctl-status
	[[ "$output" != *[$'\001'-$'\010\013'-$'\037\177']* ]]
	[[ "$output" == *'mess\x1b[5mage\tand\nmore'* ]]
	run -0 jobctl-status -H -o message,unique_key
	[ "$output" = 'mess\x1b[5mage\tand\nmore	\x1b[31m' ]
	run -0 jobctl-status --json
	[ "$(jq -r .message <<<"$output")" = $'mess\033[5mage\tand\nmore' ]
	sql "SELECT jobctl.cancel('{$id}', E'wh\x1by')" >/dev/null
	run -0 jobctl-status "$id"
	[[ "$output" != *$'\033'* ]]
	[[ "$output" == *'cancel by jobctl '*': wh\x1by'* ]]
	finish "$id" exit 1 $'\033[31merror'
	run -0 jobctl-status "$id"
	[[ "$output" != *$'\033'* ]]
	[[ "$output" == *'\x1b[31merror'* ]]
	id=$(submit k "queue => 'q'")
	claim q two
	finish "$id" exit 1 $'\033[31merror'
	run -0 jobctl-status "$id"
	[[ "$output" != *$'\033'* ]]
	has_line 'earlier +attempt 1, .* on h.x1b\[2Jost: .x1b\[31merror'
}

@test "reasons: why each pending job waits" {
	local id

	worker w1 host1 1 'one,limited,paused' 'k'
	reason() {
		jobctl-status -H -o reasons "$1"
	}
	id=$(submit k "queue => 'one'")
	[ "$(reason "$id")" = Ready ]
	[ "$(reason "$(submit k "queue => 'one'")")" = Behind ]
	[ "$(reason "$(submit other "queue => 'one'")")" = NoHandler ]
	[ "$(reason "$(submit k "queue => 'two'")")" = NoWorker ]
	[ "$(reason "$(submit k "queue => 'one'" "run_in => '1h'")")" = Scheduled ]
	[ "$(reason "$(submit k "queue => 'one'" "hold => true")")" = Held ]
	[ "$(reason "$(submit k "queue => 'one'" "after => '{$id}'")")" = Dependency ]
	sql "SELECT jobctl.pause_queue('paused', 'tea')" >/dev/null
	[ "$(reason "$(submit k "queue => 'paused'")")" = QueuePaused ]
	sql "SELECT jobctl.limit_queue('limited', 1)" >/dev/null
	submit k "queue => 'limited'" >/dev/null
	claim limited
	[ "$(reason "$(submit k "queue => 'limited'")")" = ConcurrencyLimit ]
	sql "UPDATE jobctl.workers SET queues = NULL, kinds = NULL"
	[ "$(jobctl-status --count --reason NoWorker,NoHandler)" = 0 ]
	sql "UPDATE jobctl.workers SET kinds = '{none}'"
	[ "$(jobctl-status --count --reason NoHandler)" = 9 ]
	run -0 jobctl-status -q two
	[[ "$output" == *NoHandler* ]]
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	[ "$(jobctl-status --count --reason NoWorker)" = 9 ]
	run -0 jobctl-status -H --sort created_at -s held
	[[ "$output" == *"Held +1"* ]]
}

@test "reasons: how it stands with running jobs" {
	zoo
	[ "$(jobctl-status -H -o reasons -s running)" = Healthy ]
	sql "UPDATE jobctl.workers SET heartbeat_at = now() - interval '50 minutes'"
	[ "$(jobctl-status -H -o reasons -s running)" = HeartbeatLate ]
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	sql "SELECT jobctl.cancel('{$RUNNING}')" >/dev/null
	[ "$(jobctl-status -H -o reasons -s running)" = LeaseExpired,CancelRequested ]
	run -0 jobctl-status "$RUNNING"
	has_line "worker .*, lease ended [0-9.]+s ago"
	has_line "next +jobctl-reap"
}

@test "a tenant sees its own, is told nothing of others, but waits behind them" {
	role_login status_ann jobctl_submitter
	role_login status_bob jobctl_submitter
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('ann', 'status_ann'), ('bob', 'status_bob')
		ON CONFLICT DO NOTHING"
	worker w1
	local ann bob

	bob=$(as_role status_bob psql -XAtqc "SELECT jobctl.submit('k', project => 'bob')")
	ann=$(as_role status_ann psql -XAtqc "SELECT jobctl.submit('k', project => 'ann')")
	run -0 as_role status_ann jobctl-status -H -o id,reason
	[ "$output" = "$ann	Behind" ]
	run -0 as_role status_bob jobctl-status -H -o id,reason
	[ "$output" = "$bob	Ready" ]
	run -66 as_role status_ann jobctl-status "$bob"
	[ "$output" = "jobctl-status: no such job: $bob" ]
	run -66 as_role status_ann jobctl-status "${bob:0:35}"
	run -1 as_role status_ann jobctl-status -Q -p bob
	run -0 as_role status_ann jobctl-status --count
	[ "$output" = 1 ]
	run -0 as_role status_ann jobctl-status "$ann"
	[[ "$output" != *bob* ]]
}

@test "--watch of ids ends when all have ended, and appends where there is no terminal" {
	zoo
	start jobctl-status --watch=100ms -H -o status "$RUNNING" "$DONE"
	eventually 10 grep -qx running "$STARTED_LOG"
	SIM_TOKEN=$RUNNING_TOKEN
	finish "$RUNNING" ok 0
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(tail -2 "$STARTED_LOG")" = "completed
completed" ]
}

session() {	# PID: its backend
	sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'jobctl-status %:$1'"
}

cut_off() {	# PID: end its session; true once it has another
	local old

	old=$(session "$1")
	[ -n "$old" ]
	sql "SELECT pg_terminate_backend($old)" >/dev/null
	eventually 10 has_another "$1" "$old"
}

has_another() {
	local now

	now=$(session "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

@test "--watch goes on over a lost connection" {
	zoo
	start jobctl-status --watch=100ms --count
	eventually 10 grep -qx 4 "$STARTED_LOG"
	cut_off "$STARTED_PID"
	grep -q 'trying again' "$STARTED_LOG"
	submit k >/dev/null
	eventually 10 grep -qx 5 "$STARTED_LOG"
	run ! gone "$STARTED_PID"
}

@test "--watch ends when its reader goes away" {
	zoo
	run -0 timeout 20 bash -c 'jobctl-status --watch=100ms --count | head -2'
	[ "$output" = "4
4" ]
}

@test "--watch appends: a time before each table, nothing between lines for programs" {
	zoo
	start jobctl-status --watch=100ms --by status -s held
	eventually 10 bash -c "[ \$(grep -c '^-- 20..-..-.. ..:..:..Z\$' $STARTED_LOG) -ge 2 ]"
	[[ "$(sed -n 2p "$STARTED_LOG")" =~ ^STATUS\ +COUNT$ ]]
	[[ "$(sed -n 4p "$STARTED_LOG")" == --\ 20* ]]
	start jobctl-status --watch=100ms --json -o status -s held
	eventually 10 bash -c "[ \$(wc -l <$STARTED_LOG) -ge 3 ]"
	[ "$(head -n 3 "$STARTED_LOG" | sort -u)" = '{"v":1,"status":"held"}' ]
}

@test "--watch on a terminal draws over what was there, and never clears it first" {
	zoo
	run -0 timeout 20 script -qec "jobctl-status --watch=100ms $DONE" /dev/null
	[[ "$output" == $'\033[H'"job        $DONE"$'\033[K'* ]]
	[[ "$output" != *$'\033[2J'* ]]
	[[ "$output" == *$'\033[J' ]]
}

@test "--watch on a terminal cuts at its edges" {
	zoo
	run -0 timeout 20 script -qec "stty cols 30 rows 4; jobctl-status --watch=100ms $DONE" /dev/null
	[ "${#lines[@]}" = 4 ]
	[ "${lines[0]}" = $'\033[H'"job        ${DONE:0:19}"$'\033[m\r' ]
	[ "${lines[3]}" = $'\033[J' ]
}

@test "a long message is shortened on a terminal, and nowhere else" {
	zoo
	SIM_TOKEN=$RUNNING_TOKEN
	report "$RUNNING" 1 2 "$(printf 'x%.0s' {1..200})"
	run -0 script -qec 'jobctl-status -s running' /dev/null
	[[ "$output" == *" $(printf 'x%.0s' {1..60})..."* ]]
	run -0 jobctl-status -s running
	[[ "$output" == *" $(printf 'x%.0s' {1..200})" ]]
}

@test "a full disk is an error, a closed pipe is not" {
	sql "SELECT jobctl.submit('k') FROM generate_series(1, 3000)" >/dev/null
	run -74 bash -c 'jobctl-status -n 0 >/dev/full'
	run -74 bash -c 'jobctl-status --json >/dev/full'
	run -0 --separate-stderr bash -c 'set -o pipefail; { jobctl-status --json || [ $? = 141 ]; } | head -1 | wc -l'
	[ "$output" = 1 ]
	[ -z "$stderr" ]
}

@test "mistakes on the command line: exit 64 and what was meant" {
	run -64 jobctl-status -s running,
	[[ "$output" == *"a name is empty"* ]]
	run -64 jobctl-status -s runing
	[[ "$output" == *"one of: pending running held completed failed cancelled"* ]]
	run -64 jobctl-status --reason Bored
	[[ "$output" == *"NoWorker"* ]]
	run -64 jobctl-status -q ''
	run -64 jobctl-status --since yesterday
	[[ "$output" == *"--since: \"yesterday\" is neither"* ]]
	run -64 jobctl-status --older-than -1h
	run -64 jobctl-status --sort nothing
	[[ "$output" == *'no field "nothing"'* ]]
	run -64 jobctl-status --sort id,status
	run -64 jobctl-status -o id,
	run -64 jobctl-status -n -1
	run -64 jobctl-status --watch=1ms
	run -64 jobctl-status --watch=x
	run -64 jobctl-status --count --by status
	run -64 jobctl-status --count -o id
	run -64 jobctl-status -Q --json
	run -64 jobctl-status -Q --watch
	run -64 jobctl-status -q x 00000000-0000-7000-8000-000000000000
	run -64 jobctl-status -a 00000000-0000-7000-8000-000000000000
	run -64 jobctl-status -n 1 00000000-0000-7000-8000-000000000000
	run -64 jobctl-status -q $'\xff'
}

@test "no database, no schema" {
	run -69 jobctl-status -d 'host=/nowhere'
	run -69 --separate-stderr jobctl-status --json -d 'host=/nowhere'
	[ "$(jq .exit <<<"$stderr")" = 69 ]
	run -76 jobctl-status -d 'dbname=postgres'
	[[ "$output" == *"run: jobctl-migrate up"* ]]
	run -76 jobctl-status -d 'dbname=postgres' 00000000-0000-7000-8000-000000000000
}

@test "what runs is found without reading what waits" {
	local at log=$SUITE_DIR/server.log

	zoo
	sql "INSERT INTO jobctl.jobs (id, kind, queue) SELECT jobctl.new_id(), 'k', 'q' FROM generate_series(1, 20000)"
	sql 'ANALYZE jobctl.jobs'
	at=$(stat -c %s "$log")
	run -0 jobctl-status -H -o id -s running -d "$JOBCTL_DATABASE options='-c session_preload_libraries=auto_explain
		-c auto_explain.log_min_duration=0 -c auto_explain.log_nested_statements=on'"
	[ "$output" = "$RUNNING" ]
	tail -c +$((at + 1)) "$log" >"$BATS_TEST_TMPDIR/plans"
	grep -q 'Index Cond: (id = ANY' "$BATS_TEST_TMPDIR/plans"
	run -1 grep -E 'Seq Scan on jobs|Index Scan Backward using jobs_pkey on jobs [^i]*$' "$BATS_TEST_TMPDIR/plans"
	[ "$(jobctl-status --count -s running,held)" = 2 ]
}

@test "many ids at once, and a list that feeds another program" {
	sql "SELECT jobctl.submit('k', queue => 'enc') FROM generate_series(1, 2500)" >/dev/null
	ids -q enc >"$BATS_TEST_TMPDIR/ids"
	xargs -n 5000 jobctl-status -H -o id <"$BATS_TEST_TMPDIR/ids" >"$BATS_TEST_TMPDIR/again"
	cmp "$BATS_TEST_TMPDIR/ids" "$BATS_TEST_TMPDIR/again"
}
