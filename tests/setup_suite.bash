# shellcheck shell=bash
# setup_suite.bash - the environment and the server that all tests share
#
# One PostgreSQL server per run, in a directory of its own, on a Unix socket only,
# owned by an unprivileged user and gone with the run: the kernel stops it should
# the run be killed.  tests/run calls these functions once for all files; a file
# given to bats directly finds setup_suite() through the link beside it.
#
# Exports:
#   SUITE_DIR    this run's directory; TMPDIR and HOME are inside
#   SUITE_ROOT   the source tree
#   SUITE_SLOW   a factor for deadlines (1, more under a sanitizer)
#   O            the build directory, absolute; its bin is first in PATH
#   PGHOST ...   the server, as superuser "jobctl"

suite_environment() {
	local name

	SUITE_ROOT=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." && pwd)
	O=$(cd "$SUITE_ROOT" && realpath -m "${O:-build}")
	for name in $(compgen -e); do
		case $name in
		PG* | JOBCTL_* | LC_* | XDG_* | GIT_* | MAKE* | MFLAGS) unset "$name" ;;
		esac
	done
	unset LANG LANGUAGE NO_COLOR TERM COLUMNS LINES PAGER MANPAGER CDPATH EDITOR VISUAL
	unset CREDENTIALS_DIRECTORY NOTIFY_SOCKET INVOCATION_ID JOURNAL_STREAM WATCHDOG_USEC
	export LC_ALL=C.UTF-8 SUITE_ROOT O SUITE_SLOW="${SUITE_SLOW:-1}"
	export JOBCTL_BINDIR=$O/bin
	umask 022

	SUITE_PGBIN=/usr/lib/postgresql/15/bin
	[ -x "$SUITE_PGBIN/postgres" ] || SUITE_PGBIN=$(pg_config --bindir)
	export SUITE_PGBIN PATH="$O/bin:$SUITE_PGBIN:$PATH"
}

suite_directory() {
	SUITE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/jobctl.XXXXXX")
	export SUITE_DIR TMPDIR=$SUITE_DIR/t HOME=$SUITE_DIR/home
	export JOBCTL_DB_DIR=$SUITE_DIR/none	# a private cluster of this machine is not ours
	export GIT_CONFIG_NOSYSTEM=1
	chmod 711 "$SUITE_DIR"			# the server's user passes through
	mkdir -m 1777 "$TMPDIR"
	mkdir -m 700 "$HOME"
	mkdir -m 1733 "$SUITE_DIR/san"
	export ASAN_OPTIONS="detect_leaks=1:abort_on_error=1:log_path=$SUITE_DIR/san/asan"
	export LSAN_OPTIONS="print_suppressions=0:suppressions=$SUITE_ROOT/tests/lsan.supp"
	export UBSAN_OPTIONS="print_stacktrace=1:abort_on_error=1:halt_on_error=1:log_path=$SUITE_DIR/san/ubsan"
}

suite_as_server() {
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid=postgres --regid=postgres --clear-groups --pdeathsig INT -- \
			env -i PATH="$PATH" LC_ALL=C.UTF-8 "$@"
	fi
	exec setpriv --pdeathsig INT -- env -i PATH="$PATH" LC_ALL=C.UTF-8 "$@"
}

# A server's files in DIR/data; its socket will be in DIR.
suite_make_server() {	# DIR [SETTING...]
	local pg=$1

	shift
	mkdir -m 700 "$pg"
	[ "$(id -u)" != 0 ] || chown postgres: "$pg"
	(cd "$pg" && suite_as_server initdb -D "$pg/data" -U jobctl -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync --no-instructions) >"$SUITE_DIR/initdb.log" 2>&1 || {
		cat "$SUITE_DIR/initdb.log" >&2
		return 1
	}
	# Nobody needs these rows tomorrow: durability is what the tests do not pay for.
	cat >>"$pg/data/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_permissions = 0700
		fsync = off
		full_page_writes = off
		wal_level = minimal
		max_wal_senders = 0
		max_connections = 250
		max_prepared_transactions = 10
		max_locks_per_transaction = 256
		shared_buffers = 128MB
		checkpoint_timeout = 1h
		max_wal_size = 4GB
		jit = off
		timezone = 'UTC'
		log_timezone = 'UTC'
		logging_collector = off
	END
	printf '%s\n' "$@" >>"$pg/data/postgresql.conf"
}

# SUITE_SERVER_PID is it from now on.
suite_run_server() {	# DIR
	local pg=$1 deadline=$((SECONDS + 60))

	(cd "$pg" && suite_as_server postgres -D "$pg/data" -k "$pg") \
		>>"$SUITE_DIR/server.log" 2>&1 </dev/null 3>&- &
	SUITE_SERVER_PID=$!
	export SUITE_SERVER_PID
	until pg_isready -q -h "$pg" -p 5432 -U jobctl -d postgres; do
		if ! kill -0 "$SUITE_SERVER_PID" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
			cat "$SUITE_DIR/server.log" >&2
			return 1
		fi
		sleep 0.05
	done
}

suite_start_server() {
	export PGHOST=$SUITE_DIR/pg PGPORT=5432 PGUSER=jobctl PGDATABASE=postgres
	suite_make_server "$PGHOST" && suite_run_server "$PGHOST"
}

# The database that new_database() copies.
suite_template() {
	psql -Xq -c 'CREATE DATABASE jobctl_template'
	"$O/bin/jobctl-migrate" -Q -d "host=$PGHOST user=$PGUSER dbname=jobctl_template" up || return
	psql -Xq -c 'ALTER DATABASE jobctl_template ALLOW_CONNECTIONS false'
}

suite_stop_server() {
	local deadline=$((SECONDS + 20))

	[ -n "${SUITE_SERVER_PID:-}" ] || return 0
	kill -QUIT "$SUITE_SERVER_PID" 2>/dev/null || true
	while kill -0 "$SUITE_SERVER_PID" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || kill -KILL "$SUITE_SERVER_PID" 2>/dev/null || true
		wait "$SUITE_SERVER_PID" 2>/dev/null || true
	done
	SUITE_SERVER_PID=
}

setup_suite() {
	[ -z "${SUITE_SHARED:-}" ] || return 0	# tests/run has made one
	suite_environment
	suite_directory
	suite_start_server
	suite_template
}

teardown_suite() {
	[ -z "${SUITE_SHARED:-}" ] || return 0
	suite_stop_server
	rm -rf "$SUITE_DIR"
}
