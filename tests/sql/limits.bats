#!/usr/bin/env bats
# Pausing and limiting queues: exact across workers, and nobody waits for ever.

bats_require_minimum_version 1.5.0
load queue

@test "a paused queue gives nothing, what runs runs on" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	sql "SELECT jobctl.pause_queue('default', 'a bad release')"
	is '' 'SELECT t.claim(1, 2, 9)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	is "{QueuePaused}" "SELECT reasons FROM jobctl.job WHERE id = t.j(2)"
	is 'jobctl|a bad release|t' 'SELECT paused_by, paused_why, paused_at IS NOT NULL FROM jobctl.queues'
	sql "SELECT jobctl.worker_idle(t.w(1))"
	[ "$(notified "SELECT jobctl.resume_queue('default')")" = '1 wake' ]
	is 2 'SELECT t.claim(1, 3, 9)'
	is $'pause\nresume' 'SELECT event FROM jobctl.job_events ORDER BY event_id'
}

@test "a pause ends by itself, and who is idle knows when" {
	local ms

	jobs 2
	sql "SELECT t.worker(1), jobctl.pause_queue('default', 'night', '1 hour')" >/dev/null
	is 't|night|t' "SELECT paused_until BETWEEN now() + interval '59 min' AND now() + interval '1 hour', paused_why, paused_at < paused_until
		FROM jobctl.queue"
	is t "SELECT why ~ '^night \(until 20[0-9-]+T[0-9:]+Z\)\$' FROM jobctl.job_events"
	is '' 'SELECT t.claim(1, 1)'
	ms=$(sql 'SELECT next_ms FROM jobctl.worker_idle(t.w(1))')
	[ "$ms" -gt 3500000 ]
	[ "$ms" -le 3600000 ]
	is f 'SELECT overdue FROM jobctl.worker_idle(t.w(1))'
	# it ends between a claim and this: the claim has to be said again, but not for ever
	is t "UPDATE jobctl.queues SET paused_until = now() - interval '1 ms';
		SELECT overdue AND next_ms IS NULL FROM jobctl.worker_idle(t.w(1))"
	is f "UPDATE jobctl.queues SET paused_until = now() - interval '1 s';
		SELECT overdue FROM jobctl.worker_idle(t.w(1))"
	is '{Ready}' 'SELECT reasons FROM jobctl.job WHERE id = t.j(1)'
	is 1 'SELECT t.claim(1, 2)'
	is 'default||||' 'SELECT queue, paused_at, paused_by, paused_why, paused_until FROM jobctl.queue'
	is '' 'SELECT next_ms FROM jobctl.worker_idle(t.w(1))'
	is '' "SELECT was_by FROM jobctl.resume_queue('default')"
	is pause 'SELECT event FROM jobctl.job_events'
}

@test "each change says what was, and what changes nothing is no event" {
	is '|||' "SELECT * FROM jobctl.pause_queue('q', 'first')"
	is 'jobctl|first|' "SELECT was_by, was_why, was_until FROM jobctl.pause_queue('q')"
	is 'jobctl|first|' "SELECT was_by, was_why, was_until FROM jobctl.pause_queue('q', 'first')"
	is 1 'SELECT count(*) FROM jobctl.job_events'
	is first "SELECT was_why FROM jobctl.pause_queue('q', NULL, '1 hour')"
	is 'first|t' 'SELECT paused_why, paused_until IS NOT NULL FROM jobctl.queues'
	is t "SELECT was_until IS NOT NULL FROM jobctl.pause_queue('q', 'second')"
	is 'second|t' 'SELECT paused_why, paused_until IS NULL FROM jobctl.queues'
	is second "SELECT was_why FROM jobctl.resume_queue('q')"
	is '' "SELECT was_why FROM jobctl.resume_queue('q')"
	is '' "SELECT was_by FROM jobctl.resume_queue('never seen')"
	is '' "SELECT jobctl.limit_queue('q', 4)"
	is 4 "SELECT jobctl.limit_queue('q', 4)"
	is 4 "SELECT jobctl.limit_queue('q', NULL)"
	is '' "SELECT jobctl.limit_queue('q', NULL)"
	is 'pause,pause,pause,resume,limit,limit' "SELECT string_agg(event, ',' ORDER BY event_id) FROM jobctl.job_events"
	refuses 23514 "SELECT jobctl.pause_queue('bad name')" name_is_plain
}

waiters="SELECT count(*) FROM pg_locks WHERE relation = 'jobctl.queues'::regclass AND NOT granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

