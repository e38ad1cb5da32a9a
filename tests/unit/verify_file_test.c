/*
 * verify_file_test.c - what .verify.sql files claim, and what is wrong with them
 */
#include "str.h"
#include "tap.h"
#include "verify_file.h"

static void
put_stmt(struct str *s, const struct verify_stmt *st)
{
	AUTOFREE char *expected = verify_expectation(st);

	str_putf(s, "%d %s", st->line, st->name);
	if (st->kind == VERIFY_PROBE)
		str_putf(s, " expects %s%s", expected, st->keeps ? " keeps" : "");
	else if (st->kind == VERIFY_QUERY)
		str_putf(s, " %suses %s within %d", st->negative ? "not " : "", st->index,
			 (int)st->within_ms);
	if (st->kind != VERIFY_PROBE)
		str_putf(s, " rows %d", (int)st->rows);
	str_putf(s, ": %s\n", st->sql);
}

/* What is read from a text, a line each; or its problems. */
static const char *
parsed(const char *text)
{
	static char out[2000];
	struct mig_problems p = { .n = 0 };
	AUTOFREE char *path = xstrdup("f"), *copy = xstrdup(text);
	struct mig_file src = { .path = path, .text = copy, .len = strlen(text) };
	AUTOSTR s = STR(sizeof out - 1);
	struct verify_file f;

	if (!verify_file_read(&f, &src, &p))
		for (size_t i = 0; i < f.n; i++)
			put_stmt(&s, &f.v[i]);
	for (size_t i = 0; i < p.n; i++)
		str_putf(&s, "%s\n", p.v[i].msg);
	verify_file_free(&f);
	mig_problems_free(&p);
	snprintf(out, sizeof out, "%s", s.buf);
	return out;
}

