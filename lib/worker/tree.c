/*
 * tree.c - what jobs leave behind
 *
 * When a job's first process has exited, the rest of its process group is killed
 * at once (proc.c).  What has left the group is found here: orphans become children
 * of the worker, which is their subreaper, and so does what an orphan leaves behind
 * when it is killed.  An end is written only after nothing of the job was found.
 *
 * Whose an orphan is: its session, or id and token in its environment, say so.  One
 * that has thrown away both belongs to some job that ran when it was started; it is
 * killed when the first of them ends.  With one slot it is the job's: the next begins
 * when nothing is left of the last.
 *
 * Where the control group we are in was delegated to us each job has one below it, and
 * all that is certain: what is in the job's is the job's, and dies with it.  Orphans
 * are looked for even so; a process of our own user may have moved itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "processes.h"
#include "worker.h"

enum {
	ALONE_MS = 5, AMONG_OTHERS_MS = 20,	/* looking at all processes is not free */
	STUCK_MS = 5000,
	TICK_MS = 10,		/* start times are so exact */
	ENVIRONMENT_MAX = 4 << 20,
};

static bool
is_leader(const struct worker *w, pid_t pid)
{
	CHILDREN_IN(w, CHILD_RUNS, c, next)
		if (c->proc.pid == pid)
			return true;
	return false;
}

/* A child that we did not start has exited: collect it. */
static void
reap(struct worker *w)
{
	siginfo_t si = { .si_pid = 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid) {
		if (is_leader(w, si.si_pid))
			return;		/* that is for child_exited() */
		waitpid(si.si_pid, NULL, WNOHANG);
		si.si_pid = 0;
	}
}

/* A variable of an environment, NAME= and all; false if it is not there, or no UUID. */
static bool
get_uuid(const struct str *env, const char *name, struct uuid *u)
{
	struct err ignored;

	for (const char *p = env->buf, *end = env->buf + env->len; p < end; p += strlen(p) + 1)
		if (!strncmp(p, name, strlen(name)))
			return uuid_parse(p + strlen(name), u, &ignored) == 0;
	return false;
}

/* The mark in a process's environment as it was when its program began; false if none. */
static bool
mark_of(pid_t pid, struct mark *mark)
{
	AUTOSTR s = STR(ENVIRONMENT_MAX);
	char path[64], buf[16384];
	AUTOFD fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
		str_add(&s, buf, (size_t)n);
	if (!get_uuid(&s, "JOBCTL_TOKEN=", &mark->token))
		mark->token = (struct uuid){ { 0 } };
	return get_uuid(&s, "JOBCTL_JOB_ID=", &mark->id) ||
	       get_uuid(&s, "JOBCTL_HANDLER=", &mark->id);
}

static bool
is_in(const struct child *c, const void *group)
{
	return c->group && c->group->cgroup.id == *(const ino_t *)group;
}

static bool
leads(const struct child *c, const void *session)
{
	return c->leader == *(const pid_t *)session;
}

static bool
has_mark(const struct child *c, const void *mark)
{
	const struct mark *m = mark;

	return uuid_equal(&c->mark.id, &m->id) && uuid_equal(&c->mark.token, &m->token);
}

static bool
has_id(const struct child *c, const void *id)
{
	return uuid_equal(&c->mark.id, id);
}

static const struct child *
find(const struct worker *w, bool (*is)(const struct child *, const void *), const void *what)
{
	for (int state = 0; state < CHILD_STATES; state++)
		CHILDREN_IN(w, state, c, next)
			if (is(c, what))
				return c;
	return NULL;
}

/* The child an orphan certainly comes from, or NULL. */
static const struct child *
owner(const struct worker *w, const struct process *orphan)
{
	ino_t group = w->ngroups ? cgroup_of(orphan->pid) : 0;
	const struct child *c = group ? find(w, is_in, &group) : NULL;
	struct mark mark;

	if (!c)
		c = find(w, leads, &orphan->session);
	if (c || !mark_of(orphan->pid, &mark))
		return c;
	/* of a job that was taken from us and came again there can be two */
	c = find(w, has_mark, &mark);
	return c ? c : find(w, has_id, &mark.id);
}

/* Marks the ended children that count as alive while this process is; false if none. */
static bool
blame(struct worker *w, const struct process *orphan)
{
	const struct child *mine = owner(w, orphan);
	bool found = false;

	CHILDREN_IN(w, CHILD_ENDED, c, next)
		if (mine ? c == mine : process_started_ms(orphan) + TICK_MS > c->started)
			found = c->left = true;
	return found;
}

static void
complain(const struct worker *w, struct child *c)
{
	if (c->stuck || now_ms() < c->ended + STUCK_MS)
		return;
	c->stuck = true;
	RUNS_IN(w, RUN_ENDED, r, next)
		if (r->child == c)
			log_line(LOG_LEVEL_WARNING, "what a job left behind does not die", "id",
				 uuid_str(&r->id).z, NULL);
}

