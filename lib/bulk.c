/*
 * bulk.c - jobs by COPY, a batch in each transaction
 *
 * A batch whose connection breaks is sent again if its source can go back to
 * where it began.  Before COMMIT was sent nothing can have happened, and it gets
 * new ids, because the rows of the broken session may still be in the way.  After
 * that its own id tells: the broken session holds a lock on it to its end.
 */
#include "submit.h"

#include <endian.h>
#include <string.h>

#include "retry.h"

enum { ROWS_MAX = 256 << 10, PATIENCE_MS = 60000 };

static void
put16(struct str *s, int v)
{
	str_add(s, &(uint16_t){ htobe16((uint16_t)v) }, 2);
}

static void
put32(struct str *s, int v)
{
	str_add(s, &(uint32_t){ htobe32((uint32_t)v) }, 4);
}

/* One field of COPY's binary format. */
static void
put(struct str *s, struct pg_val v)
{
	put32(s, v.len);
	if (v.len >= 0)
		str_add(s, v.ptr ? v.ptr : (const char *)v.raw, (size_t)v.len);
}

static void
put_args(struct str *s, struct json_text args)
{
	put32(s, (int)args.n + 1);
	str_putc(s, 1);			/* the version of jsonb's binary format */
	str_add(s, args.p, args.n);
}

