#!/usr/bin/env bats
# The fault suite itself: its judge finds what it is there to find, its network
# breaks as it should, and a storm that is called off leaves nothing.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	D=$BATS_TEST_TMPDIR/storm
	T1=aaaaaaaa T2=bbbbbbbb T3=cccccccc
}

# Three jobs: j1 was lost once and completed, j2 completed, j3 was meant to fail.
good() {
	rm -rf "$D"
	mkdir "$D"
	printf '%s\n' j1 j2 j3 >"$D/submitted"
	printf '%s\n' "start 10 $T1 j1 100 1" "tick 20 $T1 j1" \
		"start 40 $T2 j1 101 1" "tick 50 $T2 j1" "end 60 $T2 j1 0" \
		"start 41 $T2 j2 102 1" "end 61 $T2 j2 0" \
		"start 70 $T3 j3 103 3" "end 80 $T3 j3 1" >"$D/ledger"
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' j1 completed ok "$T2" 1 ok j2 completed ok "$T2" 0 ok \
		j3 failed exit "$T3" 0 fail >"$D/jobs"
	printf '%s\t%s\t%s\t%s\t%s\n' j1 "$T1" worker_lost 1007.5 900 j1 "$T2" ok 1010 901 \
		j2 "$T2" ok 1010 901 j3 "$T3" exit 1011 901 >"$D/runs"
	printf '%s\t%s\n' 137 900 0 901 >"$D/exits"
	printf '%s\n' kill half >"$D/wanted"
	printf '%s\t%s\t%s\n' 1000 kill 899 1001 stop 900 1002 cont 900 1005 kill 900 1006 half '' >"$D/faults"
	touch "$D/live" "$D/orphans" "$D/open" "$D/left"
}

judge() {
	"$SUITE_ROOT/tests/faults/judge" "$D"
}

# The judge says this, and nothing else, of what is good but for what COMMAND does to it.
finds() {	# WORD COMMAND...
	local word=$1

	shift
	good
	(cd "$D" && "$@")
	run -1 judge
	echo "$output"
	[ "$(grep -c '^FAIL' <<<"$output")" = 1 ]
	[[ "$output" == "FAIL [$word]"* ]]
	[ "${lines[-1]}" = '13 passed, 1 failed' ]
}

adds() {	# FILE LINE
	printf '%b\n' "$2" >>"$1"
}

@test "what is good passes, with figures" {
	good
	run -0 judge
	[ "${lines[-1]}" = '14 passed, 0 failed' ]
	figures=$(tr -s ' ' <<<"$output")
	[[ "$figures" == *$'jobs 3\n completed 2\n failed 1\n'* || "$figures" == *$'jobs 3\n failed 1\n completed 2\n'* ]]
	[[ "$figures" == *$'executions 4\n per job 1.33, at most 2\n'* ]]
	[[ "$figures" == *$'faults 4\n'* ]]
	[[ "$figures" == *'longest with a killed worker 2.5 s'* ]]
	[[ "$figures" == *'longest with a stopped worker 0.0 s'* ]]
}

@test "a job that is lost, ended twice or has not ended is found" {
	finds ended adds submitted j4
	finds ended adds jobs "j2\tcompleted\tok\t$T2\t0\tok"
	finds live adds live 'j5\trunning'
}

@test "a completed job that was not run to its end is found" {
	finds ledger sed -i "/^end .* j2 /d; s/^\(j2.*\)ok\t/\1worker_lost\t/" ledger runs
	finds ledger sed -i "/^j2\t/s/$T2/$T1/" jobs
}

@test "a token that begins or ends twice is found" {
	finds twice adds ledger "start 42 $T2 j2 109 1"
	finds twice adds ledger "end 62 $T2 j2 0"
}

@test "a run that nobody has on record is found" {
	finds record adds ledger "start 90 $T1 j3 109 1"
}

@test "an outcome that is not the run's is found" {
	finds outcome sed -i "/^j3\t/s/exit/permanent/" runs
	finds outcome sed -i '/^end 80/d' ledger
	finds outcome sed -i '/^j2\t/s/ok/signal/' runs
}

@test "a run that outlives its lease is found, whether it ends or only ticks" {
	finds overlap adds ledger "tick 45 $T1 j1"
	finds overlap adds ledger "end 41 $T1 j1 0"
	run -1 judge
	[[ "$output" == *"j1 token $T1 by 0.000 s"* ]]
}

@test "a job that failed without reason, or did not fail, is found" {
	finds failed sed -i '/^j3/s/fail$/ok/' jobs
	finds failed adds jobs "j9\tcancelled\tcancelled\t$T1\t0\tok"
	finds failed adds jobs "j9\tfailed\tworker_lost\t$T1\t2\tok"
	finds succeeded sed -i '/^j2/s/ok$/bad/' jobs
}

@test "what is left behind is found" {
	finds orphans adds orphans "77\t$T2\tsleep"
	finds open adds open '78\tidle in transaction\tselect'
	finds left adds left 'claims\tx'
}

