/*
 * range.h - thresholds as Nagios plugins take them
 *
 *	10	alert unless 0 to 10		~:10	unless 10 or less
 *	10:	unless 10 or more		10:20	unless 10 to 20
 *	@10:20	if 10 to 20
 */
#ifndef JOBCTL_RANGE_H
#define JOBCTL_RANGE_H

#include "err.h"
#include "str.h"

enum range_unit { RANGE_NUMBER, RANGE_PERCENT, RANGE_SECONDS, RANGE_BYTES };

struct range {
	bool given;		/* else it alerts at nothing */
	bool inside;		/* "@" */
	double start, end;	/* -INFINITY, INFINITY */
};

/*
 * Bounds are numbers, and in their unit: 10% of per cent, 30m of seconds, 100MB (powers of
 * 1,000) of bytes.  "" is a range that alerts at nothing.  ERR_USAGE.
 */
int range_parse(const char *z, enum range_unit unit, struct range *r, struct err *e) MUSTCHECK;
bool range_alerts(const struct range *r, double value);
/* As the plugins' performance data has it, in plain numbers; "" if not given. */
void range_put(struct str *s, const struct range *r);

#endif
