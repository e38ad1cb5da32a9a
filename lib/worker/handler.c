/*
 * handler.c - --pipe: programs that stay, and are handed job after job
 *
 * A handler gets a job as a line of JSON on its standard input and answers with a line
 * on its standard output, in any order; --window says how many it may hold.  A line
 * with an id and without "ok" is a report, as on the control descriptor.
 *
 * One job cannot be stopped by itself: its handler is.  A job that it was given and
 * had not begun to read goes to another, and what else it held when we stopped it is
 * given back; what it held when it died of itself has failed with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jsonscan.h"
#include "log.h"
#include "parse.h"
#include "worker.h"

enum {
	ANSWER_LINE = 1 << 20,	/* longest line of an answer */
	ERROR_MAX = 1000,	/* bytes of what it says went wrong */
	STDERR_LINE = 500,
	READ_MAX = 1 << 16,	/* taken from one pipe before others have their turn */
	PIPE_MAX = 1 << 20,	/* what a pipe can hold: fs.pipe-max-size */
	COMPACT = 1 << 18,
	BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 10000,
	TRIES = 5,		/* of a worker that is to end, at a handler that never answers */
};

struct handler {
	struct child *child;		/* NULL: it does not run */
	int in, out, err;		/* our ends of its pipes, or -1 */
	struct str send;		/* lines for it */
	size_t sent;			/* bytes of them that are in the pipe */
	int64_t dropped;		/* bytes that were in front of them */
	struct run **held;		/* in the order in which they were handed over */
	size_t nheld;
	struct str answer;		/* up to its newline */
	struct str said;		/* stderr, up to its newline */
	char *last;			/* the line of that before; NULL: none */
	int64_t bad_lines;
	bool answered;			/* since it was started */
	bool closing;			/* it gets no more jobs */
	bool ours;			/* because we said so */
	bool stopped;			/* it was signalled */
	const char *fault;		/* what it did wrong; why, if it was signalled and not ours */
	int64_t stop_at;		/* when to end it if it has not ended */
	int64_t start_at;		/* not before this */
	int failures;			/* ends without an answer, one after the other */
};

void
handlers_init(struct worker *w)
{
	w->nhandlers = w->cfg.pipe ? (size_t)w->cfg.slots : 0;
	w->handlers = xcalloc(w->nhandlers + 1, sizeof *w->handlers);
	for (size_t i = 0; i < w->nhandlers; i++)
		w->handlers[i] = (struct handler){
			.in = -1, .out = -1, .err = -1, .send = STR(STR_ANY),
			.answer = STR(ANSWER_LINE), .said = STR(STDERR_LINE), .stop_at = NEVER,
			.held = xcalloc((size_t)w->cfg.window, sizeof(struct run *)),
		};
}

static void
close_pipes(struct handler *h)
{
	close_p(&h->in);
	close_p(&h->out);
	close_p(&h->err);
}

void
handlers_free(struct worker *w)
{
	for (size_t i = 0; i < w->nhandlers; i++) {
		struct handler *h = &w->handlers[i];

		close_pipes(h);
		str_free(&h->send);
		str_free(&h->answer);
		str_free(&h->said);
		free(h->last);
		free(h->held);
	}
	free(w->handlers);
}

/* How many jobs it can be given now. */
static size_t
room(const struct worker *w, const struct handler *h)
{
	if (h->closing || (!h->child && now_ms() < h->start_at))
		return 0;
	return (size_t)w->cfg.window - h->nheld;
}

size_t
handlers_room(const struct worker *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nhandlers; i++)
		n += room(w, &w->handlers[i]);
	return n;
}

/* The one that holds the fewest; of those rather one that runs.  There is room. */
static struct handler *
idlest(const struct worker *w)
{
	struct handler *best = NULL;

	for (size_t i = 0; i < w->nhandlers; i++) {
		struct handler *h = &w->handlers[i];

		if (room(w, h) && (!best || h->nheld < best->nheld ||
				   (h->nheld == best->nheld && h->child && !best->child)))
			best = h;
	}
	return best;
}

static void
let_go(struct handler *h, struct run *r)
{
	size_t i = 0;

	while (h->held[i] != r)
		i++;
	h->nheld--;
	memmove(&h->held[i], &h->held[i + 1], (h->nheld - i) * sizeof *h->held);
	r->handler = NULL;
}

