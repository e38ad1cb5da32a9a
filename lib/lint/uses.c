/*
 * uses.c - what a view reads
 *
 * By name, as far as a query tells without a catalog.  A column that is named
 * without its table counts for every table of the query: were it another's too,
 * the server would have called it ambiguous.
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

struct search {
	struct lint_name table;
	const char *column;
	struct lint_names aliases;	/* what the query calls the table */
	bool renames;			/* and that it gives its columns other names */
};

static bool
note_alias(void *ctx, const char *type, const json_t *fields)
{
	struct search *s = ctx;
	const json_t *alias = tree_get(fields, "alias");
	const char *name = tree_str(alias, "aliasname");

	if (strcmp(type, "RangeVar") != 0 || !lint_same(lint_range(fields), s->table))
		return false;
	lint_add_name(&s->aliases, name ? name : s->table.name);
	s->renames = s->renames || tree_get(alias, "colnames");
	return false;
}

static bool
is_alias(const struct search *s, const char *name)
{
	for (size_t i = 0; name && i < s->aliases.n; i++)
		if (!strcmp(s->aliases.v[i], name))
			return true;
	return false;
}

static bool
names_it(const json_t *list, const char *column)
{
	const json_t *node;
	size_t i;

	json_array_foreach(list, i, node) {
		const char *z = tree_text(node);

		if (z && !strcmp(z, column))
			return true;
	}
	return false;
}

static bool
reads_column(void *ctx, const char *type, const json_t *fields)
{
	const struct search *s = ctx;
	const json_t *list = tree_get(fields, "fields");
	size_t n = json_array_size(list);
	const char *last = tree_last(list), *table = tree_before_last(list);

	if (!strcmp(type, "JoinExpr"))
		return tree_true(fields, "isNatural") ||
		       names_it(tree_get(fields, "usingClause"), s->column);
	if (strcmp(type, "ColumnRef") != 0)
		return false;
	if (n > 1 && !is_alias(s, table))
		return false;
	/* "*" has no text; a table's name alone is its whole row */
	return !last || !strcmp(last, s->column) || (n == 1 && is_alias(s, last));
}

bool
lint_uses(const json_t *query, struct lint_name table, const char *column)
{
	struct search s = { .table = table, .column = column };
	bool found;

	(void)tree_any(query, note_alias, &s);
	found = s.aliases.n && (!column || s.renames || tree_any(query, reads_column, &s));
	free(s.aliases.v);
	return found;
}

static bool
calls(void *ctx, const char *type, const json_t *fields)
{
	const struct lint_name *name = ctx;

	return !strcmp(type, "FuncCall") &&
	       lint_same(lint_listed(tree_get(fields, "funcname")), *name);
}

bool
lint_calls(const json_t *query, struct lint_name function)
{
	return tree_any(query, calls, &function);
}

const struct lint_rel *
lint_user(const struct lint_job *j, struct lint_name name, const char *column, bool function)
{
	for (size_t i = 0; i < j->m.n; i++) {
		const struct lint_rel *r = j->m.rels[i];

		if (r->query && (r->function != function || !lint_same(r->name, name)) &&
		    (function ? lint_calls(r->query, name) : lint_uses(r->query, name, column)))
			return r;
	}
	return NULL;
}
