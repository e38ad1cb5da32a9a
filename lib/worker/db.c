/*
 * db.c - the connection to the database, and staying alive in its eyes
 *
 * All calls but those of ends.c go through one pipeline, and are answered in callbacks,
 * in order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "log.h"
#include "sdnotify.h"
#include "worker.h"

enum {
	BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 10000,
	FIRST_MS = 10000,	/* the first time nothing is at stake: as long as connecting may take */
	KEEPALIVE_MS = 60000,	/* the server looks for us as often as for this lease, at least */
};

int64_t
db_jitter(int64_t ms)
{
	return ms - ms / 10 + random() % (ms / 5 + 1);
}

int64_t
db_deadline(const struct worker *w)
{
	return deadline_in(w->cfg.lease_ms / 4);
}

/* Of what is said before there is a lease. */
static int64_t
hello_deadline(const struct worker *w)
{
	return w->ever_registered ? db_deadline(w) : deadline_in(FIRST_MS);
}

/* Id and token: what was superseded and taken again is there twice for a while. */
struct run *
db_find(struct worker *w, const char *id, const char *token)
{
	struct err e;
	struct uuid i, t;

	if (uuid_parse(id, &i, &e) || uuid_parse(token, &t, &e))
		return NULL;
	for (int state = RUN_STATES; state-- > 0;)	/* the last is where it mostly is */
		RUNS_IN(w, state, r, next)
			if (uuid_equal(&r->id, &i) && uuid_equal(&r->token, &t))
				return r;
	return NULL;
}

static void
fatal(struct worker *w, const struct err *e)
{
	struct err copy = *e;

	if (e->kind == ERR_SCHEMA && strncmp(e->sqlstate, "JC", 2) != 0) {
		(void)err_set(&copy, ERR_SCHEMA,
			      "the jobctl schema is missing or incomplete: %s", e->msg);
		err_hint(&copy, "run: jobctl-migrate up");
	}
	worker_fatal(w, &copy);
}

void
db_complain(struct worker *w, const char *what, const struct err *e)
{
	if (!strcmp(e->sqlstate, "JC069")) {
		log_line(LOG_LEVEL_WARNING,
			 "the database has given this worker up; registering again", NULL);
		w->registered = false;
	} else if (e->kind == ERR_SCHEMA || e->kind == ERR_NOPERM) {
		fatal(w, e);
	} else if (e->kind != ERR_UNAVAILABLE) {	/* that is said once, by lost() */
		log_line(LOG_LEVEL_ERROR, what, "error", e->msg, "sqlstate",
			 e->sqlstate[0] ? e->sqlstate : NULL, NULL);
	}
}

