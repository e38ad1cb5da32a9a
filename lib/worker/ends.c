/*
 * ends.c - writing down what jobs wrote, what they said, and how they ended
 *
 * Ends go in batches, in one transaction with the output and the reports that they
 * belong to: after its end a token writes nothing, and there is no end without them.
 * A piece of output is kept until it is stored, so that a server may go away, or
 * its disk be full, at any time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "worker.h"

enum {
	BATCH = 500,		/* ends written by one call */
	OUTPUT_BYTES = 1 << 17, /* output written by one call, more or less */
	OUTPUT_CALLS = 4,	/* unanswered */
	AGAIN_MS = 100, AGAIN_MAX_MS = 10000,	/* before a refused end is said again */
	LINGER_MS = 50, ENOUGH = 400,	/* a batch of short jobs is worth this wait */
	END_CALLS = 2,		/* unanswered, by the second connection: it never waits for us */
	PLENTY = 800,		/* more ends than it is through with soon */
	STUCK_MS = 1000,	/* it may wait for somebody, if its last answer is older */
};

static void
stored(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	(void)res;
	if (e && e->kind == ERR_UNAVAILABLE)
		return;			/* ends_lost() has it sent again */
	if (e)
		db_complain(w, "cannot store output of jobs", e);
	w->output_answered++;
	for (int state = RUN_STARTED; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next)
			if (e && e->kind == ERR_TEMPFAIL) {
				spool_not_stored(&r->spool, w->output_answered);
				run_flush_soon(r);
			} else {
				spool_stored(&r->spool, w->output_answered);
				run_weigh(w, r);
			}
}

/*
 * What the runs have to store, in one call; joined, it belongs to the call that follows,
 * and what an earlier one carries is in it, too: that one may still fail.
 */
static void
send_output(struct worker *w, struct link *by, struct run *const *runs, size_t nruns, bool joined)
{
	static const char sql[] = "SELECT jobctl.append_output($1, $2, $3, $4, $5, $6, $7)";
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT, n = PG_ARRAY_INIT;
	struct pg_array streams = PG_ARRAY_INIT, dropped = PG_ARRAY_INIT, data = PG_ARRAY_INIT;

	for (size_t i = 0; i < nruns; i++) {
		struct spool *s = &runs[i]->spool;

		for (size_t k = joined ? 0 : spool_unsent(s); k < s->npieces; k++) {
			struct piece *p = &s->pieces[k];

			pg_array_add(&ids, pg_uuid(&runs[i]->id));
			pg_array_add(&tokens, pg_uuid(&runs[i]->token));
			pg_array_add(&n, pg_i32(p->n));
			pg_array_add(&streams, pg_i32(p->stream));
			pg_array_add(&dropped, pg_i64(p->dropped));
			pg_array_add(&data, pg_bytes(p->data, p->len));
			if (!joined)
				p->call = w->output_calls + 1;
		}
	}
	if (ids.n) {
		const struct pg_val args[] = {
			pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
			pg_array(&tokens, pg_uuid(&w->id)), pg_array(&n, pg_i32(0)),
			pg_array(&streams, pg_i32(0)), pg_array(&dropped, pg_i64(0)),
			pg_array(&data, pg_bytes("", 0)),
		};

		if (joined) {
			pipe_join(&by->pipe, sql, args, NELEM(args));
		} else {
			w->output_calls++;
			pipe_call(&by->pipe, db_deadline(w), sql, args, NELEM(args), stored, w);
		}
	}
	pg_array_free(&ids);
	pg_array_free(&tokens);
	pg_array_free(&n);
	pg_array_free(&streams);
	pg_array_free(&dropped);
	pg_array_free(&data);
}

static void
report_again(struct run *r)
{
	r->report.fresh = true;
	run_flush_soon(r);
}

/* Columns id, token: of those whose row somebody had. */
static void
reported(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	if (e && e->kind == ERR_UNAVAILABLE)
		return;			/* ends_lost() has it sent again */
	if (e)
		db_complain(w, "cannot write what jobs reported", e);
	w->report_answered++;
	for (int state = RUN_STARTED; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next) {
			if (r->report.call != w->report_answered)
				continue;
			r->report.call = 0;
			if (e && e->kind == ERR_TEMPFAIL)
				report_again(r);
		}
	for (int i = 0; !e && i < PQntuples(res); i++) {
		struct run *r = db_find(w, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));

		if (r)
			report_again(r);
	}
}

