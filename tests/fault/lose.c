/*
 * lose.c - a connection that breaks at a chosen call, for LD_PRELOAD
 *
 *	LOSE=before:TEXT	what holds TEXT is not sent
 *	LOSE=after:TEXT		it is sent and answered, and the answer is lost
 *	LOSE=hold:TEXT		not sent, nor what follows, and nobody is told
 *	LOSE=before:#N		the N-th call is not sent
 *	LOSE=after:#N		it is sent and answered, and the answer is lost
 *
 * Once per process: the next connection works.  TEXT is as the wire has it.  Calls
 * are counted over the process, also those that travel together: what is in front
 * of the N-th reaches the server, what is behind it does not.  LOSE_FIRED names a
 * file that is made when it happens.  With TLS it is the same, between libpq and
 * OpenSSL.  With LOSE_KILL in the environment the process is killed instead, and if
 * that is "sent", after: does not wait for the answer.
 */
#include "base.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where a stream of messages stands: in a header, or so far from the end of a body. */
struct stream {
	unsigned char head[5];
	size_t have, left;
};

static struct stream in;
static struct sent {
	struct stream out;
	long calls;		/* over the process */
	long owed;		/* answers that this connection still owes */
} sent;
static int losing = -1;		/* the descriptor whose answer is to be lost */
static int tls_fd = -1;		/* the descriptor that TLS uses, one at a time */
static int held = -1;		/* the descriptor that seems to send */
static bool done;

static const char *
wanted(const char *when)
{
	const char *z = getenv("LOSE");
	size_t n = strlen(when);

	return !done && z && !strncmp(z, when, n) && z[n] == ':' ? z + n + 1 : NULL;
}

