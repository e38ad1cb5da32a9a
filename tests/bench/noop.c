/*
 * noop - a handler for "jobctl-worker --pipe" whose jobs are nothing
 *
 * Answers every job in the order of the lines, all that one read() brought by one
 * write(): it never waits for input while it holds an answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEFORE "{\"id\":\""
#define AFTER "\",\"ok\":true}\n"

enum { PREFIX = sizeof BEFORE - 1, UUID = 36, SUFFIX = sizeof AFTER - 1 };

static int
put(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(STDOUT_FILENO, p, n);

		if (k < 0 && errno != EINTR)
			return -1;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

int
main(void)
{
	static char in[1 << 20], out[sizeof in];	/* no answer is longer than its job */
	size_t have = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, in + have, sizeof in - have);
		char *line = in, *end, *o = out;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 || have > 0;
		have += (size_t)n;
		while ((end = memchr(line, '\n', have - (size_t)(line - in)))) {
			if (end - line < PREFIX + UUID + SUFFIX || memcmp(line, BEFORE, PREFIX) != 0) {
				fprintf(stderr, "noop: not a job: %.*s\n", (int)(end - line), line);
				return 65;
			}
			o = mempcpy(o, line, PREFIX + UUID);
			o = mempcpy(o, AFTER, SUFFIX);
			line = end + 1;
		}
		have -= (size_t)(line - in);
		memmove(in, line, have);
		if (put(out, (size_t)(o - out)))
			return 74;
	}
}
