#!/usr/bin/env bats
# What users of the systems before this one knew, by the programs of this one: see
# jobctl-contracts(7).  The views themselves are in tests/sql.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../repository

setup_file() {
	new_database
	git_identity
}

setup() {
	# a worker that was killed may have a statement under way
	sql "SET client_min_messages = warning;
		SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
		TRUNCATE jobctl.jobs, jobctl.claims, jobctl.workers, jobctl.finished_jobs, jobctl.job_progress CASCADE" >/dev/null
	T=$(mktemp -d "$BATS_TEST_TMPDIR/tree.XXXXXX")
	cd "$T" || return
}

submit() {	# [ARGUMENT...]
	jobctl-submit -q index index repo_path="$T" "$@"
}

work() {
	jobctl-worker -Q -q index --drain -- jobctl-index
}

shows() {	# ID 'COLUMN, ...'
	sql "SELECT $2 FROM jobctl.indexing_jobs WHERE id = '$1'"
}

state_is() {	# STATUS ID
	[ "$(shows "$2" status)" = "$1" ]
}

said() {	# ID
	jobctl-status -H -o message "$1"
}

@test "a repository of four files: pending, then completed with 4 files and its chunks" {
	local id

	four_files
	id=$(submit)
	[ "$(shows "$id" 'repo_path, project_id, status, files_indexed, chunks_created')" = "$T|default|pending|0|0" ]
	work
	[ "$(shows "$id" 'status, files_indexed, chunks_created > 0, error_message')" = 'completed|4|t|' ]
	[ "$(shows "$id" 'created_at <= started_at AND started_at < completed_at')" = t ]
}

@test "the four messages" {
	local id

	four_files
	id=$(submit) && work
	[ "$(said "$id")" = 'full index' ]
	id=$(submit) && work
	[ "$(said "$id")" = 'up to date' ]
	[ "$(shows "$id" 'files_indexed, chunks_created')" = '0|0' ]
	echo more >>doc/a.txt
	echo new >new
	id=$(submit) && work
	[ "$(said "$id")" = 'incremental update with 2 files' ]
	[ "$(shows "$id" files_indexed)" = 2 ]
	id=$(submit force:=true) && work
	[ "$(said "$id")" = 'forced re-index' ]
	[ "$(shows "$id" files_indexed)" = 5 ]
}

@test "a path that is not there is accepted, and the job fails saying so" {
	local id

	id=$(jobctl-submit -q index index repo_path=/no/such/repository)
	work
	[[ $(shows "$id" 'status, error_message') == 'failed|'*'/no/such/repository'*'No such file or directory'* ]]
}

@test "one live job for a repository, by program and by view" {
	local id

	id=$(submit)
	[ "$(submit)" = "$id" ]
	[ "$(sql "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) VALUES ('$T', 'default') RETURNING id")" = "$id" ]
	[ "$(jobctl-submit -q index index repo_path="$T/./")" = "$id" ]
	run -0 jobctl-status --count
	[ "$output" = 1 ]
}

@test "what is cancelled ends soon" {
	local id

	id=$(submit)
	start jobctl-worker -Q -q index -- sleep 600
	eventually 10 state_is running "$id"
	jobctl-cancel -Q "$id"
	eventually 20 state_is failed "$id"	# not after the 600 s of the command
	[ "$(shows "$id" error_message)" != '' ]
}

@test "two at once, on all hosts together, unless somebody says otherwise; an hour each" {
	local n

	[ "$(sql "SELECT max_running FROM jobctl.queue WHERE queue = 'index'")" = 2 ]
	[ "$(sql "SELECT timeout FROM jobctl.kinds WHERE kind = 'index'")" = 01:00:00 ]
	for n in 1 2 3; do
		jobctl-submit -Q -q index index repo_path=/r/$n
	done
	start jobctl-worker -Q -q index -j 8 -- sleep 600
	eventually 10 prints 2 sql "SELECT count(*) FROM jobctl.indexing_jobs WHERE status = 'running'"
	[ "$(sql "SELECT reasons[1] FROM jobctl.job WHERE status = 'pending'")" = ConcurrencyLimit ]
	jobctl-queue set -Q -q index max-running=3
	eventually 10 prints 3 sql "SELECT count(*) FROM jobctl.indexing_jobs WHERE status = 'running'"
	jobctl-queue set -Q -q index max-running=2
}

@test "a hundred at once: none is lost, none is stuck, whoever dies" {
	local job

	jobctl-queue set -Q -q index max-running=none
	sql "INSERT INTO jobctl.indexing_jobs (repo_path, project_id) SELECT '/r/' || n, 'default' FROM generate_series(1, 100) n"
	# nothing ends before one is killed with what it runs; the others, which have its host, see that
	exec 8>"$T/go"
	flock 8
	job="flock -s '$T/go' true; echo '{\"stats\":{\"files_indexed\":1}}' >&3"
	start_worker -Q -q index -j 34 -- sh -c "$job"
	local victim=$WORKER_PID

	start_worker -Q -q index -j 33 -- sh -c "$job"
	start_worker -Q -q index -j 33 -- sh -c "$job"
	eventually 20 prints t sql "SELECT count(*) > 0 FROM jobctl.jobs j JOIN jobctl.workers w USING (worker_id) WHERE w.pid = $victim"
	kill -KILL "$victim"
	flock -u 8
	eventually 60 prints 100 sql "SELECT count(*) FROM jobctl.indexing_jobs WHERE status = 'completed' AND files_indexed = 1"
	jobctl-queue set -Q -q index max-running=2
}

@test "a repository that nobody knows is a job that fails saying so" {
	local id

	id=$(sql "SELECT jobctl.create_index_job('6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11', 'main')")
	work
	[[ $(sql "SELECT status, error_message FROM jobctl.get_index_job('$id')") == 'failed|'*'repository 6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11 and no path'* ]]
}

@test "one that the catalog knows is indexed by its id" {
	local id

	four_files
	jobctl-index -Q
	echo new >new
	id=$(sql "SELECT jobctl.create_index_job(id, 'main') FROM catalog.repositories WHERE path = '$T'")
	work
	[ "$(sql "SELECT status, ref, stats ->> 'files_indexed', repository_id IS NOT NULL FROM jobctl.get_index_job('$id')")" = 'completed|main|1|t' ]
}
