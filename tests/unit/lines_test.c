/*
 * lines_test - records, whatever their number and size, and the way back
 */
#include "lines.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "str.h"
#include "tap.h"

/* A file, or a pipe filled by a child, with this content. */
static int
source(bool pipe_, const char *p, size_t n)
{
	char path[] = "/tmp/lines_test.XXXXXX";
	int fds[2], fd;

	if (!pipe_) {
		fd = mkstemp(path);
		unlink(path);
		if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET))
			tap_bail("cannot write a file");
		return fd;
	}
	if (pipe(fds))
		tap_bail("pipe");
	if (fork() == 0) {
		close(fds[0]);
		while (n) {
			ssize_t put = write(fds[1], p, n > 1000 ? 1000 : n);

			if (put < 0)
				break;
			p += put;
			n -= (size_t)put;
		}
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

static void
reads(bool pipe_, const char *text, size_t n, char delimiter, const char *want)
{
	int fd = source(pipe_, text, n);
	struct err e = ERR_INIT;
	AUTOSTR got = STR(STR_ANY);
	struct lines l;
	const char *p;
	size_t len;
	int rc;

	lines_init(&l, fd, delimiter);
	while ((rc = lines_next(&l, &p, &len, &e)) > 0) {
		str_putf(&got, "%d<", (int)l.number);
		str_add(&got, p, len);
		str_puts(&got, ">");
	}
	is_int(rc, 0, "to the end");
	is_str(got.buf, want, "records");
	lines_free(&l);
	close(fd);
}

static void
records(void)
{
	for (int p = 0; p < 2; p++) {
		reads(p, "", 0, '\n', "");
		reads(p, "a", 1, '\n', "1<a>");
		reads(p, "\n", 1, '\n', "1<>");
		reads(p, "a\n\nb\n", 5, '\n', "1<a>2<>3<b>");
		reads(p, "a\nb\0c\n\0", 7, '\0', "1<a\nb>2<c\n>");
	}
}

/* n records of the given length, their number in front. */
static void
many(struct str *s, int n, int length)
{
	for (int i = 0; i < n; i++)
		str_putf(s, "%0*d\n", length, i);
}

static int
read_some(struct lines *l, int n, struct err *e)
{
	const char *p;
	size_t len;
	int rc = 1;

	while (n-- && rc > 0)
		rc = lines_next(l, &p, &len, e);
	return rc > 0 ? (int)strtol(p, NULL, 10) : rc - 1;
}

static void
way_back(bool pipe_)
{
	AUTOSTR s = STR(STR_ANY);
	struct err e = ERR_INIT;
	struct lines l;
	int fd;

	many(&s, 3000, 1000);
	fd = source(pipe_, s.buf, s.len);
	lines_init(&l, fd, '\n');
	is_int(read_some(&l, 10, &e), 9, "ten");
	lines_mark(&l);
	is_int(read_some(&l, 2000, &e), 2009, "2 MB on");
	ok(lines_rewind(&l), "back");
	is_int(l.number, 10, "the number too");
	is_int(read_some(&l, 1, &e), 10, "where it was marked");
	is_int(read_some(&l, 2989, &e), 2999, "to the last");
	is_int(read_some(&l, 1, &e), -1, "and the end");
	ok(lines_rewind(&l), "back from the end");
	is_int(read_some(&l, 1, &e), 10, "where it was marked, again");
	lines_mark(&l);
	is_int(read_some(&l, 1, &e), 11, "a new mark");
	ok(lines_rewind(&l), "back to it");
	is_int(read_some(&l, 1, &e), 11, "once more");
	lines_free(&l);
	close(fd);
	while (wait(NULL) > 0)
		;
}

static void
far_back(bool pipe_)
{
	AUTOSTR s = STR(STR_ANY);
	struct err e = ERR_INIT;
	struct lines l;
	int fd;

	many(&s, 30, 1000000);
	fd = source(pipe_, s.buf, s.len);
	lines_init(&l, fd, '\n');
	is_int(read_some(&l, 1, &e), 0, "the first");
	lines_mark(&l);
	is_int(read_some(&l, 28, &e), 28, "28 MB on");
	if (pipe_) {
		ok(!lines_rewind(&l), "a pipe has no way back that long");
		ok(l.cap <= 32 << 20, "nor has it the memory");
		is_int(read_some(&l, 1, &e), 29, "but goes on");
		lines_mark(&l);
		ok(lines_rewind(&l), "a new mark is good");
	} else {
		ok(lines_rewind(&l), "a file goes back any way");
		is_int(read_some(&l, 1, &e), 1, "where it was marked");
	}
	lines_free(&l);
	close(fd);
	while (wait(NULL) > 0)
		;
}

static void
too_long(void)
{
	AUTOSTR s = STR(STR_ANY);
	struct err e = ERR_INIT;
	struct lines l;
	int fd;

	many(&s, 1, LINES_MAX);
	many(&s, 1, LINES_MAX + 1);
	for (int p = 0; p < 2; p++) {
		fd = source(p, s.buf, s.len);
		lines_init(&l, fd, '\n');
		is_int(read_some(&l, 1, &e), 0, "as long as allowed");
		is_int(read_some(&l, 1, &e), -2, "one byte too long");
		is_str(e.msg, "longer than 4 MiB", "and why");
		is_int(l.number, 2, "and where");
		lines_free(&l);
		close(fd);
		while (wait(NULL) > 0)
			;
	}
}

static void
unreadable(void)
{
	struct err e = ERR_INIT;
	struct lines l;
	int fd = open("/", O_RDONLY);

	lines_init(&l, fd, '\n');
	is_int(read_some(&l, 1, &e), -2, "a directory");
	is_int(e.kind, ERR_IO, "is an error of input");
	lines_free(&l);
	close(fd);
	lines_init(&l, -1, '\n');
	is_int(read_some(&l, 1, &e), -2, "a closed descriptor, too");
	lines_free(&l);
}

/* From the middle of a file that somebody has begun to read. */
static void
middle(void)
{
	int fd = source(false, "a\nb\nc\n", 6);
	struct err e = ERR_INIT;
	struct lines l;
	const char *p = "";
	size_t n = 0;

	lseek(fd, 2, SEEK_SET);
	lines_init(&l, fd, '\n');
	is_int(lines_next(&l, &p, &n, &e), 1, "a record");
	ok(n == 1 && *p == 'b', "where the descriptor stands");
	ok(lines_rewind(&l), "and back");
	is_int(lines_next(&l, &p, &n, &e), 1, "again");
	ok(n == 1 && *p == 'b', "the same");
	lines_free(&l);
	close(fd);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);	/* children have nothing of it to print */
	records();
	way_back(false);
	way_back(true);
	far_back(false);
	far_back(true);
	too_long();
	unreadable();
	middle();
	return tap_done();
}
