#!/usr/bin/env bats
# jobctl-index: what the catalog holds is what git would not ignore, whatever state
# the tree is in and however the last run ended.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../repository

setup_file() {
	new_database
	git_identity
}

setup() {
	T=$BATS_TEST_TMPDIR/tree
	mkdir "$T"
	cd "$T" || return
}

# A run over the tree: "INDEXED CHUNKS DELETED", or other fields.
index() {	# [FIELD,...] [ARG...]
	local fields=${1:-files_indexed,chunks_created,files_deleted}

	shift || true
	jobctl-index -H -o "$fields" "$@" "$T" | tr '\t' ' '
}

# Of the tree's repository: paths that are stored and not deleted, one a line.
paths() {
	of_tree "SELECT relative_path FROM catalog.code_files f JOIN r ON r.id = f.repository_id
	         WHERE NOT is_deleted ORDER BY 1"
}

of_tree() {	# 'SELECT ... FROM r'
	sql "WITH r AS (SELECT * FROM catalog.repositories WHERE path = '$T') $1"
}

# The text of a file as its chunks have it.
text_of() {	# PATH
	of_tree "SELECT string_agg(content, '' ORDER BY c.id) FROM catalog.code_chunks c
	         JOIN catalog.code_files f ON f.id = c.code_file_id JOIN r ON r.id = f.repository_id
	         WHERE relative_path = '$1'"
}

lines() {	# N
	seq -f 'line %g of a text' "$1"
}

@test "a repository of four files: rows, hashes, languages, commit" {
	four_files
	[ "$(index message,files,files_indexed,files_skipped)" = "full index 4 4 0" ]
	[ "$(paths | paste -sd,)" = doc/a.txt,empty,lib.py,main.c ]
	[ "$(of_tree "SELECT content_hash FROM catalog.code_files f JOIN r ON r.id = repository_id
	      WHERE relative_path = 'main.c'")" = "$(sha256sum main.c | cut -d' ' -f1)" ]
	[ "$(of_tree "SELECT string_agg(coalesce(language, '-'), ' ' ORDER BY relative_path)
	      FROM catalog.code_files f JOIN r ON r.id = repository_id")" = "text - python c" ]
	[ "$(of_tree "SELECT floor(extract(epoch FROM modified_at)) || ' ' || size_bytes FROM catalog.code_files f
	      JOIN r ON r.id = repository_id WHERE relative_path = 'main.c'")" = "$(stat -c '%Y %s' main.c)" ]
	[ "$(of_tree "SELECT commit_sha FROM r")" = "$(git rev-parse HEAD)" ]
	[ "$(of_tree "SELECT name || ' ' || project_id || ' ' || (last_indexed_at IS NOT NULL) FROM r")" = "tree default true" ]
}

@test "chunks cover their file and follow its structure" {
	four_files
	index >/dev/null
	[ "$(text_of doc/a.txt)" = "$(cat doc/a.txt)" ]
	[ "$(text_of main.c)" = "$(cat main.c)" ]
	[ "$(of_tree "SELECT count(*) FROM catalog.code_chunks c JOIN catalog.code_files f ON f.id = c.code_file_id
	      JOIN r ON r.id = f.repository_id WHERE relative_path = 'empty'")" = 0 ]
	[ "$(of_tree "SELECT string_agg(format('%s %s %s-%s', chunk_type, symbol, start_line, end_line), ', ' ORDER BY c.id)
	      FROM catalog.code_chunks c JOIN catalog.code_files f ON f.id = c.code_file_id
	      JOIN r ON r.id = f.repository_id WHERE relative_path = 'main.c'")" = "function main 1-7" ]
}

@test "nothing changed is a success with 0 and 0" {
	four_files
	index >/dev/null
	[ "$(index message,files,files_indexed,chunks_created)" = "up to date 4 0 0" ]
}

calls() {	# FUNCTION
	sql "SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE schemaname = 'catalog' AND funcname = '$1'"
}

# How often a run over the tree reads from the catalog's list of it.
lists_read() {	# [ARG...]
	local ended read

	ended=$(calls end_index) read=$(calls list_files)
	PGOPTIONS='-c track_functions=pl' jobctl-index -Q "$@" "$T" || return
	eventually 10 prints "$((ended + 1))" calls end_index	# its session has said what it called
	echo $(($(calls list_files) - read))
}

