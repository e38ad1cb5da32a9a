/*
 * scratch.h - a database to try things in, which is gone afterwards
 *
 * It is made from template0, like the database of the connection in encoding and
 * locale, or is a copy of another one as it is then; and dropped by scratch_close().
 * Its name, jobctl_verify_ and 16 hex digits of which the last eight are a checksum of
 * the others, is held by an advisory lock of the session that made it: one that nobody
 * holds was left by a program that was killed, and goes when the next scratch database
 * is made.
 *
 * Roles belong to the whole server.  With guard set, those that are there when the
 * database is made cannot be dropped from within it.  Roles that the sets make, and
 * memberships that they grant, go with it, unless somebody else uses them by then.
 */
#ifndef JOBCTL_SCRATCH_H
#define JOBCTL_SCRATCH_H

#include "migrate_set.h"
#include "pg.h"

struct scratch {
	const struct mig_set *sets;	/* what will be run in it; borrowed, set by the caller */
	size_t nsets;
	bool guard;			/* and it may drop roles */
	struct scratch *of;		/* make a copy of this one, in which only its db is; or NULL */

	struct pg db;			/* a session in it */
	char *name;
	char *conninfo;			/* for more of them */

	/* Its own: */
	struct pg keeper;		/* makes it, holds its lock, drops it */
	PGresult *roles, *members;	/* as they were */
};
#define SCRATCH_INIT { .nsets = 0 }

/*
 * Make it, on the server that dbname leads to, and connect.  ERR_NOPERM if the role may
 * not; ERR_CONFIG through a pooler.  On failure nothing is left.
 */
int scratch_open(struct scratch *s, const char *app, const char *dbname,
		 struct err *e) MUSTCHECK;

/* Drop it, and what it has left on the server; -1 if that could not be done. */
int scratch_close(struct scratch *s, struct err *e) MUSTCHECK;

/* Whether a file of the sets has the role's name as a word in it: a role of theirs. */
bool scratch_names(const struct scratch *s, const char *role);

#endif
