/*
 * spool.c - pieces for the head, a ring for each tail
 */
#include "spool.h"

#include <stdlib.h>
#include <string.h>

/* The piece that takes the next bytes of a stream: the last if it fits, else a new one. */
static struct piece *
open_piece(struct spool *s, int stream, int64_t dropped)
{
	struct piece *p = s->npieces ? &s->pieces[s->npieces - 1] : NULL;

	if (p && p->stream == stream && p->len < SPOOL_PIECE && !dropped)
		return p;
	if (s->npieces == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->pieces = xreallocarray(s->pieces, s->cap, sizeof *s->pieces);
	}
	p = &s->pieces[s->npieces++];
	*p = (struct piece){ .n = s->next_n++, .stream = stream, .dropped = dropped };
	return p;
}

static void
append(struct piece *p, const char *data, size_t n)
{
	if (p->len + n > p->cap) {
		p->cap = p->len + n < 1024 ? 1024 : p->len + n;
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

/* Keep the last line of stderr that has something on it. */
static void
note_line(struct spool *s, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		if (len && s->line_ended) {
			str_reset(&s->line);
			s->line_ended = false;
		}
		str_add(&s->line, p, len);
		if (nl)
			s->line_ended = true;
		len += nl != NULL;
		p += len;
		n -= len;
	}
}

void
spool_add(struct spool *s, int stream, const char *p, size_t n)
{
	if (stream == 2)
		note_line(s, p, n);
	while (n && s->head_left) {
		struct piece *piece = open_piece(s, stream, 0);
		size_t part = SPOOL_PIECE - piece->len;

		part = part < n ? part : n;
		part = part < s->head_left ? part : s->head_left;
		append(piece, p, part);
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
		struct piece *p;

		if (!t->len)
			continue;
		p = open_piece(s, stream, t->dropped);
		if (start + t->len > SPOOL_TAIL) {
			append(p, t->ring + start, SPOOL_TAIL - start);
			append(p, t->ring, t->len - (SPOOL_TAIL - start));
		} else {
			append(p, t->ring + start, t->len);
		}
		free(t->ring);
		*t = (struct tail){ .ring = NULL };
	}
}

size_t
spool_ready(const struct spool *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->npieces; i++)
		n += s->pieces[i].len;
	return n;
}

void
spool_drop(struct spool *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s->pieces[i].data);
	s->npieces -= n;
	memmove(s->pieces, s->pieces + n, s->npieces * sizeof *s->pieces);
}

const char *
spool_last_line(struct spool *s)
{
	AUTOSTR clean = STR(SPOOL_LINE * 3);

	for (size_t i = 0; i < s->line.len;) {
		uint32_t cp = 0;
		int len = utf8_len(s->line.buf + i, s->line.len - i, &cp);

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
	spool_drop(s, s->npieces);
	free(s->pieces);
	free(s->tail[0].ring);
	free(s->tail[1].ring);
	str_free(&s->line);
	*s = (struct spool)SPOOL_INIT;
}
