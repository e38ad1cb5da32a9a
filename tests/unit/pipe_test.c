/*
 * pipe_test - calls that never block: order, failures, deadlines, lost connections
 *
 * Against the server that the environment names, as every test.
 */
#include "pipe.h"

#include <poll.h>
#include <unistd.h>

#include "str.h"
#include "tap.h"

enum { LONG_MS = 30000 };

static struct pipe pipe_ = PIPE_INIT;

/* What became of a call; any number may share one. */
struct fate {
	int answers, failures;
	struct err e;			/* the last failure */
	int64_t order, value;		/* when it was answered; the cell, if a number */
	size_t bytes;
};

static int64_t order;

static void
note(void *ctx, const PGresult *res, const struct err *e)
{
	struct fate *f = ctx;

	f->order = ++order;
	if (e) {
		f->failures++;
		f->e = *e;
		return;
	}
	f->answers++;
	if (PQnfields(res) && PQntuples(res)) {
		f->value = pg_get_i64(res, 0, 0);
		f->bytes = (size_t)PQgetlength(res, 0, 0);
	}
}

static void
say(const char *sql, struct fate *f)
{
	pipe_call(&pipe_, deadline_in(LONG_MS), sql, PG_NOARGS, note, f);
}

static void
connect_pipe(void)
{
	struct pg db = PG_INIT;
	struct err e;

	if (pg_connect(&db, "pipe_test", NULL, &e) || pipe_open(&pipe_, &db, &e))
		tap_bail(e.msg);
	ok(!db.conn && pipe_is_open(&pipe_), "an open pipe has the connection");
}

/* Until all that was said has been answered, one way or the other. */
static void
run(void)
{
	while (pipe_.ncalls) {
		struct pollfd p = { .fd = -1 };
		int64_t deadline;
		int n;

		p.fd = pipe_fd(&pipe_, &p.events, &deadline);
		n = poll(&p, 1, poll_timeout(deadline));
		pipe_run(&pipe_, n > 0);
	}
}

static void
ordered(void)
{
	struct fate f[5] = { { 0 } };

	say("SELECT 1", &f[0]);
	say("SELECT 1/0", &f[1]);
	say("CREATE TEMPORARY TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)", &f[2]);
	say("INSERT INTO t VALUES (1)", &f[3]);
	pipe_call(&pipe_, deadline_in(LONG_MS), "SELECT n + $1 FROM t", PG_ARGS(pg_i64(41)),
		  note, &f[4]);
	run();
	ok(f[0].answers == 1 && f[0].value == 1, "a call is answered");
	ok(f[1].failures == 1 && f[1].e.kind == ERR_DATA, "an error is an answer");
	is_str(f[1].e.sqlstate, "22012", "with its SQLSTATE");
	ok(f[2].answers == 1 && f[3].answers == 1, "statements without rows are answered");
	is_int(f[4].value, 42, "a call sees what was committed before it");
	ok(f[0].order < f[1].order && f[1].order < f[2].order && f[3].order < f[4].order,
	   "answers come in order");
	is_int(f[1].answers + f[0].failures + f[4].failures, 0,
	       "one error is one call's error");
}

/* The row comes before the commit, and the commit fails. */
static void
commits(void)
{
	struct fate f[2] = { { 0 } };

	say("INSERT INTO t VALUES (1) RETURNING n", &f[0]);
	say("SELECT count(*) FROM t", &f[1]);
	run();
	ok(f[0].answers == 0 && f[0].failures == 1, "what was not committed did not happen");
	is_str(f[0].e.sqlstate, "23505", "and the error says why");
	is_int(f[1].value, 1, "so it is in the table");
}

static void
raised(void)
{
	struct fate f = { 0 };

	say("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'JC069', MESSAGE = 'given up'; END $$",
	    &f);
	run();
	ok(f.failures == 1 && f.e.kind == ERR_UNAVAILABLE,
	   "what a function raises has its kind");
	ok(pipe_is_open(&pipe_), "and is not the server's state");
}

