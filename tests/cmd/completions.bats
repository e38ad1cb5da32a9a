#!/usr/bin/env bats
# Completions, each in its own shell: what is offered for a line, without a
# database, with one, and with one that does not answer.

# shellcheck disable=SC2016	# programs of other shells are in single quotes

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	local name

	new_database
	# the second that the completions give a server is too short for a busy machine
	export JOBCTL_DATABASE="$JOBCTL_DATABASE connect_timeout=60"
	sql "SELECT jobctl.submit('thumbnail', queue => 'media'), jobctl.submit('transcode', queue => 'media'),
		jobctl.submit('mail', queue => 'post:high')" >/dev/null
	export FISH=$BATS_FILE_TMPDIR/fish
	mkdir "$FISH"
	for name in "$O"/bin/jobctl*; do
		ln -s "$SUITE_ROOT/completions/jobctl.fish" "$FISH/${name##*/}.fish"
	done
}

setup() {
	mapfile -t JOBS < <(sql 'SELECT id FROM jobctl.job')
}

# What bash offers at the end of the line, one per line.
bash_offers() {	# LINE
	bash --norc --noprofile -c '
		source "$SUITE_ROOT/completions/jobctl.bash"
		COMP_LINE=$1 COMP_POINT=${#1}
		# as readline splits it
		mapfile -t COMP_WORDS < <(grep -oE "[^[:space:]=:]+|[=:]+" <<<"$1")
		[[ $1 != *[[:space:]] ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_jobctl "${COMP_WORDS[0]}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

zsh_offers() {	# LINE
	zsh -f "$SUITE_ROOT/tests/completions.zsh" "$SUITE_ROOT/completions" "$1"
}

fish_offers() {	# LINE
	fish -N -c 'set -g fish_complete_path $FISH; complete -C"$argv[1]" | string replace -r "\t.*" ""' "$1"
}

offers() {	# SHELL LINE WORD...
	local shell=$1 line=$2 got

	shift 2
	got=$("${shell}_offers" "$line" | sed '/^$/d' | LC_ALL=C sort)
	[ "$got" = "$(printf '%s\n' "$@" | sed '/^$/d' | LC_ALL=C sort)" ] || {
		printf '%s: "%s" offers:\n%s\n' "$shell" "$line" "$got"
		return 1
	}
}

includes() {	# SHELL LINE WORD...
	local shell=$1 line=$2 got word

	shift 2
	got=$("${shell}_offers" "$line")
	for word; do
		grep -qxF -e "$word" <<<"$got" || {
			printf '%s: "%s" does not offer %s, but:\n%s\n' "$shell" "$line" "$word" "$got"
			return 1
		}
	done
}

@test "bash: programs by their verbs" {
	includes bash 'jobctl ' db help worker migrate
	offers bash 'jobctl mig' migrate
	offers bash 'jobctl help mig' migrate
}

@test "bash: verbs of a program, by either name" {
	offers bash 'jobctl-db st' start status stop
	offers bash 'jobctl db st' start status stop
	offers bash '/usr/bin/jobctl-db des' destroy
	offers bash 'jobctl-db start st'
}

@test "bash: options, by either name, also after others" {
	offers bash 'jobctl-db --di' --dir
	offers bash 'jobctl db --di' --dir
	offers bash 'jobctl-worker -q x --drain --all' --all-queues --allow
	offers bash 'jobctl --vers' --version
	offers bash 'jobctl-nothing --'
}

@test "bash: of a verb only its options" {
	offers bash 'jobctl-migrate plan --al' --allow-out-of-order
	offers bash 'jobctl migrate -v plan --al' --allow-out-of-order
	offers bash 'jobctl-migrate status --al'
	offers bash 'jobctl-migrate --al' --allow-out-of-order
}

@test "bash: choices, after a blank and after =" {
	offers bash 'jobctl-db start --color a' auto always
	offers bash 'jobctl-db start --color=a' auto always
	offers bash 'jobctl-db start --color=' auto always never
}

@test "bash: files and directories" {
	mkdir -p "$BATS_TEST_TMPDIR/dir" "$BATS_TEST_TMPDIR/dish"
	touch "$BATS_TEST_TMPDIR/digit"
	chmod +x "$BATS_TEST_TMPDIR/digit"
	offers bash "jobctl-db --dir $BATS_TEST_TMPDIR/di" "$BATS_TEST_TMPDIR/dir" "$BATS_TEST_TMPDIR/dish"
	offers bash "jobctl-worker -- $BATS_TEST_TMPDIR/dig" "$BATS_TEST_TMPDIR/digit"
	offers bash "jobctl-worker -- cat $BATS_TEST_TMPDIR/dig" "$BATS_TEST_TMPDIR/digit"
}

@test "bash: queues, kinds and jobs of the database" {
	offers bash 'jobctl-worker -q me' media
	offers bash 'jobctl worker --queue=me' media
	offers bash 'jobctl-worker -q media,po' media,post:high
	offers bash 'jobctl-worker --kinds t' thumbnail transcode
	offers bash 'jobctl-cancel ' "${JOBS[@]}"
}

@test "bash: a name with a colon is completed behind it" {
	offers bash 'jobctl-worker -q post:' high
	offers bash 'jobctl-worker -q post:h' high
}

@test "bash: the database that -d names is asked" {
	JOBCTL_DATABASE=dbname=nowhere offers bash "jobctl-worker -d postgresql:///$PGDATABASE?connect_timeout=60 -q me" media
	JOBCTL_DATABASE=dbname=nowhere offers bash 'jobctl-worker -q me'
}

@test "bash: nothing is said or offered when there is no database" {
	JOBCTL_DATABASE=host=/nowhere run -0 --separate-stderr bash_offers 'jobctl-worker -q me'
	[ -z "${output//$'\n'/}" ]
	[ -z "$stderr" ]
}

@test "bash: loading twice, and in a shell with strict options, is silent" {
	run -0 bash -euc 'source "$SUITE_ROOT/completions/jobctl.bash"
		source "$SUITE_ROOT/completions/jobctl.bash"'
	[ -z "$output" ]
}

@test "zsh: programs, verbs, options, choices" {
	includes zsh 'jobctl ' db help worker migrate
	offers zsh 'jobctl mig' migrate
	offers zsh 'jobctl help mig' migrate
	offers zsh 'jobctl-db st' start status stop
	offers zsh 'jobctl db st' start status stop
	offers zsh 'jobctl-db --di' --dir
	offers zsh 'jobctl-migrate plan --al' --allow-out-of-order
	offers zsh 'jobctl migrate status --al'
	offers zsh 'jobctl db --di' --dir
	offers zsh 'jobctl-db start --color a' auto always
	offers zsh 'jobctl-db start --color=n' never
}

@test "zsh: queues, kinds and jobs of the database" {
	offers zsh 'jobctl-worker -q me' media
	offers zsh 'jobctl worker --queue=me' media
	offers zsh 'jobctl-worker --kinds t' thumbnail transcode
	offers zsh 'jobctl-cancel ' "${JOBS[@]}"
	JOBCTL_DATABASE=host=/nowhere offers zsh 'jobctl-worker -q me'
}

@test "fish: programs, verbs, options, choices" {
	includes fish 'jobctl ' db help worker migrate
	offers fish 'jobctl mig' migrate
	offers fish 'jobctl help mig' migrate
	offers fish 'jobctl-db st' start status stop
	offers fish 'jobctl db st' start status stop
	offers fish 'jobctl-db --di' --dir
	offers fish 'jobctl-migrate plan --al' --allow-out-of-order
	offers fish 'jobctl migrate status --al'
	offers fish 'jobctl db --di' --dir
	offers fish 'jobctl-db start --color a' auto always
	offers fish 'jobctl-db start --color=n' --color=never
}

@test "fish: queues, kinds and jobs of the database" {
	offers fish 'jobctl-worker -q me' media
	offers fish 'jobctl worker --queue=me' --queue=media
	offers fish 'jobctl-worker -q media,po' media,post:high
	offers fish 'jobctl-worker --kinds t' thumbnail transcode
	offers fish 'jobctl-cancel ' "${JOBS[@]}"
	JOBCTL_DATABASE=host=/nowhere offers fish 'jobctl-worker -q me'
}

@test "a server that does not answer holds the shell for a second at most" {
	local start

	# A socket that takes connections and says nothing.
	start perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => "$ARGV[0]/.s.PGSQL.5432", Listen => 5) or die;
		my @c; push @c, $s->accept while 1' "$BATS_TEST_TMPDIR"
	eventually 10 listens "$BATS_TEST_TMPDIR/.s.PGSQL.5432"
	start=$SECONDS
	JOBCTL_DATABASE="host=$BATS_TEST_TMPDIR" offers bash 'jobctl-worker -q me'
	[ $((SECONDS - start)) -lt $((8 * SUITE_SLOW)) ]	# a program that is not told otherwise waits for 10 s
}