# What has just been written is looked into twice.
age() {
	find . -name .git -prune -o -type f -exec touch -d 2001-02-03 {} +
}

# As after two runs in which nothing changed: the next one need not read the list.
settle() {
	index >/dev/null && index >/dev/null
	[ "$(lists_read)" = 0 ]
}

@test "the list of what is stored is not read when nothing changed twice" {
	four_files
	printf 'a\0b' >binary
	head -c 3000 /dev/zero | tr '\0' x >large
	age
	index >/dev/null
	[ "$(lists_read --max-file-size 2048)" = 2 ]	# texts and binaries
	[ "$(lists_read --max-file-size 2048)" = 0 ]
	[ "$(index message,files,files_indexed,files_skipped --max-file-size 2048)" = "up to date 4 0 2" ]
	[ "$(lists_read --max-file-size 4096)" = 2 ]
	[ "$(paths | grep -c large)" = 1 ]
}

@test "and whatever changes then is noticed" {
	local indexed deleted change

	four_files
	mkdir dir
	echo b >dir/b
	age
	while read -r indexed deleted change; do
		settle
		eval "$change"
		[ "$(index files_indexed,files_deleted)" = "$indexed $deleted" ] || { echo "$change" >&2; return 1; }
	done <<-'END'
		1 0 echo 'int other;' >main.c
		0 0 touch -d 2001-02-03 main.c
		1 0 echo new >new
		0 1 rm new
		1 1 mv main.c moved.c
		0 1 ln -sf ../lib.py doc/a.txt
		1 1 echo dir >.gitignore
		1 1 rm .gitignore
	END
	settle
	[ "$(index message --force)" = "forced re-index" ]
	[ "$(lists_read)" = 2 ]
}

@test "a run that did not end leaves nothing to compare with" {
	local hold

	start_waiting
	let_go
	settle
	start env PATH="$BATS_TEST_TMPDIR/bin:$PATH" jobctl-index "$T"
	eventually 10 prints 0 of_tree "SELECT count(listing) FROM catalog.index_runs i JOIN r ON r.id = i.repository_id"
	exec {hold}>"$BATS_TEST_TMPDIR/go"	# git has come so far, and waits
	kill -KILL "$STARTED_PID"
	exec {hold}>&-
	[ "$(lists_read)" = 2 ]
	[ "$(lists_read)" = 0 ]
}

@test "what was changed, added and deleted is brought up to date" {
	four_files
	index >/dev/null
	echo '/* more */' >>main.c
	echo 'new' >new.txt
	rm lib.py
	[ "$(index message,files_indexed,chunks_created,files_deleted)" = "incremental update with 3 files 2 2 1" ]
	[ "$(paths | paste -sd,)" = doc/a.txt,empty,main.c,new.txt ]
	[ "$(text_of main.c)" = "$(cat main.c)" ]
	[ "$(of_tree "SELECT is_deleted || ' ' || (deleted_at IS NOT NULL) || ' ' ||
	      (SELECT count(*) FROM catalog.code_chunks c WHERE c.code_file_id = f.id)
	      FROM catalog.code_files f JOIN r ON r.id = repository_id WHERE relative_path = 'lib.py'")" = "true true 0" ]
}

@test "a file that comes back is stored once, and not deleted" {
	four_files
	index >/dev/null
	mv lib.py "$BATS_TEST_TMPDIR"
	index >/dev/null
	mv "$BATS_TEST_TMPDIR/lib.py" .
	[ "$(index)" = "1 1 0" ]
	[ "$(of_tree "SELECT count(*) || ' ' || bool_or(is_deleted) FROM catalog.code_files f
	      JOIN r ON r.id = repository_id WHERE relative_path = 'lib.py'")" = "1 false" ]
}

@test "only a new time is no change, and is asked about once" {
	plain_tree
	four_files
	index >/dev/null
	touch -d 2001-02-03 main.c
	[ "$(index message,files_indexed,chunks_created)" = "up to date 0 0" ]
	[ "$(of_tree "SELECT modified_at::date FROM catalog.code_files f JOIN r ON r.id = repository_id
	      WHERE relative_path = 'main.c'")" = 2001-02-03 ]
	# a file that had to be read again would be found unreadable
	chmod 000 main.c
	[ "$(plain_index -H -o files_unreadable "$T")" = 0 ]
}

