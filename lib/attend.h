/*
 * attend.h - one job followed as if it ran here
 */
#ifndef JOBCTL_ATTEND_H
#define JOBCTL_ATTEND_H

#include "joboutput.h"
#include "waiting.h"

struct attend {
	struct waiting wait;		/* app, dbname, db and deadline are the caller's */
	struct uuid id;
	bool ours;			/* to be cancelled when the time is over */
	void (*ended)(void *ctx, const struct wait_end *end);
	/* As for job_output_read(); NULL: its output is of no interest. */
	void (*piece)(void *ctx, int stream, const char *data, size_t n, int64_t dropped);
	void (*note)(void *ctx, const char *text);
	void *ctx;

	struct job_output output;
	struct wait_end end;		/* status NULL: not yet */
	char *texts[3];			/* what end refers to */
	bool too_late;
	bool goes_on;			/* at the end, it was not over */
	int code;
};

/*
 * Follow it to its end: the exit status that stands for it.  When the deadline
 * comes first, WRAP_TIMED_OUT, and the job is cancelled if it is ours.
 */
int attend(struct attend *a, struct err *e) MUSTCHECK;

#endif
