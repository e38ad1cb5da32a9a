/*
 * jobctl-db - a private PostgreSQL for a laptop, a test, a first try
 *
 * What a cluster is made of, and who runs it, is in cluster.h.  The variables of
 * libpq (PG*) are dropped at once: the cluster is named by its directory alone,
 * and what was set for another server must not reach this one.
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "cmd.h"
#include "out.h"
#include "str.h"

enum { TAIL_LINES = 10 };

struct config {
	struct common common;
	const char *dir;
	const char *bindir;
	const char *fields;
	int64_t timeout;
	bool no_header;
	bool yes;
};

static const struct opt opts[] = {
	OPT_ROW_STR(0, "dir", "DIR", struct config, dir, "dir",
		    "the cluster's directory, instead of JOBCTL_DB_DIR or the usual place"),
	OPT_ROW_STR(0, "bindir", "DIR", struct config, bindir, "dir",
		    "where PostgreSQL's programs are, instead of the newest installed"),
	OPT_ROW_MS('t', "timeout", "TIME", struct config, timeout, 100, 86400000,
		   "wait at most TIME for the server to start or stop (default 60s)"),
	OPT_ROW_FLAG(0, "yes", struct config, yes, "destroy without asking"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "status: print no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "status: print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "start", "", "make the cluster if there is none, and start its server" },
	{ "stop", "", "stop the server, ending all its sessions" },
	{ "status", "", "say whether it runs: exit 0 if so, 1 if not" },
	{ "url", "", "print the connection URI, for -d and JOBCTL_DATABASE" },
	{ "psql", "[-- ARG...]", "run psql on the database" },
	{ "destroy", "", "stop the server and remove the cluster with all its data" },
	{ NULL, NULL, NULL }
};

static const struct example examples[] = {
	{ "jobctl-db start && jobctl-migrate up", "from nothing to a database that is ready" },
	{ "jobctl-db psql -- -c 'TABLE jobctl.job'", "look into it" },
	{ "JOBCTL_DATABASE=$(jobctl-db url) ./program", "for programs that know nothing of jobctl-db" },
	{ "jobctl-db --dir \"$(mktemp -d)\" start", "one for a test, beside any other" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-db",
	.brief = "a private PostgreSQL for a laptop, a test, a first try",
	.synopsis = (const char *const[]){
		"[options] start|stop|status|url|destroy", "[options] psql [-- ARG...]", NULL
	},
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.common = COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.min_operands = 1,
	.max_operands = -1,
};

static const char *const state_names[] = {
	[CLUSTER_NONE] = "none",
	[CLUSTER_STOPPED] = "stopped",
	[CLUSTER_STARTING] = "starting",
	[CLUSTER_RUNNING] = "running",
	[CLUSTER_SILENT] = "silent",
};

static void
drop_libpq_variables(void)
{
	extern char **environ;

	for (char **v = environ; v && *v;) {
		AUTOFREE char *name = xstrndup(*v, strcspn(*v, "="));

		if (!strncmp(name, "PG", 2) && unsetenv(name) == 0)
			v = environ;
		else
			v++;
	}
}

/* The last lines the server wrote since we began to start it. */
static void
show_log(const struct cluster *c)
{
	AUTOFREE char *path = cluster_path(c, "log");
	FILE *f = c->fd < 0 || cmd_common()->json ? NULL : fopen(path, "re");
	struct str lines[TAIL_LINES];
	char line[1000];
	size_t n = 0;

	if (!f)
		return;
	for (size_t i = 0; i < TAIL_LINES; i++)
		lines[i] = (struct str)STR(8000);
	fseeko(f, c->log_from, SEEK_SET);
	while (fgets(line, sizeof line, f)) {
		struct str *s = &lines[n++ % TAIL_LINES];

		line[strcspn(line, "\n")] = '\0';
		str_reset(s);
		str_put_safe_text(s, line, strlen(line));
	}
	fclose(f);
	for (size_t i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++)
		fprintf(stderr, "  | %s\n", lines[i % TAIL_LINES].buf);
	for (size_t i = 0; i < TAIL_LINES; i++)
		str_free(&lines[i]);
}

