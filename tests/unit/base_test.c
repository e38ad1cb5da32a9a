/*
 * base_test - allocation and the clock of a process
 */
#include "base.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

static void
allocation(void)
{
	AUTOFREE char *empty = xmalloc(0), *copy = xstrndup("abcdef", 3);
	AUTOFREE char *all = xstrndup("ab", 99), *text = xasprintf("%d-%s", 7, "x");
	int *zeros = xcalloc(4, sizeof *zeros);

	ok(empty, "nothing can be allocated");
	is_str(copy, "abc", "a prefix is copied and ended");
	is_str(all, "ab", "a prefix longer than the string is the string");
	is_str(text, "7-x", "a formatted string");
	ok(!zeros[0] && !zeros[3], "xcalloc gives zeros");
	free_p(&zeros);
	ok(!zeros, "free_p leaves NULL");
	free_p(&zeros);
}

/* A product that overflows must not become a small allocation. */
static void
overflow(void)
{
	volatile size_t half = SIZE_MAX / 2;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		free(xreallocarray(NULL, half, 3));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status), "too much memory is no crash");
	is_int(WEXITSTATUS(status), EX_OSERR, "it ends the program with EX_OSERR");
}

static void
descriptors(void)
{
	int fd = dup(STDERR_FILENO), old = fd;

	close_p(&fd);
	is_int(fd, -1, "close_p leaves -1");
	is_int(fcntl(old, F_GETFD), -1, "the descriptor is closed");
	close_p(&fd);
	is_int(fd, -1, "closing again does nothing");
}

static void
deadlines(void)
{
	int64_t now = now_ms();
	int left;

	ok(now_ms() >= now, "the clock does not go back");
	ok(deadline_in(1000) >= now + 1000, "a deadline lies ahead");
	ok(deadline_in(NEVER) == NEVER, "never stays never");
	ok(deadline_in(INT64_MAX - 1) == NEVER, "a deadline past the end of time is never");
	ok(earliest(NEVER, 5) == 5 && earliest(4, 5) == 4, "the earlier of two");
	is_int(poll_timeout(NEVER), -1, "poll for ever");
	is_int(poll_timeout(now - 10), 0, "a deadline that passed does not wait");
	now = now_ms();
	left = poll_timeout(now + 5000);
	ok(left <= 5000 && left >= 5000 - (now_ms() - now), "milliseconds left");
	ok(poll_timeout(now + (INT64_C(1) << 40)) <= 60000, "a far deadline is looked at again");
}

int
main(void)
{
	allocation();
	overflow();
	descriptors();
	deadlines();
	return tap_done();
}
