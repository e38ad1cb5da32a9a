/*
 * lint.c - the files one after the other, and the findings
 */
#include "lint/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

const struct lint_rule lint_rules[LINT_NRULES] = {
	[LINT_TRANSACTION_CONTROL] = { "transaction-control", true,
		"take it out; what cannot be in a transaction belongs in a file of its own that begins "
		"with \"-- jobctl: no-transaction\"" },
	[LINT_TABLE_REWRITE] = { "table-rewrite", true,
		"add a new column, fill it in batches, switch the programs over, drop the old one" },
	[LINT_MISSING_CONCURRENTLY] = { "missing-concurrently", true,
		"CREATE INDEX CONCURRENTLY IF NOT EXISTS, as a step of a file that begins with "
		"\"-- jobctl: no-transaction\"" },
	[LINT_NOT_IN_TRANSACTION] = { "not-in-transaction", true,
		"make it a step of a file that begins with \"-- jobctl: no-transaction\"" },
	[LINT_COLUMN_WITHOUT_DEFAULT] = { "column-without-default", true,
		"give it a constant DEFAULT, or add it without NOT NULL, fill it, and see set-not-null" },
	[LINT_SET_NOT_NULL] = { "set-not-null", true,
		"ADD CONSTRAINT ... CHECK (column IS NOT NULL) NOT VALID, see missing-not-valid, "
		"then SET NOT NULL, which takes its word" },
	[LINT_MISSING_NOT_VALID] = { "missing-not-valid", true,
		"add the constraint NOT VALID; then VALIDATE CONSTRAINT, as a step of a file that "
		"begins with \"-- jobctl: no-transaction\"" },
	[LINT_CONSTRAINT_BUILDS_INDEX] = { "constraint-builds-index", true,
		"CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX" },
	[LINT_DROP_CASCADE] = { "drop-cascade", true,
		"drop what depends on it by name, so that nothing goes unseen" },
	[LINT_DROP_IN_USE] = { "drop-in-use", true,
		"change or drop the view first" },
	[LINT_FK_WITHOUT_INDEX] = { "fk-without-index", false,
		"CREATE INDEX on the referencing columns" },
	[LINT_DROP_TABLE] = { "drop-table", false,
		"rename it first, and drop it when nobody has missed it; keep its rows elsewhere" },
	[LINT_DROP_COLUMN] = { "drop-column", false,
		"first see that no program names it any more; keep its values elsewhere" },
	[LINT_DROP_INDEX] = { "drop-index", false,
		"DROP INDEX CONCURRENTLY IF EXISTS, as a step of a file that begins with "
		"\"-- jobctl: no-transaction\"" },
	[LINT_RENAME] = { "rename", false,
		"in the same migration make a view with the old name" },
	[LINT_LOCK_TABLE] = { "lock-table", false,
		"let each statement take the lock it needs" },
	[LINT_TRUNCATE] = { "truncate", false,
		"delete in batches what is not needed, outside of migrations" },
	[LINT_NO_WHERE] = { "no-where", false,
		"change rows in batches, each a transaction of its own" },
	[LINT_WORK_UNDER_LOCK] = { "work-under-lock", false,
		"do it in a migration of its own, or in batches" },
	[LINT_SEVERAL_LOCKS] = { "several-locks", false,
		"one table in use to a migration" },
	[LINT_NO_LOCK_TIMEOUT] = { "no-lock-timeout", false,
		"take the line out: --lock-timeout sets it" },
	[LINT_NEW_ENUM_VALUE] = { "new-enum-value", false,
		"add the value in a migration before, as a step of a file that begins with "
		"\"-- jobctl: no-transaction\"" },
	[LINT_STEP_NOT_REPEATABLE] = { "step-not-repeatable", false,
		"write the step so that it can be run again" },
	[LINT_EMPTY_DOWN] = { "empty-down", false,
		"undo what up did, or say why that cannot be" },
	[LINT_NOT_UNDERSTOOD] = { "not-understood", false,
		"if the server takes it, it is newer than this parser: read it with care" },
	[LINT_USELESS_ALLOW] = { "useless-allow", false,
		"take the line out" },
};

