/*
 * template.c - filling {name}
 */
#include "template.h"

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

bool
template_has_name(const char *arg)
{
	for (; *arg; arg++)
		if (name_length(arg))
			return true;
	return false;
}

static int
fill_one(struct str *out, const char *name, size_t n, const struct json_scan *args,
	 struct err *e)
{
	AUTOFREE char *key = xstrndup(name, n);
	const struct json_member *m = json_scan_find(args, key);

	if (!m)
		return err_set(e, ERR_DATA,
			       "the command needs {%.200s}, and the job's args lack it", key);
	if (m->type == '"')
		json_scan_string(out, m->value);
	else
		str_add(out, m->value.p, m->value.n);
	return 0;
}

int
template_fill(struct str *out, const char *arg, const struct json_scan *args, struct err *e)
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
