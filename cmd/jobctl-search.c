/*
 * jobctl-search - search what was indexed
 *
 * Prints "path:line: text", best first, as an editor or grep would have it.  The
 * path is below its repository if only one was searched, else absolute.
 */
#include "base.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/lang.h"
#include "catalog/search.h"
#include "catalog/text.h"
#include "cmd.h"
#include "out.h"

struct config {
	struct common common;
	const char *project;
	const char *repo;
	const char *regex;
	const char *lang;
	const char *fields;
	int64_t max;
	bool ignore_case;
	bool no_header;
};

static const struct opt opts[] = {
	OPT_ROW_STR('p', "project", "PROJECT", struct config, project, "project",
		    "search only this project (default: all you may see)"),
	OPT_ROW_STR(0, "repo", "PATH|NAME", struct config, repo, "dir",
		    "search only this repository"),
	OPT_ROW_STR('e', "regex", "REGEX", struct config, regex, NULL,
		    "find lines that match a PostgreSQL regular expression"),
	OPT_ROW_FLAG('i', "ignore-case", struct config, ignore_case,
		     "let case not matter to REGEX"),
	OPT_ROW_STR(0, "lang", "LANGUAGE", struct config, lang, NULL,
		    "search only files in this language"),
	OPT_ROW_INT('n', "limit", "N", struct config, max, 0, 1000000,
		    "print the N best lines, 0 for all (default: 50)"),
	OPT_ROW_FLAG('H', "no-header", struct config, no_header, "print no heading with -o"),
	OPT_ROW_STR('o', "output", "FIELD,...", struct config, fields, NULL,
		    "print these fields, tab-separated"),
	OPT_ROW_END
};

static const struct example examples[] = {
	{ "jobctl-search claim lease", "lines of functions and blocks that have both words" },
	{ "jobctl-search user_name", "also finds userName and UserName" },
	{ "jobctl-search '\"static inline\" -deprecated'", "a phrase, and a word to leave out" },
	{ "jobctl-search --lang c -e 'malloc\\(.*\\*'", "a regular expression" },
	{ NULL, NULL }
};

static const struct cmd cmd = {
	.name = "jobctl-search",
	.brief = "search what was indexed",
	.synopsis = (const char *const[]){
		"[-p PROJECT] [--repo PATH|NAME] [options] WORD...",
		"[-p PROJECT] [--repo PATH|NAME] [options] -e REGEX [WORD...]",
		NULL
	},
	.examples = examples,
	.opts = opts,
	.role = "jobctl_reader",
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET | COMMON_COLOR,
	.max_operands = -1,
};

static const struct out_col columns[] = {
	{ "project", "PROJECT", OUT_TEXT },
	{ "repo", "REPO", OUT_TEXT },
	{ "repo_path", "REPO PATH", OUT_TEXT },
	{ "path", "PATH", OUT_TEXT },
	{ "line", "LINE", OUT_NUM },
	{ "language", "LANGUAGE", OUT_TEXT },
	{ "text", "TEXT", OUT_TEXT },
	{ "rank", "RANK", OUT_NUM },
	{ "chunk_start", "FROM", OUT_NUM },
	{ "chunk_end", "TO", OUT_NUM },
	{ "symbol", "SYMBOL", OUT_TEXT },
};

/* A path as the catalog would have it; a name, or what is no path here, as it is.  Yours. */
static char *
repository(const char *arg)
{
	AUTOSTR s = STR(STR_ANY);
	AUTOFREE char *real = NULL;

	if (strchr(arg, '/') || !strcmp(arg, ".") || !strcmp(arg, ".."))
		real = realpath(arg, NULL);
	text_put_path(&s, real ? real : arg);
	return str_take(&s);
}

/* By the catalog's name, or by an extension: python, py. */
static const char *
language(const char *arg)
{
	AUTOFREE char *name = xasprintf("x.%s", arg);
	const struct lang *l = lang_named(arg);

	if (!l)
		l = lang_find(name, "", 0);
	if (!l) {
		AUTOSTR s = STR(200);

		str_put_safe(&s, arg, strlen(arg));
		cmd_usage(&cmd, "unknown language \"%s\"", s.buf);
	}
	return l->name;
}

