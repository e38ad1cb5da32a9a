/*
 * run.c - one attempt at a job
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "parse.h"
#include "worker.h"

enum {
	CONTROL_LINE = 65536,	/* longest line of the control channel */
	FLUSH_MS = 1000,	/* output and progress are written at most this often */
	PAUSE_MS = 1000,	/* when the system has no room for another process */
	PIPE_MAX = 1 << 20,	/* what a pipe can hold: fs.pipe-max-size */
};

/* It is one of those in its state now; or, with -1, no longer. */
static void
tally(struct worker *w, const struct run *r, int n)
{
	w->in_state[r->state] += (size_t)n;
	if (r->state == RUN_WRITING)
		r->taken->writing += (size_t)n;
}

struct run *
run_new(struct worker *w, struct taken *taken)
{
	struct run *r = xcalloc(1, sizeof *r);

	taken->runs++;
	*r = (struct run){
		.taken = taken, .out = -1, .err = -1, .control = -1, .spool = SPOOL_INIT,
		.line = STR(CONTROL_LINE), .report = RUN_REPORT_INIT, .expires = NEVER,
		.flush_at = NEVER, .place = -1, .exit_code = -1, .cpu_s = -1, .rss_bytes = -1,
	};
	TAILQ_INSERT_TAIL(&w->runs[RUN_CLAIMED], r, link);
	tally(w, r, 1);
	w->nruns++;
	return r;
}

void
runs_init(struct worker *w)
{
	for (int state = 0; state < RUN_STATES; state++)
		TAILQ_INIT(&w->runs[state]);
}

void
run_become(struct worker *w, struct run *r, enum run_state state)
{
	TAILQ_REMOVE(&w->runs[r->state], r, link);
	tally(w, r, -1);
	if (state > r->state)
		TAILQ_INSERT_TAIL(&w->runs[state], r, link);
	else
		TAILQ_INSERT_HEAD(&w->runs[state], r, link);
	r->state = state;
	tally(w, r, 1);
}

/* A result counts from when it can be stored, or who reported it could not be heard to end. */
void
run_weigh(struct worker *w, struct run *r)
{
	size_t held = r->spool.held;

	if (r->state > RUN_STARTED && r->report.result)
		held += strlen(r->report.result);
	w->held += held - r->held;
	r->held = held;
}

size_t
runs_over(const struct worker *w)
{
	return w->in_state[RUN_ENDED] + w->in_state[RUN_WRITING];
}

static void
close_pipes(struct run *r)
{
	close_p(&r->out);
	close_p(&r->err);
	close_p(&r->control);
}

static void
run_free(struct run *r)
{
	if (!--r->taken->runs)
		free(r->taken);
	close_pipes(r);
	spool_free(&r->spool);
	str_free(&r->line);
	run_report_free(&r->report);
	free(r->project);
	free(r->queue);
	free(r->kind);
	free(r->args);
	free(r->checkpoint);
	free(r->error);
	free(r);
}

void
run_forget(struct worker *w, struct run *r)
{
	TAILQ_REMOVE(&w->runs[r->state], r, link);
	tally(w, r, -1);
	w->nruns--;
	w->held -= r->held;
	guard_settled(w, r);
	run_free(r);
}

void
runs_free(struct worker *w)
{
	for (int state = 0; state < RUN_STATES; state++)
		RUNS_IN(w, state, r, next)
			run_free(r);
}

/* An error message may be cut in the middle of a character, and a name may hold anything. */
static char *
clean(const char *z)
{
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0, n = strlen(z); i < n;) {
		int len = utf8_len(z + i, n - i, NULL);

		if (len)
			str_add(&s, z + i, (size_t)len);
		else
			str_puts(&s, "\xef\xbf\xbd");
		i += len ? (size_t)len : 1;
	}
	return str_take(&s);
}

static void
count(struct worker *w, const struct run *r)
{
	if (!r->outcome)
		w->taken -= r->state == RUN_CLAIMED;	/* as if it had never been */
	else if (!strcmp(r->outcome, "ok"))
		w->completed++;
	else if (strcmp(r->outcome, "cancelled") != 0 && strcmp(r->outcome, "tempfail") != 0)
		w->failed++;
}

size_t
run_room(const struct worker *w)
{
	return w->cfg.pipe ? handlers_room(w) : (size_t)w->cfg.slots - w->in_state[RUN_STARTED];
}

/* The attempt is over with this outcome (NULL: give the job back). */
static void
ended(struct worker *w, struct run *r, const char *outcome, const char *error)
{
	r->outcome = outcome;
	count(w, r);
	run_become(w, r, RUN_ENDED);
	r->error = error ? clean(error) : NULL;
	r->ended = now_ms();
	close_pipes(r);
	spool_end(&r->spool);
	run_weigh(w, r);
	free_p(&r->args);		/* what is left may wait for a database for long */
	free_p(&r->checkpoint);
}

