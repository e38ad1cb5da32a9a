#!/usr/bin/env bats
# jobctl-release: what is held, and nothing else

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

@test "a job is let go with who and why, to the end of its queue" {
	local id other

	id=$(submit k "hold => true")
	other=$(submit k)
	run -0 --separate-stderr jobctl-release "$id" --reason 'disk is empty again'
	[ "$output" = "$id pending" ]
	[ -z "$stderr" ]
	[ "$(sql 'SELECT event, role_name, why FROM jobctl.job_events')" = 'release|jobctl|disk is empty again' ]
	claim default
	[ "$CLAIMED" = "$other
$id" ]
}

@test "what it finds of each, and exit 1 if one has ended" {
	one_of_each
	run -1 --separate-stderr jobctl-release --json "${JOBS[@]}"
	[ "$output" = "{\"v\":1,\"id\":\"${JOBS[0]}\",\"was\":\"pending\",\"status\":\"pending\"}
{\"v\":1,\"id\":\"${JOBS[1]}\",\"was\":\"running\",\"status\":\"running\"}
{\"v\":1,\"id\":\"${JOBS[2]}\",\"was\":\"held\",\"status\":\"pending\"}
{\"v\":1,\"id\":\"${JOBS[3]}\",\"was\":\"cancelled\",\"status\":\"cancelled\"}" ]
	[ -z "$stderr" ]
	[ "$(sql "SELECT count(*) FROM jobctl.job_events")" = 1 ]
	run -0 jobctl-release "${JOBS[@]:0:3}"
}

@test "filters mean what is held" {
	one_of_each
	submit k "hold => true" >/dev/null
	run -0 --separate-stderr jobctl-release --all --dry-run
	[ "$(cut -d' ' -f2 <<<"$output")" = $'pending\npending' ]
	[ "$stderr" = 'jobctl-release: 2 jobs match: 2 held' ]
	run -64 jobctl-release --all </dev/null
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 2 ]
	run -0 jobctl-release --all --yes
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 0 ]
	run -1 --separate-stderr jobctl-release --all --yes
	[ "$stderr" = 'jobctl-release: no job matches' ]
}

@test "on a terminal it asks" {
	submit k "hold => true" >/dev/null
	submit k "hold => true" >/dev/null
	run -1 script -qec 'jobctl-release --all' /dev/null <<<n
	[[ "$output" == *'2 jobs match: 2 held'*'release 2 jobs? [y/N]'*'nothing was changed'* ]]
	run -0 script -qec 'jobctl-release --all' /dev/null <<<y
	[ "$(sql "SELECT count(*) FROM jobctl.jobs WHERE status = 'held'")" = 0 ]
}

@test "another's jobs are unknown; a reader may only look" {
	local id other

	role_login release_ann jobctl_submitter
	role_login release_eve jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('release', 'jobctl') ON CONFLICT DO NOTHING"
	id=$(submit k "hold => true")
	other=$(submit k "project => 'release'" "hold => true")
	run -66 as_role release_ann jobctl-release "$other"
	run -77 as_role release_eve jobctl-release "$id"
	run -0 as_role release_eve jobctl-release --dry-run --all
	run -0 --separate-stderr as_role release_ann jobctl-release --all
	[ "$output" = "$id pending" ]
}

@test "a full disk, no database, mistakes" {
	local id

	id=$(submit k "hold => true")
	run -69 jobctl-release -d 'host=/nowhere' "$id"
	run -64 jobctl-release
	run -64 jobctl-release --all -q q
	run -64 jobctl-release -q q "$id"
	run -66 jobctl-release 00000000-0000-7000-8000-000000000000
	run -74 bash -c "jobctl-release $id >/dev/full"
}
