/*
 * str.h - a string that grows, up to a limit the caller names
 *
 * Invariants, true between any two calls:
 *   - buf is never NULL and buf[len] is '\0', so buf is always a C string
 *     (it may hold NUL bytes of its own if bytes were added);
 *   - len <= max.  An append that would pass max keeps what fits and sets
 *     'cut' for good: append freely, check once at the end.
 * The limit is there because most of what we append came from somebody else.
 */
#ifndef JOBCTL_STR_H
#define JOBCTL_STR_H

#include "base.h"

struct str {
	char *buf;
	size_t len;
	size_t cap;		/* bytes allocated; 0 while buf is str_nil */
	size_t max;
	bool cut;
};

extern char str_nil[1];
#define STR(limit) { .buf = str_nil, .max = (limit) }
#define STR_ANY ((size_t)1 << 40)	/* as a limit: what memory holds */

void str_add(struct str *s, const void *p, size_t n);
void str_puts(struct str *s, const char *z);
void str_putc(struct str *s, char c);
void str_putf(struct str *s, const char *fmt, ...) PRINTF(2, 3);

/* Append z quoted so that a POSIX shell reads it back as one word. */
void str_put_shell(struct str *s, const char *z);

/*
 * Append n bytes as a JSON string with its quotes; bytes that are not UTF-8 become
 * U+FFFD, and what a terminal would act on is escaped.
 */
void str_put_json(struct str *s, const char *p, size_t n);

/*
 * Append n bytes so that a terminal or a line-based reader is safe: control
 * characters (C0, DEL, C1, bidi overrides), backslash-escaped; invalid UTF-8 as \xHH.
 * Tab and newline become \t and \n.
 */
void str_put_safe(struct str *s, const char *p, size_t n);

/* The same for text of several lines: newline and tab stay, the rest is escaped. */
void str_put_safe_text(struct str *s, const char *p, size_t n);

void str_reset(struct str *s);		/* len = 0, keeps the memory */
void str_truncate(struct str *s, size_t len);
void str_free(struct str *s);		/* back to the state STR() made; any number of times */
#define AUTOSTR CLEANUP(str_free) struct str

/* Hand the buffer to the caller, who now frees it; s is as new.  Never NULL. */
char *str_take(struct str *s) MUSTCHECK;

/*
 * UTF-8.  utf8_len() is the length in bytes of the well-formed sequence at p
 * (1 to 4), or 0 if there is none in the n bytes; *cp gets the code point.
 */
int utf8_len(const char *p, size_t n, uint32_t *cp);
bool utf8_valid(const char *p, size_t n);
/* Terminal columns that valid, escaped UTF-8 takes (wide characters count 2). */
size_t utf8_width(const char *z);

#endif
