/*
 * err.c - filling an error
 */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * One line, single blanks, no final period: libpq's texts are several indented
 * lines.  A line's end becomes a semicolon, unless it has a mark of its own.
 */
static void
tidy(char *s, size_t size)
{
	static const char blanks[] = " \t\r\n";
	AUTOFREE char *text = xstrdup(s);
	size_t len = 0;

	for (const char *p = text; *p && len + 1 < size; p++) {
		size_t n = strspn(p, blanks);

		if (!n) {
			s[len++] = *p;
			continue;
		}
		if (len && len + 2 < size && p[n] && memchr(p, '\n', n) &&
		    !strchr(".:;,?!", s[len - 1]))
			s[len++] = ';';
		if (len && p[n])
			s[len++] = ' ';
		p += n - 1;
	}
	if (len > 1 && s[len - 1] == '.' && s[len - 2] != '.')
		len--;
	s[len] = '\0';
}

void
err_set_(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	*e = (struct err){ .kind = kind };
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	tidy(e->msg, sizeof e->msg);
}

void
err_sys_(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	int sys = errno;
	size_t n;
	va_list ap;

	*e = (struct err){ .kind = kind, .sys = sys };
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof e->msg - n, ": %s", strerror(sys));
	tidy(e->msg, sizeof e->msg);
}

void
err_ctx_(struct err *e, const char *fmt, ...)
{
	char old[sizeof e->msg];
	size_t n;
	va_list ap;

	memcpy(old, e->msg, sizeof old);
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof e->msg - n, ": %s", old);
	tidy(e->msg, sizeof e->msg);
}

void
err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof e->hint, fmt, ap);
	va_end(ap);
	tidy(e->hint, sizeof e->hint);
}
