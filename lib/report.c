/*
 * report.c - collecting checks, and Markdown, TAP and JSON Lines of them
 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

const char *const verdict_names[] = {
	[PASS] = "PASS", [FAIL] = "FAIL", [WARN] = "WARN", [SKIP] = "SKIP"
};

const char *const report_sections[] = {
	"summary", "structure", "constraints", "indexes", "probes", "queries", "roundtrip",
	"locks", "timings", "drift", NULL
};

/* The same, as headings. */
static const char *const titles[] = {
	"Summary", "Structure", "Constraints", "Indexes", "Probes", "Queries", "Round trip",
	"Locks", "Timings", "Drift"
};

/* The ids that are taken: open addressing, as many slots as a power of two. */
struct report_ids {
	size_t slots;
	size_t at[];		/* the check's number plus one, 0: free */
};

static size_t
hash(const char *z)
{
	uint64_t h = 1469598103934665603u;

	for (; *z; z++)
		h = (h ^ (unsigned char)*z) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

/* Where the id is, or where it would go. */
static size_t *
slot(const struct report *r, struct report_ids *ids, const char *id)
{
	size_t i = hash(id) & (ids->slots - 1);

	while (ids->at[i] && strcmp(r->v[ids->at[i] - 1].id, id) != 0)
		i = (i + 1) & (ids->slots - 1);
	return &ids->at[i];
}

static void
grow_ids(struct report *r)
{
	size_t slots = r->ids ? r->ids->slots * 2 : 64;
	struct report_ids *ids;

	if (r->ids && r->n * 2 < r->ids->slots)
		return;
	ids = xcalloc(1, sizeof *ids + slots * sizeof ids->at[0]);
	ids->slots = slots;
	for (size_t i = 0; i < r->n; i++)
		*slot(r, ids, r->v[i].id) = i + 1;
	free(r->ids);
	r->ids = ids;
}

void
report_check(struct report *r, enum verdict v, const char *section, char *id, char *what,
	     char *expected, char *actual, char *evidence)
{
	size_t *at;

	grow_ids(r);
	at = slot(r, r->ids, id);
	for (int again = 2; *at; again++) {
		AUTOFREE char *other = xasprintf("%s.%d", id, again);

		at = slot(r, r->ids, other);
		if (!*at) {
			free(id);
			id = xstrdup(other);
		}
	}
	r->v = xreallocarray(r->v, r->n + 1, sizeof *r->v);
	r->v[r->n++] = (struct check){
		.verdict = v, .section = section, .id = id, .what = what,
		.expected = expected, .actual = actual, .evidence = evidence,
	};
	*at = r->n;
	r->count[v]++;
}

void
report_fix(struct report *r, char *fix)
{
	free(r->v[r->n - 1].fix);
	r->v[r->n - 1].fix = fix;
}

void
report_fact(struct report *r, const char *name, char *value)
{
	r->fact = xreallocarray(r->fact, r->nfacts + 1, sizeof *r->fact);
	r->fact[r->nfacts++] = (struct report_fact){ .name = xstrdup(name), .value = value };
}

void
report_free(struct report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct check *c = &r->v[i];

		free(c->id);
		free(c->what);
		free(c->expected);
		free(c->actual);
		free(c->evidence);
		free(c->fix);
	}
	for (size_t i = 0; i < r->nfacts; i++) {
		free(r->fact[i].name);
		free(r->fact[i].value);
	}
	free(r->v);
	free(r->fact);
	free(r->ids);
	*r = (struct report)REPORT_INIT;
}

char *
report_id(const char *fmt, ...)
{
	AUTOFREE char *raw = NULL;
	AUTOSTR s = STR(STR_ANY);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	for (const char *p = raw; *p; p++) {
		if ((unsigned char)*p > ' ' && *p != 0x7f)
			str_putc(&s, *p);
		else if (p > raw && p[-1] != ',')
			str_putc(&s, '_');
	}
	return str_take(&s);
}

static void
put_json_text(struct str *s, const char *name, const char *z)
{
	str_putf(s, ",\"%s\":", name);
	if (z)
		str_put_json(s, z, strlen(z));
	else
		str_puts(s, "null");
}

static void
put_result(struct str *s, const struct report *r)
{
	str_putf(s, "PASS %zu FAIL %zu WARN %zu SKIP %zu", r->count[PASS], r->count[FAIL],
		 r->count[WARN], r->count[SKIP]);
}

static void
json_check(struct str *s, const struct check *c)
{
	str_puts(s, "{\"v\":1,\"type\":\"check\"");
	put_json_text(s, "section", c->section);
	put_json_text(s, "id", c->id);
	put_json_text(s, "verdict", verdict_names[c->verdict]);
	put_json_text(s, "what", c->what);
	put_json_text(s, "expected", c->expected);
	put_json_text(s, "actual", c->actual);
	put_json_text(s, "evidence", c->evidence);
	put_json_text(s, "fix", c->fix);
	str_puts(s, "}\n");
}

