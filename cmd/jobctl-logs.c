/*
 * jobctl-logs - show what a job wrote
 *
 * Both streams go to stdout, in the order in which they were captured: what a job
 * wrote is data, and stderr is where this program itself speaks.  A terminal gets
 * control characters escaped, anything else gets the bytes.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job.h"
#include "job_run.h"
#include "parse.h"
#include "pg.h"
#include "str.h"
#include "waiting.h"
#include "watch.h"

struct config {
	struct common common;
	int64_t attempt;
	int64_t lines;
	bool follow;
	bool only_stdout;
	bool only_stderr;
	const char *timestamps;	/* NULL: none; "": without a form */
	bool exit_status;

	bool when, relative;	/* a time before each line; since the run began */
};

static const struct opt opts[] = {OPT_ROW_FLAG('f', "follow", struct config, follow,
					       "go on until the job has ended, run after run"),
				  OPT_ROW_INT(0, "attempt", "N", struct config, attempt, 1,
					      INT32_MAX,
					      "of attempt N instead of the last one"),
				  OPT_ROW_INT('n', "lines", "N", struct config, lines, 0,
					      INT64_MAX, "only the last N lines"),
				  OPT_ROW_FLAG(0, "stdout", struct config, only_stdout,
					       "only what went to standard output"),
				  OPT_ROW_FLAG(0, "stderr", struct config, only_stderr,
					       "only what went to standard error"),
				  OPT_ROW_STR(0, "timestamps", "[FORM]", struct config,
					      timestamps, "absolute|relative",
					      "put before each line when it was stored, or "
					      "(relative) how long after the run began"),
				  OPT_ROW_FLAG(0, "exit-status", struct config, exit_status,
					       "with -f: end with the job's exit status"),
				  OPT_ROW_END};

static const struct example examples[] = {
	{"jobctl-logs 0199c0de-7a31", "the last run's output"},
	{"jobctl-logs -f -n 20 \"$id\"", "the last 20 lines, and what follows"},
	{"jobctl-logs --attempt 1 --stderr \"$id\"", "what the first attempt complained about"},
	{"jobctl-logs -f --timestamps=relative \"$id\"", "where the time goes"},
	{NULL, NULL}};

static const struct cmd cmd = {
	.name = "jobctl-logs",
	.brief = "show what a job wrote",
	.synopsis = (const char *const[]){ "[options] JOB", NULL },
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET,
	.min_operands = 1,
	.max_operands = 1,
};

/* How far the output has been shown. */
struct view {
	const struct config *cfg;
	struct uuid job;
	int streams;		/* mask of 1 and 2 */
	bool escape;
	size_t skip;		/* bytes of the first piece that are not to be shown */
	bool began;		/* a run has been shown, or looked for */
	bool mid_line;
	char part[2][4];	/* of each stream: a character whose end has not come yet */
	size_t npart[2];
};

/* Bytes at the end of p that may be the beginning of a character. */
static size_t
unfinished(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)p[n - back];
		size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if (len > 1)
			return len > back ? back : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* What the stream has kept back, and the piece, without what is to be kept back now. */
static void
whole_characters(struct view *v, int stream, const char *p, size_t n, struct str *s)
{
	size_t i = (size_t)stream - 1, keep;

	str_add(s, v->part[i], v->npart[i]);
	str_add(s, p, n);
	keep = n ? unfinished(s->buf, s->len) : 0;
	memcpy(v->part[i], s->buf + s->len - keep, keep);
	v->npart[i] = keep;
	str_truncate(s, s->len - keep);
}

static void
put_text(struct view *v, const char *at, const char *p, size_t n)
{
	AUTOSTR safe = STR(STR_ANY);

	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) + 1 : n;

		if (v->cfg->when && !v->mid_line)
			printf("%s ", at);
		if (v->escape) {
			str_reset(&safe);
			str_put_safe_text(&safe, p, len);
			fwrite(safe.buf, 1, safe.len, stdout);
		} else {
			fwrite(p, 1, len, stdout);
		}
		v->mid_line = !nl;
		p += len;
		n -= len;
	}
}

static void
put_dropped(struct view *v, const char *at, int64_t bytes)
{
	char text[80];
	int n = snprintf(text, sizeof text, "[... %lld bytes dropped ...]\n", (long long)bytes);

	if (v->mid_line)
		putchar('\n');
	v->mid_line = false;
	put_text(v, at, text, (size_t)n);
}

static void
put_json(const struct view *v, const struct job_run *run, const struct job_piece *p,
	 const struct str *text)
{
	AUTOSTR s = STR(STR_ANY);

	str_putf(&s,
		 "{\"v\":1,\"id\":\"%s\",\"attempt\":%d,\"n\":%d,\"at\":\"%s\",\"stream\":\"%"
		 "s\","
		 "\"dropped\":%lld,\"text\":",
		 uuid_str(&v->job).z, run->attempt, p->n, p->at,
		 p->stream == 1 ? "stdout" : "stderr", (long long)p->dropped);
	str_put_json(&s, text->buf, text->len);
	str_puts(&s, "}\n");
	fwrite(s.buf, 1, s.len, stdout);
}

