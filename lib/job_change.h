/*
 * job_change.h - changing jobs that are named, or all that a filter matches
 *
 * What "jobctl-cancel" and its like have in common: their options, what needs
 * consent, a dry run, one line per job.  Like cmd.h it speaks for the program.
 */
#ifndef JOBCTL_JOB_CHANGE_H
#define JOBCTL_JOB_CHANGE_H

#include "job.h"

struct job_change {
	/* options */
	struct job_filter filter;
	const char *why;
	bool every, dry_run, yes;

	/* the verb */
	const struct cmd *cmd;
	const char *verb;		/* "cancel" */
	/*
	 * A query's beginning and end, around jobctl.job's WHERE; $14 is why.  It
	 * returns id, was and status for each job.
	 */
	const char *act[2], *dry_act[2];
	/* Whether the job is now as it should be; both borrowed. */
	bool (*good)(const char *was, const char *status);
	size_t nrunning;		/* out: rows whose status is running */
};

#define JOB_CHANGE_OPTS(cfg, c)                                                                \
	JOB_FILTER_OPTS_BUT_REASON(cfg, c.filter),                                             \
		OPT_ROW_FLAG(0, "all", cfg, c.every, "all live jobs"),                         \
		OPT_ROW_STR(0, "reason", "TEXT", cfg, c.why, NULL,                             \
			    "record TEXT as the reason"),                                      \
		OPT_ROW_FLAG(0, "dry-run", cfg, c.dry_run,                                     \
			     "change nothing, say what would be changed"),                     \
		OPT_ROW_FLAG(0, "yes", cfg, c.yes, "change more than one job without asking")

/* Usage errors of options and operands together; exits.  Before connecting. */
void job_change_check(struct job_change *c, char *const *operands);

/*
 * Do it.  Returns the exit status: 0, 1 if a job is not as it should be or none
 * matched, or the highest of what was wrong with operands.
 */
int job_change_run(struct pg *db, struct job_change *c, char *const *operands,
		   struct err *e) MUSTCHECK;

#endif
