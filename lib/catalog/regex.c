/*
 * regex.c - reducing a regular expression to strings that must be there
 *
 * A part of an expression either stands for few strings, all known ("exact":
 * fo[ou] is foo and fou), or for anything that fulfils its clauses.  Exact parts
 * that follow each other are multiplied out; whenever that would be too much, what
 * there is becomes a clause and a new exact part begins.
 */
#include "catalog/regex.h"

#include <ctype.h>
#include <string.h>

#include "catalog/words.h"

enum { MAX_DEPTH = 40, NODE_CLAUSES = 6 };

struct exact {
	char v[REGEX_STRINGS][REGEX_EXACT_MAX + 1];
	int n;
};

struct node {
	bool exact;
	struct exact s;			/* if exact */
	struct clause req[NODE_CLAUSES];	/* if not */
	int nreq;
	char literal[REGEX_EXACT_MAX + 1];	/* if not: the longest that must be there */
};

struct rx {
	const char *p;
	int depth;
	bool lost;		/* something we do not understand: no clauses at all */
};

static void alternation(struct rx *rx, struct node *out);

/* The caller knows that it fits. */
static void
set(char *to, const char *z)
{
	memcpy(to, z, strlen(z) + 1);
}

/* The length of its shortest string is what a clause is worth; a word's edge counts as well. */
static size_t
worth(const struct clause *c)
{
	size_t min = c->n ? SIZE_MAX : 0;

	for (int i = 0; i < c->n; i++)
		if (strlen(c->v[i]) < min)
			min = strlen(c->v[i]);
	return min;
}

static void
add_clause(struct node *node, const struct clause *c)
{
	int worst = 0;

	/* pg_trgm needs three characters to look for */
	if (worth(c) < 3)
		return;
	for (int i = 0; i < node->nreq; i++)
		if (node->req[i].n == c->n && !memcmp(node->req[i].v, c->v, sizeof c->v))
			return;
	if (node->nreq < NODE_CLAUSES) {
		node->req[node->nreq++] = *c;
		return;
	}
	for (int i = 1; i < NODE_CLAUSES; i++)
		if (worth(&node->req[i]) < worth(&node->req[worst]))
			worst = i;
	if (worth(c) > worth(&node->req[worst]))
		node->req[worst] = *c;
}

/*
 * The next run of letters and digits in an exact string, folded, with a space
 * where it touches something else; NULL at the end.
 */
static const char *
piece(const char *z, char out[REGEX_STRING_MAX + 1])
{
	const char *from = z;
	size_t n = 0, len = 0;
	bool cut;

	while (*from && !isalnum((unsigned char)*from))
		from++;
	while (isalnum((unsigned char)from[n]))
		n++;
	if (!n)
		return NULL;
	if (from > z)
		out[len++] = ' ';
	cut = n > WORD_OVERLAP;
	for (size_t i = 0; i < (cut ? WORD_OVERLAP : n); i++)
		out[len++] = (char)tolower((unsigned char)from[i]);
	/* what stops it stays: it also stands before the next run */
	if (!cut && from[n])
		out[len++] = ' ';
	out[len] = '\0';
	return from + n;
}

static void
put_string(struct clause *c, const char *z)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->v[i], z))
			return;
	set(c->v[c->n++], z);
}

/* Exact strings as clauses: every piece of a single one, the longest of each of several. */
static void
add_exact(struct node *node, const struct exact *s)
{
	struct clause c;
	char one[REGEX_STRING_MAX + 1];

	memset(&c, 0, sizeof c);
	for (int i = 0; i < s->n; i++) {
		const char *z = s->v[i];
		char best[REGEX_STRING_MAX + 1] = "";

		while ((z = piece(z, one)) != NULL) {
			if (s->n == 1) {
				memset(&c, 0, sizeof c);
				set(c.v[0], one);
				c.n = 1;
				add_clause(node, &c);
			} else if (strlen(one) > strlen(best)) {
				set(best, one);
			}
		}
		if (s->n > 1)
			put_string(&c, best);
	}
	if (s->n > 1)
		add_clause(node, &c);
	else if (s->n && strlen(s->v[0]) > strlen(node->literal))
		set(node->literal, s->v[0]);
}

static void
put_exact(struct exact *s, const char *z)
{
	for (int i = 0; i < s->n; i++)
		if (!strcmp(s->v[i], z))
			return;
	set(s->v[s->n++], z);
}

