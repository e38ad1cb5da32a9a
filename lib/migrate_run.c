/*
 * migrate_run.c - running a plan
 *
 * Statements are sent and awaited here and not by pg_call(): a migration may run
 * for hours, must stop when asked to, and its error has a place in a file.
 */
#include "migrate_run.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate_book.h"

static void
say(struct mig_run *m, enum mig_event_kind kind, const char *text)
{
	m->event(m->ctx, &(struct mig_event){ .kind = kind, .text = text });
}

/* Ask the server to give up what it is doing; what comes of it is read as any answer. */
static void
stop(struct mig_run *m)
{
	PGcancel *cancel = PQgetCancel(m->db->conn);
	char why[256];

	m->stopped = true;
	say(m, MIG_EV_STOPPING, NULL);
	if (cancel && pg_alive(m->db))		/* PQcancel() would wait for ever */
		(void)PQcancel(cancel, why, sizeof why);
	PQfreeCancel(cancel);
}

/* Until a result can be read without blocking. */
static int
await(struct mig_run *m, struct err *e)
{
	PGconn *c = m->db->conn;
	bool readable = false;

	for (;;) {
		int unsent = PQflush(c);
		struct pollfd p[2] = {
			{ .fd = PQsocket(c), .events = POLLIN },
			{ .fd = m->stopped ? -1 : m->stop_fd, .events = POLLIN },
		};
		int n;

		if (unsent < 0 || pg_consume(c, readable))
			return pg_error(c, NULL, e);
		if (!unsent && !PQisBusy(c))
			return 0;
		if (unsent)
			p[0].events |= POLLOUT;
		n = pg_poll(m->db, p, 2, m->watch_at, e);
		if (n < 0)
			return -1;
		if (n > 0 && p[1].revents)
			stop(m);
		readable = n > 0 && (p[0].revents & ~POLLOUT);
		if (now_ms() >= m->watch_at)
			mig_watch(m);
	}
}

/* The line of the error: where the server says, else where the statement that failed begins. */
static int
error_line(const struct mig_chunk *c, const PGresult *res, size_t done)
{
	const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	const char *text = c->file->text + c->span.start;
	int line = mig_line_of_byte(c->file->text, c->span.start) - 1;
	struct mig_stmts st;
	struct err e;

	if (position)
		return line + mig_line_of_char(text, c->span.len, strtoll(position, NULL, 10));
	if (mig_scan(text, c->span.len, &st, &e))
		return line + 1;
	line += done < st.n ? mig_line_of_byte(text, st.v[done].start) : 1;
	free(st.v);
	return line;
}

/* Mistakes in a file are bad data; what pg.c makes of the same SQLSTATE is about our own calls. */
static enum err_kind
script_kind(const struct err *e)
{
	if (e->kind == ERR_SCHEMA ||
	    (e->kind == ERR_SOFTWARE && strncmp(e->sqlstate, "XX", 2) != 0))
		return ERR_DATA;
	return e->kind;
}

static int
chunk_error(struct mig_run *m, const struct mig_chunk *c, const PGresult *res, size_t done,
	    struct err *e)
{
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	AUTOSTR text = STR(4096);
	struct err raw;

	(void)pg_error(m->db->conn, res, &raw);
	*e = raw;
	if (c && c->file) {
		str_puts(&text, c->file->path);
		if (c->kind == MIG_SCRIPT)
			str_putf(&text, ":%d", error_line(c, res, done));
		str_putf(&text, ": %s%s", c->proves ? c->proves : "", c->proves ? ": " : "");
	}
	if (c && c->kind != MIG_OWN) {
		str_putf(&text, "%s%s%s", raw.msg, detail ? ": " : "", detail ? detail : "");
		if (raw.sqlstate[0] && strncmp(raw.sqlstate, "JC", 2) != 0)
			str_putf(&text, " (SQLSTATE %s)", raw.sqlstate);
		(void)err_set(e, script_kind(&raw), "%s", text.buf);
		memcpy(e->sqlstate, raw.sqlstate, sizeof e->sqlstate);
		if (raw.kind != ERR_SCHEMA)	/* whose hint is about us, not about the file */
			memcpy(e->hint, raw.hint, sizeof e->hint);
	}
	if (e->kind == ERR_NOPERM && !e->hint[0])
		err_hint(e, "connect as the owner of the database, with CREATEROLE if roles are "
			    "to be made");
	else if (!strcmp(e->sqlstate, "25001") && !e->hint[0])
		err_hint(e, "begin the file with the line: -- jobctl: no-transaction");
	return -1;
}

