#!/usr/bin/env bats
# Partitions are made ahead, whoever comes by, and retention drops them.

bats_require_minimum_version 1.5.0
load queue

# The server's database for all files may be older than this Monday, and no Monday is to
# begin in the middle of a test.
setup() {
	eventually 40 is t "SELECT date_trunc('week', now() AT TIME ZONE 'UTC')
		= date_trunc('week', now() AT TIME ZONE 'UTC' + $((SUITE_SLOW * 20)) * interval '1 s')"
	sql 'CALL t.clear(); SELECT jobctl.ensure_partitions()'
	beyond '<' 0
}

week() {	# N: YYYYMMDD of the Monday N weeks from now
	sql "SELECT to_char(date_trunc('week', now() AT TIME ZONE 'UTC') + $1 * interval '1 week', 'YYYYMMDD')"
}

attached() {	# TABLE: how many partitions it has
	sql "SELECT count(*) FROM pg_inherits WHERE inhparent = 'jobctl.$1'::regclass"
}

# Without the partitions of the weeks before or after that one.
beyond() {	# < | > N
	psql -XAtqv ON_ERROR_STOP=1 <<-SQL
		SELECT format('DROP TABLE %s', oid::regclass) FROM pg_class WHERE relispartition AND relkind = 'r'
		AND relname ~ '_[0-9]{8}$' AND right(relname, 8) $1 '$(week "$2")' \gexec
	SQL
}

# Weeks 1 to 4 as they would be had nobody come by.
forget() {
	local t n

	for t in finished_jobs job_attempts job_output; do
		for n in 1 2 3 4; do
			sql "DROP TABLE IF EXISTS jobctl.${t}_$(week $n)"
		done
	done 2>/dev/null
}

@test "this week and four more exist from the start, and making them again does nothing" {
	local t n

	empty_database start
	jobctl-migrate -Q up
	for t in finished_jobs job_attempts job_output; do
		[ "$(attached $t)" = 6 ]
		for n in 0 1 2 3 4; do
			is t "SELECT to_regclass('jobctl.${t}_$(week $n)') IS NOT NULL"
		done
	done
	is 0 'SELECT jobctl.ensure_partitions()'
	use_database "$(file_database)"
	drop_database start
}

@test "their bounds are Mondays, UTC, whatever the session's settings" {
	forget
	PGOPTIONS="-c timezone=Asia/Kolkata -c datestyle=postgres,dmy" sql 'SELECT jobctl.ensure_partitions()'
	is t "SELECT bool_and(pg_get_expr(relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)',
			to_char(m, 'YYYY-MM-DD HH24:MI:SS+00'), to_char(m + interval '1 week', 'YYYY-MM-DD HH24:MI:SS+00')))
		FROM pg_class c, LATERAL (SELECT to_date(right(relname, 8), 'YYYYMMDD')::timestamp AS m) x
		WHERE relispartition AND relkind = 'r' AND relname ~ '^(finished_jobs|job_attempts|job_output)_[0-9]{8}\$'"
}

@test "maintain() makes them when two weeks ahead are missing" {
	forget
	sql 'SELECT jobctl.maintain()'
	[ "$(attached finished_jobs)" = 6 ]
	[ "$(attached job_output)" = 6 ]
}

@test "what fell into the default partition moves to its own, whatever week that is" {
	forget
	sql "INSERT INTO jobctl.finished_jobs (id, completed_at, created_at, run_at, priority, attempt, max_attempts, crashes, status,
			outcome, project_id, queue, kind, created_by, args)
		SELECT t.j(n + 10), now() + n * interval '1 week', now(), now(), 0, 1, 1, 0, 'completed', 'ok', 'default', 'default', 'a', 'me', '{}'
		FROM generate_series(-9, 9) n WHERE n NOT IN (-4, 7)"
	is 16 'SELECT count(*) FROM ONLY jobctl.finished_jobs_default'
	is 24 'SELECT jobctl.ensure_partitions()'
	is 0 'SELECT count(*) FROM ONLY jobctl.finished_jobs_default'
	is 17 'SELECT count(DISTINCT id) FROM jobctl.finished_jobs'
	is t "SELECT tableoid::regclass::text LIKE '%finished_jobs_$(week 3)' FROM jobctl.finished_jobs WHERE id = t.j(13)"
	is t "SELECT tableoid::regclass::text LIKE '%finished_jobs_$(week -9)' FROM jobctl.finished_jobs WHERE id = t.j(1)"
	is f "SELECT to_regclass('jobctl.finished_jobs_$(week -4)') IS NOT NULL"
	sql "TRUNCATE jobctl.finished_jobs"
	beyond '>' 4
}

