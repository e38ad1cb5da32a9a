/*
 * lookup.h - a host's addresses, without waiting for them
 *
 * getaddrinfo() blocks for as long as name servers are silent, half a minute and
 * more, so it has a thread, which is left to itself when nobody waits any longer.
 */
#ifndef JOBCTL_LOOKUP_H
#define JOBCTL_LOOKUP_H

#include "err.h"

struct lookup;

/* Whether it is a name: not an address, nor a socket's directory. */
bool lookup_needed(const char *host);

struct lookup *lookup_new(const char *host, struct err *e) MUSTCHECK;
int lookup_fd(const struct lookup *l);		/* readable once there is a result */
/* Then: its addresses, NULL-terminated and yours, and how many; 0 and *why, borrowed, if none. */
size_t lookup_result(struct lookup *l, char ***addrs, const char **why) MUSTCHECK;
void lookup_free(struct lookup *l);		/* at any time */

#endif