@test "a pause, or a limit, waits for a claim under way; a long one it does not outwait" {
	jobs 3
	sql 'SELECT t.worker(1), t.worker(2)' >/dev/null
	hold_open "SELECT t.claim(1, 1)"
	refuses JC075 "SELECT jobctl.pause_queue('default')" 'does not end'
	refuses JC075 "SELECT jobctl.limit_queue('default', 1)" 'does not end'
	patient
	start psql -XAtqc "SELECT jobctl.pause_queue('default'); SELECT running FROM jobctl.drained('{default}')"
	eventually 10 is 1 "$waiters"
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ "$(tail -n 1 "$STARTED_LOG")" = 1 ]
	is '' 'SELECT t.claim(2, 2)'
	is 'default|1|t' "SELECT * FROM jobctl.drained('{default}')"
	is 'none|0|f' "SELECT * FROM jobctl.drained('{none}')"
}

@test "a claim that comes while somebody pauses starts nothing" {
	jobs 3
	sql 'SELECT t.worker(1)'
	hold_open "SELECT jobctl.pause_queue('default')"
	start psql -XAtqc 'SELECT t.claim(1, 1)'
	eventually 10 is 1 "$waiters"
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 gone_or_zombie "$STARTED_PID"
	[ -z "$(cat "$STARTED_LOG")" ]
	is 0 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running'"
}

@test "a paused queue does not hold up the others" {
	sql "SELECT jobctl.submit('a', queue => 'a', id => t.j(1)), jobctl.submit('a', queue => 'b', id => t.j(2))"
	sql "SELECT jobctl.pause_queue('a'), t.worker(1, NULL)"
	is 2 'SELECT t.claim(1, 1, 9, NULL)'
}

@test "a limit counts what runs, whoever runs it, and is raised and lifted" {
	jobs 9
	sql "SELECT jobctl.limit_queue('default', 3), t.worker(1), t.worker(2)"
	is 1,2 'SELECT t.claim(1, 1, 2)'
	is 3 'SELECT t.claim(2, 2, 9)'
	is '' 'SELECT t.claim(1, 3, 9)'
	is '{ConcurrencyLimit}' 'SELECT reasons FROM jobctl.job WHERE id = t.j(4)'
	sql 'SELECT t.finish(1, 1, 1)'
	is 4 'SELECT t.claim(2, 4, 9)'
	sql 'SELECT t.give_back(2, 3, 2)'
	is 3 'SELECT t.claim(2, 5, 9)'
	sql "SELECT jobctl.limit_queue('default', 2)"
	is '' 'SELECT t.claim(1, 6, 9)'
	sql "SELECT jobctl.limit_queue('default', NULL)"
	is 5,6,7,8,9 'SELECT t.claim(1, 7, 9)'
	refuses 23514 "SELECT jobctl.limit_queue('default', -1)"
}

@test "a limit of nothing is nothing" {
	jobs 1
	sql "SELECT jobctl.limit_queue('default', 0), t.worker(1)"
	is '' 'SELECT t.claim(1, 1, 9)'
}

@test "what a dead worker ran does not count for ever" {
	jobs 2
	sql "SELECT jobctl.limit_queue('default', 1), t.worker(1), t.worker(2), t.claim(1, 1)"
	sql 'SELECT t.expire(1), t.reap()'
	is 2 'SELECT t.claim(2, 2, 9)'
}

@test "with eight sessions claiming and finishing, never more than the limit run" {
	local n pids=()

	jobs 400
	sql "SELECT jobctl.limit_queue('default', 3)"
	sql 'SELECT t.worker(n) FROM generate_series(1, 8) n' >/dev/null
	cat >"$BATS_TEST_TMPDIR/work.sql" <<-'SQL'
		CREATE PROCEDURE t.work(w integer) LANGUAGE plpgsql AS $$
		DECLARE
			got text;
		BEGIN
			FOR i IN 1 .. 60 LOOP
				got := t.claim(w, w * 1000 + i, 2);
				-- counted by what is committed and running, not by the claims themselves
				INSERT INTO t.seen SELECT count(*) FROM jobctl.jobs WHERE status = 'running';
				COMMIT;
				PERFORM t.finish(w, j::integer, w * 1000 + i) FROM unnest(string_to_array(got, ',')) j;
				COMMIT;
			END LOOP;
		END
		$$;
		CREATE TABLE t.seen (n integer);
	SQL
	psql -Xqf "$BATS_TEST_TMPDIR/work.sql"
	for n in {1..8}; do
		psql -XAtqc "CALL t.work($n)" >>"$BATS_TEST_TMPDIR/err" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat "$BATS_TEST_TMPDIR/err"
	[ -z "$output" ]
	is '3' 'SELECT max(n) FROM t.seen'
	is t "SELECT count(*) > 100 FROM jobctl.finished_jobs"
	is '0|0' "SELECT count(*), (SELECT count(*) FROM jobctl.claims) FROM jobctl.jobs WHERE status = 'running'"
}

