/*
 * proxy.c - a network between workers and a server, for breaking it
 *
 *	proxy SOCKET	listens on a port of 127.0.0.1, which it prints, and passes
 *			each connection on to that Unix socket
 *
 *	SIGUSR1		what is connected is half open from now on: nothing is passed
 *			on any more, and neither side is told
 *	SIGUSR2		what is connected is reset
 *	SIGSTOP		silence until SIGCONT, also for who connects
 *
 * Connections made after the first two work.  Dies with its parent.
 */
#include "base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_PAIRS = 500, FIXED = 2 };

struct pair {
	int fd[2];		/* of the client and of the server */
	bool cut;
};

static struct pair pairs[MAX_PAIRS];
static size_t npairs;

static void
drop(size_t i)
{
	close(pairs[i].fd[0]);
	close(pairs[i].fd[1]);
	pairs[i] = pairs[--npairs];
}

static int
connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
accept_one(int listener, const char *path)
{
	struct pair p = { .fd = { accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1 } };

	if (p.fd[0] < 0)
		return;
	p.fd[1] = npairs < MAX_PAIRS ? connect_to(path) : -1;
	if (p.fd[1] < 0)
		close(p.fd[0]);
	else
		pairs[npairs++] = p;
}

/* Writing may wait: nobody here sends much that is not read. */
static bool
pass(int from, int to)
{
	char buf[65536];
	ssize_t n = recv(from, buf, sizeof buf, 0);

	return n > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void
on_signal(int sigfd)
{
	struct signalfd_siginfo si;
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (read(sigfd, &si, sizeof si) != (ssize_t)sizeof si)
		return;
	for (size_t i = npairs; i-- > 0;) {
		if (si.ssi_signo == SIGUSR1) {
			pairs[i].cut = true;
		} else if (!pairs[i].cut) {
			setsockopt(pairs[i].fd[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
			drop(i);
		}
	}
}

static void
turn(int listener, int sigfd, const char *path)
{
	struct pollfd p[FIXED + 2 * MAX_PAIRS];
	size_t n = npairs;

	p[0] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 2; k++)
			p[FIXED + 2 * i + k] = (struct pollfd){
				.fd = pairs[i].cut ? -1 : pairs[i].fd[k], .events = POLLIN };
	if (poll(p, FIXED + 2 * n, -1) < 0)
		return;
	for (size_t i = n; i-- > 0;) {		/* from the last: drop() moves that one */
		bool ok = true;

		for (size_t k = 0; k < 2 && ok; k++)
			if (p[FIXED + 2 * i + k].revents)
				ok = pass(pairs[i].fd[k], pairs[i].fd[1 - k]);
		if (!ok)
			drop(i);
	}
	if (p[0].revents)
		on_signal(sigfd);
	if (p[1].revents)
		accept_one(listener, path);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), sigfd;
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	if (argc != 2 || sigfd < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) ||
	    listen(listener, SOMAXCONN) || getsockname(listener, (struct sockaddr *)&a, &len)) {
		perror("proxy");
		return 71;
	}
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;)
		turn(listener, sigfd, argv[1]);
}
