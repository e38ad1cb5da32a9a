#!/usr/bin/env bats
# Jobs that wait for jobs: freed once, doomed once, never forgotten.

bats_require_minimum_version 1.5.0
load queue

@test "a job waits until what it needs has ended" {
	jobs 2
	sql "SELECT jobctl.submit('a', id => t.j(3), after => t.jj(1, 2)), t.worker(1), t.claim(1, 1, 2)"
	is '2|pending|{Dependency}' "SELECT blockers, status, reasons FROM jobctl.jobs JOIN jobctl.job USING (id, status) WHERE id = t.j(3)"
	sql "SELECT t.finish(1, 1, 1, 'permanent')"
	is '1' 'SELECT blockers FROM jobctl.jobs WHERE id = t.j(3)'
	is '' 'SELECT t.claim(1, 2)'
	sql 'SELECT t.finish(1, 2, 1)'
	is 3 'SELECT t.claim(1, 3)'
}

@test "what must complete and did not cancels whoever needs it" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after_ok => t.jj(1)), jobctl.submit('a', id => t.j(3), after => t.jj(1)),
		jobctl.submit('a', id => t.j(4), after_ok => t.jj(2)), jobctl.submit('a', id => t.j(5), after => t.jj(4))"
	sql "SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1, 'permanent')"
	is 'failed|cancelled|pending|cancelled|pending' "SELECT t.state(1), t.state(2), t.state(3), t.state(4), t.state(5)"
	is "dependency|job $(sql 'SELECT t.j(1)'), which must complete first, is failed" \
		'SELECT outcome, error_message FROM jobctl.job WHERE id = t.j(2)'
	is 3,5 'SELECT t.claim(1, 2, 9)'
}

@test "an attempt that will be tried again ends nothing" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after => t.jj(1)), t.worker(1), t.claim(1, 1), t.finish(1, 1, 1, 'exit')"
	is 1 'SELECT blockers FROM jobctl.jobs WHERE id = t.j(2)'
}

@test "what ended before is no obstacle, or the end" {
	jobs 2
	sql "SELECT t.worker(1), t.claim(1, 1, 2), t.finish(1, 1, 1), t.finish(1, 2, 1, 'permanent')"
	sql "SELECT jobctl.submit('a', id => t.j(3), after_ok => t.jj(1), after => t.jj(2)),
		jobctl.submit('a', id => t.j(4), after_ok => t.jj(1, 2))"
	is 'pending|cancelled' 'SELECT t.state(3), t.state(4)'
	is 3 'SELECT t.claim(1, 2, 9)'
}

@test "what does not exist is refused, and so is oneself" {
	refuses JC066 "SELECT jobctl.submit('a', id => t.j(1), after => t.jj(9))" 'no such job'
	refuses JC066 "SELECT jobctl.submit('a', after => ARRAY[NULL::uuid])" 'no such job'
	refuses 23514 "SELECT jobctl.submit('a', id => t.j(1), after => t.jj(1))" ck_no_self_dependency
	is 0 'SELECT count(*) FROM jobctl.jobs'
	sql "SELECT jobctl.submit('a', id => t.j(1), after => '{}', after_ok => '{}')"
	is 0 'SELECT blockers FROM jobctl.jobs'
}

@test "needed twice, in both ways: it must complete" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after => t.jj(1, 1), after_ok => t.jj(1))"
	is 1 'SELECT blockers FROM jobctl.jobs WHERE id = t.j(2)'
	sql 'SELECT t.cancel(1)'
	is cancelled 'SELECT t.state(2)'
}

@test "held while it waits, it is held still" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after => t.jj(1), hold => true), t.cancel(1)"
	is 'held|0' 'SELECT status, blockers FROM jobctl.jobs'
}

@test "who becomes free becomes eligible, and an idle worker is told" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), queue => 'q', after => t.jj(1)), t.worker(2, '{q}'), jobctl.worker_idle(t.w(2))"
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '1 day'"
	[ "$(notified 'SELECT t.cancel(1)')" = '2 wake' ]
	is t "SELECT run_at > now() - interval '1 min' FROM jobctl.jobs"
}

@test "cancelling a list cancels what depends within it once" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after_ok => t.jj(1)), jobctl.submit('a', id => t.j(3), after_ok => t.jj(2))"
	is '1 pending cancelled,2 pending cancelled,3 pending cancelled' 'SELECT t.cancel(1, 2, 3)'
	is 3 'SELECT count(*) FROM jobctl.finished_jobs'
}

chain() {	# N: job n needs job n - 1
	sql "SELECT jobctl.submit('a', id => t.j(n), after_ok => CASE WHEN n > 1 THEN t.jj(n - 1) END)
		FROM generate_series(1, $1) n ORDER BY n" >/dev/null
}

@test "a chain of a thousand falls at once" {
	chain 1000
	sql 'SELECT t.cancel(1)'
	is 1000 "SELECT count(*) FROM jobctl.finished_jobs WHERE status = 'cancelled'"
}

@test "a longer one falls in pieces, so that no call takes long" {
	chain 1200
	sql 'SELECT t.cancel(1)'
	is 'cancelled|pending|1' "SELECT t.state(1001), t.state(1002), (SELECT count(*) FROM jobctl.unsettled)"
	sql 'SELECT t.worker(1), jobctl.maintain()'
	is '1200|0' "SELECT count(*), (SELECT count(*) FROM jobctl.unsettled) FROM jobctl.finished_jobs"
}

@test "ten thousand that wait for one are freed by its end" {
	jobs 1
	sql "INSERT INTO jobctl.jobs (id, kind, blockers) SELECT t.j(n), 'a', 1 FROM generate_series(2, 10001) n"
	sql "INSERT INTO jobctl.job_dependencies (job_id, needs_id, needs_ok, project_id)
		SELECT t.j(n), t.j(1), n % 2 = 0, 'default' FROM generate_series(2, 10001) n"
	sql "SELECT t.worker(1), t.claim(1, 1), t.finish(1, 1, 1, 'permanent')"
	is $'cancelled|5000\nfailed|1\npending|5000' 'SELECT status, count(*) FROM jobctl.job GROUP BY 1 ORDER BY 1'
}

@test "one that somebody holds is left, and settled later; nobody waits" {
	jobs 1
	sql "SELECT jobctl.submit('a', id => t.j(2), after => t.jj(1)), jobctl.submit('a', id => t.j(3), after_ok => t.jj(1)),
		jobctl.submit('a', id => t.j(4), after => t.jj(1)), t.worker(1), t.claim(1, 1)"
	hold_open 'SELECT jobctl.hold(t.jj(2)), jobctl.hold(t.jj(3))'
	is 'accepted failed' "SELECT t.finish(1, 1, 1, 'permanent')"
	is 'pending|pending|0|1' "SELECT t.state(2), t.state(3), (SELECT blockers FROM jobctl.jobs WHERE id = t.j(4)),
		(SELECT count(*) FROM jobctl.unsettled)"
	sql 'SELECT jobctl.maintain()'
	is 1 'SELECT count(*) FROM jobctl.unsettled'
	echo 'COMMIT;' >&"$TX"
	let_go
	eventually 10 is held 'SELECT t.state(2)'
	sql 'SELECT jobctl.maintain()'
	is 'held|cancelled|0|0' "SELECT t.state(2), t.state(3), (SELECT blockers FROM jobctl.jobs WHERE id = t.j(2)),
		(SELECT count(*) FROM jobctl.unsettled)"
}
