/*
 * verify_steps.h - the parts of going from migration to migration
 */
#ifndef JOBCTL_VERIFY_STEPS_H
#define JOBCTL_VERIFY_STEPS_H

#include "inventory.h"
#include "verify.h"

/* A check for every object that is in the second inventory and not so in the first. */
void verify_structure(struct verify *v, const struct inventory *before,
		      const struct inventory *after);

/* What is wrong in itself with what the set has made, at its head. */
int verify_faults(struct verify *v, const struct inventory *before, const struct inventory *after,
		  struct err *e) MUSTCHECK;

/*
 * The migration at hand down, and up again; the database was as in `before` without it and
 * is as in `after`, afterwards, too.  *good becomes false if that cannot be had.
 */
int verify_round_trip(struct verify *v, const struct inventory *before,
		      const struct inventory *after, bool *good, struct err *e) MUSTCHECK;

/*
 * In verify.c.  The scratch database, with nothing in it yet.
 */
int verify_open(struct verify *v, struct err *e) MUSTCHECK;
/* When it ended, for the top. */
int verify_finish(struct verify *v, struct err *e) MUSTCHECK;
/* Bring the migration at hand up, take it down; v->ms is how long it took. */
int verify_up(struct verify *v, struct err *e) MUSTCHECK;
int verify_down(struct verify *v, struct err *e) MUSTCHECK;
/*
 * It does not come up again: from here on as if it had never been taken down, in another
 * scratch database, or where verify_begin_trip() was called before.
 */
int verify_start_over(struct verify *v, bool *good, struct err *e) MUSTCHECK;
int verify_begin_trip(struct verify *v, struct err *e) MUSTCHECK;
/* What there is now, rows counted, roles of others left out. */
int verify_look(struct verify *v, struct inventory *inv, struct err *e) MUSTCHECK;

/*
 * In verify_schema.c: where no database can be made, a schema in the one at hand.
 * ERR_NOPERM if a file of the sets needs more than that.
 */
int verify_schema_open(struct verify *v, struct err *e) MUSTCHECK;
int verify_schema_up(struct verify *v, struct err *e) MUSTCHECK;
int verify_schema_down(struct verify *v, struct err *e) MUSTCHECK;
bool verify_schema_has(const struct inv_row *r);

/* How long it took, as a check. */
void verify_timing(struct verify *v, const char *what);

#endif
