/*
 * parse.c - numbers, durations, points in time
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int
parse_int(const char *z, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(z, &end, 10);
	if (end == z || *end || isspace((unsigned char)*z) || *z == '+')
		return err_set(e, ERR_USAGE, "\"%.60s\" is not a whole number", z);
	if (errno == ERANGE || v < min || v > max)
		return err_set(e, ERR_USAGE, "%.60s is out of range (%" PRId64 " to %" PRId64 ")",
			       z, min, max);
	*out = v;
	return 0;
}

static const struct {
	const char *name;
	int64_t ms;
} units[] = {
	{ "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 },
	{ "m", 60000 },	    { "s", 1000 },     { "ms", 1 },
};

/* The unit at *z as an index into units[], and *z moved past it; -1 if there is none. */
static int
unit_at(const char **z)
{
	size_t n = strspn(*z, "abcdefghijklmnopqrstuvwxyz");

	for (int i = 0; i < (int)NELEM(units); i++) {
		if (strlen(units[i].name) == n && !strncmp(*z, units[i].name, n)) {
			*z += n;
			return i;
		}
	}
	return -1;
}

/* A limit as people would type it; never rounded, unlike duration_text(). */
static void
limit_text(int64_t ms, char buf[32])
{
	if (ms % 1000)
		snprintf(buf, 32, "%" PRId64 "ms", ms);
	else
		duration_text((double)ms / 1000, buf);
}

int
parse_duration(const char *z, int64_t min, int64_t max, int64_t *ms, struct err *e)
{
	const char *p = z;
	double sum = 0;
	int last = -1;

	while (*p && strcmp(z, "0") != 0) {
		char digits[32];
		size_t n = strspn(p, "0123456789.");
		char *end;
		double v;
		int u;

		if (!n || n >= sizeof digits)
			goto bad;
		memcpy(digits, p, n);
		digits[n] = '\0';
		v = strtod(digits, &end);
		p += n;
		u = unit_at(&p);
		if (*end || !isdigit((unsigned char)digits[0]) || u <= last)
			goto bad;
		sum += v * (double)units[u].ms;
		last = u;
	}
	if (!*z)
		goto bad;
	if (sum < (double)min || sum > (double)max) {
		char lo[32], hi[32];

		limit_text(min, lo);
		limit_text(max, hi);
		return err_set(e, ERR_USAGE, "%.60s is out of range (%s to %s)", z, lo, hi);
	}
	*ms = (int64_t)(sum + 0.5);
	return 0;
bad:
	return err_set(e, ERR_USAGE, "\"%.60s\" is not a duration; write 500ms, 30s, 5m, 2h or 7d", z);
}

/* Exactly n digits at *p, a value between lo and hi; moves *p. */
static bool
digits(const char **p, int n, int lo, int hi, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return false;
		v = v * 10 + ((*p)[i] - '0');
	}
	*p += n;
	*out = v;
	return v >= lo && v <= hi;
}