static void
add(struct lint_job *j, const struct lint_src *src, int line, const struct lint_rule *rule,
    const char *safe, char *text)
{
	struct lint *l = j->out;

	l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n++] = (struct lint_finding){
		.set = src->set, .version = src->version, .path = src->file->path, .line = line,
		.rule = rule, .safe = safe ? safe : rule->safe, .text = text,
	};
	l->errors += rule->error;
}

static bool
is_rule(const struct lint_allow *a, const char *name)
{
	return a->nrule == strlen(name) && !memcmp(a->rule, name, a->nrule);
}

/* `up` refuses transaction control whatever is allowed. */
static bool
is_allowed(struct lint_job *j, enum lint_rule_id rule, const struct lint_place *at)
{
	bool found = false;

	for (size_t i = 0; i < j->nallows && rule != LINT_TRANSACTION_CONTROL; i++) {
		struct lint_allow *a = &j->allows[i];

		if (a->at.file == at->file && a->at.stmt == at->stmt &&
		    is_rule(a, lint_rules[rule].name))
			found = a->used = true;
	}
	return found;
}

void
lint_report(struct lint_job *j, enum lint_rule_id rule, struct lint_place at, const char *safe,
	    const char *fmt, ...)
{
	const struct lint_src *src = &j->srcs[at.file - 1];
	AUTOSTR s = STR(1000);
	char text[1000];
	va_list ap;

	if (!src->wanted || is_allowed(j, rule, &at))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	str_puts(&s, text);
	add(j, src, at.line, &lint_rules[rule], safe, str_take(&s));
}

struct lint_place
lint_at(const struct lint_job *j, const json_t *fields)
{
	struct lint_place at = j->here;
	int64_t n = tree_int(fields, "location");

	if (n <= 0 || (size_t)n > j->len)
		return at;
	at.line = j->text_line + mig_line_of_byte(j->text, (size_t)n) - 1;
	return at;
}

const char *
lint_keep(struct lint_job *j, const char *z)
{
	json_t *s = json_string(z);

	if (!s)
		return NULL;
	json_array_append_new(j->kept, s);
	return json_string_value(s);
}

/* A file that is applied together with the one at hand, as far as we know. */
bool
lint_file_is_new(const struct lint_job *j, size_t file)
{
	const struct lint_src *src;

	if (!file)
		return false;
	src = &j->srcs[file - 1];
	return file == j->here.file || (j->goal->applied >= 0 && !src->applied);
}

bool
lint_in_use(const struct lint_job *j, const struct lint_rel *rel)
{
	return !rel || !lint_file_is_new(j, rel->file);
}

bool
lint_in_transaction(const struct lint_job *j)
{
	return !j->src->file->no_transaction;
}

/* With an api, all that is pending is one transaction, up to a file that cannot be in one. */
bool
lint_same_transaction(const struct lint_job *j, size_t file)
{
	if (!lint_in_transaction(j) || !lint_file_is_new(j, file))
		return false;
	if (file != j->here.file && (j->srcs[file - 1].set != j->src->set || !j->src->set->napi))
		return false;
	for (size_t i = file; i < j->here.file; i++)
		if (j->srcs[i - 1].part == LINT_UP && j->srcs[i - 1].file->no_transaction)
			return false;
	return true;
}

void
lint_lock(struct lint_job *j, struct lint_name name, const struct lint_rel *rel)
{
	if (!lint_in_use(j, rel) || !lint_in_transaction(j))
		return;
	for (size_t i = 0; i < j->nlocked; i++)
		if (lint_same(j->locked[i], name))
			return;
	j->locked = xreallocarray(j->locked, j->nlocked + 1, sizeof *j->locked);
	j->locked[j->nlocked++] = name;
	if (j->nlocked > 1 && !j->said_several) {
		lint_report(j, LINT_SEVERAL_LOCKS, j->here, NULL,
			    "%s is kept from everybody while the migration waits for %s; who takes "
			    "them the other way round meets it in a deadlock",
			    lint_label(j->locked[0]).z, lint_label(name).z);
		j->said_several = true;
	}
}