static void
large(void)
{
	struct fate f[50] = { { 0 } };
	AUTOFREE char *text = xmalloc(1000001);
	size_t bytes = 0;

	memset(text, 'x', 1000000);
	text[1000000] = '\0';
	for (size_t i = 0; i < NELEM(f); i++)
		pipe_call(&pipe_, deadline_in(LONG_MS), "SELECT $1 || $1",
			  PG_ARGS(pg_text(text)), note, &f[i]);
	run();
	for (size_t i = 0; i < NELEM(f); i++)
		bytes += f[i].bytes;
	is_int(bytes, 100000000, "much in both directions at once");
}

static int again;

static void
say_again(void *ctx, const PGresult *res, const struct err *e)
{
	(void)res;
	ok(!e, "answer %d", again);
	if (++again < 3)
		pipe_call(&pipe_, deadline_in(LONG_MS), "SELECT 1", PG_NOARGS, say_again, ctx);
}

static void
deadlines(void)
{
	struct fate f[3] = { { 0 } };
	int64_t begin = now_ms();

	say("SELECT 1", &f[0]);
	pipe_call(&pipe_, deadline_in(200), "SELECT pg_sleep(1000)", PG_NOARGS, note, &f[1]);
	say("SELECT 1", &f[2]);
	run();
	ok(now_ms() - begin < LONG_MS, "a call does not wait longer than it was told");
	is_int(f[0].answers, 1, "what was answered before is answered");
	ok(f[1].failures == 1 && f[1].e.kind == ERR_UNAVAILABLE, "the late call fails");
	ok(f[2].failures == 1 && f[2].answers == 0, "and what stood behind it, once");
	ok(!pipe_is_open(&pipe_), "the connection is given up");
	say("SELECT 1", &f[0]);
	is_int(f[0].failures, 1, "a call on a closed pipe fails at once");
	is_str(f[0].e.msg, f[1].e.msg, "for the reason it was closed");
}

static void
looked_for_late(void)
{
	struct fate f = { 0 };
	struct pollfd p = { 0 };
	int64_t deadline;

	pipe_call(&pipe_, now_ms(), "SELECT 1", PG_NOARGS, note, &f);
	p.fd = pipe_fd(&pipe_, &p.events, &deadline);
	(void)poll(&p, 1, LONG_MS);
	pipe_run(&pipe_, false);
	is_int(f.answers, 1, "an answer that is there counts, however late it is looked for");
}

/* The server goes away in the middle, after all has been said: every call is answered exactly once. */
static void
terminated(void)
{
	static const char go[] = "SELECT pg_advisory_lock(7305804), pg_terminate_backend(pg_backend_pid())";
	struct fate f[100] = { { 0 } };
	struct pg other = PG_INIT;
	struct err e = ERR_INIT;
	int good = 0, bad = 0, odd = 0;

	connect_pipe();
	if (pg_connect(&other, "pipe_test", NULL, &e) ||
	    pg_call(&other, NULL, "SELECT pg_advisory_lock(7305804)", PG_NOARGS, &e) < 0)
		tap_bail(e.msg);
	for (size_t i = 0; i < NELEM(f); i++)
		say(i == 50 ? go : "SELECT 1", &f[i]);
	pg_close(&other);
	run();
	for (size_t i = 0; i < NELEM(f); i++) {
		good += f[i].answers;
		bad += f[i].failures;
		odd += f[i].failures && f[i].e.kind != ERR_UNAVAILABLE;
	}
	is_int(good + bad, NELEM(f), "each call is answered once");
	is_int(good, 50, "those before the end of the connection well");
	is_int(odd, 0, "the others are told that the database is away");
	ok(!pipe_is_open(&pipe_), "the pipe is closed");
}

static void
read_only(void)
{
	struct fate f[3] = { { 0 } };

	connect_pipe();
	say("SET default_transaction_read_only = on", &f[0]);
	say("CREATE TABLE pipe_test_never (n int)", &f[1]);
	say("SELECT 1", &f[2]);
	run();
	ok(f[1].failures == 1 && f[1].e.kind == ERR_UNAVAILABLE,
	   "a server that cannot write is no server");
	ok(f[2].failures == 1 && !pipe_is_open(&pipe_), "and is left");
}