static void
add(struct pg_array *a, struct pg_val v, bool known)
{
	if (known)
		pg_array_add(a, v);
	else
		pg_array_add_null(a, v);
}

/*
 * What the runs have to say, in one call; what cannot be kept the database leaves out.
 * Joined as output is.
 */
static void
send_reports(struct worker *w, struct link *by, struct run *const *runs, size_t nruns, bool joined)
{
	static const char sql[] =
		"SELECT id, token FROM jobctl.report($1, $2, $3, $4, $5, $6, $7, $8)";
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT, done = PG_ARRAY_INIT;
	struct pg_array total = PG_ARRAY_INIT, messages = PG_ARRAY_INIT, stats = PG_ARRAY_INIT;
	struct pg_array checkpoints = PG_ARRAY_INIT;

	for (size_t i = 0; i < nruns; i++) {
		struct run_report *p = &runs[i]->report;

		if (!p->fresh && !(joined && p->call))
			continue;
		p->fresh = false;
		if (!joined)
			p->call = w->report_calls + 1;
		pg_array_add(&ids, pg_uuid(&runs[i]->id));
		pg_array_add(&tokens, pg_uuid(&runs[i]->token));
		add(&done, pg_i64(p->done), p->done >= 0);
		add(&total, pg_i64(p->total), p->total >= 0);
		pg_array_add(&messages, pg_text(p->message));
		pg_array_add(&stats, pg_json(p->stats));
		pg_array_add(&checkpoints, pg_json(p->checkpoint));
	}
	if (ids.n) {
		const struct pg_val args[] = {
			pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
			pg_array(&tokens, pg_uuid(&w->id)), pg_array(&done, pg_i64(0)),
			pg_array(&total, pg_i64(0)), pg_array(&messages, pg_text("")),
			pg_array(&stats, pg_json("")), pg_array(&checkpoints, pg_json("")),
		};

		if (joined) {
			pipe_join(&by->pipe, sql, args, NELEM(args));
		} else {
			w->report_calls++;
			pipe_call(&by->pipe, db_deadline(w), sql, args, NELEM(args), reported, w);
		}
	}
	pg_array_free(&ids);
	pg_array_free(&tokens);
	pg_array_free(&done);
	pg_array_free(&total);
	pg_array_free(&messages);
	pg_array_free(&stats);
	pg_array_free(&checkpoints);
}

static bool
may_flush(const struct worker *w)
{
	return w->output_calls - w->output_answered < OUTPUT_CALLS;
}

static int64_t
flush_at(const struct worker *w, const struct run *r)
{
	if (!may_flush(w))
		return NEVER;
	return w->pressed && spool_ready(&r->spool) ? 0 : r->flush_at;
}

/* What running jobs wrote and said. */
static void
flush_runs(struct worker *w)
{
	struct run *v[BATCH], *r = TAILQ_FIRST(&w->runs[RUN_STARTED]);
	int64_t now = now_ms();

	while (r && may_flush(w)) {
		size_t n = 0, bytes = 0;

		for (; r && n < BATCH && bytes < OUTPUT_BYTES; r = TAILQ_NEXT(r, link)) {
			if (now < flush_at(w, r))
				continue;
			r->flush_at = NEVER;
			bytes += spool_ready(&r->spool);
			v[n++] = r;
		}
		send_output(w, w->ends, v, n, false);
		send_reports(w, w->ends, v, n, false);
	}
}

static void
log_end(const struct run *r, const char *status)
{
	char ms[32];

	if (!r->outcome) {
		log_line(r->error ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "given back", "id",
			 uuid_str(&r->id).z, "error", r->error, NULL);
		return;
	}
	if (!*status) /* it had been accepted already, and the answer was lost */
		status = "ended";
	snprintf(ms, sizeof ms, "%" PRId64 "ms", r->ran_ms);
	log_line(LOG_LEVEL_INFO, strcmp(status, "pending") ? status : "will be tried again",
		 "id", uuid_str(&r->id).z, "kind", r->kind, "outcome", r->outcome, "error",
		 r->error, "after", ms, NULL);
}

