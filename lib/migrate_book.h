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

/*
 * Of an invalid index i of pg_index: that nobody is building it.  Whose build is not ours
 * to see is known by its lock on the table.
 */
#define MIG_NOT_BEING_BUILT \
	"NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p" \
	" WHERE p.index_relid = i.indexrelid OR p.relid IS NULL AND EXISTS" \
	" (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = p.pid AND l.relation = i.indrelid))"

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

/*
 * A migration counts as applied though it was not run: origin is "baseline" or
 * "repair".  Another checksum for one that is.
 */
void mig_book_put_marked(struct str *s, const char *set, int64_t version, const char *name,
			 const char *sha256, const char *origin);
void mig_book_put_sha256(struct str *s, const char *set, int64_t version, const char *sha256);
/* What rows that come and go cannot tell; a checksum may be NULL. */
void mig_book_put_event(struct str *s, const char *set, int64_t version, const char *name,
			const char *event, const char *old_sha256, const char *new_sha256);

/* What the set's api made, one object to a line. */
void mig_book_put_drops(struct str *s, const char *set, const char *drops);

/*
 * A step begins, is done, has failed; all steps of a migration are forgotten.  The begin is
 * on record before the step, so that a rerun knows that it may have happened.
 */
void mig_book_put_step_begun(struct str *s, const char *set, int64_t version,
			     const char *direction, size_t step, const char *sha256);
void mig_book_put_step_done(struct str *s, const char *set, int64_t version,
			    const char *direction, size_t step);
void mig_book_put_step_failed(struct str *s, const char *set, int64_t version,
			      const char *direction, size_t step, const char *error);
void mig_book_put_steps_gone(struct str *s, const char *set, int64_t version);

/*
 * Fails if an index that the step names is invalid: CREATE INDEX CONCURRENTLY IF
 * NOT EXISTS is content with what a failed one has left.
 */
void mig_book_put_index_check(struct str *s, const char *step);

#endif
