/*
 * sheet.c - labelled lines of text, for people
 */
#include "sheet.h"

#include <string.h>

#include "redraw.h"

enum { MANY = 10, WIDTH = 100, WIDTH_MIN = 60 };

void
sheet_label(struct str *s, const char *text)
{
	str_putf(s, "%-*s", SHEET_LABEL, text);
}

void
sheet_text(struct str *s, const char *text)
{
	str_put_safe(s, text, strlen(text));
}

void
sheet_lines(struct str *s, const char *text, int max)
{
	for (int i = 0; *text; i++) {
		size_t n = strcspn(text, "\n");

		if (i)
			str_putf(s, "\n%*s", SHEET_LABEL, "");
		if (i == max) {
			str_puts(s, "...");
			break;
		}
		str_put_safe(s, text, n);
		text += n + (text[n] == '\n');
	}
	str_putc(s, '\n');
}

void
sheet_line(struct str *s, const char *name, const char *text)
{
	if (!*text)
		return;
	sheet_label(s, name);
	sheet_lines(s, text, MANY);
}

size_t
sheet_width(void)
{
	int rows, columns;

	if (!redraw_window(&rows, &columns) || columns > WIDTH)
		return WIDTH;
	return columns < WIDTH_MIN ? WIDTH_MIN : (size_t)columns;
}

void
sheet_wrap(struct str *s, size_t at, const char *text)
{
	AUTOSTR safe = STR(STR_ANY);
	size_t column = at, edge = sheet_width();

	str_put_safe(&safe, text, strlen(text));
	for (const char *p = safe.buf; *p;) {
		AUTOSTR word = STR(STR_ANY);
		size_t n = strcspn(p, " "), width;

		str_add(&word, p, n);
		width = utf8_width(word.buf);
		if (column > at && column + 1 + width > edge) {
			str_putf(s, "\n%*s", (int)at, "");
			column = at;
		}
		if (column > at) {
			str_putc(s, ' ');
			column++;
		}
		str_puts(s, word.buf);
		column += width;
		p += n + strspn(p + n, " ");
	}
	str_putc(s, '\n');
}
