/*
 * job_run.c - runs, pieces of output, following a job
 */
#include "job_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

enum { BATCH = 16 };	/* pieces at a time: half a megabyte at most */

int
job_run_row(const PGresult *res, int row, struct job_run *run, struct err *e)
{
	run->attempt = (int)pg_get_i64(res, row, 1);
	snprintf(run->started_at, sizeof run->started_at, "%s", pg_get(res, row, 2));
	run->started_us = pg_get_i64(res, row, 3);
	return uuid_parse(pg_get(res, row, 0), &run->token, e);
}

int
job_run_last(struct pg *db, const struct uuid *job, int attempt, struct job_run *run,
	     struct err *e)
{
	static const char sql[] =
		"SELECT " JOB_RUN_COLUMNS " FROM jobctl.job_run"
		" WHERE job_id = $1 AND ($2 = 0 OR attempt = $2)"
		" AND " JOB_SPAN_SQL("ended_at", "$3::timestamptz", "$4::timestamptz", "ended_at IS NULL")
		" ORDER BY started_at DESC LIMIT 1";
	struct job_span span = job_span_of_id(job);
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_uuid(job), pg_i32(attempt), span.from, span.to), e);

	if (n == 0) {
		pg_res_free(&res);
		span = JOB_SPAN_ANY;
		n = pg_call(db, &res, sql,
			    PG_ARGS(pg_uuid(job), pg_i32(attempt), span.from, span.to), e);
	}
	if (n > 0 && job_run_row(res, 0, run, e))
		return -1;
	return n;
}

/* The run that began next after this one, or the first. */
static int
run_after(struct pg *db, const struct job_follow *f, struct job_run *run, struct err *e)
{
	static const char sql[] =
		"SELECT " JOB_RUN_COLUMNS " FROM jobctl.job_run"
		" WHERE job_id = $1 AND started_at > $2::timestamptz"
		" AND " JOB_SPAN_SQL("ended_at", "$3::timestamptz", "$4::timestamptz", "ended_at IS NULL")
		" ORDER BY started_at LIMIT 1";
	struct job_span span = job_span(f->has_run ? f->run.started_us : NEVER, NEVER);
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_uuid(&f->job),
				pg_text(f->has_run ? f->run.started_at : "-infinity"),
				span.from, span.to),
			e);

	if (n > 0 && job_run_row(res, 0, run, e))
		return -1;
	return n;
}

static int
deliver(const PGresult *res, int row, const struct job_run *run, job_piece_fn *fn, void *ctx,
	struct err *e)
{
	struct job_piece p = {
		.n = (int)pg_get_i64(res, row, 0),
		.stream = (int)pg_get_i64(res, row, 1),
		.dropped = pg_get_i64(res, row, 2),
	};
	AUTOFREE unsigned char *data = pg_get_bytes(res, row, 4, &p.len);

	snprintf(p.at, sizeof p.at, "%s", pg_get(res, row, 3));
	p.data = (const char *)data;
	return fn(ctx, run, &p, e);
}

/* A batch of pieces from *n on; moves *n behind each that was delivered. */
static int
read_batch(struct pg *db, const struct uuid *job, const struct job_run *run, int *n,
	   job_piece_fn *fn, void *ctx, struct err *e)
{
	static const char sql[] =
		"SELECT n, stream, dropped, jobctl.rfc3339(at), data FROM jobctl.job_output"
		" WHERE job_id = $1 AND token = $2 AND n >= $3 AND at >= $4 ORDER BY n LIMIT $5";
	PG_RES res = NULL;
	int rows = pg_call(db, &res, sql,
			   PG_ARGS(pg_uuid(job), pg_uuid(&run->token), pg_i32(*n),
				   job_span(run->started_us, NEVER).from, pg_i32(BATCH)), e);

	for (int r = 0; r < rows; r++) {
		if (deliver(res, r, run, fn, ctx, e))
			return -1;
		*n = (int)pg_get_i64(res, r, 0) + 1;
	}
	return rows;
}

int
job_run_read(struct pg *db, const struct uuid *job, const struct job_run *run, int first,
		job_piece_fn *fn, void *ctx, struct err *e)
{
	int rows;

	do
		rows = read_batch(db, job, run, &first, fn, ctx, e);
	while (rows > 0);
	return rows;
}

