/*
 * str_test - growing strings, quoting for shells, JSON and terminals, UTF-8
 */
#include "str.h"

#include <jansson.h>
#include <locale.h>
#include <wchar.h>

#include "tap.h"

static void
growing(void)
{
	AUTOSTR s = STR(STR_ANY);
	AUTOSTR small = STR(5);
	char *taken;

	is_str(s.buf, "", "a new string is a string");
	str_putf(&s, "%d", 42);
	str_putc(&s, '-');
	for (int i = 0; i < 1000; i++)
		str_puts(&s, "0123456789");
	is_int(s.len, 10003, "it grows");
	str_reset(&s);
	str_putf(&s, "%0*d", 5000, 7);
	is_int(s.len, 5000, "a long format");
	str_truncate(&s, 6000);
	is_int(s.len, 5000, "truncating does not lengthen");
	str_truncate(&s, 3);
	is_str(s.buf, "000", "truncating ends the string");
	taken = str_take(&s);
	is_str(taken, "000", "taking hands it over");
	free(taken);
	is_str(s.buf, "", "and leaves a new one");
	taken = str_take(&s);
	is_str(taken, "", "taking nothing is a string too");
	free(taken);

	str_puts(&small, "abc");
	ok(!small.cut, "within the limit nothing is cut");
	str_puts(&small, "def");
	is_str(small.buf, "abcde", "what fits is kept");
	ok(small.cut, "and the cut is known");
	str_putc(&small, 'x');
	is_str(small.buf, "abcde", "no more is taken");
	str_reset(&small);
	ok(!small.cut && !small.len, "reset begins anew");
	str_add(&small, "a\0b", 3);
	ok(small.len == 3 && small.buf[3] == '\0', "bytes may be NUL");
	str_free(&small);
	str_free(&small);
	is_int(small.max, 5, "freeing twice keeps the limit");
}

/* What a shell makes of it, through sh itself. */
static void
shell(void)
{
	static const char *const words[] = {
		"plain", "", " ", "two words", "it's", "'", "''''", "$HOME", "`id`", "$(id)", "a\nb\n",
		"\\", "\\'", "!", "*", "~", "#x", "-n", "a;b", "a&b", "\"", "\t", "\001\033[31m",
		"\xff\xfe", "ünïcode", "{a,b}", "a=b", "%s", "[a]", "<x>", "(x)", "|",
	};
	AUTOSTR command = STR(STR_ANY), got = STR(STR_ANY), want = STR(STR_ANY);
	char buf[4096];
	size_t n;
	FILE *p;

	str_puts(&command, "printf '%s\\0'");
	for (size_t i = 0; i < NELEM(words); i++) {
		str_putc(&command, ' ');
		str_put_shell(&command, words[i]);
		str_add(&want, words[i], strlen(words[i]) + 1);
	}
	p = popen(command.buf, "r");
	if (!p)
		tap_bail("popen");
	while ((n = fread(buf, 1, sizeof buf, p)) > 0)
		str_add(&got, buf, n);
	is_int(pclose(p), 0, "a shell reads the words");
	ok(got.len == want.len && !memcmp(got.buf, want.buf, want.len), "as they were");
	str_reset(&command);
	str_put_shell(&command, "a/b-c_d.e=1");
	is_str(command.buf, "a/b-c_d.e=1", "a harmless word is not quoted");
}

