/*
 * jobspec_read.c - a job from a line of JSON
 *
 * One row per key: its name, and how its value is taken.  null is as if the key
 * were not there.
 */
#include "jobspec.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "parse.h"

void
jobspec_reader_free(struct jobspec_reader *r)
{
	json_scan_free(&r->scan);
	json_scan_free(&r->inner);
	str_free(&r->text);
	str_free(&r->args);
	str_free(&r->backoff);
	job_ids_free(&r->after);
	job_ids_free(&r->after_ok);
}

/*
 * A piece of text with a NUL after it, to stay until the next line.  There is
 * always room: every string gives up its quotes, every number what is around it.
 */
static const char *
keep(struct jobspec_reader *r, struct json_text t, bool is_string, const char *suffix)
{
	size_t at = r->text.len;

	if (is_string)
		json_scan_string(&r->text, t);
	else
		str_add(&r->text, t.p, t.n);
	str_add(&r->text, suffix, strlen(suffix) + 1);
	return r->text.buf + at;
}

static int
text(struct jobspec_reader *r, const struct json_member *m, const char **out, struct err *e)
{
	if (m->type != '"')
		return err_set(e, ERR_DATA, "not a text");
	*out = keep(r, m->value, true, "");
	return 0;
}

static int
whole(struct jobspec_reader *r, const struct json_member *m, int64_t min, int64_t max, int64_t *out,
      struct err *e)
{
	if (m->type != '0')
		return err_set(e, ERR_DATA, "not a number");
	return parse_int(keep(r, m->value, false, ""), min, max, out, e);
}

/* "5m", or a number of seconds. */
static int
duration(struct jobspec_reader *r, const struct json_member *m, int64_t min, int64_t *out,
	 struct err *e)
{
	if (m->type != '"' && m->type != '0')
		return err_set(e, ERR_DATA, "neither a text nor a number of seconds");
	return parse_duration(keep(r, m->value, m->type == '"', m->type == '"' ? "" : "s"), min, MS_MAX,
			      out, e);
}

static int
ids(struct jobspec_reader *r, const struct json_member *m, struct job_ids *list, struct err *e)
{
	struct json_text rest, one = m->value;
	struct uuid u;

	if (m->type == '"') {
		if (uuid_parse(keep(r, one, true, ""), &u, e))
			return -1;
		job_ids_add(list, &u);
		return 0;
	}
	if (m->type != '[')
		return err_set(e, ERR_DATA, "neither an id nor a list of ids");
	for (rest = json_scan_elements(m->value); json_scan_element(&rest, &one);) {
		if (*one.p != '"')
			return err_set(e, ERR_DATA, "a list with something else than ids");
		if (uuid_parse(keep(r, one, true, ""), &u, e))
			return -1;
		job_ids_add(list, &u);
	}
	return 0;
}

static int
read_kind(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	return text(r, m, &s->kind, e) ? -1 : jobspec_check_name("the kind", s->kind, e);
}

static int
read_queue(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	return text(r, m, &s->queue, e) ? -1 : jobspec_check_name("the queue", s->queue, e);
}

static int
read_project(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	     struct err *e)
{
	return text(r, m, &s->project, e) ? -1 : jobspec_check_name("the project", s->project, e);
}

static int
read_args(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	(void)r;
	if (m->type != '{')
		return err_set(e, ERR_DATA, "not an object");
	s->args = m->value;
	s->args_size = m->size;
	return 0;
}

static int
read_argv(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	struct json_text rest, word;
	size_t n = 0;

	if (m->type != '[')
		return err_set(e, ERR_DATA, "not a list of words");
	for (rest = json_scan_elements(m->value); json_scan_element(&rest, &word); n++) {
		if (*word.p != '"')
			return err_set(e, ERR_DATA, "a list with something else than texts");
		if (!n && word.n == 2)
			return err_set(e, ERR_DATA, "the command is empty");
	}
	if (!n)
		return err_set(e, ERR_DATA, "the list is empty");
	str_reset(&r->args);
	str_puts(&r->args, "{\"argv\":");
	str_add(&r->args, m->value.p, m->value.n);
	str_putc(&r->args, '}');
	s->args = (struct json_text){ r->args.buf, r->args.len };
	s->args_size = m->size + 16;
	return 0;
}

static int
read_priority(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	      struct err *e)
{
	return whole(r, m, INT32_MIN, INT32_MAX, &s->priority, e);
}

static int
read_at(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	const char *z;

	return text(r, m, &z, e) ? -1 : parse_time(z, &s->at, e);
}

static int
read_in(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	return duration(r, m, 0, &s->in, e);
}

static int
read_unique(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	return text(r, m, &s->unique, e) ? -1 : jobspec_check_unique(s->unique, e);
}

static int
read_on_conflict(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
		 struct err *e)
{
	const char *z;

	if (text(r, m, &z, e))
		return -1;
	for (const char *const *c = on_conflict_choices; *c; c++) {
		if (!strcmp(*c, z)) {
			s->on_conflict = *c;
			return 0;
		}
	}
	return err_set(e, ERR_DATA, "\"%.60s\" is not skip, fail or replace", z);
}

