#!/usr/bin/env bats
# jobctl-check: the line, the data and the status of each mode; what is no answer is 3

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	sql 'TRUNCATE jobctl.job_counts'
}

# JOBCTL WORD - TEXT | LABEL=VALUE... and its exit status.  For eventually, too, where
# only the last status would count.
says() {	# STATUS WORD TEXT-PATTERN DATA-PATTERN MODE [OPTION...]
	local status=$1 word=$2 text=$3 data=$4

	shift 4
	run "-$status" --separate-stderr jobctl-check "$@" || return
	echo "$output"
	[ -z "$stderr" ] || return
	[ "${#lines[@]}" = 1 ] || return
	# shellcheck disable=SC2053 # patterns
	[[ "$output" == "JOBCTL $word - "$text' | '$data ]] || return
	# each label=value[unit];warn;crit;min;max, as monitoring parses it
	run -0 grep -qxE "([a-z_]+=-?[0-9.]+(s|%|B|c)?(;[0-9.~:@-]*){0,3}(;[0-9.]*)?)( [a-z_]+=[0-9.]+(s|%|B|c)?(;[0-9.~:@-]*){0,3})*" \
		<<<"${output##* | }"
}

unknown() {	# TEXT-PATTERN ARG...
	local text=$1

	shift
	run -3 --separate-stderr jobctl-check "$@"
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	# shellcheck disable=SC2053 # a pattern
	[[ "$output" == "JOBCTL UNKNOWN - "$text ]]
	[[ "$stderr" == jobctl-check:* ]]
}

# N jobs of a queue that end so.
ended() {	# N QUEUE OUTCOME [SQL-ARGUMENT]
	local i id

	for ((i = 0; i < $1; i++)); do
		id=$(submit k "queue => '$2'" "max_attempts => 1" "${4:-priority => 0}")
		claim "$2" "$id"
		finish "$id" "$3" >/dev/null
	done
}

@test "failure-rate: per cent of what completed or failed" {
	says 0 OK '0.0% failed: 0 of 0 that ended within 1h00m' 'failure_rate=0%;10;25;0;100 failed=0;;;0 ended=0;;;0' failure-rate
	worker w
	ended 9 q ok
	ended 1 q exit
	says 0 OK '10.0% failed: 1 of 10 *' 'failure_rate=10%;10;25;0;100 failed=1;;;0 ended=10;;;0' failure-rate
	ended 1 q exit
	says 1 WARNING '18.2% failed: 2 of 11 *' 'failure_rate=18.18181818%;10;25;0;100 *' failure-rate
	says 2 CRITICAL '18.2% failed: *' 'failure_rate=*%;5;15;0;100 *' failure-rate -w 5 -c 15
	says 2 CRITICAL '18.2% failed: *' 'failure_rate=*%;;15;0;100 *' failure-rate -w '' -c 15%
	says 0 OK '18.2% failed: *' 'failure_rate=*%;~:20;;0;100 *' failure-rate -w '~:20' -c ''
}

@test "failure-rate: an attempt that is not the last, and a cancelled job, do not count" {
	local id
	worker w
	id=$(submit k "queue => 'q'" "max_attempts => 2")
	claim q
	finish "$id" exit
	sql "SELECT jobctl.cancel('{$(submit k "queue => 'q'")}')"
	says 0 OK '0.0% failed: 0 of 0 *' '*' failure-rate
}

@test "failure-rate: a queue, a project, a kind, a window" {
	worker w
	ended 1 good ok
	ended 1 bad exit
	says 0 OK '0.0% failed: 0 of 1 *' '*' failure-rate -q good
	says 2 CRITICAL '100.0% failed: 1 of 1 *' '*' failure-rate -q bad
	says 2 CRITICAL '50.0% failed: 1 of 2 *' '*' failure-rate -p default --kind k
	says 0 OK '* 0 of 0 *' '*' failure-rate -p other
	says 0 OK '* 0 of 0 *' '*' failure-rate --kind other
	sql "UPDATE jobctl.finished_jobs SET completed_at = completed_at - interval '90 min'"
	sql "SELECT * FROM jobctl.maintain()" >/dev/null
	sql "INSERT INTO jobctl.job_counts (at, project_id, queue, kind, status, outcome, bucket, n, run_s)
		VALUES (date_trunc('minute', now()) - interval '90 min', 'default', 'old', 'k', 'failed', 'exit', 1, 5, 5)"
	says 0 OK '*: 0 of 0 that ended within 30m00s' '*' failure-rate -q old --window 30m
	says 2 CRITICAL '*: 5 of 5 that ended within 2h00m' '*' failure-rate -q old --window 2h
}

@test "stuck: the most silent of the running, whatever it did before" {
	local quiet loud
	says 0 OK 'nothing is running' 'silent=0s;1800;7200;0; running=0;;;0' stuck
	worker w
	quiet=$(submit k "queue => 'q'")
	loud=$(submit other "queue => 'q'")
	claim q
	says 0 OK 'job * of queue q has reported no progress for *, 2 running; see: jobctl-explain *' 'silent=*s;1800;7200;0; running=2;;;0' stuck
	sql "UPDATE jobctl.jobs SET started_at = now() - interval '3 h'"
	says 2 CRITICAL '*no progress for 3h00m, 2 running*' 'silent=108*' stuck
	report "$loud" 1 2 x
	says 0 OK "job $loud *, 1 running*" '*' stuck --kind other
	report "$quiet" 1 2 x
	sql "UPDATE jobctl.job_progress SET updated_at = now() - interval '40 min' WHERE job_id = '$quiet'"
	says 1 WARNING "job $quiet of queue q has reported no progress for 40m*s, 2 running; see: jobctl-explain $quiet" '*' stuck
	says 0 OK '*' 'silent=24*s;3600;7200;0; running=2;;;0' stuck -w 1h
	says 0 OK 'nothing is running' '*' stuck -q elsewhere
	says 0 OK 'nothing is running' '*' stuck -p other
}

