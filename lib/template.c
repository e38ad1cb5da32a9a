/*
 * template.c - filling {name}
 */
#include "template.h"

#include <stdlib.h>
#include <string.h>

static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";

/* The length of the name in "{name}" at p, or 0 if that is not what stands there. */
static size_t
name_length(const char *p)
{
	size_t n;

	if (*p != '{' || !p[1] || !strchr(first, p[1]))
		return 0;
	n = strspn(p + 1, rest);
	return p[1 + n] == '}' ? n : 0;
}

static int
fill_one(struct str *out, const char *name, size_t n, const json_t *args, struct err *e)
{
	AUTOFREE char *key = xstrndup(name, n), *text = NULL;
	const json_t *v = json_object_get(args, key);

	if (!v)
		return err_set(e, ERR_DATA, "the command needs {%s}, and the job's args have no such name",
			       key);
	if (json_is_string(v)) {
		str_add(out, json_string_value(v), json_string_length(v));
		return 0;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	str_puts(out, text ? text : "");
	return 0;
}

int
template_fill(struct str *out, const char *arg, const json_t *args, struct err *e)
{
	while (*arg) {
		size_t n = name_length(arg);

		if (!n) {
			str_putc(out, *arg++);
			continue;
		}
		if (fill_one(out, arg + 1, n, args, e))
			return -1;
		arg += n + 2;
	}
	return 0;
}
