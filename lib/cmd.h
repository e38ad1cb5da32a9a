/*
 * cmd.h - a program's options as a table
 *
 * One table per program drives the parser, --help, the completions and the
 * OPTIONS section of the manual, so that they cannot disagree.  A program's
 * config is a struct whose first member is struct common; every option stores
 * into a field of it.  Defaults are what the struct holds before cmd_parse().
 *
 * cmd_parse() and cmd_fail() are the only functions in lib/ that print or exit:
 * they are the program's own voice.
 */
#ifndef JOBCTL_CMD_H
#define JOBCTL_CMD_H

#include "err.h"

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* The options every program may have; .common of struct cmd says which it has. */
struct common {
	const char *dbname;	/* -d; NULL if not given */
	bool json;
	bool quiet;
	bool verbose;
	int color;		/* enum color */
};

enum common_set {
	COMMON_DB = 1,
	COMMON_JSON = 2,
	COMMON_QUIET = 4,
	COMMON_VERBOSE = 8,
	COMMON_COLOR = 16,
};

/* A list of strings that an option may add to many times; items are borrowed from argv. */
struct strlist {
	const char **v;
	size_t n;
};
void strlist_add(struct strlist *l, const char *z);
void strlist_free(struct strlist *l);

enum opt_type {
	OPT_END,
	OPT_FLAG,		/* bool */
	OPT_STR,		/* const char *, borrowed from argv */
	OPT_LIST,		/* struct strlist: repeats */
	OPT_INT,		/* int64_t, between min and max */
	OPT_MS,			/* int64_t milliseconds, a duration between min and max */
	OPT_TIME,		/* int64_t microseconds since 1970 */
	OPT_CHOICE,		/* int: index into the choices */
};

struct opt {
	int letter;		/* 0: long form only */
	const char *name;
	enum opt_type type;
	const char *arg;	/* what help calls the argument; "[D]" for an optional one */
	size_t offset;
	int64_t min, max;	/* OPT_STR, OPT_LIST: the least length, in bytes */
	const char *const *choices;	/* OPT_CHOICE: NULL-terminated */
	const char *complete;	/* file dir queue kind project job choice, or NULL */
	const char *verbs;	/* the verbs that take it, "a b c"; NULL: all */
	const char *help;
};

/* A row's field must have the type its opt_type says; this makes it so. */
#define FIELD(cfg, field, ctype) \
	(offsetof(cfg, field) + \
	 0 * sizeof(char[_Generic(((cfg *)0)->field, ctype: 1, default: -1)]))

/* The last arguments: the help, and perhaps .verbs = "...". */
#define OPT_ROW_FLAG(l, n, cfg, field, ...) \
	{ .letter = l, .name = n, .type = OPT_FLAG, .offset = FIELD(cfg, field, bool), \
	  .help = __VA_ARGS__ }
#define OPT_ROW_STR(l, n, a, cfg, field, comp, ...) \
	{ .letter = l, .name = n, .type = OPT_STR, .arg = a, .complete = comp, .min = 1, \
	  .offset = FIELD(cfg, field, const char *), .help = __VA_ARGS__ }
/* A text that may be empty. */
#define OPT_ROW_TEXT(l, n, a, cfg, field, comp, ...) \
	{ .letter = l, .name = n, .type = OPT_STR, .arg = a, .complete = comp, \
	  .offset = FIELD(cfg, field, const char *), .help = __VA_ARGS__ }
#define OPT_ROW_LIST(l, n, a, cfg, field, comp, ...) \
	{ .letter = l, .name = n, .type = OPT_LIST, .arg = a, .complete = comp, .min = 1, \
	  .offset = FIELD(cfg, field, struct strlist), .help = __VA_ARGS__ }
#define OPT_ROW_INT(l, n, a, cfg, field, lo, hi, ...) \
	{ .letter = l, .name = n, .type = OPT_INT, .arg = a, .min = lo, .max = hi, \
	  .offset = FIELD(cfg, field, int64_t), .help = __VA_ARGS__ }
#define OPT_ROW_MS(l, n, a, cfg, field, lo, hi, ...) \
	{ .letter = l, .name = n, .type = OPT_MS, .arg = a, .min = lo, .max = hi, \
	  .offset = FIELD(cfg, field, int64_t), .help = __VA_ARGS__ }