void
lint_note_gone(struct lint_job *j, struct lint_name name, const char *column, bool function)
{
	j->gone = xreallocarray(j->gone, j->ngone + 1, sizeof *j->gone);
	j->gone[j->ngone++] = (struct lint_gone){ name, column, function, j->here };
}

void
lint_note_rename(struct lint_job *j, struct lint_name name)
{
	j->renamed = xreallocarray(j->renamed, j->nrenamed + 1, sizeof *j->renamed);
	j->renamed[j->nrenamed++] = (struct lint_gone){ .name = name, .at = j->here };
}

struct lint_label
lint_label(struct lint_name name)
{
	struct lint_label l;

	snprintf(l.z, sizeof l.z, "%.63s%s%.63s", name.schema ? name.schema : "",
		 name.schema ? "." : "", name.name ? name.name : "it");
	return l;
}

void
lint_add_names(struct lint_names *l, const json_t *list)
{
	const json_t *node;
	size_t i;

	json_array_foreach(list, i, node)
		if (tree_text(node))
			lint_add_name(l, tree_text(node));
}

/* What the parser made of one statement; trees of rows are not kept. */
static void
judge(struct lint_job *j, const char *word)
{
	struct err e = ERR_INIT;
	size_t at, i;
	json_t *tree, *stmt;

	if (j->len > TREE_MAX_SQL && !strcmp(word, "INSERT"))
		return;
	tree = tree_parse(j->text, j->len, &at, &e);
	if (!tree) {
		struct lint_place place = j->here;

		place.line += mig_line_of_byte(j->text, at) - 1;
		lint_report(j, LINT_NOT_UNDERSTOOD, place, NULL, "%s", e.msg);
		return;
	}
	json_array_foreach(tree, i, stmt) {
		const json_t *node = tree_get(stmt, "stmt");

		lint_control(j, node);
		if (j->src->part == LINT_UP) {
			lint_statement(j, node);
		} else if (j->src->part == LINT_DOWN) {
			lint_down_statement(j, node);
		} else {
			j->api = xreallocarray(j->api, j->napi + 1, sizeof *j->api);
			j->api[j->napi++] = (struct lint_made){ node, j->here.file };
		}
	}
	if (strcmp(word, "INSERT") != 0)
		json_array_append(j->kept, tree);
	json_decref(tree);
}

struct allows {
	struct lint_job *j;
	const struct mig_stmts *st;
	size_t stmt, at;
	int line;
};

/* It speaks of the statement it stands before, or in. */
static void
add_allow(void *ctx, size_t at, const char *rule, size_t n)
{
	struct allows *a = ctx;
	struct lint_job *j = a->j;

	while (a->stmt < a->st->n && a->st->v[a->stmt].end <= at)
		a->stmt++;
	a->line += mig_line_of_byte(j->src->file->text + a->at, at - a->at) - 1;
	a->at = at;
	j->allows = xreallocarray(j->allows, j->nallows + 1, sizeof *j->allows);
	j->allows[j->nallows++] = (struct lint_allow){
		.at = { j->here.file, a->stmt < a->st->n ? a->stmt + 1 : 0, a->line },
		.rule = rule, .nrule = n,
	};
}

static void
end_file(struct lint_job *j)
{
	for (size_t i = 0; i < j->nrenamed; i++) {
		const struct lint_rel *r = lint_find(&j->m, j->renamed[i].name);

		if (!r || r->kind != LINT_VIEW)
			lint_report(j, LINT_RENAME, j->renamed[i].at, NULL,
				    "programs at work know %s by its old name",
				    lint_label(j->renamed[i].name).z);
	}
	j->nrenamed = j->nlocked = 0;
	j->said_several = false;
}