static bool
has_report(const struct run *r)
{
	const struct run_report *p = &r->report;

	return p->done >= 0 || p->message || p->stats || p->checkpoint;
}

/* Columns id, token, verdict, and of finish() also status. */
static void
settled(struct worker *w, const PGresult *res, int row)
{
	struct run *r = db_find(w, PQgetvalue(res, row, 0), PQgetvalue(res, row, 1));
	const char *verdict = PQgetvalue(res, row, 2);

	if (!r || r->state != RUN_WRITING)
		return;
	if (!strcmp(verdict, "busy")) {	/* somebody holds the row: say it again */
		run_become(w, r, RUN_ENDED);
		r->retry_at = deadline_in(AGAIN_MS);
		r->report.fresh = has_report(r);
		return;
	}
	if (!strcmp(verdict, "superseded"))
		log_line(LOG_LEVEL_WARNING, "superseded", "id", uuid_str(&r->id).z, NULL);
	else
		log_end(r, PQnfields(res) > 3 ? PQgetvalue(res, row, 3) : "");
	run_forget(w, r);
}

static void
drop_result(struct worker *w, struct run *r, const struct err *e)
{
	if (!r->report.result)
		return;
	free_p(&r->report.result);
	run_weigh(w, r);
	log_line(LOG_LEVEL_WARNING, "a job's result was refused", "id", uuid_str(&r->id).z,
		 "error", e->msg, NULL);
}

/* Whether the answer is for it; that a connection is lost is for all that went by it. */
static bool
went_with(const struct link *by, const struct run *r, const struct err *e)
{
	bool lost = e && e->kind == ERR_UNAVAILABLE;

	return r->taken->by == by && (lost || r->end_call == by->end_answered);
}

/*
 * One end that the database does not take must not hold up the others: each is
 * said by itself; the one that fails again, apart from its output, and then without
 * its result.
 */
static void
unsettled(struct worker *w, const struct link *by, const struct err *e)
{
	struct run *r, *before;

	/* The last first: so they keep their order. */
	for (r = TAILQ_LAST(&w->runs[RUN_WRITING], run_list); r; r = before) {
		int64_t wait = 0;

		before = TAILQ_PREV(r, run_list, link);
		if (!went_with(by, r, e))
			continue;
		run_become(w, r, RUN_ENDED);
		r->report.fresh = has_report(r);
		if (e->kind != ERR_UNAVAILABLE && r->alone) {
			if (e->kind != ERR_TEMPFAIL && r->apart)
				drop_result(w, r, e);
			r->apart = r->apart || e->kind != ERR_TEMPFAIL;
			wait = (int64_t)AGAIN_MS << (r->refused < 7 ? r->refused : 7);
			r->refused++;
		}
		r->alone = r->alone || e->kind != ERR_UNAVAILABLE;
		r->retry_at = deadline_in(earliest(wait, AGAIN_MAX_MS));
	}
}

/*
 * A claim behind on the same connection finds room and the jobs that waited for these; on
 * another it does when they are written.
 */
static bool
claims_follow(const struct worker *w)
{
	return w->ends == &w->first;
}

/* Of most there is nothing to say but that they completed: those have no row. */
static void
answered(struct worker *w, struct link *by, const PGresult *res, const struct err *e)
{
	by->end_answered++;
	by->answered_at = now_ms();
	if (!claims_follow(w))
		claim_again(w);
	if (e) {
		db_complain(w, "cannot write how jobs ended", e);
		unsettled(w, by, e);
		return;
	}
	for (int i = 0; i < PQntuples(res); i++)
		settled(w, res, i);
	RUNS_IN(w, RUN_WRITING, r, next)
		if (went_with(by, r, e)) {
			log_end(r, "completed");
			run_forget(w, r);
		}
}

static void
first_answered(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	answered(w, &w->first, res, e);
}

static void
second_answered(void *ctx, const PGresult *res, const struct err *e)
{
	struct worker *w = ctx;

	answered(w, &w->second.link, res, e);
}

static pipe_answer *
answer_by(const struct worker *w, const struct link *by)
{
	return by == &w->first ? first_answered : second_answered;
}

