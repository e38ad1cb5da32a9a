/*
 * view.h - what jobctl-top shows: four panels, what each asks, its columns
 *
 * Each panel is the answer to one statement.  All begin with the columns
 *
 *	key	what a row is known by: the name of a queue, the id of a job or worker
 *	mood	how it is to look: 0 as others, 1 noteworthy, 2 bad
 *	note	what the program wants to know besides: a queue's pause, a job's kind
 *
 * and go on with what is shown.  Those of queues and workers also say, in columns
 * behind those, what is true of everything, and have a row without a key if there is
 * nothing else to say.
 */
#ifndef JOBCTL_TOP_VIEW_H
#define JOBCTL_TOP_VIEW_H

#include "out.h"
#include "pg.h"

enum top_panel { TOP_QUEUES, TOP_JOBS, TOP_FAILED, TOP_WORKERS, TOP_PANELS };
enum { TOP_KEY, TOP_MOOD, TOP_NOTE, TOP_FIRST };	/* columns of every answer */
enum { TOP_MAX_COLS = 14 };

/* What somebody wants to see. */
struct top_view {
	const char *filter;		/* borrowed; NULL: all */
	bool waiting;			/* jobs that wait, instead of those that run */
	int sort[TOP_PANELS];		/* index into the panel's orders */
	int rows[TOP_PANELS];		/* no more than so many */
};

struct top_col {
	const char *title;
	enum out_type type;
	bool bar;		/* a progress from 0 to 1, drawn */
	bool rest;		/* takes the room that is left, and is cut */
	int max;		/* columns, at most; 0: as many as it takes */
	int keep;		/* the lowest goes first when there is no room */
};

struct top_panel_def {
	const char *name;
	const char *none;		/* said if there is no row */
	const struct top_col *cols;	/* ends with a NULL title */
	const char *const *orders;	/* names and SQL by turns, ends with NULL */
	const char *sql;		/* with %s for the order */
};

const struct top_panel_def *top_panel(enum top_panel p, const struct top_view *v);
int top_norders(enum top_panel p, const struct top_view *v);

/* The statement for a panel, and its parameters, which borrow of v. */
enum { TOP_ARGS = 2 };
void top_question(enum top_panel p, const struct top_view *v, struct str *sql,
		  struct pg_val args[TOP_ARGS]);

/* Rows that have a key. */
int top_rows(const PGresult *res);

/* One line of what is true of everything, from the newest answers (each may be NULL). */
void top_summary(struct str *s, const PGresult *queues, const PGresult *workers);
/* The server's time of an answer, "HH:MM:SS", borrowed; "" if there is none. */
const char *top_time(const PGresult *queues);

#endif