static void
read_file(struct lint_job *j, size_t file)
{
	const struct lint_src *src = j->src = &j->srcs[file - 1];
	const char *text = src->file->text;
	struct mig_stmts st;
	struct allows a = { .j = j, .st = &st, .line = 1 };
	struct err e = ERR_INIT;
	size_t at = 0;
	int line = 1;

	j->here = (struct lint_place){ file, 0, 1 };
	if (mig_scan(text, src->file->len, &st, &e))
		return;		/* who read it has said so */
	mig_allows(text, src->file->len, add_allow, &a);
	for (size_t i = 0; i < st.n; i++) {
		line += mig_line_of_byte(text + at, st.v[i].start - at) - 1;
		at = st.v[i].start;
		j->here = (struct lint_place){ file, i + 1, line };
		j->text = text + at;
		j->len = st.v[i].end - at;
		j->text_line = line;
		judge(j, st.v[i].word[0]);
	}
	if (src->part == LINT_DOWN && !st.n)
		lint_report(j, LINT_EMPTY_DOWN, (struct lint_place){ file, 0, 1 }, NULL,
			    "down does nothing, and forgets that the migration was applied");
	end_file(j);
	free(st.v);
	j->out->files += src->wanted;
}

/* Whether an index leads to the rows that refer to a row. */
static bool
has_index(const struct lint_rel *rel, const struct lint_con *fk)
{
	for (size_t i = 0; i < rel->nindexes; i++) {
		const struct lint_index *x = &rel->indexes[i];
		size_t same = 0;

		/* A shorter index finds few enough; a longer one only by its first columns. */
		for (; x->finds && same < x->cols.n && same < fk->cols.n; same++) {
			size_t k = 0;

			while (k < fk->cols.n &&
			       (!x->cols.v[same] || strcmp(x->cols.v[same], fk->cols.v[k]) != 0))
				k++;
			if (k == fk->cols.n)
				break;
		}
		if (same && (same == x->cols.n || same == fk->cols.n))
			return true;
	}
	return false;
}

static void
check_foreign_keys(struct lint_job *j)
{
	for (size_t i = 0; i < j->m.n; i++) {
		const struct lint_rel *rel = j->m.rels[i];

		for (size_t k = 0; k < rel->ncons; k++) {
			const struct lint_con *c = &rel->cons[k];

			if (c->kind == LINT_FK && !rel->unseen && !has_index(rel, c))
				lint_report(j, LINT_FK_WITHOUT_INDEX, c->made, NULL,
					    "no index of %s finds all rows by \"%.63s\"%s: to delete a row "
					    "that they refer to, or its key, the whole table is read",
					    lint_label(rel->name).z, c->cols.v[0],
					    c->cols.n > 1 ? " and what follows" : "");
		}
	}
}

/* Whether the set has it again, or still. */
static bool
is_back(const struct lint_job *j, const struct lint_gone *g)
{
	const struct lint_rel *r = lint_find(&j->m, g->name);

	if (g->function)
		return lint_fact(j->m.functions, j->m.nfunctions, g->name) != NULL;
	return r && (!g->column || lint_column(r, g->column));
}

static bool
api_uses(const struct lint_made *m, const struct lint_gone *g)
{
	const json_t *view = tree_get(tree_node(m->node, "ViewStmt"), "query");
	const json_t *body = tree_get(tree_node(m->node, "CreateFunctionStmt"), "sql_body");

	if (g->function)
		return lint_calls(view, g->name) || lint_calls(body, g->name);
	return lint_uses(view, g->name, g->column) || lint_uses(body, g->name, g->column);
}

