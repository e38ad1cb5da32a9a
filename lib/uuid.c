/*
 * uuid.c - making, reading and writing UUIDs
 */
#include "uuid.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static void
random_bytes(void *p, size_t n)
{
	/* At most 256 bytes, so it neither fails nor comes back short once the pool is up. */
	while (getrandom(p, n, 0) != (ssize_t)n)
		;
}

struct uuid
uuid_random(void)
{
	struct uuid u;

	random_bytes(u.b, sizeof u.b);
	u.b[6] = (u.b[6] & 0x0f) | 0x40;
	u.b[8] = (u.b[8] & 0x3f) | 0x80;
	return u;
}

struct uuid_series
uuid_series_new(void)
{
	struct uuid_series s;
	struct timespec ts;
	uint64_t ms;

	clock_gettime(CLOCK_REALTIME, &ts);
	ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	random_bytes(s.next.b, sizeof s.next.b);
	for (int i = 0; i < 6; i++)
		s.next.b[i] = (unsigned char)(ms >> (40 - 8 * i));
	s.next.b[6] = (s.next.b[6] & 0x07) | 0x70;	/* top counter bit clear: room to count */
	s.next.b[8] = (s.next.b[8] & 0x3f) | 0x80;
	return s;
}

struct uuid
uuid_series_next(struct uuid_series *s)
{
	struct uuid u = s->next;
	unsigned char *b = s->next.b;

	/* Count in the last 62 bits and carry into rand_a, around the variant bits. */
	for (int i = 15; i > 8; i--)
		if (++b[i])
			return u;
	b[8] = ((b[8] + 1) & 0x3f) | 0x80;
	if (b[8] != 0x80)
		return u;
	if (++b[7] == 0)
		b[6] = ((b[6] + 1) & 0x0f) | 0x70;
	return u;
}

struct uuid
uuid_v7(void)
{
	struct uuid_series s = uuid_series_new();

	return s.next;
}

int64_t
uuid_ms(const struct uuid *u)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u->b[i];
	return u->b[6] >> 4 == 7 ? ms : -1;
}

struct uuid_text
uuid_str(const struct uuid *u)
{
	static const char hex[] = "0123456789abcdef";
	struct uuid_text t;
	char *p = t.z;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u->b[i] >> 4];
		*p++ = hex[u->b[i] & 15];
	}
	*p = '\0';
	return t;
}

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return !memcmp(a->b, b->b, sizeof a->b);
}

/* Of a character, one more than its value as a hex digit; 0: it is none. */
static const unsigned char hex_values[UCHAR_MAX + 1] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
	['A'] = 11, 12, 13, 14, 15, 16,
	['a'] = 11, 12, 13, 14, 15, 16,
};

/* Hex digits of z into nibbles of lo and hi; the number read, or -1 if z has anything else. */
static int
read_digits(const char *z, struct uuid *lo, struct uuid *hi)
{
	int n = 0;

	memset(lo->b, 0x00, sizeof lo->b);
	memset(hi->b, 0xff, sizeof hi->b);
	for (const char *p = z; *p; p++) {
		unsigned v;

		if (*p == '-' && p > z && p[-1] != '-' && (n == 8 || n == 12 || n == 16 || n == 20))
			continue;
		if (!hex_values[(unsigned char)*p] || n == 32)
			return -1;
		v = hex_values[(unsigned char)*p] - 1U;
		if (n % 2) {
			lo->b[n / 2] = (unsigned char)(lo->b[n / 2] | v);
			hi->b[n / 2] = (unsigned char)((hi->b[n / 2] & 0xf0) | v);
		} else {
			lo->b[n / 2] = (unsigned char)(v << 4);
			hi->b[n / 2] = (unsigned char)(v << 4 | 0x0f);
		}
		n++;
	}
	return n;
}

int
uuid_parse(const char *z, struct uuid *out, struct err *e)
{
	struct uuid lo, hi;

	if (strlen(z) != 36 || read_digits(z, &lo, &hi) != 32)
		return err_set(e, ERR_USAGE, "\"%.60s\" is not a UUID", z);
	*out = lo;
	return 0;
}

int
uuid_parse_prefix(const char *z, struct uuid *lo, struct uuid *hi, struct err *e)
{
	int n = read_digits(z, lo, hi);

	if (n < 0)
		return err_set(e, ERR_USAGE, "\"%.60s\" is not a job id", z);
	if (n < 8)
		return err_set(e, ERR_USAGE, "\"%.60s\" is too short for a job id; "
			       "give at least 8 hex digits", z);
	return 0;
}
