/*
 * run.c - one attempt at a job
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "parse.h"
#include "worker.h"

enum {
	CONTROL_LINE = 65536,	/* longest line of the control channel */
	FLUSH_MS = 1000,	/* output and progress are written at most this often */
};

struct run *
run_new(struct worker *w)
{
	struct run *r = xcalloc(1, sizeof *r);

	*r = (struct run){
		.proc = PROC_INIT, .out = -1, .err = -1, .control = -1, .spool = SPOOL_INIT,
		.line = STR(CONTROL_LINE), .expires = NEVER, .flush_at = NEVER,
	};
	w->runs = xreallocarray(w->runs, w->nruns + 1, sizeof *w->runs);
	w->runs[w->nruns++] = r;
	w->nclaimed++;
	return r;
}

static void
close_pipes(struct run *r)
{
	close_p(&r->out);
	close_p(&r->err);
	close_p(&r->control);
}

void
run_forget(struct worker *w, struct run *r)
{
	size_t i = 0;

	while (w->runs[i] != r)
		i++;
	w->nruns--;		/* in order: they were claimed by priority */
	memmove(&w->runs[i], &w->runs[i + 1], (w->nruns - i) * sizeof *w->runs);
	if (r->state == RUN_CLAIMED)
		w->nclaimed--;
	close_pipes(r);
	spool_free(&r->spool);
	str_free(&r->line);
	free(r->project);
	free(r->queue);
	free(r->kind);
	free(r->args);
	free(r->checkpoint);
	free(r->message);
	free(r->stats);
	free(r->mark);
	free(r->result);
	free(r->error);
	free(r);
}

/* The attempt is over with this outcome (NULL: give the job back); error is taken. */
static void
ended(struct worker *w, struct run *r, const char *outcome, char *error)
{
	if (r->state == RUN_CLAIMED)
		w->nclaimed--;
	else
		w->nstarted--;
	r->state = RUN_ENDED;
	r->outcome = outcome;
	r->error = error;
	r->retry_at = 0;
	close_pipes(r);
	spool_end(&r->spool);
}

/* A descriptor from which the job reads its args: never blocks us, whatever the job reads. */
static int
stdin_for(const struct run *r, const struct command *c, struct err *e)
{
	size_t n = strlen(r->args);
	AUTOFD fd = -1;
	int out;

	if (c->null_stdin) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, ERR_OS, "cannot open /dev/null");
	} else {
		fd = memfd_create("args", MFD_CLOEXEC);
		if (fd < 0 || write(fd, r->args, n) != (ssize_t)n || write(fd, "\n", 1) != 1 ||
		    lseek(fd, 0, SEEK_SET) != 0)
			return err_sys(e, ERR_OS, "cannot pass the job's args");
	}
	out = fd;
	fd = -1;
	return out;
}

