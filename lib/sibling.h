/*
 * sibling.h - the other programs of the toolkit
 *
 * They are looked for in the directory this program is in, else in PATH: what was
 * built or installed together runs together.
 */
#ifndef JOBCTL_SIBLING_H
#define JOBCTL_SIBLING_H

#include "base.h"

/* The directory this program is in; "" if it cannot be told. */
const char *sibling_dir(void);

/* What to give execvp() for the program of that name: a path, or the name.  Yours. */
char *sibling_path(const char *program) MUSTCHECK;

#endif
