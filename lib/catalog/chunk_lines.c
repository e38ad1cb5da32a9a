/*
 * chunk_lines.c - definitions in languages where lines and indentation tell
 */
#include "catalog/chunk.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_NEST = 64 };

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static const char *
skip_blanks(const char *p, const char *e)
{
	while (p < e && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* If the keyword stands at p: what follows it, blanks skipped; else NULL. */
static const char *
keyword(const char *p, const char *e, const char *z)
{
	size_t n = strlen(z);

	if ((size_t)(e - p) <= n || strncasecmp(p, z, n) != 0 || is_word(p[n]))
		return NULL;
	return skip_blanks(p + n, e);
}

static size_t
name_length(const char *p, const char *e, const char *also)
{
	const char *s = p;

	while (s < e && (is_word(*s) || (*s && strchr(also, *s))))
		s++;
	return (size_t)(s - p);
}

/* The keywords that begin a definition, by family. */
struct opener {
	const char *word;
	enum chunk_type type;
};

static const struct opener python[] = {
	{ "def", CHUNK_FUNCTION }, { "class", CHUNK_CLASS }, { NULL, 0 },
};
static const struct opener ended[] = {
	{ "def", CHUNK_FUNCTION },	{ "defp", CHUNK_FUNCTION },
	{ "defmacro", CHUNK_FUNCTION }, { "function", CHUNK_FUNCTION },
	{ "macro", CHUNK_FUNCTION },	{ "class", CHUNK_CLASS },
	{ "module", CHUNK_CLASS },	{ "defmodule", CHUNK_CLASS },
	{ "struct", CHUNK_CLASS },	{ NULL, 0 },
};

static const struct opener *
opens(const struct opener *list, const char *p, const char *e, const char **name)
{
	static const char *const before[] = { "async", "local", "private", "mutable", NULL };

	for (int i = 0; before[i]; i++) {
		const char *q = keyword(p, e, before[i]);

		if (q)
			p = q;
	}
	for (; list->word; list++) {
		*name = keyword(p, e, list->word);
		if (*name && *name < e && (is_word(**name) || **name == '<' || **name == '`'))
			return list;
	}
	return NULL;
}

/* The state of a line-by-line scan: the definitions that are open, outermost first. */
struct nest {
	int def[MAX_NEST], indent[MAX_NEST];
	int n;
};

static void
close_def(struct chunker *c, struct nest *nest, int last)
{
	struct def *d = &c->def[nest->def[--nest->n]];

	d->last = last > d->first ? last : d->first;
}

static void
open_def(struct chunker *c, struct nest *nest, const struct opener *o, int line, int indent,
	 const char *name, const char *e, const char *also)
{
	int parent = nest->n ? nest->def[nest->n - 1] : -1;

	/* a function inside a function is part of it */
	if (nest->n == MAX_NEST || (parent >= 0 && c->def[parent].type == CHUNK_FUNCTION))
		return;
	chunk_add_def(c, o->type, line, parent, (size_t)(name - c->p),
		      name_length(name, e, also));
	nest->def[nest->n] = c->ndefs - 1;
	nest->indent[nest->n++] = indent;
}

/*
 * Follows Python's strings over three quotes and its brackets through a line;
 * true if the next line begins a statement.
 */
struct python_state {
	char quote;		/* of an open """ or ''', or 0 */
	int brackets;
};

static bool
three_quotes(const char *p, const char *e)
{
	return e - p >= 3 && (*p == '"' || *p == '\'') && p[1] == *p && p[2] == *p;
}

static bool
python_line(struct python_state *s, const char *p, const char *e)
{
	for (; p < e; p++) {
		if (s->quote) {
			if (*p == '\\')
				p++;
			else if (three_quotes(p, e) && *p == s->quote) {
				s->quote = '\0';
				p += 2;
			}
		} else if (*p == '#') {
			break;
		} else if (three_quotes(p, e)) {
			s->quote = *p;
			p += 2;
		} else if (*p == '"' || *p == '\'') {
			char q = *p++;

			for (; p < e && *p != q; p++)
				if (*p == '\\')
					p++;
		} else if (strchr("([{", *p)) {
			s->brackets++;
		} else if (strchr(")]}", *p) && s->brackets) {
			s->brackets--;
		}
	}
	return !s->quote && !s->brackets;
}

void
find_indented(struct chunker *c, const struct lang *lang)
{
	struct python_state state = { 0 };
	struct nest nest = { .n = 0 };
	bool begins = true;
	int last_text = 0;	/* the last line that is neither blank nor a comment */

	(void)lang;
	for (int i = 0; i < c->nlines; i++) {
		const char *p, *e, *name;
		int indent = chunk_line(c, i, &p, &e);
		const struct opener *o;

		if (begins && (p == e || *p == '#'))
			continue;
		if (begins) {
			while (nest.n && indent <= nest.indent[nest.n - 1])
				close_def(c, &nest, last_text);
			o = opens(python, p, e, &name);
			/* a bracket left open by mistake ends where a definition begins */
			if (o)
				open_def(c, &nest, o, i, indent, name, e, "");
		} else if (state.brackets && !state.quote && indent == 0 &&
			   opens(python, p, e, &name)) {
			state.brackets = 0;
			begins = true;
			i--;
			continue;
		}
		begins = python_line(&state, p, e);
		last_text = i;
	}
	while (nest.n)
		close_def(c, &nest, last_text);
}

static bool
ends_on_line(const char *p, const char *e)
{
	while (e > p && (e[-1] == ' ' || e[-1] == ';'))
		e--;
	return e - p > 4 && !memcmp(e - 3, "end", 3) && !is_word(e[-4]);
}

void
find_ended(struct chunker *c, const struct lang *lang)
{
	struct nest nest = { .n = 0 };

	(void)lang;
	for (int i = 0; i < c->nlines; i++) {
		const char *p, *e, *name;
		int indent = chunk_line(c, i, &p, &e);
		const struct opener *o;
		bool end;

		if (p == e || *p == '#')
			continue;
		end = e - p >= 3 && !memcmp(p, "end", 3) && (e - p == 3 || !is_word(p[3]));
		while (nest.n && indent < nest.indent[nest.n - 1])	/* no end was seen */
			close_def(c, &nest, i - 1);
		if (nest.n && end && indent == nest.indent[nest.n - 1]) {
			close_def(c, &nest, i);
			continue;
		}
		o = opens(ended, p, e, &name);
		if (!o)
			continue;
		while (nest.n && indent <= nest.indent[nest.n - 1])
			close_def(c, &nest, i - 1);
		open_def(c, &nest, o, i, indent, name, e, ".:?!=<>+-*/%[]");
		if (nest.n && nest.def[nest.n - 1] == c->ndefs - 1 && ends_on_line(p, e))
			close_def(c, &nest, i);
	}
	while (nest.n)
		close_def(c, &nest, c->nlines - 1);
}

/* name() { or function name {; *name and the length if it is one. */
static size_t
shell_function(const char *p, const char *e, const char **name)
{
	const char *q = keyword(p, e, "function");
	size_t n;

	*name = q ? q : p;
	n = name_length(*name, e, "-.:@");
	if (!n)
		return 0;
	p = skip_blanks(*name + n, e);
	if (q)
		return n;
	if (p == e || *p != '(')
		return 0;
	p = skip_blanks(p + 1, e);
	return p < e && *p == ')' ? n : 0;
}

void
find_shell(struct chunker *c)
{
	int open = -1, indent_open = 0;

	for (int i = 0; i < c->nlines; i++) {
		const char *p, *e, *name;
		int indent = chunk_line(c, i, &p, &e);
		bool test;
		size_t n;

		if (p == e)
			continue;
		if (open >= 0) {
			if (indent == indent_open && (*p == '}' || *p == ')')) {
				c->def[open].last = i;
				open = -1;
			}
			continue;
		}
		test = keyword(p, e, "@test") != NULL;		/* bats */
		n = test ? (size_t)(e - p) : shell_function(p, e, &name);
		if (!n)
			continue;
		if (test) {
			const char *quote = memchr(p, '"', (size_t)(e - p)), *end;

			name = quote ? quote + 1 : p;
			end = memchr(name, '"', (size_t)(e - name));
			n = (size_t)((end ? end : e) - name);
		}
		chunk_add_def(c, CHUNK_FUNCTION, i, -1, (size_t)(name - c->p), n);
		open = c->ndefs - 1;
		indent_open = indent;
		if (e[-1] == '}' && memchr(p, '{', (size_t)(e - p))) {
			c->def[open].last = i;
			open = -1;
		}
	}
	if (open >= 0)
		c->def[open].last = -1;
}

/* What CREATE makes, if it is worth a chunk: its type, and the name it has. */
static const struct opener *
sql_creates(const char *p, const char *e, const char **name)
{
	static const struct opener kinds[] = {
		{ "function", CHUNK_FUNCTION }, { "procedure", CHUNK_FUNCTION },
		{ "trigger", CHUNK_FUNCTION },	{ "aggregate", CHUNK_FUNCTION },
		{ "table", CHUNK_CLASS },	{ "view", CHUNK_CLASS },
		{ "type", CHUNK_CLASS },	{ NULL, 0 },
	};
	static const char *const between[] = {
		"or", "replace", "temp", "temporary", "unlogged", "materialized", "recursive",
		"foreign", "constraint", "global", "local", "event", NULL,
	};
	const char *q;

	p = keyword(p, e, "create");
	for (int i = 0; p && between[i]; i++) {
		q = keyword(p, e, between[i]);
		if (q)
			p = q;
	}
	for (const struct opener *k = kinds; p && k->word; k++) {
		q = keyword(p, e, k->word);
		if (!q)
			continue;
		*name = q;
		if ((q = keyword(*name, e, "if")) && (q = keyword(q, e, "not")) &&
		    (q = keyword(q, e, "exists")))
			*name = q;
		return k;
	}
	return NULL;
}

static const char *
sql_line_end(const char *p, const char *e)
{
	while (p < e && *p != '\n')
		p++;
	return p;
}

/* The end of a statement: the byte after its semicolon, strings and $$ ... $$ skipped. */
static const char *
sql_end(const char *p, const char *e)
{
	while (p < e) {
		if (*p == ';')
			return p + 1;
		if (e - p > 1 && p[0] == '-' && p[1] == '-') {
			p = sql_line_end(p, e);
		} else if (e - p > 1 && p[0] == '/' && p[1] == '*') {
			p = memmem(p, (size_t)(e - p), "*/", 2);
		} else if (*p == '\'' || *p == '"') {
			p = memchr(p + 1, *p, (size_t)(e - p - 1));
		} else if (*p == '$') {
			size_t n = 1 + name_length(p + 1, e, "");

			if (p + n < e && p[n] == '$') {
				n++;
				p = memmem(p + n, (size_t)(e - p) - n, p, n);
				if (p)
					p += n - 1;
			}
		}
		if (!p || p == e)
			return e;
		p++;
	}
	return e;
}

void
find_sql(struct chunker *c)
{
	const char *e = c->p + c->n, *p = c->p;

	while (p < e) {
		const char *name = NULL, *end;
		const struct opener *k;
		struct def *d;

		while (p < e && isspace((unsigned char)*p))
			p++;
		if (e - p > 1 && p[0] == '-' && p[1] == '-') {
			p = sql_line_end(p, e);
			continue;
		}
		k = sql_creates(p, sql_line_end(p, e), &name);
		end = sql_end(p, e);
		if (k) {
			d = chunk_add_def(c, k->type, chunk_line_of(c, (size_t)(p - c->p)), -1,
					  (size_t)(name - c->p), name_length(name, e, ".\""));
			d->last = chunk_line_of(c, (size_t)(end - 1 - c->p));
		}
		p = end;
	}
}
