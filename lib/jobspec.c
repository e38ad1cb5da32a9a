/*
 * jobspec.c - the rules of a job, as the database has them
 *
 * They are checked here to name a mistake by its place; the database checks them
 * again, and it alone decides.  Where its rule depends on its locale (letters
 * outside ASCII in a name), the value is let through.
 */
#include "jobspec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

const char *const on_conflict_choices[] = { "skip", "fail", "replace", NULL };

/* Characters of valid UTF-8. */
static size_t
characters(const char *z)
{
	size_t n = 0;

	for (; *z; z++)
		n += (*z & 0xc0) != 0x80;
	return n;
}

/* The domain jobctl.name. */
int
jobspec_check_name(const char *what, const char *z, struct err *e)
{
	if (!*z)
		return err_set(e, ERR_DATA, "%s is empty", what);
	if (characters(z) > 255)
		return err_set(e, ERR_DATA, "%s is longer than 255 characters", what);
	for (const char *p = z; *p; p++) {
		bool letter = isalnum((unsigned char)*p) || *p == '_' || (*p & 0x80);

		if (!letter && (p == z || !strchr(".:/@+-", *p)))
			return err_set(e, ERR_DATA, "%s \"%.60s\": a name has letters, digits and "
				       "_ . : / @ + -, and begins with one of the first three", what, z);
	}
	return 0;
}

int
jobspec_check_unique(const char *key, struct err *e)
{
	if (!*key)
		return err_set(e, ERR_DATA, "the unique key is empty");
	if (strlen(key) > KEY_MAX)
		return err_set(e, ERR_DATA, "the unique key is longer than %d bytes", KEY_MAX);
	return 0;
}

int
jobspec_parse_backoff(const char *z, struct str *out, struct err *e)
{
	static const char *const policies[] = { "exponential", "linear", "constant" };
	size_t n = strcspn(z, ":"), i = 0;
	const char *p = z + n;

	while (i < NELEM(policies) && (strlen(policies[i]) != n || strncmp(policies[i], z, n) != 0))
		i++;
	if (i == NELEM(policies))
		return err_set(e, ERR_DATA, "\"%.60s\" is not exponential, linear or constant, "
			       "with :BASE and :MAX or without", z);
	str_puts(out, policies[i]);
	for (int field = 0; *p; field++) {
		AUTOFREE char *word = xstrndup(p + 1, strcspn(p + 1, ":"));
		int64_t ms;

		if (field == 2)
			return err_set(e, ERR_DATA, "\"%.60s\" has more than BASE and MAX", z);
		if (parse_duration(word, 0, INT64_C(315360000000), &ms, e)) {
			e->kind = ERR_DATA;
			return -1;
		}
		str_putf(out, ":%lldms", (long long)ms);
		p += 1 + strlen(word);
	}
	return 0;
}

static int
check_repo_path(const struct json_member *m, struct err *e)
{
	AUTOSTR path = STR(STR_ANY);
	const char *p;

	if (m->type != '"')
		return err_set(e, ERR_DATA, "repo_path is not a text");
	json_scan_string(&path, m->value);
	if (path.buf[0] != '/')
		return err_set(e, ERR_DATA, "repo_path \"%.200s\" is not absolute", path.buf);
	for (p = path.buf; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/'))
			return err_set(e, ERR_DATA, "repo_path \"%.200s\" has the component \"..\"",
				       path.buf);
	}
	return 0;
}

/* As PostgreSQL prints it: the id is compared as a text. */
static int
check_repository_id(const struct json_member *m, struct err *e)
{
	AUTOSTR id = STR(STR_ANY);
	struct uuid u;

	if (m->type != '"')
		return err_set(e, ERR_DATA, "repository_id is not a text");
	json_scan_string(&id, m->value);
	if (uuid_parse(id.buf, &u, e) || strcmp(uuid_str(&u).z, id.buf) != 0)
		return err_set(e, ERR_DATA, "repository_id \"%.60s\" is not a UUID in lower case",
			       id.buf);
	return 0;
}

/* ck_index_repo_path. */
static int
check_tree(const struct json_scan *args, struct err *e)
{
	const struct json_member *path = json_scan_find(args, "repo_path");
	const struct json_member *id = json_scan_find(args, "repository_id");

	if (path)
		return check_repo_path(path, e);
	if (id)
		return check_repository_id(id, e);
	return err_set(e, ERR_DATA, "a job of kind index needs the argument repo_path, or "
		       "repository_id");
}