static void
note_next(const struct cluster *c, const struct config *cfg)
{
	AUTOSTR setting = STR(5000);

	if (cfg->dir) {			/* the other programs must be told */
		str_puts(&setting, "JOBCTL_DB_DIR=");
		str_put_shell(&setting, c->dir);
		str_putc(&setting, ' ');
	}
	cmd_note(&cmd, "next: %sjobctl-migrate up", setting.buf);
}

static int
start(struct cluster *c, const struct config *cfg, struct err *e)
{
	int64_t deadline = deadline_in(cfg->timeout);
	bool fresh;
	int rc;

	if (cluster_make(c, deadline, e))
		return -1;
	fresh = !cluster_data_version(c);
	if (fresh)
		cmd_note(&cmd, "making a cluster in %s", c->dir);
	rc = cluster_start(c, deadline, e);
	if (rc < 0) {
		show_log(c);
		return -1;
	}
	cmd_note(&cmd, "%s (pid %d)", rc ? "running" : "already running", (int)cluster_look(c).pid);
	if (fresh)
		note_next(c, cfg);
	return 0;
}

static int
stop(struct cluster *c, const struct config *cfg, struct err *e)
{
	int64_t deadline = deadline_in(cfg->timeout);
	int rc;

	if (cluster_lock(c, deadline, e))
		return -1;
	rc = cluster_stop(c, deadline, e);
	if (rc >= 0)
		cmd_note(&cmd, rc ? "stopped" : "was not running");
	return rc < 0 ? -1 : 0;
}

static const struct out_col columns[] = {
	{ "state", "STATE", OUT_TEXT },
	{ "pid", "PID", OUT_NUM },
	{ "version", "VERSION", OUT_NUM },
	{ "started_at", "STARTED", OUT_TIME },
	{ "dir", "DIRECTORY", OUT_TEXT },
	{ "url", "URL", OUT_TEXT },
};

/* Returns 1 for "not running", which is an answer and no error. */
static int
status(struct cluster *c, const struct config *cfg, struct err *e)
{
	struct cluster_info info = cluster_look(c);
	AUTOFREE char *url = cluster_url(c), *pid = xasprintf("%d", (int)info.pid);
	AUTOFREE const struct out_col **cols = NULL;
	char started[40] = "";
	struct out out;
	int ncols;

	if (out_pick(columns, NELEM(columns), cfg->fields ? cfg->fields
		     : cfg->common.json ? "state,pid,version,started_at,dir,url"
					: "state,pid,version,started_at,dir", &cols, &ncols, e))
		return -1;
	if (info.started) {
		time_t t = (time_t)info.started;

		strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
	}
	out_begin(&out, cfg->common.json ? OUT_JSONL : cfg->fields ? OUT_TSV : OUT_TABLE,
		  !cfg->no_header, cols, ncols);
	for (int i = 0; i < ncols && !cfg->common.quiet; i++) {
		const char *const values[] = {
			state_names[info.state], info.pid ? pid : NULL,
			info.version[0] ? info.version : NULL, info.started ? started : NULL,
			c->dir, url
		};

		out_cell(&out, values[cols[i] - columns]);
	}
	out_end(&out);
	return info.state != CLUSTER_RUNNING;
}

static int
need_cluster(const struct cluster *c, struct err *e)
{
	if (cluster_data_version(c))
		return 0;
	(void)err_set(e, ERR_NOINPUT, "there is no private cluster in \"%s\"", c->dir);
	err_hint(e, "to make one: jobctl-db start");
	return -1;
}

