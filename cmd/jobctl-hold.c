/*
 * jobctl-hold - keep jobs from starting
 *
 * Prints "ID STATUS" for each job: held, or what it is that could not be held.
 */
#include "base.h"

#include <string.h>

#include "cmd.h"
#include "job_change.h"

static const struct opt opts[] = {
	JOB_CHANGE_OPTS(struct job_changer, change, "all pending jobs"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-hold 0199c0de-7a31 --reason 'disk full'", "one job, by the beginning of its id" },
	{ "jobctl-hold -q enc --kind transcode --dry-run", "which pending jobs that would hold" },
	{ "jobctl-hold -q enc --kind transcode --yes", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-hold",
	.brief = "keep jobs from starting",
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
	return !strcmp(status, "held");
}

int
main(int argc, char **argv)
{
	struct job_changer cfg = {
		.change = {
			.cmd = &cmd,
			.verb = "hold",
			.scope = "pending",
			.act = { "SELECT h.id, h.was, h.status FROM jobctl.hold(ARRAY("
				 "SELECT id FROM jobctl.job", "), $14) AS h" },
			.dry_act = { "SELECT id, status, CASE status WHEN 'pending' THEN 'held'"
				     " ELSE status END FROM jobctl.job", "" },
			.good = good,
			.of_running = "what runs cannot be held; jobctl-cancel stops it",
		},
	};

	return job_change_main(&cfg, argc, argv);
}