int
mig_exec(struct mig_run *m, const char *sql, const struct mig_chunk *c, struct err *e)
{
	size_t done = 0;
	bool failed = false;

	m->watch_at = deadline_in(m->watch_every);
	if (!PQsendQuery(m->db->conn, sql))
		return pg_error(m->db->conn, NULL, e);
	PQsetSingleRowMode(m->db->conn);	/* rows are of no interest: do not pile them up */
	for (;;) {
		PG_RES res = NULL;

		if (await(m, e))
			return c && c->file ? err_ctx(e, "%s", c->file->path) : -1;
		res = PQgetResult(m->db->conn);
		if (!res)
			break;
		switch (PQresultStatus(res)) {
		case PGRES_SINGLE_TUPLE:
			break;
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK:
		case PGRES_EMPTY_QUERY:
			done++;
			break;
		case PGRES_COPY_IN:
		case PGRES_COPY_OUT:
		case PGRES_COPY_BOTH:
			pg_close(m->db);	/* which takes everything back */
			return err_set(e, ERR_DATA, "%s: COPY to or from the client cannot be "
				       "part of a migration", c && c->file ? c->file->path : "?");
		default:
			if (!failed)
				(void)chunk_error(m, c, res, done, e);
			failed = true;
		}
	}
	m->watch_at = NEVER;
	return failed ? -1 : 0;
}

/* Whether the set's own files make it too. */
static bool
is_made_by(const struct mig_set *set, const char *what)
{
	for (size_t i = 0; i < set->napi; i++)
		for (size_t d = 0; d < set->api[i].ndrops; d++)
			if (!strcmp(set->api[i].drops[d], what))
				return true;
	return false;
}

/*
 * Somebody's own view may use one of ours.  Then what can be dropped is, one by
 * one, and the rest stays to be replaced by its new version, if it has one.
 */
static int
drop_what_goes(struct mig_run *m, const struct mig_chunk *c, const struct err *why, struct err *e)
{
	const char *all = c->api->drops;

	for (size_t end = strlen(all); end;) {
		AUTOFREE char *what = mig_prev_line(all, &end);
		AUTOSTR sql = STR(STR_ANY);

		str_puts(&sql, "SAVEPOINT jobctl_drop;\n");
		mig_put_drop(&sql, what, false);
		if (mig_exec(m, sql.buf, NULL, e)) {
			if (strcmp(e->sqlstate, "2BP01") != 0)
				return -1;
			if (!is_made_by(c->api->set, what)) {
				*e = *why;
				return -1;
			}
			if (mig_exec(m, "ROLLBACK TO SAVEPOINT jobctl_drop", NULL, e))
				return -1;
			m->kept = true;
		}
	}
	return 0;
}

int
mig_run_drops(struct mig_run *m, const struct mig_chunk *c, struct err *e)
{
	struct err why;

	if (mig_exec(m, "SAVEPOINT jobctl_drops", NULL, e))
		return -1;
	if (mig_exec(m, c->sql.buf, c, e) == 0)
		return mig_exec(m, "RELEASE SAVEPOINT jobctl_drops", NULL, e);
	if (strcmp(e->sqlstate, "2BP01") != 0)
		return -1;
	err_hint(e, "drop what depends on it, and make it again afterwards");
	if (!c->replaced || m->stopped)
		return -1;
	why = *e;
	if (mig_exec(m, "ROLLBACK TO SAVEPOINT jobctl_drops", NULL, e))
		return -1;
	return drop_what_goes(m, c, &why, e);
}

static int
read_xid(struct mig_run *m, char xid[32], struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(m->db, &res, "SELECT pg_catalog.pg_current_xact_id()", PG_NOARGS, e) < 0)
		return -1;
	strncpy(xid, pg_get(res, 0, 0), 31);
	return 0;
}

