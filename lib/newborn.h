/*
 * newborn.h - a process from its birth until it runs its program
 *
 * It is born with clone(2), not vfork(2), and runs in our memory beside us: nobody waits
 * for it.  So it makes system calls and nothing else, without libc, whose errno is ours;
 * and what it needs is prepared before and stays until it has no more use for it.
 */
#ifndef JOBCTL_NEWBORN_H
#define JOBCTL_NEWBORN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { NEWBORN_STACK = 16384, NEWBORN_FDS = 4 };

struct newborn {
	char **argv, **envp;
	char **files;		/* what may be argv[0], in order, NULL-terminated */
	char **script;		/* argv for a shell; [1] is to be the file */
	char *cwd;		/* NULL: stay */
	int fds[NEWBORN_FDS];	/* become 0 to 3, none of them is below its place; -1: none */
	int group;		/* "0" is written there first; or -1 */
	int64_t not_after;	/* a deadline for the program to begin; 0: none */
	pid_t parent;
	uint64_t signals;	/* newborn_signals() of ours: those to be set to their default */
	struct rlimit descriptors;

	/* Its answer, once it has left: why is an errno, or 0 if its program runs or ran. */
	volatile enum { AT_SETUP, AT_CWD, AT_EXEC, AT_INTERPRETER } step;
	volatile int why;
	pid_t here;		/* the kernel's mark that our memory is its memory, too */

	_Alignas(16) char stack[NEWBORN_STACK];
};

/* Which signals have another disposition than the default: signal N is bit N - 1. */
uint64_t newborn_signals(void);
/*
 * Give birth: its pid, and in *pidfd a descriptor for it, to be closed on execute.  -1 with
 * errno.  It has a session of its own, default signal dispositions, an empty signal mask,
 * and is killed by the kernel when we die; what happened to it meanwhile is in *b.
 */
pid_t newborn_start(struct newborn *b, int *pidfd);
/* It runs its program, or has ended: nothing of *b is in use. */
bool newborn_left(const struct newborn *b);

#endif
