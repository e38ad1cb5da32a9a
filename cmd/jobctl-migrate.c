/*
 * jobctl-migrate - make, change and check the database's schema
 *
 * What a set is: lib/migrate_set.h; which statements lead where: lib/migrate_plan.h;
 * the lock and the transactions: lib/migrate_run.h.  Here are the questions, the
 * answers and the signals.
 */
#include "base.h"

#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd.h"
#include "migrate_run.h"
#include "out.h"
#include "str.h"

struct config {
	struct common common;
	struct strlist sets;
	const char *dir;
	int64_t to;
	int64_t lock_timeout, wait_lock, wait_db;
	const char *fields;
	bool out_of_order;
	bool yes;
	bool no_header;
};

enum { DAY_MS = 86400000 };

static const struct opt opts[] = {
	OPT_ROW_LIST(0, "set", "SET", struct config, sets, NULL,
		     "only this set, instead of all that are compiled in; may be repeated"),
	OPT_ROW_STR(0, "dir", "DIR", struct config, dir, "dir",
		    "the files in DIR, as a set named like the directory or by --set"),
	OPT_ROW_INT(0, "to", "VERSION", struct config, to, 0, INT64_MAX,
		    "stop at VERSION; down: revert all after it, 0 for all there are"),
	OPT_ROW_MS(0, "lock-timeout", "TIME", struct config, lock_timeout, 0, DAY_MS,
		   "let a statement wait TIME for a lock, then retry (default 2s, 0: for ever)"),
	OPT_ROW_MS(0, "wait-lock", "TIME", struct config, wait_lock, 0, MS_MAX,
		   "keep trying for TIME to get a lock, ours or a table's (default 60s)"),
	OPT_ROW_MS(0, "wait-db", "TIME", struct config, wait_db, 0, MS_MAX,
		   "wait up to TIME for the database to take connections (default 0)"),
	OPT_ROW_FLAG(0, "allow-out-of-order", struct config, out_of_order,
		     "up, plan: apply also what is older than the last one applied"),
	OPT_ROW_FLAG(0, "yes", struct config, yes,
		     "down: revert several, or all, without asking"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "status: print no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "status: print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "up", "", "apply what is pending" },
	{ "down", "", "revert the last migration, or down to a version" },
	{ "status", "", "list migrations: exit 0 if current, 1 if some are pending" },
	{ "plan", "", "print the SQL that up would run" },
	{ NULL, NULL, NULL }
};

static const struct example examples[] = {
	{ "jobctl-migrate up", "make the schema, or bring it up to date" },
	{ "jobctl-migrate status -Q || jobctl-migrate up", NULL },
	{ "jobctl-migrate plan | less", "read it first" },
	{ "jobctl-migrate down --to 0 --yes", "remove everything, with all data" },
	{ "jobctl-migrate up --dir ./migrations --wait-db 60s",
	  "migrations of your own, when the application starts" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-migrate",
	.brief = "make, change and check the database's schema",
	.synopsis = (const char *const[]){ "[options] up|down|status|plan", NULL },
	.examples = examples,
	.opts = opts,
	.verbs = verbs,
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_VERBOSE | COMMON_COLOR,
	.min_operands = 1,
	.max_operands = 1,
};

enum col {
	C_SET, C_VERSION, C_NAME, C_KIND, C_STATE, C_APPLIED_AT, C_DURATION, C_TOOL, C_ROLE,
	C_SHA256, C_FILE_SHA256, C_TRANSACTION, C_STEPS_DONE, C_STEPS, NCOLS
};

static const struct out_col cols[NCOLS] = {
	[C_SET] = { "set", "SET", OUT_TEXT },
	[C_VERSION] = { "version", "VERSION", OUT_NUM },
	[C_NAME] = { "name", "NAME", OUT_TEXT },
	[C_KIND] = { "kind", "KIND", OUT_TEXT },
	[C_STATE] = { "state", "STATE", OUT_TEXT },
	[C_APPLIED_AT] = { "applied_at", "APPLIED", OUT_TIME },
	[C_DURATION] = { "duration_s", "TOOK", OUT_SECONDS },
	[C_TOOL] = { "tool_version", "BY", OUT_TEXT },
	[C_ROLE] = { "role", "ROLE", OUT_TEXT },
	[C_SHA256] = { "sha256", "SHA256", OUT_TEXT },
	[C_FILE_SHA256] = { "file_sha256", "FILE SHA256", OUT_TEXT },
	[C_TRANSACTION] = { "transaction", "TRANSACTION", OUT_BOOL },
	[C_STEPS_DONE] = { "steps_done", "DONE", OUT_NUM },
	[C_STEPS] = { "steps", "STEPS", OUT_NUM },
};

/* One run: what the verbs share. */
struct work {
	const struct config *cfg;
	struct mig_set *sets;
	size_t nsets;
	struct pg db;
	struct mig_state state;
	struct mig_plan plan;
	struct mig_run run;
	struct out out;			/* up and down with --json */
	bool down;
	size_t done;
	int signo;			/* what stopped us */
	char waited_for[400];
};

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

static bool
wanted(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->sets.n; i++)
		if (!strcmp(cfg->sets.v[i], name))
			return true;
	return !cfg->sets.n;
}

