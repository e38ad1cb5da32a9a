/*
 * log.c - logfmt
 *
 * A reader that has stopped reading must not stop the program: a line that cannot
 * be written soon is dropped, and counted.
 */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "str.h"

enum {
	LINE = 4096,		/* what a pipe takes whole if it takes anything: PIPE_BUF */
	PATIENCE_MS = 100,
};

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

/* JOURNAL_STREAM is inherited by those whose stderr is something else. */
static bool
to_journal(void)
{
	static int known = -1;
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (known < 0 && stream && fstat(STDERR_FILENO, &st) == 0) {
		snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino);
		known = !strcmp(stream, ours);
	}
	return known > 0;
}

static void
begin(struct str *s, enum log_level level, const char *msg)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	static const int priority[] = { 3, 4, 6, 7 };	/* of syslog */
	time_t now = time(NULL);
	struct tm tm;
	char when[32];

	if (to_journal()) {
		str_putf(s, "<%d>", priority[level]);
	} else {
		gmtime_r(&now, &tm);
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
		str_putf(s, "time=%s ", when);
	}
	str_putf(s, "level=%s msg=", names[level]);
	put_value(s, msg);
}

static bool
put_line(struct str *s, int patience)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (s->cut)
		str_truncate(s, LINE - 1);
	s->max = LINE;
	str_putc(s, '\n');
	if (poll(&p, 1, patience) == 0)
		return false;
	(void)!write(STDERR_FILENO, s->buf, s->len);	/* nowhere left to say so */
	return true;
}

static void
put(struct str *s)
{
	static int64_t dropped;
	AUTOSTR note = STR(LINE - 1);

	if (dropped) {
		begin(&note, LOG_LEVEL_WARNING, "lines were dropped, because nobody read them");
		str_putf(&note, " lines=%lld", (long long)dropped);
		if (!put_line(&note, 0)) {
			dropped++;
			return;
		}
		dropped = 0;
	}
	dropped += !put_line(s, PATIENCE_MS);
}

void
log_line(enum log_level level, const char *msg, ...)
{
	AUTOSTR s = STR(LINE - 1);
	const char *key;
	va_list ap;

	if (level > threshold)
		return;
	begin(&s, level, msg);
	va_start(ap, msg);
	while ((key = va_arg(ap, const char *))) {
		const char *v = va_arg(ap, const char *);

		if (v) {
			str_putf(&s, " %s=", key);
			put_value(&s, v);
		}
	}
	va_end(ap);
	put(&s);
}