@test "oldest-ready: only what could run now" {
	local id
	says 0 OK 'nothing is ready' 'oldest_ready=0s;900;3600;0; ready=0;;;0' oldest-ready
	submit k "queue => 'q'" "run_in => '1 h'" >/dev/null
	says 0 OK 'nothing is ready' '*' oldest-ready
	id=$(submit k "queue => 'q'")
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '20 min', created_at = created_at WHERE id = '$id'"
	says 1 WARNING 'the oldest of 1 ready waits for 20m*s in queue q' 'oldest_ready=12*s;900;3600;0; ready=1;;;0' oldest-ready
	says 2 CRITICAL '*' '*;900;1000;*' oldest-ready -c 1000
	says 0 OK 'nothing is ready' '*' oldest-ready -q elsewhere
	sql "SELECT jobctl.pause_queue('q')"
	says 1 WARNING '* in queue q, which is paused' '*' oldest-ready -q q
}

@test "workers: alive, of a queue or of all" {
	says 2 CRITICAL '0 workers are alive, with room for 0 jobs' 'workers=0;;1:;0; slots=0;;;0' workers
	worker a host 1 q
	worker b host 2
	says 0 OK '2 workers are alive, with room for 200 jobs' '*' workers
	says 0 OK '1 worker is alive, *' 'workers=1;;1:;0; slots=100;;;0' workers -q other
	says 1 WARNING '2 workers are alive*' 'workers=2;3:;2:;*' workers -q q -w 3: -c 2:
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	says 2 CRITICAL '0 workers are alive*' '*' workers
}

@test "table-size: the largest that holds no history, or those named" {
	says 0 OK 'table * has * kB, the largest of *' 'size=*B;100000000;1000000000;0;' table-size
	says 1 WARNING 'table jobs has *, the largest of 1' 'size=*B;1000;1000000000;0;' table-size --table jobs -w 1kB
	says 2 CRITICAL '*, the largest of 2' '*' table-size --table jobctl.jobs --table catalog.code_files -c 1
	says 0 OK 'table finished_jobs has *' '*' table-size --table finished_jobs
	unknown 'there are only 0 of these tables*' table-size --table nowhere
	sql "CREATE TABLE jobctl.big AS SELECT repeat(md5(n::text), 10) AS x FROM generate_series(1, 2000) n"
	says 1 WARNING 'table big has *' '*' table-size -w 500k
	sql 'DROP TABLE jobctl.big'
}

@test "xmin: who has kept VACUUM from its work" {
	# an ANALYZE by autovacuum does, while it is at work
	eventually 10 says 0 OK "nobody keeps VACUUM from removing dead rows" 'xmin=0s;600;3600;0; transactions=0;;;0' xmin
	sql "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'a|b'"
	eventually 10 says 0 OK "prepared a/b of $PGUSER has kept VACUUM *; see: jobctl-doctor" 'xmin=*s;600;3600;0; transactions=*;;;0' xmin
	says 2 CRITICAL '*' '*' xmin -c 0
	sql "ROLLBACK PREPARED 'a|b'"
}

@test "whatever keeps it from answering is UNKNOWN" {
	unknown 'missing arguments' -w 1
	unknown 'no such command "all"*' all
	unknown 'unexpected argument "more"' workers more
	unknown '-w: a range cannot end (1) before it starts (2)' workers -w 2:1
	unknown '-c: "x" is not a number of seconds or a duration' stuck -c x
	unknown '-q means nothing to xmin' xmin -q q
	unknown '-p means nothing to workers' workers -p q
	unknown '--kind means nothing to oldest-ready' oldest-ready --kind k
	unknown '--table means nothing to stuck' stuck --table jobs
	unknown '--window means nothing to stuck' stuck --window 1h
	unknown 'unknown option "--what"' workers --what
	unknown 'cannot connect to *' workers -d "host=$BATS_TEST_TMPDIR"
	unknown 'permission denied *' workers -d "$(role_login check_none; echo "host=$PGHOST port=$PGPORT dbname=$PGDATABASE user=check_none")"
}

@test "a database that does not answer is UNKNOWN when its time is over" {
	start env PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c 'BEGIN' -c 'LOCK jobctl.workers IN ACCESS EXCLUSIVE MODE' -c 'SELECT pg_sleep(600)'
	# the number of a relation is the same in every copy of the template
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
		AND relation = 'jobctl.workers'::regclass
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	run -3 --separate-stderr jobctl-check workers -t 1
	[ "$output" = 'JOBCTL UNKNOWN - no answer within the time that -t gives' ]
}

@test "a reader sees what is its own" {
	local id
	role_login check_ann jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('secret', '$PGUSER')"
	worker w
	id=$(submit k "queue => 'q'" "project => 'secret'" "max_attempts => 1")
	claim q
	run -0 as_role check_ann jobctl-check stuck
	[[ "$output" == 'JOBCTL OK - nothing is running | '* ]]
	finish "$id" exit
	run -0 as_role check_ann jobctl-check failure-rate
	[[ "$output" == *' 0 of 0 '* ]]
	says 2 CRITICAL '100.0% failed: 1 of 1 *' '*' failure-rate -p secret
	for mode in oldest-ready table-size xmin; do
		run -0 as_role check_ann jobctl-check "$mode"
	done
}
