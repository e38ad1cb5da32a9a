/*
 * draw.c - the picture: two lines about everything, four panels, a line of keys
 */
#include "top/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_LINES = 2, FOOT_LINES = 1 };

static const enum top_panel order[TOP_PANELS] = { TOP_QUEUES, TOP_JOBS, TOP_FAILED, TOP_WORKERS };

/* HOST:PORT/DATABASE, also while it is away; a socket's directory says nothing to anybody. */
static void
note_server(struct top *t)
{
	const char *host = t->ask.db.conn ? PQhost(t->ask.db.conn) : NULL;

	if (t->ask.db.conn)
		snprintf(t->server, sizeof t->server, "%.80s:%.8s/%.80s",
			 !host || !*host || *host == '/' ? "local" : host, PQport(t->ask.db.conn),
			 PQdb(t->ask.db.conn));
}

/* What is wrong with the answers; true if something is. */
static bool
put_trouble(struct str *s, const struct top *t)
{
	const char *why = t->ask.lost.kind ? t->ask.lost.msg : t->failed.msg;
	int64_t silent = t->asking >= 0 && t->ask.busy ? now_ms() - t->ask.asked_at : 0;

	if (!ask_connected(&t->ask))
		str_puts(s, "  connection lost, trying again: ");
	else if (t->failed.kind)
		str_puts(s, "  no answer: ");
	else if (silent >= 2000 + t->interval_ms)
		str_putf(s, "  no answer for %d s", (int)(silent / 1000));
	else
		return false;
	if (!ask_connected(&t->ask) || t->failed.kind)
		str_put_safe(s, why, strlen(why));
	return true;
}

static void
put_first_line(struct str *s, struct top *t)
{
	const char *at = top_time(t->pane[TOP_QUEUES].res);

	note_server(t);
	str_puts(s, "jobctl-top  ");
	str_put_safe(s, t->server, strlen(t->server));
	if (*at)
		str_putf(s, "  %sZ", at);
	if (t->frozen)
		str_puts(s, "  FROZEN");
	if (t->filter[0]) {
		str_puts(s, "  filter: ");
		str_put_safe(s, t->filter, strlen(t->filter));
	}
}

/*
 * Deal the rows there are: in turn one to each panel that can use it, three to the one
 * with the focus.  Returns what nobody needs.
 */
static int
share(struct top *t, int rows)
{
	int dealt = -1;

	for (int p = 0; p < TOP_PANELS; p++)
		t->pane[p].height = 0;
	while (rows > 0 && dealt != 0) {
		dealt = 0;
		for (int i = 0; i < TOP_PANELS; i++) {
			struct top_pane *p = &t->pane[order[i]];
			int more = top_rows(p->res) - p->height, turn = order[i] == t->focus ? 3 : 1;

			more = more < turn ? more : turn;
			more = more < rows ? more : rows;
			p->height += more;
			rows -= more;
			dealt += more;
		}
	}
	return rows;
}

/* Scroll so that the row that is chosen can be seen. */
static void
scroll(struct top_pane *p)
{
	int n = top_rows(p->res);

	if (p->chosen < p->first)
		p->first = p->chosen;
	if (p->height && p->chosen >= p->first + p->height)
		p->first = p->chosen - p->height + 1;
	if (p->first + p->height > n)
		p->first = n - p->height;
	if (p->first < 0)
		p->first = 0;
}

static const int moods[] = { LOOK_PLAIN, LOOK_NOTE, LOOK_BAD };

static void
draw_row(const struct top_pane *p, int r, int row, bool chosen)
{
	int64_t mood = pg_get_i64(p->res, p->first + r, TOP_MOOD);
	int look = moods[mood < 0 || mood > 2 ? 0 : mood];

	screen_put(row, p->table.lines[r].buf, look | (chosen ? LOOK_REVERSE : 0));
	if (p->table.bar_columns && p->table.bars[r] > 0)
		screen_relook(row, p->table.bar_at + 1, p->table.bars[r],
			      LOOK_GOOD | (chosen ? LOOK_REVERSE : 0));
}

/* "3-9 of 20"; "20+" if there may be more. */
static void
put_position(struct str *s, const struct top_pane *p, int asked)
{
	int n = top_rows(p->res);

	if (p->height < n)
		str_putf(s, " %d-%d of %d%s ", p->first + 1, p->first + p->height, n,
			 n >= asked ? "+" : "");
}

/* Titles of columns in which there is nothing tell nothing. */
static void
say_none(struct top_pane *p, bool filtered)
{
	if (top_rows(p->res))
		return;
	str_reset(&p->table.head);
	str_putf(&p->table.head, "%s  %s", p->def->cols[0].title,
		 filtered ? "nothing that the filter lets pass" : p->def->none);
}