static int
pipe_from_child(int *ours, int *theirs, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return err_sys(e, ERR_OS, "pipe");
	fcntl(fds[0], F_SETFL, O_NONBLOCK);	/* our end only: the child expects to block */
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

static int
spawn(struct run *r, const struct command *c, struct err *e)
{
	AUTOFD in = -1;
	AUTOFD out = -1;
	AUTOFD err = -1;
	AUTOFD control = -1;
	struct proc_spec spec;

	in = stdin_for(r, c, e);
	if (in < 0 || pipe_from_child(&r->out, &out, e) || pipe_from_child(&r->err, &err, e) ||
	    pipe_from_child(&r->control, &control, e))
		return -1;
	spec = (struct proc_spec){ .argv = c->argv, .envp = c->envp, .cwd = c->cwd, .in = in,
				   .out = out, .err = err, .control = control };
	return proc_spawn(&r->proc, &spec, e);
}

/* The outcome of a program that could not be started, by errno. */
static const char *
spawn_outcome(const struct err *e)
{
	switch (e->sys) {
	case ENOENT:
	case ENOTDIR:
		return "not_found";
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return "tempfail";	/* ours to mend, not the job's */
	default:
		return "not_executable";
	}
}

void
run_start(struct worker *w, struct run *r)
{
	struct command c;
	struct err e = ERR_INIT;

	if (command_make(w, r, &c, &e)) {
		ended(w, r, "permanent", xstrdup(e.msg));
		return;
	}
	if (spawn(r, &c, &e)) {
		r->end.exit_code = e.sys == ENOENT || e.sys == ENOTDIR ? 127 : 126;
		ended(w, r, spawn_outcome(&e), xstrdup(e.msg));
		command_free(&c);
		return;
	}
	command_free(&c);
	r->state = RUN_STARTED;
	w->nclaimed--;
	w->nstarted++;
	r->started = now_ms();
	r->expires = r->timeout_ms ? deadline_in(r->timeout_ms) : NEVER;
	log_line(LOG_LEVEL_DEBUG, "started", "id", uuid_str(&r->id).z, "kind", r->kind, NULL);
}

void
run_stop(struct worker *w, struct run *r, enum run_stop why)
{
	if (why > r->stop)
		r->stop = why;
	if (r->state == RUN_CLAIMED) {
		if (why == STOP_CANCEL)
			ended(w, r, "cancelled", NULL);
		else if (why == STOP_SUPERSEDED)
			run_forget(w, r);
		else
			ended(w, r, NULL, NULL);
	} else if (r->state == RUN_STARTED) {
		/* The job learns it from its control channel as well: writing there fails now. */
		close_p(&r->control);
		r->expires = NEVER;
		proc_stop(&r->proc, why >= STOP_FENCED ? 0 : w->cfg.grace_ms);
	} else if (r->state == RUN_ENDED && why == STOP_SUPERSEDED) {
		run_forget(w, r);
	}
}

static void
due_to_flush(struct run *r)
{
	if (r->flush_at == NEVER)
		r->flush_at = deadline_in(FLUSH_MS);
}

void
run_read(struct run *r, int stream, int *fd)
{
	char buf[65536];
	ssize_t n;

	/* A bounded number of reads: a job that only writes must not keep us here. */
	for (int i = 0; *fd >= 0 && i < 16; i++) {
		n = read(*fd, buf, sizeof buf);
		if (n > 0) {
			spool_add(&r->spool, stream, buf, (size_t)n);
			due_to_flush(r);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close_p(fd);
		} else {
			break;
		}
		if ((size_t)n < sizeof buf)
			break;
	}
	if (spool_ready(&r->spool) >= SPOOL_PIECE)
		r->flush_at = 0;
}

static void
replace(char **field, char *text)
{
	if (!text)
		return;
	free(*field);
	*field = text;
}

/* Stats add up key by key, as they do in the database. */
static void
merge_stats(struct run *r, json_t *news)
{
	json_t *all = r->stats ? json_loads(r->stats, 0, NULL) : json_object();

	json_object_update(all, news);
	replace(&r->stats, json_dumps(all, JSON_COMPACT));
	json_decref(all);
}

static bool
control_message(struct run *r, json_t *m)
{
	json_t *v = json_object_get(m, "progress");

	if (json_is_array(v) && json_array_size(v) == 2 && json_is_integer(json_array_get(v, 0)) &&
	    json_is_integer(json_array_get(v, 1))) {
		r->done = json_integer_value(json_array_get(v, 0));
		r->total = json_integer_value(json_array_get(v, 1));
		r->has_progress = r->done >= 0 && r->total >= 0;
	} else if (v) {
		return false;
	}
	v = json_object_get(m, "message");
	if (json_is_string(v))
		replace(&r->message, xstrdup(json_string_value(v)));
	v = json_object_get(m, "stats");
	if (json_is_object(v))
		merge_stats(r, v);
	v = json_object_get(m, "checkpoint");
	if (v)
		replace(&r->mark, json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY));
	v = json_object_get(m, "result");
	if (v)
		replace(&r->result, json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY));
	return json_is_object(m);
}