static void
json_begin(struct str *s, const struct report *r)
{
	for (size_t i = 0; i < r->nfacts; i++) {
		str_puts(s, "{\"v\":1,\"type\":\"fact\"");
		put_json_text(s, "name", r->fact[i].name);
		put_json_text(s, "value", r->fact[i].value);
		str_puts(s, "}\n");
	}
}

static void
json_end(struct str *s, const struct report *r)
{
	str_putf(s, "{\"v\":1,\"type\":\"result\",\"pass\":%zu,\"fail\":%zu,\"warn\":%zu,"
		    "\"skip\":%zu}\n", r->count[PASS], r->count[FAIL], r->count[WARN],
		 r->count[SKIP]);
}

/* On one line, and "#" begins no directive. */
static void
put_tap(struct str *s, const char *z)
{
	AUTOSTR safe = STR(STR_ANY);

	str_put_safe(&safe, z, strlen(z));
	for (const char *p = safe.buf; *p; p++) {
		if (*p == '#')
			str_putc(s, '\\');
		str_putc(s, *p);
	}
}

static void
tap_detail(struct str *s, const char *name, const char *z)
{
	if (!z)
		return;
	str_putf(s, "  %s: ", name);
	str_put_json(s, z, strlen(z));	/* which is YAML, too */
	str_putc(s, '\n');
}

static void
tap_check(struct str *s, const struct check *c, size_t number)
{
	str_putf(s, "%s %zu - ", c->verdict == FAIL ? "not ok" : "ok", number);
	put_tap(s, c->id);
	if (c->verdict == SKIP)
		str_puts(s, " # SKIP");
	str_putc(s, ' ');
	put_tap(s, c->what);
	str_putc(s, '\n');
	if (c->verdict == PASS || c->verdict == SKIP)
		return;
	str_putf(s, "  ---\n  verdict: %s\n", verdict_names[c->verdict]);
	tap_detail(s, "expected", c->expected);
	tap_detail(s, "actual", c->actual);
	tap_detail(s, "evidence", c->evidence);
	tap_detail(s, "fix", c->fix);
	str_puts(s, "  ...\n");
}

static void
tap_begin(struct str *s, const struct report *r)
{
	str_putf(s, "TAP version 13\n1..%zu\n", r->n);
	for (size_t i = 0; i < r->nfacts; i++) {
		str_putf(s, "# %s: ", r->fact[i].name);
		put_tap(s, r->fact[i].value ? r->fact[i].value : "unknown");
		str_putc(s, '\n');
	}
}

static void
tap_end(struct str *s, const struct report *r)
{
	str_puts(s, "# ");
	put_result(s, r);
	str_putc(s, '\n');
}

/* Prose in a cell. */
static void
put_md(struct str *s, const char *z)
{
	AUTOSTR safe = STR(STR_ANY);

	str_put_safe_text(&safe, z, strlen(z));
	for (const char *p = safe.buf; *p; p++) {
		if (*p == '\n') {
			str_puts(s, "<br>");
			continue;
		}
		if (strchr("|`<*\\[", *p))
			str_putc(s, '\\');
		str_putc(s, *p);
	}
}

/* A definition or statement in a cell, each line a span of code. */
static void
put_code(struct str *s, const char *z)
{
	while (*z) {
		size_t n = strcspn(z, "\n"), ticks = 1;
		AUTOSTR safe = STR(STR_ANY);

		str_put_safe_text(&safe, z, n);
		while (memmem(safe.buf, safe.len, "````````", ticks) && ticks < 8)
			ticks++;
		if (n) {
			str_putf(s, "%.*s", (int)ticks, "````````");
			str_puts(s, ticks > 1 ? " " : "");
			for (const char *p = safe.buf; *p; p++)
				str_putf(s, *p == '|' ? "\\%c" : "%c", *p);
			str_puts(s, ticks > 1 ? " " : "");
			str_putf(s, "%.*s", (int)ticks, "````````");
		}
		z += n;
		if (*z) {
			str_puts(s, "<br>");
			z++;
		}
	}
}

/* The columns of a table beyond verdict, id and what: those that a section has. */
enum { MD_EXPECTED, MD_ACTUAL, MD_EVIDENCE, MD_FIX, MD_COLS };
static const char *const md_titles[MD_COLS] = { "Expected", "Actual", "Evidence", "Fix" };

static const char *
md_cell(const struct check *c, int col)
{
	const char *const cell[MD_COLS] = { c->expected, c->actual, c->evidence, c->fix };

	return cell[col];
}