/* The scanner refuses COMMIT in a file; this is for what it could not see. */
static int
check_transaction(struct mig_run *m, const struct mig_chunk *c, const char *xid, struct err *e)
{
	char now[32] = "";

	if (PQtransactionStatus(m->db->conn) == PQTRANS_INTRANS) {
		if (read_xid(m, now, e))
			return -1;
		if (!strcmp(now, xid))
			return 0;
	}
	(void)err_set(e, ERR_DATA, "%s ended the transaction it runs in: what it did before is "
		      "committed and not on record", c->file->path);
	err_hint(e, "undo that by hand, and take the statement out");
	return -1;
}

static struct mig_begun *
under_way(struct mig_run *m, const struct mig_item *it)
{
	for (size_t i = 0; i < m->nbegun; i++)
		if (m->begun[i].item == it)
			return &m->begun[i];
	m->begun = xreallocarray(m->begun, m->nbegun + 1, sizeof *m->begun);
	m->begun[m->nbegun] = (struct mig_begun){ .item = it, .at = now_ms() };
	return &m->begun[m->nbegun++];
}

/* A client that is gone must not leave its statement, and with it the lock, running. */
static const char watch_client_sql[] = "SET client_connection_check_interval = '2s'";

static int
run_chunk(struct mig_run *m, const struct mig_chunk *c, struct err *e)
{
	AUTOFREE char *sql = NULL;

	m->blocker[0] = '\0';
	if (c->begins)
		under_way(m, c->begins);
	if (c->begins || (c->step && c->kind == MIG_SCRIPT))
		m->event(m->ctx, &(struct mig_event){
			.kind = MIG_EV_BEGIN, .step = c->step, .nsteps = c->nsteps,
			.item = m->nbegun ? m->begun[m->nbegun - 1].item : NULL });
	if (c->kind == MIG_DROPS)
		return mig_run_drops(m, c, e);
	if (c->invalid)
		say(m, MIG_EV_INVALID, c->invalid);
	sql = mig_chunk_sql(c);
	if (c->resets && m->watches) {
		char *more = xasprintf("%s%s;\n", sql, watch_client_sql);

		free(sql);
		sql = more;
	}
	return mig_exec(m, sql, c, e);
}

/* What a step failed with stays on record, for those who come to mend it. */
static void
note_failed_step(struct mig_run *m, const struct mig_chunk *c, const struct err *why)
{
	const struct mig_item *it = c->item;
	AUTOSTR sql = STR(STR_ANY);
	struct err e;

	if (!it || !m->db->conn || PQtransactionStatus(m->db->conn) != PQTRANS_IDLE)
		return;
	str_puts(&sql, "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\n");
	mig_book_put_step_failed(&sql, it->set->name, it->version,
				 c->file == &it->files->down ? "down" : "up", c->step,
				 m->stopped ? "interrupted" : why->msg);
	(void)mig_exec(m, sql.buf, NULL, &e);
}

static int
run_chunks(struct mig_run *m, const struct mig_batch *b, struct err *e)
{
	char xid[32] = "";

	if (b->transaction && read_xid(m, xid, e))
		return -1;
	for (size_t i = 0; i < b->n; i++) {
		const struct mig_chunk *c = &b->v[i];

		if (c->kind == MIG_GUARD || (c->kind == MIG_CHECK && m->kept))
			continue;
		if (m->stopped)
			return err_set(e, ERR_TEMPFAIL, "interrupted");
		if (run_chunk(m, c, e)) {
			note_failed_step(m, c, e);
			return -1;
		}
		if (c->kind == MIG_SCRIPT && b->transaction && check_transaction(m, c, xid, e))
			return -1;
		if (c->ends) {
			struct mig_begun *d = under_way(m, c->ends);

			d->ended = true;
			d->ms = now_ms() - d->at;
		}
	}
	return m->stopped ? err_set(e, ERR_TEMPFAIL, "interrupted") : 0;
}

static void
tell_done(struct mig_run *m)
{
	size_t left = 0;

	for (size_t i = 0; i < m->nbegun; i++) {
		const struct mig_begun *d = &m->begun[i];

		if (d->ended)
			m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_DONE, .item = d->item,
							      .ms = d->ms });
		else
			m->begun[left++] = *d;
	}
	m->nbegun = left;
}

