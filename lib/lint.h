/*
 * lint.h - what in a set of migrations is dangerous on a database in use
 *
 * The files are read in order, so that a statement is judged by what is there
 * when it runs: an index on a table that the same file makes blocks nobody.
 * A line "-- jobctl: allow RULE reason" before a statement, or in it, takes a
 * finding back.  No database is asked.
 */
#ifndef JOBCTL_LINT_H
#define JOBCTL_LINT_H

#include "migrate_set.h"

enum lint_rule_id {
	LINT_TRANSACTION_CONTROL,
	LINT_TABLE_REWRITE,
	LINT_MISSING_CONCURRENTLY,
	LINT_NOT_IN_TRANSACTION,
	LINT_COLUMN_WITHOUT_DEFAULT,
	LINT_SET_NOT_NULL,
	LINT_MISSING_NOT_VALID,
	LINT_CONSTRAINT_BUILDS_INDEX,
	LINT_DROP_CASCADE,
	LINT_DROP_IN_USE,
	LINT_FK_WITHOUT_INDEX,
	LINT_DROP_TABLE,
	LINT_DROP_COLUMN,
	LINT_DROP_INDEX,
	LINT_RENAME,
	LINT_LOCK_TABLE,
	LINT_TRUNCATE,
	LINT_NO_WHERE,
	LINT_WORK_UNDER_LOCK,
	LINT_SEVERAL_LOCKS,
	LINT_NO_LOCK_TIMEOUT,
	LINT_NEW_ENUM_VALUE,
	LINT_STEP_NOT_REPEATABLE,
	LINT_EMPTY_DOWN,
	LINT_NOT_UNDERSTOOD,
	LINT_USELESS_ALLOW,
	LINT_NRULES
};

struct lint_rule {
	const char *name;
	bool error;		/* else a warning */
	const char *safe;	/* the safe way, where a finding does not know better */
};
extern const struct lint_rule lint_rules[LINT_NRULES];

struct lint_finding {
	const struct mig_set *set;
	int64_t version;	/* 0: of no numbered migration */
	const char *path;
	int line;
	const struct lint_rule *rule;
	char *text;
	const char *safe;
};

struct lint {
	struct lint_finding *v;	/* in the order of files and lines */
	size_t n;
	size_t errors;		/* how many of them are */
	size_t files;		/* that were judged */
};

struct lint_goal {
	int64_t applied;	/* up to here all is applied and only read; -1: nothing known */
	bool (*wanted)(void *ctx, const char *path);	/* NULL: all files */
	void *ctx;
};

/*
 * Judge the sets, in their order; files that could not be read are left out.
 * The findings are yours (lint_free) and borrow the sets.
 */
int lint_sets(struct lint *l, const struct mig_set *sets, size_t nsets,
	      const struct lint_goal *goal, struct err *e) MUSTCHECK;
void lint_free(struct lint *l);

#endif
