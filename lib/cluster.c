/*
 * cluster.c - the private cluster's directory: whose it is, locking it, looking at it
 *
 * Starting and stopping the server is in cluster_server.c.
 */
#include "cluster.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "parse.h"
#include "pg.h"
#include "str.h"

static const char marker_text[] =
	"This directory is a private PostgreSQL cluster made by jobctl-db(1).\n"
	"Remove it with \"jobctl-db --dir DIR destroy\", not by hand: a server may be running.\n";

/* What a failed system call on a path means to the caller. */
static enum err_kind
kind_of_errno(void)
{
	if (errno == EACCES || errno == EPERM)
		return ERR_NOPERM;
	return errno == ENOTDIR || errno == ELOOP ? ERR_CONFIG : ERR_CANTCREAT;
}

char *
cluster_path(const struct cluster *c, const char *name)
{
	return xasprintf("%s/%s", c->dir, name);
}

/* The path goes into a URI's query: everything but unreserved characters and "/" is encoded. */
char *
cluster_url(const struct cluster *c)
{
	AUTOSTR s = STR(STR_ANY);

	str_puts(&s, "postgresql://jobctl@/jobctl?host=");
	for (const char *p = c->dir; *p; p++) {
		if (isalnum((unsigned char)*p) || strchr("/-._~", *p))
			str_putc(&s, *p);
		else
			str_putf(&s, "%%%02X", (unsigned char)*p);
	}
	str_puts(&s, "/run&port=5432");
	return str_take(&s);
}

int
cluster_as_server(struct cluster *c, struct err *e)
{
	if (!c->root || c->aside)
		return 0;
	c->ngroups = getgroups(0, NULL);
	c->groups = xreallocarray(c->groups, (size_t)c->ngroups, sizeof *c->groups);
	c->ngroups = getgroups(c->ngroups, c->groups);
	if (setgroups(1, &c->gid) || setresgid(c->gid, c->gid, 0) || setresuid(c->uid, c->uid, 0))
		return err_sys(e, ERR_OS, "cannot become user %s", c->user);
	c->aside = true;
	return 0;
}

int
cluster_as_caller(struct cluster *c, struct err *e)
{
	if (!c->aside)
		return 0;
	if (setresuid(0, 0, 0) || setresgid(0, 0, 0) ||
	    (c->ngroups >= 0 && setgroups((size_t)c->ngroups, c->groups)))
		return err_sys(e, ERR_OS, "cannot become root again");
	c->aside = false;
	return 0;
}

/*
 * Neither limit can be lifted: the first is the size of sun_path, the second
 * how libpq splits a list of hosts.
 */
static int
check_path(const struct cluster *c, struct err *e)
{
	static const char socket_name[] = "/run/.s.PGSQL.5432";
	size_t limit = sizeof((struct sockaddr_un *)0)->sun_path - 1;
	size_t len = strlen(c->dir) + strlen(socket_name);

	if (len > limit) {
		(void)err_set(e, ERR_CONFIG,
			      "the socket's path under \"%.200s\" has %zu bytes, the limit is %zu",
			      c->dir, len, limit);
		err_hint(e, "name a directory of at most %zu bytes with --dir or JOBCTL_DB_DIR",
			 limit - strlen(socket_name));
		return -1;
	}
	if (strchr(c->dir, ',')) {
		(void)err_set(e, ERR_CONFIG, "\"%s\" has a comma, which libpq takes for a list",
			      c->dir);
		err_hint(e, "name another directory with --dir or JOBCTL_DB_DIR");
		return -1;
	}
	return 0;
}

