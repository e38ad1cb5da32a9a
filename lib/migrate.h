/*
 * migrate.h - what a database has of some sets, and how that differs from their files
 *
 * The bookkeeping is jobctl.schema_migrations, one row for each migration that
 * is applied and one with version 0 for a set's api.  The migrator makes it (and
 * schema jobctl) itself and removes it with the last row, so that no set has to.
 * Steps of files that run without a transaction are in
 * jobctl.schema_migration_steps until the whole file is done.  What was done to the
 * books by hand, and what was reverted, is in jobctl.schema_migration_events.
 */
#ifndef JOBCTL_MIGRATE_H
#define JOBCTL_MIGRATE_H

#include "migrate_set.h"
#include "pg.h"

enum mig_status {
	MIG_APPLIED,
	MIG_PENDING,
	MIG_OUTDATED,		/* an api that differs from the files */
	MIG_INTERRUPTED,	/* some steps of a file without a transaction are done */
	MIG_OUT_OF_ORDER,	/* pending, though a later one is applied */
	MIG_EDITED,		/* the file is not what was applied */
	MIG_MISSING,		/* applied, and there is no file */
	MIG_NEWER,		/* applied, and past the last file: by a newer program */
};
extern const char *const mig_status_names[];

/* A migration, or with version 0 a set's api. */
struct mig_item {
	const struct mig_set *set;
	int64_t version;
	const char *name;
	const struct mig_version *files;	/* NULL: missing, or the api */
	enum mig_status status;

	/* Its row; NULL if there is none. */
	const char *sha256, *applied_at, *duration_s, *tool_version, *role;
	const char *origin;	/* "up", "baseline" or "repair" */
	const char *drops;	/* of an api: what it made, one to a line, in that order */

	const char *events;	/* that it had, as a JSON array; NULL: none */

	/* If it was interrupted: */
	bool reverting;		/* on the way down */
	size_t steps_done;
	bool step_open;		/* the step after those was begun, */
	const char *step_began;	/* then; */
	const char *step_error;	/* it failed with this, or NULL: its end is not known */
};

struct mig_state {
	bool exists;		/* the bookkeeping */
	bool schema_exists;
	bool others;		/* it has rows of sets that were not asked for */
	char *search_path;	/* to be set for scripts; NULL: the session's own will do */
	struct mig_item *v;	/* set by set; in a set by version, the api last */
	size_t n;
	PGresult *rows;
	PGresult *events;
	PGresult *indexes;	/* that are invalid, or an open step may have made: see MIG_INDEX_SET */
};
#define MIG_STATE_INIT { .exists = false }

/*
 * The columns of indexes: of which open step (NULL: of none), how it is called, whether it
 * is valid, its schema, its table, and whether that is found without the schema.
 */
enum {
	MIG_INDEX_SET, MIG_INDEX_VERSION, MIG_INDEX_NAME, MIG_INDEX_QUOTED, MIG_INDEX_VALID,
	MIG_INDEX_SCHEMA, MIG_INDEX_TABLE, MIG_INDEX_VISIBLE
};

/* The state is yours (mig_state_free) on success; it borrows the sets. */
int mig_state_read(struct pg *db, const struct mig_set *sets, size_t nsets, struct mig_state *st,
		   struct err *e) MUSTCHECK;
void mig_state_free(struct mig_state *st);

/* Everything that keeps `up` from running; returns their number. */
size_t mig_state_problems(const struct mig_state *st, bool allow_out_of_order,
			  struct mig_problems *p);

/* What `status` exits with: ERR_NO for pending, ERR_DATA edited or missing, ERR_SCHEMA newer. */
enum err_kind mig_state_verdict(const struct mig_state *st);

/* Whether the item has a row, and whether `up` has something to do for it. */
bool mig_is_applied(const struct mig_item *it);
bool mig_is_due(const struct mig_item *it);

/* The statements that make the bookkeeping, if it is not there. */
void mig_put_books(struct str *s, const struct mig_state *st);

/* "jobctl 0001_tenancy", or "jobctl api". */
void mig_put_label(struct str *s, const struct mig_item *it);

#endif
