/*
 * job_export.c - pages of jobctl.job into a file
 */
#include "job_export.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_FIRST = 100, PAGE_MAX = 10000, PAGE_BYTES = 4 << 20 };

static const struct out_col attempts_col = { "attempts", "ATTEMPTS", OUT_JSON };

static const char attempts_sql[] =
	"(SELECT coalesce(json_agg(json_build_object('attempt', a.attempt,"
	" 'started_at', jobctl.rfc3339(a.started_at), 'ended_at', jobctl.rfc3339(a.ended_at),"
	" 'outcome', a.outcome, 'exit_code', a.exit_code, 'signal', a.signal,"
	" 'error_message', a.error_message, 'worker_host', a.worker_host,"
	" 'worker_pid', a.worker_pid, 'max_rss_bytes', a.max_rss_bytes,"
	" 'cpu_s', round(a.cpu_s::numeric, 3)) ORDER BY a.started_at, a.attempt), '[]')"
	" FROM jobctl.job_attempts a WHERE a.job_id = j.id)";

/* Its columns are those of cols, then when a job ended and its id: where the next page begins. */
static void
put_statement(struct str *s)
{
	str_puts(s, "SELECT ");
	for (int f = 0; f < JOB_NFIELDS; f++) {
		str_puts(s, job_field_sql((enum job_field)f, OUT_JSONL));
		str_puts(s, ", ");
	}
	str_puts(s, attempts_sql);
	str_puts(s, ", jobctl.rfc3339(completed_at), id"
		    " FROM (SELECT * FROM jobctl.job WHERE NOT live"
		    " AND completed_at >= $1::timestamptz AND completed_at < $2::timestamptz"
		    " AND (completed_at, id) > ($3::timestamptz, $4::uuid)"
		    " ORDER BY completed_at, id LIMIT $5) AS j ORDER BY completed_at, id");
}

int
job_export_open(struct job_export *x, const char *path, struct err *e)
{
	struct stat st;
	int fd;

	x->path = path;
	if (lstat(path, &st) == 0) {
		(void)err_set(e, ERR_CANTCREAT, "\"%s\" exists already", path);
		err_hint(e, "an export overwrites nothing: name another file");
		return -1;
	}
	x->part = xasprintf("%s.part", path);
	fd = open(x->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_sys_(e, ERR_CANTCREAT, "cannot make \"%s\"", x->part);
		free(x->part);
		x->part = NULL;
		return -1;
	}
	x->f = fdopen(fd, "w");
	for (int f = 0; f < JOB_NFIELDS; f++)
		x->cols[f] = &job_cols[f];
	x->cols[JOB_NFIELDS] = &attempts_col;
	put_statement(&x->sql);
	return 0;
}

static void
put_page(struct job_export *x, const PGresult *res)
{
	struct out out;

	out_begin(&out, OUT_JSONL, false, x->cols, NELEM(x->cols));
	out.to = x->f;
	for (int r = 0; r < PQntuples(res); r++)
		for (int c = 0; c < (int)NELEM(x->cols); c++)
			out_cell(&out, pg_get_or_null(res, r, c));
	out_end(&out);
}

/* How many rows make about PAGE_BYTES, as these do. */
static int64_t
next_page(const PGresult *res)
{
	int64_t bytes = 1, n = PQntuples(res), page;

	for (int r = 0; r < PQntuples(res); r++)
		for (int c = 0; c < PQnfields(res); c++)
			bytes += PQgetlength(res, r, c) + 1;
	page = PAGE_BYTES * n / bytes + 1;
	return page < PAGE_MAX ? page : PAGE_MAX;
}

int64_t
job_export_write(struct job_export *x, struct pg *db, const char *since, const char *until,
		 int (*paged)(void *ctx, int64_t rows, struct err *), void *ctx, struct err *e)
{
	AUTOFREE char *at = xstrdup("-infinity"), *id = xstrdup("00000000-0000-0000-0000-000000000000");
	int64_t rows = 0, page = PAGE_FIRST;

	for (;;) {
		PG_RES res = NULL;
		int n = pg_call(db, &res, x->sql.buf,
				PG_ARGS(pg_text(since), pg_text(until), pg_text(at), pg_text(id),
					pg_i64(page)),
				e);

		if (n <= 0)
			return n < 0 ? -1 : rows;
		put_page(x, res);
		if (fflush(x->f) || ferror(x->f))
			return err_sys(e, ERR_IO, "cannot write \"%s\"", x->part);
		rows += n;
		if (paged(ctx, rows, e))
			return -1;
		free(at);
		free(id);
		at = xstrdup(pg_get(res, n - 1, JOB_NFIELDS + 1));
		id = xstrdup(pg_get(res, n - 1, JOB_NFIELDS + 2));
		page = next_page(res);
	}
}

/* The name is on disk when its directory is. */
static int
sync_dir(const char *path, struct err *e)
{
	AUTOFREE char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	AUTOFD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		return err_sys(e, ERR_IO, "cannot write directory \"%s\"", dir);
	return 0;
}

int
job_export_commit(struct job_export *x, struct err *e)
{
	FILE *f = x->f;
	int rc = fflush(f) || ferror(f) || fsync(fileno(f));

	if (rc)
		err_sys_(e, ERR_IO, "cannot write \"%s\"", x->part);
	x->f = NULL;
	if (fclose(f) && !rc)
		rc = err_sys(e, ERR_IO, "cannot write \"%s\"", x->part);
	if (rc)
		return -1;
	if (renameat2(AT_FDCWD, x->part, AT_FDCWD, x->path, RENAME_NOREPLACE) &&
	    (errno != EINVAL || rename(x->part, x->path)))	/* not every file system knows it */
		return err_sys(e, ERR_CANTCREAT, "cannot rename \"%s\" to \"%s\"", x->part,
			       x->path);
	free(x->part);
	x->part = NULL;
	return sync_dir(x->path, e);
}

void
job_export_free(struct job_export *x)
{
	if (x->f)
		fclose(x->f);
	if (x->part)
		unlink(x->part);
	free(x->part);
	str_free(&x->sql);
	*x = (struct job_export)JOB_EXPORT_INIT;
}
