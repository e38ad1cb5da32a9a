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

@test "a limit is not counted with the eyes of yesterday" {
	jobs 1
	sql "SELECT jobctl.limit_queue('default', 1), t.worker(1)"
	refuses JC078 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.claim(1, 1)'
	sql "SELECT jobctl.limit_queue('default', NULL)"
	sql 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.claim(1, 1); COMMIT'
}
