/*
 * range.c - thresholds as Nagios plugins take them
 */
#include "range.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static const struct {
	const char *suffix;
	double factor;
} sizes[] = {
	{ "B", 1 },   { "k", 1e3 },  { "kB", 1e3 }, { "M", 1e6 },   { "MB", 1e6 },
	{ "G", 1e9 }, { "GB", 1e9 }, { "T", 1e12 }, { "TB", 1e12 },
};

/* n bytes at z as one bound. */
static int
bound(const char *z, size_t n, enum range_unit unit, double *v, struct err *e)
{
	AUTOFREE char *copy = xstrndup(z, n);
	char *end;

	/* strtod() knows more numbers than people type */
	if (!isdigit((unsigned char)*copy) && *copy != '-' && *copy != '.')
		goto bad;
	if (strpbrk(copy, "xXpPeEnN"))
		goto bad;
	*v = strtod(copy, &end);
	if (end == copy)
		goto bad;
	if (!*end || (unit == RANGE_PERCENT && !strcmp(end, "%")))
		return 0;
	for (size_t i = 0; unit == RANGE_BYTES && i < NELEM(sizes); i++) {
		if (!strcmp(end, sizes[i].suffix)) {
			*v *= sizes[i].factor;
			return 0;
		}
	}
	if (unit == RANGE_SECONDS) {
		int64_t ms;

		if (parse_duration(copy, 0, INT64_C(315360000000), &ms, e))
			return -1;
		*v = (double)ms / 1000;
		return 0;
	}
bad:
	(void)err_set(e, ERR_USAGE, "\"%.60s\" is not a number%s", copy,
		      unit == RANGE_BYTES     ? " of bytes"
		      : unit == RANGE_SECONDS ? " of seconds or a duration"
		      : unit == RANGE_PERCENT ? " of per cent"
					      : "");
	err_hint(e, "a range is 10, 10:, ~:10, 10:20 or @10:20");
	return -1;
}

int
range_parse(const char *z, enum range_unit unit, struct range *r, struct err *e)
{
	struct range new = { .given = true, .inside = *z == '@', .start = 0, .end = INFINITY };
	const char *colon;

	if (!*z) {
		*r = (struct range){ .given = false };
		return 0;
	}
	z += new.inside;
	colon = strchr(z, ':');
	if (colon && colon - z == 1 && *z == '~')
		new.start = -INFINITY;
	else if (colon && colon > z && bound(z, (size_t)(colon - z), unit, &new.start, e))
		return -1;
	z = colon ? colon + 1 : z;
	if ((!colon || *z) && bound(z, strlen(z), unit, &new.end, e))
		return -1;
	if (new.start > new.end)
		return err_set(e, ERR_USAGE,
			       "a range cannot end (%.10g) before it starts (%.10g)", new.end,
			       new.start);
	*r = new;
	return 0;
}

bool
range_alerts(const struct range *r, double v)
{
	return r->given && (v >= r->start && v <= r->end) == r->inside;
}

void
range_put(struct str *s, const struct range *r)
{
	if (!r->given)
		return;
	str_puts(s, r->inside ? "@" : "");
	if (isinf(r->start))
		str_puts(s, "~:");
	else if (r->start != 0 || isinf(r->end))
		str_putf(s, "%.10g:", r->start);
	if (!isinf(r->end))
		str_putf(s, "%.10g", r->end);
}
