/*
 * waiting.h - following jobs to their end
 *
 * The database is asked again and again: after a tenth of the time waited so far,
 * between 20 ms and 1 s, so that short jobs are noticed at once and long waits
 * cost nothing.  A connection that is lost is made again until the deadline.
 */
#ifndef JOBCTL_WAITING_H
#define JOBCTL_WAITING_H

#include "job.h"
#include "pg.h"

/* The exit statuses of a wrapper, besides the job's own. */
enum {
	WRAP_TIMED_OUT = 124, WRAP_FAILED = 125, WRAP_NOT_EXECUTABLE = 126, WRAP_NOT_FOUND = 127,
	WRAP_SIGNAL = 128
};

/* How a job ended.  Texts are NULL and numbers -1 where there is none; borrowed for the call. */
struct wait_end {
	struct uuid id;
	const char *status, *outcome, *error_message;
	int exit_code, signal;
};

/*
 * The exit status that stands for an end: the job's own; 124 timed out, 126 not
 * executable, 127 not found, 128+N killed by signal N; 125 if its workers were
 * lost; 1 for any other failure and for cancelled.
 */
int wait_code(const struct wait_end *end);
/* As a JSON object, and as a sentence; both appended. */
void wait_end_json(struct str *s, const struct wait_end *end);
void wait_end_text(struct str *s, const struct wait_end *end);

/* Any error of a wrapper's own is WRAP_FAILED. */
void wait_wrap_error(struct err *e);

struct waiting {
	const char *app, *dbname;	/* for pg_connect() */
	struct pg db;			/* may be connected already; stays connected */
	int64_t deadline;		/* NEVER: none */
	bool count_running;		/* needs more from the database */

	/* Any may be NULL.  looked: after each round of asking; -1 ends the wait. */
	void (*ended)(void *ctx, const struct wait_end *end);
	int (*looked)(void *ctx, struct err *e);
	void (*note)(void *ctx, const char *text);	/* something worth saying, once */
	void *ctx;

	struct uuid *left;		/* not seen to have ended, sorted */
	size_t nleft, nended, nbad, nrunning;

	int64_t started;
	bool connected;			/* it was once: then what is lost may come back */
	bool checked;			/* the schema */
	bool complete;			/* the next round misses what is not there */
	bool told_lost;
	int64_t stuck_at;		/* when to look why nothing happens */
};
#define WAITING_INIT { .db = PG_INIT, .deadline = NEVER }

/* Wait for these, each once however often it is named. */
void wait_begin(struct waiting *w, const struct job_ids *ids);
void wait_free(struct waiting *w);		/* leaves the connection */

/*
 * Wait until so many have ended, or all, or with fail_fast until one has not
 * completed.  1, or 0 if the deadline came first; it looks at least once.  -1:
 * ERR_NOINPUT if one of them does not exist.
 */
int wait_run(struct waiting *w, size_t want, bool fail_fast, struct err *e) MUSTCHECK;

#endif
