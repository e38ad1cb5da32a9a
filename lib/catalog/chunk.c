/*
 * chunk.c - from definitions to chunks
 *
 * The finders only say where definitions are.  Everything that must be true of
 * chunks is seen to here, so that a finder that misreads a text makes poor
 * chunks of it but never wrong ones.
 */
#include "catalog/chunk.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *
chunk_type_name(enum chunk_type t)
{
	static const char *const names[] = {
		[CHUNK_BLOCK] = "block", [CHUNK_FUNCTION] = "function", [CHUNK_CLASS] = "class",
	};

	return names[t];
}

static void
split_lines(struct chunker *c)
{
	const char *p = c->p, *end = c->p + c->n;

	c->nlines = 0;
	for (;;) {
		if (c->nlines + 1 >= c->line_cap) {
			c->line_cap = c->line_cap ? c->line_cap * 2 : 1024;
			c->line = xreallocarray(c->line, (size_t)c->line_cap, sizeof *c->line);
		}
		c->line[c->nlines] = (size_t)(p - c->p);
		if (p == end)
			return;
		c->nlines++;
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
}

int
chunk_line_of(const struct chunker *c, size_t at)
{
	int lo = 0, hi = c->nlines;

	while (hi - lo > 1) {
		int mid = lo + (hi - lo) / 2;

		if (c->line[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int
chunk_line(const struct chunker *c, int i, const char **from, const char **end)
{
	const char *p = c->p + c->line[i], *e = c->p + c->line[i + 1];
	int indent = 0;

	while (e > p && (e[-1] == '\n' || e[-1] == '\r'))
		e--;
	for (; p < e && (*p == ' ' || *p == '\t'); p++)
		indent += *p == '\t' ? 8 - indent % 8 : 1;
	*from = p;
	*end = e;
	return indent;
}

struct def *
chunk_add_def(struct chunker *c, enum chunk_type type, int first, int parent, size_t sym,
	      size_t symlen)
{
	struct def *d;

	if (c->ndefs == c->def_cap) {
		c->def_cap = c->def_cap ? c->def_cap * 2 : 64;
		c->def = xreallocarray(c->def, (size_t)c->def_cap, sizeof *c->def);
	}
	d = &c->def[c->ndefs++];
	*d = (struct def){ .first = first, .last = -1, .parent = parent, .type = type,
			   .sym = symlen ? sym : 0, .symlen = symlen };
	return d;
}

static bool
is_blank(const struct chunker *c, int i)
{
	const char *p, *e;

	chunk_line(c, i, &p, &e);
	return p == e;
}

/* Nothing to search for by itself: blank, "}", "};", "*" "/". */
static bool
is_trivial(const struct chunker *c, int i)
{
	const char *p, *e;

	chunk_line(c, i, &p, &e);
	for (; p < e; p++)
		if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
			return false;
	return true;
}

/* A comment, an attribute, a decorator: what belongs to the definition after it. */
static bool
is_leading(const struct chunker *c, const struct lang *lang, int i)
{
	const char *p, *e;

	chunk_line(c, i, &p, &e);
	if (p == e)
		return false;
	if (*p == '#')		/* a comment, or Rust's #[...] */
		return lang->flags & LANG_HASH || (e - p > 1 && p[1] == '[');
	if (*p == '@')
		return true;
	if (e - p < 2)
		return *p == '*' && lang->flags & LANG_SLASHES;
	if (lang->flags & LANG_SLASHES)
		return !memcmp(p, "//", 2) || !memcmp(p, "/*", 2) || !memcmp(e - 2, "*/", 2) ||
		       !memcmp(p, "* ", 2) || !memcmp(p, "**", 2);
	return lang->flags & LANG_DASHES && !memcmp(p, "--", 2);
}

/* So far back from i that an identifier is not cut in two, nor a character. */
static size_t
good_cut(const char *p, size_t from, size_t i)
{
	size_t least = i - from > 256 ? i - 256 : from + 1;

	for (size_t k = i; k > least; k--)
		if (!isalnum((unsigned char)p[k - 1]) && p[k - 1] != '_' &&
		    (unsigned char)p[k] < 0x80 && (unsigned char)p[k - 1] < 0x80)
			return k;
	while (i > from + 1 && ((unsigned char)p[i] & 0xc0) == 0x80)
		i--;
	return i;
}

static void
put(struct chunker *c, size_t off, size_t end, int first, int last, const struct def *d)
{
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 256;
		c->v = xreallocarray(c->v, (size_t)c->cap, sizeof *c->v);
	}
	c->v[c->count++] = (struct chunk){
		.off = off, .len = end - off, .start = first + 1, .end = last + 1,
		.type = d ? d->type : CHUNK_BLOCK,
		.sym = d ? d->sym : 0, .symlen = d ? d->symlen : 0,
	};
}

/* One line of more than CHUNK_BYTES. */
static void
put_long_line(struct chunker *c, int i, const struct def *d)
{
	size_t from = c->line[i], end = c->line[i + 1];

	while (end - from > CHUNK_BYTES) {
		size_t to = good_cut(c->p, from, from + CHUNK_BYTES);

		put(c, from, to, i, i, d);
		from = to;
	}
	put(c, from, end, i, i, d);
}

/*
 * Where a piece that begins with line first should end: at a blank line near
 * the target, and never past last or CHUNK_BYTES.
 */
static int
piece_end(const struct chunker *c, int first, int last, int target)
{
	int most = first, best = -1;

	while (most < last && most - first + 1 < target + target / 2 &&
	       c->line[most + 2] - c->line[first] <= CHUNK_BYTES)
		most++;
	if (most == last)
		return last;
	for (int i = first + target / 2; i <= most; i++)
		if (is_blank(c, i) && (best < 0 || i - first < target))
			best = i;
	if (best >= 0)
		return best;
	return most - first >= target ? first + target - 1 : most;
}

/* Lines first to last as one chunk if they fit, as several if they must. */
static void
put_lines(struct chunker *c, int first, int last, const struct def *d)
{
	int target = c->target;

	if (d) {	/* a function is left whole unless it is very long */
		target = c->target * 2;
		if (last - first < c->target * 4 &&
		    c->line[last + 1] - c->line[first] <= CHUNK_BYTES) {
			put(c, c->line[first], c->line[last + 1], first, last, d);
			return;
		}
	}
	while (first <= last) {
		int to = piece_end(c, first, last, target);

		if (c->line[to + 1] - c->line[first] > CHUNK_BYTES)
			put_long_line(c, first, d);
		else
			put(c, c->line[first], c->line[to + 1], first, to, d);
		first = to + 1;
	}
}

/* Lines between definitions: what is trivial goes to the chunk before. */
static void
put_gap(struct chunker *c, int first, int last)
{
	while (c->count && first <= last && is_trivial(c, first)) {
		struct chunk *before = &c->v[c->count - 1];
		size_t end = c->line[first + 1];

		if (end - before->off > CHUNK_BYTES)
			break;
		before->len = end - before->off;
		before->end = ++first;
	}
	if (first <= last)
		put_lines(c, first, last, NULL);
}

static int put_defs(struct chunker *c, int i, int parent, int first, int last);

/* Definition i; the index after it and all that stands in it. */
static int
put_def(struct chunker *c, int i)
{
	const struct def *d = &c->def[i];
	int next = i + 1;

	while (next < c->ndefs && c->def[next].parent >= i)
		next++;
	/* a small class is one chunk, and so is one without functions */
	if (d->last - d->first < c->target || next == i + 1) {
		put_lines(c, d->first, d->last, d);
		return next;
	}
	if (c->def[i + 1].first > d->first)
		put_lines(c, d->first, c->def[i + 1].first - 1, d);
	return put_defs(c, i + 1, i, c->def[i + 1].first, d->last);
}

/* The definitions from i on that stand in parent, and the lines first to last around them. */
static int
put_defs(struct chunker *c, int i, int parent, int first, int last)
{
	while (i < c->ndefs && c->def[i].parent == parent) {
		const struct def *d = &c->def[i];

		if (d->first > first)
			put_gap(c, first, d->first - 1);
		first = d->last + 1;
		i = put_def(c, i);
	}
	if (first <= last)
		put_gap(c, first, last);
	return i;
}

/*
 * Make the definitions fit to be cut along: within the text and their parent, in
 * order, none overlapping its neighbour, each with the comment before it.
 */
static void
tidy_defs(struct chunker *c, const struct lang *lang)
{
	int kept = 0;
	int *new_index = xcalloc((size_t)c->ndefs, sizeof *new_index);

	for (int i = 0; i < c->ndefs; i++) {
		struct def d = c->def[i];
		int free_from = 0, last = c->nlines - 1;

		new_index[i] = -1;
		if (d.parent >= 0) {
			d.parent = new_index[d.parent];
			if (d.parent < 0)
				continue;
			free_from = c->def[d.parent].first + 1;
			last = c->def[d.parent].last;
		}
		if (d.last < 0 || d.last > last)
			d.last = last;
		for (int k = kept - 1; k >= 0 && k > d.parent; k--) {
			if (c->def[k].parent == d.parent) {
				free_from = c->def[k].last + 1;
				break;
			}
		}
		if (d.first < free_from || d.first > d.last)
			continue;
		while (d.first > free_from && is_leading(c, lang, d.first - 1))
			d.first--;
		if (!d.symlen || d.symlen > SYMBOL_MAX)
			d.sym = d.symlen = 0;
		new_index[i] = kept;
		c->def[kept++] = d;
	}
	c->ndefs = kept;
	free(new_index);
}

static void
find_defs(struct chunker *c, const struct lang *lang)
{
	c->ndefs = 0;
	if (!lang)
		return;
	switch (lang->family) {
	case LANG_BRACES:
		find_braces(c, lang);
		break;
	case LANG_INDENT:
		find_indented(c, lang);
		break;
	case LANG_END:
		find_ended(c, lang);
		break;
	case LANG_SHELL:
		find_shell(c);
		break;
	case LANG_SQL:
		find_sql(c);
		break;
	case LANG_PLAIN:
		break;
	}
	tidy_defs(c, lang);
}

void
chunk_text(struct chunker *c, const struct lang *lang, const char *p, size_t n)
{
	c->p = p;
	c->n = n;
	c->count = 0;
	if (!n)
		return;
	split_lines(c);
	find_defs(c, lang);
	if (c->nlines < CHUNK_SMALL && n <= CHUNK_BYTES) {
		bool one = c->ndefs == 1 || (c->ndefs > 1 && c->def[1].parent == 0 &&
					     c->def[c->ndefs - 1].parent >= 0);

		put(c, 0, n, 0, c->nlines - 1, one ? &c->def[0] : NULL);
		return;
	}
	put_defs(c, 0, -1, 0, c->nlines - 1);
}

void
chunker_free(struct chunker *c)
{
	free(c->line);
	free(c->def);
	free(c->v);
	*c = (struct chunker)CHUNKER(c->target);
}
