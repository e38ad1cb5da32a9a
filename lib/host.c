/*
 * host.c - reading /proc
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* A name of the abstract namespace: it needs no directory, and goes with its last holder. */
static struct sockaddr_un
mark_name(const struct uuid *id, socklen_t *n)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "jobctl-worker-%s",
			   uuid_str(id).z);

	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
	return name;
}

int
host_mark(const struct uuid *id)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t n;
	struct sockaddr_un name = mark_name(id, &n);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, n))
		close_p(&fd);
	return fd;
}

bool
host_is_marked(const struct uuid *id)
{
	AUTOFD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t n;
	struct sockaddr_un name = mark_name(id, &n);

	return fd >= 0 && connect(fd, (struct sockaddr *)&name, n) == 0;
}
