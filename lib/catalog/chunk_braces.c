/*
 * chunk_braces.c - definitions in languages that write bodies in braces
 *
 * No parser: where definitions can stand (the top of the file, in namespaces and
 * in classes) the text between two of ";", "{" and "}" is a head, and the head
 * of a body says what it is.  Bodies of functions are skipped by counting braces.
 * A preprocessor or a string we misread can spoil the count; a "}" that begins a
 * line sets it right if it is indented like the function: it ends that one.
 */
#include "catalog/chunk_head.h"

#include <ctype.h>
#include <string.h>

enum { MAX_LEVEL = 256, HEAD_MAX = 4000 };

struct scan {
	struct chunker *c;
	const struct lang *lang;
	const char *p, *e;	/* where we are, where the text ends */
	const char *head;	/* the first byte of the head so far, or NULL */
	char last;		/* the last character of it that is no blank */
	int parens;
	int deeper;		/* levels past MAX_LEVEL */
	int n;
	struct {
		enum level level;
		int def;		/* the definition it stands in, or -1 */
		bool own;		/* ... and which it is the body of */
		int indent;		/* of the line its head begins on */
		int parens;		/* of the level itself, while a deeper one is open */
		const char *head;
	} at[MAX_LEVEL];
};

static bool
has(const struct scan *s, unsigned flag)
{
	return s->lang->flags & flag;
}

static bool
starts(const struct scan *s, const char *z)
{
	size_t n = strlen(z);

	return (size_t)(s->e - s->p) >= n && !memcmp(s->p, z, n);
}

static void
to_line_end(struct scan *s)
{
	const char *nl = memchr(s->p, '\n', (size_t)(s->e - s->p));

	s->p = nl ? nl : s->e;
}

/* After the closing mark, or at the end of the text. */
static void
past(struct scan *s, const char *z)
{
	const char *q = memmem(s->p, (size_t)(s->e - s->p), z, strlen(z));

	s->p = q ? q + strlen(z) : s->e;
}

/* A string on one line: one that does not end there was none. */
static void
skip_string(struct scan *s, char quote, bool lines)
{
	const char *q;

	for (q = s->p + 1; q < s->e && *q != quote; q++) {
		if (*q == '\\' && q + 1 < s->e)
			q++;
		else if (*q == '\n' && !lines)
			break;
	}
	s->p = q < s->e && *q == quote ? q + 1 : s->p + 1;
}

/* 'x' is a character; 'a in Rust and 1'000 in C++ are not. */
static void
skip_tick(struct scan *s)
{
	if (!has(s, LANG_TICK)) {
		skip_string(s, '\'', false);
		return;
	}
	if (s->p > s->c->p && word_char(s->p[-1]) && s->lang->flags & LANG_CPP) {
		s->p++;
		return;
	}
	if (has(s, LANG_HASH)) {		/* Perl: a string */
		skip_string(s, '\'', false);
		return;
	}
	if (s->e - s->p > 2 &&
	    (s->p[1] == '\\' || s->p[2] == '\'' || (unsigned char)s->p[1] >= 0x80))
		skip_string(s, '\'', false);
	else
		s->p++;
}

/* R"x( ... )x" of C++, r#" ... "# of Rust. */
static bool
skip_raw_string(struct scan *s)
{
	char end[24];
	const char *q = s->p + 1;
	size_t n = 0;

	if (s->p > s->c->p && word_char(s->p[-1]))
		return false;
	if (*s->p == 'R' && has(s, LANG_CPP) && q < s->e && *q == '"') {
		for (q++; q < s->e && *q != '(' && n < 17; q++)
			end[++n] = *q;
		if (q == s->e || *q != '(')
			return false;
		end[0] = ')';
		end[n + 1] = '"';
		end[n + 2] = '\0';
	} else if (*s->p == 'r' && has(s, LANG_TICK) && !has(s, LANG_CPP) && q < s->e &&
		   (*q == '#' || *q == '"')) {
		for (; q < s->e && *q == '#' && n < 17; q++)
			end[++n] = '#';
		if (q == s->e || *q != '"')
			return false;
		end[0] = '"';
		end[n + 1] = '\0';
	} else {
		return false;
	}
	s->p = q + 1;
	past(s, end);
	return true;
}

/* A slash after something that cannot end a value begins a regular expression. */
static bool
skip_slash_regex(struct scan *s)
{
	bool in_class = false;

	if (!has(s, LANG_SLASH_REGEX) || (s->last && !strchr("(,=:[!&|?{};+>", s->last)))
		return false;
	for (const char *q = s->p + 1; q < s->e && *q != '\n'; q++) {
		if (*q == '\\') {
			q++;
		} else if (*q == '[') {
			in_class = true;
		} else if (*q == ']') {
			in_class = false;
		} else if (*q == '/' && !in_class) {
			s->p = q + 1;
			return true;
		}
	}
	return false;
}

/* A string or comment; true if there was one and s->p is past it. */
static bool
skip_quoted(struct scan *s)
{
	switch (*s->p) {
	case '/':
		if (has(s, LANG_SLASHES) && starts(s, "//")) {
			to_line_end(s);
			return true;
		}
		if (has(s, LANG_SLASHES) && starts(s, "/*")) {
			s->p += 2;
			past(s, "*/");
			return true;
		}
		return skip_slash_regex(s);
	case '#':
		if (!has(s, LANG_HASH) || starts(s, "#["))
			return false;
		/* in Perl $#x is no comment */
		if (s->p > s->c->p && !isspace((unsigned char)s->p[-1]) && s->p[-1] != ';')
			return false;
		to_line_end(s);
		return true;
	case '"':
		if (has(s, LANG_TRIPLE) && starts(s, "\"\"\"")) {
			s->p += 3;
			past(s, "\"\"\"");
		} else {
			skip_string(s, '"', !has(s, LANG_CPP | LANG_NEWLINE));
		}
		break;
	case '\'':
		skip_tick(s);
		break;
	case '`':
		if (!has(s, LANG_BACKTICK))
			return false;
		skip_string(s, '`', true);
		break;
	case 'R':
	case 'r':
		if (!skip_raw_string(s))
			return false;
		break;
	default:
		return false;
	}
	s->last = '"';		/* a value stood there */
	return true;
}

