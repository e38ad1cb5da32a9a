/*
 * migrate_lock.c - one migrator at a time
 */
#include "migrate_run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "migrate_book.h"

enum { WATCH_MS = 2000 };	/* the migration waits meanwhile */

/* A session as one line of text; another user's statement may be hidden from us. */
#define SESSION_TEXT \
	"pg_catalog.format(" \
	" 'pid %s (user %s, application \"%s\", client %s, connected since %s), %s'," \
	" a.pid, a.usename, a.application_name," \
	" coalesce(pg_catalog.host(a.client_addr), 'local')," \
	" pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')," \
	" pg_catalog.concat_ws(': ', a.state, nullif(pg_catalog.left(pg_catalog.regexp_replace(" \
	"  a.query, '\\s+', ' ', 'g'), 80), '')))"

static const char look_sql[] =
	"SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()";

static const char try_sql[] = "SELECT pg_catalog.pg_try_advisory_lock($1)";

static const char holder_sql[] =
	"SELECT " SESSION_TEXT
	" FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
	" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
	" AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid"
	" AND l.database = (SELECT oid FROM pg_catalog.pg_database"
	"                   WHERE datname = pg_catalog.current_database())";

static const char blocker_sql[] =
	"SELECT " SESSION_TEXT
	" FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) b(pid)"
	" JOIN pg_catalog.pg_stat_activity a USING (pid) ORDER BY a.xact_start LIMIT 1";

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
say_waiting(struct mig_run *m, char *holder, size_t size)
{
	PG_RES res = NULL;
	struct err e;

	if (pg_call(m->db, &res, holder_sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), &e) > 0) {
		strncpy(holder, pg_get(res, 0, 0), size - 1);
		m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_WAITING, .text = holder });
	}
}

int
mig_lock(struct mig_run *m, struct err *e)
{
	int64_t deadline = deadline_in(m->wait_lock);
	char holder[400] = "a session that cannot be seen";

	srandom((unsigned)now_ms() ^ (unsigned)PQbackendPID(m->db->conn));
	if (mig_check_session(m, e))
		return -1;
	for (int attempt = 0;; attempt++) {
		PG_RES res = NULL;

		if (pg_call(m->db, &res, try_sql, PG_ARGS(pg_i64(MIG_LOCK_KEY)), e) < 0)
			return -1;
		if (pg_get_bool(res, 0, 0))
			return 0;
		say_waiting(m, holder, sizeof holder);
		if (now_ms() >= deadline) {
			(void)err_set(e, ERR_TEMPFAIL, "another migration is running: %s", holder);
			err_hint(e, "wait for it, or give --wait-lock a longer time");
			return -1;
		}
		if (!mig_backoff(m, attempt < 3 ? attempt : 3, deadline))
			return err_set(e, ERR_TEMPFAIL,
				       "interrupted while waiting for another migration");
	}
}

void
mig_watch(struct mig_run *m)
{
	PG_RES res = NULL;
	struct err e;

	m->watch_at = deadline_in(m->watch_every);
	m->watch.call_ms = WATCH_MS;
	if (!m->watch.conn && pg_connect(&m->watch, m->app, m->dbname, &e)) {
		m->watch_at = NEVER;
		return;
	}
	if (pg_call(&m->watch, &res, blocker_sql, PG_ARGS(pg_i32(PQbackendPID(m->db->conn))),
		    &e) < 0)
		pg_close(&m->watch);
	else if (PQntuples(res)) {
		strncpy(m->blocker, pg_get(res, 0, 0), sizeof m->blocker - 1);
		m->event(m->ctx, &(struct mig_event){ .kind = MIG_EV_WAITING, .text = m->blocker });
	}
}
