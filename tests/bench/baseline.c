/*
 * baseline - what the figures of tests/bench/run are measured against
 *
 *   baseline spawn N WIDTH PROGRAM        start PROGRAM N times, WIDTH at once; nothing is remembered
 *   baseline insert CONNINFO              connect, INSERT one row that is a job, disconnect
 *   baseline latency CONNINFO N SOCKET    submit N jobs, one after the other, each when the last
 *                                         (begin.c) has begun: prints milliseconds from call to begin, one a line
 *   baseline drain CONNINFO QUEUE BATCH SECONDS
 *                                         claim and finish jobs that are nothing, by two statements
 *                                         a batch, until there are none or the time is over: prints
 *                                         jobs, seconds, and the 99th percentile of a claim in ms
 *   baseline memory COMMAND...            run it: the largest resident set of it or of what it
 *                                         started, in kilobytes
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "baseline: %s: %s\n", what, strerror(errno));
	exit(71);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int
spawn(long n, long width, char *program)
{
	char *argv[] = { program, NULL };
	long running = 0;

	while (n > 0 || running > 0) {
		pid_t pid;

		if (n > 0 && running < width) {
			errno = posix_spawn(&pid, program, NULL, NULL, argv, environ);
			if (errno)
				die(program);
			n--;
			running++;
		} else {
			if (wait(NULL) < 0)
				die("wait");
			running--;
		}
	}
	return 0;
}

static PGconn *
database(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK) {
		fprintf(stderr, "baseline: %s", PQerrorMessage(conn));
		exit(69);
	}
	return conn;
}

static void
query(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK) {
		fprintf(stderr, "baseline: %s", PQerrorMessage(conn));
		exit(70);
	}
	PQclear(res);
}

static int
insert(const char *conninfo)
{
	PGconn *conn = database(conninfo);

	query(conn, "INSERT INTO jobctl.jobs (id, queue, kind, args)"
		    " VALUES (jobctl.new_id(), 'baseline', 'k', '{}')");
	PQfinish(conn);
	return 0;
}

static int
datagrams(const char *path, struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (fd < 0 || strlen(path) >= sizeof name->sun_path)
		die("socket");
	strcpy(name->sun_path, path);
	return fd;
}

static int
latency(const char *conninfo, long n, const char *path)
{
	PGconn *conn = database(conninfo);
	struct sockaddr_un name;
	int fd = datagrams(path, &name);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (bind(fd, (struct sockaddr *)&name, sizeof name))
		die(path);
	while (n-- > 0) {
		int64_t from = now_ns(), begun;

		query(conn, "SELECT jobctl.submit('k', '{}', 'latency')");
		if (poll(&p, 1, 30000) != 1 || recv(fd, &begun, sizeof begun, 0) != (ssize_t)sizeof begun)
			die("no job began");
		printf("%.3f\n", (double)(begun - from) / 1e6);
		poll(NULL, 0, 20);	/* idle again */
	}
	unlink(path);
	PQfinish(conn);
	return 0;
}

static PGresult *
call(PGconn *conn, const char *sql, int n, const char *const *args)
{
	PGresult *res = PQexecParams(conn, sql, n, NULL, args, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		fprintf(stderr, "baseline: %s", PQerrorMessage(conn));
		exit(70);
	}
	return res;
}

static char *
array(char *buf, const PGresult *res, int column, const char *constant)
{
	char *p = buf;

	*p++ = '{';
	for (int i = 0; i < PQntuples(res); i++)
		p += sprintf(p, "%s%s", i ? "," : "", constant ? constant : PQgetvalue(res, i, column));
	strcpy(p, "}");
	return buf;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
drain(const char *conninfo, const char *queue, const char *batch, double seconds)
{
	enum { BATCH_MAX = 10000, CLAIMS_MAX = 1000000 };
	static char ids[BATCH_MAX * 40], tokens[BATCH_MAX * 40], oks[BATCH_MAX * 3], nulls[BATCH_MAX * 5];
	static double ms[CLAIMS_MAX];
	PGconn *conn = database(conninfo);
	const char *who[] = { queue };
	PGresult *me = call(conn, "WITH w AS (SELECT gen_random_uuid() AS id) SELECT id, jobctl.register_worker("
				  "id, 'bench', 'b', pg_backend_pid(), 1, 'v', ARRAY[$1], NULL, 100, '1 hour') FROM w", 1, who);
	const char *worker = PQgetvalue(me, 0, 0);
	int64_t from = now_ns(), until = from + (int64_t)(seconds * 1e9), t;
	long jobs = 0, claims = 0;

	while ((t = now_ns()) < until) {
		const char *c[] = { worker, queue, batch };
		PGresult *got = call(conn, "SELECT id, t FROM (SELECT gen_random_uuid() AS t) k,"
					   " jobctl.claim(k.t, $1, ARRAY[$2], $3::int)", 3, c);
		int n = PQntuples(got);

		if (claims < CLAIMS_MAX)
			ms[claims++] = (double)(now_ns() - t) / 1e6;
		while (PQntuples(got) > 0) {	/* all of them, then what was busy */
			const char *f[] = { worker, array(ids, got, 0, NULL), array(tokens, got, 1, NULL),
					    array(oks, got, 0, "ok"), array(nulls, got, 0, "NULL"),
					    nulls, nulls, nulls, nulls, nulls };

			PQclear(got);
			got = call(conn, "SELECT id, token FROM jobctl.finish($1, $2::uuid[], $3::uuid[], $4::text[],"
					 " $5::int[], $6::int[], $7::text[], $8::jsonb[], $9::float8[], $10::bigint[])"
					 " WHERE verdict = 'busy'", 10, f);
		}
		PQclear(got);
		if (n == 0)
			break;
		jobs += n;
	}
	qsort(ms, (size_t)claims, sizeof *ms, by_value);
	printf("%ld %.3f %.3f\n", jobs, (double)(now_ns() - from) / 1e9, ms[claims * 99 / 100]);
	PQclear(me);
	PQfinish(conn);
	return 0;
}

static int
memory(char **argv)
{
	struct rusage use;
	int status;
	pid_t pid;

	errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (errno)
		die(argv[0]);
	waitpid(pid, &status, 0);
	getrusage(RUSAGE_CHILDREN, &use);
	fprintf(stderr, "%ld\n", use.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "spawn") && argc == 5)
		return spawn(strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10), argv[4]);
	if (!strcmp(what, "insert") && argc == 3)
		return insert(argv[2]);
	if (!strcmp(what, "latency") && argc == 5)
		return latency(argv[2], strtol(argv[3], NULL, 10), argv[4]);
	if (!strcmp(what, "drain") && argc == 6)
		return drain(argv[2], argv[3], argv[4], strtod(argv[5], NULL));
	if (!strcmp(what, "memory") && argc > 2)
		return memory(argv + 2);
	fputs("usage: baseline spawn|insert|latency|drain|memory ...\n", stderr);
	return 64;
}
