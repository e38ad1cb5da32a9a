/*
 * retry.h - how long to wait before trying again, and when to give up
 */
#ifndef JOBCTL_RETRY_H
#define JOBCTL_RETRY_H

#include "base.h"

struct retry {
	int64_t deadline;
	int64_t delay;
};
#define RETRY_UNTIL(t) { .deadline = (t) }

/*
 * Sleep: a tenth of a second at first, twice as long each time, five seconds at
 * most, give or take a quarter.  False once the deadline has passed.
 */
bool retry_wait(struct retry *r) MUSTCHECK;

#endif
