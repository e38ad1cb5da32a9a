/*
 * sdnotify.h - telling systemd how we are: sd_notify(3)'s datagram, without its library
 */
#ifndef JOBCTL_SDNOTIFY_H
#define JOBCTL_SDNOTIFY_H

#include "base.h"

/* Send "READY=1" and the like; without $NOTIFY_SOCKET, or if that fails, nothing happens. */
void sd_say(const char *fmt, ...) PRINTF(1, 2);

/* Half of WATCHDOG_USEC in milliseconds if it is meant for us, else NEVER. */
int64_t sd_watchdog_ms(void);

#endif
