#!/usr/bin/env bats
# jobctl-progress: one line to the worker, whole or not at all, and to nobody else

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	export JOBCTL_CONTROL_FD=3
	LINE=$BATS_TEST_TMPDIR/line
	: >"$LINE"
}

# Run it with a pipe as descriptor 3; what it wrote is in $LINE.
say() {
	local rc=0

	{ jobctl-progress "$@" 3>&1 >&2 | cat >"$LINE"; rc=${PIPESTATUS[0]}; } 2>&1
	return "$rc"
}

said() {	# JSON, exactly
	[ "$(cat "$LINE")" = "$1" ] || {
		cat "$LINE"
		return 1
	}
	[ "$(wc -l <"$LINE")" = 1 ]
}

@test "progress, message, numbers and checkpoint in one line" {
	run -0 say 3/10 files=42 -m 'frame 300' size=-1.5e3 --checkpoint '{"line": [1, 2]}'
	[ -z "$output" ]
	said '{"progress":[3,10],"message":"frame 300","stats":{"files":42,"size":-1.5e3},"checkpoint":{"line": [1, 2]}}'
}

@test "each alone" {
	run -0 say 0/0
	said '{"progress":[0,0]}'
	run -0 say 9223372036854775807/9223372036854775807
	said '{"progress":[9223372036854775807,9223372036854775807]}'
	run -0 say -m ''
	said '{"message":""}'
	run -0 say a.b_c-d=0
	said '{"stats":{"a.b_c-d":0}}'
	run -0 say --checkpoint null
	said '{"checkpoint":null}'
	run -0 say --checkpoint '"x"'
	said '{"checkpoint":"x"}'
}

@test "text that would break a line or the JSON does not" {
	run -0 say -m $'a\n"b"\\\t\033[31m é \u202e'
	[ "$(jq -r .message "$LINE")" = $'a\n"b"\\\t\033[31m é \u202e' ]
	[ "$(wc -l <"$LINE")" = 1 ]
	run -0 say --checkpoint $'{\n\t"a": 1\r\n}\n'
	[ "$(jq -c .checkpoint "$LINE")" = '{"a":1}' ]
	[ "$(wc -l <"$LINE")" = 1 ]
}

@test "without arguments it only asks whether to go on" {
	run -0 say
	[ -z "$output" ]
	[ ! -s "$LINE" ]
}

# A pipe whose reader has gone, as descriptor 3.
orphaned() {
	exec 3> >(exec true)
	eventually 10 gone $!
	"$@"
}

@test "the worker has closed its end: exit 1, with arguments and without" {
	run -1 orphaned jobctl-progress 1/2
	[ "$output" = "jobctl-progress: this job is to stop: it was cancelled, or another worker has it" ]
	run -1 orphaned jobctl-progress
	run -1 orphaned jobctl-progress --checkpoint '{}'
}

@test "not run by a worker: exit 64, and descriptor 3 is left alone" {
	unset JOBCTL_CONTROL_FD
	run -64 say 1/2
	[[ "$output" == *"not run by a worker: JOBCTL_CONTROL_FD is not set"* ]]
	[ ! -s "$LINE" ]
	export JOBCTL_CONTROL_FD=
	run -64 say 1/2
	[ ! -s "$LINE" ]
}

@test "a descriptor that is closed, a file, read-only, or no number is not written to" {
	run -64 bash -c 'jobctl-progress 1/2 3>&-'
	[[ "$output" == *"not run by a worker"* ]]
	run -64 bash -c "jobctl-progress 1/2 3>$LINE"
	[ ! -s "$LINE" ]
	run -64 bash -c 'jobctl-progress 1/2 3< <(echo)'
	run -64 bash -c 'jobctl-progress 1/2 3>/dev/null'
	local fd

	for fd in 1 -1 x 3x 99999999999 ' 3'; do
		run -64 env JOBCTL_CONTROL_FD="$fd" bash -c 'set -o pipefail; jobctl-progress 1/2 | cat'
		[[ "$output" == *"not run by a worker"* ]]
	done
}

@test "another descriptor works as well" {
	JOBCTL_CONTROL_FD=7 jobctl-progress 1/2 7>&1 >&2 | cat >"$LINE"
	said '{"progress":[1,2]}'
}