@test "a change within the clock's tick is noticed" {
	local tick=0

	# As on a filesystem that counts whole seconds.  A time is not trusted for two of
	# them, and by then the first run must have read the file.
	until (($(date +%s) <= tick + 1)); do
		tick=$(($(date +%s) + 1))
		echo aaa >f
		touch -d "@$tick" f
		index >/dev/null
	done
	echo bbb >f
	touch -d "@$tick" f
	index >/dev/null
	[ "$(text_of f)" = bbb ]
}

@test "--force indexes everything again" {
	four_files
	index >/dev/null
	[ "$(index message,files_indexed,files_deleted --force)" = "forced re-index 4 0" ]
	[ "$(text_of doc/a.txt)" = "$(cat doc/a.txt)" ]
	[ "$(index message,files_indexed)" = "up to date 0" ]
}

@test "--chunk-lines sets the size of blocks" {
	lines 100 >a.txt
	[ "$(index chunks_created --chunk-lines 10)" = 10 ]
	[ "$(index chunks_created --force --chunk-lines 1000)" = 1 ]
}

# git's own list is the judge
listed_by_git() {
	git ls-files -co --exclude-standard | LC_ALL=C sort
}

ignored_things() {
	mkdir -p a/b c
	printf '*.o\n/c/\n!keep.o\n' >.gitignore
	printf 'secret*\n' >a/.gitignore
	printf '!secret-not\n' >a/b/.gitignore
	touch x.o keep.o a/x.o a/secret a/b/secret a/b/secret-not c/x y 'a/sp ace'
}

@test "git's ignore rules hold, nested ones too, inside a repository" {
	git init -q
	ignored_things
	git add -f a/secret
	echo 'z*' >.git/info/exclude
	touch zzz
	index >/dev/null
	[ "$(paths)" = "$(listed_by_git)" ]
	[ "$(paths | paste -sd,)" = ".gitignore,a/.gitignore,a/b/.gitignore,a/b/secret-not,a/secret,a/sp ace,keep.o,y" ]
}

@test "and outside of one" {
	ignored_things
	index >/dev/null
	[ "$(paths | paste -sd,)" = ".gitignore,a/.gitignore,a/b/.gitignore,a/b/secret-not,a/sp ace,keep.o,y" ]
	[ "$(of_tree "SELECT commit_sha IS NULL FROM r")" = t ]
	[ -z "$(find "$TMPDIR" -maxdepth 1 -name 'jobctl-index.*')" ]
}

@test "a file that is ignored from now on is gone" {
	git init -q
	touch a.log b
	index >/dev/null
	echo '*.log' >.gitignore
	[ "$(index files_deleted)" = 1 ]
	[ "$(paths | paste -sd,)" = .gitignore,b ]
}

@test "repositories inside the tree have their own rules; submodules are among them" {
	mkdir -p "$BATS_TEST_TMPDIR/other"
	git -C "$BATS_TEST_TMPDIR/other" init -q
	echo x >"$BATS_TEST_TMPDIR/other/in-sub"
	git -C "$BATS_TEST_TMPDIR/other" add -A
	git -C "$BATS_TEST_TMPDIR/other" commit -qm x
	git init -q
	git -c protocol.file.allow=always submodule --quiet add "$BATS_TEST_TMPDIR/other" sub
	mkdir -p nested/deep
	git -C nested init -q
	echo '*.tmp' >nested/.gitignore
	touch nested/deep/n nested/x.tmp top.tmp
	git commit -qm x
	index >/dev/null
	[ "$(paths | paste -sd,)" = .gitmodules,nested/.gitignore,nested/deep/n,sub/in-sub,top.tmp ]
	[ "$(index files_indexed,files_deleted)" = "0 0" ]
}

@test "a directory of repositories, and a directory inside one" {
	mkdir -p one two/sub
	git -C one init -q
	git -C two init -q
	touch one/a two/b two/sub/c
	index >/dev/null
	[ "$(paths | paste -sd,)" = one/a,two/b,two/sub/c ]
	T=$T/two/sub
	index >/dev/null
	[ "$(paths)" = c ]
}

@test "a file in conflict is indexed once" {
	four_files
	git checkout -qb other
	echo 'int a;' >main.c
	git commit -qam a
	git checkout -q main
	echo 'int b;' >main.c
	git commit -qam b
	git merge -q other >/dev/null 2>&1 || true
	[ "$(index files_indexed)" = 4 ]
}

