/*
 * refresh.c - the panels' questions, one after the other, and what comes of them
 *
 * The answers to a round are shown together, or the picture would contradict itself.
 */
#include "top/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
top_init(struct top *t)
{
	t->asking = -1;
	t->rows_max = 50;
	t->child = (struct top_child){ .fd = -1, .said = STR(4096) };
	t->signals = -1;
	t->focus = TOP_JOBS;
	for (int p = 0; p < TOP_PANELS; p++)
		t->pane[p].table = (struct top_table)TOP_TABLE_INIT;
}

static void
drop_coming(struct top *t)
{
	for (int p = 0; p < TOP_PANELS; p++) {
		PQclear(t->coming[p]);
		t->coming[p] = NULL;
	}
	t->asking = -1;
}

void
top_free(struct top *t)
{
	drop_coming(t);
	for (int p = 0; p < TOP_PANELS; p++) {
		PQclear(t->pane[p].res);
		top_table_free(&t->pane[p].table);
	}
	str_free(&t->child.said);
	ask_close(&t->ask);
}

void
top_again(struct top *t)
{
	t->outdated = true;
	t->next_at = 0;
}

static void
ask_panel(struct top *t, int p)
{
	struct pg_val args[TOP_ARGS];
	AUTOSTR sql = STR(STR_ANY);

	t->asking = p;
	t->view.rows[p] = t->pane[p].first + t->rows_max;
	t->coming_def[p] = top_panel((enum top_panel)p, &t->view);
	top_question((enum top_panel)p, &t->view, &sql, args);
	ask_put(&t->ask, sql.buf, args, TOP_ARGS);
}

int
top_poll(struct top *t, short *events, int64_t *deadline)
{
	bool due = (!t->frozen || t->outdated) && t->asking < 0 && ask_ready(&t->ask);
	int fd;

	if (due && now_ms() >= t->next_at) {
		t->asked_for = t->outdated;
		t->outdated = false;
		ask_panel(t, 0);
	}
	fd = ask_fd(&t->ask, events, deadline);
	if (due && t->asking < 0)
		*deadline = earliest(*deadline, t->next_at);
	if (t->asking >= 0)		/* to say how long there has been no answer */
		*deadline = earliest(*deadline, deadline_in(1000));
	return fd;
}

void
top_choose(struct top *t, int row)
{
	struct top_pane *p = &t->pane[t->focus];
	int n = top_rows(p->res);

	p->chosen = row >= n ? n - 1 : row;
	if (p->chosen < 0)
		p->chosen = 0;
	p->key[0] = '\0';
	if (p->chosen)
		snprintf(p->key, sizeof p->key, "%.63s", pg_get(p->res, p->chosen, TOP_KEY));
}

const char *
top_chosen(const struct top *t)
{
	const struct top_pane *p = &t->pane[t->focus];

	return p->chosen < top_rows(p->res) ? pg_get(p->res, p->chosen, TOP_KEY) : NULL;
}

/*
 * A row that somebody chose stays chosen, wherever it is now.  Nobody has chosen the
 * first one: it is the first, whatever comes there.
 */
static void
find_chosen(struct top_pane *p)
{
	int n = top_rows(p->res);

	for (int r = 0; r < n && p->key[0]; r++) {
		if (!strcmp(p->key, pg_get(p->res, r, TOP_KEY))) {
			p->chosen = r;
			return;
		}
	}
	if (p->chosen >= n)
		p->chosen = n ? n - 1 : 0;
}

static void
show_round(struct top *t)
{
	for (int p = 0; p < TOP_PANELS; p++) {
		PQclear(t->pane[p].res);
		t->pane[p].res = t->coming[p];
		t->pane[p].def = t->coming_def[p];
		t->coming[p] = NULL;
		find_chosen(&t->pane[p]);
	}
	t->failed = (struct err)ERR_INIT;
	t->asking = -1;
	t->next_at = t->outdated ? 0 : deadline_in(t->interval_ms);
}

int
top_step(struct top *t, bool ready)
{
	bool connected = ask_connected(&t->ask);
	PGresult *res = NULL;
	struct err e = ERR_INIT;

	switch (ask_step(&t->ask, ready, &res, &e)) {
	case ASK_NOTHING:
		if (!connected && ask_connected(&t->ask))
			t->next_at = 0;
		return connected != ask_connected(&t->ask) ||
		       (t->asking >= 0 && now_ms() - t->ask.asked_at >= 1000);
	case ASK_FAILED:
		drop_coming(t);
		t->failed = e;
		t->next_at = deadline_in(t->interval_ms);
		return 1;
	case ASK_ANSWER:
		break;
	}
	t->coming[t->asking] = res;
	if (t->asking + 1 < TOP_PANELS) {
		ask_panel(t, t->asking + 1);
		return 0;
	}
	if (t->frozen && !t->asked_for)		/* it began before */
		drop_coming(t);
	else
		show_round(t);
	return 1;
}
