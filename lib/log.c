/*
 * log.c - logfmt
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "str.h"

static enum log_level threshold = LOG_LEVEL_INFO;

void
log_threshold(enum log_level most)
{
	threshold = most;
}

static void
put_value(struct str *s, const char *v)
{
	if (*v && !v[strcspn(v, " =\"\\\t\r\n")] && utf8_valid(v, strlen(v)))
		str_put_safe(s, v, strlen(v));
	else
		str_put_json(s, v, strlen(v));
}

void
log_line(enum log_level level, const char *msg, ...)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	static const int priority[] = { 3, 4, 6, 7 };	/* of syslog */
	AUTOSTR s = STR(8192);
	const char *key;
	va_list ap;

	if (level > threshold)
		return;
	if (getenv("JOURNAL_STREAM")) {
		str_putf(&s, "<%d>", priority[level]);
	} else {
		time_t now = time(NULL);
		struct tm tm;
		char when[32];

		gmtime_r(&now, &tm);
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
		str_putf(&s, "time=%s ", when);
	}
	str_putf(&s, "level=%s msg=", names[level]);
	put_value(&s, msg);
	va_start(ap, msg);
	while ((key = va_arg(ap, const char *))) {
		const char *v = va_arg(ap, const char *);

		if (v) {
			str_putf(&s, " %s=", key);
			put_value(&s, v);
		}
	}
	va_end(ap);
	if (s.cut)
		s.buf[--s.len] = '\0';	/* room for the newline */
	str_putc(&s, '\n');
	if (write(STDERR_FILENO, s.buf, s.len) < 0)
		return;			/* nowhere left to say so */
}