static int
spawn(struct worker *w, struct handler *h, struct err *e)
{
	struct mark mark = { .id = uuid_random() };
	AUTOFD in = -1;
	AUTOFD out = -1;
	AUTOFD err = -1;
	struct command c;

	if (child_pipe_to(&in, &h->in, e) || child_pipe_from(&h->out, &out, e) ||
	    child_pipe_from(&h->err, &err, e))
		return -1;
	command_handler(w, &mark.id, &c);
	h->child = child_start(w, &c, (const int[]){ in, out, err, -1 }, &mark, e);
	command_free(&c);
	return h->child ? 0 : -1;
}

/* It has ended, or could not be started: when to start it again. */
static void
back_off(struct worker *w, struct handler *h, const char *why)
{
	int shift = h->failures < 7 ? h->failures : 7;
	struct err e;

	h->start_at = deadline_in(earliest((int64_t)BACKOFF_MIN_MS << shift, BACKOFF_MAX_MS));
	h->failures += !h->answered;
	if (h->failures < TRIES || (!w->cfg.drain && !w->cfg.once))
		return;
	(void)err_set(&e, ERR_UNAVAILABLE, "the handler ends before it answers: %s", why);
	worker_give_up(w, &e);
}

static void
cannot_start(struct worker *w, struct handler *h, const struct err *e)
{
	if (e->sys == ETIME)	/* the lease is over: tick_runs() sees to it */
		return;
	log_line(LOG_LEVEL_ERROR, "cannot start the handler; waiting", "error", e->msg, NULL);
	back_off(w, h, e->msg);
}

static int
start(struct worker *w, struct handler *h)
{
	struct err e = ERR_INIT;

	h->answered = h->closing = h->ours = h->stopped = false;
	h->fault = NULL;
	h->dropped = 0;
	if (spawn(w, h, &e) == 0) {
		log_line(LOG_LEVEL_DEBUG, "started a handler", NULL);
		return 0;
	}
	close_pipes(h);
	cannot_start(w, h, &e);
	return -1;
}

/* The job as its line; see "A handler that stays" in jobctl-worker(1). */
static void
put_job(struct str *s, const struct run *r)
{
	str_putf(s, "{\"id\":\"%s\",\"token\":\"%s\",\"project\":", uuid_str(&r->id).z,
		 uuid_str(&r->token).z);
	str_put_json(s, r->project, strlen(r->project));
	str_puts(s, ",\"queue\":");
	str_put_json(s, r->queue, strlen(r->queue));
	str_puts(s, ",\"kind\":");
	str_put_json(s, r->kind, strlen(r->kind));
	str_putf(s, ",\"attempt\":%d,\"max_attempts\":%d", r->attempt, r->max_attempts);
	if (r->timeout_ms) {
		char when[40];

		run_deadline(r, when);
		str_putf(s, ",\"deadline\":\"%s\"", when);
	}
	if (r->checkpoint) {
		str_puts(s, ",\"checkpoint\":");
		str_puts(s, r->checkpoint);
	}
	str_puts(s, ",\"args\":");
	str_puts(s, r->args);
	str_puts(s, "}\n");
}

static void
give(struct worker *w, struct handler *h, struct run *r)
{
	if (!h->nheld)
		free_p(&h->last);	/* that was of others */
	h->held[h->nheld++] = r;
	r->handler = h;
	r->line_at = h->dropped + (int64_t)h->send.len;
	guard_started(w, r);
	run_started(w, r);
	put_job(&h->send, r);
}

/* As much as the pipe takes. */
static void
send_lines(struct worker *w, struct handler *h)
{
	ssize_t n;

	if (h->closing || h->sent == h->send.len || now_ms() >= w->fence_at)
		return;
	n = write(h->in, h->send.buf + h->sent, h->send.len - h->sent);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		h->closing = true;	/* it may be about to exit */
		h->fault = "the handler closed its standard input";
		h->stop_at = deadline_in(w->cfg.grace_ms);
	}
	h->sent += n > 0 ? (size_t)n : 0;
	if (h->sent == h->send.len || h->sent >= COMPACT) {
		size_t rest = h->send.len - h->sent;

		memmove(h->send.buf, h->send.buf + h->sent, rest);
		str_truncate(&h->send, rest);
		if (!rest)
			str_free(&h->send);	/* it may have grown for one large job */
		h->dropped += (int64_t)h->sent;
		h->sent = 0;
	}
}

