/*
 * job_run.h - what a job wrote, read back while it runs or afterwards
 *
 * A run is one claim of a job.  An attempt that was given back and taken again is
 * two runs with one attempt number, so a run is known by its token.
 */
#ifndef JOBCTL_JOB_RUN_H
#define JOBCTL_JOB_RUN_H

#include "pg.h"

struct job_run {
	struct uuid token;
	int attempt;
	char started_at[40];
	int64_t started_us;	/* the same in microseconds since 1970 */
};

/* The first columns of a query of jobctl.job_run, and what reads them. */
#define JOB_RUN_COLUMNS \
	"token, attempt, jobctl.rfc3339(started_at)," \
	" (extract(epoch FROM started_at) * 1000000)::bigint"
int job_run_row(const PGresult *res, int row, struct job_run *run, struct err *e) MUSTCHECK;

/* A piece of one stream, at most some tens of kilobytes. */
struct job_piece {
	int n;			/* number within the run, rising */
	int stream;		/* 1 stdout, 2 stderr */
	int64_t dropped;	/* bytes of the stream that were not kept, just before it */
	char at[40];		/* when it was stored */
	const char *data;	/* borrowed for the call */
	size_t len;
};

/* Called for each piece in order; with piece NULL when a run begins.  -1 ends the reading. */
typedef int job_piece_fn(void *ctx, const struct job_run *run, const struct job_piece *piece,
			 struct err *e);

/*
 * The job's last run, or the last one of an attempt if attempt is not 0.  Returns
 * 1, or 0 if there is none.
 */
int job_run_last(struct pg *db, const struct uuid *job, int attempt, struct job_run *run,
		 struct err *e) MUSTCHECK;

/* All that is stored of a run from piece number first on. */
int job_run_read(struct pg *db, const struct uuid *job, const struct job_run *run, int first,
		    job_piece_fn *fn, void *ctx, struct err *e) MUSTCHECK;

/*
 * Where the last lines of a run begin: the piece, and the offset in it.  streams is
 * a mask of 1 (stdout) and 2 (stderr).
 */
int job_run_tail(struct pg *db, const struct uuid *job, const struct job_run *run, int streams,
		    int64_t lines, int *first, size_t *offset, struct err *e) MUSTCHECK;

/*
 * Following a job to its end, run after run.  Set job, and run and has_run to begin
 * with a certain run (next_n: with that piece of it); after a lost connection go on
 * with the same struct on a new one.
 */
struct job_follow {
	struct uuid job;
	struct job_run run;
	bool has_run;
	int next_n;

	bool ended;			/* and all output has been read */
	char status[16];		/* pending running held completed failed cancelled */
	char outcome[20];		/* "" until it has ended */
	int exit_code, signal;		/* -1 if there is none */
};

/*
 * Deliver what is new.  Returns 1 if there was something (ask again at once), 0 if
 * nothing has happened since, or -1.
 */
int job_follow_step(struct pg *db, struct job_follow *f, job_piece_fn *fn, void *ctx,
		    struct err *e) MUSTCHECK;

#endif
