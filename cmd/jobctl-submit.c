/*
 * jobctl-submit - submit one job or millions
 *
 * stdout gets one id per job, in the order of the input, and only once the job is
 * committed.  With --wait it gets the job's own output instead, and the exit
 * status is the job's.
 */
#include "base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attend.h"
#include "cmd.h"
#include "jobargs.h"
#include "jobspec.h"
#include "out.h"
#include "sink.h"
#include "submit.h"

struct config {
	struct common common;
	const char *queue, *project, *args, *unique, *backoff, *cwd;
	int64_t priority, at, in, unique_for, max_attempts, timeout, batch;
	struct strlist after, after_ok, env;
	int on_conflict;
	bool hold, lines, null, jsonl, wait, dry_run;
};

static const struct opt opts[] = {
	OPT_ROW_STR('q', "queue", "QUEUE", struct config, queue, "queue",
		    "into this queue (default: default)"),
	OPT_ROW_STR('p', "project", "PROJECT", struct config, project, "project",
		    "for this project (default: default)"),
	OPT_ROW_INT(0, "priority", "N", struct config, priority, INT32_MIN, INT32_MAX,
		    "higher runs first (default: 0)"),
	OPT_ROW_TIME(0, "at", "TIME", struct config, at, "run not before TIME"),
	OPT_ROW_MS(0, "in", "D", struct config, in, 0, MS_MAX, "run not before D from now"),
	OPT_ROW_STR(0, "unique", "KEY", struct config, unique, NULL,
		    "at most one live job of the project has this key"),
	OPT_ROW_CHOICE(0, "on-conflict", "WHAT", struct config, on_conflict, on_conflict_choices,
		       "if one has it: skip (print its id; the default), fail, or replace it"),
	OPT_ROW_MS(0, "unique-for", "D", struct config, unique_for, 0, MS_MAX,
		   "a job that completed with the key less than D ago counts too"),
	OPT_ROW_LIST(0, "after", "ID", struct config, after, "job",
		     "run when job ID has ended; may repeat"),
	OPT_ROW_LIST(0, "after-ok", "ID", struct config, after_ok, "job",
		     "run when job ID has completed, else never; may repeat"),
	OPT_ROW_INT(0, "max-attempts", "N", struct config, max_attempts, 1, MAX_ATTEMPTS,
		    "run at most N times until it succeeds (default: 3, a command: 1)"),
	OPT_ROW_STR(0, "backoff", "POLICY", struct config, backoff, NULL,
		    "exponential, linear or constant[:BASE[:MAX]] wait between attempts"),
	OPT_ROW_MS(0, "timeout", "D", struct config, timeout, 1, MS_MAX,
		   "an attempt may run this long; with --wait, also wait no longer"),
	OPT_ROW_FLAG(0, "hold", struct config, hold, "do not run before jobctl-release"),
	OPT_ROW_TEXT(0, "args", "JSON", struct config, args, "file",
		     "the job's arguments: an object, @FILE, or - for standard input"),
	OPT_ROW_STR(0, "cwd", "DIR", struct config, cwd, "dir",
		    "run the command in DIR (default: where you are)"),
	OPT_ROW_LIST(0, "env", "NAME[=TEXT]", struct config, env, NULL,
		     "set NAME for the command, to its value here or to TEXT; may repeat"),
	OPT_ROW_FLAG(0, "lines", struct config, lines,
		     "one job for each line of standard input, which replaces {}"),
	OPT_ROW_FLAG('0', "null", struct config, null, "lines end with a NUL byte"),
	OPT_ROW_FLAG(0, "jsonl", struct config, jsonl,
		     "one job for each JSON object on standard input, one per line"),
	OPT_ROW_INT(0, "batch", "N", struct config, batch, 1, INT32_MAX,
		    "commit after every N jobs (default: after the last)"),
	OPT_ROW_FLAG(0, "wait", struct config, wait,
		     "show the job's output, exit with its status"),
	OPT_ROW_FLAG(0, "dry-run", struct config, dry_run,
		     "print the job as JSON, submit nothing"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-submit mail to=ann@example.org", "a job of kind mail" },
	{ "jobctl-submit -q ci --wait --timeout 10m -- make check", "run a command elsewhere as if here" },
	{ "find . -name '*.wav' -print0 | jobctl-submit -q enc -0 --lines -- ffmpeg -i {} {}.mp3",
	  "a job for each file" },
	{ "id=$(jobctl-submit build ref=main); jobctl-submit --after-ok \"$id\" deploy ref=main",
	  "one after the other" },
	{ "jobctl-submit --unique nightly-$(date +%F) --unique-for 1d report", "from cron on every host, one job" },
	{ "psql -XAtc 'SELECT json_build_object(...) FROM ...' | jobctl-submit --jsonl mail",
	  "a million jobs" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-submit",
	.brief = "submit one job or millions",
	.synopsis = (const char *const[]){
		"[options] KIND [NAME=TEXT | NAME:=JSON]...", "[options] KIND --args JSON | @FILE | -",
		"[options] -- COMMAND [ARG...]", "[options] --lines KIND [NAME=TEXT]...",
		"[options] --lines -- COMMAND [ARG...]", "[options] --jsonl [KIND]", NULL
	},
	.examples = examples,
	.opts = opts,
	.complete_operand = "kind",
	.role = "jobctl_submitter",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_VERBOSE,
	.max_operands = -1,
};

/* What the jobs are made of. */
struct work {
	struct config *cfg;
	struct submit to;
	struct jobspec spec;		/* the job, or the defaults of many */
	struct job_ids after, after_ok;
	struct str backoff, text;	/* what spec borrows */
	struct jobargs template;
	struct json_scan scan;
};

static int
fail(const struct config *cfg, struct err *e)
{
	if (cfg->wait && e->kind != ERR_USAGE)
		wait_wrap_error(e);
	return cmd_fail(&cmd, e);
}

static void
check_combinations(const struct config *cfg, bool command, int noperands)
{
	bool many = cfg->lines || cfg->jsonl;

	if (cfg->lines && cfg->jsonl)
		cmd_usage(&cmd, "--lines and --jsonl cannot go together");
	if (cfg->null && !cfg->lines)
		cmd_usage(&cmd, "--null is for --lines");
	if (cfg->batch && !many)
		cmd_usage(&cmd, "--batch is for --lines and --jsonl");
	if (cfg->wait && many)
		cmd_usage(&cmd, "--wait is for one job; for many: jobctl-submit ... | jobctl-wait -");
	if (cfg->wait && cfg->dry_run)
		cmd_usage(&cmd, "--wait and --dry-run cannot go together");
	if (cfg->at != NEVER && cfg->in != NEVER)
		cmd_usage(&cmd, "--at and --in cannot go together");
	if ((cfg->cwd || cfg->env.n) && !command)
		cmd_usage(&cmd, "--cwd and --env are for a command after --");
	if (command && cfg->jsonl)
		cmd_usage(&cmd, "--jsonl takes no command; say \"argv\" in the lines");
	if (command && !noperands)
		cmd_usage(&cmd, "the command after -- is missing");
	if (!command && !noperands && !cfg->jsonl)
		cmd_usage(&cmd, "missing arguments: a KIND, or -- and a command");
	if (cfg->jsonl && noperands > 1)
		cmd_usage(&cmd, "--jsonl takes no arguments but a KIND; say \"args\" in the lines");
	if (cfg->args && (command || cfg->lines))
		cmd_usage(&cmd, "--args is for one job and --jsonl");
	if (cfg->args && noperands > 1)
		cmd_usage(&cmd, "--args and NAME=... cannot go together");
	if (cfg->args && cfg->jsonl && !strcmp(cfg->args, "-"))
		cmd_usage(&cmd, "standard input cannot be both --args and --jsonl");
	if (cfg->lines && cfg->unique && !strstr(cfg->unique, "{}"))
		cmd_usage(&cmd, "--unique needs {} with --lines, or every line would be the same job");
}

/* Ids to wait for: whole ones as they are, the beginning of one as the database knows it. */
static int
resolve(struct work *w, const struct strlist *texts, struct job_ids *ids, struct err *e)
{
	for (size_t i = 0; i < texts->n; i++) {
		struct uuid u;

		if (uuid_parse(texts->v[i], &u, e)) {
			if (w->cfg->dry_run)
				return err_set(e, ERR_USAGE, "--dry-run asks no database and needs whole ids, "
					       "not \"%.60s\"", texts->v[i]);
			if (!w->to.db.conn && pg_open(&w->to.db, cmd.name, w->cfg->common.dbname, e))
				return -1;
			if (job_resolve(&w->to.db, texts->v[i], &u, e))
				return -1;
		}
		job_ids_add(ids, &u);
	}
	return 0;
}

/* What the options say.  A mistake in one is a usage error whatever the rule it breaks. */
static int
read_options(struct work *w, const char *kind, struct err *e)
{
	const struct config *cfg = w->cfg;
	struct jobspec *s = &w->spec;

	*s = (struct jobspec)JOBSPEC_INIT;
	s->kind = kind;
	s->queue = cfg->queue ? cfg->queue : s->queue;
	s->project = cfg->project ? cfg->project : s->project;
	s->priority = cfg->priority;
	s->at = cfg->at;
	s->in = cfg->in;
	s->unique = cfg->unique;
	s->on_conflict = cfg->on_conflict < 0 ? NULL : on_conflict_choices[cfg->on_conflict];
	s->unique_for = cfg->unique_for;
	s->max_attempts = cfg->max_attempts;
	s->timeout = cfg->timeout;
	s->hold = cfg->hold;
	s->after = &w->after;
	s->after_ok = &w->after_ok;
	if ((kind && jobspec_check_name("the kind", kind, e)) ||
	    jobspec_check_name("the queue", s->queue, e) ||
	    jobspec_check_name("the project", s->project, e) ||
	    (s->unique && jobspec_check_unique(s->unique, e)) ||
	    (cfg->backoff && jobspec_parse_backoff(cfg->backoff, &w->backoff, e))) {
		e->kind = ERR_USAGE;
		return -1;
	}
	s->backoff = cfg->backoff ? w->backoff.buf : NULL;
	if (resolve(w, &cfg->after, &w->after, e))
		return -1;
	return resolve(w, &cfg->after_ok, &w->after_ok, e);
}

static int
read_command(struct work *w, char **argv, struct err *e)
{
	const struct config *cfg = w->cfg;
	AUTOFREE char *here = NULL;

	if (!cfg->cwd || cfg->cwd[0] != '/') {
		here = realpath(cfg->cwd ? cfg->cwd : ".", NULL);
		if (!here) {
			(void)err_sys(e, ERR_NOINPUT, "cannot tell the path of %s",
				      cfg->cwd ? cfg->cwd : "the current directory");
			err_hint(e, "give --cwd with an absolute path");
			return -1;
		}
	}
	w->spec.kind = "exec";
	return jobargs_command(&w->template, argv, here ? here : cfg->cwd, &cfg->env, cfg->lines, e);
}

/* The arguments, of one job or as a template for all. */
static int
read_operands(struct work *w, char **operands, bool command, struct err *e)
{
	const struct config *cfg = w->cfg;

	if (cfg->args) {
		if (jobargs_read(cfg->args, &w->text, &w->scan, e))
			return -1;
		w->spec.args_size = w->scan.size;
	} else if (cfg->jsonl) {
		return 0;
	} else {
		if (command ? read_command(w, operands, e)
			    : jobargs_pairs(&w->template, operands + 1, cfg->lines, e))
			return -1;
		if (cfg->lines)
			return 0;
		jobargs_fill(&w->template, "", 0, &w->text);
	}
	w->spec.args = (struct json_text){ w->text.buf, w->text.len };
	return cfg->jsonl ? 0 : jobspec_check(&w->spec, &w->scan, e);
}

static void
print_id(void *ctx, const struct uuid *id)
{
	const struct config *cfg = ctx;
	struct uuid_text z = uuid_str(id);

	if (cfg->common.quiet)
		return;
	if (cfg->common.json)
		printf("{\"v\":1,\"id\":\"%s\"}\n", z.z);
	else
		printf("%s\n", z.z);
}

/* Whoever reads the ids of a stream wants them now; one that has gone wants no more jobs. */
static bool
flush_ids(void *ctx)
{
	(void)ctx;
	return fflush(stdout) == 0 && !ferror(stdout);
}

static void
show_progress(void *ctx, int64_t sent, bool all)
{
	const struct config *cfg = ctx;

	if (all)
		status_clear();
	status_show(!cfg->common.quiet, "%lld jobs sent%s", (long long)sent,
		    all ? ", the database makes them" : "");
}

static void
print_spec(struct str *s, const struct jobspec *spec)
{
	str_reset(s);
	jobspec_write(s, spec);
	str_putc(s, '\n');
	fwrite(s->buf, 1, s->len, stdout);
}

static int
submit_many(struct work *w, struct err *e)
{
	struct config *cfg = w->cfg;
	struct feed feed;
	struct bulk b = {
		.to = w->to, .from = &feed, .batch = cfg->batch, .submitted = print_id,
		.all_told = flush_ids, .progress = show_progress, .ctx = cfg
	};
	int rc;

	feed_init(&feed, STDIN_FILENO, cfg->null ? '\0' : '\n', &w->spec,
		  cfg->jsonl ? NULL : &w->template);
	if (cfg->dry_run) {
		AUTOSTR line = STR(STR_ANY);
		struct jobspec s;
		int64_t number;

		while ((rc = feed_next(&feed, &s, &number, e)) > 0)
			print_spec(&line, &s);
	} else {
		rc = bulk_run(&b, e);
		w->to = b.to;
		status_clear();
		if (rc < 0 && !e->hint[0] && b.committed)
			err_hint(e, "the %lld jobs of lines 1 to %lld are submitted, those after it are not",
				 (long long)b.committed, (long long)b.committed_line);
		else if (rc < 0 && !e->hint[0])
			err_hint(e, "nothing was submitted");
	}
	feed_free(&feed);
	return rc;
}

struct show {
	struct attend attend;
	struct sink out, err;
	bool json;
};

static void
show_piece(void *ctx, int stream, const char *data, size_t n, int64_t dropped)
{
	struct show *show = ctx;

	if (dropped)
		cmd_note(&cmd, "%lld bytes of %s were not kept", (long long)dropped,
			 stream == 2 ? "stderr" : "stdout");
	sink_put(stream == 2 ? &show->err : &show->out, data, n);
}

static void
show_end(void *ctx, const struct wait_end *end)
{
	const struct show *show = ctx;
	AUTOSTR s = STR(STR_ANY);

	if (show->json) {
		wait_end_json(&s, end);
		printf("%s\n", s.buf);
	} else if (show->attend.too_late && !strcmp(end->status, "cancelled")) {
		cmd_note(&cmd, "the time is over; job %s was cancelled", uuid_str(&end->id).z);
	} else if (strcmp(end->status, "completed") != 0) {
		wait_end_text(&s, end);
		cmd_note(&cmd, "%s", s.buf);
	}
}

static void
show_note(void *ctx, const char *text)
{
	(void)ctx;
	cmd_note(&cmd, "%s", text);
}

static char interrupted[200];

/*
 * Anywhere in the wait, be it a call that hangs: the job is in the database and
 * needs nothing from us, so that there is nothing to put in order.
 */
static void
on_interrupt(int sig)
{
	(void)!write(STDERR_FILENO, interrupted, strlen(interrupted));
	_exit(128 + sig);
}

static int
wait_for(struct work *w, const struct uuid *id, bool ours, int64_t since, struct err *e)
{
	const struct config *cfg = w->cfg;
	struct show show = { .json = cfg->common.json && !cfg->common.quiet };
	struct attend *a = &show.attend;
	int rc;

	*a = (struct attend){
		.wait = { .app = cmd.name, .dbname = cfg->common.dbname, .db = w->to.db,
			  .deadline = cfg->timeout == NEVER ? NEVER : since + cfg->timeout,
			  .checked = true },
		.id = *id, .ours = ours, .ended = show_end, .note = show_note, .ctx = &show,
		.piece = cfg->common.json || cfg->common.quiet ? NULL : show_piece,
	};
	sink_open(&show.out, stdout);
	sink_open(&show.err, stderr);
	snprintf(interrupted, sizeof interrupted, "%s: the job goes on: jobctl-wait %s\n", cmd.name,
		 uuid_str(id).z);
	if (signal(SIGINT, SIG_IGN) != SIG_IGN)		/* a shell's background job stays deaf */
		signal(SIGINT, on_interrupt);
	cmd_verbose(&cmd, "job %s", uuid_str(id).z);
	rc = attend(a, e);
	w->to.db = a->wait.db;
	sink_close(&show.out);
	sink_close(&show.err);
	if (a->goes_on)
		cmd_note(&cmd, "the time is over; job %s %s", uuid_str(id).z,
			 ours ? "was told to stop" : "goes on");
	return rc;
}

static int
submit_single(struct work *w, struct err *e)
{
	struct config *cfg = w->cfg;
	struct uuid mine = uuid_v7(), id = mine;
	int64_t since = now_ms();

	if (cfg->dry_run) {
		AUTOSTR line = STR(STR_ANY);

		print_spec(&line, &w->spec);
		return 0;
	}
	if (submit_one(&w->to, &w->spec, &id, e))
		return -1;
	if (cfg->wait)
		return wait_for(w, &id, uuid_equal(&id, &mine), since, e);
	print_id(cfg, &id);
	return 0;
}

static void
free_work(struct work *w)
{
	pg_close(&w->to.db);
	job_ids_free(&w->after);
	job_ids_free(&w->after_ok);
	str_free(&w->backoff);
	str_free(&w->text);
	jobargs_free(&w->template);
	json_scan_free(&w->scan);
	strlist_free(&w->cfg->after);
	strlist_free(&w->cfg->after_ok);
	strlist_free(&w->cfg->env);
}

int
main(int argc, char **argv)
{
	struct config cfg = {
		.at = NEVER, .in = NEVER, .unique_for = NEVER, .timeout = NEVER, .on_conflict = -1
	};
	struct work w = {
		.cfg = &cfg, .backoff = STR(STR_ANY), .text = STR(STR_ANY), .template = JOBARGS_INIT,
		.scan = JSON_SCAN_INIT
	};
	struct err err = ERR_INIT;
	char **operands;
	int dashes, n = 0, rc;
	bool command;

	operands = cmd_parse(&cmd, &cfg, argc, argv, &dashes);
	while (operands[n])
		n++;
	if (dashes > 0)
		cmd_usage(&cmd, "a KIND and a command after -- cannot go together");
	command = dashes == 0;
	check_combinations(&cfg, command, n);
	w.to = (struct submit){ .app = cmd.name, .dbname = cfg.common.dbname };
	rc = read_options(&w, command ? NULL : operands[0], &err);
	if (!rc)
		rc = read_operands(&w, operands, command, &err);
	if (!rc)
		rc = cfg.lines || cfg.jsonl ? submit_many(&w, &err) : submit_single(&w, &err);
	if (rc < 0)
		rc = fail(&cfg, &err);
	free_work(&w);
	return cmd_done(&cmd, rc);
}
