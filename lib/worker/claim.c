/*
 * claim.c - taking jobs
 *
 * A claim asks for as many jobs as there are free slots, and for more if they are
 * short: so many as will start within PREFETCH_MS.  What was claimed ahead and
 * cannot start soon after all goes back, for others to take.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "worker.h"

enum {
	PREFETCH_MS = 200, PREFETCH_MAX = 1000,
	PREFETCH_BYTES = 4 << 20, /* of args */
	UNWRITTEN_MAX = 3000,	  /* ends that wait to be written: then no more jobs */
	HOLD_MS = 1000,		  /* a job that could not start by then goes back */
	AHEAD = 100,		  /* jobs as short as that by one claim: their rows need not say so */
	MARK_MS = 1000,		  /* then they are to */
	DUE_MIN_MS = 20,	  /* schedules elsewhere must not make us spin */
};

static int64_t
prefetch(const struct worker *w)
{
	double n;

	if (w->mean_ms <= 0 || w->mean_ms >= PREFETCH_MS || w->cfg.once)
		return 0;
	n = PREFETCH_MS / w->mean_ms * (double)(w->in_state[RUN_STARTED] + run_room(w));
	if (n > PREFETCH_MAX)
		n = PREFETCH_MAX;
	if (n * w->mean_args > PREFETCH_BYTES)
		n = PREFETCH_BYTES / w->mean_args;
	return (int64_t)n;
}

static int64_t
wanted(const struct worker *w)
{
	int64_t ahead = prefetch(w);
	int64_t n = (int64_t)run_room(w) + ahead - (int64_t)w->in_state[RUN_CLAIMED];

	/* With some in hand wait for a batch worth a call, unless a slot stands empty. */
	if (w->in_state[RUN_CLAIMED] && n < ahead / 2)
		return 0;
	if (runs_over(w) > UNWRITTEN_MAX)
		return 0;
	if (w->cfg.max_jobs)
		n = earliest(n, w->cfg.max_jobs - w->taken);
	return n;
}

/* Jobs wait in our hands, and nothing shows that they will start soon. */
static bool
held_up(const struct worker *w)
{
	return w->in_state[RUN_CLAIMED] &&
	       (!run_room(w) || now_ms() < w->start_at || tree_is_in_the_way(w));
}

void
claim_hold(struct run *r)
{
	r->hold_until = deadline_in(HOLD_MS);
}

static int64_t
held_until(const struct worker *w)
{
	return held_up(w) ? TAILQ_FIRST(&w->runs[RUN_CLAIMED])->hold_until : NEVER;
}

/* A heartbeat has it written that what we hold runs, once that was claimed a second ago. */
static void
mark(struct worker *w)
{
	int64_t now = now_ms();

	w->mark_at = NEVER;
	for (int state = 0; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next)
			if (now >= r->mark_at) {
				r->mark_at = NEVER;
				w->beat_at = 0;
			} else {
				w->mark_at = earliest(w->mark_at, r->mark_at);
			}
}

void
claim_tick(struct worker *w)
{
	while (now_ms() >= held_until(w)) {
		run_stop(w, TAILQ_FIRST(&w->runs[RUN_CLAIMED]), STOP_INTERRUPT);
		w->mean_ms = PREFETCH_MS;	/* jobs are longer now than they were */
	}
	if (now_ms() >= w->mark_at)
		mark(w);
}

int64_t
claim_tick_due(const struct worker *w)
{
	return earliest(held_until(w), w->mark_at);
}

int64_t
claim_due(const struct worker *w)
{
	if (w->claiming)
		return NEVER;
	if (w->claim_want) /* also while draining: what it took is to be given back */
		return w->look_at;
	if (w->draining || wanted(w) <= 0)
		return NEVER;
	return w->look_at > w->start_at ? w->look_at : w->start_at;
}

static char *
get_text(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? NULL : xstrdup(PQgetvalue(res, row, col));
}

static void
take(struct worker *w, struct taken *taken, const PGresult *res, int row)
{
	struct run *r = run_new(w, taken);
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
	if (!PQgetisnull(res, row, 7))
		r->timeout_ms = pg_get_i64(res, row, 7) > 0 ? pg_get_i64(res, row, 7) : 1;
	r->checkpoint = get_text(res, row, 8);
	r->row = pg_get_tid(res, row, 9);
	claim_hold(r);
	r->mark_at = w->claim_ahead ? deadline_in(MARK_MS) : NEVER;
	w->mark_at = earliest(w->mark_at, r->mark_at);
	w->mean_args = w->mean_args * 0.9 + (double)PQgetlength(res, row, 4) * 0.1;
	w->taken++;
	if (w->draining)
		run_stop(w, r, STOP_INTERRUPT);
}

/* Whether it is of use to be woken. */
static bool
would_be_woken(const struct worker *w)
{
	return !w->pooled && !w->cfg.drain && !w->cfg.once;
}

/* There may be more than a claim under way has seen. */
void
claim_again(struct worker *w)
{
	if (w->claim_want)
		w->look_again = true;
	if (!w->claiming)
		w->look_at = 0;
}

