/*
 * pg.c - calls, results and errors
 *
 * The connection is nonblocking and there is one wait, pg_poll(): a call may take as
 * long as it takes, or as its deadline allows, but no server that is frozen or out
 * of reach holds us for ever.  Connecting is in pg_connect.c.
 */
#include "pg.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "str.h"

/* What has been silent for so long is asked whether it is alive. */
enum { SILENCE_MS = 10000, MAX_KEYWORDS = 64 };
#define PING_TIMEOUT "5"		/* seconds */

void
pg_res_free(PGresult **res)
{
	PQclear(*res);
	*res = NULL;
}

void
pg_close(struct pg *db)
{
	if (db->conn)
		PQfinish(db->conn);
	db->conn = NULL;
}

/*
 * SQLSTATE to kind, the first match from the top.  Not here, because they are
 * read off the connection instead: a backend that was killed leaves a result
 * without any SQLSTATE.
 */
static const struct {
	const char *prefix;
	enum err_kind kind;
} kinds[] = {
	{ "08", ERR_UNAVAILABLE },	/* connection exception */
	{ "57P", ERR_UNAVAILABLE },	/* shutdown, crash, starting up */
	{ "25006", ERR_UNAVAILABLE },	/* read-only: a standby, or a demoted primary */
	{ "57014", ERR_TEMPFAIL },	/* cancelled, statement timeout */
	{ "55P03", ERR_TEMPFAIL },	/* lock not available */
	{ "55006", ERR_TEMPFAIL },	/* object in use */
	{ "40", ERR_TEMPFAIL },		/* serialization failure, deadlock */
	{ "53", ERR_TEMPFAIL },		/* out of disk, memory, connections */
	{ "42501", ERR_NOPERM },
	{ "28", ERR_NOPERM },		/* authentication */
	{ "3F000", ERR_SCHEMA },
	{ "42P01", ERR_SCHEMA },	/* no such table or view */
	{ "42883", ERR_SCHEMA },	/* no such function */
	{ "42703", ERR_SCHEMA },	/* no such column */
	{ "3D000", ERR_UNAVAILABLE },	/* no such database */
	{ "22", ERR_DATA },
	{ "23", ERR_DATA },
};

enum err_kind
pg_kind(const char *s)
{
	if (!strncmp(s, "JC0", 3))
		return (enum err_kind)((s[3] - '0') * 10 + (s[4] - '0'));
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strncmp(s, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return ERR_SOFTWARE;
}

int
pg_error(PGconn *conn, const PGresult *res, struct err *e)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *msg = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;

	if (PQstatus(conn) == CONNECTION_BAD && !state)
		return err_set(e, ERR_UNAVAILABLE, "lost the connection to the database: %s",
			       res && *PQresultErrorMessage(res) ? PQresultErrorMessage(res)
								 : PQerrorMessage(conn));
	if (!state)
		return err_set(e, ERR_SOFTWARE, "%s",
			       res ? PQresultErrorMessage(res) : PQerrorMessage(conn));
	(void)err_set(e, pg_kind(state), "%s", msg ? msg : "the database refused");
	memcpy(e->sqlstate, state, 5);
	if (hint)
		err_hint(e, "%s", hint);
	else if (e->kind == ERR_SCHEMA)
		err_hint(e, "run: jobctl-migrate up");
	return -1;
}

/* The connection is lost, for whoever asks PQstatus(): nobody is to wait for it once more. */
static void
cut(struct pg *db)
{
	shutdown(PQsocket(db->conn), SHUT_RDWR);
	(void)PQconsumeInput(db->conn);
}

/* What it takes to connect once more, to the same server; the strings are all's. */
struct params {
	PQconninfoOption *all;
	const char *key[MAX_KEYWORDS], *value[MAX_KEYWORDS];
};

static void
params_of(PGconn *conn, const char *name, struct params *p)
{
	int n = 0;

	p->all = PQconninfo(conn);
	for (PQconninfoOption *o = p->all; o && o->keyword && n < MAX_KEYWORDS - 3; o++) {
		if (!o->val || !strcmp(o->keyword, "connect_timeout") ||
		    !strcmp(o->keyword, "application_name") ||
		    !strcmp(o->keyword, "target_session_attrs"))
			continue;
		p->key[n] = o->keyword;
		p->value[n++] = o->val;
	}
	p->key[n] = "application_name";
	p->value[n++] = name;
	p->key[n] = "connect_timeout";
	p->value[n++] = PING_TIMEOUT;
	p->key[n] = p->value[n] = NULL;
}

bool
pg_alive(struct pg *db)
{
	struct params p;
	PGPing answer;

	params_of(db->conn, "jobctl", &p);
	answer = PQpingParams(p.key, p.value, 0);
	PQconninfoFree(p.all);
	return answer != PQPING_NO_RESPONSE;
}

