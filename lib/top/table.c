/*
 * table.c - cells, widths, lines
 */
#include "top/table.h"

#include <stdlib.h>
#include <string.h>

#include "redraw.h"

enum { BAR = 10, REST_MIN = 16, ID_MAX = 18, WIDE = 132 };

struct cells {
	const struct top_col *cols;
	int ncols, n;
	struct str *v;			/* line by line */
	size_t width[TOP_MAX_COLS];
	bool shown[TOP_MAX_COLS];
	size_t gap;
};

static struct str *
cell(const struct cells *g, int row, int col)
{
	return &g->v[row * g->ncols + col];
}

/* "[####      ]  45%"; how many are filled, or -1 for no bar. */
static int
put_bar(struct str *s, const char *value)
{
	double part = value ? strtod(value, NULL) : -1;
	int filled;

	if (!(part >= 0)) {
		str_putc(s, '-');
		return -1;
	}
	part = part > 1 ? 1 : part;
	filled = (int)(part * BAR + 0.5);
	str_putf(s, "[%.*s%*s] %3.0f%%", filled, "##########", BAR - filled, "",
		 part < 1 && part > 0.99 ? 99 : 100 * part);	/* 100 is when it is done */
	return filled;
}

static void
cut_to(struct str *s, size_t columns)
{
	str_truncate(s, redraw_fit(s->buf, s->len, columns, NULL));
}

static void
fill(struct cells *g, struct top_table *t, const PGresult *res, int first)
{
	for (int r = 0; r < g->n; r++) {
		t->bars[r] = -1;
		for (int c = 0; c < g->ncols; c++) {
			const char *value = pg_get_or_null(res, first + r, TOP_FIRST + c);
			struct str *s = cell(g, r, c);

			*s = (struct str)STR(STR_ANY);
			if (g->cols[c].bar)
				t->bars[r] = put_bar(s, value);
			else if (value || !g->cols[c].rest)
				out_pretty(s, g->cols[c].type, value);
			if (g->cols[c].max)
				cut_to(s, (size_t)g->cols[c].max);
		}
	}
}

/*
 * What tells the ids apart; of those made in one go that is nearly all of them, and
 * unless there is room, their beginnings and ends have to do.
 */
static void
shorten_ids(struct cells *g, int col, int columns)
{
	AUTOFREE char **ids = xcalloc((size_t)g->n + 1, sizeof *ids);
	size_t len;

	for (int r = 0; r < g->n; r++)
		ids[r] = cell(g, r, col)->buf;
	len = out_id_len(ids, (size_t)g->n);
	for (int r = 0; r < g->n; r++) {
		struct str *s = cell(g, r, col);
		char end[7];

		if (len <= ID_MAX || columns >= WIDE || s->len != 36) {
			str_truncate(s, len);
			continue;
		}
		memcpy(end, s->buf + 30, sizeof end);
		str_truncate(s, 8);
		str_putf(s, "..%s", end);
	}
}

static void
measure(struct cells *g, struct top_table *t, int columns)
{
	for (int c = 0; c < g->ncols; c++) {
		if (g->cols[c].type == OUT_ID)
			shorten_ids(g, c, columns);
		g->shown[c] = true;
		if (g->cols[c].rest)
			continue;
		if (t->width[c] < strlen(g->cols[c].title))
			t->width[c] = strlen(g->cols[c].title);
		for (int r = 0; r < g->n; r++) {
			size_t w = utf8_width(cell(g, r, c)->buf);

			if (t->width[c] < w)
				t->width[c] = w;
		}
		g->width[c] = t->width[c];
	}
}

/* Columns of a line without what the last one takes beyond its least. */
static size_t
taken(const struct cells *g)
{
	size_t sum = 0;

	for (int c = 0; c < g->ncols; c++)
		if (g->shown[c])
			sum += (sum ? g->gap : 0) + (g->cols[c].rest ? REST_MIN : g->width[c]);
	return sum;
}

/* First the gaps shrink, then columns go, the least important first. */
static void
fit(struct cells *g, size_t columns)
{
	int left = g->ncols;

	g->gap = 2;
	if (taken(g) > columns)
		g->gap = 1;
	for (; left > 1 && taken(g) > columns; left--) {
		int least = -1;

		for (int c = 0; c < g->ncols; c++)
			if (g->shown[c] && (least < 0 || g->cols[c].keep < g->cols[least].keep))
				least = c;
		g->shown[least] = false;
	}
	for (int c = 0; c < g->ncols; c++)
		if (g->shown[c] && g->cols[c].rest)
			g->width[c] = columns > taken(g) ? columns - taken(g) + REST_MIN : REST_MIN;
}

static bool
right_aligned(const struct top_col *c)
{
	return c->type == OUT_NUM || c->type == OUT_SECONDS;
}

/* row -1: the heading. */
static void
put_line(struct str *s, const struct cells *g, struct top_table *t, int row, size_t columns)
{
	size_t at = 0;

	for (int c = 0; c < g->ncols; c++) {
		struct str *text = row < 0 ? NULL : cell(g, row, c);
		const char *z = text ? text->buf : g->cols[c].title;
		int pad;

		if (!g->shown[c])
			continue;
		if (text)
			cut_to(text, g->width[c]);
		pad = (int)(g->width[c] - utf8_width(z));
		if (at)
			str_putf(s, "%*s", (int)g->gap, "");
		at += at ? g->gap : 0;
		if (g->cols[c].bar) {
			t->bar_at = (int)at;
			t->bar_columns = BAR;
		}
		if (right_aligned(&g->cols[c]))
			str_putf(s, "%*s%s", pad, "", z);
		else
			str_putf(s, "%s%*s", z, pad, "");
		at += g->width[c];
	}
	cut_to(s, columns);
	while (s->len && s->buf[s->len - 1] == ' ')
		str_truncate(s, s->len - 1);
}

void
top_table_reset(struct top_table *t)
{
	memset(t->width, 0, sizeof t->width);
}

void
top_table_make(struct top_table *t, const struct top_panel_def *def, const PGresult *res,
	       int first, int n, int columns)
{
	struct cells g = { .cols = def->cols };
	int rows = top_rows(res) - first;

	if (t->def != def)
		top_table_reset(t);
	top_table_free(t);
	t->def = def;
	while (g.cols[g.ncols].title)
		g.ncols++;
	g.n = rows < 0 ? 0 : rows < n ? rows : n;
	g.v = xcalloc((size_t)(g.n * g.ncols) + 1, sizeof *g.v);
	t->n = g.n;
	t->bars = xcalloc((size_t)g.n + 1, sizeof *t->bars);
	t->lines = xcalloc((size_t)g.n + 1, sizeof *t->lines);
	fill(&g, t, res, first);
	measure(&g, t, columns);
	fit(&g, (size_t)columns);
	put_line(&t->head, &g, t, -1, (size_t)columns);
	for (int r = 0; r < g.n; r++) {
		t->lines[r] = (struct str)STR(STR_ANY);
		put_line(&t->lines[r], &g, t, r, (size_t)columns);
	}
	for (int i = 0; i < g.n * g.ncols; i++)
		str_free(&g.v[i]);
	free(g.v);
}

void
top_table_free(struct top_table *t)
{
	for (int r = 0; r < t->n; r++)
		str_free(&t->lines[r]);
	free(t->lines);
	free(t->bars);
	str_free(&t->head);
	t->lines = NULL;
	t->bars = NULL;
	t->n = 0;
	t->bar_columns = 0;
}
