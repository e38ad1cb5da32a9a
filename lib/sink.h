/*
 * sink.h - what a job wrote, on its way to one of our streams
 *
 * To a file or a pipe it goes byte for byte; a terminal gets it escaped, so that
 * it can neither move the cursor nor pretend to be us.
 */
#ifndef JOBCTL_SINK_H
#define JOBCTL_SINK_H

#include <stdio.h>

#include "str.h"

struct sink {
	FILE *to;
	bool terminal;
	struct str rest;	/* the beginning of a character that comes with the next piece */
};

void sink_open(struct sink *s, FILE *to);
void sink_put(struct sink *s, const char *data, size_t n);
/* What is held back is written, whatever it is. */
void sink_close(struct sink *s);

#endif
