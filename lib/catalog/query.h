/*
 * query.h - what a search asks for, in words
 *
 *	parse_int overflow	both, in any order
 *	"unsigned long"		one after the other; so is std::string
 *	alpha OR beta		either; binds less than words side by side
 *	-test			not
 *	job_*			a word beginning with
 *
 * A word is matched by its humps (words.h): user_name finds userName and
 * UserName, and name finds all of them, but rename does not.
 */
#ifndef JOBCTL_CATALOG_QUERY_H
#define JOBCTL_CATALOG_QUERY_H

#include "catalog/words.h"
#include "err.h"

enum { QUERY_BYTES = 1000, QUERY_ITEMS = 32, QUERY_WORDS = 16 };

struct query_word {
	struct ident id;	/* as it was typed, taken apart */
	bool prefix;
};

struct query_item {
	struct query_word word[QUERY_WORDS];	/* found one after the other */
	int nwords;
	bool not;
	int group;		/* items of a group must all hold, and one group must */
	char typed[64];		/* as it was typed, to prefer the same case */
};

struct query {
	struct query_item *item;
	int nitems, ngroups;
};

/* The operands of a command line, joined by spaces.  ERR_USAGE says what is wrong. */
int query_parse(struct query *q, char *const *words, struct err *e) MUSTCHECK;
void query_free(struct query *q);

/* The query as a tsquery: what a file's word list must fulfil so that the file can match. */
void query_tsquery(const struct query *q, struct str *s);

/* A line of a matching text. */
struct query_hit {
	int line;		/* from 0 */
	size_t off, len;	/* the line in the text, without its newline */
	double score;		/* what of the query stands on it, and how exactly */
};

/*
 * Find the query in a text: the lines on which its words stand, in order, if the
 * text as a whole fulfils it, else none.  *hits is yours, grown as needed and
 * used again; returns how many.
 */
struct query_hits {
	struct query_hit *v;
	size_t n, cap;
};
size_t query_match(const struct query *q, const char *p, size_t n, struct query_hits *hits);

#endif
