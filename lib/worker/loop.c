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

enum {
	FIXED = 5,		/* descriptors: signals, database twice, guardian, neighbours */
	PER_CHILD = 4,		/* exit, out, err, and control or in */
	PER_GROUP = 2,		/* itself, its events */
	SPARE = 64,		/* for everything else */
	ECHO_MS = 500,
	START_MS = 50,		/* spent on starting jobs before the rest has its turn */
	EXTEND_MS = 20000, EXTEND_EVERY_MS = 2000,	/* said to systemd while we stop */
	HELD_BYTES = 1 << 19, HELD_BYTES_PER_SLOT = 1 << 14,	/* of unstored output */
};

void
worker_drain(struct worker *w, const char *why)
{
	if (w->draining)
		return;
	w->draining = true;
	log_line(LOG_LEVEL_INFO, "stopping", "why", why, NULL);
	sd_say("STOPPING=1");
	RUNS_IN(w, RUN_CLAIMED, r, next)
		run_stop(w, r, STOP_INTERRUPT);
}

static void
kill_all(struct worker *w, enum run_stop why)
{
	for (int state = RUN_CLAIMED; state <= RUN_STARTED; state++)
		RUNS_IN(w, state, r, next)
			if (r->stop < why)
				run_stop(w, r, why);
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
	children_kill(w);
}

void
worker_give_up(struct worker *w, const struct err *e)
{
	w->fatal = *e;
	worker_drain(w, "it cannot work");
}

/*
 * "pkill jobctl-worker" signals the guardian, which passes it on, and us: what comes
 * both ways at about the same time is one signal.
 */
static bool
is_echo(struct worker *w, pid_t sender)
{
	int way = sender == w->self.pid;
	int64_t now = now_ms();

	if (now - w->signalled_at[!way] < ECHO_MS) {
		w->signalled_at[!way] = INT64_MIN / 2;
		return true;
	}
	w->signalled_at[way] = now;
	return false;
}

/* First: finish what runs.  Second: kill it and give it back.  Third: leave. */
static void
on_signal(struct worker *w, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (is_echo(w, (pid_t)si.ssi_pid))
			continue;
		w->signals++;
		if (w->signals == 1) {
			worker_drain(w, sigabbrev_np((int)si.ssi_signo));
			w->drain_until = deadline_in(w->cfg.drain_timeout);
		} else if (w->signals == 2) {
			log_line(LOG_LEVEL_WARNING, "stopping what runs", NULL);
			kill_all(w, STOP_INTERRUPT);
			handlers_stop(w, w->cfg.grace_ms);
		} else {
			children_kill(w);
			w->status = 128 + (int)si.ssi_signo;
			w->over = true;
		}
	}
}

/* Who started us with HUP or INT ignored (nohup, a script's "&") wants that to stay so. */
static sigset_t
our_signals(void)
{
	static const int ours[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(ours); i++)
		if (ours[i] == SIGTERM || sigaction(ours[i], NULL, &sa) ||
		    sa.sa_handler != SIG_IGN)
			sigaddset(&set, ours[i]);
	return set;
}

/* Output comes faster than it is stored. */
static bool
pressed(const struct worker *w)
{
	return w->held > HELD_BYTES + HELD_BYTES_PER_SLOT * (size_t)w->cfg.slots;
}

static bool
may_start(const struct worker *w)
{
	return w->in_state[RUN_CLAIMED] && run_room(w) && !w->pressed && !tree_is_in_the_way(w);
}

static void
start_runs(struct worker *w)
{
	int64_t until = deadline_in(START_MS);

	RUNS_IN(w, RUN_CLAIMED, r, next) {
		int64_t now = now_ms();

		if (!may_start(w) || now >= w->fence_at || now < w->start_at || now >= until)
			break;
		if (w->cfg.pipe)
			handlers_take(w, r);
		else
			run_start(w, r);
	}
	handlers_send(w);
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
	return w->completed + w->failed >= 10 &&
	       w->failed * 100 >= n * (w->completed + w->failed);
}

/* When to stop waiting for a database that is away, with the ends that it has not got. */
static int64_t
give_up_at(const struct worker *w)
{
	if (!w->draining || w->lost_at == NEVER ||
	    w->in_state[RUN_CLAIMED] + w->in_state[RUN_STARTED])
		return NEVER;
	return w->lost_at + w->cfg.lease_ms;
}

static void
give_up(struct worker *w)
{
	struct err e;

	if (!w->nruns) {		/* only a claim that may or may not have taken effect */
		w->over = true;
		return;
	}
	(void)err_set(&e, ERR_UNAVAILABLE,
		      "the database has been away for longer than the lease, and is not told "
		      "how %zu job%s ended",
		      w->nruns, w->nruns == 1 ? "" : "s");
	err_hint(&e, "other workers will run them again");
	worker_fatal(w, &e);
}

