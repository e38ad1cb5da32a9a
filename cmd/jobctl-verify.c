/*
 * jobctl-verify - prove migrations, and that a database is what they make
 *
 * What is checked: lib/verify.h.  Here are the questions, the report and the signals.
 */
#include "base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "drift.h"
#include "interrupt.h"
#include "out.h"
#include "report.h"
#include "str.h"
#include "verify.h"
#include "verify_checks.h"

struct config {
	struct common common;
	struct strlist sets;
	const char *dir;
	const char *scratch;
	int format;		/* enum report_format; -1: not given */
	bool round_trip;
	bool strict;
	int64_t rows, runs;	/* 0: not given */
};

static const char *const formats[] = { "md", "tap", "json", NULL };

static const struct opt opts[] = {
	OPT_ROW_LIST(0, "set", "SET", struct config, sets, NULL,
		     "only this set, instead of all that are compiled in; may be repeated"),
	OPT_ROW_STR(0, "dir", "DIR", struct config, dir, "dir",
		    "the files in DIR, as a set named like the directory or by --set"),
	OPT_ROW_FLAG(0, "round-trip", struct config, round_trip,
		     "take each migration down and up again, and compare"),
	OPT_ROW_FLAG(0, "strict", struct config, strict,
		     "what is not of the migrations is a failure, too", .verbs = "drift"),
	OPT_ROW_INT(0, "rows", "N", struct config, rows, 1, 100000000,
		    "make N rows in each table that a declared query reads (default 100000)"),
	OPT_ROW_INT(0, "runs", "K", struct config, runs, 1, 100000,
		    "time each declared query K times (default 20)"),
	OPT_ROW_CHOICE(0, "report", "FORMAT", struct config, format, formats,
		       "write the report as md, tap or json (default md)"),
	OPT_ROW_STR(0, "scratch", "CONNINFO", struct config, scratch, NULL,
		    "make the scratch database there, instead of beside the database"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "drift", "", "compare the database with what the migrations make" },
	{ NULL, NULL, NULL }
};

