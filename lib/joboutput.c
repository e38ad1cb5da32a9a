/*
 * joboutput.c - reading captured output
 */
#include "joboutput.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECES = 100 };		/* in one statement */

void
job_output_begin(struct job_output *o, const struct uuid *job)
{
	*o = (struct job_output){ .job = *job };
	snprintf(o->at, sizeof o->at, "-infinity");
}

int
job_output_read(struct pg *db, struct job_output *o,
		void (*piece)(void *ctx, int stream, const char *data, size_t n, int64_t dropped),
		void *ctx, struct err *e)
{
	static const char sql[] =
		"SELECT jobctl.rfc3339(o.at), o.n, o.stream, o.dropped, o.data FROM jobctl.job_output o"
		" WHERE o.job_id = $1 AND (o.at, o.n) > ($2::timestamptz, $3)"
		" ORDER BY o.at, o.n LIMIT $4";
	int total = 0, rows;

	do {
		PG_RES res = NULL;

		rows = pg_call(db, &res, sql, PG_ARGS(pg_uuid(&o->job), pg_text(o->at), pg_i32(o->n),
						      pg_i32(PIECES)), e);
		if (rows < 0)
			return -1;
		for (int r = 0; r < rows; r++) {
			size_t n;
			AUTOFREE unsigned char *data = pg_get_bytes(res, r, 4, &n);

			piece(ctx, (int)pg_get_i64(res, r, 2), (const char *)data, n, pg_get_i64(res, r, 3));
			snprintf(o->at, sizeof o->at, "%s", pg_get(res, r, 0));
			o->n = (int32_t)pg_get_i64(res, r, 1);
		}
		total += rows;
	} while (rows == PIECES);
	return total;
}
