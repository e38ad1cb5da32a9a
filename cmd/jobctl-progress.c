/*
 * jobctl-progress - tell from inside a job how far it is
 *
 * No database is asked: one line of JSON goes to the descriptor that the worker
 * named in JOBCTL_CONTROL_FD.  The line leaves in one write of at most PIPE_BUF
 * bytes, so that lines of several processes do not mix.  The worker closes its end
 * of the pipe when the job is to stop: that is how this program knows.
 */
#include "base.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "parse.h"
#include "str.h"

enum { NAME_MAX_LEN = 64, PATIENCE_MS = 10000 };

struct config {
	struct common common;
	const char *message;
	const char *checkpoint;
};

static const struct opt opts[] = {
	OPT_ROW_TEXT('m', "message", "TEXT", struct config, message, NULL,
		     "what the job is doing now"),
	OPT_ROW_TEXT(0, "checkpoint", "JSON", struct config, checkpoint, NULL,
		     "where a later attempt is to go on; it gets this in JOBCTL_CHECKPOINT"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{"jobctl-progress 3/10 -m 'frame 300'", "three of ten, and what is being done"},
	{"jobctl-progress files=42 bytes=1e6", "numbers that are kept with the job"},
	{"jobctl-progress --checkpoint '{\"line\": 4711}' || exit 1",
	 "and stop if it was cancelled"},
	{NULL, NULL}};

static const struct cmd cmd = {
	.name = "jobctl-progress",
	.brief = "tell from inside a job how far it is",
	.synopsis = (const char *const[]){
		"[DONE/TOTAL] [NAME=N...] [-m TEXT] [--checkpoint JSON]", NULL
	},
	.examples = examples,
	.opts = opts,
	.common = COMMON_QUIET,
	.max_operands = -1,
};

/*
 * The pipe to the worker.  Nothing is written to a descriptor that nobody named,
 * or to one that is no pipe: it may be some file of the job's.
 */
static int
control_pipe(int *fd, struct err *e)
{
	const char *name = getenv("JOBCTL_CONTROL_FD");
	struct err ignored;
	struct stat st;
	int64_t v;
	int mode;

	if (!name || !*name)
		return err_set(e, ERR_USAGE,
			       "not run by a worker: JOBCTL_CONTROL_FD is not set");
	if (parse_int(name, 3, INT_MAX, &v, &ignored))
		return err_set(e, ERR_USAGE,
			       "not run by a worker: JOBCTL_CONTROL_FD is \"%.60s\"", name);
	mode = fcntl((int)v, F_GETFL);
	if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY || fstat((int)v, &st) ||
	    !S_ISFIFO(st.st_mode))
		return err_set(e, ERR_USAGE, "not run by a worker: descriptor %d, named by "
			       "JOBCTL_CONTROL_FD, is no pipe to write to", (int)v);
	*fd = (int)v;
	return 0;
}

static int
is_progress(const char *z)
{
	return isdigit((unsigned char)*z) || *z == '/' || *z == '-';
}

static int
put_progress(struct str *s, const char *z, struct err *e)
{
	const char *slash = strchr(z, '/');
	AUTOFREE char *first = xstrndup(z, slash ? (size_t)(slash - z) : strlen(z));
	int64_t done, total;

	if (!slash)
		return err_set(e, ERR_USAGE, "\"%.60s\" is not DONE/TOTAL, as 3/10", z);
	if (parse_int(first, 0, INT64_MAX, &done, e) ||
	    parse_int(slash + 1, 0, INT64_MAX, &total, e))
		return -1;
	if (done > total)
		return err_set(e, ERR_DATA, "%.60s is more than all", z);
	str_putf(s, "\"progress\":[%lld,%lld],", (long long)done, (long long)total);
	return 0;
}

/* Read as the worker will read it, so that what gets through here is understood there. */
static int
check_json(const char *z, const char *what, json_t **out, struct err *e)
{
	json_error_t why;

	*out = json_loads(z, JSON_DECODE_ANY, &why);
	if (*out)
		return 0;
	return err_set(e, ERR_DATA, "%s is not JSON that can be kept: %s", what, why.text);
}

