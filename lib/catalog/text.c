/*
 * text.c - decoding what is in files, quoting what they are called
 */
#include "catalog/text.h"

#include <string.h>

enum { SNIFF = 8000 };

/* Windows-1252 where it differs from Latin-1; 0 where it has nothing. */
static const uint16_t cp1252[32] = {
	0x20ac, 0,	0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,	0x017d, 0,	0,	0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,	0x017e, 0x0178,
};

bool
text_is_binary(const char *p, size_t n)
{
	return memchr(p, '\0', n < SNIFF ? n : SNIFF) != NULL;
}

/* How many bytes from p on are plain: ASCII without NUL, or well-formed UTF-8. */
static size_t
plain(const char *p, size_t n)
{
	const uint64_t high = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
	size_t i = 0;

	while (i < n) {
		uint64_t w;
		int len;

		if (i + sizeof w <= n) {
			memcpy(&w, p + i, sizeof w);
			/* no byte with its high bit set, none that is zero */
			if (!(w & high) && !((w - ones) & ~w & high)) {
				i += sizeof w;
				continue;
			}
		}
		len = utf8_len(p + i, n - i, NULL);
		if (!len || !p[i])
			break;
		i += (size_t)len;
	}
	return i;
}

/* A code point below 0x10000. */
static void
put_utf8(struct str *s, uint32_t cp)
{
	char b[3];

	if (cp < 0x800) {
		b[0] = (char)(0xc0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3f));
		str_add(s, b, 2);
	} else {
		b[0] = (char)(0xe0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (char)(0x80 | (cp & 0x3f));
		str_add(s, b, 3);
	}
}

const char *
text_decode(struct str *hold, const char *p, size_t n, size_t *len)
{
	size_t ok;

	str_reset(hold);
	if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) {
		p += 3;
		n -= 3;
	}
	ok = plain(p, n);
	if (ok == n) {
		*len = n;
		return p;
	}
	for (;;) {
		uint32_t c;

		str_add(hold, p, ok);
		p += ok;
		n -= ok;
		if (!n)
			break;
		c = (unsigned char)*p;
		if (c == 0)
			c = 0xfffd;
		else if (c < 0xa0 && cp1252[c - 0x80])
			c = cp1252[c - 0x80];
		put_utf8(hold, c);
		p++;
		n--;
		ok = plain(p, n);
	}
	*len = hold->len;
	return hold->buf;
}

void
text_put_path(struct str *s, const char *path)
{
	static const char letters[] = "\a\b\t\n\v\f\r\"\\", names[] = "abtnvfr\"\\";

	if (*path != '"' && utf8_valid(path, strlen(path))) {
		str_puts(s, path);
		return;
	}
	str_putc(s, '"');
	for (; *path; path++) {
		const char *l = strchr(letters, *path);

		if (l)
			str_putf(s, "\\%c", names[l - letters]);
		else if ((unsigned char)*path < 0x20 || (unsigned char)*path >= 0x7f)
			str_putf(s, "\\%03o", (unsigned char)*path);
		else
			str_putc(s, *path);
	}
	str_putc(s, '"');
}
