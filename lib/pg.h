/*
 * pg.h - PostgreSQL through libpq: connecting, typed calls, errors with a kind
 *
 * A connection is used in one of two ways: call by call (pg_call and COPY, the
 * short programs), or as a pipeline that never blocks (pipe.h, the worker).
 */
#ifndef JOBCTL_PG_H
#define JOBCTL_PG_H

#include <libpq-fe.h>
#include <poll.h>

#include "err.h"
#include "uuid.h"

/*
 * The schema versions (of set "jobctl") this source works with: it needs at
 * least the first and knows nothing past the second.
 */
#define PG_SCHEMA_MIN 4
#define PG_SCHEMA_MAX 4

struct pg {
	PGconn *conn;		/* NULL while not connected */
	int64_t call_ms;	/* longest wait for an answer, or to connect; 0: see pg_poll(), pg_connect() */
	bool calling;		/* its own: an answer is awaited, */
	int64_t blocker;	/* and this pid's lock keeps it, as has been told */
};
#define PG_INIT { .conn = NULL, .blocker = -1 }

/*
 * Typed parameters.  A value is borrowed: what pg_text() or pg_bytes() point at
 * must outlive the call.  Fixed-width types travel in binary with their OID, so
 * a call that does not match the function's signature fails when it is
 * prepared, not when a row happens to disagree.
 */
struct pg_val {
	Oid oid;
	int format;		/* 0 text, 1 binary */
	int len;		/* -1: SQL NULL */
	const char *ptr;	/* NULL: the value is in raw */
	unsigned char raw[16];
};
/* Where a row is in its table, until somebody changes it; offset 0: nowhere. */
struct pg_tid {
	uint32_t block;
	uint16_t offset;
};
struct pg_val pg_null(void);				/* of unknown type */
struct pg_val pg_bool(bool v);
struct pg_val pg_i32(int32_t v);
struct pg_val pg_i64(int64_t v);
struct pg_val pg_double(double v);
struct pg_val pg_text(const char *s);			/* NULL is SQL NULL */
struct pg_val pg_json(const char *s);			/* jsonb, as text; NULL is SQL NULL */
struct pg_val pg_bytes(const void *p, size_t n);	/* bytea */
struct pg_val pg_uuid(const struct uuid *u);		/* NULL is SQL NULL */
struct pg_val pg_tid(const struct pg_tid *t);		/* nowhere is SQL NULL */
struct pg_val pg_ms(int64_t ms);			/* interval; NEVER is SQL NULL */
struct pg_val pg_time(int64_t us);			/* timestamptz from microseconds since 1970; NEVER is SQL NULL */

/*
 * A one-dimensional array parameter, built element by element in binary.  All
 * elements must have the array's element type.  The value borrows the builder.
 */
struct pg_array {
	struct pg_val elem;	/* type of the elements, set by the first */
	char *buf;
	size_t len, cap;
	int32_t n;
	bool has_null;
};
#define PG_ARRAY_INIT { .n = 0 }
void pg_array_add(struct pg_array *a, struct pg_val v);
/* An element that is NULL needs its type said: give any value of that type. */
void pg_array_add_null(struct pg_array *a, struct pg_val like);
/* like: a value of the element's type, for arrays that may be empty. */
struct pg_val pg_array(struct pg_array *a, struct pg_val like);
void pg_array_reset(struct pg_array *a);
void pg_array_free(struct pg_array *a);

#define PG_ARGS(...) \
	(const struct pg_val[]){ __VA_ARGS__ }, \
	(int)NELEM(((const struct pg_val[]){ __VA_ARGS__ }))
#define PG_NOARGS NULL, 0

/* A result that frees itself: PG_RES res = NULL; */
void pg_res_free(PGresult **res);
#define PG_RES CLEANUP(pg_res_free) PGresult *

/*
 * Where the database is: dbname (the -d option), else JOBCTL_DATABASE, else
 * libpq's own PG* variables and service file, else the private cluster of
 * jobctl-db if it exists, else libpq's defaults.  The conninfo is yours.
 */
char *pg_conninfo(const char *dbname) MUSTCHECK;

