/*
 * tap.h - the Test Anything Protocol, as much of it as a unit test needs
 *
 *	ok(n == 3, "three rows");
 *	is_str(s.buf, "a\\nb", "newline is escaped");
 *	return tap_done();
 *
 * A test that cannot go on says so with tap_bail().
 */
#ifndef JOBCTL_TAP_H
#define JOBCTL_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

static int tap_run, tap_failed;

static inline bool PRINTF(4, 5)
tap_result(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_failed += !good;
	printf("%sok %d - ", good ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!good)
		printf("# %s:%d\n", file, line);
	return good;
}

#define ok(condition, ...) ((void)tap_result((condition), __FILE__, __LINE__, __VA_ARGS__))

#define is_int(got, want, ...) do { \
	int64_t tap_got = (got), tap_want = (want); \
	if (!tap_result(tap_got == tap_want, __FILE__, __LINE__, __VA_ARGS__)) \
		printf("# got %" PRId64 ", want %" PRId64 "\n", tap_got, tap_want); \
} while (0)

#define is_str(got, want, ...) do { \
	const char *tap_got = (got), *tap_want = (want); \
	if (!tap_result(!strcmp(tap_got, tap_want), __FILE__, __LINE__, __VA_ARGS__)) \
		printf("#  got: %s\n# want: %s\n", tap_got, tap_want); \
} while (0)

static inline NORETURN void
tap_bail(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

/* The plan, and the status for main() to return. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
