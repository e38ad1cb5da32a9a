/*
 * jobctl-top - watch queues, jobs and workers, and act on them
 *
 * Keys, signals, the database and children are waited for in one place, so that a
 * database that does not answer never keeps a key from being heard.  Once there has
 * been a first answer nothing the database does ends the program.
 */
#include "base.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd.h"
#include "parse.h"
#include "redraw.h"
#include "top/top.h"
#include "watch.h"

enum { BATCH_ROWS = 20, BATCH_COLUMNS = 100 };

struct config {
	struct common common;
	bool batch;
	int64_t frames;		/* -1: not given */
	int64_t interval_ms;
	const char *filter;
	bool waiting;
};

static const struct opt opts[] = {
	OPT_ROW_FLAG('b', "batch", struct config, batch, "print one picture as text, and end"),
	OPT_ROW_INT('n', "limit", "N", struct config, frames, 0, INT64_MAX,
		    "with -b: N pictures; 0 for no end"),
	OPT_ROW_MS(0, "interval", "TIME", struct config, interval_ms, 200, 3600000,
		   "look again every TIME (default 2s)"),
	OPT_ROW_STR(0, "filter", "TEXT", struct config, filter, NULL,
		    "only rows with TEXT in a kind, queue, id or host"),
	OPT_ROW_FLAG(0, "waiting", struct config, waiting,
		     "jobs that wait instead of those that run"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-top", "? shows the keys" },
	{ "jobctl-top --filter enc", "begin with what has to do with enc" },
	{ "jobctl-top -b | mail -s jobs ops", "one picture as text" },
	{ "jobctl-top -b -n 0 --interval 1m >>top.log", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-top",
	.brief = "watch queues, jobs and workers, and act on them",
	.synopsis = (const char *const[]){ "[options]", "-b [options]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_COLOR,
	.max_operands = 0,
};

/* Until there is a whole round of answers, or none can be had. */
static int
first_round(struct top *t, struct err *e)
{
	for (;;) {
		struct pollfd p = { .revents = 0 };
		int64_t deadline;
		int n;

		p.fd = top_poll(t, &p.events, &deadline);
		n = poll(&p, 1, poll_timeout(deadline));
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_OS, "poll");
		(void)top_step(t, n > 0);
		if (t->ask.lost.kind || t->failed.kind) {
			*e = t->ask.lost.kind ? t->ask.lost : t->failed;
			return -1;
		}
		if (t->asking < 0 && t->pane[0].def)
			return 0;
	}
}

static int
columns(void)
{
	const char *env = getenv("COLUMNS");
	int rows, columns = BATCH_COLUMNS;
	struct err ignored;
	int64_t n;

	if (env && parse_int(env, 20, 10000, &n, &ignored) == 0)
		return (int)n;
	(void)redraw_window(&rows, &columns);
	return columns;
}

static int
batch(struct top *t, const struct config *cfg, struct err *e)
{
	struct watch w = { .min_ms = cfg->interval_ms, .max_ms = cfg->interval_ms };
	int64_t frames = cfg->frames < 0 ? 1 : cfg->frames;

	t->rows_max = BATCH_ROWS + 1;
	for (int64_t i = 0; !frames || i < frames; i++) {
		if (i) {
			if (fflush(stdout) || !watch_pause(&w, false))
				return 0;
			putchar('\n');
			t->pane[0].def = NULL;
			t->next_at = 0;
		}
		if (first_round(t, e))
			return -1;
		top_print(t, columns());
	}
	return 0;
}

/* They are read from a descriptor, so that none comes at a bad moment. */
static int
block_signals(struct err *e)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH,
				   SIGTSTP, SIGCONT, SIGCHLD };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(all); i++)
		sigaddset(&set, all[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
		return err_sys(e, ERR_OS, "signalfd");
	return fd;
}

static void
take_signals(struct top *t)
{
	struct signalfd_siginfo si;

	while (read(t->signals, &si, sizeof si) == sizeof si) {
		switch (si.ssi_signo) {
		case SIGWINCH:
			screen_resize();
			top_again(t);		/* there may be room for more rows */
			break;
		case SIGTSTP:
			top_stop();
			break;
		case SIGCONT:			/* whoever had the terminal left it in some state */
			screen_leave();
			screen_forget();
			break;
		case SIGCHLD:
			break;
		default:
			t->quit = true;
			t->signal = (int)si.ssi_signo;
		}
	}
}

enum { AT_KEYS, AT_SIGNALS, AT_CHILD, AT_DB, AT_ALL };

static int
turn(struct top *t, struct err *e)
{
	struct pollfd p[AT_ALL] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->child.fd, .events = POLLIN },
	};
	int64_t deadline;
	bool news;
	int n, key;

	p[AT_DB].fd = top_poll(t, &p[AT_DB].events, &deadline);
	n = poll(p, AT_ALL, poll_timeout(deadline));
	if (n < 0 && errno != EINTR)
		return err_sys(e, ERR_OS, "poll");
	if (n <= 0)
		for (int i = 0; i < AT_ALL; i++)
			p[i].revents = 0;
	news = top_step(t, p[AT_DB].revents);
	if (p[AT_CHILD].revents)
		top_child_read(t);
	if (p[AT_SIGNALS].revents)
		take_signals(t);
	if (p[AT_KEYS].revents & (POLLHUP | POLLERR | POLLNVAL)) {
		t->quit = true;
		t->signal = SIGHUP;
	}
	while (p[AT_KEYS].revents && !t->quit && (key = screen_key()) != KEY_NONE)
		top_key(t, key);
	if (!t->quit && (news || p[AT_CHILD].revents || p[AT_SIGNALS].revents || p[AT_KEYS].revents))
		top_draw(t);
	return 0;
}

static int
interact(struct top *t, struct err *e)
{
	int rc = 0;

	if (screen_begin(cmd_color(STDOUT_FILENO), e))
		return -1;
	top_draw(t);
	while (!t->quit && rc == 0)
		rc = turn(t, e);
	screen_end();
	return rc;
}

static int
run(struct top *t, const struct config *cfg, struct err *e)
{
	if (!cfg->batch && screen_check(e))
		return -1;
	if (pg_open(&t->ask.db, cmd.name, cfg->common.dbname, e))
		return -1;
	if (cfg->batch)
		return batch(t, cfg, e);
	if (first_round(t, e))
		return -1;
	t->signals = block_signals(e);	/* till here, they end us as they always do */
	return t->signals < 0 ? -1 : interact(t, e);
}

/* As it would have been without us in between. */
static void
die_of(int signal_number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	signal(signal_number, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signal_number);
}

int
main(int argc, char **argv)
{
	struct config cfg = { .frames = -1, .interval_ms = 2000 };
	struct top t = { .ask = { .app = cmd.name } };
	struct err err = ERR_INIT;
	int status = 0;

	(void)!cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (cfg.frames >= 0 && !cfg.batch)
		cmd_usage(&cmd, "-n needs -b");
	if (cfg.common.dbname)		/* for the programs that keys start: not on a command line */
		setenv("JOBCTL_DATABASE", cfg.common.dbname, 1);
	top_init(&t);
	t.ask.dbname = cfg.common.dbname;
	t.interval_ms = cfg.interval_ms;
	t.view.waiting = cfg.waiting;
	if (cfg.filter)
		top_filter(&t, cfg.filter);
	if (run(&t, &cfg, &err))
		status = cmd_fail(&cmd, &err);
	top_free(&t);
	if (t.signal)
		die_of(t.signal);
	return cmd_done(&cmd, status);
}
