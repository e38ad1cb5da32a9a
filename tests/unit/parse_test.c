/*
 * parse_test - numbers, durations and times: all of the string or nothing
 */
#include "parse.h"

#include <time.h>

#include "tap.h"

#define NONE INT64_MIN		/* the text is to be refused */

static const struct {
	const char *z;
	int64_t min, max, want;
} ints[] = {
	{ "0", 0, 10, 0 },
	{ "-0", 0, 10, 0 },
	{ "10", 0, 10, 10 },
	{ "007", 0, 10, 7 },
	{ "-5", -10, 10, -5 },
	{ "9223372036854775807", 0, INT64_MAX, INT64_MAX },
	{ "11", 0, 10, NONE },
	{ "-1", 0, 10, NONE },
	{ "9223372036854775808", 0, INT64_MAX, NONE },
	{ "-9223372036854775809", INT64_MIN + 1, INT64_MAX, NONE },
	{ "99999999999999999999999999", 0, INT64_MAX, NONE },
	{ "", 0, 10, NONE },
	{ " 1", 0, 10, NONE },
	{ "1 ", 0, 10, NONE },
	{ "+1", 0, 10, NONE },
	{ "1x", 0, 10, NONE },
	{ "0x1", 0, 10, NONE },
	{ "1.0", 0, 10, NONE },
	{ "1e0", 0, 10, NONE },
	{ "-", 0, 10, NONE },
	{ "--1", -10, 10, NONE },
	{ "\v1", 0, 10, NONE },
	{ "١", 0, 10, NONE },
};

static void
numbers(void)
{
	for (size_t i = 0; i < NELEM(ints); i++) {
		int64_t v = 424242;
		struct err e = ERR_INIT;
		int rc = parse_int(ints[i].z, ints[i].min, ints[i].max, &v, &e);

		if (ints[i].want == NONE) {
			ok(rc == -1 && e.kind == ERR_USAGE && e.msg[0], "no number %zu", i);
			is_int(v, 424242, "no number %zu: nothing is written", i);
		} else {
			is_int(rc, 0, "number \"%s\"", ints[i].z);
			is_int(v, ints[i].want, "number \"%s\": its value", ints[i].z);
		}
	}
}

#define YEAR INT64_C(31536000000)

static const struct {
	const char *z;
	int64_t want;
} spans[] = {
	{ "0", 0 },
	{ "0s", 0 },
	{ "5ms", 5 },
	{ "1s", 1000 },
	{ "1.5s", 1500 },
	{ "0.5ms", 1 },
	{ "90m", 5400000 },
	{ "2h", 7200000 },
	{ "1d", 86400000 },
	{ "1w", 604800000 },
	{ "1h30m", 5400000 },
	{ "1w2d3h4m5s6ms", 788645006 },
	{ "1d12h", 129600000 },
	{ "365d", YEAR },
	{ "", NONE },
	{ "5", NONE },
	{ "00", NONE },
	{ "s", NONE },
	{ "-1s", NONE },
	{ "+1s", NONE },
	{ " 1s", NONE },
	{ "1s ", NONE },
	{ "1 s", NONE },
	{ "1S", NONE },
	{ "1sec", NONE },
	{ "1y", NONE },
	{ ".5s", NONE },
	{ "1.2.3s", NONE },
	{ "1e3s", NONE },
	{ "0x1s", NONE },
	{ "1m1h", NONE },
	{ "1m1m", NONE },
	{ "1ms1s", NONE },
	{ "nan", NONE },
	{ "infs", NONE },
	{ "366d", NONE },
	{ "99999999999999999999999999999w", NONE },
	{ "999999999999999999999999999999999999999999999999w", NONE },
};

