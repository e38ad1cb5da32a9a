/*
 * jobctl-cancel - ask jobs to stop, or never to start
 *
 * One that waits is cancelled at once; one that runs is told through its worker.
 * Prints "ID STATUS" for each job: cancelled; running, if it has been told; or
 * what it had become before.
 */
#include "base.h"

#include <string.h>

#include "cmd.h"
#include "job_change.h"

static const struct opt opts[] = {
	JOB_CHANGE_OPTS(struct job_changer, change, "all live jobs"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-cancel 0199c0de-7a31", "one job, by the beginning of its id" },
	{ "jobctl-cancel -q enc -s pending --dry-run", "what that would cancel" },
	{ "jobctl-cancel -q enc -s pending --yes --reason 'wrong codec'", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-cancel",
	.brief = "ask jobs to stop, or never to start",
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
	return !strcmp(status, "cancelled") || !strcmp(status, "running");
}

int
main(int argc, char **argv)
{
	struct job_changer cfg = {
		.change = {
			.cmd = &cmd,
			.verb = "cancel",
			.act = { "SELECT c.id, c.was, c.status FROM jobctl.cancel(ARRAY("
				 "SELECT id FROM jobctl.job", "), $14) AS c" },
			.dry_act = { "SELECT id, status, CASE WHEN live AND status <> 'running'"
				     " THEN 'cancelled' ELSE status END FROM jobctl.job", "" },
			.good = good,
			.of_running = "told to stop, cancelled when its command has ended",
		},
	};

	return job_change_main(&cfg, argc, argv);
}
