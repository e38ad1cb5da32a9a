/*
 * verify.h - proving migrations: each is applied in a scratch database and looked at
 *
 * Whatever a check finds is in the report; -1 is for what keeps us from looking: the
 * connection is lost, or somebody has told us to stop.
 */
#ifndef JOBCTL_VERIFY_H
#define JOBCTL_VERIFY_H

#include "inventory.h"
#include "migrate.h"
#include "migrate_run.h"
#include "report.h"
#include "scratch.h"

struct verify {
	/* What is to be done; set by the caller. */
	const char *app, *dbname;
	const char *scratch_server;	/* where scratch databases are made; NULL: at dbname */
	const struct mig_set *sets;	/* in order of dependency, borrowed */
	const bool *asked;		/* of each: else it is applied and not reported on */
	size_t nsets;
	bool round_trip;
	int64_t rows, runs;		/* of a table that a query reads; of a query that is timed */
	struct report *report;
	void (*progress)(void *ctx, const char *what);	/* what is being done */
	void *ctx;

	/* What checks find: */
	struct pg *db;			/* the scratch database */
	const char *conninfo;		/* for a second session in it */
	const struct mig_set *set;	/* at hand */
	const struct mig_version *version;	/* at hand; NULL: the set's api, */
	bool head;			/* or all of the set, at its head */
	char *known;			/* tables that were there before the set, as an array of oids */
	bool in_schema;			/* a transaction is open, in a scratch schema of a database */

	struct scratch scratch;
	struct inventory before;	/* of the set */
	struct inventory now;
	int64_t ms, sum_ms;		/* that the last run took, and all ups of the set */
};

/* Apply the sets one migration after the other, and check each. */
int verify_run(struct verify *v, struct err *e) MUSTCHECK;
/* After verify_run(), whatever came of it; -1 if something is left behind. */
int verify_close(struct verify *v, struct err *e) MUSTCHECK;

/*
 * For the checks.  The id of one: "jobctl.0002_queue.index.jobctl.jobs_claim", of the
 * migration at hand and the words; yours.
 */
char *verify_id(const struct verify *v, const char *fmt, ...) PRINTF(2, 3) MUSTCHECK;
/* "jobctl 0002_queue", "jobctl api", "jobctl head"; yours. */
char *verify_label(const struct verify *v) MUSTCHECK;
/* What is done between the two is undone. */
int verify_begin_try(struct verify *v, struct err *e) MUSTCHECK;
int verify_end_try(struct verify *v, struct err *e) MUSTCHECK;
/* Whether an error means that there is no going on: lost, or told to stop. */
bool verify_broken(const struct verify *v, const struct err *e);

#endif