@test "progress: what is no DONE/TOTAL is exit 64, more than all 65" {
	local bad

	for bad in 3 3/ /3 3/x 1/2/3 -- 1.5/2 1e3/2000 99999999999999999999/99999999999999999999 '1 /2'; do
		[ "$bad" != -- ] || bad='x/y'
		run -64 say "$bad"
		[ ! -s "$LINE" ]
	done
	run -64 say -- -1/2
	run -65 say 11/10
	[[ "$output" == *"11/10 is more than all"* ]]
	run -64 say a=1 1/2
}

@test "numbers: only what the worker will understand" {
	local bad

	for bad in a= a=x a=+1 a=01 a=.5 a=5. a=0x10 a=1e999 a=NaN a=true 'a=1 ' 'a= 1' a=1,2 'a=1}' \
		a=99999999999999999999 =1 1a=1 'a b=1' a=1=2 "$(printf 'x%.0s' {1..65})=1" $'a\n=1' ä=1; do
		run -64 say "$bad"
		[ ! -s "$LINE" ]
	done
	run -64 say a=1 b=2 a=3
	[[ "$output" == *'"a" is given twice'* ]]
	run -0 say "$(printf 'x%.0s' {1..64})=1" ab=1 a=1 abc=1
}

@test "checkpoint: what is not JSON, or not to be kept, is exit 65" {
	local bad

	for bad in '' '{' '{"a":}' 'x' '1 2' '"\u0000"' '"\ud800"' '99999999999999999999999' '1e999' $'"a\nb"'; do
		run -65 say --checkpoint "$bad"
		[ ! -s "$LINE" ]
	done
	run -65 say --checkpoint "$(printf '[%.0s' {1..3000})"
	run -64 say --checkpoint $'"\xff"'
}

@test "the line fits a pipe's buffer or is refused" {
	local n

	# {"checkpoint":"..."} and a newline are 18 bytes
	run -0 say --checkpoint "\"$(printf 'x%.0s' $(seq 4078))\""
	[ "$(stat -c %s "$LINE")" = 4096 ]
	run -65 say --checkpoint "\"$(printf 'x%.0s' $(seq 4079))\""
	[[ "$output" == *"takes 4097 bytes, and 4096 is the limit"*"keep what is large in a file"* ]]
	[ ! -s "$LINE" ]
	n=$(printf '\001%.0s' $(seq 1000))
	run -65 say -m "$n"
}

@test "many at once: every line arrives whole" {
	local i

	{
		for i in $(seq 40); do
			jobctl-progress "$i/40" -m "$(printf "$i%.0s" $(seq 800))" 3>&1 >&2 &
		done
		wait
	} | cat >"$LINE"
	[ "$(wc -l <"$LINE")" = 40 ]
	[ "$(jq '.progress[0]' "$LINE" | sort -n | tr '\n' ' ')" = "$(seq 40 | tr '\n' ' ')" ]
}

@test "a pipe that is not read: exit 75 in the end, not a hang" {
	mkfifo "$BATS_TEST_TMPDIR/full"
	exec 8<>"$BATS_TEST_TMPDIR/full"
	head -c 65536 /dev/zero >&8
	run -75 env JOBCTL_CONTROL_FD=8 timeout 30 jobctl-progress 1/2
	[[ "$output" == *"does not read"* ]]
	run -0 env JOBCTL_CONTROL_FD=8 timeout 60 jobctl-progress
	exec 8>&-
}

@test "no database is asked" {
	run -0 env JOBCTL_DATABASE='host=/nowhere' PGHOST=/nowhere bash -c 'set -o pipefail; jobctl-progress 1/2 3>&1 >&2 | cat >/dev/null'
	[ -z "$output" ]
}

@test "a worker writes down what was said" {
	[ -x "$JOBCTL_BINDIR/jobctl-worker" ] || skip "needs jobctl-worker"
	new_database
	sql "SELECT jobctl.submit('k', queue => 'p')" >/dev/null
	unset JOBCTL_CONTROL_FD
	run -0 timeout 60 jobctl-worker -q p --drain -- sh -c 'jobctl-progress 1/4 -m one a=1 && jobctl-progress 2/4 b=2 && jobctl-progress --checkpoint "{\"at\":2}" -m "do
ne"'
	[ "$(sql "SELECT status, progress_done, progress_total, message, stats FROM jobctl.job")" = 'completed|2|4|do
ne|{"a": 1, "b": 2}' ]
}
