/*
 * jsonscan.c - one pass over JSON text, with a stack of open objects and arrays
 *
 * Members of every open object are on one list, so that a key said twice is found
 * when its object ends; those of the outermost object stay on it.
 */
#include "jsonscan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What numeric holds: digits before and after the decimal point. */
enum { MAX_DIGITS = 131072, MAX_FRACTION = 16383 };

struct cursor {
	const char *text, *p, *end;
	struct json_scan *s;
	size_t size;		/* lower bound of what was read as jsonb */
	int depth;
	char open[JSON_MAX_DEPTH];
	size_t first[JSON_MAX_DEPTH];	/* where the members of an open object begin */
	struct err *e;
};

void
json_scan_free(struct json_scan *s)
{
	free(s->members);
	*s = (struct json_scan)JSON_SCAN_INIT;
}

/* An error at a place, which is named by the characters before it. */
static int PRINTF(3, 4)
fail(struct cursor *c, const char *at, const char *fmt, ...)
{
	size_t line = 1, column = 1;
	char what[300];
	va_list ap;

	for (const char *p = c->text; p < at; p++) {
		if (*p == '\n') {
			line++;
			column = 1;
		} else if ((*p & 0xc0) != 0x80) {
			column++;
		}
	}
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (line > 1)
		return err_set(c->e, ERR_DATA, "line %zu, column %zu: %s", line, column, what);
	return err_set(c->e, ERR_DATA, "column %zu: %s", column, what);
}

static int
unexpected(struct cursor *c, const char *wanted)
{
	int len = c->p < c->end ? utf8_len(c->p, (size_t)(c->end - c->p), NULL) : 0;
	unsigned char b = c->p < c->end ? (unsigned char)*c->p : 0;

	if (c->p == c->end)
		return fail(c, c->p, "the text ends where %s should be", wanted);
	if (!len || b < 0x20 || b == 0x7f)
		return fail(c, c->p, "byte 0x%02x where %s should be", b, wanted);
	return fail(c, c->p, "\"%.*s\" where %s should be", len, c->p, wanted);
}

static void
skip_space(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

static int
hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char h = p[i];
		int d = h >= '0' && h <= '9'   ? h - '0'
			: h >= 'a' && h <= 'f' ? h - 'a' + 10
			: h >= 'A' && h <= 'F' ? h - 'A' + 10
						: -1;

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* \uXXXX at p, and the low half that must follow a high one; *len is its length in the text. */
static int
code_point(const char *p, const char *end, int *len)
{
	int high = end - p < 6 ? -1 : hex4(p + 2), low;

	*len = 6;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return -2;
	low = hex4(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return -2;
	*len = 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static int
utf8_put(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* A backslash at c->p; moves past the escape.  Returns the bytes it stands for. */
static int
escape(struct cursor *c)
{
	char buf[4];
	int cp, len;

	if (c->end - c->p < 2)
		return fail(c, c->p, "the text ends inside a string");
	if (c->p[1] != 'u') {
		if (!strchr("\"\\/bfnrt", c->p[1]) || !c->p[1])
			return fail(c, c->p, "an unknown escape in a string");
		c->p += 2;
		return 1;
	}
	cp = code_point(c->p, c->end, &len);
	if (cp == -1)
		return fail(c, c->p, "\\u without four hex digits");
	if (cp == -2)
		return fail(c, c->p, "\\u with half of a surrogate pair");
	if (cp == 0)
		return fail(c, c->p, "\\u0000, which PostgreSQL cannot store");
	c->p += len;
	return utf8_put((uint32_t)cp, buf);
}

/* The string whose opening quote is at c->p; counts it towards the size. */
static int
string(struct cursor *c, bool *escaped)
{
	const char *start = c->p++;
	size_t size = 0;

	*escaped = false;
	for (;;) {
		const char *plain = c->p;
		unsigned char b = 0;
		int len = 1;

		while (c->p < c->end && (b = (unsigned char)*c->p) >= 0x20 && b < 0x80 &&
		       b != '"' && b != '\\')
			c->p++;
		size += (size_t)(c->p - plain);
		if (c->p == c->end)
			return fail(c, start, "a string without an end");
		if (b == '"')
			break;
		if (b < 0x20)
			return fail(c, c->p, "byte 0x%02x in a string, which must be escaped", b);
		if (b == '\\') {
			*escaped = true;
			len = escape(c);
			if (len < 0)
				return -1;
		} else {
			len = utf8_len(c->p, (size_t)(c->end - c->p), NULL);
			if (!len)
				return fail(c, c->p, "byte 0x%02x, which is not valid UTF-8", b);
			c->p += len;
		}
		size += (size_t)len;
	}
	c->p++;
	c->size += size + 4;
	return 0;
}

static size_t
digits(struct cursor *c)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return (size_t)(c->p - start);
}

static int
number(struct cursor *c)
{
	const char *start = c->p;
	int64_t whole, fraction = 0, exponent = 0;
	bool minus = false;

	if (*c->p == '-')
		c->p++;
	start = c->p;
	whole = (int64_t)digits(c);
	if (!whole)
		return unexpected(c, "a digit");
	if (whole > 1 && *start == '0')
		return fail(c, start, "a number that begins with 0");
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		fraction = (int64_t)digits(c);
		if (!fraction)
			return unexpected(c, "a digit");
	}
	if (c->p < c->end && (*c->p | 0x20) == 'e') {
		const char *d;

		c->p++;
		if (c->p < c->end && (*c->p == '-' || *c->p == '+'))
			minus = *c->p++ == '-';
		d = c->p;
		if (!digits(c))
			return unexpected(c, "a digit");
		for (; d < c->p; d++)
			exponent = exponent > MAX_DIGITS ? exponent : exponent * 10 + (*d - '0');
		exponent = minus ? -exponent : exponent;
	}
	if (whole + exponent > MAX_DIGITS || fraction - exponent > MAX_FRACTION)
		return fail(c, start, "a number past the range of PostgreSQL's numeric");
	c->size += 4;
	return 0;
}

static int
word(struct cursor *c, const char *z)
{
	size_t n = strlen(z);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, z, n) != 0)
		return unexpected(c, "a value");
	c->p += n;
	c->size += 4;
	return 0;
}

