/*
 * spool.c - pieces for the head, a ring for each tail
 */
#include "spool.h"

#include <stdlib.h>
#include <string.h>

/* The last piece if the next bytes of the stream can join it, else NULL. */
static struct piece *
growing(const struct spool *s, int stream)
{
	struct piece *p = s->npieces ? &s->pieces[s->npieces - 1] : NULL;

	return p && p->stream == stream && p->len < SPOOL_PIECE && !p->call && !p->sent_before
		       ? p
		       : NULL;
}

static struct piece *
new_piece(struct spool *s, int stream, int64_t dropped)
{
	struct piece *p;

	if (s->npieces == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->pieces = xreallocarray(s->pieces, s->cap, sizeof *s->pieces);
	}
	p = &s->pieces[s->npieces++];
	*p = (struct piece){ .n = s->next_n++, .stream = stream, .dropped = dropped };
	return p;
}

static void
append(struct spool *s, struct piece *p, const char *data, size_t n)
{
	s->held += n;
	if (p->len + n > p->cap) {
		p->cap = p->cap ? p->cap : 256;
		while (p->cap < p->len + n)
			p->cap *= 2;
		p->data = xrealloc(p->data, p->cap);
	}
	memcpy(p->data + p->len, data, n);
	p->len += n;
}

static void
add_tail(struct tail *t, const char *p, size_t n)
{
	if (!t->ring)
		t->ring = xmalloc(SPOOL_TAIL);
	if (n > SPOOL_TAIL) {
		t->dropped += (int64_t)(n - SPOOL_TAIL);
		p += n - SPOOL_TAIL;
		n = SPOOL_TAIL;
	}
	if (t->len + n > SPOOL_TAIL) {
		t->dropped += (int64_t)(t->len + n - SPOOL_TAIL);
		t->len = SPOOL_TAIL - n;
	}
	for (size_t left = n; left;) {
		size_t part = SPOOL_TAIL - t->at < left ? SPOOL_TAIL - t->at : left;

		memcpy(t->ring + t->at, p, part);
		t->at = (t->at + part) % SPOOL_TAIL;
		p += part;
		left -= part;
	}
	t->len += n;
}

/*
 * Keep the last line of stderr that has something on it.  A carriage return ends
 * a line too: what overwrites itself on a terminal is not one long line.
 */
static void
note_line(struct spool *s, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *start = p;

		if (*p == '\n' || *p == '\r') {
			s->line_ended = true;
			p++;
			continue;
		}
		if (s->line_ended && (*p == ' ' || *p == '\t')) {
			p++;
			continue;
		}
		if (s->line_ended)
			str_reset(&s->line);
		s->line_ended = false;
		while (p < end && *p != '\n' && *p != '\r')
			p++;
		str_add(&s->line, start, (size_t)(p - start));
	}
}

void
spool_add(struct spool *s, int stream, const char *p, size_t n)
{
	if (stream == 2)
		note_line(s, p, n);
	while (n && s->head_left) {
		struct piece *piece = growing(s, stream);
		size_t part;

		if (!piece && s->head_left <= SPOOL_COST)
			break;
		if (!piece) {
			s->head_left -= SPOOL_COST;
			piece = new_piece(s, stream, 0);
		}
		part = SPOOL_PIECE - piece->len;
		part = part < n ? part : n;
		part = part < s->head_left ? part : s->head_left;
		append(s, piece, p, part);
		s->head_left -= part;
		p += part;
		n -= part;
	}
	if (n)
		add_tail(&s->tail[stream - 1], p, n);
}

void
spool_end(struct spool *s)
{
	for (int stream = 1; stream <= 2; stream++) {
		struct tail *t = &s->tail[stream - 1];
		size_t start = (t->at + SPOOL_TAIL - t->len) % SPOOL_TAIL;
		size_t first = SPOOL_TAIL - start < t->len ? SPOOL_TAIL - start : t->len;
		struct piece *p;

		if (!t->len)
			continue;
		p = t->dropped ? NULL : growing(s, stream);
		p = p ? p : new_piece(s, stream, t->dropped);
		append(s, p, t->ring + start, first);
		append(s, p, t->ring, t->len - first);
		free(t->ring);
		*t = (struct tail){ .ring = NULL };
	}
}

size_t
spool_unsent(const struct spool *s)
{
	size_t i = 0;

	while (i < s->npieces && s->pieces[i].call)
		i++;
	return i;
}

size_t
spool_ready(const struct spool *s)
{
	size_t n = 0;

	for (size_t i = spool_unsent(s); i < s->npieces; i++)
		n += s->pieces[i].len;
	return n;
}

static void
drop(struct spool *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->held -= s->pieces[i].len;
		free(s->pieces[i].data);
	}
	s->npieces -= n;
	if (s->npieces)
		memmove(s->pieces, s->pieces + n, s->npieces * sizeof *s->pieces);
}

void
spool_stored(struct spool *s, int64_t call)
{
	size_t n = 0;

	while (n < s->npieces && s->pieces[n].call && s->pieces[n].call <= call)
		n++;
	drop(s, n);
}

void
spool_not_stored(struct spool *s, int64_t call)
{
	for (size_t i = 0; i < s->npieces; i++)
		if (s->pieces[i].call == call)
			s->pieces[i].call = 0;
}

void
spool_resend(struct spool *s)
{
	for (size_t i = 0; i < s->npieces; i++) {
		struct piece *p = &s->pieces[i];

		p->sent_before = p->sent_before || p->call;
		p->call = 0;
	}
}

const char *
spool_last_line(struct spool *s)
{
	AUTOSTR clean = STR(SPOOL_LINE * 3);

	for (size_t i = 0; i < s->line.len;) {
		uint32_t cp = 0;
		int len = utf8_len(s->line.buf + i, s->line.len - i, &cp);

		/* a character that the limit cut in two is no rubbish of the job's */
		if (!len && s->line.cut && s->line.len - i < 4)
			break;
		if (len && cp >= 0x20)
			str_add(&clean, s->line.buf + i, (size_t)len);
		else if (!len)
			str_puts(&clean, "\xef\xbf\xbd");
		i += len ? (size_t)len : 1;
	}
	str_free(&s->line);
	s->line.max = SPOOL_LINE * 3;
	str_add(&s->line, clean.buf, clean.len);
	return s->line.buf;
}

void
spool_free(struct spool *s)
{
	drop(s, s->npieces);
	free(s->pieces);
	free(s->tail[0].ring);
	free(s->tail[1].ring);
	str_free(&s->line);
	*s = (struct spool)SPOOL_INIT;
}
