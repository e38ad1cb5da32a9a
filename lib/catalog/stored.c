/*
 * stored.c - reading the catalog's list of files, finding paths in it
 */
#include "catalog/stored.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 10000 };

const char *
stored_path(const struct stored_set *s, const struct stored *f)
{
	return s->paths.buf + f->path;
}

static void
add_row(struct stored_set *s, bool binary, const PGresult *res, int row)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : PAGE;
		s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
	}
	s->v[s->n++] = (struct stored){
		.path = s->paths.len,
		.size = pg_get_i64(res, row, 1),
		.time_us = pg_get_or_null(res, row, 2) ? pg_get_i64(res, row, 2) : NEVER,
		.binary = binary,
	};
	str_add(&s->paths, pg_get(res, row, 0), (size_t)PQgetlength(res, row, 0) + 1);
}

static int
load(struct stored_set *s, struct run *r, bool binary, struct err *e)
{
	AUTOFREE char *after = NULL;
	int rows;

	do {
		PG_RES res = NULL;

		rows = run_list(r, &res, binary, after, PAGE, e);
		if (rows < 0)
			return -1;
		for (int i = 0; i < rows; i++)
			add_row(s, binary, res, i);
		free(after);
		after = rows ? xstrdup(pg_get(res, rows - 1, 0)) : NULL;
	} while (rows == PAGE);
	return 0;
}

static int
by_path(const void *a, const void *b, void *paths)
{
	const struct stored *fa = a, *fb = b;

	return strcmp((char *)paths + fa->path, (char *)paths + fb->path);
}

int
stored_load(struct stored_set *s, struct run *r, struct err *e)
{
	size_t texts;

	if (load(s, r, false, e))
		return -1;
	texts = s->n;
	if (load(s, r, true, e))
		return -1;
	if (s->n > texts)
		qsort_r(s->v, s->n, sizeof *s->v, by_path, s->paths.buf);
	return 0;
}

void
stored_free(struct stored_set *s)
{
	str_free(&s->paths);
	free(s->v);
	*s = (struct stored_set)STORED_INIT;
}

bool
stored_is(const struct stored *f, const struct tree_file *file)
{
	return f->size == file->size && f->time_us == file->time_us && file->time_us != NEVER;
}

struct stored *
stored_find(struct stored_set *s, const char *path)
{
	size_t from = 0, to = s->n;

	if (s->next < s->n && !strcmp(stored_path(s, &s->v[s->next]), path))
		return &s->v[s->next++];
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		int c = strcmp(path, stored_path(s, &s->v[mid]));

		if (!c) {
			s->next = mid + 1;
			return &s->v[mid];
		}
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}
