/*
 * report.h - what was checked, expected and found, for people, for prove(1) and for jq
 *
 * Checks are collected in the order they are made and written section by section, in
 * every format in the same order and under the same ids.  Whatever a check says is
 * escaped when it is written.
 */
#ifndef JOBCTL_REPORT_H
#define JOBCTL_REPORT_H

#include <stdio.h>

#include "base.h"

enum verdict { PASS, FAIL, WARN, SKIP };
extern const char *const verdict_names[];

struct check {
	enum verdict verdict;
	const char *section;	/* of report_sections[] */
	char *id;
	char *what;		/* one line: what was looked at, or what is wrong with it */
	char *expected, *actual, *evidence;	/* each may be NULL */
	char *fix;		/* a statement that sets it right, or NULL */
};

/* What stands at the top: "server", "PostgreSQL 15.14". */
struct report_fact {
	char *name, *value;
};

struct report {
	const char *title;	/* borrowed */
	bool color;		/* verdicts in Markdown that want a look, for a terminal */
	bool whole;		/* Markdown has all sections but drift, so that none is missed */
	struct report_fact *fact;
	size_t nfacts;
	struct check *v;
	size_t n;
	size_t count[4];	/* by verdict */
	struct report_ids *ids;
};
#define REPORT_INIT { .n = 0 }

/* The order in which they are written; NULL-terminated. */
extern const char *const report_sections[];

/*
 * Add a check.  The strings are taken; all but id and what may be NULL.  The section
 * is one of report_sections[].  An id that is there already gets a number.
 */
void report_check(struct report *r, enum verdict v, const char *section, char *id, char *what,
		  char *expected, char *actual, char *evidence);
/* The statement that would set the last check right; taken. */
void report_fix(struct report *r, char *fix);

/* A fact for the top; the value is taken, NULL is unknown. */
void report_fact(struct report *r, const char *name, char *value);

/*
 * An id: words joined by dots, of what the format makes.  Blanks behind a comma go, others
 * become "_", as do control characters: an id is one word, whatever a table is called.  Yours.
 */
char *report_id(const char *fmt, ...) PRINTF(1, 2) MUSTCHECK;

enum report_format { REPORT_MD, REPORT_TAP, REPORT_JSON };
void report_write(const struct report *r, enum report_format format, FILE *to);

void report_free(struct report *r);

#endif
