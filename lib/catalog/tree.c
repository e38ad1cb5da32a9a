/*
 * tree.c - asking git for names, opening files without being led astray
 *
 * A directory outside any repository is shown to git as the work tree of an
 * empty repository, made for the purpose and removed as soon as git has read it.
 */
#include "catalog/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

enum { MAX_NESTED = 20, READ_SIZE = 1 << 16, EARLY_FILES = 4096 };

int
tree_open(struct tree *t, const char *path, struct err *e)
{
	AUTOSTR name = STR(1000);

	str_put_safe(&name, path, strlen(path));
	t->root = realpath(path, NULL);
	if (t->root)
		t->fd = open(t->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->fd >= 0 && !faccessat(t->fd, ".", R_OK | X_OK, AT_EACCESS))
		return 0;
	if (errno == ENOTDIR)
		return err_set(e, ERR_NOINPUT, "%s is not a directory", name.buf);
	return err_sys(e, errno == EACCES ? ERR_NOPERM : ERR_NOINPUT, "cannot index %s",
		       name.buf);
}

int64_t
tree_time_us(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* lstat(2) below the root. */
static int
look_at(const struct tree *t, const char *path, struct stat *st, struct tree_file *file)
{
	if (fstatat(t->fd, path, st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return -1;
	*file = (struct tree_file){ .size = st->st_size, .time_us = tree_time_us(st) };
	return 0;
}

/* Component by component, for kernels (and sandboxes) without openat2. */
static int
open_stepwise(int dir, const char *path, int flags)
{
	AUTOFD at = -1;

	for (;;) {
		size_t n = strcspn(path, "/");
		AUTOFREE char *name = xstrndup(path, n);
		int fd;

		if (!strcmp(name, ".."))
			return errno = EXDEV, -1;
		if (!path[n])
			return openat(at < 0 ? dir : at, name, flags | O_NOFOLLOW);
		fd = openat(at < 0 ? dir : at, name,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -1;
		close_p(&at);
		at = fd;
		path += n + strspn(path + n, "/");
	}
}

/* Open what is below dir, passing no link and no mount's magic. */
static int
open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return open_stepwise(dir, path, flags);
	return (int)fd;
}

int
tree_open_file(const struct tree *t, const char *path, struct stat *st)
{
	int fd = open_beneath(t->fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		if (errno == ELOOP || errno == ENXIO || errno == EXDEV)
			errno = ENOTSUP;
		return -1;
	}
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	errno = ENOTSUP;
	return -1;
}

/* A git that is running: its output, and what it says. */
struct git {
	struct proc proc;
	int out, err;
	char repo[64];		/* the repository made for it, or "" */
};
#define GIT_INIT { .proc = PROC_INIT, .out = -1, .err = -1 }

static void
free_strings(char ***v)
{
	for (char **p = *v; p && *p; p++)
		free(*p);
	free(*v);
	*v = NULL;
}

/*
 * Our environment, without what would make git look elsewhere, and with what
 * keeps it from writing, asking, and reaching out.
 */
static char **
git_environment(void)
{
	static const char *const ours[] = {
		"LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1",
	};
	size_t n = 0;
	char **env;

	for (char **v = environ; *v; v++)
		n++;
	env = xcalloc(n + NELEM(ours) + 1, sizeof *env);
	n = 0;
	for (char **v = environ; *v; v++)
		if (strncmp(*v, "GIT_", 4) != 0 && strncmp(*v, "LC_ALL=", 7) != 0)
			env[n++] = xstrdup(*v);
	for (size_t i = 0; i < NELEM(ours); i++)
		env[n++] = xstrdup(ours[i]);
	return env;
}

/* Start git in a directory; args has its subcommand and what follows. */
static int
git_start(struct git *g, int dir, const char *const *options, const char *const *args,
	  struct err *e)
{
	/* What a repository's own configuration could have executed, and whose it must be. */
	static const char *const safe[] = {
		"git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false",
		"-c", "core.hooksPath=/dev/null",
	};
	const char *argv[40];
	/* the directory itself, whatever is by its name now */
	AUTOFREE char *cwd = xasprintf("/proc/self/fd/%d", dir);
	CLEANUP(free_strings) char **env = git_environment();
	AUTOFD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTOFD child_out = -1;
	struct proc_spec spec = {
		.envp = env, .path = getenv("PATH"), .cwd = cwd, .in = null, .control = -1,
		.group = -1,
	};
	size_t n = 0;
	int fds[2];

	for (size_t i = 0; i < NELEM(safe); i++)
		argv[n++] = safe[i];
	for (; options && *options; options++)
		argv[n++] = *options;
	for (; *args; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	g->err = memfd_create("git", MFD_CLOEXEC);
	if (g->err < 0 || pipe2(fds, O_CLOEXEC))
		return err_sys(e, ERR_OS, "cannot run git");
	g->out = fds[0];
	child_out = fds[1];
	spec.out = child_out;
	spec.err = g->err;
	memcpy(&spec.argv, &(const char **){ argv }, sizeof spec.argv);	/* execve reads only */
	return proc_spawn(&g->proc, &spec, e);
}

/* What git said on its standard error, as text. */
static void
git_complaint(const struct git *g, struct str *s)
{
	char buf[4096];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(g->err, buf, sizeof buf, at)) > 0) {
		str_add(s, buf, (size_t)n);
		at += n;
	}
}

static void
git_remove_repo(struct git *g)
{
	static const char *const parts[] = { "/HEAD", "/objects", "/refs", "" };

	for (size_t i = 0; *g->repo && i < NELEM(parts); i++) {
		AUTOFREE char *path = xasprintf("%s%s", g->repo, parts[i]);

		(void)remove(path);
	}
	*g->repo = '\0';
}

/* Stop git if it still runs, and let go of it; its exit status in *status. */
static int
git_end(struct git *g, int *status, struct err *e)
{
	struct proc_end end = { .exit_code = -1 };
	int rc = 0;

	close_p(&g->out);	/* one that still writes dies of it */
	git_remove_repo(g);
	if (g->proc.pid) {
		struct pollfd p = { .fd = g->proc.fd, .events = POLLIN };

		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
		rc = proc_collect(&g->proc, &end, e);
		if (rc && e->sys == ENOENT) {
			(void)err_set(e, ERR_CONFIG, "cannot run git: it is not installed");
			err_hint(e, "run: apt-get install git");
		}
	}
	close_p(&g->err);
	*status = end.exit_code;
	return rc;
}

/* The smallest repository that git takes for one. */
static int
git_make_repo(struct git *g, struct err *e)
{
	static const char head[] = "ref: refs/heads/none\n";
	const char *tmp = getenv("TMPDIR");
	AUTOFREE char *name =
		xasprintf("%s/jobctl-index.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	AUTOFD dir = -1;
	AUTOFD fd = -1;

	if (strlen(name) >= sizeof g->repo) {
		free(name);
		name = xstrdup("/tmp/jobctl-index.XXXXXX");
	}
	if (!mkdtemp(name))
		return err_sys(e, ERR_CANTCREAT, "cannot make %s", name);
	memcpy(g->repo, name, strlen(name) + 1);
	dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir, "HEAD", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, head, sizeof head - 1) < 0 || mkdirat(dir, "objects", 0700) ||
	    mkdirat(dir, "refs", 0700)) {
		(void)err_sys(e, ERR_CANTCREAT, "cannot write to %s", name);
		git_remove_repo(g);
		return -1;
	}
	return 0;
}

/* All that a short git prints, at most what fits; its exit status, or -1. */
static int
git_ask(int dir, const char *const *args, struct str *out, struct err *e)
{
	struct git g = GIT_INIT;
	char buf[1024];
	int status = -1;
	ssize_t n;

	if (git_start(&g, dir, NULL, args, e)) {
		struct err again;

		(void)git_end(&g, &status, &again);
		return -1;
	}
	while ((n = read(g.out, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			str_add(out, buf, (size_t)n);
	return git_end(&g, &status, e) ? -1 : status;
}

enum place { PLAIN, WORK_TREE };

/* Whether a directory is in a repository's work tree, and what is checked out there. */
static int
look(int dir, enum place *place, char commit[65], struct err *e)
{
	static const char *const ask[] = {
		"rev-parse", "--is-inside-work-tree", "--is-bare-repository", "HEAD", NULL
	};
	AUTOSTR out = STR(4000);
	const char *head;

	*commit = '\0';
	*place = PLAIN;
	if (git_ask(dir, ask, &out, e) < 0)
		return -1;
	if (!strncmp(out.buf, "false\ntrue\n", 11)) {
		(void)err_set(e, ERR_DATA,
			      "this is a bare repository: it has no files checked out");
		err_hint(e, "index a clone of it, or a worktree");
		return -1;
	}
	if (strncmp(out.buf, "true\nfalse\n", 11) != 0)
		return 0;
	*place = WORK_TREE;
	head = out.buf + 11;
	if (strspn(head, "0123456789abcdef") >= 40 && strcspn(head, "\n") <= 64) {
		memcpy(commit, head, strcspn(head, "\n"));
		commit[strcspn(head, "\n")] = '\0';
	}
	return 0;
}

typedef int name_fn(void *ctx, const char *path, struct err *e);

/* Read names, each ended by NUL, until git has no more. */
static int
read_names(struct git *g, const char *prefix, name_fn *name, void *ctx, struct err *e)
{
	AUTOSTR path = STR(STR_ANY);
	AUTOSTR last = STR(STR_ANY);
	AUTOFREE char *buf = xmalloc(READ_SIZE);
	size_t base = strlen(prefix);
	ssize_t n;

	str_puts(&path, prefix);
	if (base && prefix[base - 1] != '/')
		str_putc(&path, '/');
	base = path.len;
	while ((n = read(g->out, buf, READ_SIZE)) != 0) {
		const char *p = buf, *end = buf + n, *nul;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO, "cannot read from git");
		git_remove_repo(g);	/* it has been read */
		while ((nul = memchr(p, '\0', (size_t)(end - p))) != NULL) {
			str_add(&path, p, (size_t)(nul - p));
			p = nul + 1;
			/* a file in conflict is listed once for each side */
			if (strcmp(path.buf, last.buf) != 0 && name(ctx, path.buf, e))
				return -1;
			str_reset(&last);
			str_add(&last, path.buf, path.len);
			str_truncate(&path, base);
		}
		str_add(&path, p, (size_t)(end - p));
	}
	return 0;
}

struct early_file {
	size_t path;		/* where it begins in paths */
	struct tree_file file;
};

/* Regular files, in the order in which git lists those of its index. */
struct early {
	struct git git;
	struct str paths;
	struct early_file *v;
	size_t n, cap;
	size_t next;		/* the one after that which was found last */
};

static int
add_early(void *ctx, const char *path, struct err *e)
{
	struct tree *t = ctx;
	struct early *y = t->early;
	struct tree_file file;
	struct stat st;

	(void)e;
	if (look_at(t, path, &st, &file) || !S_ISREG(st.st_mode))
		return 0;
	if (y->n == y->cap) {
		y->cap = y->cap ? y->cap * 2 : EARLY_FILES;
		y->v = xreallocarray(y->v, y->cap, sizeof *y->v);
	}
	if (file.time_us > t->newest)
		t->newest = file.time_us;
	y->v[y->n++] = (struct early_file){ .path = y->paths.len, .file = file };
	str_add(&y->paths, path, strlen(path) + 1);
	return 0;
}

static const struct tree_file *
find_early(struct early *y, const char *path)
{
	if (!y)
		return NULL;
	for (size_t from = 0, to = y->n, at = y->next; from < to; at = from + (to - from) / 2) {
		int c = at < y->n ? strcmp(path, y->paths.buf + y->v[at].path) : -1;

		if (!c) {
			y->next = at + 1;
			return &y->v[at].file;
		}
		if (c < 0)
			to = at;
		else
			from = at + 1;
	}
	return NULL;
}

struct listing {
	struct tree *t;
	tree_found *found;
	void *ctx;
	int depth;
};

static int list_dir(struct listing *l, const char *prefix, struct err *e);

static bool
is_repository(const struct tree *t, const char *path)
{
	AUTOFREE char *git =
		xasprintf("%s%s.git", path, path[strlen(path) - 1] == '/' ? "" : "/");
	struct stat st;

	return !fstatat(t->fd, git, &st, AT_SYMLINK_NOFOLLOW);
}

static int
one_name(void *ctx, const char *path, struct err *e)
{
	const struct listing *l = ctx;
	const struct tree_file *early = find_early(l->t->early, path);
	struct tree_file file;
	struct stat st;

	if (early)
		return l->found(l->ctx, path, early, e);
	if (look_at(l->t, path, &st, &file)) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;	/* tracked, but not there */
		return l->found(l->ctx, path, &(struct tree_file){ .time_us = NEVER }, e);
	}
	if (S_ISREG(st.st_mode))
		return l->found(l->ctx, path, &file, e);
	if (S_ISDIR(st.st_mode)) {
		if (l->depth == MAX_NESTED || !is_repository(l->t, path))
			return 0;
		return list_dir(&(struct listing){ l->t, l->found, l->ctx, l->depth + 1 }, path, e);
	}
	l->t->others++;
	return 0;
}

/* git passes over a directory it cannot read; what is in there is not to be taken for gone. */
static void
note_closed(struct tree *t, const char *said)
{
	static const char key[] = "could not open directory '";

	while ((said = strstr(said, key)) != NULL) {
		size_t n;

		said += sizeof key - 1;
		n = strcspn(said, "'\n");
		t->closed++;
		str_add(&t->closed_names, said, n);
		str_putc(&t->closed_names, '\n');
	}
}

/* Have git list a directory; git is to be ended also if that fails. */
static int
start_listing(struct git *g, int dir, enum place place, struct err *e)
{
	static const char *const tracked[] = {
		"ls-files", "-z", "--cached", "--others", "--exclude-standard", NULL
	};
	static const char *const plain[] = {
		"ls-files", "-z", "--others", "--exclude-standard", NULL
	};
	AUTOFREE char *git_dir = NULL;

	if (place == WORK_TREE)
		return git_start(g, dir, NULL, tracked, e);
	if (git_make_repo(g, e))
		return -1;
	git_dir = xasprintf("--git-dir=%s", g->repo);
	return git_start(g, dir, (const char *const[]){ git_dir, "--work-tree=.", NULL }, plain, e);
}

static int
read_listing(struct listing *l, struct git *g, const char *prefix, struct err *e)
{
	AUTOSTR said = STR(100000);
	int status = 0, rc = read_names(g, prefix, one_name, l, e);
	struct err end;

	git_complaint(g, &said);
	if (git_end(g, &status, rc ? &end : e))
		rc = -1;
	if (rc)
		return -1;
	if (status != 0) {
		AUTOSTR why = STR(500);

		str_put_safe(&why, said.buf, strcspn(said.buf, "\n"));
		return err_set(e, ERR_SOFTWARE, "git could not list the files of %s: %s",
			       *prefix ? prefix : l->t->root, why.len ? why.buf : "it was killed");
	}
	note_closed(l->t, said.buf);
	return 0;
}

static void
give_up(struct git *g)
{
	struct err ignored;
	int status;

	proc_stop(&g->proc, 0);		/* it only reads, and may have far to go */
	(void)git_end(g, &status, &ignored);
}

/* A repository inside the tree, or what was taken for one. */
static int
list_dir(struct listing *l, const char *prefix, struct err *e)
{
	AUTOFD dir = open_beneath(l->t->fd, prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct git g = GIT_INIT;
	char commit[65];
	enum place place;

	if (dir < 0)
		return 0;	/* replaced since it was listed */
	if (look(dir, &place, commit, e))
		return e->kind == ERR_DATA ? 0 : -1;
	if (start_listing(&g, dir, place, e)) {
		give_up(&g);
		return -1;
	}
	return read_listing(l, &g, prefix, e);
}

int
tree_start(struct tree *t, struct err *e)
{
	static const char *const cached[] = { "ls-files", "-z", "--cached", NULL };
	enum place place;
	struct err ignored;

	if (look(t->fd, &place, t->commit, e))
		return -1;
	t->git = xmalloc(sizeof *t->git);
	*t->git = (struct git)GIT_INIT;
	if (start_listing(t->git, t->fd, place, e))
		return -1;
	if (place == WORK_TREE) {
		t->early = xmalloc(sizeof *t->early);
		*t->early = (struct early){ .git = GIT_INIT, .paths = STR(STR_ANY) };
		(void)git_start(&t->early->git, t->fd, NULL, cached, &ignored);
	}
	return 0;
}

void
tree_look_ahead(struct tree *t)
{
	struct err ignored;

	/* what fails here fails again, or does not matter, when the tree is listed */
	if (t->early && t->early->git.proc.pid)
		(void)read_names(&t->early->git, "", add_early, t, &ignored);
}

static void
forget_early(struct tree *t)
{
	if (!t->early)
		return;
	give_up(&t->early->git);
	str_free(&t->early->paths);
	free(t->early->v);
	free(t->early);
	t->early = NULL;
}

int
tree_list(struct tree *t, tree_found *found, void *ctx, struct err *e)
{
	int rc = read_listing(&(struct listing){ t, found, ctx, 0 }, t->git, "", e);

	forget_early(t);
	return rc;
}

void
tree_close(struct tree *t)
{
	if (t->git)
		give_up(t->git);
	free(t->git);
	forget_early(t);
	free(t->root);
	close_p(&t->fd);
	str_free(&t->closed_names);
	*t = (struct tree)TREE_INIT;
}
