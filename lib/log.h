/*
 * log.h - what a long-lived program says: logfmt lines on stderr
 *
 * Under systemd each line begins with journald's priority prefix, elsewhere with
 * the time.  Values that need it are quoted; control characters never pass.
 */
#ifndef JOBCTL_LOG_H
#define JOBCTL_LOG_H

#include "base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_threshold(enum log_level most);	/* lines above are not written; default info */

/*
 * msg, then pairs of key and value, ended by NULL; a NULL value leaves the pair out:
 * log_line(LOG_LEVEL_INFO, "job failed", "id", id.z, "error", why, NULL)
 */
void log_line(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#endif
