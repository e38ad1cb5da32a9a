/*
 * proc.c - spawning with vfork, stopping by process group
 *
 * vfork and not posix_spawn: the child needs setsid, a parent-death signal and
 * close_range before it executes, and the parent's memory is not copied either
 * way.  The child makes only system calls.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AGAIN_MS = 1000, CONTROL_FD = 3 };

static bool ignored[NSIG];

void
proc_init(void)
{
	for (int s = 1; s < NSIG; s++) {
		struct sigaction sa;

		ignored[s] = sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
	}
}

/* Put fds[i] at i.  None of them is below n unless it is in its place already. */
static int
place(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			return -1;
	return 0;
}

/*
 * Runs in the vforked child, in the parent's memory: no return, nothing but
 * system calls; *why tells the parent what failed.
 */
static NORETURN void
child(const struct proc_spec *spec, const int *fds, pid_t parent, volatile int *why)
{
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);		/* died before the line above */
	for (int s = 1; s < NSIG; s++)
		if (ignored[s])
			signal(s, SIG_DFL);
	if (place(fds, CONTROL_FD + 1) == 0 && (!spec->cwd || chdir(spec->cwd) == 0)) {
		close_range(CONTROL_FD + (fds[CONTROL_FD] >= 0), ~0u, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvpe(spec->argv[0], spec->argv, spec->envp);
	}
	*why = errno;
	_exit(127);
}

/* A descriptor for the child above those it will be placed on. */
static int
above(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, CONTROL_FD + 1);
}

int
proc_spawn(struct proc *p, const struct proc_spec *spec, struct err *e)
{
	int fds[] = { above(spec->in), above(spec->out), above(spec->err), above(spec->control) };
	pid_t parent = getpid(), pid;
	volatile int why = 0;
	sigset_t all, old;

	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (pid == 0)
		child(spec, fds, parent, &why);
	sigprocmask(SIG_SETMASK, &old, NULL);
	for (size_t i = 0; i < NELEM(fds); i++)
		close_p(&fds[i]);
	if (pid < 0)
		return err_sys(e, ERR_OS, "cannot start a process");
	if (why) {
		waitpid(pid, NULL, 0);
		errno = why;
		return err_sys(e, ERR_NOINPUT, "cannot run %s", spec->argv[0]);
	}
	*p = (struct proc)PROC_INIT;
	p->pid = pid;
	p->fd = pidfd_open(pid, 0);	/* safe: the pid is ours until we have waited */
	if (p->fd < 0) {
		(void)err_sys(e, ERR_OS, "pidfd_open");
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		*p = (struct proc)PROC_INIT;
		return -1;
	}
	return 0;
}

void
proc_stop(struct proc *p, int64_t grace_ms)
{
	if (!p->pid)
		return;
	if (grace_ms > 0 && p->kill_at == NEVER) {
		kill(-p->pid, SIGTERM);
		kill(-p->pid, SIGCONT);
	}
	p->kill_at = earliest(p->kill_at, deadline_in(grace_ms));
	proc_tick(p);
}

void
proc_tick(struct proc *p)
{
	if (!p->pid || now_ms() < p->kill_at)
		return;
	kill(-p->pid, SIGKILL);
	p->kill_at = deadline_in(KILL_AGAIN_MS);
}

int
proc_collect(struct proc *p, struct proc_end *end, struct err *e)
{
	int status;
	pid_t pid;

	/* Not reaped yet: the zombie keeps the group's number from being taken. */
	kill(-p->pid, SIGKILL);
	while ((pid = wait4(p->pid, &status, 0, &end->usage)) < 0 && errno == EINTR)
		;
	close_p(&p->fd);
	*p = (struct proc)PROC_INIT;
	if (pid < 0)
		return err_sys(e, ERR_OS, "wait4");
	end->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return 0;
}