static void
fire(void)
{
	const char *z = getenv("LOSE_FIRED");

	done = true;
	if (z)
		close(open(z, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

static void
die_if_asked(const char *how)
{
	const char *z = getenv("LOSE_KILL");

	if (z && (!how || !strcmp(z, how)))
		raise(SIGKILL);
}

/* One byte further: the type of the message that it ends, or 0. */
static int
step(struct stream *s, unsigned char c)
{
	size_t header;

	if (s->left) {
		s->left--;
	} else {
		s->head[s->have++] = c;
		header = s->head[0] ? 5 : 4;	/* the first message has no type */
		if (s->have < header)
			return 0;
		for (size_t i = header - 4; i < header; i++)
			s->left = s->left << 8 | s->head[i];
		s->left -= 4;
	}
	if (s->left)
		return 0;
	s->have = 0;
	return s->head[0];
}

/* How much of what is to be sent goes out: all of it, unless the N-th call is in it. */
static size_t
let_through(struct sent *s, const unsigned char *p, size_t n, long before, long after)
{
	for (size_t i = 0; i < n; i++) {
		bool begins = !s->out.have && !s->out.left;
		int type;

		if (begins && !p[i]) {		/* a new connection */
			in = (struct stream){ .have = 0 };
			s->owed = 1;
		} else if (begins && s->calls == before - 1 && p[i] != 'X') {
			return i;
		}
		type = step(&s->out, p[i]);
		if (!type || !strchr("QSc", type))
			continue;
		s->calls++;
		s->owed++;
		if (s->calls == after)
			return i + 1;
	}
	return n;
}

/* ReadyForQuery ends the answer to a call, CopyInResponse that to COPY. */
static void
note_answers(const unsigned char *p, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++) {
		int type = step(&in, p[i]);

		if (type && strchr("ZG", type))
			sent.owed--;
	}
}

static long
number(const char *z)
{
	return z && *z == '#' ? strtol(z + 1, NULL, 10) : 0;
}

static bool
has(const char *text, const void *buf, size_t n)
{
	return text && *text != '#' && memmem(buf, n, text, strlen(text));
}

/* How a connection really sends and receives: the socket, or TLS upon it. */
struct way {
	int fd;
	SSL *tls;
	int flags;
};

static ssize_t
put(const struct way *w, const void *buf, size_t n)
{
	ssize_t (*plain)(int, const void *, size_t, int);
	int (*over_tls)(SSL *, const void *, int);

	*(void **)&plain = dlsym(RTLD_NEXT, "send");
	*(void **)&over_tls = dlsym(RTLD_NEXT, "SSL_write");
	return w->tls ? over_tls(w->tls, buf, (int)n) : plain(w->fd, buf, n, w->flags);
}

static ssize_t
get(const struct way *w, void *buf, size_t n)
{
	ssize_t (*plain)(int, void *, size_t, int);
	int (*over_tls)(SSL *, void *, int);

	*(void **)&plain = dlsym(RTLD_NEXT, "recv");
	*(void **)&over_tls = dlsym(RTLD_NEXT, "SSL_read");
	return w->tls ? over_tls(w->tls, buf, (int)n) : plain(w->fd, buf, n, w->flags);
}

static ssize_t
send_by(const struct way *w, const void *buf, size_t n)
{
	const char *before = wanted("before"), *after = wanted("after"), *hold = wanted("hold");
	struct sent next = sent;
	ssize_t got = 0;
	size_t part;

	if (w->fd == losing || w->fd == held)	/* whatever comes now is lost as well */
		return (ssize_t)n;
	if (has(hold, buf, n)) {
		part = (size_t)((const char *)memmem(buf, n, hold, strlen(hold)) - (const char *)buf);
		held = w->fd;
		got = put(w, buf, part);
		fire();
		return got < 0 ? -1 : (ssize_t)n;
	}
	part = has(before, buf, n) ? 0
	       : let_through(&next, buf, n, number(before), number(after));
	if (part)
		got = put(w, buf, part);
	if (part && got < (ssize_t)part) {	/* the rest will be tried again */
		(void)let_through(&sent, buf, got > 0 ? (size_t)got : 0, 0, 0);
		return got;
	}
	sent = next;
	if (has(after, buf, n) || (number(after) && sent.calls == number(after))) {
		fire();
		die_if_asked("sent");
		losing = w->fd;
	}
	if (part == n || losing == w->fd)
		return (ssize_t)n;
	fire();
	die_if_asked(NULL);
	shutdown(w->fd, SHUT_RDWR);
	errno = EPIPE;
	return -1;
}

static ssize_t
recv_by(const struct way *w, void *buf, size_t n)
{
	ssize_t got;

	while (w->fd == losing) {
		const struct way all = { .fd = w->fd, .tls = w->tls };
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		unsigned char answer[65536];

		errno = 0;
		got = sent.owed > 0 ? get(&all, answer, sizeof answer) : 0;
		if (got > 0)
			note_answers(answer, got);
		if (got > 0 || (got < 0 && errno == EAGAIN && poll(&p, 1, 10000) > 0))
			continue;
		losing = -1;
		die_if_asked(NULL);
		shutdown(w->fd, SHUT_RDWR);
		errno = ECONNRESET;
		return -1;
	}
	got = get(w, buf, n);
	if (!(w->flags & MSG_PEEK))
		note_answers(buf, got);
	return got;
}

/* A descriptor that was held, or had TLS, may be another connection's now. */
int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
	int (*real)(int, const struct sockaddr *, socklen_t);

	*(void **)&real = dlsym(RTLD_NEXT, "connect");
	if (fd == held)
		held = -1;
	if (fd == tls_fd)
		tls_fd = -1;
	return real(fd, to, n);
}

ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
	static const unsigned char ask_for_tls[] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	const struct way w = { .fd = fd, .flags = flags };

	if (n == sizeof ask_for_tls && !memcmp(buf, ask_for_tls, n))
		tls_fd = fd;
	return fd == tls_fd ? put(&w, buf, n) : send_by(&w, buf, n);
}

ssize_t
recv(int fd, void *buf, size_t n, int flags)
{
	const struct way w = { .fd = fd, .flags = flags };
	ssize_t got;

	if (fd != tls_fd)
		return recv_by(&w, buf, n);
	got = get(&w, buf, n);
	if (got == 1 && *(char *)buf == 'N')	/* there is no TLS here */
		tls_fd = -1;
	return got;
}

int
SSL_write(SSL *tls, const void *buf, int n)
{
	return (int)send_by(&(const struct way){ .fd = tls_fd, .tls = tls }, buf, (size_t)n);
}

int
SSL_read(SSL *tls, void *buf, int n)
{
	return (int)recv_by(&(const struct way){ .fd = tls_fd, .tls = tls }, buf, (size_t)n);
}
