/*
 * template.h - {name} in a command's arguments, filled from a job's args
 *
 * A name is a letter or _ and then letters, digits, _ . or -.  Braces around
 * anything else stay as they are.  No shell is involved: what a value holds is
 * one argument, or part of one, whatever characters it has.
 */
#ifndef JOBCTL_TEMPLATE_H
#define JOBCTL_TEMPLATE_H

#include <jansson.h>

#include "err.h"
#include "str.h"

/*
 * Append arg to out with each {name} replaced by args.name: a string as it is,
 * any other value as JSON.  ERR_DATA if args has no such name.
 */
int template_fill(struct str *out, const char *arg, const json_t *args, struct err *e) MUSTCHECK;

#endif
