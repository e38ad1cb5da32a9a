/*
 * migrate_set.h - a set of migrations: its files, read and checked
 *
 *	NNNN_name.up.sql  NNNN_name.down.sql  [NNNN_name.verify.sql]
 *	api/NAME.sql	functions and views, applied whole when the set is at its head
 *
 * An api file says in the comment it begins with how to remove what it makes,
 * and what must be applied before it:
 *
 *	-- drop: FUNCTION jobctl.foo(int, text)		(several; or "nothing")
 *	-- after: bar
 *
 * Reading stops at nothing: everything wrong with a set is reported at once.
 */
#ifndef JOBCTL_MIGRATE_SET_H
#define JOBCTL_MIGRATE_SET_H

#include "err.h"
#include "migrate_sql.h"
#include "sql_files.h"

struct mig_problems {
	struct err *v;
	size_t n;
	bool linted;		/* what lint has a rule for is none */
};
/* A new one, to be filled at once: the pointer is good until the next call. */
struct err *mig_problem(struct mig_problems *p);
void mig_problems_free(struct mig_problems *p);

struct mig_file {
	char *path;			/* as messages name it; NULL if there is no such file */
	char *text;			/* mig_text() of it */
	size_t len;
	char sha256[65];
	bool no_transaction;
	bool empty;			/* it has no statement */
	struct mig_span *steps;		/* of a file without a transaction */
	size_t nsteps;
};

struct mig_version {
	int64_t version;		/* from 1 */
	char *name;
	struct mig_file up, down, verify;
};

struct mig_api {
	char *name;
	struct mig_file file;
	char **drops;			/* "VIEW jobctl.job", in the order they are made */
	size_t ndrops;
	char **after;
	size_t nafter;
};

struct mig_set {
	char *name;
	bool builtin;
	struct mig_version *v;		/* ascending */
	size_t n;
	struct mig_api *api;		/* in order of application */
	size_t napi;
	char api_sha256[65];		/* of all of them; "" if there are none */
};

/*
 * Read the set compiled in under this name, or a directory as a set of this
 * name.  The set is yours (mig_set_free) also on failure: -1 if there are new
 * problems.
 */
int mig_set_builtin(struct mig_set *set, const char *name, const struct sql_file *files,
		    struct mig_problems *p) MUSTCHECK;
int mig_set_dir(struct mig_set *set, const char *name, const char *dir,
		struct mig_problems *p) MUSTCHECK;

/*
 * The same of single files, in their order and whatever their names: one that
 * ends in ".down.sql" is a way back, any other one a way forth.  For looking at,
 * not for applying: their versions are 0.
 */
int mig_set_files(struct mig_set *set, char *const *paths, struct mig_problems *p) MUSTCHECK;
void mig_set_free(struct mig_set *set);

/* Some sets, in the order of dependency. */
struct mig_sets {
	struct mig_set *v;
	size_t n;
};

/*
 * The sets that a command line means: a directory, named like it or by the one name
 * given; else those compiled in (files) that are named, or all.  Yours (mig_sets_free)
 * also on failure: -1 if there are new problems, ERR_USAGE for names.
 */
int mig_sets_read(struct mig_sets *sets, const char *const *names, size_t nnames,
		  const char *dir, const struct sql_file *files,
		  struct mig_problems *p) MUSTCHECK;
void mig_sets_free(struct mig_sets *sets);

/* NULL if the set has no such version. */
const struct mig_version *mig_set_find(const struct mig_set *set, int64_t version);
int64_t mig_set_head(const struct mig_set *set);

/* Whether a migration can have this name: letters, digits, "_" and "-". */
bool mig_name_ok(const char *name);
/* The version of a file called so, and its digits; 0 if it is no migration's. */
int64_t mig_file_version(const char *file, size_t *digits);
#define MIG_VERSION_MAX INT64_C(999999999999999999)	/* 18 digits */

/* Whether a set can have this name: letters, digits, "_", "-" and ".", at most 63. */
bool mig_set_name_ok(const char *name);

/*
 * What an api made is recorded a line each; it goes the other way round.  The
 * line of all that ends at *end, which moves to the end of the one before; yours.
 */
char *mig_prev_line(const char *all, size_t *end) MUSTCHECK;

/* "VIEW jobctl.job" as DROP VIEW IF EXISTS jobctl.job (without IF EXISTS if strict). */
struct str;
void mig_put_drop(struct str *s, const char *what, bool strict);

#endif
