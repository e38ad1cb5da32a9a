/*
 * processes.h - the table of processes: who descends from whom, and killing that
 *
 * Read from /proc, which may hide the processes of other users.
 */
#ifndef JOBCTL_PROCESSES_H
#define JOBCTL_PROCESSES_H

#include <sys/types.h>

#include "base.h"

struct process {
	pid_t pid, parent, session;
	char state;		/* as ps(1) has it; Z and X run no more */
	int64_t start;		/* clock ticks since boot, suspended time included */
};

struct processes {
	struct process *v;	/* by pid */
	size_t n;
};
#define PROCESSES_NONE { .n = 0 }

/* false if /proc does not show it (any more). */
bool process_read(pid_t pid, struct process *p);

/* When it was started, on now_ms()'s clock, to a clock tick. */
int64_t process_started_ms(const struct process *p);

static inline bool
process_runs(const struct process *p)
{
	return p->state != 'Z' && p->state != 'X';
}

/* KILL to that process, not to one that has its number by now. */
void process_kill(const struct process *p);

/* A snapshot; empty if there is no /proc.  Freed by processes_free(). */
void processes_read(struct processes *t);
void processes_free(struct processes *t);

/*
 * The pids of our own children, those too that wait to be collected: *v is yours.
 * -1 if the system does not tell (CONFIG_PROC_CHILDREN).  None is missed if nobody
 * collects one meanwhile.
 */
ssize_t processes_children(pid_t **v) MUSTCHECK;

/* The child of ancestor that p descends from or is; NULL if p is none of its descendants. */
const struct process *processes_root(const struct processes *t, const struct process *p,
				     pid_t ancestor);

#endif
