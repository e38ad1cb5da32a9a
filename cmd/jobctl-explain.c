/*
 * jobctl-explain - say why a job is not running, or whether it is stuck
 *
 * All reasons at once with their evidence, and the commands to type next.  The exit
 * status is the answer: 0 if all is as it should be, 1 if somebody has to look.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "explain.h"
#include "job.h"
#include "out.h"
#include "pg.h"
#include "str.h"

struct config {
	struct common common;
	struct strlist queues;
	const char *fields;
	bool no_header;

	const struct out_col **cols;
	int ncols;
	struct out out;
	bool shown;
};

static const struct opt opts[] = {
	OPT_ROW_LIST('q', "queue", "QUEUE", struct config, queues, "queue",
		     "explain a queue; repeats"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "a line for each reason, tab-separated: "
		    "id queue status healthy verdict reason why next"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-explain 0199c0de-7a31", "all there is to know, on one screen" },
	{ "jobctl-explain -q mail", "why a whole queue stands still" },
	{ "jobctl-explain -Q \"$id\" || page-somebody", "0: as it should be, 1: not" },
	{ "jobctl-explain -H -o next \"$id\" | head -1 | sh", "do what it says first" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-explain",
	.brief = "say why a job is not running, or whether it is stuck",
	.synopsis = (const char *const[]){ "[options] JOB...", "[options] -q QUEUE", NULL },
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.max_operands = -1,
};

enum { ID, QUEUE, STATUS, HEALTHY, VERDICT, REASON, WHY, NEXT, NFIELDS };

static const struct out_col columns[NFIELDS] = {
	[ID] = { "id", "ID", OUT_ID },
	[QUEUE] = { "queue", "QUEUE", OUT_TEXT },
	[STATUS] = { "status", "STATUS", OUT_TEXT },
	[HEALTHY] = { "healthy", "HEALTHY", OUT_BOOL },
	[VERDICT] = { "verdict", "VERDICT", OUT_TEXT },
	[REASON] = { "reason", "REASON", OUT_TEXT },
	[WHY] = { "why", "WHY", OUT_TEXT },
	[NEXT] = { "next", "NEXT", OUT_JSON },
};
static const char json_fields[] = "id,queue,status,healthy,verdict,reason,why,next";

/* JSON has all commands, a line to be cut has the first. */
static void
put_commands(const struct config *cfg, const char *next, struct str *s)
{
	if (!cfg->common.json) {
		str_add(s, next, strcspn(next, "\n"));
		return;
	}
	for (const char *p = next; *p; p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		str_putc(s, p == next ? '[' : ',');
		str_put_json(s, p, n);
		p += n;
	}
	str_puts(s, *next ? "]" : "[]");
}

static void
put_rows(struct config *cfg, const struct explain *x)
{
	AUTOSTR verdict = STR(STR_ANY);

	explain_verdict(x, &verdict);
	for (size_t i = 0; i < x->n; i++) {
		const struct finding *f = &x->v[i];
		AUTOSTR next = STR(STR_ANY);
		struct uuid_text id = uuid_str(&x->id);
		const char *values[NFIELDS] = {
			[ID] = x->is_queue ? NULL : id.z,
			[QUEUE] = x->queue,
			[STATUS] = x->status,
			[HEALTHY] = f->healthy ? "t" : "f",
			[VERDICT] = verdict.buf,
			[REASON] = f->reason,
			[WHY] = f->why,
		};

		put_commands(cfg, f->next, &next);
		values[NEXT] = next.len ? next.buf : NULL;
		for (int c = 0; c < cfg->ncols; c++)
			out_cell(&cfg->out, values[cfg->cols[c] - columns]);
	}
}

static int
put(struct pg *db, struct config *cfg, const struct explain *x, struct err *e)
{
	AUTOSTR screen = STR(STR_ANY);

	if (cfg->common.quiet)
		return 0;
	if (cfg->ncols) {
		put_rows(cfg, x);
		return 0;
	}
	if (cfg->shown)
		str_putc(&screen, '\n');
	if (explain_show(db, x, &screen, e))
		return -1;
	fwrite(screen.buf, 1, screen.len, stdout);
	cfg->shown = true;
	return 0;
}

static int
complain(const struct err *e)
{
	return cmd_fail(&cmd, e);
}

static int
explain_jobs(struct pg *db, struct config *cfg, char **operands, struct err *e)
{
	struct job_ids ids = { .n = 0 };
	int status = job_resolve_all(db, operands, &ids, complain, e);

	for (size_t i = 0; i < ids.n && status >= 0; i++) {
		struct explain x = { .n = 0 };
		int n = explain_job(db, cfg->common.dbname, &ids.v[i], &x, e);

		if (n < 0 || (n > 0 && put(db, cfg, &x, e)))
			status = -1;
		else if (n > 0 && !x.healthy && !status)
			status = 1;
		explain_free(&x);
	}
	job_ids_free(&ids);
	return status;
}

static int
explain_queues(struct pg *db, struct config *cfg, struct err *e)
{
	int status = 0;

	for (size_t i = 0; i < cfg->queues.n && status >= 0; i++) {
		struct explain x = { .n = 0 };
		int n = explain_queue(db, cfg->common.dbname, cfg->queues.v[i], &x, e);

		if (n < 0 || (n > 0 && put(db, cfg, &x, e))) {
			status = -1;
		} else if (n == 0) {
			(void)err_set(e, ERR_NOINPUT,
				      "queue \"%.100s\" has no job, no setting and no worker",
				      cfg->queues.v[i]);
			err_hint(e, "jobctl-queue list");
			status = complain(e);
		} else if (!x.healthy && !status) {
			status = 1;
		}
		explain_free(&x);
	}
	return status;
}

static int
run(struct pg *db, struct config *cfg, char **operands, struct err *e)
{
	int status;

	if (pg_open(db, cmd.name, cfg->common.dbname, e))
		return -1;
	if (cfg->ncols)
		out_begin(&cfg->out, cfg->common.json ? OUT_JSONL : OUT_TSV, !cfg->no_header,
			  cfg->cols, cfg->ncols);
	status = *operands ? explain_jobs(db, cfg, operands, e) : explain_queues(db, cfg, e);
	if (cfg->ncols)
		out_end(&cfg->out);
	return status;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .no_header = false };
	struct pg db = PG_INIT;
	struct err err = ERR_INIT;
	char **operands;
	int status = 0;

	operands = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (!*operands == !cfg.queues.n)
		cmd_usage(&cmd, "name jobs, or a queue by -q");
	if (cfg.common.json || cfg.fields)
		status = out_pick(columns, NFIELDS, cfg.fields ? cfg.fields : json_fields,
				  &cfg.cols, &cfg.ncols, &err);
	if (!status)
		status = run(&db, &cfg, operands, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	pg_close(&db);
	free(cfg.cols);
	strlist_free(&cfg.queues);
	return cmd_done(&cmd, status);
}
