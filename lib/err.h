/*
 * err.h - an error is a value: filled once where it happens, printed once in main()
 *
 * Library code returns -1 and leaves the reason here; it never prints, logs or
 * exits.  The arrays are fixed so that filling an error cannot fail.
 */
#ifndef JOBCTL_ERR_H
#define JOBCTL_ERR_H

#include "base.h"

/* A kind is the exit status it leads to: sysexits.h and interface "Exit status". */
enum err_kind {
	ERR_NONE = 0,
	ERR_NO = 1,		/* it ran, and the answer is no */
	ERR_USAGE = 64,
	ERR_DATA = 65,
	ERR_NOINPUT = 66,	/* no such job, file, directory */
	ERR_UNAVAILABLE = 69,	/* no database, or the connection broke */
	ERR_SOFTWARE = 70,	/* an SQLSTATE nobody expected */
	ERR_OS = 71,
	ERR_CANTCREAT = 73,
	ERR_IO = 74,
	ERR_TEMPFAIL = 75,	/* locked, quota, serialization: try again */
	ERR_SCHEMA = 76,	/* schema missing or outside this program's range */
	ERR_NOPERM = 77,
	ERR_CONFIG = 78
};

struct err {
	enum err_kind kind;
	int sys;		/* errno at the failure, or 0 */
	char sqlstate[6];	/* "" unless the server sent one */
	char msg[1000];		/* one line, no newline, no final period */
	char hint[300];		/* what to do next, or "" */
};

#define ERR_INIT { .kind = ERR_NONE }

/*
 * All are the number -1, so that "return err_set(...)" reads as one step; macros,
 * so that the compiler and the analyzers know it too.
 */
#define err_set(...) (err_set_(__VA_ARGS__), -1)	/* e, kind, fmt, ... */
#define err_sys(...) (err_sys_(__VA_ARGS__), -1)	/* e, kind, fmt, ...: adds strerror(errno) */
#define err_ctx(...) (err_ctx_(__VA_ARGS__), -1)	/* e, fmt, ...: puts "ctx: " in front */

void err_set_(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
void err_sys_(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
void err_ctx_(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Set the hint of an error already filled. */
void err_hint(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/*
 * For what a call has to say before it has an answer, such as whom it waits for: the
 * program's, which prints it (cmd_parse() sees to that), or NULL, and nobody is told.
 */
extern void (*err_meanwhile)(const char *text);

#endif
