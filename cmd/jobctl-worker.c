/*
 * jobctl-worker - claim jobs and run a program for each
 *
 * The command line decides what can run; what runs when is lib/worker/.  Says
 * little by itself when it is meant for cron (--drain and its kin): then output
 * means that somebody should look.
 */
#include "base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "jobspec.h"
#include "log.h"
#include "parse.h"
#include "template.h"
#include "worker/worker.h"

#define CFG struct worker_config

enum { HELD_MAX = 2000 };	/* by handlers: what a crash gives back is to be known of each */

static const struct opt opts[] = {
	OPT_ROW_LIST('q', "queue", "QUEUE", CFG, queues, "queue",
		     "take jobs from this queue; a comma list, repeats (default: default)"),
	OPT_ROW_FLAG(0, "all-queues", CFG, all_queues, "take jobs from every queue"),
	OPT_ROW_INT('j', "jobs", "N", CFG, slots, 1, 1000,
		    "run up to N commands at once (default: 1)"),
	OPT_ROW_STR(0, "handlers", "DIR", CFG, handlers, "dir",
		    "run DIR/KIND for a job of kind KIND; take only kinds that DIR has"),
	OPT_ROW_FLAG(0, "exec", CFG, exec,
		     "run the job's own command (kind exec), with a clean environment"),
	OPT_ROW_FLAG(0, "pipe", CFG, pipe,
		     "the command stays: it gets jobs as lines of JSON and answers each"),
	OPT_ROW_INT(0, "window", "N", CFG, window, 1, 1000,
		    "with --pipe, hand a command up to N jobs at once (default: 1)"),
	OPT_ROW_LIST(0, "allow", "PATTERN", CFG, allow, NULL,
		     "with --exec, run only commands whose first word matches; repeats"),
	OPT_ROW_LIST(0, "env", "NAME", CFG, env, NULL,
		     "with --exec, let commands see this variable of the worker's; repeats"),
	OPT_ROW_LIST(0, "kinds", "KIND", CFG, kinds, "kind",
		     "take only jobs of these kinds; a comma list, repeats"),
	OPT_ROW_FLAG(0, "drain", CFG, drain,
		     "stop when nothing is ready, and say nothing: for cron"),
	OPT_ROW_FLAG(0, "once", CFG, once, "run one job, if one is ready, and stop"),
	OPT_ROW_INT(0, "max-jobs", "N", CFG, max_jobs, 1, INT64_C(1000000000),
		    "stop after N jobs"),
	OPT_ROW_MS(0, "max-time", "D", CFG, max_time, 1, MS_MAX,
		   "take no more jobs after D, finish those that run, and stop"),
	OPT_ROW_MS(0, "idle-exit", "D", CFG, idle_exit, 1, MS_MAX,
		   "stop when there has been nothing to do for D"),
	OPT_ROW_MS(0, "poll", "D", CFG, poll_ms, 10, 3600000,
		   "look for jobs every D while idle (default: 2s)"),
	OPT_ROW_MS(0, "lease", "D", CFG, lease_ms, 1000, 3600000,
		   "after D without a sign of life other workers get the jobs (default: 60s)"),
	OPT_ROW_MS(0, "grace", "D", CFG, grace_ms, 0, 3600000,
		   "time between TERM and KILL for a command that is to stop (default: 10s)"),
	OPT_ROW_MS(0, "drain-timeout", "D", CFG, drain_timeout, 0, MS_MAX,
		   "when told to stop, let jobs run on for D (default: 60s)"),
	OPT_ROW_STR(0, "stop-after", "fail=N|N%", CFG, stop_after, NULL,
		    "stop with status 1 after N failures, or if N% of ten jobs or more failed"),
	OPT_ROW_STR(0, "permanent", "CODES", CFG, permanent, NULL,
		    "exit codes after which a job is not tried again, or none (default: 65,78)"),
	OPT_ROW_FLAG(0, "fail-on-job-failure", CFG, fail_on_failure,
		     "exit with status 1 if a job failed"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-worker -q mail -j4 -- /usr/local/bin/send-mail {to}",
	  "run a command for each job of queue mail, four at a time" },
	{ "jobctl-worker -q index --handlers /usr/lib/jobctl/handlers",
	  "a program per kind of job" },
	{ "jobctl-worker -q mail -j4 --pipe --window 10 -- /usr/local/bin/mail-handler",
	  "four handlers that stay and hold ten jobs each" },
	{ "jobctl-worker -q enc -j8 --exec --drain",
	  "run submitted commands until none is ready" },
	{ "* * * * *  jobctl-worker -q mail --drain --max-time 55s -Q -- send-mail {to}",
	  "from cron, every minute" },
	{ NULL, NULL }
};

static const char *const synopsis[] = {
	"[-q QUEUE]... [-j N] [options] -- COMMAND [ARG...]",
	"[options] --handlers DIR",
	"[options] --exec [--allow PATTERN]...",
	"[options] --pipe [--window N] -- COMMAND [ARG...]",
	NULL
};

static const struct cmd cmd = {
	.name = "jobctl-worker",
	.brief = "claim jobs and run a program for each",
	.synopsis = synopsis,
	.examples = examples,
	.opts = opts,
	.role = "jobctl_worker",
	.common = COMMON_DB | COMMON_QUIET | COMMON_VERBOSE,
	.max_operands = -1,
	.complete_operand = "file",
};

