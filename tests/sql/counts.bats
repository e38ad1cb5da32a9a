#!/usr/bin/env bats
# What ended is counted, once each, whatever else is going on.

bats_require_minimum_version 1.5.0
load queue

# Ends N minutes ago: what is written is as if it had been then.
minutes_ago() {	# N; all that ended
	sql "UPDATE jobctl.finished_jobs SET started_at = started_at - interval '$1 min', completed_at = completed_at - interval '$1 min';
		UPDATE jobctl.counted SET counted_at = '-infinity', counted_until = date_trunc('minute', now()) - interval '$1 min' - interval '1 min'"
}

ran() {	# SECONDS; the finished jobs
	sql "UPDATE jobctl.finished_jobs SET started_at = completed_at - interval '$1 s' WHERE started_at IS NOT NULL"
}

@test "every end is in job_count at once, and as an attempt that was not the last" {
	jobs 4 "backoff => 'constant:0s'"
	sql 'SELECT t.worker(1), t.claim(1, 1, 3)'
	sql "SELECT t.finish(1, 1, 1), t.finish(1, 2, 1, 'exit', 'boom', 3), t.give_back(1, 3, 1, 'stopped'), t.cancel(4)"
	is $'cancelled|cancelled|t|1\ncompleted|ok|f|1\nretried|exit|f|1\nretried|interrupted|f|1' \
		'SELECT status, outcome, bucket IS NULL, sum(n) FROM jobctl.job_count GROUP BY 1, 2, 3 ORDER BY 1, 2'
	is 'default|default|work' 'SELECT DISTINCT project, queue, kind FROM jobctl.job_count'
}

@test "counting changes no sum" {
	jobs 3
	sql 'SELECT t.worker(1), t.claim(1, 1, 2), t.finish(1, 1, 1), t.cancel(3)'
	minutes_ago 3
	sql "SELECT t.finish(1, 2, 1); UPDATE jobctl.finished_jobs SET completed_at = completed_at + interval '1 hour' WHERE id = t.j(2)"
	is 3 'SELECT sum(n) FROM jobctl.job_count'
	sql 'SELECT jobctl.maintain()'
	is 2 'SELECT sum(n) FROM jobctl.job_counts'
	is 3 'SELECT sum(n) FROM jobctl.job_count'
	sql 'SELECT jobctl.maintain()'
	is 3 'SELECT sum(n) FROM jobctl.job_count'
	is t "SELECT at = date_trunc('minute', at) FROM jobctl.job_counts LIMIT 1"
}

@test "an end that is not committed yet is waited for" {
	jobs 2
	sql 'SELECT t.worker(1), t.claim(1, 1, 2), t.finish(1, 1, 1)'
	minutes_ago 2
	hold_open 'SELECT t.finish(1, 2, 1)'
	eventually 10 is t "SELECT xact_start < now() - interval '1.5 s' FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'held'"
	sql 'SELECT jobctl.maintain()'
	is 1 'SELECT sum(n) FROM jobctl.job_counts'
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 is 2 'SELECT sum(n) FROM jobctl.job_count'
}

# Counting looks at who has the lock, and then only at what was dated before.
@test "an end is dated when nobody who counts can miss it any more" {
	local statement was

	patient
	for statement in 't.finish(1, 1, 1)' "t.finish(1, 2, 1, 'exit')" 't.cancel(3)'; do
		sql 'CALL t.clear()'
		jobs 3
		sql 'SELECT t.worker(1), t.claim(1, 1, 2)'
		hold_open 'LOCK TABLE ONLY jobctl.finished_jobs, ONLY jobctl.job_attempts IN SHARE MODE'
		start psql -XAtqc "SET deadlock_timeout = '1h'; SELECT $statement"
		eventually 10 is 1 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
		was=$(sql 'SELECT clock_timestamp()')
		let_go
		eventually 10 is t "SELECT max(at) > '$was' FROM (SELECT completed_at AS at FROM jobctl.finished_jobs
			UNION ALL SELECT ended_at FROM jobctl.job_attempts) e"
	done
}

@test "two that count at once count once, and do not wait" {
	jobs 1
	sql 'SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1)'
	minutes_ago 2
	hold_open 'SELECT jobctl.maintain()'
	sql "SET statement_timeout = '5s'; SELECT jobctl.maintain()"
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 is 1 'SELECT sum(n) FROM jobctl.job_counts'
	is 1 'SELECT sum(n) FROM jobctl.job_count'
}

