/*
 * migrate/repair.c - repair: what is wrong, what was found, and what can be done
 *
 * Without an option that changes something it only looks; see mend.c for those.
 */
#include "migrate/verbs.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "sheet.h"

enum { STATEMENT_MAX = 500 };

enum col {
	C_SET, C_VERSION, C_NAME, C_PROBLEM, C_OBJECT, C_FOUND, C_FILE, C_LINE, C_STATEMENT,
	C_ERROR, C_STARTED_AT, C_NEXT, NCOLS
};

static const struct out_col cols[NCOLS] = {
	[C_SET] = { "set", "SET", OUT_TEXT },
	[C_VERSION] = { "version", "VERSION", OUT_NUM },
	[C_NAME] = { "name", "NAME", OUT_TEXT },
	[C_PROBLEM] = { "problem", "PROBLEM", OUT_TEXT },
	[C_OBJECT] = { "object", "OBJECT", OUT_TEXT },
	[C_FOUND] = { "found", "FOUND", OUT_JSON },
	[C_FILE] = { "file", "FILE", OUT_TEXT },
	[C_LINE] = { "line", "LINE", OUT_NUM },
	[C_STATEMENT] = { "statement", "STATEMENT", OUT_TEXT },
	[C_ERROR] = { "error", "ERROR", OUT_TEXT },
	[C_STARTED_AT] = { "started_at", "STARTED", OUT_TIME },
	[C_NEXT] = { "next", "NEXT", OUT_JSON },
};

struct finding {
	const struct mig_item *item;	/* NULL: it is about an object */
	const char *set, *problem, *object;
	struct str found, next;		/* lines */
	struct str statement;
	const char *file;
	int line;			/* 0: none */
};
#define FINDING \
	{ .found = STR(STR_ANY), .next = STR(STR_ANY), .statement = STR(STATEMENT_MAX) }

struct repair {
	struct mig_work *w;
	struct out out;
	size_t n;
};

static void
free_finding(struct finding *f)
{
	str_free(&f->found);
	str_free(&f->next);
	str_free(&f->statement);
}

/* "jobctl-migrate VERB --dir D" */
static void
put_command(const struct mig_work *w, const char *set, const char *words, struct str *s)
{
	str_putf(s, "jobctl-migrate %s", words);
	if (w->opt->dir) {
		str_puts(s, " --dir ");
		str_put_shell(s, w->opt->dir);
	}
	if (!w->opt->dir || w->opt->sets.n)
		str_putf(s, " --set %s", set);
}

/* A command of ours with the option, and when it is the right one. */
static void
put_repair(const struct mig_work *w, const struct mig_item *it, const char *option,
	   const char *when, struct str *s)
{
	AUTOFREE char *words = xasprintf("repair %s %" PRId64, option, it->version);

	put_command(w, it->set->name, words, s);
	str_putf(s, "    # %s\n", when);
}

/* Lines as an array of strings. */
static char *
json_lines(const char *z)
{
	AUTOSTR s = STR(STR_ANY);

	str_putc(&s, '[');
	for (size_t n; *z; z += n + (z[n] == '\n')) {
		n = strcspn(z, "\n");
		str_puts(&s, s.len > 1 ? "," : "");
		str_put_json(&s, z, n);
	}
	str_putc(&s, ']');
	return str_take(&s);
}

static void
put_cells(struct out *o, const struct finding *f)
{
	const struct mig_item *it = f->item;
	AUTOFREE char *found = json_lines(f->found.buf), *next = json_lines(f->next.buf);
	char version[24] = "", line[16] = "";
	const char *cell[NCOLS] = {
		[C_SET] = f->set, [C_NAME] = it ? it->name : NULL, [C_PROBLEM] = f->problem,
		[C_OBJECT] = f->object, [C_FOUND] = found, [C_FILE] = f->file,
		[C_STATEMENT] = f->file ? f->statement.buf : NULL,
		[C_ERROR] = it ? it->step_error : NULL,
		[C_STARTED_AT] = it ? it->step_began : NULL, [C_NEXT] = next,
	};

	if (it && it->version) {
		snprintf(version, sizeof version, "%" PRId64, it->version);
		cell[C_VERSION] = version;
	}
	if (f->line) {
		snprintf(line, sizeof line, "%d", f->line);
		cell[C_LINE] = line;
	}
	for (int i = 0; i < NCOLS; i++)
		out_cell(o, cell[i]);
}

