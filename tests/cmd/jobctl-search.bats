#!/usr/bin/env bats
# jobctl-search: what stands in the indexed text is found where it stands, by words
# and by regular expressions, through an index, and nothing else is shown.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper

# Two repositories that all tests search, and do not change.
setup_file() {
	new_database
	export C=$BATS_FILE_TMPDIR/code N=$BATS_FILE_TMPDIR/notes
	mkdir "$C" "$N"
	cat >"$C/user.c" <<-'END'
		#include "user.h"

		/* The name of a user, borrowed. */
		const char *
		get_user_name(const struct user *u)
		{
			return u->name;
		}

		int
		rename_user(struct user *u, const char *userName)
		{
			if (!userName)
				return -1;
			u->name = strdup(userName);
			return get_user_name(u) != NULL;
		}
	END
	cat >"$C/Account.java" <<-'END'
		class Account {
			private String userName;

			String getUserName() { return userName; }
			void close() throws IOException { HTTPServer.stop(userName); }
		}
	END
	printf 'alpha beta\r\ngamma delta\r\n' >"$C/dos.txt"
	printf 'the \033[31m red \033[0m zebra\ta tab\n' >"$C/esc.txt"
	seq -f 'row %g: common' 300 >"$N/long.txt"
	printf 'user notes\nna\357ve zebra caf\351\n' >"$N/latin.txt"
	# hits that are only in the middle of a word longer than any lexeme
	printf 'x%0100dneedle%0100d\n' 0 0 >"$N/blob.txt"
	jobctl-index -Q "$C"
	jobctl-index -Q "$N"
}

# Plain output of a search in the first repository.
found() {
	jobctl-search --repo "$C" "$@"
}

@test "a word is found where it stands: path:line: text" {
	run -0 found strdup
	[ "$output" = 'user.c:15: u->name = strdup(userName);' ]
}

@test "nothing found is exit 1, and says nothing" {
	run -1 found nonesuch
	[ -z "$output" ]
	run -1 found -e nonesuch
	[ -z "$output" ]
	run -1 found --json nonesuch
	[ -z "$output" ]
}

@test "identifiers are found whole and in part, in every style" {
	run -0 found -o path,line -H user_name
	[ "$(sort <<<"$output" | paste -sd' ')" = $'Account.java\t2 Account.java\t4 Account.java\t5 user.c\t11 user.c\t13 user.c\t15 user.c\t16 user.c\t5' ]
	run -0 found -o line -H getUserName --lang java
	[ "$output" = 4 ]
	run -0 found -o path,line -H server
	[ "$output" = $'Account.java\t5' ]
	run -0 found -o path,line -H HTTP
	[ "$output" = $'Account.java\t5' ]
	# name is in rename only as letters
	run -0 found -o line -H --lang c rename
	[ "$output" = 11 ]
	run -1 found ser
	run -0 found -o path -H 'serv*'
	[ "$output" = Account.java ]
}

@test "case does not matter to words" {
	run -0 found -o path,line -H STRDUP
	[ "$output" = $'user.c\t15' ]
}

@test "the definition of a symbol comes first" {
	run -0 found -n 1 get_user_name
	[ "$output" = 'user.c:5: get_user_name(const struct user *u)' ]
	run -0 found --json -n 1 get_user_name
	[ "$(jq -c '[.symbol, .chunk_start, .chunk_end, .language, .repo]' <<<"$output")" = '["get_user_name",3,9,"c","code"]' ]
}

@test "several words must be in one chunk; -word must not; OR; phrases" {
	run -0 found -o line -H strdup return
	[ "$(sort -n <<<"$output" | paste -sd' ')" = "14 15 16" ]
	run -1 found strdup borrowed
	run -0 found -o line -H --lang c 'return -strdup'
	[ "$output" = 7 ]
	run -0 found -o path,line -H alpha OR strdup
	[ "$(sort <<<"$output" | paste -sd' ')" = $'dos.txt\t1 user.c\t15' ]
	run -0 found -o line -H '"struct user" strdup'
	[ "$(head -n 1 <<<"$output")" = 11 ]
	run -1 found '"strdup struct"'
	run -0 found -o path,line -H 'HTTPServer.stop'
	[ "$output" = $'Account.java\t5' ]
}

