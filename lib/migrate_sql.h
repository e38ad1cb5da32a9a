/*
 * migrate_sql.h - what can be known of an SQL file without a server
 *
 * The scanner finds where statements begin and end: enough to name the line of
 * one that failed and to refuse a file that ends its own transaction.  It knows
 * quotes, comments, parentheses and SQL-standard function bodies, and nothing
 * of what a statement means.
 */
#ifndef JOBCTL_MIGRATE_SQL_H
#define JOBCTL_MIGRATE_SQL_H

#include "err.h"

/*
 * The text as it is run and as its checksum is made: no byte order mark, lines
 * that end in a newline alone, none blank at the end.  Yours.  ERR_DATA, naming
 * the line, if it is not UTF-8 text.
 */
int mig_text(const char *raw, size_t n, char **text, size_t *len, struct err *e) MUSTCHECK;

/* SHA-256 in hex. */
void mig_sha256(const void *p, size_t n, char hex[65]);

/* The line, from 1, of a byte; and of the n-th character, from 1 as PostgreSQL counts. */
int mig_line_of_byte(const char *text, size_t at);
int mig_line_of_char(const char *text, size_t len, int64_t n);

struct mig_stmt {
	size_t start, end;	/* end is past the semicolon, if there is one */
	char word[3][16];	/* the first words, in capitals, cut; "" if there are fewer */
};

struct mig_stmts {
	struct mig_stmt *v;	/* yours: free() */
	size_t n;
};

/*
 * All statements of a text, empty ones left out as the server does.  ERR_DATA,
 * naming the line, if a quote or comment is not closed.
 */
int mig_scan(const char *text, size_t len, struct mig_stmts *s, struct err *e) MUSTCHECK;

/* Whether a statement begins or ends a transaction (ROLLBACK TO a savepoint does not). */
bool mig_is_transaction_control(const struct mig_stmt *s);

/*
 * The comment lines a file begins with may say things to us:
 *
 *	-- KEY: value
 *
 * Calls fn for each such line in order, key and value without the space around
 * them.  Stops and returns what fn returns if that is not 0.
 */
int mig_headers(const char *text, size_t len,
		int (*fn)(void *ctx, const char *key, size_t nkey, const char *value, size_t n),
		void *ctx);

/*
 * The lines "-- jobctl: ...": no-transaction in the comment a file begins with,
 * step anywhere in such a file, "allow RULE reason" anywhere.  ERR_DATA for any
 * other, so that a misspelt one is not taken for a comment.
 */
int mig_directives(const char *text, size_t len, bool *no_transaction, struct err *e) MUSTCHECK;

/* Calls fn for each line that allows something, with where it begins and the rule. */
void mig_allows(const char *text, size_t len,
		void (*fn)(void *ctx, size_t at, const char *rule, size_t n), void *ctx);

/* A piece of a text. */
struct mig_span {
	size_t start, len;
};

/*
 * The steps of a file that runs without a transaction: what stands between the
 * lines "-- jobctl: step".  *v is yours.  ERR_DATA if one has not exactly one
 * statement; what comes before the first such line may be empty of them.
 */
int mig_steps(const char *text, size_t len, struct mig_span **v, size_t *n,
	      struct err *e) MUSTCHECK;

/*
 * What a statement does to an index concurrently, as far as it has no comments inside.
 * Names as the catalogs have them; yours (mig_index_free).
 */
struct mig_index {
	char *name;		/* CREATE: NULL if it gives none */
	char *schema, *table;	/* CREATE; else NULL, as is a schema that is not given */
	bool rebuilds;		/* REINDEX */
	size_t if_exists;	/* DROP: where IF EXISTS would stand; 0 if it does, or for CREATE */
};
/* Of "a_ccnew1", which REINDEX CONCURRENTLY was making of index a, the length of "a"; else 0. */
size_t mig_transient(const char *index);
bool mig_index(const char *sql, size_t len, struct mig_index *ret);
void mig_index_free(struct mig_index *i);

/* -1, 0, 1: program versions compared by their numbers, "0.10.0" after "0.9". */
int mig_version_cmp(const char *a, const char *b);

#endif
