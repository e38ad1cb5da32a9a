#!/usr/bin/env bats
# jobctl-explain: what it prints, of what it is told; that it is right is tests/drill.bats

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
	role_login explain_ann jobctl_submitter jobctl_reader
	role_login explain_sue jobctl_submitter
}

setup() {
	clear_jobs
}

# A session of that name that says this and then sleeps in its transaction.
sleeper() {	# APPLICATION 'STATEMENT'
	start env PGAPPNAME="$1" PGOPTIONS='-c client_connection_check_interval=100ms' \
		psql -Xq -c BEGIN -c "$2" -c "SELECT pg_sleep(600), 'hush'"
	eventually 10 prints PgSleep sql "SELECT wait_event FROM pg_stat_activity WHERE application_name = '$1' AND datname = current_database()"
}

@test "the screen of a job that waits" {
	local id
	id=$(submit send "queue => 'mail'")
	sql "SELECT jobctl.pause_queue('mail', 'relay is down')" >/dev/null
	run -1 --separate-stderr jobctl-explain "${id:0:13}"
	[ -z "$stderr" ]
	[ "${lines[0]}" = "job        $id, kind send, queue mail, project default" ]
	[[ ${lines[1]} == 'status     pending for '*', attempt 0 of 3, submitted '*' ago by jobctl' ]]
	[ "${lines[2]}" = 'verdict    it does not run until this is mended: QueuePaused, NoWorker' ]
	[[ ${lines[3]} == 'why        QueuePaused       queue "mail" was paused '*' ago by jobctl: relay is down' ]]
	[ "${lines[4]}" = '           NoWorker          no worker is alive' ]
	[[ ${lines[5]} == 'queue      mail: 1 ready, the oldest for '*'; 0 scheduled, 0 blocked, 0 held' ]]
	[[ ${lines[6]} == '           0 running; 0 workers with 0 slots'*'; paused' ]]
	[ "${lines[7]}" = 'next       jobctl-queue resume -q mail' ]
	[ "${lines[8]}" = '           systemctl start jobctl-worker@mail' ]
	[ "${#lines[@]}" = 9 ]
}

@test "the screen of a job that runs: worker, session, progress, history, stderr" {
	local id
	id=$(submit k "queue => 'q'" "backoff => 'constant:0s'")
	worker w1 host1 101 q
	claim q one
	finish "$id" exit 3 'no luck' >/dev/null
	sql "INSERT INTO jobctl.kind_seconds VALUES ('default', 'k', 30, 41, 130)"
	claim q two
	report "$id" 3 10 'half way'
	wrote "$id" 1 1 'to stdout\n'
	wrote "$id" 2 2 'to stderr\n'
	run -0 jobctl-explain "$id"
	[[ $output == *$'\nusual      41s, one in twenty more than 2m10s (30 of this kind completed)\n'* ]]
	[[ $output == *$'\nverdict    it runs as it should\n'* ]]
	[[ $output == *$'\nworker     host1 pid 101, version 0, heard of '*' ago, lease 1h00m, ends in '* ]]
	[[ $output == *'it has no session of its own here'* ]]
	[[ $output == *$'\nprogress   3 of 10, half way, said '*' ago; about '*' left'* ]]
	[[ $output == *$'\nearlier    attempt 1, '*$': exit 3 on host1: no luck\n'* ]]
	[[ $output == *$'\nstderr, the last lines\n  | to stderr\n'* ]]
	[[ $output != *'to stdout'* ]]
	[[ $output == *$'\nnext       jobctl-logs -f '"$id" ]]
	sql "UPDATE jobctl.jobs SET started_at = now() - interval '10 min'"
	run -1 jobctl-explain "$id"
	[[ $output == *$'\nverdict    it runs, but: Slow\n'* ]]
	sql 'TRUNCATE jobctl.kind_seconds'
}

