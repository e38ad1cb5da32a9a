/*
 * explain.h - why a job, or a queue, stands as it does
 *
 * The database says it (jobctl.why()); what only the worker's host can know, whether
 * its process is still there, is added here.
 */
#ifndef JOBCTL_EXPLAIN_H
#define JOBCTL_EXPLAIN_H

#include "cmd.h"
#include "pg.h"
#include "str.h"

struct finding {
	char *reason;
	bool healthy;
	char *why;		/* the evidence */
	char *next;		/* commands, one per line; "" if there is nothing to do */
};

struct explain {
	bool is_queue;
	struct uuid id;		/* of the job */
	char *queue;
	char *status;		/* of the job; NULL for a queue */
	char *service;		/* systemd's, of its worker, if that is on this host; or NULL */
	struct finding *v;
	size_t n;
	bool healthy;		/* all of them */
};

/*
 * Fill x, which explain_free() empties.  A command is ready to be pasted: dbname is
 * what -d said, or NULL.  1, or 0 if there is no such job, or nothing known of such a queue.
 */
int explain_job(struct pg *db, const char *dbname, const struct uuid *id, struct explain *x,
		struct err *e) MUSTCHECK;
int explain_queue(struct pg *db, const char *dbname, const char *queue, struct explain *x,
		  struct err *e) MUSTCHECK;
void explain_free(struct explain *x);

/* The verdict in a few words, appended. */
void explain_verdict(const struct explain *x, struct str *s);

/* All of it on one screen, appended: identity, findings, worker, history, queue, database. */
int explain_show(struct pg *db, const struct explain *x, struct str *s,
		 struct err *e) MUSTCHECK;

#endif
