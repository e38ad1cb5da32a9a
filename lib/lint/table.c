/*
 * table.c - what is said of CREATE TABLE and ALTER TABLE
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

struct table {
	struct lint_name name;
	struct lint_rel *rel;
	bool used;		/* by others, as far as we know */
	bool locked;		/* a command takes it from everybody */
};

/* The constraints that a column has. */
struct traits {
	const json_t *def, *not_null, *generated, *identity, *check, *fk, *unique;
};

static struct traits
column_traits(const json_t *column)
{
	struct traits t = { .def = NULL };
	const struct {
		const char *type;
		const json_t **to;
	} kinds[] = {
		{ "CONSTR_DEFAULT", &t.def }, { "CONSTR_NOTNULL", &t.not_null },
		{ "CONSTR_GENERATED", &t.generated }, { "CONSTR_IDENTITY", &t.identity },
		{ "CONSTR_CHECK", &t.check }, { "CONSTR_FOREIGN", &t.fk },
		{ "CONSTR_UNIQUE", &t.unique }, { "CONSTR_PRIMARY", &t.unique },
	};
	const json_t *node;
	size_t i;

	json_array_foreach(tree_get(column, "constraints"), i, node) {
		const json_t *c = tree_node(node, "Constraint");

		for (size_t k = 0; k < NELEM(kinds); k++)
			if (tree_is(c, "contype", kinds[k].type))
				*kinds[k].to = c;
	}
	return t;
}

static bool
is_null_constant(const json_t *expr)
{
	const json_t *cast = tree_node(expr, "TypeCast");

	if (cast)
		return is_null_constant(tree_get(cast, "arg"));
	return tree_true(tree_node(expr, "A_Const"), "isnull");
}

/* The server's own name for a constraint: table_column_column_suffix. */
static const char *
made_name(struct lint_job *j, const char *table, const struct lint_names *cols, const char *suffix)
{
	char z[200];
	size_t n = (size_t)snprintf(z, sizeof z, "%.63s", table ? table : "");

	for (size_t i = 0; i < cols->n && n < sizeof z - 70; i++)
		n += (size_t)snprintf(z + n, sizeof z - n, "_%.63s", cols->v[i]);
	snprintf(z + n, sizeof z - n, "_%s", suffix);
	return lint_keep(j, z);
}

/* The index that stands behind PRIMARY KEY or UNIQUE. */
static void
add_key(struct lint_job *j, struct lint_rel *rel, const json_t *con, const char *column)
{
	bool primary = tree_is(con, "contype", "CONSTR_PRIMARY");
	const char *name = tree_str(con, "conname");
	struct lint_names cols = { .n = 0 }, none = { .n = 0 };
	struct lint_index *index;

	if (column)
		lint_add_name(&cols, column);
	else
		lint_add_names(&cols, tree_get(con, "keys"));
	for (size_t i = 0; primary && i < cols.n; i++) {
		struct lint_column *c = lint_column(rel, cols.v[i]);

		if (c)
			c->not_null = true;
	}
	if (!name)
		name = made_name(j, rel->name.name, primary ? &none : &cols, primary ? "pkey" : "key");
	index = lint_add_index(rel, (struct lint_name){ rel->name.schema, name });
	index->cols = cols;
	index->finds = true;
}

static void
add_constraint(struct lint_job *j, struct lint_rel *rel, const json_t *con, const char *column)
{
	struct lint_names cols = { .n = 0 };
	struct lint_con *made;

	if (tree_is(con, "contype", "CONSTR_CHECK")) {
		made = lint_add_con(rel, LINT_CHECK, tree_str(con, "conname"));
		made->expr = tree_get(con, "raw_expr");
	} else if (tree_is(con, "contype", "CONSTR_FOREIGN")) {
		if (column)
			lint_add_name(&cols, column);
		else
			lint_add_names(&cols, tree_get(con, "fk_attrs"));
		made = lint_add_con(rel, LINT_FK, tree_str(con, "conname"));
		if (!made->name)
			made->name = made_name(j, rel->name.name, &cols, "fkey");
		made->cols = cols;
	} else {
		if ((tree_is(con, "contype", "CONSTR_PRIMARY") ||
		     tree_is(con, "contype", "CONSTR_UNIQUE")) && !tree_str(con, "indexname"))
			add_key(j, rel, con, column);
		return;
	}
	made->valid = !tree_true(con, "skip_validation");
	made->made = lint_at(j, con);
}

