#!/usr/bin/env bats
# jobctl-worker and a network that swallows packets: it and the server are in network
# namespaces, and between them is a router whose cables are cut, so that neither end
# is told anything.
#
# "sql" and what else is started here without "far" are on the server's host.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../server
load ../worker
load ../lose

FAR_ADDRESS=10.0.1.2 ADDRESS=10.0.2.2

# A network without anything in it, for as long as the process lives: its PID.
new_net() {
	setpriv --pdeathsig KILL unshare -n -u sleep 100000 >/dev/null 2>&1 </dev/null 3>&- &
	NETS+="$! "
	eventually 10 in_another_net "$!"
}

in_another_net() {	# PID
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

in_net() {	# PID COMMAND...
	local pid=$1

	shift
	nsenter -t "$pid" -n "$@"
}

make_nets() {
	NETS=
	new_net && FAR=$!
	new_net && ROUTER=$!
	new_net && NEAR=$!
	export FAR ROUTER NEAR NETS
	nsenter -t "$FAR" -u hostname far
	in_net "$ROUTER" ip link add far type veth peer name cable netns "$FAR"
	in_net "$ROUTER" ip link add near type veth peer name cable netns "$NEAR"
	in_net "$ROUTER" ip address add 10.0.1.1/24 dev far
	in_net "$ROUTER" ip address add 10.0.2.1/24 dev near
	in_net "$FAR" ip address add $FAR_ADDRESS/24 dev cable
	in_net "$NEAR" ip address add $ADDRESS/24 dev cable
	in_net "$ROUTER" ip link set far up
	in_net "$ROUTER" ip link set near up
	in_net "$FAR" ip link set cable up
	in_net "$NEAR" ip link set cable up
	in_net "$FAR" ip route add default via 10.0.1.1
	in_net "$NEAR" ip route add default via 10.0.2.1
	in_net "$ROUTER" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

setup_file() {
	server_top
	[ "$(id -u)" = 0 ] || return 0
	unshare -n -u true || return 0
	make_nets
	touch "$TOP/nets"
	export SERVER_NET=$NEAR
	init_server a "listen_addresses = '$ADDRESS'"
	as_server tee -a "$TOP/a/pg_hba.conf" >/dev/null <<<"host all all $FAR_ADDRESS/32 trust"
	control a start
	fill_server a
	build_lose
}

teardown_file() {
	local pid

	stop_servers
	rm -rf "$TOP"
	for pid in ${NETS:-}; do
		kill -TERM "$pid"
		wait "$pid" || true
	done
}

setup() {
	[ "$(id -u)" = 0 ] || skip "networks need root"
	[ -e "$TOP/nets" ] || skip "no network can be made"
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
	use_server a
	FAR_DATABASE="host=$ADDRESS port=$PGPORT user=jobctl dbname=jobctl"
	DEAF='' MUTE=''
}

teardown() {
	mend
	stop_all
}

# What is sent to the address vanishes in the router.
swallow() {	# ADDRESS
	in_net "$ROUTER" ip route add blackhole "$1"
}

cut() {
	mute
	deafen
}

mute() {	# only what the far host sends
	swallow "$ADDRESS"
	MUTE=yes
}

deafen() {	# only what it is sent
	swallow "$FAR_ADDRESS"
	DEAF=yes
}

mend() {
	[ -z "$MUTE" ] || in_net "$ROUTER" ip route del blackhole "$ADDRESS"
	[ -z "$DEAF" ] || in_net "$ROUTER" ip route del blackhole "$FAR_ADDRESS"
	MUTE='' DEAF=''
}

start_far() {	# COMMAND...
	start nsenter -t "$FAR" -n -u "$@"
}

start_far_worker() {	# ARG...
	start_far jobctl-worker -d "$FAR_DATABASE" -q "$Q" "$@" -- sh -c '{sh}'
	# shellcheck disable=SC2034 # for says
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
}

# The far host has sent something that was not acknowledged.
unacknowledged() {
	awk 'NR > 1 && $4 == "01" && $5 !~ /^00000000:/ { found = 1 } END { exit !found }' "/proc/$FAR/net/tcp"
}

# Open (01) or half closed (04), so that the kernel still retransmits what was sent.
far_sockets() {
	awk 'NR > 1 && ($4 == "01" || $4 == "04") { print $2 }' "/proc/$FAR/net/tcp" | sort
}

forgotten() {	# but for those that an earlier test has left
	[ -z "$(comm -13 <(echo "$EARLIER") <(far_sockets))" ]
}

registered() {
	prints 1 workers
}

idle() {
	prints 1 sql "SELECT count(*) FROM jobctl.workers WHERE idle AND '$Q' = ANY (queues)"
}

# What the server has for the far host: no connection that nobody uses stays there.
connections() {
	sql "SELECT count(*) FROM pg_stat_activity WHERE client_addr = '$FAR_ADDRESS'"
}

# A job that is started once, says so, and ends when told; on record is "1/ok".
submit_patient() {
	submit_sh "echo \$\$ >>$D/ledger; $(wait_for go) echo done; exit 0"
}

job_is_over() {
	gone_or_zombie "$(head -n 1 "$D/ledger")"
}

once() {	# ID
	eventually 20 status_is "$1" completed
	prints '1/ok' runs "$1"
	[ "$(wc -l <"$D/ledger")" = 1 ]
	[ "$(output "$1" 1)" = 'done' ]
	eventually 40 prints 1 connections	# the server notices after half a lease or so
}

# The first of those who run it hangs, and ticks; the second completes it.
submit_hanging() {
	submit_sh "echo \$\$ >>$D/ledger; [ \$(wc -l <$D/ledger) = 1 ] || { echo second; exit 0; }
		while :; do date +%s.%N >>$D/ticks; sleep 0.02; done"
}

lease_until() {
	sql "SELECT extract(epoch FROM lease_until) FROM jobctl.workers WHERE '$Q' = ANY (queues) AND host = 'far'"
}

expired() {
	prints t sql "SELECT lease_until < clock_timestamp() FROM jobctl.workers WHERE '$Q' = ANY (queues)"
}

# Another worker on the server's side has it as soon as the lease of the far one ends.
completed_near() {	# ID
	eventually 20 expired
	sh_worker -Q --drain
	status_is "$1" completed
	prints '1/worker_lost 1/ok' runs "$1"
}

works_again() {
	local id

	id=$(submit_sh 'echo again')
	eventually 20 status_is "$id" completed
	prints "far" sql "SELECT worker_host FROM jobctl.job WHERE id = '$id'"
}

@test "a cut that is shorter than a call's deadline is noticed by nobody" {
	local id
	id=$(submit_patient)
	start_far_worker --lease 40s
	eventually 10 exists "$D/ledger"
	cut
	touch "$D/go"
	eventually 10 job_is_over
	eventually 10 unacknowledged
	mend
	once "$id"
	run -1 says database
}

@test "a cut while the worker is idle: it gets the job that came meanwhile" {
	local id
	start_far_worker --lease $((4 * SUITE_SLOW))s --poll 1h
	eventually 10 idle
	cut
	touch "$D/go"
	id=$(submit_patient)
	eventually 10 says 'the database has stopped answering'
	mend
	eventually 10 says 'the database is back'
	once "$id"
}

@test "a cut while a job runs, shorter than the lease: it runs on" {
	local id
	id=$(submit_patient)
	# whatever the kernel tries again, and later each time: there is a new attempt every second
	FAR_DATABASE+=' connect_timeout=1'
	start_far_worker --lease $((40 * SUITE_SLOW))s
	eventually 10 exists "$D/ledger"
	cut
	eventually 20 says 'the database has stopped answering'
	mend
	eventually 10 says 'the database is back'
	touch "$D/go"
	once "$id"
}

@test "a cut when a job has ended and is not written, shorter than the lease: it is written later" {
	local id
	id=$(submit_patient)
	start_far_worker --lease $((4 * SUITE_SLOW))s
	eventually 10 exists "$D/ledger"
	cut
	touch "$D/go"
	eventually 10 job_is_over
	eventually 10 says 'the database has stopped answering'
	status_is "$id" running
	mend
	once "$id"
	says 'the database is back'
}

@test "answers that are swallowed: an end that was written is not written again" {
	local id
	start_far_worker --lease 20s --poll 1h
	eventually 10 idle
	id=$(submit_patient)
	eventually 10 exists "$D/ledger"
	deafen
	touch "$D/go"
	eventually 10 status_is "$id" completed
	eventually 20 says 'the database has stopped answering'
	mend
	eventually 10 says 'the database is back'
	once "$id"
	run -1 says superseded
}

@test "answers that are swallowed: a job that was claimed is run, once" {
	local id token
	start_far_worker --lease $((20 * SUITE_SLOW))s --poll 1h
	eventually 10 idle
	start psql -Xq -c BEGIN -c 'LOCK TABLE jobctl.claims IN SHARE MODE' -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE relation = 'jobctl.claims'::regclass AND mode = 'ShareLock'"
	touch "$D/go"
	id=$(submit_patient)
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE NOT granted"
	deafen
	sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'jobctl.claims'::regclass AND mode = 'ShareLock'"
	eventually 10 status_is "$id" running
	token=$(sql "SELECT token FROM jobctl.jobs WHERE id = '$id'")
	eventually 20 says 'the database has stopped answering'
	[ ! -e "$D/ledger" ]
	mend
	eventually 10 says 'the database is back'
	once "$id"
	# by that claim: it did not wait to be given back, a lease later, and claimed again
	prints "$token" sql "SELECT token FROM jobctl.finished_jobs WHERE id = '$id'"
}

@test "a cut while a job runs, longer than the lease: it is dead before another worker has it" {
	local id until
	id=$(submit_hanging)
	start_far_worker --lease $((8 * SUITE_SLOW))s
	eventually 10 exists "$D/ticks"
	cut
	eventually 10 unacknowledged
	until=$(lease_until)
	completed_near "$id"
	[ "$(lease_until)" = '' ]
	echo "last tick $(tail -n 1 "$D/ticks"), lease until $until"
	awk -v until="$until" 'END { exit !($1 < until) }' "$D/ticks"
	# if the worker does not come to it its guardian does
	grep -qE "the lease could not be renewed in time|the worker's lease is ending and it did not stop its jobs" "$WORKER_LOG"
	mend
	eventually 20 says 'the database is back'
	eventually 10 says superseded
	works_again
	prints '1/worker_lost 1/ok' runs "$id"
	[ "$(output "$id" 1)" = second ]
	[ "$(wc -l <"$D/ledger")" = 2 ]
}

@test "a cut when a job has ended and is not written, longer than the lease: what another worker did stays" {
	local id
	id=$(submit_sh "echo \$\$ >>$D/ledger; [ \$(wc -l <$D/ledger) = 1 ] || { echo second; exit 0; }; $(wait_for go) echo first; exit 3")
	start_far_worker --lease $((8 * SUITE_SLOW))s
	eventually 10 exists "$D/ledger"
	cut
	touch "$D/go"
	eventually 10 job_is_over
	completed_near "$id"
	mend
	eventually 20 says superseded
	works_again
	prints '1/worker_lost 1/ok' runs "$id"
	[ "$(output "$id" 1)" = second ]
	[ "$(wc -l <"$D/ledger")" = 2 ]
}

@test "a cut while the worker is idle, until it is given up: it registers again" {
	start_far_worker --lease 2s
	eventually 10 idle
	cut
	eventually 10 says 'the database has stopped answering'
	eventually 10 expired
	jobctl-reap -Q
	prints 0 workers
	mend
	eventually 20 registered
	works_again
}

# The server has half a transaction, and its connection is gone without a word: the far
# host has forgotten it, and a server does not look for one that it waits for.
@test "half a transaction that a cut leaves on the server holds nobody up" {
	local id
	EARLIER=$(far_sockets)
	id=$(submit_patient)
	FAR_DATABASE+=' tcp_user_timeout=500' LOSE_FIRED=$D/fired losing hold:jobctl.finish start_far_worker --lease 16s
	eventually 10 exists "$D/ledger"
	touch "$D/go"
	eventually 10 exists "$D/fired"
	cut
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
	eventually 20 says 'no database'
	eventually 10 forgotten
	mend
	eventually 20 says 'the database is back'
	once "$id"
}

@test "jobctl-wait across a cut says how the job ended, or that its time is over" {
	local id wait limited lost log
	id=$(submit_sh "$(wait_for go) exit 3" 'max_attempts => 1')
	start_sh_worker
	eventually 10 status_is "$id" running
	start_far jobctl-wait -d "$FAR_DATABASE" "$id"
	wait=$STARTED_PID
	start_far jobctl-wait -d "$FAR_DATABASE tcp_user_timeout=1000" --timeout 4s "$id"
	limited=$STARTED_PID
	start_far jobctl-wait -d "$FAR_DATABASE connect_timeout=1 tcp_user_timeout=1000" "$id"
	lost=$STARTED_PID log=$STARTED_LOG
	eventually 10 prints 3 connections
	cut
	eventually 20 gone_or_zombie "$limited"
	prints 124 exit_status "$limited"
	start_far jobctl-wait -d "$FAR_DATABASE" --timeout 2s "$id"	# without it: ten seconds for the host
	eventually 9 gone_or_zombie "$STARTED_PID"
	prints 125 exit_status "$STARTED_PID"
	eventually 20 grep -q 'lost the connection to the database; trying again' "$log"
	touch "$D/go"
	eventually 10 status_is "$id" failed
	mend
	eventually 40 gone_or_zombie "$wait"
	prints 3 exit_status "$wait"
	eventually 40 gone_or_zombie "$lost"
	prints 3 exit_status "$lost"
}
