/*
 * block.c - what DO blocks run
 */
#include "lint/job.h"

#include <string.h>

#include "str.h"

static void
not_judged(struct lint_job *j, int line, const char *what)
{
	struct lint_place at = j->here;

	at.line = line;
	lint_report(j, LINT_NOT_UNDERSTOOD, at, "read it with care", "%s: it was not judged", what);
}

/* What a nested text says, each of its statements as if it stood in the file itself. */
static bool
nested(struct lint_job *j, const char *sql, int line)
{
	const char *text = j->text;
	struct lint_place here = j->here;
	size_t len = j->len, at, i;
	int text_line = j->text_line;
	struct err e = ERR_INIT;
	json_t *tree = tree_parse(sql, strlen(sql), &at, &e), *stmt;

	j->text = sql;
	j->len = strlen(sql);
	j->text_line = j->here.line = line;
	if (tree) {
		json_array_append_new(j->kept, tree);
		json_array_foreach(tree, i, stmt)
			lint_statement(j, tree_get(stmt, "stmt"));
	}
	j->text = text;
	j->len = len;
	j->text_line = text_line;
	j->here = here;
	return tree != NULL;
}

struct block {
	struct lint_job *j;
	int line;		/* the block's first */
};

/* For names and values that are not known before it runs. */
#define BLANK "___"

/* The text of format() with a constant first argument. */
static bool
put_format(struct str *s, const char *z)
{
	for (; *z; z++) {
		if (*z != '%') {
			str_putc(s, *z);
			continue;
		}
		z += 1 + strspn(z + 1, "0123456789$-*");
		if (!*z || !strchr("%sIL", *z))
			return false;
		str_puts(s, *z == '%' ? "%" : *z == 'L' ? "'" BLANK "'" : BLANK);
	}
	return true;
}

/* What EXECUTE gets, as far as it is written out. */
static bool
put_text(struct str *s, const json_t *node)
{
	const json_t *both = tree_node(node, "A_Expr"), *call = tree_node(node, "FuncCall");
	const char *z = tree_text(node), *name = tree_last(tree_get(call, "funcname"));
	const char *first = tree_text(json_array_get(tree_get(call, "args"), 0));
	const char *op = tree_last(tree_get(both, "name"));

	if (z)
		str_puts(s, z);
	else if (op && !strcmp(op, "||"))
		return put_text(s, tree_get(both, "lexpr")) && put_text(s, tree_get(both, "rexpr"));
	else if (name && !strcmp(name, "format") && first)
		return put_format(s, first);
	else if (name && !strncmp(name, "quote_", 6) && strcmp(name, "quote_ident") != 0)
		str_puts(s, "'" BLANK "'");
	else
		str_puts(s, BLANK);
	return true;
}

static void
execute(struct lint_job *j, const char *expr, int line)
{
	AUTOFREE char *sql = xasprintf("SELECT %s", expr);
	AUTOSTR text = STR(TREE_MAX_SQL);
	struct err e = ERR_INIT;
	size_t at;
	json_t *tree = tree_parse(sql, strlen(sql), &at, &e);
	const json_t *select = tree_node(tree_get(json_array_get(tree, 0), "stmt"), "SelectStmt");
	const json_t *target = json_array_get(tree_get(select, "targetList"), 0);

	if (!put_text(&text, tree_get(tree_node(target, "ResTarget"), "val")) ||
	    !nested(j, text.buf, line))
		not_judged(j, line, "what EXECUTE runs cannot be read here");
	json_decref(tree);
}

static bool
in_block(void *ctx, const char *type, const json_t *fields)
{
	const struct block *b = ctx;
	bool dynamic = !strcmp(type, "PLpgSQL_stmt_dynexecute");
	const json_t *expr = tree_get(fields, dynamic ? "query" : "sqlstmt");
	const char *sql = tree_str(tree_node(expr, "PLpgSQL_expr"), "query");
	int line = b->line + (int)tree_int(fields, "lineno") - 1;

	if (sql && dynamic)
		execute(b->j, sql, line);
	else if (sql && !strcmp(type, "PLpgSQL_stmt_execsql") && !nested(b->j, sql, line))
		not_judged(b->j, line, "the parser does not know this statement");
	return false;
}

void
lint_do(struct lint_job *j, const json_t *f)
{
	struct block b = { .j = j };
	const json_t *node, *body = NULL;
	bool foreign = false;
	json_t *tree;
	size_t i;

	json_array_foreach(tree_get(f, "args"), i, node) {
		const json_t *opt = tree_node(node, "DefElem");

		if (tree_is(opt, "defname", "as"))
			body = opt;
		else if (!tree_text(tree_get(opt, "arg")) ||
			 strcmp(tree_text(tree_get(opt, "arg")), "plpgsql") != 0)
			foreign = true;
	}
	if (!body)
		return;
	b.line = lint_at(j, body).line;
	tree = foreign ? NULL : tree_parse_do(j->text, j->len);
	if (tree)
		(void)tree_any(tree, in_block, &b);
	else
		not_judged(j, j->here.line, "the body of this DO block cannot be read here");
	json_decref(tree);
}
