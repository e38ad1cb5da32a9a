#!/usr/bin/env bats
# What is taken ahead: the claim alone says whose it is, the row says pending.

bats_require_minimum_version 1.5.0
load queue

rows() {	# what the jobs' rows say: STATUS ATTEMPT, a line each
	sql "SELECT t.n(id) || ' ' || status || ' ' || attempt FROM jobctl.jobs ORDER BY id"
}

claims() {	# AHEAD UNFINISHED IDS, a line each
	sql "SELECT ahead, unfinished, (SELECT string_agg(t.n(i.id)::text, ',' ORDER BY i.id) FROM unnest(ids) AS i(id))
		FROM jobctl.claims ORDER BY token, queue, ahead"
}

@test "it is nobody else's, and ends as what runs does" {
	jobs 3
	sql 'SELECT t.worker(n) FROM generate_series(1, 2) n' >/dev/null
	is '1,2' 'SELECT t.ahead(1, 1, 2)'
	[ "$(rows)" = $'1 pending 0\n2 pending 0\n3 pending 0' ]
	is '3' 'SELECT t.claim(2, 2, 5)'
	is '' 'SELECT t.claim(2, 3, 5)'
	is '' 'SELECT t.ahead(2, 4, 5)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	[ "$(claims)" = $'t|1|1,2\nf|1|3' ]
	is 'repeated' 'SELECT t.finish(1, 1, 1)'
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	[ "$(claims)" = 'f|1|3' ]
	is $'1|ok|completed|t|t|t|host1|0.5\n1|ok|completed|t|t|t|host1|0.5' "SELECT attempt, outcome, status, token = t.k(1),
		worker_id = t.w(1), started_at BETWEEN created_at AND completed_at, worker_host, cpu_s FROM jobctl.finished_jobs"
}

@test "what a claim tells of it, and tells again" {
	local told

	sql "SELECT jobctl.submit('work', '{\"n\": 1}', id => t.j(1), timeout => '5 s')" >/dev/null
	sql 'SELECT t.worker(1)'
	told=$(sql 'SELECT * FROM jobctl.claim(t.k(1), t.w(1), NULL, 5, NULL, true)')
	[ "$told" = '00000000-0000-7000-8000-000000000001|default|default|work|{"n": 1}|1|3|5000||(0,1)' ]
	[ "$(sql 'SELECT * FROM jobctl.claim(t.k(1), t.w(1), NULL, 5, NULL, true)')" = "$told" ]
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '1 s'"
	is '' "SELECT t.beat(1, '{1}', '{1}')"
	[ "$(sql 'SELECT * FROM jobctl.claim(t.k(1), t.w(1), NULL, 5, NULL, true)')" = "${told%(*}" ]
}

@test "it can fail, be put off, and be cancelled" {
	jobs 4
	sql 'SELECT t.worker(1), t.ahead(1, 1, 4)' >/dev/null
	is 'accepted pending' "SELECT t.finish(1, 1, 1, 'exit', NULL, 3)"
	is 'accepted pending' "SELECT t.finish(1, 2, 1, 'tempfail', NULL, 75)"
	is 'accepted failed' "SELECT t.finish(1, 3, 1, 'permanent', 'no')"
	is 'accepted cancelled' "SELECT t.finish(1, 4, 1, 'cancelled')"
	[ "$(rows)" = $'1 pending 1\n2 pending 0' ]
	is $'1|exit|1|t\n2|tempfail|1|t' 'SELECT t.n(job_id), outcome, attempt, token = t.k(1) FROM jobctl.job_attempts ORDER BY 1'
	is $'3|failed|no|1\n4|cancelled|cancelled|1' 'SELECT t.n(id), status, error_message, attempt FROM jobctl.finished_jobs ORDER BY 1'
	is '0' 'SELECT count(*) FROM jobctl.claims'
	sql 'SELECT t.fall_due(1), t.fall_due(2)'
	is '1,2' 'SELECT t.ahead(1, 2, 5)'
}

