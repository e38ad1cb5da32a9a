/*
 * out.c - tables, tab-separated values, JSON Lines
 */
#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "parse.h"

enum { ID_MIN = 13 };	/* the millisecond of a version 7 id: fewer digits name a minute */

void
out_begin(struct out *o, enum out_mode mode, bool header, const struct out_col *const *cols,
	  int ncols)
{
	*o = (struct out){
		.mode = mode, .header = header, .cols = cols, .ncols = ncols,
		.line = STR(STR_ANY), .to = stdout
	};
	if (mode == OUT_TSV && header) {
		for (int i = 0; i < ncols; i++)
			printf("%s%s", i ? "\t" : "", cols[i]->name);
		putchar('\n');
	}
}

/* PostgreSQL's numbers are JSON's, but for NaN and Infinity. */
static bool
number(const char *v)
{
	return *v && strspn(v, "0123456789+-.eE") == strlen(v);
}

static void
put_json(struct str *s, enum out_type type, const char *v)
{
	bool numeric = type == OUT_NUM || type == OUT_SECONDS || type == OUT_BYTES;

	if (!v || (numeric && !number(v)))
		str_puts(s, "null");
	else if (type == OUT_BOOL)
		str_puts(s, *v == 't' ? "true" : "false");
	else if (numeric || type == OUT_JSON)
		str_puts(s, v);
	else
		str_put_json(s, v, strlen(v));
}

void
out_pretty(struct str *s, enum out_type type, const char *v)
{
	char buf[32];

	if (!v) {
		str_putc(s, '-');
		return;
	}
	if ((type == OUT_SECONDS || type == OUT_BYTES) && !number(v))
		type = OUT_TEXT;
	switch (type) {
	case OUT_SECONDS:
		duration_text(strtod(v, NULL), buf);
		str_puts(s, buf);
		break;
	case OUT_BYTES:
		size_text(strtoll(v, NULL, 10), buf);
		str_puts(s, buf);
		break;
	case OUT_BOOL:
		str_puts(s, *v == 't' ? "yes" : "no");
		break;
	case OUT_TIME:		/* 2026-01-31T15:04:05.123456Z: people need no fraction */
		if (strlen(v) > 19) {
			str_add(s, v, 10);
			str_putc(s, ' ');
			str_add(s, v + 11, 8);
			str_putc(s, 'Z');
			break;
		}
		str_put_safe(s, v, strlen(v));
		break;
	case OUT_TEXT:
	case OUT_ID:
	case OUT_NUM:
	case OUT_JSON:
		str_put_safe(s, v, strlen(v));
		break;
	}
}

static void
table_cell(struct out *o, const char *value)
{
	if (o->ncells == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 64;
		o->cells = xreallocarray(o->cells, o->cap, sizeof *o->cells);
	}
	o->cells[o->ncells] = (struct str)STR(STR_ANY);
	out_pretty(&o->cells[o->ncells++], o->cols[o->at]->type, value);
}

static void
line_cell(struct out *o, const char *value)
{
	const struct out_col *c = o->cols[o->at];

	if (o->mode == OUT_JSONL) {
		str_puts(&o->line, o->at ? "," : "{\"v\":1,");
		str_put_json(&o->line, c->name, strlen(c->name));
		str_putc(&o->line, ':');
		put_json(&o->line, c->type, value);
		if (o->at + 1 == o->ncols)
			str_putc(&o->line, '}');
	} else {
		if (o->at)
			str_putc(&o->line, '\t');
		if (value && c->type == OUT_BOOL)
			str_puts(&o->line, *value == 't' ? "true" : "false");
		else if (value)
			str_put_safe(&o->line, value, strlen(value));
	}
	if (o->at + 1 == o->ncols) {
		str_putc(&o->line, '\n');
		fwrite(o->line.buf, 1, o->line.len, o->to);
		str_reset(&o->line);
	}
}

