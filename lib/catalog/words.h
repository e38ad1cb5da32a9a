/*
 * words.h - the words of source text, as the catalog indexes them and as a
 * search asks for them
 *
 * An identifier is a run of letters, digits and "_".  Between its underscores
 * stand words; a word has humps: getUserName2 has get, user and name2, HTTPServer
 * has http and server.  Everything is folded to lower case.
 *
 * A file's word list holds each of its words and each hump once, after a space.
 * What it promises to a search: whatever ASCII letters and digits stand together
 * in the text, up to WORD_OVERLAP of them, stand together in a word of the list;
 * and if no word character stands before (after) them in the text, then a space
 * does in the list.
 */
#ifndef JOBCTL_CATALOG_WORDS_H
#define JOBCTL_CATALOG_WORDS_H

#include "str.h"

enum {
	IDENT_MAX = 240,	/* bytes; what is longer is cut into overlapping pieces */
	WORD_MAX = 64,
	WORD_OVERLAP = 32,
};

enum { EDGE_HUMP = 1, EDGE_WORD = 2 };

/* An identifier, folded and without its underscores. */
struct ident {
	size_t start, end;		/* where it stands in the text */
	size_t len;
	char z[IDENT_MAX + 1];
	unsigned char edge[IDENT_MAX + 1];	/* what begins at a byte of z; edge[len] is set */
};

/* The next identifier from *pos on, in n bytes of UTF-8; false at the end. */
bool ident_next(const char *p, size_t n, size_t *pos, struct ident *id);

/* One for each word of an identifier and one for each hump, if it has several. */
typedef void word_found(void *ctx, const char *word, size_t n);
void ident_words(const struct ident *id, word_found *found, void *ctx);

/*
 * Whether the folded, underscoreless bytes z are the whole of the identifier (2),
 * a part that begins and ends at humps (1), or neither (0).  MATCH_PREFIX lets
 * them end anywhere; MATCH_FIRST and MATCH_LAST ask that they stand at its
 * beginning, its end.
 */
enum { MATCH_PREFIX = 1, MATCH_FIRST = 2, MATCH_LAST = 4 };
int ident_matches(const struct ident *id, const char *z, size_t n, int how);

/* A growing set of words; the memory is used again after words_reset(). */
struct words {
	struct str list;	/* " foo bar baz", without the last space */
	bool partial;		/* there were more than fit */
	uint32_t *slots;	/* offsets into the list, + 1; 0 is free */
	size_t nslots, n;
};
#define WORDS(limit) { .list = STR(limit) }

void words_add(struct words *w, const char *p, size_t n);
/* The list, borrowed until the next call: " foo bar baz ", or " ". */
const char *words_list(struct words *w);
void words_reset(struct words *w);
void words_free(struct words *w);

#endif