static void
print_plain(const struct search_result *r)
{
	bool color = cmd_color(1), below = r->repositories == 1;
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0; i < r->n; i++) {
		const struct search_line *l = &r->v[i];

		str_reset(&s);
		str_puts(&s, color ? "\033[35m" : "");
		/* a quoted path is not one that could be joined to another */
		if (!below && *l->repo_path == '/' && *l->path != '"') {
			str_put_safe(&s, l->repo_path, strlen(l->repo_path));
			str_puts(&s, l->repo_path[1] ? "/" : "");
		}
		str_put_safe(&s, l->path, strlen(l->path));
		str_putf(&s, color ? "\033[0m:\033[32m%lld\033[0m: " : ":%lld: ",
			 (long long)l->line);
		str_put_safe_text(&s, l->text, strlen(l->text));
		str_putc(&s, '\n');
		fwrite(s.buf, 1, s.len, stdout);
	}
}

static void
put_cell(struct out *o, const struct search_line *l, const char *name)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{ "project", l->project }, { "repo", l->repo },	    { "repo_path", l->repo_path },
		{ "path", l->path },	   { "language", l->language }, { "text", l->text },
		{ "symbol", l->symbol },
	};
	const struct {
		const char *name;
		int64_t v;
	} numbers[] = {
		{ "line", l->line },
		{ "chunk_start", l->chunk_start },
		{ "chunk_end", l->chunk_end },
	};
	char buf[32];

	snprintf(buf, sizeof buf, "%.1f", l->rank);	/* the only other one */
	for (size_t i = 0; i < NELEM(numbers); i++)
		if (!strcmp(name, numbers[i].name))
			snprintf(buf, sizeof buf, "%lld", (long long)numbers[i].v);
	for (size_t i = 0; i < NELEM(texts); i++) {
		if (!strcmp(name, texts[i].name)) {
			out_cell(o, texts[i].text);
			return;
		}
	}
	out_cell(o, buf);
}

static void
print_fields(const struct config *cfg, const struct search_result *r,
	     const struct out_col *const *cols, int n)
{
	struct out o;

	out_begin(&o, cfg->common.json ? OUT_JSONL : OUT_TSV, !cfg->no_header, cols, n);
	for (size_t i = 0; i < r->n; i++)
		for (int k = 0; k < n; k++)
			put_cell(&o, &r->v[i], cols[k]->name);
	out_end(&o);
}

static int
search(const struct config *cfg, char *const *words, struct search_result *r, struct err *e)
{
	AUTOFREE char *repo = cfg->repo ? repository(cfg->repo) : NULL;
	struct search s = {
		.words = words, .regex = cfg->regex, .any_case = cfg->ignore_case,
		.project = cfg->project, .repo = repo,
		.lang = cfg->lang ? language(cfg->lang) : NULL, .max = cfg->max,
	};
	struct pg db = PG_INIT;
	int rc;

	if (cfg->project && !utf8_valid(cfg->project, strlen(cfg->project)))
		cmd_usage(&cmd, "the project is not UTF-8");
	rc = pg_connect(&db, cmd.name, cfg->common.dbname, e);
	if (rc == 0)
		rc = search_run(&db, &s, r, e);
	pg_close(&db);
	return rc;
}

int
main(int argc, char **argv)
{
	struct config cfg = { .max = 50 };
	const struct out_col **picked = NULL, *all[NELEM(columns)];
	struct search_result r = { .n = 0 };
	struct err err = ERR_INIT;
	int status, npicked = 0;

	argv = cmd_parse(&cmd, &cfg, argc, argv, NULL);
	if (!cfg.regex && !*argv)
		cmd_usage(&cmd, "say what to search for: words, or -e REGEX");
	if (cfg.ignore_case && !cfg.regex)
		cmd_usage(&cmd, "-i needs -e: words match whatever their case");
	for (size_t i = 0; i < NELEM(columns); i++)
		all[i] = &columns[i];
	if ((cfg.fields &&
	     out_pick(columns, NELEM(columns), cfg.fields, &picked, &npicked, &err)) ||
	    search(&cfg, argv, &r, &err)) {
		status = cmd_fail(&cmd, &err);
	} else {
		status = r.n ? 0 : ERR_NO;
		if (r.partial)
			cmd_note(&cmd, "there is more than was looked at: narrow the search");
		if (cfg.common.json || cfg.fields)
			print_fields(&cfg, &r, picked ? picked : all,
				     picked ? npicked : (int)NELEM(columns));
		else if (!cfg.common.quiet)
			print_plain(&r);
	}
	free(picked);
	search_result_free(&r);
	return cmd_done(&cmd, status);
}