static int64_t
pause_ms(const struct worker *w)
{
	return w->cfg.slots == 1 ? ALONE_MS : AMONG_OTHERS_MS;
}

/*
 * The first look at what a child left can wait until its end is to be written, and then be
 * for several; not if the next job or its control group waits for that, nor past the lease.
 */
static int64_t
first_sweep_at(const struct worker *w, const struct child *c)
{
	if (w->cfg.slots == 1 || c->group)
		return c->ended;
	return earliest(ends_linger_until(w, c->ended), w->fence_at);
}

int64_t
tree_due(const struct worker *w)
{
	int64_t due = NEVER;

	CHILDREN_IN(w, CHILD_ENDED, c, next) {
		due = earliest(due, c->sweep_at ? c->sweep_at : first_sweep_at(w, c));
		if (!c->sweep_at)	/* nor have those behind it, which ended later */
			break;
	}
	return due;
}

bool
tree_is_in_the_way(const struct worker *w)
{
	return w->cfg.slots == 1 && tree_due(w) != NEVER;
}

/* Where the system tells, a look at our own children is enough if there are no orphans. */
static bool
may_have_orphans(const struct worker *w)
{
	AUTOFREE pid_t *v = NULL;
	ssize_t n = processes_children(&v);

	for (ssize_t i = 0; i < n; i++)
		if (!is_leader(w, v[i]))
			return true;
	return n < 0;
}

static void
kill_orphans(struct worker *w)
{
	struct processes t;
	pid_t self = getpid();

	processes_read(&t);
	for (size_t i = 0; i < t.n; i++) {
		const struct process *p = &t.v[i], *root = processes_root(&t, p, self);

		/* the root may have died since, and p be an orphan in a moment */
		if (root && process_runs(p) && !is_leader(w, root->pid) && blame(w, p))
			process_kill(p);
	}
	processes_free(&t);
	w->walked_at = now_ms();
}

/* Whether something of its group was still alive. */
static bool
kill_group(const struct child *c)
{
	bool lives = c->group && cgroup_lives(&c->group->cgroup);

	if (lives)
		cgroup_kill(&c->group->cgroup);
	return lives;
}

static void
try_again(struct worker *w, struct child *c)
{
	c->sweep_at = deadline_in(pause_ms(w));
	complain(w, c);
}

static void
sweep(struct worker *w)
{
	bool orphans, later;

	reap(w);
	orphans = may_have_orphans(w);
	later = orphans && now_ms() < w->walked_at + pause_ms(w);
	CHILDREN_IN(w, CHILD_ENDED, c, next)
		c->left = kill_group(c) || later;
	if (orphans && !later)
		kill_orphans(w);
	RUNS_IN(w, RUN_ENDED, r, next)
		if (r->child && !r->child->left)
			run_swept(w, r);
	CHILDREN_IN(w, CHILD_ENDED, c, next)
		if (c->left)
			try_again(w, c);
		else
			child_forget(w, c);
}

size_t
tree_poll(const struct worker *w, struct pollfd *table)
{
	size_t n = 0;

	if (!w->ngroups)
		return 0;
	CHILDREN_IN(w, CHILD_ENDED, c, next)
		if (c->group)
			table[n++] = (struct pollfd){
				.fd = c->group->cgroup.events, .events = POLLPRI };
	return n;
}

void
tree_turn(struct worker *w, bool woken)
{
	if (woken || now_ms() >= tree_due(w))
		sweep(w);
	else
		reap(w);
}

static struct job_group *
new_group(struct worker *w, struct err *e)
{
	struct cgroup cgroup;
	struct job_group *g;
	char name[32];

	snprintf(name, sizeof name, "%zu", w->ngroups);
	if (cgroup_make(w->group.dir, name, &cgroup)) {
		(void)err_sys(e, ERR_OS, "cannot make a control group");
		return NULL;
	}
	g = xcalloc(1, sizeof *g);
	g->cgroup = cgroup;
	w->groups = xreallocarray(w->groups, w->ngroups + 1, sizeof(struct job_group *));
	w->groups[w->ngroups++] = g;
	return g;
}

int
tree_enter(struct worker *w, struct job_group **group, int *entry, struct err *e)
{
	struct job_group *g = NULL;
	int fd;

	if (w->group.dir < 0)
		return 0;
	for (size_t i = 0; i < w->ngroups && !g; i++)
		if (!w->groups[i]->taken)
			g = w->groups[i];
	if (!g)
		g = new_group(w, e);
	if (!g)
		return -1;
	fd = cgroup_entry(&g->cgroup);
	if (fd < 0)
		return err_sys(e, ERR_OS, "cannot enter a control group");
	g->taken = true;
	*group = g;
	*entry = fd;
	return 0;
}

void
tree_free(struct worker *w)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		cgroup_close(&w->groups[i]->cgroup);
		free(w->groups[i]);
	}
	free(w->groups);
}
