#!/usr/bin/env bats
# tests/run itself: counts what happened, and leaves nothing, however it ends.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	S=$BATS_TEST_TMPDIR/samples
	mkdir "$S"
	RUN=$SUITE_ROOT/tests/run
	TMPDIR=$(mktemp -d "$TMPDIR/h.XXXXXX")
	chmod 711 "$TMPDIR"	# the inner server's user passes through
	N=$$	# a part of how long samples sleep: other runs on this machine have other sleeps
}

teardown() {
	stop_all
	eventually 20 rm -rf "$TMPDIR"	# who was killed may leave somebody who writes there
}

sample() {	# NAME; its text on stdin, with @@test, as bats would find @test here
	sed "s/@@test/@test/" >"$S/$1.bats"
}

# The server of a run whose directory is inside ours.
inner_server() {
	pgrep -f "^postgres -D $TMPDIR/jobctl\.[A-Za-z0-9]*/pg/data"
}

no_inner_server() {
	! inner_server
}

inner_directories() {
	find "$TMPDIR" -maxdepth 1 -name 'jobctl.*'
}

@test "what passes, fails, is skipped, dies or stays is counted and named" {
	sample a <<-'END'
		@@test "good one" { true; }
		@@test "bad one" { echo "what it said"; false; }
		@@test "skipped one" { skip "no reason"; }
		@@test "another good one" { true; }
	END
	printf '#!/bin/sh\necho 1..3; echo "ok 1 - first"\n' >"$S/b"
	chmod +x "$S/b"
	sample c <<-END
		load $SUITE_ROOT/tests/helper
		@@test "leaves something" { sleep 1234.$N 3>&- & disown; }
		@@test "starts something" { start sleep 1235.$N; }
	END
	sample d <<-'END'
		setup_file() { false; }
		@@test "never runs" { true; }
	END
	run -1 "$RUN" -j1 "$S/a.bats" "$S/b" "$S/c.bats" "$S/d.bats"
	echo "$output"
	[ "${lines[-1]}" = "5 passed, 4 failed" ]
	[ "${lines[-2]}" = "1 skipped" ]
	[[ "$output" == *"FAIL $S/a.bats: bad one"* ]]
	[[ "$output" == *"# what it said"* ]]
	[[ "$output" == *"skip $S/a.bats: skipped one # skip no reason"* ]]
	[[ "$output" == *"FAIL $S/b: stopped after 1 of 3 tests"* ]]
	[[ "$output" == *"FAIL left running: sleep 1234.$N "*"c.bats"* ]]
	[[ "$output" == *"FAIL $S/d.bats: setup_file failed"* ]]
	[[ "$output" != *"sleep 1235.$N"* ]]
	[[ "$output" != *"good one"*"another good one"* ]]
	run -1 pgrep -f "^sleep 123[45]\.$N\$"
	[ -z "$(inner_directories)" ]
	no_inner_server
}

@test "the environment is the suite's own, whatever the caller's is" {
	sample env <<-END
		load $SUITE_ROOT/tests/helper
		setup_file() { new_database; }
		@@test "clean" {
			[ -z "\$(env | grep -E '^(NO_COLOR|TERM|LANG|PGPASSWORD|PGOPTIONS|JOBCTL_QUEUE)=')" ]
			[ "\$LC_ALL" = C.UTF-8 ]
			[ "\${HOME#\$SUITE_DIR}" != "\$HOME" ]
			[ "\$(type -P jobctl)" = "\$O/bin/jobctl" ]
			[ "\$(sql 'SELECT current_database()')" = "\$PGDATABASE" ]
			[ "\$(sql 'SELECT count(*) FROM jobctl.job')" = 0 ]
		}
	END
	run env NO_COLOR=1 TERM=xterm LANG=de_DE PGPASSWORD=x PGHOST=nowhere PGOPTIONS=-cfoo=1 \
		JOBCTL_QUEUE=x JOBCTL_DATABASE=host=nowhere LC_ALL=POSIX "$RUN" "$S/env.bats"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "1 passed, 0 failed" ]
}

@test "no tests at all is a failure" {
	sample none </dev/null
	run -1 "$RUN" "$S/none.bats"
	[[ "${lines[-1]}" == "0 passed, "* ]]
}

@test "terminated, it takes its server and its tests with it" {
	sample long <<-END
		@@test "long" { sleep 1236.$N; }
	END
	start "$RUN" "$S/long.bats"
	eventually 60 pgrep -f "^sleep 1236\.$N\$"
	inner_server
	kill -TERM "$STARTED_PID"
	eventually 20 gone "$STARTED_PID"
	no_inner_server
	run -1 pgrep -f "^sleep 1236\.$N\$"
	[ -z "$(inner_directories)" ]
}

@test "killed, it takes its server with it all the same" {
	sample long <<-END
		@@test "long" { sleep 1237.$N; }
	END
	start "$RUN" "$S/long.bats"
	eventually 60 pgrep -f "^sleep 1237\.$N\$"
	inner_server
	kill -KILL "$STARTED_PID"
	eventually 20 no_inner_server
	pkill -KILL -f "^sleep 1237\.$N\$"
}

@test "bats alone makes a server and takes it away" {
	ln -s "$SUITE_ROOT/tests/setup_suite.bash" "$S/setup_suite.bash"
	sample alone <<-END
		load $SUITE_ROOT/tests/helper
		setup_file() { new_database; }
		@@test "a database" { [ "\$(sql 'SELECT 1')" = 1 ]; }
	END
	run -0 env -u SUITE_SHARED bats "$S/alone.bats"
	[ "${lines[1]}" = "ok 1 a database" ]
	no_inner_server
	[ -z "$(inner_directories)" ]
}

@test "the gate knows what it can do" {
	run -64 "$SUITE_ROOT/tests/gate" everything
}
