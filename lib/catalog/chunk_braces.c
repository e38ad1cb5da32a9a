/*
 * chunk_braces.c - definitions in languages that write bodies in braces
 *
 * No parser: where definitions can stand (the top of the file, in namespaces and
 * in classes) the text between two of ";", "{" and "}" is a head, and the head
 * of a body says what it is.  Bodies of functions are skipped by counting braces.
 * A preprocessor or a string we misread can spoil the count; a "}" at the left
 * margin sets it right, because it ends what the margin began.
 */
#include "catalog/chunk.h"

#include <ctype.h>
#include <string.h>

enum { MAX_LEVEL = 256, HEAD_MAX = 4000 };

enum level { OPEN, FUNCTION, OTHER };	/* OPEN: definitions can stand in it */

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

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
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
	if (s->p > s->c->p && is_word(s->p[-1]) && s->lang->flags & LANG_CPP) {
		s->p++;
		return;
	}
	if (has(s, LANG_HASH)) {		/* Perl: a string */
		skip_string(s, '\'', false);
		return;
	}
	if (s->e - s->p > 2 && (s->p[1] == '\\' || s->p[2] == '\'' || (unsigned char)s->p[1] >= 0x80))
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

	if (s->p > s->c->p && is_word(s->p[-1]))
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

struct word {
	const char *p;
	size_t n;
};

static bool
word_is(struct word w, const char *z)
{
	return strlen(z) == w.n && !memcmp(w.p, z, w.n);
}

static bool
word_in(struct word w, const char *const *list)
{
	for (; *list; list++)
		if (word_is(w, *list))
			return true;
	return false;
}

static struct word
word_at(const char *p, const char *e)
{
	struct word w = { p, 0 };

	while (p + w.n < e && is_word(p[w.n]))
		w.n++;
	return w;
}

static const char *
skip_space(const char *p, const char *e)
{
	while (p < e && isspace((unsigned char)*p))
		p++;
	return p;
}

/* Past the bracket that closes the one at p; just past that one if none does. */
static const char *
past_brackets(const char *p, const char *e, char open, char close)
{
	int depth = 0;

	for (const char *q = p; q < e; q++) {
		if (*q == open)
			depth++;
		else if (*q == close && --depth == 0)
			return q + 1;
	}
	return p + 1;
}

static const char *const class_words[] = {
	"class", "struct", "union", "enum", "interface", "trait", "impl", "record", "object",
	"protocol", "extension", "message", "service", "type", NULL
};
static const char *const open_words[] = {
	"namespace", "mod", "module", "extern", "package", NULL
};
static const char *const function_words[] = {
	"func", "fn", "function", "def", "fun", "sub", NULL
};
/* Before a "(" these are no names of functions. */
static const char *const not_names[] = {
	"__attribute__", "__declspec", "alignas", "noexcept", "throw", "requires", "decltype",
	"explicit", "__asm__", "asm", "typeof", "pub", NULL
};
static const char *const control_words[] = {
	"if", "for", "while", "switch", "catch", "else", "do", "return", "try", "match", "when",
	"using", "lock", "synchronized", "foreach", "with", "until", "unless", "elsif", "elseif",
	"BEGIN", "END", NULL
};
/* Between the word that makes a class and its name, and after the name. */
static const char *const class_modifiers[] = { "final", "const", "sealed", "abstract", NULL };
static const char *const after_class_name[] = {
	"extends", "implements", "final", "where", "struct", "interface", "permits", "with", NULL
};

/* The text before a "{" as it is read from left to right. */
struct head {
	const struct scan *s;
	const char *p, *e;
	struct word word;	/* the last one, if nothing but space came after it */
	struct word kind;	/* class, struct, ...; or func, fn, ... */
	struct word open;	/* namespace, ... */
	struct word called;	/* what stands before its parameters */
	struct word assigned;	/* what stands before "=" or ":" */
	const char *after_kind;
	int words;		/* since the last ")" */
	bool is_function;	/* kind is one of function_words */
	bool equals, arrow, colon;
};

