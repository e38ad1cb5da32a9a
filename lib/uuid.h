/*
 * uuid.h - UUIDs as bytes; version 7 (RFC 9562) made here
 *
 * Ids are made by the client so that a submit can be repeated after its answer
 * was lost.  Debian 12's libuuid knows no version 7.
 */
#ifndef JOBCTL_UUID_H
#define JOBCTL_UUID_H

#include "err.h"

struct uuid {
	unsigned char b[16];
};

struct uuid_text {
	char z[37];
};

/* Random, version 4: tokens and worker ids. */
struct uuid uuid_random(void);

/*
 * A series of version 7 ids: the wall clock's millisecond in front, then a
 * counter that starts at random (RFC 9562, 6.2, method 1), so that the ids of a
 * series rise, land next to each other in an index, and a copy of the struct
 * yields the same ids again.
 */
struct uuid_series {
	struct uuid next;
};
struct uuid_series uuid_series_new(void);
struct uuid uuid_series_next(struct uuid_series *s);
struct uuid uuid_v7(void);	/* one id */

/* When a version 7 id was made, in milliseconds since 1970; -1 of any other. */
int64_t uuid_ms(const struct uuid *u);

struct uuid_text uuid_str(const struct uuid *u);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

/* The 36-character form, either case; nothing else. */
int uuid_parse(const char *z, struct uuid *out, struct err *e) MUSTCHECK;

/*
 * A whole id or a prefix of at least 8 hex digits (dashes where they belong, or
 * none).  *lo and *hi become the smallest and the largest id it can mean.
 */
int uuid_parse_prefix(const char *z, struct uuid *lo, struct uuid *hi, struct err *e) MUSTCHECK;

#endif
