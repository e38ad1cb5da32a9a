/*
 * feed.h - a stream of lines as a stream of jobs
 */
#ifndef JOBCTL_FEED_H
#define JOBCTL_FEED_H

#include "jobargs.h"
#include "jobspec.h"
#include "lines.h"

struct feed {
	struct lines lines;
	const struct jobspec *defaults;		/* what every job has; borrowed */
	struct jobargs *template;		/* each line fills it; NULL: each line is JSON; borrowed */

	struct str args, key;
	struct json_scan scan;
	struct jobspec_reader reader;
};

void feed_init(struct feed *f, int fd, char delimiter, const struct jobspec *defaults,
	       struct jobargs *template);
void feed_free(struct feed *f);

/*
 * The next job, which stays until the next call, and the number of its line;
 * lines that are empty (JSON: blank) are passed over.  1, 0 at the end, or -1:
 * ERR_DATA begins with "line N: ".
 */
int feed_next(struct feed *f, struct jobspec *s, int64_t *line, struct err *e) MUSTCHECK;

#endif
