/*
 * rows.c - what is said of statements that change, read or lock rows
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

void
lint_lock_table(struct lint_job *j, const json_t *f)
{
	enum { SHARE = 5, ACCESS_EXCLUSIVE = 8 };	/* lockdefs.h */
	const json_t *node;
	size_t i;

	json_array_foreach(tree_get(f, "relations"), i, node) {
		const json_t *range = tree_node(node, "RangeVar");
		struct lint_name name = lint_range(range);
		struct lint_rel *rel = lint_find(&j->m, name);

		if (!lint_in_use(j, rel) || tree_int(f, "mode") < SHARE)
			continue;
		lint_report(j, LINT_LOCK_TABLE, lint_at(j, range), NULL,
			    "nobody can %s %s until the migration is done",
			    tree_int(f, "mode") == ACCESS_EXCLUSIVE ? "use" : "change rows of",
			    lint_label(name).z);
		if (tree_int(f, "mode") == ACCESS_EXCLUSIVE)
			lint_lock(j, name, rel);
	}
}

void
lint_truncate(struct lint_job *j, const json_t *f)
{
	const json_t *node;
	size_t i;

	json_array_foreach(tree_get(f, "relations"), i, node) {
		const json_t *range = tree_node(node, "RangeVar");
		struct lint_name name = lint_range(range);
		struct lint_rel *rel = lint_find(&j->m, name);

		if (!lint_in_use(j, rel))
			continue;
		lint_report(j, LINT_TRUNCATE, lint_at(j, range), NULL,
			    "all rows of %s%s are lost, and down cannot bring them back",
			    lint_label(name).z, tree_is(f, "behavior", "DROP_CASCADE")
			    ? " and of every table that refers to it" : "");
		lint_lock(j, name, rel);
	}
}

static void
change(struct lint_job *j, const json_t *f, const char *verb)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));
	struct lint_rel *rel = lint_find(&j->m, name);
	const json_t *where = tree_get(f, "whereClause");
	const json_t *always = tree_get(tree_node(where, "A_Const"), "boolval");

	if (!lint_in_use(j, rel) || (rel && rel->kind == LINT_VIEW))
		return;
	if (!where || tree_true(always, "boolval"))
		lint_report(j, LINT_NO_WHERE, j->here, NULL, "%s of all rows of %s at once", verb,
			    lint_label(name).z);
	for (size_t i = 0; i < j->nlocked; i++)
		if (lint_same(j->locked[i], name)) {
			lint_report(j, LINT_WORK_UNDER_LOCK, j->here, NULL,
				    "%s of %s while this migration keeps everybody from it", verb,
				    lint_label(name).z);
			break;
		}
}

void
lint_update(struct lint_job *j, const json_t *f)
{
	change(j, f, "UPDATE");
}

void
lint_delete(struct lint_job *j, const json_t *f)
{
	change(j, f, "DELETE");
}

/* Whether it reads a table in use; those of the server itself are not meant. */
static bool
reads_used(void *ctx, const char *type, const json_t *fields)
{
	struct lint_name name = lint_range(fields);

	return !strcmp(type, "RangeVar") && (!name.schema || strcmp(name.schema, "pg_catalog") != 0) &&
	       (!name.schema || strcmp(name.schema, "information_schema") != 0) &&
	       strncmp(name.name ? name.name : "", "pg_", 3) != 0 &&
	       lint_in_use(ctx, lint_find(&((struct lint_job *)ctx)->m, name));
}

void
lint_work_under_lock(struct lint_job *j, const char *what)
{
	if (j->nlocked)
		lint_report(j, LINT_WORK_UNDER_LOCK, j->here, NULL,
			    "%s reads a table in use while this migration keeps everybody from %s", what,
			    lint_label(j->locked[0]).z);
}

static void
work(struct lint_job *j, const json_t *query, const char *what)
{
	if (j->nlocked && tree_any(query, reads_used, j))
		lint_work_under_lock(j, what);
}

void
lint_insert(struct lint_job *j, const json_t *f)
{
	work(j, tree_get(f, "selectStmt"), "INSERT ... SELECT");
}

void
lint_merge(struct lint_job *j, const json_t *f)
{
	work(j, f, "MERGE");
}

void
lint_copy_rows(struct lint_job *j, const json_t *query)
{
	work(j, query, "CREATE ... AS");
}

/* SET lock_timeout = 0, which is what pg_dump begins with. */
void
lint_set(struct lint_job *j, const json_t *f)
{
	const json_t *value = tree_node(json_array_get(tree_get(f, "args"), 0), "A_Const");
	const char *z = tree_str(tree_get(value, "sval"), "sval");
	bool number = tree_get(value, "ival") != NULL;

	if (!tree_is(f, "name", "lock_timeout") || !lint_in_transaction(j))
		return;
	if (number ? tree_int(tree_get(value, "ival"), "ival") == 0 : z && strtod(z, NULL) == 0)
		lint_report(j, LINT_NO_LOCK_TIMEOUT, j->here, NULL,
			    "from here on a statement waits for a lock as long as it takes, and all who "
			    "come wait behind it");
}
