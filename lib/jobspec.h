/*
 * jobspec.h - a job as somebody asks for it, before it is one
 *
 * Options, operands and JSON lines all become a struct jobspec; the rules of the
 * database (jobctl.submit) are checked here too, so that a mistake is named by
 * its place and nothing is sent.  All texts are borrowed.
 */
#ifndef JOBCTL_JOBSPEC_H
#define JOBCTL_JOBSPEC_H

#include "err.h"
#include "job.h"
#include "jsonscan.h"

enum { ARGS_MAX = 1 << 20, KEY_MAX = 1000, MAX_ATTEMPTS = 1000 };

struct jobspec {
	const char *kind;		/* NULL until said */
	const char *project, *queue;
	struct json_text args;		/* an object that json_scan_check() has passed; p NULL is {} */
	size_t args_size;		/* the least it takes as jsonb */
	int64_t priority;
	int64_t at;			/* microseconds since 1970; NEVER: now */
	int64_t in;			/* milliseconds from now on the server's clock; NEVER: unset */
	const char *unique;		/* NULL: none */
	const char *on_conflict;	/* skip, fail, replace; NULL: skip */
	int64_t unique_for;		/* milliseconds; NEVER: unset */
	const struct job_ids *after, *after_ok;	/* NULL: none */
	int64_t max_attempts;		/* 0: the kind's default */
	const char *backoff;		/* as jobctl.submit takes it; NULL: the default */
	int64_t timeout;		/* milliseconds; NEVER: the kind's default */
	bool hold;
};
#define JOBSPEC_INIT { \
	.project = "default", .queue = "default", .at = NEVER, .in = NEVER, \
	.unique_for = NEVER, .timeout = NEVER \
}

extern const char *const on_conflict_choices[];	/* ends with NULL */

/* Each is ERR_DATA and says what would be right. */
int jobspec_check_name(const char *what, const char *value, struct err *e) MUSTCHECK;
int jobspec_check_unique(const char *key, struct err *e) MUSTCHECK;

/*
 * "exponential", "linear" or "constant", then perhaps :BASE and :MAX, two
 * durations.  Appends to out what jobctl.submit takes.
 */
int jobspec_parse_backoff(const char *z, struct str *out, struct err *e) MUSTCHECK;

/* What only the whole can tell: there is a kind, and args fit it and are not too large. */
int jobspec_check(const struct jobspec *s, struct json_scan *scratch, struct err *e) MUSTCHECK;

/*
 * A JSON object with the keys that JSON Lines input has.  What it does not say is
 * as in defaults.  The reader holds what the spec refers to, until its next use;
 * so does the line.
 */
struct jobspec_reader {
	struct json_scan scan, inner;
	struct str text;		/* strings, decoded; never moves while a line is read */
	struct str args;		/* made of argv */
	struct str backoff;
	struct job_ids after, after_ok;
};
#define JOBSPEC_READER_INIT { \
	.scan = JSON_SCAN_INIT, .inner = JSON_SCAN_INIT, .text = STR(STR_ANY), \
	.args = STR(STR_ANY), .backoff = STR(STR_ANY) \
}
void jobspec_reader_free(struct jobspec_reader *r);
int jobspec_read(struct jobspec_reader *r, const struct jobspec *defaults, const char *line,
		 size_t n, struct jobspec *out, struct err *e) MUSTCHECK;

/* The same object, on one line, with every key; jobspec_read() reads it back. */
void jobspec_write(struct str *out, const struct jobspec *s);

/*
 * An error from the database about a job: put the name of a broken constraint
 * into words.
 */
void jobspec_explain(struct err *e);

#endif
