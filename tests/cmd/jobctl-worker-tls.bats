#!/usr/bin/env bats
# jobctl-worker over TCP and TLS: what is cut, silent or lost there, where between the
# socket and libpq there are buffers that neither knows of.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../server
load ../worker
load ../lose

setup_file() {
	local settings

	server_top
	mapfile -t settings < <(tls_settings "$(free_port)")
	init_server a "${settings[@]}"
	as_server tee "$TOP/a/pg_hba.conf" >/dev/null <<<$'local all all trust\nhostssl all all 127.0.0.1/32 trust'
	control a start
	fill_server a
	build_lose
}

teardown_file() {
	stop_servers
	rm -rf "$TOP"
}

# sql is over the socket: only what is tested uses TLS.
setup() {
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
	use_server a
	JOBCTL_DATABASE=$(tls_conninfo "$PGPORT")
}

teardown() {
	thaw
	stop_all
}

# All processes of the server, the postmaster first.
freeze() {
	local pid

	pid=$(head -n 1 "$TOP/a/postmaster.pid")
	# shellcheck disable=SC2207 # numbers
	FROZEN=("$pid" $(pgrep -P "$pid"))
	kill -STOP "${FROZEN[@]}"
}

thaw() {
	[ -z "${FROZEN:-}" ] || kill -CONT "${FROZEN[@]}" 2>/dev/null || true
	FROZEN=()
}

# The last of N jobs is in the ledger, and each is there once, in whatever order.
all_once() {	# N
	eventually 60 prints "$1" sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'"
	[ "$(sort -n "$D/ledger" | paste -sd ' ')" = "$(seq "$1" | paste -sd ' ')" ]
	prints "$1" sql "SELECT count(*) FROM jobctl.job_run r JOIN jobctl.job j ON j.id = r.job_id WHERE j.queue = '$Q'"
}

submit_many() {	# N SCRIPT
	sql "SELECT count(jobctl.submit('sh', jsonb_build_object('sh', format('echo %s >>$D/ledger; $2', n)), '$Q'))
		FROM generate_series(1, $1) n"
}

at_least() {	# N
	[ "$(sql "SELECT count(*) FROM jobctl.job WHERE queue = '$Q' AND status = 'completed'")" -ge "$1" ]
}

terminate() {
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-worker%'"
}

@test "the connection is encrypted, and a certificate that is not the host's is refused" {
	start_sh_worker
	eventually 10 prints TLSv1.3 sql "SELECT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'jobctl-worker%'"
	run -69 --separate-stderr jobctl-worker -d "${JOBCTL_DATABASE/db.test/other.test}" -q "$Q" --drain -- true
	[[ "$stderr" == *'does not match host name "other.test"'* ]]
	run -69 --separate-stderr jobctl-worker -d "$JOBCTL_DATABASE sslmode=disable" -q "$Q" --drain -- true
	[[ "$stderr" == *'no pg_hba.conf entry'* ]]
}

@test "over TLS many small jobs are done at once, and none waits for a deadline" {
	submit_many 1000 'echo out'
	start_sh_worker -j 4 --lease 60s
	all_once 1000
	# not even for a heartbeat, which would bring on what is held in a buffer
	prints t sql "SELECT max(gap) < interval '4.5 s'
		FROM (SELECT completed_at - lag(completed_at) OVER (ORDER BY completed_at) AS gap FROM jobctl.job WHERE queue = '$Q') g"
	prints 1000 sql "SELECT count(*) FROM jobctl.job_output o JOIN jobctl.job j ON j.id = o.job_id WHERE j.queue = '$Q'"
	run -1 says database
}

@test "over TLS large arguments and large output come whole" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		submit_sh "echo $i >>$D/ledger; printf %s ${i}$(printf '%*s' $((i * 9000)) '' | tr ' ' x); exit 0"
	done >/dev/null
	start_sh_worker -j 8 --lease 60s
	all_once 8
	prints '9001 18001 27001 36001 45001 54001 63001 72001' sql "SELECT string_agg(n::text, ' ' ORDER BY n)
		FROM (SELECT sum(length(data)) AS n FROM jobctl.job_output o JOIN jobctl.job j ON j.id = o.job_id
		      WHERE j.queue = '$Q' GROUP BY j.id) s"
	run -1 says database
}

@test "over TLS a connection that is cut is made again, and nothing runs twice" {
	local i
	submit_many 300 'echo out'
	start_sh_worker -j 3
	for i in 1 2 3 4; do
		eventually 20 at_least $((i * 50))
		terminate
		eventually 20 at_least $((i * 50 + 10))
	done
	all_once 300
	eventually 10 says 'the database is back'
}

@test "over TLS a server that is frozen costs deadlines, also of connecting, and no job" {
	local id
	id=$(submit_sh "echo 1 >>$D/ledger; $(wait_for go) echo done; exit 0")
	JOBCTL_DATABASE+=' connect_timeout=1'
	start_sh_worker --lease 40s
	eventually 10 exists "$D/ledger"
	freeze
	eventually 30 says 'the database has stopped answering'
	eventually 20 says 'timeout expired'
	thaw
	eventually 10 says 'the database is back'
	touch "$D/go"
	all_once 1
	prints '1/ok' runs "$id"
	[ "$(output "$id" 1)" = 'done' ]
}

@test "over TLS a worker: an answer that is lost" {
	start_session
	every_call after to_the_end 20
}
