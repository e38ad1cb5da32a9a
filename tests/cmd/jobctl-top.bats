#!/usr/bin/env bats
# jobctl-top: what it shows is so, its keys do what they say, and the terminal is
# given back as it was

# shellcheck disable=SC2034,SC2317	# for simulate.bash; eventually calls functions by name

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate
load ../tmux

setup_file() {
	new_database
}

setup() {
	clear_jobs
}

teardown() {
	stop_terminal
	stop_all
}

# Two that run, one of them with a progress; one that waits, one that is held; a failure.
zoo() {
	worker w1 host1 101 enc,bad
	submit encode "queue => 'enc'" >/dev/null
	claim enc
	ENCODING=$CLAIMED
	report "$ENCODING" 3 10 'frame 300' ''
	submit thumb "queue => 'enc'" >/dev/null
	claim enc two
	THUMB=$CLAIMED
	FAILED=$(submit deploy "queue => 'bad'" "max_attempts => 1")
	claim bad
	finish "$FAILED" exit 3 'no space left' >/dev/null
	worker w2 host2 102 mail mail
	MAIL=$(submit mail "queue => 'lost'")
	HELD=$(submit mail "queue => 'mail'" "hold => true")
}

top_on() {	# COLUMNS ROWS [JOBCTL-TOP-ARG...]
	terminal "$1" "$2" jobctl-top --interval 200ms "${@:3}"
	eventually 10 shows q:quit
}

status_of() {	# ID
	jobctl-status -H -o status "$1"
}

# --- pictures ---

@test "-b: everything there is to see, as text" {
	zoo
	run -0 --separate-stderr jobctl-top -b
	[ -z "$stderr" ]
	[[ "${lines[0]}" =~ ^jobctl-top\ \ local:[0-9]+/$PGDATABASE\ \ [0-9]{2}:[0-9]{2}:[0-9]{2}Z$ ]]
	[[ "${lines[1]}" == "2 running  1 ready  "*" failed/min  2 workers (2/200 busy)  0 scheduled  0 blocked  1 held" ]]
	grep -qE "^QUEUE +READY .*OLDEST +WORKERS +STATE$" <<<"$output"
	grep -qE "^enc +0 +0 +0 +0 +2 " <<<"$output"
	grep -qE "^lost +1 +.* +0  no worker$" <<<"$output"
	grep -qE "^${ENCODING:0:13} .*encode +Healthy +\[###       \]  30% .*host1:101 +frame 300$" <<<"$output"
	grep -qE "^${THUMB:0:13} .*thumb +Healthy +- " <<<"$output"
	grep -qE "^${FAILED:0:13} .*deploy +1/1 .*exit 3 +no space left$" <<<"$output"
	grep -qE "^host1:101 +alive +2/100 " <<<"$output"
	[[ "$output" != *$'\033'* ]]
}

@test "-b with nothing to see says so" {
	run -0 jobctl-top -b
	[ "${lines[2]}" = 'QUEUE  no queue' ]
	[ "${lines[3]}" = 'RUNNING  no job runs' ]
	[ "${lines[4]}" = 'FAILED  no job has failed within a day' ]
	[ "${lines[5]}" = 'WORKER  no worker' ]
}

@test "-b --waiting: what waits, and why" {
	zoo
	run -0 jobctl-top -b --waiting
	grep -qE "^WAITING +QUEUE +KIND +REASON" <<<"$output"
	grep -qE "^${MAIL:0:13} +lost +mail +NoWorker" <<<"$output"
	grep -qE "^${HELD:0:13} +mail +mail +Held" <<<"$output"
	[[ "$output" != *encode* ]]
}

@test "-b --filter: a kind, a beginning of an id, a host, in any case; queues if one is named so" {
	zoo
	run -0 jobctl-top -b --filter ENCODE
	[[ "$output" == *"${ENCODING:0:13}"* ]]
	[[ "$output" != *thumb* ]]
	[[ "$output" != *deploy* ]]
	grep -q '^lost ' <<<"$output"
	run -0 jobctl-top -b --filter "${FAILED:0:20}"
	[[ "$output" == *deploy* ]]
	[[ "$output" != *encode* ]]
	run -0 jobctl-top -b --filter host2
	grep -q '^host2:102 ' <<<"$output"
	run -0 jobctl-top -b --filter lost
	grep -q '^lost ' <<<"$output"
	[ "$(grep -c '^enc ' <<<"$output")" = 0 ]
	run -0 jobctl-top -b --filter "%_' OR true"
	[ "$(grep -c 'nothing that the filter lets pass' <<<"$output")" = 3 ]
	[[ "$output" != *host1* ]]
}