@test "a regular expression finds lines" {
	run -0 found -e '^get_[a-z_]+\('
	[ "$output" = 'user.c:5: get_user_name(const struct user *u)' ]
	run -0 found -o path,line -H -e 'return .*;$'
	[ "$(sort <<<"$output" | paste -sd' ')" = $'user.c\t14 user.c\t16 user.c\t7' ]
	run -0 found -o line -H -e 'strdup|HTTP[A-Z]'
	[ "$(sort -n <<<"$output" | paste -sd' ')" = "5 15" ]
	run -1 found -e STRDUP
	run -0 found -i -o line -H -e STRDUP
	[ "$output" = 15 ]
	run -0 found -o line -H -e '(?i)STRDUP'
	[ "$output" = 15 ]
}

@test "a regular expression does not match over lines, nor the end that is none" {
	run -1 found -e 'beta\s+gamma'
	run -1 found -e 'alpha.*delta'
	run -1 found -e '^$' zebra
}

@test "a line's carriage return is not part of it" {
	run -0 found -e 'beta'
	[ "$output" = 'dos.txt:1: alpha beta' ]
	run -0 found alpha
	[ "$output" = 'dos.txt:1: alpha beta' ]
}

@test "words narrow what a regular expression searches" {
	run -0 found -o path -H -e 'return' close
	[ "$output" = Account.java ]
}

@test "-n limits to the best, 0 is all, and 50 the default" {
	[ "$(jobctl-search --repo "$N" common | wc -l)" = 50 ]
	[ "$(jobctl-search --repo "$N" -n 0 common | wc -l)" = 300 ]
	[ "$(jobctl-search --repo "$N" -n 3 common | wc -l)" = 3 ]
	[ "$(jobctl-search --repo "$N" -n 0 -e common | wc -l)" = 300 ]
	[ "$(jobctl-search --repo "$N" -n 7 -e common | wc -l)" = 7 ]
}

@test "line numbers count from the file's first line, in every chunk" {
	run -0 jobctl-search --repo "$N" -n 0 -e '^row 237:'
	[ "$output" = 'long.txt:237: row 237: common' ]
	run -0 jobctl-search --repo "$N" 237
	[ "$output" = 'long.txt:237: row 237: common' ]
}

@test "--repo by path, by name, from inside; --lang by name or extension" {
	run -0 jobctl-search --repo notes zebra
	[ "$output" = 'latin.txt:2: naïve zebra café' ]
	cd "$N"
	run -0 jobctl-search --repo . zebra
	[ "${#lines[@]}" = 1 ]
	run -0 jobctl-search --repo "$N/../notes" zebra
	[ "${#lines[@]}" = 1 ]
	run -0 jobctl-search -o path -H --lang java close
	[ "$output" = Account.java ]
	run -0 jobctl-search -o path -H --lang h user
	[ "$(sort -u <<<"$output")" = user.c ]
}

@test "in several repositories a path is absolute" {
	run -0 jobctl-search zebra
	[ "${#lines[@]}" = 2 ]
	[[ $output == *"$N/latin.txt:2: na"* ]]
	run -0 jobctl-search -e 'zebra caf'
	[ "$output" = "$N/latin.txt:2: naïve zebra café" ]
}

@test "what is no plain text never reaches the terminal raw" {
	run -0 found red
	[[ $output == 'esc.txt:1: the \x1b[31m red \x1b[0m zebra'* ]]
	run -0 found -o text -H red
	[[ $output != *$'\033'* ]]
	[[ $output == *'\ta tab' ]]
	run -0 found --json red
	[ "$(jq -r .text <<<"$output")" = $'the \033[31m red \033[0m zebra\ta tab' ]
	[[ $output != *$'\033'* ]]
}

@test "--json has all keys, always" {
	run -0 jobctl-search --json zebra
	[ "$(jq -c 'keys_unsorted' <<<"$output" | sort -u)" = '["v","project","repo","repo_path","path","line","language","text","rank","chunk_start","chunk_end","symbol"]' ]
	[ "$(jq -c 'select(.repo == "notes") | [.v, .project, .repo_path, .path, .line, .language, .symbol]' <<<"$output")" \
		= "[1,\"default\",\"$N\",\"latin.txt\",2,\"text\",null]" ]
}

@test "a long word's middle is found by a regular expression" {
	run -0 jobctl-search --repo "$N" -o path -H -e needle
	[ "$output" = blob.txt ]
	run -0 jobctl-search --repo "$N" -o path -H -e '0000needle0000'
	[ "$output" = blob.txt ]
}