@test "a bare repository has no files" {
	git init -q --bare
	run -65 --separate-stderr jobctl-index "$T"
	[[ $stderr == *"bare repository"* ]]
}

@test "nothing of a repository's configuration is executed" {
	git init -q
	touch a
	git add a
	printf '#!/bin/sh\ntouch %s/ran\n' "$BATS_TEST_TMPDIR" >evil
	chmod +x evil
	git config core.fsmonitor "$T/evil"
	git config core.hooksPath "$T"
	git config filter.x.clean "$T/evil"
	git config core.sshCommand "$T/evil"
	git config core.pager "$T/evil"
	cp evil post-index-change
	echo '* filter=x' >.gitattributes
	[ "$(index files)" = 4 ]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "a repository that belongs to somebody else is indexed" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	git init -q
	touch a
	git add a
	chown -R nobody .
	[ "$(index files)" = 1 ]
}

@test "variables of git do not lead it elsewhere" {
	git init -q
	touch a
	git init -q "$BATS_TEST_TMPDIR/other"
	touch "$BATS_TEST_TMPDIR/other/wrong"
	GIT_DIR=$BATS_TEST_TMPDIR/other/.git GIT_WORK_TREE=$BATS_TEST_TMPDIR/other index >/dev/null
	[ "$(paths)" = a ]
}

@test "links are not followed, pipes and sockets not opened" {
	git init -q
	echo outsiders >"$BATS_TEST_TMPDIR/outside"
	mkdir "$BATS_TEST_TMPDIR/dir" real
	echo outsiders >"$BATS_TEST_TMPDIR/dir/f"
	echo x >real/f
	git add real/f
	ln -s "$BATS_TEST_TMPDIR/outside" link
	ln -s "$BATS_TEST_TMPDIR/dir" linkdir
	ln -s . loop
	mkfifo pipe
	[ "$(timeout 20 jobctl-index -H -o files,skipped_other "$T")" = $'1\t3' ]
	# a directory that git knows is replaced by a link out of the tree
	rm -r real
	ln -s "$BATS_TEST_TMPDIR/dir" real
	echo y >another
	index >/dev/null
	[ "$(paths)" = another ]
	[ "$(sql "SELECT count(*) FROM catalog.code_chunks WHERE content LIKE '%outsiders%'")" = 0 ]
}

@test "file names of every kind are stored, and never reach a terminal raw" {
	local esc=$'\033[31mred' bad=$'caf\351.c'

	git init -q
	echo 'zebra one' >"$esc"
	echo 'zebra two' >"$bad"
	echo 'zebra three' >$'new\nline'
	echo 'zebra four' >'"quoted"'
	echo 'zebra five' >-dash
	echo 'zebra six' >'grün ☃'
	[ "$(index files)" = 6 ]
	[ "$(of_tree "SELECT count(*) FROM catalog.code_files f JOIN r ON r.id = repository_id WHERE relative_path IN
	      (E'\033[31mred', '\"caf\\351.c\"', E'new\nline', '\"\\\"quoted\\\"\"', '-dash', 'grün ☃')")" = 6 ]
	[ "$(index files_indexed,files_deleted)" = "0 0" ]
	run -0 --separate-stderr jobctl-search --repo "$T" zebra
	[ "${#lines[@]}" = 6 ]
	[[ $output != *$'\033'* ]]
	[[ $output == *'\x1b[31mred:1: zebra one'* ]]
	[[ $output == *'new\nline:1: zebra three'* ]]
	rm -- "$esc" "$bad"
	[ "$(index files_deleted)" = 2 ]
}

@test "contents of every kind are stored as text" {
	printf 'na\357ve latin\n' >latin1
	printf '\357\273\277bom\n' >bom
	printf 'dos\r\nlines\r\n' >crlf
	{ head -c 9000 /dev/zero | tr '\0' x; printf '\0late nul'; } >late
	head -c 100000 /dev/zero | tr '\0' y >long
	printf 'a\033[2Jb' >escape
	: >empty
	printf '\n\n' >blank
	[ "$(index files,files_indexed,files_skipped)" = "8 8 0" ]
	[ "$(text_of latin1)" = 'naïve latin' ]
	[ "$(text_of bom)" = bom ]
	[ "$(text_of crlf)" = $'dos\r\nlines\r' ]
	[ "$(text_of late | tail -c 12)" = $'\357\277\275late nul' ]
	[ "$(text_of long | wc -c)" = 100001 ]
	[ "$(of_tree "SELECT max(length(content)) <= 16384 FROM catalog.code_chunks c
	      JOIN catalog.code_files f ON f.id = c.code_file_id JOIN r ON r.id = f.repository_id")" = t ]
}