@test "some of a call are taken ahead, some run, some are not its own" {
	jobs 5
	sql 'SELECT t.worker(n) FROM generate_series(1, 2) n' >/dev/null
	sql 'SELECT t.ahead(1, 1, 2), t.claim(1, 2, 1), t.ahead(2, 3, 1)' >/dev/null
	is $'1 accepted completed\n2 accepted pending\n3 accepted completed\n4 superseded \n5 superseded ' \
		"SELECT t.n(f.id) || ' ' || f.verdict || ' ' || coalesce(f.status, '') FROM jobctl.finish(t.w(1),
			t.jj(1, 2, 3, 4, 5, 1), t.kk(1, 1, 2, 3, 1, 1), '{ok,exit,ok,ok,ok,ok}', '{0,1,0,0,0,0}',
			array_fill(NULL::integer, '{6}'), array_fill(NULL::text, '{6}'), array_fill(NULL::jsonb, '{6}'),
			array_fill(NULL::double precision, '{6}'), array_fill(NULL::bigint, '{6}'),
			ARRAY(SELECT j.ctid FROM unnest(t.jj(1, 2, 3, 4, 5, 1)) WITH ORDINALITY u(id, n) JOIN jobctl.jobs j USING (id) ORDER BY n)) f ORDER BY 1"
	[ "$(claims)" = 't|1|4' ]
}

@test "it can report and write before anything says that it runs" {
	jobs 2
	sql 'SELECT t.worker(1), t.ahead(1, 1, 2)' >/dev/null
	sql "SELECT t.report(1, 1, 1, 5, 10, 'half'), t.output(1, 1, 1, 1, 'hello'), t.output(1, 1, 1, 1, 'hello')" >/dev/null
	sql "SELECT t.report(1, 2, 9, 5), t.output(1, 2, 9, 1, 'hello')" >/dev/null	# not its token
	is '1|5|10|half' 'SELECT t.n(job_id), done, total, message FROM jobctl.job_progress'
	is '1|1|hello' "SELECT t.n(job_id), attempt, convert_from(data, 'UTF8') FROM jobctl.job_output"
	[ "$(rows)" = $'1 running 1\n2 pending 0' ]
	is 'accepted|completed' "SELECT verdict, status FROM jobctl.finish(t.w(1), t.jj(1), t.kk(1), '{ok}', '{0}', '{NULL}', '{NULL}',
		ARRAY[NULL::jsonb], '{1}', '{1}', '{\"(0,1)\"}')"
	is '5|10|half' 'SELECT progress_done, progress_total, message FROM jobctl.finished_jobs'
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
}

@test "what reported in an earlier attempt is told no place, and keeps what it reported" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 1)' >/dev/null
	sql "SELECT t.report(1, 1, 1, 5, 10, 'half'), t.give_back(1, 1, 1)" >/dev/null
	sql 'VACUUM jobctl.jobs'
	is $'1|\n2|(0,2)' 'SELECT t.n(id), place FROM jobctl.claim(t.k(2), t.w(1), NULL, 5, NULL, true)'
	is $'1|\n2|(0,2)' 'SELECT t.n(id), place FROM jobctl.claim(t.k(2), t.w(1), NULL, 5, NULL, true)'
	[ "$(claims)" = 't|2|1,2' ]
	is $'1|accepted|completed\n2|accepted|completed' "SELECT t.n(f.id), f.verdict, f.status FROM jobctl.finish(t.w(1), t.jj(1, 2),
		t.kk(2, 2), '{ok,ok}', '{0,0}', '{NULL,NULL}', '{NULL,NULL}', array_fill(NULL::jsonb, '{2}'), '{1,1}', '{1,1}',
		ARRAY[NULL, '(0,2)']::tid[]) f ORDER BY 1"
	is $'1|5|10|half\n2|||' 'SELECT t.n(id), progress_done, progress_total, message FROM jobctl.finished_jobs ORDER BY id'
	is 0 'SELECT count(*) FROM jobctl.job_progress'
}