/* Any value but an object or an array. */
static int
scalar(struct cursor *c)
{
	bool escaped;

	switch (c->p < c->end ? *c->p : '\0') {
	case '"':
		return string(c, &escaped);
	case 't':
		return word(c, "true");
	case 'f':
		return word(c, "false");
	case 'n':
		return word(c, "null");
	default:
		if (c->p < c->end && (*c->p == '-' || (*c->p >= '0' && *c->p <= '9')))
			return number(c);
		return unexpected(c, "a value");
	}
}

static void
decode(struct str *s, const char *p, const char *end)
{
	while (p < end) {
		const char *plain = p;
		static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
		const char *known;
		char buf[4];
		int len;

		while (p < end && *p != '\\')
			p++;
		str_add(s, plain, (size_t)(p - plain));
		if (p == end)
			return;
		if (p[1] == 'u') {
			int cp = code_point(p, end, &len);

			str_add(s, buf, (size_t)utf8_put((uint32_t)cp, buf));
			p += len;
		} else {
			known = strchr(from, p[1]);
			str_putc(s, known ? to[known - from] : p[1]);
			p += 2;
		}
	}
}

static uint32_t
hash(const char *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h;
}

static int
compare_keys(const struct json_member *a, const struct json_member *b)
{
	AUTOSTR x = STR(STR_ANY), y = STR(STR_ANY);

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->escaped || b->escaped) {
		decode(&x, a->key.p, a->key.p + a->key.n);
		decode(&y, b->key.p, b->key.p + b->key.n);
		if (x.len != y.len)
			return x.len < y.len ? -1 : 1;
		return memcmp(x.buf, y.buf, x.len);
	}
	if (a->key.n != b->key.n)
		return a->key.n < b->key.n ? -1 : 1;
	return memcmp(a->key.p, b->key.p, a->key.n);
}

static int
by_key(const void *a, const void *b)
{
	return compare_keys(*(const struct json_member *const *)a,
			    *(const struct json_member *const *)b);
}

/* The second of two equal keys, or NULL.  Few are compared each with each, many sorted. */
static const struct json_member *
said_twice(const struct json_member *m, size_t n)
{
	AUTOFREE const struct json_member **v = NULL;

	if (n <= 16) {
		for (size_t i = 1; i < n; i++)
			for (size_t j = 0; j < i; j++)
				if (m[i].hash == m[j].hash && !compare_keys(&m[i], &m[j]))
					return &m[i];
		return NULL;
	}
	v = xreallocarray(NULL, n, sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = &m[i];
	qsort(v, n, sizeof *v, by_key);
	for (size_t i = 1; i < n; i++)
		if (!compare_keys(v[i - 1], v[i]))
			return v[i - 1] > v[i] ? v[i - 1] : v[i];
	return NULL;
}

/* A key and its colon; its value comes next. */
static int
key(struct cursor *c)
{
	struct json_scan *s = c->s;
	struct json_member *m;

	skip_space(c);
	if (c->p == c->end || *c->p != '"')
		return unexpected(c, "a key in double quotes");
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 32;
		s->members = xreallocarray(s->members, s->cap, sizeof *s->members);
	}
	m = &s->members[s->count++];
	m->key.p = c->p + 1;
	if (string(c, &m->escaped))
		return -1;
	m->key.n = (size_t)(c->p - m->key.p) - 1;
	if (m->escaped) {
		AUTOSTR plain = STR(STR_ANY);

		decode(&plain, m->key.p, m->key.p + m->key.n);
		m->hash = hash(plain.buf, plain.len);
	} else {
		m->hash = hash(m->key.p, m->key.n);
	}
	skip_space(c);
	if (c->p == c->end || *c->p != ':')
		return unexpected(c, "a colon");
	c->p++;
	skip_space(c);
	m->value.p = c->p;
	m->size = c->size;
	return 0;
}

