/*
 * redraw_test.c - a text is cut at the terminal's edge, never inside a character
 */
#include "redraw.h"

#include <locale.h>

#include "tap.h"

static const char *
fitted(const char *z, size_t columns, size_t *used)
{
	static struct str s = STR(STR_ANY);

	str_reset(&s);
	str_add(&s, z, redraw_fit(z, strlen(z), columns, used));
	return s.buf;
}

static const char *
drawn(const char *z, int rows, int columns)
{
	static struct str s = STR(STR_ANY);

	str_reset(&s);
	redraw(&s, z, strlen(z), rows, columns);
	return s.buf;
}

int
main(void)
{
	size_t used;

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		tap_bail("there is no locale C.UTF-8");

	is_str(fitted("abc", 5, &used), "abc", "what fits is left as it is");
	is_int((int64_t)used, 3, "and its columns are counted");
	is_str(fitted("abcdef", 3, &used), "abc", "what does not is cut");
	is_str(fitted("größe", 3, &used), "grö", "a character of two bytes is one column");
	is_str(fitted("日本語", 4, &used), "日本", "a wide one is two");
	is_str(fitted("日本語", 5, &used), "日本", "and is not cut in two");
	is_int((int64_t)used, 4, "what is left of the line is known");
	is_str(fitted("e\xcc\x81xy", 1, &used), "e\xcc\x81", "an accent stays with its letter");
	is_str(fitted("\033[1mab\033[0m", 2, &used), "\033[1mab\033[0m", "a colour takes no column");
	is_str(fitted("\xff\xfe", 1, NULL), "\xff", "a byte that is no character is a column");
	is_str(fitted("", 0, &used), "", "nothing fits into nothing");

	is_str(drawn("one\ntwo\n", 24, 80), "\033[Hone\033[K\ntwo\033[K\n\033[J",
	       "lines are drawn over what was there, and the rest is wiped");
	is_str(drawn("", 24, 80), "\033[H\033[J", "of nothing, nothing is left");
	is_str(drawn("one\ntwo\nthree\n", 3, 80), "\033[Hone\033[K\ntwo\033[K\n\033[J",
	       "the screen does not scroll");
	is_str(drawn("abc\n", 24, 3), "\033[Habc\n\033[J", "a full line is not wiped at its end");
	is_str(drawn("\033[1mabcd\033[0m\n", 24, 3), "\033[H\033[1mabc\033[m\n\033[J",
	       "a colour ends where the line is cut");
	is_str(drawn("no newline", 24, 80), "\033[Hno newline\033[K\n\033[J",
	       "the last line needs no newline");
	return tap_done();
}