@test "regular expressions find what grep finds" {
	local re want

	for re in 'user' 'User' '_' '[sS]tr' 'u->' 'e[rt]' 'user|name' '(get|re)_?name' 'str.*User' '"' 'NULL' 'er_n' \
		'[^ ]user' 'a{1}m' 'co(n|m)' '\.' '!' 'x*' 'const ?char' '^[a-z]+_user' '\*u,'; do
		want=$(cd "$C" && grep -nE -- "$re" user.c Account.java | cut -d: -f1,2 | sort)
		[ "$(found -n 0 -H -o path,line -e "$re" | grep -v txt | tr '\t' : | sort)" = "$want" ]
	done
}

@test "deleted files, and repositories that are not active, do not show" {
	local d=$BATS_TEST_TMPDIR/gone

	mkdir "$d"
	echo 'quagga one' >"$d/a"
	echo 'quagga two' >"$d/b"
	jobctl-index -Q "$d"
	[ "$(jobctl-search quagga | wc -l)" = 2 ]
	rm "$d/a"
	jobctl-index -Q "$d"
	run -0 jobctl-search quagga
	[[ $output == *"b:1: quagga two" ]]
	[ "${#lines[@]}" = 1 ]
	[ "$(jobctl-search -e quagga | wc -l)" = 1 ]
	sql "UPDATE catalog.repositories SET is_active = false WHERE path = '$d'"
	run -1 jobctl-search quagga
	run -1 jobctl-search -e quagga
	run -66 jobctl-search --repo "$d" quagga
}

@test "a file with too many words for its list is searched all the same" {
	local d=$BATS_TEST_TMPDIR/many

	mkdir "$d"
	seq -f 'w%06gx' 1 90000 >"$d/words"
	echo okapi >>"$d/words"
	jobctl-index -Q --max-file-size 4000000 "$d"
	[ "$(sql "SELECT bool_or(words_partial) FROM catalog.code_chunks")" = t ]
	run -0 jobctl-search --repo "$d" okapi
	[ "$output" = "words:90001: okapi" ]
	run -0 jobctl-search --repo "$d" -e '^okapi'
	[ "$output" = "words:90001: okapi" ]
}

@test "somebody else's project does not show, by any way in" {
	local d=$BATS_TEST_TMPDIR/anns

	role_login search_ann jobctl_worker jobctl_reader
	role_login search_bob jobctl_reader
	sql "INSERT INTO jobctl.projects VALUES ('anns', 'search_ann')"
	mkdir "$d"
	echo 'ocelot' >"$d/secret.c"
	as_role search_ann jobctl-index -Q -p anns "$d"
	run -0 as_role search_ann jobctl-search ocelot
	run -1 as_role search_bob jobctl-search ocelot
	run -1 as_role search_bob jobctl-search -e 'ocelot'
	run -66 --separate-stderr as_role search_bob jobctl-search -p anns ocelot
	[ "${stderr_lines[0]}" = 'jobctl-search: no such project "anns"' ]
	run -66 as_role search_bob jobctl-search --repo "$d" ocelot
	run -66 --separate-stderr as_role search_bob jobctl-search -p nope ocelot
	[ "${stderr_lines[0]}" = 'jobctl-search: no such project "nope"' ]
	[ "$(sql_as search_bob "SELECT count(*) FROM catalog.search_words('ocelot', '{}', NULL, NULL, NULL, 10, 10) WHERE project_id = 'anns'")" = 0 ]
	[ "$(sql_as search_bob "SELECT count(*) FROM catalog.search_lines('ocelot', false, NULL, '{}', NULL, NULL, NULL, NULL, 10) WHERE project_id = 'anns'")" = 0 ]
	run -0 as_role search_ann jobctl-search -p anns ocelot
	run -1 as_role search_ann jobctl-search -p default ocelot
}

@test "what cannot be searched for is exit 64 or 65 and one clear line" {
	local bad

	for bad in '' '   ' '->' '-foo' 'a OR' '"open' $'\377' $'\033'; do
		run -64 --separate-stderr jobctl-search -- "$bad"
		[[ ${stderr_lines[0]} == "jobctl-search: "* ]]
		[[ $stderr != *$'\033'* ]]
	done
	run -64 jobctl-search
	run -64 jobctl-search -e ''
	run -64 jobctl-search -e $'\377'
	run -64 jobctl-search -i foo
	run -64 jobctl-search --lang nonsense foo
	run -64 jobctl-search -p $'\377' foo
	run -64 jobctl-search -n -1 foo
	run -64 jobctl-search -o nonsense foo
	run -64 jobctl-search "$(head -c 100000 /dev/zero | tr '\0' a)"
	run -64 jobctl-search -e "$(head -c 100000 /dev/zero | tr '\0' a)"
	run -64 --separate-stderr jobctl-search $'no\033word*\001' -- -
	run -65 --separate-stderr jobctl-search -e 'a('
	[ "${stderr_lines[0]}" = "jobctl-search: invalid regular expression: parentheses () not balanced" ]
	run -65 jobctl-search -e '[z-a]'
	run -66 jobctl-search --repo /no/such foo
}

