/*
 * err.c - filling an error
 */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One line, single blanks, no final period: libpq's texts are several indented lines. */
static void
tidy(char *s)
{
	char *to = s;

	for (const char *from = s; *from; from++) {
		if (!blank(*from))
			*to++ = *from;
		else if (to > s && to[-1] != ' ')
			*to++ = ' ';
	}
	while (to > s && blank(to[-1]))
		to--;
	if (to - s > 1 && to[-1] == '.' && to[-2] != '.')
		to--;
	*to = '\0';
}

void (*err_meanwhile)(const char *text);

void
err_set_(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	*e = (struct err){ .kind = kind };
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	tidy(e->msg);
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
	tidy(e->msg);
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
	tidy(e->msg);
}

void
err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof e->hint, fmt, ap);
	va_end(ap);
	tidy(e->hint);
}
