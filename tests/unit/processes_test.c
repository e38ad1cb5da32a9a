/*
 * processes_test - who descends from whom
 */
#include "processes.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* A child that sleeps below us, and one below it whose pid it tells. */
static pid_t
two_generations(pid_t *grandchild)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		tap_bail("pipe");
	pid = fork();
	if (pid == 0) {
		pid_t below = fork();

		if (below == 0) {
			setsid();
			below = getpid();
			(void)!write(fds[1], &below, sizeof below);
		}
		for (;;)
			pause();
	}
	if (read(fds[0], grandchild, sizeof *grandchild) != (ssize_t)sizeof *grandchild)
		tap_bail("no grandchild");
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static const struct process *
find(const struct processes *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].pid == pid)
			return &t->v[i];
	return NULL;
}

static void
await_zombie(pid_t pid)
{
	siginfo_t si;

	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
}

int
main(void)
{
	int64_t before = now_ms(), started;
	pid_t grandchild, pid = two_generations(&grandchild);
	struct process p, other;
	const struct process *x;
	struct processes t;
	pid_t *children = NULL;

	is_int(processes_children(&children), 1, "we have one child");
	is_int(children ? children[0] : 0, pid, "that one");
	free(children);
	ok(process_read(pid, &p), "a child is shown");
	is_int(p.parent, getpid(), "with its parent");
	ok(process_runs(&p), "it runs");
	started = process_started_ms(&p);
	ok(started >= before - 10 && started <= now_ms(), "its start is on our clock");
	ok(process_read(grandchild, &other) && other.session == grandchild, "and its session");

	processes_read(&t);
	x = find(&t, grandchild);
	if (!x)
		tap_bail("the snapshot lacks a process");
	is_int(processes_root(&t, x, getpid())->pid, pid, "a grandchild descends from the child");
	is_int(processes_root(&t, find(&t, pid), getpid())->pid, pid, "which is its own root");
	ok(!processes_root(&t, find(&t, getpid()), getpid()), "nobody descends from himself");
	ok(!processes_root(&t, find(&t, pid), grandchild), "nor from his child");
	processes_free(&t);
	processes_free(&t);

	other = p;
	other.start++;
	process_kill(&other);
	ok(process_read(pid, &p) && process_runs(&p), "another with that number is not killed");
	process_kill(&p);
	await_zombie(pid);
	ok(process_read(pid, &p) && !process_runs(&p), "killed, it does not run");
	is_int(processes_children(&children), 1, "and is our child until it is collected");
	free(children);
	waitpid(pid, NULL, 0);
	is_int(processes_children(&children), 0, "not any longer");
	free(children);
	ok(!process_read(pid, &p), "collected, it is not shown");
	kill(grandchild, SIGKILL);
	return tap_done();
}
