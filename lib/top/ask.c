/*
 * ask.c - the connection as a machine with four states: connected, busy, connecting,
 * and waiting until it is time to connect again
 */
#include "top/ask.h"

#include <poll.h>
#include <unistd.h>

enum { PAUSE_MIN_MS = 200, PAUSE_MAX_MS = 5000 };

bool
ask_connected(const struct ask *a)
{
	return a->db.conn != NULL;
}

bool
ask_ready(const struct ask *a)
{
	return a->db.conn && !a->busy;
}

/* What is known of the answer goes with the connection. */
static void
lose(struct ask *a, const struct err *why)
{
	PQclear(a->res);
	a->res = NULL;
	a->busy = false;
	a->lost = *why;
	pg_close(&a->db);
	pg_connector_free(a->connector);
	a->connector = NULL;
	a->pause_ms = a->pause_ms ? a->pause_ms * 3 / 2 : PAUSE_MIN_MS;
	if (a->pause_ms > PAUSE_MAX_MS)
		a->pause_ms = PAUSE_MAX_MS;
	a->again_at = deadline_in(a->pause_ms);
}

void
ask_put(struct ask *a, const char *sql, const struct pg_val *args, int nargs)
{
	a->busy = true;
	a->asked_at = now_ms();
	a->answer = (struct err)ERR_INIT;
	if (pg_send(&a->db, sql, args, nargs))
		(void)pg_error(a->db.conn, NULL, &a->answer);
}

int
ask_fd(const struct ask *a, short *events, int64_t *deadline)
{
	*events = POLLIN;
	*deadline = NEVER;
	if (a->connector)
		return pg_connector_fd(a->connector, events, deadline);
	if (!a->db.conn) {
		*deadline = a->again_at;
		return -1;
	}
	if (a->busy && a->answer.kind)		/* it could not even be sent */
		*deadline = 0;
	if (PQflush(a->db.conn) > 0)
		*events |= POLLOUT;
	return PQsocket(a->db.conn);
}

static void
connect_step(struct ask *a, bool ready)
{
	struct err e = ERR_INIT;
	int rc;

	if (!a->connector) {
		if (now_ms() < a->again_at)
			return;
		a->connector = pg_connector_new(a->app, (int)getpid(), a->dbname, NEVER,
						&e);
		rc = a->connector ? 0 : -1;
	} else {
		rc = pg_connector_step(a->connector, ready, &a->db, &e);
	}
	if (rc < 0)
		lose(a, &e);
	if (rc <= 0)
		return;
	pg_connector_free(a->connector);
	a->connector = NULL;
	a->lost = (struct err)ERR_INIT;
}

/* Read what has come; 1 when the answer is whole, -1 if the connection is lost. */
static int
read_answer(struct ask *a, bool ready, struct err *e)
{
	PGconn *c = a->db.conn;

	if (PQflush(c) < 0 || pg_consume(c, ready) || PQstatus(c) == CONNECTION_BAD)
		return pg_error(c, NULL, e);
	while (a->busy && !PQisBusy(c)) {
		PGresult *res = PQgetResult(c);

		if (!res && PQstatus(c) == CONNECTION_BAD) {
			if (!a->answer.kind)
				return pg_error(c, NULL, e);
			*e = a->answer;		/* what the server said before it went */
			return -1;
		}
		if (!res)
			return 1;
		if (PQresultStatus(res) != PGRES_TUPLES_OK && !a->answer.kind)
			(void)pg_error(c, res, &a->answer);
		PQclear(a->res);
		a->res = res;
	}
	return 0;
}

enum asked
ask_step(struct ask *a, bool ready, PGresult **res, struct err *e)
{
	bool busy = a->busy;
	int rc;

	if (!a->db.conn) {
		connect_step(a, ready);
		return ASK_NOTHING;
	}
	rc = read_answer(a, ready, e);
	if (rc < 0) {
		lose(a, e);
		return busy ? ASK_FAILED : ASK_NOTHING;
	}
	if (rc == 0)
		return ASK_NOTHING;
	a->busy = false;
	a->pause_ms = 0;	/* a server that answers is well again */
	if (a->answer.kind) {
		PQclear(a->res);
		a->res = NULL;
		*e = a->answer;
		return ASK_FAILED;
	}
	*res = a->res;
	a->res = NULL;
	return ASK_ANSWER;
}

void
ask_close(struct ask *a)
{
	PQclear(a->res);
	a->res = NULL;
	a->busy = false;
	pg_connector_free(a->connector);
	a->connector = NULL;
	pg_close(&a->db);
}
