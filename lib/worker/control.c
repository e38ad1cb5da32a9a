/*
 * control.c - what a job says on its control descriptor
 *
 * Lines of JSON objects.  A line counts as a whole or not at all; names we do not
 * know are for a later version.  Values are kept as the text they are, so that
 * numbers keep every digit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jsonscan.h"
#include "log.h"
#include "worker.h"

enum {
	STATS_MAX = 1000,	/* names */
	PIPE_MAX = 1 << 20,	/* what a pipe can hold: fs.pipe-max-size */
};

void
run_report_free(struct run_report *p)
{
	free(p->message);
	free(p->stats);
	free(p->checkpoint);
	free(p->result);
	*p = (struct run_report)RUN_REPORT_INIT;
}

static void
replace(char **field, const struct json_member *m)
{
	if (!m)
		return;
	free(*field);
	*field = xstrndup(m->value.p, m->value.n);
}

/* A count: a whole number that is not negative; some languages write 3.0. */
static bool
count(struct json_text t, int64_t *out)
{
	AUTOFREE char *z = xstrndup(t.p, t.n);
	double d;

	if (*z < '0' || *z > '9')
		return false;
	d = strtod(z, NULL);
	if (d >= 9e18)
		return false;
	*out = z[strspn(z, "0123456789")] ? (int64_t)d : strtoll(z, NULL, 10);
	return true;
}

/* [done, total]; a total that is not known is null. */
static bool
progress(const struct json_member *m, int64_t *done, int64_t *total)
{
	struct json_text rest, n;

	if (!m)
		return true;
	if (m->type != '[')
		return false;
	rest = json_scan_elements(m->value);
	if (!json_scan_element(&rest, &n) || !count(n, done) || !json_scan_element(&rest, &n))
		return false;
	if (n.n != 4 || memcmp(n.p, "null", 4) != 0) {
		if (!count(n, total))
			return false;
	}
	return !json_scan_element(&rest, &n);
}

static void
put_member(struct str *s, const struct json_member *m)
{
	str_puts(s, s->len == 1 ? "\"" : ",\"");
	str_add(s, m->key.p, m->key.n);
	str_puts(s, "\":");
	str_add(s, m->value.p, m->value.n);
}

static bool
has(const struct json_scan *s, const struct json_member *m)
{
	AUTOSTR key = STR(STR_ANY), quoted = STR(STR_ANY);

	str_putf(&quoted, "\"%.*s\"", (int)m->key.n, m->key.p);
	json_scan_string(&key, (struct json_text){ quoted.buf, quoted.len });
	return json_scan_find(s, key.buf);
}

/* Stats add up name by name, as they do in the database. */
static bool
merge_stats(char **stats, const struct json_member *m)
{
	static struct json_scan news, olds;
	AUTOSTR all = STR(STR_ANY);
	struct err e;

	if (!m)
		return true;
	if (m->type != '{' || json_scan_object(&news, m->value.p, m->value.n, &e))
		return false;
	olds.count = 0;
	if (*stats && json_scan_object(&olds, *stats, strlen(*stats), &e))
		return false;
	str_putc(&all, '{');
	if (news.count + olds.count > STATS_MAX)
		return false;
	for (size_t i = 0; i < olds.count; i++)
		if (!has(&news, &olds.members[i]))
			put_member(&all, &olds.members[i]);
	for (size_t i = 0; i < news.count; i++)
		put_member(&all, &news.members[i]);
	str_putc(&all, '}');
	free(*stats);
	*stats = str_take(&all);
	return true;
}

bool
run_report_take(struct run_report *p, const struct json_scan *line)
{
	const struct json_member *message = json_scan_find(line, "message");
	const struct json_member *said = json_scan_find(line, "progress");
	const struct json_member *stats = json_scan_find(line, "stats");
	const struct json_member *checkpoint = json_scan_find(line, "checkpoint");
	int64_t done = p->done, total = p->total;

	if ((message && message->type != '"') || !progress(said, &done, &total) ||
	    !merge_stats(&p->stats, stats))
		return false;
	p->done = done;
	p->total = total;
	if (message) {
		AUTOSTR text = STR(STR_ANY);

		json_scan_string(&text, message->value);
		free(p->message);
		p->message = str_take(&text);
	}
	replace(&p->checkpoint, checkpoint);
	replace(&p->result, json_scan_find(line, "result"));
	p->fresh = p->fresh || message || said || stats || checkpoint;
	return true;
}

static bool
understand(struct run *r)
{
	static struct json_scan scan;
	struct err e;

	return !r->line.cut && json_scan_object(&scan, r->line.buf, r->line.len, &e) == 0 &&
	       run_report_take(&r->report, &scan);
}

static void
one_line(struct run *r)
{
	if (strspn(r->line.buf, " \t\r") == r->line.len) {
		;			/* a blank line says nothing */
	} else if (understand(r)) {
		run_flush_soon(r);
	} else if (r->bad_lines++ == 0) {
		log_line(LOG_LEVEL_WARNING,
			 "a line on the control descriptor is not understood", "id",
			 uuid_str(&r->id).z, "kind", r->kind, NULL);
	}
	str_reset(&r->line);
}

bool
control_read(struct run *r)
{
	char buf[16384];
	ssize_t n, got;

	n = got = read(r->control, buf, sizeof buf);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_p(&r->control);
	for (char *p = buf; n > 0;) {
		char *nl = memchr(p, '\n', (size_t)n);
		ssize_t part = nl ? nl - p : n;

		str_add(&r->line, p, (size_t)part);
		if (nl)
			one_line(r);
		part += nl != NULL;
		p += part;
		n -= part;
	}
	return got > 0;
}

/* Wait for no more, and take no more than a pipe holds: a descendant may go on writing. */
void
control_end(struct run *r)
{
	char bad[24];

	for (int i = 0; r->control >= 0 && i < PIPE_MAX / 16384 && control_read(r); i++)
		;
	close_p(&r->control);
	if (r->line.len)		/* the last line may lack its newline */
		one_line(r);
	if (r->bad_lines > 1) {
		snprintf(bad, sizeof bad, "%" PRId64, r->bad_lines);
		log_line(LOG_LEVEL_WARNING,
			 "lines on the control descriptor were not understood", "id",
			 uuid_str(&r->id).z, "lines", bad, NULL);
	}
	r->bad_lines = 0;
}
