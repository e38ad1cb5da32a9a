/*
 * keys.c - what a key does
 *
 * What changes something names the job when it asks, because by the time somebody
 * answers another may be in its row.
 */
#include "top/top.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

enum { ON_JOB = 1, ON_QUEUE = 2, ON_WORKER = 4 };

struct top_action {
	int key;
	int on;			/* what it can be done to */
	const char *ask, *ask_back;	/* the question, with %s for what; to take it back */
	bool reason;		/* asks for one */
	const char *argv[3];	/* the program, and a verb */
	const char *back;	/* the verb that takes it back */
};

static const struct top_action actions[] = {
	{ .key = 'c', .on = ON_JOB, .ask = "Cancel %s?", .reason = true,
	  .argv = { "jobctl-cancel" } },
	{ .key = 'r', .on = ON_JOB, .ask = "Retry %s?", .argv = { "jobctl-retry" } },
	{ .key = 'h', .on = ON_JOB, .ask = "Hold %s?", .reason = true, .argv = { "jobctl-hold" } },
	{ .key = 'u', .on = ON_JOB, .ask = "Release %s?", .argv = { "jobctl-release" } },
	{ .key = 'p', .on = ON_QUEUE, .ask = "Pause %s?", .ask_back = "%s is paused. Resume it?",
	  .reason = true, .argv = { "jobctl-queue", "pause" }, .back = "resume" },
};

static int
focus_is(const struct top *t)
{
	return t->focus == TOP_QUEUES ? ON_QUEUE : t->focus == TOP_WORKERS ? ON_WORKER : ON_JOB;
}

void
top_say(struct top *t, int look, const char *fmt, ...)
{
	char text[TOP_TEXT * 2];
	AUTOSTR s = STR(TOP_TEXT * 2 - 1);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	str_put_safe(&s, text, strlen(text));
	memcpy(t->message, s.buf, s.len + 1);
	t->message_look = look;
}

static const char *
note(const struct top *t)
{
	const struct top_pane *p = &t->pane[t->focus];

	return pg_get(p->res, p->chosen, TOP_NOTE);
}

/* Ask whether it is to be done, if it can be done here at all. */
static void
propose(struct top *t, const struct top_action *a)
{
	const char *target = top_chosen(t);
	AUTOSTR what = STR(TOP_TEXT - 1);
	struct top_prompt *p = &t->prompt;
	const char *ask = a->ask;
	const char *mark;

	if (!(a->on & focus_is(t)) || !target) {
		top_say(t, LOOK_BAD, a->on == ON_JOB ? "choose a job first: Tab, Up, Down"
						     : "choose a queue first: Tab, Up, Down");
		return;
	}
	*p = (struct top_prompt){ .asking = TOP_ASKS_YES, .action = a };
	p->reverse = a->ask_back && !strcmp(note(t), "t");
	snprintf(p->target, sizeof p->target, "%.199s", target);
	if (p->reverse)
		ask = a->ask_back;
	if (a->on == ON_JOB)
		str_putf(&what, "%.13s (%.80s)", target, note(t));
	else
		str_putf(&what, "queue %.100s", target);
	mark = strstr(ask, "%s");
	snprintf(p->question, sizeof p->question, "%.*s%.120s%s [y/N] ", (int)(mark - ask), ask,
		 what.buf, mark + 2);
}

static void
act(struct top *t)
{
	const struct top_prompt *p = &t->prompt;
	const char *argv[7] = { NULL };
	int n = 0;

	argv[n++] = p->action->argv[0];
	if (p->action->argv[1])
		argv[n++] = p->reverse ? p->action->back : p->action->argv[1];
	if (p->text[0] && !p->reverse) {
		argv[n++] = "--reason";
		argv[n++] = p->text;
	}
	argv[n++] = p->target;
	top_start(t, argv);
}

static void
answer(struct top *t, int key)
{
	struct top_prompt *p = &t->prompt;

	if (key != 'y' && key != 'Y') {
		p->asking = TOP_ASKS_NOTHING;
	} else if (p->action->reason && !p->reverse) {
		p->asking = TOP_ASKS_REASON;
		snprintf(p->question, sizeof p->question,
			 "Why? It is recorded (Enter: no reason, Esc: do nothing) ");
	} else {
		p->asking = TOP_ASKS_NOTHING;
		act(t);
	}
}

/* Lower case by character, as the database has it by and large. */
static void
fold(const char *z, char *out, size_t size)
{
	AUTOSTR s = STR(size - 1);

	for (size_t n = strlen(z), i = 0; i < n;) {
		int len = utf8_len(z + i, n - i, NULL);

		if (len == 1)
			str_putc(&s, (char)towlower((wint_t)z[i]));
		else
			str_add(&s, z + i, (size_t)len);
		i += len ? (size_t)len : 1;
	}
	memcpy(out, s.buf, s.len + 1);
}

void
top_filter(struct top *t, const char *text)
{
	snprintf(t->filter, sizeof t->filter, "%.199s", text);
	fold(t->filter, t->folded, sizeof t->folded);
	t->view.filter = t->folded[0] ? t->folded : NULL;
	for (int p = 0; p < TOP_PANELS; p++)
		t->pane[p].first = t->pane[p].chosen = 0;
	top_again(t);
}

static void
enter(struct top *t)
{
	struct top_prompt *p = &t->prompt;
	enum top_asking was = p->asking;

	p->asking = TOP_ASKS_NOTHING;
	if (was == TOP_ASKS_FILTER)
		top_filter(t, p->text);
	else
		act(t);
}

