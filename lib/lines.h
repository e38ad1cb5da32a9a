/*
 * lines.h - records of a stream, one by one, in bounded memory, with a way back
 *
 * A record ends with the delimiter or with the stream.  lines_mark() remembers a
 * place and lines_rewind() returns to it: in a file by seeking, in a pipe as long
 * as no more than LINES_KEEP bytes have been read since.
 */
#ifndef JOBCTL_LINES_H
#define JOBCTL_LINES_H

#include <sys/types.h>

#include "err.h"

enum {
	LINES_MAX = 4 << 20,	/* the longest record */
	LINES_KEEP = 8 << 20,
};

struct lines {
	int fd;
	char delimiter;
	int64_t number;		/* of the record last returned or too long; the first is 1 */

	char *buf;
	size_t cap, at, end;	/* what is unread is buf[at] to buf[end] */
	off_t pos;		/* in the file, of buf[end]; -1 if it cannot seek */
	bool eof;

	size_t mark;		/* in buf; unused if it can seek */
	off_t mark_pos;
	int64_t mark_number;
	bool mark_lost;
};

/* fd is borrowed. */
void lines_init(struct lines *l, int fd, char delimiter);
void lines_free(struct lines *l);

/*
 * The next record, n bytes without its delimiter, which stay until the next call.
 * 1 if there is one, 0 at the end, -1 if it is too long (ERR_DATA) or cannot be
 * read (ERR_IO).
 */
int lines_next(struct lines *l, const char **record, size_t *n, struct err *e) MUSTCHECK;

void lines_mark(struct lines *l);
/* False if the way back is lost. */
bool lines_rewind(struct lines *l) MUSTCHECK;

#endif