/*
 * Who waits for a lock learns nothing from the server, and whoever called it sees a
 * program that hangs: a second session looks for whom it waits, and that is told, once.
 */
static void
tell_blocker(struct pg *db)
{
	struct pg other = { .call_ms = SILENCE_MS };
	AUTOSTR text = STR(STR_ANY);
	struct pg_blocker b;
	struct params p;
	struct err e;

	params_of(db->conn, "jobctl", &p);
	other.conn = PQconnectdbParams(p.key, p.value, 0);
	PQconninfoFree(p.all);
	if (PQstatus(other.conn) == CONNECTION_OK && PQsetnonblocking(other.conn, 1) == 0 &&
	    pg_blocker(&other, db->conn, &b, &e) > 0 && db->blocker != b.pid) {
		db->blocker = b.pid;
		str_putf(&text, "waits for %s, which is locked by %s", b.what, b.who);
		if (b.pid)
			str_putf(&text, "; \"SELECT pg_terminate_backend(%" PRId64 ")\" ends it", b.pid);
		err_meanwhile(text.buf);
	}
	pg_close(&other);
}

int
pg_poll(struct pg *db, struct pollfd *p, nfds_t n, int64_t deadline, struct err *e)
{
	int64_t from = now_ms(), ask_at = from + SILENCE_MS;
	int missed = 0;

	for (;;) {
		/* the last look is for what came while nobody answered */
		int rc = poll(p, n, missed < 2 ? poll_timeout(earliest(deadline, ask_at)) : 0);

		if (rc > 0 || (rc == 0 && now_ms() >= deadline))
			return rc;
		if (rc < 0 && errno != EINTR)
			return err_sys(e, ERR_OS, "poll");
		if (missed == 2) {
			cut(db);
			return err_set(e, ERR_UNAVAILABLE, "the database has not answered for %d s, and "
				       "takes no connections", (int)((now_ms() - from) / 1000));
		}
		if (now_ms() < ask_at)
			continue;
		missed = pg_alive(db) ? 0 : missed + 1;
		if (!missed && db->calling && err_meanwhile)
			tell_blocker(db);
		ask_at = deadline_in(SILENCE_MS);
	}
}

static bool
in_tls(PGconn *conn)
{
	const SSL *tls = PQsslStruct(conn, "OpenSSL");

	return tls && SSL_pending(tls) > 0;
}

int
pg_consume(PGconn *conn, bool readable)
{
	for (; readable || in_tls(conn); readable = false)
		if (!PQconsumeInput(conn))
			return -1;
	return 0;
}

/* Send what is unsent; with read set, go on until a result can be had without blocking. */
static int
await(struct pg *db, bool read, struct err *e)
{
	int64_t deadline = db->call_ms ? deadline_in(db->call_ms) : NEVER;
	PGconn *c = db->conn;
	bool readable = false;

	for (;;) {
		int unsent = PQflush(c);
		struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };
		int n;

		if (unsent < 0 || pg_consume(c, readable))
			return pg_error(c, NULL, e);
		if (!unsent && (!read || !PQisBusy(c)))
			return 0;
		if (now_ms() >= deadline) {
			cut(db);
			return err_set(e, ERR_UNAVAILABLE, "the database has stopped answering");
		}
		if (unsent)
			p.events |= POLLOUT;
		db->calling = true;
		n = pg_poll(db, &p, 1, deadline, e);
		db->calling = false;
		if (n < 0)
			return -1;
		readable = n > 0 && (p.revents & ~POLLOUT);
	}
}

/* The next result, or *res NULL at the end of a command's results. */
static int
next_result(struct pg *db, PGresult **res, struct err *e)
{
	if (await(db, true, e))
		return -1;
	*res = PQgetResult(db->conn);
	return 0;
}

static bool
good(const PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_PIPELINE_SYNC:
	case PGRES_COPY_IN:
		return true;
	default:
		return false;
	}
}

/*
 * Read all results of what was sent, down to the NULL (in a pipeline: down to
 * the sync).  The last with rows is kept; the first error is the answer.
 */
static int
collect(struct pg *db, PGresult **keep, bool pipeline, struct err *e)
{
	bool failed = false;
	PG_RES last = NULL;

	for (;;) {
		PGresult *res;

		if (next_result(db, &res, e))
			return -1;
		if (!res && (!pipeline || PQstatus(db->conn) == CONNECTION_BAD))
			break;
		if (!res)
			continue;	/* in a pipeline: the end of one statement's results */
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			break;
		}
		if (!good(res) && !failed) {
			failed = true;
			(void)pg_error(db->conn, res, e);
		}
		PQclear(last);
		last = res;
		if (PQresultStatus(res) == PGRES_COPY_IN || PQstatus(db->conn) == CONNECTION_BAD)
			break;
	}
	if (failed)
		return -1;
	if (!last)
		return pg_error(db->conn, NULL, e);
	if (keep) {
		*keep = last;
		last = NULL;
		return PQntuples(*keep);
	}
	return PQntuples(last);
}

