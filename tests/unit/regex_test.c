/*
 * regex_test.c - an expression never asks for what a match need not have
 *
 * What PostgreSQL calls an ARE agrees with POSIX on the parts used for the random
 * expressions here, so that regexec(3) can say what matches.
 */
#include "catalog/regex.h"

#include <regex.h>

#include "catalog/words.h"
#include "str.h"
#include "tap.h"

/* "foo|bar & baz = literal" */
static const char *
needs(const char *re)
{
	static struct str s = STR(STR_ANY);
	struct regex_needs n;

	str_reset(&s);
	regex_needs(re, &n);
	for (int i = 0; i < n.nclauses; i++)
		for (int k = 0; k < n.clause[i].n; k++)
			str_putf(&s, "%s%s", k ? "|" : i ? " & " : "", n.clause[i].v[k]);
	if (*n.literal)
		str_putf(&s, " = %s", n.literal);
	return s.buf;
}

static void
random_regex(struct str *s, unsigned *seed, int depth)
{
	static const char *const atoms[] = {
		"a", "b", "ab", "abc", "_", "cab", "B", ".", "[ab]", "[^a]", "bac_", "Ca", "(", "[A-C]",
		"acb",
	};
	static const char *const after[] = { "", "", "", "", "?", "*", "+", "{2}", "{0,1}" };
	int n = 1 + rand_r(seed) % 5;

	for (int i = 0; i < n; i++) {
		const char *atom = atoms[(size_t)rand_r(seed) % NELEM(atoms)];

		if (*atom == '(' && depth < 3) {
			str_putc(s, '(');
			random_regex(s, seed, depth + 1);
			str_putc(s, ')');
		} else {
			str_puts(s, *atom == '(' ? "c" : atom);
		}
		str_puts(s, after[(size_t)rand_r(seed) % NELEM(after)]);
		if (rand_r(seed) % 8 == 0)
			str_putc(s, '|');
	}
	/* an empty branch is no POSIX */
	if (s->len && s->buf[s->len - 1] == '|')
		str_putc(s, 'b');
}

/* Whether a text whose words are in the list has what a match needs. */
static bool
fulfils(const struct regex_needs *n, const char *text, const char *list)
{
	for (int i = 0; i < n->nclauses; i++) {
		bool any = false;

		for (int k = 0; k < n->clause[i].n; k++)
			any |= strstr(list, n->clause[i].v[k]) != NULL;
		if (!any)
			return false;
	}
	return strstr(text, n->literal) != NULL;
}

static void
against_regexec(void)
{
	static const char letters[] = "aabbccAB_ c";
	unsigned seed = 7;
	int matched = 0, narrowed = 0, wrong = 0;

	for (int round = 0; round < 4000; round++) {
		struct str re = STR(1000);
		struct regex_needs n;
		regex_t posix;

		random_regex(&re, &seed, 0);
		if (regcomp(&posix, re.buf, REG_EXTENDED | REG_NOSUB)) {
			str_free(&re);
			continue;
		}
		regex_needs(re.buf, &n);
		narrowed += n.nclauses > 0;
		for (int t = 0; t < 30; t++) {
			struct words w = WORDS(1000);
			char text[40];
			size_t len = (size_t)rand_r(&seed) % (sizeof text - 1);

			for (size_t i = 0; i < len; i++)
				text[i] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
			text[len] = '\0';
			words_add(&w, text, len);
			if (regexec(&posix, text, 0, NULL, 0) == 0) {
				matched++;
				if (!fulfils(&n, text, words_list(&w)) && !wrong++)
					printf("# /%s/ matches \"%s\" but needs %s\n", re.buf, text, needs(re.buf));
			}
			words_free(&w);
		}
		regfree(&posix);
		str_free(&re);
	}
	printf("# %d matches, %d expressions with clauses\n", matched, narrowed);
	ok(matched > 10000 && narrowed > 500, "random expressions match and have clauses");
	is_int(wrong, 0, "and none misses what it matches");
}

static void
strange_ones(void)
{
	static const char *const odd[] = {
		"", "(", ")", "[", "[]", "[^]", "a)b", "(abc", "\\", "abc\\", "*", "+abc", "abc{", "abc{1",
		"a{99999999999}", "[[:alpha:", "[[.", "(?", "(?#comment)abc", "(?x) a b c", "(?q)a.c",
		"***=a.c", "***:abc", "(?e)abc", "abc\\x41", "(abc)\\1", "\\u00e9abc", "abc\\cXdef", "[a",
		"abc|", "|abc", "((((((((((((((((((((((((((((((((((((((((((((((((abc", "a**", "\\0abc",
	};
	char deep[3000];
	struct regex_needs n;

	for (size_t i = 0; i < NELEM(odd); i++) {
		regex_needs(odd[i], &n);
		if (n.nclauses && strcmp(odd[i], "abc{") != 0)
			ok(false, "\"%s\" gives no clause: %s", odd[i], needs(odd[i]));
	}
	memset(deep, '(', sizeof deep);
	deep[sizeof deep - 1] = '\0';
	regex_needs(deep, &n);
	is_int(n.nclauses, 0, "what is not understood gives no clause");
}

int
main(void)
{
	is_str(needs("hello"), "hello = hello", "a word is its own clause");
	is_str(needs("Hello"), "hello = Hello", "folded, but the literal is not");
	is_str(needs("ab"), " = ab", "two letters are no clause");
	is_str(needs("foo_bar"), "foo  &  bar = foo_bar", "words end at underscores");
	is_str(needs("std::vector<int>"), " vector  &  int  & std  = std::vector<int>",
	       "and at other characters");
	is_str(needs("foo|bar"), "foo|bar", "one of two");
	is_str(needs("foo|b"), "", "unless one is too short");
	is_str(needs("colou?r"), "colour|color", "an optional character is there or not");
	is_str(needs("[Ff]oo(Bar|Baz)"), "foobar|foobaz", "parts are multiplied out");
	is_str(needs("[a-z]oops"), "oops = oops", "a range is any character");
	is_str(needs("foo.*bar"), "foo & bar = foo", "what is unknown parts clauses");
	is_str(needs("fo+bar"), "obar = obar", "what may repeat stands at least once");
	is_str(needs("foo(bar)*baz"), "foo & baz = foo", "what may be missing is not asked for");
	is_str(needs("(?i)HELLO"), "hello", "without case there is no literal");
	is_str(needs("\\mword\\M"), "word = word", "places have no characters");
	is_str(needs("foo\\.bar"), needs("foo[.]bar"), "an escaped character is itself");
	is_str(needs("(?=foo)quux"), "quux = quux", "what stands ahead is not asked for");
	is_str(needs("(?<!foo)quux"), "quux = quux", "nor what does not stand behind");
	is_str(needs("caf\xc3\xa9tale"), "tale & caf = tale", "beyond ASCII nothing is asked for");
	is_str(needs("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	       "a clause is no longer than words overlap");
	strange_ones();
	against_regexec();
	return tap_done();
}
