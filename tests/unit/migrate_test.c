/*
 * migrate_test.c - what is known of migrations without a server: text, statements, sets
 */
#include "migrate_set.h"
#include "str.h"
#include "tap.h"

/* "SELECT|CREATE TABLE" from the first words of each statement, or "error: ...". */
static const char *
scan(const char *text)
{
	static char out[1000];
	struct mig_stmts st;
	struct err e = ERR_INIT;
	size_t n = 0;

	out[0] = '\0';
	if (mig_scan(text, strlen(text), &st, &e)) {
		snprintf(out, sizeof out, "error: %.150s", e.msg);
		return out;
	}
	for (size_t i = 0; i < st.n; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%s%s%s@%d", i ? "|" : "",
				      st.v[i].word[0], st.v[i].word[1][0] ? " " : "", st.v[i].word[1],
				      mig_line_of_byte(text, st.v[i].start));
	free(st.v);
	return out;
}

/* "name on schema.table", "drop@11", "rebuilds", or "-". */
static const char *
index_of(const char *sql)
{
	static char out[200];
	struct mig_index i;

	if (!mig_index(sql, strlen(sql), &i))
		return "-";
	if (i.table)
		snprintf(out, sizeof out, "%s on %s%s%s", i.name ? i.name : "?",
			 i.schema ? i.schema : "", i.schema ? "." : "", i.table);
	else if (i.rebuilds)
		snprintf(out, sizeof out, "rebuilds");
	else
		snprintf(out, sizeof out, "drop@%zu", i.if_exists);
	mig_index_free(&i);
	return out;
}

static void
test_index(void)
{
	static const struct {
		const char *sql, *want;
	} cases[] = {
		{ "CREATE INDEX CONCURRENTLY a ON t (x);", "a on t" },
		{ "-- c\ncreate unique index\n concurrently if not exists A_b on only s.T using gin (x)",
		  "a_b on s.t" },
		{ "CREATE INDEX CONCURRENTLY \"A \"\"b\" ON \"S.x\".\"T u\" (x)", "A \"b on S.x.T u" },
		{ "CREATE INDEX CONCURRENTLY ON t(x)", "? on t" },
		{ "CREATE INDEX CONCURRENTLY on_it ON t(x)", "on_it on t" },
		{ "CREATE INDEX a ON t (x)", "-" },
		{ "CREATE INDEX CONCURRENTLY", "-" },
		{ "CREATE INDEX CONCURRENTLY a", "-" },
		{ "CREATE TABLE a ()", "-" },
		{ "DROP INDEX CONCURRENTLY a, b", "drop@23" },
		{ "drop index concurrently if exists a", "drop@0" },
		{ "DROP INDEX a", "-" },
		{ "REINDEX INDEX CONCURRENTLY a", "rebuilds" },
		{ "reindex (verbose, concurrently) schema s", "rebuilds" },
		{ "reindex (concurrently) table t", "rebuilds" },
		{ "REINDEX TABLE t", "-" },
		{ "REINDEX (VERBOSE) TABLE t", "-" },
		{ "REINDEX", "-" },
		{ "REINDEX (", "-" },
		{ "CREATE INDEX CONCURRENTLY a ON t (x); SELECT 1", "-" },
		{ "'", "-" },
		{ "", "-" },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		is_str(index_of(cases[i].sql), cases[i].want, "index: %s", cases[i].sql);
}

static void
test_scan(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ " ;; -- x;\n;/* ; */;", "" },
		{ "select 1", "SELECT@1" },
		{ "select 1;\n\n  create table x ()", "SELECT@1|CREATE TABLE@3" },
		{ "select ';', \";\", E'\\';', $$;$$, $a$;$b$;$a$; commit", "SELECT@1|COMMIT@1" },
		{ "select 'a''b;', '\\'; commit", "SELECT@1|COMMIT@1" },
		{ "select e'a''b;\\';'; commit", "SELECT@1|COMMIT@1" },
		{ "select $1, a$1$b, 1$2; commit", "SELECT A$1$B@1|COMMIT@1" },
		{ "select $é$;$é$; commit", "SELECT@1|COMMIT@1" },
		{ "/* a /* nested; */ ; */ commit", "COMMIT@1" },
		{ "create rule r as on insert to t do (select 1; select 2); commit",
		  "CREATE RULE@1|COMMIT@1" },
		{ "create or replace function f() returns int\nbegin atomic select case when true"
		  " then 1 end; select 2; end;\ncommit", "CREATE OR@1|COMMIT@3" },
		{ "create function begin() returns int return 1; commit", "CREATE FUNCTION@1|COMMIT@1" },
		{ "create procedure p() as 'begin; end;' language plpgsql; end",
		  "CREATE PROCEDURE@1|END@1" },
		{ "select a.begin from b; commit", "SELECT A@1|COMMIT@1" },
		{ "select 'x", "error: the string that begins on line 1 is not closed" },
		{ "select 1;\nselect e'\\'", "error: the string that begins on line 2 is not closed" },
		{ "\n\"x", "error: the quoted name that begins on line 2 is not closed" },
		{ "/* /* */", "error: the comment that begins on line 1 is not closed" },
		{ "$a$ $b$ $A$", "error: the dollar-quoted string that begins on line 1 is not closed" },
		{ "copy t (a) from stdin;\n'", "error: line 1: COPY FROM STDIN cannot be part of a migration" },
		{ "copy t from 'stdin'", "COPY T@1" },
		{ "select 1;\n\\restrict Ab1", "error: line 2: \\restrict is a command of psql, not SQL" },
		{ "select '\\d', \"\\d\", $$\\d$$ -- \\d\n/* \\d */; commit", "SELECT@1|COMMIT@2" },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		is_str(scan(cases[i].text), cases[i].want, "statements of: %.30s", cases[i].text);
}