@test "binary and large files are skipped, counted, and not looked into again" {
	printf 'a\0b' >binary
	head -c 2000000 /dev/zero | tr '\0' x >large
	echo text >text
	[ "$(index files,files_indexed,skipped_binary,skipped_large)" = "1 1 1 1" ]
	[ "$(paths)" = text ]
	[ "$(index message,files,skipped_binary,skipped_large)" = "up to date 1 1 1" ]
	[ "$(index files,skipped_large --max-file-size 3000000)" = "2 0" ]
	[ "$(index files,skipped_large,files_deleted)" = "1 1 1" ]
}

@test "a text that becomes binary is forgotten, and the other way round" {
	echo text >f
	echo other >g
	index >/dev/null
	printf 'now\0binary' >f
	[ "$(index files,skipped_binary,files_deleted)" = "1 1 1" ]
	[ "$(paths)" = g ]
	echo 'text again' >f
	[ "$(index files,files_indexed,skipped_binary,files_deleted)" = "2 1 0 0" ]
	rm g
	printf 'x\0y' >f
	echo h >h
	index >/dev/null
	rm f
	[ "$(index message,files_deleted,skipped_binary)" = "up to date 0 0" ]
	[ "$(of_tree "SELECT count(*) FROM catalog.binary_files b JOIN r ON r.id = repository_id")" = 0 ]
}

# As somebody who may not read everything: root does so as the server's user, who
# alone can reach the socket, and who may have no way to our directories.
plain_tree() {
	T=$(mktemp -d "$TMPDIR/plain.XXXXXX")
	chmod 755 "$T"
	cd "$T" || return
	cp "$(command -v jobctl-index)" "$TMPDIR/plain-index"
}

plain_index() {
	local as=()

	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
	HOME=/ "${as[@]}" "$TMPDIR/plain-index" "$@"
}

@test "an unreadable file counts, has no text, and is named" {
	plain_tree
	echo a >a
	echo b >b
	chmod 000 b
	run -0 --separate-stderr plain_index --json "$T"
	[ "$(jq -c '[.files, .files_indexed, .files_unreadable, .unreadable]' <<<"$output")" = '[2,2,1,["b"]]' ]
	[[ $stderr == *"1 could not be read: b"* ]]
	[ "$(of_tree "SELECT content_hash IS NULL FROM catalog.code_files f JOIN r ON r.id = repository_id
	      WHERE relative_path = 'b'")" = t ]
	# it is named again, but did not change
	run -0 --separate-stderr plain_index --json "$T"
	[ "$(jq -c '[.files, .files_indexed, .unreadable]' <<<"$output")" = '[2,0,["b"]]' ]
	chmod 644 b
	[ "$(index files_indexed,files_unreadable)" = "1 0" ]
	[ "$(text_of b)" = b ]
}

@test "what is in an unreadable directory is not taken for deleted" {
	plain_tree
	mkdir d
	echo a >a
	echo b >d/b
	index >/dev/null
	chmod 000 d
	run -0 --separate-stderr plain_index --json "$T"
	[ "$(jq -c '[.files_deleted, .unreadable]' <<<"$output")" = '[0,["d/"]]' ]
	chmod 755 d
	[ "$(paths | paste -sd,)" = a,d/b ]
}

@test "an empty directory fails with a message, and leaves what was stored" {
	run -65 --separate-stderr jobctl-index "$T"
	[[ ${stderr_lines[0]} == "jobctl-index: there are no files to index in $T" ]]
	[ "$(of_tree "SELECT count(*) FROM r")" = 0 ]
	echo a >a
	index >/dev/null
	rm a
	run -65 jobctl-index "$T"
	[ "$(paths)" = a ]
	git init -q
	echo '*' >.gitignore
	run -65 --separate-stderr jobctl-index "$T"
	[[ $stderr == *"git ignores"* || $stderr == *"ignored"* ]]
}

