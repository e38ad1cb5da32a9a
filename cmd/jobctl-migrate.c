/*
 * jobctl-migrate - make, change and check the database's schema
 *
 * The verbs are in lib/migrate.
 */
#include "base.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "migrate/verbs.h"
#include "str.h"

enum { DAY_MS = 86400000 };

/* The verbs that know sets, and those that take the migrators' lock. */
#define OF_SETS "up down redo status plan baseline repair"
#define OF_LOCK "up down redo baseline repair"

static const struct opt opts[] = {
	OPT_ROW_LIST(0, "set", "SET", struct mig_options, sets, NULL,
		     "only this set, instead of all that are compiled in; may be repeated",
		     .verbs = OF_SETS " lint"),
	OPT_ROW_STR(0, "dir", "DIR", struct mig_options, dir, "dir",
		    "the files in DIR, as a set named like the directory or by --set",
		    .verbs = OF_SETS " new lint"),
	OPT_ROW_INT(0, "to", "VERSION", struct mig_options, to, 0, INT64_MAX,
		    "stop at VERSION; down, redo: revert all after it, 0 for all there are",
		    .verbs = "up down redo plan"),
	OPT_ROW_MS(0, "lock-timeout", "TIME", struct mig_options, lock_timeout, 0, DAY_MS,
		   "let a statement wait TIME for a lock, then retry (default 2s, 0: for ever)",
		   .verbs = "up down redo plan"),
	OPT_ROW_MS(0, "wait-lock", "TIME", struct mig_options, wait_lock, 0, MS_MAX,
		   "keep trying for TIME to get a lock, ours or a table's (default 60s)",
		   .verbs = OF_LOCK),
	OPT_ROW_MS(0, "wait-db", "TIME", struct mig_options, wait_db, 0, MS_MAX,
		   "wait up to TIME for the database to take connections (default 0)",
		   .verbs = OF_SETS " lock-holder"),
	OPT_ROW_FLAG(0, "allow-out-of-order", struct mig_options, out_of_order,
		     "apply also what is older than the last one applied",
		     .verbs = "up plan"),
	OPT_ROW_FLAG(0, "yes", struct mig_options, yes,
		     "do not ask; baseline: though something is missing",
		     .verbs = "down redo baseline repair"),
	OPT_ROW_FLAG(0, "dry-run", struct mig_options, dry_run,
		     "say what would be lost, or changed on record, and do nothing",
		     .verbs = "down redo repair"),
	OPT_ROW_LIST(0, "accept-checksum", "VERSION", struct mig_options, accept, NULL,
		     "its file was edited, and is right as it is", .verbs = "repair"),
	OPT_ROW_LIST(0, "mark-applied", "VERSION", struct mig_options, mark_applied, NULL,
		     "count it as applied, without running it", .verbs = "repair"),
	OPT_ROW_LIST(0, "mark-pending", "VERSION", struct mig_options, mark_pending, NULL,
		     "take it off the record, to be run by up; 0: the functions and views",
		     .verbs = "repair"),
	OPT_ROW_LIST(0, "forget", "VERSION", struct mig_options, forget, NULL,
		     "take it off the record; there is no file for it", .verbs = "repair"),
	OPT_ROW_INT(0, "applied", "VERSION", struct mig_options, applied, 0, INT64_MAX,
		    "judge what comes after VERSION, as applied together", .verbs = "lint"),
	OPT_ROW_FLAG(0, "strict", struct mig_options, strict, "exit 1 for warnings too",
		     .verbs = "lint"),
	OPT_ROW_FLAG('H', "no-header", struct mig_options, no_header, "print no heading",
		     .verbs = "status lock-holder lint"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct mig_options, fields, NULL,
		    "print these fields, tab-separated", .verbs = "status lock-holder lint"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "up", "", "apply what is pending" },
	{ "down", "", "revert the last migration, or down to a version" },
	{ "redo", "", "revert the last migration, and apply it again as it is now" },
	{ "status", "", "list migrations: exit 0 if current, 1 if some are pending" },
	{ "plan", "", "print the SQL that up would run" },
	{ "new", "NAME", "make the files of the next migration in --dir" },
	{ "baseline", "VERSION", "count what is there already as applied" },
	{ "repair", "", "say what is wrong with the record, and mend it" },
	{ "lock-holder", "", "who is migrating now: exit 0 if somebody is, 1 if nobody" },
	{ "lint", "[FILE]...", "find what is dangerous on a database in use; asks none" },
	{ NULL, NULL, NULL }
};

