/*
 * submit.c - one job
 */
#include "submit.h"

#include <string.h>

#include "retry.h"

/* How long an absent database is borne once the call may have been heard. */
enum { PATIENCE_MS = 60000 };

static struct pg_val
id_array(struct pg_array *a, const struct job_ids *l)
{
	if (!l || !l->n)
		return pg_null();
	for (size_t i = 0; i < l->n; i++)
		pg_array_add(a, pg_uuid(&l->v[i]));
	return pg_array(a, pg_uuid(&l->v[0]));
}

static bool
is_plain(const struct jobspec *s)
{
	return s->at == NEVER && s->in == NEVER && s->unique_for == NEVER && !s->backoff &&
	       (!s->after || !s->after->n) && (!s->after_ok || !s->after_ok->n) &&
	       (!s->on_conflict || !strcmp(s->on_conflict, "skip"));
}

/* Most jobs ask for little, and a new session pays for all that it could be asked. */
static int
call_plain(struct pg *db, PGresult **res, const struct jobspec *s, const char *args,
	   const struct uuid *id, struct err *e)
{
	static const char sql[] =
		"SELECT jobctl.submit_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

	return pg_checked_call(db, res, sql, PG_ARGS(
		pg_i32(PG_SCHEMA_MIN), pg_i32(PG_SCHEMA_MAX), pg_uuid(id), pg_text(s->kind),
		pg_json(args), pg_text(s->queue), pg_text(s->project),
		pg_i32((int32_t)s->priority), pg_text(s->unique),
		s->max_attempts ? pg_i32((int32_t)s->max_attempts) : pg_null(),
		pg_ms(s->timeout), pg_bool(s->hold)), e);
}

static int
call(struct pg *db, PGresult **res, const struct jobspec *s, const char *args, bool repeated,
     const struct uuid *id, struct err *e)
{
	static const char sql[] =
		"SELECT jobctl.submit(kind => $1, args => $2, queue => $3, project => $4,"
		" priority => $5, run_at => $6, run_in => $7, unique_key => $8, on_conflict => $9,"
		" unique_for => $10, after => $11, after_ok => $12, max_attempts => $13,"
		" backoff => $14, timeout => $15, hold => $16, id => $17, repeated => $18)";
	struct pg_array after = PG_ARRAY_INIT, after_ok = PG_ARRAY_INIT;
	int rc = pg_first_call(db, res, sql, PG_ARGS(
		pg_text(s->kind), pg_json(args), pg_text(s->queue),
		pg_text(s->project), pg_i32((int32_t)s->priority), pg_time(s->at), pg_ms(s->in),
		pg_text(s->unique), pg_text(s->on_conflict ? s->on_conflict : "skip"),
		pg_ms(s->unique_for), id_array(&after, s->after), id_array(&after_ok, s->after_ok),
		s->max_attempts ? pg_i32((int32_t)s->max_attempts) : pg_null(),
		pg_text(s->backoff), pg_ms(s->timeout), pg_bool(s->hold), pg_uuid(id),
		pg_bool(repeated)), e);

	pg_array_free(&after);
	pg_array_free(&after_ok);
	return rc;
}

static int
attempt(struct pg *db, const struct jobspec *s, bool repeated, struct uuid *id, struct err *e)
{
	AUTOFREE char *args = s->args.p ? xstrndup(s->args.p, s->args.n) : xstrdup("{}");
	PG_RES res = NULL;
	int rc = is_plain(s) && !repeated ? call_plain(db, &res, s, args, id, e)
					  : call(db, &res, s, args, repeated, id, e);

	return rc < 0 ? -1 : uuid_parse(pg_get(res, 0, 0), id, e);
}

int
submit_one(struct submit *c, const struct jobspec *s, struct uuid *id, struct err *e)
{
	struct retry again = RETRY_UNTIL(0);
	bool heard = false;

	for (;;) {
		if (c->db.conn || !pg_connect(&c->db, c->app, c->dbname, e)) {
			if (!attempt(&c->db, s, heard, id, e))
				return 0;
			if (e->kind == ERR_UNAVAILABLE && !heard) {
				heard = true;
				again.deadline = deadline_in(PATIENCE_MS);
			}
			pg_close(&c->db);
		}
		if (e->kind != ERR_UNAVAILABLE || !heard)
			break;
		if (!retry_wait(&again)) {
			err_hint(e, "it is not known whether the job was submitted: jobctl-status %s",
				 uuid_str(id).z);
			break;
		}
	}
	jobspec_explain(e);
	return -1;
}