void
handlers_take(struct worker *w, struct run *r)
{
	struct handler *h = idlest(w);

	if (h->child || start(w, h) == 0)
		give(w, h, r);
}

void
handlers_send(struct worker *w)
{
	for (size_t i = 0; i < w->nhandlers; i++)
		send_lines(w, &w->handlers[i]);
}

static void
bad_line(struct handler *h, const char *why)
{
	if (h->bad_lines++ == 0)
		log_line(LOG_LEVEL_WARNING, "a line from the handler is not an answer", "error",
			 why, NULL);
}

static struct run *
held_by(const struct handler *h, const struct json_member *m)
{
	AUTOSTR s = STR(STR_ANY);
	struct uuid id;
	struct err e;

	if (!m || m->type != '"')
		return NULL;
	json_scan_string(&s, m->value);
	if (uuid_parse(s.buf, &id, &e))
		return NULL;
	for (size_t i = 0; i < h->nheld; i++)
		if (uuid_equal(&h->held[i]->id, &id))
			return h->held[i];
	return NULL;
}

/* "error" as a text, or whatever JSON it is; yours. */
static char *
error_said(const struct json_member *m)
{
	AUTOSTR s = STR(ERROR_MAX);

	if (m && m->type == '"')
		json_scan_string(&s, m->value);
	else if (m)
		str_add(&s, m->value.p, m->value.n);
	return s.len ? str_take(&s) : xstrdup("the handler did not say why it failed");
}

/* "retry": true, which is meant if it is not there, false or "later". */
static void
failed(struct worker *w, struct run *r, const struct json_scan *line)
{
	const struct json_member *retry = json_scan_find(line, "retry");
	AUTOFREE char *error = error_said(json_scan_find(line, "error"));
	bool never = retry && retry->type == 'f';
	bool later = retry && retry->value.n == 7 && !memcmp(retry->value.p, "\"later\"", 7);

	r->exit_code = never ? 65 : later ? 75 : 1;
	run_over(w, r, never ? "permanent" : later ? "tempfail" : "exit", error);
}

/* {"id":...,"ok":true,"result":...} or {"id":...,"ok":false,"error":"...","retry":false} */
static void
take_line(struct worker *w, struct handler *h)
{
	static struct json_scan scan;
	const struct json_member *ok;
	struct err e = ERR_INIT;
	struct run *r;

	if (json_scan_object(&scan, h->answer.buf, h->answer.len, &e)) {
		bad_line(h, e.msg);
		return;
	}
	r = held_by(h, json_scan_find(&scan, "id"));
	if (!r) {
		bad_line(h, "it has no \"id\" of a job that this handler holds");
		return;
	}
	ok = json_scan_find(&scan, "ok");
	if (ok && ok->type != 't' && ok->type != 'f') {
		bad_line(h, "\"ok\" is neither true nor false");
		return;
	}
	if (!run_report_take(&r->report, &scan))
		bad_line(h, "a member of the report has the wrong type");
	if (!ok) {
		run_flush_soon(r);
		return;
	}
	h->answered = true;
	h->failures = 0;
	let_go(h, r);
	if (ok->type == 't') {
		r->exit_code = 0;
		run_over(w, r, "ok", NULL);
	} else {
		failed(w, r, &scan);
	}
}

static void
stop(struct handler *h, int64_t grace_ms)
{
	h->closing = h->stopped = true;
	h->stop_at = NEVER;
	proc_stop(&h->child->proc, grace_ms);
}

void
handler_stop(struct handler *h, int64_t grace_ms)
{
	h->ours = true;
	stop(h, grace_ms);
}

void
handlers_stop(struct worker *w, int64_t grace_ms)
{
	for (size_t i = 0; i < w->nhandlers; i++)
		if (w->handlers[i].child)
			handler_stop(&w->handlers[i], grace_ms);
}

bool
handlers_run(const struct worker *w)
{
	for (size_t i = 0; i < w->nhandlers; i++)
		if (w->handlers[i].child && w->handlers[i].child->proc.kill_at == NEVER)
			return true;
	return false;
}

