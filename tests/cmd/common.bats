#!/usr/bin/env bats
# What every program promises: how it is asked, how it refuses, how it fails.
#
# The programs and their options are taken from what was built, so that a new
# program is tested here without a change; only operands() must know it.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	new_database
	export MIGRATED=$PGDATABASE
	empty_database empty
	export EMPTY=$PGDATABASE
	use_database "$MIGRATED"
	JOB=$(sql 'SELECT jobctl.new_id()')
	export JOB
}

programs() {
	local p

	for p in "$O"/bin/jobctl*; do
		echo "${p##*/}"
	done
}

# Those that use the database.
clients() {
	local p

	for p in $(programs); do
		"$p" --emit=words | grep -q '^option	-d	--dbname' && echo "$p"
	done
}

# LETTER NAME of each option that takes a value ("-" for no letter).
value_options() {	# PROGRAM [0|1|?]
	"$1" --emit=words | awk -F'\t' -v takes="${2:-1}" \
		'$1 == "option" && $4 == takes { print $2 == "" ? "-" : $2, $3 }'
}

# Operands with which the program would do something harmless, if it came to that.
operands() {	# PROGRAM
	OPS=()
	case $1 in
	jobctl) OPS=(help nothing) ;;
	jobctl-db) OPS=(status) ;;
	jobctl-migrate) OPS=(status) ;;
	jobctl-verify) OPS=(--set jobctl --rows 100 --runs 1) ;;
	jobctl-submit) OPS=(kind) ;;
	jobctl-worker) OPS=(--drain -- true) ;;
	jobctl-wait | jobctl-explain | jobctl-logs | jobctl-events | jobctl-cancel | jobctl-retry | jobctl-hold | jobctl-release) OPS=("$JOB") ;;
	jobctl-progress) OPS=(1/2) ;;
	jobctl-queue) OPS=(list) ;;
	jobctl-reap | jobctl-prune) OPS=(--dry-run) ;;
	jobctl-index) OPS=("$BATS_TEST_TMPDIR") ;;
	jobctl-search) OPS=(word) ;;
	jobctl-check) OPS=(failure-rate) ;;
	jobctl-top) OPS=(-b) ;;
	esac
}

# Run with a limit of time and no input: STATUS, and OUT and ERR are files.
try() {	# COMMAND [ARG...]
	STATUS=0 OUT=$BATS_TEST_TMPDIR/out ERR=$BATS_TEST_TMPDIR/err
	JOBCTL_JOB_ID=$JOB JOBCTL_TOKEN=$JOB JOBCTL_ATTEMPT=1 \
		timeout -s KILL $((20 * SUITE_SLOW)) "$@" >"$OUT" 2>"$ERR" </dev/null 3>&- || STATUS=$?
}

no_controls() {	# FILE
	! tr -d '\n\t' <"$1" | LC_ALL=C grep -q '[[:cntrl:]]'
}

# A program that passes on a job's exit status says 125 for its own failures, a plugin 3.
failed_with() {	# STATUS PROGRAM
	case $2 in
	jobctl-wait) [ "$STATUS" = 125 ] ;;
	jobctl-check) [ "$STATUS" = 3 ] ;;
	*) [ "$STATUS" = "$1" ] ;;
	esac
}

# The command line was wrong.
refused() {	# PROGRAM
	case $1 in
	jobctl-check) [ "$STATUS" = 3 ] ;;
	*) [ "$STATUS" = 64 ] ;;
	esac
}

# Nothing is data when there is no answer, but for monitoring that is one.
no_data() {	# PROGRAM
	case $1 in
	jobctl-check) grep -q '^JOBCTL UNKNOWN - ' "$OUT" ;;
	jobctl-metrics) [ ! -s "$OUT" ] || [ "$(grep -v '^#' "$OUT")" = 'jobctl_up 0' ] ;;
	*) [ ! -s "$OUT" ] ;;
	esac
}

