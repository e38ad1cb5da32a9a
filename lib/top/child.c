/*
 * child.c - the programs that do what a key asks for
 *
 * One that shows something gets the terminal and the signals that come from it; one
 * that changes something runs beside us, and the last line it says is our message.
 */
#include "top/top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sibling.h"

extern char **environ;

enum { ARGS_MAX = 16 };

/* With the signals as they were before this program changed them. */
static int
spawn(pid_t *pid, const char *const *argv, posix_spawn_file_actions_t *files, struct err *e)
{
	char *copy[ARGS_MAX] = { xstrdup(argv[0]) };
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	for (int i = 1; argv[i] && i + 1 < ARGS_MAX; i++)
		copy[i] = xstrdup(argv[i]);
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawnp(pid, copy[0], files, &attr, copy, environ);
	posix_spawnattr_destroy(&attr);
	errno = rc;
	rc = rc ? err_sys(e, ERR_NOINPUT, "cannot run \"%s\"", argv[0]) : 0;
	for (int i = 0; copy[i]; i++)
		free(copy[i]);
	return rc;
}

void
top_start(struct top *t, const char *const *argv)
{
	AUTOFREE char *path = sibling_path(argv[0]);
	const char *args[ARGS_MAX] = { path };
	posix_spawn_file_actions_t files;
	struct err e;
	int fds[2];

	if (t->child.pid) {
		top_say(t, LOOK_BAD, "%s has not ended yet", t->child.name);
		return;
	}
	if (pipe2(fds, O_CLOEXEC)) {
		top_say(t, LOOK_BAD, "cannot run %s: %s", argv[0], strerror(errno));
		return;
	}
	for (int i = 1; argv[i] && i + 1 < ARGS_MAX; i++)
		args[i] = argv[i];
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, fds[1], STDERR_FILENO);
	if (spawn(&t->child.pid, args, &files, &e)) {
		t->child.pid = 0;
		top_say(t, LOOK_BAD, "%s", e.msg);
		close(fds[0]);
	} else {
		t->child.fd = fds[0];
		snprintf(t->child.name, sizeof t->child.name, "%s", argv[0]);
		str_reset(&t->child.said);
		top_say(t, LOOK_PLAIN, "%s ...", argv[0]);
	}
	posix_spawn_file_actions_destroy(&files);
	close(fds[1]);
}

/* Its lines in one. */
static void
say_lines(struct top *t, bool good)
{
	struct str *s = &t->child.said;
	AUTOSTR line = STR(TOP_TEXT * 2);

	for (const char *p = s->buf; *p; p += strspn(p, "\n")) {
		size_t n = strcspn(p, "\n");

		str_puts(&line, line.len ? "; " : "");
		str_add(&line, p, n);
		p += n;
	}
	if (line.len)
		top_say(t, good ? LOOK_GOOD : LOOK_BAD, "%s", line.buf);
	else
		top_say(t, good ? LOOK_GOOD : LOOK_BAD, "%s has %s", t->child.name,
			good ? "done it" : "failed");
}

void
top_child_read(struct top *t)
{
	struct top_child *c = &t->child;
	char buf[1000];
	ssize_t n = read(c->fd, buf, sizeof buf);
	int status = -1;

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0) {
		str_add(&c->said, buf, (size_t)n);
		return;
	}
	close(c->fd);
	c->fd = -1;
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	say_lines(t, status == 0);
	top_again(t);
}

void
top_stop(void)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	screen_leave();
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);	/* here we stop, and go on */
	sigprocmask(SIG_BLOCK, &stop, NULL);
	screen_resize();
	screen_forget();
}

/*
 * One signal while another program has the terminal; what comes from its keys is not
 * for us.  True if we are to end.
 */
static bool
foreground_signal(struct top *t)
{
	struct signalfd_siginfo si;

	if (read(t->signals, &si, sizeof si) != sizeof si)
		return false;
	if (si.ssi_signo != SIGTERM && si.ssi_signo != SIGHUP)
		return false;
	t->quit = true;
	t->signal = (int)si.ssi_signo;
	return true;
}

/* Wait for it to end; when it stops, we stop. */
static int
attend(struct top *t, pid_t pid)
{
	struct pollfd p = { .fd = t->signals, .events = POLLIN };
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED);

		if (got == pid && !WIFSTOPPED(status)) {
			while (poll(&p, 1, 0) > 0)
				(void)foreground_signal(t);
			return status;
		}
		if (got < 0 && errno != EINTR)
			return -1;
		if (got == pid) {
			top_stop();
			kill(pid, SIGCONT);
			continue;
		}
		if (poll(&p, 1, -1) > 0 && foreground_signal(t))
			kill(pid, SIGTERM);
	}
}

/* Until Enter is pressed, or ^C. */
static void
wait_for_enter(struct top *t)
{
	struct pollfd p[] = { { .fd = t->signals, .events = POLLIN },
			      { .fd = STDIN_FILENO, .events = POLLIN } };
	struct signalfd_siginfo si;
	char c = '\0';

	fputs("\n-- Enter goes back to jobctl-top --", stdout);
	fflush(stdout);
	while (c != '\n' && !t->quit) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && read(t->signals, &si, sizeof si) == sizeof si) {
			if (si.ssi_signo == SIGINT)
				break;
			t->quit = si.ssi_signo == SIGTERM || si.ssi_signo == SIGHUP;
			t->signal = t->quit ? (int)si.ssi_signo : 0;
		}
		if (p[1].revents && read(STDIN_FILENO, &c, 1) <= 0)
			break;
	}
}

static bool
in_path(const char *name)
{
	const char *path = getenv("PATH");

	for (const char *p = path; p && *p; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");
		AUTOFREE char *file = xasprintf("%.*s/%s", (int)n, p, name);

		if (access(file, X_OK) == 0)
			return true;
		p += n;
	}
	return false;
}

/* NULL: none. */
static const char *
pager_command(void)
{
	const char *pager = getenv("PAGER");

	if (pager)
		return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
	return in_path("less") ? "less" : in_path("more") ? "more" : NULL;
}

void
top_show(struct top *t, const char *const *argv, bool paged)
{
	/* what goes wrong is to be read, too */
	static const char script[] = "pager=$1; shift; \"$@\" 2>&1 | eval \"$pager\"";
	AUTOFREE char *path = sibling_path(argv[0]);
	const char *pager = paged ? pager_command() : NULL;
	const char *args[ARGS_MAX] = { "/bin/sh", "-c", script, "sh", pager };
	int n = pager ? 5 : 0, status;
	struct err e;
	pid_t pid;

	args[n++] = path;
	for (int i = 1; argv[i] && n + 1 < ARGS_MAX; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	screen_leave();
	if (spawn(&pid, args, NULL, &e)) {
		top_say(t, LOOK_BAD, "%s", e.msg);
	} else {
		status = attend(t, pid);
		/* ^C says that enough has been seen */
		if (!t->quit && (pager ? status != 0 : !WIFSIGNALED(status)))
			wait_for_enter(t);
	}
	screen_resize();
	screen_forget();
	top_again(t);
}
