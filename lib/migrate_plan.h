/*
 * migrate_plan.h - the SQL that leads from a state to a goal
 *
 * `plan` prints exactly what `up` runs.  What only one of the two needs is
 * marked: `up` holds a lock instead of the guards, and proves a few things as
 * it goes that a printed plan takes for granted.
 *
 * The rule for a set's api: it goes before a table of the set changes and comes
 * back, in one transaction with the last change, when the set is at its head.
 * So if it is there at the start, everything that is pending is one transaction
 * (as far as there is no file that cannot be in one): live programs see the old
 * functions on the old tables or the new on the new.
 */
#ifndef JOBCTL_MIGRATE_PLAN_H
#define JOBCTL_MIGRATE_PLAN_H

#include "migrate.h"
#include "str.h"

enum mig_chunk_kind {
	MIG_OWN,	/* bookkeeping */
	MIG_SCRIPT,	/* a file, or a step of one */
	MIG_DROPS,	/* an api goes */
	MIG_GUARD,	/* only printed */
	MIG_CHECK,	/* only run */
};

struct mig_chunk {
	enum mig_chunk_kind kind;
	struct str sql;			/* all but MIG_SCRIPT */
	const struct mig_file *file;	/* MIG_SCRIPT, and MIG_CHECK of a file: where errors are */
	const char *proves;		/* MIG_CHECK: what is wrong if it fails; NULL: it says */
	struct mig_span span;		/* MIG_SCRIPT: the part of the file */
	const struct mig_item *begins;	/* what this is the beginning of, */
	const struct mig_item *ends;	/* and the end */
	size_t step, nsteps;		/* of a file with steps: from 1; else 0 */
	const struct mig_item *item;	/* that the step is of */
	const struct mig_item *api;	/* MIG_DROPS: the api that goes */
	bool replaced;			/* MIG_DROPS: and that the set's own follows */
	bool resets;			/* it makes the session's settings what they were at first */
	const char *invalid;		/* the index that it drops, because it is invalid */
};

struct mig_batch {
	bool transaction;	/* all or nothing; else each chunk by itself */
	bool without_api;	/* it finds the set without the api it had */
	struct mig_chunk *v;
	size_t n;
};

struct mig_goal {
	bool down;
	bool again;		/* and up again, what was reverted and no more */
	bool to_given;		/* else up: all; down: one step */
	int64_t to;
	int64_t lock_timeout;	/* milliseconds; 0: none */
};

struct mig_plan {
	bool down;
	struct str begin;	/* how a transaction begins */
	struct mig_batch *v;
	size_t n;
	size_t migrations;	/* how many migrations it applies or reverts, apis not counted */
	struct mig_item *again;	/* of what is applied again: as it is once it was reverted */
	size_t nagain;
};

/*
 * The plan for a state without problems.  For down, `sets` is in the order of
 * dependency and is walked from its end; without a version to go down to, the
 * set whose migration was applied last gives one.  The plan is yours and borrows
 * the state.  ERR_NOINPUT if a set has no version `to`.
 *
 * Down and up again is one transaction, as far as there is no file that cannot be in one.
 */
int mig_plan_make(struct mig_plan *plan, const struct mig_state *st, const struct mig_set *sets,
		  size_t nsets, const struct mig_goal *goal, struct err *e) MUSTCHECK;
void mig_plan_free(struct mig_plan *plan);

/* Whether the plan reverts this item of it. */
bool mig_plan_reverts(const struct mig_plan *plan, const struct mig_item *it);

/* The plan as a script for psql. */
void mig_plan_print(const struct mig_plan *plan, struct str *s);

/* Whether the last statement of a text does not end in one. */
bool mig_lacks_semicolon(const char *sql);

/* One chunk's SQL, NUL-terminated; yours. */
char *mig_chunk_sql(const struct mig_chunk *c) MUSTCHECK;

#endif