/* A preprocessor line with its continuations. */
static bool
skip_directive(struct scan *s)
{
	const char *q = s->p;

	if (!has(s, LANG_CPP) || *q != '#')
		return false;
	while (q > s->c->p && (q[-1] == ' ' || q[-1] == '\t'))
		q--;
	if (q > s->c->p && q[-1] != '\n')
		return false;
	for (;;) {
		to_line_end(s);
		q = s->p;
		if (q > s->c->p && q[-1] == '\r')
			q--;
		if (s->p == s->e || q[-1] != '\\')
			return true;
		s->p++;
	}
}

static int
line_of(const struct scan *s, const char *p)
{
	return chunk_line_of(s->c, (size_t)(p - s->c->p));
}

static int
indent_of(const struct scan *s, const char *p)
{
	const char *from, *end;

	return chunk_line(s->c, line_of(s, p), &from, &end);
}

static void
open_brace(struct scan *s)
{
	enum chunk_type type = CHUNK_BLOCK;
	enum level level = OTHER;
	struct word name = { s->p, 0 };
	bool is_def = false;
	int def = -1, parent = s->at[s->n].def;
	const char *head = s->head;

	if (s->n + 1 == MAX_LEVEL) {
		s->deeper++;
		return;
	}
	if (s->at[s->n].level == OPEN && !s->parens && head) {
		if (s->p - head > HEAD_MAX)
			head = s->p - HEAD_MAX;
		level = head_judge(s->lang, head, s->p, &is_def, &type, &name);
		if (is_def) {
			chunk_add_def(s->c, type, line_of(s, head), parent,
				      name.n ? (size_t)(name.p - s->c->p) : 0, name.n);
			def = s->c->ndefs - 1;
		}
	}
	s->at[s->n].parens = s->parens;
	s->at[s->n].head = s->head;
	s->n++;
	s->at[s->n].level = level;
	s->at[s->n].def = def >= 0 ? def : parent;
	s->at[s->n].own = def >= 0;
	s->at[s->n].indent = indent_of(s, head ? head : s->p);
	s->parens = 0;
	s->head = NULL;
}

static void
pop(struct scan *s)
{
	if (s->at[s->n].own) {
		struct def *d = &s->c->def[s->at[s->n].def];

		d->last = line_of(s, s->p);
		if (!d->symlen) {	/* typedef struct { ... } name; */
			struct word w = word_at(skip_space(s->p + 1, s->e), s->e);

			d->sym = (size_t)(w.p - s->c->p);
			d->symlen = w.n;
		}
	}
	s->n--;
	s->parens = s->at[s->n].parens;
	s->head = s->parens ? s->at[s->n].head : NULL;
}

static void
close_brace(struct scan *s)
{
	const char *from, *end;
	int indent = chunk_line(s->c, line_of(s, s->p), &from, &end);

	if (s->deeper) {
		s->deeper--;
		return;
	}
	for (int i = 1; i < s->n && from == s->p; i++) {
		if (s->at[i].level == FUNCTION && s->at[i].indent == indent) {
			while (s->n > i)
				pop(s);
			break;
		}
	}
	if (s->n)
		pop(s);
	else
		s->head = NULL;
}

/* Whether the statement so far ends with the line: by what stands last and what comes next. */
static bool
line_ends_it(const struct scan *s)
{
	const char *p = skip_space(s->p, s->e);

	return has(s, LANG_NEWLINE) && !s->parens && !strchr(",=(+-*/&|<:.?", s->last) &&
	       (p == s->e || !strchr("{.=:", *p));
}

static bool
is_label(const struct scan *s)
{
	static const char *const labels[] = {
		"public", "private", "protected", "signals", "slots", "default", NULL
	};

	return s->head && word_in(word_at(s->head, s->p), labels) && s->p + 1 < s->e &&
	       s->p[1] != ':';
}

static void
one_char(struct scan *s)
{
	char c = *s->p;

	if (!isspace((unsigned char)c) && !strchr("{};", c)) {
		if (!s->head)
			s->head = s->p;
		s->last = c;
	}
	switch (c) {
	case '(':
	case '[':
		s->parens++;
		break;
	case ')':
	case ']':
		s->parens -= s->parens > 0;
		break;
	case '{':
		open_brace(s);
		s->last = c;
		break;
	case '}':
		close_brace(s);
		s->last = c;
		break;
	case ';':
		if (!s->parens)
			s->head = NULL;
		s->last = c;
		break;
	case ':':
		if (is_label(s))
			s->head = NULL;
		break;
	case '\n':
		if (s->head && line_ends_it(s))
			s->head = NULL;
		break;
	}
	s->p++;
}

void
find_braces(struct chunker *c, const struct lang *lang)
{
	struct scan s = { .c = c, .lang = lang, .p = c->p, .e = c->p + c->n };

	s.at[0].level = OPEN;
	s.at[0].def = -1;
	while (s.p < s.e)
		if (!skip_directive(&s) && !skip_quoted(&s))
			one_char(&s);
}
