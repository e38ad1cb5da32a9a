/*
 * job_id.c - the jobs that people mean by what they type
 *
 * A whole id is looked up like a prefix is: one that no job has, and one of a job
 * that the caller may not see, get the same answer.
 */
#include "job.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHOWN = 5, BATCH = 1000 };

static const char sql_resolve[] =
	"SELECT i.n, j.id FROM unnest($1, $2) WITH ORDINALITY AS i(lo, hi, n)"
	" CROSS JOIN LATERAL (SELECT id FROM jobctl.job WHERE id BETWEEN i.lo AND i.hi"
	" AND " JOB_SPAN_SQL("at", "$3::timestamptz", "$4::timestamptz", "live")
	" ORDER BY id LIMIT 6) AS j ORDER BY i.n, j.id";

struct job_span
job_span(int64_t from, int64_t to)
{
	const int64_t day = INT64_C(24) * 3600 * 1000000, far = INT64_C(8000000000) * 1000000;

	return (struct job_span){ pg_time(from == NEVER ? NEVER : from - day),
				  pg_time(to == NEVER ? far : to + day) };
}

struct job_span
job_span_of_id(const struct uuid *id)
{
	int64_t made = uuid_ms(id);

	return made < 0 ? JOB_SPAN_ANY : job_span(made * 1000, (int64_t)time(NULL) * 1000000);
}

/* What cannot be an id becomes a range that holds nothing. */
static int
ask(struct pg *db, char *const *texts, size_t n, PGresult **res, struct err *e)
{
	struct pg_array lo = PG_ARRAY_INIT, hi = PG_ARRAY_INIT;
	struct uuid a, b;
	struct job_span span;
	struct err later;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (uuid_parse_prefix(texts[i], &a, &b, &later)) {
			memset(a.b, 0xff, sizeof a.b);
			memset(b.b, 0, sizeof b.b);
		}
		pg_array_add(&lo, pg_uuid(&a));
		pg_array_add(&hi, pg_uuid(&b));
	}
	span = n == 1 && uuid_equal(&a, &b) ? job_span_of_id(&a) : JOB_SPAN_ANY;
	for (;;) {
		rc = pg_call(db, res, sql_resolve,
			     PG_ARGS(pg_array(&lo, pg_uuid(&a)), pg_array(&hi, pg_uuid(&a)),
				     span.from, span.to), e);
		if (rc != 0 || span.from.len < 0)
			break;
		pg_res_free(res);
		span = JOB_SPAN_ANY;
	}
	pg_array_free(&lo);
	pg_array_free(&hi);
	return rc;
}

static int
ambiguous(const char *text, const PGresult *res, int row, int n, struct err *e)
{
	AUTOSTR all = STR(280);

	for (int i = 0; i < n && i < SHOWN; i++)
		str_putf(&all, " %s", pg_get(res, row + i, 1));
	(void)err_set(e, ERR_USAGE, "\"%.60s\" is the beginning of more than one job's id",
		      text);
	err_hint(e, "matches:%s%s", all.buf, n > SHOWN ? " and more" : "");
	return -1;
}

/* The answer for the operand of this number: the rows from *row on that carry it. */
static int
answer(const char *text, int64_t number, const PGresult *res, int *row, struct uuid *id,
       struct err *e)
{
	int first = *row, n;
	struct uuid a, b;

	if (uuid_parse_prefix(text, &a, &b, e))
		return -1;
	while (*row < PQntuples(res) && pg_get_i64(res, *row, 0) == number)
		++*row;
	n = *row - first;
	if (n == 0)
		return err_set(e, ERR_NOINPUT, "no such job: %.60s", text);
	if (n > 1)
		return ambiguous(text, res, first, n, e);
	return uuid_parse(pg_get(res, first, 1), id, e);
}

int
job_resolve(struct pg *db, const char *text, struct uuid *id, struct err *e)
{
	char *copy = xstrdup(text);
	PG_RES res = NULL;
	int row = 0, rc = ask(db, &copy, 1, &res, e);

	free(copy);
	return rc < 0 ? -1 : answer(text, 1, res, &row, id, e);
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

static void
keep(void *p)
{
	(void)p;
}

int
job_resolve_all(struct pg *db, char *const *texts, struct job_ids *ids,
		int (*complain)(const struct err *), struct err *e)
{
	AUTOFREE struct uuid *found = NULL;
	void *seen = NULL;
	size_t n = 0;
	int worst = 0;

	while (texts[n])
		n++;
	found = xcalloc(n, sizeof *found);
	for (size_t from = 0; from < n && worst >= 0; from += BATCH) {
		size_t batch = n - from < BATCH ? n - from : BATCH;
		PG_RES res = NULL;
		int row = 0;

		if (ask(db, texts + from, batch, &res, e) < 0) {
			worst = -1;
			break;
		}
		for (size_t i = 0; i < batch; i++) {
			struct uuid *u = &found[from + i], **first;
			struct err bad;
			int rc = 0;

			if (answer(texts[from + i], (int64_t)i + 1, res, &row, u, &bad)) {
				rc = complain(&bad);
			} else {
				first = tsearch(u, &seen, by_bytes);
				if (first && *first == u)
					job_ids_add(ids, u);
			}
			worst = rc > worst ? rc : worst;
		}
	}
	tdestroy(seen, keep);
	return worst;
}