#define OPT_ROW_TIME(l, n, a, cfg, field, ...) \
	{ .letter = l, .name = n, .type = OPT_TIME, .arg = a, \
	  .offset = FIELD(cfg, field, int64_t), .help = __VA_ARGS__ }
#define OPT_ROW_CHOICE(l, n, a, cfg, field, list, ...) \
	{ .letter = l, .name = n, .type = OPT_CHOICE, .arg = a, .choices = list, \
	  .offset = FIELD(cfg, field, int), .complete = "choice", .help = __VA_ARGS__ }
#define OPT_ROW_END { .type = OPT_END }

#define MS_MAX INT64_C(315360000000)	/* ten years: the longest duration any option takes */

struct verb {
	const char *name;
	const char *operands;	/* "" if none */
	const char *help;
};

/* A common option that only some verbs take. */
struct common_of {
	int common;		/* enum common_set; 0 ends the list */
	const char *verbs;	/* "a b c" */
};

struct example {
	const char *command;
	const char *help;	/* what it does, or NULL */
};

struct cmd {
	const char *name;
	const char *brief;		/* one line, no capital, no period */
	const char *const *synopsis;	/* forms without the program's name, NULL-terminated */
	const struct example *examples;	/* ends with a NULL command */
	const struct opt *opts;		/* ends with OPT_ROW_END; NULL if none of its own */
	const struct verb *verbs;	/* ends with a NULL name; NULL if the program has none */
	const char *complete_operand;	/* as opt.complete */
	const char *role;		/* the database role whose rights suffice, or NULL */
	int common;			/* enum common_set */
	const struct common_of *common_of;	/* NULL: all verbs take all of them */
	int min_operands, max_operands;	/* max -1: any number; a verb counts as one */
	bool stop_at_operand;		/* options end at the first operand (wrappers) */
	void (*failed)(const struct err *e);	/* told of each error that is printed; or NULL */
};

/*
 * Parse argv into cfg, whose first member is a struct common.  --help and
 * --version print and exit 0; a mistake prints one line and exits 64.  Also
 * ignores SIGPIPE (cmd_done() reports it) and takes the locale's character type
 * from the environment.
 *
 * Returns the operands in their order, NULL-terminated; they stay for the
 * program's life.  *dashes, if not NULL, becomes the number of operands that
 * stood before a "--", or -1 if there was none.
 */
char **cmd_parse(const struct cmd *cmd, void *cfg, int argc, char **argv, int *dashes) MUSTCHECK;

/*
 * The verb named, or a usage error with the nearest name as a hint (exits).  An
 * option was given that the verb does not take: that is one, too.
 */
const struct verb *cmd_verb(const struct cmd *cmd, const char *name);

/* Print the error on stderr (JSON with --json), return its exit status. */
int cmd_fail(const struct cmd *cmd, const struct err *e) MUSTCHECK;
/* A usage error of the program's own: prints and exits 64. */
NORETURN void cmd_usage(const struct cmd *cmd, const char *fmt, ...) PRINTF(2, 3);
/* Something said about the work: "name: text" on stderr unless quiet. */
void cmd_note(const struct cmd *cmd, const char *fmt, ...) PRINTF(2, 3);
void cmd_verbose(const struct cmd *cmd, const char *fmt, ...) PRINTF(2, 3);

/* Flush stdout; a failed write becomes exit 74 (but a closed pipe is no error of ours). */
int cmd_done(const struct cmd *cmd, int status) MUSTCHECK;

/* The common options after cmd_parse(). */
const struct common *cmd_common(void);

/* Whether output on this descriptor is to be coloured. */
bool cmd_color(int fd);

/* The i-th option, the program's own first, then its common ones; NULL past the last. */
const struct opt *cmd_opt(const struct cmd *cmd, int i);
bool cmd_opt_optional(const struct opt *o);	/* its argument may be left out */
/* The verbs that take it, "a b c"; NULL: all. */
const char *cmd_opt_verbs(const struct cmd *cmd, const struct opt *o);
bool cmd_takes(const char *verbs, const char *verb);	/* whether "a b c" has the word */

/* Edit distance, for "did you mean". */
int cmd_distance(const char *a, const char *b);

#endif