static bool
compiled_in(const char *name)
{
	for (const struct sql_file *f = sql_files; f->set; f++)
		if (!strcmp(f->set, name))
			return true;
	return false;
}

static void
check_names(const struct config *cfg)
{
	AUTOSTR known = STR(500);

	for (size_t i = 0; sql_sets[i]; i++)
		if (compiled_in(sql_sets[i]))
			str_putf(&known, "%s%s", known.len ? ", " : "", sql_sets[i]);
	for (size_t i = 0; i < cfg->sets.n; i++) {
		AUTOSTR safe = STR(200);

		str_put_safe(&safe, cfg->sets.v[i], strlen(cfg->sets.v[i]));
		if (!compiled_in(cfg->sets.v[i]))
			cmd_usage(&cmd, "there is no set \"%s\", only: %s", safe.buf, known.buf);
	}
}

/* The name of the set that a directory is. */
static char *
dir_name(const struct config *cfg)
{
	AUTOFREE char *real = realpath(cfg->dir, NULL);
	char *name;

	if (cfg->sets.n > 1)
		cmd_usage(&cmd, "a directory is one set: give --set once");
	if (cfg->sets.n)
		name = xstrdup(cfg->sets.v[0]);
	else
		name = xstrdup(basename(real ? real : (char[]){ "migrations" }));
	if (!mig_set_name_ok(name))
		cmd_usage(&cmd, "%s",
			  cfg->sets.n ? "--set: a name is letters, digits, _, - and ., at most 63"
				      : "the directory's name cannot be a set's: give --set");
	return name;
}

static int
read_sets(struct work *w)
{
	const struct config *cfg = w->cfg;
	struct mig_problems p = { .n = 0 };

	if (cfg->dir) {
		AUTOFREE char *name = dir_name(cfg), *dir = xstrdup(cfg->dir);
		size_t n = strlen(dir);

		while (n > 1 && dir[n - 1] == '/')
			dir[--n] = '\0';
		w->sets = xcalloc(1, sizeof *w->sets);
		w->nsets = 1;
		(void)!mig_set_dir(&w->sets[0], name, dir, &p);
		return say_problems(&p);
	}
	check_names(cfg);
	for (size_t i = 0; sql_sets[i]; i++) {
		if (!wanted(cfg, sql_sets[i]) || !compiled_in(sql_sets[i]))
			continue;
		w->sets = xreallocarray(w->sets, w->nsets + 1, sizeof *w->sets);
		(void)!mig_set_builtin(&w->sets[w->nsets++], sql_sets[i], sql_files, &p);
	}
	if (cfg->to > 0 && w->nsets > 1)
		cmd_usage(&cmd, "--to: a version belongs to a set: give --set");
	return say_problems(&p);
}

static int
connect_db(struct work *w, struct err *e)
{
	int64_t deadline = deadline_in(w->cfg->wait_db);
	int64_t pause = 100;

	while (pg_connect(&w->db, cmd.name, w->cfg->common.dbname, e)) {
		if (e->kind != ERR_UNAVAILABLE || now_ms() >= deadline)
			return -1;
		if (pause == 100)
			cmd_note(&cmd, "waiting for the database: %s", e->msg);
		poll(NULL, 0, poll_timeout(earliest(deadline, deadline_in(pause))));
		pause = pause < 2000 ? pause * 2 : pause;
	}
	/* For our own short statements; those of migrations take as long as they take. */
	w->db.call_ms = 60000;
	return 0;
}

static int
read_state(struct work *w, struct err *e)
{
	mig_state_free(&w->state);
	return mig_state_read(&w->db, w->sets, w->nsets, &w->state, e);
}

static int
problems(struct work *w)
{
	struct mig_problems p = { .n = 0 };

	mig_state_problems(&w->state, w->cfg->out_of_order, &p);
	return say_problems(&p);
}