static void
test_transaction_control(void)
{
	static const struct {
		const char *text;
		bool yes;
	} cases[] = {
		{ "begin", true }, { "Start Transaction", true }, { "commit and chain", true },
		{ "end", true }, { "abort", true }, { "rollback", true }, { "rollback work", true },
		{ "rollback to savepoint a", false }, { "rollback work to a", false },
		{ "rollback transaction to a", false }, { "savepoint a", false },
		{ "release a", false }, { "prepare transaction 'x'", true },
		{ "prepare x as select 1", false }, { "rollback prepared 'x'", true },
		{ "set transaction read only", false }, { "select end", false },
		{ "begins", false },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct mig_stmts st = { .n = 0 };
		struct err e;

		if (mig_scan(cases[i].text, strlen(cases[i].text), &st, &e) || st.n != 1)
			tap_bail(cases[i].text);
		ok(mig_is_transaction_control(&st.v[0]) == cases[i].yes, "%s", cases[i].text);
		free(st.v);
	}
}

static const char *
text(const char *raw, size_t n)
{
	static char out[200];
	struct err e = ERR_INIT;
	AUTOFREE char *t = NULL;
	size_t len;

	if (mig_text(raw, n, &t, &len, &e))
		snprintf(out, sizeof out, "error: %.150s", e.msg);
	else
		snprintf(out, sizeof out, "%s", t);
	return out;
}

static void
test_text(void)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char hex[65];

	is_str(text("", 0), "", "empty stays empty");
	is_str(text("\n \r\n", 4), "", "blank is empty");
	is_str(text("a", 1), "a\n", "a last line gets its newline");
	is_str(text("a\r\nb\r\r\nc\rd\n\n\t\n", 14), "a\nb\r\nc\rd\n", "CRLF is a newline, a lone CR stays");
	is_str(text("\xef\xbb\xbf" "a\n", 5), "a\n", "a byte order mark goes");
	is_str(text("a\nb\0c", 5), "error: line 2 has a NUL byte: this is no SQL text", "NUL");
	is_str(text("a\xe9", 2), "error: line 1 is not valid UTF-8", "Latin-1");
	is_str(text("a\n\xc3", 3), "error: line 2 is not valid UTF-8", "a character cut short");
	mig_sha256("abc", 3, hex);
	is_str(hex, abc, "SHA-256");
}

