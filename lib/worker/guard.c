/*
 * guard.c - the process that sees to it that nothing outlives the worker
 *
 * The process that was started becomes the guardian and forks the worker.  It has
 * four duties, and no connection to the database that could keep it from them:
 *
 *   - signals for the worker come here, and are passed on;
 *   - when the worker has gone too long without renewing its lease and has not
 *     stopped its jobs itself, because it is stopped or hangs or the machine was
 *     suspended, all descendants of the worker are killed;
 *   - when the worker has died, however it did, all descendants are killed.  They
 *     are children of the guardian by then, which is their subreaper: none escapes
 *     by leaving its group or session.  Where there is a control group for them,
 *     none escapes by forking either;
 *   - then, not before, the jobs of a worker that died are given back.
 *
 * It is the guardian whose pid and start time prove to others on the host that a
 * worker is gone.  If it is the guardian that dies, the worker does what the guardian
 * would have done, and a mark that both hold tells others to wait for it.
 *
 * When: the worker fences itself at three quarters of a lease, the guardian at
 * seven eighths.  Both count from when the lease was asked for, so the server's
 * copy ends later than ours; the last eighth is for killing, and for a server whose
 * clock runs faster than ours (by up to a seventh, which no clock does).
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "processes.h"
#include "worker.h"

enum {
	AGAIN_MS = 10,		/* between rounds of killing */
	EXPIRED_MS = 1000,	/* between looks at a worker whose lease is over */
	KILL_MS = 10000,	/* what has not died by then is stuck in the kernel */
	CALL_MS = 5000,
	STARTED = 4000,		/* slots, and ends that wait to be written */
};

/* What the worker tells the guardian, in memory that they share. */
struct guarded {
	_Atomic int64_t fence_at;	/* NEVER while there is no lease */
	_Atomic bool registered;
	_Atomic bool too_many;		/* there were more than the table has room for */
	struct {
		_Atomic bool used;	/* from its start until its end is written */
		struct uuid id;
	} started[STARTED];
};

struct guardian {
	struct worker *w;
	pid_t worker;
	struct processes others;	/* those that were there before: a shell's, by exec */
	int signals, timer;
};

void
guard_renewed(struct worker *w)
{
	w->fence_at = w->asked_at + w->cfg.lease_ms * 3 / 4;
	atomic_store(&w->guarded->fence_at, w->asked_at + w->cfg.lease_ms * 7 / 8);
	atomic_store(&w->guarded->registered, true);
}

void
guard_left(struct worker *w)
{
	atomic_store(&w->guarded->registered, false);
}

void
guard_rest(struct worker *w)
{
	atomic_store(&w->guarded->fence_at, NEVER);
}

void
guard_started(struct worker *w, struct run *r)
{
	struct guarded *g = w->guarded;
	size_t i = w->guard_next, looked = 0;

	for (; looked < STARTED && atomic_load(&g->started[i].used); looked++)
		i = (i + 1) % STARTED;
	if (looked == STARTED) {
		atomic_store(&g->too_many, true);
		return;
	}
	w->guard_next = (i + 1) % STARTED;
	g->started[i].id = r->id;
	atomic_store(&g->started[i].used, true);
	r->place = (int)i;
}

void
guard_settled(struct worker *w, struct run *r)
{
	if (r->place >= 0)
		atomic_store(&w->guarded->started[r->place].used, false);
	r->place = -1;
}

/* Our children before there is a worker, if there are any. */
static struct processes
children(void)
{
	struct processes t = PROCESSES_NONE;
	size_t n = 0;

	if (waitid(P_ALL, 0, &(siginfo_t){ .si_pid = 0 }, WEXITED | WNOHANG | WNOWAIT))
		return t;
	processes_read(&t);
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].parent == getpid())
			t.v[n++] = t.v[i];
	t.n = n;
	return t;
}

static bool
has(const struct processes *t, const struct process *p)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (t->v[i].pid == p->pid && t->v[i].start == p->start)
			return true;
	return false;
}

/*
 * KILL to what is in the jobs' control group, and to all descendants of a process but
 * those of some of its children; how many, more or less.
 */
