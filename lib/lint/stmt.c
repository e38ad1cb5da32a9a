/*
 * stmt.c - what is said of every statement but CREATE and ALTER TABLE
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

static const json_t *
option(const json_t *list, const char *name)
{
	const json_t *node;
	size_t i;

	json_array_foreach(list, i, node)
		if (tree_is(tree_node(node, "DefElem"), "defname", name))
			return tree_node(node, "DefElem");
	return NULL;
}

/* Whether an option is given and not switched off. */
static bool
has_option(const json_t *list, const char *name)
{
	const json_t *opt = option(list, name), *arg = tree_get(opt, "arg");
	const char *z = tree_text(arg);

	if (z)
		return strcmp(z, "off") != 0 && strcmp(z, "false") != 0;
	return opt && (!arg || tree_true(tree_node(arg, "Boolean"), "boolval") ||
		       tree_int(tree_node(arg, "Integer"), "ival"));
}

/* The i-th object of a DROP, whatever its kind. */
static struct lint_name
dropped(const json_t *node)
{
	const json_t *list = tree_get(tree_node(node, "List"), "items");

	if (!list)
		list = tree_get(tree_node(node, "ObjectWithArgs"), "objname");
	if (!list)
		list = tree_get(tree_node(node, "TypeName"), "names");
	return list ? lint_listed(list) : (struct lint_name){ NULL, tree_text(node) };
}

/* Statements that the server refuses in a transaction block; NULL: not one of them. */
static const char *
never_in_transaction(const char *type, const json_t *f)
{
	static const struct {
		const char *type, *what;
	} all[] = {
		{ "CreatedbStmt", "CREATE DATABASE" }, { "DropdbStmt", "DROP DATABASE" },
		{ "CreateTableSpaceStmt", "CREATE TABLESPACE" },
		{ "DropTableSpaceStmt", "DROP TABLESPACE" }, { "AlterSystemStmt", "ALTER SYSTEM" },
	};
	const json_t *node;
	size_t i;

	for (size_t k = 0; k < NELEM(all); k++)
		if (!strcmp(type, all[k].type))
			return all[k].what;
	if (!strcmp(type, "VacuumStmt") && tree_true(f, "is_vacuumcmd"))
		return "VACUUM";
	if (!strcmp(type, "IndexStmt") && tree_true(f, "concurrent"))
		return "CREATE INDEX CONCURRENTLY";
	if (!strcmp(type, "DropStmt") && tree_true(f, "concurrent"))
		return "DROP INDEX CONCURRENTLY";
	if (!strcmp(type, "ReindexStmt") && has_option(tree_get(f, "params"), "concurrently"))
		return "REINDEX CONCURRENTLY";
	if (!strcmp(type, "ReindexStmt") && !tree_get(f, "relation"))
		return "REINDEX of more than a table";
	if (!strcmp(type, "ClusterStmt") && !tree_get(f, "relation"))
		return "CLUSTER of all tables";
	if (!strcmp(type, "AlterTableStmt"))
		json_array_foreach(tree_get(f, "cmds"), i, node) {
			const json_t *def = tree_get(tree_node(node, "AlterTableCmd"), "def");

			if (tree_true(tree_node(def, "PartitionCmd"), "concurrent"))
				return "DETACH PARTITION CONCURRENTLY";
		}
	return NULL;
}

static void
check_transaction(struct lint_job *j, const char *type, const json_t *f)
{
	const char *what = never_in_transaction(type, f);

	if (what && lint_in_transaction(j))
		lint_report(j, LINT_NOT_IN_TRANSACTION, j->here, NULL,
			    "%s cannot run in a transaction, and this file is one", what);
}

void
lint_control(struct lint_job *j, const json_t *node)
{
	static const struct {
		const char *kind, *what;
	} kinds[] = {
		{ "BEGIN", "BEGIN" }, { "START", "START TRANSACTION" }, { "COMMIT", "COMMIT" },
		{ "ROLLBACK", "ROLLBACK" }, { "PREPARE", "PREPARE TRANSACTION" },
		{ "COMMIT_PREPARED", "COMMIT PREPARED" },
		{ "ROLLBACK_PREPARED", "ROLLBACK PREPARED" },
	};
	const char *kind = tree_str(tree_node(node, "TransactionStmt"), "kind");

	for (size_t i = 0; kind && i < NELEM(kinds) && lint_in_transaction(j); i++)
		if (!strcmp(kind + strlen("TRANS_STMT_"), kinds[i].kind))
			lint_report(j, LINT_TRANSACTION_CONTROL, j->here, NULL,
				    "%s: a migration runs in one transaction with its record, and cannot "
				    "begin or end one", kinds[i].what);
}

