/*
 * out.h - rows for people, for cut(1) and for jq, from one description
 *
 * A column has a name of the common vocabulary (jobctl-formats(7)) and a type;
 * the type decides how a value looks in a table, in -o output (tab-separated,
 * one token each, escaped) and in JSON Lines.  Everything printed is safe for a
 * terminal.  Rows go to stdout.
 */
#ifndef JOBCTL_OUT_H
#define JOBCTL_OUT_H

#include <stdio.h>

#include "err.h"
#include "str.h"

enum out_type {
	OUT_TEXT,
	OUT_ID,			/* a UUID: tables show the shortest prefix (13 or more characters) that tells the rows apart */
	OUT_NUM,		/* a number as text */
	OUT_BOOL,		/* "t" or "f" */
	OUT_TIME,		/* RFC 3339, UTC */
	OUT_SECONDS,		/* a duration as decimal seconds: "2m05s" in tables */
	OUT_BYTES,		/* a size: "1.3 MB" in tables */
	OUT_JSON,		/* JSON text */
};

struct out_col {
	const char *name;	/* in JSON, and what -o takes */
	const char *title;	/* table heading */
	enum out_type type;
};

enum out_mode { OUT_TABLE, OUT_TSV, OUT_JSONL };

struct out {
	enum out_mode mode;
	bool header;		/* tables and -o */
	const struct out_col *const *cols;
	int ncols;
	struct str *cells;	/* table mode: all cells so far, row by row */
	size_t ncells, cap;
	int at;			/* the column that comes next */
	struct str line;
	FILE *to;		/* where rows but those of tables go; stdout unless set after out_begin() */
};

/* cols is borrowed.  In OUT_TSV and OUT_JSONL each row is written when it is complete. */
void out_begin(struct out *o, enum out_mode mode, bool header,
	       const struct out_col *const *cols, int ncols);
/* The next cell; NULL is unknown ("-" in tables, "" in -o, null in JSON). */
void out_cell(struct out *o, const char *value);
void out_end(struct out *o);	/* prints a table, frees */

/* Pick columns by a comma list of names.  *picked is yours; names are those of all[]. */
int out_pick(const struct out_col *all, int nall, const char *list,
	     const struct out_col ***picked, int *npicked, struct err *e) MUSTCHECK;

/* One cell's value as its type looks in a table, escaped, appended to s. */
void out_pretty(struct str *s, enum out_type type, const char *value);

/* How much of these ids (yours to have in any order; it is changed) tells them apart. */
size_t out_id_len(char **ids, size_t n);

/*
 * A progress line on stderr: drawn only if stderr is a terminal and not quiet,
 * cut to its width, at most ten times a second, and wiped by status_clear(), after which the next
 * one is drawn at once.
 */
void status_show(bool wanted, const char *fmt, ...) PRINTF(2, 3);
void status_clear(void);

#endif
