#!/usr/bin/env bats
# jobctl-reap: the jobs of the dead, all of them, and nobody else's

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
}

# The worker that acts from now on was registered from here, as process PID.
neighbour() {	# NAME PID [START-TIME [ROLE]]
	SIM_WORKER=$(sim_uuid "$1")
	sql_as "${4:-$PGUSER}" "SELECT jobctl.register_worker('$SIM_WORKER', '$(uname -n)',
		'$(cat /proc/sys/kernel/random/boot_id):$(stat -Lc %i /proc/self/ns/pid)',
		$2, ${3:-1}, '0', NULL, NULL, 100, '1 hour')" >/dev/null
}

start_time() {	# PID
	local stat

	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086 # fields
	set -- ${stat##*) }
	echo "${20}"
}

# The acting worker gets a job; its id is JOB.
has_a_job() {
	JOB=$(submit k "queue => 'q$RANDOM$RANDOM'")
	claim "$(sql "SELECT queue FROM jobctl.jobs WHERE id = '$JOB'")"
}

lease_ends() {	# of the acting worker
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s' WHERE worker_id = '$SIM_WORKER'"
}

# Somebody's transaction has the job locked, until STARTED_PID is killed.
hold() {	# ID
	start env PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c 'BEGIN' \
		-c "SELECT FROM jobctl.jobs WHERE id = '$1' FOR UPDATE" -c 'SELECT pg_sleep(600)'
	eventually 10 is_held "$1"
}

is_held() {	# ID
	[ "$(sql "SELECT count(*) FROM (SELECT FROM jobctl.jobs WHERE id = '$1' FOR UPDATE SKIP LOCKED) j")" = 0 ]
}

state() {	# ID
	sql "SELECT status || '|' || attempt || '|' || crashes FROM jobctl.job WHERE id = '$1'"
}

workers() {
	sql 'SELECT count(*) FROM jobctl.workers'
}

@test "with nothing to do it says so and is content" {
	run -0 --separate-stderr jobctl-reap
	[ -z "$output" ]
	[ "$stderr" = 'jobctl-reap: no dead worker has a job' ]
	run -0 jobctl-reap -Q
	[ -z "$output" ]
	run -0 --separate-stderr jobctl-reap --json
	[ -z "$output" ]
	run -0 --separate-stderr jobctl-reap --dry-run
	[ -z "$output" ]
}

@test "a worker whose lease has ended is dead, wherever it was; one that lives is not" {
	local dead
	worker far elsewhere 101
	has_a_job
	dead=$JOB
	lease_ends
	worker near elsewhere 102
	has_a_job
	run -0 --separate-stderr jobctl-reap -H -o id,status
	[ "$output" = "$dead	pending" ]
	[ "$stderr" = 'jobctl-reap: gave back 1 job of 1 dead worker' ]
	[ "$(state "$dead")" = 'pending|0|1' ]
	[ "$(state "$JOB")" = 'running|1|0' ]
	[ "$(workers)" = 1 ]
}

@test "a process of this host that is gone is dead, whatever its lease says" {
	neighbour gone 999999999
	has_a_job
	run -0 --separate-stderr jobctl-reap -H -o id,status,error_message
	[ "$output" = "$JOB	pending	worker lost: $(uname -n) pid 999999999, the process is gone" ]
	[ "$(state "$JOB")" = 'pending|0|1' ]
	[ "$(workers)" = 0 ]
}

@test "a process that has the pid but began at another time is another" {
	neighbour lives $$ "$(start_time $$)"
	has_a_job
	run -0 --separate-stderr jobctl-reap
	[ "$(state "$JOB")" = 'running|1|0' ]
	neighbour lives $$ "$(($(start_time $$) - 1))"
	run -0 --separate-stderr jobctl-reap
	[ "$(state "$JOB")" = 'pending|0|1' ]
}

@test "the same pid of another host or another boot proves nothing" {
	worker other "$(uname -n)" 999999999
	has_a_job
	run -0 --separate-stderr jobctl-reap
	[ "$(state "$JOB")" = 'running|1|0' ]
}

@test "--dry-run tells the same and changes nothing" {
	local before dry
	neighbour gone 999999999
	has_a_job
	has_a_job
	worker far elsewhere 101
	has_a_job
	lease_ends
	before=$(sql 'SELECT * FROM jobctl.jobs ORDER BY id; SELECT * FROM jobctl.claims ORDER BY token, queue;
		SELECT * FROM jobctl.workers ORDER BY worker_id; SELECT count(*) FROM jobctl.job_events')
	run -0 --separate-stderr jobctl-reap --dry-run --json
	dry=$output
	[ "${#lines[@]}" = 3 ]
	[ "$stderr" = 'jobctl-reap: this would give back 3 jobs of 2 dead workers' ]
	[ "$(sql 'SELECT * FROM jobctl.jobs ORDER BY id; SELECT * FROM jobctl.claims ORDER BY token, queue;
		SELECT * FROM jobctl.workers ORDER BY worker_id; SELECT count(*) FROM jobctl.job_events')" = "$before" ]
	run -0 --separate-stderr jobctl-reap --json
	[ "$output" = "$dry" ]
	[ "$stderr" = 'jobctl-reap: gave back 3 jobs of 2 dead workers' ]
	[ "$(workers)" = 0 ]
}

@test "the third crash fails the job, and a cancelled one is cancelled" {
	local n third
	neighbour gone 999999999
	has_a_job
	third=$JOB
	sql "UPDATE jobctl.jobs SET crashes = 2 WHERE id = '$third'"
	has_a_job
	sql "SELECT jobctl.cancel('{$JOB}')"
	for n in --dry-run --; do
		run -0 --separate-stderr jobctl-reap -H -o id,status,crashes $n
		[ "$(sort <<<"$output")" = "$(printf '%s\n' "$third	failed	3" "$JOB	cancelled	1" | sort)" ]
	done
	[ "$(sql "SELECT outcome FROM jobctl.job WHERE id = '$third'")" = worker_lost ]
	[ "$(state "$JOB")" = 'cancelled|1|1' ]
}

@test "a job that somebody took by hand has failed when its time is over, and no worker crashed" {
	sql "INSERT INTO jobctl.indexing_jobs (repo_path, project_id, status) VALUES ('/r', 'default', 'running')"
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 s'"
	run -0 --separate-stderr jobctl-reap -H -o status,crashes,error_message
	[[ $output == $'failed\t0\t'*'took it and has not said how it ended within 1h00m' ]]
}

@test "a table, fields and JSON have the job, its queue and its worker" {
	local queue
	neighbour gone 999999999
	has_a_job
	queue=$(sql "SELECT queue FROM jobctl.jobs WHERE id = '$JOB'")
	run -0 --separate-stderr jobctl-reap --dry-run
	[[ "${lines[0]}" =~ ^ID\ +STATUS\ +QUEUE\ +KIND\ +CRASHES\ +ERROR$ ]]
	[[ "${lines[1]}" == "${JOB:0:13} "*" pending "*" $queue "*" k "*' 1 '*'the process is gone' ]]
	run -0 --separate-stderr jobctl-reap --dry-run -H
	[ "${#lines[@]}" = 1 ]
	run -0 --separate-stderr jobctl-reap --dry-run -o worker_pid,worker,project
	[ "$output" = "worker_pid	worker	project
999999999	$(sim_uuid gone)	default" ]
	run -64 --separate-stderr jobctl-reap --dry-run -o nothing
	[[ "$stderr" == *'there is no field "nothing"'*'fields: id status '* ]]
	run -0 --separate-stderr jobctl-reap --json
	[ "$(jq -c 'keys_unsorted' <<<"$output")" = \
		'["v","id","status","project","queue","kind","crashes","worker","worker_host","worker_pid","error_message"]' ]
	[ "$(jq -r '.id, .status, .crashes, .worker_host, .worker_pid' <<<"$output" | tr '\n' ' ')" = \
		"$JOB pending 1 $(uname -n) 999999999 " ]
}

@test "a job that is locked is left for later, and only that" {
	local locked
	neighbour gone 999999999
	has_a_job
	locked=$JOB
	has_a_job
	hold "$locked"
	run -75 --separate-stderr jobctl-reap -H -o id
	[ "$output" = "$JOB" ]
	[[ "$stderr" == *"1 dead worker is left: somebody's transaction has a job of theirs locked"*'hint: try again'* ]]
	[ "$(state "$locked")" = 'running|1|0' ]
	kill "$STARTED_PID"
	free() { jobctl-reap -H -o id | grep -qx "$locked"; }
	eventually 10 free
	[ "$(state "$locked")" = 'pending|0|1' ]
}

@test "of another role's workers on this host only a role of all projects may say that they are dead" {
	role_login reap_op jobctl_operator
	role_login reap_worker jobctl_worker
	role_login reap_all jobctl_operator jobctl_all_projects
	neighbour gone 999999999 1 reap_worker
	JOB=$(submit k "queue => 'theirs'")
	sql_as reap_worker "SELECT count(*) FROM jobctl.claim('$(sim_uuid token)', '$SIM_WORKER', '{theirs}', 1)"
	run -77 --separate-stderr as_role reap_op jobctl-reap
	[ -z "$output" ]
	[[ "$stderr" == *'the process of 1 worker of another role is gone, too'*'jobctl_all_projects'* ]]
	[ "$(state "$JOB")" = 'running|1|0' ]
	run -0 --separate-stderr as_role reap_all jobctl-reap -H -o id
	[ "$output" = "$JOB" ]
}

@test "it takes no operands" {
	run -64 --separate-stderr jobctl-reap "$(sim_uuid x)"
}
