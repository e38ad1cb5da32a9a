/*
 * pipe.h - a connection as a pipeline of calls that never blocks
 *
 * Calls are queued and answered in order; each is a transaction of its own, and
 * calls sent together travel in one round trip.  Every call has a deadline; when
 * one passes, the connection is given up, because nothing after it can be
 * answered either.  So it is when an answer says that this server is of no use
 * (it shuts down, it is read-only).  All unanswered calls then fail with
 * ERR_UNAVAILABLE: whether they took effect is unknown.
 */
#ifndef JOBCTL_PIPE_H
#define JOBCTL_PIPE_H

#include "pg.h"

/* Exactly once for each call.  res is NULL on failure, then e says why; both are borrowed. */
typedef void pipe_answer(void *ctx, const PGresult *res, const struct err *e);

struct pipe_call {
	pipe_answer *answer;
	void *ctx;
	int64_t deadline;
};

struct pipe {
	struct pg db;
	struct pipe_call *calls;	/* a ring of those unanswered */
	size_t first, ncalls, cap;
	PGresult *result;		/* of the first of them, until it is committed */
	char **prepared;		/* the texts of what the server has as "s0", "s1", ... */
	size_t nprepared;
	bool stale;			/* the server may have others by these names */
	bool may_prepare;		/* for who knows that no pooler is between to set */
	struct err why;			/* once closed: the reason */
};
#define PIPE_INIT { .db = PG_INIT }

/* Take over a fresh connection; db is emptied. */
int pipe_open(struct pipe *p, struct pg *db, struct err *e) MUSTCHECK;
/* Give the connection up; what is unanswered fails with *why. */
void pipe_close(struct pipe *p, const struct err *why);
bool pipe_is_open(const struct pipe *p);

/*
 * Queue a call; the answer comes from pipe_run(), or at once if it cannot be
 * sent.  Parameters are copied into the connection's buffer.
 */
void pipe_call(struct pipe *p, int64_t deadline, const char *sql, const struct pg_val *args,
	       int nargs, pipe_answer *answer, void *ctx);

/*
 * A statement in front of the next pipe_call(), which must follow at once: both are one
 * transaction, and the call is answered for both.
 */
void pipe_join(struct pipe *p, const char *sql, const struct pg_val *args, int nargs);

/* Descriptor, events and deadline for poll(); -1 when closed. */
int pipe_fd(const struct pipe *p, short *events, int64_t *deadline);
/* Send, receive, answer.  Closes itself when the connection is lost or a deadline passes. */
void pipe_run(struct pipe *p, bool readable);

#endif