@test "a path that is not there, or no directory, is exit 66 and named" {
	run -66 --separate-stderr jobctl-index "$T/no/such"
	[ "${stderr_lines[0]}" = "jobctl-index: cannot index $T/no/such: No such file or directory" ]
	touch f
	run -66 --separate-stderr jobctl-index "$T/f"
	[ "${stderr_lines[0]}" = "jobctl-index: $T/f is not a directory" ]
	run -66 --separate-stderr jobctl-index $'/no\033[31m'
	[[ $stderr == *'/no\x1b[31m'* ]]
}

many_files() {	# N
	local i

	git init -q
	for i in $(seq "$1"); do
		printf 'int function_%d(void)\n{\n\treturn %d;\n}\n' "$i" "$i"
	done | split -l 4 -a 4 --additional-suffix=.c - f
}

stored_files() {	# [SINCE]
	of_tree "SELECT count(*) FROM catalog.code_files f JOIN r ON r.id = repository_id
	         WHERE indexed_at > '${1:--infinity}'"
}

some_are_stored() {	# N [SINCE]
	[ "$(stored_files "${2:-}")" -ge "$1" ]
}

# A run that is killed after it has stored some of the files and before it has stored
# all: from 300 on each batch waits for a lock that we have.
kill_halfway() {	# JOBCTL-INDEX-ARG...
	local since

	since=$(sql 'SELECT clock_timestamp()')
	sql "CREATE FUNCTION public.halfway() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			IF (SELECT count(*) FROM catalog.code_files WHERE indexed_at > '$since') >= 300 THEN
				PERFORM pg_advisory_xact_lock_shared(300);
			END IF;
			RETURN NULL;
		END \$\$"
	sql "CREATE TRIGGER halfway BEFORE INSERT ON catalog.code_files EXECUTE FUNCTION public.halfway()"
	coproc HOLDER { psql -XAtq 2>&1; }
	echo "SELECT 'locked' FROM pg_advisory_lock(300);" >&"${HOLDER[1]}"
	read -r -t 10 -u "${HOLDER[0]}" reply
	[ "$reply" = locked ]
	start jobctl-index "$@"
	eventually 20 some_are_stored 300 "$since"
	kill -KILL "$STARTED_PID"
	wait "$STARTED_PID" || true
	echo '\q' >&"${HOLDER[1]}"
	# batches that had been sent may still arrive
	eventually 10 prints 0 others
	sql 'DROP FUNCTION public.halfway CASCADE'
}

@test "a run that is killed goes on where it was" {
	local before again

	many_files 3000
	kill_halfway "$T"
	before=$(stored_files)
	[ "$before" -lt 3000 ]
	again=$(index message,files_indexed)
	[ "$again" = "full index $((3000 - before))" ]
	[ "$(stored_files)" = 3000 ]
	[ "$(of_tree "SELECT count(*) FROM catalog.code_chunks c JOIN catalog.code_files f ON f.id = c.code_file_id
	      JOIN r ON r.id = f.repository_id")" = 3000 ]
	[ "$(index message,files_indexed)" = "up to date 0" ]
}

@test "so does a forced one" {
	local stored

	many_files 3000
	index >/dev/null
	stored=$(sql 'SELECT now()')
	kill_halfway --force "$T"
	stored=$(stored_files "$stored")
	[ "$stored" -lt 3000 ]
	[ "$(index message,files_indexed)" = "forced re-index $((3000 - stored))" ]
}

# A run that has begun and waits, for git to end, until let_go.
start_waiting() {
	four_files
	mkdir "$BATS_TEST_TMPDIR/bin"
	mkfifo "$BATS_TEST_TMPDIR/go"
	cat >"$BATS_TEST_TMPDIR/bin/git" <<-END
		#!/bin/sh
		$(command -v git) "\$@" || exit
		case " \$* " in
		*" ls-files "*" --others "*) cat $BATS_TEST_TMPDIR/go ;;
		esac
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/git"
	start env PATH="$BATS_TEST_TMPDIR/bin:$PATH" jobctl-index "$T"
	eventually 10 prints 1 of_tree "SELECT count(*) FROM r"
}

let_go() {
	: >"$BATS_TEST_TMPDIR/go"
	wait "$STARTED_PID"
}

@test "two runs over one repository: the second says who is at it and ends with 75" {
	start_waiting
	run -75 --separate-stderr jobctl-index "$T"
	[[ ${stderr_lines[0]} == "jobctl-index: another run is indexing $T: jobctl-index "*":$STARTED_PID, since "* ]]
	let_go
	[ "$(index message)" = "up to date" ]
}

