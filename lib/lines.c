/*
 * lines.c - reading records
 */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 18 };

void
lines_init(struct lines *l, int fd, char delimiter)
{
	struct stat st;

	*l = (struct lines){ .fd = fd, .delimiter = delimiter, .pos = -1, .cap = 2 * CHUNK };
	l->buf = xmalloc(l->cap);
	/* a terminal or a pipe may claim that it can seek */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		l->pos = lseek(fd, 0, SEEK_CUR);
	lines_mark(l);
}

void
lines_free(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
	l->cap = l->at = l->end = 0;
}

/* Drop from the buffer what neither the reader nor the mark needs. */
static void
compact(struct lines *l)
{
	size_t from = l->at;

	if (l->pos < 0 && !l->mark_lost) {
		if (l->at - l->mark <= LINES_KEEP)
			from = l->mark;
		else
			l->mark_lost = true;
	}
	if (from) {
		memmove(l->buf, l->buf + from, l->end - from);
		l->at -= from;
		l->end -= from;
		l->mark = l->mark > from ? l->mark - from : 0;
	}
}

static void
make_room(struct lines *l)
{
	if (l->cap - l->end >= CHUNK)
		return;
	compact(l);
	if (l->cap - l->end >= CHUNK)
		return;
	l->cap *= 2;
	l->buf = xrealloc(l->buf, l->cap);
}

static int
fill(struct lines *l, struct err *e)
{
	ssize_t n;

	make_room(l);
	while ((n = read(l->fd, l->buf + l->end, CHUNK)) < 0) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };

		if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (errno != EINTR)
			return err_sys(e, ERR_IO, "cannot read the input");
	}
	l->eof = n == 0;
	l->end += (size_t)n;
	if (l->pos >= 0)
		l->pos += n;
	return 0;
}

int
lines_next(struct lines *l, const char **record, size_t *n, struct err *e)
{
	size_t seen = 0;

	for (;;) {
		const char *start = l->buf + l->at, *stop = NULL;
		size_t left = l->end - l->at;

		if (left > seen)
			stop = memchr(start + seen, l->delimiter, left - seen);
		if (!stop && l->eof && left)
			stop = start + left;
		if ((stop ? (size_t)(stop - start) : left) > LINES_MAX) {
			l->number++;
			return err_set(e, ERR_DATA, "longer than %d MiB", LINES_MAX >> 20);
		}
		if (stop) {
			*record = start;
			*n = (size_t)(stop - start);
			l->at += *n + (*n < left);
			l->number++;
			return 1;
		}
		if (l->eof)
			return 0;
		seen = left;
		if (fill(l, e))
			return -1;
	}
}

void
lines_mark(struct lines *l)
{
	l->mark = l->at;
	l->mark_pos = l->pos < 0 ? -1 : l->pos - (off_t)(l->end - l->at);
	l->mark_number = l->number;
	l->mark_lost = false;
}

bool
lines_rewind(struct lines *l)
{
	if (l->pos >= 0) {
		if (lseek(l->fd, l->mark_pos, SEEK_SET) != l->mark_pos)
			return false;
		l->pos = l->mark_pos;
		l->at = l->end = 0;
		l->eof = false;
	} else if (l->mark_lost) {
		return false;
	} else {
		l->at = l->mark;
	}
	l->number = l->mark_number;
	return true;
}