/* The api comes after the last migration, and has to find what it uses. */
static void
check_api(struct lint_job *j)
{
	for (size_t i = 0; i < j->ngone; i++) {
		const struct lint_gone *g = &j->gone[i];

		for (size_t k = 0; k < j->napi && !is_back(j, g); k++)
			if (api_uses(&j->api[k], g)) {
				lint_report(j, LINT_DROP_IN_USE, g->at, "change that file too",
					    "%s%.63s%s%s is used by %s", g->column ? "column \"" : "",
					    g->column ? g->column : lint_label(g->name).z,
					    g->column ? "\" of " : "",
					    g->column ? lint_label(g->name).z : "",
					    j->srcs[j->api[k].file - 1].file->path);
				break;
			}
	}
}

static void
check_allows(struct lint_job *j)
{
	for (size_t i = 0; i < j->nallows; i++) {
		const struct lint_allow *a = &j->allows[i];
		const struct lint_src *src = &j->srcs[a->at.file - 1];
		bool known = false;

		for (size_t k = 0; k < LINT_NRULES; k++)
			known = known || is_rule(a, lint_rules[k].name);
		if (src->wanted && !a->used)
			add(j, src, a->at.line, &lint_rules[LINT_USELESS_ALLOW],
			    known ? NULL : "take a name from the manual's table of rules",
			    known ? xasprintf("nothing here is %.*s", (int)a->nrule, a->rule)
				  : xasprintf("there is no rule \"%.*s\"",
					      a->nrule > 60 ? 60 : (int)a->nrule, a->rule));
	}
}

static void
add_src(struct lint_job *j, const struct mig_set *set, int64_t version, const struct mig_file *file,
	enum lint_part part)
{
	const struct lint_goal *goal = j->goal;
	bool applied = version && version <= goal->applied;

	if (!file->text)
		return;
	j->srcs = xreallocarray(j->srcs, j->nsrcs + 1, sizeof *j->srcs);
	j->srcs[j->nsrcs++] = (struct lint_src){
		.set = set, .version = version, .file = file, .part = part, .applied = applied,
		.wanted = !applied && (!goal->wanted || goal->wanted(goal->ctx, file->path)),
	};
}

static void
add_srcs(struct lint_job *j)
{
	for (size_t i = 0; i < j->nsets; i++) {
		const struct mig_set *set = &j->sets[i];

		for (size_t k = 0; k < set->n; k++) {
			add_src(j, set, set->v[k].version, &set->v[k].up, LINT_UP);
			add_src(j, set, set->v[k].version, &set->v[k].down, LINT_DOWN);
		}
		for (size_t k = 0; k < set->napi; k++)
			add_src(j, set, 0, &set->api[k].file, LINT_API);
	}
}

static void
run(void *ctx)
{
	struct lint_job *j = ctx;

	for (size_t i = 0; i < j->nsrcs; i++)
		read_file(j, i + 1);
	check_foreign_keys(j);
	check_api(j);
	check_allows(j);
}

static int
by_place(const void *a, const void *b, void *ctx)
{
	const struct lint_finding *x = a, *y = b;
	const struct lint_job *j = ctx;

	for (size_t i = 0; x->path != y->path && i < j->nsrcs; i++) {
		if (j->srcs[i].file->path == x->path)
			return -1;
		if (j->srcs[i].file->path == y->path)
			return 1;
	}
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

int
lint_sets(struct lint *l, const struct mig_set *sets, size_t nsets, const struct lint_goal *goal,
	  struct err *e)
{
	struct lint_job j = { .out = l, .sets = sets, .nsets = nsets, .goal = goal };
	int rc;

	*l = (struct lint){ .n = 0 };
	j.kept = json_array();
	add_srcs(&j);
	rc = tree_session(run, &j, e);
	if (l->n)
		qsort_r(l->v, l->n, sizeof *l->v, by_place, &j);
	json_decref(j.kept);
	lint_model_free(&j.m);
	free(j.srcs);
	free(j.allows);
	free(j.gone);
	free(j.renamed);
	free(j.values);
	free(j.api);
	free(j.locked);
	return rc;
}

void
lint_free(struct lint *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
	*l = (struct lint){ .n = 0 };
}
