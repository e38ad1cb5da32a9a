/*
 * migrate_run.h - the lock, and running a plan
 *
 * Everything happens on one session: it holds the advisory lock, so that a
 * migrator that dies gives it back, and it is idle while it waits for the lock,
 * because a statement that waits would itself be waited for by another
 * migrator's CREATE INDEX CONCURRENTLY.
 */
#ifndef JOBCTL_MIGRATE_RUN_H
#define JOBCTL_MIGRATE_RUN_H

#include "migrate_plan.h"

enum { MIG_WHO_MAX = 640 };		/* a session in words, at most */

enum mig_event_kind {
	MIG_EV_WAITING,		/* text: for whom; again and again while it lasts */
	MIG_EV_BEGIN,		/* item; step and nsteps if it has steps */
	MIG_EV_DONE,		/* item, ms: it is committed */
	MIG_EV_INVALID,		/* text: an index that is dropped because it is invalid */
	MIG_EV_RETRY,		/* text: why a transaction is tried again */
	MIG_EV_NOTICE,		/* text: from the server */
	MIG_EV_STOPPING,	/* the stop was seen; the server has been asked to give up */
};

struct mig_event {
	enum mig_event_kind kind;
	const struct mig_item *item;
	size_t step, nsteps;
	int64_t ms;
	const char *text;
};

struct mig_run {
	struct pg *db;
	const char *app, *dbname;	/* for pg_connect(): a second session sees who blocks us */
	int stop_fd;			/* when it becomes readable, stop; -1: nothing does */
	int64_t lock_timeout;		/* milliseconds a statement waits for a lock; 0: for ever */
	int64_t wait_lock;		/* how long to go on trying, for our lock and for tables */
	void (*event)(void *ctx, const struct mig_event *ev);
	void *ctx;

	bool stopped;			/* it was */

	/* Its own: */
	bool watches;			/* the server looks whether we are still there */
	bool kept;			/* part of the old api could not be dropped */
	struct pg watch;
	int64_t watch_at, watch_every;
	char blocker[MIG_WHO_MAX + 1];
	struct mig_begun {		/* what is under way: perhaps ended, not committed */
		const struct mig_item *item;
		int64_t at, ms;
		bool ended;
	} *begun;
	size_t nbegun;
};
#define MIG_RUN_INIT { .stop_fd = -1, .watch_at = NEVER }

/*
 * Whether the session is fit to migrate: ERR_CONFIG if it goes through a pooler
 * that would strand the lock, ERR_UNAVAILABLE on a standby.
 */
int mig_check_session(struct mig_run *m, struct err *e) MUSTCHECK;

/* Give the migrators' lock back. */
int mig_unlock(struct mig_run *m, struct err *e) MUSTCHECK;
/* Take the migrator's lock.  ERR_TEMPFAIL, naming the holder, when wait_lock is over. */
int mig_lock(struct mig_run *m, struct err *e) MUSTCHECK;

/*
 * Who has it, a row each: pid, role, application, client, connected at, in a transaction
 * since, state, query, begun at, and the statement that ends the session.
 */
enum { MIG_HOLDER_NCOLS = 10 };
int mig_lock_holders(struct pg *db, PGresult **res, struct err *e) MUSTCHECK;

/*
 * Run the plan, batch by batch.  What was committed before a failure stays;
 * m->stopped says that the failure was asked for.
 */
int mig_run(struct mig_run *m, const struct mig_plan *plan, struct err *e) MUSTCHECK;

void mig_run_free(struct mig_run *m);

/*
 * For migrate_lock.c, migrate_loss.c and migrate_run.c.
 *
 * Send SQL, read all its results; c, if not NULL, is where it comes from.
 */
int mig_exec(struct mig_run *m, const char *sql, const struct mig_chunk *c,
	     struct err *e);
/* A MIG_DROPS chunk, in a transaction. */
int mig_run_drops(struct mig_run *m, const struct mig_chunk *c, struct err *e) MUSTCHECK;
/*
 * Wait a little longer after each attempt; false if asked to stop.
 */
bool mig_backoff(struct mig_run *m, int attempt, int64_t deadline);
/* Look, from another session, who keeps our statement waiting. */
void mig_watch(struct mig_run *m);

#endif
