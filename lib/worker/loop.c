/*
 * loop.c - one poll(), and what follows from it
 *
 * What may wake the worker is the descriptor table; what may be due comes after
 * it.  Signals arrive through a signalfd: there are no handlers.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "sdnotify.h"
#include "worker.h"

enum { FIXED = 2, PER_RUN = 4 };	/* descriptors: signals and database; exit, out, err, control */

void
worker_drain(struct worker *w, const char *why)
{
	if (w->draining)
		return;
	w->draining = true;
	w->why_draining = why;
	log_line(LOG_LEVEL_INFO, "stopping", "why", why, NULL);
	sd_say("STOPPING=1");
	for (size_t i = w->nruns; i-- > 0;)
		if (w->runs[i]->state == RUN_CLAIMED)
			run_stop(w, w->runs[i], STOP_INTERRUPT);
}

static void
kill_all(struct worker *w, enum run_stop why)
{
	for (size_t i = w->nruns; i-- > 0;)
		run_stop(w, w->runs[i], why);
}

void
worker_fatal(struct worker *w, const struct err *e)
{
	if (w->over)
		return;
	w->fatal = *e;
	w->status = (int)e->kind;
	w->over = true;
	/* The lease brings the jobs back; nothing of ours may still run then. */
	for (size_t i = 0; i < w->nruns; i++)
		proc_stop(&w->runs[i]->proc, 0);
}

/* First: finish what runs.  Second: kill it and give it back.  Third: leave. */
static void
on_signal(struct worker *w, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof si) == (ssize_t)sizeof si) {
		w->signals++;
		if (w->signals == 1) {
			worker_drain(w, si.ssi_signo == SIGINT ? "interrupt" : "terminated");
			w->drain_until = deadline_in(w->cfg.drain_timeout);
		} else if (w->signals == 2) {
			log_line(LOG_LEVEL_WARNING, "stopping what runs", NULL);
			kill_all(w, STOP_INTERRUPT);
		} else {
			for (size_t i = 0; i < w->nruns; i++)
				proc_stop(&w->runs[i]->proc, 0);
			w->status = 128 + (int)si.ssi_signo;
			w->over = true;
		}
	}
}

static int
open_signals(struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, ERR_OS, "signalfd");
	return fd;
}

static void
start_runs(struct worker *w)
{
	for (size_t i = 0; i < w->nruns && w->nstarted < (size_t)w->cfg.slots && w->nclaimed; i++)
		if (w->runs[i]->state == RUN_CLAIMED && now_ms() < w->fence_at)
			run_start(w, w->runs[i]);
}

/* "fail=3": three failures; "fail=20%": a fifth of at least ten jobs. */
static bool
too_many_failures(const struct worker *w)
{
	char *end;
	long n;

	if (!w->cfg.stop_after)
		return false;
	n = strtol(w->cfg.stop_after + strlen("fail="), &end, 10);
	if (*end != '%')
		return w->failed >= n;
	return w->completed + w->failed >= 10 && w->failed * 100 >= n * (w->completed + w->failed);
}

static void
check_limits(struct worker *w)
{
	int64_t now = now_ms();

	if (w->cfg.max_jobs && w->taken >= w->cfg.max_jobs && !w->nruns)
		worker_drain(w, "max-jobs");
	if (now >= w->end_at)
		worker_drain(w, "max-time");
	if (w->cfg.idle_exit != NEVER && w->idle_since != NEVER &&
	    now - w->idle_since >= w->cfg.idle_exit)
		worker_drain(w, "idle");
	if (too_many_failures(w) && !w->draining) {
		w->status = 1;
		worker_drain(w, "too many failures");
	}
	if (w->signals == 1 && now >= w->drain_until) {
		w->drain_until = NEVER;
		log_line(LOG_LEVEL_WARNING, "drain-timeout is over; stopping what runs", NULL);
		kill_all(w, STOP_INTERRUPT);
	}
}

static void
tick_runs(struct worker *w)
{
	int64_t now = now_ms();

	if (now >= w->fence_at && w->nclaimed + w->nstarted) {
		log_line(LOG_LEVEL_ERROR, "the lease could not be renewed in time; stopping what runs", NULL);
		kill_all(w, STOP_FENCED);
		w->fence_at = NEVER;
	}
	for (size_t i = w->nruns; i-- > 0;) {
		struct run *r = w->runs[i];

		if (r->state == RUN_STARTED && now >= r->expires)
			run_stop(w, r, STOP_TIMEOUT);
		proc_tick(&r->proc);
	}
}