/*
 * The offset at which the last of *lines lines begins, or 0 if the piece is too
 * short; *lines becomes what is still missing.  A newline at the very end closes
 * a line and opens none: at_end says that nothing came after this piece.
 */
static size_t
last_lines(const unsigned char *data, size_t len, bool at_end, int64_t *lines)
{
	for (size_t i = len; i > 0; i--) {
		if (data[i - 1] != '\n' || (at_end && i == len))
			continue;
		if (--*lines == 0)
			return i;
	}
	return 0;
}

int
job_run_tail(struct pg *db, const struct uuid *job, const struct job_run *run, int streams,
		int64_t lines, int *first, size_t *offset, struct err *e)
{
	static const char sql[] =
		"SELECT n, data FROM jobctl.job_output"
		" WHERE job_id = $1 AND token = $2 AND n < $3 AND stream & $4 <> 0"
		" AND at >= $5 ORDER BY n DESC LIMIT $6";
	bool at_end = true;

	*first = INT32_MAX;
	*offset = 0;
	while (lines > 0) {
		PG_RES res = NULL;
		int rows = pg_call(db, &res, sql,
				   PG_ARGS(pg_uuid(job), pg_uuid(&run->token), pg_i32(*first),
					   pg_i32(streams), job_span(run->started_us, NEVER).from,
					   pg_i32(BATCH)), e);

		if (rows < 0)
			return -1;
		for (int r = 0; r < rows && lines > 0; r++) {
			size_t len;
			AUTOFREE unsigned char *data = pg_get_bytes(res, r, 1, &len);

			*first = (int)pg_get_i64(res, r, 0);
			*offset = last_lines(data, len, at_end, &lines);
			at_end = at_end && !len;
		}
		if (rows < BATCH)
			break;
	}
	return 0;
}

/* How the job stands; *running: the run being followed has not ended. */
static int
look(struct pg *db, struct job_follow *f, bool *running, struct err *e)
{
	static const char sql[] =
		"SELECT j.status, j.outcome, coalesce(j.exit_code, -1), coalesce(j.signal, -1),"
		" EXISTS (SELECT FROM jobctl.job_run r"
		"         WHERE r.job_id = $1 AND r.token = $2 AND r.ended_at IS NULL)"
		" FROM jobctl.job j WHERE j.id = $1 AND (j.live OR $3::timestamptz IS NULL OR j.at >= $3)";
	struct job_span span = job_span(f->has_run ? f->run.started_us : NEVER, NEVER);
	struct uuid none = { { 0 } };
	PG_RES res = NULL;
	int n = pg_call(db, &res, sql,
			PG_ARGS(pg_uuid(&f->job), pg_uuid(f->has_run ? &f->run.token : &none),
				span.from),
			e);

	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(e, ERR_NOINPUT, "no such job: %s", uuid_str(&f->job).z);
	snprintf(f->status, sizeof f->status, "%s", pg_get(res, 0, 0));
	snprintf(f->outcome, sizeof f->outcome, "%s", pg_get(res, 0, 1));
	f->exit_code = (int)pg_get_i64(res, 0, 2);
	f->signal = (int)pg_get_i64(res, 0, 3);
	*running = pg_get_bool(res, 0, 4);
	return 0;
}

/*
 * The order matters: a run that had ended before its output was read to the end
 * can have no more of it.
 */
int
job_follow_step(struct pg *db, struct job_follow *f, job_piece_fn *fn, void *ctx, struct err *e)
{
	struct job_run next;
	bool running;
	int n = 0;

	if (look(db, f, &running, e))
		return -1;
	if (f->has_run)
		n = read_batch(db, &f->job, &f->run, &f->next_n, fn, ctx, e);
	if (n || running)
		return n > 0 ? 1 : n;
	n = run_after(db, f, &next, e);
	if (n > 0) {
		f->run = next;
		f->has_run = true;
		f->next_n = 0;
		return fn(ctx, &f->run, NULL, e) ? -1 : 1;
	}
	if (n == 0)
		f->ended = !job_status_live(f->status);
	return n;
}
