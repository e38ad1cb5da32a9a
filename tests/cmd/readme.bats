#!/usr/bin/env bats
# The README's examples are typed as they stand: every line that begins with "$ " in a
# console block, in one shell, from the root of a clone; and the SQL it shows.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	new_database
	git clone -q "$SUITE_ROOT" "$BATS_FILE_TMPDIR/clone"
}

console() {
	awk '/^```console$/ { on = 1; next } /^```$/ { on = 0 } on && sub(/^\$ /, "")' \
		"$SUITE_ROOT/README.md"
}

@test "the console examples can be typed as they stand" {
	console >"$BATS_TEST_TMPDIR/typed"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/typed")" -ge 10 ]
	cd "$BATS_FILE_TMPDIR/clone"
	run -0 --separate-stderr bash -eu "$BATS_TEST_TMPDIR/typed" 3>&-
	[[ $output == *'no such mailbox'* ]]
	[[ $output == *'exit status 3'* ]]
	[[ $output == *'up to date'* ]]
	[[ $output == *'SKIP LOCKED'* ]]
}

@test "the SQL example runs as it stands" {
	sql 'CREATE TABLE public.orders (customer text)'
	awk '/^```sql$/ { on = 1; next } /^```$/ { on = 0 } on' "$SUITE_ROOT/README.md" |
		psql -XAtqv ON_ERROR_STOP=1 >"$BATS_TEST_TMPDIR/out"
	grep -q 'pending|{Scheduled.*ann@example.org' "$BATS_TEST_TMPDIR/out"
}

@test "every other jobctl command of the README names programs and options that exist" {
	local line program option

	while read -r line; do
		program=$(grep -oE 'jobctl-[a-z]+' <<<"$line" | head -n 1)
		while read -r option; do
			"$program" --emit=words | grep -qP "\t$option\t" || {
				echo "$program has no $option: $line"
				return 1
			}
		done < <(grep -oE -- ' --[a-z-]+[a-z]' <<<"${line%% -- *}")
	done < <(awk '/^```(sh)?$/ { on = !on; next } /^```/ { on = 0 } on' "$SUITE_ROOT/README.md" |
		sed 's/#.*//' | grep -oE 'jobctl-[a-z]+ [^|;]*')
}
