/*
 * verify_file.h - what an NNNN_name.verify.sql says: probes, queries, rows
 *
 * Plain SQL statements, each with what is claimed of it in comment lines before it:
 *
 *	-- expect: ok | rows N | value X | SQLSTATE [constraint]
 *	-- probe: NAME [keeps]
 *	-- query: NAME [not] uses INDEX [rows N] [within D]
 *	-- rows: TABLE [N]
 *
 * A statement without any is a probe that expects ok.
 */
#ifndef JOBCTL_VERIFY_FILE_H
#define JOBCTL_VERIFY_FILE_H

#include "migrate_set.h"

enum verify_kind { VERIFY_PROBE, VERIFY_QUERY, VERIFY_ROWS };
enum verify_expect { EXPECT_OK, EXPECT_ROWS, EXPECT_VALUE, EXPECT_SQLSTATE };

struct verify_stmt {
	enum verify_kind kind;
	int line;		/* where the statement begins */
	char *name;		/* as given, else "lineN"; of rows: the table */
	char *sql;		/* without a semicolon */

	/* A probe: */
	enum verify_expect expect;
	char *text;		/* EXPECT_VALUE: NULL for SQL's null; EXPECT_SQLSTATE: constraint or NULL */
	char sqlstate[6];
	bool keeps;		/* what it did stays for the probes after it */

	/* A query: */
	char *index;		/* as written, perhaps with its schema */
	bool negative;		/* it must not be used */
	int64_t within_ms;	/* 0: nothing is said */

	int64_t rows;		/* EXPECT_ROWS; of a query or a table, 0: as many as are asked for */
};

struct verify_file {
	const char *path;	/* borrowed from the set */
	struct verify_stmt *v;
	size_t n;
};

/*
 * Read one.  It is yours (verify_file_free) also on failure: -1 if there are new
 * problems, each with file and line.
 */
int verify_file_read(struct verify_file *f, const struct mig_file *src,
		     struct mig_problems *p) MUSTCHECK;
void verify_file_free(struct verify_file *f);

/* "ok", "rows 3", "value x", "23514 ck_status": what the probe expects; yours. */
char *verify_expectation(const struct verify_stmt *s) MUSTCHECK;

#endif