static size_t
kill_below(const struct worker *w, pid_t ancestor, const struct processes *spared)
{
	struct processes t;
	size_t n = cgroup_lives(&w->group);

	cgroup_kill(&w->group);
	processes_read(&t);
	/* A worker that has come to rest meanwhile may start something of its own. */
	if (ancestor != getpid() && atomic_load(&w->guarded->fence_at) == NEVER)
		t.n = 0;
	for (size_t i = 0; i < t.n; i++) {
		const struct process *p = &t.v[i], *root = processes_root(&t, p, ancestor);

		if (!root || !process_runs(p) || has(spared, root))
			continue;
		process_kill(p);
		n++;
	}
	processes_free(&t);
	return n;
}

/* Until there are none; true if there were some. */
static bool
kill_all_below(struct worker *w, pid_t ancestor, const struct processes *spared)
{
	int64_t deadline = deadline_in(KILL_MS);
	bool some = false;
	size_t n;

	while ((n = kill_below(w, ancestor, spared)) && now_ms() < deadline) {
		some = true;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		(void)poll(NULL, 0, AGAIN_MS);
	}
	if (n)
		log_line(LOG_LEVEL_ERROR, "processes cannot be killed", NULL);
	cgroup_remove(w->delegated, &w->group);
	return some;
}

/* When to look again. */
static int64_t
fence(struct guardian *g)
{
	int64_t at = atomic_load(&g->w->guarded->fence_at);

	if (at == NEVER)	/* there will be a lease, and nothing wakes us then */
		return deadline_in(g->w->cfg.lease_ms / 2);
	if (now_ms() < at)
		return at;
	if (!kill_below(g->w, g->worker, NULL))
		return deadline_in(EXPIRED_MS);
	log_line(LOG_LEVEL_ERROR, "the worker's lease is ending and it did not stop its jobs; "
		 "killed them", NULL);
	return deadline_in(AGAIN_MS);
}

