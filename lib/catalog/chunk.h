/*
 * chunk.h - a source text in pieces that follow its structure
 *
 * Invariants of the result, whatever the text: the pieces are in order, touch
 * each other and cover the text from its first byte to its last; none is empty;
 * each holds at most CHUNK_BYTES; an empty text has none.  Line numbers count
 * from 1; only pieces of one line too long for a chunk share a number.
 */
#ifndef JOBCTL_CATALOG_CHUNK_H
#define JOBCTL_CATALOG_CHUNK_H

#include "catalog/lang.h"

enum {
	CHUNK_LINES = 60,	/* the usual target for blocks */
	CHUNK_LINES_MIN = 5,
	CHUNK_LINES_MAX = 10000,
	CHUNK_SMALL = 10,	/* a text with fewer lines is one chunk */
	CHUNK_BYTES = 16384,
	SYMBOL_MAX = 200,
};

enum chunk_type { CHUNK_BLOCK, CHUNK_FUNCTION, CHUNK_CLASS };

struct chunk {
	size_t off, len;
	int start, end;
	enum chunk_type type;
	size_t sym, symlen;	/* its name, within the text; 0 0 if it has none */
};

/* A definition found in the text; lines count from 0 here. */
struct def {
	int first, last;
	int parent;		/* index of the class it stands in, or -1 */
	enum chunk_type type;
	size_t sym, symlen;
};

/* Used again for text after text; chunker_free() ends it. */
struct chunker {
	int target;
	const char *p;		/* borrowed while chunk_text() runs */
	size_t n;
	size_t *line;		/* where each begins; line[nlines] == n */
	int nlines, line_cap;
	struct def *def;	/* by first line; a class before what stands in it */
	int ndefs, def_cap;
	struct chunk *v;	/* the result */
	int count, cap;
};
#define CHUNKER(lines) { .target = (lines) }

/* lang may be NULL.  The result is in c->v until the next call. */
void chunk_text(struct chunker *c, const struct lang *lang, const char *p, size_t n);
void chunker_free(struct chunker *c);

const char *chunk_type_name(enum chunk_type t);

/* For the finders of definitions, chunk_braces.c and chunk_lines.c. */
void find_braces(struct chunker *c, const struct lang *lang);
void find_indented(struct chunker *c, const struct lang *lang);
void find_ended(struct chunker *c, const struct lang *lang);
void find_shell(struct chunker *c);
void find_sql(struct chunker *c);

struct def *chunk_add_def(struct chunker *c, enum chunk_type type, int first, int parent,
			  size_t sym, size_t symlen);
/* The line that holds byte at. */
int chunk_line_of(const struct chunker *c, size_t at);
/* Line i without its newline: *from to *end, *from at its first character that is no blank. */
int chunk_line(const struct chunker *c, int i, const char **from, const char **end);

#endif
