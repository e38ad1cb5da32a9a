#!/usr/bin/env bats
# jobctl-worker --exec and --handlers: a job chooses what runs, within what the
# worker's own command line allows.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

setup_file() {
	new_database
}

exec_worker() {
	jobctl-worker -q "$Q" --drain --exec "$@"
}

submit_args() {	# JSON
	submit exec "$1"
}

failed_for_good() {	# ID TEXT: what error_message says
	prints 'failed|permanent|1' job "$1" "status || '|' || outcome || '|' || attempt"
	[[ "$(job "$1" error_message)" == *"$2"* ]] || {
		job "$1" error_message
		return 1
	}
}

@test "a job's own command is run, word by word" {
	local id word
	word=$'a b\t\n$(id) `id` "q" \'s\' ; & | > < * ? ~ # \\ {name} é -rf'
	id=$(submit_exec printf '<%s>\0' "$word" '' -- -n)
	exec_worker
	output "$id" 1 >"$D/out"
	printf '<%s>\0' "$word" '' -- -n >"$D/want"
	cmp "$D/out" "$D/want"
	status_is "$id" completed
}

@test "its exit code is the job's" {
	local id
	id=$(submit_exec sh -c 'exit 9')
	exec_worker
	prints 'failed|exit|9' job "$id" "status || '|' || outcome || '|' || exit_code"
}

@test "its environment is exactly what is said" {
	local id token
	id=$(submit_args '{"argv": ["env"], "env": {"MINE": "a=b\nc", "LANG": "C", "EMPTY": ""}}')
	env -i PATH="$PATH" HOME=/home/x USER=u LOGNAME=l SHELL=/bin/sh LANG=C.UTF-8 LC_TIME=C TZ=UTC TMPDIR="$TMPDIR" \
		PGHOST="$PGHOST" PGUSER="$PGUSER" PGPASSWORD=secret JOBCTL_DATABASE="$JOBCTL_DATABASE" \
		AWS_SECRET=x SHOWN=yes HIDDEN=no jobctl-worker -q "$Q" --drain --exec --env SHOWN --env ABSENT
	output "$id" 1 | sort >"$D/env"
	token=$(sql "SELECT token FROM jobctl.job_run WHERE job_id = '$id'")
	sort >"$D/want" <<-END
		PATH=$PATH
		HOME=/home/x
		USER=u
		LOGNAME=l
		SHELL=/bin/sh
		LC_TIME=C
		TZ=UTC
		TMPDIR=$TMPDIR
		SHOWN=yes
		MINE=a=b
		c
		LANG=C
		EMPTY=
		JOBCTL_JOB_ID=$id
		JOBCTL_TOKEN=$token
		JOBCTL_QUEUE=$Q
		JOBCTL_KIND=exec
		JOBCTL_PROJECT=default
		JOBCTL_ATTEMPT=1
		JOBCTL_MAX_ATTEMPTS=1
		JOBCTL_CONTROL_FD=3
	END
	diff "$D/want" "$D/env"
}

@test "its directory is /, or the one it names; its input is empty" {
	local a b c
	a=$(submit_exec sh -c 'pwd; cat; readlink /proc/self/fd/0')
	b=$(submit_args "{\"argv\": [\"pwd\"], \"cwd\": \"$TMPDIR\"}")
	c=$(submit_args '{"argv": ["./here"], "cwd": "'"$D"'"}')
	printf '#!/bin/sh\necho yes\n' >"$D/here"
	chmod +x "$D/here"
	exec_worker
	[ "$(output "$a" 1)" = $'/\n/dev/null' ]
	[ "$(output "$b" 1)" = "$TMPDIR" ]
	[ "$(output "$c" 1)" = yes ]
}

@test "a directory that is missing is said" {
	local id
	id=$(submit_args '{"argv": ["true"], "cwd": "/no/such/directory"}')
	exec_worker
	prints 'failed|not_found|127' job "$id" "status || '|' || outcome || '|' || exit_code"
	prints 'cannot enter /no/such/directory: No such file or directory' job "$id" error_message
	id=$(submit_args '{"argv": ["true"], "cwd": "/dev/null"}')
	exec_worker
	prints 'cannot enter /dev/null: Not a directory' job "$id" error_message
}

