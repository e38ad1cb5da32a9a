#!/usr/bin/env bats
# Without any program of ours: submitting inside an application's own transaction.

bats_require_minimum_version 1.5.0
load queue

setup() {
	sql 'CALL t.clear()'
	sql 'CREATE TABLE IF NOT EXISTS orders (id integer PRIMARY KEY); TRUNCATE orders'
}

@test "the job exists when, and only when, the application's transaction commits" {
	sql "BEGIN; INSERT INTO orders VALUES (1); SELECT jobctl.submit('mail', '{\"order\": 1}'); COMMIT"
	is '1|1' 'SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM jobctl.jobs)'
	sql "BEGIN; INSERT INTO orders VALUES (2); SELECT jobctl.submit('mail', '{\"order\": 2}'); ROLLBACK"
	is '1|1' 'SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM jobctl.jobs)'
}

@test "a rollback leaves nothing at all, and tells nobody" {
	sql "SELECT jobctl.submit('a', id => t.j(1)), t.worker(1), jobctl.worker_idle(t.w(1))"
	[ "$(notified "BEGIN; SELECT jobctl.submit('a', project => 'new', after => t.jj(1), unique_key => 'k'), t.cancel(1); ROLLBACK")" = '' ]
	is '1|0|0|0|1' "SELECT (SELECT count(*) FROM jobctl.jobs), (SELECT count(*) FROM jobctl.job_dependencies),
		(SELECT count(*) FROM jobctl.finished_jobs), (SELECT count(*) FROM jobctl.job_events), (SELECT count(*) FROM jobctl.projects)"
}

@test "nobody idle, nobody notified" {
	sql 'SELECT t.worker(1)'
	[ "$(notified "SELECT jobctl.submit('a')")" = '' ]
	sql 'SELECT jobctl.worker_idle(t.w(1))'
	[ "$(notified "SELECT jobctl.submit('a')")" = '1 wake' ]
}

@test "a savepoint undoes one job, not the others" {
	sql "BEGIN; SELECT jobctl.submit('a', id => t.j(1)); SAVEPOINT s; SELECT jobctl.submit('a', id => t.j(2)); ROLLBACK TO s;
		SELECT jobctl.submit('a', id => t.j(3)); COMMIT"
	is $'1\n3' 'SELECT t.n(id) FROM jobctl.jobs ORDER BY id'
}

@test "a trigger may submit" {
	sql "CREATE FUNCTION mail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		PERFORM jobctl.submit('mail', to_jsonb(NEW), unique_key => 'order-' || NEW.id); RETURN NULL; END \$\$;
		CREATE TRIGGER mail AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mail()"
	sql 'INSERT INTO orders SELECT generate_series(1, 100)'
	is '100|1' "SELECT count(*), min((args ->> 'id')::integer) FROM jobctl.jobs"
	sql 'DROP TRIGGER mail ON orders'
}

@test "in any isolation level, with any search path and settings" {
	sql "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT jobctl.submit('a', id => t.j(1)); COMMIT"
	sql "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT jobctl.submit('a', id => t.j(2), after_ok => t.jj(1)); COMMIT"
	sql "SET search_path = ''; SET standard_conforming_strings = off; SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Kolkata';
		SET transform_null_equals = on; SELECT jobctl.submit('index', '{\"repo_path\": \"/x\"}', run_in => '1 h', id => t.j(3))" 2>/dev/null
	is 3 'SELECT count(*) FROM jobctl.jobs'
	refuses 23514 "SET standard_conforming_strings = off; SELECT jobctl.submit('index', '{\"repo_path\": \"/../x\"}')" ck_index_repo_path
}

@test "a whole job's life in psql" {
	sql "SELECT jobctl.submit('a', id => t.j(1))"
	sql "SELECT jobctl.register_worker(t.w(1), 'here', '', 1, 0, 'psql', '{default}', NULL, 1, '1 min')"
	is 1 "SELECT t.n(id) FROM jobctl.claim(t.k(1), t.w(1), '{default}', 1)"
	is accepted "SELECT verdict FROM jobctl.finish(t.w(1), t.jj(1), t.kk(1), '{ok}', '{0}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}')"
	is t 'SELECT jobctl.unregister_worker(t.w(1))'
	is completed 'SELECT t.state(1)'
}
