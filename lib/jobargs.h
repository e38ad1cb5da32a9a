/*
 * jobargs.h - a job's args from words of a command line
 *
 * The JSON is made once, with holes where a word had {}; a line of input fills
 * them, escaped once.
 */
#ifndef JOBCTL_JOBARGS_H
#define JOBCTL_JOBARGS_H

#include "cmd.h"
#include "err.h"
#include "jsonscan.h"
#include "str.h"

struct jobargs {
	struct str json;	/* without what goes into the holes */
	size_t *holes;		/* offsets in it, rising */
	size_t nholes;
	struct str escaped;	/* the line */
};
#define JOBARGS_INIT { .json = STR(STR_ANY), .escaped = STR(STR_ANY) }
void jobargs_free(struct jobargs *a);

/*
 * NAME=TEXT and NAME:=JSON words (NULL-terminated) as an object.  With holes, a {}
 * in a TEXT is one; if there is none, the line becomes the member "line".
 * ERR_USAGE for words that are neither, ERR_DATA for JSON and UTF-8 that are not.
 */
int jobargs_pairs(struct jobargs *a, char *const *words, bool holes, struct err *e) MUSTCHECK;

/*
 * A command: {"argv": [...], "cwd": ..., "env": {...}}.  With holes, one word at
 * least must have a {}.  env: NAME=TEXT, or NAME for the value it has here.
 */
int jobargs_command(struct jobargs *a, char *const *argv, const char *cwd,
		    const struct strlist *env, bool holes, struct err *e) MUSTCHECK;

/*
 * An object from an option's value: JSON, @FILE, or - for standard input.  Appends
 * it to text; scan then has its members.
 */
int jobargs_read(const char *value, struct str *text, struct json_scan *scan, struct err *e) MUSTCHECK;

/* Replace out by the JSON with the line, which must be valid UTF-8, in the holes. */
void jobargs_fill(struct jobargs *a, const char *line, size_t n, struct str *out);

/* Append z with each {} replaced by the line. */
void braces_fill(struct str *out, const char *z, const char *line, size_t n);

#endif
