# shellcheck shell=bash
# simulate.bash - jobs and what becomes of them, by the queue's own SQL functions
#
# For tests of programs that show jobs: every state at will, no worker, no waiting.
# Tokens and worker ids are made from names, so that a test can say which is which.

sim_uuid() {	# NAME
	local h

	h=$(md5sum <<<"$1")
	echo "${h:0:8}-${h:8:4}-4${h:13:3}-8${h:17:3}-${h:20:12}"
}

submit() {	# KIND [SQL-ARGUMENT...], as: submit mail "queue => 'm'"
	local kind=$1

	shift
	sql "SELECT jobctl.submit('$kind'$([ $# = 0 ] || printf ', %s' "$@"))"
}

worker() {	# NAME [HOST [PID [QUEUES [KINDS]]]]; the worker that acts from now on
	SIM_WORKER=$(sim_uuid "$1")
	sql "SELECT jobctl.register_worker('$SIM_WORKER', '${2:-$1}', 'boot', ${3:-100}, 1, '0',
		$(sql_list "${4-}"), $(sql_list "${5-}"), 100, '1 hour')" >/dev/null
}

sql_list() {	# 'a,b', or '' for NULL
	[ -z "$1" ] && echo 'NULL::text[]' || echo "'{$1}'::text[]"
}

# shellcheck disable=SC2034 # CLAIMED is for the tests
claim() {	# QUEUE [TOKEN-NAME]; CLAIMED becomes the ids
	SIM_TOKEN=$(sim_uuid "${2:-$1}")
	CLAIMED=$(sql "SELECT id FROM jobctl.claim(worker => '$SIM_WORKER', token => '$SIM_TOKEN',
		queues => '{$1}', slots => 100)")
}

finish() {	# ID OUTCOME [EXIT-CODE [ERROR [RESULT]]], under the last claim
	sql "SELECT f.status FROM jobctl.finish('$SIM_WORKER', '{$1}', '{$SIM_TOKEN}', '{$2}',
		'{${3:-NULL}}', '{${6:-NULL}}', ARRAY[nullif(\$e\$${4-}\$e\$, '')],
		ARRAY[nullif(\$e\$${5-}\$e\$, '')::jsonb], '{0.25}', '{1048576}') f"
}

wrote() {	# ID N STREAM TEXT (as printf's format) [DROPPED], under the last claim
	local hex

	# shellcheck disable=SC2059 # the text is a format, so that it can hold any byte
	hex=$(printf "$4" | od -An -v -tx1 | tr -d ' \n')
	sql "SELECT jobctl.append_output('$SIM_WORKER', '{$1}', '{$SIM_TOKEN}', '{$2}', '{$3}',
		'{${5:-0}}', ARRAY['\\x$hex'::bytea])" >/dev/null
}

report() {	# ID DONE TOTAL MESSAGE [STATS], under the last claim
	sql "SELECT jobctl.report('$SIM_WORKER', '{$1}', '{$SIM_TOKEN}', '{$2}', '{$3}',
		ARRAY[\$e\$$4\$e\$], ARRAY[nullif(\$e\$${5-}\$e\$, '')::jsonb], '{NULL}')" >/dev/null
}

# The clients of the test before are dead, but their sessions may go on with the statement in
# hand: it would deadlock with TRUNCATE, or write into the tables afterwards.  And the truncation
# is told to the statistics now, not when this session ends: new rows are counted after it.
clear_jobs() {
	sql "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
	SELECT pg_stat_force_next_flush();
	TRUNCATE jobctl.jobs, jobctl.finished_jobs, jobctl.job_attempts, jobctl.job_output,
		jobctl.job_progress, jobctl.job_dependencies, jobctl.job_events, jobctl.claims,
		jobctl.workers, jobctl.queues, jobctl.job_counts, jobctl.kind_seconds" >/dev/null
}