static int
draw_panel(struct top *t, enum top_panel panel, int row, int columns)
{
	struct top_pane *p = &t->pane[panel];
	bool focus = t->focus == panel;
	AUTOSTR s = STR(STR_ANY);

	if (!p->def)
		return row;
	scroll(p);
	top_table_make(&p->table, p->def, p->res, p->first, p->height, columns);
	say_none(p, t->filter[0]);
	screen_put(row, p->table.head.buf, LOOK_HEAD | (focus ? LOOK_REVERSE : 0));
	put_position(&s, p, t->view.rows[panel]);
	screen_put_right(row++, s.buf, LOOK_HEAD | (focus ? LOOK_REVERSE : 0));
	for (int r = 0; r < p->table.n; r++)
		draw_row(p, r, row + r, focus && p->first + r == p->chosen);
	return row + p->table.n;
}

static void
draw_panels(struct top *t, int rows, int columns)
{
	int left = rows - HEAD_LINES - FOOT_LINES - TOP_PANELS, row = HEAD_LINES, gap;

	if (left < TOP_PANELS) {	/* no room for all: only one */
		struct top_pane *p = &t->pane[t->focus];
		int n = top_rows(p->res), room = rows - HEAD_LINES - FOOT_LINES - 1;

		p->height = room < 0 ? 0 : n < room ? n : room;
		if (room >= 0)
			draw_panel(t, t->focus, row, columns);
		return;
	}
	gap = share(t, left) >= TOP_PANELS;
	for (int i = 0; i < TOP_PANELS; i++)
		row = draw_panel(t, order[i], row + gap, columns);
}

static const char *const help[] = {
	"Tab, Shift-Tab     to the next, the previous panel",
	"Up Down k j        choose a row; PgUp PgDn Home End g G",
	"Enter e            explain the job or queue; show the jobs of a worker",
	"l                  follow the output of the job",
	"c                  cancel the job",
	"r                  retry the job",
	"h u                hold the job, release it",
	"p                  pause the queue, or resume it",
	"v                  jobs that wait instead of those that run, and back",
	"/                  only rows with a text: kind, queue, id, host; empty: all",
	"s S                sort the panel by the next, the previous field",
	"Space              freeze the picture, and go on",
	"^L                 draw everything anew",
	"q                  quit",
	NULL
};

static void
draw_help(int rows)
{
	for (int i = 0; help[i] && HEAD_LINES + 1 + i < rows - FOOT_LINES; i++)
		screen_put(HEAD_LINES + 1 + i, help[i], LOOK_PLAIN);
}

/* The last line; the column in which something is typed, or -1. */
static int
draw_foot(const struct top *t, int row, int columns)
{
	static const char keys[] = "q:quit ?:help Tab:panel e:explain l:output c:cancel "
				   "r:retry /:filter s:sort";
	AUTOSTR s = STR(STR_ANY);

	if (t->prompt.asking) {
		size_t width;

		str_puts(&s, t->prompt.question);
		str_put_safe(&s, t->prompt.text, strlen(t->prompt.text));
		width = utf8_width(s.buf);
		screen_put(row, s.buf, LOOK_NOTE);
		return width < (size_t)columns ? (int)width : columns - 1;
	}
	if (t->message[0])
		screen_put(row, t->message, t->message_look);
	else if (t->help)
		screen_put(row, "any key goes back", LOOK_FAINT);
	else
		screen_put(row, keys, LOOK_FAINT);
	return -1;
}

void
top_draw(struct top *t)
{
	AUTOSTR s = STR(STR_ANY);
	int rows, columns;
	bool trouble;

	screen_size(&rows, &columns);
	t->rows_max = rows;
	screen_erase();
	put_first_line(&s, t);
	trouble = put_trouble(&s, t);
	screen_put(0, s.buf, trouble ? LOOK_BAD : LOOK_PLAIN);
	str_reset(&s);
	top_summary(&s, t->pane[TOP_QUEUES].res, t->pane[TOP_WORKERS].res);
	if (rows > 1 + FOOT_LINES)
		screen_put(1, s.buf, LOOK_PLAIN);
	if (t->help)
		draw_help(rows);
	else
		draw_panels(t, rows, columns);
	screen_show(draw_foot(t, rows - 1, columns));
}

void
top_print(struct top *t, int columns)
{
	AUTOSTR s = STR(STR_ANY), sum = STR(STR_ANY);

	put_first_line(&s, t);
	top_summary(&sum, t->pane[TOP_QUEUES].res, t->pane[TOP_WORKERS].res);
	str_putf(&s, "\n%s\n", sum.buf);
	for (int i = 0; i < TOP_PANELS; i++) {
		struct top_pane *p = &t->pane[order[i]];
		int n = top_rows(p->res), most = t->view.rows[order[i]];

		/* one more than is shown was asked for, to know whether there is more */
		top_table_make(&p->table, p->def, p->res, 0, n < most ? n : most - 1, columns);
		say_none(p, t->filter[0]);
		str_putf(&s, "\n%s\n", p->table.head.buf);
		for (int r = 0; r < p->table.n; r++)
			str_putf(&s, "%s\n", p->table.lines[r].buf);
		if (p->table.n < n)
			str_puts(&s, "...\n");
	}
	fwrite(s.buf, 1, s.len, stdout);
}
