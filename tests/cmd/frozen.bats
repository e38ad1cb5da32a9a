#!/usr/bin/env bats
# The short programs and a server that freezes after they have connected: all its
# processes are stopped, so that connections stay open and nothing is answered.
#
# What they ask waits for a lock then, or for input.  That takes half a minute, so all
# of them are in it together; so is one that waits as long for a server that is well.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	new_database
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/frozen.XXXXXX")
	export TOP
	chmod 711 "$TOP"
	JOBCTL_DB_DIR=$TOP/db jobctl-db -Q start 3>&-
}

teardown_file() {
	JOBCTL_DB_DIR=$TOP/db jobctl-db -Q destroy --yes 3>&-
	rm -rf "$TOP"
}

teardown() {
	[ -z "${FROZEN:-}" ] || thaw
	stop_all
}

use_own_server() {	# DATABASE
	export PGHOST=$TOP/db/run
	use_database "$1"
}

freeze() {
	local pid

	pid=$(head -n 1 "$TOP/db/data/postmaster.pid")
	kill -STOP "$pid"	# it makes no others from here on
	FROZEN="$pid $(pgrep -P "$pid" -d ' ')"
	# shellcheck disable=SC2086 # numbers
	kill -STOP $FROZEN
}

thaw() {
	# shellcheck disable=SC2086 # numbers
	kill -CONT $FROZEN
	FROZEN=
}

# A session that holds tables of this database, until release.
hold() {	# TABLE,...
	start env PGAPPNAME=holder psql -Xqv ON_ERROR_STOP=1 -c BEGIN -c "LOCK TABLE $1" -c 'SELECT pg_sleep(1000)'
	eventually 10 prints t sql "SELECT count(*) > 0 FROM pg_locks WHERE relation = '${1%%,*}'::regclass
		AND mode = 'AccessExclusiveLock' AND granted"
}

release() {
	sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'holder'"
}

declare -gA PID LOG

ask() {		# NAME COMMAND...
	local name=$1

	shift
	start "$@"
	PID[$name]=$STARTED_PID LOG[$name]=$STARTED_LOG
}

waiting() {	# how many wait for a lock
	sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-%' AND wait_event_type = 'Lock'"
}

ends() {	# NAME STATUS
	local status=0

	wait "${PID[$1]}" || status=$?
	echo "$1: exit status $status: $(<"${LOG[$1]}")"
	[ "$status" = "$2" ]
}

says() {	# NAME TEXT
	grep -q "$2" "${LOG[$1]}"
}

# More than is kept to be sent again.
feed() {
	local args

	args=$(printf '%0100000d' 0)
	yes "{\"kind\":\"k\",\"args\":{\"n\":\"$args\"}}" 2>/dev/null | head -n 180 >&8
}

@test "a call that waits is given up if the server takes no connections, and not if it does" {
	local id name froze from suite suite_database line='has not answered for [23][0-9] s, and takes no connections'

	mkdir "$BATS_TEST_TMPDIR/tree" "$BATS_TEST_TMPDIR/sleeps"
	cd "$BATS_TEST_TMPDIR"
	echo 'some text' >tree/file
	echo 'SELECT pg_sleep(1000);' | tee sleeps/0001_sleep.up.sql >sleeps/0001_sleep.down.sql
	mkfifo in

	suite=$PGHOST suite_database=$PGDATABASE
	hold jobctl.jobs
	ask healthy jobctl-status -a
	eventually 10 prints 1 waiting
	eventually 20 says healthy 'waits for table jobctl.jobs, which is locked by pid [0-9]* (user [a-z]*, application "holder", client local, active), in a transaction for [^,]*, last said: SELECT pg_sleep(1000); "SELECT pg_terminate_backend([0-9]*)" ends it$'

	use_own_server jobctl
	jobctl-migrate -Q up
	id=$(jobctl-submit k n=1)
	psql -Xqc 'CREATE DATABASE other TEMPLATE jobctl' -c 'CREATE DATABASE third TEMPLATE jobctl'
	hold jobctl.jobs,jobctl.workers,catalog.code_chunks
	ask status jobctl-status -a
	ask logs jobctl-logs "$id"
	ask cancel jobctl-cancel "$id"
	ask reap jobctl-reap
	ask search jobctl-search text
	ask index jobctl-index tree
	ask wait jobctl-wait "$id"
	ask wait_20s jobctl-wait --timeout 20s "$id"
	ask submit jobctl-submit k n=2
	ask told jobctl-status -a
	ask migrate jobctl-migrate up --dir sleeps
	ask copy bash -c 'exec jobctl-submit --jsonl <in'
	exec 8>in
	feed
	eventually 20 prints 10 waiting
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
	use_own_server third
	ask migrate_told jobctl-migrate up --dir sleeps
	eventually 10 prints 2 sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
		AND application_name LIKE 'jobctl-migrate%'"
	use_own_server other
	hold jobctl.schema_migrations
	ask first_call jobctl-status
	ask migrate_status jobctl-migrate status
	eventually 10 prints 12 waiting

	froze=$(sql 'SELECT now()')
	freeze
	from=$SECONDS
	start feed
	exec 8>&-
	kill -TERM "${PID[told]}" "${PID[migrate_told]}"
	ends told 143
	for name in status logs cancel reap search index first_call migrate_status migrate copy; do
		ends "$name" 69
		says "$name" "$line"
		[ "$(wc -l <"${LOG[$name]}")" = 1 ] || [ "$name" = copy ]
	done
	[ $((SECONDS - from)) -lt $((45 * SUITE_SLOW)) ]
	ends migrate_told 143
	ends wait_20s 124
	eventually 5 says wait 'lost the connection to the database; trying again'

	thaw
	eventually 20 prints t sql "SELECT count(*) > 0 FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-submit%' AND backend_start > '$froze'"
	run ! gone "${PID[healthy]}"
	release
	ends submit 0
	(PGHOST=$suite PGDATABASE=$suite_database release)
	ends healthy 0
	use_own_server jobctl
	prints "2 $(<"${LOG[submit]}")" sql "SELECT count(*), max(id::text) FROM jobctl.job" -F ' '
}
