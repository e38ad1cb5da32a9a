/*
 * migrate_pick.c - the sets that a command line means
 */
#include "migrate_set.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

static bool
compiled_in(const char *name, const struct sql_file *files)
{
	for (; files->set; files++)
		if (!strcmp(files->set, name))
			return true;
	return false;
}

static bool
wanted(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return !n;
}

static void
check_names(const char *const *names, size_t n, const struct sql_file *files,
	    struct mig_problems *p)
{
	AUTOSTR known = STR(500);

	for (size_t i = 0; sql_sets[i]; i++)
		if (compiled_in(sql_sets[i], files))
			str_putf(&known, "%s%s", known.len ? ", " : "", sql_sets[i]);
	for (size_t i = 0; i < n; i++)
		if (!compiled_in(names[i], files))
			(void)err_set(mig_problem(p), ERR_USAGE, "there is no set \"%.100s\", "
				      "only: %s", names[i], known.buf);
}

/* The name of the set that a directory is; yours, NULL if it cannot have one. */
static char *
dir_name(const char *dir, const char *const *names, size_t n, struct mig_problems *p)
{
	AUTOFREE char *real = realpath(dir, NULL);
	const char *name = n ? names[0] : basename(real ? real : (char[]){ "migrations" });

	if (n > 1)
		(void)err_set(mig_problem(p), ERR_USAGE, "a directory is one set: give --set once");
	else if (!mig_set_name_ok(name) && n)
		(void)err_set(mig_problem(p), ERR_USAGE, "--set: a name is letters, digits, _, - "
			      "and ., at most 63");
	else if (!mig_set_name_ok(name))
		(void)err_set(mig_problem(p), ERR_USAGE, "the directory's name cannot be a "
			      "set's: give --set");
	else
		return xstrdup(name);
	return NULL;
}

static struct mig_set *
add(struct mig_sets *sets)
{
	sets->v = xreallocarray(sets->v, sets->n + 1, sizeof *sets->v);
	return &sets->v[sets->n++];
}

int
mig_sets_read(struct mig_sets *sets, const char *const *names, size_t nnames, const char *dir,
	      const struct sql_file *files, struct mig_problems *p)
{
	size_t before = p->n;

	*sets = (struct mig_sets){ .n = 0 };
	if (dir) {
		AUTOFREE char *name = dir_name(dir, names, nnames, p), *path = xstrdup(dir);
		size_t n = strlen(path);

		while (n > 1 && path[n - 1] == '/')
			path[--n] = '\0';
		return name ? mig_set_dir(add(sets), name, path, p) : -1;
	}
	check_names(names, nnames, files, p);
	for (size_t i = 0; sql_sets[i] && p->n == before; i++)
		if (wanted(sql_sets[i], names, nnames) && compiled_in(sql_sets[i], files))
			(void)!mig_set_builtin(add(sets), sql_sets[i], files, p);
	return p->n > before ? -1 : 0;
}

void
mig_sets_free(struct mig_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++)
		mig_set_free(&sets->v[i]);
	free(sets->v);
	*sets = (struct mig_sets){ .n = 0 };
}
