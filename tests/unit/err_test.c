/*
 * err_test - errors are one line, whatever they were made of
 */
#include "err.h"

#include <errno.h>

#include "tap.h"

static void
filling(void)
{
	struct err e = { .hint = "stale" };
	int rc = err_set(&e, ERR_DATA, "line %d is %s", 3, "bad");

	is_int(rc, -1, "err_set is -1");
	is_int(e.kind, ERR_DATA, "the kind is kept");
	is_str(e.msg, "line 3 is bad", "the text is formatted");
	is_str(e.hint, "", "an old hint is gone");

	errno = ENOENT;
	(void)err_sys(&e, ERR_NOINPUT, "cannot open %s", "x");
	is_str(e.msg, "cannot open x: No such file or directory", "err_sys adds the reason");
	is_int(e.sys, ENOENT, "and keeps its number");

	err_hint(&e, "run: %s\n", "ls");
	(void)err_ctx(&e, "file %d", 7);
	is_str(e.msg, "file 7: cannot open x: No such file or directory", "context goes in front");
	is_str(e.hint, "run: ls", "and leaves the hint");
	is_int(e.kind, ERR_NOINPUT, "and the kind");
}

static const struct {
	const char *text, *want;
} tidied[] = {
	{ "connection failed:\n\tIs the server running?\n", "connection failed: Is the server running?" },
	{ "the end.\n", "the end" },
	{ "and so on...", "and so on..." },
	{ ".", "." },
	{ "", "" },
	{ "\n\n", "" },
	{ " \t lead", "lead" },
	{ "a\r\nb  c", "a b c" },
};

static void
tidying(void)
{
	struct err e;

	for (size_t i = 0; i < NELEM(tidied); i++) {
		(void)err_set(&e, ERR_OS, "%s", tidied[i].text);
		is_str(e.msg, tidied[i].want, "tidy text %zu", i);
	}
}

static void
bounds(void)
{
	struct err e;
	char huge[5000];

	memset(huge, 'x', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	(void)err_set(&e, ERR_OS, "%s", huge);
	is_int(strlen(e.msg), sizeof e.msg - 1, "a long text is cut");
	errno = EPERM;
	(void)err_sys(&e, ERR_OS, "%s", huge);
	is_int(strlen(e.msg), sizeof e.msg - 1, "so is one with a reason");
	(void)err_ctx(&e, "%s", huge);
	is_int(strlen(e.msg), sizeof e.msg - 1, "and one with context");
	err_hint(&e, "%s", huge);
	is_int(strlen(e.hint), sizeof e.hint - 1, "and a hint");
}

int
main(void)
{
	filling();
	tidying();
	bounds();
	return tap_done();
}