static void
add_index(const json_t *f, struct lint_rel *rel)
{
	struct lint_index *index;
	const json_t *node, *where = tree_node(tree_get(f, "whereClause"), "NullTest");
	const char *name = tree_str(f, "idxname");
	bool equal = tree_is(f, "accessMethod", "btree") || tree_is(f, "accessMethod", "hash");
	size_t i;

	index = lint_add_index(rel, (struct lint_name){ rel->name.schema, name });
	json_array_foreach(tree_get(f, "indexParams"), i, node)
		lint_add_name(&index->cols, tree_str(tree_node(node, "IndexElem"), "name"));
	/* Who looks for a value does not look for null. */
	index->finds = equal && (!tree_get(f, "whereClause") ||
				 tree_is(where, "nulltesttype", "IS_NOT_NULL"));
}

static void
on_index(struct lint_job *j, const json_t *f)
{
	const json_t *range = tree_get(f, "relation");
	struct lint_name table = lint_range(range);
	struct lint_rel *rel = lint_find_or_add(&j->m, table), *owner;
	const char *name = tree_str(f, "idxname");
	bool parts = rel->kind == LINT_PARTITIONED;

	if (name && tree_true(f, "if_not_exists") &&
	    lint_index(&j->m, (struct lint_name){ rel->name.schema, name }, &owner))
		return;
	if (lint_in_use(j, rel) && !tree_true(f, "concurrent") && !(parts && !tree_true(range, "inh")))
		lint_report(j, LINT_MISSING_CONCURRENTLY, j->here,
			    parts ? "CREATE INDEX ON ONLY the table, CREATE INDEX CONCURRENTLY on each "
				    "partition, then ALTER INDEX ATTACH PARTITION" : NULL,
			    "while the index is built nobody can change rows of %s",
			    lint_label(table).z);
	if (tree_true(f, "concurrent") && !lint_in_transaction(j) &&
	    !(name && tree_true(f, "if_not_exists")))
		lint_report(j, LINT_STEP_NOT_REPEATABLE, j->here,
			    "CREATE INDEX CONCURRENTLY IF NOT EXISTS name; an invalid index of that "
			    "name is dropped before",
			    "if it is interrupted after the index is there, the step fails from then on");
	add_index(f, rel);
}

/* A relation or function that is dropped although a view needs it; true: it said so. */
static bool
check_users(struct lint_job *j, const json_t *objects, struct lint_name name, bool function,
	    bool cascade)
{
	const struct lint_rel *user = lint_user(j, name, NULL, function);
	const json_t *node;
	size_t i;

	if (!user)
		return false;
	json_array_foreach(objects, i, node)
		if (lint_same(dropped(node), user->name))
			return false;		/* it goes too */
	if (cascade)
		lint_report(j, LINT_DROP_CASCADE, j->here, NULL,
			    "with %s goes %s, and what else depends on it", lint_label(name).z,
			    lint_label(user->name).z);
	else
		lint_report(j, LINT_DROP_IN_USE, j->here, NULL, "%s is used by %s",
			    lint_label(name).z, lint_label(user->name).z);
	return true;
}

static void
drop_index(struct lint_job *j, const json_t *f, struct lint_name name)
{
	struct lint_rel *rel;
	struct lint_index *index = lint_index(&j->m, name, &rel);

	if (lint_in_use(j, rel) && !tree_true(f, "concurrent")) {
		lint_report(j, LINT_DROP_INDEX, j->here, NULL,
			    "%s is dropped when all who use its table have ended, and all who come "
			    "wait behind", lint_label(name).z);
		if (rel)
			lint_lock(j, rel->name, rel);
	}
	if (tree_true(f, "concurrent") && !tree_true(f, "missing_ok") && !lint_in_transaction(j))
		lint_report(j, LINT_STEP_NOT_REPEATABLE, j->here, "DROP INDEX CONCURRENTLY IF EXISTS",
			    "if it is interrupted after the index is gone, the step fails from then on");
	if (index)
		lint_drop_index(rel, index);
}

static void
forget_function(struct lint_job *j, struct lint_name name)
{
	for (size_t i = j->m.n; i; i--)
		if (j->m.rels[i - 1]->function && lint_same(j->m.rels[i - 1]->name, name))
			lint_drop_rel(&j->m, j->m.rels[i - 1]);
}

static void
report_cascade(struct lint_job *j, struct lint_name name)
{
	lint_report(j, LINT_DROP_CASCADE, j->here, NULL, "with %s goes whatever depends on it",
		    lint_label(name).z);
}

