/*
 * pg_val_test - what goes to the server comes back as it was
 *
 * Needs a database, JOBCTL_DATABASE; tests/run gives each unit test one.
 */
#include "pg.h"

#include "str.h"
#include "tap.h"

static struct pg db = PG_INIT;

/* The one value that the statement gives; dies if it gives none. */
static const char *
one(const char *sql, const struct pg_val *args, int nargs)
{
	static char text[8192];
	struct err e;
	PG_RES res = NULL;

	if (pg_call(&db, &res, sql, args, nargs, &e) < 1) {
		printf("# %s: %s\n", sql, e.msg);
		return "(failed)";
	}
	snprintf(text, sizeof text, "%s", PQgetisnull(res, 0, 0) ? "(null)" : pg_get(res, 0, 0));
	return text;
}

static void
scalars(void)
{
	struct uuid u;
	struct err e;

	if (uuid_parse("0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b", &u, &e))
		tap_bail(e.msg);
	is_str(one("SELECT $1", PG_ARGS(pg_bool(true))), "t", "true");
	is_str(one("SELECT $1", PG_ARGS(pg_bool(false))), "f", "false");
	is_str(one("SELECT $1", PG_ARGS(pg_i32(INT32_MIN))), "-2147483648", "the least int");
	is_str(one("SELECT $1", PG_ARGS(pg_i64(INT64_MIN))), "-9223372036854775808",
	       "the least bigint");
	is_str(one("SELECT $1", PG_ARGS(pg_double(-1.5))), "-1.5", "a double");
	is_str(one("SELECT $1", PG_ARGS(pg_tid(&(struct pg_tid){ .block = 4294967294, .offset = 2 }))),
	       "(4294967294,2)", "a place in a table");
	is_str(one("SELECT $1", PG_ARGS(pg_tid(&(struct pg_tid){ .offset = 0 }))), "(null)", "nowhere");
	is_str(one("SELECT $1", PG_ARGS(pg_text("a'b\\c\n€"))), "a'b\\c\n€", "text");
	is_str(one("SELECT $1", PG_ARGS(pg_text(""))), "", "empty text");
	is_str(one("SELECT $1", PG_ARGS(pg_text(NULL))), "(null)", "no text");
	is_str(one("SELECT $1->>'k'", PG_ARGS(pg_json("{\"k\": \"v\"}"))), "v", "JSON");
	is_str(one("SELECT $1", PG_ARGS(pg_json(NULL))), "(null)", "no JSON");
	is_str(one("SELECT encode($1, 'hex')", PG_ARGS(pg_bytes("\0\xff\n", 3))), "00ff0a", "bytes");
	is_str(one("SELECT length($1)", PG_ARGS(pg_bytes(NULL, 0))), "0", "no bytes are not NULL");
	is_str(one("SELECT $1", PG_ARGS(pg_uuid(&u))), uuid_str(&u).z, "a UUID");
	is_str(one("SELECT $1", PG_ARGS(pg_uuid(NULL))), "(null)", "no UUID");
	is_str(one("SELECT $1::text", PG_ARGS(pg_null())), "(null)", "NULL of no type");
}

static void
places(void)
{
	struct err e;
	PG_RES res = NULL;
	struct pg_tid t;

	if (pg_call(&db, &res, "SELECT '(4294967294,65535)'::tid, NULL::tid", PG_NOARGS, &e) < 1)
		tap_bail(e.msg);
	t = pg_get_tid(res, 0, 0);
	ok(t.block == 4294967294 && t.offset == 65535, "a place is read");
	t = pg_get_tid(res, 0, 1);
	ok(!t.offset, "NULL is nowhere");
}

static void
times(void)
{
	is_str(one("SELECT extract(epoch FROM $1)", PG_ARGS(pg_ms(90061001))), "90061.001000",
	       "an interval");
	is_str(one("SELECT $1", PG_ARGS(pg_ms(NEVER))), "(null)", "never is no interval");
	is_str(one("SELECT $1 AT TIME ZONE 'UTC'", PG_ARGS(pg_time(0))), "1970-01-01 00:00:00",
	       "the epoch");
	is_str(one("SELECT $1 AT TIME ZONE 'UTC'", PG_ARGS(pg_time(INT64_C(1769871845123456)))),
	       "2026-01-31 15:04:05.123456", "a microsecond");
	is_str(one("SELECT $1", PG_ARGS(pg_time(NEVER))), "(null)", "never is no time");
}

