/*
 * lookup.c - getaddrinfo() in a thread
 *
 * The thread and its maker share the lookup; whoever leaves last frees it.
 */
#include "lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
	char *host;
	int fd;				/* an eventfd */
	atomic_int users;
	int rc;				/* of getaddrinfo() */
	struct addrinfo *list;
	char why[400];
};

bool
lookup_needed(const char *host)
{
	struct in6_addr a;

	return *host && *host != '/' && *host != '@' && !strchr(host, '%') &&
	       inet_pton(AF_INET, host, &a) != 1 && inet_pton(AF_INET6, host, &a) != 1;
}

void
lookup_free(struct lookup *l)
{
	if (!l || atomic_fetch_sub(&l->users, 1) > 1)
		return;
	if (l->list)
		freeaddrinfo(l->list);
	close(l->fd);
	free(l->host);
	free(l);
}

static void *
look_up(void *p)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct lookup *l = p;

	l->rc = getaddrinfo(l->host, NULL, &hints, &l->list);
	(void)!write(l->fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	lookup_free(l);
	return NULL;
}

/* With all signals blocked: they are for who waits, by signalfd perhaps. */
static int
start(struct lookup *l)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, look_up, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		pthread_detach(thread);
	return rc;
}

struct lookup *
lookup_new(const char *host, struct err *e)
{
	struct lookup *l = xcalloc(1, sizeof *l);

	l->host = xstrdup(host);
	l->fd = eventfd(0, EFD_CLOEXEC);
	atomic_init(&l->users, 2);
	if (l->fd >= 0 && !start(l))
		return l;
	(void)err_set(e, ERR_OS, "cannot look up host \"%s\": no room for a thread", host);
	atomic_store(&l->users, 1);
	lookup_free(l);
	return NULL;
}

int
lookup_fd(const struct lookup *l)
{
	return l->fd;
}

size_t
lookup_result(struct lookup *l, char ***addrs, const char **why)
{
	char text[NI_MAXHOST], **v = NULL;
	size_t n = 0;

	for (const struct addrinfo *a = l->list; !l->rc && a; a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0,
				NI_NUMERICHOST))
			continue;
		v = xreallocarray(v, n + 2, sizeof *v);
		v[n++] = xstrdup(text);
		v[n] = NULL;
	}
	if (!n) {
		snprintf(l->why, sizeof l->why, "could not translate host name \"%s\" to address: %s",
			 l->host, gai_strerror(l->rc ? l->rc : EAI_NONAME));
		*why = l->why;
		return 0;
	}
	*addrs = v;
	return n;
}