@test "a worker that ended in disorder, and a fault that never came, are found" {
	finds exits adds exits '139\t902'
	finds exits adds exits '137\t902'
	finds exits adds exits '143\t902'
	finds storm adds wanted full
}

@test "who left a job whose worker and guardian were killed at once is excused, and only that" {
	good
	adds "$D/faults" '1005\tboth\t900'
	adds "$D/orphans" "77\t$T1\tsleep"
	run -0 judge
	adds "$D/orphans" "78\t$T2\tsleep"
	run -1 judge
	[[ "$output" == 'FAIL [orphans] '*': 1 times not'* ]]
}

# A session of psql through the proxy: in on descriptor 8, out in $D.out.
session() {
	mkfifo "$D.in"
	start psql -XAtq -h 127.0.0.1 -p "$PORT" -f "$D.in" -o "$D.out"
	exec 8>"$D.in"
	echo "SELECT 'one';" >&8
	eventually 10 prints one cat "$D.out"
}

proxy() {
	export PGDATABASE=postgres
	start "$O/tests/faults/proxy" "$PGHOST/.s.PGSQL.5432"
	PROXY=$STARTED_PID
	eventually 10 test -s "$STARTED_LOG"
	PORT=$(cat "$STARTED_LOG")
}

# Something was sent to the proxy that it does not read.
unread() {
	awk -v port=":$(printf %04X "$PORT")" '
		$2 ~ port "$" && $4 == "01" && $5 !~ /:00000000$/ { found = 1 }
		END { exit !found }' /proc/net/tcp
}

select_through() {	# NUMBER [SECONDS until it gives up]
	PGCONNECT_TIMEOUT=${2:-20} prints "$1" psql -XAtq -h 127.0.0.1 -p "$PORT" -c "SELECT $1"
}

@test "the network passes on, resets, and works again" {
	proxy
	session
	kill -USR2 "$PROXY"
	echo 'SELECT 2;' >&8
	eventually 10 gone_or_zombie "$STARTED_PID"
	exec 8>&-
	select_through 3
}

@test "what is half open says nothing, and what is new works" {
	proxy
	session
	kill -USR1 "$PROXY"
	eventually 10 select_through 3
	echo "SELECT 'two';" >&8
	eventually 10 unread
	select_through 4
	prints one cat "$D.out"
	exec 8>&-
	run ! gone "$STARTED_PID"
}

@test "a silent network holds up who connects until it speaks again" {
	proxy
	select_through 1
	kill -STOP "$PROXY"
	run ! select_through 2 2
	kill -CONT "$PROXY"
	eventually 10 select_through 3
}

# Of jobctl-reliability(7), in the order of the page: file, tab, title.
named() {
	awk '/^\.Ss What happens/ { on = 1 }
		/^\.Ss The fault suite/ { on = 0 }
		on && /^\.Pa/ { file = $2 }
		on && /^\.Dq/ { sub(/^\.Dq /, ""); print file "\t" $0 }' "$SUITE_ROOT/man/jobctl-reliability.7"
}

@test "every test that jobctl-reliability(7) names is there, and it names every fault" {
	local file title
	cd "$SUITE_ROOT"
	[ "$(named | wc -l)" -gt 30 ]
	while IFS=$'\t' read -r file title; do
		echo "$file: $title"
		case $file in
		tests/faults/storm) grep -q "^	$title)" "$file" ;;
		*) grep -qF "@test \"$title\" {" "$file" ;;
		esac
	done < <(named)
	while read -r title; do
		echo "$title"
		named | grep -qxF "tests/faults/storm	$title"
	done < <(sed -n 's/^kinds=(\(.*\))$/\1/p; s/.* kinds+=(\(.*\)) ;;$/\1/p' tests/faults/storm | tr ' ' '\n')
}

@test "a storm that is called off leaves nothing" {
	local top dir
	top=$(mktemp -d "$TMPDIR/s.XXXXXX")
	chmod 711 "$top"
	start env TMPDIR="$top" "$SUITE_ROOT/tests/faults/storm" --jobs 200 --seconds 60 --faults kill,stop,half
	dir() { compgen -G "$top/jobctl.*/ledger"; }
	eventually 60 dir
	dir=$(dirname "$(dir)")
	runs() { [ "$(grep -c ^end "$dir/ledger")" -ge 10 ]; }
	eventually 60 runs
	kill -TERM "$STARTED_PID"
	eventually 30 gone_or_zombie "$STARTED_PID"
	prints 143 exit_status_of "$STARTED_PID"
	# it was killed, which takes its time
	nothing_runs() { ! grep -lsF "$dir" /proc/[0-9]*/environ /proc/[0-9]*/cmdline; }
	eventually 10 nothing_runs
	[ ! -e "$dir" ]
}

exit_status_of() {
	local status=0

	wait "$1" || status=$?
	echo "$status"
}
