/*
 * verify_lock.c - what a migration locks, and for how long
 *
 * Before it is applied it is run statement by statement and rolled back: so each lock is
 * known by the line that takes it, and held from there to the end.  If it keeps writers
 * out of a table, that table is given rows first and it is run again: on empty tables
 * everything is quick.
 *
 * A file without a transaction is run step by step in a copy of the database.  A step that
 * cannot be taken back is watched from another session, every millisecond.
 */
#include "verify_checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "str.h"
#include "synth.h"

/*
 * A lock that keeps others waiting for longer than this is worth a warning; and between
 * two looks at what a step holds passes so long.
 */
enum { LONG_MS = 1000, LOOK_MS = 1 };

/* By strength.  From SHARE on a lock keeps writers out; the last, readers too. */
static const struct mode {
	const char *name, *text;
} modes[] = {
	{ "AccessShareLock", "ACCESS SHARE" },
	{ "RowShareLock", "ROW SHARE" },
	{ "RowExclusiveLock", "ROW EXCLUSIVE" },
	{ "ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE" },
	{ "ShareLock", "SHARE" },
	{ "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE" },
	{ "ExclusiveLock", "EXCLUSIVE" },
	{ "AccessExclusiveLock", "ACCESS EXCLUSIVE" },
};
enum { BLOCKS_WRITERS = 4 };

struct lock {
	Oid oid;
	char *name;
	char kind;
	size_t mode;		/* index of modes[] */
	size_t stmt;		/* that took it */
	int64_t rows;		/* in the table when it was timed */
};

struct locks {
	struct verify *v;
	struct pg *db;		/* where it is run */
	struct pg watch;	/* sees what is locked there, if it is not db itself */
	const struct mig_file *f;
	struct mig_stmts st;
	char *known;		/* relations that were there before, as an array */
	const char *search_path;
	struct lock *k;
	size_t n;
	int64_t *began, *ended;	/* each statement */
	char *failed;		/* a statement did */
};

static void
locks_free(struct locks *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->k[i].name);
	free(l->k);
	free(l->st.v);
	free(l->known);
	free(l->began);
	free(l->ended);
	free(l->failed);
	pg_close(&l->watch);
}

static struct lock *
lock_of(struct locks *l, Oid oid)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->k[i].oid == oid)
			return &l->k[i];
	return NULL;
}

static size_t
mode_of(const char *name)
{
	for (size_t i = 0; i < NELEM(modes); i++)
		if (!strcmp(name, modes[i].name))
			return i;
	return 0;
}

/* What is held after a statement, or while it runs. */
static int
look(struct locks *l, size_t stmt, struct err *e)
{
	static const char sql[] =
		"SELECT l.relation, n.nspname || '.' || c.relname, l.mode, c.relkind "
		"FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation "
		"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
		"WHERE l.pid = $2 AND l.locktype = 'relation' AND l.granted "
		"AND l.relation = ANY ($1::text::oid[]) ORDER BY 2";
	PG_RES res = NULL;
	int n = pg_call(l->watch.conn ? &l->watch : l->db, &res, sql,
			PG_ARGS(pg_text(l->known), pg_i32(PQbackendPID(l->db->conn))), e);

	for (int i = 0; i < n; i++) {
		Oid oid = (Oid)pg_get_i64(res, i, 0);
		size_t mode = mode_of(pg_get(res, i, 2));
		struct lock *k = lock_of(l, oid);

		if (k && mode > k->mode) {
			k->mode = mode;
			k->stmt = stmt;
		} else if (!k) {
			l->k = xreallocarray(l->k, l->n + 1, sizeof *l->k);
			l->k[l->n++] = (struct lock){
				.oid = oid, .name = xstrdup(pg_get(res, i, 1)), .kind = *pg_get(res, i, 3),
				.mode = mode, .stmt = stmt };
		}
	}
	return n < 0 ? -1 : 0;
}

static char *
text_of(const struct locks *l, size_t i)
{
	const struct mig_stmt *s = &l->st.v[i];

	return xstrndup(l->f->text + s->start,
			s->end - (l->f->text[s->end - 1] == ';') - s->start);
}

