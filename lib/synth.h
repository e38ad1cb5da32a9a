/*
 * synth.h - rows for a table, made from what the catalog says of it
 *
 * Types, NOT NULL, lengths, CHECKs, domains, enums, unique and foreign keys are
 * honoured.  Which values:
 *   - what must be unique is different in each row; a foreign key points to one of up
 *     to 1,000 rows of its table, which are made first if there are none;
 *   - values that a CHECK lists, booleans and enums are equally frequent; other values
 *     occur about a hundred times each;
 *   - a column with a constant default has that in half of the rows, one that may be
 *     null and has no default is null in half of them;
 *   - times lie a second apart and go back from now.
 * It is the same every time.  Where CHECKs concern several columns, rows are made at
 * random and those that fit are kept.
 */
#ifndef JOBCTL_SYNTH_H
#define JOBCTL_SYNTH_H

#include "pg.h"

/* How rows of a table are made instead; borrowed. */
struct synth_script {
	Oid table;
	const char *sql;
	int64_t rows;		/* as it claims; 0: as many as jobctl.rows says */
};

struct synth {
	struct pg *db;		/* in a transaction, with the rights of the owner */
	const struct synth_script *scripts;
	size_t nscripts;
	struct synth_done {
		Oid table;
		char *why;	/* it could not be filled */
	} *done;
	size_t ndone;
	bool triggers_off;	/* a table's triggers refused some rows and were disabled */
	bool script_failed;	/* why no rows were made */
};
void synth_free(struct synth *y);

/*
 * Make the table have this many rows, and those it refers to some.  The number it has
 * then, or 0 with *why, yours, if none could be made; -1 if the database is gone.
 */
int64_t synth_fill(struct synth *y, Oid table, int64_t rows, char **why,
		   struct err *e) MUSTCHECK;

/*
 * For synth.c and synth_column.c.  A column as the catalog has it, and the SQL that
 * makes its values from the row's number g.i.
 */
struct synth_column {
	int num;
	const char *name;	/* quoted; all of these borrow the result they came from */
	const char *type;	/* without domains, with its modifier */
	const char *base;	/* its name alone, of arrays that of the elements */
	const char *labels;	/* of an enum, as a literal for an array; "" if it is none */
	const char *checks;	/* of this column alone, and its domain's; "" if none */
	const char *hints;	/* of this column and others */
	char category;
	int max_len;		/* of varchar and char; 0: none */
	bool array, nullable, distinct;
	bool omit;		/* has a value by itself: identity, sequence, generated */
	bool has_default;
	const char *constant;	/* the default, if it is one; else NULL */
	bool foreign;		/* from the row of another table */
	char *expr;		/* yours; NULL: left to its default */
};
int synth_column_find(struct pg *db, struct synth_column *c, int64_t rows, char **why,
		      struct err *e) MUSTCHECK;

#endif
