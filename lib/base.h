/*
 * base.h - what every file includes first
 *
 * Attributes, allocation that cannot fail, and the one clock a process uses.
 */
#ifndef JOBCTL_BASE_H
#define JOBCTL_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUSTCHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Allocation.  Memory is yours, to be freed with free().  Running out of it
 * ends the program with EX_OSERR: the programs are short, and the worker is
 * crash-only (its lease expires and another worker takes over).
 */
void *xmalloc(size_t n) MUSTCHECK;
void *xcalloc(size_t n, size_t size) MUSTCHECK;
void *xrealloc(void *p, size_t n) MUSTCHECK;
/* Room for n elements of the given size; the product is checked. */
void *xreallocarray(void *p, size_t n, size_t size) MUSTCHECK;
char *xstrdup(const char *s) MUSTCHECK;
char *xstrndup(const char *s, size_t n) MUSTCHECK;
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) MUSTCHECK;

/* For CLEANUP: free what a pointer variable holds, close a descriptor. */
void free_p(void *p);
void close_p(int *fd);
#define AUTOFREE CLEANUP(free_p)
#define AUTOFD CLEANUP(close_p) int

/*
 * Time inside a process: milliseconds of CLOCK_BOOTTIME, which nobody sets and
 * which goes on while the machine is suspended: a lease does, too.  A deadline is
 * such a time, absolute; NEVER is later than any.  Stored times are the server's
 * business.
 */
#define NEVER INT64_MAX
int64_t now_ms(void);
int64_t deadline_in(int64_t ms);	/* NEVER stays NEVER */
int64_t earliest(int64_t a, int64_t b);
/* Milliseconds left until t, fit for poll(): -1 for NEVER, never negative else. */
int poll_timeout(int64_t t);

#endif