/* The opening bracket at c->p.  Returns 1 if a value comes next, 0 if it is closed already. */
static int
open_bracket(struct cursor *c)
{
	char close = *c->p == '{' ? '}' : ']';

	if (c->depth == JSON_MAX_DEPTH)
		return fail(c, c->p, "nested more than %d deep", JSON_MAX_DEPTH);
	c->open[c->depth] = *c->p;
	c->first[c->depth++] = c->s->count;
	c->p++;
	c->size += 4;
	skip_space(c);
	if (c->p < c->end && *c->p == close)
		return 0;
	if (close == '}')
		return key(c) ? -1 : 1;
	return 1;
}

static int
close_bracket(struct cursor *c)
{
	size_t first = c->first[--c->depth];
	const struct json_member *twice;

	c->p++;
	if (c->open[c->depth] == '[')
		return 0;
	twice = said_twice(c->s->members + first, c->s->count - first);
	if (twice)
		return fail(c, twice->key.p - 1, "the key \"%.*s\" is there twice",
			    twice->key.n > 60 ? 60 : (int)twice->key.n, twice->key.p);
	if (c->depth)
		c->s->count = first;
	return 0;
}

/* After a value: commas and closing brackets.  Returns 1 if another value comes, 0 at the end. */
static int
after_value(struct cursor *c)
{
	while (c->depth) {
		bool object = c->open[c->depth - 1] == '{';

		if (object) {
			struct json_member *m = &c->s->members[c->s->count - 1];

			m->value.n = (size_t)(c->p - m->value.p);
			m->size = c->size - m->size;
		}
		skip_space(c);
		if (c->p < c->end && *c->p == ',') {
			c->p++;
			return object && key(c) ? -1 : 1;
		}
		if (c->p == c->end || *c->p != (object ? '}' : ']'))
			return unexpected(c, object ? "a comma or }" : "a comma or ]");
		if (close_bracket(c))
			return -1;
	}
	return 0;
}

static int
values(struct cursor *c)
{
	int more = 1;

	while (more > 0) {
		skip_space(c);
		if (c->p < c->end && (*c->p == '{' || *c->p == '[')) {
			more = open_bracket(c);
			if (more != 0)
				continue;
			if (close_bracket(c))
				return -1;
		} else if (scalar(c)) {
			return -1;
		}
		more = after_value(c);
	}
	return more;
}

static char
type_of(char first)
{
	return first == '-' || (first >= '0' && first <= '9') ? '0' : first;
}

int
json_scan_check(struct json_scan *s, const char *text, size_t n, struct err *e)
{
	struct cursor c;
	const char *start;

	c.text = c.p = text;
	c.end = text + n;
	c.s = s;
	c.size = 0;
	c.depth = 0;
	c.e = e;
	s->count = 0;
	skip_space(&c);
	start = c.p;
	if (values(&c))
		return -1;
	skip_space(&c);
	if (c.p != c.end)
		return fail(&c, c.p, "something follows the value");
	s->size = c.size;
	for (size_t i = 0; i < s->count; i++)
		s->members[i].type = type_of(*s->members[i].value.p);
	return type_of(*start);
}

int
json_scan_object(struct json_scan *s, const char *text, size_t n, struct err *e)
{
	int type = json_scan_check(s, text, n, e);

	if (type < 0)
		return -1;
	if (type != '{')
		return err_set(e, ERR_DATA, "not an object: it begins with \"%c\"",
			       text[strspn(text, " \t\r\n")]);
	return 0;
}

const struct json_member *
json_scan_find(const struct json_scan *s, const char *name)
{
	struct json_member m = {
		.key = { name, strlen(name) }, .hash = hash(name, strlen(name))
	};

	for (size_t i = 0; i < s->count; i++)
		if (s->members[i].hash == m.hash && !compare_keys(&s->members[i], &m))
			return &s->members[i];
	return NULL;
}

void
json_scan_string(struct str *s, struct json_text t)
{
	decode(s, t.p + 1, t.p + t.n - 1);
}

struct json_text
json_scan_elements(struct json_text array)
{
	return (struct json_text){ array.p + 1, array.n - 1 };	/* the closing bracket ends the list */
}

/* Past the value at p, in text that is known to be right. */
static const char *
value_end(const char *p)
{
	int depth = 0;

	for (;;) {
		switch (*p) {
		case '"':
			for (p++; *p != '"'; p++)
				if (*p == '\\')
					p++;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		default:
			p += strcspn(p, ",]}[{\" \t\r\n:") - 1;
			break;
		}
		p++;
		while (depth && strchr(" \t\r\n,:", *p))
			p++;
		if (!depth)
			return p;
	}
}

bool
json_scan_element(struct json_text *rest, struct json_text *element)
{
	const char *p = rest->p, *end;

	while (strchr(" \t\r\n,", *p))
		p++;
	if (*p == ']')
		return false;
	end = value_end(p);
	*element = (struct json_text){ p, (size_t)(end - p) };
	rest->n -= (size_t)(end - rest->p);
	rest->p = end;
	return true;
}
