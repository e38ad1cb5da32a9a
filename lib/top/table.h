/*
 * table.h - a panel's rows as lines of text that fit
 *
 * Columns are as wide as their values; when there is no room for all, the least
 * important go, and what is left to the last one is cut.  A column once wide stays
 * so, that the lines do not jump from one picture to the next.
 */
#ifndef JOBCTL_TOP_TABLE_H
#define JOBCTL_TOP_TABLE_H

#include "top/view.h"

struct top_table {
	struct str head;
	struct str *lines;
	int n;
	int bar_at, bar_columns;	/* where the bars are; columns 0: there are none */
	int *bars;			/* of each line, how many columns are filled */

	const struct top_panel_def *def;	/* what the widths are of */
	size_t width[TOP_MAX_COLS];
};
#define TOP_TABLE_INIT { .head = STR(STR_ANY) }

/* Rows from first on, n at most, in so many columns.  Everything is safe for a terminal. */
void top_table_make(struct top_table *t, const struct top_panel_def *def, const PGresult *res,
		    int first, int n, int columns);
/* Forget the widths. */
void top_table_reset(struct top_table *t);
void top_table_free(struct top_table *t);

#endif
