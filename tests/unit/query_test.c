/*
 * query_test.c - what a query says, and which lines it finds
 */
#include "catalog/query.h"

#include "tap.h"

static char words_buf[3000];
static char *words[] = { words_buf, NULL };

/* The tsquery of a query, or the error. */
static const char *
parsed(const char *z)
{
	static struct str s = STR(STR_ANY);
	struct query q;
	struct err e = ERR_INIT;

	str_reset(&s);
	snprintf(words_buf, sizeof words_buf, "%s", z);
	if (query_parse(&q, words, &e)) {
		str_putf(&s, "%d: %s", (int)e.kind, e.msg);
		return s.buf;
	}
	query_tsquery(&q, &s);
	query_free(&q);
	return s.buf;
}

/* The lines it finds in a text, best first among those that differ: "3 1". */
static const char *
lines(const char *z, const char *text)
{
	static struct str s = STR(STR_ANY);
	struct query_hits hits = { .n = 0 };
	struct query q;
	struct err e;
	size_t n;

	str_reset(&s);
	snprintf(words_buf, sizeof words_buf, "%s", z);
	if (query_parse(&q, words, &e))
		tap_bail(e.msg);
	n = query_match(&q, text, strlen(text), &hits);
	while (n) {
		size_t best = 0;

		for (size_t i = 1; i < n; i++)
			if (hits.v[i].score > hits.v[best].score)
				best = i;
		str_putf(&s, "%s%d", s.len ? " " : "", hits.v[best].line + 1);
		memmove(&hits.v[best], &hits.v[best + 1], (n - best - 1) * sizeof *hits.v);
		n--;
	}
	free(hits.v);
	query_free(&q);
	return s.buf;
}

static void
syntax(void)
{
	char big[QUERY_BYTES + 2];

	is_str(parsed("foo"), "(('foo'))", "a word");
	is_str(parsed("foo bar"), "(('foo') & ('bar'))", "two");
	is_str(parsed("foo OR bar baz"), "(('foo')) | (('bar') & ('baz'))", "OR binds less");
	is_str(parsed("foo -bar"), "(('foo'))", "what must not be there does not rule out a file");
	is_str(parsed("user_name"), "(('username' | 'user' & 'name'))", "humps, or run together");
	is_str(parsed("getX*"), "(('getx':* | 'get' & 'x':*))", "a prefix");
	is_str(parsed("\"int x\""), "(('int') & ('x'))", "a phrase");
	is_str(parsed("std::string"), "(('std') & ('string'))", "so is what punctuation joins");
	is_str(parsed("it's"), "(('it') & ('s'))", "a quote is punctuation");
	is_str(parsed("foo\"bar\"baz"), "(('foo') & ('bar') & ('baz'))", "a quote ends a word");
	is_str(parsed("-"), "64: there is no word in \"-\"", "a dash alone");
	is_str(parsed("a - b"), "64: there is no word in \"-\"", "also between words");
	is_str(parsed("-foo"), "64: say what to find, not only what to leave out", "only what not");
	is_str(parsed("foo OR -bar"), "64: say what to find, not only what to leave out", "also on one side");
	is_str(parsed("OR foo"), "64: OR needs a word before it", "OR first");
	is_str(parsed("foo OR"), "64: OR needs a word after it", "OR last");
	is_str(parsed("foo OR OR bar"), "64: OR needs a word before it", "OR twice");
	is_str(parsed("ORDER or"), "(('order') & ('or'))", "words that look like it");
	is_str(parsed("\"foo"), "64: a quote is not closed", "an open quote");
	is_str(parsed("\"\""), "64: there is no word in \"\"", "an empty phrase");
	is_str(parsed("->"), "64: there is no word in \"->\"", "punctuation");
	is_str(parsed("\x1b[31m!"), "(('31m'))", "a control character is punctuation");
	is_str(parsed("\x1b"), "64: there is no word in \"\\x1b\"", "and never shown as it is");
	is_str(parsed(""), "64: the query is empty", "nothing");
	is_str(parsed(" \t\n"), "64: the query is empty", "blanks");
	is_str(parsed("\xff"), "64: the query is not UTF-8", "not UTF-8");
	memset(big, 'a', sizeof big);
	big[sizeof big - 1] = '\0';
	is_str(parsed(big), "64: the query is longer than 1000 bytes", "too much");
	for (size_t i = 1; i < sizeof big - 1; i += 2)
		big[i] = ' ';
	is_str(parsed(big), "64: the query is longer than 1000 bytes", "in many words");
	big[QUERY_ITEMS * 2 + 2] = '\0';
	is_str(parsed(big), "64: a query has at most 32 words", "too many words");
	memset(big, 'x', 300);
	big[300] = '\0';
	ok(!strncmp(parsed(big), "(('xxx", 6), "a word longer than any");
}

int
main(void)
{
	static const char text[] = "int user_name;\n"
				   "char *getUserName(int user)\n"
				   "{\n"
				   "\treturn rename(user, 1);\n"
				   "}\n";

	syntax();
	is_str(lines("user_name", text), "1 2", "however it is written, the whole one first");
	is_str(lines("UserName", text), "1 2", "the other way round");
	is_str(lines("name", text), "1 2", "a hump, but not the end of a word");
	is_str(lines("user int", text), "2 1 4", "the line with most of the words first");
	is_str(lines("user nothing", text), "", "all words must be there");
	is_str(lines("nothing OR rename", text), "4", "or one of two");
	is_str(lines("user -rename", text), "", "and none that must not");
	is_str(lines("user -nothing", text), "2 4 1", "which is not there");
	is_str(lines("user OR x -nothing", text), "2 4 1", "it rules out its own side only");
	is_str(lines("\"int user\"", text), "1 2", "a phrase");
	is_str(lines("\"user int\"", text), "", "in order");
	is_str(lines("\"name char\"", text), "1", "also over the end of a line");
	is_str(lines("ren*", text), "4", "a prefix");
	is_str(lines("RETURN", text), "4", "case does not matter");
	is_str(lines("a", ""), "", "an empty text has no lines");
	is_str(lines("a", "a"), "1", "a text without a newline has one");
	return tap_done();
}
