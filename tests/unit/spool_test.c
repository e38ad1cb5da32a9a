/*
 * spool_test - whatever a job writes, its beginning and its end are kept, in bounded memory
 */
#include "spool.h"

#include "tap.h"

static struct spool s = SPOOL_INIT;

static void
add(int stream, const char *z)
{
	spool_add(&s, stream, z, strlen(z));
}

static void
pieces(void)
{
	add(1, "a");
	add(1, "b");
	add(2, "x");
	add(1, "c");
	if (s.npieces != 3)
		tap_bail("a piece ends when the other stream writes");
	ok(s.pieces[0].n == 1 && s.pieces[1].n == 2 && s.pieces[2].n == 3,
	   "pieces are numbered");
	ok(s.pieces[1].stream == 2, "a piece knows its stream");
	ok(s.pieces[0].len == 2 && !memcmp(s.pieces[0].data, "ab", 2),
	   "what comes together is one piece");
	is_int(spool_ready(&s), 4, "bytes that are ready");
	spool_end(&s);
	is_int(s.npieces, 3, "the end adds nothing that is not there");
	spool_free(&s);
	is_int(s.npieces, 0, "nothing is left when freed");
	spool_free(&s);
}

static void
calls(void)
{
	add(1, "one");
	s.pieces[0].call = 1;
	is_int(spool_ready(&s), 0, "what is on its way is not ready");
	add(1, "two");
	is_int(s.npieces, 2, "a piece on its way does not grow");
	is_int(spool_unsent(&s), 1, "the second is the first to send");
	s.pieces[1].call = 2;
	spool_stored(&s, 1);
	ok(s.npieces == 1 && s.pieces[0].n == 2,
	   "what is stored goes, by the number of its call");
	spool_resend(&s);
	is_int(spool_unsent(&s), 0, "what may be lost is sent again");
	is_int(s.pieces[0].n, 2, "under the same number");
	add(1, "three");
	ok(s.npieces == 2 && s.pieces[0].len == 3,
	   "and as it was: it may be stored under that number");
	add(1, "four");
	ok(s.npieces == 2 && s.pieces[1].len == 9, "the next one grows");
	spool_resend(&s);
	add(1, "five");
	ok(s.npieces == 2 && s.pieces[1].len == 13, "also when what it did not carry is lost");
	spool_stored(&s, 99);
	is_int(s.npieces, 2, "what was not sent is not stored");
	spool_free(&s);
}

/* A byte of stream n at a position that is found again. */
static char
pattern(int stream, size_t i)
{
	return (char)('A' + (i * 7 + i / 251 + (size_t)stream * 13) % 57);
}

static void
write_pattern(int stream, size_t *at, size_t n)
{
	char buf[100000];

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(stream, *at + i);
	spool_add(&s, stream, buf, n);
	*at += n;
}

/* Whether the pieces, with what they say was dropped, are exactly what was written. */
static bool
complete(int stream, size_t total)
{
	size_t at = 0;

	for (size_t i = 0; i < s.npieces; i++) {
		const struct piece *p = &s.pieces[i];

		if (p->stream != stream)
			continue;
		at += (size_t)p->dropped;
		for (size_t k = 0; k < p->len; k++)
			if (p->data[k] != pattern(stream, at++))
				return false;
	}
	return at == total;
}

static size_t
kept(void)
{
	size_t n = 0;

	for (size_t i = 0; i < s.npieces; i++)
		n += s.pieces[i].len;
	return n;
}

static void
amounts(void)
{
	static const size_t sizes[] = {1,
				       SPOOL_PIECE - 1,
				       SPOOL_PIECE,
				       SPOOL_PIECE + 1,
				       SPOOL_HEAD - SPOOL_COST,
				       SPOOL_HEAD,
				       SPOOL_HEAD + 1,
				       SPOOL_HEAD + SPOOL_TAIL,
				       SPOOL_HEAD + SPOOL_TAIL + 1,
				       1000000};
	static const size_t portions[] = { 1, 7, 4096, 65536, 100000 };

	for (size_t i = 0; i < NELEM(sizes); i++) {
		for (size_t k = 0; k < NELEM(portions); k++) {
			size_t out = 0;

			while (out < sizes[i])
				write_pattern(1, &out,
					      sizes[i] - out < portions[k] ? sizes[i] - out
									   : portions[k]);
			spool_end(&s);
			ok(complete(1, out), "%zu bytes in portions of %zu", sizes[i],
			   portions[k]);
			ok(kept() <= SPOOL_HEAD + SPOOL_TAIL,
			   "no more than head and tail are kept");
			is_int(s.held, kept(), "and what is held is known");
			spool_free(&s);
		}
	}
}

