/*
 * job_change.h - changing jobs that are named, or all that a filter matches
 *
 * What "jobctl-cancel" and its like have in common: their options, how many jobs
 * there are, what needs consent, a dry run, one line per job.  Like cmd.h it speaks
 * for the program.
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
	const char *scope;		/* the status that filters mean which name none; NULL: any live one */
	bool whole;			/* all jobs in one transaction */
	/*
	 * A query's beginning and end, around jobctl.job's WHERE; $14 is why, what
	 * follows is in more.  It returns id, was and status for each job.
	 */
	const char *act[2], *dry_act[2];
	struct pg_val more[2];
	int nmore;
	/* Whether the job is now as it should be; both borrowed. */
	bool (*good)(const char *was, const char *status);
	const char *of_running;		/* said of jobs that run now; NULL: nothing */
	size_t nrunning, nheld;		/* out: rows whose status is now running, held */
	struct job_ids changed;		/* out: whose status is not what it was; yours */
};

#define JOB_CHANGE_OPTS(cfg, c, all_help)                                                      \
	JOB_FILTER_OPTS_BUT_REASON(cfg, c.filter),                                             \
		OPT_ROW_FLAG(0, "all", cfg, c.every, all_help),                                \
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

/* A program that does nothing but that; its options are JOB_CHANGE_OPTS alone. */
struct job_changer {
	struct common common;
	struct job_change change;
};
/* All of main(); returns what that returns. */
int job_change_main(struct job_changer *cfg, int argc, char **argv) MUSTCHECK;

#endif
