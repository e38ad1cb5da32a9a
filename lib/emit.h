/*
 * emit.h - what a program's option table says to people and shells
 */
#ifndef JOBCTL_EMIT_H
#define JOBCTL_EMIT_H

#include "cmd.h"

void emit_help(const struct cmd *cmd);
/* format: "man" (the OPTIONS list in mdoc) or "words" (for completion); -1 if neither. */
int emit(const struct cmd *cmd, const char *format) MUSTCHECK;

#endif