static int
absolute(const char *dir, char **out, struct err *e)
{
	AUTOFREE char *given = dir ? xstrdup(dir) : pg_private_dir();
	AUTOFREE char *cwd = NULL;
	size_t n = strlen(given);

	if (!n)
		return err_set(e, ERR_USAGE, "the directory's name is empty");
	while (n > 1 && given[n - 1] == '/')
		given[--n] = '\0';
	if (given[0] == '/') {
		*out = xstrdup(given);
		return 0;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return err_sys(e, ERR_OS, "cannot tell the current directory");
	*out = xasprintf("%s/%s", strcmp(cwd, "/") ? cwd : "", given);
	return 0;
}

/* Who runs the server: the owner of DIR, but never root. */
static int
choose_user(struct cluster *c, const struct stat *st, struct err *e)
{
	struct passwd *pw;

	if (!c->root) {
		c->uid = geteuid();
		c->gid = getegid();
		pw = getpwuid(c->uid);
	} else {
		pw = st && st->st_uid ? getpwuid(st->st_uid) : getpwnam("postgres");
		if (!pw && st && st->st_uid)
			return err_set(e, ERR_CONFIG, "\"%s\" belongs to uid %u, who has no account",
				       c->dir, (unsigned)st->st_uid);
		if (!pw) {
			(void)err_set(e, ERR_CONFIG,
				      "there is no user \"postgres\" to run the server as");
			err_hint(e, "apt install postgresql, or run jobctl-db as an ordinary user");
			return -1;
		}
		c->uid = pw->pw_uid;
		c->gid = pw->pw_gid;
	}
	if (pw)
		snprintf(c->user, sizeof c->user, "%s", pw->pw_name);
	else
		snprintf(c->user, sizeof c->user, "%u", (unsigned)c->uid);
	return 0;
}

/*
 * c->fd stays -1 for one that is not there, and for one of root's: that is no
 * cluster, but may become one at any moment, see make_dir().
 */
static int
open_dir(struct cluster *c, struct err *e)
{
	const int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct stat st;

	c->fd = open(c->dir, how);
	if (c->fd < 0 && errno == EACCES && c->root && stat(c->dir, &st) == 0) {
		if (st.st_uid == 0)
			return 0;
		c->fd = open(c->dir, how);	/* it may have been given to the server just now */
	}
	if (c->fd < 0 && errno == ENOENT)
		return 0;
	if (c->fd < 0) {
		(void)err_sys(e, kind_of_errno(), "user %s cannot use \"%s\"", c->user, c->dir);
		if (e->kind == ERR_NOPERM)
			err_hint(e, "name a directory that user %s can enter with --dir or JOBCTL_DB_DIR",
				 c->user);
		return -1;
	}
	if (fstat(c->fd, &st))
		return err_sys(e, ERR_OS, "cannot look at \"%s\"", c->dir);
	if (c->root && st.st_uid == 0)
		close_p(&c->fd);
	else if (st.st_uid != c->uid)
		return err_set(e, ERR_NOPERM, "\"%s\" belongs to uid %u, not to %s", c->dir,
			       (unsigned)st.st_uid, c->user);
	return 0;
}

int
cluster_find(struct cluster *c, const char *dir, struct err *e)
{
	struct stat st;

	c->root = geteuid() == 0;
	if (absolute(dir, &c->dir, e) || check_path(c, e) ||
	    choose_user(c, stat(c->dir, &st) ? NULL : &st, e) || cluster_as_server(c, e))
		return -1;
	return open_dir(c, e);
}

void
cluster_free(struct cluster *c)
{
	struct err e;

	(void)!cluster_as_caller(c, &e);
	free(c->dir);
	free(c->groups);
	close_p(&c->fd);
	*c = (struct cluster)CLUSTER_INIT;
}

static bool
is_marked(const struct cluster *c)
{
	struct stat st;

	return c->fd >= 0 && fstatat(c->fd, CLUSTER_MARKER, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* Whether a directory holds nothing; -1 if it cannot be read. */
static int
is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;
	int empty = 1;

	if (!d)
		return -1;
	while (empty && (de = readdir(d)))
		empty = !strcmp(de->d_name, ".") || !strcmp(de->d_name, "..");
	closedir(d);
	return empty;
}

static int
make_parents(const char *dir, struct err *e)
{
	AUTOFREE char *path = xstrdup(dir);

	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return err_sys(e, kind_of_errno(), "cannot make \"%s\"", path);
		*p = '/';
	}
	return 0;
}

/*
 * An empty directory of root's becomes the server's.  Not through a symbolic
 * link: it could have been put there to have another directory given away.
 */
static int
adopt_dir(struct cluster *c, struct err *e)
{
	AUTOFD fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int empty;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, kind_of_errno(), "cannot use \"%s\"", c->dir);
	empty = is_empty(fd);		/* looked at first: another start gives it away before it fills it */
	if (fstat(fd, &st))
		return err_sys(e, ERR_OS, "cannot look at \"%s\"", c->dir);
	if (st.st_uid != 0)
		return 0;
	if (empty != 1)
		return err_set(e, ERR_CONFIG, "\"%s\" belongs to root and is not empty", c->dir);
	if (fchown(fd, c->uid, c->gid) || fchmod(fd, 0700))
		return err_sys(e, ERR_CANTCREAT, "cannot give \"%s\" to %s", c->dir, c->user);
	return 0;
}

