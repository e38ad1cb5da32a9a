/*
 * drift.h - how a live database differs from what the migrations make
 *
 * The live database is only read, in a session that the server keeps from writing.
 * What should be there is made in a scratch database: of each set as much as the live
 * database's books say is applied, or all if it has none; what came with the scratch
 * database itself is not held against anybody.
 *
 * Not compared: rows, memberships, partitions by range (the default aside), versions of
 * extensions.  What migrations make belongs to whoever migrates, unless they say whose it
 * is: on that the live database's books have the word, if they were not made by hand.  What
 * is there beyond what should be is told by schema where migrations have nothing.
 */
#ifndef JOBCTL_DRIFT_H
#define JOBCTL_DRIFT_H

#include "verify.h"

struct drift {
	struct verify *verify;		/* app, dbname, scratch_server, sets, report, progress */
	bool strict;			/* what is there beyond is a failure */

	/* Its own: */
	struct pg live;
	struct mig_set *parts;		/* the sets as far as they are applied; they borrow */
	struct mig_state books;
	char *owner, *owner_sql;	/* of the books: who migrates, and quoted; NULL: not known */
	struct inventory none, want, have;	/* an empty database, the scratch, the live */
	struct inventory reread;	/* the scratch, after what differs was made again */
};

int drift_run(struct drift *d, struct err *e) MUSTCHECK;
void drift_free(struct drift *d);	/* the verify is the caller's to close */

/* Compare want with have, made from nothing but none; each difference is a check. */
void drift_compare(struct drift *d);

#endif
