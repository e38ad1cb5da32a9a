/*
 * child.c - the processes that we start
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

void
children_init(struct worker *w)
{
	for (int state = 0; state < CHILD_STATES; state++)
		TAILQ_INIT(&w->children[state]);
}

static void
child_free(struct child *c)
{
	if (c->group)
		c->group->taken = false;
	free(c);
}

struct child *
child_start(struct worker *w, const struct command *command, const int fds[4],
	    const struct mark *mark, struct err *e)
{
	struct child *c = xcalloc(1, sizeof *c);
	AUTOFD group = -1;
	int rc = tree_enter(w, &c->group, &group, e);

	c->mark = *mark;
	c->started = now_ms();	/* before: what it starts may run before we go on */
	if (rc == 0) {
		const struct proc_spec spec = {
			.argv = command->argv, .envp = command->envp, .path = getenv("PATH"),
			.cwd = command->cwd, .in = fds[0], .out = fds[1], .err = fds[2],
			.control = fds[3], .group = group, .not_after = w->fence_at };

		rc = proc_spawn(&c->proc, &spec, e);
	}
	if (rc) {
		child_free(c);
		return NULL;
	}
	c->leader = c->proc.pid;
	TAILQ_INSERT_TAIL(&w->children[CHILD_RUNS], c, link);
	w->nchildren++;
	return c;
}

int
child_exited(struct worker *w, struct child *c, struct err *e)
{
	TAILQ_REMOVE(&w->children[CHILD_RUNS], c, link);
	TAILQ_INSERT_TAIL(&w->children[CHILD_ENDED], c, link);
	c->ended = now_ms();
	return proc_collect(&c->proc, &c->end, e);
}

void
child_forget(struct worker *w, struct child *c)
{
	TAILQ_REMOVE(&w->children[CHILD_ENDED], c, link);
	w->nchildren--;
	child_free(c);
}

void
children_kill(struct worker *w)
{
	CHILDREN_IN(w, CHILD_RUNS, c, next)
		proc_stop(&c->proc, 0);
}

void
children_free(struct worker *w)
{
	for (int state = 0; state < CHILD_STATES; state++)
		CHILDREN_IN(w, state, c, next) {
			proc_abandon(&c->proc);
			child_free(c);
		}
}

/* One end only does not block: the child expects to. */
static int
make_pipe(int *reader, int *writer, int *ours, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return err_sys(e, ERR_OS, "cannot make a pipe");
	*reader = fds[0];
	*writer = fds[1];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	return 0;
}

int
child_pipe_from(int *ours, int *theirs, struct err *e)
{
	return make_pipe(ours, theirs, ours, e);
}

int
child_pipe_to(int *theirs, int *ours, struct err *e)
{
	return make_pipe(theirs, ours, ours, e);
}