/* "struct PACKED foo : bar" is foo, "impl<T> Show for Point<T>" is Point. */
static struct word
class_name(const char *p, const char *e, bool impl)
{
	struct word name = { p, 0 };

	while (p < e) {
		struct word w = word_at(p, e);
		const char *q;

		if (!w.n) {
			if (*p == '<')
				p = past_brackets(p, e, '<', '>');
			else if (*p == '(' || *p == '{' || (*p == ':' && name.n))
				break;
			else
				p++;
			continue;
		}
		p += w.n;
		q = skip_space(p, e);
		if (q < e && *q == '(' && word_in(w, not_names)) {
			p = past_brackets(q, e, '(', ')');
		} else if (impl && word_is(w, "for")) {
			name.n = 0;
		} else if (!word_in(w, class_words) && !word_in(w, class_modifiers)) {
			if (name.n && (impl || word_in(w, after_class_name)))
				continue;
			name = w;
			if (e - q > 1 && q[0] == ':' && q[1] == ':') {	/* Outer::Inner */
				p = q + 2;
				name.n = 0;
			} else if (!impl && (q == e || !is_word(*q) ||
					     word_in(word_at(q, e), after_class_name))) {
				break;
			}
		}
	}
	return name;
}

/* The name after func or fn: past a receiver and type parameters, the last of "A.b". */
static struct word
function_name(const char *p, const char *e)
{
	struct word w;

	p = skip_space(p, e);
	if (p < e && *p == '(')
		p = skip_space(past_brackets(p, e, '(', ')'), e);
	if (p < e && *p == '<')
		p = skip_space(past_brackets(p, e, '<', '>'), e);
	w = word_at(p, e);
	while (w.n && w.p + w.n + 1 < e && strchr(".:", w.p[w.n])) {
		size_t dots = strspn(w.p + w.n, ".:");
		struct word next = word_at(w.p + w.n + dots, e);

		if (!next.n)
			break;
		w = next;
	}
	return w;
}

static void
head_word(struct head *h)
{
	struct word w = word_at(h->p, h->e);
	const char *next = skip_space(h->p + w.n, h->e);
	bool names_next = next < h->e && (is_word(*next) || *next == '<' || *next == '(');

	if (word_is(w, "operator")) {		/* operator==(, operator()(, operator bool( */
		const char *q = next;

		if (h->e - q > 1 && q[0] == '(')
			q += 2;
		while (q < h->e && *q != '(')
			q++;
		w.n = (size_t)(q - w.p);
	}
	h->p += w.n;
	h->word = w;
	h->words++;
	if (h->kind.n)
		return;
	if (word_in(w, function_words) && !(h->s->lang->flags & LANG_RETURNS)) {
		h->is_function = true;
		h->kind = w;
		h->after_kind = h->p;
	} else if (word_in(w, class_words) && (names_next ? *next != '(' : next == h->e)) {
		h->kind = w;
		h->after_kind = h->p;
	} else if (word_in(w, open_words)) {
		h->open = w;
	}
}

/* A "(": the word before it is what the head is called, unless something better was. */
static void
head_paren(struct head *h)
{
	/* MACRO(x) int f(y): two words and a new list; not so in A() : b(1), c(2) */
	bool again = h->called.n && !h->colon && h->words > 1;

	if (h->word.n && !word_in(h->word, not_names) && (!h->called.n || again))
		h->called = h->word;
	h->p = past_brackets(h->p, h->e, '(', ')');
	h->word.n = 0;
	h->words = 0;
}

