/*
 * migrate/new.c - new: the files of the next migration
 *
 * Two that make one at the same time get two numbers: the directory is locked while
 * the next is looked for.  The .up.sql comes last, so that nobody who reads meanwhile
 * finds one without its .down.sql.
 */
#include "migrate/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

enum { LOCK_MS = 10000, NAME_MAX_BYTES = 200 };

/* In the order they are made; %s is the migration. */
static const struct part {
	const char *suffix, *text;
} parts[] = {
	{ "verify",
	  "-- Proves %s: jobctl-verify runs each statement below once it is applied, in\n"
	  "-- a savepoint, and takes everything back.  In front of a statement stands what is\n"
	  "-- expected of it (ok, rows N, value X, or an SQLSTATE and a constraint's name):\n"
	  "--\n"
	  "--   | -- expect: 23514 things_size_check\n"
	  "--   | INSERT INTO app.things (size) VALUES (-1);\n"
	  "--\n"
	  "-- or that it is a query which an index must serve, and how fast:\n"
	  "--\n"
	  "--   | -- query: newest uses things_created_at rows 100000 within 10ms\n"
	  "--   | SELECT * FROM app.things ORDER BY created_at DESC LIMIT 5;\n" },
	{ "down",
	  "-- Reverts %s: removes exactly what it made, the last first.\n"
	  "-- While there is no statement here it cannot be reverted.\n" },
	{ "up",
	  "-- %s: what changes, and why.\n"
	  "--\n"
	  "-- This runs in one transaction with its record, and not before there is a\n"
	  "-- statement.  What cannot run in one, such as CREATE INDEX CONCURRENTLY, goes to a\n"
	  "-- file of its own that begins with \"-- jobctl: no-transaction\"; lines\n"
	  "-- \"-- jobctl: step\" part its statements.\n" },
};

static int
lock_dir(int dir, const char *path, struct err *e)
{
	int64_t deadline = deadline_in(LOCK_MS);

	while (flock(dir, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, ERR_OS, "cannot lock %s", path);
		if (now_ms() >= deadline)
			return err_set(e, ERR_TEMPFAIL, "somebody keeps %s locked", path);
		poll(NULL, 0, 20);
	}
	return 0;
}

/* The directory, made if it is only itself that is missing, and locked. */
static int
open_dir(struct mig_work *w, const char *path, struct err *e)
{
	bool made = mkdir(path, 0777) == 0;
	AUTOFD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_sys(e, ERR_NOINPUT, "cannot open %s", path);
	if (lock_dir(fd, path, e))
		return -1;
	if (made)
		cmd_note(w->cmd, "made the directory %s", path);
	ret = fd;
	fd = -1;
	return ret;
}

/* The next number, in as many digits as the last has. */
static int
next_number(const char *path, char number[24], struct err *e)
{
	DIR *d = opendir(path);
	int64_t last = 0;
	size_t width = 4;

	if (!d)
		return err_sys(e, ERR_NOINPUT, "cannot read %s", path);
	for (struct dirent *f; (f = readdir(d));) {
		size_t digits = 0;
		int64_t version = mig_file_version(f->d_name, &digits);

		if (version > last) {
			last = version;
			width = digits;
		}
	}
	closedir(d);
	if (last >= MIG_VERSION_MAX)
		return err_set(e, ERR_DATA, "%s: there is no number after %" PRId64, path, last);
	snprintf(number, 24, "%0*" PRId64, (int)width, last + 1);
	return 0;
}

static int
write_part(int dir, const char *file, const struct part *part, const char *migration,
	   struct err *e)
{
	AUTOFD fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	AUTOSTR text = STR(STR_ANY);
	const char *at = strstr(part->text, "%s");
	ssize_t n;

	if (fd < 0)
		return err_sys(e, ERR_CANTCREAT, "cannot create %s", file);
	str_add(&text, part->text, (size_t)(at - part->text));
	str_putf(&text, "%s%s", migration, at + 2);
	n = write(fd, text.buf, text.len);
	if (n == (ssize_t)text.len)
		return 0;
	if (n >= 0)
		errno = ENOSPC;
	return err_sys(e, ERR_IO, "cannot write %s", file);
}

/* All of them or none. */
static int
write_parts(int dir, const char *migration, struct err *e)
{
	for (size_t i = 0; i < NELEM(parts); i++) {
		AUTOFREE char *file = xasprintf("%s.%s.sql", migration, parts[i].suffix);

		if (write_part(dir, file, &parts[i], migration, e) == 0)
			continue;
		for (size_t made = 0; made <= i; made++) {
			AUTOFREE char *gone = xasprintf("%s.%s.sql", migration,
							parts[made].suffix);

			if (made < i || e->kind != ERR_CANTCREAT)
				unlinkat(dir, gone, 0);
		}
		return -1;
	}
	return 0;
}

static void
print_paths(struct mig_work *w, const char *dir, const char *migration)
{
	static const struct out_col col = { "path", "PATH", OUT_TEXT };
	const struct out_col *cols[] = { &col };
	struct out o;
	size_t n = strlen(dir);

	if (w->opt->common.quiet)
		return;
	while (n > 1 && dir[n - 1] == '/')
		n--;
	out_begin(&o, w->opt->common.json ? OUT_JSONL : OUT_TSV, false, cols, 1);
	for (size_t i = NELEM(parts); i-- > 0;) {
		AUTOFREE char *path = xasprintf("%.*s/%s.%s.sql", (int)n, dir, migration,
						parts[i].suffix);

		out_cell(&o, path);
	}
	out_end(&o);
}

static int
make(struct mig_work *w, const char *name, struct err *e)
{
	const char *dir = w->opt->dir;
	AUTOFD fd = open_dir(w, dir, e);
	AUTOFREE char *migration = NULL;
	char number[24];

	if (fd < 0 || next_number(dir, number, e))
		return -1;
	migration = xasprintf("%s_%s", number, name);
	if (write_parts(fd, migration, e))
		return err_ctx(e, "in %s", dir);
	print_paths(w, dir, migration);
	return 0;
}

int
mig_new(struct mig_work *w, char **operands)
{
	const char *name = operands[0];
	struct err e = ERR_INIT;

	if (!w->opt->dir)
		cmd_usage(w->cmd, "new: in which directory? say --dir DIR");
	if (!mig_name_ok(name) || strlen(name) > NAME_MAX_BYTES) {
		AUTOSTR safe = STR(300);

		str_put_safe(&safe, name, strlen(name));
		cmd_usage(w->cmd, "\"%s\" cannot be a migration's name: that is letters, digits, "
			  "_ and -, at most %d", safe.buf, NAME_MAX_BYTES);
	}
	return make(w, name, &e) ? cmd_fail(w->cmd, &e) : 0;
}
