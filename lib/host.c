/*
 * host.c - reading /proc
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The name in field 2 may hold anything, ")" too: count from the last one. */
static int64_t
start_time(void)
{
	char stat[1024];
	const char *p;

	slurp("/proc/self/stat", stat, sizeof stat);
	p = strrchr(stat, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoll(p, NULL, 10) : 0;
}

void
host_self(struct host_process *p)
{
	*p = (struct host_process){ .pid = getpid() };
	if (gethostname(p->host, sizeof p->host - 1))
		strcpy(p->host, "unknown");
	slurp("/proc/sys/kernel/random/boot_id", p->boot_id, sizeof p->boot_id);
	p->boot_id[strcspn(p->boot_id, "\n")] = '\0';
	p->start = start_time();
}