static int
print_url(struct cluster *c, const struct config *cfg, struct err *e)
{
	AUTOFREE char *url = cluster_url(c);

	(void)cfg;
	if (need_cluster(c, e))
		return -1;
	puts(url);
	return 0;
}

static int
psql(struct cluster *c, char **args, struct err *e)
{
	enum cluster_state state;
	AUTOFREE char *program = NULL, *run = cluster_path(c, "run");
	AUTOFREE char **argv = NULL;
	size_t n = 0;

	if (need_cluster(c, e) || cluster_program(c, "psql", &program, e))
		return -1;
	state = cluster_look(c).state;
	if (state == CLUSTER_NONE || state == CLUSTER_STOPPED) {
		(void)err_set(e, ERR_UNAVAILABLE, "the server in \"%s\" is not running", c->dir);
		err_hint(e, "to start it: jobctl-db start");
		return -1;
	}
	if (cluster_as_caller(c, e))
		return -1;
	while (args[n])
		n++;
	argv = xcalloc(n + 2, sizeof *argv);
	argv[0] = program;
	memcpy(argv + 1, args, n * sizeof *argv);
	/* By the environment, so that an argument may name another database. */
	setenv("PGHOST", run, 1);
	setenv("PGPORT", "5432", 1);
	setenv("PGUSER", "jobctl", 1);
	setenv("PGDATABASE", "jobctl", 1);
	signal(SIGPIPE, SIG_DFL);
	execv(program, argv);
	return err_sys(e, ERR_CONFIG, "cannot run \"%s\"", program);
}

static int
confirm(const struct cluster *c, const struct config *cfg, struct err *e)
{
	char answer[10] = "";

	if (cfg->yes)
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		(void)err_set(e, ERR_USAGE, "destroy removes all jobs in \"%s\" and asks first", c->dir);
		err_hint(e, "without a terminal, give --yes");
		return -1;
	}
	fprintf(stderr, "%s: remove the cluster in %s with all its jobs? [y/N] ", cmd.name, c->dir);
	if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return err_set(e, ERR_NO, "nothing was removed");
}

static int
destroy(struct cluster *c, const struct config *cfg, struct err *e)
{
	int rc;

	if (cluster_lock(c, deadline_in(cfg->timeout), e) || confirm(c, cfg, e))
		return -1;
	rc = cluster_destroy(c, deadline_in(cfg->timeout), e);
	if (rc < 0)
		return -1;
	cmd_note(&cmd, rc ? "removed %s" : "removed the cluster; %s holds files that are not its own",
		 c->dir);
	return 0;
}

static int
run_verb(const char *verb, struct cluster *c, const struct config *cfg, char **args, struct err *e)
{
	static const struct {
		const char *verb;
		int (*run)(struct cluster *, const struct config *, struct err *);
	} table[] = {
		{ "start", start }, { "stop", stop }, { "status", status }, { "url", print_url },
		{ "destroy", destroy },
	};

	for (size_t i = 0; i < NELEM(table); i++)
		if (!strcmp(verb, table[i].verb))
			return table[i].run(c, cfg, e);
	return psql(c, args, e);
}

int
main(int argc, char **argv)
{
	struct config cfg = { .timeout = 60000 };
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;
	AUTOFREE char **args = NULL;
	const char *verb;
	int rc, fd;

	do			/* a caller may have closed 0, 1 or 2; nothing of ours may land there */
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	args = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	verb = cmd_verb(&cmd, args[0])->name;
	if (args[1] && strcmp(verb, "psql") != 0)
		cmd_usage(&cmd, "%s takes no arguments", verb);
	drop_libpq_variables();
	c.bindir = cfg.bindir;
	rc = cluster_find(&c, cfg.dir, &err);
	if (!rc)
		rc = run_verb(verb, &c, &cfg, args + 1, &err);
	if (rc < 0)
		rc = cmd_fail(&cmd, &err);
	cluster_free(&c);
	return cmd_done(&cmd, rc);
}
