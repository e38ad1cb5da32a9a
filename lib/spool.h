/*
 * spool.h - what a job writes, bounded: its beginning and its end
 *
 * The first SPOOL_HEAD bytes of both streams together become pieces as they come
 * and can be stored while the job runs.  After that only the last SPOOL_TAIL
 * bytes of each stream are kept, and become pieces at the end, each with the
 * number of bytes that were dropped before it.  A piece costs SPOOL_COST bytes of
 * the head besides its own, so a job can write without limit and in the smallest
 * portions: memory and the number of pieces stay bounded.
 *
 * A piece stays until it is known to be stored.  One that is on its way carries
 * the number of its call.  Behind one that is to be sent again all are: storing a
 * piece twice does no harm.  Only one that was never sent grows, because what is
 * stored under its number stays as it is.
 */
#ifndef JOBCTL_SPOOL_H
#define JOBCTL_SPOOL_H

#include "str.h"

enum {
	SPOOL_HEAD = 262144, SPOOL_TAIL = 65536, SPOOL_PIECE = 32768, SPOOL_COST = 512,
	SPOOL_LINE = 500
};

struct piece {
	int n;			/* number within the attempt, from 1 */
	int stream;		/* 1 stdout, 2 stderr */
	int64_t dropped;
	int64_t call;		/* that carries it; 0: none */
	bool sent_before;	/* by a call of which nobody knows what it has stored */
	char *data;
	size_t len, cap;
};

struct tail {
	char *ring;		/* NULL until needed */
	size_t len, at;		/* bytes held; where the next goes */
	int64_t dropped;
};

struct spool {
	struct piece *pieces;	/* not known to be stored; those on their way come first */
	size_t npieces, cap;
	int next_n;
	size_t held;		/* bytes in them */
	size_t head_left;
	struct tail tail[2];
	struct str line;	/* the last line of stderr so far, for the error message */
	bool line_ended;
};
#define SPOOL_INIT { .next_n = 1, .head_left = SPOOL_HEAD, .line = STR(SPOOL_LINE) }

void spool_add(struct spool *s, int stream, const char *p, size_t n);
/* The job has ended: what the tails hold becomes pieces. */
void spool_end(struct spool *s);
/* The first piece that is not on its way, as an index; npieces if there is none. */
size_t spool_unsent(const struct spool *s);
/* Bytes in pieces not on their way. */
size_t spool_ready(const struct spool *s);
/* Calls up to this number have stored what they carried. */
void spool_stored(struct spool *s, int64_t call);
/* What this call carried was not stored, and is to be sent again. */
void spool_not_stored(struct spool *s, int64_t call);
/* What is on its way may have been lost, and is to be sent again. */
void spool_resend(struct spool *s);
/* The last line of stderr that was not blank, as valid UTF-8; "" if none.  Borrowed. */
const char *spool_last_line(struct spool *s);
void spool_free(struct spool *s);

#endif
