/*
 * host.h - naming a process for ever: host, boot, pid, start time
 *
 * With these four any program on the same host can prove that a process is dead:
 * another boot id, no such pid, or a pid that started at another time.  A pid means
 * something only inside its namespace, whose number is therefore part of boot_id:
 * containers may share a kernel and even a host's name.
 */
#ifndef JOBCTL_HOST_H
#define JOBCTL_HOST_H

#include "uuid.h"

struct host_process {
	char host[65];
	char boot_id[65];
	int pid;
	int64_t start;		/* clock ticks since boot: field 22 of /proc/PID/stat */
};

void host_self(struct host_process *p);

/* Whether a process of our host and boot_id is certainly gone, or waits to be collected. */
bool host_process_is_dead(int pid, int64_t start);

/*
 * A mark that is there as long as any process has the descriptor, and that others on
 * the host (in its network namespace) can see: -1 and errno if it cannot be made.
 */
int host_mark(const struct uuid *id);
bool host_is_marked(const struct uuid *id);

#endif
