/*
 * verify_checks.h - what is checked beyond structure: claims of files, indexes, locks
 *
 * All take the migration at hand from struct verify, add to its report, and leave the
 * scratch database as it was.  -1 is for what keeps us from looking.
 */
#ifndef JOBCTL_VERIFY_CHECKS_H
#define JOBCTL_VERIFY_CHECKS_H

#include "verify.h"
#include "verify_file.h"

/* Before a set: what is there is not its own. */
int verify_begin(struct verify *v, struct err *e) MUSTCHECK;

/* Everything that is wrong with the text of its .verify.sql files, before any is run. */
void verify_claims_read(const struct mig_set *set, struct mig_problems *p);

/* What the set's .verify.sql files claim, and its indexes; when the set is at its head. */
int verify_claims(struct verify *v, struct err *e) MUSTCHECK;

/* The locks that the migration at hand takes; before it is applied. */
int verify_locks(struct verify *v, struct err *e) MUSTCHECK;

/* The parts of verify_claims(). */
int verify_probes(struct verify *v, const struct verify_file *f, struct err *e) MUSTCHECK;
int verify_queries(struct verify *v, const struct verify_file *f, struct err *e) MUSTCHECK;
/* The tables are oids, as an array's text. */
int verify_indexes(struct verify *v, const char *tables, const struct verify_file *f, size_t n,
		   struct err *e) MUSTCHECK;

/* In verify_schema.c, in a schema: names mean what they mean in migrations. */
int verify_schema_reset(struct verify *v, struct err *e) MUSTCHECK;
/* There: why what a file says cannot be tried; yours, NULL if it can. */
int verify_schema_refuses(struct verify *v, const struct mig_file *f, char **why,
			  struct err *e) MUSTCHECK;

/* A statement on one line, cut if it is long; yours. */
char *verify_one_line(const char *sql) MUSTCHECK;

/* What the server says is wrong, in one line with its SQLSTATE; yours. */
char *verify_refusal(const PGresult *res) MUSTCHECK;

#endif
