/*
 * migrate_lock.c - one migrator at a time
 */
#include "migrate_run.h"

#include <poll.h>
#include <stdlib.h>

#include "migrate_book.h"
#include "str.h"

enum { WATCH_MS = 2000 };	/* the migration waits meanwhile */

static const char look_sql[] =
	"SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()";

static const char try_sql[] = "SELECT pg_catalog.pg_try_advisory_lock($1)";

#define FROM_HOLDER \
	" FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid" \
	" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1" \
	" AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid" \
	" AND l.database = (SELECT oid FROM pg_catalog.pg_database" \
	"                   WHERE datname = pg_catalog.current_database())"
static const char holder_sql[] = "SELECT " PG_SESSION FROM_HOLDER;

#define RFC3339(t) \
	"pg_catalog.to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
static const char holders_sql[] =
	"SELECT a.pid, a.usename, a.application_name,"
	" coalesce(pg_catalog.host(a.client_addr), 'local'),"
	" " RFC3339("a.backend_start") ", " RFC3339("a.xact_start") ", a.state,"
	" a.query, " RFC3339("a.query_start") ","
	" pg_catalog.format('SELECT pg_terminate_backend(%s)', a.pid)" FROM_HOLDER;

int
mig_check_session(struct mig_run *m, struct err *e)
{
	PG_RES res = NULL;

	if (pg_call(m->db, &res, look_sql, PG_NOARGS, e) < 0)
		return -1;
	if (pg_get_i64(res, 0, 0) != PQbackendPID(m->db->conn)) {
		(void)err_set(e, ERR_CONFIG, "the connection goes through a pooler, where the "
			      "lock of a migration can stay behind on a session that others use");
		err_hint(e, "connect to the server itself: give -d with its own host and port");
		return -1;
	}
	if (pg_get_bool(res, 0, 1)) {
		(void)err_set(e, ERR_UNAVAILABLE, "the server is a standby and takes no changes");
		err_hint(e, "connect to the primary, or add target_session_attrs=read-write");
		return -1;
	}
	return 0;
}

/* Sleep until the deadline or until asked to stop. */
static bool
pause_until(struct mig_run *m, int64_t deadline)
{
	struct pollfd p = { .fd = m->stop_fd, .events = POLLIN };

	while (!m->stopped && now_ms() < deadline)
		if (poll(&p, 1, poll_timeout(deadline)) > 0) {
			m->stopped = true;
			m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_STOPPING });
		}
	return !m->stopped;
}

bool
mig_backoff(struct mig_run *m, int attempt, int64_t deadline)
{
	int64_t ms = 100 << (attempt < 6 ? attempt : 6);

	/* Anything between half and whole: two that collided part. */
	return pause_until(m, earliest(deadline, deadline_in(ms / 2 + random() % (ms / 2 + 1))));
}

static void
say_waiting(struct mig_run *m, struct str *holder)
{
	PG_RES res = NULL;
	struct err e;

	if (pg_call(m->db, &res, holder_sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), &e) > 0) {
		str_reset(holder);
		pg_put_session(holder, res, 0, 0);
		m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_WAITING, .text = holder->buf });
	}
}

int
mig_lock_holders(struct pg *db, PGresult **res, struct err *e)
{
	return pg_call(db, res, holders_sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), e) < 0 ? -1 : 0;
}

int
mig_lock(struct mig_run *m, struct err *e)
{
	int64_t deadline = deadline_in(m->wait_lock);
	AUTOSTR holder = STR(MIG_WHO_MAX);

	srandom((unsigned)now_ms() ^ (unsigned)PQbackendPID(m->db->conn));
	if (mig_check_session(m, e))
		return -1;
	for (int attempt = 0;; attempt++) {
		PG_RES res = NULL;

		if (pg_call(m->db, &res, try_sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), e) < 0)
			return -1;
		if (pg_get_bool(res, 0, 0))
			return 0;
		say_waiting(m, &holder);
		if (now_ms() >= deadline) {
			(void)err_set(e, ERR_TEMPFAIL, "another migration is running: %s",
				      holder.len ? holder.buf : "its session cannot be seen");
			err_hint(e, "wait for it, or give --wait-lock a longer time");
			return -1;
		}
		if (!mig_backoff(m, attempt < 3 ? attempt : 3, deadline))
			return err_set(e, ERR_TEMPFAIL,
				       "interrupted while waiting for another migration");
	}
}

int
mig_unlock(struct mig_run *m, struct err *e)
{
	static const char sql[] = "SELECT pg_catalog.pg_advisory_unlock($1)";

	return pg_call(m->db, NULL, sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), e) < 0 ? -1 : 0;
}

void
mig_watch(struct mig_run *m)
{
	struct pg_blocker b;
	struct err e;
	int n;

	m->watch_at = deadline_in(m->watch_every);
	m->watch.call_ms = WATCH_MS;
	if (!m->watch.conn && pg_connect(&m->watch, m->app, m->dbname, &e)) {
		m->watch_at = NEVER;
		return;
	}
	n = pg_blocker(&m->watch, m->db->conn, &b, &e);
	if (n < 0)
		pg_close(&m->watch);
	if (n <= 0)
		return;
	snprintf(m->blocker, sizeof m->blocker, "%s", b.who);
	m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_WAITING, .text = m->blocker });
}
