/*
 * top.h - what jobctl-top knows and does, between its terminal and its database
 *
 * The program's loop waits for keys, signals, the database and children, and calls
 * what is here.  Nothing here waits, but for a program that has been given the
 * terminal.
 */
#ifndef JOBCTL_TOP_TOP_H
#define JOBCTL_TOP_TOP_H

#include <sys/types.h>

#include "top/ask.h"
#include "top/screen.h"
#include "top/table.h"
#include "top/view.h"

enum { TOP_TEXT = 200 };

/* A panel: the newest answer, what it is an answer to, and where somebody is in it. */
struct top_pane {
	PGresult *res;
	const struct top_panel_def *def;
	struct top_table table;
	char key[64];		/* of the row that is chosen; "" for the first, whatever it is */
	int chosen, first;	/* rows: chosen, and the first that is shown */
	int height;		/* rows that are shown */
};

/* What is asked for in the last line, one character or line at a time. */
enum top_asking { TOP_ASKS_NOTHING, TOP_ASKS_FILTER, TOP_ASKS_YES, TOP_ASKS_REASON };

struct top_prompt {
	enum top_asking asking;
	char question[TOP_TEXT];
	char text[TOP_TEXT];	/* what has been typed */
	const struct top_action *action;
	char target[TOP_TEXT];	/* id or queue */
	bool reverse;		/* resume, not pause */
};

/* A program that runs in the background, and the end of what it has said. */
struct top_child {
	pid_t pid;		/* 0: none */
	int fd;
	char name[40];
	struct str said;
};

struct top {
	struct ask ask;
	char server[TOP_TEXT];		/* what it is, or was, connected to */
	int64_t interval_ms;
	struct top_view view;
	int rows_max;		/* rows of a panel that can be of use */

	/* of the questions that are under way */
	int asking;		/* the panel's number, -1: none */
	PGresult *coming[TOP_PANELS];
	const struct top_panel_def *coming_def[TOP_PANELS];
	bool outdated;		/* the view has changed since they were asked */
	bool asked_for;		/* they are asked because it had */
	int64_t next_at;

	struct top_pane pane[TOP_PANELS];
	enum top_panel focus;
	bool frozen, help, quit;
	char filter[TOP_TEXT];
	char folded[TOP_TEXT * 2];	/* the same in lower case */
	struct top_prompt prompt;
	struct top_child child;
	char message[TOP_TEXT * 2];	/* instead of the keys, until the next one is pressed */
	int message_look;
	struct err failed;		/* why the last questions have no answer */
	int signals;			/* descriptor of those that are blocked */
	int signal;			/* that ends us */
};

void top_init(struct top *t);
void top_free(struct top *t);

/* --- questions: refresh.c --- */

/* As ask_fd(); it also puts the next question when it is time. */
int top_poll(struct top *t, short *events, int64_t *deadline);
/* 1 if there is something new to see. */
int top_step(struct top *t, bool ready);
/* The view has changed: ask at once. */
void top_again(struct top *t);
/* The row that is chosen; NULL if there is none. */
const char *top_chosen(const struct top *t);
void top_choose(struct top *t, int row);

/* --- pictures: draw.c --- */

void top_draw(struct top *t);
void top_print(struct top *t, int columns);	/* the same on stdout, for -b */

/* --- keys: keys.c --- */

void top_key(struct top *t, int key);
void top_filter(struct top *t, const char *text);
void top_say(struct top *t, int look, const char *fmt, ...) PRINTF(3, 4);

/* --- other programs: child.c --- */

/* Give it the terminal; what it shows goes through a pager, or stays until Enter. */
void top_show(struct top *t, const char *const *argv, bool pager);
/* Run it in the background; what it says becomes the message. */
void top_start(struct top *t, const char *const *argv);
void top_child_read(struct top *t);
/* Stop as ^Z does. */
void top_stop(void);

#endif