static int
make_plan(struct work *w, struct err *e)
{
	struct mig_goal goal = {
		.down = w->down, .to_given = w->cfg->to >= 0, .to = w->cfg->to,
		.lock_timeout = w->cfg->lock_timeout,
	};

	mig_plan_free(&w->plan);
	return mig_plan_make(&w->plan, &w->state, w->sets, w->nsets, &goal, e);
}

static void
print_item(struct out *o, const struct out_col *const *picked, int n, const struct mig_item *it,
	   const char *state, const char *duration)
{
	const struct mig_file *f = !it->files	   ? NULL
				   : it->reverting ? &it->files->down
						   : &it->files->up;
	char version[24], done[24], steps[24];
	const char *cell[NCOLS] = {
		[C_SET] = it->set->name, [C_NAME] = it->name,
		[C_KIND] = it->version ? "tables" : "api",
		[C_STATE] = state, [C_APPLIED_AT] = it->applied_at,
		[C_DURATION] = duration, [C_TOOL] = it->tool_version, [C_ROLE] = it->role,
		[C_SHA256] = it->sha256,
		[C_FILE_SHA256] = it->files ? it->files->up.sha256 : NULL,
		[C_TRANSACTION] = f && f->no_transaction ? "f" : f || !it->version ? "t" : NULL,
	};

	if (!it->version && it->set->napi)
		cell[C_FILE_SHA256] = it->set->api_sha256;
	if (it->version) {
		snprintf(version, sizeof version, "%" PRId64, it->version);
		cell[C_VERSION] = version;
	}
	if (f && f->no_transaction) {
		snprintf(steps, sizeof steps, "%zu", f->nsteps);
		snprintf(done, sizeof done, "%zu",
			 it->status == MIG_APPLIED ? f->nsteps : it->steps_done);
		cell[C_STEPS] = steps;
		cell[C_STEPS_DONE] = done;
	}
	for (int i = 0; i < n; i++)
		out_cell(o, cell[picked[i] - cols]);
}

static const struct out_col *const all_cols[NCOLS] = {
	&cols[0], &cols[1], &cols[2], &cols[3], &cols[4], &cols[5], &cols[6],
	&cols[7], &cols[8], &cols[9], &cols[10], &cols[11], &cols[12], &cols[13],
};
static const struct out_col *const table_cols[] = {
	&cols[C_SET], &cols[C_VERSION], &cols[C_NAME], &cols[C_STATE], &cols[C_APPLIED_AT],
	&cols[C_DURATION], &cols[C_TOOL], &cols[C_ROLE],
};

static void
print_status(const struct work *w, const struct out_col *const *picked, int n, enum out_mode mode)
{
	struct out o;

	out_begin(&o, mode, !w->cfg->no_header, picked, n);
	for (size_t i = 0; i < w->state.n; i++)
		print_item(&o, picked, n, &w->state.v[i], mig_status_names[w->state.v[i].status],
			   w->state.v[i].duration_s);
	out_end(&o);
}

static int
status(struct work *w, struct err *e)
{
	const struct config *cfg = w->cfg;
	AUTOFREE const struct out_col **picked = NULL;
	enum err_kind verdict;
	size_t due = 0;
	int n = 0;

	if (cfg->fields && out_pick(cols, NCOLS, cfg->fields, &picked, &n, e))
		return cmd_fail(&cmd, e);
	if (connect_db(w, e) || read_state(w, e))
		return cmd_fail(&cmd, e);
	if (cfg->common.quiet)
		;
	else if (cfg->common.json)
		print_status(w, picked ? picked : all_cols, picked ? n : NCOLS, OUT_JSONL);
	else if (picked)
		print_status(w, picked, n, OUT_TSV);
	else
		print_status(w, table_cols, NELEM(table_cols), OUT_TABLE);
	verdict = mig_state_verdict(&w->state);
	if (verdict == ERR_DATA || verdict == ERR_SCHEMA) {
		struct mig_problems p = { .n = 0 };

		mig_state_problems(&w->state, true, &p);
		(void)say_problems(&p);
	}
	for (size_t i = 0; i < w->state.n; i++)
		due += mig_is_due(&w->state.v[i]);
	if (verdict == ERR_NO)
		cmd_note(&cmd, "%zu pending; run: jobctl-migrate up", due);
	return (int)verdict;
}

static int
plan(struct work *w, struct err *e)
{
	AUTOSTR sql = STR(STR_ANY);
	int rc;

	if (connect_db(w, e) || read_state(w, e))
		return cmd_fail(&cmd, e);
	rc = problems(w);
	if (rc)
		return rc;
	if (make_plan(w, e))
		return cmd_fail(&cmd, e);
	if (w->plan.n)
		str_putf(&sql, "-- What jobctl-migrate %s would run, for psql -v ON_ERROR_STOP=1\n\n",
			 JOBCTL_VERSION);
	mig_plan_print(&w->plan, &sql);
	fwrite(sql.buf, 1, sql.len, stdout);
	if (!w->plan.n)
		cmd_note(&cmd, "up to date: there is nothing to run");
	return 0;
}