@test "a command that is missing or cannot be run is said" {
	local id
	id=$(submit_exec no-such-command-anywhere)
	exec_worker
	prints 'not_found|127' job "$id" "outcome || '|' || exit_code"
	id=$(submit_exec /etc/passwd)
	exec_worker
	prints 'not_executable|126' job "$id" "outcome || '|' || exit_code"
	id=$(submit_exec /)
	exec_worker
	prints 'not_executable|126' job "$id" "outcome || '|' || exit_code"
}

@test "args that are no command fail the job for good" {
	local args id
	while read -r args; do
		echo "$args"
		id=$(submit_args "$args")
		exec_worker
		failed_for_good "$id" args.
	done <<-'END'
		{}
		{"argv": []}
		{"argv": "true"}
		{"argv": [""]}
		{"argv": ["true", 1]}
		{"argv": [["true"]]}
		{"argv": {"0": "true"}}
		{"argv": ["true"], "cwd": 1}
		{"argv": ["true"], "cwd": ""}
		{"argv": ["true"], "cwd": "relative"}
		{"argv": ["true"], "env": []}
		{"argv": ["true"], "env": {"A": 1}}
		{"argv": ["true"], "env": {"A=B": "x"}}
		{"argv": ["true"], "env": {"": "x"}}
		{"argv": ["true"], "env": {"JOBCTL_TOKEN": "x"}}
		{"argv": ["true"], "env": {"new\nline": "x"}}
	END
}

@test "ten thousand words, and too many" {
	local id
	id=$(sql "SELECT jobctl.submit('exec', jsonb_build_object('argv',
		'[\"sh\", \"-c\", \"echo \$#\"]'::jsonb || (SELECT jsonb_agg('w' || n) FROM generate_series(0, 10000) n)), '$Q')")
	exec_worker
	[ "$(output "$id" 1)" = 10000 ]
	id=$(sql "SELECT jobctl.submit('exec', jsonb_build_object('argv', jsonb_build_array('true', repeat('x', 200000))), '$Q')")
	exec_worker
	failed_for_good "$id" 'Argument list too long'
}

@test "--allow says which commands may run" {
	local id
	id=$(submit_exec true)
	exec_worker --allow false --allow 'tr*'
	status_is "$id" completed
	for word in sh /bin/true ./true /bin/../bin/true trux/../../bin/sh; do
		id=$(submit_exec "$word" -c true)
		exec_worker --allow false --allow 'tr*' --allow '/usr/bin/tru?'
		failed_for_good "$id" 'not among the commands this worker allows'
	done
	id=$(submit_exec /usr/bin/true)
	exec_worker --allow '/usr/bin/tru?'
	status_is "$id" completed
	id=$(submit_exec /usr/local/../bin/true)
	exec_worker --allow '/usr/*/bin/true' --allow '/usr/local/*/true' --allow '/usr/local/*/bin/true'
	failed_for_good "$id" 'not among the commands'
}

@test "with --allow a job cannot make an allowed command run another" {
	local id
	printf '#!/bin/sh\necho evil\n' >"$D/true"
	chmod +x "$D/true"
	id=$(submit_args '{"argv": ["true"], "env": {"PATH": "'"$D"'"}}')
	exec_worker --allow true
	failed_for_good "$id" 'PATH is not for a job to set'
	id=$(submit_args '{"argv": ["true"], "env": {"LD_PRELOAD": "/x.so"}}')
	exec_worker --allow true
	failed_for_good "$id" 'LD_PRELOAD is not for a job to set'
	id=$(submit_args '{"argv": ["env"], "env": {"TOPIC": "t"}}')
	exec_worker --allow env --env TOPIC
	[ "$(output "$id" 1 | grep ^TOPIC=)" = TOPIC=t ]
}

@test "a job's own PATH is for the command, not for finding it" {
	local id
	printf '#!/bin/sh\necho evil\n' >"$D/env"
	chmod +x "$D/env"
	id=$(submit_args '{"argv": ["env"], "env": {"PATH": "'"$D"'"}}')
	exec_worker
	[ "$(output "$id" 1 | grep ^PATH=)" = "PATH=$D" ]
}

