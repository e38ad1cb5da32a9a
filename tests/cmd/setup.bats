#!/usr/bin/env bats
# tools/setup: never runs apt without need, and says what to do where it cannot.
# That it installs the right things is shown by tests/fresh/run.

# shellcheck disable=SC2016	# programs are in single quotes

bats_require_minimum_version 1.5.0
load ../helper

# A machine of our own making: PATH holds nothing but these.
setup() {
	M=$BATS_TEST_TMPDIR/machine
	mkdir "$M"
	ln -s /bin/sh /bin/cat /usr/bin/printf /usr/bin/grep /usr/bin/sort /usr/bin/tail "$M"
	fake id 'echo 1000'
	fake apt-get 'echo apt-get "$@" >>"$LOG"'
	fake sudo 'echo sudo "$@" >>"$LOG"'
	fake dpkg-query 'for p; do :; done; case " $MISSING " in *" $p "*) exit 1 ;; esac; printf installed'
	export LOG=$BATS_TEST_TMPDIR/log MISSING=''
	: >"$LOG"
	[ -x /usr/lib/postgresql/15/bin/initdb ] || skip "needs a PostgreSQL server installed"
}

fake() {	# NAME BODY
	printf '#!/bin/sh\n%s\n' "$2" >"$M/$1"
	chmod +x "$M/$1"
}

tool() {
	PATH=$M run "$@"
}

@test "nothing missing: says nothing, runs nothing" {
	tool -0 "$SUITE_ROOT/tools/setup"
	[ -z "$output" ]
	tool -0 "$SUITE_ROOT/tools/setup" test
	[ -z "$output" ]
	[ ! -s "$LOG" ]
}

@test "what is missing is named and goes through sudo, and only that" {
	MISSING='libpq-dev gcc'
	tool -0 "$SUITE_ROOT/tools/setup"
	[ "$output" = 'setup: installing with apt: gcc libpq-dev' ]
	[ "$(cat "$LOG")" = 'sudo sh -s -- --install gcc libpq-dev' ]
}

@test "test tools are asked for only with test" {
	MISSING=bats
	tool -0 "$SUITE_ROOT/tools/setup"
	[ ! -s "$LOG" ]
	tool -0 "$SUITE_ROOT/tools/setup" test
	[ "$(cat "$LOG")" = 'sudo sh -s -- --install bats' ]
}

@test "what the bench compares with is asked for only with bench" {
	MISSING='bats parallel'
	tool -0 "$SUITE_ROOT/tools/setup"
	[ ! -s "$LOG" ]
	tool -0 "$SUITE_ROOT/tools/setup" bench
	[ "$(cat "$LOG")" = 'sudo sh -s -- --install parallel' ]
}

@test "neither root nor sudo: the list and the command, exit 69" {
	MISSING='libpq-dev gcc'
	rm "$M/sudo"
	tool -69 "$SUITE_ROOT/tools/setup"
	[[ "$output" == *'this needs root or sudo'* ]]
	[[ "$output" == *'apt-get install --no-install-recommends gcc libpq-dev'* ]]
}

@test "sudo refused: the same" {
	MISSING=gcc
	fake sudo 'exit 1'
	tool -69 "$SUITE_ROOT/tools/setup"
	[[ "$output" == *'apt-get install --no-install-recommends gcc'* ]]
}

@test "not Debian: what is needed, exit 69" {
	rm "$M/apt-get"
	tool -69 "$SUITE_ROOT/tools/setup"
	[[ "$output" == *'not Debian'* ]]
	[[ "$output" == *'libpq-dev'*'postgresql'* ]]
}

@test "an argument it does not know: exit 64" {
	tool -64 "$SUITE_ROOT/tools/setup" tests
	[ ! -s "$LOG" ]
}