static void
head_mark(struct head *h)
{
	char c = *h->p, next = h->p + 1 < h->e ? h->p[1] : '\0';

	if (c == '@' && is_word(next) && !word_is(word_at(h->p + 1, h->e), "interface")) {
		const char *q = h->p + 1 + word_at(h->p + 1, h->e).n;	/* @Annotation(...) */

		q = skip_space(q, h->e);
		h->p = q < h->e && *q == '(' ? past_brackets(q, h->e, '(', ')') : q;
		return;
	}
	if (c == '=' && next == '>') {
		h->arrow = true;
		h->p++;
	} else if (c == '=') {
		if (!h->equals)
			h->assigned = h->word;
		h->equals = true;
	} else if (c == ':' && next == ':') {
		h->p++;
	} else if (c == ':') {
		h->colon = true;
		if (!h->equals && !h->assigned.n)
			h->assigned = h->word;
	}
	if (c == '<' && h->word.n)
		h->p = past_brackets(h->p, h->e, '<', '>');
	else if (c == '[')
		h->p = past_brackets(h->p, h->e, '[', ']');
	else
		h->p++;
	if (c != '<')
		h->word.n = 0;
}

static void
read_head(struct head *h)
{
	while (h->p < h->e) {
		if (is_word(*h->p)) {
			head_word(h);
		} else if (isspace((unsigned char)*h->p)) {
			h->p++;
		} else if (*h->p == '(') {
			head_paren(h);
		} else if (*h->p == '"') {
			const char *q = memchr(h->p + 1, '"', (size_t)(h->e - h->p - 1));

			h->p = q ? q + 1 : h->e;
		} else if (h->e - h->p > 1 && !memcmp(h->p, "//", 2)) {
			const char *q = memchr(h->p, '\n', (size_t)(h->e - h->p));

			h->p = q ? q : h->e;
		} else if (h->e - h->p > 1 && !memcmp(h->p, "/*", 2)) {
			const char *q = memmem(h->p, (size_t)(h->e - h->p), "*/", 2);

			h->p = q ? q + 2 : h->e;
		} else {
			head_mark(h);
		}
	}
}

static bool
is_control(const char *p, const char *e)
{
	struct word w = word_at(p, e);

	p = skip_space(p + w.n, e);
	return word_in(w, control_words) && (p == e || !is_word(*p) || word_is(w, "else"));
}

/* What the head makes of the body that begins: its level; *type and *name if it is a definition. */
static enum level
judge(const struct scan *s, const char *from, const char *to, enum chunk_type *type,
      struct word *name)
{
	struct head h = { .s = s, .p = from, .e = to };
	bool returns = has(s, LANG_RETURNS);

	name->n = 0;
	name->p = from;
	if (is_control(from, to))
		return OTHER;
	read_head(&h);
	if (h.is_function) {
		*type = CHUNK_FUNCTION;
		*name = function_name(h.after_kind, to);
		if (!name->n)
			*name = h.assigned;
		return name->n ? FUNCTION : OTHER;
	}
	if (h.kind.n && !(returns && (h.equals || (h.called.n && h.called.p > h.kind.p)))) {
		*type = CHUNK_CLASS;
		*name = h.equals && h.assigned.p < h.kind.p
				? h.assigned
				: class_name(h.after_kind, to, word_is(h.kind, "impl"));
		return OPEN;
	}
	if (h.open.n && !h.called.n && !h.equals)
		return OPEN;
	*type = CHUNK_FUNCTION;
	if (h.arrow && h.assigned.n)
		*name = h.assigned;
	else if (!h.equals)
		*name = h.called;
	return name->n ? FUNCTION : OTHER;
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
	int def = -1, parent = s->at[s->n].def;
	const char *head = s->head;

	if (s->n + 1 == MAX_LEVEL) {
		s->deeper++;
		return;
	}
	if (s->at[s->n].level == OPEN && !s->parens && head) {
		if (s->p - head > HEAD_MAX)
			head = s->p - HEAD_MAX;
		level = judge(s, head, s->p, &type, &name);
		if (level == FUNCTION || type == CHUNK_CLASS) {
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
	struct word w = word_at(s->head, s->p);

	return word_in(w, labels) && s->p + 1 < s->e && s->p[1] != ':';
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
