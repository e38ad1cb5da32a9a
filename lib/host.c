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

static void
slurp(const char *path, char *buf, size_t n)
{
	FILE *f = fopen(path, "re");
	size_t got = f ? fread(buf, 1, n - 1, f) : 0;

	buf[got] = '\0';
	if (f)
		fclose(f);
}

/* State and start time of a process; 0 if /proc does not show it. */
static int64_t
start_time(int pid, char *state)
{
	char path[64], stat[1024];
	const char *p;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	slurp(path, stat, sizeof stat);
	/* The name in field 2 may hold anything, ")" too: count from the last one. */
	p = strrchr(stat, ')');
	*state = p && p[1] ? p[2] : '?';
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoll(p, NULL, 10) : 0;
}

void
host_self(struct host_process *p)
{
	struct stat ns;
	char boot[37], state;

	*p = (struct host_process){ .pid = getpid() };
	if (gethostname(p->host, sizeof p->host - 1))
		strcpy(p->host, "unknown");
	slurp("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	snprintf(p->boot_id, sizeof p->boot_id, "%s:%llu", boot,
		 stat("/proc/self/ns/pid", &ns) ? 0ULL : (unsigned long long)ns.st_ino);
	p->start = start_time(p->pid, &state);
}

bool
host_process_is_dead(int pid, int64_t start)
{
	char state = '?';
	int64_t now;

	/* Not by /proc alone: it may hide the processes of others. */
	if (pid <= 0 || (kill(pid, 0) && errno == ESRCH))
		return true;
	now = start_time(pid, &state);
	return now && (now != start || state == 'Z' || state == 'X');
}