@test "a heartbeat writes it down after a second" {
	jobs 3
	sql 'SELECT t.worker(1), t.ahead(1, 1, 3)' >/dev/null
	is '' "SELECT t.beat(1, '{1,2,3}', '{1,1,1}')"
	[ "$(claims)" = 't|3|1,2,3' ]
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	is '1 superseded' "SELECT t.beat(1, '{1,2,3}', '{1,1,1}')"
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '1 s'"
	is '' "SELECT t.beat(1, '{2,3}', '{1,1}')"
	[ "$(claims)" = 'f|2|2,3' ]
	[ "$(rows)" = $'2 running 1\n3 running 1' ]
	is t 'SELECT bool_and(j.started_at = c.claimed_at) FROM jobctl.jobs j, jobctl.claims c'
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	# a lease ago, and nobody names it: the claim's answer was lost
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '2 h'"
	is '' 'SELECT t.beat(1)'
	[ "$(rows)" = '3 pending 0' ]
}

@test "whoever changes it finds it running" {
	jobs 4 "unique_key => 'u' || n"
	sql 'SELECT t.worker(1), t.ahead(1, 1, 4)' >/dev/null
	is '1 running running' 'SELECT t.cancel(1)'
	is '2|running|running' 'SELECT t.n(id), was, status FROM jobctl.hold(t.jj(2))'
	is '3|running|running' "SELECT t.n(id), was, status FROM jobctl.retry(t.jj(3), run_in => '1 h')"
	refuses JC075 "SELECT jobctl.submit('work', unique_key => 'u4', on_conflict => 'replace')" 'is running'
	[ "$(rows)" = $'1 running 1\n2 running 1\n3 running 1\n4 pending 0' ]	# a statement that failed changed nothing
	is '1 cancel' "SELECT t.beat(1, '{1,2,3,4}', '{1,1,1,1}')"
	is 'accepted cancelled' "SELECT t.finish(1, 1, 1, 'exit', NULL, 1)"
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	is 'accepted completed' 'SELECT t.finish(1, 3, 1)'
	is 'accepted completed' 'SELECT t.finish(1, 4, 1)'
}

@test "nobody takes it by hand" {
	jobs 1
	sql 'SELECT t.worker(1), t.ahead(1, 1)' >/dev/null
	refuses 23514 "SELECT jobctl.run_by_hand(t.j(1), 'pending', 'running')" ck_job_transition
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
}

@test "it goes back" {
	jobs 3
	sql 'SELECT t.worker(n) FROM generate_series(1, 2) n' >/dev/null
	sql 'SELECT t.ahead(1, 1, 3)' >/dev/null
	is 'accepted' 'SELECT t.give_back(1, 2, 1)'
	is 'superseded' 'SELECT t.give_back(2, 1, 1)'
	[ "$(claims)" = 't|2|1,3' ]
	[ "$(rows)" = $'1 pending 0\n2 pending 0\n3 pending 0' ]
	is '2' 'SELECT t.ahead(2, 2, 5)'
	is 'superseded' 'SELECT t.finish(1, 2, 1)'
	is 'accepted completed' 'SELECT t.finish(2, 2, 2)'
	is f 'SELECT jobctl.unregister_worker(t.w(1))'
}

@test "a dead worker loses it" {
	jobs 3
	sql 'SELECT t.worker(n) FROM generate_series(1, 2) n' >/dev/null
	sql 'SELECT t.ahead(1, 1, 3)' >/dev/null
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	is $'2|pending\n3|pending' "SELECT t.n(id), status FROM jobctl.reap(ARRAY[t.w(1)], 'gone', true) ORDER BY 1"
	[ "$(claims)" = 't|2|1,2,3' ]
	is $'2|pending\n3|pending' "SELECT t.n(id), status FROM jobctl.reap(ARRAY[t.w(1)], 'gone', false, t.jj(2)) ORDER BY 1"
	is $'2|1|0\n3|0|0' 'SELECT t.n(id), crashes, attempt FROM jobctl.jobs ORDER BY 1'
	is '2|1' 'SELECT t.n(job_id), attempt FROM jobctl.job_attempts'
	is '1' 'SELECT count(*) FROM jobctl.workers'
	is '3,2' 'SELECT t.ahead(2, 2, 5)'
	is 'superseded' 'SELECT t.finish(1, 2, 1)'
}