@test "-b: no line is wider than COLUMNS; the ids of one go are told apart by their ends" {
	local w

	zoo
	for w in 20 40 60 80 100 200; do
		run -0 env COLUMNS=$w jobctl-top -b
		# the first two lines are not cut: they are not a table
		[ "$(tail -n +4 <<<"$output" | wc -L)" -le "$w" ]
		[[ "$output" == *"${ENCODING:0:13}"* ]]
	done
	for w in 1 2 3; do
		submit k "queue => 'enc'" "id => '0199c0de-7a31-7000-8000-00000000000$w'" >/dev/null
	done
	claim enc three
	run -0 env COLUMNS=80 jobctl-top -b
	for w in 1 2 3; do
		[[ "$output" == *"0199c0de..00000$w "* ]]
	done
	run -0 env COLUMNS=150 jobctl-top -b
	[[ "$output" == *'0199c0de-7a31-7000-8000-000000000001 '* ]]
}

@test "-b: twenty rows, and a sign that there are more" {
	worker w1
	sql "SELECT jobctl.submit('k', queue => 'q') FROM generate_series(1, 20)" >/dev/null
	claim q
	run -0 jobctl-top -b
	[ "$(grep -c ' Healthy ' <<<"$output")" = 20 ]
	[[ "$output" != *...* ]]
	submit k "queue => 'q'" >/dev/null
	claim q two
	run -0 jobctl-top -b
	[ "$(grep -c ' Healthy ' <<<"$output")" = 20 ]
	grep -qx '\.\.\.' <<<"$output"
}

@test "-b -n: so many pictures; a reader that has enough ends it; a full disk is an error" {
	run -0 jobctl-top -b -n 3 --interval 200ms
	[ "$(grep -c ^jobctl-top <<<"$output")" = 3 ]
	run -0 timeout 20 bash -c 'jobctl-top -b -n 0 --interval 200ms | head -n 12 | grep -c ^jobctl-top'
	[ "$output" = 2 ]
	run -74 bash -c 'jobctl-top -b >/dev/full'
}

@test "what is not a terminal, and one that cannot be drawn on: what to do instead" {
	run -64 --separate-stderr jobctl-top </dev/null
	[[ "$stderr" == *"are not a terminal"*"-b prints one picture"* ]]
	local term
	for term in dumb no-such-terminal ''; do
		run -0 script -qec "TERM=$term jobctl-top; echo status \$?" /dev/null
		[[ "$output" == *"terminal of type \"$term\""*"-b, which prints one picture"*"status 78"* ]]
		[[ "$output" != *$'\033'* ]]
	done
	run -64 jobctl-top -n 1
	run -64 jobctl-top --interval 1ms
	run -64 jobctl-top operand
}

@test "no database: the error is on the screen as it was, not on one of ours" {
	run -69 script -qec 'TERM=xterm jobctl-top -d host=/nowhere' /dev/null
	[[ "$output" == *"cannot connect"* ]]
	[[ "$output" != *$'\033'* ]]
}

@test "a tenant sees its own jobs and no one else's" {
	role_login top_ann jobctl_submitter jobctl_worker jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('top_ann', 'top_ann') ON CONFLICT DO NOTHING"
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('top_bob', 'jobctl_all_projects') ON CONFLICT DO NOTHING"
	worker w1
	submit bobs "queue => 'bobq'" "project => 'top_bob'" >/dev/null
	submit anns "queue => 'annq'" "project => 'top_ann'" >/dev/null
	claim bobq one
	claim annq two
	submit bobs "queue => 'bobw'" "project => 'top_bob'" >/dev/null
	run -0 as_role top_ann jobctl-top -b
	[[ "$output" == *" anns "* ]]
	[[ "$output" != *bobs* ]]
	[[ "${lines[1]}" == "1 running  0 ready  "* ]]
	grep -qE '1/100' <<<"$output"
	run -0 as_role top_ann jobctl-top -b --waiting
	[[ "$output" != *bobs* ]]
	run -0 jobctl-top -b --waiting
	[[ "$output" == *bobs* ]]
}

