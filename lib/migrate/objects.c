/*
 * migrate/objects.c - what some files make, and whether it is there
 *
 * Read off the files, so that what is made in a DO block is not known, and what was
 * renamed since looks missing: for people to judge.
 */
#include "migrate/verbs.h"

#include "expect.h"
#include "str.h"

int
mig_find_objects(struct pg *db, const struct mig_set *set, size_t from, size_t n,
		 struct str *there, struct str *missing, struct err *e)
{
	struct mig_set part = { .name = set->name, .v = set->v + from, .n = n };
	struct expectations x = { .n = 0 };
	AUTOFREE size_t *gone = NULL;
	size_t ngone = 0, at = 0;
	int rc = expect_read(&x, &part, e) || expect_check(db, &x, &gone, &ngone, e);

	for (size_t i = 0; i < x.n && !rc; i++) {
		bool is_gone = at < ngone && gone[at] == i;

		at += is_gone;
		if (x.v[i].kind == EXPECT_RELATION || x.v[i].kind == EXPECT_INDEX)
			str_putf(is_gone ? missing : there, "%s %s\n",
				 x.v[i].kind == EXPECT_INDEX ? "index" : "table", x.v[i].object);
	}
	expect_free(&x);
	return rc ? -1 : 0;
}
