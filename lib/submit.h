/*
 * submit.h - jobs into the database: one, or as many as a stream holds
 *
 * Ids are made here, so that what was said over a connection that broke can be
 * said again without making a job twice.
 */
#ifndef JOBCTL_SUBMIT_H
#define JOBCTL_SUBMIT_H

#include "feed.h"
#include "jobspec.h"
#include "pg.h"
#include "str.h"

struct submit {
	const char *app, *dbname;	/* for pg_connect() */
	struct pg db;			/* may be connected already; stays connected */
};

/*
 * Submit one job, in one round trip once connected.  *id is the one to give it,
 * and becomes the one that it has: a live job with the same unique key may stand
 * for it.
 */
int submit_one(struct submit *c, const struct jobspec *s, struct uuid *id, struct err *e) MUSTCHECK;

/* Many, in batches, each of which is there whole or not at all. */
struct bulk {
	struct submit to;
	struct feed *from;
	int64_t batch;			/* jobs in one transaction; 0: all */

	/* Each job of a batch that is committed, in their order; then all; false: no more batches. */
	void (*submitted)(void *ctx, const struct uuid *id);
	bool (*all_told)(void *ctx);
	/* Every few thousand jobs, and when all of a batch are sent.  May be NULL. */
	void (*progress)(void *ctx, int64_t sent, bool all);
	void *ctx;

	int64_t sent;			/* jobs so far */
	int64_t committed;
	int64_t committed_line;		/* the last line of the last batch that is committed */

	/* The batch. */
	struct uuid id;
	struct uuid_series ids, first_ids;	/* made a second time to tell them: memory does not grow */
	int64_t ids_since;
	struct uuid witness;			/* a job that is there if the batch is */
	struct str rows;			/* encoded, not sent yet */
	int64_t count, line;
	bool open;				/* its COPY is */
	bool committing;			/* COMMIT was sent: what became of it may be unknown */
	PGresult *others;			/* ids that are those of other jobs */
};

/* On -1, batches before the one that failed are committed. */
int bulk_run(struct bulk *b, struct err *e) MUSTCHECK;

#endif