static void
control_line(struct run *r)
{
	json_t *m = r->line.cut ? NULL : json_loadb(r->line.buf, r->line.len, 0, NULL);

	if (m && control_message(r, m)) {
		r->reported = true;
		due_to_flush(r);
	} else if (r->line.len) {
		log_line(LOG_LEVEL_WARNING, "a line on the control descriptor is not understood", "id",
			 uuid_str(&r->id).z, NULL);
	}
	json_decref(m);
	str_reset(&r->line);
}

bool
run_control(struct run *r)
{
	char buf[16384];
	ssize_t n, got;

	n = got = read(r->control, buf, sizeof buf);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_p(&r->control);
	for (char *p = buf; n > 0;) {
		char *nl = memchr(p, '\n', (size_t)n);
		ssize_t part = nl ? nl - p : n;

		str_add(&r->line, p, (size_t)part);
		if (nl)
			control_line(r);
		part += nl != NULL;
		p += part;
		n -= part;
	}
	return got > 0;
}

/* What an exit says, by convention: see the table in jobctl-worker(1). */
static const char *
exit_outcome(const struct worker *w, const struct run *r)
{
	int code = r->end.exit_code;

	if (r->stop == STOP_CANCEL)
		return "cancelled";
	if (r->stop == STOP_TIMEOUT)
		return "timeout";
	if (r->end.signal)
		return "signal";
	if (code == 0)
		return "ok";
	if (code == 75)
		return "tempfail";
	if (command_is_permanent(w, code))
		return "permanent";
	return code == 127 ? "not_found" : code == 126 ? "not_executable" : "exit";
}

static char *
exit_error(struct run *r, const char *outcome)
{
	const char *said = spool_last_line(&r->spool), *name;
	char limit[32];

	if (!strcmp(outcome, "ok"))
		return NULL;
	if (!strcmp(outcome, "cancelled"))
		return xstrdup("cancelled while running");
	if (!strcmp(outcome, "timeout")) {
		duration_text((double)r->timeout_ms / 1000, limit);
		return xasprintf("timed out after %s", limit);
	}
	if (r->end.signal) {
		name = sigabbrev_np(r->end.signal);
		return xasprintf("killed by signal %d (%s)%s%s", r->end.signal, name ? name : "?",
				 *said ? ": " : "", said);
	}
	return *said ? xstrdup(said) : xasprintf("exited with status %d", r->end.exit_code);
}

void
run_exited(struct worker *w, struct run *r)
{
	struct err e = ERR_INIT;
	const char *outcome;

	r->ran_ms = now_ms() - r->started;
	if (proc_collect(&r->proc, &r->end, &e))
		r->end = (struct proc_end){ .exit_code = 126 };
	/* What is in the pipes, and no waiting for more: a descendant may hold them open. */
	while (r->control >= 0 && run_control(r))
		;
	run_read(r, 1, &r->out);
	run_read(r, 2, &r->err);
	w->mean_ms = w->mean_ms > 0 ? w->mean_ms * 0.9 + (double)r->ran_ms * 0.1
				    : (double)r->ran_ms + 0.5;	/* never 0: that is "not known" */
	if (r->stop == STOP_SUPERSEDED) {
		log_line(LOG_LEVEL_WARNING, "superseded", "id", uuid_str(&r->id).z, NULL);
		w->nstarted--;
		run_forget(w, r);
		return;
	}
	if (r->stop == STOP_INTERRUPT || r->stop == STOP_FENCED) {
		ended(w, r, NULL, xstrdup(r->stop == STOP_FENCED
						  ? "interrupted: the worker could not renew its lease"
						  : "interrupted: the worker was told to stop"));
		return;
	}
	outcome = exit_outcome(w, r);
	ended(w, r, outcome, exit_error(r, outcome));
}
