/*
 * job_show.h - one job on one screen, for people
 */
#ifndef JOBCTL_JOB_SHOW_H
#define JOBCTL_JOB_SHOW_H

#include "pg.h"
#include "str.h"

/*
 * Append all there is to say about a job, safe for a terminal, down to the commands
 * to type next.  Returns 1, or 0 (and appends nothing) if there is no such job.
 */
int job_show(struct pg *db, const struct uuid *id, struct str *s, struct err *e) MUSTCHECK;

#endif