# Whether there is more to be counted, t or f; as if it had not been done just now.
counts_on() {
	sql "UPDATE jobctl.counted SET counted_at = '-infinity'"
	is "$1" 'SELECT behind FROM jobctl.maintain()'
}

# N ends, five of each moment, within some minutes that were all counted before.
ends() {	# N
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, started_at, priority, attempt, max_attempts,
			crashes, spent, status, outcome, project_id, queue, kind, created_by, args)
		SELECT jobctl.new_id(), e.at, e.at, e.at, e.at, 0, 1, 1, 0, 0, 'completed', 'ok', 'default', 'q', 'k', 'me', '{}'
		FROM (SELECT date_trunc('minute', now()) - interval '6 min' + (n / 5) * interval '20 ms' AS at
		      FROM generate_series(0, $1 - 1) n) e;
		UPDATE jobctl.counted SET counted_at = '-infinity', counted_until = now() - interval '1 hour'"
}

@test "many ends are counted by and by, and no sum changes meanwhile" {
	ends 25000
	counts_on t
	is 10000 'SELECT sum(n) FROM jobctl.job_counts'
	is 25000 'SELECT sum(n) FROM jobctl.job_count'
	counts_on t
	is 25000 'SELECT sum(n) FROM jobctl.job_count'
	counts_on f
	is 25000 'SELECT sum(n) FROM jobctl.job_counts'
	is 25000 'SELECT sum(n) FROM jobctl.job_count'
	# a minute that was counted in two parts is one
	is 2 'SELECT count(*) FROM jobctl.job_counts'
	is 25000 'SELECT n FROM jobctl.kind_times'
}

@test "many workers count no more than one would: ten times a second at most" {
	ends 50000
	sql "DO \$\$ DECLARE began timestamptz := clock_timestamp(); BEGIN
		FOR i IN 1 .. 30 LOOP
			PERFORM jobctl.maintain();
		END LOOP;
		ASSERT (SELECT sum(n) FROM jobctl.job_counts) BETWEEN 10000
			AND 10000 * (1 + 10 * extract(epoch FROM clock_timestamp() - began));
	END \$\$"
}

# More than one slice of the same moment: cancelled together, say.
@test "ends of one moment are counted together, however many" {
	sql "SELECT jobctl.submit('work', id => t.j(n), hold => true) FROM generate_series(1, 10010) n" >/dev/null
	sql 'SELECT jobctl.cancel(array_agg(id)) FROM jobctl.jobs' >/dev/null
	sql "UPDATE jobctl.finished_jobs SET completed_at = now() - interval '5 min';
		UPDATE jobctl.counted SET counted_at = '-infinity', counted_until = now() - interval '1 hour'"
	counts_on t
	is 10010 'SELECT sum(n) FROM jobctl.job_counts'
	counts_on f
	is 10010 'SELECT sum(n) FROM jobctl.job_count'
}

# A job that failed, was retried and failed again is in both tables, with all else alike.
@test "an end that is history and one that is an earlier attempt can be of the same minute" {
	jobs 1 "max_attempts => 1"
	sql 'SELECT t.worker(1), t.claim(1, 1)'
	sql "SELECT t.finish(1, 1, 1, 'exit', 'boom', 3)"
	sql 'SELECT count(*) FROM jobctl.retry(ARRAY[t.j(1)])'
	sql 'SELECT t.claim(1, 2)'
	sql "SELECT t.finish(1, 1, 2, 'exit', 'boom', 3)"
	sql "UPDATE jobctl.finished_jobs f SET completed_at = a.ended_at, started_at = a.started_at FROM jobctl.job_attempts a;
		UPDATE jobctl.job_attempts SET started_at = started_at - interval '2 min', ended_at = ended_at - interval '2 min'"
	minutes_ago 2
	is 2 'SELECT sum(n) FROM jobctl.job_count'
	sql 'SELECT jobctl.maintain()'
	is 'failed|2' 'SELECT status, n FROM jobctl.job_counts'
}

