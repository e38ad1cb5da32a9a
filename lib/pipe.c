/*
 * pipe.c - libpq's pipeline mode with callbacks
 */
#include "pipe.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
pipe_is_open(const struct pipe *p)
{
	return p->db.conn != NULL;
}

int
pipe_open(struct pipe *p, struct pg *db, struct err *e)
{
	if (!PQenterPipelineMode(db->conn)) {
		(void)pg_error(db->conn, NULL, e);
		pg_close(db);
		return -1;
	}
	p->db = *db;
	*db = (struct pg)PG_INIT;
	return 0;
}

/* Take the first call off the ring. */
static struct pipe_call
shift(struct pipe *p)
{
	struct pipe_call c = p->calls[p->first];

	p->first = (p->first + 1) % p->cap;
	p->ncalls--;
	return c;
}

/*
 * After a failure: what was to be prepared may not have been, or may have a plan that a
 * migration has made useless.
 */
static void
forget_prepared(struct pipe *p)
{
	p->stale = p->stale || p->nprepared;
	while (p->nprepared)
		free(p->prepared[--p->nprepared]);
	free_p(&p->prepared);
}

void
pipe_close(struct pipe *p, const struct err *why)
{
	struct pipe old = *p;

	pg_close(&old.db);
	pg_res_free(&old.result);
	forget_prepared(&old);
	*p = (struct pipe){ .db = PG_INIT, .why = *why };	/* an answer may look at p */
	while (old.ncalls) {
		struct pipe_call c = shift(&old);

		c.answer(c.ctx, NULL, &p->why);
	}
	free(old.calls);
}

static void
push(struct pipe *p, struct pipe_call c)
{
	if (p->ncalls == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct pipe_call *calls = xcalloc(cap, sizeof *calls);

		for (size_t i = 0; i < p->ncalls; i++)
			calls[i] = p->calls[(p->first + i) % p->cap];
		free(p->calls);
		p->calls = calls;
		p->cap = cap;
		p->first = 0;
	}
	p->calls[(p->first + p->ncalls++) % p->cap] = c;
}

static void
lost(struct pipe *p)
{
	struct err e;

	(void)pg_error(p->db.conn, NULL, &e);
	e.kind = ERR_UNAVAILABLE;
	pipe_close(p, &e);
}

/* By the name it has at the server, which parses it once and plans it a few times. */
static int
send_prepared(struct pipe *p, const char *sql, const struct pg_val *args, int nargs)
{
	char name[16];
	size_t i = 0;

	if (p->stale && pg_send(&p->db, "DEALLOCATE ALL", PG_NOARGS))
		return -1;
	p->stale = false;
	while (i < p->nprepared && strcmp(p->prepared[i], sql) != 0)
		i++;
	snprintf(name, sizeof name, "s%zu", i);
	if (i == p->nprepared) {
		p->prepared = xreallocarray(p->prepared, i + 1, sizeof(char *));
		p->prepared[p->nprepared++] = xstrdup(sql);
		if (pg_prepare(&p->db, name, sql, args, nargs))
			return -1;
	}
	return pg_send_prepared(&p->db, name, args, nargs);
}

static int
send_statement(struct pipe *p, const char *sql, const struct pg_val *args, int nargs)
{
	return p->may_prepare ? send_prepared(p, sql, args, nargs)
			      : pg_send(&p->db, sql, args, nargs);
}

void
pipe_call(struct pipe *p, int64_t deadline, const char *sql, const struct pg_val *args,
	  int nargs, pipe_answer *answer, void *ctx)
{
	if (!p->db.conn) {
		answer(ctx, NULL, &p->why);
		return;
	}
	push(p, (struct pipe_call){ .answer = answer, .ctx = ctx, .deadline = deadline });
	if (send_statement(p, sql, args, nargs) || !PQpipelineSync(p->db.conn))
		lost(p);
}

void
pipe_join(struct pipe *p, const char *sql, const struct pg_val *args, int nargs)
{
	if (p->db.conn && send_statement(p, sql, args, nargs))
		lost(p);
}

int
pipe_fd(const struct pipe *p, short *events, int64_t *deadline)
{
	*events = POLLIN;
	*deadline = NEVER;
	if (!p->db.conn)
		return -1;
	if (p->ncalls)
		*deadline = p->calls[p->first].deadline;
	if (PQflush(p->db.conn) == 1)
		*events |= POLLOUT;
	return PQsocket(p->db.conn);
}

static bool
good(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_TUPLES_OK ||
	       PQresultStatus(res) == PGRES_COMMAND_OK;
}

/*
 * A result counts once the sync behind it has come: only that commits, and it may fail.
 * Of what was joined the first failure is the reason, or else the last is the answer.
 */
static void
keep(struct pipe *p, PGresult *res)
{
	if (p->result && !good(p->result)) {
		PQclear(res);
	} else {
		PQclear(p->result);
		p->result = res;
	}
}

static void
answer(struct pipe *p)
{
	PG_RES res = p->result;
	bool failed = !good(res);	/* so is none at all */
	struct err e = ERR_INIT;
	struct pipe_call c;

	p->result = NULL;
	if (failed)
		(void)pg_error(p->db.conn, res, &e);
	if (e.kind == ERR_UNAVAILABLE && strncmp(e.sqlstate, "JC", 2) != 0) {
		pipe_close(p, &e);	/* not raised by our functions: its own state */
		return;
	}
	c = shift(p);
	if (failed)
		forget_prepared(p);
	c.answer(c.ctx, failed ? NULL : res, failed ? &e : NULL);
}

void
pipe_run(struct pipe *p, bool readable)
{
	bool late;

	if (!p->db.conn)
		return;
	late = p->ncalls && now_ms() >= p->calls[p->first].deadline;
	/* if we are late ourselves the answer may be there, and poll() has not said so yet */
	if (PQflush(p->db.conn) < 0 || pg_consume(p->db.conn, readable || late)) {
		lost(p);
		return;
	}
	/* A call ends with its sync; NULL only parts the result from that. */
	while (p->db.conn && p->ncalls && !PQisBusy(p->db.conn)) {
		PGresult *res = PQgetResult(p->db.conn);

		if (PQstatus(p->db.conn) == CONNECTION_BAD) {
			PQclear(res);
			lost(p);
			return;
		}
		if (res && PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			answer(p);
		} else if (res) {
			keep(p, res);
		}
	}
	if (late && p->db.conn && p->ncalls && now_ms() >= p->calls[p->first].deadline) {
		struct err e;

		(void)err_set(&e, ERR_UNAVAILABLE, "the database has stopped answering");
		pipe_close(p, &e);
	}
}