static void
put_sheet(const struct finding *f, bool first)
{
	const struct mig_item *it = f->item;
	AUTOSTR s = STR(STR_ANY), label = STR(300), at = STR(STR_ANY);

	if (it)
		mig_put_label(&label, it);
	else
		str_puts(&label, f->object);
	str_puts(&s, first ? "" : "\n");
	sheet_text(&s, label.buf);
	str_putf(&s, ": %s\n", f->problem);
	sheet_line(&s, "found", f->found.buf);
	if (f->file) {
		str_putf(&at, "%s:%d\n%s", f->file, f->line, f->statement.buf);
		sheet_line(&s, "statement", at.buf);
		sheet_line(&s, "error", it && it->step_error ? it->step_error
							     : "none on record: its end is not known");
	}
	sheet_line(&s, "next", f->next.buf);
	fwrite(s.buf, 1, s.len, stdout);
}

static void
report(struct repair *r, const struct finding *f)
{
	if (!r->w->opt->common.quiet && r->w->opt->common.json)
		put_cells(&r->out, f);
	else if (!r->w->opt->common.quiet)
		put_sheet(f, !r->n);
	r->n++;
}

static void
found_row(struct finding *f, const struct mig_item *it)
{
	str_putf(&f->found, "%s %s by role %s, with jobctl %s, SHA-256 %.12s\n",
		 !strcmp(it->origin, "up") ? "applied" : "recorded", it->applied_at, it->role,
		 it->tool_version, it->sha256);
}

/* "there: index a, table b" */
static void
put_objects(struct str *s, const char *what, const char *lines)
{
	if (!*lines)
		return;
	str_puts(s, what);
	for (const char *p = lines, *comma = ""; *p; comma = ", ") {
		size_t n = strcspn(p, "\n");

		str_putf(s, "%s%.*s", comma, (int)n, p);
		p += n + 1;
	}
	str_putc(s, '\n');
}

static int
found_objects(struct repair *r, struct finding *f, struct err *e)
{
	const struct mig_item *it = f->item;
	AUTOSTR there = STR(STR_ANY), missing = STR(STR_ANY);

	if (!it->files)
		return 0;
	if (mig_find_objects(&r->w->db, it->set, (size_t)(it->files - it->set->v), 1, &there,
			     &missing, e))
		return -1;
	put_objects(&f->found, "of what the file makes is there: ", there.buf);
	put_objects(&f->found, "is not there: ", missing.buf);
	return 0;
}

/* The step that was begun, or comes next. */
static void
found_step(struct finding *f)
{
	const struct mig_item *it = f->item;
	const struct mig_file *file = it->reverting ? &it->files->down : &it->files->up;
	const struct mig_span *span = &file->steps[it->steps_done];
	struct mig_stmts st = { .n = 0 };
	struct err e;

	str_putf(&f->found, "%zu of %zu steps done on the way %s\n", it->steps_done, file->nsteps,
		 it->reverting ? "down" : "up");
	if (!it->step_open || it->steps_done >= file->nsteps)
		return;
	if (mig_scan(file->text + span->start, span->len, &st, &e) || !st.n)
		return;
	f->file = file->path;
	f->line = mig_line_of_byte(file->text, span->start + st.v[0].start);
	str_add(&f->statement, file->text + span->start + st.v[0].start,
		st.v[0].end - st.v[0].start);
	free(st.v);
}

static void
found_invalid(const struct mig_work *w, struct finding *f)
{
	const PGresult *res = w->state.indexes;

	for (int i = 0; res && i < PQntuples(res); i++)
		if (!strcmp(pg_get(res, i, MIG_INDEX_SET), f->item->set->name) &&
		    pg_get_i64(res, i, MIG_INDEX_VERSION) == f->item->version &&
		    !pg_get_bool(res, i, MIG_INDEX_VALID))
			str_putf(&f->found, "invalid, left by that step: index %s\n",
				 pg_get(res, i, MIG_INDEX_QUOTED));
}