/* The private cluster's directory: JOBCTL_DB_DIR, else /var/lib/jobctl/db for root, else under XDG_DATA_HOME.  Yours. */
char *pg_private_dir(void) MUSTCHECK;

/*
 * Connect as "jobctl-NAME host:pid" (app is "jobctl-NAME"), walking the host
 * list with connect_timeout (10 s unless set) for each, and db->call_ms, unless
 * that is 0, for all.  Keepalives and tcp_user_timeout are set unless the conninfo
 * does.  db->conn is set on success only.  ERR_UNAVAILABLE, or ERR_USAGE for a
 * conninfo that cannot be read.
 */
int pg_connect(struct pg *db, const char *app, const char *dbname, struct err *e) MUSTCHECK;
void pg_close(struct pg *db);
/* As after connecting: whatever the server remarks is dropped. */
void pg_ignore_notices(struct pg *db);

/*
 * The same without blocking, for a program with children to look after: poll the
 * descriptor for the events until the deadline, then step (ready: poll said so).
 * A step returns 0 while there is more to do, 1 when db is connected, -1 when the
 * last host has failed.  host_ms: if there are several hosts or addresses, none gets
 * more than this, whatever connect_timeout says.  pid: the one to be known by.
 */
struct pg_connector;
struct pg_connector *pg_connector_new(const char *app, int pid, const char *dbname,
				      int64_t host_ms, struct err *e) MUSTCHECK;
int pg_connector_fd(const struct pg_connector *c, short *events, int64_t *deadline);
int pg_connector_step(struct pg_connector *c, bool ready, struct pg *db, struct err *e) MUSTCHECK;
void pg_connector_free(struct pg_connector *c);

/*
 * Fails with ERR_SCHEMA and the command to run unless the schema is in this
 * program's range.  pg_open() is pg_connect() and this, in one round trip after
 * connecting.
 */
int pg_check_schema(struct pg *db, struct err *e) MUSTCHECK;
int pg_open(struct pg *db, const char *app, const char *dbname, struct err *e) MUSTCHECK;

/*
 * Run one statement and wait (see db->call_ms and pg_poll()) for its result.  Returns the
 * number of rows (0 for a statement without rows) or -1.  *res (may be NULL if
 * the rows are of no interest) is set on success only and belongs to the caller.
 * A connection that breaks or stays silent is ERR_UNAVAILABLE and fit only for
 * pg_close(); whether a write took effect is then unknown, which is why every
 * jobctl.* function that writes can be repeated.
 */
int pg_call(struct pg *db, PGresult **res, const char *sql,
	    const struct pg_val *args, int nargs, struct err *e) MUSTCHECK;

/*
 * The same for a first call: the schema check travels with it in one round trip
 * and keeps it from taking effect if the schema does not fit.
 */
int pg_first_call(struct pg *db, PGresult **res, const char *sql,
		  const struct pg_val *args, int nargs, struct err *e) MUSTCHECK;

/* The same for a statement that checks the schema's version itself. */
int pg_checked_call(struct pg *db, PGresult **res, const char *sql,
		    const struct pg_val *args, int nargs, struct err *e) MUSTCHECK;

/* Only send a statement (pipe.h reads the answer); on -1 PQerrorMessage() says why. */
int pg_send(struct pg *db, const char *sql, const struct pg_val *args, int nargs) MUSTCHECK;
/* The same in two steps, the first of which only looks at the types of the arguments. */
int pg_prepare(struct pg *db, const char *name, const char *sql, const struct pg_val *args,
	       int nargs) MUSTCHECK;
int pg_send_prepared(struct pg *db, const char *name, const struct pg_val *args,
		     int nargs) MUSTCHECK;

/* Several statements in one string, no parameters, results dropped (migrations, BEGIN, COMMIT). */
int pg_exec(struct pg *db, const char *sql, struct err *e) MUSTCHECK;

/*
 * Run one statement whose failure is an answer too: *res, yours, is whatever the
 * server said.  -1 only if it said nothing.
 */
