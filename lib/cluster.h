/*
 * cluster.h - the private PostgreSQL cluster: one directory, one user, one socket
 *
 *   DIR/                  0700, owned by the user the server runs as
 *     README.jobctl-db    the marker: without it nothing here is touched
 *     data/               PGDATA; data.new while initdb is at work
 *     run/                0700, the socket (port 5432)
 *     log
 *
 * Local connections need no password: who can enter DIR may use the cluster.
 * PostgreSQL refuses to run as root, so root works on a cluster as the owner of
 * its directory ("postgres" for a new one): cluster_find() puts root's rights
 * aside, and they come back only to make or remove DIR itself.
 *
 * The lock is flock() on DIR: nothing to create, nothing that can go stale.
 */
#ifndef JOBCTL_CLUSTER_H
#define JOBCTL_CLUSTER_H

#include <sys/types.h>

#include "err.h"

#define CLUSTER_MARKER "README.jobctl-db"

enum cluster_state {
	CLUSTER_NONE,		/* no cluster in DIR */
	CLUSTER_STOPPED,
	CLUSTER_STARTING,	/* or stopping: there, but takes no connections */
	CLUSTER_RUNNING,
	CLUSTER_SILENT,		/* its process is there and does not answer */
};

struct cluster {
	char *dir;		/* absolute */
	const char *bindir;	/* borrowed, or NULL: look for PostgreSQL's programs */
	int fd;			/* DIR, or -1 while there is none */
	bool root;		/* the caller is root */
	bool aside;		/* ... and has put its rights aside */
	uid_t uid;		/* who runs the server */
	gid_t gid;
	char user[64];
	gid_t *groups;		/* root's, while aside */
	int ngroups;
	off_t log_from;		/* where the log stood when the last start began */
};
#define CLUSTER_INIT { .fd = -1 }

struct cluster_info {
	enum cluster_state state;
	pid_t pid;		/* 0 if unknown */
	int64_t started;	/* seconds since 1970, 0 if unknown */
	char version[16];	/* major version of the data, "" if none */
};

/*
 * dir NULL is pg_private_dir().  Succeeds if there is nothing yet; ERR_CONFIG if
 * no cluster can be there (the socket's path would be too long), ERR_NOPERM if
 * it is somebody else's.
 */
int cluster_find(struct cluster *c, const char *dir, struct err *e) MUSTCHECK;
void cluster_free(struct cluster *c);	/* root has its rights again */

/* Take back root's rights, if the caller is root (before running a program for it). */
int cluster_as_caller(struct cluster *c, struct err *e) MUSTCHECK;
/* Become the server's user again. */
int cluster_as_server(struct cluster *c, struct err *e) MUSTCHECK;

/*
 * Lock DIR against other starts, stops and removals; ERR_TEMPFAIL at the
 * deadline.  cluster_make() first makes DIR if there is none, marks it, and
 * sets the umask to 077.  cluster_lock() fails with ERR_NOINPUT if there is no cluster.
 */
int cluster_make(struct cluster *c, int64_t deadline, struct err *e) MUSTCHECK;
int cluster_lock(struct cluster *c, int64_t deadline, struct err *e) MUSTCHECK;

struct cluster_info cluster_look(const struct cluster *c);

/* All three need the lock.  Return 1 if there was something to do, 0 if not. */
int cluster_start(struct cluster *c, int64_t deadline, struct err *e) MUSTCHECK;
int cluster_stop(struct cluster *c, int64_t deadline, struct err *e) MUSTCHECK;
/* Stops the server without waiting for its clients.  0: DIR is still there, with files not ours. */
int cluster_destroy(struct cluster *c, int64_t deadline, struct err *e) MUSTCHECK;

/* The database's URI, and the path of a file in DIR; yours. */
char *cluster_url(const struct cluster *c) MUSTCHECK;
char *cluster_path(const struct cluster *c, const char *name) MUSTCHECK;

/* Path of a program of PostgreSQL that fits the data; yours.  ERR_CONFIG if there is none. */
int cluster_program(const struct cluster *c, const char *name, char **path, struct err *e) MUSTCHECK;

/*
 * For cluster.c and cluster_server.c.
 *
 * postmaster.pid as far as it is there; pid 0 if it is not.  The processes of
 * the cluster are those named postgres whose working directory is data/: a pid
 * that was given to another process since does not fool us.
 */
struct cluster_pidfile {
	pid_t pid;
	int64_t started;
	bool ready;
};
struct cluster_pidfile cluster_pidfile(const struct cluster *c);
bool cluster_owns(const struct cluster *c, pid_t pid);
size_t cluster_procs(const struct cluster *c, pid_t *pids, size_t max);
int cluster_data_version(const struct cluster *c);	/* 0: no data */

#endif
