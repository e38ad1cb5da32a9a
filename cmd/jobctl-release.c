/*
 * jobctl-release - let held jobs go
 *
 * Prints "ID STATUS" for each job: pending, running if it was never held, or what it
 * had become before.
 */
#include "base.h"

#include <string.h>

#include "cmd.h"
#include "job_change.h"

static const struct opt opts[] = {
	JOB_CHANGE_OPTS(struct job_changer, change, "all held jobs"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-release 0199c0de-7a31", "one job, by the beginning of its id" },
	{ "jobctl-release -q enc --dry-run", "which held jobs that would let go" },
	{ "jobctl-release -q enc --yes --reason 'disk is empty again'", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-release",
	.brief = "let held jobs go",
	.synopsis =
		(const char *const[]){"[options] JOB...", "[options] FILTER... | --all", NULL},
	.examples = examples,
	.opts = opts,
	.complete_operand = "job",
	.role = "jobctl_operator",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET,
	.max_operands = -1,
};

static bool
good(const char *was, const char *status)
{
	(void)was;
	return !strcmp(status, "pending") || !strcmp(status, "running");
}

int
main(int argc, char **argv)
{
	struct job_changer cfg = {
		.change = {
			.cmd = &cmd,
			.verb = "release",
			.scope = "held",
			.act = { "SELECT r.id, r.was, r.status FROM jobctl.release(ARRAY("
				 "SELECT id FROM jobctl.job", "), $14) AS r" },
			.dry_act = { "SELECT id, status, CASE status WHEN 'held' THEN 'pending'"
				     " ELSE status END FROM jobctl.job", "" },
			.good = good,
		},
	};

	return job_change_main(&cfg, argc, argv);
}
