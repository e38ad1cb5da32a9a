/*
 * template.h - {name} in a command's arguments, filled from a job's args
 *
 * A name is a letter or _ and then letters, digits, _ . or -.  Braces around
 * anything else stay as they are.  No shell is involved: what a value holds is
 * one argument, or part of one, whatever characters it has.
 */
#ifndef JOBCTL_TEMPLATE_H
#define JOBCTL_TEMPLATE_H

#include "jsonscan.h"

/* Whether there is a {name} in arg. */
bool template_has_name(const char *arg);

/*
 * Append arg to out with each {name} replaced by the member of that name: a
 * string as it is, any other value as the JSON text it is, so that numbers keep
 * every digit.  ERR_DATA if args has no such name.
 */
int template_fill(struct str *out, const char *arg, const struct json_scan *args,
		  struct err *e) MUSTCHECK;

#endif