static void
check_limits(struct worker *w)
{
	int64_t now = now_ms();

	if (w->cfg.max_jobs && w->taken >= w->cfg.max_jobs && !w->nruns)
		worker_drain(w, "max-jobs");
	if (now >= w->end_at)
		worker_drain(w, "max-time");
	if (too_many_failures(w) && !w->draining) {
		w->status = 1;
		log_line(LOG_LEVEL_ERROR, "too many jobs failed", "stop-after",
			 w->cfg.stop_after, NULL);
		worker_drain(w, "too many failures");
	}
	if (w->signals == 1 && now >= w->drain_until) {
		w->drain_until = NEVER;
		log_line(LOG_LEVEL_WARNING, "drain-timeout is over; stopping what runs", NULL);
		kill_all(w, STOP_INTERRUPT);
	}
	if (now >= give_up_at(w))
		give_up(w);
}

/* Whether something runs, or would, that must not once the lease is over. */
static bool
needs_lease(const struct worker *w)
{
	for (int state = RUN_CLAIMED; state <= RUN_STARTED; state++)
		RUNS_IN(w, state, r, next)
			if (r->stop < STOP_FENCED)
				return true;
	return handlers_run(w);
}

static void
tick_runs(struct worker *w)
{
	int64_t now = now_ms();

	if (now >= w->fence_at && needs_lease(w)) {
		log_line(LOG_LEVEL_ERROR,
			 "the lease could not be renewed in time; stopping what runs", NULL);
		kill_all(w, STOP_FENCED);
		handlers_stop(w, 0);	/* the guardian does not know which are idle */
	}
	RUNS_IN(w, RUN_STARTED, r, next)
		if (now >= r->expires)
			run_stop(w, r, STOP_TIMEOUT);
	CHILDREN_IN(w, CHILD_RUNS, c, next)
		proc_tick(&c->proc);
	handlers_tick(w);
	claim_tick(w);
}

/* The loop turns, and either the lease is good or there is no database to renew it. */
static void
tick_watchdog(struct worker *w)
{
	int64_t now = now_ms();

	if (now < w->watchdog_at)
		return;
	w->watchdog_at = deadline_in(w->watchdog_ms);
	if (!w->first.online || now < w->fence_at)
		sd_say("WATCHDOG=1");
}

/*
 * However long a drain takes, it is not held to be hung while the loop turns; that
 * it ends is --drain-timeout's business.
 */
static void
tick_extension(struct worker *w)
{
	if (!w->draining || now_ms() < w->extend_at)
		return;
	w->extend_at = deadline_in(EXTEND_EVERY_MS);
	sd_say("EXTEND_TIMEOUT_USEC=%d", EXTEND_MS * 1000);
}

static int64_t
due(const struct worker *w)
{
	int64_t t = earliest(db_due(w), w->watchdog_at);

	t = earliest(t, w->draining ? w->extend_at : w->end_at);
	if (w->signals == 1)
		t = earliest(t, w->drain_until);
	if (may_start(w) && now_ms() < w->fence_at)
		t = earliest(t, w->start_at);
	if (needs_lease(w))
		t = earliest(t, w->fence_at);
	RUNS_IN(w, RUN_STARTED, r, next)
		t = earliest(t, r->expires);
	CHILDREN_IN(w, CHILD_RUNS, c, next)
		t = earliest(t, c->proc.kill_at);
	t = earliest(t, handlers_due(w));
	t = earliest(t, tree_due(w));
	t = earliest(t, give_up_at(w));
	return earliest(t, claim_tick_due(w));
}

/*
 * Under pressure output stays in its pipes for a while, and who writes it waits.
 * Not while there is no database: jobs do not wait for one.
 */
static size_t
fill_table(struct worker *w, int sigfd, int64_t *deadline)
{
	bool hold = w->pressed && w->registered;
	struct pollfd *p;
	int64_t second;
	size_t n = FIXED, need = FIXED + w->nchildren * (PER_CHILD + 1);

	if (w->table_cap < need) {
		w->table_cap = need + 64;
		w->table = xreallocarray(w->table, w->table_cap, sizeof *w->table);
	}
	p = w->table;
	p[0] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = -1 };
	p[1].fd = link_fd(&w->first, &p[1].events, deadline);
	p[2] = (struct pollfd){ .fd = w->guardian, .events = POLLIN };
	p[3] = (struct pollfd){ .fd = w->watch_fd, .events = POLLIN };
	p[4] = (struct pollfd){ .fd = -1 };
	p[4].fd = link_fd(&w->second.link, &p[4].events, &second);
	*deadline = earliest(*deadline, second);
	if (w->cfg.pipe)
		return n + handlers_poll(w, p + n, hold);
	RUNS_IN(w, RUN_STARTED, r, next) {
		/* poll() skips negative descriptors */
		p[n++] = (struct pollfd){ .fd = r->child->proc.fd, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = hold ? -1 : r->out, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = hold ? -1 : r->err, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = r->control, .events = POLLIN };
	}
	return n;
}