/* Told in how many milliseconds the next job falls due.  One that is due is for the claim behind. */
static void
listed(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	int64_t ms;

	w->listed = !e;
	w->next_due = NEVER;
	if (e) {
		db_complain(w, "cannot ask to be woken", e);
	} else if (!PQgetisnull(res, 0, 0)) {
		ms = pg_get_i64(res, 0, 0);
		w->next_due = deadline_in((ms < DUE_MIN_MS ? DUE_MIN_MS : ms) + 1);
	}
}

/* As listed(), but no claim was sent behind: for what is due already there must be one. */
static void
listed_still(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	listed(w, res, e);
	w->look_at = earliest(w->look_at, w->next_due);
	if (!e && pg_get_bool(res, 0, 1) && !w->claiming) {
		w->tell_idle = true;
		w->look_at = 0;
	}
}

static void
list_as_idle(struct worker *w, pipe_answer *then)
{
	pipe_call(&w->first.pipe, db_deadline(w), "SELECT next_ms, overdue FROM jobctl.worker_idle($1)",
		  PG_ARGS(pg_uuid(&w->id)), then, w);
}

/*
 * The claim found fewer than were wanted.  Ask to be woken and look once more; then
 * wait.  Who is listed still was woken by all that came, and asks only when to look
 * by itself; and only now, because until the claim was through somebody waited.
 */
static void
came_short(struct worker *w)
{
	bool asked = w->tell_idle || !would_be_woken(w) || w->draining;

	w->tell_idle = !asked && !w->listed;
	w->look_at = w->tell_idle ? 0 : deadline_in(db_jitter(w->cfg.poll_ms));
	if (asked)
		w->look_at = earliest(w->look_at, w->next_due);
	else if (w->listed)
		list_as_idle(w, listed_still);
}

/*
 * Nothing runs, and the claim found nothing.  Time that has passed says nothing by itself,
 * the database may have been away: who is to leave when idle has looked at the end of it.
 */
static void
idle(struct worker *w)
{
	if (w->idle_since == NEVER)
		w->idle_since = now_ms();
	if (w->cfg.idle_exit == NEVER)
		return;
	if (w->looked_at - w->idle_since >= w->cfg.idle_exit)
		worker_drain(w, "idle");
	w->look_at = earliest(w->look_at, w->idle_since + w->cfg.idle_exit);
}

static void
claimed(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;
	struct taken *taken;
	bool again = w->look_again;
	int n;

	w->claiming = false;
	if (e) {
		/* If it may have taken effect, the same claim is said again. */
		if (e->kind != ERR_UNAVAILABLE || !strncmp(e->sqlstate, "JC", 2))
			w->claim_want = 0;
		w->look_at = deadline_in(db_jitter(w->cfg.poll_ms));
		db_complain(w, "cannot claim jobs", e);
		return;
	}
	n = PQntuples(res);
	taken = n ? xcalloc(1, sizeof *taken) : NULL;
	for (int i = 0; i < n; i++)
		take(w, taken, res, i);
	if (n < w->claim_want) {
		came_short(w);
	} else {
		w->tell_idle = w->listed = false;
		w->look_at = 0;
		second_claimed(w, n);
	}
	if (again)
		w->look_at = 0;
	w->look_again = false;
	w->claim_want = 0;
	w->next_due = NEVER;
	if (n)
		w->idle_since = NEVER;
	/* while maintenance is under way, there may yet be something: it has us look again */
	if (n || w->nruns || again || w->maintaining)
		return;
	if (w->cfg.drain || w->cfg.once)
		worker_drain(w, "nothing is ready");
	idle(w);
}

struct pg_val
claim_words(struct pg_array *a, char *const *words)
{
	if (!words)
		return pg_null();
	for (; *words; words++)
		pg_array_add(a, pg_text(*words));
	return pg_array(a, pg_text(""));
}

void
claim(struct worker *w)
{
	struct pg_array queues = PG_ARRAY_INIT, kinds = PG_ARRAY_INIT;

	if (!w->claim_want) {
		w->claim_want = wanted(w);
		w->claim_ahead = w->claim_want >= AHEAD && prefetch(w) >= AHEAD;
		w->claim_token = uuid_random();
	}
	if (w->tell_idle && !w->draining)
		list_as_idle(w, listed);
	w->claiming = true;
	w->looked_at = now_ms();
	pipe_call(&w->first.pipe, db_deadline(w),
		  "SELECT id, project, queue, kind, args, attempt, max_attempts, timeout_ms,"
		  " checkpoint, place FROM jobctl.claim($1, $2, $3, $4, $5, $6)",
		  PG_ARGS(pg_uuid(&w->claim_token), pg_uuid(&w->id),
			  claim_words(&queues, w->queues), pg_i32((int32_t)w->claim_want),
			  claim_words(&kinds, w->kinds), pg_bool(w->claim_ahead)),
		  claimed, w);
	pg_array_free(&queues);
	pg_array_free(&kinds);
}