static void
beaten(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	w->beating = false;
	if (e) {
		db_complain(w, "cannot renew the lease", e);
		return;
	}
	guard_renewed(w);
	sd_say("STATUS=%srunning %zu of %" PRId64 ", %" PRId64 " completed, %" PRId64 " failed",
	       w->draining ? "stopping; " : "", w->in_state[RUN_STARTED], w->slots,
	       w->completed, w->failed);
	for (int i = 0; i < PQntuples(res); i++) {
		struct run *r = db_find(w, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
		bool cancel = !strcmp(PQgetvalue(res, i, 2), "cancel");

		if (!r || r->state >= RUN_ENDED) /* what became of those, their end will say */
			continue;
		if (cancel && r->stop < STOP_CANCEL)
			log_line(LOG_LEVEL_INFO, "cancelling", "id", PQgetvalue(res, i, 0),
				 NULL);
		run_stop(w, r, cancel ? STOP_CANCEL : STOP_SUPERSEDED);
	}
}

/* All that we hold is named, also what has ended: what is not would be given back. */
static void
beat(struct worker *w)
{
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT;

	for (int state = 0; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next) {
			pg_array_add(&ids, pg_uuid(&r->id));
			pg_array_add(&tokens, pg_uuid(&r->token));
		}
	w->beating = true;
	w->asked_at = now_ms();
	w->beat_at = deadline_in(db_jitter(w->beat_ms));
	pipe_call(&w->first.pipe, db_deadline(w),
		  "SELECT id, token, what FROM jobctl.heartbeat($1, $2, $3)",
		  PG_ARGS(pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
			  pg_array(&tokens, pg_uuid(&w->id))),
		  beaten, w);
	pg_array_free(&ids);
	pg_array_free(&tokens);
}

/*
 * A server that cannot register us now may be able to later; when we have never
 * been there, better say so and end.
 */
static void
refused(struct worker *w, const struct err *e)
{
	struct err why = *e;

	if (w->ever_registered && e->kind == ERR_TEMPFAIL)
		pipe_close(&w->first.pipe, &why);
	else if (e->kind != ERR_UNAVAILABLE)
		fatal(w, e);
}

/* The channel of our notifications: the id without its dashes. */
static char *
listen_statement(const struct worker *w)
{
	AUTOSTR s = STR(STR_ANY);

	str_puts(&s, "LISTEN jobctl_");
	for (size_t i = 0; i < sizeof w->id.b; i++)
		str_putf(&s, "%02x", w->id.b[i]);
	return str_take(&s);
}

static void
listening(void *ctx, const PGresult *res, const struct err *e)
{
	(void)res;
	if (e)
		refused(ctx, e);
}

/*
 * Have the server notice by itself when we are gone without a word.  It may have half a
 * transaction of ours, with locks that we need when we are back; by its own settings it
 * waits for the rest of it for hours.
 */
void
db_own(struct worker *w, struct pipe *p, pipe_answer *then)
{
	static const char sql[] =
		"SELECT set_config('tcp_keepalives_idle', $1, false),"
		" set_config('tcp_keepalives_interval', $2, false),"
		" set_config('tcp_keepalives_count', '3', false),"
		" set_config('tcp_user_timeout', $3, false)";
	int64_t ms = earliest(w->cfg.lease_ms, KEEPALIVE_MS);
	AUTOFREE char *idle = xasprintf("%" PRId64 "s", (ms / 4 + 999) / 1000);
	AUTOFREE char *interval = xasprintf("%" PRId64 "s", (ms / 12 + 999) / 1000);
	AUTOFREE char *user = xasprintf("%" PRId64 "ms", ms / 2);

	pipe_call(p, hello_deadline(w), sql,
		  PG_ARGS(pg_text(idle), pg_text(interval), pg_text(user)), then, w);
	p->may_prepare = true;
}

/*
 * A pooler makes up the process that we are told of when we connect.  LISTEN would stay
 * behind on a session that others use, and what it brings would go to them.
 */
bool
db_is_pooled(const struct pipe *p, const PGresult *res)
{
	return pg_get_i64(res, 0, PQnfields(res) - 1) != PQbackendPID(p->db.conn);
}

static void
checked(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	AUTOFREE char *listen = listen_statement(w);

	if (e) {
		refused(w, e);
		return;
	}
	w->pooled = db_is_pooled(&w->first.pipe, res);
	if (!w->pooled) {
		pipe_call(&w->first.pipe, hello_deadline(w), listen, PG_NOARGS, listening, w);
		db_own(w, &w->first.pipe, listening);
	} else if (!w->ever_registered) {
		log_line(LOG_LEVEL_INFO, "connected through a pooler: new jobs and cancellations "
			 "are found by polling", NULL);
	}
}

static void
registered(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	(void)res;
	w->greeting = false;
	if (e) {
		refused(w, e);
		return;
	}
	if (!w->ever_registered)
		sd_say("READY=1");
	else if (w->lost_at != NEVER)
		log_line(LOG_LEVEL_WARNING, "the database is back", NULL);
	w->ever_registered = w->registered = true;
	w->lost_at = NEVER;
	w->backoff_ms = BACKOFF_MIN_MS;
	guard_renewed(w);
	w->beat_at = 0;			/* learn at once what became of what we run */
	w->look_at = 0;
	w->neighbours_at = 0;		/* of those that came meanwhile we were not told */
	w->tell_idle = w->listed = false;
}

static void
say_hello(struct worker *w)
{
	struct pg_array queues = PG_ARRAY_INIT, kinds = PG_ARRAY_INIT;

	w->greeting = true;
	w->asked_at = now_ms();
	pipe_call(&w->first.pipe, hello_deadline(w), "SELECT jobctl.require_schema($1, $2), pg_backend_pid()",
		  PG_ARGS(pg_i32(PG_SCHEMA_MIN), pg_i32(PG_SCHEMA_MAX)), checked, w);
	pipe_call(&w->first.pipe, hello_deadline(w),
		  "SELECT jobctl.register_worker($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		  PG_ARGS(pg_uuid(&w->id), pg_text(w->self.host), pg_text(w->self.boot_id),
			  pg_i32(w->self.pid), pg_i64(w->self.start), pg_text(JOBCTL_VERSION),
			  claim_words(&queues, w->queues), claim_words(&kinds, w->kinds),
			  pg_i32((int32_t)w->slots), pg_ms(w->cfg.lease_ms)),
		  registered, w);
	pg_array_free(&queues);
	pg_array_free(&kinds);
}