/* False if there was nothing. */
static bool
read_answers(struct worker *w, struct handler *h)
{
	char buf[READ_MAX];
	ssize_t n, got;

	n = got = read(h->out, buf, sizeof buf);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close_p(&h->out);
		if (!h->closing) {	/* it may be about to exit */
			h->closing = true;
			h->fault = "the handler closed its standard output";
			h->stop_at = deadline_in(w->cfg.grace_ms);
		}
	}
	for (char *p = buf; n > 0;) {
		char *nl = memchr(p, '\n', (size_t)n);
		ssize_t part = nl ? nl - p : n;

		str_add(&h->answer, p, (size_t)part);
		if (h->answer.cut) {
			h->fault = "the handler wrote a line that is too long";
			stop(h, 0);
			close_p(&h->out);
			return false;
		}
		if (nl) {
			if (strspn(h->answer.buf, " \t\r") != h->answer.len)
				take_line(w, h);
			str_reset(&h->answer);
		}
		part += nl != NULL;
		p += part;
		n -= part;
	}
	return got > 0;
}

static void
said_line(const struct worker *w, struct handler *h)
{
	if (strspn(h->said.buf, " \t\r") != h->said.len) {
		free(h->last);
		h->last = str_take(&h->said);
		if (w->cfg.window > 1 || !h->nheld)
			log_line(LOG_LEVEL_INFO, "the handler says", "stderr", h->last, NULL);
	}
	str_reset(&h->said);
}

/*
 * With a window of one it is the job's, as far as one can know.  False if there was
 * nothing.
 */
static bool
read_stderr(struct worker *w, struct handler *h)
{
	char buf[READ_MAX];
	ssize_t n = read(h->err, buf, sizeof buf);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_p(&h->err);
	if (n > 0 && w->cfg.window == 1 && h->nheld)
		run_wrote(w, h->held[0], 2, buf, (size_t)n);
	for (const char *p = buf, *end = buf + (n > 0 ? n : 0); p < end; p++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		str_add(&h->said, p, (size_t)((nl ? nl : end) - p));
		if (!nl)
			break;
		said_line(w, h);
		p = nl;
	}
	return n > 0;
}

/* First: what was written before an answer belongs to the job that is answered. */
static void
read_all_stderr(struct worker *w, struct handler *h)
{
	for (int i = 0; h->err >= 0 && i < PIPE_MAX / READ_MAX && read_stderr(w, h); i++)
		;
}

/*
 * Bytes that it had not read when it ended.  They are taken out of the pipe: something
 * that it left behind may be about to read them.
 */
static int64_t
take_unread(const struct handler *h)
{
	char path[64], buf[READ_MAX];
	int64_t total = 0;
	AUTOFD fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", h->in);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
		total += n;
	return total;
}

/*
 * Those of which it has not begun to read: as if they had not been handed over.  Not one
 * past its time limit, which could stop the handler of the same others again and again.
 */
static void
take_back_unread(struct worker *w, struct handler *h)
{
	int64_t taken = h->dropped + (int64_t)h->sent - take_unread(h);

	while (h->nheld && h->held[h->nheld - 1]->line_at >= taken) {
		struct run *r = h->held[h->nheld - 1];

		let_go(h, r);
		if (r->stop == STOP_TIMEOUT) {
			run_over(w, r, NULL, NULL);
			continue;
		}
		guard_settled(w, r);
		run_unstarted(w, r);
		if (w->draining || r->stop != STOP_NONE)
			run_stop(w, r, r->stop == STOP_NONE ? STOP_INTERRUPT : r->stop);
	}
}

/* How those ended that it held. */
static void
end_held(struct worker *w, struct handler *h, const char *outcome, const char *why)
{
	while (h->nheld) {
		struct run *r = h->held[h->nheld - 1];

		let_go(h, r);
		r->child = h->child;
		if (h->ours && r->stop == STOP_NONE)
			run_over(w, r, NULL,
				 "interrupted: its handler was stopped because of another job");
		else
			run_died(w, r, &h->child->end, outcome, why);
	}
}

static void
say_ended(const struct handler *h, const char *why)
{
	char bad[24], held[24];

	snprintf(held, sizeof held, "%zu", h->nheld);
	snprintf(bad, sizeof bad, "%" PRId64, h->bad_lines);
	if (!h->ours && (!h->answered || h->nheld || h->child->end.signal ||
			 h->child->end.exit_code))
		log_line(LOG_LEVEL_WARNING, "the handler has ended", "why", why, "held", held,
			 NULL);
	if (h->bad_lines > 1)
		log_line(LOG_LEVEL_WARNING, "lines from the handler were not answers", "lines",
			 bad, NULL);
}

