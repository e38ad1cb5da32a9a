/*
 * host.h - naming a process for ever: host, boot, pid, start time
 *
 * With these four any program on the same host can prove that a process is dead:
 * another boot id, no such pid, or a pid that started at another time.
 */
#ifndef JOBCTL_HOST_H
#define JOBCTL_HOST_H

#include "base.h"

struct host_process {
	char host[65];
	char boot_id[40];
	int pid;
	int64_t start;		/* clock ticks since boot: field 22 of /proc/PID/stat */
};

void host_self(struct host_process *p);

#endif