static const struct {
	const char *in, *json, *safe, *text;
} escapes[] = {
	{ "plain", "\"plain\"", "plain", "plain" },
	{ "", "\"\"", "", "" },
	{ "a\"b", "\"a\\\"b\"", "a\"b", "a\"b" },
	{ "a\\b", "\"a\\\\b\"", "a\\\\b", "a\\b" },
	{ "a\nb\tc", "\"a\\nb\\tc\"", "a\\nb\\tc", "a\nb\tc" },
	{ "a\rb", "\"a\\u000db\"", "a\\rb", "a\\rb" },
	{ "\033[31mred", "\"\\u001b[31mred\"", "\\x1b[31mred", "\\x1b[31mred" },
	{ "\x7f", "\"\\u007f\"", "\\x7f", "\\x7f" },
	{ "\xc2\x9b" "31m", NULL, "\\u009b31m", "\\u009b31m" },
	/* NOLINTNEXTLINE(misc-misleading-bidirectional): what is tested */
	{ "\xe2\x80\xae" "gpj.exe", NULL, "\\u202egpj.exe", "\\u202egpj.exe" },
	/* NOLINTNEXTLINE(misc-misleading-bidirectional) */
	{ "\xe2\x81\xa6x", NULL, "\\u2066x", "\\u2066x" },
	{ "\xef\xbb\xbfx", NULL, "\\ufeffx", "\\ufeffx" },
	{ "ü€😀", "\"ü€😀\"", "ü€😀", "ü€😀" },
	{ "\xff", "\"\xef\xbf\xbd\"", "\\xff", "\\xff" },
	{ "\xc3", "\"\xef\xbf\xbd\"", "\\xc3", "\\xc3" },
	{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\\xc0\\x80", "\\xc0\\x80" },
	{ "a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\"", "a\\xe2\\x82", "a\\xe2\\x82" },
};

static void
escaping(void)
{
	for (size_t i = 0; i < NELEM(escapes); i++) {
		AUTOSTR json = STR(STR_ANY), safe = STR(STR_ANY), text = STR(STR_ANY);
		const char *in = escapes[i].in;

		str_put_json(&json, in, strlen(in));
		str_put_safe(&safe, in, strlen(in));
		str_put_safe_text(&text, in, strlen(in));
		if (escapes[i].json)
			is_str(json.buf, escapes[i].json, "JSON %zu", i);
		is_str(safe.buf, escapes[i].safe, "terminal %zu", i);
		is_str(text.buf, escapes[i].text, "text for a terminal %zu", i);
	}
}

/* Every code point, through a JSON parser and back. */
static void
json_round_trip(void)
{
	AUTOSTR all = STR(STR_ANY), json = STR(STR_ANY);
	json_t *parsed;
	bool controls = false;

	for (uint32_t cp = 0; cp <= 0x10ffff; cp += cp < 0x3000 ? 1 : 61) {
		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		if (cp < 0x80) {
			str_putc(&all, (char)cp);
		} else if (cp < 0x800) {
			str_putc(&all, (char)(0xc0 | cp >> 6));
			str_putc(&all, (char)(0x80 | (cp & 0x3f)));
		} else if (cp < 0x10000) {
			str_putc(&all, (char)(0xe0 | cp >> 12));
			str_putc(&all, (char)(0x80 | (cp >> 6 & 0x3f)));
			str_putc(&all, (char)(0x80 | (cp & 0x3f)));
		} else {
			str_putc(&all, (char)(0xf0 | cp >> 18));
			str_putc(&all, (char)(0x80 | (cp >> 12 & 0x3f)));
			str_putc(&all, (char)(0x80 | (cp >> 6 & 0x3f)));
			str_putc(&all, (char)(0x80 | (cp & 0x3f)));
		}
	}
	ok(utf8_valid(all.buf, all.len), "every code point is valid");
	str_put_json(&json, all.buf, all.len);
	for (size_t i = 0; i < json.len; i++)
		controls |= (unsigned char)json.buf[i] < 0x20 || json.buf[i] == 0x7f;
	ok(!controls, "JSON has no control characters");
	parsed = json_loadb(json.buf, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	ok(parsed && json_string_length(parsed) == all.len &&
	   !memcmp(json_string_value(parsed), all.buf, all.len), "a JSON parser reads it back");
	json_decref(parsed);
}

/* No byte may reach a terminal that is a control character there, whatever comes in. */
static void
hostile_bytes(void)
{
	unsigned seed = 12345;
	bool clean = true, text_clean = true, valid = true;

	for (int round = 0; round < 20000; round++) {
		AUTOSTR safe = STR(STR_ANY), text = STR(STR_ANY), json = STR(STR_ANY);
		char in[16];
		size_t n = (size_t)round % sizeof in;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			in[i] = (char)(seed >> 16);
			if (seed >> 30 == 3)	/* more of what almost is UTF-8 */
				in[i] = (char)(i % 2 ? 0x80 | (seed >> 20 & 0x3f) : 0xc2);
		}
		str_put_safe(&safe, in, n);
		str_put_safe_text(&text, in, n);
		str_put_json(&json, in, n);
		for (const unsigned char *p = (unsigned char *)safe.buf; *p; p++)
			clean &= *p >= 0x20 && *p != 0x7f && !(*p == 0xc2 && p[1] < 0xa0);
		for (const unsigned char *p = (unsigned char *)text.buf; *p; p++)
			text_clean &= (*p >= 0x20 || *p == '\n' || *p == '\t') && *p != 0x7f &&
				      !(*p == 0xc2 && p[1] < 0xa0);
		valid &= utf8_valid(safe.buf, safe.len) && utf8_valid(text.buf, text.len) &&
			 utf8_valid(json.buf, json.len);
	}
	ok(clean, "random bytes: nothing a terminal obeys");
	ok(text_clean, "random bytes: the same for text");
	ok(valid, "random bytes: all that comes out is UTF-8");
}

static const struct {
	const char *z;
	int len;
	uint32_t cp;
} sequences[] = {
	{ "A", 1, 0x41 },	     { "\x7f", 1, 0x7f },	   { "\xc2\x80", 2, 0x80 },
	{ "\xdf\xbf", 2, 0x7ff },    { "\xe0\xa0\x80", 3, 0x800 }, { "\xed\x9f\xbf", 3, 0xd7ff },
	{ "\xee\x80\x80", 3, 0xe000 }, { "\xef\xbf\xbf", 3, 0xffff },
	{ "\xf0\x90\x80\x80", 4, 0x10000 }, { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
	/* continuation bytes alone, overlong forms, surrogates, past the end, impossible bytes */
	{ "\x80", 0, 0 },	     { "\xbf", 0, 0 },		   { "\xc0\x80", 0, 0 },
	{ "\xc1\xbf", 0, 0 },	     { "\xe0\x9f\xbf", 0, 0 },	   { "\xf0\x8f\xbf\xbf", 0, 0 },
	{ "\xed\xa0\x80", 0, 0 },    { "\xed\xbf\xbf", 0, 0 },	   { "\xf4\x90\x80\x80", 0, 0 },
	{ "\xf5\x80\x80\x80", 0, 0 }, { "\xfe", 0, 0 },		   { "\xff", 0, 0 },
	{ "\xc3\x28", 0, 0 },	     { "\xe2\x82\x28", 0, 0 },	   { "\xe2\x28\xa1", 0, 0 },
	{ "\xf0\x9f\x98\x28", 0, 0 }, { "\xf8\x88\x80\x80\x80", 0, 0 },
};

static void
utf8(void)
{
	uint32_t cp;

	is_int(utf8_len("", 0, NULL), 0, "nothing is no sequence");
	for (size_t i = 0; i < NELEM(sequences); i++) {
		const char *z = sequences[i].z;

		cp = 0;
		is_int(utf8_len(z, strlen(z), &cp), sequences[i].len, "sequence %zu", i);
		is_int(cp, sequences[i].cp, "sequence %zu: its code point", i);
		for (int cut = 1; cut < sequences[i].len; cut++)
			is_int(utf8_len(z, (size_t)cut, &cp), 0, "sequence %zu cut to %d", i, cut);
	}
	ok(utf8_valid("a\0b", 3), "NUL is valid");
	ok(!utf8_valid("abc\xe2\x82", 5), "a cut sequence at the end is not");
	is_int(utf8_width("abc"), 3, "letters are one wide");
	is_int(utf8_width("日本"), 4, "ideographs are two wide");
	is_int(utf8_width("e\xcc\x81"), 1, "an accent of its own takes no room");
	is_int(utf8_width(""), 0, "nothing takes no room");
}

int
main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		tap_bail("no C.UTF-8");
	growing();
	shell();
	escaping();
	json_round_trip();
	hostile_bytes();
	utf8();
	return tap_done();
}