static void
add_column(struct lint_job *j, struct lint_rel *rel, const json_t *column)
{
	const char *name = tree_str(column, "colname");
	struct lint_column *made;
	const json_t *node;
	size_t i;

	if (!name)
		return;
	made = lint_add_column(rel, name, tree_get(column, "typeName"));
	json_array_foreach(tree_get(column, "constraints"), i, node) {
		const json_t *c = tree_node(node, "Constraint");

		if (tree_is(c, "contype", "CONSTR_NOTNULL") || tree_is(c, "contype", "CONSTR_IDENTITY"))
			made->not_null = true;
		else
			add_constraint(j, rel, c, name);
	}
}

void
lint_create_table(struct lint_job *j, const json_t *fields)
{
	struct lint_name name = lint_range(tree_get(fields, "relation"));
	struct lint_rel *rel;
	const json_t *node;
	size_t i;

	if (tree_true(fields, "if_not_exists") && lint_find(&j->m, name))
		return;
	rel = lint_add_rel(&j->m, name, tree_get(fields, "partspec") ? LINT_PARTITIONED : LINT_TABLE,
			   j->here.file);
	rel->unseen = tree_get(fields, "inhRelations") != NULL;
	if (tree_get(fields, "partbound")) {
		struct lint_name parent = lint_range(tree_node(
			json_array_get(tree_get(fields, "inhRelations"), 0), "RangeVar"));

		lint_lock(j, parent, lint_find(&j->m, parent));
	}
	/* Columns first: a key may come before those it names. */
	json_array_foreach(tree_get(fields, "tableElts"), i, node)
		if (tree_node(node, "ColumnDef"))
			add_column(j, rel, tree_node(node, "ColumnDef"));
	json_array_foreach(tree_get(fields, "tableElts"), i, node)
		if (tree_node(node, "Constraint"))
			add_constraint(j, rel, tree_node(node, "Constraint"), NULL);
		else if (tree_node(node, "TableLikeClause"))
			rel->unseen = true;
}

/* ADD COLUMN on a table that has rows. */
static void
judge_column(struct lint_job *j, const json_t *column)
{
	static const char fill[] = "add the column without it, fill it in batches, then set the "
		"default for new rows";
	struct traits c = column_traits(column);
	const json_t *type = tree_get(column, "typeName"), *def = tree_get(c.def, "raw_expr");
	struct lint_place at = lint_at(j, column);
	const char *name = tree_str(column, "colname");
	bool filled = def && !is_null_constant(def);

	if (lint_is_serial(type) || c.identity)
		lint_report(j, LINT_TABLE_REWRITE, at, fill,
			    "column \"%.63s\" takes a number of its own for each row, which rewrites "
			    "the table", name);
	else if (c.generated)
		lint_report(j, LINT_TABLE_REWRITE, at,
			    "add a plain column, keep it up to date with a trigger, fill it in batches",
			    "the generated column \"%.63s\" is stored in each row, which rewrites the "
			    "table", name);
	else if (def && lint_is_volatile(j, def))
		lint_report(j, LINT_TABLE_REWRITE, at, fill,
			    "the default of column \"%.63s\" differs from row to row, which rewrites "
			    "the table", name);
	else if (lint_is_checked(j, type))
		lint_report(j, LINT_TABLE_REWRITE, at,
			    "add the column with the domain's base type, and a CHECK with NOT VALID",
			    "column \"%.63s\" is of a domain with constraints, which rewrites the table",
			    name);
	else if (c.not_null && !filled)
		lint_report(j, LINT_COLUMN_WITHOUT_DEFAULT, at, NULL,
			    "column \"%.63s\" is NOT NULL and has no default: this fails if the table "
			    "has a row", name);
	if (c.unique)
		lint_report(j, LINT_CONSTRAINT_BUILDS_INDEX, lint_at(j, c.unique), NULL,
			    "the constraint of column \"%.63s\" builds an index while nobody can use "
			    "the table", name);
	if (c.check)
		lint_report(j, LINT_MISSING_NOT_VALID, lint_at(j, c.check), NULL,
			    "the CHECK of column \"%.63s\" reads all rows while nobody can use the "
			    "table", name);
	if (c.fk && filled)
		lint_report(j, LINT_MISSING_NOT_VALID, lint_at(j, c.fk), NULL,
			    "the foreign key of column \"%.63s\" looks up all rows while both tables "
			    "are locked against changes", name);
}

static void
on_add_column(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const json_t *column = tree_node(tree_get(cmd, "def"), "ColumnDef");

	if (tree_true(cmd, "missing_ok") && lint_column(t->rel, tree_str(column, "colname")))
		return;
	if (t->used)
		judge_column(j, column);
	add_column(j, t->rel, column);
}

