/*
 * type.c - types and expressions, as far as they decide whether a table is rewritten
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

static bool
one_of(const char *z, const char *const *list)
{
	for (; z && *list; list++)
		if (!strcmp(z, *list))
			return true;
	return false;
}

static const char *
base(const json_t *type)
{
	const char *z = tree_last(tree_get(type, "names"));

	return z ? z : "";
}

/* The i-th number in parentheses after a type's name, -1 if there is none. */
static int64_t
modifier(const json_t *type, size_t i)
{
	const json_t *list = tree_get(type, "typmods"), *c, *ival;

	if (i >= json_array_size(list))
		return -1;
	c = tree_node(json_array_get(list, i), "A_Const");
	ival = tree_get(c, "ival");
	return tree_int(ival, "ival");
}

/* From one length to another, where none is the longest. */
static enum lint_change
widens(int64_t from, int64_t to)
{
	return to < 0 || (from >= 0 && from <= to) ? LINT_KEEPS : LINT_REWRITES;
}

static enum lint_change
numeric(const json_t *from, const json_t *to)
{
	/* numeric(5) is numeric(5, 0) */
	int64_t scale = modifier(from, 1) < 0 ? 0 : modifier(from, 1);
	int64_t new_scale = modifier(to, 1) < 0 ? 0 : modifier(to, 1);

	if (modifier(to, 0) < 0)
		return LINT_KEEPS;
	return scale == new_scale ? widens(modifier(from, 0), modifier(to, 0)) : LINT_REWRITES;
}

static enum lint_change
same_type(const char *name, const json_t *from, const json_t *to)
{
	static const char *const with_length[] = {
		"varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", NULL
	};

	if (modifier(from, 0) == modifier(to, 0) && modifier(from, 1) == modifier(to, 1))
		return LINT_KEEPS;
	if (!strcmp(name, "numeric"))
		return numeric(from, to);
	return one_of(name, with_length) ? widens(modifier(from, 0), modifier(to, 0))
					 : LINT_REWRITES;
}

enum lint_change
lint_type_change(const json_t *from, const json_t *to)
{
	static const char *const strings[] = { "text", "varchar", NULL };
	static const char *const lengths[] = { "varchar", "varbit", "numeric", "timestamp",
					       "timestamptz", "time", "timetz", "inet", NULL };
	static const char *const alike[][2] = {
		{ "cidr", "inet" }, { "int4", "oid" }, { "oid", "int4" },
	};
	const char *a = base(from), *b = base(to);
	bool array = tree_get(to, "arrayBounds") != NULL;

	if (!from)
		return !array && (!strcmp(b, "text") || one_of(b, lengths)) ? LINT_UNSURE
									   : LINT_REWRITES;
	if ((tree_get(from, "arrayBounds") != NULL) != array)
		return LINT_REWRITES;
	if (!strcmp(a, b))
		return same_type(a, from, to);
	if (one_of(a, strings) && one_of(b, strings))
		return widens(!strcmp(a, "text") ? -1 : modifier(from, 0), modifier(to, 0));
	for (size_t i = 0; i < NELEM(alike); i++)
		if (!strcmp(a, alike[i][0]) && !strcmp(b, alike[i][1]))
			return LINT_KEEPS;
	return LINT_REWRITES;
}

static bool
is_volatile(void *ctx, const char *type, const json_t *fields)
{
	/* Of the server and of the extensions that usually make keys. */
	static const char *const known[] = {
		"clock_timestamp", "currval", "gen_random_bytes", "gen_random_uuid", "gen_salt",
		"lastval", "nextval", "random", "random_normal", "setval", "timeofday",
		"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7",
		NULL
	};
	const struct lint_job *j = ctx;
	const json_t *list = tree_get(fields, "funcname");
	const struct lint_fact *f;

	if (strcmp(type, "FuncCall") != 0)
		return false;
	f = lint_fact(j->m.functions, j->m.nfunctions, lint_listed(list));
	return f ? f->yes : one_of(tree_last(list), known);
}

bool
lint_is_volatile(const struct lint_job *j, const json_t *expr)
{
	return tree_any(expr, is_volatile, (void *)(uintptr_t)j);
}

bool
lint_is_checked(const struct lint_job *j, const json_t *type)
{
	const struct lint_fact *f = lint_fact(j->m.types, j->m.ntypes,
					      lint_listed(tree_get(type, "names")));

	return f && f->yes && !tree_get(type, "arrayBounds");
}

bool
lint_is_serial(const json_t *type)
{
	static const char *const serial[] = {
		"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial", NULL
	};

	return one_of(base(type), serial);
}
