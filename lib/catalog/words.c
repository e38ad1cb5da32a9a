/*
 * words.c - finding identifiers, taking them apart
 */
#include "catalog/words.h"

#include <stdlib.h>
#include <string.h>

/* The ASCII part, where nearly all of the time is spent. */
enum { NONE, LOWER, UPPER, DIGIT, UNDERSCORE, HIGH };

static unsigned char
class_of(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		return LOWER;
	if (c >= 'A' && c <= 'Z')
		return UPPER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	if (c == '_')
		return UNDERSCORE;
	return c >= 0x80 ? HIGH : NONE;
}

/*
 * Beyond ASCII: no table of Unicode, but the blocks of punctuation and symbols,
 * which are no letters.  What is taken for a letter by mistake makes a word that
 * nobody looks for.
 */
static bool
is_letter(uint32_t cp)
{
	static const uint32_t not[][2] = {
		{ 0x80, 0xa9 }, { 0xab, 0xb4 }, { 0xb6, 0xb9 }, { 0xbb, 0xbf }, { 0xd7, 0xd7 },
		{ 0xf7, 0xf7 }, { 0x2000, 0x206f }, { 0x20a0, 0x20cf }, { 0x2190, 0x2bff },
		{ 0x2e00, 0x2e7f }, { 0x3000, 0x3004 }, { 0x3008, 0x3020 }, { 0xe000, 0xf8ff },
		{ 0xfe10, 0xfe6f }, { 0xfeff, 0xff0f }, { 0xff1a, 0xff20 }, { 0xff3b, 0xff40 },
		{ 0xff5b, 0xff65 }, { 0xffe0, 0xffff }, { 0x1f000, 0x1faff },
	};

	for (size_t i = 0; i < NELEM(not); i++)
		if (cp <= not[i][1])
			return cp < not[i][0];
	return true;
}

/* Lower case for Latin, Greek and Cyrillic, the same in every locale; else cp itself. */
static uint32_t
fold(uint32_t cp)
{
	if ((cp >= 0xc0 && cp <= 0xde && cp != 0xd7) || (cp >= 0x391 && cp <= 0x3a9) ||
	    (cp >= 0x410 && cp <= 0x42f))
		return cp + 32;
	if (cp >= 0x400 && cp <= 0x40f)
		return cp + 80;
	if ((cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17e))
		return cp + (cp & 1);
	/* in U+0130 the cases are not neighbours */
	if ((cp >= 0x100 && cp <= 0x177 && cp != 0x130) || (cp >= 0x460 && cp <= 0x481) ||
	    (cp >= 0x48a && cp <= 0x4bf) || (cp >= 0x4d0 && cp <= 0x52f) ||
	    (cp >= 0x1e00 && cp <= 0x1e95))
		return cp | 1;
	return cp;
}

/* Append a letter from beyond ASCII, folded; its length at p, 0 if there is none. */
static size_t
high_letter(struct ident *id, const char *p, size_t n, bool *upper)
{
	uint32_t cp, low;
	int len = utf8_len(p, n, &cp);

	if (!len || !is_letter(cp))
		return 0;
	low = fold(cp);
	*upper = low != cp;
	memcpy(id->z + id->len, p, (size_t)len);
	if (low != cp && len == 2) {
		id->z[id->len] = (char)(0xc0 | low >> 6);
		id->z[id->len + 1] = (char)(0x80 | (low & 0x3f));
	} else if (low != cp) {
		id->z[id->len + 2] = (char)(0x80 | (low & 0x3f));	/* cp | 1: last bits only */
	}
	id->len += (size_t)len;
	return (size_t)len;
}

/* Where to go on after a cut identifier: so far back that the pieces overlap. */
static size_t
step_back(const char *p, size_t i, size_t start)
{
	size_t to = i - WORD_OVERLAP;

	while (to > start + 1 && ((unsigned char)p[to] & 0xc0) == 0x80)
		to--;
	return to;
}

/* The rest of an identifier whose first byte is at i; where to look for the next. */
static size_t
read_ident(const char *p, size_t n, size_t i, struct ident *id)
{
	unsigned char before = UNDERSCORE;

	id->start = i;
	id->len = 0;
	for (; i < n; i++) {
		unsigned char c = (unsigned char)p[i], class = class_of(c);

		if (class == NONE)
			break;
		if (class == UNDERSCORE) {
			before = class;
			continue;
		}
		if (id->len + 4 > IDENT_MAX || i - id->start > 4 * IDENT_MAX) {
			id->end = i;
			return i - id->start > 2 * WORD_OVERLAP ? step_back(p, i, id->start) : i;
		}
		id->edge[id->len] = before == UNDERSCORE ? EDGE_WORD : 0;
		if (class == HIGH) {
			size_t at = id->len, len;
			bool upper = false;

			len = high_letter(id, p + i, n - i, &upper);
			if (!len)
				break;
			memset(id->edge + at + 1, 0, len - 1);
			class = upper ? UPPER : LOWER;
			if (upper && before != UPPER && before != UNDERSCORE)
				id->edge[at] = EDGE_HUMP;
			i += len - 1;
		} else {
			if (class == UPPER) {
				c |= 0x20;
				if (before == LOWER || before == DIGIT ||
				    (before == UPPER && i + 1 < n &&
				     class_of((unsigned char)p[i + 1]) == LOWER))
					id->edge[id->len] = EDGE_HUMP;
			}
			id->z[id->len++] = (char)c;
		}
		before = class;
	}
	id->end = i;
	return i;
}

