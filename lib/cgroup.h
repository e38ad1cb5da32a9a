/*
 * cgroup.h - control groups, version 2: processes that can be named and killed together
 *
 * No process leaves its group by changing its session, parent or environment, and KILL
 * to a group meets those too that are just being forked.  We may make groups where the
 * one we are in was delegated to us, which systemd (Delegate=yes) says in an extended
 * attribute, user.delegate: https://systemd.io/CGROUP_DELEGATION
 *
 * Not for keeping in what wants to get out: a process of our user may move itself.
 */
#ifndef JOBCTL_CGROUP_H
#define JOBCTL_CGROUP_H

#include <sys/types.h>

#include "base.h"

struct cgroup {
	int dir;		/* -1: there is none, and everything below is done to nothing */
	int events;		/* poll() says POLLPRI when cgroup_lives() may have changed */
	ino_t id;		/* among all groups */
	char name[64];
};
#define CGROUP_NONE { .dir = -1, .events = -1 }

/* The group we are in, if it is delegated to us; -1 if not. */
int cgroup_delegated(void);

/* A group below another's directory, made if need be: -1 and errno if that fails. */
int cgroup_make(int above, const char *name, struct cgroup *g) MUSTCHECK;

/*
 * The same, and held until all processes that have inherited it have ended: others
 * see in cgroup_abandoned() whether that is so.
 */
int cgroup_hold(int above, const char *name, struct cgroup *g) MUSTCHECK;

/* The id of the group that a process is in; 0 if that cannot be said. */
ino_t cgroup_of(pid_t pid);

/* The systemd service that a process belongs to, by the name of its group: yours, or NULL. */
char *cgroup_service(pid_t pid) MUSTCHECK;

/* A descriptor; the process that writes "0" to it is in the group from then on. */
int cgroup_entry(const struct cgroup *g);

bool cgroup_lives(const struct cgroup *g);	/* a process of it, or below it, does */
void cgroup_kill(const struct cgroup *g);	/* them all; they take a moment to die */

void cgroup_close(struct cgroup *g);
/* And remove it with those below, unless something lives in them. */
void cgroup_remove(int above, struct cgroup *g);

/*
 * Of the held groups below a directory: kill what lives in those whose holders have
 * all ended, remove those in which nothing does.  Whether there is one left.
 */
bool cgroup_abandoned(int above, const char *prefix);

/*
 * How many processes the kernel has killed for want of memory, in our group where
 * memory is counted by group (also by version 1), else on the whole machine; 0 if it
 * does not tell.
 */
int64_t cgroup_oom_kills(void);

#endif
