/*
 * proc.c - spawning with vfork, stopping by process group
 *
 * vfork and not posix_spawn: the child needs setsid, a parent-death signal and
 * close_range before it executes, and the parent's memory is not copied either
 * way.  The child makes only system calls; what it needs is prepared before.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AGAIN_MS = 1000, CONTROL_FD = 3, SIGNALS = 64 };

/* The kernel's struct sigaction is four words; all zero is SIG_DFL. */
struct disposition {
	unsigned long word[4];
};

static bool ignored[SIGNALS + 1];
static struct rlimit descriptor_limit;

/* Not sigaction(2): glibc hides two signals, which posix_spawn leaves ignored in a child. */
static int
disposition(int sig, const struct disposition *set, struct disposition *get)
{
	return (int)syscall(SYS_rt_sigaction, sig, set, get, (size_t)(SIGNALS / 8));
}

static int
open_standard_descriptors(struct err *e)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return err_sys(e, ERR_OS, "cannot open /dev/null");
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

static int
raise_descriptor_limit(rlim_t need, struct err *e)
{
	struct rlimit more;

	if (getrlimit(RLIMIT_NOFILE, &descriptor_limit))
		return err_sys(e, ERR_OS, "getrlimit");
	more = descriptor_limit;
	if (more.rlim_cur >= need)
		return 0;
	if (more.rlim_max < need) {
		(void)err_set(e, ERR_CONFIG, "%llu open files are allowed and %llu are needed",
			      (unsigned long long)more.rlim_max, (unsigned long long)need);
		err_hint(e, "raise the limit (ulimit -Hn, LimitNOFILE=) or run fewer at once");
		return -1;
	}
	more.rlim_cur = need;
	return setrlimit(RLIMIT_NOFILE, &more) ? err_sys(e, ERR_OS, "setrlimit") : 0;
}

int
proc_init(int descriptors, struct err *e)
{
	for (int s = 1; s <= SIGNALS; s++) {
		struct disposition d;

		ignored[s] = disposition(s, NULL, &d) == 0 &&
			     d.word[0] == (unsigned long)(uintptr_t)SIG_IGN;
	}
	signal(SIGCHLD, SIG_DFL);	/* ignored, the kernel would drop exit statuses */
	if (open_standard_descriptors(e))
		return -1;
	return raise_descriptor_limit((rlim_t)descriptors, e);
}

static void
free_candidates(char ***p)
{
	for (char **c = *p; c && *c; c++)
		free(*c);
	free(*p);
}

/*
 * The files that a program's name may mean, in order, NULL-terminated.  Entries of
 * the path that depend on the working directory are passed over: it may be the job's.
 */
static char **
candidates(const char *program, const char *path)
{
	char **v = xcalloc(2, sizeof *v);
	size_t n = 0;

	if (strchr(program, '/')) {
		v[0] = xstrdup(program);
		return v;
	}
	for (const char *p = path && *path ? path : "/usr/local/bin:/usr/bin:/bin";; p++) {
		int len = (int)strcspn(p, ":");

		if (*p == '/' && *program) {
			v = xreallocarray(v, n + 2, sizeof *v);
			v[n++] = xasprintf("%.*s/%s", len, p, program);
			v[n] = NULL;
		}
		p += len;
		if (!*p)
			return v;
	}
}

int
proc_find(const char *program, const char *path, struct err *e)
{
	CLEANUP(free_candidates) char **files = candidates(program, path);
	struct stat st;
	int why = ENOENT;

	for (char **f = files; *f; f++) {
		if (stat(*f, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(*f, X_OK) == 0)
				return 0;
			why = errno;
		}
	}
	errno = why;
	return err_sys(e, ERR_NOINPUT, "cannot run %.500s", program);
}

/* What the child is given, and its answer: all in memory that it shares with us. */
struct birth {
	const struct proc_spec *spec;
	char **files;		/* candidates for argv[0] */
	char **script;		/* argv for a shell; [1] is to be the file */
	int fds[CONTROL_FD + 1];
	pid_t parent;
	volatile enum { AT_SETUP, AT_CWD, AT_EXEC, AT_INTERPRETER } step;
	volatile int why;		/* errno; 0 once the program runs */
};