/* What is made stays closed to others, but the way of root's server must be open. */
static int
make_dir(struct cluster *c, struct err *e)
{
	int rc;

	if (cluster_as_caller(c, e))
		return -1;
	umask(c->root ? 022 : 077);
	rc = make_parents(c->dir, e);
	umask(077);
	if (rc)
		return -1;
	if (mkdir(c->dir, 0700) && errno != EEXIST)
		return err_sys(e, kind_of_errno(), "cannot make \"%s\"", c->dir);
	if (c->root && adopt_dir(c, e))
		return -1;
	return cluster_as_server(c, e) ? -1 : open_dir(c, e);
}

static void
interrupt(int sig)
{
	(void)sig;		/* flock() returns EINTR */
}

static int
lock_dir(const struct cluster *c, int64_t deadline, struct err *e)
{
	struct sigaction act = { .sa_handler = interrupt }, old;
	const struct itimerval never = { .it_value = { 0 } };
	struct itimerval t = { .it_interval = { .tv_usec = 50000 } };	/* one may come before flock() */
	int64_t ms = deadline - now_ms();
	int rc;

	if (flock(c->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	ms = ms < 0 ? 0 : ms;
	t.it_value = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = (ms % 1000 + 1) * 1000 - 1 };
	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &t, NULL);
	rc = flock(c->fd, LOCK_EX);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	if (rc && errno == EINTR)
		return err_set(e, ERR_TEMPFAIL, "another jobctl-db is at work in \"%s\"", c->dir);
	if (rc)
		return err_sys(e, ERR_OS, "cannot lock \"%s\"", c->dir);
	return 0;
}