/* Arrays for the columns of finish(), an element per run. */
struct ends {
	struct pg_array id, token, outcome, code, signal, error, result, cpu, rss, place;
};

static void
add_end(struct ends *x, const struct run *r)
{
	pg_array_add(&x->id, pg_uuid(&r->id));
	pg_array_add(&x->token, pg_uuid(&r->token));
	pg_array_add(&x->outcome, pg_text(r->outcome));
	add(&x->code, pg_i32(r->exit_code), r->exit_code >= 0);
	add(&x->signal, pg_i32(r->signal), r->signal != 0);
	pg_array_add(&x->error, pg_text(r->error));
	pg_array_add(&x->result, pg_json(r->report.result));
	add(&x->cpu, pg_double(r->cpu_s), r->cpu_s >= 0);
	add(&x->rss, pg_i64(r->rss_bytes), r->rss_bytes >= 0);
	add(&x->place, pg_tid(&r->row), r->row.offset != 0);
}

static void
finish(struct worker *w, struct link *by, struct run *const *v, size_t n)
{
	struct ends x = { .id = PG_ARRAY_INIT };

	for (size_t i = 0; i < n; i++)
		add_end(&x, v[i]);
	pipe_call(&by->pipe, db_deadline(w),
		  "SELECT id, token, verdict, status "
		  "FROM jobctl.finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
		  "WHERE (verdict, status) IS DISTINCT FROM ('accepted', 'completed')",
		  PG_ARGS(pg_uuid(&w->id), pg_array(&x.id, pg_uuid(&w->id)),
			  pg_array(&x.token, pg_uuid(&w->id)),
			  pg_array(&x.outcome, pg_text("")), pg_array(&x.code, pg_i32(0)),
			  pg_array(&x.signal, pg_i32(0)), pg_array(&x.error, pg_text("")),
			  pg_array(&x.result, pg_json("")), pg_array(&x.cpu, pg_double(0)),
			  pg_array(&x.rss, pg_i64(0)),
			  pg_array(&x.place, pg_tid(&(struct pg_tid){ .offset = 0 }))),
		  answer_by(w, by), w);
	pg_array_free(&x.id);
	pg_array_free(&x.token);
	pg_array_free(&x.outcome);
	pg_array_free(&x.code);
	pg_array_free(&x.signal);
	pg_array_free(&x.error);
	pg_array_free(&x.result);
	pg_array_free(&x.cpu);
	pg_array_free(&x.rss);
	pg_array_free(&x.place);
}

/* All for the same reason; without one there is no record of it. */
static void
give_back(struct worker *w, struct link *by, struct run *const *v, size_t n)
{
	struct pg_array ids = PG_ARRAY_INIT, tokens = PG_ARRAY_INIT;

	for (size_t i = 0; i < n; i++) {
		pg_array_add(&ids, pg_uuid(&v[i]->id));
		pg_array_add(&tokens, pg_uuid(&v[i]->token));
	}
	pipe_call(&by->pipe, db_deadline(w),
		  "SELECT id, token, verdict FROM jobctl.give_back($1, $2, $3, $4)",
		  PG_ARGS(pg_uuid(&w->id), pg_array(&ids, pg_uuid(&w->id)),
			  pg_array(&tokens, pg_uuid(&w->id)), pg_text(v[0]->error)),
		  answer_by(w, by), w);
	pg_array_free(&ids);
	pg_array_free(&tokens);
}

static bool
same_reason(const struct run *a, const struct run *b)
{
	return a->error == b->error || (a->error && b->error && !strcmp(a->error, b->error));
}

/*
 * The ends of a claim go by one connection at a time: whoever writes some has that locked.
 * What has more to say than its end goes where what it said before went.
 */
static bool
may_go_by(const struct worker *w, const struct link *by, const struct run *r)
{
	if (r->taken->writing && r->taken->by != by)
		return false;
	return by == w->ends || (r->outcome && !r->alone && !r->spool.npieces && !has_report(r));
}

