/*
 * waiting.c - asking until it is over
 */
#include "waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry.h"

enum {
	CHUNK = 5000,			/* ids in one statement */
	SHORTEST_MS = 20, LONGEST_MS = 1000,
	CALL_LEAST_MS = 1000,
	CONNECT_LEAST_MS = 5000,	/* nothing can be said of the jobs before */
	STUCK_FIRST_MS = 3000, STUCK_AGAIN_MS = 10000,
};

int
wait_code(const struct wait_end *end)
{
	static const struct {
		const char *outcome;
		int code;
	} codes[] = {
		{ "timeout", WRAP_TIMED_OUT },
		{ "not_executable", WRAP_NOT_EXECUTABLE },
		{ "not_found", WRAP_NOT_FOUND },
		{ "worker_lost", WRAP_FAILED },
	};

	if (!strcmp(end->status, "completed"))
		return 0;
	if (!strcmp(end->status, "cancelled") || !end->outcome)
		return 1;
	for (size_t i = 0; i < NELEM(codes); i++)
		if (!strcmp(end->outcome, codes[i].outcome))
			return codes[i].code;
	if (!strcmp(end->outcome, "signal") && end->signal > 0)
		return WRAP_SIGNAL + end->signal;
	/* a shell sees no more than eight bits, and a failure must not look like success */
	return end->exit_code > 0 && end->exit_code & 0xff ? end->exit_code & 0xff : 1;
}

static void
put_text(struct str *s, const char *key, const char *z)
{
	str_putf(s, ",\"%s\":", key);
	if (z)
		str_put_json(s, z, strlen(z));
	else
		str_puts(s, "null");
}

static void
put_number(struct str *s, const char *key, int n)
{
	if (n < 0)
		str_putf(s, ",\"%s\":null", key);
	else
		str_putf(s, ",\"%s\":%d", key, n);
}

void
wait_end_json(struct str *s, const struct wait_end *end)
{
	str_putf(s, "{\"v\":1,\"id\":\"%s\"", uuid_str(&end->id).z);
	put_text(s, "status", end->status);
	put_text(s, "outcome", end->outcome);
	put_number(s, "exit_code", end->exit_code);
	put_number(s, "signal", end->signal);
	put_text(s, "error_message", end->error_message);
	str_putc(s, '}');
}

void
wait_end_text(struct str *s, const struct wait_end *end)
{
	str_putf(s, "job %s %s%s", uuid_str(&end->id).z,
		 strcmp(end->status, "cancelled") ? "" : "was ", end->status);
	if (end->error_message)
		str_putf(s, ": %s", end->error_message);
	else if (end->signal > 0)
		str_putf(s, ": killed by signal %d", end->signal);
	else if (end->exit_code > 0)
		str_putf(s, ": exit status %d", end->exit_code);
	else if (end->outcome && strcmp(end->outcome, "ok") != 0)
		str_putf(s, ": %s", end->outcome);
}

