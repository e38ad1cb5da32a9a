/*
 * jobctl-doctor - what is wrong with the database, why, and what to type
 *
 * Looks and changes nothing: the commands are printed, not run.  The checks are in
 * lib/doctor.h; here they are called in the order of how much they explain of the rest.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "doctor.h"
#include "out.h"
#include "str.h"

struct config {
	struct common common;
	const char *fields;
	int64_t held;
	bool no_header;
};

static const struct opt opts[] = {
	OPT_ROW_MS(0, "held", "TIME", struct config, held, 0, MS_MAX,
		   "report who has kept VACUUM from its work for TIME (default 10m)"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "with -o: no heading"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-doctor", "what is wrong, and the command for each" },
	{ "jobctl-doctor -v", "what is well, too" },
	{ "jobctl-doctor -H -o fix", "only the commands" },
	{ "jobctl-doctor --json | jq 'select(.severity == \"critical\")'", NULL },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-doctor",
	.brief = "what is wrong with the database, and what to type",
	.synopsis = (const char *const[]){ "[options]", NULL },
	.examples = examples,
	.opts = opts,
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_VERBOSE | COMMON_COLOR,
};

enum col { C_SEVERITY, C_CHECK, C_WHAT, C_EVIDENCE, C_FIX };

static const struct out_col columns[] = {
	[C_SEVERITY] = { "severity", "SEVERITY", OUT_TEXT },
	[C_CHECK] = { "check", "CHECK", OUT_TEXT },
	[C_WHAT] = { "what", "WHAT", OUT_TEXT },
	[C_EVIDENCE] = { "evidence", "EVIDENCE", OUT_TEXT },
	[C_FIX] = { "fix", "FIX", OUT_TEXT },
};

static const char all_fields[] = "severity,check,what,evidence,fix";

static void
put_rows(const struct config *cfg, const struct doctor *d, const struct out_col *const *cols,
	 int ncols)
{
	struct out out;

	out_begin(&out, cfg->common.json ? OUT_JSONL : OUT_TSV, !cfg->no_header, cols, ncols);
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->v[i];
		const char *cell[] = {
			[C_SEVERITY] = doctor_severities[f->severity],
			[C_CHECK] = f->check,
			[C_WHAT] = f->what,
			[C_EVIDENCE] = f->evidence,
			[C_FIX] = f->fix,
		};

		if (f->severity == DOCTOR_OK && !cfg->common.verbose)
			continue;
		for (int c = 0; c < ncols; c++)
			out_cell(&out, cell[cols[c] - columns]);
	}
	out_end(&out);
}

/* A finding is three lines: a table of them would be wider than any terminal. */
static void
put_screen(const struct config *cfg, const struct doctor *d)
{
	static const char *const colors[] = { "\033[32m", "\033[33m", "\033[1;31m" };
	bool color = cmd_color(STDOUT_FILENO);

	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->v[i];
		AUTOSTR s = STR(STR_ANY);

		if (f->severity == DOCTOR_OK && !cfg->common.verbose)
			continue;
		str_putf(&s, "%s%-8s%s  %s: ", color ? colors[f->severity] : "",
			 doctor_severities[f->severity], color ? "\033[0m" : "", f->check);
		str_put_safe(&s, f->what, strlen(f->what));
		if (f->evidence) {
			str_puts(&s, "\n          ");
			str_put_safe(&s, f->evidence, strlen(f->evidence));
		}
		if (f->fix) {
			str_puts(&s, "\n          fix: ");
			str_put_safe(&s, f->fix, strlen(f->fix));
		}
		puts(s.buf);
	}
}

static int
examine(struct doctor *d, struct err *e)
{
	static int (*const checks[])(struct doctor *, struct err *) = {
		doctor_connection, doctor_clock,  doctor_schema,  doctor_indexes,
		doctor_xmin,	   doctor_vacuum, doctor_history, doctor_workers,
	};

	for (size_t i = 0; i < NELEM(checks); i++)
		if (checks[i](d, e))
			return -1;
	return 0;
}

static int
run(struct doctor *d, const struct config *cfg, struct err *e)
{
	AUTOFREE const struct out_col **cols = NULL;
	int ncols, bad = 0;

	if (out_pick(columns, NELEM(columns), cfg->fields ? cfg->fields : all_fields, &cols,
		     &ncols, e) ||
	    pg_open(d->db, cmd.name, cfg->common.dbname, e) || examine(d, e))
		return -1;
	for (size_t i = 0; i < d->n; i++)
		bad += d->v[i].severity != DOCTOR_OK;
	if (!cfg->common.quiet && (cfg->fields || cfg->common.json))
		put_rows(cfg, d, cols, ncols);
	else if (!cfg->common.quiet)
		put_screen(cfg, d);
	if (!bad)
		cmd_note(&cmd, "nothing is wrong");
	return bad > 0;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .held = 600000 };
	struct pg db = PG_INIT;
	struct doctor d = { .db = &db, .app = cmd.name, .files = sql_files };
	struct err err = ERR_INIT;
	int status;

	(void)!cmd_parse(&cmd, &cfg, argc, argv, NULL);
	d.dbname = cfg.common.dbname;
	d.held_ms = cfg.held;
	status = run(&d, &cfg, &err);
	if (status < 0)
		status = cmd_fail(&cmd, &err);
	doctor_free(&d);
	pg_close(&db);
	return cmd_done(&cmd, status);
}
