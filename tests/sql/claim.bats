#!/usr/bin/env bats
# jobctl.claim(): who gets which jobs, in which order, and what becomes of them.

bats_require_minimum_version 1.5.0
load queue

@test "the highest priority first, then the oldest" {
	sql "SELECT jobctl.submit('a', priority => p, id => t.j(n))
		FROM (VALUES (1, 0), (2, 5), (3, 0), (4, -1), (5, 5)) v(n, p) ORDER BY n" >/dev/null
	sql 'SELECT t.worker(1)'
	is 2,5,1 'SELECT t.claim(1, 1, 3)'
	is 3,4 'SELECT t.claim(1, 2, 3)'
	is '' 'SELECT t.claim(1, 3, 3)'
}

@test "a claimed job runs, under its token and worker, and counts an attempt" {
	jobs 1 "timeout => '1500 ms', args => '{\"x\": [1]}'"
	sql 'SELECT t.worker(1)'
	is "default|default|work|{\"x\": [1]}|1|3|1500|" "SELECT project, queue, kind, args, attempt, max_attempts,
		timeout_ms, checkpoint FROM jobctl.claim(t.k(1), t.w(1), '{default}', 1)"
	is 'running|1|t|t|t' 'SELECT status, attempt, token = t.k(1), worker_id = t.w(1), started_at IS NOT NULL FROM jobctl.jobs'
	is '{00000000-0000-7000-8000-000000000001}|1|default' 'SELECT ids, unfinished, queue FROM jobctl.claims'
}

@test "said again it returns the same jobs in the same order, and takes no others" {
	jobs 4
	sql "UPDATE jobctl.jobs SET priority = 9 WHERE id = t.j(2)"
	sql 'SELECT t.worker(1)'
	is 2,1 'SELECT t.claim(1, 1, 2)'
	is 2,1 'SELECT t.claim(1, 1, 2)'
	is 2,1 'SELECT t.claim(1, 1, 4)'
	is '2|2' "SELECT count(*), sum(attempt) FROM jobctl.jobs WHERE status = 'running'"
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	is 1 'SELECT t.claim(1, 1, 2)'
}

@test "queues are taken in the order given, each once" {
	sql "SELECT jobctl.submit('a', queue => q, id => t.j(n)) FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) v(n, q)" >/dev/null
	sql 'SELECT t.worker(1)'
	is 3,1 "SELECT t.claim(1, 1, 9, '{c,a,c}')"
	is 2 'SELECT count(*) FROM jobctl.claims'
	is 3,1 "SELECT t.claim(1, 1, 9, '{c,a,c}')" || is 1,3 "SELECT t.claim(1, 1, 9, '{c,a,c}')"
	is 2 'SELECT t.claim(1, 2, 9, NULL)'
}

@test "only the kinds asked for" {
	sql "SELECT jobctl.submit(k, id => t.j(n)) FROM (VALUES (1, 'a'), (2, 'b'), (3, 'a')) v(n, k)" >/dev/null
	sql 'SELECT t.worker(1)'
	is 2 "SELECT t.claim(1, 1, 9, '{default}', '{b,c}')"
	is '' "SELECT t.claim(1, 2, 9, '{default}', '{}')"
	is 1,3 "SELECT t.claim(1, 3, 9)"
}

@test "held, scheduled and waiting jobs are passed over" {
	sql "SELECT jobctl.submit('a', id => t.j(1), hold => true), jobctl.submit('a', id => t.j(2), run_in => '1 h')"
	sql "SELECT jobctl.submit('a', id => t.j(3), after => t.jj(1)), t.worker(1)"
	is '' 'SELECT t.claim(1, 1, 9)'
}

@test "a job whose time has come joins the end of its queue, and somebody is told" {
	sql "SELECT jobctl.submit('a', id => t.j(1), queue => 'q', run_in => '1 h')"
	sql "SELECT jobctl.submit('a', id => t.j(2), queue => 'q'), t.fall_due(1)"
	sql "SELECT t.worker(1), t.worker(2, '{q}'), jobctl.worker_idle(t.w(2))"
	[ "$(notified "SELECT t.claim(1, 1)")" = '2 wake' ]
	is 2,1 "SELECT t.claim(2, 2, 9, '{q}')"
}

