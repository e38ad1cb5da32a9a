/*
 * newborn.c - between clone and execve
 */
#include "newborn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

enum { SIGNALS = 64 };

/* A system call; its answer, or -errno.  And whether clone() is to wait for what is born. */
#if defined __x86_64__ && !defined NEWBORN_VFORK
enum { WAIT = 0 };

static long
call(long n, long a, long b, long c, long d)
{
	register long fourth __asm__("r10") = d;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(fourth)
			 : "rcx", "r11", "memory");
	return rc;
}
#elif defined __aarch64__ && !defined NEWBORN_VFORK
enum { WAIT = 0 };

static long
call(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
/* While we wait errno is nobody's. */
enum { WAIT = CLONE_VFORK };

static long
call(long n, long a, long b, long c, long d)
{
	long rc = syscall(n, a, b, c, d);

	return rc == -1 ? -errno : rc;
}
#endif

/* The kernel's struct sigaction is four words, the first the handler, 0 SIG_DFL; a set is one. */
enum { HANDLER, ACTION_WORDS = 4 };

/* 0 or an errno. */
static int
set_up(const struct newborn *b)
{
	static const unsigned long standard[ACTION_WORDS], none[1];
	long rc = 0, n;

	call(SYS_setsid, 0, 0, 0, 0);
	call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (call(SYS_getppid, 0, 0, 0, 0) != b->parent)
		call(SYS_exit_group, 127, 0, 0, 0);	/* died before the line above */
	if (b->group >= 0)
		rc = call(SYS_write, b->group, (long)"0", 1, 0);
	for (int s = 1; s <= SIGNALS; s++)
		if (b->signals & (uint64_t)1 << (s - 1))
			call(SYS_rt_sigaction, s, (long)standard, 0, sizeof none);
	for (n = 0; rc >= 0 && n < NEWBORN_FDS && b->fds[n] >= 0; n++)
		rc = call(SYS_dup3, b->fds[n], n, 0, 0);
	if (rc >= 0)
		rc = call(SYS_close_range, n, ~0u, 0, 0);
	if (rc >= 0)
		rc = call(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&b->descriptors, 0);
	if (rc >= 0)
		rc = call(SYS_rt_sigprocmask, SIG_SETMASK, (long)none, 0, sizeof none);
	return rc < 0 ? (int)-rc : 0;
}

/* Returns if no candidate can be executed, the errno; with step set. */
static int
execute(struct newborn *b)
{
	long why = -ENOENT, rc;

	b->step = AT_EXEC;
	for (char **f = b->files; *f; f++) {
		rc = call(SYS_execve, (long)*f, (long)b->argv, (long)b->envp, 0);
		if (rc == -ENOEXEC) {		/* a script without "#!", as execvp(3) */
			b->script[1] = *f;
			rc = call(SYS_execve, (long)b->script[0], (long)b->script, (long)b->envp, 0);
		}
		if (rc == -ENOENT || rc == -ENOTDIR) {
			if (call(SYS_faccessat, AT_FDCWD, (long)*f, F_OK, 0) < 0)
				continue;
			b->step = AT_INTERPRETER;
			return ENOEXEC;
		}
		why = rc;
		if (why != -EACCES)
			break;
	}
	return (int)-why;
}

static int
run(void *birth)
{
	struct newborn *b = birth;
	long rc = 0;

	if (b->cwd) {		/* first: it may be the name of a descriptor */
		b->step = AT_CWD;
		rc = -call(SYS_chdir, (long)b->cwd, 0, 0, 0);
	}
	if (rc == 0) {
		b->step = AT_SETUP;
		rc = set_up(b);
	}
	/* We may have been stopped for long, anywhere before this. */
	if (rc == 0 && b->not_after && now_ms() >= b->not_after)
		rc = ETIME;
	b->why = rc ? (int)rc : execute(b);
	call(SYS_exit_group, 127, 0, 0, 0);
	return 127;
}

/* Not by libc, which would hide two that posix_spawn ignores. */
uint64_t
newborn_signals(void)
{
	uint64_t set = 0;

	for (int s = 1; s <= SIGNALS; s++) {
		unsigned long action[ACTION_WORDS] = { 0 };

		call(SYS_rt_sigaction, s, 0, (long)action, sizeof(unsigned long));
		if (action[HANDLER])
			set |= (uint64_t)1 << (s - 1);
	}
	return set;
}

pid_t
newborn_start(struct newborn *b, int *pidfd)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);	/* no handler of ours may run in it */
	b->here = 1;
	pid = clone(run, b->stack + sizeof b->stack,
		    WAIT | CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID | SIGCHLD, b, pidfd, NULL,
		    &b->here);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

bool
newborn_left(const struct newborn *b)
{
	return !__atomic_load_n(&b->here, __ATOMIC_ACQUIRE);
}
