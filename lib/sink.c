/*
 * sink.c - bytes to a stream
 */
#include "sink.h"

#include <string.h>
#include <unistd.h>

void
sink_open(struct sink *s, FILE *to)
{
	*s = (struct sink){ .to = to, .terminal = isatty(fileno(to)), .rest = STR(STR_ANY) };
}

/* How much of the text does not end inside what may become a character. */
static size_t
whole(const char *p, size_t n)
{
	for (size_t i = 1; i <= 3 && i <= n; i++) {
		unsigned char c = (unsigned char)p[n - i];
		size_t length = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

		if (length > i)
			return n - i;
		if ((c & 0xc0) != 0x80)
			break;
	}
	return n;
}

static void
put_safe(struct sink *s, size_t n)
{
	AUTOSTR safe = STR(STR_ANY);

	str_put_safe_text(&safe, s->rest.buf, n);
	fwrite(safe.buf, 1, safe.len, s->to);
	memmove(s->rest.buf, s->rest.buf + n, s->rest.len - n);
	str_truncate(&s->rest, s->rest.len - n);
}

void
sink_put(struct sink *s, const char *data, size_t n)
{
	if (s->terminal) {
		str_add(&s->rest, data, n);
		put_safe(s, whole(s->rest.buf, s->rest.len));
	} else {
		fwrite(data, 1, n, s->to);
	}
	fflush(s->to);
}

void
sink_close(struct sink *s)
{
	put_safe(s, s->rest.len);
	fflush(s->to);
	str_free(&s->rest);
}
