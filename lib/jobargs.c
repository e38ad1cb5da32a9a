/*
 * jobargs.c - making args
 */
#include "jobargs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

void
jobargs_free(struct jobargs *a)
{
	str_free(&a->json);
	str_free(&a->escaped);
	free(a->holes);
	a->holes = NULL;
	a->nholes = 0;
}

static void
hole(struct jobargs *a)
{
	a->holes = xreallocarray(a->holes, a->nholes + 1, sizeof *a->holes);
	a->holes[a->nholes++] = a->json.len;
}

/* A JSON string, with a hole for each {}. */
static void
put_text(struct jobargs *a, const char *z, bool holes)
{
	str_putc(&a->json, '"');
	for (;;) {
		const char *braces = holes ? strstr(z, "{}") : NULL;
		size_t n = braces ? (size_t)(braces - z) : strlen(z);

		str_reset(&a->escaped);
		str_put_json(&a->escaped, z, n);
		str_add(&a->json, a->escaped.buf + 1, a->escaped.len - 2);
		if (!braces)
			break;
		hole(a);
		z = braces + 2;
	}
	str_putc(&a->json, '"');
}

static int
check_utf8(const char *what, const char *z, struct err *e)
{
	if (!utf8_valid(z, strlen(z)))
		return err_set(e, ERR_DATA, "%s \"%.60s\" is not valid UTF-8", what, z);
	return 0;
}

/* The length of NAME in NAME=TEXT or NAME:=JSON, and what follows; 0 if it is neither. */
static size_t
split(const char *word, const char **value, bool *json)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : 0;

	*value = equals ? equals + 1 : NULL;
	*json = n && word[n - 1] == ':';
	return *json ? n - 1 : n;
}

static int
check_names(char *const *words, bool line_too, struct err *e)
{
	for (char *const *w = words; *w; w++) {
		const char *value;
		bool json;
		size_t n = split(*w, &value, &json);

		if (!n)
			return err_set(e, ERR_USAGE, "\"%.60s\" is neither NAME=TEXT nor NAME:=JSON", *w);
		if (line_too && n == 4 && !strncmp(*w, "line", 4))
			return err_set(e, ERR_USAGE, "no argument has {}, so each line would become the "
				       "argument \"line\", which is given");
		for (char *const *other = words; other < w; other++)
			if (split(*other, &value, &json) == n && !strncmp(*other, *w, n))
				return err_set(e, ERR_USAGE, "the argument \"%.*s\" is given twice",
					       n > 60 ? 60 : (int)n, *w);
	}
	return 0;
}

static int
put_pair(struct jobargs *a, const char *word, bool holes, struct err *e)
{
	struct json_scan scan = JSON_SCAN_INIT;
	const char *value;
	bool json;
	AUTOFREE char *name = xstrndup(word, split(word, &value, &json));
	int rc;

	if (check_utf8("the argument", word, e))
		return -1;
	put_text(a, name, false);
	str_putc(&a->json, ':');
	if (!json) {
		put_text(a, value, holes);
		return 0;
	}
	rc = json_scan_check(&scan, value, strlen(value), e);
	json_scan_free(&scan);
	if (rc < 0)
		return err_ctx(e, "the argument \"%.60s\"", name);
	str_puts(&a->json, value);
	return 0;
}

static bool
has_braces(char *const *words)
{
	const char *value;
	bool json;

	for (; *words; words++)
		if (split(*words, &value, &json) && !json && strstr(value, "{}"))
			return true;
	return false;
}

int
jobargs_pairs(struct jobargs *a, char *const *words, bool holes, struct err *e)
{
	bool line_too = holes && !has_braces(words);

	if (check_names(words, line_too, e))
		return -1;
	str_putc(&a->json, '{');
	for (char *const *w = words; *w; w++) {
		if (w > words)
			str_putc(&a->json, ',');
		if (put_pair(a, *w, holes, e))
			return -1;
	}
	if (line_too) {
		str_puts(&a->json, *words ? ",\"line\":\"" : "\"line\":\"");
		hole(a);
		str_putc(&a->json, '"');
	}
	str_putc(&a->json, '}');
	return 0;
}