static bool
skip(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

/* "Z", "+HH:MM" or "-HH:MM": seconds east of UTC. */
static bool
zone(const char **p, int *offset)
{
	int sign, h, m;

	*offset = 0;
	if (skip(p, 'Z') || skip(p, 'z'))
		return true;
	sign = **p == '-' ? -1 : **p == '+' ? 1 : 0;
	if (!sign)
		return false;
	++*p;
	if (!digits(p, 2, 0, 23, &h) || !skip(p, ':') || !digits(p, 2, 0, 59, &m))
		return false;
	*offset = sign * (h * 3600 + m * 60);
	return true;
}

static bool
days_fit(const struct tm *tm)
{
	struct tm t = *tm;

	t.tm_hour = 12;			/* away from any change of the clocks */
	return timegm(&t) != -1 && t.tm_mday == tm->tm_mday && t.tm_mon == tm->tm_mon;
}

/* HH:MM[:SS[.fraction]] into tm and *us. */
static bool
clock_time(const char **p, struct tm *tm, bool seconds_needed, int64_t *us)
{
	int64_t unit = 100000;

	*us = 0;
	if (!digits(p, 2, 0, 23, &tm->tm_hour) || !skip(p, ':') ||
	    !digits(p, 2, 0, 59, &tm->tm_min))
		return false;
	if (!skip(p, ':'))
		return !seconds_needed;
	if (!digits(p, 2, 0, 60, &tm->tm_sec))
		return false;
	if (skip(p, '.')) {
		if (!isdigit((unsigned char)**p))
			return false;
		for (; isdigit((unsigned char)**p); ++*p, unit /= 10)
			*us += (**p - '0') * unit;
	}
	return true;
}

/* HH:MM: the next such time of the local clock. */
static bool
next_local(const char *p, time_t *t)
{
	time_t now = time(NULL);
	struct tm tm;
	int h, m;

	localtime_r(&now, &tm);
	if (!digits(&p, 2, 0, 23, &h) || !skip(&p, ':') || !digits(&p, 2, 0, 59, &m) || *p)
		return false;
	tm.tm_hour = h;
	tm.tm_min = m;
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	*t = mktime(&tm);
	if (*t <= now) {
		tm.tm_mday++;
		tm.tm_hour = h;
		tm.tm_min = m;
		tm.tm_isdst = -1;
		*t = mktime(&tm);
	}
	return *t != -1;
}

int
parse_time(const char *z, int64_t *us, struct err *e)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *p = z;
	int64_t frac = 0;
	int offset = 0;
	bool local = false;
	time_t t;

	if (next_local(z, &t)) {
		*us = (int64_t)t * 1000000;
		return 0;
	}
	if (!digits(&p, 4, 1970, 9999, &tm.tm_year) || !skip(&p, '-') ||
	    !digits(&p, 2, 1, 12, &tm.tm_mon) || !skip(&p, '-') ||
	    !digits(&p, 2, 1, 31, &tm.tm_mday))
		goto bad;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!days_fit(&tm))
		goto bad;
	if (!*p) {
		local = true;
	} else if (skip(&p, 'T') || skip(&p, 't')) {
		if (!clock_time(&p, &tm, true, &frac) || !zone(&p, &offset))
			goto bad;
	} else if (skip(&p, ' ')) {
		if (!clock_time(&p, &tm, false, &frac))
			goto bad;
		local = *p == '\0';
		if (!local && !zone(&p, &offset))
			goto bad;
	}
	if (*p)
		goto bad;
	t = local ? mktime(&tm) : timegm(&tm);
	if (t == -1)
		goto bad;
	*us = ((int64_t)t - offset) * 1000000 + frac;
	return 0;
bad:
	return err_set(e, ERR_USAGE, "\"%.60s\" is not a time; write 2026-01-31T15:04:05Z, "
		       "2026-01-31 or 15:04", z);
}

void
time_rfc3339(int64_t us, char buf[40])
{
	int64_t frac = us % 1000000;
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	if (frac < 0) {
		frac += 1000000;
		t--;
	}
	gmtime_r(&t, &tm);
	n = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	if (frac)
		snprintf(buf + n, 40 - n, ".%06dZ", (int)frac);
	else
		snprintf(buf + n, 40 - n, "Z");
}

void
duration_text(double s, char buf[32])
{
	const char *sign = s < 0 ? "-" : "";
	int64_t n;

	s = fabs(s);
	n = s < 1e15 ? (int64_t)(s + 0.5) : 0;
	if (s >= 1e15)
		snprintf(buf, 32, "%sages", sign);
	else if (s < 9.95)
		snprintf(buf, 32, "%s%.1fs", sign, s);
	else if (n < 60)
		snprintf(buf, 32, "%s%" PRId64 "s", sign, n);
	else if (n < 3600)
		snprintf(buf, 32, "%s%" PRId64 "m%02" PRId64 "s", sign, n / 60, n % 60);
	else if (n < 86400)
		snprintf(buf, 32, "%s%" PRId64 "h%02" PRId64 "m", sign, n / 3600, n % 3600 / 60);
	else
		snprintf(buf, 32, "%s%" PRId64 "d%02" PRId64 "h", sign, n / 86400, n % 86400 / 3600);
}

void
size_text(int64_t bytes, char buf[32])
{
	static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 999.5 && u + 1 < NELEM(unit)) {
		v /= 1000;
		u++;
	}
	snprintf(buf, 32, u && v < 9.95 ? "%.1f %s" : "%.0f %s", v, unit[u]);
}