static void
wake_at(struct guardian *g, int64_t at)
{
	struct itimerspec t = { .it_value = { 0 } };	/* NEVER: disarmed */

	if (at != NEVER)
		t.it_value = (struct timespec){ .tv_sec = at / 1000,
						.tv_nsec = at % 1000 * 1000000 + 1 };
	timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

/* Until the worker has exited: its status as wait(2) has it. */
static int
watch(struct guardian *g)
{
	struct signalfd_siginfo si;
	uint64_t expirations;
	int status;

	for (;;) {
		struct pollfd p[] = { { .fd = g->signals, .events = POLLIN },
				      { .fd = g->timer, .events = POLLIN } };

		wake_at(g, fence(g));
		(void)poll(p, NELEM(p), -1);
		(void)!read(g->timer, &expirations, sizeof expirations);
		while (read(g->signals, &si, sizeof si) == (ssize_t)sizeof si)
			if (si.ssi_signo != SIGCHLD)
				kill(g->worker, (int)si.ssi_signo);
		if (waitpid(g->worker, &status, WNOHANG) == g->worker)
			return status;
	}
}

/* Nothing of the worker runs any more: its jobs need not wait for the end of its lease. */
static void
give_back(struct worker *w, const char *why, bool crashed)
{
	struct pg db = PG_INIT;
	struct pg_array dead = PG_ARRAY_INIT, started = PG_ARRAY_INIT;
	struct guarded *g = w->guarded;
	struct err e = ERR_INIT;
	PG_RES res = NULL;

	pg_array_add(&dead, pg_uuid(&w->id));
	for (size_t i = 0; i < STARTED; i++)
		if (atomic_load(&g->started[i].used))
			pg_array_add(&started, pg_uuid(&g->started[i].id));
	db.call_ms = CALL_MS;
	if (pg_connect(&db, w->cmd->name, w->cfg.common.dbname, &e) == 0) {
		if (pg_first_call(&db, &res,
				  "SELECT count(*) FROM jobctl.reap($1, $2, started => $3, crashed => $4)",
				  PG_ARGS(pg_array(&dead, pg_uuid(&w->id)), pg_text(why),
					  atomic_load(&g->too_many)
						  ? pg_null()
						  : pg_array(&started, pg_uuid(&w->id)),
					  pg_bool(crashed)),
				  &e) == 1)
			log_line(LOG_LEVEL_WARNING, "gave back the jobs of the worker", "jobs",
				 PQgetvalue(res, 0, 0), NULL);
	}
	if (e.kind)
		log_line(LOG_LEVEL_ERROR, "cannot give back the jobs of the worker; they come "
			 "back when its lease ends", "error", e.msg, NULL);
	pg_close(&db);
	pg_array_free(&dead);
	pg_array_free(&started);
}

static void
unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static NORETURN void
guard(struct guardian *g)
{
	int status = watch(g), sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	int code = WEXITSTATUS(status);
	/* What it left for a reason of its own, or was told to, is no job's doing. */
	bool crashed = sig || code == ERR_OS || code == ERR_SOFTWARE;
	bool killed = kill_all_below(g->w, getpid(), &g->others);
	AUTOFREE char *why = NULL;

	unblock_signals();	/* one may end what follows */
	if (sig)
		why = xasprintf("killed by signal %d (%s)", sig, sigabbrev_np(sig));
	else
		why = xasprintf("ended with status %d", code);
	if (sig || killed)
		log_line(sig ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
			 killed ? "the worker has ended; killed what was left of its jobs"
				: "the worker has ended", "why", why, NULL);
	if (atomic_load(&g->w->guarded->registered))
		give_back(g->w, why, crashed);
	exit(sig ? 128 + sig : code);
}

void
guard_died(struct worker *w)
{
	(void)kill_all_below(w, getpid(), NULL);
	unblock_signals();
	log_line(LOG_LEVEL_ERROR, "the guardian was killed; stopped", NULL);
	if (atomic_load(&w->guarded->registered))
		give_back(w, "its guardian was killed", true);
	exit(ERR_OS);
}

/* Held by both until they end, as the mark is: what nobody holds any more is nobody's. */
static void
make_group(struct worker *w)
{
	AUTOFREE char *name = xasprintf(WORKER_GROUP "%s", uuid_str(&w->id).z);

	w->group = (struct cgroup)CGROUP_NONE;
	w->delegated = cgroup_delegated();
	if (w->delegated < 0)
		return;
	(void)cgroup_abandoned(w->delegated, WORKER_GROUP);
	if (cgroup_hold(w->delegated, name, &w->group))
		log_line(LOG_LEVEL_WARNING, "cannot make control groups for jobs; going on "
			 "without", "error", strerror(errno), NULL);
}

static int
become_worker(struct worker *w, pid_t guardian, struct err *e)
{
	setsid();		/* a terminal's signals come through the guardian, once */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	w->guardian = pidfd_open(guardian, 0);
	if (w->guardian < 0 || getppid() != guardian)
		return err_sys(e, ERR_OS, "the guardian has died");
	return 0;
}

int
guard_begin(struct worker *w, const sigset_t *signals, struct err *e)
{
	struct guardian g = { .w = w, .others = children() };
	sigset_t set = *signals;
	pid_t self = getpid();

	host_self(&w->self);
	(void)host_mark(&w->id);	/* held by both until they end; none is a sandbox's fault */
	make_group(w);
	w->guarded = mmap(NULL, sizeof *w->guarded, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->guarded == MAP_FAILED)
		return err_sys(e, ERR_OS, "mmap");
	atomic_init(&w->guarded->fence_at, NEVER);	/* the rest is zero */
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);	/* before the fork: none is lost */
	g.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	g.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (g.signals < 0 || g.timer < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return err_sys(e, ERR_OS, "cannot guard the worker");
	g.worker = fork();
	if (g.worker < 0)
		return err_sys(e, ERR_OS, "fork");
	if (g.worker > 0) {
		prctl(PR_SET_NAME, "jobctl-guardian");	/* for ps(1) */
		guard(&g);
	}
	close(g.signals);
	close(g.timer);
	processes_free(&g.others);
	return become_worker(w, self, e);
}
