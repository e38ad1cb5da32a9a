/*
 * query.c - reading a query, finding it in a text
 */
#include "catalog/query.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* How much a word on a line is worth. */
#define SCORE_WHOLE 3.0		/* the identifier itself */
#define SCORE_PART 1.0		/* some of its humps */
#define SCORE_SAME_CASE 1.0	/* more, if it is written as it was typed */

static struct query_item *
new_item(struct query *q)
{
	q->item = xreallocarray(q->item, (size_t)q->nitems + 1, sizeof *q->item);
	memset(&q->item[q->nitems], 0, sizeof *q->item);
	q->item[q->nitems].group = q->ngroups;
	return &q->item[q->nitems++];
}

/* One word or phrase of n bytes; -1 if there is nothing in it to look for. */
static int
add_item(struct query *q, const char *z, size_t n, bool not, struct err *e)
{
	struct query_item *it;
	struct ident id;
	size_t pos = 0;

	if (q->nitems == QUERY_ITEMS)
		return err_set(e, ERR_USAGE, "a query has at most %d words", QUERY_ITEMS);
	it = new_item(q);
	it->not = not;
	while (ident_next(z, n, &pos, &id)) {
		if (it->nwords == QUERY_WORDS)
			return err_set(e, ERR_USAGE, "a phrase has at most %d words",
				       QUERY_WORDS);
		it->word[it->nwords].id = id;
		it->word[it->nwords++].prefix = id.end < n && z[id.end] == '*';
	}
	if (!it->nwords) {
		AUTOSTR s = STR(100);

		str_put_safe(&s, z - not, n + not);	/* the dash too */
		(void)err_set(e, ERR_USAGE, "there is no word in \"%s\"", s.buf);
		err_hint(e, "to search for characters use -e REGEX");
		return -1;
	}
	if (n < sizeof it->typed)
		memcpy(it->typed, z, n);
	return 0;
}

static int
read_items(struct query *q, const char *p, struct err *e)
{
	bool or = false;

	while (*(p += strspn(p, " \t\n"))) {
		bool not = *p == '-' && p[1] && !isspace((unsigned char)p[1]), quoted;
		size_t n;

		p += not;
		if (!strncmp(p, "OR", 2) && (!p[2] || isspace((unsigned char)p[2])) && !not) {
			if (!q->nitems || or)
				return err_set(e, ERR_USAGE, "OR needs a word before it");
			q->ngroups++;
			or = true;
			p += 2;
			continue;
		}
		quoted = *p == '"';
		if (quoted) {
			const char *end = strchr(++p, '"');

			if (!end)
				return err_set(e, ERR_USAGE, "a quote is not closed");
			n = (size_t)(end - p);
		} else {
			n = strcspn(p, " \t\n\"");
		}
		if (add_item(q, p, n, not, e))
			return -1;
		or = false;
		p += n + quoted;
	}
	if (or)
		return err_set(e, ERR_USAGE, "OR needs a word after it");
	q->ngroups++;
	return 0;
}

int
query_parse(struct query *q, char *const *words, struct err *e)
{
	AUTOSTR s = STR(QUERY_BYTES);

	*q = (struct query){ .nitems = 0 };
	for (; *words; words++) {
		if (s.len)
			str_putc(&s, ' ');
		str_puts(&s, *words);
	}
	if (s.cut)
		return err_set(e, ERR_USAGE, "the query is longer than %d bytes", QUERY_BYTES);
	if (!utf8_valid(s.buf, s.len))
		return err_set(e, ERR_USAGE, "the query is not UTF-8");
	if (!s.buf[strspn(s.buf, " \t\n")])
		return err_set(e, ERR_USAGE, "the query is empty");
	if (read_items(q, s.buf, e)) {
		query_free(q);
		return -1;
	}
	for (int g = 0; g < q->ngroups; g++) {
		bool wants = false;

		for (int i = 0; i < q->nitems; i++)
			wants |= q->item[i].group == g && !q->item[i].not;
		if (!wants) {
			query_free(q);
			return err_set(e, ERR_USAGE,
				       "say what to find, not only what to leave out");
		}
	}
	return 0;
}

void
query_free(struct query *q)
{
	free(q->item);
	*q = (struct query){ .nitems = 0 };
}

struct lexemes {
	struct str *s;
	bool prefix, any;
};

/* A lexeme has letters and digits only, so that the quotes are enough. */
static void
put_lexeme(struct str *s, const char *z, size_t n, bool prefix)
{
	str_putc(s, '\'');
	str_add(s, z, n);
	str_puts(s, prefix ? "':*" : "'");
}

static void
put_hump(struct lexemes *l, const char *z, size_t n, bool prefix)
{
	if (l->any)
		str_puts(l->s, " & ");
	put_lexeme(l->s, z, n < WORD_MAX ? n : WORD_MAX, prefix);
	l->any = true;
}

/*
 * user_name is in a file as userName or user_name, by its humps; or as username,
 * run together.
 */
static void
put_word(struct str *s, const struct query_word *w)
{
	const struct ident *id = &w->id;
	struct lexemes l = { .s = s };
	bool several = false;
	size_t from = 0;

	for (size_t i = 1; i < id->len; i++)
		several |= id->edge[i] != 0;
	str_putc(s, '(');
	put_lexeme(s, id->z, id->len < WORD_MAX ? id->len : WORD_MAX, w->prefix);
	if (several) {
		str_puts(s, " | ");
		for (size_t i = 1; i <= id->len; i++) {
			if (!id->edge[i])
				continue;
			put_hump(&l, id->z + from, i - from, w->prefix && i == id->len);
			from = i;
		}
	}
	str_putc(s, ')');
}

