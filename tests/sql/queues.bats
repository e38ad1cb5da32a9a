#!/usr/bin/env bats
# The view of queues: what it counts, for whom, and by what it reads.

bats_require_minimum_version 1.5.0
load queue

# Queue, counts and what else is asked for, in the order of the names.
queues() {	# FIELD,...
	sql "SELECT $1 FROM jobctl.queue ORDER BY queue"
}

@test "a pending job is counted for the first of its reasons, as jobctl-status counts it" {
	jobs 9
	sql "SELECT jobctl.hold(t.jj(1)), t.worker(1), t.claim(1, 1, 2)"
	sql "SELECT jobctl.submit('a', id => t.j(20), run_in => '1 hour'),
		jobctl.submit('a', id => t.j(21), after => t.jj(9)),
		jobctl.submit('a', id => t.j(22), after => t.jj(9), run_in => '1 hour'),
		jobctl.submit('a', id => t.j(23), after => t.jj(9), run_in => '1 hour'),
		jobctl.submit('a', id => t.j(24), run_in => '1 hour'),
		jobctl.submit('a', id => t.j(25), hold => true, run_in => '1 hour')" >/dev/null
	# due, and nobody has come by to say so
	sql "SELECT t.fall_due(23), t.fall_due(24)"
	is 'default|7|2|2|2|2' 'SELECT queue, ready, scheduled, blocked, held, running FROM jobctl.queue'
	diff <(sql "SELECT CASE reasons[1] WHEN 'Ready' THEN 'Behind' ELSE reasons[1] END, count(*)
			FROM (SELECT array_remove(reasons, 'NoHandler') FROM jobctl.job) r(reasons) GROUP BY 1 ORDER BY 1") \
		<(sql "SELECT u.* FROM jobctl.queue, LATERAL (VALUES ('Behind', ready), ('Dependency', blocked), ('Healthy', running),
			('Held', held), ('Scheduled', scheduled)) u")
}

@test "a queue is shown for a live job, a setting, a worker, and for nothing else" {
	sql "SELECT jobctl.submit('a', queue => q) FROM unnest('{ready,mine}'::text[]) q" >/dev/null
	sql "SELECT jobctl.submit('a', queue => 'later', run_in => '1h'), jobctl.submit('a', queue => 'held', hold => true)" >/dev/null
	sql "SELECT jobctl.limit_queue('limited', 3), t.worker(1, '{mine,served}'), t.worker(2, NULL), t.worker(3, '{left}')"
	sql "SELECT t.expire(3), jobctl.submit('a', queue => 'runs', id => t.j(1)), t.claim(2, 1, 1, '{runs}')" >/dev/null
	[ "$(queues 'queue, ready, running, workers, slots, max_running')" = 'held|0|0|1|100|
later|0|0|1|100|
limited|0|0|1|100|3
mine|1|0|2|200|
ready|1|0|1|100|
runs|0|1|1|100|
served|0|0|2|200|' ]
	is $'mine|1|2|t\nnothing|0|1|f' "SELECT queue, ready, workers, seen FROM jobctl.queue_state('{mine,nothing}') ORDER BY queue"
}

@test "what ended in the last five minutes, per minute, and a queue where nothing is left to do" {
	jobs 12 "max_attempts => 1"
	sql 'SELECT t.worker(1, NULL), t.claim(1, 1, 11)' >/dev/null
	sql "SELECT t.finish(1, n, 1, CASE WHEN n > 6 THEN 'exit' ELSE 'ok' END) FROM generate_series(1, 9) n" >/dev/null
	sql "SELECT t.finish(1, 10, 1, 'tempfail'), jobctl.submit('a', id => t.j(20), queue => 'done'),
		jobctl.submit('a', id => t.j(21), queue => 'ago')" >/dev/null
	sql "SELECT t.claim(1, 2, 1, '{done}'), t.claim(1, 3, 1, '{ago}'), t.finish(1, 20, 2), t.finish(1, 21, 3)" >/dev/null
	sql "UPDATE jobctl.finished_jobs SET completed_at = now() - interval '30 min' WHERE queue = 'done';
		UPDATE jobctl.finished_jobs SET completed_at = now() - interval '62 min' WHERE queue = 'ago';
		UPDATE jobctl.finished_jobs SET completed_at = now() - interval '10 min' WHERE id = t.j(1);
		UPDATE jobctl.counted SET counted_until = now() - interval '2 hours'"
	is 'default|t|t
done|f|f' "SELECT queue, ended_per_min BETWEEN 8 / 6.0 AND 8 / 5.0, failed_per_min BETWEEN 3 / 6.0 AND 3 / 5.0
		FROM jobctl.queue ORDER BY queue"
}

@test "how long the oldest waits, whatever its priority, and one that nobody woke" {
	jobs 3
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '100 s', priority = -5 WHERE id = t.j(3)"
	is t "SELECT oldest_ready_s BETWEEN 100 AND 160 FROM jobctl.queue"
	sql "SELECT jobctl.submit('a', id => t.j(4), run_in => '1h')" >/dev/null
	sql "UPDATE jobctl.jobs SET wake_at = now() - interval '1000 s', run_at = now() - interval '1000 s' WHERE id = t.j(4)"
	is t "SELECT oldest_ready_s BETWEEN 1000 AND 1060 FROM jobctl.queue"
	sql "SELECT jobctl.hold(t.jj(1, 2, 3, 4))" >/dev/null
	is '|4' "SELECT oldest_ready_s, held FROM jobctl.queue"
}

@test "what ran, or was held, waits from when it came back" {
	jobs 4
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '1 day'"
	sql "SELECT t.worker(1), t.worker(2), jobctl.hold(t.jj(4)), t.claim(1, 1, 2), t.claim(2, 2, 1)" >/dev/null
	sql "SELECT t.give_back(1, 1, 1, 'stopped'), t.expire(2), t.reap(), jobctl.release(t.jj(4))" >/dev/null
	is '3|t' "SELECT ready, oldest_ready_s < 1000 FROM jobctl.queue"
	# claimed and never started: it has waited all the time
	sql "SELECT t.give_back(1, 2, 1)" >/dev/null
	is '4|t' "SELECT ready, oldest_ready_s > 80000 FROM jobctl.queue"
}

@test "a tenant's view counts what it sees" {
	role_login queues_ann jobctl_submitter jobctl_worker jobctl_reader
	role_login queues_bob jobctl_submitter jobctl_worker jobctl_reader
	sql "INSERT INTO jobctl.projects (project_id, owner_role) VALUES ('a', 'queues_ann'), ('b', 'queues_bob')"
	sql_as queues_ann "SELECT jobctl.submit('k', project => 'a', id => t.j(n)) FROM generate_series(1, 3) n" >/dev/null
	sql_as queues_bob "SELECT jobctl.submit('k', project => 'b', id => t.j(n), priority => n) FROM generate_series(4, 10) n" >/dev/null
	sql_as queues_bob "SELECT jobctl.submit('k', project => 'b', queue => 'his'),
		jobctl.submit('k', project => 'b', run_in => '1h'), jobctl.submit('k', project => 'b', hold => true),
		jobctl.submit('k', project => 'b', after => t.jj(4))" >/dev/null
	sql_as queues_bob 'SELECT t.worker(2), t.claim(2, 1, 2)' >/dev/null
	sql_as queues_ann 'SELECT t.worker(1), t.claim(1, 2, 1)' >/dev/null
	sql "UPDATE jobctl.jobs SET run_at = now() - interval '1 day' WHERE project_id = 'b'"
	PGUSER=queues_ann is 'default|2|0|0|0|1|t' \
		'SELECT queue, ready, scheduled, blocked, held, running, oldest_ready_s < 1000 FROM jobctl.queue'
	PGUSER=queues_bob is $'default|5|1|1|1|2\nhis|1|0|0|0|0' \
		'SELECT queue, ready, scheduled, blocked, held, running FROM jobctl.queue ORDER BY queue'
	is $'default|7|1|1|1|3\nhis|1|0|0|0|0' \
		'SELECT queue, ready, scheduled, blocked, held, running FROM jobctl.queue ORDER BY queue'
}

@test "it reads the jobs by their indexes, however few there are" {
	local who

	role_login queues_ann jobctl_reader
	jobs 20
	sql 'ANALYZE jobctl.jobs'
	for who in "$PGUSER" queues_ann; do
		is $'1|20\n0' "BEGIN; SET LOCAL ROLE \"$who\"; SELECT count(*), sum(ready) FROM jobctl.queue; RESET ROLE;
			SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname IN ('jobs', 'claims') OR relname ~ '^finished_jobs'"
	done
}
