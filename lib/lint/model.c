/*
 * model.c - tables, their columns, indexes and constraints, as migrations make them
 */
#include "lint/model.h"

#include <stdlib.h>
#include <string.h>

#include "lint/tree.h"

static void
rel_free(struct lint_rel *r)
{
	for (size_t i = 0; i < r->nindexes; i++)
		free(r->indexes[i].cols.v);
	for (size_t i = 0; i < r->ncons; i++)
		free(r->cons[i].cols.v);
	free(r->cols);
	free(r->indexes);
	free(r->cons);
	free(r);
}

void
lint_model_free(struct lint_model *m)
{
	for (size_t i = 0; i < m->n; i++)
		rel_free(m->rels[i]);
	free(m->rels);
	free(m->types);
	free(m->functions);
	*m = (struct lint_model){ .n = 0 };
}

struct lint_name
lint_range(const json_t *range)
{
	return (struct lint_name){ tree_str(range, "schemaname"), tree_str(range, "relname") };
}

struct lint_name
lint_listed(const json_t *list)
{
	return (struct lint_name){ tree_before_last(list), tree_last(list) };
}

bool
lint_same(struct lint_name a, struct lint_name b)
{
	return a.name && b.name && !strcmp(a.name, b.name) &&
	       (!a.schema || !b.schema || !strcmp(a.schema, b.schema));
}

static bool
equal(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

struct lint_rel *
lint_find(const struct lint_model *m, struct lint_name name)
{
	for (size_t i = m->n; i; i--)
		if (!m->rels[i - 1]->function && lint_same(m->rels[i - 1]->name, name))
			return m->rels[i - 1];
	return NULL;
}

struct lint_column *
lint_column(const struct lint_rel *rel, const char *name)
{
	for (size_t i = 0; rel && i < rel->ncols; i++)
		if (equal(rel->cols[i].name, name))
			return &rel->cols[i];
	return NULL;
}

struct lint_con *
lint_con(const struct lint_rel *rel, const char *name)
{
	for (size_t i = 0; rel && i < rel->ncons; i++)
		if (equal(rel->cons[i].name, name))
			return &rel->cons[i];
	return NULL;
}

struct lint_index *
lint_index(const struct lint_model *m, struct lint_name name, struct lint_rel **rel)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t j = 0; j < m->rels[i]->nindexes; j++)
			if (lint_same(m->rels[i]->indexes[j].name, name)) {
				*rel = m->rels[i];
				return &m->rels[i]->indexes[j];
			}
	*rel = NULL;
	return NULL;
}

const struct lint_fact *
lint_fact(const struct lint_fact *v, size_t n, struct lint_name name)
{
	for (size_t i = n; i; i--)
		if (lint_same(v[i - 1].name, name))
			return &v[i - 1];
	return NULL;
}

void
lint_drop_rel(struct lint_model *m, struct lint_rel *rel)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->rels[i] != rel)
			continue;
		m->n--;
		memmove(&m->rels[i], &m->rels[i + 1], (m->n - i) * sizeof *m->rels);
		rel_free(rel);
		return;
	}
}

struct lint_rel *
lint_new_rel(struct lint_model *m, struct lint_name name, enum lint_rel_kind kind, size_t file)
{
	struct lint_rel *r = xcalloc(1, sizeof *r);

	r->name = name;
	r->kind = kind;
	r->file = file;
	r->unseen = !file;
	m->rels = xreallocarray(m->rels, m->n + 1, sizeof *m->rels);
	m->rels[m->n++] = r;
	return r;
}

struct lint_rel *
lint_add_rel(struct lint_model *m, struct lint_name name, enum lint_rel_kind kind, size_t file)
{
	struct lint_rel *r = lint_find(m, name);

	if (r)
		lint_drop_rel(m, r);
	return lint_new_rel(m, name, kind, file);
}

struct lint_rel *
lint_find_or_add(struct lint_model *m, struct lint_name name)
{
	struct lint_rel *r = lint_find(m, name);

	return r ? r : lint_add_rel(m, name, LINT_TABLE, 0);
}

void
lint_set_fact(struct lint_fact **v, size_t *n, struct lint_name name, bool yes, size_t file)
{
	*v = xreallocarray(*v, *n + 1, sizeof **v);
	(*v)[(*n)++] = (struct lint_fact){ name, yes, file };
}

struct lint_column *
lint_add_column(struct lint_rel *rel, const char *name, const json_t *type)
{
	struct lint_column *c = lint_column(rel, name);

	if (c)
		return c;
	rel->cols = xreallocarray(rel->cols, rel->ncols + 1, sizeof *rel->cols);
	c = &rel->cols[rel->ncols++];
	*c = (struct lint_column){ .name = name, .type = type };
	return c;
}

struct lint_index *
lint_add_index(struct lint_rel *rel, struct lint_name name)
{
	rel->indexes = xreallocarray(rel->indexes, rel->nindexes + 1, sizeof *rel->indexes);
	rel->indexes[rel->nindexes] = (struct lint_index){ .name = name };
	return &rel->indexes[rel->nindexes++];
}

struct lint_con *
lint_add_con(struct lint_rel *rel, enum lint_con_kind kind, const char *name)
{
	rel->cons = xreallocarray(rel->cons, rel->ncons + 1, sizeof *rel->cons);
	rel->cons[rel->ncons] = (struct lint_con){ .kind = kind, .name = name };
	return &rel->cons[rel->ncons++];
}

void
lint_drop_index(struct lint_rel *rel, struct lint_index *index)
{
	size_t i = (size_t)(index - rel->indexes);

	free(index->cols.v);
	rel->nindexes--;
	memmove(index, index + 1, (rel->nindexes - i) * sizeof *index);
}

void
lint_drop_con(struct lint_rel *rel, struct lint_con *con)
{
	size_t i = (size_t)(con - rel->cons);

	free(con->cols.v);
	rel->ncons--;
	memmove(con, con + 1, (rel->ncons - i) * sizeof *con);
}

static bool
has_name(const struct lint_names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (equal(l->v[i], name))
			return true;
	return false;
}

/* With a column go the indexes and foreign keys that it is part of. */
void
lint_drop_column(struct lint_rel *rel, const char *name)
{
	struct lint_column *c = lint_column(rel, name);

	if (c) {
		size_t i = (size_t)(c - rel->cols);

		rel->ncols--;
		memmove(c, c + 1, (rel->ncols - i) * sizeof *c);
	}
	for (size_t i = rel->nindexes; i; i--)
		if (has_name(&rel->indexes[i - 1].cols, name))
			lint_drop_index(rel, &rel->indexes[i - 1]);
	for (size_t i = rel->ncons; i; i--)
		if (has_name(&rel->cons[i - 1].cols, name))
			lint_drop_con(rel, &rel->cons[i - 1]);
}

static void
rename_in(struct lint_names *l, const char *from, const char *to)
{
	for (size_t i = 0; i < l->n; i++)
		if (equal(l->v[i], from))
			l->v[i] = to;
}

void
lint_rename_column(struct lint_rel *rel, const char *from, const char *to)
{
	struct lint_column *c = lint_column(rel, from);

	if (c)
		c->name = to;
	for (size_t i = 0; i < rel->nindexes; i++)
		rename_in(&rel->indexes[i].cols, from, to);
	for (size_t i = 0; i < rel->ncons; i++)
		rename_in(&rel->cons[i].cols, from, to);
}

void
lint_add_name(struct lint_names *l, const char *name)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n++] = name;
}