static void
on_drop_column(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const char *name = tree_str(cmd, "name");
	const struct lint_rel *user = lint_user(j, t->name, name, false);
	bool cascade = tree_is(cmd, "behavior", "DROP_CASCADE");

	if (!name)
		return;
	if (user && !cascade)
		lint_report(j, LINT_DROP_IN_USE, j->here, NULL,
			    "column \"%.63s\" of %s is used by %s", name, lint_label(t->name).z,
			    lint_label(user->name).z);
	else if (cascade && (user || t->used))
		lint_report(j, LINT_DROP_CASCADE, j->here, NULL,
			    "with column \"%.63s\" of %s goes %s%s", name, lint_label(t->name).z,
			    user ? lint_label(user->name).z : "whatever depends on it",
			    user ? ", and what else depends on it" : "");
	else if (t->used)
		lint_report(j, LINT_DROP_COLUMN, j->here, NULL,
			    "programs at work may use column \"%.63s\" of %s; its values are lost, and "
			    "down cannot bring them back", name, lint_label(t->name).z);
	lint_note_gone(j, t->name, name, false);
	lint_drop_column(t->rel, name);
}

/* USING says how values become new ones, unless it says what the server would do anyway. */
static bool
plain_using(const json_t *using, const char *column)
{
	const json_t *cast = tree_node(using, "TypeCast"), *ref;
	const char *z;

	ref = tree_node(cast ? tree_get(cast, "arg") : using, "ColumnRef");
	z = tree_last(tree_get(ref, "fields"));
	return !using || (z && column && !strcmp(z, column));
}

static void
on_type(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const json_t *def = tree_node(tree_get(cmd, "def"), "ColumnDef");
	const json_t *type = tree_get(def, "typeName");
	const char *name = tree_str(cmd, "name");
	struct lint_column *c = lint_column(t->rel, name);
	const struct lint_rel *user = name ? lint_user(j, t->name, name, false) : NULL;
	enum lint_change change = lint_type_change(c ? c->type : NULL, type);

	if (user)
		lint_report(j, LINT_DROP_IN_USE, lint_at(j, def), NULL,
			    "the type of column \"%.63s\" of %s cannot change while %s uses it", name,
			    lint_label(t->name).z, lint_label(user->name).z);
	if (t->used && change != LINT_KEEPS)
		lint_report(j, LINT_TABLE_REWRITE, lint_at(j, def), NULL,
			    "the new type of column \"%.63s\" %s the table and its indexes", name,
			    change == LINT_REWRITES ? "rewrites" : "may, as its old one is not known "
			    "here, rewrite");
	else if (t->used && !plain_using(tree_get(def, "raw_default"), name))
		lint_report(j, LINT_TABLE_REWRITE, lint_at(j, def), NULL,
			    "USING computes column \"%.63s\" anew, which rewrites the table", name);
	if (c)
		c->type = type;
}

/* Whether an expression is false or null for a row in which the column is null. */
static bool
excludes_null(const json_t *expr, const char *column)
{
	const json_t *test = tree_node(expr, "NullTest"), *list, *node;
	const json_t *both = tree_node(expr, "BoolExpr"), *ref;
	const char *z;
	size_t i;

	if (tree_is(both, "boolop", "AND_EXPR")) {
		list = tree_get(both, "args");
		json_array_foreach(list, i, node)
			if (excludes_null(node, column))
				return true;
	}
	ref = tree_node(tree_get(test, "arg"), "ColumnRef");
	z = tree_last(tree_get(ref, "fields"));
	return tree_is(test, "nulltesttype", "IS_NOT_NULL") && z && column && !strcmp(z, column);
}

/* Whether the server knows without looking that no row has null there. */
static bool
is_proven(const struct lint_rel *rel, const char *column)
{
	const struct lint_column *c = lint_column(rel, column);
	bool proven = c && c->not_null;

	for (size_t i = 0; i < rel->ncons; i++)
		if (rel->cons[i].valid && excludes_null(rel->cons[i].expr, column))
			proven = true;
	return proven;
}

static void
on_set_not_null(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const char *name = tree_str(cmd, "name");
	struct lint_column *c = lint_column(t->rel, name);

	if (t->used && !is_proven(t->rel, name))
		lint_report(j, LINT_SET_NOT_NULL, j->here, NULL,
			    "NOT NULL of column \"%.63s\" reads all rows while nobody can use the table",
			    name);
	if (c)
		c->not_null = true;
}

