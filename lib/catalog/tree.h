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

/* What tells whether a file has changed. */
struct tree_file {
	int64_t size;
	int64_t time_us;	/* see tree_time_us(); NEVER if nothing can be known of it */
};

struct tree {
	char *root;		/* absolute, without links */
	int fd;			/* O_PATH on it */
	char commit[65];	/* what is checked out; "" without git */
	int64_t others;		/* listed, but no regular files: links, devices */
	int64_t closed;		/* directories that could not be read */
	struct str closed_names;	/* one a line */
	struct git *git;	/* that lists it */
	struct early *early;	/* files looked at before it has */
	int64_t newest;		/* the latest time of these, 0 if there are none */
};
#define TREE_INIT { .fd = -1, .closed_names = STR(20000) }

/* ERR_NOINPUT if there is no such directory. */
int tree_open(struct tree *t, const char *path, struct err *e) MUSTCHECK;
void tree_close(struct tree *t);

/* Have git begin to list the tree: it is at work until tree_list() reads what it finds. */
int tree_start(struct tree *t, struct err *e) MUSTCHECK;

/*
 * While git walks through the tree, which takes it most of the time, look at the files
 * that its index names.  Some 80 bytes are kept for each.
 */
void tree_look_ahead(struct tree *t);

/*
 * Call found for every regular file, with its path below the root.  Stops when found
 * returns -1.
 */
typedef int tree_found(void *ctx, const char *path, const struct tree_file *file,
		       struct err *e);
int tree_list(struct tree *t, tree_found *found, void *ctx, struct err *e) MUSTCHECK;

/* When a file was written, in microseconds since 1970. */
int64_t tree_time_us(const struct stat *st);

/*
 * Open a regular file of the tree for reading and get its status; -1 with errno,
 * ENOTSUP if it is something else.  Never blocks, whatever it is.
 */
int tree_open_file(const struct tree *t, const char *path, struct stat *st) MUSTCHECK;

#endif