/* A descriptor from which the job reads its args: never blocks us, whatever the job reads. */
static int
stdin_for(const struct run *r, const struct command *c, struct err *e)
{
	size_t n = strlen(r->args);
	const struct iovec v[] = { { r->args, n }, { (char[]){ '\n' }, 1 } };
	AUTOFD fd = -1;
	int out;

	if (c->null_stdin) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, ERR_OS, "cannot open /dev/null");
	} else {
		fd = memfd_create("args", MFD_CLOEXEC);
		if (fd < 0 || pwritev(fd, v, 2, 0) != (ssize_t)n + 1)
			return err_sys(e, ERR_OS, "cannot pass the job's args");
	}
	out = fd;
	fd = -1;
	return out;
}

static int
spawn(struct worker *w, struct run *r, const struct command *c, struct err *e)
{
	AUTOFD in = -1;
	AUTOFD out = -1;
	AUTOFD err = -1;
	AUTOFD control = -1;

	in = stdin_for(r, c, e);
	if (in < 0 || child_pipe_from(&r->out, &out, e) ||
	    child_pipe_from(&r->err, &err, e) || child_pipe_from(&r->control, &control, e))
		return -1;
	r->child = child_start(w, c, (const int[]){ in, out, err, control },
			       &(const struct mark){ r->id, r->token }, e);
	return r->child ? 0 : -1;
}

/* Ours to mend, not the job's: no process or no descriptor is to be had just now. */
static bool
out_of_room(const struct err *e)
{
	return e->kind == ERR_OS || e->sys == EAGAIN || e->sys == ENOMEM ||
	       e->sys == EMFILE || e->sys == ENFILE;
}

/* It is as if it had never been started, or that was its end. */
static void
not_started(struct worker *w, struct run *r, const struct err *e)
{
	struct proc_end end = { .exit_code = 126 };
	const char *outcome = "not_executable";

	close_pipes(r);
	if (e->sys == ETIME || out_of_room(e)) {
		guard_settled(w, r);
		run_unstarted(w, r);
		if (r->stop != STOP_NONE)
			run_stop(w, r, r->stop);
		if (e->sys == ETIME)	/* the lease is over: tick_runs() sees to it */
			return;
		w->start_at = deadline_in(PAUSE_MS);
		log_line(LOG_LEVEL_ERROR, "cannot start a job; waiting", "error", e->msg, NULL);
		return;
	}
	if (e->sys == ENOENT || e->sys == ENOTDIR) {
		outcome = "not_found";
		end.exit_code = 127;
	} else if (e->sys == E2BIG) {
		outcome = "permanent";
	} else if (e->sys == ETXTBSY) {	/* it is being installed */
		outcome = "tempfail";
	}
	run_died(w, r, &end, outcome, e->msg);
}

void
run_start(struct worker *w, struct run *r)
{
	struct command c;
	struct err e = ERR_INIT;
	int rc;

	if (command_make(w, r, &c, &e)) {
		ended(w, r, "permanent", e.msg);
		return;
	}
	guard_started(w, r);		/* before: it may be the end of us at once */
	rc = spawn(w, r, &c, &e);
	command_free(&c);
	run_started(w, r);
	if (rc)
		not_started(w, r, &e);
}

void
run_started(struct worker *w, struct run *r)
{
	run_become(w, r, RUN_STARTED);
	r->started = now_ms();
	r->expires = r->timeout_ms ? deadline_in(r->timeout_ms) : NEVER;
	log_line(LOG_LEVEL_DEBUG, "started", "id", uuid_str(&r->id).z, "kind", r->kind, NULL);
}

void
run_unstarted(struct worker *w, struct run *r)
{
	run_become(w, r, RUN_CLAIMED);
	r->started = 0;
	r->expires = NEVER;
	claim_hold(r);
}

void
run_deadline(const struct run *r, char when[40])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	time_rfc3339((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + r->timeout_ms * 1000,
		     when);
}

void
run_stop(struct worker *w, struct run *r, enum run_stop why)
{
	if (why > r->stop)
		r->stop = why;
	if (r->state == RUN_CLAIMED) {
		if (why == STOP_CANCEL)
			ended(w, r, "cancelled", "cancelled before it started");
		else if (why == STOP_SUPERSEDED)
			run_forget(w, r);
		else
			ended(w, r, NULL, NULL);
	} else if (r->state == RUN_STARTED) {
		/*
		 * A cancelled job learns it from its control channel as well: writing
		 * there fails.  Any other may use the grace to leave a checkpoint.
		 */
		if (r->stop >= STOP_CANCEL && r->stop != STOP_INTERRUPT)
			control_end(r);
		r->expires = NEVER;
		if (r->handler)
			handler_stop(r->handler, why >= STOP_FENCED ? 0 : w->cfg.grace_ms);
		else
			proc_stop(&r->child->proc, why >= STOP_FENCED ? 0 : w->cfg.grace_ms);
	}
}

void
run_flush_soon(struct run *r)
{
	if (r->flush_at == NEVER)
		r->flush_at = deadline_in(FLUSH_MS);
}

