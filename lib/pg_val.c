/*
 * pg_val.c - parameters in PostgreSQL's binary formats
 */
#include "pg.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* From the server's pg_type.dat; fixed for ever. */
enum {
	OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25,
	OID_TID = 27, OID_FLOAT8 = 701, OID_TIMESTAMPTZ = 1184, OID_INTERVAL = 1186, OID_UUID = 2950,
	OID_JSONB = 3802,
};

static const struct {
	Oid elem, array;
} array_types[] = {
	{ OID_BOOL, 1000 },   { OID_BYTEA, 1001 },  { OID_INT8, 1016 },
	{ OID_INT4, 1007 },   { OID_TEXT, 1009 },   { OID_FLOAT8, 1022 },
	{ OID_UUID, 2951 },   { OID_JSONB, 3807 },  { OID_INTERVAL, 1187 },
	{ OID_TIMESTAMPTZ, 1185 }, { OID_TID, 1010 },
};

static struct pg_val
fixed(Oid oid, const void *p, int n)
{
	struct pg_val v = { .oid = oid, .format = 1, .len = n };

	memcpy(v.raw, p, (size_t)n);
	return v;
}

static struct pg_val
pointed(Oid oid, int format, const void *p, size_t n)
{
	int len = n < INT_MAX ? (int)n : INT_MAX;	/* too long for the server: it will say so */

	return (struct pg_val){ .oid = oid, .format = format, .len = p ? len : -1, .ptr = p };
}

struct pg_val
pg_null(void)
{
	return (struct pg_val){ .len = -1 };
}

struct pg_val
pg_bool(bool v)
{
	return fixed(OID_BOOL, &(char){ v }, 1);
}

struct pg_val
pg_i32(int32_t v)
{
	return fixed(OID_INT4, &(uint32_t){ htobe32((uint32_t)v) }, 4);
}

struct pg_val
pg_i64(int64_t v)
{
	return fixed(OID_INT8, &(uint64_t){ htobe64((uint64_t)v) }, 8);
}

struct pg_val
pg_double(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof bits);
	return fixed(OID_FLOAT8, &(uint64_t){ htobe64(bits) }, 8);
}

struct pg_val
pg_text(const char *s)
{
	return pointed(OID_TEXT, 0, s, s ? strlen(s) : 0);
}

struct pg_val
pg_json(const char *s)
{
	return pointed(OID_JSONB, 0, s, s ? strlen(s) : 0);
}

struct pg_val
pg_bytes(const void *p, size_t n)
{
	return pointed(OID_BYTEA, 1, p ? p : "", n);
}

struct pg_val
pg_uuid(const struct uuid *u)
{
	struct pg_val v = { .oid = OID_UUID, .format = 1, .len = -1 };

	return u ? fixed(OID_UUID, u->b, 16) : v;
}

struct pg_val
pg_tid(const struct pg_tid *t)
{
	struct pg_val v = { .oid = OID_TID, .format = 1, .len = -1 };
	unsigned char b[6];

	if (!t->offset)
		return v;
	memcpy(b, &(uint32_t){ htobe32(t->block) }, 4);
	memcpy(b + 4, &(uint16_t){ htobe16(t->offset) }, 2);
	return fixed(OID_TID, b, sizeof b);
}

struct pg_val
pg_ms(int64_t ms)
{
	struct {
		uint64_t us;
		uint32_t days, months;
	} i = { .us = ms == NEVER ? 0 : htobe64((uint64_t)(ms * 1000)) };
	struct pg_val v = { .oid = OID_INTERVAL, .format = 1, .len = -1 };

	return ms == NEVER ? v : fixed(OID_INTERVAL, &i, 16);
}

struct pg_val
pg_time(int64_t us)
{
	const int64_t epoch_2000 = INT64_C(946684800) * 1000000;
	struct pg_val v = { .oid = OID_TIMESTAMPTZ, .format = 1, .len = -1 };

	return us == NEVER ? v
			   : fixed(OID_TIMESTAMPTZ,
				   &(uint64_t){ htobe64((uint64_t)(us - epoch_2000)) }, 8);
}

static void
put(struct pg_array *a, const void *p, size_t n)
{
	if (a->len + n > a->cap) {
		a->cap = a->cap ? a->cap : 256;
		while (a->len + n > a->cap)
			a->cap *= 2;
		a->buf = xrealloc(a->buf, a->cap);
	}
	memcpy(a->buf + a->len, p, n);
	a->len += n;
}

static void
put32(struct pg_array *a, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	put(a, &be, sizeof be);
}

/*
 * The binary form of an array (array_recv): dimensions, null flag, element type,
 * then length and lower bound of the one dimension; then the elements.
 */
static void
header(struct pg_array *a, struct pg_val like)
{
	if (a->len)
		return;
	a->elem = like;
	put32(a, 1);
	put32(a, 0);
	put32(a, (int32_t)like.oid);
	put32(a, 0);
	put32(a, 1);
}

void
pg_array_add(struct pg_array *a, struct pg_val v)
{
	header(a, v);
	a->n++;
	if (v.len < 0) {
		a->has_null = true;
		put32(a, -1);
		return;
	}
	if (v.oid == OID_JSONB) {	/* its binary form is a version byte and the text */
		put32(a, v.len + 1);
		put(a, "\1", 1);
	} else {
		put32(a, v.len);
	}
	put(a, v.ptr ? v.ptr : (const char *)v.raw, (size_t)v.len);
}

void
pg_array_add_null(struct pg_array *a, struct pg_val like)
{
	like.len = -1;
	pg_array_add(a, like);
}

struct pg_val
pg_array(struct pg_array *a, struct pg_val like)
{
	Oid oid = 0;
	uint32_t be;

	header(a, like);
	for (size_t i = 0; i < NELEM(array_types); i++)
		if (array_types[i].elem == a->elem.oid)
			oid = array_types[i].array;
	be = htobe32(a->has_null);
	memcpy(a->buf + 4, &be, 4);
	be = htobe32((uint32_t)a->n);
	memcpy(a->buf + 12, &be, 4);
	return (struct pg_val){ .oid = oid, .format = 1, .ptr = a->buf,
				.len = a->len < INT_MAX ? (int)a->len : INT_MAX };
}

void
pg_array_reset(struct pg_array *a)
{
	a->len = 0;
	a->n = 0;
	a->has_null = false;
}

void
pg_array_free(struct pg_array *a)
{
	free(a->buf);
	*a = (struct pg_array)PG_ARRAY_INIT;
}
