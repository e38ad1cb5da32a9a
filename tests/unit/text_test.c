/*
 * text_test.c - what files hold and are called becomes text that PostgreSQL takes
 */
#include "catalog/text.h"

#include "tap.h"

static const char *
decoded(const char *p, size_t n)
{
	static struct str hold = STR(STR_ANY), out = STR(STR_ANY);
	size_t len;
	const char *z = text_decode(&hold, p, n, &len);

	str_reset(&out);
	str_add(&out, z, len);
	return out.buf;
}

#define DECODED(literal) decoded(literal, sizeof(literal) - 1)

static const char *
path(const char *z)
{
	static struct str s = STR(STR_ANY);

	str_reset(&s);
	text_put_path(&s, z);
	return s.buf;
}

static void
every_byte(void)
{
	struct str hold = STR(STR_ANY);
	bool good = true, no_nul = true;
	char buf[300];

	/* each byte at each place of a machine word, among plain and high neighbours */
	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < 24; at++) {
			for (int around = 0; around < 2; around++) {
				size_t len;
				const char *z;

				memset(buf, around ? 0xc3 : 'x', 24);
				buf[at] = (char)c;
				z = text_decode(&hold, buf, 24, &len);
				good &= utf8_valid(z, len);
				no_nul &= !memchr(z, 0, len);
			}
		}
	}
	ok(good, "whatever the bytes, UTF-8 comes out");
	ok(no_nul, "and no NUL");
	str_free(&hold);
}

static void
sniffing(void)
{
	char *big = xcalloc(1, 20000);

	memset(big, 'x', 20000);
	ok(!text_is_binary("", 0), "nothing is not binary");
	ok(!text_is_binary(big, 20000), "letters are not binary");
	big[7999] = '\0';
	ok(text_is_binary(big, 20000), "a NUL among the first 8,000 bytes is");
	big[7999] = 'x';
	big[8000] = '\0';
	ok(!text_is_binary(big, 20000), "one after them is not");
	free(big);
}

int
main(void)
{
	struct str hold = STR(STR_ANY);
	static const char plain[] = "int main(void)\n{\n\treturn 0; /* gr\xc3\xbc\xc3\x9f */\n}\n";
	size_t len;

	ok(text_decode(&hold, plain, sizeof plain - 1, &len) == plain, "UTF-8 is not copied");
	is_int(len, sizeof plain - 1, "and is whole");
	is_str(DECODED("\xef\xbb\xbfx"), "x", "a byte order mark is dropped");
	is_str(DECODED("\xef\xbb\xbf"), "", "also alone");
	is_str(DECODED("na\xefve caf\xe9"), "na\xc3\xafve caf\xc3\xa9", "Latin-1 is read");
	is_str(DECODED("\x93quoted\x94 \x80 5"), "\xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x82\xac 5",
	       "Windows-1252 is read");
	is_str(DECODED("\x81"), "\xc2\x81", "what that does not define is Latin-1");
	is_str(DECODED("\xc3\xbc and \xfc"), "\xc3\xbc and \xc3\xbc", "both in one file");
	is_str(DECODED("a\0b"), "a\xef\xbf\xbd" "b", "NUL is replaced");
	is_str(DECODED("\xed\xa0\x80"), "\xc3\xad\xc2\xa0\xe2\x82\xac", "a surrogate is no UTF-8");
	every_byte();
	sniffing();

	is_str(path("src/main.c"), "src/main.c", "a plain name stays");
	is_str(path("gr\xc3\xbc\xc3\x9f\n.c"), "gr\xc3\xbc\xc3\x9f\n.c", "so does UTF-8, whatever it is");
	is_str(path("caf\xe9.c"), "\"caf\\351.c\"", "what is not UTF-8 is quoted as git does");
	is_str(path("\"x\""), "\"\\\"x\\\"\"", "so is what could be taken for quoted");
	is_str(path("\xff\t\n\\\"\x01\x7f"), "\"\\377\\t\\n\\\\\\\"\\001\\177\"", "with git's escapes");
	str_free(&hold);
	return tap_done();
}
