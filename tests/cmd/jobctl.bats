#!/usr/bin/env bats
# jobctl: runs exactly what was named, from its own directory first, and changes
# nothing on the way.

# shellcheck disable=SC2016,SC2154	# programs are in single quotes; run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0

setup() {
	BIN=$JOBCTL_BINDIR
	LIST=$SUITE_ROOT/cmd/commands.list
	T=$BATS_TEST_TMPDIR
	mkdir "$T/own" "$T/path"
	cp "$BIN/jobctl" "$T/own"
	J=$T/own/jobctl
}

program() {	# FILE BODY
	printf '#!/bin/sh\n%s\n' "$2" > "$1"
	chmod +x "$1"
}

@test "without a verb: the list on stderr, exit 64" {
	run -64 --separate-stderr "$J"
	[ -z "$output" ]
	[[ "$stderr" == *"submit one job or millions"* ]]
}

@test "--help, -h and help: the list on stdout, exit 0" {
	local how
	for how in --help -h help; do
		run -0 --separate-stderr "$J" "$how"
		[ -z "$stderr" ]
		[[ "$output" == *"submit one job or millions"* ]]
	done
}

@test "the list names every program of commands.list, each under its group" {
	local name group brief
	run -0 "$J" --help
	while IFS=$'\t' read -r name group brief; do
		[[ "$name" != \#* ]] || continue
		grep -qxE "  ${name#jobctl-} +$brief" <<<"$output"
		grep -qxF "$group" <<<"$output"
	done < "$LIST"
	[ "$(grep -vc '^#' "$LIST")" = "$(grep -cE '^  [a-z]' <<<"$output")" ]
}

@test "commands.list says of each program what the program says of itself" {
	local name group brief
	while IFS=$'\t' read -r name group brief; do
		[ -x "$BIN/$name" ] || continue
		run -0 "$BIN/$name" --help
		[ "${lines[0]}" = "$name - $brief" ]
	done < <(grep -v '^#' "$LIST")
}

@test "every program that is built is in commands.list" {
	local p
	for p in "$BIN"/jobctl-*; do
		grep -q "^${p##*/}	" "$LIST"
	done
}

@test "a list that cannot be written is exit 74" {
	run -74 bash -c "'$J' --help >/dev/full"
}

@test "arguments pass as they are, and the exit status comes back" {
	program "$T/own/jobctl-args" 'for a; do printf "<%s>" "$a"; done; exit 7'
	run -7 "$J" args -x --json -- '' 'a  b' $'new\nline' -- "*"
	[ "$output" = $'<-x><--json><--><><a  b><new\nline><--><*>' ]
}

@test "the program is called by its own name" {
	printf '#include <stdio.h>\nint main(int c, char **v) { (void)c; puts(v[0]); }\n' > "$T/n.c"
	cc -o "$T/own/jobctl-name" "$T/n.c"
	run -0 "$J" name
	[ "$output" = jobctl-name ]
}

@test "its own directory comes before PATH" {
	program "$T/own/jobctl-who" 'echo own'
	program "$T/path/jobctl-who" 'echo path'
	PATH=$T/path:$PATH run -0 "$J" who
	[ "$output" = own ]
	rm "$T/own/jobctl-who"
	PATH=$T/path:$PATH run -0 "$J" who
	[ "$output" = path ]
}

@test "its own directory is where it really is, not where a link to it is" {
	program "$T/own/jobctl-who" 'echo own'
	ln -s "$J" "$T/path/jobctl"
	run -0 "$T/path/jobctl" who
	[ "$output" = own ]
}

@test "signals a program ends with are its own: nothing stands in between" {
	program "$T/own/jobctl-die" 'echo $$; kill -TERM $$'
	run -143 "$J" die
	"$J" die > "$T/pid" &
	local pid=$!
	wait "$pid" || true
	[ "$(cat "$T/pid")" = "$pid" ]
}

@test "SIGPIPE is left as it was" {
	program "$T/own/jobctl-sig" 'exec grep SigIgn: /proc/self/status'
	run -0 "$J" sig
	[ $((0x${output##*[[:space:]]} >> 12 & 1)) = 0 ]
}

@test "an unknown verb is exit 64 and the nearest name" {
	run -64 "$J" statsu
	[ "${lines[0]}" = 'jobctl: no such command "statsu"; did you mean "status"?' ]
	run -64 "$J" hepl
	[[ "$output" == *'did you mean "help"?'* ]]
	run -64 "$J" xyzzy
	[ "${lines[0]}" = 'jobctl: no such command "xyzzy"' ]
}

@test "programs of others on PATH are suggested too" {
	program "$T/path/jobctl-frobnicate" 'echo path'
	PATH=$T/path:$PATH run -64 "$J" frobnicat
	[[ "$output" == *'did you mean "frobnicate"?'* ]]
}

@test "an abbreviation is suggested, never run" {
	program "$T/own/jobctl-status" 'touch ran'
	cd "$T"
	run -64 "$J" stat
	[[ "$output" == *'did you mean "status"?'* ]]
	run -64 "$J" sta
	[ ! -e ran ]
}

@test "a path, an option or nothing is no verb" {
	program "$T/x" 'touch ran'
	mkdir "$T/own/jobctl-"
	program "$T/own/jobctl-/x" 'touch ran'
	cd "$T"
	run -64 "$J" /x
	run -64 "$J" ../x
	run -64 "$J" ''
	run -64 "$J" -x
	run -64 "$J" -- -x
	run -64 "$J" --
	run -64 "$J" --json status
	[ ! -e ran ]
}

@test "control characters and invalid UTF-8 in a verb are shown escaped" {
	run -64 "$J" $'a\033[31m\377'
	[[ "$output" == *'\x1b'* ]]
	[[ "$output" != *$'\033'* ]]
}

@test "a verb of a hundred thousand characters is only unknown" {
	run -64 "$J" "$(head -c 100000 /dev/zero | tr '\0' x)"
	[ "${#lines[0]}" -lt 400 ]
}

@test "a program that may not be run is exit 77, and PATH is not searched instead" {
	[ "$(id -u)" != 0 ] || chmod 755 "$T"
	echo text > "$T/own/jobctl-text"
	program "$T/path/jobctl-text" 'echo path'
	PATH=$T/path:$PATH run -77 "$J" text
	[[ "$output" == *'cannot run "jobctl-text": Permission denied'* ]]
}

@test "help opens the page beside an uninstalled build" {
	program "$T/path/man" 'echo "man $*"'
	mkdir "$T/man"
	touch "$T/man/jobctl-db.1" "$T/man/jobctl.1"
	PATH=$T/path:$PATH run -0 "$J" help db
	[ "$output" = "man -l $T/own/../man/jobctl-db.1" ]
	PATH=$T/path:$PATH run -0 "$J" help help
	[ "$output" = "man -l $T/own/../man/jobctl.1" ]
}

@test "help opens the installed page, or shows --help where there is none" {
	program "$T/path/man" '[ "$1 $2" != "-w jobctl-none" ] || exit 16; echo "man $*"'
	program "$T/own/jobctl-none" 'echo "none $*"'
	PATH=$T/path:$PATH run -0 "$J" help db
	[ "$output" = "man jobctl-db" ]
	PATH=$T/path:$PATH run -0 "$J" help none
	[ "$output" = "none --help" ]
	PATH=$T/own run -0 "$J" help none
	PATH=$T/path:$PATH run -0 "$J" help db
}

@test "help without man at all shows --help" {
	program "$T/own/jobctl-none" 'echo "none $*"'
	PATH=$T/own run -0 "$J" help none
	[ "$output" = "none --help" ]
	PATH=$T/own run -0 "$J" help jobctl
	[[ "$output" == *"Usage: jobctl VERB"* ]]
}

@test "help for a verb there is none" {
	program "$T/path/man" 'exit 16'
	PATH=$T/path:$PATH run -64 "$J" help xyzzy
	PATH=$T/path:$PATH run -64 "$J" help ../x
	PATH=$T/path:$PATH run -64 "$J" help ''
	PATH=$T/path:$PATH run -64 "$J" help db status
}
