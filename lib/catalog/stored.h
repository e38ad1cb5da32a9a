/*
 * stored.h - what the catalog has of a tree
 *
 * Some 80 bytes for each stored file.  git lists most of a tree in the order in
 * which these are kept, so that a path is mostly found at the first look.
 */
#ifndef JOBCTL_CATALOG_STORED_H
#define JOBCTL_CATALOG_STORED_H

#include "catalog/store.h"
#include "catalog/tree.h"

struct stored {
	size_t path;		/* where it begins in paths */
	int64_t size;
	int64_t time_us;	/* NEVER: it is to be looked into in any case */
	bool binary;
	bool listed;		/* the tree has it; the caller's to set */
};

struct stored_set {
	struct str paths;	/* each ended by NUL */
	struct stored *v;	/* by the bytes of their paths */
	size_t n, cap;
	size_t next;		/* the one after that which was found last */
};
#define STORED_INIT { .paths = STR(STR_ANY) }

int stored_load(struct stored_set *s, struct run *r, struct err *e) MUSTCHECK;
void stored_free(struct stored_set *s);
const char *stored_path(const struct stored_set *s, const struct stored *f);

/* By the path that the catalog has; NULL if it has none.  Borrowed. */
struct stored *stored_find(struct stored_set *s, const char *path);

/* Whether this is what is stored. */
bool stored_is(const struct stored *f, const struct tree_file *file);

#endif
