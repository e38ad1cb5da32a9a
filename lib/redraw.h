/*
 * redraw.h - a text on a terminal, again and again in the same place
 *
 * The new text is written over the old one, line by line, and what is left of the
 * old one is wiped: the screen is never empty in between, so it does not flicker.
 */
#ifndef JOBCTL_REDRAW_H
#define JOBCTL_REDRAW_H

#include "str.h"

/* The size of the terminal on standard output; false, and untouched, if there is none. */
bool redraw_window(int *rows, int *columns);

/*
 * Bytes of a text (escaped, valid UTF-8, ESC [ ... m apart) that fit into so many
 * columns; a wide character is never cut in two.  *used (may be NULL): columns they take.
 */
size_t redraw_fit(const char *p, size_t n, size_t columns, size_t *used);

/*
 * Append to out what makes a terminal of this size show the text's first lines, cut
 * at its edge.  The cursor ends below them.
 */
void redraw(struct str *out, const char *text, size_t n, int rows, int columns);

#endif