static int
put_env(struct jobargs *a, const struct strlist *env, struct err *e)
{
	for (size_t i = 0; i < env->n; i++) {
		size_t n = strcspn(env->v[i], "=");
		AUTOFREE char *name = xstrndup(env->v[i], n);
		const char *value = env->v[i][n] ? env->v[i] + n + 1 : getenv(name);

		if (!n)
			return err_set(e, ERR_USAGE, "--env: \"%.60s\" has no name", env->v[i]);
		if (!value)
			return err_set(e, ERR_USAGE, "--env: there is no variable \"%.60s\" here", name);
		for (size_t j = 0; j < i; j++)
			if (strcspn(env->v[j], "=") == n && !strncmp(env->v[j], name, n))
				return err_set(e, ERR_USAGE, "--env: \"%.60s\" is given twice", name);
		if (check_utf8("the variable", value, e))
			return -1;
		str_puts(&a->json, i ? "," : ",\"env\":{");
		put_text(a, name, false);
		str_putc(&a->json, ':');
		put_text(a, value, false);
	}
	if (env->n)
		str_putc(&a->json, '}');
	return 0;
}

int
jobargs_command(struct jobargs *a, char *const *argv, const char *cwd, const struct strlist *env,
		bool holes, struct err *e)
{
	if (!argv[0][0])
		return err_set(e, ERR_USAGE, "the command is empty");
	str_puts(&a->json, "{\"argv\":[");
	for (char *const *w = argv; *w; w++) {
		if (check_utf8("the argument", *w, e))
			return -1;
		if (w > argv)
			str_putc(&a->json, ',');
		put_text(a, *w, holes);
	}
	if (holes && !a->nholes)
		return err_set(e, ERR_USAGE, "the command has no {} for the line: every job would be the same");
	if (check_utf8("the directory", cwd, e))
		return -1;
	str_puts(&a->json, "],\"cwd\":");
	put_text(a, cwd, false);
	if (put_env(a, env, e))
		return -1;
	str_putc(&a->json, '}');
	return 0;
}

static int
read_all(int fd, const char *what, struct str *text, struct err *e)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "cannot read %s", what);
		str_add(text, chunk, n > 0 ? (size_t)n : 0);
		if (text->len > LINES_MAX)
			return err_set(e, ERR_DATA, "%s is longer than %d MiB", what, LINES_MAX >> 20);
	}
	return 0;
}

int
jobargs_read(const char *z, struct str *text, struct json_scan *scan, struct err *e)
{
	const char *what = "--args";

	if (!strcmp(z, "-")) {
		what = "standard input";
		if (read_all(STDIN_FILENO, what, text, e))
			return -1;
	} else if (*z == '@') {
		AUTOFD fd = open(z + 1, O_RDONLY | O_CLOEXEC);

		what = z + 1;
		if (fd < 0)
			return err_sys(e, ERR_NOINPUT, "cannot read %s", what);
		if (read_all(fd, what, text, e))
			return -1;
	} else {
		str_puts(text, z);
	}
	return json_scan_object(scan, text->buf, text->len, e) ? err_ctx(e, "%s", what) : 0;
}

void
jobargs_fill(struct jobargs *a, const char *line, size_t n, struct str *out)
{
	size_t from = 0;

	str_reset(&a->escaped);
	str_put_json(&a->escaped, line, n);
	str_reset(out);
	for (size_t i = 0; i < a->nholes; i++) {
		str_add(out, a->json.buf + from, a->holes[i] - from);
		str_add(out, a->escaped.buf + 1, a->escaped.len - 2);
		from = a->holes[i];
	}
	str_add(out, a->json.buf + from, a->json.len - from);
}

void
braces_fill(struct str *out, const char *z, const char *line, size_t n)
{
	const char *braces;

	for (; (braces = strstr(z, "{}")); z = braces + 2) {
		str_add(out, z, (size_t)(braces - z));
		str_add(out, line, n);
	}
	str_puts(out, z);
}