@test "--exec takes jobs of kind exec and no other" {
	local a b
	a=$(submit other '{"argv": ["true"]}')
	b=$(submit_exec true)
	exec_worker
	status_is "$a" pending
	status_is "$b" completed
}

@test "a command cannot read the worker's environment in /proc" {
	local id dir
	[ "$(id -u)" = 0 ] || skip "needs root, to be somebody else"
	[ "$(stat -c %U "$PGHOST")" = postgres ] || skip "needs a server that postgres can reach"
	dir=$(mktemp -d "$TMPDIR/worker.XXXXXX")	# where somebody else can go
	cp "$O/bin/jobctl-worker" "$dir/worker"
	chmod 755 "$dir" "$dir/worker"
	id=$(submit_exec sh -c 'cat /proc/$PPID/environ')
	setpriv --reuid=postgres --regid=postgres --clear-groups env PGPASSWORD=secret \
		"$dir/worker" -q "$Q" --drain --exec
	rm -r "$dir"
	prints 'failed|exit' job "$id" "status || '|' || outcome"
	[[ "$(job "$id" error_message)" == *'Permission denied'* ]]
	[ "$(output "$id" 1)" = "" ]
}

handler() {	# NAME <TEXT: executable
	mkdir -p "$D/handlers"
	cat >"$D/handlers/$1"
	chmod +x "$D/handlers/$1"
}

handlers_worker() {
	jobctl-worker -q "$Q" --drain --handlers "$D/handlers"
}

@test "a handler is run for jobs of its kind, with args as input" {
	local a b
	handler greet <<<$'#!/bin/sh\necho "hello $(jq -r .name) $# $JOBCTL_KIND"'
	a=$(submit greet '{"name": "ann"}')
	b=$(submit unknown)
	handlers_worker
	[ "$(output "$a" 1)" = 'hello ann 0 greet' ]
	status_is "$b" pending
}

@test "only executable files are handlers" {
	local kind id
	handler good <<<$'#!/bin/sh\n'
	touch "$D/handlers/plain"
	mkdir "$D/handlers/directory"
	handler .hidden <<<$'#!/bin/sh\n'
	ln -s /nonexistent "$D/handlers/dangling"
	ln -s good "$D/handlers/link"
	for kind in plain directory dangling; do
		id=$(submit "$kind")
		handlers_worker
		status_is "$id" pending
	done
	id=$(submit link)
	handlers_worker
	status_is "$id" completed
}

@test "a kind cannot leave the handlers' directory" {
	local kind id
	handler good <<<$'#!/bin/sh\n'
	mkdir "$D/handlers/sub"
	printf '#!/bin/sh\ntouch %q\n' "$D/escaped" | tee "$D/outside" >"$D/handlers/sub/inner"
	chmod +x "$D/outside" "$D/handlers/sub/inner"
	for kind in good/../../outside sub/inner good/. _/../outside; do
		id=$(submit "$kind")
		handlers_worker
		status_is "$id" pending
	done
	run -1 exists "$D/escaped"
}

@test "a handler without #!, one whose interpreter is missing, one that goes away" {
	local a b c
	handler plain <<<'echo plain'
	handler broken <<<'#!/no/such/interpreter'
	handler once <<<$'#!/bin/sh\nrm -- "$0"'
	a=$(submit plain)
	b=$(submit broken '{}' 'max_attempts => 1')
	submit once >/dev/null
	c=$(submit once '{}' 'max_attempts => 1')
	handlers_worker
	[ "$(output "$a" 1)" = plain ]
	prints 'failed|not_executable|126' job "$b" "status || '|' || outcome || '|' || exit_code"
	[[ "$(job "$b" error_message)" == *'the interpreter it names does not exist' ]]
	prints 'failed|not_found|127' job "$c" "status || '|' || outcome || '|' || exit_code"
}

@test "a directory without handlers is refused" {
	run -66 jobctl-worker -q "$Q" --drain --handlers "$D/none"
	[[ "$output" == *"$D/none is not a directory" ]]
	mkdir "$D/empty"
	run -66 jobctl-worker -q "$Q" --drain --handlers "$D/empty"
	[[ "$output" == *'holds no executable file' ]]
	touch "$D/file"
	run -66 jobctl-worker -q "$Q" --drain --handlers "$D/file"
}