static void
test_good(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "-- remarks: one\n-- note: two\n", "" },
		{ "SELECT 1;\n\nSELECT 2", "1 line1 expects ok: SELECT 1\n3 line3 expects ok: SELECT 2\n" },
		{ "-- expect: 23514 ck_a\nINSERT INTO a\nVALUES (1);",
		  "2 line2 expects 23514 ck_a: INSERT INTO a\nVALUES (1)\n" },
		{ "-- probe: a keeps\n-- expect: rows 0\nSELECT;\n--probe:b\n  --   expect: 23505  \nSELECT 2;",
		  "3 a expects rows 0 keeps: SELECT\n6 b expects 23505: SELECT 2\n" },
		{ "-- expect: value NULL\nSELECT 1; -- a remark\n-- expect: value a  b\nSELECT 2;\n"
		  "-- expect: value\nSELECT 3",
		  "2 line2 expects value NULL: SELECT 1\n4 line4 expects value a  b: SELECT 2\n"
		  "6 line6 expects value : SELECT 3\n" },
		{ "-- query: q uses s.i rows 10 within 1s\nSELECT 1;\n-- query: r not uses \"My Index\"\nSELECT 2;",
		  "2 q uses s.i within 1000 rows 10: SELECT 1\n"
		  "4 r not uses \"My Index\" within 0 rows 0: SELECT 2\n" },
		{ "-- rows: s.t 10\nSELECT 1;\n-- rows: u\nSELECT 2;",
		  "2 s.t rows 10: SELECT 1\n4 u rows 0: SELECT 2\n" },
		{ "/* -- expect: rows 1\n-- probe: x\n*/ SELECT ';\n--x: y' ;", "3 line3 expects ok: SELECT ';\n--x: y' \n" },
		{ "ROLLBACK TO", "f:1: ROLLBACK: each statement has a savepoint of its own\n" },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		is_str(parsed(cases[i].text), cases[i].want, "read: %.40s", cases[i].text);
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "-- expcet: ok\nSELECT 1;", "f:1: \"-- expcet:\" is unknown: did you mean \"-- expect:\"?\n" },
		{ "-- Probe: a\nSELECT 1;", "f:1: \"-- Probe:\" is unknown: did you mean \"-- probe:\"?\n" },
		{ "-- expect: fine\nSELECT 1;", "f:1: what is expected is \"ok\", \"rows N\", \"value X\" or an "
		  "SQLSTATE, perhaps with a constraint, not \"fine\"\n" },
		{ "-- expect: rows -1\nSELECT 1;", "f:1: a number of rows is wanted, from 0, not \"-1\"\n" },
		{ "-- expect: ok really\nSELECT 1;", "f:1: \"really\" is not understood here\n" },
		{ "-- expect: ok\n-- expect: ok\nSELECT 1;", "f:2: a second \"-- expect:\" for one statement\n" },
		{ "SELECT 1; -- expect: ok\n", "f:1: \"-- expect:\" belongs on a line of its own, before its statement\n" },
		{ "SELECT 1\n-- expect: ok\n;", "f:2: \"-- expect:\" stands inside a statement: does the one before it end?\n" },
		{ "SELECT 1;\n-- expect: ok\n", "f:2: no statement follows\n" },
		{ "-- probe:\nSELECT 1;", "f:1: \"-- probe:\" without a name\n" },
		{ "-- probe: a.b\nSELECT 1;",
		  "f:1: \"a.b\" cannot name a probe: letters, digits, \"_\" and \"-\" can\n" },
		{ "-- probe: keeps\nSELECT 1;",
		  "f:1: a probe that keeps what it does needs a name before \"keeps\"\n" },
		{ "-- probe: a stays\nSELECT 1;", "f:1: after a probe's name only \"keeps\" can stand, not \"stays\"\n" },
		{ "-- query: a using b\nSELECT 1;",
		  "f:1: a query is declared as: -- query: NAME uses INDEX, or not uses INDEX\n" },
		{ "-- query: a not uses b within 1s\nSELECT 1;",
		  "f:1: after the index \"rows N\" can stand, not \"within\"\n" },
		{ "-- query: a uses b rows\nSELECT 1;", "f:1: a number of rows is wanted, from 1, not \"\"\n" },
		{ "-- query: a uses b\n-- expect: ok\nSELECT 1;", "f:1: \"-- expect:\" is for probes\n" },
		{ "-- query: a uses b\n-- rows: b\nSELECT 1;",
		  "f:1: one statement is a probe, a query or makes rows, not two of these\n" },
		{ "-- probe: a\nSELECT 1;\n-- probe: a\nSELECT 2;", "f:4: a probe a is on line 2 already\n" },
		{ "SELECT 1;\nCOMMIT;", "f:2: COMMIT: everything in this file is one transaction, which is rolled back\n" },
		{ "COPY a TO STDOUT;", "f:1: COPY cannot be verified: write the rows as INSERT\n" },
		{ "\\d", "f: line 1: \\d is a command of psql, not SQL\n" },
		{ "SELECT 'a", "f: the string that begins on line 1 is not closed\n" },
		/* all at once */
		{ "-- expect: x\nSELECT 1;\nBEGIN;\n-- rows:\nSELECT 2;", "f:1: what is expected is \"ok\", \"rows N\", "
		  "\"value X\" or an SQLSTATE, perhaps with a constraint, not \"x\"\n"
		  "f:3: BEGIN: everything in this file is one transaction, which is rolled back\n"
		  "f:4: rows are declared as: -- rows: TABLE, or TABLE and how many\n" },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		is_str(parsed(cases[i].text), cases[i].want, "refused: %.40s", cases[i].text);
}

/* Every prefix of a whole file is read or refused, and leaves nothing behind. */
static void
test_prefixes(void)
{
	static const char text[] = "-- probe: a keeps\n-- expect: 23514 ck\nSELECT $$;$$; /* x */ -- y\n"
				   "-- query: q not uses \"a b\" rows 10\nSELECT 'x';\n-- rows: t 3\nSELECT 1;";

	for (size_t n = 0; n < sizeof text; n++) {
		AUTOFREE char *part = xstrndup(text, n);

		(void)parsed(part);
	}
	ok(true, "all prefixes");
}

int
main(void)
{
	test_good();
	test_bad();
	test_prefixes();
	return tap_done();
}
