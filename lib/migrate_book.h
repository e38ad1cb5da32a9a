/*
 * migrate_book.h - the statements that keep the books of migrations
 *
 * Each appends complete statements.  Names of sets and migrations hold nothing
 * that would need quoting.
 */
#ifndef JOBCTL_MIGRATE_BOOK_H
#define JOBCTL_MIGRATE_BOOK_H

#include "str.h"

/* The advisory lock of migrators: "jobctlmg". */
#define MIG_LOCK_KEY INT64_C(0x6a6f6263746c6d67)

extern const char mig_book_create_sql[];	/* in schema jobctl, which must be there */
extern const char mig_book_drop_sql[];		/* and the schema, if nothing is left in it */

/* A printed plan holds no lock and may be run late: it checks both for itself. */
void mig_book_put_guard(struct str *s, const char *set, const int64_t *have, size_t n);

/*
 * A migration is done (how long it took is noted), or reverted.  The row comes
 * last, so that a script which commits by itself leaves none.
 */
void mig_book_put_done(struct str *s, const char *set, int64_t version, const char *name,
		       const char *sha256);
void mig_book_put_gone(struct str *s, const char *set, int64_t version);
/* What the set's api made, one object to a line. */
void mig_book_put_drops(struct str *s, const char *set, const char *drops);

/*
 * A step begins, is done; all steps of a migration are forgotten.  The begin is
 * on record before the step, so that a rerun knows that it may have happened.
 */
void mig_book_put_step_begun(struct str *s, const char *set, int64_t version,
			     const char *direction, size_t step, const char *sha256);
void mig_book_put_step_done(struct str *s, const char *set, int64_t version,
			    const char *direction, size_t step);
void mig_book_put_steps_gone(struct str *s, const char *set, int64_t version);

/*
 * Fails if an index that the step names is invalid: CREATE INDEX CONCURRENTLY IF
 * NOT EXISTS is content with what a failed one has left.
 */
void mig_book_put_index_check(struct str *s, const char *step);

#endif
