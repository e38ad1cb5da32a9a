/*
 * lose.c - a connection that breaks at a chosen message, for LD_PRELOAD
 *
 *	LOSE=before:TEXT	what holds TEXT is not sent
 *	LOSE=after:TEXT		it is sent and answered, and the answer is lost
 *
 * Once per process: the next connection works.  TEXT is as the wire has it.
 */
#include "base.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool done;
static int losing = -1;		/* the descriptor whose answer is to be lost */

static const char *
wanted(const char *when)
{
	const char *z = getenv("LOSE");
	size_t n = strlen(when);

	return !done && z && !strncmp(z, when, n) && z[n] == ':' ? z + n + 1 : NULL;
}

ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int);
	const char *before = wanted("before"), *after = wanted("after");

	*(void **)&real = dlsym(RTLD_NEXT, "send");
	if (before && memmem(buf, n, before, strlen(before))) {
		done = true;
		shutdown(fd, SHUT_RDWR);
		errno = EPIPE;
		return -1;
	}
	if (after && memmem(buf, n, after, strlen(after))) {
		done = true;
		losing = fd;
	}
	return real(fd, buf, n, flags);
}

/* ReadyForQuery, the last of an answer, has come once the server has nothing to add. */
ssize_t
recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t (*real)(int, void *, size_t, int);
	static const char ready[] = { 'Z', 0, 0, 0, 5 };

	*(void **)&real = dlsym(RTLD_NEXT, "recv");
	while (fd == losing) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char answer[65536];
		ssize_t got;

		(void)poll(&p, 1, 10000);
		got = real(fd, answer, sizeof answer, 0);
		if (got > 0 && !memmem(answer, (size_t)got, ready, sizeof ready))
			continue;
		losing = -1;
		shutdown(fd, SHUT_RDWR);
		errno = ECONNRESET;
		return -1;
	}
	return real(fd, buf, n, flags);
}