int
jobspec_check(const struct jobspec *s, struct json_scan *scratch, struct err *e)
{
	if (!s->kind)
		return err_set(e, ERR_DATA, "there is no kind");
	if (s->args_size > ARGS_MAX)
		return err_set(e, ERR_DATA, "args take more than %d MiB", ARGS_MAX >> 20);
	if (strcmp(s->kind, "index") != 0)
		return 0;
	scratch->count = 0;
	if (s->args.p && json_scan_object(scratch, s->args.p, s->args.n, e))
		return -1;
	return check_tree(scratch, e);
}

static void
put_text(struct str *out, const char *key, const char *z)
{
	str_putf(out, ",\"%s\":", key);
	if (z)
		str_put_json(out, z, strlen(z));
	else
		str_puts(out, "null");
}

/* A duration as a number of seconds. */
static void
put_seconds(struct str *out, const char *key, int64_t ms)
{
	if (ms == NEVER)
		str_putf(out, ",\"%s\":null", key);
	else if (ms % 1000)
		str_putf(out, ",\"%s\":%lld.%03d", key, (long long)(ms / 1000), (int)(ms % 1000));
	else
		str_putf(out, ",\"%s\":%lld", key, (long long)(ms / 1000));
}

static void
put_ids(struct str *out, const char *key, const struct job_ids *l)
{
	str_putf(out, ",\"%s\":", key);
	if (!l || !l->n) {
		str_puts(out, "null");
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		str_putf(out, "%s\"%s\"", i ? "," : "[", uuid_str(&l->v[i]).z);
	str_putc(out, ']');
}

/* JSON text on one line: between tokens a line break is only space. */
static void
put_flat(struct str *out, struct json_text t)
{
	for (const char *p = t.p; p < t.p + t.n; p++)
		str_putc(out, *p == '\n' || *p == '\r' ? ' ' : *p);
}

void
jobspec_write(struct str *out, const struct jobspec *s)
{
	char at[40];

	str_puts(out, "{\"v\":1");
	put_text(out, "kind", s->kind);
	str_puts(out, ",\"args\":");
	if (s->args.p)
		put_flat(out, s->args);
	else
		str_puts(out, "{}");
	put_text(out, "queue", s->queue);
	put_text(out, "project", s->project);
	str_putf(out, ",\"priority\":%lld", (long long)s->priority);
	if (s->at != NEVER)
		time_rfc3339(s->at, at);
	put_text(out, "at", s->at == NEVER ? NULL : at);
	put_seconds(out, "in", s->in);
	put_text(out, "unique", s->unique);
	put_text(out, "on_conflict", s->on_conflict);
	put_seconds(out, "unique_for", s->unique_for);
	put_ids(out, "after", s->after);
	put_ids(out, "after_ok", s->after_ok);
	if (s->max_attempts)
		str_putf(out, ",\"max_attempts\":%lld", (long long)s->max_attempts);
	else
		str_puts(out, ",\"max_attempts\":null");
	put_text(out, "backoff", s->backoff);
	put_seconds(out, "timeout", s->timeout);
	str_putf(out, ",\"hold\":%s}", s->hold ? "true" : "false");
}

void
jobspec_explain(struct err *e)
{
	static const struct {
		const char *constraint, *words;
	} known[] = {
		{ "\"name_is_plain\"",
		  "the name of a project, queue or kind has letters, digits and _ . : / @ + -, "
		  "begins with one of the first three, and is at most 255 characters long" },
		{ "\"ck_args_size\"", "args take more than 1 MiB" },
		{ "\"ck_args_is_object\"", "args are not an object" },
		{ "\"ck_index_repo_path\"",
		  "a job of kind index needs an absolute repo_path without the component \"..\", "
		  "or a repository_id" },
		{ "\"ck_unique_key\"", "the unique key is empty or longer than 1000 bytes" },
		{ "\"jobs_pkey\"", "the id is taken" },
	};
	size_t line = !strncmp(e->msg, "line ", 5) ? strcspn(e->msg, ":") : 0;

	if (strncmp(e->sqlstate, "23", 2) != 0)
		return;
	for (size_t i = 0; i < NELEM(known); i++) {
		struct err old = *e;

		if (!strstr(e->msg, known[i].constraint))
			continue;
		(void)err_set(e, old.kind, "%.*s%s%s", (int)line, old.msg, line ? ": " : "",
			      known[i].words);
		memcpy(e->sqlstate, old.sqlstate, sizeof e->sqlstate);
		return;
	}
}
