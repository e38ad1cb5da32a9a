#!/usr/bin/env bats
# The stuck drill: each situation in which a job can stand still is made for real,
# jobctl-explain has to name it, and what it says to type has to cure it.

bats_require_minimum_version 1.5.0
load helper
load worker

setup_file() {
	new_database
}

# What each reason of the job, or of a queue (-q Q), is, one to a line.
reasons() {	# ID | -q QUEUE
	jobctl-explain -H -o reason "$@" || [ $? = 1 ]
}

why() {		# REASON ID
	{ jobctl-explain -H -o reason,why "$2" || [ $? = 1 ]; } | awk -F'\t' -v r="$1" '$1 == r { print $2 }'
}

# The first command that is said for it.
next() {	# REASON ID
	{ jobctl-explain -H -o reason,next "$2" || [ $? = 1 ]; } | awk -F'\t' -v r="$1" '$1 == r { print $2 }'
}

# Type what is said for this reason, the Nth of the commands (the first).
cure() {	# REASON ID [N]
	local command

	command=$({ jobctl-explain --json "$2" || [ $? = 1 ]; } |
		jq -r --arg r "$1" --argjson n "${3:-1}" 'select(.reason == $r) | .next[$n - 1]')
	echo "cure: $command"
	[ "$command" != null ]
	start sh -c "$command"
}

healthy() {	# ID
	jobctl-explain -Q "$1"
}

# A job that runs until the file is there; its id.
waiting_job() {	# FILE [OPTION...]
	local file=$1

	shift
	submit_sh "until [ -e '$file' ]; do sleep 0.05; done" "$@"
}

ends() {	# ID [STATUS]
	eventually 20 status_is "$1" "${2:-completed}"
}

start_sh() {	# ARG...
	start_worker -q "$Q" --poll 1s "$@" -- sh -c '{sh}'
	eventually 10 is_registered
}

is_registered() {
	[ "$(sql "SELECT count(*) FROM jobctl.workers WHERE '$Q' = ANY (queues) AND lease_until > now()")" -gt 0 ]
}

# A transaction that stays open, has the row, and sleeps by now.
lock_row() {	# ID
	start env PGAPPNAME=forgotten PGOPTIONS='-c client_connection_check_interval=100ms' psql -Xq -c BEGIN \
		-c "SELECT FROM jobctl.jobs WHERE id = '$1' FOR UPDATE" -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT count(*) FROM jobctl.old_transactions() t JOIN jobctl.jobs j ON j.xmax = t WHERE j.id = '$1'"
	eventually 10 prints PgSleep sql "SELECT wait_event FROM pg_stat_activity WHERE application_name = 'forgotten' AND datname = current_database()"
}

# For eventually, when the worker is silent: as if it were so for long enough, and what is
# said then.  Anew each time, as a heartbeat may have been under way.
late() {	# ID PATTERN
	sql "UPDATE jobctl.workers SET heartbeat_at = now() - lease * 0.7 WHERE '$Q' = ANY (queues)"
	# shellcheck disable=SC2053 # a pattern
	prints HeartbeatLate reasons "$1" && [[ $(why HeartbeatLate "$1") == $2 ]]
}

@test "paused" {
	local id
	start_sh
	jobctl-queue pause -q "$Q" --reason 'disk full'
	id=$(submit_sh true)
	prints QueuePaused reasons "$id"
	[[ $(why QueuePaused "$id") == *"was paused"*"by jobctl: disk full" ]]
	run -1 healthy "$id"
	cure QueuePaused "$id"
	ends "$id"
}

@test "as many run as may" {
	local a b
	jobctl-queue set -q "$Q" max-running=1
	start_sh -j2
	a=$(waiting_job "$D/go")
	eventually 10 status_is "$a" running
	b=$(submit_sh true)
	prints ConcurrencyLimit reasons "$b"
	[[ $(why ConcurrencyLimit "$b") == "1 of at most 1 jobs of queue \"$Q\" run"* ]]
	healthy "$b"
	cure ConcurrencyLimit "$b"
	ends "$b"
	touch "$D/go"
	ends "$a"
}

@test "its project runs as many as it may" {
	local a b
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('drill', 'public'); SELECT jobctl.limit_project('drill', 1)"
	start_sh -j2
	a=$(waiting_job "$D/go" "project => 'drill'")
	eventually 10 status_is "$a" running
	b=$(submit_sh true "project => 'drill'")
	prints Quota reasons "$b"
	prints 'project "drill" runs 1 job, as many as it may' why Quota "$b"
	healthy "$b"
	cure Quota "$b"
	ends "$b"
	touch "$D/go"
	ends "$a"
}

