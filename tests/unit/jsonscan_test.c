/*
 * jsonscan_test - what is JSON, what is not, and where it stops being it
 */
#include "jsonscan.h"

#include "tap.h"

static struct json_scan scan = JSON_SCAN_INIT;

static int
check(const char *text, size_t n, struct err *e)
{
	/* exactly as much memory as there is text: a byte read too far is seen */
	AUTOFREE char *copy = xmalloc(n);

	memcpy(copy, text, n);
	return json_scan_check(&scan, copy, n, e);
}

static void
good(const char *text, int type)
{
	struct err e = ERR_INIT;
	AUTOSTR name = STR(STR_ANY);

	str_put_safe(&name, text, strlen(text));
	is_int(check(text, strlen(text), &e), type, "accepted: %.60s", name.buf);
	is_str(e.msg, "", "without a word");
}

static void
bad_bytes(const char *text, size_t n, const char *want)
{
	struct err e = ERR_INIT;
	int rc = check(text, n, &e);

	ok(rc == -1 && e.kind == ERR_DATA, "refused: %.60s", want);
	is_str(e.msg, want, "and why");
}

static void
bad(const char *text, const char *want)
{
	bad_bytes(text, strlen(text), want);
}

static void
accepted(void)
{
	good("{}", '{');
	good(" [ ] ", '[');
	good("\"\"", '"');
	good("0", '0');
	good("-0.5e-7", '0');
	good("12345678901234567890123456789012345678901234567890", '0');
	good("1e400", '0');
	good("1E+131071", '0');
	good("true", 't');
	good("false", 'f');
	good("null", 'n');
	good("\t{\"a\":[1,{\"b\":[]},\"c\"],\r\n\"d\":{}}\n", '{');
	good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", '"');
	good("\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", '"');
	good("{\"a\":1,\"A\":2,\"\":3}", '{');
	good("[{\"a\":1},{\"a\":2}]", '[');
	good("{\"a\":{\"a\":{\"a\":1}}}", '{');
}

static void
refused(void)
{
	bad("", "column 1: the text ends where a value should be");
	bad("  ", "column 3: the text ends where a value should be");
	bad("{", "column 2: the text ends where a key in double quotes should be");
	bad("{\"a\"", "column 5: the text ends where a colon should be");
	bad("{\"a\":", "column 6: the text ends where a value should be");
	bad("{\"a\":1", "column 7: the text ends where a comma or } should be");
	bad("{\"a\":1,}", "column 8: \"}\" where a key in double quotes should be");
	bad("{'a':1}", "column 2: \"'\" where a key in double quotes should be");
	bad("{a:1}", "column 2: \"a\" where a key in double quotes should be");
	bad("[1 2]", "column 4: \"2\" where a comma or ] should be");
	bad("[1,]", "column 4: \"]\" where a value should be");
	bad("[1}", "column 3: \"}\" where a comma or ] should be");
	bad("{\"a\":1]", "column 7: \"]\" where a comma or } should be");
	bad("]", "column 1: \"]\" where a value should be");
	bad("1 2", "column 3: something follows the value");
	bad("{} {}", "column 4: something follows the value");
	bad("nul", "column 1: \"n\" where a value should be");
	bad("True", "column 1: \"T\" where a value should be");
	bad("NaN", "column 1: \"N\" where a value should be");
	bad("+1", "column 1: \"+\" where a value should be");
	bad(".5", "column 1: \".\" where a value should be");
	bad("01", "column 1: a number that begins with 0");
	bad("-", "column 2: the text ends where a digit should be");
	bad("1.", "column 3: the text ends where a digit should be");
	bad("1e", "column 3: the text ends where a digit should be");
	bad("0x10", "column 2: something follows the value");
	bad("1e131072", "column 1: a number past the range of PostgreSQL's numeric");
	bad("1e999999999999999999999", "column 1: a number past the range of PostgreSQL's numeric");
	bad("1e-16384", "column 1: a number past the range of PostgreSQL's numeric");
	bad("\"a", "column 1: a string without an end");
	bad("\"a\\", "column 3: the text ends inside a string");
	bad("\"\\x\"", "column 2: an unknown escape in a string");
	bad("\"\\u12g4\"", "column 2: \\u without four hex digits");
	bad("\"\\u12", "column 2: \\u without four hex digits");
	bad("\"\\u0000\"", "column 2: \\u0000, which PostgreSQL cannot store");
	bad("\"\\ud800\"", "column 2: \\u with half of a surrogate pair");
	bad("\"\\ud800\\u0041\"", "column 2: \\u with half of a surrogate pair");
	bad("\"\\udc00\\ud800\"", "column 2: \\u with half of a surrogate pair");
	bad("\"a\nb\"", "column 3: byte 0x0a in a string, which must be escaped");
	bad("\"a\tb\"", "column 3: byte 0x09 in a string, which must be escaped");
	bad("\"\xff\"", "column 2: byte 0xff, which is not valid UTF-8");
	bad("\"\xc0\xaf\"", "column 2: byte 0xc0, which is not valid UTF-8");
	bad("\"\xed\xa0\x80\"", "column 2: byte 0xed, which is not valid UTF-8");
	bad("\"\xe2\x82\"", "column 2: byte 0xe2, which is not valid UTF-8");
	bad("\xef\xbb\xbf{}", "column 1: \"\xef\xbb\xbf\" where a value should be");
	bad("\x80", "column 1: byte 0x80 where a value should be");
	bad_bytes("\"a\0b\"", 5, "column 3: byte 0x00 in a string, which must be escaped");
	bad_bytes("\0", 1, "column 1: byte 0x00 where a value should be");
	bad_bytes("\"\\\0\"", 4, "column 2: an unknown escape in a string");
}

