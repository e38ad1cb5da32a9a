/*
 * str.c - growing strings, quoting, UTF-8
 */
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

char str_nil[1];

/* Room for n more bytes and the final NUL; returns how many of n fit under max. */
static size_t
reserve(struct str *s, size_t n)
{
	size_t want;

	if (n > s->max - s->len) {
		n = s->max - s->len;
		s->cut = true;
	}
	want = s->len + n + 1;
	if (want > s->cap) {
		size_t cap = s->cap ? s->cap : 64;

		while (cap < want)
			cap *= 2;
		s->buf = xrealloc(s->cap ? s->buf : NULL, cap);
		s->cap = cap;
	}
	return n;
}

void
str_add(struct str *s, const void *p, size_t n)
{
	n = reserve(s, n);
	if (n)
		memcpy(s->buf + s->len, p, n);
	s->len += n;
	s->buf[s->len] = '\0';
}

void
str_puts(struct str *s, const char *z)
{
	str_add(s, z, strlen(z));
}

void
str_putc(struct str *s, char c)
{
	str_add(s, &c, 1);
}

void
str_putf(struct str *s, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof small) {
		str_add(s, small, (size_t)n);
	} else if (n >= 0) {
		AUTOFREE char *big = xmalloc((size_t)n + 1);

		vsnprintf(big, (size_t)n + 1, fmt, again);
		str_add(s, big, (size_t)n);
	}
	va_end(again);
}

void
str_put_shell(struct str *s, const char *z)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%^";

	if (*z && z[strspn(z, plain)] == '\0') {
		str_puts(s, z);
		return;
	}
	str_putc(s, '\'');
	for (; *z; z++) {
		if (*z == '\'')
			str_puts(s, "'\\''");
		else
			str_putc(s, *z);
	}
	str_putc(s, '\'');
}

/* Characters that can move a cursor, change a terminal's state or reorder what is read. */
static bool
unsafe(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200e && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

void
str_put_json(struct str *s, const char *p, size_t n)
{
	size_t plain = 0;

	str_putc(s, '"');
	for (size_t i = 0; i < n;) {
		uint32_t cp = (unsigned char)p[i];
		int len = cp < 0x80 ? 1 : utf8_len(p + i, n - i, &cp);

		if (len && cp != '"' && cp != '\\' && !unsafe(cp)) {
			i += (size_t)len;
			continue;
		}
		str_add(s, p + plain, i - plain);
		if (!len)
			str_puts(s, "\xef\xbf\xbd");
		else if (cp == '"' || cp == '\\')
			str_putf(s, "\\%c", (int)cp);
		else if (cp == '\n')
			str_puts(s, "\\n");
		else if (cp == '\t')
			str_puts(s, "\\t");
		else
			str_putf(s, "\\u%04x", cp);
		i += len ? (size_t)len : 1;
		plain = i;
	}
	str_add(s, p + plain, n - plain);
	str_putc(s, '"');
}

static void
put_safe(struct str *s, const char *p, size_t n, bool text)
{
	for (size_t i = 0; i < n;) {
		uint32_t cp = 0;
		int len = utf8_len(p + i, n - i, &cp);

		if (!len) {
			str_putf(s, "\\x%02x", (unsigned char)p[i]);
			len = 1;
		} else if (text && (cp == '\n' || cp == '\t')) {
			str_putc(s, p[i]);
		} else if (cp == '\n') {
			str_puts(s, "\\n");
		} else if (cp == '\t') {
			str_puts(s, "\\t");
		} else if (cp == '\r') {
			str_puts(s, "\\r");
		} else if (cp == '\\' && !text) {
			str_puts(s, "\\\\");
		} else if (unsafe(cp)) {
			str_putf(s, cp < 0x80 ? "\\x%02x" : "\\u%04x", cp);
		} else {
			str_add(s, p + i, (size_t)len);
		}
		i += (size_t)len;
	}
}

void
str_put_safe(struct str *s, const char *p, size_t n)
{
	put_safe(s, p, n, false);
}

void
str_put_safe_text(struct str *s, const char *p, size_t n)
{
	put_safe(s, p, n, true);
}

void
str_truncate(struct str *s, size_t len)
{
	if (len < s->len) {
		s->len = len;
		s->buf[len] = '\0';
	}
}

void
str_reset(struct str *s)
{
	str_truncate(s, 0);
	s->cut = false;
}

void
str_free(struct str *s)
{
	if (s->cap)
		free(s->buf);
	*s = (struct str)STR(s->max);
}

char *
str_take(struct str *s)
{
	char *z = s->cap ? s->buf : xstrdup("");

	*s = (struct str)STR(s->max);
	return z;
}

int
utf8_len(const char *p, size_t n, uint32_t *cp)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t c;
	int len;

	if (!n)
		return 0;
	if (u[0] < 0x80) {
		c = u[0];
		len = 1;
	} else if (u[0] >= 0xc2 && u[0] < 0xe0) {
		c = u[0] & 0x1fu;
		len = 2;
	} else if (u[0] >= 0xe0 && u[0] < 0xf0) {
		c = u[0] & 0x0fu;
		len = 3;
	} else if (u[0] >= 0xf0 && u[0] < 0xf5) {
		c = u[0] & 0x07u;
		len = 4;
	} else {
		return 0;
	}
	if ((size_t)len > n)
		return 0;
	for (int i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3fu);
	}
	/* overlong forms, surrogates, past the last plane (RFC 3629) */
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (cp)
		*cp = c;
	return len;
}

bool
utf8_valid(const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len = utf8_len(p + i, n - i, NULL);

		if (!len)
			return false;
		i += (size_t)len;
	}
	return true;
}

size_t
utf8_width(const char *z)
{
	size_t n = strlen(z), width = 0;

	for (size_t i = 0; i < n;) {
		uint32_t cp = 0;
		int len = utf8_len(z + i, n - i, &cp);
		int w = len ? wcwidth((wchar_t)cp) : 1;

		width += w < 0 ? 1 : (size_t)w;
		i += len ? (size_t)len : 1;
	}
	return width;
}
