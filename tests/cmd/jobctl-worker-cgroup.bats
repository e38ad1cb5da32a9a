#!/usr/bin/env bats
# jobctl-worker in a control group that was delegated to it: see jobctl-worker-tree.bats
# for what holds without one.

# shellcheck disable=SC2016	# the scripts are for the jobs' shells

bats_require_minimum_version 1.5.0
load ../helper
load ../worker

# A directory for groups of ours: in GROUPS_DIR, or that is empty.
find_groups() {
	local root

	GROUPS_DIR=
	[ "$(id -u)" = 0 ] || return 0
	for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ "$(stat -f -c %t "$root" 2>/dev/null)" != 63677270 ] || break
	done
	root=$root$(sed -n 's/^0:://p' /proc/self/cgroup)/jobctl-tests-$$
	mkdir "$root" 2>/dev/null || return 0
	GROUPS_DIR=$root
}

setup_file() {
	find_groups
	export GROUPS_DIR
	new_database
}

teardown_file() {
	[ -z "$GROUPS_DIR" ] || find "$GROUPS_DIR" -depth -type d -exec rmdir {} +
}

# The test is in a group that was delegated to it, as systemd does it, and so is what it
# starts; $G is the group's directory.
setup() {
	Q=q$BATS_TEST_NUMBER
	D=$BATS_TEST_TMPDIR
	[ -n "$GROUPS_DIR" ] || skip "needs root and a place for control groups, version 2"
	G=$GROUPS_DIR/$BATS_TEST_NUMBER
	mkdir "$G"
	[ -w "$G/cgroup.kill" ] || skip "needs Linux 5.14"
	setfattr -n user.delegate -v 1 "$G"
	echo 0 >"$G/cgroup.procs"
}

groups() {
	find "$G" -mindepth 1 -type d
}

no_groups() {
	[ -z "$(groups)" ]
}

group_of() {	# PID: as a path below $G
	sed -n "s|^0::.*/jobctl-tests-[0-9]*/[0-9]*||p" "/proc/$1/cgroup"
}

# For a job's script: a process with nothing of the job's but its control group, whose
# pid is in $D/NAME.
escape() {	# NAME [SCRIPT]
	printf '(env -i setsid sh -c '\''echo $$ >%s.tmp; mv %s.tmp %s; %s'\'' >/dev/null 2>&1 3>&- &);' \
		"$D/$1" "$D/$1" "$D/$1" "${2:-exec sleep 1000}"
	printf 'until [ -e %s ]; do sleep 0.02; done;' "$D/$1"
}

dead() {	# NAME
	gone_or_zombie "$(cat "$D/$1")"
}

@test "each job has a group, which is empty before its end is written, and is used again" {
	local a b
	a=$(submit_sh "$(escape a) $(wait_for go)")
	b=$(submit_sh "$(escape b) $(wait_for go)")
	start_sh_worker -j 2
	eventually 10 exists "$D/a"
	eventually 10 exists "$D/b"
	[[ "$(group_of "$(cat "$D/a")")" == /jobctl-*/[01] ]]
	[[ "$(group_of "$(cat "$D/b")")" == /jobctl-*/[01] ]]
	[ "$(group_of "$(cat "$D/a")")" != "$(group_of "$(cat "$D/b")")" ]
	[ "$(group_of "$WORKER_PID")" = "" ]
	[ "$(group_of "$(the_worker)")" = "" ]
	touch "$D/go"
	eventually 10 status_is "$a" completed
	dead a
	eventually 10 status_is "$b" completed
	dead b
	submit_sh true >/dev/null
	a=$(submit_sh true)
	eventually 10 status_is "$a" completed
	prints 3 eval 'groups | wc -l'		# the worker's, and one for each slot
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	no_groups
}

@test "whose a process is needs no guess: that of another job lives on" {
	local a b
	a=$(submit_sh "$(wait_for go)")
	start_sh_worker -j 2
	eventually 10 status_is "$a" running
	b=$(submit_sh "$(escape b) $(wait_for never)")
	eventually 10 exists "$D/b"
	touch "$D/go"			# it was there when b's process was started, and ends first
	eventually 10 status_is "$a" completed
	run ! dead b
	status_is "$b" running
	jobctl-cancel -Q "$b"
	eventually 10 status_is "$b" cancelled
	dead b
}

# For a job's script: a process that always goes on in another.  Nobody can signal it by a
# number: that one has ended by then.
run_away() {
	printf '(env -i setsid sh -c '\''f() { [ -e %s ] || { : >%s; f & }; }; f'\'' >/dev/null 2>&1 3>&- &);' \
		"$D/stop" "$D/up"
	printf 'until [ -e %s ]; do sleep 0.02; done;' "$D/up"
}

