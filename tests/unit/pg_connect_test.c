/*
 * pg_connect_test - hosts that are silent, and what a connection is told of its peer
 *
 * A hole is a socket that takes connections and never answers.  The name servers
 * are ours: getaddrinfo() below.
 */
#include "pg.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "str.h"
#include "tap.h"

static int hole;		/* its port on 127.0.0.1 */

static int
real_lookup(const char *name, const char *service, const struct addrinfo *hints,
	    struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, hints, res);
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	    struct addrinfo **res)
{
	if (!strcmp(name, "silent.test"))
		for (;;)
			pause();
	if (!strcmp(name, "none.test"))
		return EAI_NONAME;
	if (!strcmp(name, "two.test")) {
		int rc = real_lookup("127.0.0.2", service, hints, res);

		return rc ? rc : real_lookup("127.0.0.1", service, hints, &(*res)->ai_next);
	}
	return real_lookup(name, service, hints, res);
}

static void
dig(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 10) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		tap_bail("no socket");
	hole = ntohs(a.sin_port);
}

static int
option(int fd, int level, int name)
{
	socklen_t n = sizeof(int);
	int v = -1;

	(void)getsockopt(fd, level, name, &v, &n);
	return v;
}

static void
keepalives(const char *more, int idle, int user_timeout)
{
	AUTOFREE char *dsn = xasprintf("host=127.0.0.1 port=%d %s", hole, more);
	struct err e = ERR_INIT;
	struct pg_connector *c = pg_connector_new("test", getpid(), dsn, NEVER, &e);
	int64_t deadline;
	short events;
	int fd;

	if (!c)
		tap_bail(e.msg);
	fd = pg_connector_fd(c, &events, &deadline);
	is_int(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1, "keepalives: \"%s\"", more);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle, "idle: \"%s\"", more);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10, "interval: \"%s\"", more);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3, "count: \"%s\"", more);
	is_int(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), user_timeout, "user timeout: \"%s\"", more);
	pg_connector_free(c);
}

/* Connect as the worker does; how long it took. */
static int64_t
walk(const char *dsn, int64_t host_ms, struct pg *db, struct err *e)
{
	int64_t from = now_ms();
	struct pg_connector *c = pg_connector_new("test", getpid(), dsn, host_ms, e);
	int rc = c ? 0 : -1;

	while (!rc) {
		struct pollfd p = { .revents = 0 };
		int64_t deadline;
		int n = 0;

		p.fd = pg_connector_fd(c, &p.events, &deadline);
		if (p.fd >= 0)
			n = poll(&p, 1, poll_timeout(deadline));
		rc = pg_connector_step(c, n > 0, db, e);
	}
	pg_connector_free(c);
	return now_ms() - from;
}

/* The same, until a server answers in the time of one host, which may be too short for a busy one. */
static int64_t
walk_to_server(const char *dsn, int64_t host_ms, struct pg *db, struct err *e)
{
	int64_t deadline = deadline_in(30000), took;

	do
		took = walk(dsn, host_ms, db, e);
	while (!db->conn && now_ms() < deadline);
	return took;
}

static void
a_silent_host(void)
{
	AUTOFREE char *both = xasprintf("host=127.0.0.1,%s port=%d,%s", getenv("PGHOST"), hole,
					getenv("PGPORT"));
	AUTOFREE char *longer = xasprintf("%s connect_timeout=60", both);
	AUTOFREE char *only = xasprintf("host=127.0.0.1 port=%d connect_timeout=1", hole);
	AUTOFREE char *file = xasprintf("/tmp/pg_connect_test.%d", (int)getpid());
	struct pg db = PG_INIT;
	struct err e = ERR_INIT;
	FILE *f = fopen(file, "we");
	int64_t took = walk_to_server(longer, 200, &db, &e);

	ok(db.conn && took >= 200 && took < 20000, "costs no more than its own deadline: %d ms", (int)took);
	pg_close(&db);

	took = walk(only, 200, &db, &e);
	ok(!db.conn && took >= 1000, "the only host gets the time it was given");
	ok(strstr(e.msg, "timeout expired") != NULL, "and that is said: %s", e.msg);

	if (!f)
		tap_bail("no file");
	fprintf(f, "[holes]\nhost=127.0.0.1,%s\nport=%d,%s\nconnect_timeout=1\n", getenv("PGHOST"),
		hole, getenv("PGPORT"));
	fclose(f);
	setenv("PGSERVICEFILE", file, 1);
	took = walk_to_server("service=holes", NEVER, &db, &e);
	ok(db.conn && took >= 1000, "a service's host list is walked, too");
	pg_close(&db);
	ok(!getenv("PGSERVICE"), "the environment is as it was");
	(void)walk("service=none", NEVER, &db, &e);
	ok(strstr(e.msg, "definition of service \"none\" not found") != NULL, "no such service: %s", e.msg);
	unlink(file);
}

static void
names(void)
{
	AUTOFREE char *silent = xasprintf("host=silent.test,%s port=%d,%s", getenv("PGHOST"), hole,
					  getenv("PGPORT"));
	const char *given = getenv("PGHOST"), *server = given ? given : "";
	AUTOFREE char *none = xasprintf("host=none.test,%s port=%d,%s", server, hole,
					getenv("PGPORT"));
	AUTOFREE char *two = xasprintf("host=two.test port=%d", hole);
	struct pg db = PG_INIT;
	struct err e = ERR_INIT;
	int64_t took = walk_to_server(silent, 200, &db, &e), from;

	ok(db.conn && took >= 200, "silent name servers cost their host's time");
	pg_close(&db);
	(void)walk_to_server(none, 200, &db, &e);
	ok(db.conn, "a name that is not there is no reason to stop");
	ok(db.conn && !strcmp(PQhost(db.conn), server), "the next host has its own address");
	pg_close(&db);
	(void)walk("host=none.test", 200, &db, &e);
	ok(strstr(e.msg, "\"host=none.test ") && strstr(e.msg, "could not translate host name"),
	   "what could not be found is said: %s", e.msg);
	/* nobody listens at the first of its addresses */
	from = now_ms();
	took = walk(two, 200, &db, &e);
	ok(!db.conn && took >= 200 && now_ms() - from < 20000, "all addresses of a name are tried");
	ok(strstr(e.msg, "\"host=two.test ") && strstr(e.msg, "timeout expired"), "the last one: %s", e.msg);
}

int
main(void)
{
	dig();
	keepalives("", 30, 30000);
	keepalives("keepalives_idle=7 tcp_user_timeout=5000", 7, 5000);
	a_silent_host();
	names();
	return tap_done();
}
