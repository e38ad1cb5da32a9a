/*
 * regex.h - what every match of a regular expression must contain
 *
 * The trigram index is on the words of files (words.h), not on their text.  To
 * be served by it, an expression is reduced to clauses: in a file that matches,
 * each clause has at least one of its strings in the word list.  Where the
 * expression is not understood it gives no clause, never a wrong one; then more
 * is searched than need be.
 */
#ifndef JOBCTL_CATALOG_REGEX_H
#define JOBCTL_CATALOG_REGEX_H

#include "base.h"

enum {
	REGEX_CLAUSES = 3,	/* the most selective ones are enough */
	REGEX_STRINGS = 16,
	REGEX_STRING_MAX = 34,	/* WORD_OVERLAP and a space on either side */
	REGEX_EXACT_MAX = 64,
};

struct clause {
	char v[REGEX_STRINGS][REGEX_STRING_MAX + 1];
	int n;
};

struct regex_needs {
	struct clause clause[REGEX_CLAUSES];	/* the most selective first */
	int nclauses;
	/*
	 * Stands in every match, as it is; "" if there is none worth looking for,
	 * or if case may not matter.
	 */
	char literal[REGEX_EXACT_MAX + 1];
};

/*
 * What a PostgreSQL regular expression (ARE) needs.  A clause's string has lower
 * case letters and digits, and may begin or end with a space: there a word begins
 * or ends.
 */
void regex_needs(const char *re, struct regex_needs *out);

#endif