static void
arrays(void)
{
	struct pg_array a = PG_ARRAY_INIT;
	struct uuid u = uuid_v7();

	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_text("")))), "{}", "an empty array");
	pg_array_reset(&a);
	pg_array_add(&a, pg_text("a,b"));
	pg_array_add(&a, pg_text(""));
	pg_array_add_null(&a, pg_text(""));
	pg_array_add(&a, pg_text("\"\\{NULL}"));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_text("")))),
	       "{\"a,b\",\"\",NULL,\"\\\"\\\\{NULL}\"}", "an array of text");
	pg_array_reset(&a);
	pg_array_add(&a, pg_i64(1));
	pg_array_add(&a, pg_i64(-2));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_i64(0)))), "{1,-2}",
	       "a reset array may have another type and no NULL");
	pg_array_reset(&a);
	pg_array_add(&a, pg_json("{\"a\": [1]}"));
	pg_array_add(&a, pg_json("null"));
	is_str(one("SELECT $1[1]->'a'->>0", PG_ARGS(pg_array(&a, pg_json("")))), "1", "of JSON");
	pg_array_reset(&a);
	pg_array_add(&a, pg_uuid(&u));
	is_str(one("SELECT $1[1]", PG_ARGS(pg_array(&a, pg_uuid(&u)))), uuid_str(&u).z, "of UUIDs");
	pg_array_reset(&a);
	pg_array_add(&a, pg_bytes("\0\1", 2));
	is_str(one("SELECT encode($1[1], 'hex')", PG_ARGS(pg_array(&a, pg_bytes("", 0)))), "0001",
	       "of bytes");
	pg_array_reset(&a);
	pg_array_add(&a, pg_ms(1500));
	pg_array_add(&a, pg_ms(NEVER));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_ms(0)))), "{00:00:01.5,NULL}", "of intervals");
	pg_array_reset(&a);
	pg_array_add(&a, pg_tid(&(struct pg_tid){ .block = 1, .offset = 2 }));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_tid(&(struct pg_tid){ .offset = 0 })))), "{\"(1,2)\"}",
	       "of places");
	pg_array_reset(&a);
	pg_array_add(&a, pg_bool(true));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_bool(true)))), "{t}", "of booleans");
	pg_array_reset(&a);
	pg_array_add(&a, pg_i32(-7));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_i32(0)))), "{-7}", "of ints");
	pg_array_reset(&a);
	pg_array_add(&a, pg_double(0.1));
	is_str(one("SELECT $1", PG_ARGS(pg_array(&a, pg_double(0)))), "{0.1}", "of doubles");
	pg_array_reset(&a);
	pg_array_add(&a, pg_time(0));
	is_str(one("SELECT $1[1] = 'epoch'", PG_ARGS(pg_array(&a, pg_time(0)))), "t", "of times");

	pg_array_reset(&a);
	for (int i = 0; i < 100000; i++)
		pg_array_add(&a, pg_i64(i));
	is_str(one("SELECT sum(x) FROM unnest($1) x", PG_ARGS(pg_array(&a, pg_i64(0)))),
	       "4999950000", "of a hundred thousand");
	pg_array_free(&a);
	pg_array_free(&a);
}

static const struct {
	const char *state;
	int kind;
} states[] = {
	{ "JC065", 65 },	      { "JC001", 1 },		{ "JC076", 76 },
	{ "08006", ERR_UNAVAILABLE }, { "57P01", ERR_UNAVAILABLE }, { "25006", ERR_UNAVAILABLE },
	{ "40001", ERR_TEMPFAIL },    { "55P03", ERR_TEMPFAIL }, { "57014", ERR_TEMPFAIL },
	{ "53300", ERR_TEMPFAIL },    { "42501", ERR_NOPERM },	{ "42P01", ERR_SCHEMA },
	{ "42883", ERR_SCHEMA },      { "22P02", ERR_DATA },	{ "23514", ERR_DATA },
	{ "XX000", ERR_SOFTWARE },    { "42601", ERR_SOFTWARE }, { "P0001", ERR_SOFTWARE },
};