static void
closed(void)
{
	struct fate f[3] = { { 0 } };
	struct err why;

	connect_pipe();
	(void)err_set(&why, ERR_UNAVAILABLE, "enough");
	for (size_t i = 0; i < NELEM(f); i++)
		say("SELECT 1", &f[i]);
	pipe_close(&pipe_, &why);
	ok(f[0].failures == 1 && f[2].failures == 1,
	   "who closes the pipe tells those who wait");
	is_str(f[0].e.msg, "enough", "and why");
	pipe_close(&pipe_, &why);
	is_int(f[0].failures, 1, "once");
	pipe_run(&pipe_, true);
	is_int(pipe_fd(&pipe_, &(short){0}, &(int64_t){0}), -1,
	       "a closed pipe has no descriptor");
}

/* Two statements as one call: both happen or none. */
static void
joined(void)
{
	struct fate f[5] = { { .answers = 0 } };

	say("CREATE TEMPORARY TABLE j (n int)", &f[0]);
	pipe_join(&pipe_, "INSERT INTO j VALUES (1)", PG_NOARGS);
	say("SELECT 7", &f[1]);
	pipe_join(&pipe_, "INSERT INTO j VALUES (2)", PG_NOARGS);
	say("SELECT 1/0", &f[2]);
	pipe_join(&pipe_, "SELECT 1/0", PG_NOARGS);
	say("INSERT INTO j VALUES (3)", &f[3]);
	say("SELECT sum(n) FROM j", &f[4]);
	run();
	is_int(f[1].value, 7, "a call that another was joined to has its own answer");
	is_int(f[2].failures, 1, "a call that fails fails");
	is_int(f[3].failures, 1, "one fails if what was joined to it does");
	is_str(f[3].e.msg, "division by zero", "and says why");
	is_int(f[4].value, 1, "what was joined to a call that failed did not happen");
	is_int(f[4].answers, 1, "and the next is answered as ever");
}

/* The same calls as ever, but each text goes to the server once. */
static void
prepared(void)
{
	struct fate f[6] = { { .answers = 0 } };

	say("CREATE TEMPORARY TABLE p (n int)", &f[0]);
	say("SELECT count(*) FROM pg_prepared_statements", &f[0]);
	say("SELECT count(*) FROM pg_prepared_statements", &f[1]);
	run();
	is_int(f[1].value - f[0].value, 0, "a text that is known is not prepared again");
	ok(f[0].value > 1, "others are");

	say("INSERT INTO p VALUES (1) RETURNING *", &f[2]);
	say("ALTER TABLE p ADD m int", &f[0]);
	say("INSERT INTO p VALUES (1) RETURNING *", &f[3]);
	run();
	is_int(f[3].failures, 1, "a plan that no longer fits fails");
	say("INSERT INTO p VALUES (1) RETURNING *", &f[2]);
	pipe_join(&pipe_, "SELECT * FROM nowhere", PG_NOARGS);
	say("SELECT 4", &f[4]);
	say("SELECT 5", &f[5]);
	run();
	is_int(f[2].answers, 2, "and is made anew by the next call");
	is_int(f[4].failures, 1, "what cannot be prepared fails");
	is_int(f[5].answers, 1, "and not what comes after it");
	say("SELECT 4", &f[4]);
	say("SELECT 5", &f[5]);
	say("SELECT count(*) FROM pg_prepared_statements", &f[1]);
	run();
	is_int(f[4].value, 4, "nor what was to be prepared behind it");
	is_int(f[5].value, 5, "nor what was prepared meanwhile");
	is_int(f[1].value, 3, "nothing that was given up stays at the server");
}

/* Also with statements that are kept at the server. */
static void
calls(bool may_prepare)
{
	struct err why;

	connect_pipe();
	pipe_.may_prepare = may_prepare;
	ordered();
	commits();
	joined();
	raised();
	if (may_prepare)
		prepared();
	(void)err_set(&why, ERR_UNAVAILABLE, "enough");
	pipe_close(&pipe_, &why);
}

int
main(void)
{
	calls(false);
	calls(true);
	connect_pipe();
	looked_for_late();
	large();
	pipe_call(&pipe_, deadline_in(LONG_MS), "SELECT 1", PG_NOARGS, say_again, NULL);
	run();
	is_int(again, 3, "an answer may make the next call");
	deadlines();
	terminated();
	read_only();
	closed();
	return tap_done();
}
