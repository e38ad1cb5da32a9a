/*
 * lang.h - which language a file is in, and what the chunker must know of it
 *
 * One table of languages, one of names; what a file is called decides, else its
 * first line does.
 */
#ifndef JOBCTL_CATALOG_LANG_H
#define JOBCTL_CATALOG_LANG_H

#include "base.h"

enum lang_family {
	LANG_PLAIN,		/* blocks at blank lines */
	LANG_BRACES,		/* definitions are heads before a "{" */
	LANG_INDENT,		/* a definition lasts while lines are indented deeper */
	LANG_END,		/* a definition lasts to "end" at its own indentation */
	LANG_SHELL,		/* name() { ... } at the left margin */
	LANG_SQL,		/* CREATE ... to the semicolon */
};

enum lang_flag {
	LANG_HASH = 1,		/* comments begin with # */
	LANG_SLASHES = 2,	/* comments are those of C++ */
	LANG_DASHES = 4,	/* comments begin with -- */
	LANG_CPP = 8,		/* lines that begin with # are for a preprocessor */
	LANG_BACKTICK = 16,	/* strings between backticks, over several lines */
	LANG_TRIPLE = 32,	/* strings between three quotes, over several lines */
	LANG_TICK = 64,		/* ' also begins things that do not end in ' */
	LANG_NEWLINE = 128,	/* the end of a line can end a statement */
	LANG_KEYWORD = 256,	/* a function has a keyword in front: func, fn, def, sub */
	LANG_RETURNS = 512,	/* "struct foo *f(...) {" is a function, not a struct */
	LANG_SLASH_REGEX = 1024,	/* regular expressions between slashes */
};

struct lang {
	const char *name;	/* as the catalog stores it */
	enum lang_family family;
	unsigned flags;
};

/* The language of a file by its path and the first bytes of its text; NULL if unknown. */
const struct lang *lang_find(const char *path, const char *head, size_t n);

/* By the catalog's name; NULL if there is none. */
const struct lang *lang_named(const char *name);

#endif
