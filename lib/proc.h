/*
 * proc.h - a child process in a session of its own: start, stop, collect
 *
 * Knows nothing of jobs or databases, so that it can be tested with true(1) and
 * sleep(1).  A process is its leader: when the leader has exited, what is left
 * of its process group is killed.
 */
#ifndef JOBCTL_PROC_H
#define JOBCTL_PROC_H

#include <sys/resource.h>
#include <sys/types.h>

#include "err.h"

struct newborn;

struct proc_spec {
	char *const *argv;
	char *const *envp;
	const char *path;	/* where argv[0] is looked for if it has no slash, like PATH */
	const char *cwd;	/* NULL: ours; with our descriptors in /proc/self/fd */
	int in, out, err;	/* become 0, 1, 2 */
	int control;		/* becomes 3, or -1 */
	int group;		/* "0" is written there first: see cgroup_entry(); or -1 */
	int64_t not_after;	/* a deadline, past it the program is not run; 0: none */
};

struct proc {
	pid_t pid;		/* 0: none */
	int fd;			/* pidfd: readable when the leader has exited */
	int64_t kill_at;	/* when KILL is due, first or again; NEVER while not stopping */
	struct newborn *newborn;	/* what it was given, until its program runs */
};
#define PROC_INIT { .fd = -1, .kill_at = NEVER }

struct proc_end {
	int exit_code;		/* -1 if a signal ended it */
	int signal;		/* 0 if it exited */
	struct rusage usage;
};

/*
 * Once, before anything is opened or spawned, and after the last change to a signal's
 * disposition.  Opens what is closed of 0, 1 and 2, sees that so many descriptors may be
 * open, and that children can be waited for; remembers what of our own state a child must
 * not inherit.
 */
int proc_init(int descriptors, struct err *e) MUSTCHECK;

/* ERR_NOINPUT unless an executable file has that name; looked for as proc_spawn() does. */
int proc_find(const char *program, const char *path, struct err *e) MUSTCHECK;

/*
 * Start a process.  It has a session of its own, default signal dispositions, an
 * empty signal mask, descriptors 0 to 3 and no other, and is killed by the kernel
 * when we die.  Nothing of the spec is needed afterwards.  -1 if there can be no process
 * now; that its program could not be executed proc_collect() says.
 */
int proc_spawn(struct proc *p, const struct proc_spec *spec, struct err *e) MUSTCHECK;

/* TERM (and CONT) to the group, KILL after the grace, with 0 at once.  May be said again. */
void proc_stop(struct proc *p, int64_t grace_ms);
void proc_tick(struct proc *p);		/* does what kill_at asks for; lets go of what has been used */

/*
 * The leader has exited (fd is readable): kill the rest of the group, collect it, free p.
 * -1 if its program was never executed; e->sys says why (ENOEXEC for a script whose
 * interpreter is missing, ETIME if it had become too late).
 */
int proc_collect(struct proc *p, struct proc_end *end, struct err *e) MUSTCHECK;
/* We are about to exit, and wait for nothing: kill the group, free p. */
void proc_abandon(struct proc *p);

#endif
