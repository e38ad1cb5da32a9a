/*
 * second.c - a second connection, for ends while there are many
 *
 * A connection has one process of the server, and that claims nothing while it writes
 * ends: with --pipe, where jobs are short, this is what limits a worker.  So one that
 * gets all it asks for, when no other is at work, has a connection more: what jobs
 * wrote, what they said and how they ended goes by that.  With more ends at hand than it
 * is through with soon, the first takes some while it has nothing to claim.  With others at work the server
 * has enough to do, and more of its processes would only be in each other's way; a
 * program for each job takes ten times what its claim and its end take.
 *
 * Nothing depends on it.  When it is lost, or not to be had, ends go by the first again;
 * what was unanswered is said again there.  Either change is made when nothing of that
 * is under way, so that all of it keeps its order.
 */
#include <string.h>

#include "log.h"
#include "worker.h"

enum {
	MANY = 100,		/* jobs of one claim */
	ASK_MS = 1000, KEEP_MS = 5000,
	AGAIN_MS = 30000,	/* after it was lost, or not to be had */
};

/* Whether we are alone. */
static void
asked(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	if (e)
		db_complain(w, "cannot look for other workers", e);
	else
		w->second.until = pg_get_bool(res, 0, 0) ? deadline_in(KEEP_MS) : 0;
}

void
second_claimed(struct worker *w, int64_t jobs)
{
	struct second *s = &w->second;
	int64_t now = now_ms();

	if (!w->cfg.pipe || jobs < MANY || w->draining)
		return;
	if (now < s->ask_at || now < s->connect_at)
		return;
	s->ask_at = deadline_in(ASK_MS);
	pipe_call(&w->first.pipe, db_deadline(w),
		  "SELECT NOT EXISTS (SELECT FROM jobctl.workers"
		  " WHERE worker_id <> $1 AND NOT idle AND lease_until > now())",
		  PG_ARGS(pg_uuid(&w->id)), asked, w);
}

static bool
is_begun(const struct second *s)
{
	return s->link.online || s->link.connector;
}

void
second_close(struct worker *w, const struct err *why)
{
	struct second *s = &w->second;
	bool had_ends = w->ends == &s->link;

	s->greeted = s->ready = false;
	s->until = 0;
	w->ends = &w->first;
	link_close(&s->link, why);
	if (had_ends)
		ends_lost(w);
}

static void
failed(struct worker *w, const struct err *e)
{
	struct err why = *e;		/* it may be in what is closed */

	log_line(LOG_LEVEL_DEBUG, "no second connection", "error", why.msg, NULL);
	w->second.connect_at = deadline_in(AGAIN_MS);
	second_close(w, &why);
}

static void
use(struct worker *w)
{
	log_line(LOG_LEVEL_DEBUG, "there is much to do: ends go by a second connection", NULL);
	w->second.ready = true;
}

static void
owned(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	(void)res;
	if (e)
		pipe_close(&w->second.link.pipe, e);
	else
		use(w);
}

static void
greeted(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	struct pipe *p = &w->second.link.pipe;

	if (e)
		pipe_close(p, e);
	else if (db_is_pooled(p, res))
		use(w);
	else
		db_own(w, p, owned);
}

/* Of several hosts, it may have come to another. */
static bool
is_elsewhere(const struct worker *w)
{
	const PGconn *a = w->first.pipe.db.conn, *b = w->second.link.pipe.db.conn;

	return strcmp(PQhost(a), PQhost(b)) != 0 || strcmp(PQport(a), PQport(b)) != 0 ||
	       strcmp(PQhostaddr(a), PQhostaddr(b)) != 0;
}

static void
greet(struct worker *w)
{
	struct pipe *p = &w->second.link.pipe;
	struct err e;

	w->second.greeted = true;
	if (is_elsewhere(w)) {
		(void)err_set(&e, ERR_UNAVAILABLE, "it came to another server");
		pipe_close(p, &e);
		return;
	}
	pipe_call(p, db_deadline(w), "SELECT pg_backend_pid()", PG_NOARGS, greeted, w);
}

static void
begin(struct worker *w)
{
	struct err e = ERR_INIT;

	w->second.link.connector = db_connector(w, &e);
	if (!w->second.link.connector)
		failed(w, &e);
}

void
second_ready(struct worker *w, bool ready)
{
	struct err e = ERR_INIT;

	if (link_ready(&w->second.link, ready, &e))
		failed(w, &e);
}

void
second_turn(struct worker *w)
{
	struct second *s = &w->second;
	struct err e;
	bool wanted;

	if (!pipe_is_open(&w->first.pipe))
		return;
	if (s->link.online && !s->greeted)
		greet(w);
	if (s->link.online && !pipe_is_open(&s->link.pipe))
		failed(w, &s->link.pipe.why);
	wanted = now_ms() < s->until;
	if (wanted && !is_begun(s))
		begin(w);
	if (!ends_are_answered(w))
		return;
	if (s->ready)
		w->ends = &s->link;
	if (!wanted && is_begun(s)) {
		(void)err_set(&e, ERR_UNAVAILABLE, "it is not needed any more");
		second_close(w, &e);
	}
}

int64_t
second_due(const struct worker *w)
{
	const struct second *s = &w->second;

	if (s->link.online && (!s->greeted || !pipe_is_open(&s->link.pipe)))
		return 0;
	if (!is_begun(s))
		return now_ms() < s->until ? 0 : NEVER;
	return ends_are_answered(w) ? s->until : NEVER;
}