static void
durations(void)
{
	struct err e = ERR_INIT;
	int64_t ms = 7;

	for (size_t i = 0; i < NELEM(spans); i++) {
		int rc;

		ms = 424242;
		rc = parse_duration(spans[i].z, 0, YEAR, &ms, &e);
		if (spans[i].want == NONE) {
			ok(rc == -1 && e.kind == ERR_USAGE, "no duration \"%s\"", spans[i].z);
			is_int(ms, 424242, "no duration \"%s\": nothing is written", spans[i].z);
		} else {
			is_int(rc, 0, "duration \"%s\"", spans[i].z);
			is_int(ms, spans[i].want, "duration \"%s\": its value", spans[i].z);
		}
	}
	ok(parse_duration("99ms", 100, 5000, &ms, &e) == -1, "below the least");
	is_str(e.msg, "99ms is out of range (100ms to 5.0s)", "the range is told as it is");
	ok(parse_duration("0", 100, 5000, &ms, &e) == -1, "0 is no way around the least");
}

/* Times with a zone do not depend on where we are. */
static const struct {
	const char *z, *want;		/* want NULL: refused */
} instants[] = {
	{ "2026-01-31T15:04:05Z", "2026-01-31T15:04:05Z" },
	{ "2026-01-31t15:04:05z", "2026-01-31T15:04:05Z" },
	{ "2026-01-31T15:04:05+02:00", "2026-01-31T13:04:05Z" },
	{ "2026-01-31T15:04:05-05:30", "2026-01-31T20:34:05Z" },
	{ "2026-01-31T15:04:05.5Z", "2026-01-31T15:04:05.500000Z" },
	{ "2026-01-31T15:04:05.123456789Z", "2026-01-31T15:04:05.123456Z" },
	{ "2026-01-31 15:04Z", "2026-01-31T15:04:00Z" },
	{ "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z" },
	{ "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z" },
	{ "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
	{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
	{ "1970-01-01T00:00:00+01:00", "1969-12-31T23:00:00Z" },
	{ "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
	{ "2023-02-29T00:00:00Z", NULL },
	{ "2100-02-29T00:00:00Z", NULL },
	{ "2026-04-31T00:00:00Z", NULL },
	{ "2026-00-01T00:00:00Z", NULL },
	{ "2026-13-01T00:00:00Z", NULL },
	{ "2026-01-00T00:00:00Z", NULL },
	{ "2026-01-01T24:00:00Z", NULL },
	{ "2026-01-01T00:60:00Z", NULL },
	{ "2026-01-01T00:00:61Z", NULL },
	{ "2026-01-01T00:00:00", NULL },
	{ "2026-01-01T00:00Z", NULL },
	{ "2026-01-01T00:00:00.Z", NULL },
	{ "2026-01-01T00:00:00+0200", NULL },
	{ "2026-01-01T00:00:00+24:00", NULL },
	{ "2026-01-01T00:00:00Zx", NULL },
	{ " 2026-01-01T00:00:00Z", NULL },
	{ "2026-1-1T00:00:00Z", NULL },
	{ "1969-12-31T00:00:00Z", NULL },
	{ "12026-01-01T00:00:00Z", NULL },
	{ "tomorrow", NULL },
	{ "", NULL },
	{ "25:00", NULL },
	{ "12:60", NULL },
	{ "1:30", NULL },
	{ "12:30pm", NULL },
};

static void
times(void)
{
	for (size_t i = 0; i < NELEM(instants); i++) {
		struct err e = ERR_INIT;
		int64_t us = 424242;
		char text[40];
		int rc = parse_time(instants[i].z, &us, &e);

		if (!instants[i].want) {
			ok(rc == -1 && e.kind == ERR_USAGE, "no time \"%s\"", instants[i].z);
			is_int(us, 424242, "no time \"%s\": nothing is written", instants[i].z);
			continue;
		}
		is_int(rc, 0, "time \"%s\"", instants[i].z);
		time_rfc3339(us, text);
		is_str(text, instants[i].want, "time \"%s\": the instant", instants[i].z);
	}
}

static void
zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* Local times on days when the clocks change, Central European Time. */
static const struct {
	const char *z, *want;
} local[] = {
	{ "2026-01-31", "2026-01-30T23:00:00Z" },
	{ "2026-07-31 12:00", "2026-07-31T10:00:00Z" },
	{ "2026-03-29 01:59:59", "2026-03-29T00:59:59Z" },
	{ "2026-03-29 03:00", "2026-03-29T01:00:00Z" },
	{ "2026-10-25 01:00", "2026-10-24T23:00:00Z" },
	{ "2026-10-25 03:00", "2026-10-25T02:00:00Z" },
	{ "2026-10-25", "2026-10-24T22:00:00Z" },
};

static void
local_times(void)
{
	int64_t us, now, before;
	struct err e;
	char text[40];
	time_t t;
	struct tm tm;

	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (size_t i = 0; i < NELEM(local); i++) {
		if (parse_time(local[i].z, &us, &e))
			tap_bail(e.msg);
		time_rfc3339(us, text);
		is_str(text, local[i].want, "local \"%s\"", local[i].z);
	}
	/* 02:30 does not exist that day: either neighbour will do, another day will not */
	ok(parse_time("2026-03-29 02:30", &us, &e) == 0, "a time that the clocks leave out is read");
	time_rfc3339(us, text);
	ok(!strcmp(text, "2026-03-29T00:30:00Z") || !strcmp(text, "2026-03-29T01:30:00Z"),
	   "and lies within the hour");

	now = (int64_t)time(NULL) * 1000000;
	ok(parse_time("04:30", &us, &e) == 0, "a time of the day is read");
	ok(us > now, "it is the next such time");
	ok(us - now <= INT64_C(25) * 3600 * 1000000, "and no later than that");
	t = (time_t)(us / 1000000);
	localtime_r(&t, &tm);
	ok(tm.tm_hour == 4 && tm.tm_min == 30 && tm.tm_sec == 0, "by the local clock");
	zone("UTC");
	before = us;
	ok(parse_time("04:30", &us, &e) == 0 && us != before, "which the zone decides");
}

static const struct {
	double s;
	const char *want;
} lengths[] = {
	{ 0, "0.0s" },	      { 0.25, "0.2s" },	      { 9.94, "9.9s" },	     { 9.96, "10s" },
	{ 59.4, "59s" },      { 59.6, "1m00s" },      { 65, "1m05s" },	     { 3599.6, "1h00m" },
	{ 7380, "2h03m" },    { 86400, "1d00h" },     { 183600, "2d03h" },   { -65, "-1m05s" },
	{ 3.2e10, "370370d08h" }, { 1e300, "ages" },
};

static const struct {
	int64_t n;
	const char *want;
} sizes[] = {
	{ 0, "0 B" },	    { 512, "512 B" },	    { 999, "999 B" },	       { 1000, "1.0 kB" },
	{ 1340, "1.3 kB" }, { 9949, "9.9 kB" },	    { 9951, "10 kB" },	       { 999499, "999 kB" },
	{ 999500, "1.0 MB" }, { 1300000, "1.3 MB" }, { INT64_MAX, "9.2 EB" },
};

static void
writing(void)
{
	char buf[40];

	for (size_t i = 0; i < NELEM(lengths); i++) {
		duration_text(lengths[i].s, buf);
		is_str(buf, lengths[i].want, "duration %zu in words", i);
	}
	for (size_t i = 0; i < NELEM(sizes); i++) {
		size_text(sizes[i].n, buf);
		is_str(buf, sizes[i].want, "size %" PRId64, sizes[i].n);
	}
	time_rfc3339(-1, buf);
	is_str(buf, "1969-12-31T23:59:59.999999Z", "a microsecond before the epoch");
	time_rfc3339(INT64_C(253402300800) * 1000000, buf);
	is_str(buf, "10000-01-01T00:00:00Z", "a year of five digits");
}

int
main(void)
{
	zone("UTC");
	numbers();
	durations();
	times();
	local_times();
	writing();
	return tap_done();
}