int pg_ask(struct pg *db, PGresult **res, const char *sql, struct err *e) MUSTCHECK;

/*
 * COPY ... FROM STDIN: start with the statement, put bytes in text format, end.
 * pg_copy_end() with why != NULL makes the server abandon it.
 */
int pg_copy_start(struct pg *db, const char *sql, struct err *e) MUSTCHECK;
int pg_copy_put(struct pg *db, const char *buf, size_t n, struct err *e) MUSTCHECK;
int64_t pg_copy_end(struct pg *db, const char *why, struct err *e) MUSTCHECK;
/* Append n bytes as one field of COPY's text format (tab, newline, backslash escaped). */
struct str;
void pg_copy_field(struct str *s, const char *p, size_t n);

/*
 * poll(2) for who waits for this server, however long that may take: 0 at the deadline.
 * While nothing comes, the server is asked every ten seconds, by a connection of its
 * own, whether it is alive; ERR_UNAVAILABLE when it has not answered that twice, and
 * then the connection is lost.  A pooler answers for the server behind it.  Who awaits
 * the answer of a call, and a lock is in its way, is told whose (err_meanwhile).
 */
int pg_poll(struct pg *db, struct pollfd *p, nfds_t n, int64_t deadline,
	    struct err *e) MUSTCHECK;
/* Whether it takes connections, be it to refuse them.  Some seconds at most. */
bool pg_alive(struct pg *db) MUSTCHECK;

/*
 * A session in words, such as: pid 4711 (user app, application "psql", client local, idle
 * in transaction), in a transaction for 3m, last said: SELECT 1.  PG_SESSION is what to
 * select of pg_stat_activity a for it, from column col on.
 */
#define PG_SESSION \
	"a.pid, nullif(a.backend_type, 'client backend'), a.usename, a.application_name," \
	" CASE WHEN a.backend_type = 'client backend'" \
	"  THEN coalesce(pg_catalog.host(a.client_addr), 'local') END, a.state," \
	" extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)," \
	" pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80)"
void pg_put_session(struct str *s, const PGresult *res, int row, int col);

/*
 * Who keeps a session waiting for a lock, as another session sees it; of several the one
 * whose transaction is the oldest.  1, 0 if nobody does, or -1.
 */
struct pg_blocker {
	int64_t pid;		/* 0: a prepared transaction */
	char what[160];		/* "table public.orders", or "something" */
	char who[640];
};
int pg_blocker(struct pg *other, PGconn *waiting, struct pg_blocker *ret, struct err *e) MUSTCHECK;

/*
 * Wait until the socket has something to read or the deadline passes; then
 * PQnotifies() may be asked.  1 if something came, 0 at the deadline.
 */
int pg_wait(struct pg *db, int64_t deadline, struct err *e) MUSTCHECK;

/*
 * Instead of PQconsumeInput(), before PQisBusy() is asked and poll() waits; readable:
 * poll() said so.  What TLS has decrypted and libpq has had no room for is in no socket:
 * poll() would wait for what has come already.
 */
int pg_consume(PGconn *conn, bool readable) MUSTCHECK;

/* The error of a result (or, with res NULL, of the connection), with its kind. */
int pg_error(PGconn *conn, const PGresult *res, struct err *e);
/* SQLSTATE to kind; JC0nn, raised by our own functions, is exit status nn. */
enum err_kind pg_kind(const char *sqlstate);

/* Cells.  NULL reads as "", 0, false. */
const char *pg_get(const PGresult *res, int row, int col);
const char *pg_get_or_null(const PGresult *res, int row, int col);
int64_t pg_get_i64(const PGresult *res, int row, int col);
struct pg_tid pg_get_tid(const PGresult *res, int row, int col);	/* NULL: nowhere */
double pg_get_double(const PGresult *res, int row, int col);
bool pg_get_bool(const PGresult *res, int row, int col);
/* Column by name; the name must exist. */
int pg_col(const PGresult *res, const char *name);
/* bytea in text format: yours, *n its length. */
unsigned char *pg_get_bytes(const PGresult *res, int row, int col, size_t *n) MUSTCHECK;

#endif
