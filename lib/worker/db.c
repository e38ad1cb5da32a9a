/*
 * db.c - what a worker says to the database, and what it makes of the answers
 *
 * Everything written names (id, token), so that all of it can be said again when
 * the connection is lost and it is not known whether it took effect.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "log.h"
#include "sdnotify.h"
#include "worker.h"

enum {
	BATCH = 500,			/* ends written by one call */
	OUTPUT_BYTES = 1 << 20,		/* output written by one call */
	PREFETCH_MS = 200,		/* claim ahead what can start within this time */
	PREFETCH_MAX = 250,
	BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 10000,
	MAINTAIN_MS = 15000,
	BEAT_MAX_MS = 5000,
	BUSY_MS = 100,			/* before an end is said again that met a locked row */
};

static int64_t
jitter(int64_t ms)
{
	return ms - ms / 10 + random() % (ms / 5 + 1);
}

static int64_t
call_deadline(const struct worker *w)
{
	return deadline_in(w->cfg.lease_ms / 4);
}

static struct run *
find(struct worker *w, const char *id)
{
	struct err e;
	struct uuid u;

	if (uuid_parse(id, &u, &e))
		return NULL;
	for (size_t i = 0; i < w->nruns; i++)
		if (uuid_equal(&w->runs[i]->id, &u))
			return w->runs[i];
	return NULL;
}

/* A call failed.  Those that end the worker do; the rest is logged and said again later. */
static void
complain(struct worker *w, const char *what, const struct err *e)
{
	if (!strcmp(e->sqlstate, "JC069")) {	/* given up for dead: all we run is somebody else's now */
		log_line(LOG_LEVEL_WARNING, "the database has given this worker up; registering again", NULL);
		w->registered = false;
		return;
	}
	if (e->kind == ERR_SCHEMA || e->kind == ERR_NOPERM) {
		worker_fatal(w, e);
		return;
	}
	if (e->kind != ERR_UNAVAILABLE)		/* that is said once, by lost() */
		log_line(LOG_LEVEL_ERROR, what, "error", e->msg, "sqlstate",
			 e->sqlstate[0] ? e->sqlstate : NULL, NULL);
}

/* --- claiming --- */

static int64_t
prefetch(const struct worker *w)
{
	double n;

	if (w->mean_ms <= 0 || w->cfg.once)
		return 0;
	n = PREFETCH_MS / w->mean_ms * (double)w->cfg.slots;
	return n > PREFETCH_MAX ? PREFETCH_MAX : (int64_t)n;
}

static int64_t
wanted(const struct worker *w)
{
	int64_t ahead = prefetch(w), have = (int64_t)(w->nclaimed + w->nstarted);
	int64_t n = w->cfg.slots + ahead - have;

	/* With some in hand wait for a batch worth a call, unless a slot stands empty. */
	if (w->nclaimed && n < ahead / 2)
		return 0;
	if (w->cfg.max_jobs && n > w->cfg.max_jobs - w->taken)
		n = w->cfg.max_jobs - w->taken;
	return n;
}

static char *
get_text(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? NULL : xstrdup(PQgetvalue(res, row, col));
}

static void
take(struct worker *w, const PGresult *res, int row)
{
	struct run *r = run_new(w);
	struct err e;

	if (uuid_parse(PQgetvalue(res, row, 0), &r->id, &e))
		abort();	/* the server's own uuid type */
	r->token = w->claim_token;
	r->project = get_text(res, row, 1);
	r->queue = get_text(res, row, 2);
	r->kind = get_text(res, row, 3);
	r->args = get_text(res, row, 4);
	r->attempt = (int)pg_get_i64(res, row, 5);
	r->max_attempts = (int)pg_get_i64(res, row, 6);
	r->timeout_ms = pg_get_i64(res, row, 7);
	r->checkpoint = get_text(res, row, 8);
}

static void
claimed(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	int n;

	w->claiming = false;
	if (e) {
		complain(w, "cannot claim jobs", e);
		if (e->kind != ERR_UNAVAILABLE)
			w->poll_at = deadline_in(jitter(w->cfg.poll_ms));
		return;		/* the token and the number stay: the same claim is said again */
	}
	n = PQntuples(res);
	for (int i = 0; i < n; i++)
		take(w, res, i);
	w->taken += n;
	if (n)
		w->idle_since = NEVER;
	/* Full: there is more.  Short: ask to be woken and look once more, then wait. */
	w->hungry = n == w->claim_want || !w->tell_idle;
	w->tell_idle = n < w->claim_want;
	w->claim_want = 0;
	w->poll_at = earliest(deadline_in(jitter(w->cfg.poll_ms)), w->next_due);
	w->next_due = NEVER;
	if (!n && !w->nruns && (w->cfg.drain || w->cfg.once))
		worker_drain(w, "nothing is ready");
	if (!n && !w->nruns && w->idle_since == NEVER)
		w->idle_since = now_ms();
}

