/*
 * screen.h - the terminal: lines of text with a look, and keys
 *
 * The only module that knows curses.  Between screen_begin() and screen_end() the
 * terminal is ours; screen_leave() lends it to somebody else until the next
 * screen_show(), and whatever way the program ends, exit() gives it back.
 */
#ifndef JOBCTL_TOP_SCREEN_H
#define JOBCTL_TOP_SCREEN_H

#include "err.h"

/* ERR_USAGE if stdin or stdout is no terminal, ERR_CONFIG if it is none that can be drawn on. */
int screen_check(struct err *e) MUSTCHECK;
/* After that. */
int screen_begin(bool colour, struct err *e) MUSTCHECK;
void screen_end(void);
void screen_leave(void);

void screen_size(int *rows, int *columns);
void screen_resize(void);	/* its size may have changed */

enum look { LOOK_PLAIN, LOOK_NOTE, LOOK_BAD, LOOK_GOOD, LOOK_HEAD, LOOK_FAINT, LOOKS };
enum { LOOK_REVERSE = 16 };	/* may be added to a look */

void screen_erase(void);
/* Escaped UTF-8 at the beginning of a row, cut at the edge; all of the row gets the look. */
void screen_put(int row, const char *text, int look);
void screen_put_right(int row, const char *text, int look);
/* Columns that have their text already get another look. */
void screen_relook(int row, int column, int n, int look);
/* cursor: the column of the last row in which something is typed; -1: nowhere. */
void screen_show(int cursor);
/* What is on the terminal is not what we think: all of it is drawn with the next show. */
void screen_forget(void);

enum {
	KEY_NONE = -1, KEY_ESC = 27, KEY_FIRST = 0x200000,
	KEY_ARROW_UP, KEY_ARROW_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_TO_TOP, KEY_TO_END,
	KEY_RUBOUT, KEY_BACK_TAB, KEY_OTHER
};
/* The next key: a Unicode character or one of those; '\n' for Enter. */
int screen_key(void);

#endif
