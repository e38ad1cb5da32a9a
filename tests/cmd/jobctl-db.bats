#!/usr/bin/env bats
# jobctl-db: whatever state a cluster was left in, the next command gets it right,
# and nothing but a private cluster is ever touched.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/jobctl-db.XXXXXX")
	export TOP
	chmod 755 "$TOP"	# the server's user passes through
	export ANYONE=$TOP/bin/jobctl-db	# the build may be out of others' reach
	install -D "$(type -P jobctl-db)" "$ANYONE"
	jobctl-db --dir "$TOP/ready" -Q start 3>&-
	jobctl-db --dir "$TOP/ready" -Q stop
}

teardown_file() {
	rm -rf "$TOP"
}

setup() {
	D=$TOP/d
	export JOBCTL_DB_DIR=$D
}

teardown() {
	local marker

	stop_all
	if [ -n "${BORROWED:-}" ]; then
		jobctl-db --dir "$BORROWED" -Q stop
		rm -f "$BORROWED"/log*
		mv "$BORROWED" "$TOP/ready"
	fi
	for marker in "$TOP"/*/README.jobctl-db; do
		[ "$marker" = "$TOP/ready/README.jobctl-db" ] && continue
		[ -e "$marker" ] || continue
		jobctl-db --dir "${marker%/*}" -Q --yes destroy || true
	done
	find "$TOP" -mindepth 1 -maxdepth 1 ! -name ready ! -name bin -exec rm -rf {} +
}

# A cluster without the time initdb takes: it may be moved, and stands ready again after the test.
stopped_cluster() {
	BORROWED=${1:-$D}
	mv "$TOP/ready" "$BORROWED"
}

started_cluster() {
	stopped_cluster "$@"
	jobctl-db --dir "$BORROWED" -Q start 3>&-
}

# For a test that damages it.
copied_cluster() {
	cp -a "$TOP/ready" "$D"
}

server_pid() {
	jobctl-db -H -o pid status
}

owner() {
	stat -c %U "$D"
}

# Sets the array as_owner, which in front of a command makes the server's user run it.
set_as_owner() {
	as_owner=(env)
	[ "$(id -u)" != 0 ] ||
		as_owner=(setpriv --reuid="$(owner)" --regid="$(id -g "$(owner)")" --clear-groups)
}

query() {
	jobctl-db psql -- -XAtqc "$1"
}

long_query() {
	start jobctl-db psql -- -Xc 'SELECT pg_sleep(600)'
	eventually 10 prints 1 query \
		"SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
}

locked() {
	! flock -n "$1" true
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

@test "start makes a cluster that only its owner can enter" {
	run -0 --separate-stderr jobctl-db start 3>&-
	[ -z "$output" ]
	[[ "$stderr" == *"making a cluster in $D"* ]]
	[[ "$stderr" == *"jobctl-migrate up"* ]]
	[ "$(stat -c %a "$D" "$D/data" "$D/run" | sort -u)" = 700 ]
	[ "$(stat -c %U "$D" "$D/data" "$D/run" "$D/log" | sort -u)" = "$(owner)" ]
	[ "$(owner)" != root ]
	[ "$(query 'SELECT current_user, current_database()')" = "jobctl|jobctl" ]
	[ "$(query 'SHOW server_encoding')" = UTF8 ]
	[ "$(query 'SHOW lc_collate')" = C.UTF-8 ]
	[ "$(query 'SHOW data_checksums')" = on ]
	[ "$(query 'SHOW fsync')" = on ]
	[ -z "$(query 'SHOW listen_addresses')" ]
}

@test "the next command is named with the directory, where others need it" {
	run -0 jobctl-db --dir "$TOP/it's" start 3>&-
	[[ "$output" == *"next: JOBCTL_DB_DIR='$TOP/it'\\''s' jobctl-migrate up"* ]]
}

@test "start works where no inotify is to be had" {
	local mapped=(unshare -U --map-current-user --keep-caps)
	stopped_cluster
	set_as_owner
	"${as_owner[@]}" "${mapped[@]}" true || skip "no user namespaces"
	# shellcheck disable=SC2016
	run -0 "${as_owner[@]}" "${mapped[@]}" sh -c \
		'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"' sh "$ANYONE" start 3>&-
	[[ "$output" == *"running (pid"* ]]
}

@test "start again changes nothing and says so" {
	started_cluster
	local pid
	pid=$(server_pid)
	run -0 --separate-stderr jobctl-db start
	[ -z "$output" ]
	[[ "$stderr" == *"already running (pid $pid)"* ]]
	[ "$(server_pid)" = "$pid" ]
}

@test "four starts at once make one server" {
	local i pids=()
	for i in 1 2 3 4; do
		jobctl-db start 2>"$TOP/err.$i" 3>&- &
		pids+=($!)
	done
	for i in 0 1 2 3; do
		wait "${pids[$i]}"
	done
	[ "$(cat "$TOP"/err.* | grep -c 'making a cluster')" = 1 ]
	[ "$(cat "$TOP"/err.* | grep -c 'already running')" = 3 ]
	[ "$(query 'SELECT 1')" = 1 ]
}

@test "one that holds the lock for too long is named as the reason: exit 75" {
	stopped_cluster
	start flock "$D" sleep 600
	eventually 10 locked "$D"
	run -75 jobctl-db -t 100ms start
	[[ "$output" == *"another jobctl-db is at work in \"$D\""* ]]
	run -75 jobctl-db -t 100ms stop
	run -1 jobctl-db -Q status
}

@test "starts, stops and removals at once leave nothing half made" {
	local i pids=()
	copied_cluster
	for i in 1 2 3 4 5 6; do
		jobctl-db -Q start 3>&- 2>/dev/null & pids+=($!)
		jobctl-db -Q stop 2>/dev/null & pids+=($!)
	done
	jobctl-db -Q --yes destroy 2>/dev/null & pids+=($!)
	for i in "${pids[@]}"; do
		wait "$i" || true
	done
	run -0 jobctl-db -Q start 3>&-
	[ "$(query 'SELECT 1')" = 1 ]
}

@test "the server inherits no descriptor, variable, terminal or signal disposition" {
	stopped_cluster
	(
		trap '' WINCH
		exec 3>"$TOP/three" 7>"$TOP/seven"
		SECRET=x PGPASSWORD=y exec jobctl-db -Q start
	)
	local pid
	pid=$(server_pid)
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	[ "$(ps -o tty= -p "$pid" | tr -d ' ')" = '?' ]
	find "/proc/$pid/fd" -printf '%l\n' > "$TOP/fds"
	run -1 grep -F -e "$TOP/three" -e "$TOP/seven" "$TOP/fds"
	run -1 grep -xFf <(find "/proc/$$/fd" -name '[123]' -printf '%l\n') "$TOP/fds"
	run -1 grep -zE '^(SECRET|PGPASSWORD|BATS|JOBCTL)' "/proc/$pid/environ"
	[ "$(readlink "/proc/$pid/fd/0")" = /dev/null ]
	[ "$(readlink "/proc/$pid/fd/2")" = "$D/log" ]
	run -0 grep -E '^SigIgn:' "/proc/$pid/status"
	[ $((0x${output##*[[:space:]]} >> 27 & 1)) = 0 ]	# 28 is WINCH
}

@test "start works with standard input, output and error closed" {
	stopped_cluster
	run -0 bash -c 'jobctl-db start <&- >&- 2>&- 3>&-'
	run -0 jobctl-db -Q status
}

@test "status tells running from stopped from none, in words and by exit status" {
	run -1 jobctl-db -H -o state status
	[ "$output" = none ]
	stopped_cluster
	run -1 jobctl-db -H -o state,pid,dir status
	[ "$output" = "stopped		$D" ]
	run -1 jobctl-db --json status
	[ "$(jq -c '[.v, .state, .pid, .started_at]' <<<"$output")" = '[1,"stopped",null,null]' ]
	jobctl-db -Q start 3>&-
	run -0 jobctl-db --json status
	[ "$(jq -r .state <<<"$output")" = running ]
	[ "$(jq -r .url <<<"$output")" = "$(jobctl-db url)" ]
	[ "$(jq .version <<<"$output")" = "$(cat "$D/data/PG_VERSION" 2>/dev/null || jq .version <<<"$output")" ]
	run -0 jobctl-db -Q status
	[ -z "$output" ]
}

@test "status on a full disk is an error" {
	stopped_cluster
	run -74 bash -c 'jobctl-db status >/dev/full'
}

@test "stop ends sessions, and may be repeated" {
	started_cluster
	local pid
	pid=$(server_pid)
	long_query
	run -0 jobctl-db stop
	[[ "$output" == *stopped* ]]
	gone_or_zombie "$pid"
	run -0 jobctl-db stop
	[[ "$output" == *"was not running"* ]]
}

@test "stop without a cluster says there is none" {
	run -66 jobctl-db stop
	[[ "$output" == *"no private cluster in \"$D\""* ]]
	[ ! -e "$D" ]
}

@test "hostile variables of libpq and of the shell do not reach the cluster" {
	stopped_cluster
	local hostile=(PGPORT=1 PGHOST=/nowhere PGHOSTADDR=192.0.2.1 PGDATA=/nowhere PGUSER=nobody
		PGDATABASE=none PGOPTIONS='-c nonsense=1' PGSERVICE=none PGREQUIREPEER=none
		PGGSSENCMODE=require PGCHANNELBINDING=require PGTARGETSESSIONATTRS=standby
		PGCLIENTENCODING=none PGCONNECT_TIMEOUT=x LC_ALL=xx_XX.none TMPDIR=/nowhere)
	run -0 env "${hostile[@]}" jobctl-db start 3>&-
	run -0 env "${hostile[@]}" jobctl-db status
	run -0 env "${hostile[@]}" jobctl-db psql -- -XAtqc 'SELECT 1'
	[ "$output" = 1 ]
	run -0 env "${hostile[@]}" jobctl-db stop
}

@test "a directory's name may hold spaces, quotes, percent and control characters" {
	local odd="$TOP/a b'c\"d%20&e=f?g#h"$'\n'"i"
	started_cluster "$odd"
	run -0 jobctl-db --dir "$odd" psql -- -XAtqc 'SELECT 1'
	[ "$output" = 1 ]
	run -0 psql "$(jobctl-db --dir "$odd" url)" -XAtqc 'SELECT 2'
	[ "$output" = 2 ]
	run -0 jobctl-db --dir "$odd" status
	[[ "$output" == *'\ni'* ]]
}

@test "the longest path a socket can have works, one byte more is refused with the limit" {
	local fits="$TOP/" room=$((107 - 18))
	while [ "${#fits}" -lt "$room" ]; do
		fits+=x
	done
	started_cluster "$fits"
	run -0 jobctl-db --dir "$fits" psql -- -XAtqc 'SELECT 1'
	run -78 jobctl-db --dir "${fits}x" start
	[[ "$output" == *"108 bytes, the limit is 107"* ]]
	[[ "$output" == *"at most 89 bytes with --dir or JOBCTL_DB_DIR"* ]]
	[ ! -e "${fits}x" ]
}

@test "a comma, which libpq would split at, is refused" {
	run -78 jobctl-db --dir "$TOP/a,b" start
	[[ "$output" == *comma* ]]
	[ ! -e "$TOP/a,b" ]
}

@test "a relative directory counts from the current one" {
	stopped_cluster
	cd "$TOP"
	run -0 jobctl-db --dir d start 3>&-
	cd /
	run -0 jobctl-db -Q status
	[ "$(jobctl-db url)" = "postgresql://jobctl@/jobctl?host=$D/run&port=5432" ]
}

@test "without --dir and JOBCTL_DB_DIR an ordinary user has it under XDG_DATA_HOME or HOME" {
	local as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	run -1 env -u JOBCTL_DB_DIR XDG_DATA_HOME="$TOP/x" "${as[@]}" "$ANYONE" -H -o dir status
	[ "$output" = "$TOP/x/jobctl/db" ]
	run -1 env -u JOBCTL_DB_DIR -u XDG_DATA_HOME HOME="$TOP/h" "${as[@]}" "$ANYONE" -H -o dir status
	[ "$output" = "$TOP/h/.local/share/jobctl/db" ]
}

@test "a moved directory starts where it is now" {
	started_cluster
	jobctl-db -Q stop
	BORROWED=$TOP/moved
	mv "$D" "$TOP/moved"
	run -0 jobctl-db --dir "$TOP/moved" start 3>&-
	run -0 jobctl-db --dir "$TOP/moved" psql -- -XAtqc 'SELECT 1'
}

@test "a directory with something else in it is refused and left alone" {
	mkdir "$D"
	[ "$(id -u)" != 0 ] || chown postgres "$D"
	echo precious > "$D/file"
	run -78 jobctl-db start
	[[ "$output" == *"is not empty and is no private cluster"* ]]
	run -66 jobctl-db --yes destroy
	run -66 jobctl-db stop
	[ "$(cat "$D/file")" = precious ]
	[ "$(ls -A "$D")" = file ]
}

@test "a PostgreSQL cluster that is not ours is refused and left alone" {
	copied_cluster
	rm "$D/README.jobctl-db"
	run -78 jobctl-db start
	run -66 jobctl-db --yes destroy
	[ -e "$D/data/PG_VERSION" ]
}

@test "a file where the directory should be is refused" {
	echo precious > "$D"
	run -78 jobctl-db start
	[ "$(cat "$D")" = precious ]
	run -78 jobctl-db --dir "$D/below" start
}

@test "an empty directory is taken, whatever its mode" {
	mkdir -m 777 "$D"
	run -0 jobctl-db -Q start 3>&-
	[ "$(stat -c %a "$D")" = 700 ]
}

@test "a careless umask makes no difference" {
	local mask
	for mask in 000 777; do
		run -0 bash -c "umask $mask && jobctl-db --dir $TOP/u.$mask/p/db -Q start 3>&-"
		[ "$(stat -c %a "$TOP/u.$mask/p/db")" = 700 ]
		[ "$(stat -c %a "$TOP/u.$mask/p/db/run")" = 700 ]
		run -0 jobctl-db --dir "$TOP/u.$mask/p/db" --yes -Q destroy
	done
}

@test "start after the server was killed recovers" {
	copied_cluster
	jobctl-db -Q start 3>&-
	query 'CREATE TABLE t AS SELECT 7 AS x'
	kill -KILL "$(server_pid)"
	run -0 jobctl-db start 3>&-
	[[ "$output" == *"running (pid"* ]]
	[ "$(query 'TABLE t')" = 7 ]
}

@test "a stale postmaster.pid whose number now belongs to another process is no obstacle" {
	copied_cluster
	set_as_owner
	start "${as_owner[@]}" sleep 600
	printf '%s\n' "$STARTED_PID" "$D/data" 1700000000 5432 ../run '' '  1234567     98765' ready |
		"${as_owner[@]}" tee "$D/data/postmaster.pid" "$D/run/.s.PGSQL.5432.lock" >/dev/null
	run -1 jobctl-db -H -o state status
	[ "$output" = stopped ]
	run -0 jobctl-db stop
	kill -0 "$STARTED_PID"
	run -0 jobctl-db start 3>&-
	kill -0 "$STARTED_PID"
	[ "$(server_pid)" != "$STARTED_PID" ]
}

@test "a start killed while initdb is at work is taken up by the next one" {
	local bin=$TOP/held

	# an initdb that has begun, and goes on when it is told to
	mkdir "$bin"
	ln -s "$SUITE_PGBIN"/* "$bin"
	rm "$bin/initdb"
	mkfifo -m 666 "$bin/go"
	exec 8<>"$bin/go"
	cat >"$bin/initdb" <<-END
		#!/bin/sh
		mkdir -m 700 data.new && read -r go <$bin/go
		exec $SUITE_PGBIN/initdb "\$@"
	END
	chmod 755 "$bin/initdb"
	start jobctl-db -Q --bindir "$bin" start
	eventually 10 test -d "$D/data.new"
	kill -KILL "$STARTED_PID"
	start jobctl-db start
	echo go >&8
	exec 8>&-
	wait "$STARTED_PID"
	[ ! -e "$D/data.new" ]
	[ "$(query 'SELECT current_database()')" = jobctl ]
}

@test "a start that ended before it made the database is taken up by the next one" {
	started_cluster
	jobctl-db psql -- -Xqd postgres -c 'DROP DATABASE jobctl'
	run -0 jobctl-db start
	[[ "$output" == *"already running"* ]]
	[ "$(query 'SELECT current_database()')" = jobctl ]
}

@test "a server that does not start: its last words, where the log is, exit 69" {
	copied_cluster
	echo "max_connections = lots" >> "$D/data/postgresql.conf"
	run -69 jobctl-db start
	[[ "$output" == *"| "*"max_connections"* ]]
	[[ "$output" == *"jobctl-db: the server does not start: "* ]]
	[[ "$output" == *"hint: the whole story: $D/log"* ]]
	run -69 --separate-stderr jobctl-db --json start
	[ "$(jq .exit <<<"$stderr")" = 69 ]
}

@test "control characters in the log do not reach the terminal" {
	copied_cluster
	printf 'max_connections = "\033]0;owned\007"\n' >> "$D/data/postgresql.conf"
	run -69 jobctl-db start
	[[ "$output" != *$'\033'* ]]
}

@test "settings of the owner are kept, but the socket stays where it is" {
	copied_cluster
	printf '%s\n' "port = 6000" "unix_socket_directories = '/tmp'" "listen_addresses = '*'" \
		"work_mem = '7MB'" >> "$D/data/postgresql.conf"
	run -0 jobctl-db start 3>&-
	[ "$(query 'SHOW work_mem')" = 7MB ]
	[ "$(query 'SHOW port')" = 5432 ]
	[ -z "$(query 'SHOW listen_addresses')" ]
}

@test "a frozen server is told from a stopped one" {
	started_cluster
	local pid
	pid=$(server_pid)
	kill -STOP "$pid"
	run -1 jobctl-db -H -o state,pid status
	[ "$output" = "silent	$pid" ]
	run -69 jobctl-db -t 1s start
	[[ "$output" == *"(pid $pid) is there but does not answer"* ]]
	run -75 jobctl-db -t 200ms stop
	kill -CONT "$pid"
	eventually 60 gone_or_zombie "$pid"
}

@test "no PostgreSQL: exit 78 and what to install" {
	mkdir "$TOP/empty"
	run -78 jobctl-db --bindir "$TOP/empty" start
	[[ "$output" == *"cannot run \"$TOP/empty/initdb\""* ]]
}

@test "data of a version that is not installed: exit 78 and what to install" {
	copied_cluster
	echo 9 > "$D/data/PG_VERSION"
	run -78 env PATH="$(dirname "$(type -P jobctl-db)")" jobctl-db start
	[[ "$output" == *"PostgreSQL 9"*"is not installed"* ]]
	[[ "$output" == *"apt install postgresql-9"* ]]
}

@test "psql gets its arguments, passes on its exit status, and may name another database" {
	started_cluster
	run -0 jobctl-db psql -- -XAtq -v x='a b' -c 'SELECT 1'
	[ "$output" = 1 ]
	run -0 jobctl-db psql postgres -- -XAtqc 'SELECT current_database()'
	[ "$output" = postgres ]
	run -3 jobctl-db psql -- -Xq -v ON_ERROR_STOP=1 -f - <<<'SELECT 1/0;'
	run -0 bash -c 'echo "SELECT 5" | jobctl-db psql -- -XAtq'
	[ "$output" = 5 ]
}

@test "psql and url without a cluster, psql without a server" {
	run -66 jobctl-db psql
	run -66 jobctl-db url
	stopped_cluster
	run -69 jobctl-db psql
	[[ "$output" == *"hint: to start it: jobctl-db start"* ]]
	run -0 jobctl-db url
}

@test "destroy without a terminal needs --yes" {
	started_cluster
	run -64 jobctl-db destroy </dev/null
	[[ "$output" == *"give --yes"* ]]
	run -0 jobctl-db -Q status
}

@test "destroy on a terminal asks" {
	copied_cluster
	run -1 script -qec 'jobctl-db destroy' /dev/null <<<n
	[[ "$output" == *"[y/N]"* ]]
	[[ "$output" == *"nothing was removed"* ]]
	[ -e "$D/data" ]
	run -0 script -qec 'jobctl-db destroy' /dev/null <<<y
	[ ! -e "$D" ]
}

@test "destroy stops the server, clients or not, and removes the directory" {
	copied_cluster
	jobctl-db -Q start 3>&-
	local pid
	pid=$(server_pid)
	long_query
	run -0 jobctl-db --yes destroy
	gone_or_zombie "$pid"
	[ ! -e "$D" ]
}

@test "destroy removes only what jobctl-db made" {
	copied_cluster
	jobctl-db -Q start 3>&-
	echo precious > "$D/mine"
	mkdir "$TOP/elsewhere"
	echo precious > "$TOP/elsewhere/file"
	ln -s "$TOP/elsewhere" "$D/data/link"
	run -0 jobctl-db --yes destroy
	[[ "$output" == *"holds files that are not its own"* ]]
	[ "$(ls -A "$D")" = mine ]
	[ "$(cat "$TOP/elsewhere/file")" = precious ]
}

@test "destroy that was cut short can be repeated" {
	copied_cluster
	rm -rf "$D/data" "$D/run"
	run -1 jobctl-db -H -o state status
	[ "$output" = none ]
	run -0 jobctl-db --yes destroy
	[ ! -e "$D" ]
}

@test "a log that has grown is put aside" {
	stopped_cluster
	truncate -s 9M "$D/log"
	run -0 jobctl-db -Q start 3>&-
	[ "$(stat -c %s "$D/log.old")" = 9437184 ]
	[ "$(stat -c %s "$D/log")" -lt 100000 ]
}

@test "mistakes on the command line: exit 64 and what was meant" {
	run -64 jobctl-db
	run -64 jobctl-db strat
	[[ "$output" == *'did you mean "start"?'* ]]
	run -64 jobctl-db $'st\033[31m'
	[[ "$output" != *$'\033'* ]]
	run -64 jobctl-db ''
	run -64 jobctl-db start now
	run -64 jobctl-db --dir '' start
	run -64 jobctl-db -t never start
	run -64 jobctl-db -o nothing status
	[[ "$output" == *"there is no field \"nothing\""* ]]
}

@test "root: the server's user must be able to enter; nothing is made otherwise" {
	need_root
	mkdir -m 700 "$TOP/closed"
	run -77 jobctl-db --dir "$TOP/closed/a/b" start
	[[ "$output" == *"user postgres cannot use \"$TOP/closed/a/b\""* ]]
	[[ "$output" == *"hint: name a directory that user postgres can enter"* ]]
	[ -z "$(ls -A "$TOP/closed")" ]
	mkdir "$TOP/closed/x"
	chown postgres "$TOP/closed/x"
	run -77 jobctl-db --dir "$TOP/closed/x" start
}

@test "root: a directory that another start is making is no error" {
	need_root
	local maker n rc=66
	perl -e '1 while mkdir($ARGV[0], 0700) | rmdir($ARGV[0])' "$D" 3>&- &
	maker=$!
	for ((n = 0; n < 200 && rc == 66; n++)); do
		rc=0
		jobctl-db url || rc=$?
	done
	kill "$maker"
	wait "$maker" || true
	rm -rf "$D"
	[ "$rc" = 66 ]
}

@test "root: an empty directory of root's is given away, but not through a symbolic link" {
	need_root
	mkdir -m 700 "$TOP/plain"
	ln -s "$TOP/plain" "$TOP/link"
	run -78 jobctl-db --dir "$TOP/link" start
	[ "$(stat -c %U "$TOP/plain")" = root ]
	run -0 jobctl-db --dir "$TOP/plain" -Q start 3>&-
	[ "$(stat -c %U "$TOP/plain")" = postgres ]
}

@test "root: another user's cluster is worked on as that user" {
	need_root
	mkdir "$D"
	chown nobody:nogroup "$D"
	run -0 jobctl-db -Q start 3>&-
	[ "$(stat -c %U "$D/data" "/proc/$(server_pid)" | sort -u)" = nobody ]
	[ "$(query 'SELECT 1')" = 1 ]
	run -0 jobctl-db --yes destroy
}

@test "root: nobody else gets in" {
	need_root
	started_cluster
	local as=(setpriv --reuid=nobody --regid=nogroup --clear-groups "$ANYONE")
	run -77 "${as[@]}" status
	run -77 "${as[@]}" --yes destroy
	run -77 "${as[@]}" psql
	run -2 setpriv --reuid=nobody --regid=nogroup --clear-groups psql "$(jobctl-db url)" -c 'SELECT 1'
	run -0 jobctl-db -Q status
}

@test "root: the server runs with none of root's rights, psql with all of them" {
	need_root
	started_cluster
	run -0 grep -E '^(Uid|Groups|CapPrm|CapEff):' "/proc/$(server_pid)/status"
	local uid gid
	uid=$(id -u postgres)
	gid=$(id -g postgres)
	[[ "${lines[0]}" == "Uid:"*"$uid"*"$uid"*"$uid"*"$uid" ]]
	[ "$(tr -d '[:blank:]' <<<"${lines[1]}")" = "Groups:$gid" ]
	[[ "${lines[2]}" =~ ^CapPrm:[[:space:]]*0+$ ]]
	[[ "${lines[3]}" =~ ^CapEff:[[:space:]]*0+$ ]]
	run -0 jobctl-db psql -- -XAtq -c '\! id -u; id -G'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = "$(id -G)" ]
}