/* No longer with a process. */
static void
reset(struct handler *h)
{
	h->child = NULL;
	close_pipes(h);
	str_free(&h->send);
	str_free(&h->answer);
	h->sent = 0;
	h->bad_lines = 0;
	h->stop_at = NEVER;
	h->closing = false;
}

/* Its program never ran: nothing was read. */
static void
not_started(struct worker *w, struct handler *h, const struct err *e)
{
	take_back_unread(w, h);
	child_forget(w, h->child);
	reset(h);
	cannot_start(w, h, e);
}

static void
exited(struct worker *w, struct handler *h)
{
	const struct proc_end *end = &h->child->end;
	AUTOFREE char *why = NULL;
	struct err e = ERR_INIT;
	bool empty = false;

	if (child_exited(w, h->child, &e)) {
		not_started(w, h, &e);
		return;
	}
	read_all_stderr(w, h);
	for (int i = 0; h->out >= 0 && i < PIPE_MAX / READ_MAX && !empty; i++)
		empty = !read_answers(w, h);
	if (h->said.len)
		said_line(w, h);
	take_back_unread(w, h);
	if (h->fault && h->stopped)
		why = xstrdup(h->fault);
	else if (end->signal || end->exit_code)
		why = run_end_text(w, end, h->last ? h->last : "", h->stopped);
	else
		why = xstrdup("it exited without an answer");
	say_ended(h, why);
	end_held(w, h, end->signal || end->exit_code ? NULL : "exit", why);
	reset(h);			/* tree.c goes on with the child */
	if (h->ours || (h->answered && !end->signal && !end->exit_code))
		h->start_at = 0;
	else
		back_off(w, h, why);
}

size_t
handlers_poll(const struct worker *w, struct pollfd *table, bool hold)
{
	struct pollfd *p = table;

	for (size_t i = 0; i < w->nhandlers; i++) {
		const struct handler *h = &w->handlers[i];
		bool more = h->sent < h->send.len && !h->closing;

		if (!h->child)
			continue;
		*p++ = (struct pollfd){ .fd = h->child->proc.fd, .events = POLLIN };
		*p++ = (struct pollfd){ .fd = more ? h->in : -1, .events = POLLOUT };
		*p++ = (struct pollfd){ .fd = hold ? -1 : h->out, .events = POLLIN };
		*p++ = (struct pollfd){ .fd = hold ? -1 : h->err, .events = POLLIN };
	}
	return (size_t)(p - table);
}

void
handlers_ready(struct worker *w, const struct pollfd *table)
{
	const struct pollfd *p = table;

	for (size_t i = 0; i < w->nhandlers; i++) {
		struct handler *h = &w->handlers[i];

		if (!h->child)
			continue;
		if (p[1].revents)
			send_lines(w, h);
		if (p[2].revents || p[3].revents)
			read_all_stderr(w, h);
		if (p[2].revents && h->out >= 0)
			(void)read_answers(w, h);
		if (p[0].revents)
			exited(w, h);
		p += PER_HANDLER;
	}
}

void
handlers_tick(struct worker *w)
{
	for (size_t i = 0; i < w->nhandlers; i++) {
		struct handler *h = &w->handlers[i];

		if (!h->child)
			continue;
		if (w->draining && !h->nheld && !h->closing) {
			close_p(&h->in);	/* it is to end by itself */
			h->closing = h->ours = true;
			h->stop_at = deadline_in(w->cfg.grace_ms);
		}
		if (now_ms() >= h->stop_at)
			stop(h, w->cfg.grace_ms);
	}
}

int64_t
handlers_due(const struct worker *w)
{
	int64_t due = NEVER;

	for (size_t i = 0; i < w->nhandlers; i++) {
		const struct handler *h = &w->handlers[i];

		if (h->child)
			due = earliest(due, w->draining && !h->nheld && !h->closing ? 0 : h->stop_at);
		else if (!w->draining && h->start_at > now_ms())
			due = earliest(due, h->start_at);
	}
	return due;
}