static void
told_idle(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	if (e) {
		complain(w, "cannot ask to be woken", e);
		return;
	}
	if (!PQgetisnull(res, 0, 0))
		w->next_due = deadline_in(pg_get_i64(res, 0, 0) + 1);
}

static struct pg_val
text_array(struct pg_array *a, char *const *words)
{
	if (!words)
		return pg_null();
	for (; *words; words++)
		pg_array_add(a, pg_text(*words));
	return pg_array(a, pg_text(""));
}

static void
claim(struct worker *w)
{
	struct pg_array queues = PG_ARRAY_INIT, kinds = PG_ARRAY_INIT;

	if (!w->claim_want) {
		w->claim_want = wanted(w);
		if (w->claim_want <= 0) {
			w->claim_want = 0;
			return;
		}
		w->claim_token = uuid_random();
	}
	if (w->tell_idle && !w->cfg.drain && !w->cfg.once)
		pipe_call(&w->pipe, call_deadline(w), "SELECT jobctl.worker_idle($1)",
			  PG_ARGS(pg_uuid(&w->id)), told_idle, w);
	w->claiming = true;
	w->hungry = false;
	pipe_call(&w->pipe, call_deadline(w), "SELECT * FROM jobctl.claim($1, $2, $3, $4, $5)",
		  PG_ARGS(pg_uuid(&w->claim_token), pg_uuid(&w->id), text_array(&queues, w->queues),
			  pg_i32((int32_t)w->claim_want), text_array(&kinds, w->kinds)),
		  claimed, w);
	pg_array_free(&queues);
	pg_array_free(&kinds);
}

static bool
claim_is_due(const struct worker *w)
{
	if (w->draining || w->claiming)
		return false;
	if (w->claim_want)
		return true;
	return (w->hungry || now_ms() >= w->poll_at) && wanted(w) > 0;
}

/* --- output and reports --- */

static void
ignored(void *ctx, const PGresult *res, const struct err *e)
{
	(void)res;
	if (e)
		complain(ctx, "cannot write a job's output or progress", e);
}

/*
 * Output that the connection loses is lost: it is not worth holding memory for
 * while a server is away.  A job's end is, and waits.
 */
static void
send_output(struct worker *w, struct run *r)
{
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT, n = PG_ARRAY_INIT;
	struct pg_array streams = PG_ARRAY_INIT, dropped = PG_ARRAY_INIT, data = PG_ARRAY_INIT;

	if (!r->spool.npieces)
		return;
	for (size_t i = 0; i < r->spool.npieces; i++) {
		const struct piece *p = &r->spool.pieces[i];

		pg_array_add(&ids, pg_uuid(&r->id));
		pg_array_add(&tokens, pg_uuid(&r->token));
		pg_array_add(&n, pg_i32(p->n));
		pg_array_add(&streams, pg_i32(p->stream));
		pg_array_add(&dropped, pg_i64(p->dropped));
		pg_array_add(&data, pg_bytes(p->data, p->len));
	}
	pipe_call(&w->pipe, call_deadline(w),
		  "SELECT jobctl.append_output($1, $2, $3, $4, $5, $6, $7)",
		  PG_ARGS(pg_uuid(&w->id), pg_array(&ids, pg_uuid(&r->id)),
			  pg_array(&tokens, pg_uuid(&r->id)), pg_array(&n, pg_i32(0)),
			  pg_array(&streams, pg_i32(0)), pg_array(&dropped, pg_i64(0)),
			  pg_array(&data, pg_bytes("", 0))),
		  ignored, w);
	spool_drop(&r->spool, r->spool.npieces);
	pg_array_free(&ids);
	pg_array_free(&tokens);
	pg_array_free(&n);
	pg_array_free(&streams);
	pg_array_free(&dropped);
	pg_array_free(&data);
}

/* One value or NULL as an array of one. */
static struct pg_val
single(struct pg_array *a, struct pg_val v, bool known)
{
	if (known && v.len >= 0)
		pg_array_add(a, v);
	else
		pg_array_add_null(a, v);
	return pg_array(a, v);
}

