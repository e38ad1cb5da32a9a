/*
 * migrate/lint.c - what is dangerous in migrations, without a database
 */
#include "migrate/verbs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lint.h"
#include "str.h"

enum col { C_SET, C_VERSION, C_FILE, C_LINE, C_SEVERITY, C_RULE, C_TEXT, C_SAFE, NCOLS };

static const struct out_col cols[NCOLS] = {
	[C_SET] = { "set", "SET", OUT_TEXT },
	[C_VERSION] = { "version", "VERSION", OUT_NUM },
	[C_FILE] = { "file", "FILE", OUT_TEXT },
	[C_LINE] = { "line", "LINE", OUT_NUM },
	[C_SEVERITY] = { "severity", "SEVERITY", OUT_TEXT },
	[C_RULE] = { "rule", "RULE", OUT_TEXT },
	[C_TEXT] = { "text", "TEXT", OUT_TEXT },
	[C_SAFE] = { "safe", "SAFE", OUT_TEXT },
};
static const struct out_col *const all_cols[NCOLS] = {
	&cols[0], &cols[1], &cols[2], &cols[3], &cols[4], &cols[5], &cols[6], &cols[7],
};

static const char *
severity(const struct lint_finding *f)
{
	return f->rule->error ? "error" : "warning";
}

static void
put_cells(struct out *o, const struct out_col *const *picked, int n, const struct lint_finding *f)
{
	char version[24], line[16];
	const char *cell[NCOLS] = {
		[C_SET] = *f->set->name ? f->set->name : NULL, [C_FILE] = f->path,
		[C_LINE] = line, [C_SEVERITY] = severity(f), [C_RULE] = f->rule->name,
		[C_TEXT] = f->text, [C_SAFE] = f->safe,
	};

	snprintf(line, sizeof line, "%d", f->line);
	if (f->version) {
		snprintf(version, sizeof version, "%" PRId64, f->version);
		cell[C_VERSION] = version;
	}
	for (int i = 0; i < n; i++)
		out_cell(o, cell[picked[i] - cols]);
}

static void
put_screen(const struct lint_finding *f)
{
	bool color = cmd_color(1);
	AUTOSTR s = STR(STR_ANY);

	str_put_safe(&s, f->path, strlen(f->path));
	str_putf(&s, ":%d: %s%s:%s %s: ", f->line,
		 !color ? "" : f->rule->error ? "\033[1;31m" : "\033[33m", severity(f),
		 color ? "\033[0m" : "", f->rule->name);
	str_put_safe(&s, f->text, strlen(f->text));
	str_putf(&s, "\n    safe: %s\n", f->safe);
	fwrite(s.buf, 1, s.len, stdout);
}

static void
print(const struct mig_work *w, const struct lint *l, const struct out_col *const *picked, int n)
{
	struct out o;

	if (w->opt->common.quiet)
		return;
	if (!w->opt->common.json && !picked) {
		for (size_t i = 0; i < l->n; i++)
			put_screen(&l->v[i]);
		return;
	}
	if (!picked)
		n = NCOLS;
	out_begin(&o, w->opt->common.json ? OUT_JSONL : OUT_TSV, !w->opt->no_header,
		  picked ? picked : all_cols, n);
	for (size_t i = 0; i < l->n; i++)
		put_cells(&o, o.cols, n, &l->v[i]);
	out_end(&o);
}

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* For the files that are named beside --dir. */
static bool
is_named(void *ctx, const char *path)
{
	for (char **files = ctx; *files; files++)
		if (same_file(*files, path))
			return true;
	return false;
}

static bool
has_file(const struct mig_set *set, const char *path)
{
	for (size_t i = 0; i < set->n; i++) {
		const char *const paths[] = { set->v[i].up.path, set->v[i].down.path,
					      set->v[i].verify.path };

		for (size_t k = 0; k < NELEM(paths); k++)
			if (paths[k] && same_file(paths[k], path))
				return true;
	}
	for (size_t i = 0; i < set->napi; i++)
		if (same_file(set->api[i].file.path, path))
			return true;
	return false;
}

/* What cannot be read is said, and the rest is judged all the same. */
static int
read_sets(struct mig_work *w, char **files)
{
	const struct mig_options *opt = w->opt;
	struct mig_problems p = { .linted = true };

	if (*files && !opt->dir) {
		w->sets = (struct mig_sets){ xcalloc(1, sizeof *w->sets.v), 1 };
		(void)!mig_set_files(w->sets.v, files, &p);
		return mig_say_problems(w, &p);
	}
	(void)!mig_sets_read(&w->sets, opt->sets.v, opt->sets.n, opt->dir, sql_files, &p);
	for (; *files && w->sets.n; files++)
		if (!has_file(w->sets.v, *files))
			(void)err_set(mig_problem(&p), ERR_NOINPUT,
				      "%.300s is not a file of set %s", *files, w->sets.v->name);
	return mig_say_problems(w, &p);
}

static void
check_options(const struct mig_work *w, char **files)
{
	const struct mig_options *opt = w->opt;

	if (*files && !opt->dir && opt->sets.n)
		cmd_usage(w->cmd, "lint: files can be named of a directory (--dir), not of a set");
	if (*files && !opt->dir && opt->applied >= 0)
		cmd_usage(w->cmd, "--applied: files by themselves have no versions");
	if (!opt->dir && opt->sets.n != 1 && opt->applied >= 0)
		cmd_usage(w->cmd, "--applied: a version belongs to a set: give --set");
}

static void
say_sum(const struct mig_work *w, const struct lint *l)
{
	size_t warnings = l->n - l->errors;
	const char *files = l->files == 1 ? "file" : "files";

	if (l->n)
		cmd_note(w->cmd, "%zu error%s, %zu warning%s in %zu %s", l->errors,
			 l->errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s", l->files,
			 files);
	else
		cmd_note(w->cmd, "nothing dangerous in %zu %s", l->files, files);
}

int
mig_lint(struct mig_work *w, char **files)
{
	AUTOFREE const struct out_col **picked = NULL;
	const struct mig_options *opt = w->opt;
	struct lint_goal goal = { .applied = opt->applied };
	struct err e = ERR_INIT;
	struct lint l;
	int n = 0, rc;

	check_options(w, files);
	if (opt->fields && out_pick(cols, NCOLS, opt->fields, &picked, &n, &e))
		return cmd_fail(w->cmd, &e);
	rc = read_sets(w, files);
	if (*files && opt->dir) {
		goal.wanted = is_named;
		goal.ctx = files;
	}
	if (lint_sets(&l, w->sets.v, w->sets.n, &goal, &e)) {
		rc = cmd_fail(w->cmd, &e);
	} else {
		print(w, &l, picked, n);
		if (l.files)
			say_sum(w, &l);
	}
	if (!rc && (l.errors || (opt->strict && l.n)))
		rc = ERR_NO;
	lint_free(&l);
	return rc;
}
