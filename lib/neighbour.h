/*
 * neighbour.h - the workers of our own host, whose death we can see for ourselves
 *
 * The lease of a worker that died has often long to go.  One that was registered
 * from this host and this boot needs no lease to be found dead: see host.h.
 */
#ifndef JOBCTL_NEIGHBOUR_H
#define JOBCTL_NEIGHBOUR_H

#include "pg.h"

/*
 * $1 our host, $2 our boot_id (host_self()), $3 our worker id or NULL.  Without us,
 * in a ring that begins behind us.
 */
extern const char neighbour_sql[];

/* What jobctl.reap() is told of those that are dead. */
#define NEIGHBOUR_GONE "the process is gone"

struct neighbour {
	struct uuid id;
	int pid;
	int64_t start;
	bool ours;		/* the database would take our word for its death */
};

/* A row of it. */
struct neighbour neighbour_read(const PGresult *res, int row);
/*
 * What is registered is a guardian, which ends after all processes of its worker.
 * Ending: the guardian was killed, and the worker below it is still there, killing
 * what it runs.
 */
enum neighbour_state { NEIGHBOUR_LIVES, NEIGHBOUR_ENDS, NEIGHBOUR_DEAD };
enum neighbour_state neighbour_look(const struct neighbour *n);

#endif