static int
look_at_interrupted(struct repair *r, struct finding *f, struct err *e)
{
	const struct mig_item *it = f->item;
	const char *verb = it->reverting ? "down" : "up";

	found_step(f);
	if (found_objects(r, f, e))
		return -1;
	found_invalid(r->w, f);
	if (it->status == MIG_EDITED) {
		str_puts(&f->found, "the steps that are done were edited since\n");
		str_puts(&f->next, "put those steps back as they were; or, by hand and then:\n");
	} else {
		put_command(r->w, it->set->name, verb, &f->next);
		str_puts(&f->next, "    # goes on with that step; an invalid index is made anew\n");
	}
	put_repair(r->w, it, "--mark-applied", "if all of it is there", &f->next);
	put_repair(r->w, it, "--mark-pending", "if nothing of it is there", &f->next);
	return 0;
}

static int
look_at_item(struct repair *r, struct finding *f, struct err *e)
{
	static const char forgotten[] = "what it made stays, and nobody will know";
	const struct mig_item *it = f->item;
	struct mig_work *w = r->w;

	if (it->sha256)
		found_row(f, it);
	if (it->files && (it->steps_done || it->step_open))
		return look_at_interrupted(r, f, e);
	switch (it->status) {
	case MIG_EDITED:
		if (it->files)
			str_putf(&f->found, "%s has SHA-256 %.12s\n", it->files->up.path,
				 it->files->up.sha256);
		str_puts(&f->next, "put the file back, and write a new migration for the change\n");
		put_repair(w, it, "--accept-checksum", "if the database is as the file says now",
			   &f->next);
		put_command(w, it->set->name, "redo", &f->next);
		str_puts(&f->next, "    # if it is the last one, and its data can go\n");
		return found_objects(r, f, e);
	case MIG_MISSING:
		str_puts(&f->next, "put the file back\n");
		put_repair(w, it, "--forget", forgotten, &f->next);
		return 0;
	case MIG_NEWER:
		str_puts(&f->next, "use the program, or the files, that know it\n");
		if (!it->set->builtin)
			put_repair(w, it, "--forget", forgotten, &f->next);
		return 0;
	case MIG_OUT_OF_ORDER:
		str_puts(&f->found, "not applied, though a later one is\n");
		str_puts(&f->next, "give it a number after the last\n");
		put_command(w, it->set->name, "up --allow-out-of-order", &f->next);
		str_puts(&f->next, "    # if the order does not matter\n");
		put_repair(w, it, "--mark-applied", "if all of it is there", &f->next);
		return found_objects(r, f, e);
	default:
		return 0;
	}
}

static bool
is_wrong(const struct mig_item *it)
{
	return it->status == MIG_EDITED || it->status == MIG_MISSING ||
	       it->status == MIG_NEWER || it->status == MIG_OUT_OF_ORDER ||
	       it->status == MIG_INTERRUPTED;
}

static int
look_at_items(struct repair *r, struct err *e)
{
	const struct mig_state *st = &r->w->state;
	int rc = 0;

	for (size_t i = 0; i < st->n && !rc; i++) {
		const struct mig_item *it = &st->v[i];
		struct finding f = FINDING;

		if (!is_wrong(it))
			continue;
		f.item = it;
		f.set = it->set->name;
		f.problem = mig_status_names[it->status];
		rc = look_at_item(r, &f, e);
		if (!rc)
			report(r, &f);
		free_finding(&f);
	}
	return rc;
}