@test "at most a thousand are woken per claim" {
	sql "INSERT INTO jobctl.jobs (id, kind, run_at, wake_at)
		SELECT t.j(n), 'a', now() - interval '1 s', now() - interval '1 s' FROM generate_series(1, 1500) n"
	sql 'SELECT t.worker(1)'
	is 1000 "SELECT count(*) FROM jobctl.claim(t.k(1), t.w(1), '{default}', 5000)"
	is 500 "SELECT count(*) FROM jobctl.claim(t.k(2), t.w(1), '{default}', 5000)"
}

@test "no slots, no jobs" {
	jobs 1
	sql 'SELECT t.worker(1)'
	is '' 'SELECT t.claim(1, 1, 0)'
	is '' 'SELECT t.claim(1, 1, -1)'
	is pending 'SELECT t.state(1)'
}

@test "a worker that is unknown or late gets nothing" {
	jobs 1
	refuses JC069 'SELECT t.claim(1, 1)' 'not registered'
	sql 'SELECT t.worker(1), t.expire(1)'
	refuses JC069 'SELECT t.claim(1, 1)' 'lease has run out'
	is pending 'SELECT t.state(1)'
}

@test "a token names one claim for ever" {
	jobs 2
	sql 'SELECT t.worker(1), t.worker(2), t.claim(1, 1)'
	refuses 23505 'SELECT t.claim(2, 1)'
	is pending 'SELECT t.state(2)'
}

@test "parallel claims share the jobs out, each to one" {
	local n pids=()

	jobs 600
	sql 'SELECT t.worker(n) FROM generate_series(1, 4) n' >/dev/null
	for n in {1..4}; do
		psql -XAtqc "DO \$\$ BEGIN FOR i IN 1..30 LOOP PERFORM t.claim($n, $n * 100 + i, 7); COMMIT; END LOOP; END \$\$" &
		pids+=($!)
	done
	wait "${pids[@]}"
	is 600 "SELECT count(*) FROM jobctl.jobs WHERE status = 'running' AND attempt = 1"
	is 600 'SELECT sum(cardinality(ids)) FROM jobctl.claims'
}

@test "a full worker is not idle any more" {
	jobs 2
	sql 'SELECT t.worker(1), jobctl.worker_idle(t.w(1))'
	sql 'SELECT t.claim(1, 1, 3)'
	is t 'SELECT idle FROM jobctl.workers'
	jobs 3
	sql 'SELECT t.claim(1, 2, 1)'
	is f 'SELECT idle FROM jobctl.workers'
}

@test "a job that somebody only refers to can be claimed" {
	jobs 1
	sql 'SELECT t.worker(1)'
	hold_open "SELECT jobctl.submit('a', after => t.jj(1))"
	is 1 'SELECT t.claim(1, 1)'
	let_go
}

@test "a checkpoint comes back with the next attempt" {
	jobs 1 "backoff => 'constant:0s'"
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	sql "SELECT t.report(1, 1, 1, mark => '{\"at\": 7}')"
	sql "SELECT t.finish(1, 1, 1, 'exit')"
	is '{"at": 7}' "SELECT checkpoint FROM jobctl.claim(t.k(2), t.w(1), '{default}', 1)"
	is '{"at": 7}' "SELECT checkpoint FROM jobctl.claim(t.k(2), t.w(1), '{default}', 1)"
}

# 5000 entries of the claim index that nobody can remove, and jobs 5001 to 5020 behind them.
crowd() {	# ['STATEMENTS'], also said by whoever has the snapshot
	sql 'SELECT t.worker(1)'
	sql "INSERT INTO jobctl.jobs (id, kind) SELECT t.j(n), 'a' FROM generate_series(1, 5000) n"
	hold_open "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobctl.jobs${1:+; $1}"
	sql "INSERT INTO jobctl.jobs (id, kind) SELECT t.j(n), 'a' FROM generate_series(5001, 5020) n"
	sql 'DELETE FROM jobctl.jobs WHERE id <= t.j(5000)'
}

