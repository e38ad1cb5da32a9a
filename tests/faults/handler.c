/*
 * handler.c - a job of the fault suite: keeps a ledger that the queue knows nothing of
 *
 *	handler MS HOW		or, without arguments, {"ms":MS,"how":"HOW"} on stdin
 *	handler --pipe		stays, and works on as many jobs at once as it is given
 *
 * Works for MS milliseconds and appends to $FAULTS_LEDGER, each line by one write,
 * with the microseconds of a clock that nobody shifts:
 *
 *	start TIME TOKEN ID PID ATTEMPT
 *	tick TIME TOKEN ID		every TICK_MS
 *	end TIME TOKEN ID CODE		then it exits with CODE, or answers what means the same
 *
 * HOW: ok; again (the first attempt fails); fail; bad (exit 65); busy (exit 75, by
 * the token every other time); away (ok, and a process in a session of its own is
 * left that would live much longer than the suite; not with --pipe).
 */
#include "base.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 50, AWAY_S = 3600, AT_ONCE = 16, LINE = 65536 };

struct job {
	char id[40], token[40], how[8];
	int attempt;
	int64_t left;		/* milliseconds of work */
	int64_t next;		/* when the next part of it is done */
};

static int ledger;

/* A variable that the worker sets. */
static const char *
variable(const char *name)
{
	const char *z = getenv(name);

	if (!z)
		exit(78);
	return z;
}

static int64_t
microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void PRINTF(3, 4)
note(const struct job *j, const char *what, const char *format, ...)
{
	char rest[64], line[256];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(rest, sizeof rest, format, ap);
	va_end(ap);
	n = snprintf(line, sizeof line, "%s %" PRId64 " %s %s%s\n", what, microseconds(), j->token,
		     j->id, rest);
	if (write(ledger, line, (size_t)n) != n)
		exit(74);
}

static int
code(const struct job *j)
{
	if (!strcmp(j->how, "again"))
		return j->attempt == 1;
	if (!strcmp(j->how, "fail"))
		return 1;
	if (!strcmp(j->how, "bad"))
		return 65;
	if (!strcmp(j->how, "busy"))
		return j->token[0] < '8' ? 75 : 0;
	return 0;
}

static void
leave_one_behind(void)
{
	if (fork() != 0)
		return;
	setsid();
	for (int fd = 0; fd < 4; fd++)
		close(fd);
	sleep(AWAY_S);
	_exit(0);
}

static void
copy(char *to, size_t size, const char *z)
{
	if (!z || strlen(z) >= size)
		exit(74);
	strcpy(to, z);
}

static void
read_args(struct job *j, json_t *args)
{
	copy(j->how, sizeof j->how, json_string_value(json_object_get(args, "how")));
	j->left = json_integer_value(json_object_get(args, "ms"));
}

static void
begin(struct job *j)
{
	note(j, "start", " %d %d", (int)getpid(), j->attempt);
	j->next = microseconds() + 1000 * earliest(j->left, TICK_MS);
}

/* What is due of the work; true when all of it is done. */
static bool
go_on(struct job *j)
{
	if (microseconds() < j->next)
		return false;
	j->left -= TICK_MS;
	note(j, "tick", "%s", "");
	j->next = microseconds() + 1000 * earliest(j->left, TICK_MS);
	return j->left <= 0;
}

static void
wait_until(int64_t at, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t us = at - microseconds();

	(void)poll(&p, 1, us > 0 ? (int)(us / 1000 + 1) : 0);
}

static int
one_job(int argc, char **argv)
{
	json_t *args = argc == 3 ? json_pack("{sIss}", "ms", (json_int_t)strtol(argv[1], NULL, 10),
					     "how", argv[2])
				 : json_loadf(stdin, 0, NULL);
	struct job j = { .attempt = (int)strtol(variable("JOBCTL_ATTEMPT"), NULL, 10) };
	int status;

	copy(j.id, sizeof j.id, variable("JOBCTL_JOB_ID"));
	copy(j.token, sizeof j.token, variable("JOBCTL_TOKEN"));
	read_args(&j, args);
	json_decref(args);
	begin(&j);
	if (!strcmp(j.how, "away"))
		leave_one_behind();
	while (!go_on(&j))
		wait_until(j.next, -1);
	status = code(&j);
	note(&j, "end", " %d", status);
	return status;
}

static void
take(struct job *j, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL);

	*j = (struct job){ .attempt = (int)json_integer_value(json_object_get(o, "attempt")) };
	copy(j->id, sizeof j->id, json_string_value(json_object_get(o, "id")));
	copy(j->token, sizeof j->token, json_string_value(json_object_get(o, "token")));
	read_args(j, json_object_get(o, "args"));
	json_decref(o);
	begin(j);
}

static void
answer(const struct job *j)
{
	int status = code(j);
	const char *retry = status == 65 ? "false" : status == 75 ? "\"later\"" : "true";

	note(j, "end", " %d", status);
	printf("{\"id\":\"%s\",\"ok\":%s,\"retry\":%s}\n", j->id, status ? "false" : "true", retry);
	fflush(stdout);
}

static int
many_jobs(void)
{
	static char buf[LINE];
	struct job jobs[AT_ONCE];
	size_t njobs = 0, have = 0;
	ssize_t n = 1;

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	while (n != 0 || njobs) {
		int64_t next = INT64_MAX / 2;
		char *nl;

		for (size_t i = njobs; i-- > 0;) {
			if (go_on(&jobs[i])) {
				answer(&jobs[i]);
				jobs[i] = jobs[--njobs];
			}
		}
		n = read(STDIN_FILENO, buf + have, sizeof buf - have);
		have += n > 0 ? (size_t)n : 0;
		while ((nl = memchr(buf, '\n', have))) {
			if (njobs == AT_ONCE)
				return 74;
			take(&jobs[njobs++], buf, (size_t)(nl - buf));
			have -= (size_t)(nl + 1 - buf);
			memmove(buf, nl + 1, have);
		}
		for (size_t i = 0; i < njobs; i++)
			next = earliest(next, jobs[i].next);
		if (n < 0 || njobs)
			wait_until(earliest(next, microseconds() + 1000000), n ? STDIN_FILENO : -1);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	ledger = open(variable("FAULTS_LEDGER"), O_WRONLY | O_APPEND | O_CLOEXEC);
	if (ledger < 0)
		return 74;
	return argc == 2 && !strcmp(argv[1], "--pipe") ? many_jobs() : one_job(argc, argv);
}