static void
put_ids(struct str *s, const struct job_ids *l)
{
	struct pg_array a = PG_ARRAY_INIT;

	if (!l || !l->n) {
		put32(s, -1);
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		pg_array_add(&a, pg_uuid(&l->v[i]));
	put(s, pg_array(&a, pg_uuid(&l->v[0])));
	pg_array_free(&a);
}

/* A row of pg_temp.jobctl_incoming. */
static void
put_row(struct str *s, int64_t line, const struct uuid *id, const struct jobspec *j)
{
	static const struct json_text none = { "{}", 2 };

	put16(s, 18);
	put(s, pg_i64(line));
	put(s, pg_uuid(id));
	put(s, pg_text(j->project));
	put(s, pg_text(j->queue));
	put(s, pg_text(j->kind));
	put_args(s, j->args.p ? j->args : none);
	put(s, pg_i32((int32_t)j->priority));
	put(s, pg_time(j->at));
	put(s, pg_ms(j->in));
	put(s, pg_text(j->unique));
	put(s, pg_text(j->on_conflict));
	put(s, pg_ms(j->unique_for));
	put_ids(s, j->after);
	put_ids(s, j->after_ok);
	put(s, j->max_attempts ? pg_i32((int32_t)j->max_attempts) : pg_null());
	put(s, pg_text(j->backoff));
	put(s, pg_ms(j->timeout));
	put(s, pg_bool(j->hold));
}

static int
begin(struct bulk *b, struct err *e)
{
	static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
	static const char sql[] = "SELECT jobctl.copy_begin($1)";
	struct pg *db = &b->to.db;

	if (!db->conn && pg_open(db, b->to.app, b->to.dbname, e))
		return -1;
	if (pg_exec(db, "BEGIN", e) || pg_call(db, NULL, sql, PG_ARGS(pg_uuid(&b->id)), e) < 0 ||
	    pg_copy_start(db, "COPY pg_temp.jobctl_incoming FROM STDIN (FORMAT binary)", e))
		return -1;
	b->open = true;
	return pg_copy_put(db, copy_header, sizeof copy_header, e);
}

static int
send_rows(struct bulk *b, bool all, struct err *e)
{
	if (!b->open && begin(b, e))
		return -1;
	if (pg_copy_put(&b->to.db, b->rows.buf, b->rows.len, e))
		return -1;
	str_reset(&b->rows);
	if (b->progress)
		b->progress(b->ctx, b->sent, all);
	return 0;
}

/* The first job of the batch that is its own: found later, it proves that the batch is there. */
static bool
find_witness(struct bulk *b)
{
	struct uuid_series ids = b->first_ids;
	int others = PQntuples(b->others);

	for (int64_t i = 0; i < b->count; i++) {
		b->witness = uuid_series_next(&ids);
		if (i >= others || strcmp(uuid_str(&b->witness).z, pg_get(b->others, (int)i, 0)) != 0)
			return true;
	}
	return false;
}

static int
commit(struct bulk *b, struct err *e)
{
	static const char sql[] = "SELECT c.given, c.id FROM jobctl.copy_end() c ORDER BY c.line";
	struct pg *db = &b->to.db;

	put16(&b->rows, -1);			/* the end of COPY's rows */
	if (send_rows(b, true, e))
		return -1;
	b->open = false;
	if (pg_copy_end(db, NULL, e) < 0 || pg_call(db, &b->others, sql, PG_NOARGS, e) < 0)
		return -1;
	b->committing = find_witness(b);	/* without one it is no loss to do it all again */
	if (pg_exec(db, "COMMIT", e))
		return -1;
	b->committing = false;
	return 0;
}

static void
new_ids(struct bulk *b)
{
	b->ids = uuid_series_new();
	b->ids_since = now_ms();
}

static void
reset(struct bulk *b)
{
	str_reset(&b->rows);
	pg_res_free(&b->others);
	b->id = uuid_random();
	b->sent = b->committed;
	b->count = 0;
	b->open = b->committing = false;
}

/* 1 when the batch is committed, 0 if there was nothing left to submit. */
static int
send_batch(struct bulk *b, struct err *e)
{
	int rc = 1;

	reset(b);
	if (now_ms() - b->ids_since > 1000)	/* a stream may last for days */
		new_ids(b);
	b->first_ids = b->ids;
	while (!b->batch || b->count < b->batch) {
		struct jobspec s;
		struct uuid id;

		rc = feed_next(b->from, &s, &b->line, e);
		if (rc <= 0)
			break;
		id = uuid_series_next(&b->ids);
		put_row(&b->rows, b->line, &id, &s);
		b->count++;
		b->sent++;
		if (b->rows.len >= ROWS_MAX && send_rows(b, false, e))
			return -1;
	}
	if (rc < 0)
		return -1;
	if (!b->count)
		return 0;
	return commit(b, e) ? -1 : 1;
}

/* Leave the transaction in good order, so that the server's log has nothing to say. */
static void
abandon(struct bulk *b)
{
	struct err ignored;

	if (b->open && PQstatus(b->to.db.conn) == CONNECTION_OK &&
	    pg_copy_end(&b->to.db, NULL, &ignored) >= 0)
		(void)!pg_exec(&b->to.db, "ROLLBACK", &ignored);
	pg_close(&b->to.db);
	b->open = false;
}

/* After COMMIT was sent and not answered: 1 if the batch is there, 0 if not. */
static int
ask(struct bulk *b, struct retry *again, struct err *e)
{
	static const char sql[] = "SELECT jobctl.copy_landed($1, $2)";
	struct pg *db = &b->to.db;

	do {
		PG_RES res = NULL;

		pg_close(db);
		if (pg_connect(db, b->to.app, b->to.dbname, e))
			continue;
		if (pg_first_call(db, &res, sql, PG_ARGS(pg_uuid(&b->id), pg_uuid(&b->witness)), e) == 1)
			return pg_get_bool(res, 0, 0);
	} while (e->kind == ERR_UNAVAILABLE && retry_wait(again));
	err_hint(e, "it is not known whether lines %lld to %lld were submitted: jobctl-status %s",
		 (long long)b->committed_line + 1, (long long)b->line, uuid_str(&b->witness).z);
	return -1;
}

/*
 * The batch failed with *e.  1 if it turns out to be committed, 0 if it is to be
 * sent again, -1 if that cannot be or would not help.
 */
static int
recover(struct bulk *b, struct retry *again, struct err *e)
{
	bool lost = e->kind == ERR_UNAVAILABLE && (b->to.db.conn || again->deadline);
	bool conflict = !strcmp(e->sqlstate, "40P01") || !strcmp(e->sqlstate, "40001");

	abandon(b);
	if (!lost && !conflict)
		return -1;
	if (!again->deadline)
		again->deadline = deadline_in(PATIENCE_MS);
	if (lost && b->committing) {
		struct err why = *e;
		int rc = ask(b, again, e);

		if (rc)
			return rc;
		*e = why;
	}
	if (!lines_rewind(&b->from->lines)) {
		err_hint(e, "nothing after line %lld was submitted, and the input cannot be read again",
			 (long long)b->committed_line);
		return -1;
	}
	new_ids(b);
	return retry_wait(again) ? 0 : -1;
}

static bool
tell(struct bulk *b)
{
	struct uuid_series ids = b->first_ids;
	int others = PQntuples(b->others), next = 0;

	b->committed += b->count;
	b->committed_line = b->line;
	for (int64_t i = 0; i < b->count; i++) {
		struct uuid id = uuid_series_next(&ids);
		struct err ignored;

		if (next < others && !strcmp(uuid_str(&id).z, pg_get(b->others, next, 0)))
			(void)!uuid_parse(pg_get(b->others, next++, 1), &id, &ignored);
		b->submitted(b->ctx, &id);
	}
	return b->all_told(b->ctx);
}

int
bulk_run(struct bulk *b, struct err *e)
{
	int rc = 1;

	b->rows = (struct str)STR(STR_ANY);
	new_ids(b);
	while (rc > 0) {
		struct retry again = RETRY_UNTIL(0);

		lines_mark(&b->from->lines);
		do {
			rc = send_batch(b, e);
			if (rc >= 0)
				break;
			rc = recover(b, &again, e);
		} while (!rc);
		if (rc > 0 && !tell(b))
			break;
	}
	pg_res_free(&b->others);
	str_free(&b->rows);
	if (rc < 0)
		jobspec_explain(e);
	return rc < 0 ? -1 : 0;
}