@test "limited queues named in another order do not deadlock" {
	local n pids=()

	sql "SELECT jobctl.submit('a', queue => q) FROM generate_series(1, 200), unnest('{a,b,c}'::text[]) q" >/dev/null
	sql "SELECT jobctl.limit_queue(q, 50) FROM unnest('{a,b,c}'::text[]) q" >/dev/null
	sql 'SELECT t.worker(n) FROM generate_series(1, 4) n' >/dev/null
	for n in '1 a,b,c' '2 c,b,a' '3 b,a,c' '4 c,a,b'; do
		psql -XAtqc "DO \$\$ DECLARE j uuid[]; BEGIN FOR i IN 1..60 LOOP
			SELECT array_agg(id) INTO j FROM jobctl.claim(t.k(${n%% *} * 1000 + i), t.w(${n%% *}), '{${n#* }}', 70);
			PERFORM jobctl.give_back(t.w(${n%% *}), j, array_fill(t.k(${n%% *} * 1000 + i), ARRAY[cardinality(j)])) WHERE j IS NOT NULL;
			COMMIT; END LOOP; END \$\$" >>"$BATS_TEST_TMPDIR/err" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat "$BATS_TEST_TMPDIR/err"
	[ -z "$output" ]
	is 600 "SELECT count(*) FROM jobctl.jobs WHERE status = 'pending' AND attempt = 0"
}

@test "neither a limit nor what others took is seen with the eyes of yesterday" {
	jobs 1
	sql "SELECT jobctl.limit_queue('default', 1), t.worker(1)"
	refuses JC078 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.claim(1, 1)'
	sql "SELECT jobctl.limit_queue('default', NULL)"
	refuses JC078 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.claim(1, 1)'
	refuses JC078 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT t.claim(1, 1)'
	is 1 'SELECT t.claim(1, 1)'
}

# --- projects ---

projects() {	# a: at most 2
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'public'), ('b', 'public');
		SELECT jobctl.limit_project('a', 2)" >/dev/null
	sql "SELECT jobctl.submit('work', project => CASE WHEN n IN (4, 6, 9) THEN 'b' WHEN n = 8 THEN 'default' ELSE 'a' END, id => t.j(n))
		FROM generate_series(1, 10) n ORDER BY n" >/dev/null
}

@test "a project's limit leaves its jobs, and takes the next of others" {
	projects
	sql 'SELECT t.worker(1)'
	is '1,2,4,6,8' 'SELECT t.claim(1, 1, 5)'
	is '9' 'SELECT t.claim(1, 2, 5)'
	is '' 'SELECT t.claim(1, 3, 5)'
	is $'3|{Quota}\n5|{Quota}\n7|{Quota}\n10|{Quota}' "SELECT t.n(id), reasons FROM jobctl.job WHERE status = 'pending' ORDER BY id"
	sql 'SELECT t.finish(1, 1, 1)'
	is '3' 'SELECT t.claim(1, 4, 5)'
	sql "SELECT jobctl.limit_project('a', 4)"
	is '5,7' 'SELECT t.claim(1, 5, 5)'
	sql "SELECT jobctl.limit_project('a', NULL)"
	is '10' 'SELECT t.claim(1, 6, 5)'
	is 'max-running=2,max-running=4,no limit' "SELECT string_agg(why, ',' ORDER BY event_id) FROM jobctl.job_events WHERE project_id = 'a'"
}

@test "it counts in all queues, also within one claim" {
	projects
	sql "SELECT jobctl.submit('work', queue => 'other', project => 'a', id => t.j(11)), jobctl.submit('work', queue => 'other', id => t.j(12))"
	sql "SELECT t.worker(1, queues => '{default,other}')"
	is '11,12,1,4,6' "SELECT t.claim(1, 1, 5, queues => '{other,default}')"
}

@test "it is exact, however many claim at once" {
	local n pids=()
	projects
	sql "SELECT jobctl.submit('work', project => 'a', id => t.j(100 + n)) FROM generate_series(1, 200) n" >/dev/null
	sql "SELECT jobctl.limit_project('a', 7)"
	for n in 1 2 3 4 5 6; do
		sql "SELECT t.worker($n)"
		psql -XAtq -c "SELECT count(t.claim($n, $n * 100 + i, 3)) FROM generate_series(1, 9) i" >/dev/null &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n"
	done
	is 7 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running' AND project_id = 'a'"
	is 4 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running' AND project_id <> 'a'"
}

@test "a limit of a project is for those who see it, and operate" {
	role_login limits_ann jobctl_operator
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'pg_database_owner')"
	refuses JC066 "SET ROLE limits_ann; SELECT jobctl.limit_project('theirs', 1)" 'no such project "theirs"'
	refuses JC066 "SELECT jobctl.limit_project('nix', 1)"
	refuses 23514 "SELECT jobctl.limit_project('default', -1)"
	sql "SET ROLE limits_ann; SELECT jobctl.limit_project('default', NULL)"
}