@test "somebody who reads the default partition delays it, for a second at most" {
	forget
	hold_open 'SELECT count(*) FROM jobctl.finished_jobs'
	is 0 'SELECT jobctl.ensure_partitions()'
	is 0 'SELECT reaped FROM jobctl.maintain()'
	let_go
	eventually 10 is 12 'SELECT jobctl.ensure_partitions()'
}

@test "from eight sessions at once they are made once" {
	local n pids=()

	forget
	for n in {1..8}; do
		sql 'SELECT jobctl.ensure_partitions()' >>"$BATS_TEST_TMPDIR/made" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(sort "$BATS_TEST_TMPDIR/made" | uniq -c | tr -s ' ' | paste -sd,)" = ' 7 0, 1 12' ] || {
		sql 'SELECT jobctl.ensure_partitions()'
		[ "$(awk '/^[0-9]+$/ { s += $1; next } { bad = 1 } END { print bad ? "error" : s }' "$BATS_TEST_TMPDIR/made")" -le 12 ]
	}
	[ "$(attached job_attempts)" = 6 ]
}

@test "who publishes all tables stops nothing" {
	sql 'CREATE PUBLICATION everything FOR ALL TABLES' 2>/dev/null
	forget
	jobs 2 "backoff => 'constant:0s'"
	sql "SELECT t.worker(1), t.claim(1, 1, 9), t.output(1, 1, 1, 1, 'x'), t.finish(1, 1, 1, 'exit'), t.finish(1, 2, 1)"
	is pending 'SELECT status FROM jobctl.retry(t.jj(2))'
	sql "UPDATE jobctl.counted SET counted_until = now() - interval '40 days'"
	sql 'SELECT jobctl.maintain()'
	[ "$(attached finished_jobs)" = 6 ]
	sql "SELECT jobctl.fold_counts(NULL, now())"
	sql "DELETE FROM jobctl.job_attempts; INSERT INTO jobctl.pruning VALUES (t.k(1), 'c', now(), now());
		UPDATE jobctl.pruning SET lease_until = now(); DELETE FROM jobctl.pruning"
	sql 'DELETE FROM jobctl.job_output; DROP PUBLICATION everything'
}

@test "more than a year ahead is not made" {
	sql 'SELECT jobctl.ensure_partitions(100000)'
	[ "$(attached finished_jobs)" = 54 ]
	beyond '>' 4
}

@test "dropping a week of history touches no live job" {
	sql "SELECT jobctl.ensure_partitions()"
	jobs 3 "unique_key => 'k' || n, backoff => 'constant:0s'"
	sql "SELECT t.worker(1), t.claim(1, 1), t.output(1, 1, 1, 1, 'x'), t.finish(1, 1, 1, 'exit')"
	sql "SELECT t.claim(1, 2), t.finish(1, 2, 2), jobctl.submit('a', id => t.j(4), after => t.jj(2, 3))"
	sql "DROP TABLE jobctl.finished_jobs_$(week 0), jobctl.job_attempts_$(week 0), jobctl.job_output_$(week 0)"
	is '3|1' 'SELECT count(*), max(blockers) FROM jobctl.jobs'
	is 3,1 'SELECT t.claim(1, 3, 9)'
	sql 'SELECT t.finish(1, 3, 3), t.finish(1, 1, 3)'
	is 4 'SELECT t.claim(1, 4, 9)'
	sql 'SELECT t.finish(1, 4, 4)'
	is 3 'SELECT count(*) FROM jobctl.finished_jobs_default'
	sql 'SELECT jobctl.ensure_partitions()'
	is 0 'SELECT count(*) FROM jobctl.finished_jobs_default'
}