@test "one that ended and is retried is not its claim's any more" {
	jobs 3
	sql 'SELECT t.worker(n) FROM generate_series(1, 2) n' >/dev/null
	sql 'SELECT t.ahead(1, 1, 2)' >/dev/null
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	is '1|completed|pending' 'SELECT t.n(id), was, status FROM jobctl.retry(t.jj(1))'
	[ "$(claims)" = 't|1|2' ]
	is '3,1' 'SELECT t.ahead(2, 2, 5)'
	is 'repeated' 'SELECT t.finish(1, 1, 1)'
	is 'accepted completed' 'SELECT t.finish(2, 1, 2)'
}

@test "one whose row was changed by hand, or is said to be elsewhere, is found" {
	jobs 3
	sql 'SELECT t.worker(1), t.ahead(1, 1, 3)' >/dev/null
	sql 'UPDATE jobctl.jobs SET priority = 7 WHERE id = t.j(1)'
	is $'1|accepted|completed\n2|accepted|completed\n3|accepted|completed' "SELECT t.n(f.id), f.verdict, f.status FROM jobctl.finish(t.w(1),
		t.jj(1, 2, 3), t.kk(1, 1, 1), '{ok,ok,ok}', '{0,0,0}', '{0,0,0}', '{NULL,NULL,NULL}', array_fill(NULL::jsonb, '{3}'),
		'{1,1,1}', '{1,1,1}', ARRAY['(0,1)', '(0,3)', NULL]::tid[]) f ORDER BY 1"
	is '7|1' 'SELECT priority, attempt FROM jobctl.finished_jobs WHERE id = t.j(1)'
}

@test "nobody is waited for" {
	jobs 2
	sql 'SELECT t.worker(1), t.ahead(1, 1, 2)' >/dev/null
	start psql -Xq -c 'BEGIN; SELECT FROM jobctl.jobs WHERE id = t.j(1) FOR UPDATE' -c 'SELECT pg_sleep(600)'
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"
	is 'busy' 'SELECT t.finish(1, 1, 1)'
	is 'accepted completed' 'SELECT t.finish(1, 2, 1)'
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '1 s'"
	is '' "SELECT t.beat(1, '{1}', '{1}')"
	[ "$(claims)" = 't|1|1,2' ]
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"
	eventually 10 prints 'accepted completed' sql 'SELECT t.finish(1, 1, 1)'
}

@test "where running jobs are counted they say that they run" {
	jobs 2
	sql "SELECT t.worker(1); SELECT jobctl.limit_queue('default', 1)"
	is '1' 'SELECT t.ahead(1, 1, 2)'
	[ "$(claims)" = 'f|1|1' ]
	[ "$(rows)" = $'1 running 1\n2 pending 0' ]
	sql "SELECT jobctl.limit_queue('default', NULL); SELECT jobctl.limit_project('default', 1)"
	is '' 'SELECT t.ahead(1, 2, 2)'
	sql "SELECT jobctl.limit_project('default', 2)"
	is '2' 'SELECT t.ahead(1, 3, 2)'
	[ "$(rows)" = $'1 running 1\n2 running 1' ]
	sql "SELECT jobctl.limit_project('default', NULL)"
}