# A refusal or a result, never a crash, a hang or an SQLSTATE nobody expected.
civil() {	# PROGRAM
	case $1/$STATUS in
	*/0 | */1 | */64 | */65 | */66 | */69 | */7[3-8]) ;;
	jobctl-wait/12[45]) ;;
	jobctl-check/[23]) ;;
	*) return 1 ;;
	esac
	no_controls "$ERR" && no_controls "$OUT"
}

report() {
	printf '%s: exit %s\n' "$*" "$STATUS" | cut -c 1-300
	head -c 1000 "$ERR" | cat -v
}

@test "there are programs" {
	[ "$(programs | wc -l)" -ge 4 ]
	[ "$(clients | wc -l)" -ge 1 ]
}

@test "--help is on stdout, exit 0, with examples" {
	local p
	for p in $(programs); do
		echo "$p"
		run -0 --separate-stderr "$p" --help
		[ -z "$stderr" ]
		[ "${lines[0]%% *}" = "$p" ]
		if [ "$p" != jobctl ]; then
			grep -qx 'Examples:' <<<"$output"
			grep -qx 'Options:' <<<"$output"
		fi
		[ "$("$p" -h)" = "$output" ]
	done
}

@test "no line of --help is wider than a terminal" {
	local p
	for p in $(programs); do
		echo "$p"
		run -1 grep -nE '^.{121}' <("$p" --help)
	done
}

@test "--version names the program, its version and libpq's" {
	local p
	for p in $(programs); do
		run -0 --separate-stderr "$p" --version
		[ -z "$stderr" ]
		[[ "${lines[0]}" =~ ^"$p (jobctl) "[0-9]+\.[0-9]+\.[0-9]+$ ]]
		[[ "${lines[1]}" =~ ^libpq\ [0-9.]+,\ schema\ [0-9]+\ to\ [0-9]+$ ]]
		[ "$("$p" -V)" = "$output" ]
	done
}

