/*
 * jobctl - run a program of the toolkit by its short name
 *
 * "jobctl VERB ARG..." becomes jobctl-VERB, from the directory this program is
 * in, else from PATH; abbreviations are suggested, never run.  Nothing of the
 * process is changed on the way, so that the program cannot tell who called it.
 */
#include "base.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "sibling.h"
#include "str.h"

struct command {
	const char *name, *group, *brief;
};

static const struct command commands[] = {
#define COMMAND(name, group, brief) { name, group, brief },
#include "gen/commands.def"
#undef COMMAND
};

static const struct verb verbs[] = {
	{ "help", "[VERB]", "open the manual of a program" },
#define COMMAND(name, group, brief) { name, "", brief },
#include "gen/commands.def"
#undef COMMAND
	{ NULL, NULL, NULL }
};

struct config {
	struct common common;
};

static const struct cmd cmd = {
	.name = "jobctl",
	.brief = "background jobs in the PostgreSQL you already run",
	.synopsis = (const char *const[]){ "VERB [ARG...]", "help [VERB]", NULL },
	.verbs = verbs,
	.min_operands = 1,
	.max_operands = -1,
	.stop_at_operand = true,
};

static void
list_programs(FILE *to)
{
	const char *group = "";

	fprintf(to, "%s - %s\n\n", cmd.name, cmd.brief);
	fputs("Usage: jobctl VERB [ARG...]    run jobctl-VERB\n"
	      "       jobctl help VERB        open its manual\n", to);
	for (size_t i = 0; i < NELEM(commands); i++) {
		if (strcmp(group, commands[i].group) != 0)
			fprintf(to, "\n%s\n", commands[i].group);
		group = commands[i].group;
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].brief);
	}
	fputs("\nFrom nothing to a first job: jobctl db start, jobctl migrate up\n", to);
}

struct nearest {
	const char *verb;
	char name[40];
	int distance;
};

static void
consider(struct nearest *near, const char *name)
{
	size_t n = strlen(near->verb);
	int d = cmd_distance(near->verb, name);

	if (n > 1 && d > 1 && !strncmp(near->verb, name, n))	/* an abbreviation */
		d = 1;
	if (d >= near->distance || 2 * (size_t)d > strlen(name) || strlen(name) >= sizeof near->name)
		return;
	near->distance = d;
	strcpy(near->name, name);
}

static void
consider_dir(struct nearest *near, const char *dir)
{
	DIR *d = dir[0] == '/' ? opendir(dir) : NULL;
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (!strncmp(de->d_name, "jobctl-", 7) && de->d_name[7])
			consider(near, de->d_name + 7);
	if (d)
		closedir(d);
}

static NORETURN void
unknown(const char *verb)
{
	struct nearest near = { .verb = verb, .distance = 3 };
	const char *path = getenv("PATH");
	AUTOSTR safe = STR(200), guess = STR(200);

	for (size_t i = 0; verbs[i].name; i++)
		consider(&near, verbs[i].name);
	consider_dir(&near, sibling_dir());
	for (const char *p = path; p && *p; p += strspn(p, ":")) {
		AUTOFREE char *dir = xstrndup(p, strcspn(p, ":"));

		consider_dir(&near, dir);
		p += strlen(dir);
	}
	str_put_safe(&safe, verb, strlen(verb));
	str_put_safe(&guess, near.name, strlen(near.name));
	if (near.name[0])
		cmd_usage(&cmd, "no such command \"%s\"; did you mean \"%s\"?", safe.buf, guess.buf);
	cmd_usage(&cmd, "no such command \"%s\"", safe.buf);
}

/* Returns only if there is no such program; one that cannot be run is an error here. */
static void
run(char *program, char **args)
{
	AUTOFREE char *path = sibling_path(program);
	struct err e = ERR_INIT;

	args[0] = program;
	execvp(path, args);
	if (errno == ENOENT || errno == ENOTDIR)
		return;
	err_sys_(&e, errno == EACCES ? ERR_NOPERM : ERR_OS, "cannot run \"%s\"", program);
	exit(cmd_fail(&cmd, &e));
}

static char *
program_name(const char *verb)
{
	static char name[NAME_MAX + 1];

	if (!*verb)
		cmd_usage(&cmd, "the command's name is empty");
	if (strchr(verb, '/') || verb[0] == '-' ||
	    snprintf(name, sizeof name, "jobctl-%s", verb) >= (int)sizeof name)
		unknown(verb);
	return name;
}

/* Whether man(1) has a page; it says nothing meanwhile. */
static bool
man_has(char *page)
{
	extern char **environ;
	char *argv[] = { (char[]){ "man" }, (char[]){ "-w" }, page, NULL };
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status = -1, rc;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 1, 0);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", 1, 0);
	rc = posix_spawnp(&pid, "man", &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	while (!rc && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !rc && status == 0;
}

static NORETURN void
help(const char *verb)
{
	bool self = !strcmp(verb, "help") || !strcmp(verb, "jobctl");
	char *program = self ? (char[]){ "jobctl" } : program_name(verb);
	char built[PATH_MAX + NAME_MAX + 20];

	snprintf(built, sizeof built, "%s/../man/%s.1", sibling_dir(), program);
	if (access(built, R_OK) == 0)		/* not installed: the page beside the programs */
		execlp("man", "man", "-l", built, (char *)NULL);
	else if (man_has(program))
		execlp("man", "man", program, (char *)NULL);
	if (self) {
		list_programs(stdout);
		exit(cmd_done(&cmd, 0));
	}
	run(program, (char *[]){ NULL, (char[]){ "--help" }, NULL });
	unknown(verb);
}

int
main(int argc, char **argv)
{
	struct config cfg = { .common = { .dbname = NULL } };
	bool asked = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
				  (!strcmp(argv[1], "help") && argc == 2));
	const char *verb;
	char **args;

	if (argc < 2 || asked) {
		list_programs(asked ? stdout : stderr);
		return asked ? cmd_done(&cmd, 0) : ERR_USAGE;
	}
	args = argv[1][0] == '-' ? cmd_parse(&cmd, &cfg, argc, argv, NULL) : argv + 1;
	verb = args[0];
	if (!strcmp(verb, "help")) {
		if (args[1] && args[2])
			cmd_usage(&cmd, "help takes one command");
		help(args[1] ? args[1] : verb);
	}
	run(program_name(verb), args);
	unknown(verb);
}