/* When a piece was stored, as it is shown. */
static void
piece_when(const struct view *v, const struct job_run *run, const struct job_piece *p,
	   char buf[40])
{
	int64_t began, stored;
	struct err ignored;
	char text[32];

	snprintf(buf, 40, "%s", p->at);
	if (!v->cfg->relative || parse_time(run->started_at, &began, &ignored) ||
	    parse_time(p->at, &stored, &ignored))
		return;
	duration_text((double)(stored - began) / 1e6, text);
	snprintf(buf, 40, "%*s+%s", 7 - (int)strlen(text), "", text);
}

/* A character that was never finished is shown as far as it goes. */
static void
end_run(struct view *v)
{
	for (int stream = 1; stream <= 2; stream++) {
		AUTOSTR rest = STR(8);

		whole_characters(v, stream, "", 0, &rest);
		if (!v->cfg->common.json)
			put_text(v, "", rest.buf, rest.len);
		v->npart[stream - 1] = 0;
	}
}

static int
show(void *ctx, const struct job_run *run, const struct job_piece *p, struct err *e)
{
	struct view *v = ctx;
	AUTOSTR text = STR(STR_ANY);
	size_t skip = v->skip;
	char when[40];

	if (!p) {
		end_run(v);
		fflush(stdout);		/* what is said comes after what it is said of */
		if (v->began)
			cmd_note(&cmd, "attempt %d begins", run->attempt);
		v->began = true;
		return 0;
	}
	v->skip = 0;
	if (!(p->stream & v->streams))
		return 0;
	if (skip > p->len)
		skip = p->len;
	if (v->escape || v->cfg->common.json)
		whole_characters(v, p->stream, p->data + skip, p->len - skip, &text);
	else
		str_add(&text, p->data + skip, p->len - skip);
	if (v->cfg->common.json) {
		put_json(v, run, p, &text);
	} else {
		piece_when(v, run, p, when);
		if (p->dropped && !skip)
			put_dropped(v, when, p->dropped);
		put_text(v, when, text.buf, text.len);
	}
	return ferror(stdout) ? err_set(e, ERR_IO, "cannot write the output") : 0;
}

static int
begin(struct pg *db, struct view *v, struct job_follow *f, struct err *e)
{
	const struct config *cfg = v->cfg;
	int n = job_run_last(db, &v->job, (int)cfg->attempt, &f->run, e);

	if (n < 0)
		return -1;
	f->has_run = v->began = n > 0;
	if (!n && cfg->attempt)
		return err_set(e, ERR_NOINPUT, "job %s has no attempt %d", uuid_str(&v->job).z,
			       (int)cfg->attempt);
	if (n && cfg->lines >= 0)
		return job_run_tail(db, &v->job, &f->run, v->streams, cfg->lines, &f->next_n,
				       &v->skip, e);
	return 0;
}

static int
follow(struct pg *db, struct view *v, struct job_follow *f, struct err *e)
{
	struct watch w = WATCH_INIT;

	while (!f->ended) {
		int n = job_follow_step(db, f, show, v, e);

		if (n < 0 && !ferror(stdout)) {
			if (e->kind == ERR_UNAVAILABLE)
				cmd_note(&cmd, "%s; trying again", e->msg);
			n = watch_reconnect(db, cmd.name, v->cfg->common.dbname, e);
		}
		if (n < 0)
			return -1;
		if (n == 0 && !f->ended && (fflush(stdout) || !watch_pause(&w, false)))
			return 0;
		if (n > 0)
			w.pause_ms = 0;
	}
	end_run(v);
	fflush(stdout);
	cmd_note(&cmd, "the job %s %s", !strcmp(f->status, "cancelled") ? "was" : "has", f->status);
	return 0;
}

static int
logs(struct pg *db, const struct config *cfg, const char *operand, int *status, struct err *e)
{
	struct view v = {
		.cfg = cfg,
		.streams = cfg->only_stdout == cfg->only_stderr ? 3 : cfg->only_stdout ? 1 : 2,
		.escape = isatty(STDOUT_FILENO),
	};
	struct job_follow f = { .next_n = 0 };

	if (job_resolve(db, operand, &v.job, e))
		return -1;
	f.job = v.job;
	if (begin(db, &v, &f, e))
		return -1;
	if (cfg->follow) {
		if (follow(db, &v, &f, e))
			return -1;
		if (cfg->exit_status && f.ended)
			*status = wait_code(&(struct wait_end){
				.id = f.job, .status = f.status, .outcome = f.outcome,
				.exit_code = f.exit_code, .signal = f.signal });
		return 0;
	}
	if (!f.has_run) {
		cmd_note(&cmd, "the job has not run yet");
		return 0;
	}
	if (job_run_read(db, &v.job, &f.run, f.next_n, show, &v, e))
		return -1;
	end_run(&v);
	return 0;
}

static void
check(struct config *cfg)
{
	const char *form = cfg->timestamps;

	if (cfg->exit_status && !cfg->follow)
		cmd_usage(&cmd, "--exit-status needs --follow");
	cfg->when = form != NULL;
	cfg->relative = form && !strcmp(form, "relative");
	if (form && *form && !cfg->relative && strcmp(form, "absolute") != 0)
		cmd_usage(&cmd, "--timestamps: \"%.60s\" is neither absolute nor relative", form);
}

int
main(int argc, char **argv)
{
	struct config cfg = { .lines = -1 };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	int status = 0;
	char **args;

	args = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	check(&cfg);
	if (pg_open(&db, cmd.name, cfg.common.dbname, &err) ||
	    (logs(&db, &cfg, *args, &status, &err) && !ferror(stdout)))
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	return cmd_done(&cmd, status);
}
