/*
 * cluster_server.c - the private cluster's server: made, started, stopped, removed
 *
 * The server is a session of its own with nothing inherited: no terminal, no
 * descriptor, no variable of the environment.  initdb and its kin inherit one
 * thing on purpose, the lock: should we be killed, nobody touches data.new
 * before they have ended too.
 */
#include "cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parse.h"
#include "pg.h"
#include "retry.h"
#include "str.h"

#define DEBIAN_BINDIRS "/usr/lib/postgresql"

enum {
	LOG_MAX = 8 << 20,	/* a longer log becomes log.old at the next start */
	PROCS_MAX = 256,
	LEFTOVERS_MS = 10000,	/* backends end by themselves when their server is gone */
};

/*
 * What a developer's machine wants and PostgreSQL does not assume.  Nothing here
 * weakens durability: what was submitted must survive a power cut here too.
 */
static const char settings[] =
	"\n# Set by jobctl-db; yours to change.  The socket, its directory and the port are\n"
	"# given on the command line and are not.\n"
	"max_connections = 100\n"
	"shared_preload_libraries = 'plpgsql'\t# or each session loads it anew\n"
	"autovacuum_naptime = 10s\t\t# a queue's tables are small, and change fast\n"
	"jit = off\t\t\t\t# statements here are short\n"
	"log_line_prefix = '%m [%p] %q%a '\n";

/* The newest (or the wanted) version of Debian's layout, "" if there is none. */
static void
debian_bindir(int wanted, const char *program, struct str *out)
{
	DIR *d = opendir(DEBIAN_BINDIRS);
	struct dirent *de;
	int64_t best = 0;

	while (d && (de = readdir(d))) {
		AUTOFREE char *path = NULL;
		struct err e;
		int64_t v;

		if (parse_int(de->d_name, 1, 1000, &v, &e) || v < best || (wanted && v != wanted))
			continue;
		path = xasprintf("%s/%s/bin/%s", DEBIAN_BINDIRS, de->d_name, program);
		if (access(path, X_OK))
			continue;
		best = v;
		str_reset(out);
		str_puts(out, path);
	}
	if (d)
		closedir(d);
}

static void
pg_config_bindir(const char *program, struct str *out)
{
	FILE *p = popen("pg_config --bindir 2>/dev/null", "re");
	char line[4000] = "";
	AUTOFREE char *path = NULL;

	if (!p)
		return;
	if (!fgets(line, sizeof line, p))
		line[0] = '\0';
	pclose(p);
	line[strcspn(line, "\n")] = '\0';
	path = xasprintf("%s/%s", line, program);
	if (line[0] == '/' && access(path, X_OK) == 0)
		str_puts(out, path);
}

static void
path_bindir(const char *program, struct str *out)
{
	const char *p = getenv("PATH");

	while (p && *p && !out->len) {
		size_t n = strcspn(p, ":");
		AUTOFREE char *path = xasprintf("%.*s/%s", (int)n, p, program);

		if (*p == '/' && access(path, X_OK) == 0)
			str_puts(out, path);
		p += n + (p[n] == ':');
	}
}

int
cluster_program(const struct cluster *c, const char *name, char **path, struct err *e)
{
	int version = cluster_data_version(c);
	AUTOSTR found = STR(STR_ANY);

	if (c->bindir) {
		str_putf(&found, "%s/%s", c->bindir, name);
		if (access(found.buf, X_OK))
			return err_sys(e, ERR_CONFIG, "cannot run \"%s\"", found.buf);
	}
	if (!found.len)
		debian_bindir(version, name, &found);
	if (!found.len)
		pg_config_bindir(name, &found);
	if (!found.len)
		path_bindir(name, &found);
	if (found.len) {
		*path = str_take(&found);
		return 0;
	}
	if (version) {
		(void)err_set(e, ERR_CONFIG, "the program \"%s\" of PostgreSQL %d, which made the data, "
					     "is not installed", name, version);
		err_hint(e, "apt install postgresql-%d, or --bindir", version);
	} else {
		(void)err_set(e, ERR_CONFIG, "PostgreSQL's program \"%s\" is not installed", name);
		err_hint(e, "apt install postgresql, or --bindir");
	}
	return -1;
}