@test "it waits for a job that is held" {
	local a b
	start_sh
	a=$(submit_sh true 'hold => true')
	b=$(submit_sh true "after_ok => '{$a}'")
	prints Dependency reasons "$b"
	[[ $(why Dependency "$b") == "waits for 1: $a must complete, is held, Held" ]]
	run -1 healthy "$b"
	cure Dependency "$b"
	eventually 10 grep -q '^job ' "$STARTED_LOG"
	prints Held reasons "$a"
	cure Held "$a"
	ends "$b"
}

@test "nobody serves its queue" {
	local id
	id=$(submit_exec true)
	prints NoWorker reasons "$id"
	cure NoWorker "$id"
	ends "$id"
}

@test "who serves its queue takes other kinds" {
	local id
	mkdir "$D/repo"
	echo hello >"$D/repo/file"
	start_worker -q "$Q" --kinds other -- true
	eventually 10 is_registered
	id=$(submit index "{\"repo_path\": \"$D/repo\"}")
	prints NoHandler reasons "$id"
	[[ $(why NoHandler "$id") == *"take only: other" ]]
	cure NoHandler "$id"
	ends "$id"
}

@test "somebody's open transaction has its row" {
	local id
	start_sh
	id=$(submit_sh true "run_in => '1 h'")
	lock_row "$id"
	sql "SELECT 1" >/dev/null
	[[ $(reasons "$id") == *RowLocked* ]]
	[[ $(why RowLocked "$id") == *"pid "*" (forgotten), of jobctl, "*"pg_sleep"* ]]
	cure RowLocked "$id"
	eventually 10 prints Scheduled reasons "$id"
	cure Scheduled "$id"
	ends "$id"
}

@test "a prepared transaction has its row" {
	local id
	[ "$(sql 'SHOW max_prepared_transactions')" != 0 ] || skip 'the server has no prepared transactions'
	start_sh
	id=$(submit_sh true 'hold => true')
	sql "BEGIN; UPDATE jobctl.jobs SET priority = 1 WHERE id = '$id'; PREPARE TRANSACTION 'drill'"
	eventually 10 has RowLocked "$id"
	[[ $(why RowLocked "$id") == *"the prepared transaction 'drill'"* ]]
	cure RowLocked "$id"
	eventually 10 prints Held reasons "$id"
}

@test "its worker was killed, on this host" {
	local id
	start_sh --lease 1h
	id=$(waiting_job "$D/go")
	eventually 10 status_is "$id" running
	kill_worker "$WORKER_PID"
	eventually 10 prints WorkerGone eval "reasons $id | head -1"
	[[ $(why WorkerGone "$id") == *"ran on this host, and pid $WORKER_PID is gone" ]]
	touch "$D/go"
	cure WorkerGone "$id"
	eventually 10 status_is "$id" pending
	prints NoWorker reasons "$id"
}

@test "its worker's lease has ended" {
	local id
	id=$(submit_sh true)
	sql "SELECT jobctl.register_worker('$id', 'elsewhere', 'boot', 1, 1, '0', '{$Q}', NULL, 1, '1 hour')" >/dev/null
	sql "SELECT jobctl.claim('$id', '$id', '{$Q}', 1)" >/dev/null
	sql "UPDATE jobctl.workers SET lease_until = now() - interval '1 min', heartbeat_at = now() - interval '61 min' WHERE worker_id = '$id'"
	prints LeaseExpired reasons "$id"
	[[ $(why LeaseExpired "$id") == *"elsewhere pid 1, ended 1m"*" ago"* ]]
	cure LeaseExpired "$id"
	eventually 10 status_is "$id" pending
}

@test "its worker was stopped by a signal" {
	local id
	start_sh --lease 60s
	id=$(waiting_job "$D/go")
	eventually 10 status_is "$id" running
	pkill -STOP -P "$WORKER_PID"
	eventually 20 late "$id" '*on this host pid * of it is stopped'
	cure HeartbeatLate "$id"
	eventually 20 prints Healthy reasons "$id"
	touch "$D/go"
	ends "$id"
}

@test "its worker cannot reach the server" {
	local id
	start_pooler 'pool_mode = session'
	POOLER_PID=$STARTED_PID
	JOBCTL_DATABASE=$POOLER start_sh --lease 60s
	id=$(waiting_job "$D/go")
	eventually 10 status_is "$id" running
	kill -STOP "$POOLER_PID"
	eventually 20 late "$id" '*its process is there, on this host: it cannot reach the database'
	[ "$(next HeartbeatLate "$id")" = "systemctl -n 20 status $(sql "SELECT pid FROM jobctl.workers WHERE '$Q' = ANY (queues)")" ]
	kill -CONT "$POOLER_PID"
	touch "$D/go"
	ends "$id"
}