@test "a limit that comes later counts it" {
	jobs 3
	sql 'SELECT t.worker(1), t.ahead(1, 1, 2)' >/dev/null
	sql "SELECT jobctl.limit_queue('default', 2)"
	is '' 'SELECT t.claim(1, 2)'
	sql "SELECT jobctl.limit_queue('default', NULL); SELECT jobctl.limit_project('default', 2)"
	is '' 'SELECT t.claim(1, 3)'
	is 'accepted completed' 'SELECT t.finish(1, 1, 1)'
	is '3' 'SELECT t.claim(1, 4, 5)'
	sql "SELECT jobctl.limit_project('default', NULL)"
}

@test "it is counted once, as ready" {
	jobs 3
	sql 'SELECT t.worker(1), t.ahead(1, 1, 2), t.claim(1, 2)' >/dev/null
	is '2|1' "SELECT ready, running FROM jobctl.queue WHERE queue = 'default'"
	is $'pending|2\nrunning|1' 'SELECT status, sum(n) FROM jobctl.live_counts() GROUP BY 1 ORDER BY 1'
}

@test "a claim whose jobs are gone goes" {
	jobs 3
	sql 'SELECT t.worker(1), t.ahead(1, 1, 1), t.ahead(1, 2, 1)' >/dev/null
	sql 'DELETE FROM jobctl.jobs WHERE id = t.j(1)'
	sql "UPDATE jobctl.claims SET claimed_at = now() - interval '11 min'"
	sql 'SELECT jobctl.maintain()' >/dev/null
	[ "$(claims)" = 't|1|2' ]
}

@test "queues named in another order do not deadlock" {
	local n pids=()

	sql "SELECT jobctl.submit('a', queue => q) FROM generate_series(1, 200), unnest('{a,b,c}'::text[]) q" >/dev/null
	sql 'SELECT t.worker(n) FROM generate_series(1, 4) n' >/dev/null
	for n in '1 a,b,c' '2 c,b,a' '3 b,a,c' '4 c,a,b'; do
		psql -XAtqc "DO \$\$ DECLARE j uuid[]; BEGIN FOR i IN 1..60 LOOP
			SELECT array_agg(id) INTO j FROM jobctl.claim(t.k(${n%% *} * 1000 + i), t.w(${n%% *}), '{${n#* }}', 250, NULL, true);
			CONTINUE WHEN j IS NULL;
			PERFORM jobctl.give_back(t.w(${n%% *}), j, array_fill(t.k(${n%% *} * 1000 + i), ARRAY[cardinality(j)]));
			COMMIT; END LOOP; END \$\$" >>"$BATS_TEST_TMPDIR/err" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat "$BATS_TEST_TMPDIR/err"
	echo "$output"
	[ -z "$output" ]
	is 600 "SELECT count(*) FROM jobctl.jobs WHERE status = 'pending' AND attempt = 0"
}

@test "a claim that is cut short keeps nobody from claiming" {
	jobs 2
	sql 'SELECT t.worker(1)'
	start psql -Xq -c 'BEGIN; ALTER SEQUENCE jobctl.claim_mark CACHE 1' -c 'SELECT pg_sleep(600)'	# it is waited for while looking
	eventually 10 prints 1 sql "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"
	psql -XAtq >"$BATS_TEST_TMPDIR/out" 2>&1 <<-'SQL'
		SET statement_timeout = '200ms';
		SELECT t.ahead(1, 1, 2);
		SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
	SQL
	run -0 cat "$BATS_TEST_TMPDIR/out"
	[[ $output == *'canceling statement due to statement timeout'* && $output == *$'\n0' ]]
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"
	is '1,2' 'SELECT t.ahead(1, 2, 2)'
}