# Statements of one session, a transaction each.
session() {	# 'STATEMENTS'
	psql -XAtqv ON_ERROR_STOP=1 <<<"$1"
}

# As if the time of what the session remembers were over, and of what others have looked for.
forget_own="SELECT set_config(name, regexp_replace(setting, '^[0-9.]+', '0'), false) IS NULL FROM
	(SELECT 'jobctl.mark_' || md5(ROW('default', NULL::text[], NULL::text[], NULL::text[])::text) AS name) n, current_setting(name) AS setting;"
forget=${forget_own/ FROM/" OR setval('jobctl.claim_look', 0) IS NULL FROM"}
# As if it were not over for long.
remember=${forget//"'0'"/"'9999999999'"}

@test "past many dead entries is gone once, and then begun where the first job was" {
	local read="pg_stat_get_xact_tuples_returned('jobctl.jobs_claim'::regclass)"
	local pages="pg_stat_get_xact_blocks_fetched('jobctl.jobs_claim'::regclass)"
	local few="SELECT set_config('t.read', $read::text, false) || set_config('t.pages', $pages::text, false) IS NULL;
		SELECT t.claim(1, %s, 2), $read - current_setting('t.read')::int < 50 AND $pages - current_setting('t.pages')::int < 20"

	crowd
	# shellcheck disable=SC2059
	run -0 session "$(printf "BEGIN; $few; COMMIT;" 1) $remember $(printf "BEGIN; $few; COMMIT;\n" 2 3) $forget $(printf "BEGIN; $few; COMMIT;" 4)"
	[ "$output" = $'f\n5001,5002|f\nf\nf\n5003,5004|t\nf\n5005,5006|t\nf\nf\n5007,5008|f' ]
	let_go
}

# Entries that are known to be dead are passed over, but their pages are read.
@test "past many pages is gone once, too, though nothing in them is alive" {
	local pages="pg_stat_get_xact_blocks_fetched('jobctl.jobs_claim'::regclass)"
	local few="SELECT set_config('t.pages', $pages::text, false) IS NULL;
		SELECT t.claim(1, %s, 2), $pages - current_setting('t.pages')::int < 20"
	local first="SELECT seq FROM jobctl.jobs WHERE queue = 'default' AND status = 'pending' AND wake_at IS NULL
		AND blockers = 0 ORDER BY priority DESC, seq LIMIT 1"

	sql 'ALTER TABLE jobctl.jobs SET (autovacuum_enabled = false)'
	sql 'SELECT t.worker(1)'
	sql "INSERT INTO jobctl.jobs (id, kind) SELECT t.j(n), 'a' FROM generate_series(1, 20020) n"
	sql "UPDATE jobctl.jobs SET status = 'held' WHERE id <= t.j(20000)"
	sql "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; $first; $first" >/dev/null
	# shellcheck disable=SC2059
	run -0 session "$(printf "BEGIN; $few; COMMIT;" 1) $remember $(printf "BEGIN; $few; COMMIT;" 2)"
	sql 'ALTER TABLE jobctl.jobs RESET (autovacuum_enabled)'
	[ "$output" = $'f\n20001,20002|f\nf\nf\n20003,20004|t' ]
}

@test "what comes new is seen from there, whatever its priority" {
	crowd
	run -0 session "SELECT t.claim(1, 1, 2); $remember
		SELECT jobctl.submit('a', id => t.j(6000 + p), priority => p) FROM generate_series(-3, 3, 3) p;
		SELECT t.claim(1, 2, 2); $remember
		SELECT jobctl.submit('a', id => t.j(6100 + p), priority => p) FROM generate_series(-4, 4) p;
		SELECT t.claim(1, 3, 5);
		SELECT t.claim(1, 4, 99);"
	[ "${lines[0]}" = 5001,5002 ]
	[ "${lines[5]}" = 6003,5003 ]
	[ "${lines[16]}" = 6104,6103,6102,6101,5004 ]
	[[ "${lines[17]}" == 5005,*,5020,6000,6100,6099,6098,5997,6097,6096 ]]
	let_go
}

@test "what is tried again, released or due is seen from there" {
	crowd
	sql "UPDATE jobctl.jobs SET status = 'held' WHERE id = t.j(5019)"
	sql "UPDATE jobctl.jobs SET wake_at = now() + interval '1 h' WHERE id = t.j(5020)"
	sql "UPDATE jobctl.jobs SET backoff = 'constant', backoff_base = '0' WHERE id = t.j(5001)"
	run -0 session "SELECT t.claim(1, 1, 10); $remember
		SELECT t.finish(1, 5001, 1, 'exit'), jobctl.release(t.jj(5019)) IS NULL, t.fall_due(5020);
		SELECT t.claim(1, 2, 9);
		SELECT t.claim(1, 3, 9);"
	[[ "${lines[3]},${lines[4]}" == 5011,5012,5013,5014,5015,5016,5017,5018,5019,*5001* ]]
	[[ "${lines[3]},${lines[4]}" == *5020* ]]
	let_go
}

@test "a job that took an old place waits until the time is over, or nothing else is there" {
	crowd
	sql "INSERT INTO jobctl.jobs (id, kind, seq) VALUES (t.j(1), 'a', 1)"
	run -0 session "SELECT t.claim(1, 1, 2); $remember
		SELECT t.claim(1, 2, 2);
		SELECT t.give_back(1, 1, 1);
		SELECT t.claim(1, 3, 2); $forget
		SELECT t.claim(1, 4, 2); $remember
		SELECT t.claim(1, 5, 2);
		SELECT t.give_back(1, 1, 4);
		SELECT t.claim(1, 6, 30) LIKE '5009,%,5020';
		SELECT t.claim(1, 7, 30);"
	[ "$output" = $'1,5001\nf\n5002,5003\naccepted\n5004,5005\nf\n1,5006\nf\n5007,5008\naccepted\nt\n1' ]
	let_go
}

@test "a job that is committed late is found when the time is over" {
	local got

	crowd "SELECT jobctl.submit('a', id => t.j(9000))"
	exec {IN}> >(exec psql -XAtqv ON_ERROR_STOP=1 >"$BATS_TEST_TMPDIR/said" 3>&-)
	echo "SELECT t.claim(1, 1, 2); $remember" >&"$IN"
	eventually 10 grep -q '^f$' "$BATS_TEST_TMPDIR/said"
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 is pending 'SELECT t.state(9000)'
	echo "SELECT t.claim(1, 2, 2); $forget SELECT t.claim(1, 3, 2);" >&"$IN"
	exec {IN}>&-
	eventually 10 grep -q 5004 "$BATS_TEST_TMPDIR/said"
	eventually 10 grep -q ',5005$' "$BATS_TEST_TMPDIR/said"
	got=$(cat "$BATS_TEST_TMPDIR/said")
	[ "$got" = $'5001,5002\nf\n5003,5004\nf\n9000,5005' ]
}

# A session that has a mark after job 5002, and waits for what it is to do next.
marked_session() {
	exec {IN}> >(exec psql -XAtqv ON_ERROR_STOP=1 >"$BATS_TEST_TMPDIR/said" 3>&-)
	echo "SELECT t.claim(1, 1, 2); $remember" >&"$IN"
	eventually 10 grep -q '^f$' "$BATS_TEST_TMPDIR/said"
}

# What it says to that.
it_says() {	# STATEMENTS
	echo "$1 SELECT 'over';" >&"$IN"
	exec {IN}>&-
	eventually 10 grep -q over "$BATS_TEST_TMPDIR/said"
	sed '1,/^f$/d; /^f$/d; /over/d' "$BATS_TEST_TMPDIR/said"
}

@test "with a mark, a claim begins where the last one of any session ended" {
	crowd
	marked_session
	run -0 session 'SELECT t.claim(1, 2, 8)'
	sql 'SELECT t.give_back(1, 5004, 2)'
	run -0 it_says "SELECT t.claim(1, 3, 2); $forget SELECT t.claim(1, 4, 2); $remember"
	[ "$output" = $'5011,5012\n5004,5013' ]
	let_go
}

# What others looked for, and that holds for long.
looked="setval('jobctl.claim_look', (9999999999999 << 15) | (last_value & 32767))"

@test "where one looked through the queue, others need not for a while" {
	crowd
	marked_session
	run -0 session "SELECT t.claim(1, 2, 8); $forget SELECT t.claim(1, 3, 1); SELECT $looked IS NULL FROM jobctl.claim_look;"
	[ "$output" = $'5003,5004,5005,5006,5007,5008,5009,5010\nf\n5011\nf' ]
	sql 'SELECT t.give_back(1, 5004, 2)'
	run -0 it_says "$forget_own SELECT t.claim(1, 4, 2); $forget SELECT t.claim(1, 5, 2);"
	[ "$output" = $'5012,5013\n5004,5014' ]
	let_go
}

@test "unless there may be more of what it found" {
	crowd
	marked_session
	run -0 session 'SELECT t.claim(1, 2, 8); SELECT t.claim(1, 3, 1)'
	sql 'SELECT t.give_back(1, 5004, 2), t.give_back(1, 5005, 2)'
	run -0 it_says "SELECT last_value AS mark FROM jobctl.claim_mark \\gset
		$forget SELECT t.claim(1, 4, 1); SELECT setval('jobctl.claim_mark', :mark) IS NULL; $forget_own SELECT t.claim(1, 5, 1);"
	[ "$output" = $'5004\n5005' ]
	let_go
}

@test "but not where one of other kinds did" {
	crowd
	marked_session
	run -0 session "SELECT t.claim(1, 2, 8, kinds => '{a}')"
	sql 'SELECT t.give_back(1, 5004, 2)'
	run -0 it_says 'SELECT t.claim(1, 3, 2);'
	[ "$output" = 5004,5011 ]
	let_go
}

@test "nor does the mark of one priority say anything of another" {
	crowd
	run -0 session "SELECT t.claim(1, 1, 2); $remember
		SELECT count(jobctl.submit('a', id => t.j(6000 + n), priority => 5)) FROM generate_series(1, 4) n;
		SELECT t.claim(1, 2, 2); SELECT t.claim(1, 3, 4);"
	[ "$output" = $'5001,5002\nf\n4\n6001,6002\n6003,6004,5003,5004' ]
	let_go
}

@test "and nothing is left where others took the rest" {
	crowd
	marked_session
	run -0 session 'SELECT t.claim(1, 2, 99)'
	sql 'SELECT t.give_back(1, 5004, 2)'
	run -0 it_says 'SELECT t.claim(1, 3, 2); SELECT t.claim(1, 4, 2);'
	[ "$output" = 5004 ]
	let_go
}

@test "with quotas a job that was left for its project's sake is not passed over" {
	local barred=${remember/NULL::text\[\])::text/"'{}'::text[])::text"}
	sql "SELECT jobctl.limit_project('default', 1)"
	crowd
	run -0 session "SELECT t.claim(1, 1, 9); $barred SELECT t.finish(1, 5001, 1, 'ok'); SELECT t.claim(1, 2, 2);"
	sql "SELECT jobctl.limit_project('default', NULL)"
	[[ $output == $'5001\nf\n'*$'\n5002' ]]
	let_go
}

@test "what a session remembers is of one queue and one choice of kinds" {
	crowd
	sql "INSERT INTO jobctl.jobs (id, kind, seq) VALUES (t.j(1), 'b', 1)"
	run -0 session "SELECT t.claim(1, 1, 2, kinds => '{a}'); SELECT t.claim(1, 2, 1); SELECT t.claim(1, 3, 1, kinds => '{a,b}');"
	[ "$output" = $'5001,5002\n1\n5003' ]
	let_go
}
