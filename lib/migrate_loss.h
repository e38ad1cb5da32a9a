/*
 * migrate_loss.h - what a plan would take with it
 *
 * Found by running the plan in a transaction that is taken back, so that it does not
 * matter how it goes about it.  That takes the locks the plan takes, for as long as it
 * takes, but none longer than lock_timeout to get.  Steps that cannot be in a transaction
 * are passed over: none of those loses a row.
 */
#ifndef JOBCTL_MIGRATE_LOSS_H
#define JOBCTL_MIGRATE_LOSS_H

#include "migrate_run.h"

enum mig_loss_kind {
	MIG_LOSS_TABLE,		/* it goes */
	MIG_LOSS_COLUMN,
	MIG_LOSS_EMPTIED,	/* truncated */
	MIG_LOSS_DELETED,	/* rows of it */
};
extern const char *const mig_loss_names[];

struct mig_loss {
	enum mig_loss_kind kind;
	char *object;		/* "jobctl.jobs", "jobctl.jobs.args" */
	char *table;
	int64_t rows;		/* -1: not known */
	bool exact;
};

struct mig_losses {
	struct mig_loss *v;	/* those with the most rows first */
	size_t n;
};

/*
 * Yours (mig_losses_free) on success.  On -1 nothing has changed either: the plan fails,
 * or, *unknown, it could not be tried.  The lock must be held.
 */
int mig_rehearse(struct mig_run *m, const struct mig_plan *plan, struct mig_losses *l,
		 bool *unknown, struct err *e) MUSTCHECK;
void mig_losses_free(struct mig_losses *l);

/* "table jobctl.jobs: about 1200 rows" */
struct str;
void mig_put_loss(struct str *s, const struct mig_loss *l);

#endif