void
query_tsquery(const struct query *q, struct str *s)
{
	for (int g = 0; g < q->ngroups; g++) {
		bool any = false;

		str_puts(s, g ? " | (" : "(");
		for (int i = 0; i < q->nitems; i++) {
			const struct query_item *it = &q->item[i];

			/* a file may have what one chunk of it must not */
			if (it->group != g || it->not)
				continue;
			for (int w = 0; w < it->nwords; w++) {
				if (any)
					str_puts(s, " & ");
				put_word(s, &it->word[w]);
				any = true;
			}
		}
		str_putc(s, ')');
	}
}

/* Where one item was found. */
struct place {
	size_t at;
	int item;
	double score;
};

struct places {
	struct place *v;
	size_t n, cap;
};

static void
add_place(struct places *pl, size_t at, int item, double score)
{
	if (pl->n == pl->cap) {
		pl->cap = pl->cap ? pl->cap * 2 : 64;
		pl->v = xreallocarray(pl->v, pl->cap, sizeof *pl->v);
	}
	pl->v[pl->n++] = (struct place){ at, item, score };
}

static bool
written_so(const struct query_item *it, const struct ident *id, const char *p)
{
	size_t n = id->end - id->start;

	return n < sizeof it->typed && !strncmp(it->typed, p + id->start, n) && !it->typed[n];
}

static int
word_at(const struct query_item *it, int w, const struct ident *id)
{
	const struct query_word *word = &it->word[w];
	int how = word->prefix ? MATCH_PREFIX : 0;

	/* nothing may stand between the words of a phrase */
	if (w > 0)
		how |= MATCH_FIRST;
	if (w < it->nwords - 1)
		how |= MATCH_LAST;
	return ident_matches(id, word->id.z, word->id.len, how);
}

/* What item it is worth at identifier id; the rest of a phrase must follow it. */
static double
item_at(const struct query_item *it, const struct ident *id, const char *p, size_t n)
{
	int how = word_at(it, 0, id);
	size_t pos = id->end;
	struct ident next;

	if (!how)
		return 0;
	for (int w = 1; w < it->nwords; w++)
		if (!ident_next(p, n, &pos, &next) || !word_at(it, w, &next))
			return 0;
	if (it->nwords > 1)
		return SCORE_WHOLE * it->nwords;
	return (how == 2 ? SCORE_WHOLE : SCORE_PART) +
	       (written_so(it, id, p) ? SCORE_SAME_CASE : 0);
}

static void
find_places(const struct query *q, const char *p, size_t n, struct places *pl)
{
	struct ident id;
	size_t pos = 0;

	while (ident_next(p, n, &pos, &id)) {
		for (int i = 0; i < q->nitems; i++) {
			double score = item_at(&q->item[i], &id, p, n);

			if (score > 0)
				add_place(pl, id.start, i, score);
		}
	}
}

/* Which groups the items found fulfil. */
static bool
fulfilled(const struct query *q, const bool *found, bool *groups)
{
	bool any = false;

	for (int g = 0; g < q->ngroups; g++) {
		groups[g] = true;
		for (int i = 0; i < q->nitems; i++)
			if (q->item[i].group == g && found[i] == q->item[i].not)
				groups[g] = false;
		any |= groups[g];
	}
	return any;
}

static void
add_hit(struct query_hits *hits, const char *p, size_t n, size_t at, int *line, size_t *from)
{
	const char *nl;

	/* places come in order: count on from the last line */
	while ((nl = memchr(p + *from, '\n', n - *from)) != NULL && (size_t)(nl - p) < at) {
		*from = (size_t)(nl - p) + 1;
		++*line;
	}
	if (hits->n && hits->v[hits->n - 1].line == *line)
		return;
	if (hits->n == hits->cap) {
		hits->cap = hits->cap ? hits->cap * 2 : 64;
		hits->v = xreallocarray(hits->v, hits->cap, sizeof *hits->v);
	}
	hits->v[hits->n++] = (struct query_hit){
		.line = *line, .off = *from, .len = (nl ? (size_t)(nl - p) : n) - *from,
	};
}

size_t
query_match(const struct query *q, const char *p, size_t n, struct query_hits *hits)
{
	struct places pl = { .n = 0 };
	bool found[QUERY_ITEMS] = { false }, groups[QUERY_ITEMS];
	double best[QUERY_ITEMS] = { 0 };
	int times[QUERY_ITEMS] = { 0 };
	size_t from = 0;
	int line = 0, on_line = -1;

	hits->n = 0;
	find_places(q, p, n, &pl);
	for (size_t i = 0; i < pl.n; i++) {
		found[pl.v[i].item] = true;
		times[pl.v[i].item]++;
	}
	/* what stands everywhere in a chunk says little about a line of it */
	for (size_t i = 0; i < pl.n; i++)
		pl.v[i].score *= 1 + 1.0 / times[pl.v[i].item];
	if (fulfilled(q, found, groups)) {
		for (size_t i = 0; i < pl.n; i++) {
			const struct place *at = &pl.v[i];
			struct query_hit *hit;

			if (!groups[q->item[at->item].group])
				continue;
			add_hit(hits, p, n, at->at, &line, &from);
			hit = &hits->v[hits->n - 1];
			if (hit->line != on_line)
				memset(best, 0, sizeof best);
			on_line = hit->line;
			/* an item counts once a line, where it stands best */
			if (at->score > best[at->item]) {
				hit->score += at->score - best[at->item];
				best[at->item] = at->score;
			}
		}
	}
	free(pl.v);
	return hits->n;
}