/* All of a followed by all of b, in a; false (and a as it was) if that is too much. */
static bool
multiply(struct exact *a, const struct exact *b)
{
	struct exact r = { .n = 0 };
	char z[2 * REGEX_EXACT_MAX + 1];

	if (a->n * b->n > REGEX_STRINGS)
		return false;
	for (int i = 0; i < a->n; i++) {
		for (int j = 0; j < b->n; j++) {
			size_t n = strlen(a->v[i]);

			if (n + strlen(b->v[j]) > REGEX_EXACT_MAX)
				return false;
			memcpy(z, a->v[i], n);
			set(z + n, b->v[j]);
			put_exact(&r, z);
		}
	}
	*a = r;
	return true;
}

static void
exact_char(struct node *node, char c)
{
	node->exact = true;
	node->s.n = 1;
	node->s.v[0][0] = c;
	node->s.v[0][1] = '\0';
}

static bool
plain_ascii(char c)
{
	return (unsigned char)c < 0x80;
}

static void
escape(struct rx *rx, struct node *node)
{
	char c = *rx->p;

	if (!c) {
		rx->lost = true;
		return;
	}
	rx->p++;
	if (!plain_ascii(c) || strchr("dwsDWSmMyYAZ", c))
		return;			/* one unknown character, or a place */
	if (!isalnum((unsigned char)c))
		exact_char(node, c);
	else if (!strchr("tnrfvabeB", c))	/* one character that is in no word */
		rx->lost = true;		/* \x41, \1: what follows is not what it seems */
}

/* [ab] with a few ASCII characters is exact; anything more is one unknown character. */
static void
bracket(struct rx *rx, struct node *node)
{
	const char *first;
	bool known = *rx->p != '^';
	struct node c;

	if (!known)
		rx->p++;
	memset(&node->s, 0, sizeof node->s);
	for (first = rx->p; *rx->p && (*rx->p != ']' || rx->p == first); rx->p++) {
		char what = rx->p[0] == '[' ? rx->p[1] : '\0';

		if (what && strchr(":.=", what)) {
			char end[3] = { what, ']', '\0' };
			const char *close = strstr(rx->p + 2, end);

			known = false;
			rx->p = close ? close + 1 : rx->p + strlen(rx->p) - 1;
		} else if (*rx->p == '\\' && rx->p[1]) {
			known = false;
			rx->p++;
		} else if (!plain_ascii(*rx->p) || node->s.n == REGEX_STRINGS ||
			   (*rx->p == '-' && rx->p > first && rx->p[1] != ']')) {
			known = false;
		} else if (known) {
			exact_char(&c, *rx->p);
			put_exact(&node->s, c.s.v[0]);
		}
	}
	if (*rx->p == ']')
		rx->p++;
	else
		rx->lost = true;
	node->exact = known;
}

static void
group(struct rx *rx, struct node *node)
{
	bool around = false;

	if (*rx->p == '?') {
		size_t n = strspn(rx->p + 1, "<=!:");

		around = rx->p[1] != ':';
		if (n < 1 || n > 2)
			rx->lost = true;	/* a comment, options */
		rx->p += 1 + n;
	}
	if (++rx->depth > MAX_DEPTH || rx->lost) {
		rx->lost = true;
		return;
	}
	alternation(rx, node);
	rx->depth--;
	if (*rx->p == ')')
		rx->p++;
	else
		rx->lost = true;
	if (around) {		/* it says what stands beside, or what does not */
		node->exact = false;
		node->nreq = 0;
		*node->literal = '\0';
	}
}

static void
atom(struct rx *rx, struct node *node)
{
	char c = *rx->p++;

	node->exact = false;
	node->nreq = 0;
	if (c == '(')
		group(rx, node);
	else if (c == '[')
		bracket(rx, node);
	else if (c == '\\')
		escape(rx, node);
	else if (strchr("*+?", c))
		rx->lost = true;	/* nothing to repeat: an error */
	else if (c != '.' && c != '^' && c != '$' && plain_ascii(c))
		exact_char(node, c);
}

/* A quantifier: how often at least and whether more than once; true if there is one. */
static bool
quantifier(struct rx *rx, int *min, bool *more)
{
	char c = *rx->p;

	if (c == '{' && isdigit((unsigned char)rx->p[1])) {
		const char *end = strchr(rx->p, '}');

		*min = rx->p[1] == '0' ? 0 : 1;	/* {012} is 0 to us: less is asked for */
		*more = true;
		if (!end)
			rx->lost = true;
		rx->p = end ? end + 1 : rx->p + strlen(rx->p);
	} else if (c == '*' || c == '+' || c == '?') {
		*min = c == '+';
		*more = c != '?';
		rx->p++;
	} else {
		return false;
	}
	if (*rx->p == '?')		/* as few as possible */
		rx->p++;
	return true;
}

