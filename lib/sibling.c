/*
 * sibling.c - where the other programs are
 */
#include "sibling.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *
sibling_dir(void)
{
	static char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
	char *slash;

	dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	return dir;
}

char *
sibling_path(const char *program)
{
	AUTOFREE char *here = xasprintf("%s/%s", sibling_dir(), program);

	return xstrdup(access(here, F_OK) == 0 ? here : program);
}