static void
drop_one(struct lint_job *j, const json_t *f, struct lint_name name)
{
	bool cascade = tree_is(f, "behavior", "DROP_CASCADE");
	bool function = tree_is(f, "removeType", "OBJECT_FUNCTION");
	bool table = tree_is(f, "removeType", "OBJECT_TABLE");
	bool rel = table || tree_is(f, "removeType", "OBJECT_VIEW") ||
		   tree_is(f, "removeType", "OBJECT_MATVIEW");
	struct lint_rel *r = rel ? lint_find(&j->m, name) : NULL;
	bool used = !rel || lint_in_use(j, r);

	if ((rel || function) &&
	    check_users(j, tree_get(f, "objects"), name, function, cascade))
		;	/* it said so */
	else if (cascade && used)
		report_cascade(j, name);
	else if (table && used)
		lint_report(j, LINT_DROP_TABLE, j->here, NULL,
			    "programs at work may use %s; its rows are lost, and down cannot bring "
			    "them back", lint_label(name).z);
	if (rel || function)
		lint_note_gone(j, name, NULL, function);
	if (r)
		lint_drop_rel(&j->m, r);
	if (function)
		forget_function(j, name);
}

static void
on_drop(struct lint_job *j, const json_t *f)
{
	const json_t *node;
	size_t i;

	json_array_foreach(tree_get(f, "objects"), i, node)
		if (tree_is(f, "removeType", "OBJECT_INDEX"))
			drop_index(j, f, dropped(node));
		else
			drop_one(j, f, dropped(node));
}

static void
on_view(struct lint_job *j, const json_t *f)
{
	struct lint_rel *r = lint_add_rel(&j->m, lint_range(tree_get(f, "view")), LINT_VIEW,
					  j->here.file);

	r->query = tree_get(f, "query");
}

static void
on_table_as(struct lint_job *j, const json_t *f)
{
	bool view = tree_is(f, "objtype", "OBJECT_MATVIEW");
	struct lint_rel *r;

	r = lint_add_rel(&j->m, lint_range(tree_get(tree_get(f, "into"), "rel")),
			 view ? LINT_VIEW : LINT_TABLE, j->here.file);
	if (view)
		r->query = tree_get(f, "query");
	lint_copy_rows(j, tree_get(f, "query"));
}

static void
on_select(struct lint_job *j, const json_t *f)
{
	const json_t *into = tree_get(tree_get(f, "intoClause"), "rel");

	if (!into)
		return;
	lint_copy_rows(j, tree_get(f, "fromClause"));
	(void)lint_add_rel(&j->m, lint_range(into), LINT_TABLE, j->here.file);
}

static void
on_function(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_listed(tree_get(f, "funcname"));
	const json_t *volatility = tree_get(option(tree_get(f, "options"), "volatility"), "arg");
	const char *z = tree_text(volatility);

	lint_set_fact(&j->m.functions, &j->m.nfunctions, name, !z || !strcmp(z, "volatile"),
		      j->here.file);
	if (tree_get(f, "sql_body")) {
		struct lint_rel *r;

		forget_function(j, name);
		r = lint_new_rel(&j->m, name, LINT_VIEW, j->here.file);
		r->query = tree_get(f, "sql_body");
		r->function = true;
	}
}

static void
on_domain(struct lint_job *j, const json_t *f)
{
	lint_set_fact(&j->m.types, &j->m.ntypes, lint_listed(tree_get(f, "domainname")),
		      tree_get(f, "constraints") != NULL, j->here.file);
}

static void
on_alter_domain(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_listed(tree_get(f, "typeName"));
	const struct lint_fact *d = lint_fact(j->m.types, j->m.ntypes, name);
	const json_t *con = tree_node(tree_get(f, "def"), "Constraint");
	bool used = !d || !lint_file_is_new(j, d->file);

	if (tree_is(f, "subtype", "C") && used && !tree_true(con, "skip_validation"))
		lint_report(j, LINT_MISSING_NOT_VALID, j->here, NULL,
			    "all tables with a column of domain %s are read while nobody can change "
			    "them", lint_label(name).z);
	if (tree_is(f, "subtype", "O") && used)
		lint_report(j, LINT_SET_NOT_NULL, j->here,
			    "ADD CONSTRAINT ... CHECK (VALUE IS NOT NULL) NOT VALID, then VALIDATE",
			    "all tables with a column of domain %s are read while nobody can change "
			    "them", lint_label(name).z);
	if (tree_is(f, "subtype", "C") || tree_is(f, "subtype", "O"))
		lint_set_fact(&j->m.types, &j->m.ntypes, name, true, d ? d->file : 0);
}

static void
on_reindex(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));
	struct lint_rel *rel = NULL;

	if (tree_is(f, "kind", "REINDEX_OBJECT_INDEX"))
		(void)lint_index(&j->m, name, &rel);
	else if (name.name)
		rel = lint_find(&j->m, name);
	if (lint_in_use(j, rel) && !has_option(tree_get(f, "params"), "concurrently"))
		lint_report(j, LINT_MISSING_CONCURRENTLY, j->here,
			    "REINDEX CONCURRENTLY, as a step of a file that begins with \"-- jobctl: "
			    "no-transaction\"",
			    "while the index is built nobody can change rows of its table");
}

