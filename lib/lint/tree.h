/*
 * tree.h - SQL as PostgreSQL's own parser reads it
 *
 * The trees are libpg_query's.  A node is an object with one key, its type
 * ("AlterTableStmt"), and under it the node's fields; a field that can be of one
 * type only holds the fields at once.  What is null, false, zero or empty is
 * left out.  Positions are bytes of the text that was parsed.
 *
 * The grammar is that of PostgreSQL 15: what newer servers know besides is an
 * error here and none there.
 */
#ifndef JOBCTL_LINT_TREE_H
#define JOBCTL_LINT_TREE_H

#include <jansson.h>

#include "err.h"

/* Longer statements are not parsed: what they need of stack and memory grows with them. */
#define TREE_MAX_SQL ((size_t)256 * 1024)

/*
 * Run fn where the parser has the stack that the longest statement may need, for
 * it does not look how much is left.  Parsing is only for inside.  ERR_OS if
 * there is no such place.
 */
int tree_session(void (*fn)(void *ctx), void *ctx, struct err *e) MUSTCHECK;

/* The statements of a text, an array of nodes that is yours; NULL, e and where it is wrong. */
json_t *tree_parse(const char *sql, size_t len, size_t *at, struct err *e) MUSTCHECK;

/*
 * The body of a DO statement in PL/pgSQL, yours; NULL if it cannot be read, which
 * says nothing about it: the parser knows none of the types that it uses.
 */
json_t *tree_parse_do(const char *sql, size_t len) MUSTCHECK;

/* The type of a node and its fields; NULL if this is no node. */
const char *tree_type(const json_t *node, json_t **fields);
/* The fields of a node of this type, NULL if it is another. */
json_t *tree_node(const json_t *node, const char *type);

/* Fields: NULL, 0 or false if there is none. */
json_t *tree_get(const json_t *fields, const char *key);
const char *tree_str(const json_t *fields, const char *key);
int64_t tree_int(const json_t *fields, const char *key);
bool tree_true(const json_t *fields, const char *key);
bool tree_is(const json_t *fields, const char *key, const char *value);

/* The text of a String node or of a constant; NULL if it is neither. */
const char *tree_text(const json_t *node);
/* The last of a list of String nodes, "t" of {s, t}; and the one before it. */
const char *tree_last(const json_t *list);
const char *tree_before_last(const json_t *list);

/* Call fn for all nodes at and below one, parents first, until it says true. */
bool tree_any(const json_t *node, bool (*fn)(void *ctx, const char *type, const json_t *fields),
	      void *ctx);

#endif