@test "its worker's session, and whom that waits for" {
	local id
	id=$(submit k "queue => 'q'")
	worker w1 host1 101 q
	claim q
	sleeper blocker 'LOCK TABLE jobctl.unsettled'
	start env PGAPPNAME='jobctl-worker host1:101' psql -Xq -c 'SELECT count(*) FROM jobctl.unsettled'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jobctl-worker host1:101' AND wait_event_type = 'Lock'"
	run -0 jobctl-explain "$id"
	[[ $output =~ its\ session:\ pid\ [0-9]+,\ active\ for\ [^,]*,\ waits\ for\ pid\ [0-9]+ ]]
}

@test "a worker that is late, on another host" {
	local id
	id=$(submit k "queue => 'q'")
	worker w1 'far away' 101 q
	claim q
	sql "UPDATE jobctl.workers SET heartbeat_at = now() - lease * 0.9"
	run -1 jobctl-explain -H -o reason,next "$id"
	[ "$output" = $'HeartbeatLate\tssh -- \'far away\' systemctl -n 20 status 101' ]
}

@test "a worker that is a service of this host" {
	local id group
	[ "$(id -u)" = 0 ] || skip "needs root"
	group=$(sed -n 's/^0:://p' /proc/self/cgroup)
	group=$(findmnt -nt cgroup2 -o TARGET | head -n 1)$group/jobctl-test@q.service
	mkdir "$group" 2>/dev/null || skip "needs a place for control groups, version 2"
	start sleep 600
	echo "$STARTED_PID" >"$group/cgroup.procs"
	id=$(submit k "queue => 'q'")
	worker w1 "$(uname -n)" "$STARTED_PID" q
	sql "UPDATE jobctl.workers SET boot_id = '$(</proc/sys/kernel/random/boot_id):$(stat -Lc %i /proc/self/ns/pid)',
		pid_start = $(sed 's/.*) //' "/proc/$STARTED_PID/stat" | cut -d ' ' -f 20)"
	claim q
	run -0 jobctl-explain "$id"
	stop_all
	rmdir "$group"
	[[ $output == *$'\nworker     '"$(uname -n) pid $STARTED_PID, version 0, unit jobctl-test@q.service, heard of "* ]]
}

@test "on a narrow terminal paragraphs are narrower" {
	local id
	id=$(submit k "queue => 'q'" 'hold => true')
	sql "SELECT jobctl.hold('{$id}'), jobctl.release('{$id}'), jobctl.hold('{$id}', repeat('long words ', 30))" >/dev/null
	script -qec "stty rows 24 cols 72; jobctl-explain $id" "$BATS_TEST_TMPDIR/typescript" >/dev/null || true
	grep -A 6 '^why' "$BATS_TEST_TMPDIR/typescript" | sed -n '/^why/,/NoWorker/p' | tr -d '\r' >"$BATS_TEST_TMPDIR/why"
	cat "$BATS_TEST_TMPDIR/why"
	[ "$(wc -L <"$BATS_TEST_TMPDIR/why")" -le 72 ]
	[ "$(wc -L <"$BATS_TEST_TMPDIR/why")" -gt 60 ]
}

@test "jobs that ended" {
	local id
	id=$(submit k "queue => 'q'" 'max_attempts => 1')
	worker w1 host1 101 q
	claim q
	finish "$id" exit 3 'no luck' >/dev/null
	run -1 jobctl-explain "$id"
	[[ $output == *$'\nverdict    it failed, and is not tried again by itself\n'* ]]
	[[ $output == *'why        Failed            failed '*' ago, attempt 1 of 1: no luck'* ]]
	[[ $output == *"next       jobctl-logs $id"$'\n'"           jobctl-retry $id"* ]]
	id=$(submit k "queue => 'q'")
	claim q two
	finish "$id" ok 0 >/dev/null
	run -0 jobctl-explain "$id"
	[[ $output == *$'\nverdict    it has ended, nothing is to be done\n'* ]]
}