void
wait_wrap_error(struct err *e)
{
	size_t n = strlen(e->msg);

	/* only ERR_SOFTWARE is printed with its SQLSTATE, and it is that no more */
	if (e->kind == ERR_SOFTWARE && e->sqlstate[0])
		snprintf(e->msg + n, sizeof e->msg - n, " (SQLSTATE %s)", e->sqlstate);
	e->kind = (enum err_kind)WRAP_FAILED;
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

void
wait_begin(struct waiting *w, const struct job_ids *ids)
{
	size_t n = 0;

	w->left = xreallocarray(w->left, ids->n, sizeof *w->left);
	if (ids->n)
		memcpy(w->left, ids->v, ids->n * sizeof *w->left);
	qsort(w->left, ids->n, sizeof *w->left, by_bytes);
	for (size_t i = 0; i < ids->n; i++)
		if (!i || !uuid_equal(&w->left[i], &w->left[i - 1]))
			w->left[n++] = w->left[i];
	w->nleft = n;
	w->nended = w->nbad = w->nrunning = 0;
	w->complete = true;
	w->started = now_ms();
	w->stuck_at = w->started + STUCK_FIRST_MS;
}

void
wait_free(struct waiting *w)
{
	free(w->left);
	w->left = NULL;
	w->nleft = 0;
}

static int
number(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? -1 : (int)pg_get_i64(res, row, col);
}

/* What one row says.  Those that have ended are marked in gone, which goes along with ids. */
static int
take_row(struct waiting *w, const PGresult *res, int row, const struct uuid *ids, size_t n,
	 char *gone, struct err *e)
{
	struct wait_end end = {
		.status = pg_get(res, row, 1), .outcome = pg_get_or_null(res, row, 2),
		.exit_code = number(res, row, 3), .signal = number(res, row, 4),
		.error_message = pg_get_or_null(res, row, 5),
	};
	const struct uuid *at;

	if (uuid_parse(pg_get(res, row, 0), &end.id, e))
		return -1;
	at = bsearch(&end.id, ids, n, sizeof *ids, by_bytes);
	if (!at || gone[at - ids])
		return 0;
	if (job_status_live(end.status)) {
		gone[at - ids] = 'l';
		w->nrunning += !strcmp(end.status, "running");
		return 0;
	}
	gone[at - ids] = 'e';
	w->nended++;
	w->nbad += strcmp(end.status, "completed") != 0;
	if (w->ended)
		w->ended(w->ctx, &end);
	return 0;
}

static int
ask(struct waiting *w, const struct uuid *ids, size_t n, PGresult **res, struct err *e)
{
#define COLUMNS "SELECT id, status, outcome, exit_code, signal, error_message FROM jobctl.job"
	static const char all[] = COLUMNS " WHERE id = ANY ($1)";
	static const char ended[] = COLUMNS " WHERE id = ANY ($1) AND NOT live";
#undef COLUMNS
	const char *sql = w->complete || w->count_running ? all : ended;
	struct pg_array a = PG_ARRAY_INIT;
	struct pg_val v;
	int rc;

	for (size_t i = 0; i < n; i++)
		pg_array_add(&a, pg_uuid(&ids[i]));
	v = pg_array(&a, pg_uuid(ids));
	rc = w->checked ? pg_call(&w->db, res, sql, &v, 1, e) : pg_first_call(&w->db, res, sql, &v, 1, e);
	w->checked = w->checked || rc >= 0;
	pg_array_free(&a);
	return rc;
}

/* Ask about all that are left, some at a time. */
static int
ask_round(struct waiting *w, struct err *e)
{
	size_t kept = 0, missing = 0;
	struct uuid first;

	w->nrunning = 0;
	for (size_t from = 0, n; from < w->nleft; from += n) {
		const struct uuid *ids = w->left + from;
		char gone[CHUNK] = { 0 };
		PG_RES res = NULL;
		int rows;

		n = w->nleft - from > CHUNK ? CHUNK : w->nleft - from;
		rows = ask(w, ids, n, &res, e);
		for (int r = 0; r < rows; r++)
			if (take_row(w, res, r, ids, n, gone, e))
				rows = -1;
		for (size_t i = 0; rows >= 0 && w->complete && i < n; i++)
			if (!gone[i] && !missing++)
				first = ids[i];
		/* also after a failure: what has been told is not told again */
		for (size_t i = 0; i < n; i++)
			if (gone[i] != 'e')
				w->left[kept++] = ids[i];
		if (rows < 0) {
			memmove(w->left + kept, ids + n, (w->nleft - from - n) * sizeof *ids);
			w->nleft = kept + (w->nleft - from - n);
			return -1;
		}
	}
	w->nleft = kept;
	w->complete = false;
	if (missing > 1)
		return err_set(e, ERR_NOINPUT, "no such job %s, and %zu more", uuid_str(&first).z, missing - 1);
	if (missing)
		return err_set(e, ERR_NOINPUT, "no such job %s", uuid_str(&first).z);
	return 0;
}

/* Say once why the jobs do not even begin, if it is for want of somebody to act. */
static int
look_stuck(struct waiting *w, struct err *e)
{
	static const char sql[] =
		"SELECT j.id, j.queue, j.kind, r FROM jobctl.job j, unnest(j.reasons) WITH ORDINALITY AS u(r, n)"
		" WHERE j.id = ANY ($1) AND j.live AND r IN ('Held', 'QueuePaused', 'NoWorker', 'NoHandler')"
		" ORDER BY j.id, n LIMIT 1";
	struct pg_array a = PG_ARRAY_INIT;
	AUTOSTR s = STR(2000);
	PG_RES res = NULL;
	const char *queue, *reason;
	struct pg_val v;
	int rc;

	for (size_t i = 0; i < w->nleft && i < 100; i++)
		pg_array_add(&a, pg_uuid(&w->left[i]));
	v = pg_array(&a, pg_uuid(w->left));
	rc = pg_call(&w->db, &res, sql, &v, 1, e);
	pg_array_free(&a);
	if (rc <= 0)
		return rc;
	queue = pg_get(res, 0, 1);
	reason = pg_get(res, 0, 3);
	str_putf(&s, "job %s waits: ", pg_get(res, 0, 0));
	if (!strcmp(reason, "Held"))
		str_puts(&s, "it is held");
	else if (!strcmp(reason, "QueuePaused"))
		str_putf(&s, "queue \"%s\" is paused", queue);
	else if (!strcmp(reason, "NoWorker"))
		str_putf(&s, "no worker serves queue \"%s\"", queue);
	else
		str_putf(&s, "no worker of queue \"%s\" takes kind \"%s\"", queue, pg_get(res, 0, 2));
	w->note(w->ctx, s.buf);
	return 1;
}

static int
look(struct waiting *w, struct err *e)
{
	int64_t least = w->connected ? CALL_LEAST_MS : CONNECT_LEAST_MS;
	int64_t left = w->deadline - now_ms();

	w->db.call_ms = w->deadline == NEVER ? 0 : left < least ? least : left;
	if (!w->db.conn && pg_connect(&w->db, w->app, w->dbname, e))
		return -1;
	w->connected = true;
	if (w->complete)	/* what has ended meanwhile is worth being late */
		w->db.call_ms = 0;
	if (ask_round(w, e) || (w->looked && w->looked(w->ctx, e)))
		return -1;
	if (w->note && w->nleft && now_ms() >= w->stuck_at) {
		int rc = look_stuck(w, e);

		if (rc < 0)
			return -1;
		w->stuck_at = rc ? NEVER : now_ms() + STUCK_AGAIN_MS;
	}
	return 0;
}

/* Until it is time to look again.  round_ms: how long looking took; it is not to become all we do. */
static void
rest(struct waiting *w, int64_t round_ms)
{
	int64_t ms = (now_ms() - w->started) / 10;
	struct err ignored;

	ms = ms < SHORTEST_MS ? SHORTEST_MS : ms > LONGEST_MS ? LONGEST_MS : ms;
	ms = ms < round_ms * 4 ? round_ms * 4 : ms;
	/* a connection that breaks meanwhile ends the rest, and is noticed by the next look */
	(void)!pg_wait(&w->db, earliest(w->deadline, deadline_in(ms)), &ignored);
}

int
wait_run(struct waiting *w, size_t want, bool fail_fast, struct err *e)
{
	struct retry again = RETRY_UNTIL(w->deadline);

	for (;;) {
		int64_t from = now_ms();

		if (look(w, e) == 0) {
			if (!w->nleft || w->nended >= want || (fail_fast && w->nbad))
				return 1;
			if (now_ms() >= w->deadline)
				return 0;
			rest(w, now_ms() - from);
			again.delay = 0;
			continue;
		}
		if (e->kind != ERR_UNAVAILABLE || !w->connected)
			return -1;
		pg_close(&w->db);
		w->complete = true;
		if (now_ms() >= w->deadline)	/* which may have cut the answer off */
			return 0;
		if (w->note && !w->told_lost)
			w->note(w->ctx, "lost the connection to the database; trying again");
		w->told_lost = true;
		if (!retry_wait(&again))
			return 0;
	}
}
