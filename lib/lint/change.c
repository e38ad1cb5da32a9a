/*
 * change.c - names that change, and values that are new
 */
#include "lint/job.h"

#include <stdlib.h>
#include <string.h>

static void
rename_table(struct lint_job *j, struct lint_name name, const char *to)
{
	struct lint_rel *r = lint_find(&j->m, name);

	if (lint_in_use(j, r))
		lint_note_rename(j, name);
	lint_lock(j, name, r);
	lint_note_gone(j, name, NULL, false);
	if (r)
		r->name.name = to;
}

static void
rename_column(struct lint_job *j, struct lint_name name, const char *from, const char *to)
{
	struct lint_rel *r = lint_find(&j->m, name);

	if (r && r->kind == LINT_VIEW)
		return;
	if (lint_in_use(j, r))
		lint_report(j, LINT_RENAME, j->here,
			    "add a column with the new name, fill both, switch the programs over, drop "
			    "the old one",
			    "programs at work know column \"%.63s\" of %s by its old name", from,
			    lint_label(name).z);
	lint_lock(j, name, r);
	lint_note_gone(j, name, from, false);
	if (r)
		lint_rename_column(r, from, to);
}

/* What has a name of its own and no columns; tables in a schema go with it. */
static void
rename_other(struct lint_job *j, const json_t *f, const char *from, const char *to)
{
	const json_t *object = tree_get(f, "object");
	struct lint_name name = { NULL, from };

	if (tree_is(f, "renameType", "OBJECT_SCHEMA")) {
		for (size_t i = 0; from && i < j->m.n; i++)
			if (j->m.rels[i]->name.schema && !strcmp(j->m.rels[i]->name.schema, from))
				j->m.rels[i]->name.schema = to;
	} else {
		const struct lint_fact *known;

		name = lint_listed(tree_get(tree_node(object, "ObjectWithArgs"), "objname"));
		known = lint_fact(j->m.functions, j->m.nfunctions, name);
		if (known && lint_file_is_new(j, known->file))
			return;
		lint_note_gone(j, name, NULL, true);
	}
	lint_report(j, LINT_RENAME, j->here, "leave it its name, or keep the old one beside the new",
		    "programs at work know %s by its old name", lint_label(name).z);
}

void
lint_rename(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));
	const char *from = tree_str(f, "subname"), *to = tree_str(f, "newname");
	struct lint_rel *r = NULL;
	struct lint_index *index;
	struct lint_con *con;

	if (tree_is(f, "renameType", "OBJECT_SCHEMA") ||
	    tree_is(f, "renameType", "OBJECT_FUNCTION")) {
		rename_other(j, f, from, to);
	} else if (!name.name || !to) {
		return;
	} else if (tree_is(f, "renameType", "OBJECT_TABLE") ||
		   tree_is(f, "renameType", "OBJECT_VIEW") ||
		   tree_is(f, "renameType", "OBJECT_MATVIEW")) {
		rename_table(j, name, to);
	} else if (tree_is(f, "renameType", "OBJECT_COLUMN") && from) {
		rename_column(j, name, from, to);
	} else if (tree_is(f, "renameType", "OBJECT_INDEX")) {
		index = lint_index(&j->m, name, &r);
		if (index)
			index->name.name = to;
	} else if (tree_is(f, "renameType", "OBJECT_TABCONSTRAINT")) {
		con = lint_con(lint_find(&j->m, name), from);
		if (con)
			con->name = to;
	}
}

void
lint_set_schema(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_range(tree_get(f, "relation"));
	struct lint_rel *r = name.name ? lint_find(&j->m, name) : NULL;

	if (!tree_is(f, "objectType", "OBJECT_TABLE"))
		return;
	if (lint_in_use(j, r))
		lint_note_rename(j, name);
	lint_lock(j, name, r);
	lint_note_gone(j, name, NULL, false);
	if (r)
		r->name.schema = tree_str(f, "newschema");
}

void
lint_create_enum(struct lint_job *j, const json_t *f)
{
	lint_set_fact(&j->m.types, &j->m.ntypes, lint_listed(tree_get(f, "typeName")), false,
		      j->here.file);
}

/* Until its transaction is committed a new value can be there, and not be used. */
void
lint_alter_enum(struct lint_job *j, const json_t *f)
{
	struct lint_name name = lint_listed(tree_get(f, "typeName"));
	const struct lint_fact *known = lint_fact(j->m.types, j->m.ntypes, name);
	const char *old = tree_str(f, "oldVal");

	if (old && !(known && lint_file_is_new(j, known->file)))
		lint_report(j, LINT_RENAME, j->here, "add a value with the new name, and use that",
			    "programs at work know value '%.63s' of %s by its old name", old,
			    lint_label(name).z);
	if (old || !lint_in_transaction(j) || (known && lint_same_transaction(j, known->file)))
		return;
	j->values = xreallocarray(j->values, j->nvalues + 1, sizeof *j->values);
	j->values[j->nvalues++] = (struct lint_value){
		.type = name, .value = tree_str(f, "newVal"), .at = j->here
	};
}

static bool
is_value(void *ctx, const char *type, const json_t *fields)
{
	const char *z = tree_str(tree_get(fields, "sval"), "sval");

	return !strcmp(type, "A_Const") && z && !strcmp(z, ctx);
}

void
lint_new_values(struct lint_job *j, const json_t *fields)
{
	for (size_t i = 0; i < j->nvalues; i++) {
		const struct lint_value *v = &j->values[i];

		if (v->value && lint_same_transaction(j, v->at.file) &&
		    tree_any(fields, is_value, (void *)(uintptr_t)v->value))
			lint_report(j, LINT_NEW_ENUM_VALUE, j->here, NULL,
				    "'%.63s' cannot be used, if this means the value of %s, in the "
				    "transaction that adds it", v->value, lint_label(v->type).z);
	}
}