static void
on_drop_not_null(struct lint_job *j, struct table *t, const json_t *cmd)
{
	struct lint_column *c = lint_column(t->rel, tree_str(cmd, "name"));

	(void)j;
	if (c)
		c->not_null = false;
}

/* PRIMARY KEY USING INDEX has no index to build, and still makes columns NOT NULL. */
static void
judge_key(struct lint_job *j, const struct table *t, const json_t *con)
{
	struct lint_name name = { t->rel->name.schema, tree_str(con, "indexname") };
	struct lint_rel *owner;
	const struct lint_index *index = lint_index(&j->m, name, &owner);
	bool proven = index && index->cols.n;

	for (size_t i = 0; proven && i < index->cols.n; i++)
		proven = is_proven(t->rel, index->cols.v[i]);
	if (!proven)
		lint_report(j, LINT_SET_NOT_NULL, lint_at(j, con), NULL,
			    "PRIMARY KEY makes its columns NOT NULL%s: it reads all rows while nobody "
			    "can use %s", index ? "" : ", unless they are", lint_label(t->name).z);
}

static void
judge_constraint(struct lint_job *j, struct table *t, const json_t *con)
{
	static const struct {
		const char *type, *what;
	} builds[] = {
		{ "CONSTR_PRIMARY", "PRIMARY KEY" }, { "CONSTR_UNIQUE", "UNIQUE" },
		{ "CONSTR_EXCLUSION", "EXCLUDE" },
	};
	struct lint_place at = lint_at(j, con);
	bool unproven = tree_true(con, "skip_validation");

	for (size_t i = 0; i < NELEM(builds); i++)
		if (tree_is(con, "contype", builds[i].type) && !tree_str(con, "indexname"))
			lint_report(j, LINT_CONSTRAINT_BUILDS_INDEX, at,
				    i == 2 ? "there is none for EXCLUDE on a large table in use: make a "
				    "new table with it" : NULL,
				    "%s builds an index while nobody can use %s", builds[i].what,
				    lint_label(t->name).z);
	if (tree_is(con, "contype", "CONSTR_PRIMARY") && tree_str(con, "indexname"))
		judge_key(j, t, con);
	if (tree_is(con, "contype", "CONSTR_CHECK") && !unproven)
		lint_report(j, LINT_MISSING_NOT_VALID, at, NULL,
			    "CHECK reads all rows of %s while nobody can use it",
			    lint_label(t->name).z);
	if (tree_is(con, "contype", "CONSTR_FOREIGN") && !unproven)
		lint_report(j, LINT_MISSING_NOT_VALID, at, NULL,
			    "FOREIGN KEY looks up all rows of %s while both tables are locked against "
			    "changes", lint_label(t->name).z);
}

static void
on_add_constraint(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const json_t *con = tree_node(tree_get(cmd, "def"), "Constraint");

	if (t->used)
		judge_constraint(j, t, con);
	add_constraint(j, t->rel, con, NULL);
}

static void
on_validate(struct lint_job *j, struct table *t, const json_t *cmd)
{
	struct lint_con *c = lint_con(t->rel, tree_str(cmd, "name"));

	if (t->used && c && !c->valid && lint_same_transaction(j, c->made.file))
		lint_report(j, LINT_MISSING_NOT_VALID, j->here,
			    "VALIDATE CONSTRAINT as a step of a file that begins with \"-- jobctl: "
			    "no-transaction\"",
			    "constraint \"%.63s\" is validated in the transaction that adds it, under "
			    "the lock that adding took", c->name);
	else if (t->used && !(c && c->valid))
		lint_work_under_lock(j, "VALIDATE CONSTRAINT");
	if (c)
		c->valid = true;
}

static void
on_drop_constraint(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const char *name = tree_str(cmd, "name");
	struct lint_con *c = lint_con(t->rel, name);

	if (t->used && tree_is(cmd, "behavior", "DROP_CASCADE"))
		lint_report(j, LINT_DROP_CASCADE, j->here, NULL,
			    "with constraint \"%.63s\" go the foreign keys that refer to it", name);
	if (c)
		lint_drop_con(t->rel, c);
	for (size_t i = t->rel->nindexes; i; i--)
		if (name && t->rel->indexes[i - 1].name.name &&
		    !strcmp(t->rel->indexes[i - 1].name.name, name))
			lint_drop_index(t->rel, &t->rel->indexes[i - 1]);
}

