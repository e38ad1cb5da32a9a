/*
 * job_show.h - one job on one screen, for people
 */
#ifndef JOBCTL_JOB_SHOW_H
#define JOBCTL_JOB_SHOW_H

#include "job.h"
#include "job_run.h"
#include "pg.h"
#include "str.h"

/*
 * Append all there is to say about a job, safe for a terminal, down to the commands
 * to type next.  Returns 1, or 0 (and appends nothing) if there is no such job.
 */
int job_show(struct pg *db, const struct uuid *id, struct str *s, struct err *e) MUSTCHECK;

/*
 * Parts of it.  The runs that ended in the span (all that the job can have had), the
 * newest first, without the first skip and at most max: returns 1 and the newest of all,
 * or 0 if the job has never run.  And the last lines of a run's output, streams being a
 * mask of 1 (stdout) and 2 (stderr), under the title, if there are any.
 */
int job_show_runs(struct pg *db, const struct uuid *id, struct job_span span, int skip, int max,
		  struct str *s, struct job_run *last, struct err *e) MUSTCHECK;
int job_show_output(struct pg *db, const struct uuid *id, const struct job_run *run, int streams,
		    int lines, const char *title, struct str *s, struct err *e) MUSTCHECK;

#endif