@test "buckets are a quarter of a doubling, and their ends belong to them" {
	is '-40|-40|-8|-7|0|1|4|5|96' "SELECT string_agg(jobctl.run_bucket(now(), now() + make_interval(secs => s))::text, '|' ORDER BY s)
		FROM unnest('{0, 0.0009, 0.25, 0.2501, 1, 1.0001, 2, 2.0001, 1e9}'::float[]) s"
	is '' 'SELECT jobctl.run_bucket(NULL, now())'
}

@test "how long a kind takes, from those that completed" {
	jobs 20
	sql 'SELECT t.worker(1), t.claim(1, 1, 20)'
	sql "SELECT t.finish(1, n, 1) FROM generate_series(1, 19) n"
	ran 10
	sql "SELECT t.finish(1, 20, 1, 'permanent')"
	minutes_ago 2
	sql 'SELECT jobctl.maintain()'
	is 'default|work|19|t|t' "SELECT project, kind, n, p50_s BETWEEN 9 AND 11, p95_s BETWEEN 9 AND 11 FROM jobctl.kind_times"
	jobs_more
	is '39|t|t' "SELECT n, p50_s BETWEEN 90 AND 110, p95_s BETWEEN 90 AND 110 FROM jobctl.kind_times"
}

jobs_more() {
	sql "TRUNCATE jobctl.finished_jobs"
	sql "SELECT jobctl.submit('work', id => t.j(n)) FROM generate_series(21, 40) n"
	sql "SELECT t.claim(1, 2, 20)"
	sql "SELECT t.finish(1, n, 2) FROM generate_series(21, 40) n"
	ran 100
	minutes_ago 2
	sql 'SELECT jobctl.maintain()'
}

@test "what is old is kept by the hour, then as one, and no sum changes" {
	sql "INSERT INTO jobctl.job_counts (at, n, run_s, bucket, project_id, queue, kind, status, outcome)
		SELECT date_trunc('minute', now()) - m * interval '1 min', 1, 2, 4, 'default', 'q', 'k', 'completed', 'ok'
		FROM generate_series(0, 50 * 24 * 60, 7) m"
	sql "UPDATE jobctl.counted SET counted_at = '-infinity', counted_until = date_trunc('day', now()) - interval '1 day'"
	local was
	was=$(sql 'SELECT sum(n), sum(run_s) FROM jobctl.job_count')
	sql 'SELECT jobctl.maintain()'
	is "$was" 'SELECT sum(n), sum(run_s) FROM jobctl.job_count'
	is 1 "SELECT count(*) FROM jobctl.job_counts WHERE at = '-infinity'"
	is 0 "SELECT count(*) FROM jobctl.job_counts WHERE at > '-infinity' AND at < now() - interval '33 days'"
	is 0 "SELECT count(*) FROM jobctl.job_counts WHERE at > '-infinity' AND at < now() - interval '26 hours' AND at <> date_trunc('hour', at)"
	is t "SELECT count(*) > 100 FROM jobctl.job_counts WHERE at > now() - interval '23 hours'"
}

@test "one project's members do not see another's counts" {
	role_login counts_reader jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('theirs', 'pg_database_owner')"
	sql "SELECT jobctl.submit('work', id => t.j(1)), jobctl.submit('work', id => t.j(2), project => 'theirs')"
	sql 'SELECT t.cancel(1, 2)'
	[ "$(sql_as counts_reader 'SELECT DISTINCT project FROM jobctl.job_count')" = default ]
	minutes_ago 2
	sql 'SELECT jobctl.maintain()'
	is 2 'SELECT sum(n) FROM jobctl.job_counts'
	[ "$(sql_as counts_reader 'SELECT DISTINCT project FROM jobctl.job_count')" = default ]
}

@test "only what is not counted yet is read of the finished jobs" {
	sql "SELECT jobctl.submit('work', id => t.j(n), hold => true) FROM generate_series(1, 3000) n" >/dev/null
	sql 'SELECT jobctl.cancel(array_agg(id)) FROM jobctl.jobs' >/dev/null
	minutes_ago 2
	sql 'SELECT jobctl.maintain()'
	run -0 sql 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT sum(n) FROM jobctl.job_count'
	[[ $output == *'completed_at_idx'*' on finished_jobs_2'*'(actual rows=0 loops=1)'* ]]
	run -1 grep 'Seq Scan on finished_jobs.*actual rows=[1-9]' <<<"$output"
}