/* What is exact so far becomes a clause; a new exact part begins, with "" if not next. */
static void
flush(struct node *node, const struct exact *next)
{
	struct exact s = { .n = 1 };

	if (next)
		s = *next;
	add_exact(node, &node->s);
	node->exact = false;
	node->s = s;
}

static void
follow(struct node *seq, struct node *next, int min, bool more, bool *whole)
{
	if (next->exact && min == 0 && !more && next->s.n < REGEX_STRINGS) {
		put_exact(&next->s, "");	/* colou?r */
		min = 1;
	}
	if (!next->exact || min == 0) {
		flush(seq, NULL);
		*whole = false;
		for (int i = 0; i < next->nreq && !next->exact && min; i++)
			add_clause(seq, &next->req[i]);
		if (!next->exact && min && strlen(next->literal) > strlen(seq->literal))
			set(seq->literal, next->literal);
		return;
	}
	if (!multiply(&seq->s, &next->s)) {
		flush(seq, &next->s);
		*whole = false;
	}
	if (more) {		/* it may stand there again: what follows follows the last */
		flush(seq, &next->s);
		*whole = false;
	}
}

static void
sequence(struct rx *rx, struct node *out)
{
	bool whole = true;

	memset(out, 0, sizeof *out);
	out->s.n = 1;
	while (*rx->p && *rx->p != '|' && *rx->p != ')' && !rx->lost) {
		struct node next;
		int min = 1;
		bool more = false;

		memset(&next, 0, sizeof next);
		atom(rx, &next);
		if (quantifier(rx, &min, &more))
			rx->lost |= quantifier(rx, &min, &more);	/* a** */
		follow(out, &next, min, more, &whole);
	}
	out->exact = whole;
	if (!whole)
		add_exact(out, &out->s);
}

static const struct clause *
best(const struct node *node)
{
	const struct clause *c = NULL;

	for (int i = 0; i < node->nreq; i++)
		if (!c || worth(&node->req[i]) > worth(c))
			c = &node->req[i];
	return c;
}

/* One of two nodes holds: exact if both are, else one clause made of the best of each. */
static void
unite(struct node *a, struct node *b)
{
	const struct clause *ca, *cb;
	struct clause both;

	if (a->exact && b->exact && a->s.n + b->s.n <= REGEX_STRINGS) {
		for (int i = 0; i < b->s.n; i++)
			put_exact(&a->s, b->s.v[i]);
		return;
	}
	if (a->exact)
		add_exact(a, &a->s);
	if (b->exact)
		add_exact(b, &b->s);
	a->exact = false;
	*a->literal = '\0';
	ca = best(a);
	cb = best(b);
	if (!ca || !cb || ca->n + cb->n > REGEX_STRINGS) {
		a->nreq = 0;
		return;
	}
	both = *ca;
	for (int i = 0; i < cb->n; i++)
		put_string(&both, cb->v[i]);
	a->nreq = 0;
	add_clause(a, &both);
}

static void
alternation(struct rx *rx, struct node *out)
{
	sequence(rx, out);
	while (*rx->p == '|' && !rx->lost) {
		struct node other;

		rx->p++;
		sequence(rx, &other);
		unite(out, &other);
	}
}

void
regex_needs(const char *re, struct regex_needs *out)
{
	struct rx rx = { .p = re };
	struct node node;
	bool any_case = false;

	memset(out, 0, sizeof *out);
	if (!strncmp(re, "***", 3))
		return;
	if (re[0] == '(' && re[1] == '?' && isalpha((unsigned char)re[2])) {
		size_t letters = strspn(re + 2, "icnmpswt");

		if (re[2 + letters] != ')')
			return;
		any_case = memchr(re + 2, 'i', letters) != NULL;
		rx.p = re + 2 + letters + 1;
	}
	alternation(&rx, &node);
	if (rx.lost || *rx.p)
		return;
	if (node.exact)
		add_exact(&node, &node.s);
	while (out->nclauses < REGEX_CLAUSES && node.nreq > 0) {
		int top = 0;

		for (int i = 1; i < node.nreq; i++)
			if (worth(&node.req[i]) > worth(&node.req[top]))
				top = i;
		out->clause[out->nclauses++] = node.req[top];
		node.req[top] = node.req[--node.nreq];
	}
	if (!any_case && strlen(node.literal) > 1)
		set(out->literal, node.literal);
}