enum { MAX_ARGS = 40 };

/* As libpq wants them. */
struct args {
	Oid types[MAX_ARGS];
	const char *values[MAX_ARGS];
	int lengths[MAX_ARGS], formats[MAX_ARGS];
};

static void
spread(struct args *a, const struct pg_val *args, int nargs)
{
	for (int i = 0; i < nargs; i++) {
		a->types[i] = args[i].oid;
		a->formats[i] = args[i].format;
		a->lengths[i] = args[i].len;
		a->values[i] = args[i].len < 0 ? NULL
			       : args[i].ptr   ? args[i].ptr
					       : (const char *)args[i].raw;
	}
}

int
pg_send(struct pg *db, const char *sql, const struct pg_val *args, int nargs)
{
	struct args a;

	spread(&a, args, nargs);
	return PQsendQueryParams(db->conn, sql, nargs, a.types, a.values, a.lengths, a.formats,
				 0) ? 0 : -1;
}

int
pg_prepare(struct pg *db, const char *name, const char *sql, const struct pg_val *args, int nargs)
{
	struct args a;

	spread(&a, args, nargs);
	return PQsendPrepare(db->conn, name, sql, nargs, a.types) ? 0 : -1;
}

int
pg_send_prepared(struct pg *db, const char *name, const struct pg_val *args, int nargs)
{
	struct args a;

	spread(&a, args, nargs);
	return PQsendQueryPrepared(db->conn, name, nargs, a.values, a.lengths, a.formats, 0) ? 0 : -1;
}

static int
send_call(struct pg *db, const char *sql, const struct pg_val *args, int nargs, struct err *e)
{
	return pg_send(db, sql, args, nargs) ? pg_error(db->conn, NULL, e) : 0;
}

int
pg_call(struct pg *db, PGresult **res, const char *sql, const struct pg_val *args, int nargs,
	struct err *e)
{
	if (send_call(db, sql, args, nargs, e))
		return -1;
	return collect(db, res, false, e);
}

/* A table or function that is not there: nobody has said yet which version is. */
static bool
lacks_something(const struct err *e)
{
	return e->kind == ERR_SCHEMA && strncmp(e->sqlstate, "JC", 2) != 0;
}

static void
call_incomplete(struct pg *db, struct err *e)
{
	(void)err_set(e, ERR_SCHEMA, "the jobctl schema is missing or incomplete in database \"%s\"",
		      PQdb(db->conn));
	err_hint(e, "run: jobctl-migrate up");
}

int
pg_first_call(struct pg *db, PGresult **res, const char *sql, const struct pg_val *args,
	      int nargs, struct err *e)
{
	static const char check[] = "SELECT jobctl.require_schema($1, $2)";
	int n = -1;

	if (!PQenterPipelineMode(db->conn))
		return pg_error(db->conn, NULL, e);
	if (send_call(db, check, PG_ARGS(pg_i32(PG_SCHEMA_MIN), pg_i32(PG_SCHEMA_MAX)), e) == 0 &&
	    send_call(db, sql, args, nargs, e) == 0) {
		if (!PQpipelineSync(db->conn))
			return pg_error(db->conn, NULL, e);
		n = collect(db, res, true, e);
	}
	if (PQstatus(db->conn) == CONNECTION_OK)
		PQexitPipelineMode(db->conn);
	if (n < 0 && lacks_something(e))
		call_incomplete(db, e);
	return n;
}

int
pg_check_schema(struct pg *db, struct err *e)
{
	return pg_first_call(db, NULL, "SELECT", PG_NOARGS, e) < 0 ? -1 : 0;
}

int
pg_checked_call(struct pg *db, PGresult **res, const char *sql, const struct pg_val *args,
		int nargs, struct err *e)
{
	int n = pg_call(db, res, sql, args, nargs, e);

	if (n < 0 && lacks_something(e) && pg_check_schema(db, e) == 0)
		call_incomplete(db, e);
	return n;
}

int
pg_open(struct pg *db, const char *app, const char *dbname, struct err *e)
{
	if (pg_connect(db, app, dbname, e))
		return -1;
	if (pg_check_schema(db, e)) {
		pg_close(db);
		return -1;
	}
	return 0;
}

int
pg_exec(struct pg *db, const char *sql, struct err *e)
{
	if (!PQsendQuery(db->conn, sql))
		return pg_error(db->conn, NULL, e);
	return collect(db, NULL, false, e) < 0 ? -1 : 0;
}

