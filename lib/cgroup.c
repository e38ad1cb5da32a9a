/*
 * cgroup.c - reading and writing below /sys/fs/cgroup
 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { DEPTH = 64, HOLD_TRIES = 10 };

/* The whole of a small file, cut at n - 1 bytes; false if it cannot be read. */
static bool
slurp(int dir, const char *path, char *buf, size_t n)
{
	AUTOFD fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got = -1;

	while (fd >= 0 && have < n - 1 && (got = read(fd, buf + have, n - 1 - have)) > 0)
		have += (size_t)got;
	buf[have] = '\0';
	return got >= 0;
}

/* The number after a word that begins a line, or -1. */
static int64_t
number_in(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, word, n) && p[n] == ' ')
			return strtoll(p + n, NULL, 10);
	}
	return -1;
}

/*
 * The group of a process in the hierarchy of a controller, "" for version 2's, as
 * proc(5) has it, "4:memory:/a/b" or "0::/a/b": yours, or NULL.
 */
static char *
path_of(const char *proc_file, const char *controller)
{
	AUTOFREE char *text = xcalloc(1, 65536);
	AUTOFREE char *key = xasprintf(":%s:", controller);

	if (!slurp(AT_FDCWD, proc_file, text, 65536))
		return NULL;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		char *colon = strchr(line, ':');

		*end = '\0';
		if (colon && !strncmp(colon, key, strlen(key)))
			return xstrdup(colon + strlen(key));
	}
	return NULL;
}

/* Where version 2 is mounted: alone, or beside version 1. */
static const char *
mounted_at(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < NELEM(places); i++)
		if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return places[i];
	return NULL;
}

int
cgroup_delegated(void)
{
	static const char *const names[] = { "user.delegate", "trusted.delegate" };
	AUTOFREE char *path = path_of("/proc/self/cgroup", "");
	const char *root = mounted_at();
	AUTOFREE char *dir = path && root ? xasprintf("%s%s", root, path) : NULL;
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	char value;

	for (size_t i = 0; fd >= 0 && i < NELEM(names); i++)
		if (fgetxattr(fd, names[i], &value, 1) == 1 && value == '1')
			return fd;
	close_p(&fd);
	return -1;
}

void
cgroup_close(struct cgroup *g)
{
	close_p(&g->events);
	close_p(&g->dir);
}

static int
open_group(int above, const char *name, struct cgroup *g)
{
	struct cgroup new = CGROUP_NONE;
	struct stat st = { .st_ino = 0 };

	snprintf(new.name, sizeof new.name, "%s", name);
	new.dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (new.dir >= 0 && fstat(new.dir, &st) == 0)
		new.events = openat(new.dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (new.events < 0) {
		int why = errno;

		cgroup_close(&new);
		errno = why;
		return -1;
	}
	new.id = st.st_ino;
	*g = new;
	return 0;
}

int
cgroup_make(int above, const char *name, struct cgroup *g)
{
	if (mkdirat(above, name, 0755) && errno != EEXIST)
		return -1;
	return open_group(above, name, g);
}

/*
 * The lock ends with its last descriptor.  Until it is locked somebody may take the
 * new group for an abandoned one.
 */
int
cgroup_hold(int above, const char *name, struct cgroup *g)
{
	for (int i = 0; i < HOLD_TRIES; i++) {
		struct cgroup new;

		if (cgroup_make(above, name, &new))
			return -1;
		if (flock(new.dir, LOCK_EX) == 0 &&
		    faccessat(new.dir, "cgroup.kill", W_OK, AT_EACCESS) == 0) {
			*g = new;
			return 0;
		}
		cgroup_close(&new);
	}
	unlinkat(above, name, AT_REMOVEDIR);
	return -1;
}

int
cgroup_entry(const struct cgroup *g)
{
	return openat(g->dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
}

ino_t
cgroup_of(pid_t pid)
{
	char file[64];
	AUTOFREE char *path = NULL;
	AUTOFREE char *dir = NULL;
	struct stat st;

	snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
	path = path_of(file, "");
	dir = path && mounted_at() ? xasprintf("%s%s", mounted_at(), path) : NULL;
	return dir && stat(dir, &st) == 0 ? st.st_ino : 0;
}

char *
cgroup_service(pid_t pid)
{
	static const char suffix[] = ".service";
	char file[64];
	AUTOFREE char *path = NULL;
	char *found = NULL;

	snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
	path = path_of(file, "");
	if (!path || !strstr(path, suffix)) {
		free(path);
		path = path_of(file, "name=systemd");
	}
	/* the innermost: a user's services are below the service of that user's systemd */
	for (const char *p = path; p && *p; p += strcspn(p, "/")) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n > strlen(suffix) && !strncmp(p + n - strlen(suffix), suffix, strlen(suffix))) {
			free(found);
			found = xstrndup(p, n);
		}
	}
	return found;
}

bool
cgroup_lives(const struct cgroup *g)
{
	char text[256];
	ssize_t n = g->events < 0 ? -1 : pread(g->events, text, sizeof text - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	return number_in(text, "populated") == 1;
}

void
cgroup_kill(const struct cgroup *g)
{
	AUTOFD fd = g->dir < 0 ? -1 : openat(g->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "1", 1);
}

static DIR *
open_dir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_p(&fd);
	return d;
}

static void
remove_below(int dir, int depth)
{
	DIR *d = open_dir(dir);
	struct dirent *entry;

	while (d && depth < DEPTH && (entry = readdir(d))) {
		AUTOFD below = -1;

		if (entry->d_type != DT_DIR || *entry->d_name == '.')
			continue;
		below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue;
		remove_below(below, depth + 1);
		unlinkat(dir, entry->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

void
cgroup_remove(int above, struct cgroup *g)
{
	if (g->dir >= 0) {
		remove_below(g->dir, 0);
		unlinkat(above, g->name, AT_REMOVEDIR);
	}
	cgroup_close(g);
}

/* Whether it is one and is still there. */
static bool
is_left(int above, const char *name)
{
	struct cgroup g;
	bool left = false;

	if (open_group(above, name, &g))
		return false;
	if (flock(g.dir, LOCK_EX | LOCK_NB) == 0) {
		left = cgroup_lives(&g);
		if (left)
			cgroup_kill(&g);
		else
			cgroup_remove(above, &g);
	}
	cgroup_close(&g);
	return left;
}

bool
cgroup_abandoned(int above, const char *prefix)
{
	DIR *d = above < 0 ? NULL : open_dir(above);
	struct dirent *entry;
	bool some = false;

	while (d && (entry = readdir(d)))
		if (entry->d_type == DT_DIR && !strncmp(entry->d_name, prefix, strlen(prefix)))
			some |= is_left(above, entry->d_name);
	if (d)
		closedir(d);
	return some;
}

static int64_t
count_in(const char *path)
{
	char text[16384];

	return path && slurp(AT_FDCWD, path, text, sizeof text) ? number_in(text, "oom_kill") : -1;
}

int64_t
cgroup_oom_kills(void)
{
	AUTOFREE char *v1 = path_of("/proc/self/cgroup", "memory");
	AUTOFREE char *v2 = path_of("/proc/self/cgroup", "");
	AUTOFREE char *file = NULL;
	int64_t n;

	if (v1)
		file = xasprintf("/sys/fs/cgroup/memory%s/memory.oom_control", v1);
	else if (v2 && mounted_at())
		file = xasprintf("%s%s/memory.events", mounted_at(), v2);
	n = count_in(file);
	if (n < 0)
		n = count_in("/proc/vmstat");
	return n < 0 ? 0 : n;
}
