/*
 * ask.h - one question at a time to a database that may go away, without waiting
 *
 * For a program that has a user to listen to meanwhile.  A connection that is lost is
 * made again by itself, with growing pauses; the question that was under way is
 * answered by ASK_FAILED.  An error of the database itself is that, too, and the
 * connection stays.
 */
#ifndef JOBCTL_TOP_ASK_H
#define JOBCTL_TOP_ASK_H

#include "pg.h"

struct ask {
	struct pg db;			/* connected by pg_open() to begin with */
	const char *app, *dbname;	/* as for that */

	struct pg_connector *connector;
	int64_t again_at, pause_ms;	/* to connect */
	int64_t asked_at;
	bool busy;
	PGresult *res;			/* of the answer, as far as it has come */
	struct err answer;		/* of the answer, as far as it has come */
	struct err lost;		/* why there is no connection */
};

enum asked { ASK_NOTHING, ASK_ANSWER, ASK_FAILED };

/* Whether a question can be put: there is a connection, and it is not busy. */
bool ask_ready(const struct ask *a);
bool ask_connected(const struct ask *a);

/* Put one.  An error comes as ASK_FAILED. */
void ask_put(struct ask *a, const char *sql, const struct pg_val *args, int nargs);

/* What to poll for, and until when; -1: only the time.  Then step. */
int ask_fd(const struct ask *a, short *events, int64_t *deadline);
/* ready: poll said so.  ASK_ANSWER: *res is yours.  ASK_FAILED: *e says why. */
enum asked ask_step(struct ask *a, bool ready, PGresult **res, struct err *e) MUSTCHECK;

void ask_close(struct ask *a);

#endif
