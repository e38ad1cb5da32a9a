/*
 * chunk_head.h - what the text before a "{" says of the body after it
 */
#ifndef JOBCTL_CATALOG_CHUNK_HEAD_H
#define JOBCTL_CATALOG_CHUNK_HEAD_H

#include "catalog/chunk.h"

struct word {
	const char *p;
	size_t n;
};

bool word_char(char c);			/* of identifiers, in any of the languages */
struct word word_at(const char *p, const char *e);
bool word_in(struct word w, const char *const *list);
const char *skip_space(const char *p, const char *e);

/* What can stand in a body.  OPEN: definitions; FUNCTION: nothing that is looked for. */
enum level { OPEN, FUNCTION, OTHER };

/*
 * Judge the head in [from, to).  If it begins a definition, *type and *name say
 * which; a name may be empty.  *is_def is false for namespaces and the like.
 */
enum level head_judge(const struct lang *lang, const char *from, const char *to, bool *is_def,
		      enum chunk_type *type, struct word *name);

#endif