int
pg_ask(struct pg *db, PGresult **ret, const char *sql, struct err *e)
{
	PG_RES last = NULL;

	if (pg_send(db, sql, PG_NOARGS))
		return pg_error(db->conn, NULL, e);
	for (;;) {
		PGresult *res;

		if (next_result(db, &res, e))
			return -1;
		if (!res)
			break;
		PQclear(last);
		last = res;
		switch (PQresultStatus(res)) {
		case PGRES_COPY_IN:
		case PGRES_COPY_OUT:
		case PGRES_COPY_BOTH:
			pg_close(db);
			return err_set(e, ERR_DATA, "COPY to or from the client is not supported here");
		default:
			break;
		}
	}
	if (!last || PQstatus(db->conn) == CONNECTION_BAD)
		return pg_error(db->conn, last, e);
	*ret = last;
	last = NULL;
	return 0;
}

int
pg_copy_start(struct pg *db, const char *sql, struct err *e)
{
	return pg_exec(db, sql, e);
}

int
pg_copy_put(struct pg *db, const char *buf, size_t n, struct err *e)
{
	while (n) {
		int part = n > 1 << 20 ? 1 << 20 : (int)n;
		int rc = PQputCopyData(db->conn, buf, part);

		if (rc < 0)
			return pg_error(db->conn, NULL, e);
		if (rc > 0) {
			buf += part;
			n -= (size_t)part;
		}
		/* Nonblocking libpq would buffer without bound: send before taking more. */
		if (await(db, false, e))
			return -1;
	}
	return 0;
}

int64_t
pg_copy_end(struct pg *db, const char *why, struct err *e)
{
	int64_t rows = -1;
	bool failed = false;
	PGresult *res;
	int rc;

	while ((rc = PQputCopyEnd(db->conn, why)) == 0)
		if (await(db, false, e))
			return -1;
	if (rc < 0)
		return pg_error(db->conn, NULL, e);
	for (;;) {
		if (next_result(db, &res, e))
			return -1;
		if (!res)
			return failed ? -1 : rows;
		if (!good(res) && !failed) {
			failed = true;
			(void)pg_error(db->conn, res, e);
		}
		rows = strtoll(PQcmdTuples(res), NULL, 10);
		PQclear(res);
	}
}

void
pg_copy_field(struct str *s, const char *p, size_t n)
{
	size_t plain = 0;

	for (size_t i = 0; i < n; i++) {
		const char *esc;

		switch (p[i]) {
		case '\\': esc = "\\\\"; break;
		case '\n': esc = "\\n"; break;
		case '\r': esc = "\\r"; break;
		case '\t': esc = "\\t"; break;
		default: continue;
		}
		str_add(s, p + plain, i - plain);
		str_add(s, esc, 2);
		plain = i + 1;
	}
	str_add(s, p + plain, n - plain);
}

int
pg_wait(struct pg *db, int64_t deadline, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = PQsocket(db->conn), .events = POLLIN };
		int n = poll(&p, 1, poll_timeout(deadline));

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_OS, "poll");
		if (n > 0) {
			if (pg_consume(db->conn, true))
				return pg_error(db->conn, NULL, e);
			return 1;
		}
		if (now_ms() >= deadline)
			return 0;
	}
}

const char *
pg_get(const PGresult *res, int row, int col)
{
	return PQgetvalue(res, row, col);
}

const char *
pg_get_or_null(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

int64_t
pg_get_i64(const PGresult *res, int row, int col)
{
	return strtoll(PQgetvalue(res, row, col), NULL, 10);
}

struct pg_tid
pg_get_tid(const PGresult *res, int row, int col)
{
	struct pg_tid t = { .offset = 0 };
	char *end;

	if (PQgetisnull(res, row, col))
		return t;
	t.block = (uint32_t)strtoul(PQgetvalue(res, row, col) + 1, &end, 10);	/* (block,offset) */
	t.offset = (uint16_t)strtoul(end + 1, NULL, 10);
	return t;
}

double
pg_get_double(const PGresult *res, int row, int col)
{
	return strtod(PQgetvalue(res, row, col), NULL);
}

bool
pg_get_bool(const PGresult *res, int row, int col)
{
	return *PQgetvalue(res, row, col) == 't';
}

int
pg_col(const PGresult *res, const char *name)
{
	int c = PQfnumber(res, name);

	if (c < 0)
		abort();		/* the statement and its reader stand side by side */
	return c;
}

unsigned char *
pg_get_bytes(const PGresult *res, int row, int col, size_t *n)
{
	unsigned char *raw = PQunescapeBytea((const unsigned char *)PQgetvalue(res, row, col), n);
	unsigned char *copy = xmalloc(*n + 1);

	if (raw)
		memcpy(copy, raw, *n);
	copy[*n] = '\0';
	PQfreemem(raw);
	return copy;
}