/* Functions and views that are on record and not there. */
static int
look_at_api(struct repair *r, const struct mig_item *it, struct err *e)
{
	struct mig_set part = *it->set;
	struct expectations x = { .n = 0 };
	AUTOFREE size_t *gone = NULL;
	struct finding f = FINDING;
	size_t n = 0;
	int rc;

	part.n = 0;
	rc = expect_read(&x, &part, e) || expect_check(&r->w->db, &x, &gone, &n, e);
	for (size_t i = 0; i < n && !rc; i++)
		if (x.v[gone[i]].kind == EXPECT_API)
			str_putf(&f.found, "not there: %s\n", x.v[gone[i]].object);
	f.item = it;
	f.set = it->set->name;
	f.problem = "incomplete";
	put_repair(r->w, it, "--mark-pending", "and then up makes all of them anew", &f.next);
	if (f.found.len)
		report(r, &f);
	expect_free(&x);
	free_finding(&f);
	return rc ? -1 : 0;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* Whether a text has these n bytes as a word. */
static bool
has_word(const char *text, const char *word, size_t n)
{
	for (const char *p = text; (p = strstr(p, word)); p++)
		if ((p == text || !is_word(p[-1])) && !is_word(p[n]))
			return true;
	return false;
}

/* Whether the set's files, of what is not under way, speak of the index. */
static bool
is_named(const struct mig_state *st, const struct mig_set *set, const char *index)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].set == set && st->v[i].files && !st->v[i].step_open &&
		    mig_is_applied(&st->v[i]) &&
		    has_word(st->v[i].files->up.text, index, strlen(index)))
			return true;
	return false;
}

static void
report_invalid(struct repair *r, const struct mig_set *set, int row)
{
	const PGresult *res = r->w->state.indexes;
	struct finding f = FINDING;

	f.set = set->name;
	f.problem = "invalid-index";
	f.object = pg_get(res, row, MIG_INDEX_QUOTED);
	str_putf(&f.found, "an index of %s that is invalid: it costs at every write and serves "
		 "nobody\n", pg_get(res, row, MIG_INDEX_TABLE));
	str_putf(&f.next, "%s INDEX CONCURRENTLY %s;\n",
		 mig_transient(pg_get(res, row, MIG_INDEX_NAME)) ? "DROP" : "REINDEX", f.object);
	report(r, &f);
	free_finding(&f);
}

/* What an open step has left is said of its file. */
static void
look_at_indexes(struct repair *r)
{
	const struct mig_state *st = &r->w->state;

	for (int i = 0; i < PQntuples(st->indexes); i++) {
		const char *name = pg_get(st->indexes, i, MIG_INDEX_NAME);
		size_t n = mig_transient(name), s = 0;
		AUTOFREE char *of = n ? xstrndup(name, n) : xstrdup(name);

		if (pg_get_or_null(st->indexes, i, MIG_INDEX_SET))
			continue;
		while (s < r->w->sets.n && !is_named(st, &r->w->sets.v[s], of))
			s++;
		if (s < r->w->sets.n)
			report_invalid(r, &r->w->sets.v[s], i);
	}
}

static int
look_at_all(struct repair *r, struct err *e)
{
	const struct mig_state *st = &r->w->state;

	if (look_at_items(r, e))
		return -1;
	for (size_t i = 0; i < st->n; i++)
		if (!st->v[i].version && st->v[i].status == MIG_APPLIED &&
		    look_at_api(r, &st->v[i], e))
			return -1;
	look_at_indexes(r);
	return 0;
}

int
mig_repair(struct mig_work *w, char **operands)
{
	const struct mig_options *opt = w->opt;
	const struct out_col *all[NCOLS];
	struct repair r = { .w = w };
	struct err e = ERR_INIT;
	int rc;

	(void)operands;
	if (opt->accept.n || opt->mark_applied.n || opt->mark_pending.n || opt->forget.n)
		return mig_mend(w);
	if (opt->yes || opt->dry_run)
		cmd_usage(w->cmd, "repair: %s is for an option that changes something",
			  opt->yes ? "--yes" : "--dry-run");
	if (mig_connect(w, &e) || mig_look(w, &e))
		return cmd_fail(w->cmd, &e);
	for (int i = 0; i < NCOLS; i++)
		all[i] = &cols[i];
	out_begin(&r.out, OUT_JSONL, false, all, NCOLS);
	rc = look_at_all(&r, &e);
	out_end(&r.out);
	if (rc)
		return cmd_fail(w->cmd, &e);
	if (!r.n)
		cmd_note(w->cmd, "nothing is wrong");
	return r.n ? ERR_NO : 0;
}
