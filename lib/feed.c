/*
 * feed.c - lines into jobs
 */
#include "feed.h"

#include <string.h>

void
feed_init(struct feed *f, int fd, char delimiter, const struct jobspec *defaults,
	  struct jobargs *template)
{
	*f = (struct feed){
		.defaults = defaults, .template = template, .args = STR(STR_ANY), .key = STR(STR_ANY),
		.scan = JSON_SCAN_INIT, .reader = JOBSPEC_READER_INIT
	};
	lines_init(&f->lines, fd, delimiter);
}

void
feed_free(struct feed *f)
{
	lines_free(&f->lines);
	str_free(&f->args);
	str_free(&f->key);
	json_scan_free(&f->scan);
	jobspec_reader_free(&f->reader);
}

static bool
blank(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr(" \t\r", line[i]) || !line[i])
			return false;
	return true;
}

static int
from_template(struct feed *f, const char *line, size_t n, struct jobspec *s, struct err *e)
{
	if (memchr(line, '\0', n))
		return err_set(e, ERR_DATA, "a NUL byte");
	if (!utf8_valid(line, n))
		return err_set(e, ERR_DATA, "not valid UTF-8");
	*s = *f->defaults;
	jobargs_fill(f->template, line, n, &f->args);
	s->args = (struct json_text){ f->args.buf, f->args.len };
	s->args_size = n * f->template->nholes;
	if (s->unique) {
		str_reset(&f->key);
		braces_fill(&f->key, f->defaults->unique, line, n);
		s->unique = f->key.buf;
		if (jobspec_check_unique(s->unique, e))
			return -1;
	}
	return jobspec_check(s, &f->scan, e);
}

int
feed_next(struct feed *f, struct jobspec *s, int64_t *number, struct err *e)
{
	const char *line;
	size_t n;
	int rc;

	do
		rc = lines_next(&f->lines, &line, &n, e);
	while (rc > 0 && (f->template ? !n : blank(line, n)));
	if (rc == 0)
		return 0;
	*number = f->lines.number;
	if (rc > 0)
		rc = f->template ? from_template(f, line, n, s, e)
				 : jobspec_read(&f->reader, f->defaults, line, n, s, e);
	if (!rc)
		return 1;
	return e->kind == ERR_DATA ? err_ctx(e, "line %lld", (long long)*number) : -1;
}
