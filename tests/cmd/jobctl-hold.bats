#!/usr/bin/env bats
# jobctl-hold: what waits, and nothing else

bats_require_minimum_version 1.5.0
load ../helper
load ../simulate

setup_file() {
	new_database
}

setup() {
	clear_jobs
	worker w1 host1 101
}

# JOBS: one that waits, one that runs, one that is held, one that has ended.
one_of_each() {
	JOBS=("$(submit k)" "$(submit k "queue => 'q'")" "$(submit k "hold => true")" "$(submit k)")
	claim q
	sql "SELECT jobctl.cancel('{${JOBS[3]}}')" >/dev/null
	sql 'DELETE FROM jobctl.job_events'
}

@test "a job is held with who and why" {
	local id

	id=$(submit k)
	run -0 --separate-stderr jobctl-hold "$id" --reason 'disk full'
	[ "$output" = "$id held" ]
	[ -z "$stderr" ]
	[ "$(sql 'SELECT event, role_name, why FROM jobctl.job_events')" = 'hold|jobctl|disk full' ]
	claim default
	[ -z "$CLAIMED" ]
}

@test "what it finds of each, and exit 1 if one is not held" {
	one_of_each
	run -1 --separate-stderr jobctl-hold "${JOBS[@]}"
	[ "$output" = "${JOBS[0]} held
${JOBS[1]} running
${JOBS[2]} held
${JOBS[3]} cancelled" ]
	[ "$stderr" = 'jobctl-hold: 1 running: what runs cannot be held; jobctl-cancel stops it' ]
	[ "$(sql "SELECT count(*) FROM jobctl.job_events")" = 1 ]
}

@test "filters mean what waits" {
	one_of_each
	submit k "queue => 'q'" >/dev/null
	run -0 --separate-stderr jobctl-hold --all --dry-run
	[ "$(cut -d' ' -f2 <<<"$output")" = $'held\nheld' ]
	[ "$stderr" = 'jobctl-hold: 2 jobs match: 1 pending in default, 1 pending in q' ] ||
		[ "$stderr" = 'jobctl-hold: 2 jobs match: 1 pending in q, 1 pending in default' ]
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 1 ]
	run -64 jobctl-hold --all </dev/null
	run -0 jobctl-hold --all --yes
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 3 ]
	run -1 --separate-stderr jobctl-hold --all --yes
	[ "$stderr" = 'jobctl-hold: no job matches' ]
	run -1 jobctl-hold -q q -s running
}

@test "on a terminal it asks" {
	submit k >/dev/null
	submit k >/dev/null
	run -1 script -qec 'jobctl-hold --all' /dev/null <<<n
	[[ "$output" == *'2 jobs match: 2 pending'*'hold 2 jobs? [y/N]'*'nothing was changed'* ]]
	run -0 script -qec 'jobctl-hold --all' /dev/null <<<y
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 2 ]
}

@test "another's jobs are unknown; a reader may only look" {
	local id other

	role_login hold_ann jobctl_submitter
	role_login hold_eve jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('hold', 'jobctl') ON CONFLICT DO NOTHING"
	id=$(submit k)
	other=$(submit k "project => 'hold'")
	run -66 as_role hold_ann jobctl-hold "$other"
	run -77 as_role hold_eve jobctl-hold "$id"
	run -0 as_role hold_eve jobctl-hold --dry-run --all
	run -0 --separate-stderr as_role hold_ann jobctl-hold --all
	[ "$output" = "$id held" ]
}

@test "a full disk, no database, mistakes" {
	local id

	id=$(submit k)
	run -69 jobctl-hold -d 'host=/nowhere' "$id"
	run -64 jobctl-hold
	run -64 jobctl-hold --all -q q
	run -64 jobctl-hold -q q "$id"
	run -66 jobctl-hold 00000000-0000-7000-8000-000000000000
	run -74 bash -c "jobctl-hold $id >/dev/full"
}