static void
on_rewrite(struct lint_job *j, struct table *t, const json_t *cmd)
{
	if (t->used)
		lint_report(j, LINT_TABLE_REWRITE, j->here,
			    "pg_repack and its like, or a quiet hour and an allow that says so",
			    "%s rewrites %s while nobody can use it",
			    tree_is(cmd, "subtype", "AT_SetLogged") ? "SET LOGGED"
			    : tree_is(cmd, "subtype", "AT_SetUnLogged") ? "SET UNLOGGED"
			    : tree_is(cmd, "subtype", "AT_SetTableSpace") ? "SET TABLESPACE"
			    : "SET ACCESS METHOD", lint_label(t->name).z);
}

/* A table that becomes a partition is read, unless a CHECK says that its rows fit. */
static void
on_attach(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const json_t *part = tree_get(tree_node(tree_get(cmd, "def"), "PartitionCmd"), "name");
	struct lint_name name = lint_range(part);
	const struct lint_rel *rel = lint_find(&j->m, name);
	bool checked = false;

	(void)t;
	for (size_t i = 0; rel && i < rel->ncons; i++)
		checked = checked || (rel->cons[i].kind == LINT_CHECK && rel->cons[i].valid);
	if (lint_in_use(j, rel) && !checked)
		lint_report(j, LINT_MISSING_NOT_VALID, lint_at(j, part),
			    "first add a CHECK that says what the partition takes, NOT VALID, and "
			    "VALIDATE it: ATTACH takes its word",
			    "ATTACH PARTITION reads all rows of %s while nobody can use it",
			    lint_label(name).z);
	lint_lock(j, name, rel);
}

static const struct {
	const char *type;
	void (*fn)(struct lint_job *j, struct table *t, const json_t *cmd);
	bool shares;		/* the table can be used meanwhile, at least read */
} commands[] = {
	{ "AT_AddColumn", on_add_column, false },
	{ "AT_DropColumn", on_drop_column, false },
	{ "AT_AlterColumnType", on_type, false },
	{ "AT_SetNotNull", on_set_not_null, false },
	{ "AT_DropNotNull", on_drop_not_null, false },
	{ "AT_AddConstraint", on_add_constraint, false },
	{ "AT_ValidateConstraint", on_validate, true },
	{ "AT_DropConstraint", on_drop_constraint, false },
	{ "AT_SetLogged", on_rewrite, false },
	{ "AT_SetUnLogged", on_rewrite, false },
	{ "AT_SetTableSpace", on_rewrite, false },
	{ "AT_SetAccessMethod", on_rewrite, false },
	{ "AT_AttachPartition", on_attach, true },
	{ "AT_SetStatistics", NULL, true },
	{ "AT_SetOptions", NULL, true },
	{ "AT_ResetOptions", NULL, true },
	{ "AT_SetRelOptions", NULL, true },
	{ "AT_ResetRelOptions", NULL, true },
	{ "AT_ClusterOn", NULL, true },
	{ "AT_DropCluster", NULL, true },
	{ "AT_EnableTrig", NULL, true },
	{ "AT_EnableTrigAll", NULL, true },
	{ "AT_EnableTrigUser", NULL, true },
	{ "AT_DisableTrig", NULL, true },
	{ "AT_DisableTrigAll", NULL, true },
	{ "AT_DisableTrigUser", NULL, true },
};

static void
alter(struct lint_job *j, struct table *t, const json_t *cmd)
{
	const json_t *con = tree_node(tree_get(cmd, "def"), "Constraint");
	const json_t *part = tree_node(tree_get(cmd, "def"), "PartitionCmd");
	bool shares = tree_is(con, "contype", "CONSTR_FOREIGN") || tree_true(part, "concurrent");

	for (size_t i = 0; i < NELEM(commands); i++) {
		if (!tree_is(cmd, "subtype", commands[i].type))
			continue;
		if (commands[i].fn)
			commands[i].fn(j, t, cmd);
		shares = shares || commands[i].shares;
	}
	t->locked = t->locked || !shares;
}

void
lint_alter_table(struct lint_job *j, const json_t *fields)
{
	struct table t = { .name = lint_range(tree_get(fields, "relation")) };
	const json_t *node;
	size_t i;

	if (!tree_is(fields, "objtype", "OBJECT_TABLE") && !tree_is(fields, "objtype", "OBJECT_MATVIEW"))
		return;
	t.rel = lint_find_or_add(&j->m, t.name);
	t.used = lint_in_use(j, t.rel);
	json_array_foreach(tree_get(fields, "cmds"), i, node)
		if (tree_node(node, "AlterTableCmd"))
			alter(j, &t, tree_node(node, "AlterTableCmd"));
	if (t.locked)
		lint_lock(j, t.name, t.rel);
}