static int
set_up(struct birth *b)
{
	static const struct disposition standard;
	sigset_t none;
	int n;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != b->parent)
		_exit(127);		/* died before the line above */
	if (b->spec->group >= 0 && write(b->spec->group, "0", 1) != 1)
		return -1;
	for (int s = 1; s <= SIGNALS; s++)
		if (ignored[s])
			disposition(s, &standard, NULL);
	for (n = 0; n <= CONTROL_FD && b->fds[n] >= 0; n++)
		if (dup2(b->fds[n], n) < 0)	/* none of them is below its place */
			return -1;
	if (close_range((unsigned)n, ~0u, 0) || setrlimit(RLIMIT_NOFILE, &descriptor_limit))
		return -1;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns if no candidate can be executed, with why and step set. */
static void
execute(struct birth *b)
{
	int why = ENOENT;

	b->step = AT_EXEC;
	for (char **f = b->files; *f; f++) {
		execve(*f, b->spec->argv, b->spec->envp);
		if (errno == ENOEXEC) {		/* a script without "#!", as execvp(3) */
			b->script[1] = *f;
			execve(b->script[0], b->script, b->spec->envp);
		}
		if (errno == ENOENT || errno == ENOTDIR) {
			if (access(*f, F_OK))
				continue;
			b->step = AT_INTERPRETER;
			why = ENOEXEC;
			break;
		}
		why = errno;
		if (why != EACCES)
			break;
	}
	b->why = why;
}

/* Runs in the vforked child, in the parent's memory: no return, nothing but system calls. */
static NORETURN void
child(struct birth *b)
{
	int rc = set_up(b);

	if (rc == 0) {
		b->step = AT_CWD;
		rc = b->spec->cwd ? chdir(b->spec->cwd) : 0;
	}
	/* We may have been stopped for long, anywhere before this. */
	if (rc == 0 && b->spec->not_after && now_ms() >= b->spec->not_after) {
		b->step = AT_SETUP;
		errno = ETIME;
		rc = -1;
	}
	if (rc)
		b->why = errno;
	else
		execute(b);
	_exit(127);
}

static int
birth_error(const struct birth *b, struct err *e)
{
	const char *program = b->spec->argv[0];

	errno = b->why;
	switch (b->step) {
	case AT_SETUP:
		return err_sys(e, ERR_OS, "cannot prepare a process");
	case AT_CWD:
		return err_sys(e, ERR_NOINPUT, "cannot enter %.500s", b->spec->cwd);
	case AT_INTERPRETER:
		(void)err_set(e, ERR_NOINPUT,
			      "cannot run %.500s: the interpreter it names does not exist",
			      program);
		e->sys = b->why;
		return -1;
	default:
		return err_sys(e, ERR_NOINPUT, "cannot run %.500s", program);
	}
}

/* Descriptors above those they will be placed on; fds[] owns those that had to be copied. */
static int
lift(const struct proc_spec *spec, struct birth *b, int *copies, struct err *e)
{
	const int given[] = { spec->in, spec->out, spec->err, spec->control };

	for (size_t i = 0; i < NELEM(given); i++) {
		b->fds[i] = given[i];
		if (given[i] < 0 || given[i] > CONTROL_FD)
			continue;
		copies[i] = b->fds[i] = fcntl(given[i], F_DUPFD_CLOEXEC, CONTROL_FD + 1);
		if (copies[i] < 0)
			return err_sys(e, ERR_OS, "cannot copy a descriptor");
	}
	return 0;
}

static int
give_birth(struct proc *p, struct birth *b, struct err *e)
{
	sigset_t all, old;
	pid_t pid;

	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (pid == 0)
		child(b);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_sys(e, ERR_OS, "cannot start a process");
	if (b->why) {
		waitpid(pid, NULL, 0);
		return birth_error(b, e);
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

int
proc_spawn(struct proc *p, const struct proc_spec *spec, struct err *e)
{
	static char shell[] = "/bin/sh";
	CLEANUP(free_candidates) char **files = candidates(spec->argv[0], spec->path);
	AUTOFREE char **script = NULL;
	struct birth b = { .spec = spec, .files = files, .parent = getpid() };
	int copies[CONTROL_FD + 1] = { -1, -1, -1, -1 };
	size_t argc = 0;
	int rc;

	while (spec->argv[argc])
		argc++;
	b.script = script = xreallocarray(NULL, argc + 2, sizeof *script);
	script[0] = shell;
	memcpy(script + 2, spec->argv + 1, argc * sizeof *script);
	rc = lift(spec, &b, copies, e);
	if (rc == 0)
		rc = give_birth(p, &b, e);
	for (size_t i = 0; i < NELEM(copies); i++)
		close_p(&copies[i]);
	return rc;
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
