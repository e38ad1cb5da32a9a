# shellcheck shell=bash
# server.bash - servers of a test file's own, which it may break, on top of helper.bash
#
# They live in $TOP, each under a NAME: data in $TOP/NAME, socket in $TOP/run-NAME.

server_top() {	# in setup_file
	TOP=$(mktemp -d "${TMPDIR:-/tmp}/servers.XXXXXX")
	export TOP
	chmod 777 "$TOP"	# the server's user makes its directories
}

# SERVER_NET=PID: in the network of that process.
as_server() {	# COMMAND...
	local as=()

	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	(cd "$TOP" && HOME=$TOP ${SERVER_NET:+nsenter -t "$SERVER_NET" -n} "${as[@]}" "$@")
}

control() {	# NAME PG_CTL-ARG...
	local name=$1

	shift
	as_server pg_ctl -s -w -t 60 -D "$TOP/$name" -l "$TOP/log.$name" "$@" 3>&- >>"$TOP/pg_ctl.log" 2>&1
}

# A server's files; it has yet to be started.
init_server() {	# NAME [SETTING...]
	local name=$1

	shift
	as_server mkdir "$TOP/run-$name"
	as_server initdb -D "$TOP/$name" -U jobctl -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
		--no-instructions >"$TOP/initdb.log"
	as_server tee -a "$TOP/$name/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$TOP/run-$name'
		fsync = off
		shared_buffers = 16MB
		max_connections = 30
		$(printf '%s\n' "$@")
	END
}

# Settings for init_server: TCP on this host, and TLS with a certificate for db.test.
tls_settings() {	# PORT
	[ -e "$TOP/cert" ] || as_server openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 2 -subj /CN=db.test -addext subjectAltName=DNS:db.test \
		-keyout "$TOP/key" -out "$TOP/cert" 2>"$TOP/openssl.log"
	printf '%s\n' "listen_addresses = '127.0.0.1'" "port = $1" 'ssl = on' \
		"ssl_cert_file = '$TOP/cert'" "ssl_key_file = '$TOP/key'"
}

tls_conninfo() {	# PORT...
	local port hosts='' addresses='' ports=''

	for port; do
		hosts+=,db.test addresses+=,127.0.0.1 ports+=,$port
	done
	echo "host=${hosts#,} hostaddr=${addresses#,} port=${ports#,} sslmode=verify-full sslrootcert=$TOP/cert user=jobctl dbname=jobctl"
}

# A port of this host that nobody has.
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

use_server() {	# NAME, that runs: over its socket
	PGPORT=$(sed -n 4p "$TOP/$1/postmaster.pid")
	export PGHOST=$TOP/run-$1 PGPORT PGUSER=jobctl PGDATABASE=jobctl
	export JOBCTL_DATABASE="host=$PGHOST port=$PGPORT user=jobctl dbname=jobctl"
}

fill_server() {	# NAME: with a database called jobctl
	(
		use_server "$1"
		psql -Xq -d postgres -c 'CREATE DATABASE jobctl'
		jobctl-migrate -Q up
	)
}

stop_servers() {	# in teardown_file, before rm -rf "$TOP"
	local pid

	for pid in "$TOP"/*/postmaster.pid; do
		[ ! -e "$pid" ] || control "$(basename "${pid%/*}")" stop -m immediate
	done
}