@test "who claims one at a time finds one, whoever takes many" {
	local n pids=()

	jobs 8000
	sql 'SELECT t.worker(n) FROM generate_series(1, 4) n' >/dev/null
	for n in '1 40 true' '2 40 true' '3 1 false' '4 1 false'; do
		# shellcheck disable=SC2086
		set -- $n
		psql -XAtqc "DO \$\$ BEGIN FOR i IN 1..75 LOOP
			RAISE INFO '$1 %', (SELECT count(*) FROM jobctl.claim(t.k($1 * 1000 + i), t.w($1), NULL, $2, NULL, $3));
			COMMIT; END LOOP; END \$\$" >>"$BATS_TEST_TMPDIR/err" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 sort "$BATS_TEST_TMPDIR/err"
	output=$(uniq -c <<<"$output" | sed 's/^ *//')
	echo "$output"
	[ "$output" = $'75 INFO:  1 40\n75 INFO:  2 40\n75 INFO:  3 1\n75 INFO:  4 1' ]
}

# Big claims and small ones at once, ends meanwhile, and some given back: each job is
# run once at a time, and none is forgotten.
@test "eight claim at once, and none has what another has" {
	local n pids=()

	jobs 3000
	sql 'SELECT t.worker(n) FROM generate_series(1, 8) n' >/dev/null
	cat >"$BATS_TEST_TMPDIR/work.sql" <<-'SQL'
		CREATE TABLE t.has (id uuid PRIMARY KEY, w integer);
		CREATE PROCEDURE t.take(w integer) LANGUAGE plpgsql AS $$
		DECLARE
		    v uuid[];
		    p tid[];
		    n integer;
		    i integer := 0;
		    idle integer := 0;
		BEGIN
		    WHILE idle < 20 LOOP
		        i := i + 1;
		        SELECT array_agg(c.id), array_agg(c.place) INTO v, p
		        FROM jobctl.claim(t.k(w * 10000 + i), t.w(w), NULL, CASE WHEN i % 4 = 0 THEN 3 ELSE 40 END, NULL, i % 4 <> 0) c;
		        idle := CASE WHEN v IS NULL THEN idle + 1 ELSE 0 END;
		        INSERT INTO t.has SELECT u.id, w FROM unnest(v) AS u(id);
		        COMMIT;
		        CONTINUE WHEN v IS NULL;
		        n := cardinality(v);
		        DELETE FROM t.has h WHERE h.id = ANY (v);
		        IF i % 10 = 9 THEN
		            PERFORM jobctl.give_back(t.w(w), v[1:2], ARRAY[t.k(w * 10000 + i), t.k(w * 10000 + i)]);
		            v := v[3:];
		            p := p[3:];
		            n := cardinality(v);
		        END IF;
		        COMMIT;
		        WHILE n > 0 LOOP
		            SELECT array_agg(u.id), array_agg(u.place) INTO v, p
		            FROM unnest(v, p) AS u(id, place)
		            WHERE u.id IN (SELECT f.id FROM jobctl.finish(t.w(w), v, array_fill(t.k(w * 10000 + i), ARRAY[n]),
		                               array_fill('ok'::text, ARRAY[n]), array_fill(0, ARRAY[n]), array_fill(NULL::integer, ARRAY[n]),
		                               array_fill(NULL::text, ARRAY[n]), array_fill(NULL::jsonb, ARRAY[n]),
		                               array_fill(NULL::double precision, ARRAY[n]), array_fill(NULL::bigint, ARRAY[n]), p) f
		                           WHERE f.verdict = 'busy');
		            COMMIT;
		            n := coalesce(cardinality(v), 0);
		        END LOOP;
		    END LOOP;
		END
		$$;
	SQL
	psql -Xqf "$BATS_TEST_TMPDIR/work.sql"
	for n in {1..8}; do
		psql -XAtqc "CALL t.take($n)" >>"$BATS_TEST_TMPDIR/err" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat "$BATS_TEST_TMPDIR/err"
	echo "$output"
	[ -z "$output" ]
	is '0|0|0' 'SELECT (SELECT count(*) FROM jobctl.jobs), (SELECT count(*) FROM jobctl.claims), (SELECT count(*) FROM t.has)'
	is '3000|3000' 'SELECT count(*), count(DISTINCT id) FROM jobctl.finished_jobs'
}
