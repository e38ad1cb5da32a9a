/*
 * parse.h - strict readers for what people type
 *
 * Each takes the whole string or nothing: no leading space, no trailing
 * characters, no overflow.  On failure the error is ERR_USAGE, says what was
 * wrong with the value and what would have been right.
 */
#ifndef JOBCTL_PARSE_H
#define JOBCTL_PARSE_H

#include "err.h"

int parse_int(const char *z, int64_t min, int64_t max, int64_t *out, struct err *e) MUSTCHECK;

/*
 * A duration in milliseconds: a number (a decimal point is allowed) and a unit,
 * ms s m h d w, several in falling order as in 1h30m.  "0" needs no unit.
 */
int parse_duration(const char *z, int64_t min, int64_t max, int64_t *ms, struct err *e) MUSTCHECK;

/*
 * A point in time, in microseconds since 1970 UTC: RFC 3339 with its zone, a
 * date (midnight, local time), "YYYY-MM-DD HH:MM[:SS]" (local time), or HH:MM,
 * the next such time of the local clock.
 */
int parse_time(const char *z, int64_t *us, struct err *e) MUSTCHECK;

/* The same instant as RFC 3339 in UTC, which PostgreSQL reads in any time zone. */
void time_rfc3339(int64_t us, char buf[40]);

/* A duration as people write it, the two largest units: "2d3h", "1m05s", "0.3s". */
void duration_text(double seconds, char buf[32]);

/* A size as people write it: "512 B", "1.3 MB" (powers of 1,000). */
void size_text(int64_t bytes, char buf[32]);

#endif