static void
note_failure(struct locks *l, size_t i, const PGresult *res)
{
	free(l->failed);
	l->failed = xasprintf("%s:%d: %s", l->f->path,
			      mig_line_of_byte(l->f->text, l->st.v[i].start),
			      PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

/* A statement; 1 if it fails, *state (may be NULL) its SQLSTATE then. */
static int
run_one(struct locks *l, size_t i, char state[6], struct err *e)
{
	AUTOFREE char *sql = text_of(l, i);
	PG_RES res = NULL;

	l->began[i] = now_ms();
	if (pg_ask(l->db, &res, sql, e))
		return -1;
	l->ended[i] = now_ms();
	if (interrupted())
		return err_set(e, ERR_TEMPFAIL, "interrupted");
	if (PQresultStatus(res) != PGRES_FATAL_ERROR)
		return 0;
	note_failure(l, i, res);
	if (state)
		memcpy(state, PQresultErrorField(res, PG_DIAG_SQLSTATE), 6);
	return 1;
}

/* Its statements, one after the other; 1 if one fails. */
static int
run_all(struct locks *l, bool looking, struct err *e)
{
	for (size_t i = 0; i < l->st.n; i++) {
		int rc = run_one(l, i, NULL, e);

		if (rc || (looking && look(l, i, e)))
			return rc ? rc : -1;
	}
	return 0;
}

static int
set_path(struct locks *l, const char *before, const char *local, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);

	str_puts(&sql, before);
	if (l->search_path)
		str_putf(&sql, "SET %ssearch_path = %s", local, *l->search_path ? l->search_path : "''");
	return pg_exec(l->db, sql.buf, e);
}

static int
begin(struct locks *l, struct err *e)
{
	return set_path(l, "BEGIN; ", "LOCAL ", e);
}

/* Whoever reads or writes a table locks its indexes a little: that is told of the table. */
static bool
is_told(const struct lock *k)
{
	return k->mode >= BLOCKS_WRITERS || !strchr("iI", k->kind);
}

static bool
blocks_writers(const struct lock *k)
{
	return k->mode >= BLOCKS_WRITERS && strchr("rp", k->kind);
}

/* Rows for the tables that are locked against writers; 1 if there are any. */
static int
fill(struct locks *l, struct err *e)
{
	struct synth y = { .db = l->db };
	int rc = 0, any = 0;

	for (size_t i = 0; !rc && i < l->n; i++) {
		AUTOFREE char *why = NULL;

		if (!blocks_writers(&l->k[i]))
			continue;
		l->k[i].rows = synth_fill(&y, l->k[i].oid, l->v->rows, &why, e);
		rc = l->k[i].rows < 0 ? -1 : 0;
		any |= l->k[i].rows > 0;
	}
	synth_free(&y);
	return rc ? rc : any;
}

/* Once to see what it locks, and again, for how long, with rows in what it locks. */
static int
run_both(struct locks *l, struct err *e)
{
	int rc = begin(l, e) ? -1 : run_all(l, true, e);

	if (rc < 0 || pg_exec(l->db, "ROLLBACK", e))
		return -1;
	if (rc)
		return 0;
	if (begin(l, e) || (rc = fill(l, e)) < 0)
		return -1;
	if (rc && run_all(l, false, e) < 0)
		return -1;
	return pg_exec(l->db, "ROLLBACK", e);
}

/* A step that cannot be in a transaction; 1 if it fails. */
static int
run_watched(struct locks *l, size_t i, struct err *e)
{
	AUTOFREE char *sql = text_of(l, i);
	PGconn *conn = l->db->conn;
	int rc = 0;

	l->began[i] = now_ms();
	if (!PQsendQuery(conn, sql))
		return pg_error(conn, NULL, e);
	for (int unsent = 1; unsent || PQisBusy(conn);) {
		struct pollfd p = { .fd = PQsocket(conn), .events = POLLIN };
		int ready;

		unsent = PQflush(conn);
		p.events |= unsent ? POLLOUT : 0;
		if (look(l, i, e) || (ready = pg_poll(l->db, &p, 1, deadline_in(LOOK_MS), e)) < 0)
			return -1;
		if (unsent < 0 || pg_consume(conn, ready && (p.revents & ~POLLOUT)))
			return pg_error(conn, NULL, e);
	}
	l->ended[i] = now_ms();
	for (PGresult *res; (res = PQgetResult(conn)); PQclear(res)) {
		if (PQresultStatus(res) != PGRES_FATAL_ERROR)
			continue;
		note_failure(l, i, res);
		rc = 1;
	}
	return interrupted() ? err_set(e, ERR_TEMPFAIL, "interrupted") : rc;
}

/* How long what a step locks against writers is held, with rows in it. */
static int
time_step(struct locks *l, size_t i, struct err *e)
{
	int rc;

	if (begin(l, e) || (rc = fill(l, e)) < 0 || (rc && run_one(l, i, NULL, e) < 0))
		return -1;
	return pg_exec(l->db, "ROLLBACK", e);
}

/*
 * A step: in a transaction first, where all that it locks can be seen, and then as it
 * will be; 1 if it fails.
 */
static int
run_step(struct locks *l, size_t i, struct err *e)
{
	char state[6] = "";
	int64_t took;
	int rc;

	if (begin(l, e) || (rc = run_one(l, i, state, e)) < 0 || (!rc && look(l, i, e)) ||
	    pg_exec(l->db, "ROLLBACK", e))
		return -1;
	if (!strcmp(state, "25001")) {	/* not in a transaction */
		free(l->failed);
		l->failed = NULL;
		return run_watched(l, i, e);
	}
	if (rc || time_step(l, i, e))
		return rc ? rc : -1;
	took = l->ended[i] - l->began[i];
	rc = run_one(l, i, NULL, e);
	l->began[i] = l->ended[i] - took;
	return rc;
}

static int
run_in(struct locks *l, struct scratch *copy, struct err *e)
{
	int rc = 0;

	l->db = &copy->db;
	if (pg_connect(&l->watch, l->v->app, copy->conninfo, e) || set_path(l, "", "", e))
		return -1;
	for (size_t i = 0; i < l->st.n && !rc; i++)
		rc = run_step(l, i, e);
	pg_close(&l->watch);
	return rc;
}

static int
run_steps(struct locks *l, struct err *e)
{
	struct verify *v = l->v;
	struct scratch copy = { .sets = v->scratch.sets, .nsets = v->scratch.nsets,
				.guard = v->scratch.guard, .of = &v->scratch };
	const char *server = v->scratch_server ? v->scratch_server : v->dbname;
	struct err second;
	int rc = scratch_open(&copy, v->app, server, e) ? -1 : run_in(l, &copy, e);

	if (scratch_close(&copy, rc < 0 ? &second : e))
		rc = -1;
	interrupt_cancels(v->db->conn);
	return rc < 0 ? -1 : 0;
}

static void
report_lock(struct locks *l, const struct lock *k)
{
	const struct mig_stmt *s = &l->st.v[k->stmt];
	size_t last = l->f->no_transaction ? k->stmt : l->st.n - 1;
	int64_t held = l->ended[last] - l->began[k->stmt];
	AUTOFREE char *stmt = xstrndup(l->f->text + s->start, s->end - s->start);
	AUTOFREE char *line = verify_one_line(stmt);
	AUTOFREE char *rows = k->rows ? xasprintf(" at %" PRId64 " rows", k->rows) : xstrdup("");
	bool slow = blocks_writers(k) && held > LONG_MS;

	report_check(l->v->report, slow ? WARN : PASS, "locks", verify_id(l->v, "lock.%s", k->name),
		     xasprintf("%s on %s", modes[k->mode].text, k->name),
		     blocks_writers(k) ? xasprintf("held for at most %d ms", LONG_MS) : NULL,
		     xasprintf("%s, held for %" PRId64 " ms%s", modes[k->mode].text, held, rows),
		     xasprintf("from %s:%d: %s", l->f->path, mig_line_of_byte(l->f->text, s->start), line));
}

static void
report_locks(struct locks *l)
{
	bool told = false;

	if (l->failed) {
		report_check(l->v->report, SKIP, "locks", verify_id(l->v, "lock"),
			     xstrdup("a statement failed"), NULL, NULL, xstrdup(l->failed));
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (is_told(&l->k[i]))
			report_lock(l, &l->k[i]);
		told = told || is_told(&l->k[i]);
	}
	if (!told)
		report_check(l->v->report, PASS, "locks", verify_id(l->v, "lock"),
			     xstrdup("no relation that was there before is locked"), NULL, NULL, NULL);
}

static int
read_known(struct locks *l, struct err *e)
{
	static const char sql[] =
		"SELECT coalesce(pg_catalog.array_agg(c.oid), '{}')::text FROM "
		"pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
		"WHERE n.nspname !~ '^(pg_|information_schema$)' AND c.relkind IN ('r', 'p', "
		"'v', 'm', 'S', 'f', 'i', 'I')";
	PG_RES res = NULL;

	if (pg_call(l->db, &res, sql, PG_NOARGS, e) < 0)
		return -1;
	l->known = xstrdup(pg_get(res, 0, 0));
	return 0;
}

int
verify_locks(struct verify *v, struct err *e)
{
	struct locks l = { .v = v, .db = v->db, .f = &v->version->up, .watch = PG_INIT };
	struct mig_state state = MIG_STATE_INIT;
	int rc;

	if (mig_scan(l.f->text, l.f->len, &l.st, e))
		return 0;	/* it cannot be applied, and applying says why */
	l.began = xcalloc(l.st.n + 1, sizeof *l.began);
	l.ended = xcalloc(l.st.n + 1, sizeof *l.ended);
	rc = mig_state_read(v->db, v->set, 1, &state, e);
	l.search_path = state.search_path;
	if (!rc)
		rc = read_known(&l, e) ? -1 : l.f->no_transaction ? run_steps(&l, e) : run_both(&l, e);
	if (!rc)
		report_locks(&l);
	locks_free(&l);
	mig_state_free(&state);
	return rc;
}