static const struct common_of common_of[] = {
	{ COMMON_DB, OF_SETS " lock-holder" },
	{ COMMON_JSON, "up down redo status new baseline repair lock-holder lint" },
	{ 0, NULL }
};

static const struct example examples[] = {
	{ "jobctl-migrate up", "make the schema, or bring it up to date" },
	{ "jobctl-migrate status -Q || jobctl-migrate up", NULL },
	{ "jobctl-migrate plan | less", "read it first" },
	{ "jobctl-migrate down --to 0 --yes", "remove everything, with all data" },
	{ "jobctl-migrate up --dir ./migrations --wait-db 60s",
	  "migrations of your own, when the application starts" },
	{ "jobctl-migrate lint --dir ./migrations", "what in them is dangerous; needs no database" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-migrate",
	.brief = "make, change and check the database's schema",
	.synopsis = (const char *const[]){
		"[options] up|down|redo|status|plan|lock-holder", "new NAME --dir DIR",
		"[options] baseline VERSION", "[options] lint [FILE]...",
		"[options] repair [--accept-checksum|--mark-applied|--mark-pending|--forget VERSION]",
		NULL
	},
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_VERBOSE | COMMON_COLOR,
	.common_of = common_of,
	.min_operands = 1,
	.max_operands = -1,
};

static const struct action {
	const char *verb;
	int (*run)(struct mig_work *w, char **operands);
	int operands;		/* -1: any number */
	bool sets;		/* they are read before */
} actions[] = {
	{ "up", mig_up, 0, true },
	{ "down", mig_down, 0, true },
	{ "redo", mig_redo, 0, true },
	{ "status", mig_status, 0, true },
	{ "plan", mig_print_plan, 0, true },
	{ "new", mig_new, 1, false },
	{ "baseline", mig_baseline, 1, true },
	{ "repair", mig_repair, 0, true },
	{ "lock-holder", mig_holder, 0, false },
	{ "lint", mig_lint, -1, false },
};

static const struct action *
read_verb(char **operands)
{
	const char *verb = cmd_verb(&cmd, operands[0])->name;
	const struct action *a = actions;
	int n = 0;

	while (strcmp(a->verb, verb) != 0)
		a++;
	if (a->operands < 0)
		return a;
	while (operands[n + 1] && n < a->operands)
		n++;
	if (n < a->operands)
		cmd_usage(&cmd, "%s: too few arguments", verb);
	if (operands[n + 1]) {
		AUTOSTR safe = STR(200);

		str_put_safe(&safe, operands[n + 1], strlen(operands[n + 1]));
		cmd_usage(&cmd, "unexpected argument \"%s\"", safe.buf);
	}
	return a;
}

static int
read_sets(struct mig_work *w)
{
	const struct mig_options *opt = w->opt;
	struct mig_problems p = { .n = 0 };
	int rc;

	(void)!mig_sets_read(&w->sets, opt->sets.v, opt->sets.n, opt->dir, sql_files, &p);
	rc = mig_say_problems(w, &p);
	if (!rc && opt->to > 0 && w->sets.n > 1)
		cmd_usage(&cmd, "--to: a version belongs to a set: give --set");
	return rc;
}

int
main(int argc, char **argv)
{
	struct mig_options opt = {
		.to = -1, .applied = -1, .lock_timeout = 2000, .wait_lock = 60000, .wait_db = 0,
	};
	struct mig_work w = {
		.cmd = &cmd, .opt = &opt, .db = PG_INIT, .state = MIG_STATE_INIT,
		.plan = { .begin = STR(STR_ANY) }, .run = MIG_RUN_INIT,
	};
	const struct action *a;
	int rc;

	argv = cmd_parse(&cmd, &opt, argc, argv, NULL);
	a = read_verb(argv);
	w.run.app = cmd.name;
	w.run.dbname = opt.common.dbname;
	w.run.lock_timeout = opt.lock_timeout;
	w.run.wait_lock = opt.wait_lock;
	mig_listen(&w);
	rc = a->sets ? read_sets(&w) : 0;
	if (!rc)
		rc = a->run(&w, argv + 1);
	mig_work_free(&w);
	strlist_free(&opt.sets);
	strlist_free(&opt.accept);
	strlist_free(&opt.mark_applied);
	strlist_free(&opt.mark_pending);
	strlist_free(&opt.forget);
	free(argv);
	rc = cmd_done(&cmd, rc);
	if (w.signo)
		raise(w.signo);		/* so that our parent learns what ended us */
	return rc;
}
