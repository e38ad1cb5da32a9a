/*
 * uuid_test - ids rise, never repeat, and are read strictly
 */
#include "uuid.h"

#include <ctype.h>
#include <time.h>

#include "tap.h"

enum { MANY = 200000 };

static void
series(void)
{
	struct uuid_series s = uuid_series_new(), copy = s;
	struct uuid last = uuid_series_next(&s), u;
	bool rising = true, formed = true;

	for (int i = 0; i < MANY; i++) {
		u = uuid_series_next(&s);
		rising &= memcmp(last.b, u.b, 16) < 0;
		formed &= u.b[6] >> 4 == 7 && u.b[8] >> 6 == 2;
		last = u;
	}
	ok(rising, "a series rises, so it has no two equal ids");
	ok(formed, "each is of version 7 and the RFC's variant");
	for (int i = 0; i <= MANY; i++)
		u = uuid_series_next(&copy);
	ok(uuid_equal(&u, &last), "a copy yields the same ids again");
}

/* Counting from b, written as a UUID, must give want: the carry goes around the variant. */
static const struct {
	const char *from, *next;
} carries[] = {
	{ "01900000-0000-7000-8000-0000000000ff", "01900000-0000-7000-8000-000000000100" },
	{ "01900000-0000-7000-80ff-ffffffffffff", "01900000-0000-7000-8100-000000000000" },
	{ "01900000-0000-7000-bfff-ffffffffffff", "01900000-0000-7001-8000-000000000000" },
	{ "01900000-0000-70ff-bfff-ffffffffffff", "01900000-0000-7100-8000-000000000000" },
	{ "01900000-0000-77ff-bfff-ffffffffffff", "01900000-0000-7800-8000-000000000000" },
};

static void
carry(void)
{
	for (size_t i = 0; i < NELEM(carries); i++) {
		struct uuid_series s;
		struct err e;
		struct uuid u;

		if (uuid_parse(carries[i].from, &s.next, &e))
			tap_bail(e.msg);
		(void)uuid_series_next(&s);
		u = uuid_series_next(&s);
		is_str(uuid_str(&u).z, carries[i].next, "carry %zu", i);
	}
}

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void
versions(void)
{
	struct uuid a = uuid_random(), b = uuid_random(), v;
	int64_t before = wall_ms();

	ok(!uuid_equal(&a, &b), "two random ids differ");
	ok(a.b[6] >> 4 == 4 && a.b[8] >> 6 == 2, "random ids are of version 4");
	is_int(uuid_ms(&a), -1, "a random id does not say when it was made");
	v = uuid_v7();
	ok(uuid_ms(&v) >= before && uuid_ms(&v) <= wall_ms(), "a version 7 id does");
	is_int(strlen(uuid_str(&v).z), 36, "text has 36 characters");
}

static const char good[] = "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b";

static const char *const bad[] = {
	"", "0190a5b4", "0190a5b4c3d27e1f8a9b0c1d2e3f4a5b", "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5",
	"0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b ", " 190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b",
	"0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5g", "0190a5b4c-3d2-7e1f-8a9b-0c1d2e3f4a5b",
	"{190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5}", "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5bb",
	"0190a5b4--c3d27e1f-8a9b-0c1d2e3f4a5b", "------------------------------------",
};

static void
reading(void)
{
	char upper[37];
	struct uuid u, v;
	struct err e;

	is_int(uuid_parse(good, &u, &e), 0, "a UUID is read");
	is_str(uuid_str(&u).z, good, "and written as it was");
	for (int i = 0; i < 37; i++)
		upper[i] = (char)toupper((unsigned char)good[i]);
	ok(uuid_parse(upper, &v, &e) == 0 && uuid_equal(&u, &v), "capitals are read");
	for (size_t i = 0; i < NELEM(bad); i++)
		ok(uuid_parse(bad[i], &u, &e) == -1 && e.kind == ERR_USAGE, "no UUID: \"%s\"", bad[i]);
}

static const struct {
	const char *z, *lo, *hi;	/* lo NULL: refused */
} prefixes[] = {
	{ "0190a5b4", "0190a5b4-0000-0000-0000-000000000000",
	  "0190a5b4-ffff-ffff-ffff-ffffffffffff" },
	{ "0190a5b4-", "0190a5b4-0000-0000-0000-000000000000",
	  "0190a5b4-ffff-ffff-ffff-ffffffffffff" },
	{ "0190A5B4-c", "0190a5b4-c000-0000-0000-000000000000",
	  "0190a5b4-cfff-ffff-ffff-ffffffffffff" },
	{ "0190a5b4c3", "0190a5b4-c300-0000-0000-000000000000",
	  "0190a5b4-c3ff-ffff-ffff-ffffffffffff" },
	{ good, good, good },
	{ "0190a5b4c3d27e1f8a9b0c1d2e3f4a5b", good, good },
	{ "0190a5b", NULL, NULL },
	{ "", NULL, NULL },
	{ "-0190a5b4", NULL, NULL },
	{ "0190a5b4--c", NULL, NULL },
	{ "0190-a5b4", NULL, NULL },
	{ "0190a5b4c3d27-e", NULL, NULL },
	{ "0190a5b4z", NULL, NULL },
	{ "0190a5b4\n", NULL, NULL },
	{ "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b0", NULL, NULL },
};

static void
prefix(void)
{
	for (size_t i = 0; i < NELEM(prefixes); i++) {
		struct uuid lo, hi;
		struct err e;
		int rc = uuid_parse_prefix(prefixes[i].z, &lo, &hi, &e);

		if (!prefixes[i].lo) {
			ok(rc == -1 && e.kind == ERR_USAGE, "prefix %zu is refused", i);
			continue;
		}
		is_int(rc, 0, "prefix %zu is read", i);
		is_str(uuid_str(&lo).z, prefixes[i].lo, "prefix %zu: the smallest id", i);
		is_str(uuid_str(&hi).z, prefixes[i].hi, "prefix %zu: the largest id", i);
	}
}

int
main(void)
{
	series();
	carry();
	versions();
	reading();
	prefix();
	return tap_done();
}
