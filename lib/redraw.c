/*
 * redraw.c - a text drawn over the one before it
 */
#include "redraw.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

bool
redraw_window(int *rows, int *columns)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || !ws.ws_row || !ws.ws_col)
		return false;
	*rows = ws.ws_row;
	*columns = ws.ws_col;
	return true;
}

/* The length of an ESC [ ... m at p, which takes no column; 0 if there is none. */
static size_t
colour_len(const char *p, size_t n)
{
	size_t i = 2;

	if (n < 3 || p[0] != '\033' || p[1] != '[')
		return 0;
	while (i < n && strchr("0123456789;", p[i]))
		i++;
	return i < n && p[i] == 'm' ? i + 1 : 0;
}

size_t
redraw_fit(const char *p, size_t n, size_t columns, size_t *used)
{
	size_t i = 0, sum = 0;

	while (i < n) {
		uint32_t cp = 0;
		size_t colour = colour_len(p + i, n - i);
		int len = colour ? (int)colour : utf8_len(p + i, n - i, &cp);
		int w = colour ? 0 : len ? wcwidth((wchar_t)cp) : 1;

		if (w < 0)
			w = 1;
		if (sum + (size_t)w > columns)
			break;
		sum += (size_t)w;
		i += len ? (size_t)len : 1;
	}
	if (used)
		*used = sum;
	return i;
}

void
redraw(struct str *out, const char *text, size_t n, int rows, int columns)
{
	const char *end = text + n;

	str_puts(out, "\033[H");
	for (int row = 0; text < end && row + 1 < rows; row++) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t len = nl ? (size_t)(nl - text) : (size_t)(end - text), used;
		size_t fit = redraw_fit(text, len, (size_t)columns, &used);

		str_add(out, text, fit);
		if (fit < len)		/* a colour may have been to end behind the edge */
			str_puts(out, "\033[m");
		if (used < (size_t)columns)	/* at the edge, it would wipe the last character */
			str_puts(out, "\033[K");
		str_putc(out, '\n');
		text += nl ? len + 1 : len;
	}
	str_puts(out, "\033[J");
}
