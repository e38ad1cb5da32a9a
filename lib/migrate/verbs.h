/*
 * migrate/verbs.h - what jobctl-migrate is asked to do
 *
 * What a set is: migrate_set.h; which statements lead where: migrate_plan.h; the lock
 * and the transactions: migrate_run.h.  Here are the questions, the answers and the
 * signals: a verb prints, and returns the program's exit status.
 *
 *   work.c      what the verbs share: sets, connection, state, problems
 *   items.c     a migration as a row
 *   status.c    status, plan
 *   change.c    up, down, redo
 *   new.c       new
 *   baseline.c  baseline
 *   holder.c    lock-holder
 *   lint.c      lint
 *   repair.c    repair: what is wrong
 *   mend.c      repair: changing the record
 *   objects.c   what files make, and whether it is there
 *   events.c    what they say while they run, and signals
 */
#ifndef JOBCTL_MIGRATE_VERBS_H
#define JOBCTL_MIGRATE_VERBS_H

#include "cmd.h"
#include "migrate_run.h"
#include "out.h"

struct mig_options {
	struct common common;
	struct strlist sets;
	const char *dir;
	int64_t to;		/* -1: not given */
	int64_t lock_timeout, wait_lock, wait_db;
	const char *fields;
	bool out_of_order;
	bool yes;
	bool dry_run;
	struct strlist accept, mark_applied, mark_pending, forget;	/* versions */
	bool no_header;
	int64_t applied;	/* -1: not given */
	bool strict;
};

/* One run of the program. */
struct mig_work {
	const struct cmd *cmd;
	const struct mig_options *opt;
	struct mig_sets sets;
	struct pg db;
	struct mig_state state;
	struct mig_plan plan;
	struct mig_run run;
	struct out out;			/* up and down with --json */
	bool down, again;		/* redo is both */
	size_t done;
	int signo;			/* what stopped us */
	char waited_for[MIG_WHO_MAX + 1];
};

/* The operands end with NULL. */
int mig_up(struct mig_work *w, char **operands) MUSTCHECK;
int mig_down(struct mig_work *w, char **operands) MUSTCHECK;
int mig_redo(struct mig_work *w, char **operands) MUSTCHECK;
int mig_status(struct mig_work *w, char **operands) MUSTCHECK;
int mig_print_plan(struct mig_work *w, char **operands) MUSTCHECK;
int mig_new(struct mig_work *w, char **operands) MUSTCHECK;
int mig_holder(struct mig_work *w, char **operands) MUSTCHECK;
int mig_baseline(struct mig_work *w, char **operands) MUSTCHECK;
int mig_lint(struct mig_work *w, char **operands) MUSTCHECK;
int mig_repair(struct mig_work *w, char **operands) MUSTCHECK;

/* repair, with an option that changes something. */
int mig_mend(struct mig_work *w) MUSTCHECK;
/*
 * The tables and indexes that n migrations of a set make, from one on, as lines
 * "table app.orders": those that are there and those that are not.
 */
int mig_find_objects(struct pg *db, const struct mig_set *set, size_t from, size_t n,
		     struct str *there, struct str *missing, struct err *e) MUSTCHECK;

/* Connect, waiting for the database as long as --wait-db says. */
int mig_connect(struct mig_work *w, struct err *e) MUSTCHECK;
/* Read the state anew. */
int mig_look(struct mig_work *w, struct err *e) MUSTCHECK;
/* Make the plan for the state. */
int mig_plan(struct mig_work *w, struct err *e) MUSTCHECK;
/* Say what keeps `up` from running: 0, or the exit status. */
int mig_say_unfit(struct mig_work *w, bool allow_out_of_order) MUSTCHECK;
/* Say, and free, what is wrong: 0, or the exit status. */
int mig_say_problems(struct mig_work *w, struct mig_problems *p) MUSTCHECK;
void mig_work_free(struct mig_work *w);

/* Be told of what w->run does. */
void mig_listen(struct mig_work *w);
/* From here on a signal makes w->run stop; w->signo is then the one to die of. */
void mig_catch_signals(struct mig_work *w);

/* The columns of a migration, all of them and those of the table. */
enum { MIG_NCOLS = 17, MIG_NTABLE = 9 };
extern const struct out_col mig_cols[MIG_NCOLS];
extern const struct out_col *const mig_all_cols[MIG_NCOLS];
extern const struct out_col *const mig_table_cols[MIG_NTABLE];	/* the origin last */
/* The cells of a row; what happened just now is not in the item's own. */
void mig_put_item(struct out *o, const struct out_col *const *picked, int n,
		  const struct mig_item *it, const char *state, const char *duration);

#endif