static void
stopping(struct work *w)
{
	struct signalfd_siginfo si;
	sigset_t all;

	/* From here on a second signal ends us at once: the server undoes what we leave. */
	if (read(w->run.stop_fd, &si, sizeof si) == sizeof si)
		w->signo = (int)si.ssi_signo;
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void
begun(struct work *w, const struct mig_event *ev)
{
	AUTOSTR label = STR(200);

	mig_put_label(&label, ev->item);
	if (ev->step)
		status_show(!w->cfg->common.quiet, "%s: step %zu of %zu", label.buf, ev->step,
			    ev->nsteps);
	else
		status_show(!w->cfg->common.quiet, "%s (%zu of %zu)", label.buf, w->done + 1,
			    w->plan.migrations);
}

static void
done(struct work *w, const struct mig_item *it, int64_t ms)
{
	AUTOSTR label = STR(200);
	char seconds[24];

	mig_put_label(&label, it);
	w->done += it->version != 0;
	snprintf(seconds, sizeof seconds, "%.3f", (double)ms / 1000);
	if (w->cfg->common.json)
		print_item(&w->out, all_cols, NCOLS, it,
			   mig_status_names[w->down ? MIG_PENDING : MIG_APPLIED], seconds);
	cmd_note(&cmd, "%s %s in %ss", w->down ? "reverted" : "applied", label.buf, seconds);
}

static void
waiting(struct work *w, const char *text)
{
	size_t pid = strcspn(text, "(");

	status_show(!w->cfg->common.quiet, "waiting for %s", text);
	if (strncmp(w->waited_for, text, pid) != 0)
		cmd_note(&cmd, "waiting for %s", text);
	snprintf(w->waited_for, sizeof w->waited_for, "%s", text);
}

static void
event(void *ctx, const struct mig_event *ev)
{
	struct work *w = ctx;

	switch (ev->kind) {
	case MIG_EV_BEGIN:
		begun(w, ev);
		break;
	case MIG_EV_DONE:
		done(w, ev->item, ev->ms);
		break;
	case MIG_EV_WAITING:
		waiting(w, ev->text);
		break;
	case MIG_EV_RETRY:
		cmd_note(&cmd, "trying again: %s", ev->text);
		break;
	case MIG_EV_NOTICE:
		cmd_verbose(&cmd, "%s", ev->text);
		break;
	case MIG_EV_STOPPING:
		stopping(w);
		break;
	}
}

/* A signal that is ignored (a shell's background job) stays ignored. */
static int
catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(signals); i++) {
		struct sigaction sa;

		if (!sigaction(signals[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
nothing_to_do(const struct work *w)
{
	AUTOSTR at = STR(1000);

	if (w->down) {
		cmd_note(&cmd, "nothing to revert");
		return;
	}
	for (size_t i = 0; i < w->nsets; i++)
		str_putf(&at, "%s%s at %04" PRId64, i ? ", " : "", w->sets[i].name,
			 w->cfg->to >= 0 ? w->cfg->to : mig_set_head(&w->sets[i]));
	cmd_note(&cmd, "up to date: %s", at.buf);
}

/* The migrations of a plan, one by one; NULL after the last. */
static const struct mig_item *
next_end(const struct mig_plan *p, size_t *batch, size_t *chunk)
{
	for (; *batch < p->n; (*batch)++, *chunk = 0)
		while (*chunk < p->v[*batch].n) {
			const struct mig_item *it = p->v[*batch].v[(*chunk)++].ends;

			if (it)
				return it;
		}
	return NULL;
}

static int
ask(struct work *w, struct err *e)
{
	AUTOSTR what = STR(STR_ANY), safe = STR(STR_ANY);
	const struct mig_item *it;
	size_t batch = 0, chunk = 0;
	char answer[16] = "";

	while ((it = next_end(&w->plan, &batch, &chunk))) {
		mig_put_label(&what, it);
		str_putc(&what, '\n');
	}
	for (size_t i = 0; i < w->nsets; i++)
		if (mig_put_rows(&w->db, &w->sets[i], &what, e))
			return -1;
	str_put_safe_text(&safe, what.buf, what.len);
	fprintf(stderr, "This reverts, and drops with all data:\n%sType \"yes\" to go on: ",
		safe.buf);
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0)
		return err_set(e, ERR_NO, "nothing was reverted");
	return 0;
}

/* Going down more than a step, or to nothing, takes a yes. */
static int
confirm(struct work *w, struct err *e)
{
	if (!w->down || w->cfg->yes || (w->plan.migrations < 2 && !w->plan.empties))
		return 0;
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		return ask(w, e);
	(void)err_set(e, ERR_USAGE, "this reverts %zu migration%s and drops what they made",
		      w->plan.migrations, w->plan.migrations == 1 ? "" : "s");
	err_hint(e, "if that is meant, add --yes");
	return -1;
}

/* An edited file does not keep anyone from going down, but may not undo what was done. */
static void
warn_of_edits(const struct work *w)
{
	const struct mig_item *it;
	size_t batch = 0, chunk = 0;

	while ((it = next_end(&w->plan, &batch, &chunk))) {
		AUTOSTR label = STR(200);

		mig_put_label(&label, it);
		if (it->status == MIG_EDITED)
			cmd_note(&cmd, "%s was edited since it was applied; what reverts it is "
				 "taken as it is now", label.buf);
	}
}

/* State, problems and plan; with the lock held they are final. */
static int
look(struct work *w, struct err *e)
{
	int rc = 0;

	if (read_state(w, e))
		return cmd_fail(&cmd, e);
	if (!w->down)
		rc = problems(w);
	if (!rc && make_plan(w, e))
		rc = cmd_fail(&cmd, e);
	return rc;
}

static int
run(struct work *w, struct err *e)
{
	size_t asked = w->plan.migrations;
	int rc;

	if (mig_lock(&w->run, e))
		return cmd_fail(&cmd, e);
	rc = look(w, e);
	if (rc)
		return rc;
	if (w->down && w->plan.migrations > asked) {
		(void)err_set(e, ERR_TEMPFAIL,
			      "another migration ran meanwhile: there is more to revert");
		err_hint(e, "run it again");
		return cmd_fail(&cmd, e);
	}
	if (!w->plan.n)
		nothing_to_do(w);
	warn_of_edits(w);
	return mig_run(&w->run, &w->plan, e) ? cmd_fail(&cmd, e) : 0;
}

static int
up_or_down(struct work *w, struct err *e)
{
	int rc;

	if (connect_db(w, e))
		return cmd_fail(&cmd, e);
	w->run.db = &w->db;
	if (mig_check_session(&w->run, e))
		return cmd_fail(&cmd, e);
	rc = look(w, e);
	if (rc)
		return rc;
	if (!w->plan.n) {
		nothing_to_do(w);
		return 0;
	}
	if (confirm(w, e))
		return cmd_fail(&cmd, e);
	w->run.stop_fd = catch_signals();
	out_begin(&w->out, OUT_JSONL, false, all_cols, NCOLS);
	rc = run(w, e);
	out_end(&w->out);
	close(w->run.stop_fd);
	return rc;
}

int
main(int argc, char **argv)
{
	struct config cfg = {
		.to = -1, .lock_timeout = 2000, .wait_lock = 60000, .wait_db = 0,
	};
	struct work w = {
		.cfg = &cfg, .db = PG_INIT, .state = MIG_STATE_INIT,
		.plan = { .begin = STR(STR_ANY) }, .run = MIG_RUN_INIT,
	};
	const char *verb;
	struct err e = ERR_INIT;
	int rc;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	verb = cmd_verb(&cmd, argv[0])->name;
	if (cfg.common.json && !strcmp(verb, "plan"))
		cmd_usage(&cmd, "plan prints SQL: there is no --json for it");
	w.down = !strcmp(verb, "down");
	w.run.app = cmd.name;
	w.run.dbname = cfg.common.dbname;
	w.run.lock_timeout = cfg.lock_timeout;
	w.run.wait_lock = cfg.wait_lock;
	w.run.event = event;
	w.run.ctx = &w;
	rc = read_sets(&w);
	if (!rc)
		rc = !strcmp(verb, "status") ? status(&w, &e)
		     : !strcmp(verb, "plan") ? plan(&w, &e)
					     : up_or_down(&w, &e);
	mig_run_free(&w.run);
	mig_plan_free(&w.plan);
	mig_state_free(&w.state);
	pg_close(&w.db);
	for (size_t i = 0; i < w.nsets; i++)
		mig_set_free(&w.sets[i]);
	free(w.sets);
	strlist_free(&cfg.sets);
	free(argv);
	rc = cmd_done(&cmd, rc);
	if (w.signo)
		raise(w.signo);		/* so that our parent learns what ended us */
	return rc;
}
