/*
 * job.h - what the files of lint share
 *
 * lint.c walks the files and keeps the findings; stmt.c, table.c, rows.c, change.c and
 * block.c judge statements; uses.c looks into views; model.c remembers.
 */
#ifndef JOBCTL_LINT_JOB_H
#define JOBCTL_LINT_JOB_H

#include "lint.h"
#include "lint/model.h"
#include "lint/tree.h"

enum lint_part { LINT_UP, LINT_DOWN, LINT_API };

struct lint_src {
	const struct mig_set *set;
	int64_t version;
	const struct mig_file *file;
	enum lint_part part;
	bool wanted;		/* its findings are */
	bool applied;		/* only read for what it made */
};

struct lint_allow {
	struct lint_place at;
	const char *rule;	/* not terminated */
	size_t nrule;
	bool used;
};

/* Something a migration dropped, for the api files that come after all of them. */
struct lint_gone {
	struct lint_name name;
	const char *column;	/* NULL: the whole */
	bool function;
	struct lint_place at;
};

/* A value that was added to an enum. */
struct lint_value {
	struct lint_name type;
	const char *value;
	struct lint_place at;
};

/* A statement of an api file. */
struct lint_made {
	const json_t *node;
	size_t file;
};

struct lint_job {
	struct lint *out;
	const struct mig_set *sets;
	size_t nsets;
	const struct lint_goal *goal;

	struct lint_model m;
	json_t *kept;			/* trees that the model borrows from */
	struct lint_src *srcs;
	size_t nsrcs;
	struct lint_allow *allows;
	size_t nallows;
	struct lint_gone *gone;
	size_t ngone;
	struct lint_value *values;
	size_t nvalues;
	struct lint_made *api;
	size_t napi;
	struct lint_gone *renamed;	/* tables, by this file */
	size_t nrenamed;

	/* The file and the statement at hand: */
	const struct lint_src *src;
	struct lint_place here;		/* where the statement begins */
	const char *text;		/* what was parsed, and in which positions count */
	size_t len;
	int text_line;			/* the line it begins on */
	struct lint_name *locked;	/* tables in use that the transaction keeps from everybody */
	size_t nlocked;
	bool said_several;
};

/* A finding, unless it is allowed or nobody wants it.  safe NULL: the rule's own. */
void lint_report(struct lint_job *j, enum lint_rule_id rule, struct lint_place at,
		 const char *safe, const char *fmt, ...) PRINTF(5, 6);

/* Where a node with a location stands; else where its statement does. */
struct lint_place lint_at(const struct lint_job *j, const json_t *fields);

/* Text that lives as long as the model. */
const char *lint_keep(struct lint_job *j, const char *z);

/* Whether others may be using it: nothing says that it is new. */
bool lint_in_use(const struct lint_job *j, const struct lint_rel *rel);
bool lint_file_is_new(const struct lint_job *j, size_t file);

/* Whether the statement at hand is in a transaction with the rest of its file. */
bool lint_in_transaction(const struct lint_job *j);
/* Whether what a file did before is in that transaction too, as far as we know. */
bool lint_same_transaction(const struct lint_job *j, size_t file);

/* The statement at hand takes the table from everybody until its transaction ends. */
void lint_lock(struct lint_job *j, struct lint_name name, const struct lint_rel *rel);

void lint_note_gone(struct lint_job *j, struct lint_name name, const char *column, bool function);

/* At its end the file has a rename-finding, unless a view has the old name by then. */
void lint_note_rename(struct lint_job *j, struct lint_name name);

struct lint_label {
	char z[140];
};
struct lint_label lint_label(struct lint_name name);

/* A list of String nodes added to names. */
void lint_add_names(struct lint_names *l, const json_t *list);

/* stmt.c: a statement that ends its own transaction; one of an up file; of a down file. */
void lint_control(struct lint_job *j, const json_t *node);
void lint_statement(struct lint_job *j, const json_t *node);
void lint_down_statement(struct lint_job *j, const json_t *node);

/* table.c */
void lint_create_table(struct lint_job *j, const json_t *fields);
void lint_alter_table(struct lint_job *j, const json_t *fields);

/* rows.c */
void lint_lock_table(struct lint_job *j, const json_t *fields);
void lint_truncate(struct lint_job *j, const json_t *fields);
void lint_update(struct lint_job *j, const json_t *fields);
void lint_delete(struct lint_job *j, const json_t *fields);
void lint_insert(struct lint_job *j, const json_t *fields);
void lint_merge(struct lint_job *j, const json_t *fields);
void lint_copy_rows(struct lint_job *j, const json_t *query);
void lint_set(struct lint_job *j, const json_t *fields);
/* Something that may take long, if the transaction has taken a table from everybody. */
void lint_work_under_lock(struct lint_job *j, const char *what);

/* change.c */
void lint_rename(struct lint_job *j, const json_t *fields);
void lint_set_schema(struct lint_job *j, const json_t *fields);
void lint_create_enum(struct lint_job *j, const json_t *fields);
void lint_alter_enum(struct lint_job *j, const json_t *fields);
/* Whether a statement uses a value that its transaction has added to an enum. */
void lint_new_values(struct lint_job *j, const json_t *fields);

/* block.c */
void lint_do(struct lint_job *j, const json_t *fields);

/* type.c: what an ALTER COLUMN TYPE does to the rows. */
enum lint_change { LINT_KEEPS, LINT_REWRITES, LINT_UNSURE };
enum lint_change lint_type_change(const json_t *from, const json_t *to);
/* Whether an expression gives each row a value of its own. */
bool lint_is_volatile(const struct lint_job *j, const json_t *expr);
/* Whether values of a type are checked one by one. */
bool lint_is_checked(const struct lint_job *j, const json_t *type);
bool lint_is_serial(const json_t *type);

/* uses.c: whether a query reads a table or view, or a column of it; or calls a function. */
bool lint_uses(const json_t *query, struct lint_name table, const char *column);
bool lint_calls(const json_t *query, struct lint_name function);
/* A view of the model that does, NULL if there is none. */
const struct lint_rel *lint_user(const struct lint_job *j, struct lint_name name,
				 const char *column, bool function);

#endif