/* The table's runs are those that are started, in that order: nothing has happened since. */
static void
read_runs(struct worker *w, const struct pollfd *f)
{
	RUNS_IN(w, RUN_STARTED, r, next) {
		if (f[1].revents && r->out >= 0)
			(void)run_read(w, r, 1, &r->out);
		if (f[2].revents && r->err >= 0)
			(void)run_read(w, r, 2, &r->err);
		if (f[3].revents && r->control >= 0)
			(void)control_read(r);
		if (f[0].revents)
			run_exited(w, r);
		f += PER_CHILD;
	}
}

static bool
any(const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].revents)
			return true;
	return false;
}

static void
turn(struct worker *w, int sigfd)
{
	int64_t deadline;
	size_t n = fill_table(w, sigfd, &deadline), more = tree_poll(w, w->table + n);

	if (poll(w->table, (nfds_t)(n + more), poll_timeout(earliest(deadline, due(w)))) < 0) {
		struct err e;

		if (errno == EINTR)
			return;
		(void)err_sys(&e, ERR_OS, "poll");
		worker_fatal(w, &e);
		return;
	}
	if (w->cfg.pipe)
		handlers_ready(w, w->table + FIXED);
	else
		read_runs(w, w->table + FIXED);
	if (w->table[0].revents)
		on_signal(w, sigfd);
	if (w->table[2].revents)
		guard_died(w);
	if (w->table[3].revents)
		maintain_ready(w);
	db_ready(w, w->table[1].revents != 0);
	second_ready(w, w->table[4].revents != 0);
	tick_runs(w);
	tree_turn(w, any(w->table + n, more));
	check_limits(w);
	w->pressed = pressed(w);
	start_runs(w);		/* first: a slot is empty, and the database can wait */
	db_turn(w);
	tick_watchdog(w);
	tick_extension(w);
	/* A claim that may have taken something is still to be answered for. */
	if (w->draining && !w->nruns && !w->nchildren && !w->claim_want && !w->leaving && !w->over)
		db_unregister(w);
}

static void
init(struct worker *w)
{
	runs_init(w);
	children_init(w);
	w->ends = &w->first;
	w->id = uuid_random();
	w->slots = w->cfg.slots * (w->cfg.pipe ? w->cfg.window : 1);
	w->backoff_ms = 100;
	w->fence_at = w->idle_since = w->drain_until = w->next_due = w->lost_at = NEVER;
	w->mark_at = NEVER;
	w->signalled_at[0] = w->signalled_at[1] = INT64_MIN / 2;
	w->end_at = deadline_in(w->cfg.max_time);
	w->watchdog_ms = sd_watchdog_ms();
	w->watchdog_at = deadline_in(w->watchdog_ms);
	w->oom_kills = cgroup_oom_kills();
	w->beat_ms = earliest(w->cfg.lease_ms / 4, 5000);
	srandom((unsigned)getpid());
}

static void
release(struct worker *w)
{
	struct err e;

	(void)err_set(&e, ERR_UNAVAILABLE, "the worker has ended");
	link_close(&w->second.link, &e);
	link_close(&w->first, &e);
	maintain_free(w);
	runs_free(w);
	handlers_free(w);
	children_free(w);
	tree_free(w);
	free(w->table);
}

int
worker_run(struct worker *w)
{
	struct err e = ERR_INIT;
	sigset_t signals = our_signals();
	AUTOFD sigfd = -1;

	init(w);
	if (proc_init((int)w->cfg.slots * (PER_CHILD + PER_GROUP) + SPARE, &e) ||
	    guard_begin(w, &signals, &e))
		return cmd_fail(w->cmd, &e);
	maintain_init(w);
	handlers_init(w);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	sigfd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0) {
		(void)err_sys(&e, ERR_OS, "signalfd");
		return cmd_fail(w->cmd, &e);
	}
	while (!w->over)
		turn(w, sigfd);
	if (!w->nchildren)
		guard_rest(w);
	if (w->fatal.kind)
		w->status = cmd_fail(w->cmd, &w->fatal);
	else if (!w->status && w->cfg.fail_on_failure && w->failed)
		w->status = 1;
	release(w);
	return w->status;
}
