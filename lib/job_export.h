/*
 * job_export.h - jobs that ended, written to a file before they go
 *
 * One JSON object on each line: the fields of jobctl-formats(7), and attempts, the
 * attempts that were not the last.  The file has its name only when it is whole and
 * on disk; until then it is NAME.part, which a later run begins anew.
 */
#ifndef JOBCTL_JOB_EXPORT_H
#define JOBCTL_JOB_EXPORT_H

#include <stdio.h>

#include "job.h"
#include "out.h"
#include "pg.h"

struct job_export {
	const char *path;	/* borrowed */
	char *part;
	FILE *f;
	const struct out_col *cols[JOB_NFIELDS + 1];
	struct str sql;
};
#define JOB_EXPORT_INIT { .path = NULL, .sql = STR(STR_ANY) }

/* ERR_CANTCREAT if there is such a file already, or none can be made. */
int job_export_open(struct job_export *x, const char *path, struct err *e) MUSTCHECK;

/*
 * Write the jobs that ended from one time up to another, both RFC 3339, the oldest
 * first, a page at a time so that any number needs little memory.  paged, called after
 * each page, ends it with -1.  Returns how many there were.
 */
int64_t job_export_write(struct job_export *x, struct pg *db, const char *since,
			 const char *until, int (*paged)(void *ctx, int64_t rows, struct err *),
			 void *ctx, struct err *e) MUSTCHECK;

/* On disk, under its name. */
int job_export_commit(struct job_export *x, struct err *e) MUSTCHECK;

/* After a commit nothing more than free; else nothing of the file is left. */
void job_export_free(struct job_export *x);

#endif
