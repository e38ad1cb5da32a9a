/*
 * joboutput.h - what a job writes, piece by piece as it is captured
 */
#ifndef JOBCTL_JOBOUTPUT_H
#define JOBCTL_JOBOUTPUT_H

#include "pg.h"

struct job_output {
	struct uuid job;
	/* The last piece seen: pieces of one call share the time, and n rises within it. */
	char at[40];
	int32_t n;
};

/* Forget what has been seen. */
void job_output_begin(struct job_output *o, const struct uuid *job);

/*
 * Hand over the pieces that are new, of all attempts, in order.  stream is 1 or 2;
 * dropped counts bytes that were left out just before the piece.  Returns how many pieces.
 */
int job_output_read(struct pg *db, struct job_output *o,
		    void (*piece)(void *ctx, int stream, const char *data, size_t n, int64_t dropped),
		    void *ctx, struct err *e) MUSTCHECK;

#endif