static void
places(void)
{
	bad("{\"\xc3\xa9\xe2\x82\xac\":x}", "column 7: \"x\" where a value should be");
	bad("{\n  \"a\": 1\n  \"b\": 2\n}",
	    "line 3, column 3: \"\"\" where a comma or } should be");
}

static void
twice(void)
{
	AUTOSTR many = STR(STR_ANY);

	bad("{\"a\":1,\"b\":2,\"a\":3}", "column 14: the key \"a\" is there twice");
	bad("{\"a\":1,\"\\u0061\":3}", "column 8: the key \"\\u0061\" is there twice");
	bad("[0,{\"x\":{\"k\":1,\"k\":1}}]", "column 16: the key \"k\" is there twice");
	str_putc(&many, '{');
	for (int i = 0; i < 1000; i++)
		str_putf(&many, "\"k%d\":%d,", i, i);
	str_truncate(&many, many.len - 1);
	str_putc(&many, '}');
	good(many.buf, '{');
	str_truncate(&many, many.len - 1);
	str_puts(&many, ",\"k500\":0}");
	ok(check(many.buf, many.len, &(struct err)ERR_INIT) == -1, "twice among a thousand");
}

static void
depth(void)
{
	AUTOSTR s = STR(STR_ANY);
	struct err e = ERR_INIT;

	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		str_putc(&s, '[');
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		str_putc(&s, ']');
	ok(check(s.buf, s.len, &e) == '[', "nested as deep as allowed");
	str_reset(&s);
	for (int i = 0; i < 1000000; i++)
		str_puts(&s, "{\"a\":");
	ok(check(s.buf, s.len, &e) == -1, "nested a million deep");
	is_str(e.msg, "column 2501: nested more than 500 deep", "and why");
}

static void
members(void)
{
	static const char text[] = " { \"a\" : 12.50 , \"b\\u00e9\": [1, {\"x\":\"]\"}, \"s,\\\"\", [], null ],"
				   " \"c\":{\"d\":1,\"e\":2} } ";
	struct err e = ERR_INIT;
	struct json_text rest, one;
	const struct json_member *m;
	AUTOSTR s = STR(STR_ANY);
	int n = 0;

	is_int(json_scan_object(&scan, text, sizeof text - 1, &e), 0, "an object");
	is_int((int64_t)scan.count, 3, "members of the outermost object only");
	m = json_scan_find(&scan, "a");
	ok(m && m->value.n == 5 && !memcmp(m->value.p, "12.50", 5), "a number is its text");
	m = json_scan_find(&scan, "b\xc3\xa9");
	if (!m)
		tap_bail("a key is not found by what it stands for");
	ok(!json_scan_find(&scan, "d"), "not inside");
	ok(!json_scan_find(&scan, ""), "no such key");
	for (rest = json_scan_elements(m->value); json_scan_element(&rest, &one); n++)
		str_putf(&s, "<%.*s>", (int)one.n, one.p);
	is_int(n, 5, "elements");
	is_str(s.buf, "<1><{\"x\":\"]\"}><\"s,\\\"\"><[]><null>", "each whole");
	m = json_scan_find(&scan, "c");
	ok(m && m->value.n == 13, "the last member is whole too");
	is_int(json_scan_object(&scan, "[]", 2, &e), -1, "an array is no object");
	is_str(e.msg, "not an object: it begins with \"[\"", "and why");
	is_int(json_scan_object(&scan, "{}", 2, &e), 0, "an empty object");
	ok(!json_scan_find(&scan, "a"), "and nothing is left of the text before");
}

static void
strings(void)
{
	static const char text[] = "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\\u20ac\"";
	AUTOSTR s = STR(STR_ANY);

	json_scan_string(&s, (struct json_text){ text, sizeof text - 1 });
	is_str(s.buf, "a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac", "escapes are undone");
}

static void
sizes(void)
{
	struct err e = ERR_INIT;

	(void)!check("\"\\u00e9\\u00e9\"", 14, &e);
	is_int((int64_t)scan.size, 4 + 4, "escapes count as what they stand for");
	(void)!check("[1,\"ab\",null]", 13, &e);
	is_int((int64_t)scan.size, 4 + 4 + 6 + 4, "four bytes a value, and what texts have");
}

int
main(void)
{
	accepted();
	refused();
	places();
	twice();
	depth();
	members();
	strings();
	sizes();
	json_scan_free(&scan);
	return tap_done();
}
