/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP for a program that waits for statements
 *
 * The first one is remembered, and the server is asked to give up the statement under
 * way, which then fails as any statement does; the program cleans up and ends by that
 * signal.  Another one, half a second later or more, ends it at once.  A signal that is
 * ignored stays ignored.
 */
#ifndef JOBCTL_INTERRUPT_H
#define JOBCTL_INTERRUPT_H

#include <libpq-fe.h>

#include "base.h"

void interrupt_catch(void);
/* Whose statements are to be given up: replaces the one before; NULL for nobody's. */
void interrupt_cancels(PGconn *conn);
/* The signal that came, or 0. */
int interrupted(void);

#endif
