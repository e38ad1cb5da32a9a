/*
 * job_list.c - rows of jobctl.job in pages
 *
 * A page is one statement of its own: the next begins behind the last row's id (or
 * time of ending and id), so jobs that come or go meanwhile are seen or not, but
 * none that stays is missed or seen twice.
 */
#include "job.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_FIRST = 100, PAGE_MAX = 10000, PAGE_BYTES = 4 << 20 };

static bool
paged(const struct job_list *l)
{
	return l->sort == JOB_ID || (l->sort == JOB_COMPLETED_AT && !l->filter->live);
}

/* What follows the last row seen: $15 is its id, $16 when it ended. */
static const char *
behind_last(const struct job_list *l)
{
	if (l->sort == JOB_ID)
		return l->descending ? "id < $15" : "id > $15";
	return l->descending ? "(completed_at, id) < ($16::timestamptz, $15)"
			     : "(completed_at, id) > ($16::timestamptz, $15)";
}

static void
put_order(struct str *s, const struct job_list *l)
{
	const char *direction = l->descending ? " DESC" : "";

	str_puts(s, " ORDER BY ");
	if (l->sort != JOB_ID) {
		str_puts(s, job_field_key(l->sort));
		str_puts(s, direction);
		/* said of a column that is never null, it would keep the index unused */
		str_puts(s, paged(l) ? ", " : " NULLS LAST, ");
	}
	str_puts(s, "id");
	str_puts(s, direction);
}

/*
 * The inner query picks the rows, so that what is shown of them is computed for
 * those alone, and a reason that is used twice only once.
 */
static void
put_select(const struct job_list *l, struct str *s)
{
	str_puts(s, "SELECT ");
	for (int i = 0; i < l->ncols; i++) {
		str_puts(s, job_field_sql((enum job_field)(l->cols[i] - job_cols), l->mode));
		str_puts(s, ", ");
	}
	str_puts(s, "id, jobctl.rfc3339(completed_at) FROM (SELECT * FROM jobctl.job");
	job_filter_where(l->filter, s);
	if (l->seen) {
		str_puts(s, l->filter->nwhere ? " AND " : " WHERE ");
		str_puts(s, behind_last(l));
	}
	put_order(s, l);
	str_puts(s, " LIMIT $14) AS j");
	put_order(s, l);
}

/* Remember where the page ended, and make the next one about PAGE_BYTES large. */
static int
note_page(struct job_list *l, const PGresult *res, struct err *e)
{
	int n = PQntuples(res);
	int64_t bytes = 1;

	for (int r = 0; r < n; r++)
		for (int c = 0; c < l->ncols; c++)
			bytes += PQgetlength(res, r, c);
	l->seen += n;
	l->done = !paged(l) || n < l->page || (l->limit && l->seen >= l->limit);
	l->page = (int64_t)PAGE_BYTES * n / bytes;
	if (l->page < 1)
		l->page = 1;
	if (l->page > PAGE_MAX)
		l->page = PAGE_MAX;
	if (!n)
		return 0;
	snprintf(l->last_at, sizeof l->last_at, "%s", pg_get(res, n - 1, l->ncols + 1));
	return uuid_parse(pg_get(res, n - 1, l->ncols), &l->last_id, e);
}

int
job_list_next(struct pg *db, struct job_list *l, bool first, PGresult **res, struct err *e)
{
	struct pg_val args[JOB_FILTER_ARGS + 3];
	AUTOSTR sql = STR(STR_ANY);
	int64_t want = l->page ? l->page : PAGE_FIRST;
	int n;

	if (l->done)
		return 0;
	if (l->limit && (!paged(l) || want > l->limit - l->seen))
		want = l->limit - l->seen;
	l->page = want;
	put_select(l, &sql);
	memcpy(args, l->filter->args, sizeof l->filter->args);
	args[JOB_FILTER_ARGS] = pg_i64(want);
	if (!paged(l) && !l->limit)
		args[JOB_FILTER_ARGS].len = -1;		/* NULL: no limit */
	args[JOB_FILTER_ARGS + 1] = pg_uuid(&l->last_id);
	args[JOB_FILTER_ARGS + 2] = pg_text(l->last_at);
	n = (first ? pg_first_call : pg_call)(db, res, sql.buf, args, NELEM(args), e);
	if (n < 0)
		return -1;
	if (note_page(l, *res, e))
		return -1;
	return n;
}

int
job_find(struct pg *db, const struct job_filter *f, struct job_ids *ids, struct err *e)
{
	const struct out_col *id = &job_cols[JOB_ID];
	struct job_list l = {
		.filter = f, .cols = &id, .ncols = 1, .mode = OUT_TSV, .sort = JOB_ID
	};

	for (;;) {
		PG_RES res = NULL;
		int n = job_list_next(db, &l, false, &res, e);

		if (n <= 0)
			return n;
		for (int r = 0; r < n; r++) {
			struct uuid u;

			if (uuid_parse(pg_get(res, r, 0), &u, e))
				return -1;
			job_ids_add(ids, &u);
		}
	}
}
