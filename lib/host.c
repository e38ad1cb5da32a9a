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
