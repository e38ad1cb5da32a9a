/*
 * synth_regex_test.c - what is made from a regular expression matches it
 *
 * The C library's own expressions judge: these are written so that they mean the same.
 */
#include <regex.h>

#include "synth_regex.h"
#include "tap.h"

static void
test_matches(void)
{
	static const char *const res[] = {
		"^[0-9a-f]{40}$", "^([0-9a-f]{40}|[0-9a-f]{64})$", "^[0-9]{4}-Q[1-4]$", "^\"?/",
		"^[[:alnum:]_][[:alnum:]_.:/@+-]*$", "a+b*c?", "^(ab|cd){2,3}x$", "^a{0}b$", "[^a-z]",
		"^[]x]$", "^\\.\\*$", "^a.c$", "", "^(((a|b)|c)|d)+$", "x|y|", "^[a-c-]+$", "^(a?){3}$",
	};

	for (size_t i = 0; i < NELEM(res); i++) {
		int bad = 0;
		regex_t re;

		if (regcomp(&re, res[i], REG_EXTENDED | REG_NOSUB))
			tap_bail(res[i]);
		for (uint32_t seed = 0; seed < 200; seed++) {
			AUTOSTR s = STR(10000);

			if (!synth_regex(&s, res[i], seed) || regexec(&re, s.buf, 0, NULL, 0))
				bad++;
		}
		regfree(&re);
		is_int(bad, 0, "all that is made matches %s", res[i]);
	}
}

static void
test_escapes(void)
{
	AUTOSTR s = STR(100);

	ok(synth_regex(&s, "^\\d\\d\\w$", 1) && s.len == 3 && s.buf[0] >= '0' && s.buf[0] <= '9',
	   "classes by letter");
}

static void
test_differs(void)
{
	AUTOSTR a = STR(100), b = STR(100);

	ok(synth_regex(&a, "^[a-z]{20}$", 1) && synth_regex(&b, "^[a-z]{20}$", 2) && strcmp(a.buf, b.buf) != 0,
	   "another seed makes another string");
}

static void
test_unknown(void)
{
	static const char *const res[] = {
		"(?=a)b", "(a)\\1", "[[.a.]]", "***:a", "(a", "a)", "[a", "[[:what:]]", "a{3", "a{5,2}", "\\y",
		"((((((((((((a))))))))))))", "\\", "[\\", "[a-",
	};

	for (size_t i = 0; i < NELEM(res); i++) {
		AUTOSTR s = STR(100);

		str_puts(&s, "kept");
		ok(!synth_regex(&s, res[i], 1) && !strcmp(s.buf, "kept"), "not known: %s", res[i]);
	}
}

int
main(void)
{
	test_matches();
	test_escapes();
	test_differs();
	test_unknown();
	return tap_done();
}
