# shellcheck shell=bash
# helper.bash - what the bats files share: databases, waiting, background processes
#
# A file begins with
#
#	bats_require_minimum_version 1.5.0
#	load ../helper
#	setup_file() { new_database; }
#
# and gets PGDATABASE and JOBCTL_DATABASE for a migrated database of its own, and
# a teardown() that stops what start and start_worker began (a teardown of its
# own must call stop_all).  Waiting is always for a state, with a deadline:
# eventually 5 state_is "$id" completed.

use_database() {
	export PGDATABASE=$1
	export JOBCTL_DATABASE="host=$PGHOST port=$PGPORT user=$PGUSER dbname=$1"
}

file_database() {
	local name=${BATS_TEST_FILENAME#"$SUITE_ROOT/tests/"}${1:+.$1}

	name=${name,,}
	printf '%.63s' "${name//[!a-z0-9]/_}"
}

# A migrated database for this file, or another with a NAME; an earlier one is replaced.
new_database() {	# [NAME]
	local db

	db=$(file_database "${1:-}")
	PGOPTIONS='-c client_min_messages=warning' psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $db WITH (FORCE)" \
		-c "CREATE DATABASE $db TEMPLATE jobctl_template" 2>&1
	use_database "$db"
}

# The same without any schema.
empty_database() {	# NAME
	local db

	db=$(file_database "$1")
	PGOPTIONS='-c client_min_messages=warning' psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $db WITH (FORCE)" \
		-c "CREATE DATABASE $db" 2>&1
	use_database "$db"
}

drop_database() {	# NAME, as given to the two above
	PGOPTIONS='-c client_min_messages=warning' psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $(file_database "$1") WITH (FORCE)" 2>&1
}

sql() {		# 'SELECT ...' [PSQL-OPTION...]
	psql -XAtqv ON_ERROR_STOP=1 -c "$@"
}

sql_as() {	# ROLE 'SELECT ...' [PSQL-OPTION...]
	local role=$1

	shift
	psql -XAtqv ON_ERROR_STOP=1 -U "$role" -c "$@"
}

# How many sessions the database has besides the one that asks.  What a session has read
# and written is in the statistics when it is gone, and psql does not wait for that:
# eventually 10 prints 0 others.
others() {
	sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND backend_type = 'client backend'"
}

# A role that can log in and is a member of the others.  Roles belong to the
# server, which the files share: begin its name with the program's.
role_login() {	# NAME ROLE...
	local name=$1 role

	shift
	psql -Xqv ON_ERROR_STOP=1 -d postgres >/dev/null <<-END
		SELECT 'CREATE ROLE "$name" LOGIN'
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$name') \gexec
	END
	for role; do
		psql -Xqv ON_ERROR_STOP=1 -d postgres -c "GRANT \"$role\" TO \"$name\""
	done
}

# JOBCTL_DATABASE as another role sees it.
as_role() {	# ROLE COMMAND...
	local role=$1

	shift
	env JOBCTL_DATABASE="host=$PGHOST port=$PGPORT user=$role dbname=$PGDATABASE" \
		PGUSER="$role" "$@"
}

# The command's output is shown only if it never succeeded.
eventually() {	# SECONDS COMMAND...
	local end out

	end=$((${EPOCHREALTIME/./} + $1 * SUITE_SLOW * 1000000))
	shift
	until out=$("$@" 2>&1); do
		if ((${EPOCHREALTIME/./} >= end)); then
			printf 'gave up waiting for: %s\n%s\n' "$*" "$out"
			return 1
		fi
		sleep 0.02
	done
}

# For eventually: a command prints exactly this.
prints() {	# TEXT COMMAND...
	local want=$1 got

	shift
	got=$("$@") || return
	[ "$got" = "$want" ] || {
		printf 'want: %s\n got: %s\n' "$want" "$got"
		return 1
	}
}

gone() {	# PID
	! kill -0 "$1" 2>/dev/null
}

# The file of a socket is there before anybody listens.
listens() {	# PATH
	grep -q " 00010000 .* $1\$" /proc/net/unix
}

# When a process began, by which it is told from a later one of that number; "-": it is gone.
began() {	# PID
	local stat fields

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || stat=
	read -ra fields <<<"${stat##*) }"	# behind the name, which may be anything
	echo "${fields[19]:--}"
}

# It is there, and it is the one that began then, if that is known.
still_runs() {	# PID [BEGAN]
	! gone "$1" && [ "${2:-$(began "$1")}" = "$(began "$1")" ]
}

# Run a command in the background: STARTED_PID, STARTED_LOG (stdout and stderr).
# It is killed in teardown if it still runs.
start() {	# COMMAND [ARG...]
	local list=$BATS_TEST_TMPDIR/started

	STARTED_LOG=$(mktemp "$BATS_TEST_TMPDIR/log.XXXXXX")
	"$@" >"$STARTED_LOG" 2>&1 </dev/null 3>&- &
	STARTED_PID=$!
	echo "$STARTED_PID $(began "$STARTED_PID")" >>"$list"
}

start_worker() {	# JOBCTL-WORKER-ARG...
	start jobctl-worker "$@"
	# shellcheck disable=SC2034 # for the tests
	WORKER_PID=$STARTED_PID WORKER_LOG=$STARTED_LOG
}

# PgBouncer in transaction mode, in front of the server that is used now: POOLER is a
# connection string to this file's database.
start_pooler() {	# [INI-LINE...]
	local dir as=()

	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	dir=$(mktemp -d "$SUITE_DIR/pool.XXXXXX")
	chmod 777 "$dir"
	cat >"$dir/ini" <<-END
		[databases]
		* = host=$PGHOST port=$PGPORT user=$PGUSER
		[pgbouncer]
		listen_addr =
		unix_socket_dir = $dir
		listen_port = 6432
		auth_type = any
		pool_mode = transaction
		ignore_startup_parameters = extra_float_digits,options
	END
	[ $# = 0 ] || printf '%s\n' "$@" >>"$dir/ini"
	chmod 644 "$dir/ini"
	start "${as[@]}" pgbouncer "$dir/ini"
	eventually 10 listens "$dir/.s.PGSQL.6432"	# pg_isready would make a session
	# shellcheck disable=SC2034 # for the tests
	POOLER="host=$dir port=6432 dbname=$PGDATABASE user=$PGUSER"
}

# A process and all it has started, the deepest first.
family() {	# PID
	local child

	for child in $(pgrep -P "$1"); do
		family "$child"
	done
	echo "$1"
}

# Children first: a worker that is killed cannot clean up after itself.
stop_all() {
	local pid at list=$BATS_TEST_TMPDIR/started

	[ -f "$list" ] || return 0
	while read -r pid at; do
		# shellcheck disable=SC2046 # numbers
		! still_runs "$pid" "$at" || kill -KILL $(family "$pid") 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done <"$list"
	rm -f "$list"
}

# Ask workers to stop, and see that they do.
stop_workers() {
	local pid at list=$BATS_TEST_TMPDIR/started

	[ -f "$list" ] || return 0
	while read -r pid at; do
		! still_runs "$pid" "$at" || kill -TERM "$pid" 2>/dev/null || true
	done <"$list"
	while read -r pid at; do
		! still_runs "$pid" "$at" || eventually 10 gone_or_zombie "$pid" || true
	done <"$list"
	stop_all
}

gone_or_zombie() {	# PID
	gone "$1" || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null || gone "$1"
}

teardown() {
	stop_all
}