void
out_cell(struct out *o, const char *value)
{
	if (o->mode == OUT_TABLE)
		table_cell(o, value);
	else
		line_cell(o, value);
	o->at = (o->at + 1) % o->ncols;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t
out_id_len(char **ids, size_t n)
{
	size_t len = ID_MIN;

	qsort(ids, n, sizeof *ids, by_text);
	for (size_t i = 1; i < n; i++) {	/* sorted: the nearest are neighbours */
		size_t same = 0;

		while (ids[i][same] && ids[i][same] == ids[i - 1][same])
			same++;
		if (same >= len && ids[i][same])
			len = same + 1;
	}
	return len;
}

/* Cut a column of ids to the shortest length, ID_MIN at least, that keeps them apart. */
static void
shorten_ids(struct out *o, int col)
{
	size_t len, step = (size_t)o->ncols, n = o->ncells / step;
	AUTOFREE char **ids = xcalloc(n, sizeof *ids);

	for (size_t i = 0; i < n; i++)
		ids[i] = o->cells[i * step + (size_t)col].buf;
	len = out_id_len(ids, n);
	for (size_t i = (size_t)col; i < o->ncells; i += step)
		if (o->cells[i].len == 36)
			str_truncate(&o->cells[i], len);
}

static bool
right_aligned(enum out_type t)
{
	return t == OUT_NUM || t == OUT_SECONDS || t == OUT_BYTES;
}

static void
table_line(const struct out *o, const struct str *cells, const size_t *width)
{
	for (int c = 0; c < o->ncols; c++) {
		const char *z = cells ? cells[c].buf : o->cols[c]->title;
		int pad = (int)(width[c] - utf8_width(z));
		bool last = c + 1 == o->ncols;

		if (right_aligned(o->cols[c]->type))
			printf("%*s%s%s", pad, "", z, last ? "" : "  ");
		else
			printf("%s%*s", z, last ? 0 : pad + 2, "");
	}
	putchar('\n');
}

static void
print_table(struct out *o)
{
	AUTOFREE size_t *width = xcalloc((size_t)o->ncols, sizeof *width);

	for (int c = 0; c < o->ncols; c++) {
		if (o->cols[c]->type == OUT_ID)
			shorten_ids(o, c);
		if (o->header)
			width[c] = utf8_width(o->cols[c]->title);
	}
	for (size_t i = 0; i < o->ncells; i++) {
		size_t w = utf8_width(o->cells[i].buf), c = i % (size_t)o->ncols;

		if (w > width[c])
			width[c] = w;
	}
	if (o->header && o->ncells) {
		bool color = cmd_color(STDOUT_FILENO);

		fputs(color ? "\033[1m" : "", stdout);
		table_line(o, NULL, width);
		fputs(color ? "\033[0m" : "", stdout);
	}
	for (size_t i = 0; i < o->ncells; i += (size_t)o->ncols)
		table_line(o, &o->cells[i], width);
}

void
out_end(struct out *o)
{
	if (o->mode == OUT_TABLE)
		print_table(o);
	for (size_t i = 0; i < o->ncells; i++)
		str_free(&o->cells[i]);
	free(o->cells);
	str_free(&o->line);
	*o = (struct out){ .line = STR(STR_ANY) };
}

int
out_pick(const struct out_col *all, int nall, const char *list, const struct out_col ***picked,
	 int *npicked, struct err *e)
{
	AUTOFREE const struct out_col **v = NULL;
	int n = 0;

	for (const char *p = list;; p++) {
		size_t len = strcspn(p, ",");
		int i = 0;

		while (i < nall && (strlen(all[i].name) != len || strncmp(all[i].name, p, len) != 0))
			i++;
		if (i == nall) {
			AUTOSTR names = STR(700);

			for (i = 0; i < nall; i++)
				str_putf(&names, "%s%s", i ? " " : "", all[i].name);
			(void)err_set(e, ERR_USAGE, "there is no field \"%.*s\"",
				      len > 60 ? 60 : (int)len, p);
			err_hint(e, "fields: %s", names.buf);
			return -1;
		}
		v = xreallocarray(v, (size_t)n + 1, sizeof *v);
		v[n++] = &all[i];
		p += len;
		if (!*p)
			break;
	}
	*picked = v;
	*npicked = n;
	v = NULL;
	return 0;
}

/* To what fits on one line of the terminal: of a longer one "\r" would find only the end. */
static void
cut_to_line(struct str *s)
{
	struct winsize ws;
	size_t edge = ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) || !ws.ws_col ? 79 : ws.ws_col - 1U;
	size_t n = s->len;

	while (n && utf8_width(s->buf) > edge) {
		do
			n--;
		while (((unsigned char)s->buf[n] & 0xc0) == 0x80);
		str_truncate(s, n);
	}
}

static bool status_drawn;
static int64_t status_at = INT64_MIN / 2;	/* the earlier is long ago */

void
status_show(bool wanted, const char *fmt, ...)
{
	static int terminal = -1;
	char text[800];
	AUTOSTR s = STR(1000);
	va_list ap;

	if (terminal < 0)
		terminal = isatty(STDERR_FILENO);
	if (!wanted || !terminal || now_ms() - status_at < 100)
		return;
	status_at = now_ms();
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	str_put_safe(&s, text, strlen(text));
	cut_to_line(&s);
	fprintf(stderr, "\r%s\033[K", s.buf);
	status_drawn = true;
}

void
status_clear(void)
{
	if (status_drawn)
		fputs("\r\033[K", stderr);
	status_drawn = false;
	status_at = INT64_MIN / 2;
}
