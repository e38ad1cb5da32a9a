/*
 * chunk_head.c - reading heads
 *
 * Words are taken for what they are most often in any of the languages; a head
 * that none of the rules fits begins nothing that is named.
 */
#include "catalog/chunk_head.h"

#include <ctype.h>
#include <string.h>

bool
word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool
word_is(struct word w, const char *z)
{
	return strlen(z) == w.n && !memcmp(w.p, z, w.n);
}

bool
word_in(struct word w, const char *const *list)
{
	for (; *list; list++)
		if (word_is(w, *list))
			return true;
	return false;
}

struct word
word_at(const char *p, const char *e)
{
	struct word w = { p, 0 };

	while (p + w.n < e && word_char(p[w.n]))
		w.n++;
	return w;
}

const char *
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
	"using", "lock", "synchronized", "foreach", "with", "until", "unless", "elsif",
	"elseif", "BEGIN", "END", NULL
};
/* Between the word that makes a class and its name, and after the name. */
static const char *const class_modifiers[] = { "final", "const", "sealed", "abstract", NULL };
static const char *const after_class_name[] = {
	"extends", "implements", "final", "where", "struct", "interface", "permits",
	"with", NULL
};

/* The text before a "{" as it is read from left to right. */
struct head {
	const struct lang *lang;
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
			} else if (!impl && (q == e || !word_char(*q) ||
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
	bool names_next = next < h->e && (word_char(*next) || *next == '<' || *next == '(');

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
	if (word_in(w, function_words) && !(h->lang->flags & LANG_RETURNS)) {
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

	if (c == '@' && word_char(next) && !word_is(word_at(h->p + 1, h->e), "interface")) {
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
		if (word_char(*h->p)) {
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
	return word_in(w, control_words) && (p == e || !word_char(*p) || word_is(w, "else"));
}

enum level
head_judge(const struct lang *lang, const char *from, const char *to, bool *is_def,
	   enum chunk_type *type, struct word *name)
{
	struct head h = { .lang = lang, .p = from, .e = to, .after_kind = from };
	bool returns = lang->flags & LANG_RETURNS;

	*is_def = false;
	*name = (struct word){ from, 0 };
	if (is_control(from, to))
		return OTHER;
	read_head(&h);
	*type = CHUNK_FUNCTION;
	if (h.is_function) {
		*name = function_name(h.after_kind, to);
		if (!name->n)
			*name = h.assigned;
	} else if (h.kind.n &&
		   !(returns && (h.equals || (h.called.n && h.called.p > h.kind.p)))) {
		*is_def = true;
		*type = CHUNK_CLASS;
		*name = h.equals && h.assigned.p < h.kind.p
				? h.assigned
				: class_name(h.after_kind, to, word_is(h.kind, "impl"));
		return OPEN;
	} else if (h.open.n && !h.called.n && !h.equals) {
		return OPEN;
	} else if (h.arrow && h.assigned.n) {
		*name = h.assigned;
	} else if (!h.equals) {
		*name = h.called;
	}
	*is_def = name->n > 0;
	return *is_def ? FUNCTION : OTHER;
}