static int
put_stat(struct str *s, char *const *all, int i, struct err *e)
{
	const char *z = all[i], *eq = strchr(z, '=');
	size_t n = eq ? (size_t)(eq - z) : 0;
	json_t *value;

	if (!n || n > NAME_MAX_LEN || !(isalpha((unsigned char)*z) || *z == '_') ||
	    strspn(z, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != n)
		return err_set(e, ERR_USAGE,
			       "\"%.80s\" is neither DONE/TOTAL nor NAME=N; a name is made "
			       "of letters, digits and _ . -",
			       z);
	for (int j = 0; j < i; j++)
		if (!strncmp(all[j], z, n + 1))
			return err_set(e, ERR_USAGE, "\"%.*s\" is given twice", (int)n, z);
	if (!eq[1] || strspn(eq + 1, "0123456789+-.eE") != strlen(eq + 1) ||
	    check_json(eq + 1, "the number", &value, e))
		return err_set(e, ERR_USAGE, "\"%.60s\" is not a number, in \"%.80s\"", eq + 1,
			       z);
	json_decref(value);
	str_putf(s, "\"%.*s\":%s,", (int)n, z, eq + 1);
	return 0;
}

static int
put_checkpoint(struct str *s, const char *z, struct err *e)
{
	json_t *value;

	if (check_json(z, "the checkpoint", &value, e))
		return -1;
	json_decref(value);
	str_puts(s, "\"checkpoint\":");
	/* a control character can only stand between tokens, and a newline would end the line
	 */
	for (; *z; z++)
		str_putc(s, (unsigned char)*z < 0x20 ? ' ' : *z);
	str_putc(s, ',');
	return 0;
}

static int
put_line(struct str *s, const struct config *cfg, char *const *operands, struct err *e)
{
	int i = 0;

	str_putc(s, '{');
	if (operands[0] && is_progress(operands[0])) {
		if (put_progress(s, operands[0], e))
			return -1;
		i = 1;
	}
	if (cfg->message) {
		str_puts(s, "\"message\":");
		str_put_json(s, cfg->message, strlen(cfg->message));
		str_putc(s, ',');
	}
	if (operands[i]) {
		str_puts(s, "\"stats\":{");
		for (; operands[i]; i++)
			if (put_stat(s, operands, i, e))
				return -1;
		str_truncate(s, s->len - 1);
		str_puts(s, "},");
	}
	if (cfg->checkpoint && put_checkpoint(s, cfg->checkpoint, e))
		return -1;
	str_truncate(s, s->len - 1);
	str_puts(s, "}\n");
	if (s->len <= PIPE_BUF)
		return 0;
	(void)err_set(e, ERR_DATA, "this takes %zu bytes, and %d is the limit", s->len,
		      PIPE_BUF);
	err_hint(e, "%s", "keep what is large in a file, and its name in the checkpoint");
	return -1;
}

static int
cancelled(struct err *e)
{
	return err_set(e, ERR_NO,
		       "this job is to stop: it was cancelled, or another worker has it");
}

static int
ask(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR ? cancelled(e) : 0;
}

/* A worker that does not read must not hold the job for ever. */
static int
say(int fd, const struct str *s, struct err *e)
{
	int64_t deadline = deadline_in(PATIENCE_MS);

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		int n = poll(&p, 1, poll_timeout(deadline));

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_OS, "poll");
		if (n > 0 && p.revents & POLLERR)
			return cancelled(e);
		if (n > 0 && write(fd, s->buf, s->len) >= 0)
			return 0;
		if (n > 0 && errno == EPIPE)
			return cancelled(e);
		if (n > 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, ERR_IO, "cannot write to the worker");
		if (now_ms() >= deadline)
			return err_set(e, ERR_TEMPFAIL,
				       "the worker does not read what the job says");
	}
}

int
main(int argc, char **argv)
{
	struct config cfg = { .message = NULL };
	struct err err = ERR_INIT;
	AUTOSTR line = STR(STR_ANY);
	int status = 0, fd = -1;
	char **operands;

	operands = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	/* with nothing to say it only asks whether to go on */
	if (*operands || cfg.message || cfg.checkpoint)
		status = put_line(&line, &cfg, operands, &err);
	if (!status)
		status = control_pipe(&fd, &err);
	if (!status)
		status = line.len ? say(fd, &line, &err) : ask(fd, &err);
	if (status)
		status = cmd_fail(&cmd, &err);
	return cmd_done(&cmd, status);
}