@test "-o has a line for each reason and its first command, JSON all of them" {
	local id
	id=$(submit k "queue => 'q'" 'hold => true')
	run -1 jobctl-explain -H -o reason,healthy,next "$id"
	[ "${lines[0]}" = "Held"$'\tfalse\t'"jobctl-release $id" ]
	[ "${lines[1]}" = $'NoWorker\tfalse\tsystemctl start jobctl-worker@q' ]
	run -1 jobctl-explain --json "$id"
	[ "$(jq -c 'keys_unsorted' <<<"${lines[0]}")" = '["v","id","queue","status","healthy","verdict","reason","why","next"]' ]
	[ "$(jq -r '[.id, .status, .healthy, .reason, .next[0]] | join(" ")' <<<"${lines[0]}")" = "$id held false Held jobctl-release $id" ]
	run -0 jobctl-explain --json -q q
	[ "$(jq -rc '[.id, .status, .queue, .reason, .next]' <<<"$output")" = '[null,null,"q","Idle",["jobctl-release -q q --dry-run"]]' ]
	run -64 jobctl-explain -o nonsense "$id"
}

@test "commands name the database that was named" {
	local id
	id=$(submit k "queue => 'q'" 'hold => true')
	run -1 jobctl-explain -d "$JOBCTL_DATABASE" -H -o next "$id"
	[ "${lines[0]}" = "jobctl-release -d '$JOBCTL_DATABASE' $id" ]
	run -1 env -u JOBCTL_DATABASE jobctl-explain -d "$JOBCTL_DATABASE password=secret" -H -o next "$id"
	[ "${lines[0]}" = "jobctl-release $id" ]
	run -1 jobctl-explain -d "postgresql://$PGUSER:secret@/$PGDATABASE?host=$PGHOST&port=$PGPORT" -H -o next "$id"
	[ "${lines[0]}" = "jobctl-release $id" ]
}

@test "what comes from rows is harmless, and a long text is one paragraph" {
	local id
	id=$(submit k "queue => 'q'" 'hold => true')
	sql "SELECT jobctl.hold('{$id}'), jobctl.release('{$id}'), jobctl.hold('{$id}', E'\\x1b[2J\\n' || repeat('long words ', 80))" >/dev/null
	run -1 jobctl-explain "$id"
	[[ $output != *$'\e'* ]]
	[ "$(wc -L <<<"$output")" -le 100 ]
	[[ $output == *'\x1b[2J\nlong'*'long ...'* ]]
	[ "${#lines[@]}" -le 40 ]
}

@test "what a run said is cut to the screen" {
	local id
	id=$(submit k "queue => 'q'" "backoff => 'constant:0s'")
	worker w1 host1 101 q
	claim q one
	finish "$id" exit 3 "$(printf 'wide %.0s' {1..80})" >/dev/null
	claim q two
	wrote "$id" 1 2 '%0300d\xe6\x97\xa5\n'
	run -0 jobctl-explain "$id"
	[[ $output == *': exit 3 on host1: wide'*...* ]]
	[[ $output == *$'\n  | 000'*'...'* ]]
	[ "$(wc -L <<<"$output")" -le 100 ]
}

@test "several at once; the exit status is the worst" {
	local a b
	worker w1 host1 101 q
	a=$(submit k "queue => 'q'")
	b=$(submit k "queue => 'q'" 'hold => true')
	jobctl-explain -Q "$a"
	run -1 jobctl-explain -Q "$a" "$b"
	[ -z "$output" ]
	run -66 jobctl-explain -Q "$a" 00000000-0000-7000-8000-000000000000
	run -64 jobctl-explain
	run -64 jobctl-explain -q q "$a"
	run -66 --separate-stderr jobctl-explain -q nothing
	[ "${stderr_lines[0]}" = 'jobctl-explain: queue "nothing" has no job, no setting and no worker' ]
}

@test "a queue: the first of those that cannot run stands for all" {
	local a b
	worker w1 host1 101 q other
	a=$(submit k "queue => 'q'")
	b=$(submit k "queue => 'q'")
	run -1 jobctl-explain -H -o reason,why,next -q q
	[ "$output" = $'NoHandler\t'"2 ready; the first, $a: the workers of queue \"q\" take only: other"$'\t'"jobctl-explain $a" ]
}

