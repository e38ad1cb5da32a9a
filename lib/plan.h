/*
 * plan.h - what a query plan says, as EXPLAIN (VERBOSE, FORMAT JSON) gives it
 */
#ifndef JOBCTL_PLAN_H
#define JOBCTL_PLAN_H

#include <jansson.h>

#include "pg.h"

/*
 * The plan of a statement, in a transaction, which outlives a wrong one; with analyze
 * it is run.  0 and *plan, yours (json_decref()),
 * or 1 and *refusal, yours, if the server finds the statement wrong.
 */
int plan_read(struct pg *db, const char *sql, bool analyze, json_t **plan, char **refusal,
	      struct err *e) MUSTCHECK;

/* How long it took to plan and, with analyze, to run, in milliseconds. */
double plan_ms(const json_t *plan);

/*
 * Calls fn for each node that reads a table or an index, with NULL for what it has not.
 * Stops and returns what fn returns if that is not 0.
 */
struct plan_scan {
	const char *node, *schema, *table, *index;
};
int plan_scans(const json_t *plan, int (*fn)(void *ctx, const struct plan_scan *scan), void *ctx);

/* "Limit > Index Scan using a on b"; yours. */
char *plan_text(const json_t *plan) MUSTCHECK;

#endif