static int
open_log(const struct cluster *c, struct err *e)
{
	int fd = openat(c->fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, ERR_CANTCREAT, "cannot write \"%s/log\"", c->dir);
	return fd;
}

/* In the child.  keep_lock: see the top of the file. */
static NORETURN void
become(const struct cluster *c, const char *const *argv, int log, bool keep_lock)
{
	const char *const env[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
		xasprintf("HOME=%s", c->dir), NULL
	};
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!keep_lock)
		setsid();
	if (fchdir(c->fd) || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	if (keep_lock) {
		close_range(3, (unsigned)c->fd - 1, 0);
		close_range((unsigned)c->fd + 1, ~0U, 0);
		fcntl(c->fd, F_SETFD, 0);
	} else {
		close_range(3, ~0U, 0);
	}
	execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	dprintf(2, "FATAL: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t
launch(const struct cluster *c, const char *const *argv, bool keep_lock, struct err *e)
{
	AUTOFD log = open_log(c, e);
	pid_t pid;

	if (log < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(e, ERR_OS, "fork");
	if (pid == 0)
		become(c, argv, log, keep_lock);
	return pid;
}

/* The last complaint in the log since the start began, for the error's one line. */
static void
complaint(const struct cluster *c, char buf[400])
{
	AUTOFD fd = openat(c->fd, "log", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char line[400];

	snprintf(buf, 400, "see the log");
	if (!f)
		return;
	fd = -1;
	fseeko(f, c->log_from, SEEK_SET);
	while (fgets(line, sizeof line, f)) {
		const char *at = strstr(line, "FATAL:");

		if (!at)
			at = strstr(line, "error:");
		if (at) {
			at += strcspn(at, ":") + 1;
			at += strspn(at, " ");
			snprintf(buf, 400, "%s", at);
		}
	}
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
}

static int
failed(const struct cluster *c, const char *what, struct err *e)
{
	char why[400];

	complaint(c, why);
	(void)err_set(e, ERR_UNAVAILABLE, "%s: %s", what, why);
	err_hint(e, "the whole story: %s/log", c->dir);
	return -1;
}

static int
run(const struct cluster *c, const char *const *argv, const char *what, struct err *e)
{
	pid_t pid = launch(c, argv, true, e);
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, ERR_OS, "waitpid");
	return status ? failed(c, what, e) : 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

/* Not through symbolic links, not into other file systems. */
static int
remove_tree(const struct cluster *c, const char *name, struct err *e)
{
	AUTOFREE char *path = cluster_path(c, name);

	if (nftw(path, remove_one, 64, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		return err_sys(e, ERR_CANTCREAT, "cannot remove \"%s\"", path);
	return 0;
}

static int
write_settings(const struct cluster *c, struct err *e)
{
	AUTOFD fd = openat(c->fd, "data.new/postgresql.conf", O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0 || write(fd, settings, sizeof settings - 1) != (ssize_t)sizeof settings - 1 ||
	    fsync(fd))
		return err_sys(e, ERR_CANTCREAT, "cannot write \"%s/data.new/postgresql.conf\"",
			       c->dir);
	return 0;
}

/*
 * C.UTF-8: every Debian has it, it sorts by code point, fast, and no upgrade of
 * the C library can change that order under an index.
 */
static int
make_data(const struct cluster *c, struct err *e)
{
	AUTOFREE char *initdb = NULL;

	if (cluster_program(c, "initdb", &initdb, e) || remove_tree(c, "data.new", e))
		return -1;
	const char *const argv[] = {
		initdb, "--pgdata=data.new", "--username=jobctl", "--auth-local=trust",
		"--auth-host=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
		"--no-instructions", NULL
	};

	if (run(c, argv, "initdb failed", e) || write_settings(c, e))
		return -1;
	if (renameat(c->fd, "data.new", c->fd, "data") || fsync(c->fd))
		return err_sys(e, ERR_CANTCREAT, "cannot put \"%s/data\" in place", c->dir);
	return 0;
}

static int
wait_exit(pid_t pid, int64_t deadline)
{
	AUTOFD fd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = 0;

	if (fd < 0)
		return errno == ESRCH ? 0 : -1;
	while (n == 0 && now_ms() < deadline) {
		n = poll(&p, 1, poll_timeout(deadline));
		if (n < 0 && errno == EINTR)
			n = 0;
	}
	return n == 1 ? 0 : -1;
}

/* Wait until no process of the cluster is left. */
static int
wait_leftovers(const struct cluster *c, int64_t deadline, struct err *e)
{
	pid_t pids[PROCS_MAX];
	size_t n;

	while ((n = cluster_procs(c, pids, PROCS_MAX)))
		for (size_t i = 0; i < n; i++)
			if (wait_exit(pids[i], deadline))
				return err_set(e, ERR_TEMPFAIL, "process %d of the server in \"%s\" "
								"is still there", (int)pids[i], c->dir);
	return 0;
}

/* The server of a container that shares the directory, say: not ours to judge. */
static int
out_of_sight(const struct cluster *c, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE,
		       "a server answers in \"%s/run\", but its process cannot be seen from here",
		       c->dir);
}

/*
 * PostgreSQL takes any live process with the pid in postmaster.pid for its
 * server, if the user is the same: likely enough after a reboot.  We know better.
 */
static int
clear_stale(const struct cluster *c, struct err *e)
{
	struct cluster_pidfile f = cluster_pidfile(c);

	if (wait_leftovers(c, deadline_in(LEFTOVERS_MS), e))
		return -1;
	if (f.pid && kill(f.pid, 0) == 0) {
		unlinkat(c->fd, "data/postmaster.pid", 0);
		unlinkat(c->fd, "run/.s.PGSQL.5432.lock", 0);
	}
	return 0;
}

/*
 * The server writes "ready" into postmaster.pid.  inotify tells when to look; if
 * there is none to be had (its instances are limited), the clock does.
 */
static int
wait_ready(const struct cluster *c, pid_t pid, int64_t deadline, struct err *e)
{
	AUTOFREE char *data = cluster_path(c, "data");
	AUTOFD watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), server = pidfd_open(pid, 0);
	struct pollfd p[2] = { { .events = POLLIN }, { .fd = server, .events = POLLIN } };
	char events[4096];
	int64_t wake;

	if (watch >= 0 && inotify_add_watch(watch, data, IN_MODIFY | IN_CLOSE_WRITE) < 0)
		close_p(&watch);
	p[0].fd = watch;
	if (server < 0 && errno != ESRCH)
		return err_sys(e, ERR_OS, "pidfd_open");
	for (;;) {
		struct cluster_pidfile f = cluster_pidfile(c);

		if (f.pid == pid && f.ready)
			return 0;
		if (server < 0 || p[1].revents)
			return failed(c, "the server does not start", e);
		if (now_ms() >= deadline) {
			(void)err_set(e, ERR_TEMPFAIL, "the server (pid %d) is not ready yet", (int)pid);
			err_hint(e, "it may be recovering; look at %s/log, then: jobctl-db status",
				 c->dir);
			return -1;
		}
		wake = earliest(deadline, deadline_in(watch < 0 ? 50 : 1000));
		if (poll(p, 2, poll_timeout(wake)) < 0 && errno != EINTR)
			return err_sys(e, ERR_OS, "poll");
		while (watch >= 0 && read(watch, events, sizeof events) > 0)
			;
	}
}

static int
launch_server(const struct cluster *c, int64_t deadline, struct err *e)
{
	AUTOFREE char *postgres = NULL, *data = cluster_path(c, "data");
	pid_t pid;

	if (cluster_program(c, "postgres", &postgres, e))
		return -1;
	/* The server's working directory is data: a relative name fits sun_path and survives mv. */
	const char *const argv[] = {
		postgres, "-D", data, "-c", "listen_addresses=", "-c", "port=5432",
		"-c", "unix_socket_directories=../run", "-c", "unix_socket_permissions=0700",
		"-c", "logging_collector=off", "-c", "log_destination=stderr", NULL
	};

	pid = launch(c, argv, false, e);
	return pid < 0 ? -1 : wait_ready(c, pid, deadline, e);
}

/* An earlier start may have been cut short after the server came up. */
static int
ensure_database(const struct cluster *c, struct err *e)
{
	static const char has[] = "SELECT FROM pg_catalog.pg_database WHERE datname = 'jobctl'";
	AUTOFREE char *url = cluster_url(c), *admin = xasprintf("%s&dbname=postgres", url);
	struct pg db = PG_INIT;
	int n = -1;

	if (pg_connect(&db, "jobctl-db", admin, e))
		return -1;
	n = pg_call(&db, NULL, has, PG_NOARGS, e);
	if (n == 0)
		n = pg_exec(&db, "CREATE DATABASE jobctl", e);
	pg_close(&db);
	return n < 0 ? -1 : 0;
}

/* What the log holds so far belongs to earlier starts. */
static void
begin_log(struct cluster *c, bool rotate)
{
	struct stat st;

	c->log_from = 0;
	if (fstatat(c->fd, "log", &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (rotate && st.st_size > LOG_MAX)
		renameat(c->fd, "log", c->fd, "log.old");
	else
		c->log_from = st.st_size;
}

int
cluster_start(struct cluster *c, int64_t deadline, struct err *e)
{
	struct cluster_info info = cluster_look(c);
	struct retry again = RETRY_UNTIL(deadline);

	while (info.state == CLUSTER_SILENT && retry_wait(&again))	/* it may be busy */
		info = cluster_look(c);
	begin_log(c, false);
	if (info.state == CLUSTER_STARTING) {
		if (!cluster_owns(c, info.pid))
			return out_of_sight(c, e);
		if (wait_ready(c, info.pid, deadline, e) == 0)
			return ensure_database(c, e);
		if (e->kind != ERR_UNAVAILABLE)		/* else it was on its way down */
			return -1;
		info = cluster_look(c);
	}
	if (info.state == CLUSTER_RUNNING)
		return ensure_database(c, e);
	if (info.state == CLUSTER_SILENT) {
		(void)err_set(e, ERR_UNAVAILABLE, "the server (pid %d) is there but does not answer",
			      (int)info.pid);
		err_hint(e, "look at %s/log, then: jobctl-db stop", c->dir);
		return -1;
	}
	begin_log(c, true);
	if (!cluster_data_version(c) && make_data(c, e))
		return -1;
	if (clear_stale(c, e) || launch_server(c, deadline, e) || ensure_database(c, e))
		return -1;
	return 1;
}

static int
stop_with(const struct cluster *c, int sig, int64_t deadline, struct err *e)
{
	struct cluster_info info = cluster_look(c);
	AUTOFD fd = info.pid ? pidfd_open(info.pid, 0) : -1;
	bool ours = fd >= 0 && cluster_owns(c, info.pid);	/* asked once the pidfd holds it */

	if (!ours && info.state != CLUSTER_STOPPED && info.state != CLUSTER_NONE)
		return out_of_sight(c, e);
	if (ours && pidfd_send_signal(fd, sig, NULL, 0) && errno != ESRCH)
		return err_sys(e, ERR_NOPERM, "cannot stop the server (pid %d)", (int)info.pid);
	if (ours && wait_exit(info.pid, deadline))
		return err_set(e, ERR_TEMPFAIL, "the server (pid %d) has not stopped yet",
			       (int)info.pid);
	if (wait_leftovers(c, deadline, e))
		return -1;
	return ours;
}

int
cluster_stop(struct cluster *c, int64_t deadline, struct err *e)
{
	return stop_with(c, SIGINT, deadline, e);
}

int
cluster_destroy(struct cluster *c, int64_t deadline, struct err *e)
{
	/* The marker goes last: a removal cut short can be repeated. */
	static const char *const names[] = {
		"data.new", "data", "run", "log.old", "log", CLUSTER_MARKER
	};
	int rc;

	if (stop_with(c, SIGQUIT, deadline, e) < 0)
		return -1;
	for (size_t i = 0; i < NELEM(names); i++)
		if (remove_tree(c, names[i], e))
			return -1;
	if (cluster_as_caller(c, e))
		return -1;
	rc = rmdir(c->dir);
	if (rc && errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(e, ERR_CANTCREAT, "cannot remove \"%s\"", c->dir);
	return rc == 0;
}