/* Ends that can be written by one call; their number. */
static size_t
pick(struct worker *w, const struct link *by, struct run **v)
{
	int64_t now = now_ms();
	size_t n = 0, bytes = 0;

	for (struct run *r = TAILQ_FIRST(&w->runs[RUN_ENDED]);
	     r && n < BATCH && bytes < OUTPUT_BYTES; r = TAILQ_NEXT(r, link)) {
		if (r->child || now < r->retry_at || !may_go_by(w, by, r))
			continue;
		if (n && (r->alone || !r->outcome != !v[0]->outcome ||
			  (!r->outcome && !same_reason(r, v[0]))))
			continue;
		bytes += spool_ready(&r->spool);
		v[n++] = r;
		if (r->alone)
			break;
	}
	return n;
}

/* Ends that need not hurry, because more jobs are at hand to go on with, wait for company. */
int64_t
ends_linger_until(const struct worker *w, int64_t ended)
{
	bool hurry = !w->in_state[RUN_CLAIMED] || runs_over(w) >= ENOUGH;

	return hurry ? ended : ended + LINGER_MS;
}

/*
 * One call after the other; a second connection has its next one at hand when it is through
 * with the last, if that is worth a call.  If there is more than that can do, the first helps
 * when it has nothing to claim; but not while the second gets no answers: what it waits for
 * the first would wait for, too, and there would be no heartbeat.
 */
static bool
may_write(const struct worker *w, const struct link *by)
{
	const struct link *second = &w->second.link;
	int64_t unanswered = by->end_calls - by->end_answered, now = now_ms();
	size_t n = w->in_state[RUN_ENDED];

	if (claims_follow(w))
		return by == &w->first && !unanswered;
	if (by == second)
		return !unanswered || (now < w->second.until && unanswered < END_CALLS && n >= ENOUGH);
	return !unanswered && !w->claiming && n >= PLENTY && now < second->answered_at + STUCK_MS &&
	       second->end_calls - second->end_answered == END_CALLS;
}

/* When there are ends to be written by this connection. */
static int64_t
write_at(const struct worker *w, const struct link *by)
{
	int64_t at = NEVER;

	if (!may_write(w, by))
		return NEVER;
	RUNS_IN(w, RUN_ENDED, r, next) {
		int64_t ready = ends_linger_until(w, r->ended);

		/* tree.c has yet to look what is left of it, and of those behind */
		if (r->child && !r->child->sweep_at)
			break;
		if (r->child || !may_go_by(w, by, r))
			continue;
		at = earliest(at, r->retry_at > ready ? r->retry_at : ready);
		if (at <= ready)	/* those behind it have ended later */
			break;
	}
	return at;
}

static void
write_ends(struct worker *w, struct link *by)
{
	struct run *v[BATCH];
	size_t n;

	n = pick(w, by, v);
	if (!n)
		return;
	by->end_calls++;
	send_output(w, by, v, n, !v[0]->apart);
	send_reports(w, by, v, n, !v[0]->apart);
	for (size_t i = 0; i < n; i++) {
		v[i]->end_call = by->end_calls;
		v[i]->taken->by = by;
		run_become(w, v[i], RUN_WRITING);
	}
	if (v[0]->outcome)
		finish(w, by, v, n);
	else
		give_back(w, by, v, n);
	if (claims_follow(w))
		claim_again(w);
}

bool
ends_are_answered(const struct worker *w)
{
	const struct link *a = &w->first, *b = &w->second.link;

	return a->end_calls == a->end_answered && b->end_calls == b->end_answered &&
	       w->output_calls == w->output_answered && w->report_calls == w->report_answered;
}

void
ends_turn(struct worker *w)
{
	flush_runs(w);
	if (now_ms() >= write_at(w, &w->second.link))
		write_ends(w, &w->second.link);
	if (now_ms() >= write_at(w, &w->first))
		write_ends(w, &w->first);
}

int64_t
ends_due(const struct worker *w)
{
	int64_t due = earliest(write_at(w, &w->first), write_at(w, &w->second.link));

	RUNS_IN(w, RUN_STARTED, r, next)
		due = earliest(due, flush_at(w, r));
	return due;
}

void
ends_lost(struct worker *w)
{
	w->output_calls = w->output_answered = 0;
	w->report_calls = w->report_answered = 0;
	for (int state = RUN_STARTED; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next) {
			spool_resend(&r->spool);
			r->report.fresh = has_report(r);
			r->report.call = 0;
			run_flush_soon(r);
		}
}