static int64_t
due(const struct worker *w)
{
	int64_t t = db_due(w);

	if (!w->draining)
		t = earliest(t, w->end_at);
	if (!w->draining && w->cfg.idle_exit != NEVER && w->idle_since != NEVER)
		t = earliest(t, w->idle_since + w->cfg.idle_exit);
	if (w->signals == 1)
		t = earliest(t, w->drain_until);
	if (w->nclaimed + w->nstarted)
		t = earliest(t, w->fence_at);
	for (size_t i = 0; i < w->nruns; i++) {
		t = earliest(t, w->runs[i]->proc.kill_at);
		if (w->runs[i]->state == RUN_STARTED)
			t = earliest(t, w->runs[i]->expires);
	}
	return t;
}

static size_t
fill_table(struct worker *w, struct pollfd *p, int sigfd, int64_t *deadline)
{
	size_t n = FIXED;

	p[0] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = -1 };
	p[1].fd = db_fd(w, &p[1].events, deadline);
	for (size_t i = 0; i < w->nruns; i++) {
		const struct run *r = w->runs[i];
		const int fds[PER_RUN] = { r->proc.fd, r->out, r->err, r->control };

		for (int k = 0; k < PER_RUN; k++)	/* poll() skips negative descriptors */
			p[n++] = (struct pollfd){ .fd = fds[k], .events = POLLIN };
	}
	return n;
}

/* Runs may go while we look at them: from the last to the first. */
static void
read_runs(struct worker *w, const struct pollfd *p, size_t nruns)
{
	for (size_t i = nruns; i-- > 0;) {
		const struct pollfd *f = &p[FIXED + i * PER_RUN];
		struct run *r = w->runs[i];

		if (f[1].revents && r->out >= 0)
			run_read(r, 1, &r->out);
		if (f[2].revents && r->err >= 0)
			run_read(r, 2, &r->err);
		if (f[3].revents && r->control >= 0)
			(void)run_control(r);
		if (f[0].revents && r->proc.pid)
			run_exited(w, r);
	}
}

static void
turn(struct worker *w, int sigfd)
{
	size_t nruns = w->nruns, n;
	AUTOFREE struct pollfd *p = xcalloc(FIXED + nruns * PER_RUN, sizeof *p);
	int64_t deadline;

	n = fill_table(w, p, sigfd, &deadline);
	if (poll(p, (nfds_t)n, poll_timeout(earliest(deadline, due(w)))) < 0 && errno != EINTR) {
		(void)err_sys(&w->fatal, ERR_OS, "poll");
		w->over = true;
		return;
	}
	if (p[0].revents)
		on_signal(w, sigfd);
	read_runs(w, p, nruns);
	db_ready(w, p[1].revents != 0);
	tick_runs(w);
	check_limits(w);
	start_runs(w);
	db_turn(w);
}

int
worker_run(struct worker *w)
{
	struct err e = ERR_INIT;
	AUTOFD sigfd = open_signals(&e);

	if (sigfd < 0)
		return cmd_fail(w->cmd, &e);
	proc_init();
	w->id = uuid_random();
	w->backoff_ms = 100;
	w->fence_at = w->idle_since = w->drain_until = w->next_due = NEVER;
	w->end_at = deadline_in(w->cfg.max_time);
	srandom((unsigned)getpid());
	while (!w->over) {
		turn(w, sigfd);
		if (w->draining && !w->nruns && !w->leaving && !w->over)
			db_unregister(w);
	}
	if (w->fatal.kind)
		w->status = cmd_fail(w->cmd, &w->fatal);
	else if (!w->status && w->cfg.fail_on_failure && w->failed)
		w->status = 1;
	(void)err_set(&e, ERR_UNAVAILABLE, "the worker has ended");
	pipe_close(&w->pipe, &e);
	pg_connector_free(w->connector);
	while (w->nruns)
		run_forget(w, w->runs[0]);
	free(w->runs);
	return w->status;
}
