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
	start env PGAPPNAME=frozen_holder psql -Xqv ON_ERROR_STOP=1 -c BEGIN -c "LOCK TABLE $1" -c 'SELECT pg_sleep(1000)'
	# databases of one template have the same numbers
	eventually 10 prints t sql "SELECT count(*) > 0 FROM pg_locks WHERE relation = '${1%%,*}'::regclass
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND mode = 'AccessExclusiveLock' AND granted"
}

release() {
	sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = 'frozen_holder' AND datname = current_database()"
}

declare -gA PID LOG OUT

# OUT is what it prints, LOG what it says.
ask() {		# NAME COMMAND...
	local name=$1

	shift
	OUT[$name]=$BATS_TEST_TMPDIR/out.$name
	# shellcheck disable=SC2016 # for that shell
	start sh -c 'exec "$@" >"$0"' "${OUT[$name]}" "$@"
	PID[$name]=$STARTED_PID LOG[$name]=$STARTED_LOG
}

waiting() {	# how many wait for a lock in this database
	sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-%' AND wait_event_type = 'Lock'
		AND datname = current_database()"
}

ends() {	# NAME STATUS
	local status=0

	wait "${PID[$1]}" || status=$?
	echo "$1: exit status $status: $(cat "${LOG[$1]}" "${OUT[$1]}")"
	[ "$status" = "$2" ]
}

says() {	# NAME TEXT
	grep -q "$2" "${LOG[$1]}"
}

# The server is given up in the end.  A call that was 10 s old before it froze has said for
# whom it waits.
gives_up() {	# NAME
	local said

	said=$(grep -v '^jobctl-submit: hint: ' "${LOG[$1]}")
	tail -n 1 <<<"$said" | grep -E 'has not answered for [0-9]+ s, and takes no connections$' || return
	! sed '$d' <<<"$said" | grep -v '^jobctl-[a-z]*: waits for '
}

# More than is kept to be sent again.
feed() {
	local args

	args=$(printf '%0100000d' 0)
	yes "{\"kind\":\"k\",\"args\":{\"n\":\"$args\"}}" 2>/dev/null | head -n 180 >&8
}

@test "a call that waits is given up if the server takes no connections, and not if it does" {
	local id name froze from suite suite_database

	mkdir "$BATS_TEST_TMPDIR/tree" "$BATS_TEST_TMPDIR/sleeps"
	cd "$BATS_TEST_TMPDIR"
	echo 'some text' >tree/file
	echo 'SELECT pg_sleep(1000);' | tee sleeps/0001_sleep.up.sql >sleeps/0001_sleep.down.sql
	mkfifo in

	suite=$PGHOST suite_database=$PGDATABASE
	hold jobctl.jobs
	ask healthy jobctl-status -a
	eventually 10 prints 1 waiting
	eventually 60 says healthy 'waits for table jobctl.jobs, which is locked by pid [0-9]* (user [a-z]*, application "frozen_holder", client local, active), in a transaction for [^,]*, last said: SELECT pg_sleep(1000); "SELECT pg_terminate_backend([0-9]*)" ends it$'

	# First what takes its time: a call says for whom it waits when it is 10 s old, and
	# most are to be younger than that when the server freezes.
	use_own_server jobctl
	jobctl-migrate -Q up
	id=$(jobctl-submit k n=1)
	psql -Xqc 'CREATE DATABASE other TEMPLATE jobctl' -c 'CREATE DATABASE third TEMPLATE jobctl'
	ask migrate jobctl-migrate up --dir sleeps
	use_own_server third
	ask migrate_told jobctl-migrate up --dir sleeps
	eventually 20 prints 2 sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
		AND application_name LIKE 'jobctl-migrate%'"
	use_own_server other
	hold jobctl.schema_migrations
	use_own_server jobctl
	hold jobctl.jobs,jobctl.workers,catalog.code_chunks
	ask copy bash -c 'exec jobctl-submit --jsonl <in'
	exec 8>in
	feed
	eventually 20 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
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
	use_own_server other
	ask migrate_status jobctl-migrate status
	eventually 20 prints 1 waiting
	use_own_server jobctl
	eventually 20 prints 10 waiting

	froze=$(sql 'SELECT now()')
	freeze
	from=$SECONDS
	start feed
	exec 8>&-
	kill -TERM "${PID[told]}" "${PID[migrate_told]}"
	ends told 143
	for name in status logs cancel reap search index migrate_status migrate copy; do
		ends "$name" 69
		gives_up "$name"
	done
	[ $((SECONDS - from)) -lt $((90 * SUITE_SLOW)) ]
	ends migrate_told 143
	ends wait_20s 124
	eventually 5 says wait 'lost the connection to the database; trying again'

	thaw
	eventually 60 prints t sql "SELECT count(*) > 0 FROM pg_stat_activity
		WHERE application_name LIKE 'jobctl-submit%' AND backend_start > '$froze'"
	run ! gone "${PID[healthy]}"
	release
	ends submit 0
	(PGHOST=$suite PGDATABASE=$suite_database release)
	ends healthy 0
	use_own_server jobctl
	prints "2 $(<"${OUT[submit]}")" sql "SELECT count(*), max(id::text) FROM jobctl.job" -F ' '
}
