/*
 * search.h - finding lines in what was indexed
 */
#ifndef JOBCTL_CATALOG_SEARCH_H
#define JOBCTL_CATALOG_SEARCH_H

#include "err.h"
#include "pg.h"

enum { SEARCH_REGEX_BYTES = 1000 };

struct search {
	char *const *words;	/* NULL-terminated; none is fine with a regex */
	const char *regex;	/* or NULL; words then only narrow down the files */
	bool any_case;		/* of the regex */
	const char *project, *repo, *lang;	/* or NULL: all */
	int64_t max;		/* lines wanted, the best ones; 0: all */
};

struct search_line {
	char *project, *repo, *repo_path, *path, *text;
	char *language, *symbol;	/* or NULL */
	int64_t line, chunk_start, chunk_end;
	double rank;
};

/* What was found, best first. */
struct search_result {
	struct search_line *v;
	size_t n, cap;
	int64_t repositories;	/* that were searched */
	bool partial;		/* there was more than is looked at */
};

/*
 * On a fresh connection.  The result is yours (search_result_free) also on
 * failure.  ERR_USAGE for a query that says nothing, ERR_NOINPUT for a project or
 * repository that does not exist, ERR_DATA for a bad regex.
 */
int search_run(struct pg *db, const struct search *s, struct search_result *r,
	       struct err *e) MUSTCHECK;
void search_result_free(struct search_result *r);

#endif
