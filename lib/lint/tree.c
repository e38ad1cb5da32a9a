/*
 * tree.c - libpg_query and its trees
 */
#include "lint/tree.h"

#include <pg_query.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * "1+1+1" nests a level deeper with every two bytes, and a level takes up to 200
 * bytes of stack.  Memory is used as far as it is needed.
 */
static const size_t stack_size = TREE_MAX_SQL * 256;

struct session {
	void (*fn)(void *ctx);
	void *ctx;
};

static void *
in_session(void *arg)
{
	const struct session *s = arg;

	s->fn(s->ctx);
	return NULL;		/* what the parser keeps for itself goes with the thread */
}

int
tree_session(void (*fn)(void *ctx), void *ctx, struct err *e)
{
	struct session s = { .fn = fn, .ctx = ctx };
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	rc = pthread_attr_setstacksize(&attr, stack_size);
	if (!rc)
		rc = pthread_create(&thread, &attr, in_session, &s);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_set(e, ERR_OS, "no memory for the SQL parser: %s", strerror(rc));
	pthread_join(thread, NULL);
	return 0;
}

static json_t *
too_long(struct err *e)
{
	(void)err_set(e, ERR_DATA, "longer than %zu kB", TREE_MAX_SQL / 1024);
	return NULL;
}

json_t *
tree_parse(const char *sql, size_t len, size_t *at, struct err *e)
{
	AUTOFREE char *z = NULL;
	PgQueryParseResult r;
	json_t *tree = NULL, *stmts;
	json_error_t why;

	*at = 0;
	if (len > TREE_MAX_SQL)
		return too_long(e);
	z = xstrndup(sql, len);
	r = pg_query_parse(z);
	if (r.error) {
		/* cursorpos counts characters, from 1 */
		for (int n = r.error->cursorpos; n > 1 && z[*at]; n--)
			do
				++*at;
			while (((unsigned char)z[*at] & 0xc0) == 0x80);
		(void)err_set(e, ERR_DATA, "%s", r.error->message);
	} else {
		tree = json_loads(r.parse_tree, 0, &why);
		if (!tree)
			(void)err_set(e, ERR_DATA, "nested too deeply");
	}
	pg_query_free_parse_result(r);
	stmts = json_incref(json_object_get(tree, "stmts"));
	json_decref(tree);
	if (!stmts && tree)
		stmts = json_array();
	return stmts;
}

json_t *
tree_parse_do(const char *sql, size_t len)
{
	AUTOFREE char *z = NULL;
	PgQueryPlpgsqlParseResult r;
	json_t *tree = NULL;

	if (len > TREE_MAX_SQL)
		return NULL;
	z = xstrndup(sql, len);
	r = pg_query_parse_plpgsql(z);
	if (!r.error)
		tree = json_loads(r.plpgsql_funcs, 0, NULL);
	pg_query_free_plpgsql_parse_result(r);
	return tree;
}

const char *
tree_type(const json_t *node, json_t **fields)
{
	void *i;

	if (!json_is_object(node) || json_object_size(node) != 1)
		return NULL;
	i = json_object_iter((json_t *)(uintptr_t)node);
	if (!json_is_object(json_object_iter_value(i)))
		return NULL;
	*fields = json_object_iter_value(i);
	return json_object_iter_key(i);
}

json_t *
tree_node(const json_t *node, const char *type)
{
	json_t *fields = json_object_get(node, type);

	return json_is_object(fields) && json_object_size(node) == 1 ? fields : NULL;
}

json_t *
tree_get(const json_t *fields, const char *key)
{
	return json_object_get(fields, key);
}

const char *
tree_str(const json_t *fields, const char *key)
{
	return json_string_value(json_object_get(fields, key));
}

int64_t
tree_int(const json_t *fields, const char *key)
{
	return json_integer_value(json_object_get(fields, key));
}

bool
tree_true(const json_t *fields, const char *key)
{
	return json_is_true(json_object_get(fields, key));
}

bool
tree_is(const json_t *fields, const char *key, const char *value)
{
	const char *z = tree_str(fields, key);

	return z && !strcmp(z, value);
}

const char *
tree_text(const json_t *node)
{
	const json_t *s = tree_node(node, "String");

	if (!s)
		s = tree_get(tree_node(node, "A_Const"), "sval");
	return tree_str(s, "sval");
}

const char *
tree_last(const json_t *list)
{
	return tree_text(json_array_get(list, json_array_size(list) - 1));
}

const char *
tree_before_last(const json_t *list)
{
	return tree_text(json_array_get(list, json_array_size(list) - 2));
}

bool
tree_any(const json_t *node, bool (*fn)(void *ctx, const char *type, const json_t *fields),
	 void *ctx)
{
	json_t *under;
	const char *key;
	size_t i;

	json_array_foreach(node, i, under)
		if (tree_any(under, fn, ctx))
			return true;
	json_object_foreach((json_t *)(uintptr_t)node, key, under)
		if ((json_is_object(under) && fn(ctx, key, under)) || tree_any(under, fn, ctx))
			return true;
	return false;
}
