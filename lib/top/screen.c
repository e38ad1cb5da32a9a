/*
 * screen.c - curses
 *
 * Signals are the program's business: curses' own handlers never run, because the
 * program has them blocked and reads them from a descriptor.
 */
#include "top/screen.h"

#include "redraw.h"
#include "str.h"

/* after ours: their macros have names that others use */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

static SCREEN *terminal;
static bool utf8;
static int looks[LOOKS];

static void
init_looks(bool colour)
{
	looks[LOOK_NOTE] = A_BOLD;
	looks[LOOK_BAD] = A_BOLD;
	looks[LOOK_HEAD] = A_BOLD;
	looks[LOOK_FAINT] = A_NORMAL;
	if (!colour || start_color() == ERR || use_default_colors() == ERR || COLORS < 8)
		return;
	init_pair(1, COLOR_YELLOW, -1);
	init_pair(2, COLOR_RED, -1);
	init_pair(3, COLOR_GREEN, -1);
	init_pair(4, COLOR_CYAN, -1);
	looks[LOOK_NOTE] = COLOR_PAIR(1);
	looks[LOOK_BAD] = COLOR_PAIR(2);
	looks[LOOK_GOOD] = COLOR_PAIR(3);
	looks[LOOK_HEAD] = COLOR_PAIR(4) | A_BOLD;
	looks[LOOK_FAINT] = COLOR_PAIR(4);
}

/* Whether the terminal's type is known, and a cursor can be put anywhere on it. */
static bool
can_draw(void)
{
	const char *cup;
	int known = 0;
	bool can;

	if (setupterm(NULL, STDOUT_FILENO, &known) == ERR)
		return false;
	cup = tigetstr("cup");
	can = cup && cup != (char *)-1;
	del_curterm(cur_term);
	return can;
}

int
screen_check(struct err *e)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		(void)err_set(e, ERR_USAGE, "standard input and output are not a terminal");
		err_hint(e, "-b prints one picture of all there is to see");
		return -1;
	}
	if (!can_draw()) {
		(void)err_set(e, ERR_CONFIG, "nothing can be drawn on a terminal of type \"%.60s\"",
			      term ? term : "");
		err_hint(e, "set TERM to what your terminal is, or use -b, which prints one picture");
		return -1;
	}
	return 0;
}

int
screen_begin(bool colour, struct err *e)
{
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return err_set(e, ERR_CONFIG, "the terminal cannot be drawn on; use -b");
	atexit(screen_end);
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	leaveok(stdscr, FALSE);
	init_looks(colour);
	return 0;
}

void
screen_leave(void)
{
	if (terminal && !isendwin())
		endwin();
}

void
screen_end(void)
{
	if (!terminal)
		return;
	screen_leave();
	delscreen(terminal);
	terminal = NULL;
}

void
screen_size(int *rows, int *cols)
{
	getmaxyx(stdscr, *rows, *cols);
}

void
screen_resize(void)
{
	int rows, cols;

	if (redraw_window(&rows, &cols))
		resizeterm(rows, cols);
}

void
screen_erase(void)
{
	erase();
}

static int
attributes(int look)
{
	return looks[look & ~LOOK_REVERSE] | (look & LOOK_REVERSE ? A_REVERSE : 0);
}

/* Where the terminal knows no more, what is not ASCII is a question mark. */
static void
put_at(int row, int column, const char *text, size_t n)
{
	AUTOSTR s = STR(STR_ANY);

	for (size_t i = 0; i < n && !utf8;) {
		int len = utf8_len(text + i, n - i, NULL);

		str_putc(&s, len == 1 ? text[i] : '?');
		i += len ? (size_t)len : 1;
	}
	if (utf8)
		mvaddnstr(row, column, text, (int)n);
	else
		mvaddnstr(row, column, s.buf, (int)s.len);
}

void
screen_put(int row, const char *text, int look)
{
	size_t n = strlen(text);

	if (row < 0 || row >= LINES)
		return;
	attrset(attributes(look));
	mvhline(row, 0, ' ', COLS);
	put_at(row, 0, text, redraw_fit(text, n, (size_t)COLS, NULL));
	attrset(A_NORMAL);
}

void
screen_put_right(int row, const char *text, int look)
{
	int width = (int)utf8_width(text);

	if (row < 0 || row >= LINES || width >= COLS)
		return;
	attrset(attributes(look));
	put_at(row, COLS - width, text, strlen(text));
	attrset(A_NORMAL);
}

void
screen_relook(int row, int column, int n, int look)
{
	int a = attributes(look);

	mvchgat(row, column, n, (attr_t)a & ~A_COLOR, (short)PAIR_NUMBER(a), NULL);
}

void
screen_show(int cursor)
{
	curs_set(cursor >= 0);
	move(LINES - 1, cursor >= 0 && cursor < COLS ? cursor : COLS - 1);
	wnoutrefresh(stdscr);
	doupdate();
}

void
screen_forget(void)
{
	clearok(curscr, TRUE);
}

static int
special(int key)
{
	switch (key) {
	case KEY_UP:
		return KEY_ARROW_UP;
	case KEY_DOWN:
		return KEY_ARROW_DOWN;
	case KEY_PPAGE:
		return KEY_PAGE_UP;
	case KEY_NPAGE:
		return KEY_PAGE_DOWN;
	case KEY_HOME:
		return KEY_TO_TOP;
	case KEY_END:
		return KEY_TO_END;
	case KEY_BACKSPACE:
		return KEY_RUBOUT;
	case KEY_BTAB:
		return KEY_BACK_TAB;
	case KEY_ENTER:
		return '\n';
	default:
		return KEY_OTHER;
	}
}

int
screen_key(void)
{
	wint_t c;
	int rc = get_wch(&c);

	if (rc == KEY_CODE_YES)
		return special((int)c);
	if (rc == ERR)
		return KEY_NONE;
	if (c == '\r')
		return '\n';
	return c == 127 || c == 8 ? KEY_RUBOUT : (int)c;
}