@test "nothing from a row reaches the terminal as it is, and wide characters are cut whole" {
	worker w1 $'h\033[2Jost' 7
	submit k "queue => 'q'" >/dev/null
	claim q
	report "$CLAIMED" 1 2 $'\033]0;owned\a日本語日本語日本語日本語日本語日本語日本語日本語日本語'
	run -0 env COLUMNS=130 jobctl-top -b
	[[ "$output" != *[$'\001'-$'\010\013'-$'\037\177']* ]]
	[[ "$output" == *'\x1b]0;owned\x07日本'* ]]
	[[ "$output" != *'日本語日本語日本語日本語日本語日本語日本語日本語日本語'* ]]
	[ "$(tail -n +4 <<<"$output" | wc -L)" -le 130 ]
	[ "$(iconv -f utf8 -t utf8 <<<"$output" | wc -l)" -gt 5 ]
	top_on 81 24
	eventually 10 shows 'h\x1b[2Jost'
	resize 80 24
	eventually 10 tty_is window_width 80
	top_shows_all() { screen | grep -qF 'q:quit' && screen | grep -qF 'h\x1b[2Jost'; }
	eventually 10 top_shows_all
}

@test "where the terminal knows ASCII only, the rest are question marks" {
	zoo
	SIM_TOKEN=$(sim_uuid enc) SIM_WORKER=$(sim_uuid w1)
	report "$ENCODING" 3 10 'größe' ''
	terminal 120 30 env LC_ALL=C jobctl-top --interval 200ms
	eventually 10 shows 'gr??e'
}

# --- the screen ---

@test "on 80 x 24: all panels, the progress, the keys; and it goes on" {
	zoo
	top_on 80 24
	shows_line '^QUEUE .*STATE'
	shows_line "^${ENCODING:0:13} .* encode +Healthy +\[###       \]  30% "
	shows_line "^${FAILED:0:13} .* exit 3 +no space"
	shows_line '^host1:101 +alive'
	[ "$(screen | wc -L)" -le 80 ]
	SIM_TOKEN=$(sim_uuid enc) SIM_WORKER=$(sim_uuid w1)
	report "$ENCODING" 8 10 'frame 800' ''
	eventually 10 shows '[########  ]  80%'
	finish "$THUMB" ok
	SIM_TOKEN=$(sim_uuid two)
	finish "$THUMB" ok
	eventually 10 shows_not "${THUMB:0:13}"
}

