/*
 * proc.c - starting, stopping by process group, collecting
 *
 * Not posix_spawn: the child needs setsid, a parent-death signal and close_range before
 * it executes, and we have other things to do than to wait until it does; see newborn.h.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newborn.h"

enum { KILL_AGAIN_MS = 1000 };

/* As we were started with them. */
static struct rlimit descriptor_limit;
static uint64_t signals;

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
	signal(SIGCHLD, SIG_DFL);	/* ignored, the kernel would drop exit statuses */
	signals = newborn_signals();
	if (open_standard_descriptors(e))
		return -1;
	return raise_descriptor_limit((rlim_t)descriptors, e);
}

static void
free_words(char ***p)
{
	for (char **w = *p; w && *w; w++)
		free(*w);
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
	CLEANUP(free_words) char **files = candidates(program, path);
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

/* In one piece, to be freed at once. */
static char **
copy_words(char *const *words)
{
	size_t n = 0, bytes = 0;
	char **v, *p;

	for (; words[n]; n++)
		bytes += strlen(words[n]) + 1;
	v = xmalloc((n + 1) * sizeof *v + bytes);
	p = (char *)(v + n + 1);
	for (size_t i = 0; i < n; i++) {
		v[i] = p;
		p = stpcpy(p, words[i]) + 1;
	}
	v[n] = NULL;
	return v;
}

static void
free_newborn(struct newborn *b)
{
	free(b->argv);
	free(b->envp);
	free_words(&b->files);
	free(b->script);
	free(b->cwd);
	free(b);
}

/* A copy of all that it needs: it may begin after we have gone on. */
static struct newborn *
make_newborn(const struct proc_spec *spec)
{
	static char shell[] = "/bin/sh";
	struct newborn *b = xmalloc(sizeof *b);
	size_t argc = 0;

	memset(b, 0, offsetof(struct newborn, stack));
	b->argv = copy_words(spec->argv);
	b->envp = copy_words(spec->envp);
	b->files = candidates(spec->argv[0], spec->path);
	while (b->argv[argc])
		argc++;
	b->script = xreallocarray(NULL, argc + 2, sizeof *b->script);
	b->script[0] = shell;
	memcpy(b->script + 2, b->argv + 1, argc * sizeof *b->script);
	b->cwd = spec->cwd ? xstrdup(spec->cwd) : NULL;
	b->group = spec->group;
	b->not_after = spec->not_after;
	b->parent = getpid();
	b->signals = signals;
	b->descriptors = descriptor_limit;
	return b;
}

/* Descriptors above those they will be placed on; copies[] owns those that had to be copied. */
static int
lift(const struct proc_spec *spec, struct newborn *b, int *copies, struct err *e)
{
	const int given[NEWBORN_FDS] = { spec->in, spec->out, spec->err, spec->control };

	for (size_t i = 0; i < NELEM(given); i++) {
		b->fds[i] = given[i];
		if (given[i] < 0 || given[i] >= NEWBORN_FDS)
			continue;
		copies[i] = b->fds[i] = fcntl(given[i], F_DUPFD_CLOEXEC, NEWBORN_FDS);
		if (copies[i] < 0)
			return err_sys(e, ERR_OS, "cannot copy a descriptor");
	}
	return 0;
}

int
proc_spawn(struct proc *p, const struct proc_spec *spec, struct err *e)
{
	struct newborn *b = make_newborn(spec);
	int copies[NEWBORN_FDS] = { -1, -1, -1, -1 };
	int rc = lift(spec, b, copies, e);

	*p = (struct proc)PROC_INIT;
	if (rc == 0) {
		pid_t pid = newborn_start(b, &p->fd);

		if (pid < 0)
			rc = err_sys(e, ERR_OS, "cannot start a process");
		else
			p->pid = pid;
	}
	for (size_t i = 0; i < NELEM(copies); i++)
		close_p(&copies[i]);
	if (rc)
		free_newborn(b);
	else
		p->newborn = b;
	return rc;
}

/* It may not have had the time to make its group, and is alone then. */
static void
signal_group(const struct proc *p, int sig)
{
	if (kill(-p->pid, sig) && errno == ESRCH)
		kill(p->pid, sig);
}

void
proc_stop(struct proc *p, int64_t grace_ms)
{
	if (!p->pid)
		return;
	if (grace_ms > 0 && p->kill_at == NEVER) {
		signal_group(p, SIGTERM);
		signal_group(p, SIGCONT);
	}
	p->kill_at = earliest(p->kill_at, deadline_in(grace_ms));
	proc_tick(p);
}

void
proc_tick(struct proc *p)
{
	struct newborn *b = p->newborn;

	if (b && newborn_left(b) && !b->why) {
		free_newborn(b);
		p->newborn = NULL;
	}
	if (!p->pid || now_ms() < p->kill_at)
		return;
	signal_group(p, SIGKILL);
	p->kill_at = deadline_in(KILL_AGAIN_MS);
}

/* Why its program never ran. */
static int
birth_error(const struct newborn *b, struct err *e)
{
	const char *program = b->argv[0];

	errno = b->why;
	switch (b->step) {
	case AT_SETUP:
		return err_sys(e, ERR_OS, "cannot prepare a process");
	case AT_CWD:
		return err_sys(e, ERR_NOINPUT, "cannot enter %.500s", b->cwd);
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

int
proc_collect(struct proc *p, struct proc_end *end, struct err *e)
{
	struct newborn *b = p->newborn;
	int status, rc = 0;
	pid_t pid;

	/* Not reaped yet: the zombie keeps the group's number from being taken. */
	kill(-p->pid, SIGKILL);
	while ((pid = wait4(p->pid, &status, 0, &end->usage)) < 0 && errno == EINTR)
		;
	if (pid < 0)
		abort();	/* cannot be: it is our child, and nobody else waits */
	close_p(&p->fd);
	*p = (struct proc)PROC_INIT;
	end->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (b && b->why)
		rc = birth_error(b, e);
	if (b)
		free_newborn(b);
	return rc;
}

void
proc_abandon(struct proc *p)
{
	if (!p->pid)
		return;
	signal_group(p, SIGKILL);
	proc_tick(p);
	close_p(&p->fd);
	*p = (struct proc)PROC_INIT;
}