@test "it takes longer than its kind does" {
	local id
	sql "INSERT INTO jobctl.kind_seconds VALUES ('default', 'quick', 100, 0.01, 0.02)"
	start_sh
	id=$(submit quick "{\"sh\": \"until [ -e '$D/go' ]; do sleep 0.05; done\"}")
	eventually 10 prints Slow reasons "$id"
	[[ $(why Slow "$id") == "runs for "*"of 100 that completed, half took up to "* ]]
	cure Slow "$id" 2
	ends "$id" cancelled
}

@test "its end cannot be written, because somebody has its row" {
	local id
	start_sh
	id=$(waiting_job "$D/go")
	eventually 10 status_is "$id" running
	lock_row "$id"
	prints Blocked reasons "$id"
	[[ $(why Blocked "$id") == *"pid "*"(forgotten)"* ]]
	touch "$D/go"
	cure Blocked "$id"
	ends "$id"
}

@test "its time has not come" {
	local id
	start_sh
	id=$(submit_sh true "run_in => '1 h'")
	prints Scheduled reasons "$id"
	[[ $(why Scheduled "$id") =~ ^due\ at\ .*,\ in\ (59m[0-9]+s|1h00m)$ ]]
	healthy "$id"
	cure Scheduled "$id"
	ends "$id"
}

@test "it failed and waits for another try" {
	local id
	start_sh
	id=$(submit_sh "[ -e '$D/mended' ]" "backoff => 'constant:1h'")
	eventually 10 prints Backoff reasons "$id"
	[[ $(why Backoff "$id") =~ ^attempt\ 1\ of\ 3\ failed:\ exited\ with\ status\ 1\;\ again\ in ]]
	touch "$D/mended"
	cure Backoff "$id"
	ends "$id"
}

@test "it was held" {
	local id
	start_sh
	jobctl-queue pause -q "$Q"
	id=$(submit_sh true)
	jobctl-hold -Q --reason 'not tonight' "$id"
	jobctl-queue resume -q "$Q"
	prints Held reasons "$id"
	[[ $(why Held "$id") == "held "*" ago by jobctl: not tonight" ]]
	cure Held "$id"
	ends "$id"
}

@test "it is behind others" {
	local a b c
	start_sh
	a=$(waiting_job "$D/go")
	eventually 10 status_is "$a" running
	b=$(submit_sh true 'priority => 5')
	c=$(submit_sh true)
	prints Ready reasons "$b"
	prints Behind reasons "$c"
	[[ $(why Behind "$c") == "1 is ahead of it in queue \"$Q\", 1 for their priority; 1 running, 1 slot for 1 worker, "* ]]
	healthy "$c"
	touch "$D/go"
	ends "$c"
}

@test "it failed for good" {
	local id
	start_sh
	id=$(submit_sh "[ -e '$D/mended' ] || { echo 'no such thing' >&2; exit 65; }")
	ends "$id" failed
	prints Failed reasons "$id"
	run -1 jobctl-explain "$id"
	[[ $output == *'  | no such thing'* ]]
	touch "$D/mended"
	cure Failed "$id" 2
	ends "$id"
	healthy "$id"
}

@test "all that keeps it at once, and one after the other is mended" {
	local a b
	a=$(submit_exec true)
	jobctl-hold -Q "$a"
	b=$(submit exec '{"argv": ["true"]}' "after => '{$a}'" "run_in => '1 h'")
	jobctl-queue pause -q "$Q" --reason drill
	jobctl-queue set -q "$Q" max-running=0
	jobctl-hold -Q "$b"
	lock_row "$b"
	prints 'Held Scheduled Dependency QueuePaused ConcurrencyLimit NoWorker RowLocked' eval "reasons $b | paste -sd ' '"
	run -1 jobctl-explain "$b"
	[ "${#lines[@]}" -le 40 ]
	[ "$(wc -L <<<"$output")" -le 100 ]
	for r in RowLocked NoWorker ConcurrencyLimit QueuePaused Held Scheduled; do
		cure $r "$b"
		eventually 10 lacks $r "$b"
	done
	prints Dependency reasons "$b"
	cure Held "$a"
	ends "$b"
}

has() {	# REASON ID
	reasons "$2" | grep -qx "$1"
}

lacks() {	# REASON ID
	! has "$@"
}

@test "a queue" {
	run -66 jobctl-explain -q "$Q"
	start_sh
	run -0 jobctl-explain -H -o reason,healthy -q "$Q"
	[ "$output" = $'Idle\ttrue' ]
	jobctl-queue pause -q "$Q"
	submit_sh true
	run -1 jobctl-explain -q "$Q"
	[[ $output == *"queue      $Q: 1 ready"* ]]
	prints QueuePaused reasons -q "$Q"
	[[ $output == *"next       jobctl-queue resume -q $Q" ]]
}