static void
test_lines(void)
{
	static const char z[] = "é\nab\n\nü";

	is_int(mig_line_of_char(z, strlen(z), 1), 1, "first character");
	is_int(mig_line_of_char(z, strlen(z), 2), 1, "its newline");
	is_int(mig_line_of_char(z, strlen(z), 3), 2, "counted by characters, not bytes");
	is_int(mig_line_of_char(z, strlen(z), 7), 4, "last character");
	is_int(mig_line_of_char(z, strlen(z), 99), 4, "past the end");
	is_int(mig_line_of_char(z, strlen(z), 0), 1, "nowhere");
	is_int(mig_line_of_char("", 0, 5), 1, "no text");
}

static const char *
steps(const char *z)
{
	static char out[300];
	AUTOFREE struct mig_span *v = NULL;
	struct err e = ERR_INIT;
	size_t n, at = 0;

	if (mig_steps(z, strlen(z), &v, &n, &e)) {
		snprintf(out, sizeof out, "error: %.150s", e.msg);
		return out;
	}
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, sizeof out - at, "[%.*s]", (int)v[i].len, z + v[i].start);
	return out;
}

static void
test_steps(void)
{
	bool none;
	struct err e;
	static const char head[] = "-- x\n\n-- jobctl: no-transaction\nA";
	static const char late[] = "SELECT 1;\n-- jobctl: no-transaction\n";

	is_str(steps("select 1;\n"), "[select 1;\n]", "one step needs no line");
	is_str(steps("-- head\n-- jobctl: step\na;\n  --jobctl:step  \nb\n"),
	       "[-- jobctl: step\na;\n][  --jobctl:step  \nb\n]", "a head without statements is no step");
	is_str(steps("a;\nb;"), "error: line 2: a second statement in one step", "two statements");
	is_str(steps("a;\n-- jobctl: step\n-- none\n"), "error: line 2: a step without a statement",
	       "no statement");
	is_str(steps(""), "error: line 1: a step without a statement", "an empty file");
	is_str(steps("a;\n-- jobctl: step\n'"),
	       "error: in the step that begins on line 2: the string that begins on line 2 is not closed",
	       "an open string");
	ok(mig_directives(head, strlen(head), &none, &e) == 0 && none,
	   "the head says no-transaction");
	ok(mig_directives("select 1", 8, &none, &e) == 0 && !none, "nothing said");
	ok(mig_directives(late, strlen(late), &none, &e) == -1, "no-transaction comes too late");
}

static void
note_allow(void *ctx, size_t at, const char *rule, size_t n)
{
	char *out = ctx;

	snprintf(out + strlen(out), 100, "%zu:%.*s ", at, (int)n, rule);
}

static void
test_allow(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "-- jobctl: allow a-rule for a reason\nselect 1;\n--jobctl:allow  b\t x",
		  "0:a-rule 47:b " },
		{ "select 1; -- jobctl: allow a-rule no line of its own", "" },
		{ "-- jobctl: allow", "line 1: what is allowed needs a reason: \"-- jobctl: allow RULE reason\"" },
		{ "\n-- jobctl: allow a-rule  ", "line 2: what is allowed needs a reason: "
		  "\"-- jobctl: allow RULE reason\"" },
		{ "-- jobctl: allow a.b for a reason", "line 1: what is allowed needs a reason: "
		  "\"-- jobctl: allow RULE reason\"" },
		{ "-- jobctl: allowed a b", "line 1: unknown directive \"-- jobctl: allowed a b\"" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		const char *z = cases[i].text;
		char out[400] = "";
		struct err e = ERR_INIT;
		bool none;

		if (mig_directives(z, strlen(z), &none, &e))
			snprintf(out, sizeof out, "%.300s", e.msg);
		else
			mig_allows(z, strlen(z), note_allow, out);
		is_str(out, cases[i].want, "%.20s...", *z == '\n' ? z + 1 : z);
	}
}

static void
test_versions(void)
{
	ok(mig_version_cmp("0.9", "0.10.0") < 0, "numbers, not text");
	ok(mig_version_cmp("1.0", "1.0.0") == 0, "missing parts are 0");
	ok(mig_version_cmp("1.0.1", "1.0") > 0, "more is later");
	ok(mig_version_cmp("1.0-rc1", "1.0") == 0, "what follows the numbers is not compared");
	ok(mig_version_cmp("", "") == 0, "nothing");
	ok(mig_version_cmp("", "0.1") < 0, "nothing is before anything");
}