@test "it is drawn without being cleared: one picture after the other goes to the terminal as what has changed" {
	local keys=$BATS_TEST_TMPDIR/keys size drawn changed

	zoo
	mkfifo "$keys"
	# pictures only when they are asked for: how many there are is not a matter of time
	start sh -c "exec script -qfc 'stty cols 80 rows 24; TERM=xterm jobctl-top --interval 1h' /dev/null <>'$keys'"
	eventually 10 grep -q 'host2:102' "$STARTED_LOG"
	size=$(stat -c %s "$STARTED_LOG")
	submit k "queue => 'brandnew'" >/dev/null
	printf '  ' >"$keys"	# freezes it, and goes on with another picture
	eventually 10 grep -q brandnew "$STARTED_LOG"
	printf '\f' >"$keys"	# the same again, but all of it: it clears the screen for that
	all_anew() { drawn=$(tail -c "+$((size + 1))" "$STARTED_LOG"); [[ $drawn == *$'\e['[23]J*q:quit* ]]; }
	eventually 10 all_anew
	all_anew
	changed=${drawn%%$'\e['[23]J*}
	[[ $changed == *brandnew* ]]
	[ $((4 * ${#changed})) -lt $((3 * (${#drawn} - ${#changed}))) ]
}

@test "the terminal is resized: everything fits, small and large" {
	zoo
	top_on 80 24
	resize 200 50
	eventually 10 shows 'frame 300'
	shows_line 'RUNNING .*QUEUE .*WORKER +MESSAGE'
	resize 80 24
	wide() { [ "$(screen | wc -L)" -le 80 ] && shows q:quit && shows_line '^host1:101'; }
	eventually 10 wide
	resize 40 9			# only the panel with the focus
	alone() { shows "${ENCODING:0:13}" && shows_not QUEUE; }
	eventually 10 alone
	resize 10 2
	resize 1 1
	resize 80 24
	eventually 10 wide
	eventually 10 shows "${ENCODING:0:13}"
	keys q
	eventually 10 shows 'status 0'
}

@test "q gives the screen back as it was" {
	zoo
	top_on 80 24
	tty_is alternate_on 1
	tty_is cursor_flag 0
	run -1 shows before
	keys q
	eventually 10 shows 'status 0'
	tty_is alternate_on 0
	tty_is cursor_flag 1
	[ "$(screen | head -n 1)" = before ]
	[ "$(screen | head -n 2 | tail -n 1)" = 'status 0' ]
}

@test "signals end it, and the terminal is given back" {
	local signal pid
	for signal in TERM:143 INT:130 HUP:129 QUIT:131; do
		terminal 80 24 bash -c 'jobctl-top; echo "ended $?"; stty -a | grep -o " icanon"'
		eventually 10 shows q:quit
		pid=$(pgrep -x jobctl-top -P "$(pgrep -P "$(pgrep -P "$TMUX_PID")")")
		kill "-${signal%:*}" "$pid"
		eventually 10 shows "ended ${signal#*:}"
		eventually 10 shows ' icanon'
		tty_is alternate_on 0
		stop_terminal
	done
}

@test "^C, as any program; ^Z stops it, and fg goes on where it was" {
	zoo
	terminal 80 24 bash --norc --noprofile -i
	keys 'PS1="ready> "; jobctl-top --interval 200ms' Enter
	eventually 10 shows q:quit
	keys C-z
	eventually 10 shows Stopped
	tty_is alternate_on 0
	keys fg Enter
	eventually 10 shows q:quit
	shows "${ENCODING:0:13}"
	keys C-c
	eventually 10 tty_is alternate_on 0
	keys 'echo "ended $?"' Enter
	eventually 10 shows 'ended 130'
}

@test "NO_COLOR, --color=never: no colours; else some" {
	zoo
	local how
	for how in 'NO_COLOR=1 jobctl-top' 'jobctl-top --color=never' 'jobctl-top'; do
		terminal 80 24 bash -c "TERM=xterm-256color $how"
		eventually 10 shows q:quit
		tmux -S "$TMUX_SOCKET" capture-pane -pe >"$BATS_TEST_TMPDIR/colours"
		if [ "$how" = jobctl-top ]; then
			grep -q $'\033\[[0-9;]*3[1-6]m' "$BATS_TEST_TMPDIR/colours"
		else
			run -1 grep -q $'\033\[[0-9;]*3[1-6]m' "$BATS_TEST_TMPDIR/colours"
		fi
		stop_terminal
	done
}

# --- keys ---

@test "?: the keys, and any key goes back" {
	top_on 80 24
	keys '?'
	eventually 10 shows 'retry the job'
	keys x
	eventually 10 shows QUEUE
}

@test "/: a filter, typed, rubbed out, left, and taken away" {
	zoo
	top_on 100 30
	shows thumb
	keys / enx BSpace c o Enter
	eventually 10 shows 'filter: enco'
	eventually 10 shows_not thumb
	shows encode
	shows_not deploy
	keys / C-u Enter
	eventually 10 shows thumb
	shows_not 'filter:'
	keys / xyz Escape
	eventually 10 shows q:quit
	shows_not 'filter:'
	keys / ü Enter
	eventually 10 shows 'filter: ü'
}

@test "s and S: another order, which is said" {
	zoo
	top_on 80 24
	keys s
	eventually 10 shows 'running jobs sorted by time left'
	keys S
	eventually 10 shows 'running jobs sorted by run time'
	keys BTab s
	eventually 10 shows 'queues sorted by ready'
	first_is() { screen | grep -A 1 '^QUEUE' | tail -n 1 | grep "^$1 "; }
	eventually 10 first_is lost
	keys S
	eventually 10 first_is bad
	# every order of every panel is one that the database takes
	local i
	for i in {1..24}; do
		keys s
		[ $((i % 6)) != 0 ] || keys Tab
	done
	keys v s s s s
	submit k "queue => 'zzz'" >/dev/null
	eventually 10 shows zzz
	shows_not 'no answer'
}

@test "c: cancels the job after y, with the reason" {
	zoo
	top_on 80 24
	keys c
	eventually 10 shows "Cancel ${ENCODING:0:13} (encode)? [y/N]"
	keys y
	eventually 10 shows 'Why?'
	keys -l 'wrong codec'
	keys Enter
	eventually 10 shows 'told to stop'
	[ "$(sql "SELECT why FROM jobctl.job_events WHERE job_id = '$ENCODING' AND event = 'cancel'")" = 'wrong codec' ]
	eventually 10 shows CancelRequested
}

@test "c: nothing is done without y, nor after Esc" {
	zoo
	top_on 80 24
	keys c
	eventually 10 shows '[y/N]'
	keys n
	eventually 10 shows q:quit
	keys c y
	eventually 10 shows 'Why?'
	keys Escape
	eventually 10 shows q:quit
	[ "$(sql 'SELECT count(*) FROM jobctl.job_events')" = 0 ]
}

@test "the row that was chosen is the one that is acted on, wherever it has gone" {
	zoo
	top_on 80 24
	keys Down c
	eventually 10 shows "Cancel ${THUMB:0:13} (thumb)? [y/N]"
	SIM_WORKER=$(sim_uuid w1) SIM_TOKEN=$(sim_uuid enc)
	finish "$ENCODING" ok
	eventually 10 shows_not "${ENCODING:0:13}"
	keys y
	eventually 10 shows 'Why?'
	keys Enter
	eventually 10 shows CancelRequested
	[ "$(sql "SELECT job_id FROM jobctl.job_events WHERE event = 'cancel'")" = "$THUMB" ]
}

@test "the row that was chosen stays so in another order" {
	zoo
	SIM_WORKER=$(sim_uuid w1)
	submit aaa "queue => 'enc'" >/dev/null
	claim enc three
	top_on 100 30
	keys Down c
	eventually 10 shows "Cancel ${THUMB:0:13} (thumb)?"
	keys n S
	eventually 10 shows 'running jobs sorted by worker'
	keys S
	eventually 10 shows 'running jobs sorted by kind'
	third() { screen | grep -A 3 ^RUNNING | tail -n 1 | grep "^${THUMB:0:13}"; }
	eventually 10 third
	keys c
	eventually 10 shows "Cancel ${THUMB:0:13} (thumb)?"
}

@test "what a program refuses is said" {
	zoo
	top_on 80 24 -d "$JOBCTL_DATABASE"
	keys c y
	eventually 10 shows 'Why?'
	sql "DROP FUNCTION jobctl.cancel(uuid[], text)"
	keys Enter
	eventually 10 shows 'jobctl-cancel: '
	new_database
}

@test "a key where there is nothing to act on says what to do first" {
	top_on 80 24
	keys c
	eventually 10 shows 'choose a job first'
	keys p
	eventually 10 shows 'choose a queue first'
	keys e
	eventually 10 shows 'nothing to explain'
}

@test "l: the output of the job, and Enter goes back" {
	zoo
	SIM_WORKER=$(sim_uuid w1) SIM_TOKEN=$(sim_uuid enc)
	wrote "$ENCODING" 1 1 'first line of output\n'
	top_on 80 24
	keys l
	eventually 10 shows 'first line of output'
	tty_is alternate_on 0
	wrote "$ENCODING" 2 1 'second line\n'
	eventually 10 shows 'second line'
	finish "$ENCODING" ok
	eventually 10 shows 'Enter goes back'
	keys Enter
	eventually 10 shows q:quit
	tty_is alternate_on 1
}

@test "l: ^C goes back at once" {
	zoo
	SIM_WORKER=$(sim_uuid w1) SIM_TOKEN=$(sim_uuid enc)
	wrote "$ENCODING" 1 1 'first line of output\n'
	top_on 80 24
	keys l
	eventually 10 shows 'first line of output'
	keys C-c
	eventually 10 shows q:quit
}

@test "Enter on a worker: its jobs, through the pager" {
	zoo
	PAGER='sed s/^/paged:/; false' top_on 80 24
	keys BTab BTab Enter
	eventually 10 shows_line '^paged:.*encode'
	eventually 10 shows 'Enter goes back'
	keys Enter
	eventually 10 shows q:quit
}

@test "space: the picture is frozen until the next" {
	zoo
	top_on 80 24
	keys Space
	eventually 10 shows FROZEN
	submit k "queue => 'brandnew'" >/dev/null
	# what is done in between is done, and seen
	keys '?'
	eventually 10 shows 'retry the job'
	keys x
	eventually 10 shows FROZEN
	run -1 shows brandnew
	keys Space
	eventually 10 shows brandnew
	shows_not FROZEN
}

@test "v: jobs that wait, of every queue, what will not start by itself first; and back" {
	zoo
	sql "SELECT jobctl.submit('many', queue => 'enc') FROM generate_series(1, 300)" >/dev/null
	top_on 80 24
	keys v
	eventually 10 shows_line "^${MAIL:0:13}[-0-9a-f]* +lost +mail +NoWorker"
	shows_line "^${HELD:0:13}[-0-9a-f]* +mail +mail +Held"
	shows_not encode
	first_row() { screen | grep -A 1 '^WAITING' | grep "^${MAIL:0:13}"; }
	eventually 10 first_row
	keys v
	eventually 10 shows encode
}

@test "more rows than fit: moving goes to all of them" {
	worker w1
	sql "SELECT jobctl.submit('k', queue => 'q', id => ('0199c0de-7a31-7000-8000-000000000' || n)::uuid)
		FROM generate_series(101, 300) AS n" >/dev/null
	sql "UPDATE jobctl.workers SET slots = 200"
	sql "SELECT count(*) FROM jobctl.claim(worker => '$(sim_uuid w1)', token => '$(sim_uuid t)', queues => '{q}', slots => 200)"
	top_on 80 24
	at_the_end() { keys G; shows 0199c0de..000300; }
	eventually 20 at_the_end
	keys g
	eventually 10 shows_line ' 1-[0-9]+ of '
}

@test "each key runs its program, of the same directory before PATH, with the row's id or name" {
	local p

	zoo
	mkdir "$BATS_TEST_TMPDIR/own" "$BATS_TEST_TMPDIR/path"
	cp "$O/bin/jobctl-top" "$BATS_TEST_TMPDIR/own"
	for p in retry hold release queue; do
		printf '#!/bin/sh\necho "%s: $*"\n' "$p" >"$BATS_TEST_TMPDIR/own/jobctl-$p"
	done
	printf '#!/bin/sh\necho explained "$@"\n' >"$BATS_TEST_TMPDIR/path/jobctl-explain"
	printf '#!/bin/sh\necho not this one\n' >"$BATS_TEST_TMPDIR/path/jobctl-retry"
	chmod +x "$BATS_TEST_TMPDIR"/*/*
	PATH=$BATS_TEST_TMPDIR/path:$PATH PAGER=cat terminal 110 24 "$BATS_TEST_TMPDIR/own/jobctl-top" --interval 200ms
	eventually 10 shows q:quit
	keys r y
	eventually 10 shows "retry: $ENCODING"
	keys h y
	eventually 10 shows 'Why?'
	keys -l 'two words'
	keys Enter
	eventually 10 shows "hold: --reason two words $ENCODING"
	keys u y
	eventually 10 shows "release: $ENCODING"
	keys e
	eventually 10 shows "explained $ENCODING"
	keys Enter
	eventually 10 shows q:quit
	keys BTab g p
	eventually 10 shows 'Pause queue bad? [y/N]'
	keys y
	eventually 10 shows 'Why?'
	keys Enter
	eventually 10 shows 'queue: pause bad'
	sql "SELECT jobctl.pause_queue('bad', 'tea')" >/dev/null
	eventually 10 shows 'paused by jobctl: tea'
	keys p
	eventually 10 shows 'queue bad is paused. Resume it? [y/N]'
	keys y
	eventually 10 shows 'queue: resume bad'
	keys Enter
	eventually 10 shows 'explained -q bad'
}

# A key does nothing while the program of the one before has not ended: what that has
# said is on the screen once it has.
@test "h, u, p, r with the programs as they are" {
	zoo
	PAGER='' top_on 110 24
	keys v
	eventually 10 shows WAITING
	keys h y
	eventually 10 shows 'Why?'
	keys Enter
	eventually 10 shows "$MAIL held"
	prints held status_of "$MAIL"
	keys u
	eventually 10 shows '[y/N]'
	keys y
	eventually 10 shows "$MAIL pending"
	prints pending status_of "$MAIL"
	keys Tab r
	eventually 10 shows "Retry ${FAILED:0:13} (deploy)? [y/N]"
	keys y
	eventually 10 shows "$FAILED"
	eventually 10 shows 'no job has failed'
	keys BTab BTab p
	eventually 10 shows 'Pause queue bad? [y/N]'
	keys y
	eventually 10 shows 'Why?'
	keys tea Enter
	eventually 10 shows 'bad paused'
	eventually 10 shows 'paused by jobctl: tea'
	keys p y
	eventually 10 shows_not 'paused by'
}

@test "e: why a job waits, and how a queue stands" {
	[ -x "$O/bin/jobctl-explain" ] || skip 'there is no jobctl-explain'
	zoo
	PAGER='' top_on 110 40
	keys v
	eventually 10 shows WAITING
	keys e
	eventually 10 shows 'Enter goes back'
	shows NoWorker
	keys Enter
	eventually 10 shows q:quit
	keys BTab e
	eventually 10 shows 'Enter goes back'
	shows_not usage
}

# --- the database ---

@test "a lost connection is made again; what was there stays; keys are heard" {
	zoo
	top_on 100 24
	sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS false" -d postgres
	sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'jobctl-top %'
		AND datname = '$PGDATABASE'" -d postgres
	eventually 10 shows 'connection lost, trying again: '
	shows "${ENCODING:0:13}"
	shows "/$PGDATABASE"
	keys '?'
	eventually 10 shows 'retry the job'
	keys x
	sql "ALTER DATABASE $PGDATABASE ALLOW_CONNECTIONS true" -d postgres
	eventually 20 shows_not 'connection lost'
	submit k "queue => 'brandnew'" >/dev/null
	eventually 10 shows brandnew
	keys q
	eventually 10 shows 'status 0'
}

@test "an error of the database is said, and gone when it is" {
	zoo
	top_on 80 24
	sql "ALTER VIEW jobctl.queue RENAME TO gone"
	eventually 10 shows 'no answer: '
	shows "${ENCODING:0:13}"
	sql "ALTER VIEW jobctl.gone RENAME TO queue"
	eventually 10 shows_not 'no answer: '
}

@test "a server that does not answer: that is said, and keys are heard" {
	zoo
	top_on 80 24
	start psql -Xqc "BEGIN; LOCK jobctl.job_progress IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"
	eventually 15 shows 'no answer for '
	keys q
	eventually 10 shows 'status 0'
}

@test "through a pooler" {
	zoo
	start_pooler
	terminal 80 24 jobctl-top --interval 200ms -d "$POOLER"
	eventually 10 shows "${ENCODING:0:13}"
	submit k "queue => 'brandnew'" >/dev/null
	eventually 10 shows brandnew
}

@test "no statement reads all jobs, nor all that ended" {
	local id log=$SUITE_DIR/server.log at
	in_partitions() {
		sql 'SELECT jobctl.ensure_partitions()' >/dev/null
		prints 0 sql 'SELECT count(*) FROM jobctl.finished_jobs_default'
	}
	worker w1
	submit k "queue => 'q'" >/dev/null
	claim q
	sql "INSERT INTO jobctl.jobs (id, kind, queue) SELECT jobctl.new_id(), 'k', 'q' FROM generate_series(1, 20000)" >/dev/null
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, priority, attempt, max_attempts, crashes,
			status, outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), until - n * interval '1 s', until, until, 0, 1, 1, 0,
			CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'completed' END,
			CASE WHEN n % 1000 = 0 THEN 'exit' ELSE 'ok' END, 'default', 'q', 'k', 'me', '{}'
		FROM generate_series(1, 20000) AS n,
			-- all in the partition of one week, also when this week began a moment ago
			(SELECT CASE WHEN now() - interval '20000 s' < monday THEN monday ELSE now() END AS until
			 FROM date_trunc('week', now()) AS monday) AS t"
	eventually 10 in_partitions
	sql 'ANALYZE'
	at=$(stat -c %s "$log")
	for id in '' --waiting '--filter x' '--waiting --filter x'; do
		# shellcheck disable=SC2086 # words
		jobctl-top -b $id -d "$JOBCTL_DATABASE options='-c session_preload_libraries=auto_explain
			-c auto_explain.log_min_duration=0 -c auto_explain.log_nested_statements=on'" >"$BATS_TEST_TMPDIR/out"
	done
	tail -c +$((at + 1)) "$log" >"$BATS_TEST_TMPDIR/plans"
	grep -q 'Index Scan.* using finished_jobs_[0-9]*_completed_at_id_idx' "$BATS_TEST_TMPDIR/plans"
	grep -q 'Index Scan using jobs_pkey on jobs' "$BATS_TEST_TMPDIR/plans"
	# partitions without a row cost nothing
	run -1 grep -E 'Seq Scan on (jobs|finished_jobs.*cost=0\.00\.\.[1-9])' "$BATS_TEST_TMPDIR/plans"
}
