/*
 * processes.c - reading /proc
 */
#include "processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "str.h"

enum { MAX_DEPTH = 10000 };	/* a snapshot is not of one moment: it could hold a circle */

bool
process_read(pid_t pid, struct process *p)
{
	char path[64], stat[1024];
	struct process got = { .pid = pid };
	AUTOFD fd = -1;
	char *at;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	/* The name in field 2 may hold anything, ")" too: count from the last one. */
	at = strrchr(stat, ')');
	if (!at || strlen(at) < 4)
		return false;
	got.state = at[2];
	at += 3;
	for (int field = 4; field <= 22; field++) {
		long long number = strtoll(at, &at, 10);

		if (field == 4)
			got.parent = (pid_t)number;
		else if (field == 6)
			got.session = (pid_t)number;
		else if (field == 22)
			got.start = number;
	}
	*p = got;
	return true;
}

int64_t
process_started_ms(const struct process *p)
{
	return p->start * 1000 / sysconf(_SC_CLK_TCK);
}

void
process_kill(const struct process *p)
{
	AUTOFD fd = pidfd_open(p->pid, 0);
	struct process now;

	/* What the descriptor stands for was there before it was looked at again. */
	if (fd >= 0 && process_read(p->pid, &now) && now.start == p->start)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

static int
by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process *
find(const struct processes *t, pid_t pid)
{
	struct process key = { .pid = pid };

	return bsearch(&key, t->v, t->n, sizeof *t->v, by_pid);
}

/* A parent that has gone since its child was read: the child has another by now. */
static void
mend(struct processes *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (int tries = 3; tries && t->v[i].parent && !find(t, t->v[i].parent); tries--)
			if (!process_read(t->v[i].pid, &t->v[i]))
				t->v[i].state = 'X';
}

void
processes_read(struct processes *t)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	size_t cap = 0;

	*t = (struct processes)PROCESSES_NONE;
	while (dir && (d = readdir(dir))) {
		char *end;
		long pid = strtol(d->d_name, &end, 10);

		if (pid <= 0 || *end)
			continue;
		if (t->n == cap) {
			cap = cap * 2 + 256;
			t->v = xreallocarray(t->v, cap, sizeof *t->v);
		}
		t->n += process_read((pid_t)pid, &t->v[t->n]);
	}
	if (dir)
		closedir(dir);
	if (!t->n)
		return;
	qsort(t->v, t->n, sizeof *t->v, by_pid);
	mend(t);
}

void
processes_free(struct processes *t)
{
	free(t->v);
	*t = (struct processes)PROCESSES_NONE;
}

const struct process *
processes_root(const struct processes *t, const struct process *p, pid_t ancestor)
{
	for (int depth = 0; p && p->parent != ancestor; depth++) {
		if (depth == MAX_DEPTH)
			return NULL;
		p = find(t, p->parent);
	}
	return p;
}

ssize_t
processes_children(pid_t **v)
{
	AUTOSTR s = STR(STR_ANY);
	char path[64], buf[4096];
	size_t n = 0, cap = 0;
	AUTOFD fd = -1;
	ssize_t got = -1;

	/* Orphans become children of the first thread, as what it starts itself. */
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (got = read(fd, buf, sizeof buf)) > 0)
		str_add(&s, buf, (size_t)got);
	if (got < 0)
		return -1;
	*v = NULL;
	for (char *p = s.buf, *end = p; p; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		if (n == cap) {
			cap = cap * 2 + 64;
			*v = xreallocarray(*v, cap, sizeof **v);
		}
		(*v)[n++] = (pid_t)pid;
	}
	return (ssize_t)n;
}