static void
send_report(struct worker *w, struct run *r)
{
	struct pg_array a[7] = { PG_ARRAY_INIT };

	if (!r->reported)
		return;
	r->reported = false;
	pipe_call(&w->pipe, call_deadline(w), "SELECT jobctl.report($1, $2, $3, $4, $5, $6, $7, $8)",
		  PG_ARGS(pg_uuid(&w->id), single(&a[0], pg_uuid(&r->id), true),
			  single(&a[1], pg_uuid(&r->token), true),
			  single(&a[2], pg_i64(r->done), r->has_progress),
			  single(&a[3], pg_i64(r->total), r->has_progress),
			  single(&a[4], pg_text(r->message), true), single(&a[5], pg_json(r->stats), true),
			  single(&a[6], pg_json(r->mark), true)),
		  ignored, w);
	for (size_t i = 0; i < NELEM(a); i++)
		pg_array_free(&a[i]);
}

static void
flush_runs(struct worker *w)
{
	int64_t now = now_ms();

	for (size_t i = 0; i < w->nruns && pipe_is_open(&w->pipe); i++) {
		struct run *r = w->runs[i];

		if (r->state != RUN_STARTED || now < r->flush_at)
			continue;
		send_output(w, r);
		send_report(w, r);
		r->flush_at = NEVER;
	}
}

/* --- ends --- */

static const char *
shown(const char *status)
{
	return strcmp(status, "pending") ? status : "failed, will be tried again";
}

static void
count(struct worker *w, const struct run *r, const char *status)
{
	char ms[32];

	if (!r->outcome) {
		log_line(LOG_LEVEL_INFO, "given back", "id", uuid_str(&r->id).z, NULL);
		return;
	}
	if (!strcmp(r->outcome, "ok"))
		w->completed++;
	else
		w->failed++;
	snprintf(ms, sizeof ms, "%" PRId64 "ms", r->ran_ms);
	log_line(LOG_LEVEL_INFO, shown(status), "id", uuid_str(&r->id).z, "kind", r->kind, "outcome",
		 r->outcome, "error", r->error, "after", ms, NULL);
}

static void
settled(struct worker *w, const PGresult *res, int row)
{
	const char *verdict = PQgetvalue(res, row, 1);
	struct run *r = find(w, PQgetvalue(res, row, 0));

	if (!r || r->state != RUN_WRITING)
		return;
	if (!strcmp(verdict, "busy")) {		/* somebody's transaction holds the row */
		r->state = RUN_ENDED;
		r->retry_at = deadline_in(BUSY_MS);
		return;
	}
	if (!strcmp(verdict, "superseded"))
		log_line(LOG_LEVEL_WARNING, "superseded", "id", uuid_str(&r->id).z, NULL);
	else
		count(w, r, PQnfields(res) > 2 ? PQgetvalue(res, row, 2) : "pending");
	run_forget(w, r);
	if (w->cfg.drain)
		w->hungry = true;	/* it may have submitted another */
}

/* One result the database cannot take must not hold up the others: say it alone, then bare. */
static void
unsettle(struct worker *w, const struct err *e)
{
	for (size_t i = 0; i < w->nruns; i++) {
		struct run *r = w->runs[i];

		if (r->state != RUN_WRITING)
			continue;
		r->state = RUN_ENDED;
		if (e->kind == ERR_UNAVAILABLE || e->kind == ERR_TEMPFAIL) {
			r->retry_at = deadline_in(BUSY_MS);
			continue;
		}
		if (r->alone) {
			free(r->result);
			r->result = NULL;
			r->retry_at = deadline_in(w->cfg.poll_ms);
		}
		r->alone = true;
	}
}

static void
finished(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	w->finishing = false;
	if (e) {
		complain(w, "cannot write how jobs ended", e);
		unsettle(w, e);
		return;
	}
	for (int i = 0; i < PQntuples(res); i++)
		settled(w, res, i);
}

/* Arrays for the columns of finish(), an element per run. */
struct ends {
	struct pg_array id, token, outcome, code, signal, error, result, cpu, rss;
	int n;
};

static struct pg_val
null_if(struct pg_val v, bool unknown)
{
	if (unknown)
		v.len = -1;
	return v;
}