static const struct example examples[] = {
	{ "jobctl-verify --round-trip > validation.md", "prove the compiled-in migrations" },
	{ "jobctl-verify --dir ./migrations --report tap | prove -e cat -", NULL },
	{ "jobctl-verify --json | jq -r 'select(.verdict == \"FAIL\") | .id'", NULL },
	{ "jobctl-verify drift", "is the database still what was deployed?" },
	{ "jobctl-verify drift -d service=prod --scratch \"$(jobctl-db url)\"",
	  "without making anything on that server" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-verify",
	.brief = "prove migrations, and that a database is what they make",
	.synopsis = (const char *const[]){ "[options]", "[options] drift", NULL },
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.max_operands = 1,
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
};

/* The sets to report on, and what they build on. */
struct sets {
	struct mig_sets all;
	bool *asked;
	size_t n;		/* up to the last that was asked for */
};

static int
read_sets(const struct config *cfg, struct sets *s, struct mig_problems *p)
{
	const struct strlist *names = &cfg->sets;

	if (mig_sets_read(&s->all, names->v, names->n, cfg->dir, sql_files, p))
		return -1;
	if (!cfg->dir && names->n) {
		mig_sets_free(&s->all);
		if (mig_sets_read(&s->all, NULL, 0, NULL, sql_files, p))
			return -1;
	}
	s->asked = xcalloc(s->all.n + 1, sizeof *s->asked);
	for (size_t i = 0; i < s->all.n; i++) {
		s->asked[i] = cfg->dir || !names->n;
		for (size_t k = 0; k < names->n; k++)
			s->asked[i] = s->asked[i] || !strcmp(names->v[k], s->all.v[i].name);
		if (s->asked[i])
			s->n = i + 1;
	}
	return 0;
}

static int
say_problems(struct mig_problems *p)
{
	int status = 0;

	for (size_t i = 0; i < p->n; i++) {
		int s = cmd_fail(&cmd, &p->v[i]);

		if (s > status)
			status = s;
	}
	mig_problems_free(p);
	return status;
}

static void
progress(void *ctx, const char *what)
{
	(void)ctx;
	status_show(!cmd_common()->quiet, "%s", what);
}

static enum report_format
format(const struct config *cfg)
{
	if (cfg->common.json && cfg->format >= 0 && cfg->format != REPORT_JSON)
		cmd_usage(&cmd, "--json and --report %s exclude each other", formats[cfg->format]);
	return cfg->common.json ? REPORT_JSON
	       : cfg->format < 0 ? REPORT_MD
				 : (enum report_format)cfg->format;
}

/* Close what was opened; an error that was there before is the one to tell. */
static int
close_all(struct verify *v, int rc, struct err *e)
{
	struct err last;

	status_clear();
	if (verify_close(v, &last) == 0 || rc)
		return rc;
	*e = last;
	return -1;
}

static int
prove(struct verify *v, struct err *e)
{
	v->report->title = "Validation of migrations";
	v->report->whole = true;
	return close_all(v, verify_run(v, e), e);
}

static int
drift(struct verify *v, bool strict, struct err *e)
{
	struct drift d = { .verify = v, .strict = strict, .live = PG_INIT };
	int rc;

	v->report->title = "Drift";
	rc = close_all(v, drift_run(&d, e), e);
	drift_free(&d);
	return rc;
}

/* What is not about the question that was asked. */
static void
check_options(const struct config *cfg, bool drifting)
{
	if (drifting && cfg->round_trip)
		cmd_usage(&cmd, "--round-trip: drift changes nothing");
	if (drifting && (cfg->rows || cfg->runs))
		cmd_usage(&cmd, "--%s: drift runs no queries", cfg->rows ? "rows" : "runs");
	if (!drifting && cfg->strict)
		cmd_usage(&cmd, "--strict is for drift");
}

static int
answer(const struct config *cfg, struct report *report, enum report_format fmt)
{
	report->color = cmd_color(STDOUT_FILENO);
	if (!cfg->common.quiet)
		report_write(report, fmt, stdout);
	return report->count[FAIL] ? ERR_NO : 0;
}

static int
run(const struct config *cfg, const struct sets *sets, bool drifting, struct err *e)
{
	enum report_format fmt = format(cfg);
	struct report report = REPORT_INIT;
	struct verify v = {
		.app = cmd.name, .dbname = cfg->common.dbname, .scratch_server = cfg->scratch,
		.sets = sets->all.v, .asked = sets->asked, .nsets = sets->n,
		.round_trip = cfg->round_trip, .rows = cfg->rows ? cfg->rows : 100000,
		.runs = cfg->runs ? cfg->runs : 20, .report = &report,
		.progress = progress, .scratch = SCRATCH_INIT,
	};
	int rc;

	interrupt_catch();
	rc = (drifting ? drift(&v, cfg->strict, e) : prove(&v, e)) ? cmd_fail(&cmd, e)
								   : answer(cfg, &report, fmt);
	report_free(&report);
	return rc;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .format = -1 };
	struct mig_problems problems = { .n = 0 };
	struct sets sets = { .n = 0 };
	struct err e = ERR_INIT;
	bool drifting;
	int rc;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	drifting = argv[0] && cmd_verb(&cmd, argv[0]);
	check_options(&cfg, drifting);
	(void)format(&cfg);
	(void)!read_sets(&cfg, &sets, &problems);
	for (size_t i = 0; i < sets.n; i++)
		if (sets.asked[i] && !drifting)
			verify_claims_read(&sets.all.v[i], &problems);
	rc = say_problems(&problems);
	if (!rc)
		rc = run(&cfg, &sets, drifting, &e);
	mig_sets_free(&sets.all);
	free(sets.asked);
	strlist_free(&cfg.sets);
	free(argv);
	rc = cmd_done(&cmd, rc);
	if (interrupted()) {
		signal(interrupted(), SIG_DFL);
		raise(interrupted());	/* so that our parent learns what ended us */
	}
	return rc;
}