void
run_wrote(struct worker *w, struct run *r, int stream, const char *p, size_t n)
{
	spool_add(&r->spool, stream, p, n);
	run_weigh(w, r);
	run_flush_soon(r);
	if (spool_ready(&r->spool) >= SPOOL_PIECE)
		r->flush_at = 0;
}

bool
run_read(struct worker *w, struct run *r, int stream, int *fd)
{
	char buf[65536];
	ssize_t n = read(*fd, buf, sizeof buf);

	if (n > 0)
		run_wrote(w, r, stream, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_p(fd);
	return n > 0;
}

/* Wait for no more, and take no more than a pipe holds: a descendant may go on writing. */
static void
read_rest(struct worker *w, struct run *r, int stream, int *fd)
{
	for (int i = 0; *fd >= 0 && i < PIPE_MAX / 65536 && run_read(w, r, stream, fd); i++)
		;
}

/* What an exit says, by convention: see the table in jobctl-worker(1). */
static const char *
exit_outcome(const struct worker *w, const struct proc_end *end)
{
	int code = end->exit_code;

	if (end->signal)
		return "signal";
	if (code == 0)
		return "ok";
	if (code == 75)
		return "tempfail";
	if (command_is_permanent(w, code))
		return "permanent";
	return code == 127 ? "not_found" : code == 126 ? "not_executable" : "exit";
}

/* The kernel has killed something for want of memory since this was last asked. */
static bool
out_of_memory(struct worker *w)
{
	int64_t before = w->oom_kills;

	w->oom_kills = cgroup_oom_kills();
	return w->oom_kills > before;
}

char *
run_end_text(struct worker *w, const struct proc_end *end, const char *said, bool stopped)
{
	const char *name, *memory;

	if (!end->signal)
		return *said ? xstrdup(said)
			     : xasprintf("exited with status %d", end->exit_code);
	name = sigabbrev_np(end->signal);
	memory = end->signal == SIGKILL && !stopped && out_of_memory(w) ? ", out of memory" : "";
	return xasprintf("killed by signal %d (%s)%s%s%s", end->signal, name ? name : "?", memory,
			 *said ? ": " : "", said);
}

static void
note_duration(struct worker *w, const struct run *r)
{
	double ms = r->ran_ms ? (double)r->ran_ms : 0.1;	/* less than one */

	w->mean_ms = w->mean_ms > 0 ? w->mean_ms * 0.9 + ms * 0.1 : ms;
}

/* Nobody wants to hear of its end. */
static void
superseded(struct worker *w, struct run *r)
{
	log_line(LOG_LEVEL_WARNING, "superseded", "id", uuid_str(&r->id).z, NULL);
	run_become(w, r, RUN_ENDED);
	r->ended = now_ms();
	close_pipes(r);
	if (!r->child)
		run_forget(w, r);
}

void
run_over(struct worker *w, struct run *r, const char *outcome, const char *error)
{
	AUTOFREE char *text = NULL;
	char limit[32];

	r->ran_ms = now_ms() - r->started;
	note_duration(w, r);
	if (r->stop == STOP_SUPERSEDED) {
		superseded(w, r);
	} else if (r->stop == STOP_CANCEL) {
		ended(w, r, "cancelled", "cancelled while running");
	} else if (r->stop == STOP_TIMEOUT) {
		duration_text((double)r->timeout_ms / 1000, limit);
		text = xasprintf("timed out after %s", limit);
		ended(w, r, "timeout", text);
	} else {
		ended(w, r, outcome, error);
	}
}

void
run_died(struct worker *w, struct run *r, const struct proc_end *end, const char *outcome,
	 const char *error)
{
	r->exit_code = end->exit_code;
	r->signal = end->signal;
	if (r->stop == STOP_NONE && end->signal == SIGKILL && now_ms() >= w->fence_at)
		r->stop = STOP_FENCED;	/* the guardian's work, while we were stopped */
	if (r->stop == STOP_FENCED)
		run_over(w, r, NULL, "interrupted: the worker could not renew its lease");
	else if (r->stop == STOP_INTERRUPT)
		run_over(w, r, NULL, "interrupted: the worker was told to stop");
	else
		run_over(w, r, outcome ? outcome : exit_outcome(w, end), error);
}

void
run_exited(struct worker *w, struct run *r)
{
	const struct proc_end *end = &r->child->end;
	const struct rusage *u = &end->usage;
	AUTOFREE char *error = NULL;
	struct err e = ERR_INIT;

	if (child_exited(w, r->child, &e)) {
		child_forget(w, r->child);
		r->child = NULL;
		not_started(w, r, &e);
		return;
	}
	control_end(r);
	read_rest(w, r, 1, &r->out);
	read_rest(w, r, 2, &r->err);
	r->cpu_s = (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
		   (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
	r->rss_bytes = u->ru_maxrss * 1024;
	if (end->signal || end->exit_code)
		error = run_end_text(w, end, spool_last_line(&r->spool), r->stop != STOP_NONE);
	run_died(w, r, end, NULL, error);
}

void
run_swept(struct worker *w, struct run *r)
{
	r->child = NULL;
	if (r->stop == STOP_SUPERSEDED)
		run_forget(w, r);
}