static void
add_end(struct ends *x, const struct run *r)
{
	const struct rusage *u = &r->end.usage;
	double cpu = (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
		     (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
	bool never_ran = r->started == 0;

	pg_array_add(&x->id, pg_uuid(&r->id));
	pg_array_add(&x->token, pg_uuid(&r->token));
	pg_array_add(&x->outcome, pg_text(r->outcome));
	pg_array_add(&x->code, null_if(pg_i32(r->end.exit_code),
				       r->end.signal || (never_ran && !r->end.exit_code)));
	pg_array_add(&x->signal, null_if(pg_i32(r->end.signal), !r->end.signal));
	pg_array_add(&x->error, pg_text(r->error));
	pg_array_add(&x->result, pg_json(r->result));
	pg_array_add(&x->cpu, null_if(pg_double(cpu), never_ran));
	pg_array_add(&x->rss, null_if(pg_i64(u->ru_maxrss * 1024), never_ran));
	x->n++;
}

static void
free_ends(struct ends *x)
{
	pg_array_free(&x->id);
	pg_array_free(&x->token);
	pg_array_free(&x->outcome);
	pg_array_free(&x->code);
	pg_array_free(&x->signal);
	pg_array_free(&x->error);
	pg_array_free(&x->result);
	pg_array_free(&x->cpu);
	pg_array_free(&x->rss);
}

static bool
end_is_due(const struct run *r, int64_t now)
{
	return r->state == RUN_ENDED && now >= r->retry_at;
}

static void
finish(struct worker *w)
{
	struct ends x = { .n = 0 };
	int64_t now = now_ms();
	size_t bytes = 0;

	for (size_t i = 0; i < w->nruns && x.n < BATCH && bytes < OUTPUT_BYTES; i++) {
		struct run *r = w->runs[i];

		if (!end_is_due(r, now) || !r->outcome || (r->alone && x.n))
			continue;
		bytes += spool_ready(&r->spool);
		send_output(w, r);	/* before the end: after it the token writes nothing */
		send_report(w, r);
		if (!pipe_is_open(&w->pipe))
			break;
		r->state = RUN_WRITING;
		add_end(&x, r);
		if (r->alone)
			break;
	}
	if (x.n && pipe_is_open(&w->pipe)) {
		w->finishing = true;
		pipe_call(&w->pipe, call_deadline(w),
			  "SELECT id, verdict, status FROM jobctl.finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			  PG_ARGS(pg_uuid(&w->id), pg_array(&x.id, pg_uuid(&w->id)),
				  pg_array(&x.token, pg_uuid(&w->id)), pg_array(&x.outcome, pg_text("")),
				  pg_array(&x.code, pg_i32(0)), pg_array(&x.signal, pg_i32(0)),
				  pg_array(&x.error, pg_text("")), pg_array(&x.result, pg_json("")),
				  pg_array(&x.cpu, pg_double(0)), pg_array(&x.rss, pg_i64(0))),
			  finished, w);
	} else if (x.n) {
		struct err e;

		(void)err_set(&e, ERR_UNAVAILABLE, "lost the connection");
		unsettle(w, &e);
	}
	free_ends(&x);
}

/* Runs without an outcome go back to the queue: started ones with a reason, the others without a trace. */
static void
give_back(struct worker *w, bool started)
{
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT;
	const char *why = NULL;
	int64_t now = now_ms();

	for (size_t i = 0; i < w->nruns && ids.n < BATCH; i++) {
		struct run *r = w->runs[i];

		if (!end_is_due(r, now) || r->outcome || (r->started != 0) != started)
			continue;
		send_output(w, r);
		send_report(w, r);
		r->state = RUN_WRITING;
		why = r->error;
		pg_array_add(&ids, pg_uuid(&r->id));
		pg_array_add(&tokens, pg_uuid(&r->token));
	}
	if (ids.n && pipe_is_open(&w->pipe)) {
		w->finishing = true;
		pipe_call(&w->pipe, call_deadline(w),
			  "SELECT id, verdict FROM jobctl.give_back($1, $2, $3, $4)",
			  PG_ARGS(pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
				  pg_array(&tokens, pg_uuid(&w->id)), pg_text(why)),
			  finished, w);
	}
	pg_array_free(&ids);
	pg_array_free(&tokens);
}

/* --- being alive --- */

static void
beaten(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	w->beating = false;
	if (e) {
		complain(w, "cannot renew the lease", e);
		return;
	}
	w->fence_at = w->asked_at + w->cfg.lease_ms * 3 / 4;
	sd_say("WATCHDOG=1\nSTATUS=running %zu of %" PRId64 ", %" PRId64 " completed, %" PRId64 " failed",
	       w->nstarted, w->cfg.slots, w->completed, w->failed);
	for (int i = 0; i < PQntuples(res); i++) {
		struct run *r = find(w, PQgetvalue(res, i, 0));
		bool cancel = !strcmp(PQgetvalue(res, i, 1), "cancel");

		if (!r || r->state == RUN_WRITING)
			continue;
		if (cancel && r->stop < STOP_CANCEL)
			log_line(LOG_LEVEL_INFO, "cancelling", "id", PQgetvalue(res, i, 0), NULL);
		run_stop(w, r, cancel ? STOP_CANCEL : STOP_SUPERSEDED);
	}
}

static void
beat(struct worker *w)
{
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT;

	for (size_t i = 0; i < w->nruns; i++) {
		pg_array_add(&ids, pg_uuid(&w->runs[i]->id));
		pg_array_add(&tokens, pg_uuid(&w->runs[i]->token));
	}
	w->beating = true;
	w->asked_at = now_ms();
	w->beat_at = deadline_in(jitter(earliest(w->cfg.lease_ms / 4, BEAT_MAX_MS)));
	pipe_call(&w->pipe, call_deadline(w), "SELECT id, what FROM jobctl.heartbeat($1, $2, $3)",
		  PG_ARGS(pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
			  pg_array(&tokens, pg_uuid(&w->id))),
		  beaten, w);
	pg_array_free(&ids);
	pg_array_free(&tokens);
}

static void
maintained(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	w->maintaining = false;
	w->maintain_at = deadline_in(jitter(MAINTAIN_MS));
	if (e) {
		complain(w, "maintenance failed", e);
	} else if (pg_get_i64(res, 0, 0) > 0) {
		log_line(LOG_LEVEL_WARNING, "gave back jobs of dead workers", "jobs",
			 PQgetvalue(res, 0, 0), NULL);
		w->hungry = true;
	}
}

static void
maintain(struct worker *w)
{
	w->maintaining = true;
	pipe_call(&w->pipe, call_deadline(w), "SELECT jobctl.maintain()", PG_NOARGS, maintained, w);
}

static void
checked(void *ctx, const PGresult *res, const struct err *e)
{
	(void)res;
	if (e && e->kind != ERR_UNAVAILABLE)
		worker_fatal(ctx, e);
}

static void
registered(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	(void)res;
	w->greeting = false;
	if (e) {
		if (e->kind != ERR_UNAVAILABLE)
			worker_fatal(w, e);
		return;
	}
	if (!w->ever_connected)
		sd_say("READY=1");
	w->ever_connected = true;
	w->registered = true;
	w->backoff_ms = BACKOFF_MIN_MS;
	w->fence_at = w->asked_at + w->cfg.lease_ms * 3 / 4;
	w->beat_at = 0;			/* learn at once what became of what we run */
	w->hungry = true;
	w->tell_idle = false;
}

static void
say_hello(struct worker *w)
{
	struct pg_array queues = PG_ARRAY_INIT, kinds = PG_ARRAY_INIT;
	AUTOFREE char *listen = NULL;
	struct uuid_text id = uuid_str(&w->id);
	struct host_process self;
	char hex[33];
	size_t n = 0;

	for (const char *p = id.z; *p; p++)
		if (*p != '-')
			hex[n++] = *p;
	hex[n] = '\0';
	host_self(&self);
	w->greeting = true;
	w->asked_at = now_ms();
	listen = xasprintf("LISTEN jobctl_%s", hex);
	pipe_call(&w->pipe, call_deadline(w), "SELECT jobctl.require_schema($1, $2)",
		  PG_ARGS(pg_i32(PG_SCHEMA_MIN), pg_i32(PG_SCHEMA_MAX)), checked, w);
	if (pipe_is_open(&w->pipe))
		pipe_call(&w->pipe, call_deadline(w), listen, PG_NOARGS, checked, w);
	if (pipe_is_open(&w->pipe))
		pipe_call(&w->pipe, call_deadline(w),
			  "SELECT jobctl.register_worker($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			  PG_ARGS(pg_uuid(&w->id), pg_text(self.host), pg_text(self.boot_id),
				  pg_i32(self.pid), pg_i64(self.start), pg_text(JOBCTL_VERSION),
				  text_array(&queues, w->queues), text_array(&kinds, w->kinds),
				  pg_i32((int32_t)w->cfg.slots), pg_ms(w->cfg.lease_ms)),
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
	w->over = true;
}

void
db_unregister(struct worker *w)
{
	w->leaving = true;
	if (!pipe_is_open(&w->pipe) || !w->registered) {
		w->over = true;
		return;
	}
	pipe_call(&w->pipe, call_deadline(w), "SELECT jobctl.unregister_worker($1)",
		  PG_ARGS(pg_uuid(&w->id)), gone, w);
}

/* --- the connection --- */

static void
lost(struct worker *w, const struct err *e)
{
	pg_connector_free(w->connector);
	w->connector = NULL;
	w->online = w->registered = w->greeting = false;
	w->claiming = w->finishing = w->beating = w->maintaining = false;
	if (!w->ever_connected) {
		worker_fatal(w, e);
		return;
	}
	w->connect_at = deadline_in(jitter(w->backoff_ms));
	w->backoff_ms = earliest(w->backoff_ms * 2, BACKOFF_MAX_MS);
	log_line(LOG_LEVEL_WARNING, "no database; trying again", "error", e->msg, NULL);
}

static void
connect(struct worker *w)
{
	struct err e = ERR_INIT;

	w->connector = pg_connector_new(w->cmd->name, w->cfg.common.dbname, &e);
	if (!w->connector)
		lost(w, &e);
}

static void
connecting(struct worker *w, bool ready)
{
	struct pg db = PG_INIT;
	struct err e = ERR_INIT;
	int rc = pg_connector_step(w->connector, ready, &db, &e);

	if (rc == 0)
		return;
	if (rc < 0 || pipe_open(&w->pipe, &db, &e)) {
		lost(w, &e);
		return;
	}
	pg_connector_free(w->connector);
	w->connector = NULL;
	w->online = true;
}

int
db_fd(struct worker *w, short *events, int64_t *deadline)
{
	if (w->connector)
		return pg_connector_fd(w->connector, events, deadline);
	return pipe_fd(&w->pipe, events, deadline);
}

static void
read_notifications(struct worker *w)
{
	PGnotify *n;

	while (pipe_is_open(&w->pipe) && (n = PQnotifies(w->pipe.db.conn))) {
		/* Only hints: the claim and the heartbeat find out what there is. */
		if (!strcmp(n->extra, "cancel"))
			w->beat_at = 0;
		else
			w->hungry = true;
		PQfreemem(n);
	}
}

void
db_ready(struct worker *w, bool ready)
{
	bool was_open = pipe_is_open(&w->pipe);

	if (w->connector)
		connecting(w, ready);
	if (!was_open)
		return;
	pipe_run(&w->pipe, ready);
	read_notifications(w);
}

void
db_turn(struct worker *w)
{
	int64_t now = now_ms();

	if (w->leaving)
		return;
	if (w->online && !pipe_is_open(&w->pipe))
		lost(w, &w->pipe.why);
	if (!w->online && !w->connector && now >= w->connect_at)
		connect(w);
	if (w->online && !w->registered && !w->greeting)
		say_hello(w);
	if (!w->registered)
		return;
	if (!w->beating && now >= w->beat_at)
		beat(w);
	flush_runs(w);
	if (pipe_is_open(&w->pipe) && !w->finishing)
		finish(w);
	if (pipe_is_open(&w->pipe) && !w->finishing)
		give_back(w, true);
	if (pipe_is_open(&w->pipe) && !w->finishing)
		give_back(w, false);
	if (pipe_is_open(&w->pipe) && !w->maintaining && now >= w->maintain_at)
		maintain(w);	/* before the claim, which then finds what it gave back */
	if (pipe_is_open(&w->pipe) && claim_is_due(w))
		claim(w);
	pipe_run(&w->pipe, false);	/* off with it now, not after the next poll() */
}

int64_t
db_due(const struct worker *w)
{
	int64_t due = NEVER;

	if (w->leaving)
		return NEVER;
	if (!w->online)
		return w->connector ? NEVER : w->connect_at;
	if (!pipe_is_open(&w->pipe))
		return 0;
	if (!w->registered)
		return w->greeting ? NEVER : 0;
	if (!w->beating)
		due = earliest(due, w->beat_at);
	if (!w->maintaining)
		due = earliest(due, w->maintain_at);
	if (!w->draining && !w->claiming && wanted(w) > 0)
		due = earliest(due, w->hungry || w->claim_want ? 0 : w->poll_at);
	for (size_t i = 0; i < w->nruns; i++) {
		const struct run *r = w->runs[i];

		if (r->state == RUN_ENDED && !w->finishing)
			due = earliest(due, r->retry_at);
		else if (r->state == RUN_STARTED)
			due = earliest(due, r->flush_at);
	}
	return due;
}