static int
run_batch(struct mig_run *m, const struct mig_plan *plan, const struct mig_batch *b, struct err *e)
{
	size_t begun = m->nbegun;
	struct err ignored;

	m->kept = false;
	m->watch_every = b->transaction && m->lock_timeout ? m->lock_timeout / 2 + 1 : 2000;
	m->watches = mig_exec(m, watch_client_sql, NULL, &ignored) == 0;	/* if it can */
	if (b->transaction && mig_exec(m, plan->begin.buf, NULL, e))
		return -1;
	if (run_chunks(m, b, e)) {
		if (m->db->conn && PQtransactionStatus(m->db->conn) != PQTRANS_IDLE)
			(void)mig_exec(m, "ROLLBACK", NULL, &ignored);
		if (b->transaction)
			m->nbegun = begun;
		return -1;
	}
	if (b->transaction && mig_exec(m, "COMMIT", NULL, e)) {
		AUTOSTR label = STR(200);

		if (m->nbegun)
			mig_put_label(&label, m->begun[m->nbegun - 1].item);
		m->nbegun = begun;
		return err_ctx(e, "%s: at its end", label.buf);
	}
	tell_done(m);
	return 0;
}

static bool
worth_another_try(struct mig_run *m, const struct mig_batch *b, int64_t deadline,
		  const struct err *e)
{
	return b->transaction && !m->stopped && m->db->conn &&
	       PQstatus(m->db->conn) == CONNECTION_OK && now_ms() < deadline &&
	       (!strcmp(e->sqlstate, "55P03") || !strncmp(e->sqlstate, "40", 2));
}

static int
interrupted(const struct mig_batch *b, struct err *e)
{
	(void)err_set(e, ERR_TEMPFAIL, "interrupted: %s",
		      b->transaction ? "the migration that was running has changed nothing"
				     : "the step that was running may be half done");
	err_hint(e, "run the same command again to go on");
	return -1;
}

static int
give_up(struct mig_run *m, const struct mig_plan *plan, const struct mig_batch *b, struct err *e)
{
	struct err last = *e;

	if (m->stopped)
		(void)interrupted(b, e);
	else if (!strcmp(last.sqlstate, "55P03")) {
		(void)err_set(e, ERR_TEMPFAIL, "%s%s%s", last.msg,
			      m->blocker[0] ? ": held by " : "", m->blocker);
		memcpy(e->sqlstate, last.sqlstate, sizeof e->sqlstate);
		err_hint(e, "end that session or wait for it; see --lock-timeout and --wait-lock");
	}
	if (b->without_api && !plan->down)	/* nothing else is as urgent */
		err_hint(e, "the set's functions and views are gone until up has come to its end");
	return -1;
}

static void
pass_notice(void *ctx, const PGresult *res)
{
	struct mig_run *m = ctx;

	say(m, MIG_EV_NOTICE, PQresultErrorMessage(res));
}

static int
run_plan(struct mig_run *m, const struct mig_plan *plan, struct err *e)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct mig_batch *b = &plan->v[i];
		int64_t deadline = deadline_in(m->wait_lock);

		for (int attempt = 0; run_batch(m, plan, b, e); attempt++) {
			AUTOSTR why = STR(2000);

			if (!worth_another_try(m, b, deadline, e))
				return give_up(m, plan, b, e);
			str_putf(&why, "%s%s%s", e->msg, m->blocker[0] ? ": held by " : "",
				 m->blocker);
			say(m, MIG_EV_RETRY, why.buf);
			if (!mig_backoff(m, attempt, deadline))
				return give_up(m, plan, b, e);
		}
		if (m->stopped && i + 1 < plan->n) {
			(void)err_set(e, ERR_TEMPFAIL, "interrupted between two migrations");
			err_hint(e, "run the same command again to go on");
			return -1;
		}
	}
	return 0;
}

int
mig_run(struct mig_run *m, const struct mig_plan *plan, struct err *e)
{
	int rc;

	PQsetNoticeReceiver(m->db->conn, pass_notice, m);
	rc = run_plan(m, plan, e);
	pg_ignore_notices(m->db);	/* the connection may outlive us */
	return rc;
}

void
mig_run_free(struct mig_run *m)
{
	pg_close(&m->watch);
	free(m->begun);
	m->begun = NULL;
	m->nbegun = 0;
}