static void
md_head(struct str *s, const struct report *r, const char *section, bool has[MD_COLS])
{
	for (int col = 0; col < MD_COLS; col++) {
		has[col] = false;
		for (size_t i = 0; i < r->n; i++)
			has[col] = has[col] || (!strcmp(r->v[i].section, section) &&
						md_cell(&r->v[i], col));
	}
	str_puts(s, "| Verdict | Check | What |");
	for (int col = 0; col < MD_COLS; col++)
		if (has[col])
			str_putf(s, " %s |", md_titles[col]);
	str_puts(s, "\n| --- | --- | --- |");
	for (int col = 0; col < MD_COLS; col++)
		str_puts(s, has[col] ? " --- |" : "");
	str_putc(s, '\n');
}

static void
md_verdict(struct str *s, const struct report *r, enum verdict v)
{
	static const char *const colors[] = { [FAIL] = "\033[31m", [WARN] = "\033[33m", [SKIP] = NULL };
	const char *color = r->color && colors[v] ? colors[v] : "";

	str_putf(s, "%s%s%s", color, verdict_names[v], *color ? "\033[0m" : "");
}

static void
md_check(struct str *s, const struct report *r, const struct check *c, const bool has[MD_COLS])
{
	const char *bold = c->verdict == FAIL ? "**" : "";

	str_putf(s, "| %s", bold);
	md_verdict(s, r, c->verdict);
	str_putf(s, "%s | ", bold);
	put_code(s, c->id);
	str_puts(s, " | ");
	put_md(s, c->what);
	str_puts(s, " |");
	for (int col = 0; col < MD_COLS; col++) {
		const char *z = md_cell(c, col);

		if (!has[col])
			continue;
		str_putc(s, ' ');
		if (z && col == MD_EVIDENCE)
			put_md(s, z);
		else if (z)
			put_code(s, z);
		str_puts(s, z ? " |" : "|");
	}
	str_putc(s, '\n');
}

static bool
has_section(const struct report *r, const char *section)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].section, section))
			return true;
	return false;
}

/* What is not well, by name: a reader who sees nothing else has seen that. */
static void
md_findings(struct str *s, const struct report *r)
{
	size_t shown = 0;

	for (int v = FAIL; v <= WARN; v++)
		for (size_t i = 0; i < r->n; i++) {
			if (r->v[i].verdict != (enum verdict)v)
				continue;
			str_puts(s, "- ");
			md_verdict(s, r, (enum verdict)v);
			str_putc(s, ' ');
			put_code(s, r->v[i].id);
			str_puts(s, ": ");
			put_md(s, r->v[i].what);
			str_putc(s, '\n');
			shown++;
		}
	if (shown)
		str_putc(s, '\n');
}

static void
md_begin(struct str *s, const struct report *r)
{
	str_puts(s, "# ");
	put_md(s, r->title ? r->title : "Report");
	str_puts(s, "\n\n| | |\n| --- | --- |\n| result | ");
	put_result(s, r);
	str_puts(s, " |\n");
	for (size_t i = 0; i < r->nfacts; i++) {
		str_puts(s, "| ");
		put_md(s, r->fact[i].name);
		str_puts(s, " | ");
		put_md(s, r->fact[i].value ? r->fact[i].value : "unknown");
		str_puts(s, " |\n");
	}
	str_putc(s, '\n');
	md_findings(s, r);
}

static void
md_section(struct str *s, const struct report *r, size_t section)
{
	bool has[MD_COLS];

	str_putf(s, "## %s\n\n", titles[section]);
	if (!has_section(r, report_sections[section])) {
		str_puts(s, "Nothing was checked here.\n\n");
		return;
	}
	md_head(s, r, report_sections[section], has);
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].section, report_sections[section]))
			md_check(s, r, &r->v[i], has);
	str_putc(s, '\n');
}

static void
md_end(struct str *s, const struct report *r)
{
	put_result(s, r);
	str_putc(s, '\n');
}

static void
put_section(struct str *s, const struct report *r, enum report_format format, size_t section,
	    size_t *number)
{
	if (format == REPORT_MD) {
		md_section(s, r, section);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->v[i].section, report_sections[section]) != 0)
			continue;
		if (format == REPORT_TAP)
			tap_check(s, &r->v[i], ++*number);
		else
			json_check(s, &r->v[i]);
	}
}

void
report_write(const struct report *r, enum report_format format, FILE *to)
{
	static void (*const begin[])(struct str *, const struct report *) = {
		[REPORT_MD] = md_begin, [REPORT_TAP] = tap_begin, [REPORT_JSON] = json_begin,
	};
	static void (*const end[])(struct str *, const struct report *) = {
		[REPORT_MD] = md_end, [REPORT_TAP] = tap_end, [REPORT_JSON] = json_end,
	};
	AUTOSTR s = STR(STR_ANY);
	size_t number = 0;

	begin[format](&s, r);
	for (size_t i = 0; report_sections[i]; i++)
		if (has_section(r, report_sections[i]) ||
		    (r->whole && format == REPORT_MD && strcmp(report_sections[i], "drift") != 0))
			put_section(&s, r, format, i, &number);
	end[format](&s, r);
	fwrite(s.buf, 1, s.len, to);
}
