/*
 * expect.h - what a database must have, read off the files of a set
 *
 * Tables, indexes, functions and views, and who may use them, as the files' own
 * statements say at their top level; what a DO block makes is not known.  This is for
 * finding what is missing, not for comparing definitions.
 */
#ifndef JOBCTL_EXPECT_H
#define JOBCTL_EXPECT_H

#include "migrate_set.h"
#include "pg.h"

enum expect_kind {
	EXPECT_RELATION,	/* a table */
	EXPECT_INDEX,
	EXPECT_API,		/* what an api file makes; object: "FUNCTION jobctl.f(int)" */
	EXPECT_GRANT,		/* role has a privilege on object */
	EXPECT_REVOKE,		/* PUBLIC has none on the function */
};

struct expected {
	enum expect_kind kind;
	const char *set;	/* borrowed from the set */
	char *object;		/* "jobctl.jobs", "jobctl.submit(text)" */
	char *type;		/* EXPECT_GRANT: FUNCTION, SCHEMA or TABLE */
	char *role;		/* EXPECT_GRANT */
	char *statement;	/* that makes it so, on one line */
};

struct expectations {
	struct expected *v;
	size_t n;
};

/* Add what the set's files make.  ERR_DATA for a file that cannot be read. */
int expect_read(struct expectations *x, const struct mig_set *set, struct err *e) MUSTCHECK;
void expect_free(struct expectations *x);

/*
 * Which of them do not hold, as indexes into x->v, in order.  The list is yours.  A
 * privilege on what is missing, or of a role that is, is left out.
 */
int expect_check(struct pg *db, const struct expectations *x, size_t **missing, size_t *n,
		 struct err *e) MUSTCHECK;

#endif
