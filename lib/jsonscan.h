/*
 * jsonscan.h - JSON text checked and taken apart where it lies, without a tree
 *
 * Values stay the text they were: numbers keep every digit, and a million lines
 * cost no allocation.  Stricter than RFC 8259 where PostgreSQL's jsonb is, and
 * where leniency would lose data.  Errors, therefore: a key said twice in one
 * object, \u0000, half a surrogate pair, bytes that are not UTF-8, a number past
 * what numeric holds, nesting deeper than JSON_MAX_DEPTH.
 */
#ifndef JOBCTL_JSONSCAN_H
#define JOBCTL_JSONSCAN_H

#include "err.h"
#include "str.h"

enum { JSON_MAX_DEPTH = 500 };

/* A piece of somebody's text; p NULL is "none". */
struct json_text {
	const char *p;
	size_t n;
};

struct json_member {
	struct json_text key;	/* between its quotes, escapes as they are */
	struct json_text value;
	size_t size;		/* bytes the value takes as jsonb, at the very least */
	uint32_t hash;		/* of the key without escapes */
	char type;		/* { [ " t f n, or '0' for a number */
	bool escaped;		/* the key has escapes */
};

/* Memory that is used again from text to text. */
struct json_scan {
	struct json_member *members;	/* of the outermost object, in their order */
	size_t count, cap;
	size_t size;			/* as in json_member, of the whole text */
};
#define JSON_SCAN_INIT { .members = NULL }
void json_scan_free(struct json_scan *s);

/*
 * Check that the text is one JSON value and nothing else.  Returns its type as in
 * struct json_member; -1 is ERR_DATA with "column N: ..." or "line N, column M:
 * ...", counted in characters.  The members of an object are in s until the next
 * call, and borrow the text.
 */
int json_scan_check(struct json_scan *s, const char *text, size_t n, struct err *e) MUSTCHECK;
/* The same for a text that must be an object. */
int json_scan_object(struct json_scan *s, const char *text, size_t n, struct err *e) MUSTCHECK;

/* The member of that name, or NULL. */
const struct json_member *json_scan_find(const struct json_scan *s, const char *name);

/*
 * The rest is for text that json_scan_check() has passed.  json_scan_string()
 * appends what a string, given with its quotes, stands for; json_scan_element()
 * takes the first element off an array; start with json_scan_elements().
 */
void json_scan_string(struct str *s, struct json_text string);
struct json_text json_scan_elements(struct json_text array);
bool json_scan_element(struct json_text *rest, struct json_text *element);

#endif