@test "runs over two repositories do not wait for each other" {
	start_waiting
	mkdir "$BATS_TEST_TMPDIR/second"
	touch "$BATS_TEST_TMPDIR/second/a"
	run -0 jobctl-index -H -o files_indexed "$BATS_TEST_TMPDIR/second"
	[ "$output" = 1 ]
	let_go
}

@test "no transaction stays open while the tree is read" {
	start_waiting
	eventually 10 prints 0 sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
	                            AND application_name LIKE 'jobctl-index%' AND state <> 'idle'"
	# those of the tests before may still be leaving
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
	                            AND application_name LIKE 'jobctl-index%'"
	let_go
}

@test "a run that was superseded can store nothing" {
	local repo

	echo a >a
	index >/dev/null
	repo=$(of_tree "SELECT id FROM r")
	run -1 sql "SELECT catalog.forget_files('$repo', gen_random_uuid(), '{a}')"
	[[ $output == *"has taken over"* ]]
	run -1 sql "SELECT catalog.forget_files('$repo', NULL, '{a}')"
	[[ $output == *"has taken over"* ]]
	[ "$(paths)" = a ]
}

@test "projects: -p, JOBCTL_PROJECT, default; the same path in two of them" {
	echo a >a
	sql "INSERT INTO jobctl.projects VALUES ('p1', 'public'), ('p2', 'public')"
	[ "$(index project)" = default ]
	[ "$(JOBCTL_PROJECT=p1 index project)" = p1 ]
	[ "$(JOBCTL_PROJECT=p1 index project -p p2)" = p2 ]
	[ "$(of_tree "SELECT count(*) FROM r")" = 3 ]
	run -66 --separate-stderr as_role "$(role_login index_worker jobctl_worker; echo index_worker)" jobctl-index -p nope "$T"
	[[ $stderr == *'no such project "nope"'* ]]
}

@test "a worker's role may index its projects, and see no others" {
	role_login index_ann jobctl_worker
	role_login index_bob jobctl_worker
	sql "INSERT INTO jobctl.projects VALUES ('anns', 'index_ann')"
	echo 'zebra of ann' >a
	run -0 as_role index_ann jobctl-index -H -o files_indexed -p anns "$T"
	[ "$output" = 1 ]
	run -66 as_role index_bob jobctl-index -p anns "$T"
	[ "$(sql_as index_ann "SELECT count(*) FROM catalog.code_chunks WHERE project_id = 'anns'")" = 1 ]
	[ "$(sql_as index_bob "SELECT count(*) FROM catalog.code_chunks WHERE project_id = 'anns'")" = 0 ]
	[ "$(sql_as index_bob "SELECT count(*) FROM catalog.code_files WHERE project_id = 'anns'")" = 0 ]
	[ "$(sql_as index_bob "SELECT count(*) FROM catalog.repositories WHERE project_id = 'anns'")" = 0 ]
	[ "$(sql_as index_bob "SELECT count(*) FROM catalog.binary_files WHERE project_id = 'anns'")" = 0 ]
	run -1 sql_as index_bob "SELECT * FROM catalog.index_runs"
	run -1 sql_as index_ann "DELETE FROM catalog.code_files"
	run -1 sql_as index_ann "INSERT INTO catalog.repositories (project_id, path, name) VALUES ('anns', '/x', 'x')"
}

@test "a reader may not index" {
	role_login index_reader jobctl_reader
	echo a >a
	run -77 --separate-stderr as_role index_reader jobctl-index "$T"
}

# As a worker would start it.
handle() {	# JSON [ARG...]
	local json=$1

	shift
	JOBCTL_JOB_ID=x JOBCTL_CONTROL_FD=7 JOBCTL_PROJECT=default \
		jobctl-index "$@" <<<"$json" 7>"$BATS_TEST_TMPDIR/control"
}

