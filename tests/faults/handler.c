/*
 * handler.c - a job of the fault suite: keeps a ledger that the queue knows nothing of
 *
 *	handler MS HOW		or, without arguments, {"ms":MS,"how":"HOW"} on stdin
 *
 * Works for MS milliseconds and appends to $FAULTS_LEDGER, each line by one write,
 * with the microseconds of a clock that nobody shifts:
 *
 *	start TIME TOKEN ID PID ATTEMPT
 *	tick TIME TOKEN ID		every TICK_MS
 *	end TIME TOKEN ID CODE		then it exits with CODE
 *
 * HOW: ok; again (the first attempt fails); fail; bad (exit 65); busy (exit 75, by
 * the token every other time); away (ok, and a process in a session of its own is
 * left that would live much longer than the suite).
 */
#include "base.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 50, AWAY_S = 3600, NS_PER_MS = 1000000 };

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

static void PRINTF(2, 3)
note(const char *what, const char *format, ...)
{
	char rest[64], line[256];
	struct timespec now;
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(rest, sizeof rest, format, ap);
	va_end(ap);
	clock_gettime(CLOCK_MONOTONIC, &now);
	n = snprintf(line, sizeof line, "%s %" PRId64 " %s %s%s\n", what,
		     (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, variable("JOBCTL_TOKEN"),
		     variable("JOBCTL_JOB_ID"), rest);
	if (write(ledger, line, (size_t)n) != n)
		exit(74);
}

static int
code(const char *how)
{
	if (!strcmp(how, "again"))
		return !strcmp(variable("JOBCTL_ATTEMPT"), "1");
	if (!strcmp(how, "fail"))
		return 1;
	if (!strcmp(how, "bad"))
		return 65;
	if (!strcmp(how, "busy"))
		return variable("JOBCTL_TOKEN")[0] < '8' ? 75 : 0;
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

int
main(int argc, char **argv)
{
	json_t *args = argc == 3 ? json_pack("{sIss}", "ms", (json_int_t)strtol(argv[1], NULL, 10),
					     "how", argv[2])
				 : json_loadf(stdin, 0, NULL);
	const char *how = json_string_value(json_object_get(args, "how"));
	int64_t ms = json_integer_value(json_object_get(args, "ms"));
	int status;

	ledger = open(variable("FAULTS_LEDGER"), O_WRONLY | O_APPEND | O_CLOEXEC);
	if (ledger < 0 || !how)
		return 74;
	note("start", " %d %s", (int)getpid(), variable("JOBCTL_ATTEMPT"));
	if (!strcmp(how, "away"))
		leave_one_behind();
	for (; ms > 0; ms -= TICK_MS) {
		const long part = (ms < TICK_MS ? ms : TICK_MS) * NS_PER_MS;

		nanosleep(&(struct timespec){ .tv_nsec = part }, NULL);
		note("tick", "%s", "");
	}
	status = code(how);
	json_decref(args);
	note("end", " %d", status);
	return status;
}
