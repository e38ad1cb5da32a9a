/*
 * range_test - thresholds: what is read, what alerts, how they are printed again
 */
#include "range.h"

#include <math.h>

#include "tap.h"

static void
alerts(const char *z, enum range_unit unit, double in, double out, const char *printed)
{
	struct range r = { .given = false };
	AUTOSTR s = STR(100);
	struct err e = ERR_INIT;

	ok(range_parse(z, unit, &r, &e) == 0, "%s is read", z);
	ok(!range_alerts(&r, in), "%s: %g is well", z, in);
	ok(range_alerts(&r, out), "%s: %g is not", z, out);
	range_put(&s, &r);
	is_str(s.buf, printed, "as performance data has it");
}

static void
refuses(const char *z, enum range_unit unit)
{
	struct range r = { .given = false };
	struct err e = ERR_INIT;

	ok(range_parse(z, unit, &r, &e) == -1, "\"%s\" is refused", z);
	ok(e.kind == ERR_USAGE && e.msg[0] && !r.given, "with a reason, and r is as it was");
}

static void
never(void)
{
	struct range r = { .given = true };
	AUTOSTR s = STR(100);
	struct err e = ERR_INIT;

	ok(range_parse("", RANGE_NUMBER, &r, &e) == 0, "nothing is a range");
	ok(!range_alerts(&r, 0) && !range_alerts(&r, INFINITY), "that alerts at nothing");
	range_put(&s, &r);
	is_str(s.buf, "", "and is nothing again");
}

int
main(void)
{
	/* both ends are in the range */
	alerts("10", RANGE_NUMBER, 10, 10.1, "10");
	alerts("10", RANGE_NUMBER, 0, -0.1, "10");
	alerts("10:", RANGE_NUMBER, 10, 9.9, "10:");
	alerts("~:10", RANGE_NUMBER, -1e9, 11, "~:10");
	alerts("10:20", RANGE_NUMBER, 20, 20.1, "10:20");
	alerts("10:20", RANGE_NUMBER, 10, 9, "10:20");
	alerts("@10:20", RANGE_NUMBER, 9.9, 10, "@10:20");
	alerts("@10:20", RANGE_NUMBER, 20.1, 20, "@10:20");
	alerts("@~:0", RANGE_NUMBER, 1, 0, "@~:0");
	alerts("0:0", RANGE_NUMBER, 0, 1, "0");
	alerts(":5", RANGE_NUMBER, 5, 6, "5");
	alerts("-5:5", RANGE_NUMBER, -5, -6, "-5:5");
	alerts(".5:1.5", RANGE_NUMBER, 1, 2, "0.5:1.5");
	alerts("0:", RANGE_NUMBER, 1e300, -1, "0:");
	alerts("30m", RANGE_SECONDS, 1800, 1801, "1800");
	alerts("1h30m:1d", RANGE_SECONDS, 5400, 5399, "5400:86400");
	alerts("90", RANGE_SECONDS, 90, 91, "90");
	alerts("10%", RANGE_PERCENT, 10, 11, "10");
	alerts("1.5MB:1G", RANGE_BYTES, 1.5e6, 1e9 + 1, "1500000:1000000000");
	alerts("1k", RANGE_BYTES, 1000, 1001, "1000");
	never();

	for (int u = RANGE_NUMBER; u <= RANGE_BYTES; u++) {
		refuses("x", (enum range_unit)u);
		refuses("10:20:30", (enum range_unit)u);
		refuses("20:10", (enum range_unit)u);
		refuses("@", (enum range_unit)u);
		refuses("~", (enum range_unit)u);
		refuses("10:~", (enum range_unit)u);
		refuses("0x10", (enum range_unit)u);
		refuses("nan", (enum range_unit)u);
		refuses("inf", (enum range_unit)u);
		refuses(" 1", (enum range_unit)u);
		refuses("1 ", (enum range_unit)u);
		refuses("1e3", (enum range_unit)u);
		refuses("--1", (enum range_unit)u);
		refuses("-", (enum range_unit)u);
	}
	refuses("10%", RANGE_NUMBER);
	refuses("30m", RANGE_NUMBER);
	refuses("30m", RANGE_BYTES);
	refuses("10MB", RANGE_SECONDS);
	return tap_done();
}