bool
ident_next(const char *p, size_t n, size_t *pos, struct ident *id)
{
	size_t i = *pos;

	while (i < n) {
		if (class_of((unsigned char)p[i]) == NONE) {
			i++;
			continue;
		}
		*pos = read_ident(p, n, i, id);
		if (id->len) {
			id->z[id->len] = '\0';
			id->edge[id->len] = EDGE_WORD;
			return true;
		}
		/* underscores only, or a symbol: pass over it */
		i = *pos > i ? *pos : i + 1;
	}
	*pos = n;
	return false;
}

/* A word too long to be one lexeme, as pieces that overlap. */
static void
long_word(const char *z, size_t n, word_found *found, void *ctx)
{
	for (size_t i = 0;; i += WORD_MAX - WORD_OVERLAP) {
		size_t from = i, to = i + WORD_MAX < n ? i + WORD_MAX : n;

		while (from > 0 && ((unsigned char)z[from] & 0xc0) == 0x80)
			from--;
		while (to < n && ((unsigned char)z[to] & 0xc0) == 0x80)
			to--;
		found(ctx, z + from, to - from);
		if (to == n)
			return;
	}
}

static void
one_word(const char *z, size_t n, word_found *found, void *ctx)
{
	if (n <= WORD_MAX)
		found(ctx, z, n);
	else
		long_word(z, n, found, ctx);
}

void
ident_words(const struct ident *id, word_found *found, void *ctx)
{
	size_t word = 0, hump = 0;

	for (size_t i = 1; i <= id->len; i++) {
		if (!id->edge[i])
			continue;
		if (id->edge[i] == EDGE_HUMP || hump > word)
			one_word(id->z + hump, i - hump, found, ctx);
		hump = i;
		if (id->edge[i] == EDGE_WORD) {
			one_word(id->z + word, i - word, found, ctx);
			word = i;
		}
	}
}

int
ident_matches(const struct ident *id, const char *z, size_t n, int how)
{
	const char *from = id->z;

	if (!n || n > id->len)
		return 0;
	while ((from = memmem(from, id->len - (size_t)(from - id->z), z, n)) != NULL) {
		size_t at = (size_t)(from++ - id->z);

		if (!id->edge[at] || (how & MATCH_FIRST && at))
			continue;
		if (how & MATCH_LAST ? at + n == id->len
				     : how & MATCH_PREFIX || id->edge[at + n])
			return n == id->len ? 2 : 1;
	}
	return 0;
}

static uint64_t
hash(const char *p, size_t n)
{
	uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15);

	while (n >= 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		p += 8;
		n -= 8;
	}
	if (n) {
		uint64_t w = 0;

		memcpy(&w, p, n);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
	}
	return h ^ h >> 29;
}

static bool
same(const struct words *w, uint32_t slot, const char *word, size_t n)
{
	const char *have = w->list.buf + slot - 1;

	/* the list ends in NUL, so that what follows a word can always be looked at */
	return !strncmp(have, word, n) && (have[n] == ' ' || have[n] == '\0');
}

static void
grow(struct words *w)
{
	size_t old = w->nslots;
	uint32_t *slots = w->slots;

	w->nslots = old ? old * 2 : 4096;
	w->slots = xcalloc(w->nslots, sizeof *w->slots);
	for (size_t i = 0; i < old; i++) {
		const char *z;
		size_t at;

		if (!slots[i])
			continue;
		z = w->list.buf + slots[i] - 1;
		at = hash(z, strcspn(z, " ")) & (w->nslots - 1);
		while (w->slots[at])
			at = (at + 1) & (w->nslots - 1);
		w->slots[at] = slots[i];
	}
	free(slots);
}

static void
add_word(void *ctx, const char *word, size_t n)
{
	struct words *w = ctx;
	size_t at;

	if (w->n * 2 >= w->nslots)
		grow(w);
	at = hash(word, n) & (w->nslots - 1);
	while (w->slots[at]) {
		if (same(w, w->slots[at], word, n))
			return;
		at = (at + 1) & (w->nslots - 1);
	}
	if (w->list.len + n + 2 > w->list.max) {
		w->partial = true;
		return;
	}
	str_putc(&w->list, ' ');
	w->slots[at] = (uint32_t)w->list.len + 1;
	str_add(&w->list, word, n);
	w->n++;
}

void
words_add(struct words *w, const char *p, size_t n)
{
	struct ident id;
	size_t pos = 0;

	while (ident_next(p, n, &pos, &id))
		ident_words(&id, add_word, w);
}

const char *
words_list(struct words *w)
{
	str_putc(&w->list, ' ');
	return w->list.buf;
}

void
words_reset(struct words *w)
{
	/* a table that one odd file made big would cost every later file its clearing */
	if (w->nslots > 1 << 16) {
		free(w->slots);
		w->slots = NULL;
		w->nslots = 0;
	} else if (w->n) {
		memset(w->slots, 0, w->nslots * sizeof *w->slots);
	}
	w->n = 0;
	w->partial = false;
	str_reset(&w->list);
}

void
words_free(struct words *w)
{
	free(w->slots);
	w->slots = NULL;
	w->nslots = w->n = 0;
	str_free(&w->list);
}