static void
errors(void)
{
	struct err e = ERR_INIT;
	char big[3000];

	for (size_t i = 0; i < NELEM(states); i++)
		is_int(pg_kind(states[i].state), states[i].kind, "SQLSTATE %s", states[i].state);
	is_int(pg_call(&db, NULL, "SELECT 1/0", PG_NOARGS, &e), -1, "an error is an error");
	is_str(e.sqlstate, "22012", "with its SQLSTATE");
	is_str(e.msg, "division by zero", "and its message");
	is_str(one("SELECT 1", PG_NOARGS), "1", "the connection goes on");
	is_int(pg_call(&db, NULL, "DO $$ BEGIN RAISE 'own' USING ERRCODE = 'JC075', HINT = 'wait'; "
		       "END $$", PG_NOARGS, &e), -1, "an error of our own functions");
	ok(e.kind == ERR_TEMPFAIL && !strcmp(e.hint, "wait"), "has its kind and its hint");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	is_int(pg_call(&db, NULL, "SELECT $1::int", PG_ARGS(pg_text(big)), &e), -1, "a huge value");
	is_int(e.kind, ERR_DATA, "is bad data");
	is_int(pg_call(&db, NULL, "SELECT $1", PG_ARGS(pg_text("\xff")), &e), -1, "not UTF-8");
	is_int(e.kind, ERR_DATA, "is bad data");
}

static void
copying(void)
{
	static const char field[] = "tab\t nl\n cr\r bs\\ \\.";
	AUTOSTR line = STR(STR_ANY);
	struct err e;

	ok(pg_exec(&db, "CREATE TEMP TABLE c (a text, b text)", &e) == 0, "a table");
	ok(pg_copy_start(&db, "COPY c FROM STDIN", &e) == 0, "COPY begins");
	for (int i = 0; i < 50000; i++) {
		str_reset(&line);
		pg_copy_field(&line, field, sizeof field - 1);
		str_putc(&line, '\t');
		pg_copy_field(&line, "\\N", 2);
		str_putc(&line, '\n');
		if (pg_copy_put(&db, line.buf, line.len, &e))
			tap_bail(e.msg);
	}
	is_int(pg_copy_end(&db, NULL, &e), 50000, "COPY ends with the number of rows");
	is_str(one("SELECT DISTINCT a FROM c", PG_NOARGS), field,
	       "fields come back as they were");
	is_str(one("SELECT DISTINCT b FROM c", PG_NOARGS), "\\N", "also one that looks like NULL");

	ok(pg_copy_start(&db, "COPY c FROM STDIN", &e) == 0, "another COPY");
	ok(pg_copy_put(&db, "x\ty\n", 4, &e) == 0, "a row");
	is_int(pg_copy_end(&db, "changed my mind", &e), -1, "is abandoned");
	is_str(one("SELECT count(*) FROM c", PG_NOARGS), "50000", "and nothing of it stays");
	ok(pg_copy_start(&db, "COPY c FROM STDIN", &e) == 0, "a COPY");
	ok(pg_copy_put(&db, "only one column\n", 16, &e) == 0, "of bad data");
	is_int(pg_copy_end(&db, NULL, &e), -1, "fails");
	is_int(e.kind, ERR_DATA, "as bad data");
	is_str(one("SELECT 1", PG_NOARGS), "1", "and the connection goes on");
}

/* A server that does not answer must not hold us. */
static void
silence(void)
{
	struct err e;
	int64_t start = now_ms();

	db.call_ms = 200;
	is_int(pg_call(&db, NULL, "SELECT pg_sleep(30)", PG_NOARGS, &e), -1, "a call has a deadline");
	is_int(e.kind, ERR_UNAVAILABLE, "and then counts as unavailable");
	ok(now_ms() - start < 10000, "long before the answer");
	pg_close(&db);
}

static void
killed(void)
{
	struct err e;

	db = (struct pg)PG_INIT;
	if (pg_connect(&db, "jobctl-test", NULL, &e))
		tap_bail(e.msg);
	ok(strstr(one("SELECT current_setting('application_name')", PG_NOARGS), "jobctl-test "),
	   "the server knows who we are");
	is_int(pg_call(&db, NULL, "SELECT pg_terminate_backend(pg_backend_pid())", PG_NOARGS, &e), -1,
	       "a killed backend");
	is_int(e.kind, ERR_UNAVAILABLE, "is unavailable");
	pg_close(&db);
	pg_close(&db);
	is_int(pg_connect(&db, "x", "host=/nonexistent", &e), -1, "no server");
	is_int(e.kind, ERR_UNAVAILABLE, "is unavailable");
	is_int(pg_connect(&db, "x", "host='", &e), -1, "an unreadable conninfo");
	is_int(e.kind, ERR_USAGE, "is a usage error");
	is_int(pg_connect(&db, "x", "host=/nonexistent password=geheim", &e), -1, "a password");
	ok(!strstr(e.msg, "geheim"), "is not told to anybody");
}

int
main(void)
{
	struct err e;

	if (pg_connect(&db, "jobctl-test", NULL, &e))
		tap_bail(e.msg);
	scalars();
	places();
	times();
	arrays();
	errors();
	copying();
	silence();
	killed();
	return tap_done();
}