@test "as a handler it reads its arguments and reports in JSON" {
	four_files
	run -0 --separate-stderr handle "{\"repo_path\": \"$T\"}"
	[ -z "$output$stderr" ]
	jq -es . "$BATS_TEST_TMPDIR/control" >/dev/null
	[ "$(jq -r 'select(.message).message' "$BATS_TEST_TMPDIR/control")" = "full index" ]
	[ "$(jq -c 'select(.progress).progress' "$BATS_TEST_TMPDIR/control" | tail -n 1)" = '[4,4]' ]
	[ "$(jq -c 'select(.stats).stats | [.files_indexed, .chunks_created]' "$BATS_TEST_TMPDIR/control" | tail -n 1)" = '[4,4]' ]
	[ "$(jq -c 'select(.result).result | [keys, .unreadable]' "$BATS_TEST_TMPDIR/control")" = '[["commit_sha","repository_id","skipped","unreadable"],[]]' ]
	run -0 handle "{\"repo_path\": \"$T\", \"force\": true}"
	[ "$(jq -r 'select(.message).message' "$BATS_TEST_TMPDIR/control")" = "forced re-index" ]
	[ "$(of_tree "SELECT count(*) FROM r")" = 1 ]
}

@test "as a handler it refuses arguments that make no sense" {
	local bad

	for bad in '' '{' 'null' '[]' '{}' '{"repo_path":1}' '{"repo_path":""}' '{"repo_path":"relative"}' \
		'{"repo_path":"/a\u0000b"}' '{"repo_path":"/tmp","force":"yes"}' '{"repo_path":"/a","repo_path":"/b"}'; do
		run -65 --separate-stderr handle "$bad"
		[ "${#stderr_lines[@]}" = 1 ]
	done
	run -65 --separate-stderr handle '{"repo_path":"/no/such/directory"}'
	[ "${stderr_lines[0]}" = "jobctl-index: cannot index /no/such/directory: No such file or directory" ]
}

@test "as a handler it goes on when nobody reads what it reports" {
	four_files
	run -0 env JOBCTL_JOB_ID=x JOBCTL_CONTROL_FD=7 jobctl-index "$T" 7> >(:)
	run -0 env JOBCTL_JOB_ID=x JOBCTL_CONTROL_FD=999 jobctl-index "$T"
	run -0 env JOBCTL_JOB_ID=x JOBCTL_CONTROL_FD=nonsense jobctl-index "$T"
}

@test "in the background: submitted, run by a worker, with its message and stats" {
	local id

	four_files
	id=$(jobctl-submit -q index index repo_path="$T")
	jobctl-worker -q index --drain -- jobctl-index
	[ "$(sql "SELECT status || ' ' || message || ' ' || (stats ->> 'files_indexed') FROM jobctl.job WHERE id = '$id'")" \
		= "completed full index 4" ]
	id=$(jobctl-submit -q index --max-attempts 1 index repo_path="$T/missing")
	jobctl-worker -q index --drain -- jobctl-index
	[ "$(sql "SELECT status FROM jobctl.job WHERE id = '$id'")" = failed ]
}

@test "options and operands" {
	touch a
	run -64 jobctl-index "$T" "$T"
	run -64 jobctl-index --chunk-lines 0 "$T"
	run -64 jobctl-index --chunk-lines x "$T"
	run -64 jobctl-index --max-file-size 0 "$T"
	run -64 jobctl-index -o nonsense "$T"
	run -0 jobctl-index -Q "$T"
	[ -z "$output" ]
	run -0 jobctl-index
	[[ ${lines[0]} == PATH*MESSAGE*FILES* ]]
	[[ ${lines[1]} == "$T "*"up to date"* ]]
	run -0 jobctl-index --json
	[ "$(jq -c '[.v, .repo_path, .project, .repo, .files, .commit_sha]' <<<"$output")" = "[1,\"$T\",\"default\",\"tree\",1,null]" ]
	run -74 bash -c 'jobctl-index >/dev/full'
}

@test "without a catalog it says which command makes one" {
	empty_database bare
	touch a
	run -76 --separate-stderr jobctl-index "$T"
	[[ $stderr == *"hint: run: jobctl-migrate up"* ]]
	use_database "$(file_database)"
	drop_database bare
	run -69 jobctl-index -d "host=$T port=1" "$T"
}

@test "without a database it does not wait for git" {
	four_files
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\ncase "$*" in *ls-files*) exec sleep 60 ;; esac\nexec %s "$@"\n' "$(command -v git)" \
		>"$BATS_TEST_TMPDIR/bin/git"
	chmod +x "$BATS_TEST_TMPDIR/bin/git"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run -69 timeout 30 jobctl-index -d "host=$T port=1" "$T"
}