@test "jobctl VERB is jobctl-VERB" {
	local p
	for p in $(programs); do
		[ "$p" != jobctl ] || continue
		[ "$(jobctl "${p#jobctl-}" --help)" = "$("$p" --help)" ]
	done
}

@test "an unknown option is one line and a hint, exit 64" {
	local p
	for p in $(programs); do
		try "$p" --no-such-option
		refused "$p"
		no_data "$p"
		[ "$(wc -l <"$ERR")" = 2 ]
		[[ "$(head -n 1 "$ERR")" == "$p: unknown option \"--no-such-option\""* ]]
		[ "$(tail -n 1 "$ERR")" = "$p: hint: try '$p --help'" ]
	done
}

@test "an abbreviated option is refused" {
	local p name short names
	for p in $(programs); do
		names=$("$p" --emit=words | awk -F'\t' '$1 == "option" { print $3 }')
		for name in $names; do
			short=${name%?}
			! grep -qx -e "$short" <<<"$names" || continue
			[ "${#short}" -gt 3 ] || continue
			try "$p" "$short"
			refused "$p" || report "$p" "$short"
			refused "$p"
		done
	done
}

@test "an option without the value it needs is refused, and named" {
	local p letter name
	for p in $(programs); do
		while read -r letter name; do
			try "$p" "$name"
			report "$p" "$name"
			refused "$p"
			grep -qF "option \"$name\" needs a value" "$ERR"
			[ "$letter" != - ] || continue
			try "$p" "$letter"
			refused "$p"
			grep -qF "option \"$letter\" needs a value" "$ERR"
		done < <(value_options "$p")
	done
}

@test "a flag with a value is refused" {
	local p letter name
	for p in $(programs); do
		while read -r letter name; do
			try "$p" "$name=x"
			report "$p" "$name=x"
			refused "$p"
			grep -qF "takes no value" "$ERR"
		done < <(value_options "$p" 0)
	done
}

# VERB OPTION for each option that the program has and the verb has no use for.
useless_options() {	# PROGRAM
	"$1" --emit=words | awk -F'\t' '
		$1 == "verb" { verb[++n] = $2 }
		$1 == "option" && $6 != "-" {
			for (i = 1; i <= n; i++)
				if (index(" " $6 " ", " " verb[i] " ") == 0)
					print verb[i], $4 == "0" ? $3 : $3 "=1h"
		}'
}

@test "an option that a verb has no use for is refused, and named" {
	local p verb option n=0
	for p in $(programs); do
		while read -r verb option; do
			try "$p" "$verb" "$option"
			[ "$STATUS" != 64 ] || grep -qF -e "${option%=*} means nothing to $verb, only to: " "$ERR" ||
				try "$p" "$verb" "${option%=*}=1"
			report "$p" "$verb" "$option"
			refused "$p"
			no_data "$p"
			grep -qF -e "${option%=*} means nothing to $verb, only to: " "$ERR"
			n=$((n + 1))
		done < <(useless_options "$p")
	done
	[ "$n" -gt 10 ]
}

any_value() {	# VALUE
	local p letter name

	cd "$BATS_TEST_TMPDIR" || return	# a value may be the name of a file to write
	for p in $(programs); do
		operands "$p"
		while read -r letter name; do
			try "$p" "$name=$1" "${OPS[@]}"
			civil "$p" || {
				report "$p" "$name=$1"
				return 1
			}
		done < <(value_options "$p"; value_options "$p" '?')
	done
}

@test "every option survives an empty value" {
	any_value ''
}

@test "every option survives 100 kB" {
	any_value "$(head -c 100000 /dev/zero | tr '\0' x)"
}

@test "every option survives 100 kB of digits" {
	any_value "$(head -c 100000 /dev/zero | tr '\0' 9)"
}

@test "every option survives control characters" {
	any_value $'\033[31m\033]0;x\a\r\b\x7f\xc2\x9b'
}

@test "every option survives lines" {
	any_value $'a\nb\nc'
}

@test "every option survives what is not UTF-8" {
	any_value $'\xff\xfe\xc3('
}

@test "every option survives what shells, SQL and printf would make something of" {
	any_value "';--%s%n\$(id)\`id\`\\\\{}[],*"
}

@test "every program survives such operands" {
	local p value
	for p in $(programs); do
		for value in '' "$(head -c 100000 /dev/zero | tr '\0' x)" $'\033[31m\a' $'\xff\xfe' \
				$'a\nb' '=' ':=' '%n%s' '../../../nowhere' '-'; do
			case $p/$value in
			jobctl-worker/*) try "$p" --drain -- "$value" ;;	# it would run it, and wait
			*) try "$p" "$value" ;;
			esac
			civil "$p" || report "$p" "$value"
			civil "$p"
		done
	done
}

@test "without a server: exit 69 and one line that says where it looked" {
	local p
	for p in $(clients); do
		operands "$p"
		JOBCTL_DATABASE="host=$BATS_TEST_TMPDIR/nowhere dbname=x" try "$p" "${OPS[@]}"
		report "$p"
		failed_with 69 "$p"
		[ "$(wc -l <"$ERR")" = 1 ]
		grep -qF "$BATS_TEST_TMPDIR/nowhere" "$ERR"
		no_data "$p"
	done
}

@test "without a server, with --json: the error is an object" {
	local p
	for p in $(clients); do
		"$p" --emit=words | grep -q '	--json	' || continue
		operands "$p"
		JOBCTL_DATABASE="host=$BATS_TEST_TMPDIR/nowhere dbname=x" try "$p" --json "${OPS[@]}"
		report "$p"
		failed_with 69 "$p"
		[ "$(jq -r '.v, .program, .exit, .hint | tostring' "$ERR" | tr '\n' ' ')" = \
			"1 $p $STATUS null " ]
	done
}

@test "a password in the connection string is never shown" {
	local p
	for p in $(clients); do
		operands "$p"
		JOBCTL_DATABASE="host=$BATS_TEST_TMPDIR/nowhere password=geheim" try "$p" "${OPS[@]}"
		run -1 grep geheim "$ERR" "$OUT"
		try "$p" -d "host=$BATS_TEST_TMPDIR/nowhere password='geheim" "${OPS[@]}"
		refused "$p"
		run -1 grep geheim "$ERR" "$OUT"
	done
}

@test "without the schema: exit 76 and the command to run" {
	local p
	use_database "$EMPTY"
	for p in $(clients); do
		[[ $p != jobctl-migrate && $p != jobctl-verify ]] || continue	# they make it
		operands "$p"
		try "$p" "${OPS[@]}"
		report "$p"
		failed_with 76 "$p"
		[ "$(wc -l <"$ERR")" = 2 ]
		[ "$(tail -n 1 "$ERR")" = "$p: hint: run: jobctl-migrate up" ]
	done
}

@test "with a schema of another version: exit 76" {
	local p db
	new_database other
	db=$PGDATABASE
	sed -E 's/\b[0-9]+\b/9000/g' "$SUITE_ROOT/sql/jobctl/api/require_schema.sql" | psql -Xq -v ON_ERROR_STOP=1
	for p in $(clients); do
		[[ $p != jobctl-migrate && $p != jobctl-verify ]] || continue	# they make it
		operands "$p"
		try "$p" "${OPS[@]}"
		report "$p"
		failed_with 76 "$p"
		[ "$PGDATABASE" = "$db" ]
	done
	drop_database other
}

@test "without the rights: exit 77 and the role that has them, with which it works" {
	local p role db
	new_database rights
	db="host=$PGHOST port=$PGPORT dbname=$PGDATABASE"
	role_login stranger
	for p in $(clients); do
		[[ $p != jobctl-migrate && $p != jobctl-verify ]] || continue	# they make it
		operands "$p"
		JOBCTL_DATABASE="$db user=stranger" try "$p" "${OPS[@]}"
		report "$p"
		failed_with 77 "$p"
		[ "$(wc -l <"$ERR")" = 2 ]
		role=$(sed -n "2s/^$p: hint: connect as a member of \\(jobctl_[a-z]*\\)\$/\\1/p" "$ERR")
		[ -n "$role" ]
		role_login "member_$role" "$role"
		JOBCTL_DATABASE="$db user=member_$role" try "$p" "${OPS[@]}"
		report "$p as $role"
		[ "$STATUS" != 77 ]
		run -1 grep -i permission "$ERR"
	done
	drop_database rights
}

@test "a full disk is exit 74, for help, for versions" {
	local p
	for p in $(programs); do
		echo "$p"
		run -74 --separate-stderr bash -c "$p --help >/dev/full"
		[[ "$stderr" == "$p: cannot write the output: "* ]]
		run -74 bash -c "$p --version >/dev/full"
	done
}

@test "a reader who has enough is no error message" {
	local p
	for p in $(programs); do
		run -0 bash -c "$p --help 2>&1 >/dev/null | cat"
		[ -z "$output" ]
		run -0 bash -c "($p --help; :) 2>&1 >&7 | cat" 7> >(:)
	done
}

@test "nothing depends on the locale" {
	local p
	for p in $(programs); do
		[ "$(LC_ALL=C "$p" --help)" = "$("$p" --help)" ]
		[ "$(LC_ALL=xx_XX.none "$p" --help)" = "$("$p" --help)" ]
	done
}

@test "each has a manual page that names all its options and commands" {
	local p name kind
	for p in $(programs); do
		echo "$p"
		[ -s "$O/man/$p.1" ]
		while IFS=$'\t' read -r kind name _; do
			[ "$kind" = verb ] || continue
			[ "$p" != jobctl ] || continue
			echo "$p $name"
			grep -qE "^\.(It|Cm|Nm|Ic).*[[:space:]]$name\b" "$O/man/$p.1"
		done < <("$p" --emit=words)
		for name in $("$p" --emit=words | awk -F'\t' '$1 == "option" { print $3 }'); do
			grep -qF "Fl \\-${name#--}" "$O/man/$p.1"
		done
	done
}

@test "each is in the list of programs and in the completions" {
	local p
	for p in $(programs); do
		echo "$p"
		[ "$p" = jobctl ] || grep -q "^$p	" "$SUITE_ROOT/cmd/commands.list"
		grep -q "^\(_jobctl_table='\)\?$p	" "$SUITE_ROOT/completions/jobctl.bash"
		grep -q "^#compdef.* $p\( \|$\)" "$SUITE_ROOT/completions/_jobctl"
	done
}