is_caught() {
	local id

	rm "$D/up"
	id=$(submit_sh true)
	sh_worker --drain		# time passes
	status_is "$id" completed
	touch "$D/stop"
	[ ! -e "$D/up" ]
}

@test "a process that always goes on in another is killed" {
	local id
	id=$(submit_sh "$(run_away)")
	start_sh_worker
	eventually 20 status_is "$id" completed
	is_caught
}

@test "so it is when the worker was killed" {
	local id
	id=$(submit_sh "$(run_away) sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/up"
	kill -KILL "$(the_worker)"
	eventually 20 gone_or_zombie "$WORKER_PID"
	status_is "$id" pending
	jobctl-cancel -Q "$id"
	is_caught
	run ! says 'cannot be killed'
}

@test "groups that a job makes in its own go with the worker" {
	local id
	id=$(submit_sh "cd $G/jobctl-*/0 && mkdir inner")
	sh_worker --drain
	status_is "$id" completed
	no_groups
}

@test "kill -9 of guardian and worker at once: the next one here ends what they left" {
	local id
	id=$(submit_sh "$(escape a) sleep 1000")
	start_sh_worker --lease 1h
	eventually 10 exists "$D/a"
	kill_worker "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	run -0 jobctl-reap -Q		# who is not in the group cannot know of it
	run ! dead a
	jobctl-cancel -Q "$id"
	start_sh_worker
	eventually 10 dead a
	kill -TERM "$WORKER_PID"
	eventually 10 gone_or_zombie "$WORKER_PID"
	sh_worker --drain
	no_groups
}

@test "a neighbour that proves it does so before it runs the job, and leaves the groups of the living alone" {
	local id first second
	id=$(submit_sh "[ ! -e $D/a ] || { grep -q 'State:.[RS]' /proc/\$(cat $D/a)/status && exit 65; exit 0; }; $(escape a) sleep 1000")
	start_sh_worker --lease 1h
	first=$WORKER_PID
	eventually 10 exists "$D/a"
	submit_sh "[ ! -e $D/b ] || exit 65; $(escape b) $(wait_for go)" >/dev/null
	start_sh_worker --lease 1h -j 2
	second=$WORKER_PID
	eventually 10 exists "$D/b"
	kill_worker "$first"
	eventually 10 status_is "$id" completed
	dead a
	run ! dead b
	touch "$D/go"
	eventually 10 dead b
	kill -TERM "$second"
	eventually 10 gone_or_zombie "$second"
	no_groups
}

@test "a worker that is stopped loses its jobs' group before the server's lease ends" {
	local id worker
	id=$(submit_sh "[ ! -e $D/a ] || exit 0; $(escape a "$(live_on)") sleep 1000")
	start_sh_worker --lease $((20 * SUITE_SLOW))s
	eventually 10 exists "$D/a"
	eventually 10 test -s "$D/signs"
	worker=$(the_worker)
	kill -STOP "$worker"
	eventually 30 dead a
	lease_outlived_it
	kill -CONT "$worker"
	eventually 20 status_is "$id" completed
	prints '1/interrupted 1/ok' runs "$id"
}

@test "where the group is not delegated none is made" {
	local id
	setfattr -x user.delegate "$G"
	id=$(submit_sh "$(escape a) $(wait_for go)")
	start_sh_worker
	eventually 10 exists "$D/a"
	no_groups
	setfattr -n user.delegate -v 1 "$G"
	touch "$D/go"
	eventually 10 status_is "$id" completed
	dead a
	run ! says 'control group'
}

@test "where groups are delegated but cannot be made it says so, and does without" {
	local id
	echo 0 >"$G/cgroup.max.descendants"
	id=$(submit_sh "$(escape a) $(wait_for go)")
	start_sh_worker
	eventually 10 exists "$D/a"
	says 'cannot make control groups for jobs; going on without'
	echo max >"$G/cgroup.max.descendants"
	touch "$D/go"
	eventually 10 status_is "$id" completed
	dead a
}

@test "a user to whom the group was given needs no more rights" {
	local id user
	user=$(stat -c %U "$PGHOST")		# who may reach the server
	chown "$user" "$G" "$G/cgroup.procs" "$G/cgroup.subtree_control"
	id=$(submit_sh 'sed -n "s|^0::||p" /proc/self/cgroup')
	setpriv --reuid "$user" --clear-groups jobctl-worker -q "$Q" --drain -- sh -c '{sh}'
	status_is "$id" completed
	[[ "$(output "$id" 1)" == */jobctl-*/0 ]]
	no_groups
}