static int
read_unique_for(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
		struct err *e)
{
	return duration(r, m, 0, &s->unique_for, e);
}

static int
read_after(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	s->after = &r->after;
	return ids(r, m, &r->after, e);
}

static int
read_after_ok(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	      struct err *e)
{
	s->after_ok = &r->after_ok;
	return ids(r, m, &r->after_ok, e);
}

static int
read_max_attempts(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
		  struct err *e)
{
	return whole(r, m, 1, MAX_ATTEMPTS, &s->max_attempts, e);
}

static int
read_backoff(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	     struct err *e)
{
	const char *z;

	str_reset(&r->backoff);
	if (text(r, m, &z, e) || jobspec_parse_backoff(z, &r->backoff, e))
		return -1;
	s->backoff = r->backoff.buf;
	return 0;
}

static int
read_timeout(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	     struct err *e)
{
	return duration(r, m, 1, &s->timeout, e);
}

static int
read_hold(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m, struct err *e)
{
	(void)r;
	if (m->type != 't' && m->type != 'f')
		return err_set(e, ERR_DATA, "neither true nor false");
	s->hold = m->type == 't';
	return 0;
}

static int
read_version(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
	     struct err *e)
{
	int64_t v;

	(void)s;
	return whole(r, m, 1, 1, &v, e);
}

enum { AT, IN, ARGS, ARGV, KIND, NKEYS = 18 };

static const struct {
	const char *name;
	int (*read)(struct jobspec_reader *r, struct jobspec *s, const struct json_member *m,
		    struct err *e);
} keys[NKEYS] = {
	[AT] = { "at", read_at },
	[IN] = { "in", read_in },
	[ARGS] = { "args", read_args },
	[ARGV] = { "argv", read_argv },
	[KIND] = { "kind", read_kind },
	{ "queue", read_queue },
	{ "project", read_project },
	{ "priority", read_priority },
	{ "unique", read_unique },
	{ "on_conflict", read_on_conflict },
	{ "unique_for", read_unique_for },
	{ "after", read_after },
	{ "after_ok", read_after_ok },
	{ "max_attempts", read_max_attempts },
	{ "backoff", read_backoff },
	{ "timeout", read_timeout },
	{ "hold", read_hold },
	{ "v", read_version },
};

static int
find_key(const struct json_member *m)
{
	AUTOSTR plain = STR(STR_ANY);

	if (m->escaped)
		json_scan_string(&plain, (struct json_text){ m->key.p - 1, m->key.n + 2 });
	else
		str_add(&plain, m->key.p, m->key.n > 20 ? 20 : m->key.n);
	for (int i = 0; i < NKEYS; i++)
		if (!strcmp(keys[i].name, plain.buf))
			return i;
	return -1;
}

static int
unknown_key(const struct json_member *m, struct err *e)
{
	AUTOFREE char *name = xstrndup(m->key.p, m->key.n > 60 ? 60 : m->key.n);
	const char *near = NULL;
	int best = 3;

	for (int i = 0; i < NKEYS; i++) {
		int d = cmd_distance(name, keys[i].name);

		if (d < best) {
			best = d;
			near = keys[i].name;
		}
	}
	(void)err_set(e, ERR_DATA, "there is no key \"%s\"", name);
	if (near)
		err_hint(e, "did you mean \"%s\"?", near);
	else
		err_hint(e, "what the job is to work with goes into \"args\"");
	return -1;
}

/* What the keys of one line must not say together, and how they change its defaults. */
static int
settle(const bool *said, struct jobspec *s, struct err *e)
{
	if (said[AT] && said[IN])
		return err_set(e, ERR_DATA, "both at and in");
	if (said[ARGS] && said[ARGV])
		return err_set(e, ERR_DATA, "both args and argv");
	if (said[AT])
		s->in = NEVER;
	if (said[IN])
		s->at = NEVER;
	if (said[ARGV]) {
		if (said[KIND] && strcmp(s->kind, "exec") != 0)
			return err_set(e, ERR_DATA, "argv, but the kind is \"%.60s\" and not exec", s->kind);
		s->kind = "exec";
	}
	return 0;
}

int
jobspec_read(struct jobspec_reader *r, const struct jobspec *defaults, const char *line, size_t n,
	     struct jobspec *out, struct err *e)
{
	bool said[NKEYS] = { false };
	struct jobspec s = *defaults;

	if (json_scan_object(&r->scan, line, n, e))
		return -1;
	str_reset(&r->text);
	if (r->text.cap <= n) {
		str_add(&r->text, line, n);
		str_reset(&r->text);
	}
	r->after.n = r->after_ok.n = 0;
	for (size_t i = 0; i < r->scan.count; i++) {
		const struct json_member *m = &r->scan.members[i];
		int k = find_key(m);

		if (k < 0)
			return unknown_key(m, e);
		if (m->type == 'n')
			continue;
		said[k] = true;
		if (keys[k].read(r, &s, m, e)) {
			e->kind = ERR_DATA;
			return err_ctx(e, "%s", keys[k].name);
		}
	}
	if (settle(said, &s, e) || jobspec_check(&s, &r->inner, e))
		return -1;
	*out = s;
	return 0;
}