/* Every beginning of a hostile text: nothing may be read past its end. */
static void
test_prefixes(void)
{
	static const char z[] = "-- jobctl: no-transaction\n-- drop: VIEW v\n/* /* x */ */ select e'\\\\''\\n', "
				"\"a\"\"b\", $q$ $$ $q$, $1;\n-- jobctl: step\ncreate function f() begin atomic "
				"select case 1 when 2 then 3 end; end; \xc3\xa9";
	size_t read = 0;

	for (size_t n = 0; n < sizeof z; n++) {
		char *copy = xmalloc(n);	/* without a NUL to stop at */
		struct mig_stmts st = { .n = 0 };
		AUTOFREE struct mig_span *v = NULL;
		AUTOFREE char *t = NULL;
		struct err e;
		size_t len;

		memcpy(copy, z, n);
		if (mig_scan(copy, n, &st, &e) == 0)
			read += st.n;
		free(st.v);
		if (mig_text(copy, n, &t, &len, &e) == 0 && mig_steps(t, len, &v, &st.n, &e) == 0)
			read += len;
		free(copy);
	}
	ok(read > 0, "beginnings of a text are read or refused");
}

#define TEXT(z) z, sizeof z - 1

static void
test_sets(void)
{
	static const struct sql_file files[] = {
		{ "s", "0010_b.up.sql", TEXT("SELECT 2") },
		{ "other", "0001_x.up.sql", TEXT("'") },
		{ "s", "0002_a.up.sql", TEXT("SELECT 1") },
		{ "s", "0010_b.down.sql", TEXT("") },
		{ "s", "0002_a.down.sql", TEXT("") },
		{ "s", "0002_a.verify.sql", TEXT("SELECT 1/1") },
		{ "s", "api/a.sql", TEXT("-- drop: VIEW a\n-- after: z\nSELECT 1") },
		{ "s", "api/m.sql", TEXT("-- what it is\n-- drop: FUNCTION m(int)\n-- drop: TYPE t\n") },
		{ "s", "api/z.sql", TEXT("-- drop: nothing\n") },
		{ NULL, NULL, NULL, 0 },
	};
	struct mig_problems p = { .n = 0 };
	struct mig_set set;
	AUTOSTR drop = STR(200);

	is_int(mig_set_builtin(&set, "s", files, &p), 0, "a set is read");
	if (p.n)
		tap_bail(p.v[0].msg);
	is_int((int64_t)set.n, 2, "two migrations");
	is_int(set.v[0].version, 2, "in order of version");
	is_int(mig_set_head(&set), 10, "the head");
	ok(mig_set_find(&set, 10) == &set.v[1] && !mig_set_find(&set, 3), "found by version");
	is_str(set.v[0].verify.path, "sql/s/0002_a.verify.sql", "the path for messages");
	is_str(set.api[0].name, "m", "the api by name,");
	is_str(set.api[1].name, "z", "but first");
	is_str(set.api[2].name, "a", "what others come after");
	is_int((int64_t)set.api[0].ndrops, 2, "two things to drop");
	is_int((int64_t)set.api[1].ndrops, 0, "nothing to drop");
	mig_put_drop(&drop, set.api[0].drops[0], false);
	is_str(drop.buf, "DROP FUNCTION IF EXISTS m(int)", "how it is dropped");
	mig_set_free(&set);
	is_int(mig_set_builtin(&set, "other", files, &p), -1, "a set with a mistake");
	is_int((int64_t)p.n, 2, "has all its problems said");
	mig_set_free(&set);
	mig_problems_free(&p);
	ok(mig_set_name_ok("a-b_c.d1") && !mig_set_name_ok("") && !mig_set_name_ok(".x") &&
	   !mig_set_name_ok("a b") && !mig_set_name_ok("a'b"), "names of sets");
}

int
main(void)
{
	test_text();
	test_lines();
	test_index();
	test_scan();
	test_transaction_control();
	test_steps();
	test_allow();
	test_versions();
	test_prefixes();
	test_sets();
	return tap_done();
}