static void
gone(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	(void)res;
	(void)e;	/* then the lease ends by itself */
	guard_left(w);
	w->over = true;
}

void
db_unregister(struct worker *w)
{
	w->leaving = true;
	if (!w->registered) {
		guard_left(w);
		w->over = true;
		return;
	}
	pipe_call(&w->first.pipe, db_deadline(w), "SELECT jobctl.unregister_worker($1)",
		  PG_ARGS(pg_uuid(&w->id)), gone, w);
}

static void
lost(struct worker *w, const struct err *e)
{
	second_close(w, e);
	link_close(&w->first, e);
	w->registered = w->greeting = false;
	w->claiming = w->beating = w->maintaining = false;
	w->look_at = 0;
	ends_lost(w);
	if (!w->ever_registered) {
		worker_fatal(w, e);
		return;
	}
	if (w->lost_at == NEVER)
		w->lost_at = now_ms();
	w->connect_at = deadline_in(db_jitter(w->backoff_ms));
	w->backoff_ms = earliest(w->backoff_ms * 2, BACKOFF_MAX_MS);
	log_line(LOG_LEVEL_WARNING, "no database; trying again", "error", e->msg, NULL);
	sd_say("STATUS=no database: %s", e->msg);
}

/*
 * A silent server is left a quarter of the lease after a beat that may have been sent
 * when half was left till the fence.  A host that is silent as well must leave time to
 * reach the next one, and to register there.
 */
struct pg_connector *
db_connector(struct worker *w, struct err *e)
{
	return pg_connector_new(w->cmd->name, w->self.pid, w->cfg.common.dbname,
				w->ever_registered ? w->cfg.lease_ms / 8 : NEVER, e);
}

static void
begin_connecting(struct worker *w)
{
	struct err e = ERR_INIT;

	w->first.connector = db_connector(w, &e);
	if (!w->first.connector)
		lost(w, &e);
}

static void
read_notifications(struct worker *w)
{
	PGnotify *n;

	while (pipe_is_open(&w->first.pipe) && (n = PQnotifies(w->first.pipe.db.conn))) {
		/* Only hints: the claim and the heartbeat find out what there is. */
		if (!strcmp(n->extra, "cancel"))
			w->beat_at = 0;
		else if (!strcmp(n->extra, "neighbour"))
			maintain_told(w);
		else
			claim_again(w);
		PQfreemem(n);
	}
}

void
db_ready(struct worker *w, bool ready)
{
	struct err e = ERR_INIT;

	if (link_ready(&w->first, ready, &e))
		lost(w, &e);
	read_notifications(w);
}

void
db_turn(struct worker *w)
{
	int64_t now = now_ms();

	if (w->leaving)
		return;
	if (w->first.online && !pipe_is_open(&w->first.pipe))
		lost(w, &w->first.pipe.why);
	if (!w->first.online && !w->first.connector && now >= w->connect_at)
		begin_connecting(w);
	if (w->first.online && !w->registered && !w->greeting)
		say_hello(w);
	if (!w->registered || w->over)
		return;
	if (!w->beating && now >= w->beat_at)
		beat(w);
	second_turn(w);
	ends_turn(w);
	maintain_turn(w);		/* before the claim, which then finds what it gave back */
	if (now >= claim_due(w))
		claim(w);
	pipe_run(&w->first.pipe, false);	/* off with it now, not after the next poll() */
	pipe_run(&w->second.link.pipe, false);
}

int64_t
db_due(const struct worker *w)
{
	int64_t due = NEVER;

	if (w->leaving)
		return NEVER;
	if (!w->first.online)
		return w->first.connector ? NEVER : w->connect_at;
	if (!pipe_is_open(&w->first.pipe))
		return 0;
	if (!w->registered)
		return w->greeting ? NEVER : 0;
	if (!w->beating)
		due = earliest(due, w->beat_at);
	due = earliest(due, maintain_due(w));
	due = earliest(due, claim_due(w));
	due = earliest(due, second_due(w));
	return earliest(due, ends_due(w));
}