@test "hostile words are words" {
	local bad

	for bad in "';DROP TABLE catalog.code_files;--x" "it's" '_x_' "a'b:*|!(&" 'qq:*' "qq\\" '~19' 'qq<->b'; do
		run -1 found -- "$bad"
	done
	run -1 found -e "'; DROP TABLE catalog.code_files; --"
	run -1 found -e '%|_needle'
	run -66 found --repo "'; SELECT 1" zebra
	[ "$(sql "SELECT count(*) > 0 FROM catalog.code_files")" = t ]
}

# The plan of what a search function runs, with sequential scans as the last resort.
plan() {	# 'SELECT ...'
	psql -Xq -v ON_ERROR_STOP=1 2>&1 <<-END
		LOAD 'auto_explain';
		SET auto_explain.log_min_duration = 0;
		SET auto_explain.log_nested_statements = on;
		SET client_min_messages = log;
		$2
		$1;
	END
}

@test "words and regular expressions can be served by an index" {
	local off='SET enable_seqscan = off; SET enable_indexscan = off;'

	run -0 plan "SELECT FROM catalog.search_words('strdup', '{strdup}', NULL, NULL, NULL, 10, 10)" "$off"
	[[ $output == *"Bitmap Index Scan on idx_code_chunks_text"* ]]
	run -0 plan "SELECT FROM catalog.search_lines('strdup', false, 'strdup', '{strdup}', NULL, NULL, NULL, NULL, 10)" "$off"
	[[ $output == *"Bitmap Index Scan on idx_code_chunks_trigrams"* ]]
}

@test "and the index is chosen when there are many files" {
	local d=$BATS_TEST_TMPDIR/big i

	mkdir "$d"
	for i in $(seq 2000); do
		printf 'int value_%d(int parameter_%d)\n{\n\treturn compute(parameter_%d);\n}\n' "$i" "$i" "$i"
	done | split -l 4 -a 4 --additional-suffix=.c - "$d/f"
	jobctl-index -Q "$d"
	sql 'ANALYZE catalog.code_chunks, catalog.code_files'
	run -0 plan "SELECT FROM catalog.search_words('''1234''', '{}', NULL, NULL, NULL, 10, 10)" ''
	[[ $output == *"Bitmap Index Scan on idx_code_chunks_text"* ]]
	run -0 plan "SELECT FROM catalog.search_lines('value_1234', false, NULL, '{value ,1234}', NULL, NULL, NULL, NULL, 10)" ''
	[[ $output == *"Bitmap Index Scan on idx_code_chunks_trigrams"* ]]
	# the negative control: nothing to look up, so everything is read
	run -0 plan "SELECT FROM catalog.search_lines('.', false, NULL, '{}', NULL, NULL, NULL, NULL, 10)" ''
	[[ $output != *idx_code_chunks_trigrams* ]]
	run -0 jobctl-search --repo "$d" -o line -H -e 'value_1234\('
	[ "$output" = 1 ]
}

@test "what was just indexed is in the index itself, not waiting beside it" {
	sql 'CREATE EXTENSION IF NOT EXISTS pgstattuple'
	[ "$(sql "SELECT max(pending_tuples) FROM (VALUES ('catalog.idx_code_chunks_text'::regclass),
	      ('catalog.idx_code_chunks_trigrams')) i(x), pgstatginindex(x)")" = 0 ]
}

@test "output that cannot be written is exit 74; no catalog is 76; no database 69" {
	run -74 bash -c 'jobctl-search zebra >/dev/full'
	empty_database bare
	run -76 --separate-stderr jobctl-search zebra
	[[ $stderr == *"hint: run: jobctl-migrate up"* ]]
	drop_database bare
	run -69 jobctl-search -d "host=$BATS_TEST_TMPDIR port=1" zebra
}