static void
on_refresh(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));

	if (lint_in_use(j, lint_find(&j->m, name)) && !tree_true(f, "concurrent") &&
	    !tree_true(f, "skipData"))
		lint_report(j, LINT_MISSING_CONCURRENTLY, j->here,
			    "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index",
			    "while %s is computed anew nobody can read it", lint_label(name).z);
}

static void
on_cluster(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));
	struct lint_rel *rel = name.name ? lint_find(&j->m, name) : NULL;

	if (!lint_in_use(j, rel))
		return;
	lint_report(j, LINT_TABLE_REWRITE, j->here,
		    "pg_repack and its like, or a quiet hour and an allow that says so",
		    "CLUSTER rewrites the table while nobody can use it");
	if (name.name)
		lint_lock(j, name, rel);
}

static void
on_vacuum(struct lint_job *j, const json_t *f)
{
	if (tree_true(f, "is_vacuumcmd") && has_option(tree_get(f, "options"), "full"))
		lint_report(j, LINT_TABLE_REWRITE, j->here,
			    "pg_repack and its like, or a quiet hour and an allow that says so",
			    "VACUUM FULL rewrites the table while nobody can use it");
}

static bool
change_in_with(void *ctx, const char *type, const json_t *f)
{
	if (!strcmp(type, "UpdateStmt"))
		lint_update(ctx, f);
	else if (!strcmp(type, "DeleteStmt"))
		lint_delete(ctx, f);
	return false;
}

static const struct {
	const char *type;
	void (*fn)(struct lint_job *j, const json_t *fields);
} statements[] = {
	{ "CreateStmt", lint_create_table }, { "AlterTableStmt", lint_alter_table },
	{ "IndexStmt", on_index }, { "DropStmt", on_drop }, { "ViewStmt", on_view },
	{ "CreateTableAsStmt", on_table_as }, { "SelectStmt", on_select },
	{ "CreateFunctionStmt", on_function }, { "CreateDomainStmt", on_domain },
	{ "AlterDomainStmt", on_alter_domain }, { "ReindexStmt", on_reindex },
	{ "RefreshMatViewStmt", on_refresh }, { "ClusterStmt", on_cluster },
	{ "VacuumStmt", on_vacuum }, { "LockStmt", lint_lock_table },
	{ "TruncateStmt", lint_truncate }, { "UpdateStmt", lint_update },
	{ "DeleteStmt", lint_delete }, { "InsertStmt", lint_insert }, { "MergeStmt", lint_merge },
	{ "VariableSetStmt", lint_set }, { "RenameStmt", lint_rename },
	{ "AlterObjectSchemaStmt", lint_set_schema }, { "CreateEnumStmt", lint_create_enum },
	{ "AlterEnumStmt", lint_alter_enum }, { "DoStmt", lint_do },
};

void
lint_statement(struct lint_job *j, const json_t *node)
{
	json_t *fields;
	const char *type = tree_type(node, &fields);

	if (!type)
		return;
	check_transaction(j, type, fields);
	(void)tree_any(tree_get(fields, "withClause"), change_in_with, j);
	lint_new_values(j, fields);
	for (size_t i = 0; i < NELEM(statements); i++)
		if (!strcmp(type, statements[i].type))
			statements[i].fn(j, fields);
}

/* What is dropped was made by the migration that is undone; what depends on it may not be. */
static void
down_cascade(struct lint_job *j, const json_t *fields)
{
	const json_t *node;
	size_t i;

	json_array_foreach(tree_get(fields, "cmds"), i, node) {
		const json_t *cmd = tree_node(node, "AlterTableCmd");

		if (tree_is(cmd, "behavior", "DROP_CASCADE") && tree_str(cmd, "name"))
			lint_report(j, LINT_DROP_CASCADE, j->here, NULL,
				    "with \"%.63s\" goes whatever depends on it",
				    tree_str(cmd, "name"));
	}
	if (tree_is(fields, "behavior", "DROP_CASCADE"))
		json_array_foreach(tree_get(fields, "objects"), i, node)
			report_cascade(j, dropped(node));
}

void
lint_down_statement(struct lint_job *j, const json_t *node)
{
	json_t *fields;
	const char *type = tree_type(node, &fields);

	if (!type)
		return;
	check_transaction(j, type, fields);
	if (!strcmp(type, "DropStmt") || !strcmp(type, "AlterTableStmt"))
		down_cascade(j, fields);
}
