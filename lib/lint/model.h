/*
 * model.h - what the migrations read so far have made
 *
 * Enough of a catalog to tell a table that nobody uses yet from one that is in
 * use, and to know a column's type or a constraint's state.  What the model does
 * not know may be there: migrations build on what other tools made.
 *
 * Strings and trees are borrowed from the trees that lint keeps until its end.
 */
#ifndef JOBCTL_LINT_MODEL_H
#define JOBCTL_LINT_MODEL_H

#include <jansson.h>

#include "base.h"

/* Without a schema it is the same as with any: the search path is not known. */
struct lint_name {
	const char *schema;	/* or NULL */
	const char *name;
};

/* Where something was said. */
struct lint_place {
	size_t file;		/* from 1, in the order they are read */
	size_t stmt;		/* of the file, from 1 */
	int line;
};

struct lint_names {
	const char **v;
	size_t n;
};

struct lint_column {
	const char *name;
	const json_t *type;	/* fields of a TypeName */
	bool not_null;
};

struct lint_index {
	struct lint_name name;
	struct lint_names cols;	/* NULL: an expression */
	bool finds;		/* can find rows by an equal value of its first columns */
};

enum lint_con_kind { LINT_CHECK, LINT_FK };

struct lint_con {
	const char *name;	/* NULL: the server gives it one */
	enum lint_con_kind kind;
	bool valid;
	struct lint_place made;
	const json_t *expr;	/* CHECK */
	struct lint_names cols;	/* FK */
};

enum lint_rel_kind { LINT_TABLE, LINT_PARTITIONED, LINT_VIEW };

struct lint_rel {
	struct lint_name name;
	enum lint_rel_kind kind;
	size_t file;			/* that made it; 0: it was there before */
	const json_t *query;		/* of a view: what it uses */
	bool function;			/* a view is a function with a parsed body */
	bool unseen;			/* it has columns and indexes that the files do not name */
	struct lint_column *cols;
	size_t ncols;
	struct lint_index *indexes;
	size_t nindexes;
	struct lint_con *cons;
	size_t ncons;
};

/* A domain, an enum or a function, and what is to be known of it. */
struct lint_fact {
	struct lint_name name;
	bool yes;
	size_t file;
};

struct lint_model {
	struct lint_rel **rels;
	size_t n;
	struct lint_fact *types;	/* yes: a domain with constraints */
	size_t ntypes;
	struct lint_fact *functions;	/* yes: it is volatile */
	size_t nfunctions;
};

void lint_model_free(struct lint_model *m);

struct lint_name lint_range(const json_t *range);	/* the fields of a RangeVar */
struct lint_name lint_listed(const json_t *list);	/* a list of String nodes */
bool lint_same(struct lint_name a, struct lint_name b);

/* NULL if the model has none. */
struct lint_rel *lint_find(const struct lint_model *m, struct lint_name name);
struct lint_column *lint_column(const struct lint_rel *rel, const char *name);
struct lint_con *lint_con(const struct lint_rel *rel, const char *name);
struct lint_index *lint_index(const struct lint_model *m, struct lint_name name,
			      struct lint_rel **rel);
const struct lint_fact *lint_fact(const struct lint_fact *v, size_t n, struct lint_name name);

/* A new one; a relation of that name, if there is one, is forgotten. */
struct lint_rel *lint_add_rel(struct lint_model *m, struct lint_name name,
			      enum lint_rel_kind kind, size_t file);
/* A new one whatever else has the name: functions have names of their own. */
struct lint_rel *lint_new_rel(struct lint_model *m, struct lint_name name,
			      enum lint_rel_kind kind, size_t file);
/* What the model does not know is a table that was there before. */
struct lint_rel *lint_find_or_add(struct lint_model *m, struct lint_name name);
void lint_drop_rel(struct lint_model *m, struct lint_rel *rel);
void lint_set_fact(struct lint_fact **v, size_t *n, struct lint_name name, bool yes, size_t file);

/* Columns that are there already, indexes and constraints are replaced, or come twice. */
struct lint_column *lint_add_column(struct lint_rel *rel, const char *name, const json_t *type);
struct lint_index *lint_add_index(struct lint_rel *rel, struct lint_name name);
struct lint_con *lint_add_con(struct lint_rel *rel, enum lint_con_kind kind, const char *name);
void lint_drop_column(struct lint_rel *rel, const char *name);
void lint_drop_index(struct lint_rel *rel, struct lint_index *index);
void lint_drop_con(struct lint_rel *rel, struct lint_con *con);
void lint_rename_column(struct lint_rel *rel, const char *from, const char *to);

void lint_add_name(struct lint_names *l, const char *name);

#endif