static void
add_character(char *text, uint32_t c)
{
	size_t n = strlen(text);
	char *p = text + n;

	if (n + 5 > TOP_TEXT || c < 0x20 || c >= 0x110000)
		return;
	if (c < 0x80) {
		*p++ = (char)c;
	} else if (c < 0x800) {
		*p++ = (char)(0xc0 | c >> 6);
		*p++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*p++ = (char)(0xe0 | c >> 12);
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	} else {
		*p++ = (char)(0xf0 | c >> 18);
		*p++ = (char)(0x80 | (c >> 12 & 0x3f));
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	}
	*p = '\0';
}

static void
rub_out(char *text)
{
	size_t n = strlen(text);

	while (n && ((unsigned char)text[--n] & 0xc0) == 0x80)
		;
	text[n] = '\0';
}

static void
typed(struct top *t, int key)
{
	struct top_prompt *p = &t->prompt;

	if (p->asking == TOP_ASKS_YES)
		answer(t, key);
	else if (key == '\n')
		enter(t);
	else if (key == KEY_ESC)
		p->asking = TOP_ASKS_NOTHING;
	else if (key == KEY_RUBOUT)
		rub_out(p->text);
	else if (key == 'U' - '@')
		p->text[0] = '\0';
	else
		add_character(p->text, (uint32_t)key);
}

static void
explain(struct top *t)
{
	const char *target = top_chosen(t);
	const char *job[] = { "jobctl-explain", target, NULL };
	const char *queue[] = { "jobctl-explain", "-q", target, NULL };
	const char *worker[] = { "jobctl-status", "-s", "running", "-n", "0", "--worker", target,
				 NULL };

	if (!target)
		top_say(t, LOOK_BAD, "there is nothing to explain here");
	else
		top_show(t, focus_is(t) == ON_JOB     ? job
			    : focus_is(t) == ON_QUEUE ? queue
						      : worker,
			 true);
}

static void
follow(struct top *t)
{
	const char *argv[] = { "jobctl-logs", "-f", "-n", "1000", top_chosen(t), NULL };

	if (focus_is(t) != ON_JOB || !top_chosen(t))
		top_say(t, LOOK_BAD, "choose a job first: Tab, Up, Down");
	else
		top_show(t, argv, false);
}

static void
sort(struct top *t, int step)
{
	const struct top_panel_def *def = top_panel(t->focus, &t->view);
	int n = top_norders(t->focus, &t->view), *s = &t->view.sort[t->focus];

	*s = (*s + n + step) % n;
	top_say(t, LOOK_PLAIN, "%s sorted by %s", def->name, def->orders[2 * *s]);
	top_again(t);
}

static void
change_focus(struct top *t, int step)
{
	static const enum top_panel order[] = { TOP_QUEUES, TOP_JOBS, TOP_FAILED, TOP_WORKERS };
	int at = 0;

	while (order[at] != t->focus)
		at++;
	t->focus = order[(at + TOP_PANELS + step) % TOP_PANELS];
}

static bool
move(struct top *t, int key)
{
	struct top_pane *p = &t->pane[t->focus];
	int page = p->height > 1 ? p->height - 1 : 1;

	switch (key) {
	case KEY_ARROW_UP:
	case 'k':
		top_choose(t, p->chosen - 1);
		break;
	case KEY_ARROW_DOWN:
	case 'j':
		top_choose(t, p->chosen + 1);
		break;
	case KEY_PAGE_UP:
		top_choose(t, p->chosen - page);
		break;
	case KEY_PAGE_DOWN:
		top_choose(t, p->chosen + page);
		break;
	case KEY_TO_TOP:
	case 'g':
		top_choose(t, 0);
		break;
	case KEY_TO_END:
	case 'G':
		top_choose(t, top_rows(p->res) - 1);
		break;
	default:
		return false;
	}
	/* the end of what was asked for is not the end of what there is */
	if (top_rows(p->res) >= t->view.rows[t->focus] &&
	    p->chosen + p->height >= t->view.rows[t->focus])
		top_again(t);
	return true;
}

static void
switch_waiting(struct top *t)
{
	t->view.waiting = !t->view.waiting;
	t->view.sort[TOP_JOBS] = 0;
	t->pane[TOP_JOBS].first = t->pane[TOP_JOBS].chosen = 0;
	t->pane[TOP_JOBS].key[0] = '\0';
	t->focus = TOP_JOBS;
	top_again(t);
}

static void
command(struct top *t, int key)
{
	switch (key) {
	case 'q':
		t->quit = true;
		break;
	case '?':
		t->help = true;
		break;
	case '\t':
		change_focus(t, 1);
		break;
	case KEY_BACK_TAB:
		change_focus(t, -1);
		break;
	case '\n':
	case 'e':
		explain(t);
		break;
	case 'l':
		follow(t);
		break;
	case 's':
		sort(t, 1);
		break;
	case 'S':
		sort(t, -1);
		break;
	case 'v':
		switch_waiting(t);
		break;
	case ' ':
		t->frozen = !t->frozen;
		t->next_at = 0;
		break;
	case '/':
		t->prompt = (struct top_prompt){ .asking = TOP_ASKS_FILTER };
		strcpy(t->prompt.question, "Filter: ");
		strcpy(t->prompt.text, t->filter);
		break;
	case 'L' - '@':
		screen_forget();
		break;
	default:
		for (size_t i = 0; i < NELEM(actions); i++)
			if (actions[i].key == key)
				propose(t, &actions[i]);
	}
}

void
top_key(struct top *t, int key)
{
	if (t->prompt.asking) {
		typed(t, key);
		return;
	}
	t->message[0] = '\0';
	if (t->help)
		t->help = false;
	else if (!move(t, key))
		command(t, key);
}