static void
mixed(void)
{
	size_t out = 0, err = 0;
	unsigned seed = 42;
	bool good = true;

	for (int round = 0; round < 60; round++) {
		out = err = 0;
		for (int i = 0; i < 200; i++) {
			seed = seed * 1103515245 + 12345;
			write_pattern(1 + (seed >> 16) % 2, (seed >> 16) % 2 ? &err : &out,
				      (seed >> 17) % 9000);
			if (i % 50 == 49) {	/* half of it is stored meanwhile */
				for (size_t k = 0; k < s.npieces / 2; k++)
					s.pieces[k].call = 1;
			}
		}
		spool_end(&s);
		good = good && complete(1, out) && complete(2, err);
		spool_free(&s);
	}
	ok(good, "both streams are complete however they mix");
}

/* The most expensive way to write: each byte would be a piece. */
static void
tiny(void)
{
	size_t out = 0, err = 0, memory = 0;

	for (int i = 0; i < 300000; i++) {
		write_pattern(1, &out, 1);
		write_pattern(2, &err, 1);
	}
	spool_end(&s);
	for (size_t i = 0; i < s.npieces; i++)
		memory += s.pieces[i].cap + sizeof s.pieces[i];
	ok(s.npieces <= SPOOL_HEAD / SPOOL_COST + 2, "%zu pieces for single bytes in turn",
	   s.npieces);
	ok(memory < (size_t)1 << 20, "%zu bytes of memory for them", memory);
	ok(complete(1, out) && complete(2, err), "and still complete");
	spool_free(&s);
}

static void
last_line(const char *written, const char *want, const char *what)
{
	add(2, written);
	is_str(spool_last_line(&s), want, "the last line: %s", what);
	spool_free(&s);
}

static void
last_lines(void)
{
	char longest[2000] = { 0 };
	const char *line;

	last_line("", "", "nothing");
	last_line("\n\n", "", "only newlines");
	last_line("one\ntwo", "two", "without a newline");
	last_line("one\ntwo\n", "two", "with one");
	last_line("one\ntwo\n\n \t\n", "two", "not a blank one");
	last_line("  indented\n", "  indented", "the first keeps its indent");
	last_line("Traceback\n  File x\n", "File x", "later ones are trimmed");
	last_line("10%\r50%\r100%\nfailed\n", "failed", "after a progress bar");
	last_line("10%\r50%\r100%\r", "100%", "a progress bar's last state");
	last_line("a\x01\x1b[31mred\x7f", "a[31mred\x7f", "without control characters");
	last_line("bad \xff\xc3 byte", "bad \xef\xbf\xbd\xef\xbf\xbd byte", "as valid UTF-8");
	spool_add(&s, 2, "nul\0byte\n", 9);
	is_str(spool_last_line(&s), "nulbyte", "the last line: without NUL");
	spool_free(&s);
	add(2, "a\nb");
	add(2, "c\n");
	add(1, "stdout\n");
	is_str(spool_last_line(&s), "bc", "the last line: of stderr, in portions");
	spool_free(&s);
	longest[0] = '!';
	for (int i = 0; i < 501; i++)
		longest[1 + i] = "\xe2\x82\xac"[i % 3];
	add(2, longest);
	line = spool_last_line(&s);
	ok(utf8_valid(line, strlen(line)) && strlen(line) <= SPOOL_LINE &&
		   !strstr(line, "\xef\xbf\xbd"),
	   "a long line is cut between two characters");
	spool_free(&s);
}

int
main(void)
{
	pieces();
	calls();
	amounts();
	mixed();
	tiny();
	last_lines();
	return tap_done();
}
