/*
 * host.c - reading /proc
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "processes.h"

static void
slurp(const char *path, char *buf, size_t n)
{
	FILE *f = fopen(path, "re");
	size_t got = f ? fread(buf, 1, n - 1, f) : 0;

	buf[got] = '\0';
	if (f)
		fclose(f);
}

void
host_self(struct host_process *p)
{
	struct stat ns;
	struct process self = { .start = 0 };
	char boot[37];

	*p = (struct host_process){ .pid = getpid() };
	if (gethostname(p->host, sizeof p->host - 1))
		strcpy(p->host, "unknown");
	slurp("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	snprintf(p->boot_id, sizeof p->boot_id, "%s:%llu", boot,
		 stat("/proc/self/ns/pid", &ns) ? 0ULL : (unsigned long long)ns.st_ino);
	(void)process_read(p->pid, &self);
	p->start = self.start;
}

bool
host_process_is_dead(int pid, int64_t start)
{
	struct process now;

	/* Not by /proc alone: it may hide the processes of others. */
	if (pid <= 0 || (kill(pid, 0) && errno == ESRCH))
		return true;
	return process_read(pid, &now) && (now.start != start || !process_runs(&now));
}

/* The number after a word that begins a line, or -1. */
static int64_t
count_in(const char *path, const char *word)
{
	char text[16384];
	size_t n = strlen(word);

	slurp(path, text, sizeof text);
	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, word, n) && p[n] == ' ')
			return strtoll(p + n, NULL, 10);
	}
	return -1;
}

/* Of a line of /proc/self/cgroup, as "0::/user.slice" or "4:memory:/x", what is counted. */
static int64_t
count_of_group(char *line)
{
	char *name = strchr(line, ':'), *dir = name ? strchr(name + 1, ':') : NULL;
	char path[5000];

	if (!dir)
		return -1;
	*dir++ = '\0';
	dir[strcspn(dir, "\n")] = '\0';
	if (!strcmp(name, ":"))
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.events", dir);
	else if (!strcmp(name, ":memory"))
		snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.oom_control", dir);
	else
		return -1;
	return count_in(path, "oom_kill");
}

int64_t
host_oom_kills(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[4400];
	int64_t n = -1;

	while (f && n < 0 && fgets(line, sizeof line, f))
		n = count_of_group(line);
	if (f)
		fclose(f);
	if (n < 0)
		n = count_in("/proc/vmstat", "oom_kill");
	return n < 0 ? 0 : n;
}
