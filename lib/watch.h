/*
 * watch.h - asking a database again and again, for as long as somebody looks
 *
 * While nothing happens the pauses grow.  A connection that is lost is made again;
 * whoever watches keeps where it was.  A reader of stdout that has gone away ends
 * the watching at once, not at the next line.
 */
#ifndef JOBCTL_WATCH_H
#define JOBCTL_WATCH_H

#include "pg.h"

struct watch {
	int64_t min_ms, max_ms;		/* pauses between questions */
	int64_t pause_ms;		/* the last one; 0 at first */
};
#define WATCH_INIT { .min_ms = 50, .max_ms = 1000 }

/*
 * Wait before the next question; news: the last one had a new answer.  False if the
 * reader of stdout has gone.
 */
bool watch_pause(struct watch *w, bool news) MUSTCHECK;

/*
 * e says why a call failed.  If it was the connection, make a new one, trying for
 * as long as it takes: 0.  Else -1, with e as it was, or as the new connection
 * failed for good.
 */
int watch_reconnect(struct pg *db, const char *app, const char *dbname,
		    struct err *e) MUSTCHECK;

#endif
