/*
 * synth_regex.c - strings that a regular expression matches
 *
 * Reads the expression from left to right and writes as it goes; a branch that is
 * not taken is read all the same, with writing off.
 */
#include "synth_regex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 10, MAX_LEN = 2000 };

struct gen {
	const char *p;
	struct str *out;
	uint32_t seed;
	int depth;
	bool mute;		/* this part is only skipped */
	bool failed;
};

static uint32_t
roll(struct gen *g, uint32_t n)
{
	g->seed = g->seed * 1664525 + 1013904223;
	return n ? (g->seed >> 8) % n : 0;
}

static void
put(struct gen *g, char c)
{
	if (!g->mute && g->out->len < MAX_LEN)
		str_putc(g->out, c);
}

/* Sets of characters, as bits of ASCII. */
struct set {
	bool has[128];
};

static void
add_range(struct set *s, int from, int to)
{
	for (int c = from; c <= to && c < 128; c++)
		if (c >= ' ')
			s->has[c] = true;
}

static bool
add_class(struct set *s, const char *name, size_t n)
{
	static const struct {
		const char *name, *chars;	/* pairs: from, to */
	} classes[] = {
		{ "alpha", "azAZ" }, { "digit", "09" }, { "alnum", "azAZ09" }, { "lower", "az" },
		{ "upper", "AZ" }, { "xdigit", "09afAF" }, { "space", "  " }, { "punct", "--.." },
		{ "print", "azAZ09" }, { "graph", "azAZ09" }, { "word", "azAZ09__" },
	};

	for (size_t i = 0; i < NELEM(classes); i++)
		if (strlen(classes[i].name) == n && !memcmp(classes[i].name, name, n)) {
			for (const char *c = classes[i].chars; *c; c += 2)
				add_range(s, c[0], c[1]);
			return true;
		}
	return false;
}

/* After a backslash: a class, or the character itself; false for what is not known. */
static bool
add_escape(struct set *s, char c)
{
	switch (c) {
	case 'd':
		return add_class(s, "digit", 5);
	case 'w':
		return add_class(s, "word", 4);
	case 's':
		return add_class(s, "space", 5);
	default:
		if (isalnum((unsigned char)c) || !c)
			return false;
		s->has[(unsigned char)c & 127] = true;
		return true;
	}
}

/* One character that is in the set; letters and digits are preferred to anything else. */
static void
put_of(struct gen *g, const struct set *s, bool negated)
{
	char plain[128], any[128];
	uint32_t np = 0, na = 0;

	for (int c = ' '; c < 127; c++) {
		if (s->has[c] == negated)
			continue;
		any[na++] = (char)c;
		if (isalnum(c))
			plain[np++] = (char)c;
	}
	if (!na)
		g->failed = true;
	else if (np)
		put(g, plain[roll(g, np)]);
	else
		put(g, any[roll(g, na)]);
}

/* One member of a set, and past it; false if it is not known here. */
static bool
read_member(struct gen *g, struct set *s)
{
	if (!strncmp(g->p, "[:", 2)) {
		const char *name = g->p + 2, *end = strstr(name, ":]");

		if (!end)
			return false;
		g->p = end + 2;
		return add_class(s, name, (size_t)(end - name));
	}
	if (*g->p == '[')
		return false;
	if (*g->p == '\\') {
		if (!g->p[1])
			return false;
		g->p += 2;
		return add_escape(s, g->p[-1]);
	}
	if (g->p[1] == '-' && g->p[2] && g->p[2] != ']') {
		add_range(s, (unsigned char)g->p[0], (unsigned char)g->p[2]);
		g->p += 3;
		return true;
	}
	s->has[(unsigned char)*g->p++ & 127] = true;
	return true;
}

/* After "[", to behind the "]". */
static void
read_set(struct gen *g, struct set *s, bool *negated)
{
	const char *first;

	*negated = *g->p == '^';
	g->p += *negated;
	first = g->p;
	while (*g->p && (*g->p != ']' || g->p == first) && !g->failed)
		g->failed = !read_member(g, s);
	if (*g->p == ']')
		g->p++;
	else
		g->failed = true;
}

/* "*", "+", "?", "{m,n}" or nothing: how often.  A lazy or greedy mark does not matter. */
static unsigned
read_times(struct gen *g)
{
	unsigned min = 1, max = 1;

	if (*g->p == '*' || *g->p == '+' || *g->p == '?') {
		min = *g->p == '+';
		max = *g->p == '?' ? 1 : 8;
		g->p++;
	} else if (*g->p == '{' && isdigit((unsigned char)g->p[1])) {
		char *end;

		min = (unsigned)strtoul(g->p + 1, &end, 10);
		max = min;
		if (*end == ',')
			max = isdigit((unsigned char)end[1]) ? (unsigned)strtoul(end + 1, &end, 10)
							     : (end++, min + 8);
		g->failed |= *end != '}' || max < min || max > MAX_LEN;
		g->p = end + (*end == '}');
	} else {
		return 1;
	}
	if (*g->p == '?')
		g->p++;
	return min + roll(g, max - min + 1);
}

static void read_branches(struct gen *g);

/* One atom, written once or, if mute, not at all. */
static void
read_atom(struct gen *g)
{
	struct set s = { .has = { false } };
	bool negated = false;
	char c = *g->p++;

	switch (c) {
	case '(':
		if (!strncmp(g->p, "?:", 2))
			g->p += 2;
		else if (*g->p == '?')
			g->failed = true;
		read_branches(g);
		if (*g->p == ')')
			g->p++;
		else
			g->failed = true;
		break;
	case '[':
		read_set(g, &s, &negated);
		if (!g->failed)
			put_of(g, &s, negated);
		break;
	case '.':
		put(g, (char)('a' + roll(g, 26)));
		break;
	case '^':
	case '$':
		break;
	case '\\':
		if (*g->p && add_escape(&s, *g->p++))
			put_of(g, &s, false);
		else
			g->failed = true;
		break;
	default:
		put(g, c);
	}
}

static void
read_piece(struct gen *g)
{
	const char *from = g->p, *after;
	size_t len = g->out->len;
	unsigned times;

	read_atom(g);
	if (g->failed)
		return;
	times = read_times(g);
	after = g->p;
	if (!times && !g->mute)
		str_truncate(g->out, len);
	for (unsigned i = 1; i < times && !g->failed && !g->mute && g->out->len < MAX_LEN; i++) {
		g->p = from;
		read_atom(g);
	}
	g->p = after;
}

/* Up to a ")" or the end; one of the branches between "|" is written. */
static void
read_branches(struct gen *g)
{
	const char *from = g->p;
	bool mute = g->mute;
	uint32_t branches = 1, pick;

	if (++g->depth > MAX_DEPTH)
		g->failed = true;
	for (int pass = 0; pass < 2 && !g->failed; pass++) {
		uint32_t at = 0;

		pick = pass ? roll(g, branches) : UINT32_MAX;
		g->p = from;
		while (!g->failed && *g->p && *g->p != ')') {
			if (*g->p == '|') {
				at++;
				g->p++;
				continue;
			}
			g->mute = mute || at != pick;
			read_piece(g);
		}
		branches = at + 1;
		g->mute = mute;
	}
	g->depth--;
}

bool
synth_regex(struct str *s, const char *re, uint32_t seed)
{
	struct gen g = { .p = re, .out = s, .seed = seed * 2654435761U + 1 };
	size_t len = s->len;

	if (!strncmp(re, "***", 3))
		return false;	/* options in front */
	read_branches(&g);
	if (g.failed || *g.p) {
		str_truncate(s, len);
		return false;
	}
	return true;
}
