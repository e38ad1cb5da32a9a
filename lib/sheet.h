/*
 * sheet.h - labelled lines of text, for people
 *
 * A label stands in the first column, what it is about in the second; what goes on
 * in further lines stays in the second.  Everything put in is made safe for a terminal.
 */
#ifndef JOBCTL_SHEET_H
#define JOBCTL_SHEET_H

#include "str.h"

enum { SHEET_LABEL = 11 };

/* The label, in front of what the caller appends next; "" for a line that goes on. */
void sheet_label(struct str *s, const char *text);
void sheet_text(struct str *s, const char *text);
/* At most max lines of the text and, if there are more, dots; ends the line. */
void sheet_lines(struct str *s, const char *text, int max);
/* Label and up to ten lines; nothing if the text is empty. */
void sheet_line(struct str *s, const char *name, const char *text);
/* How many columns lines may have: 100, or what a narrower terminal has. */
size_t sheet_width(void);
/*
 * The text as one paragraph within sheet_width() columns, where at columns have been
 * written already and further lines begin there; ends the line.
 */
void sheet_wrap(struct str *s, size_t at, const char *text);

#endif