/* The items of comma lists, NULL-terminated; NULL if there are none. */
static char **
split(const struct strlist *lists, const char *option)
{
	char **v = NULL;
	size_t n = 0;

	for (size_t i = 0; i < lists->n; i++) {
		for (const char *p = lists->v[i];; p++) {
			struct err e = ERR_INIT;

			v = xreallocarray(v, n + 2, sizeof *v);
			v[n] = xstrndup(p, strcspn(p, ","));
			if (jobspec_check_name("the name", v[n], &e))
				cmd_usage(&cmd, "--%s: %s", option, e.msg);
			p += strlen(v[n++]);
			v[n] = NULL;
			if (!*p)
				break;
		}
	}
	return v;
}

static void
check_stop_after(const char *z)
{
	AUTOFREE char *number = NULL;
	struct err e = ERR_INIT;
	int64_t n;
	size_t len;

	if (strncmp(z, "fail=", 5) != 0)
		cmd_usage(&cmd, "--stop-after takes fail=N or fail=N%%");
	number = xstrdup(z + 5);
	len = strlen(number);
	if (len && number[len - 1] == '%')
		number[len - 1] = '\0';
	if (parse_int(number, 1, len && z[5 + len - 1] == '%' ? 100 : 1000000000, &n, &e))
		cmd_usage(&cmd, "--stop-after: %s", e.msg);
}

static void
check_codes(const char *p)
{
	if (!strcmp(p, "none"))
		return;
	while (*p) {
		AUTOFREE char *code = xstrndup(p, strcspn(p, ","));
		struct err e = ERR_INIT;
		int64_t n;

		if (parse_int(code, 1, 255, &n, &e))
			cmd_usage(&cmd, "--permanent: %s", e.msg);
		p += strlen(code);
		if (*p && !*++p)
			cmd_usage(&cmd, "--permanent: the list ends with a comma");
	}
}

static void
check(const struct worker_config *cfg, int dashes, int operands)
{
	struct stat st;
	int ways = (cfg->command != NULL) + (cfg->handlers != NULL) + cfg->exec;

	if (operands && dashes != 0)
		cmd_usage(&cmd, "put \"--\" in front of the command");
	if (!ways)
		cmd_usage(&cmd, "say what to run: -- COMMAND, --handlers DIR or --exec");
	if (ways > 1)
		cmd_usage(&cmd, "-- COMMAND, --handlers and --exec exclude each other");
	if (cfg->command && !*cfg->command[0])
		cmd_usage(&cmd, "the command is empty");
	if (cfg->pipe && !cfg->command)
		cmd_usage(&cmd, "--pipe goes with -- COMMAND");
	if (cfg->window != 1 && !cfg->pipe)
		cmd_usage(&cmd, "--window goes with --pipe");
	if (cfg->slots * cfg->window > HELD_MAX)
		cmd_usage(&cmd, "-j times --window is more than %d jobs", HELD_MAX);
	if (cfg->command && !cfg->pipe && template_has_name(cfg->command[0]))
		cmd_usage(&cmd, "a job cannot choose the program: no {name} in the first word");
	if (cfg->all_queues && cfg->queues.n)
		cmd_usage(&cmd, "--all-queues and -q exclude each other");
	if ((cfg->allow.n || cfg->env.n) && !cfg->exec)
		cmd_usage(&cmd, "--allow and --env go with --exec");
	if (cfg->handlers && cfg->kinds.n)
		cmd_usage(&cmd, "--handlers says which kinds; --kinds does not go with it");
	if (cfg->handlers && (stat(cfg->handlers, &st) || !S_ISDIR(st.st_mode))) {
		struct err e = ERR_INIT;

		(void)err_set(&e, ERR_NOINPUT, "%s is not a directory", cfg->handlers);
		exit(cmd_fail(&cmd, &e));
	}
	if (cfg->stop_after)
		check_stop_after(cfg->stop_after);
	check_codes(cfg->permanent);
}

static void
set_threshold(const struct worker_config *cfg)
{
	bool brief = cfg->drain || cfg->once || cfg->max_jobs || cfg->max_time != NEVER ||
		     cfg->idle_exit != NEVER;

	if (cfg->common.quiet)
		log_threshold(LOG_LEVEL_ERROR);
	else if (cfg->common.verbose)
		log_threshold(brief ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG);
	else
		log_threshold(brief ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
}

int
main(int argc, char **argv)
{
	static char default_queue[] = "default", exec_kind[] = "exec";
	static char *default_queues[] = { default_queue, NULL };
	static char *exec_kinds[] = { exec_kind, NULL };
	static struct worker w = {
		.cmd = &cmd,
		.cfg = { .slots = 1, .window = 1, .max_time = NEVER, .idle_exit = NEVER, .poll_ms = 2000,
			 .lease_ms = 60000, .grace_ms = 10000, .drain_timeout = 60000,
			 .permanent = "65,78" },
	};
	struct err e = ERR_INIT;
	int dashes, n = 0;

	argv = cmd_parse(&cmd, &w.cfg, argc, argv, &dashes);
	while (argv[n])
		n++;
	if (n)
		w.cfg.command = argv;
	check(&w.cfg, dashes, n);
	set_threshold(&w.cfg);
	w.queues = split(&w.cfg.queues, "queue");
	w.kinds = split(&w.cfg.kinds, "kinds");
	if (!w.queues && !w.cfg.all_queues)
		w.queues = default_queues;
	if (w.cfg.exec && !w.kinds)
		w.kinds = exec_kinds;
	if (w.cfg.once)
		w.cfg.max_jobs = 1;
	if (command_init(&w, &e))
		return cmd_fail(&cmd, &e);
	return cmd_done(&cmd, worker_run(&w));
}
