/*
 * tree.h - the files of a directory that git would not ignore
 *
 * git itself lists them, so that its rules hold with all their corners: nested
 * .gitignore files, .git/info/exclude, core.excludesFile.  A directory outside any
 * repository is listed by the same rules.  Repositories inside the tree, submodules
 * among them, are listed in their turn, each by its own rules.
 *
 * The tree may belong to somebody hostile: of its git configuration nothing is
 * executed, and no file is opened through a symbolic link or outside the tree.
 *
 * Runs git: proc_init() must have been called.
 */
#ifndef JOBCTL_CATALOG_TREE_H
#define JOBCTL_CATALOG_TREE_H

#include <sys/stat.h>

#include "err.h"
#include "str.h"

struct tree {
	char *root;		/* absolute, without links */
	int fd;			/* O_PATH on it */
	char commit[65];	/* what is checked out; "" without git */
	int64_t others;		/* listed, but no regular files: links, devices */
	int64_t closed;		/* directories that could not be read */
	struct str closed_names;	/* one a line */
	struct git *git;	/* that lists it */
};
#define TREE_INIT { .fd = -1, .closed_names = STR(20000) }

/* ERR_NOINPUT if there is no such directory. */
int tree_open(struct tree *t, const char *path, struct err *e) MUSTCHECK;
void tree_close(struct tree *t);

/* Have git begin to list the tree: it is at work until tree_list() reads what it finds. */
int tree_start(struct tree *t, struct err *e) MUSTCHECK;

/*
 * Call found for every regular file, with its path below the root and its
 * status, or NULL if that cannot be had; but first ask known, and if the caller has
 * seen to this file itself, leave it at that.  Stops when found returns -1.
 */
typedef bool tree_known(void *ctx, const char *path);
typedef int tree_found(void *ctx, const char *path, const struct stat *st, struct err *e);
int tree_list(struct tree *t, tree_known *known, tree_found *found, void *ctx,
	      struct err *e) MUSTCHECK;

/* lstat(2) below the root. */
int tree_stat(const struct tree *t, const char *path, struct stat *st) MUSTCHECK;

/*
 * Open a regular file of the tree for reading and get its status; -1 with errno,
 * ENOTSUP if it is something else.  Never blocks, whatever it is.
 */
int tree_open_file(const struct tree *t, const char *path, struct stat *st) MUSTCHECK;

#endif
