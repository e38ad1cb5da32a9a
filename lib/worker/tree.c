/*
 * tree.c - what jobs leave behind
 *
 * When a job's first process has exited, the rest of its process group is killed
 * at once (proc.c).  What has left the group is found here: orphans become children
 * of the worker, which is their subreaper, and so does what an orphan leaves behind
 * when it is killed.  An end is written only after nothing of the job was found.
 *
 * Whose an orphan is: its session, or the token in its environment, says so.  One
 * that has thrown away both belongs to some job that ran when it was started; it is
 * killed when the first of them ends.  With one slot it is the job's: the next begins
 * when nothing is left of the last.
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
	AGAIN_MS = 5, STUCK_MS = 5000,
	TICK_MS = 10,		/* start times are so exact */
	ENVIRONMENT_MAX = 4 << 20,
};

/* A child that is no job's first process has exited: collect it. */
static void
reap(struct worker *w)
{
	siginfo_t si = { .si_pid = 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid) {
		for (size_t i = 0; i < w->nruns; i++)
			if (w->runs[i]->proc.pid == si.si_pid)
				return;		/* that is for run_exited() */
		waitpid(si.si_pid, NULL, WNOHANG);
		si.si_pid = 0;
	}
}

/* The token in a process's environment as it was when its program began; false if none. */
static bool
token_of(pid_t pid, struct uuid *token)
{
	static const char name[] = "JOBCTL_TOKEN=";
	AUTOSTR s = STR(ENVIRONMENT_MAX);
	char path[64], buf[16384];
	struct err ignored;
	AUTOFD fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
		str_add(&s, buf, (size_t)n);
	for (const char *p = s.buf, *end = s.buf + s.len; p < end; p += strlen(p) + 1)
		if (!strncmp(p, name, strlen(name)))
			return uuid_parse(p + strlen(name), token, &ignored) == 0;
	return false;
}

/* The run an orphan certainly belongs to, or NULL. */
static struct run *
owner(const struct worker *w, const struct process *orphan)
{
	struct uuid token;

	for (size_t i = 0; i < w->nruns; i++)
		if (w->runs[i]->leader && w->runs[i]->leader == orphan->session)
			return w->runs[i];
	if (!token_of(orphan->pid, &token))
		return NULL;
	for (size_t i = 0; i < w->nruns; i++)
		if (w->runs[i]->leader && uuid_equal(&w->runs[i]->token, &token))
			return w->runs[i];
	return NULL;
}

static bool
is_unswept(const struct run *r)
{
	return r->state == RUN_ENDED && !r->swept;
}

/* Marks the unswept runs that must not be written while this process lives; false if none. */
static bool
blame(struct worker *w, const struct process *orphan)
{
	const struct run *mine = owner(w, orphan);
	bool found = false;

	for (size_t i = 0; i < w->nruns; i++) {
		struct run *r = w->runs[i];

		if (is_unswept(r) &&
		    (mine ? r == mine : process_started_ms(orphan) + TICK_MS > r->started))
			found = r->left = true;
	}
	return found;
}

static bool
is_leader(const struct worker *w, pid_t pid)
{
	for (size_t i = 0; i < w->nruns; i++)
		if (w->runs[i]->proc.pid == pid)
			return true;
	return false;
}

static void
complain(struct run *r)
{
	if (r->stuck || now_ms() < r->ended + STUCK_MS)
		return;
	r->stuck = true;
	log_line(LOG_LEVEL_WARNING, "what a job left behind does not die", "id",
		 uuid_str(&r->id).z, NULL);
}

static void
swept(struct worker *w, struct run *r)
{
	r->swept = !r->left;
	if (r->swept && r->stop == STOP_SUPERSEDED) {	/* nobody wants to hear of its end */
		run_forget(w, r);
	} else if (!r->swept) {
		r->sweep_at = deadline_in(AGAIN_MS);
		complain(r);
	}
}

int64_t
tree_due(const struct worker *w)
{
	int64_t due = NEVER;

	for (size_t i = 0; i < w->nruns; i++)
		if (is_unswept(w->runs[i]))
			due = earliest(due, w->runs[i]->sweep_at);
	return due;
}

bool
tree_is_in_the_way(const struct worker *w)
{
	return w->cfg.slots == 1 && tree_due(w) != NEVER;
}

void
tree_sweep(struct worker *w)
{
	struct processes t;
	pid_t self = getpid();

	if (tree_due(w) == NEVER)
		return;
	reap(w);
	for (size_t i = 0; i < w->nruns; i++)
		w->runs[i]->left = false;
	/* No child at all?  Then there is nothing to look for. */
	if (waitid(P_ALL, 0, &(siginfo_t){ .si_pid = 0 }, WEXITED | WNOHANG | WNOWAIT) &&
	    errno == ECHILD)
		t = (struct processes)PROCESSES_NONE;
	else
		processes_read(&t);
	for (size_t i = 0; i < t.n; i++) {
		const struct process *p = &t.v[i], *root = processes_root(&t, p, self);

		/* the root may have died since, and p be an orphan in a moment */
		if (root && process_runs(p) && !is_leader(w, root->pid) && blame(w, p))
			process_kill(p);
	}
	processes_free(&t);
	for (size_t i = w->nruns; i-- > 0;)
		if (is_unswept(w->runs[i]))
			swept(w, w->runs[i]);
}

void
tree_turn(struct worker *w)
{
	if (now_ms() >= tree_due(w))
		tree_sweep(w);
	else
		reap(w);
}
