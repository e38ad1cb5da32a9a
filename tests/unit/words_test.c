/*
 * words_test.c - identifiers are taken apart where people see their parts
 */
#include "catalog/words.h"

#include "tap.h"

static const char *
list_of(const char *z)
{
	static struct str s = STR(STR_ANY);
	struct words w = WORDS(1000);

	words_add(&w, z, strlen(z));
	str_reset(&s);
	str_puts(&s, words_list(&w));
	words_free(&w);
	return s.buf;
}

static int
matches(const char *ident, const char *z, int how)
{
	struct ident id;
	size_t pos = 0;

	if (!ident_next(ident, strlen(ident), &pos, &id))
		tap_bail("no identifier");
	return ident_matches(&id, z, strlen(z), how);
}

/* The promise words.h makes to a search, for a text. */
static bool
promise_holds(const char *text, size_t n)
{
	struct words w = WORDS(1 << 20);
	const char *list;
	bool good = true;

	words_add(&w, text, n);
	list = words_list(&w);
	for (size_t from = 0; from < n; from++) {
		for (size_t len = 1; len <= WORD_OVERLAP && from + len <= n; len++) {
			char z[WORD_OVERLAP + 3];
			size_t k = 0;

			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
				    text[from + len - 1]))
				break;
			/* with the space that stands where a word begins, ends */
			if (from == 0 || strchr("_ (", text[from - 1]))
				z[k++] = ' ';
			for (size_t i = 0; i < len; i++)
				z[k++] = (char)(text[from + i] | (text[from + i] < 'a' && text[from + i] > '9' ? 0x20 : 0));
			if (from + len == n || strchr("_ (", text[from + len]))
				z[k++] = ' ';
			z[k] = '\0';
			if (!strstr(list, z)) {
				if (good)
					printf("# \"%s\" is missing\n", z);
				good = false;
			}
		}
	}
	words_free(&w);
	return good;
}

static void
promises(void)
{
	static const char letters[] = "abAB09__ (\xc3\xa9";
	char text[700];
	unsigned seed = 1;
	bool good = true;

	for (int round = 0; round < 60; round++) {
		/* few kinds of characters make short words, many of one kind long ones */
		int variety = round % 11 + 1;
		size_t n = 0;

		while (n < sizeof text) {
			int pick = rand_r(&seed) % (round < 50 ? variety : 4);

			if (pick == 10 && n + 2 <= sizeof text)
				text[n++] = letters[10];
			text[n++] = letters[pick == 10 ? 11 : pick];
			if (text[n - 1] == '\xa9' && (n < 2 || text[n - 2] != '\xc3'))
				text[n - 1] = 'z';
		}
		good &= promise_holds(text, n);
	}
	ok(good, "all that stands together stands together in the list");
}

static void
limits(void)
{
	struct words w = WORDS(40);
	char longest[2000];
	static const char many[] = "alpha beta gamma delta epsilon zeta eta theta iota kappa";
	struct ident id;
	size_t pos = 0;

	words_add(&w, many, sizeof many - 1);
	ok(w.partial, "a list that is full says so");
	ok(strlen(words_list(&w)) <= 40, "and keeps to its limit");
	words_reset(&w);
	words_add(&w, "x", 1);
	ok(!w.partial, "a new one begins anew");
	is_str(words_list(&w), " x ", "with nothing of the old one");
	words_reset(&w);
	words_free(&w);

	memset(longest, 'a', sizeof longest);
	while (ident_next(longest, sizeof longest, &pos, &id))
		if (id.len > IDENT_MAX)
			tap_bail("too long");
	is_int(pos, sizeof longest, "a long identifier comes to an end");
	memset(longest, '_', sizeof longest);
	pos = 0;
	ok(!ident_next(longest, sizeof longest, &pos, &id), "underscores alone are none");
	pos = 0;
	ok(!ident_next("\xe2\x80\x94 \xc2\xbb (+)", 11, &pos, &id), "nor is punctuation beyond ASCII");
}

int
main(void)
{
	is_str(list_of(""), " ", "nothing has no words");
	is_str(list_of("foo_bar"), " foo bar ", "underscores part words");
	is_str(list_of("getUserName2"), " get user name2 getusername2 ", "so do humps");
	is_str(list_of("HTTPServer"), " http server httpserver ", "the last capital begins the next");
	is_str(list_of("X86Target sha256sum"), " x86 target x86target sha256sum ", "digits end no hump");
	is_str(list_of("MAX_SIZE max_size"), " max size ", "each word once, case folded");
	is_str(list_of("__init__ _x"), " init x ", "underscores around do not count");
	is_str(list_of("0xDEAD 42"), " 0x dead 0xdead 42 ", "numbers are words");
	is_str(list_of("Gr\xc3\xb6\xc3\x9f" "e \xc3\x84pfel \xc3\xa4pfel"),
	       " gr\xc3\xb6\xc3\x9f" "e \xc3\xa4pfel ", "letters beyond ASCII fold");
	is_str(list_of("\xd0\x9f\xd0\xa0\xd0\x98 \xce\xa9"), " \xd0\xbf\xd1\x80\xd0\xb8 \xcf\x89 ",
	       "also Cyrillic and Greek ones");
	is_str(list_of("a->b\xe2\x80\xa6" "c\xc2\xa0" "d"), " a b c d ", "what is no letter parts words");

	is_int(matches("user_name", "username", 0), 2, "the whole, however it is written");
	is_int(matches("UserName", "username", 0), 2, "in any case");
	is_int(matches("getUserName", "username", 0), 1, "a part at humps");
	is_int(matches("user_names", "username", 0), 0, "not a part that ends within a hump");
	is_int(matches("rename", "name", 0), 0, "nor one that begins within");
	is_int(matches("user_names", "username", MATCH_PREFIX), 1, "a prefix need not end");
	is_int(matches("rename", "name", MATCH_PREFIX), 0, "but must begin");
	is_int(matches("a_bb_b", "b", 0), 1, "the right one of several is found");
	is_int(matches("x", "xy", 0), 0, "nothing longer matches");
	is_int(matches("a_b_a", "a", MATCH_FIRST), 1, "at the beginning");
	is_int(matches("b_a", "a", MATCH_FIRST), 0, "not after it");
	is_int(matches("a_b_a", "a", MATCH_LAST), 1, "at the end");
	is_int(matches("a_b", "a", MATCH_LAST), 0, "not before it");
	promises();
	limits();
	return tap_done();
}