/* Whether what we locked is still what the name means: it may have been destroyed meanwhile. */
static bool
still_there(const struct cluster *c)
{
	struct stat a, b;

	return fstat(c->fd, &a) == 0 && stat(c->dir, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int
mark(const struct cluster *c, struct err *e)
{
	AUTOFD fd = -1;

	if (is_marked(c))
		return 0;
	if (is_empty(c->fd) != 1) {
		(void)err_set(e, ERR_CONFIG, "\"%s\" is not empty and is no private cluster", c->dir);
		err_hint(e, "name a new or empty directory with --dir or JOBCTL_DB_DIR");
		return -1;
	}
	fd = openat(c->fd, CLUSTER_MARKER, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, marker_text, sizeof marker_text - 1) < 0)
		return err_sys(e, ERR_CANTCREAT, "cannot write \"%s/%s\"", c->dir, CLUSTER_MARKER);
	return 0;
}

int
cluster_make(struct cluster *c, int64_t deadline, struct err *e)
{
	umask(077);
	for (int tries = 0;; tries++) {		/* DIR may be destroyed while we wait for its lock */
		if (c->fd < 0 && make_dir(c, e))
			return -1;
		if (c->fd >= 0) {
			if (lock_dir(c, deadline, e))
				return -1;
			if (still_there(c))
				break;
		}
		close_p(&c->fd);
		if (tries == 10)
			return err_set(e, ERR_CANTCREAT, "\"%s\" vanishes as soon as it is made", c->dir);
	}
	if (mark(c, e))
		return -1;
	if (fchmod(c->fd, 0700) || (mkdirat(c->fd, "run", 0700) && errno != EEXIST) ||
	    fchmodat(c->fd, "run", 0700, 0))
		return err_sys(e, ERR_CANTCREAT, "cannot prepare \"%s\"", c->dir);
	return 0;
}

int
cluster_lock(struct cluster *c, int64_t deadline, struct err *e)
{
	if (is_marked(c)) {
		if (lock_dir(c, deadline, e))
			return -1;
		if (still_there(c))
			return 0;
	}
	(void)err_set(e, ERR_NOINPUT, "there is no private cluster in \"%s\"", c->dir);
	err_hint(e, "to make one: jobctl-db start");
	return -1;
}

int
cluster_data_version(const struct cluster *c)
{
	AUTOFD fd = c->fd < 0 ? -1 : openat(c->fd, "data/PG_VERSION", O_RDONLY | O_CLOEXEC);
	char buf[16] = "";
	struct err e;
	int64_t v;

	if (fd < 0 || read(fd, buf, sizeof buf - 1) <= 0)
		return 0;
	buf[strcspn(buf, "\n.")] = '\0';
	return parse_int(buf, 1, 1000, &v, &e) ? 0 : (int)v;
}

/* postmaster.pid: pid, data directory, start time, port, socket directory, address, shmem, status */
struct cluster_pidfile
cluster_pidfile(const struct cluster *c)
{
	AUTOFD fd = openat(c->fd, "data/postmaster.pid", O_RDONLY | O_CLOEXEC);
	struct cluster_pidfile f = { .pid = 0 };
	char buf[2000] = "", *save = NULL, *line;
	struct err e;
	int64_t v;

	if (fd < 0 || read(fd, buf, sizeof buf - 1) <= 0)
		return f;
	line = strtok_r(buf, "\n", &save);
	/* A negative number is a single-user backend: somebody repairs the data. */
	if (line && !parse_int(line[0] == '-' ? line + 1 : line, 1, INT32_MAX, &v, &e))
		f.pid = (pid_t)v;
	for (int i = 2; line && (line = strtok_r(NULL, "\n", &save)); i++)
		if (i == 3 && !parse_int(line, 0, INT64_MAX, &v, &e))
			f.started = v;
		else if (!strncmp(line, "ready", 5))
			f.ready = true;
	return f;
}

static bool
is_server_process(const char *pid, const struct stat *data)
{
	char path[64], comm[32] = "";
	struct stat st;

	snprintf(path, sizeof path, "/proc/%.20s/cwd", pid);
	if (stat(path, &st) || st.st_dev != data->st_dev || st.st_ino != data->st_ino)
		return false;
	snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
	AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, comm, sizeof comm - 1) > 0 &&
	       (!strcmp(comm, "postgres\n") || !strcmp(comm, "postmaster\n"));
}

size_t
cluster_procs(const struct cluster *c, pid_t *pids, size_t max)
{
	DIR *proc = opendir("/proc");
	struct dirent *de;
	struct stat data;
	size_t n = 0;

	if (!proc || fstatat(c->fd, "data", &data, 0)) {
		if (proc)
			closedir(proc);
		return 0;
	}
	while (n < max && (de = readdir(proc)))
		if (isdigit((unsigned char)de->d_name[0]) && is_server_process(de->d_name, &data))
			pids[n++] = (pid_t)strtol(de->d_name, NULL, 10);
	closedir(proc);
	return n;
}

bool
cluster_owns(const struct cluster *c, pid_t pid)
{
	char name[24];
	struct stat data;

	snprintf(name, sizeof name, "%d", (int)pid);
	return fstatat(c->fd, "data", &data, 0) == 0 && is_server_process(name, &data);
}

struct cluster_info
cluster_look(const struct cluster *c)
{
	struct cluster_info info = { .state = CLUSTER_NONE };
	AUTOFREE char *url = NULL, *ping = NULL;
	struct cluster_pidfile f;
	int version = cluster_data_version(c);

	if (!is_marked(c) || !version)
		return info;
	snprintf(info.version, sizeof info.version, "%d", version);
	url = cluster_url(c);
	ping = xasprintf("%s&connect_timeout=5", url);
	f = cluster_pidfile(c);
	switch (PQping(ping)) {
	case PQPING_OK:
		info.state = CLUSTER_RUNNING;
		break;
	case PQPING_REJECT:
		info.state = CLUSTER_STARTING;
		break;
	case PQPING_NO_RESPONSE:
	case PQPING_NO_ATTEMPT:
		if (!f.pid || !cluster_owns(c, f.pid)) {
			info.state = CLUSTER_STOPPED;
			return info;
		}
		info.state = f.ready ? CLUSTER_SILENT : CLUSTER_STARTING;
		break;
	}
	info.pid = f.pid;
	info.started = f.started;
	return info;
}
