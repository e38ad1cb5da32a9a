/*
 * inventory.h - everything there is in a database, and what differs between two of them
 *
 * What is not listed: what belongs to the server or to extensions, the books of
 * jobctl-migrate, the order of columns, and rows.  Definitions are in the
 * server's own words (pg_get_*def), so that two of the same server can be compared as
 * text.  lib/inventory.sql is the statement.
 */
#ifndef JOBCTL_INVENTORY_H
#define JOBCTL_INVENTORY_H

#include "pg.h"

struct inv_row {
	const char *kind, *name;	/* which together are unique */
	const char *def;
	const char *show;		/* the same on one line, a long body as its checksum */
	const char *make, *drop, *alter;	/* statements; NULL: there is none */
	const char *addr, *of;		/* of the object, if it is one; of what it is a part of */
	const char *schema;		/* of an object that is no part of another; or NULL */
	bool inlined;			/* its part comes with it */
	bool passing;			/* comes and goes with time: partitions by range */
	bool implied;			/* a privilege that the owner has anyway; that who looks is the owner */
	bool concurrent;		/* an index that can be made without keeping writers out */
	int64_t ord, ord2;		/* the order in which they were made */
};

struct inventory {
	PGresult *res;
	struct inv_row *v;		/* in order of kind and name */
	size_t n;
};
#define INVENTORY_INIT { .n = 0 }

/* Its settings and, if there is none yet, its transaction end with it; count: rows of tables, too. */
int inventory_read(struct pg *db, bool count, struct inventory *ret, struct err *e) MUSTCHECK;
void inventory_free(struct inventory *inv);

/* Keep the rows of which fn says so. */
void inventory_keep(struct inventory *inv, bool (*fn)(void *ctx, const struct inv_row *r),
		    void *ctx);
/* The role that a row is about, which is the whole server's; NULL if it is about none. */
const char *inventory_role(const struct inv_row *r);

const struct inv_row *inventory_find(const struct inventory *inv, const char *kind,
				     const char *name);

/*
 * Whether it is said of an object (a default, a comment, a privilege), rather than an
 * object with a name of its own that is a part of another.
 */
bool inventory_is_said(const struct inv_row *r);

/* One of the two is NULL if it is only in the other. */
struct inv_change {
	const struct inv_row *from, *to;
};
/*
 * What differs, in the order in which it was made; *v is yours and borrows.  Implied
 * rows are left out.
 */
void inventory_diff(const struct inventory *from, const struct inventory *to,
		    struct inv_change **v, size_t *n);

#endif