@test "a queue whose worker is gone" {
	local id
	worker w1 host1 101 q
	id=$(submit k "queue => 'q'")
	claim q
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	run -1 jobctl-explain -H -o reason,why -q q
	[[ ${lines[0]} == $'LeaseExpired\t'"1 running; that is $id: the lease of its worker, host1 pid 101, ended "* ]]
}

@test "a tenant is told nothing of others, and not what other sessions say" {
	local id
	id=$(submit k "queue => 'q'" "run_in => '1 h'")
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'pg_database_owner') ON CONFLICT DO NOTHING"
	run -66 as_role explain_ann jobctl-explain "$(submit k "project => 'theirs'")"
	sleeper holder "SELECT FROM jobctl.jobs WHERE id = '$id' FOR UPDATE"
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.old_transactions() t JOIN jobctl.jobs j ON j.xmax = t"
	run -1 as_role explain_ann jobctl-explain "$id"
	[[ $output == *RowLocked*'by pid '* ]]
	[[ $output != *hush* ]]
	run -1 jobctl-explain "$id"
	[[ $output == *hush* ]]
	run -1 as_role explain_sue jobctl-explain "$id"
	[[ $output == *RowLocked*'by pid '* ]]
}

@test "who has the row is found through a multixact, too" {
	local id
	id=$(submit k "queue => 'q'" "run_in => '1 h'")
	sleeper sharer1 "SELECT FROM jobctl.jobs WHERE id = '$id' FOR SHARE"
	sleeper sharer2 "SELECT FROM jobctl.jobs WHERE id = '$id' FOR SHARE"
	prints 'sharer1,sharer2' sql "SELECT string_agg(application, ',' ORDER BY application) FROM jobctl.row_lockers('$id')"
}

@test "a million jobs are not read for one, nor for a queue" {
	local id
	sql "INSERT INTO jobctl.jobs (id, kind, queue, seq) SELECT jobctl.new_id(), 'k', 'big', n FROM generate_series(1, 20000) n"
	sql 'VACUUM ANALYZE jobctl.jobs'
	id=$(sql "SELECT id FROM jobctl.jobs WHERE seq = 20000 AND queue = 'big'")
	run -0 sql "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
		SET client_min_messages = log; SELECT reason FROM jobctl.why('$id'); SELECT reason FROM jobctl.why_queue('big')"
	[[ $output == *'Index'*'on jobs'* ]]
	[[ $output != *'Seq Scan on jobs '* ]]
	[[ $output != *'Seq Scan on finished_jobs '* ]]
}

@test "who took a job by hand is no process, and no command looks for one" {
	local id
	id=$(sql "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('/srv/hand', 'default') RETURNING id")
	sql "UPDATE jobctl.indexing_jobs SET status = 'running' WHERE id = '$id'"
	run -0 jobctl-explain "$id"
	[[ "$output" == *$'\nworker     '*'@local, by hand, heard of '*$'\nqueue '* ]]
	[ "${lines[-1]}" = "next       jobctl-events -f $id" ]
	run -0 jobctl-status "$id"
	[[ "$output" == *'@local, by hand ('* ]]
	[[ "$output" == *"jobctl-events -f $id"* ]]
	[[ "$output" != *jobctl-logs* ]]
	sql "UPDATE jobctl.workers SET heartbeat_at = now() - interval '50 min'
		WHERE worker_id = (SELECT worker FROM jobctl.job WHERE id = '$id')"
	run -1 jobctl-explain -H -o reason,why,next "$id"
	[[ "$output" == HeartbeatLate*'who took it by hand, '*'@local, was last heard of 50m'*"jobctl-cancel $id" ]]
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 min'
		WHERE worker_id = (SELECT worker FROM jobctl.job WHERE id = '$id')"
	run -1 jobctl-explain -H -o reason,why,next "$id"
	[[ "$output" == LeaseExpired*'the lease of who took it by hand, '*'@local, ended 1m'*jobctl-reap ]]
}
