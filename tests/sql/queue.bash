# shellcheck shell=bash
# queue.bash - what the tests of the queue's SQL share; see prelude.sql for t.*

load ../helper

setup_file() {
	new_database
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_DIRNAME/prelude.sql"
}

setup() {
	sql 'CALL t.clear()'
}

# Every test leaves a queue that is whole.
teardown() {
	stop_all
	run -0 sql 'SELECT * FROM t.broken()'
	echo "$output"
	[ -z "$output" ]
}

# Jobs 1 to N of kind work.
jobs() {	# N [SUBMIT-ARGUMENTS]
	sql "SELECT jobctl.submit('work', id => t.j(n)${2:+, $2}) FROM generate_series(1, $1) n ORDER BY n" >/dev/null
}

is() {	# WANT 'SELECT ...'
	local got

	got=$(sql "$2") || return
	[ "$got" = "$1" ] || {
		printf '%s\nwant: %s\n got: %s\n' "$2" "$1" "$got"
		return 1
	}
}

# The statement fails with this SQLSTATE, and CONSTRAINT, MESSAGE or HINT has the text.
refuses() {	# SQLSTATE 'SELECT ...' [TEXT]
	local out

	if out=$(psql -XAtqv ON_ERROR_STOP=1 -v VERBOSITY=verbose -c "$2" 2>&1); then
		printf '%s\nis not refused: %s\n' "$2" "$out"
		return 1
	fi
	[[ $out == *"ERROR:  $1: "* && $out == *"${3:-}"* ]] || {
		printf '%s\nwant: %s %s\n got: %s\n' "$2" "$1" "${3:-}" "$out"
		return 1
	}
}

# What the workers 1 to 9 are told when the statement has committed: NUMBER PAYLOAD
notified() {	# 'SELECT ...'
	local n args=()

	for n in {1..9}; do
		args+=(-c "LISTEN jobctl_0000000000004000a00000000000000$n")
	done
	psql -XAtqv ON_ERROR_STOP=1 "${args[@]}" -c "$1" |
		sed -n 's/^Asynchronous notification "jobctl_[0-9a-f]*\(.\)" with payload "\(.*\)" received.*/\1 \2/p' | sort
}

# A transaction that is begun, has run the statements, and stays open until let_go;
# until then TX takes more.
hold_open() {	# 'STATEMENTS'
	local fifo

	fifo=$(mktemp -u "$BATS_TEST_TMPDIR/tx.XXXXXX")
	mkfifo "$fifo"
	start psql -XAtqv ON_ERROR_STOP=1 -f "$fifo"
	exec {TX}>"$fifo"
	printf 'BEGIN;\n%s;\nSET application_name = held;\n' "$1" >&"$TX"
	eventually 10 is 'idle in transaction' \
		"SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'held'"
}

let_go() {
	# what was started meanwhile has the descriptor, too, so its end is not enough
	(trap '' PIPE; echo '\q' >&"$TX") 2>/dev/null || true
	exec {TX}>&-
	eventually 10 is 0 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'held'"
}

# From now on nobody in this file's database gives up waiting for a lock.
patient() {
	sql "DO \$\$ DECLARE f regprocedure; BEGIN
		FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'jobctl'::regnamespace AND proconfig::text LIKE '%lock_timeout=%' LOOP
			EXECUTE format('ALTER ROUTINE %s SET lock_timeout = %L', f, '10min');
		END LOOP;
	END \$\$"
}

# While a transaction that has run the statements is open, another statement begins and
# waits for it.  That commits; what the other says then is in STARTED_LOG.
meanwhile() {	# 'STATEMENTS' 'STATEMENT'
	patient
	hold_open "$1"
	start psql -XAtqc "$2"
	eventually 10 is 1 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 gone_or_zombie "$STARTED_PID"
}
