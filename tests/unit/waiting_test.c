/*
 * waiting_test - what a wrapper exits with, and what it says
 */
#include "waiting.h"

#include <unistd.h>

#include "sink.h"
#include "tap.h"

static void
codes(void)
{
	static const struct {
		const char *status, *outcome;
		int exit_code, signal, want;
	} v[] = {
		{ "completed", "ok", 0, -1, 0 },	 { "completed", NULL, -1, -1, 0 },
		{ "failed", "exit", 3, -1, 3 },		 { "failed", "exit", 255, -1, 255 },
		{ "failed", "exit", 0, -1, 1 },		 { "failed", "exit", 256, -1, 1 },
		{ "failed", "exit", 258, -1, 2 },	 { "failed", "exit", -1, -1, 1 },
		{ "failed", "permanent", 65, -1, 65 },	 { "failed", "tempfail", 75, -1, 75 },
		{ "failed", "signal", -1, 9, 137 },	 { "failed", "signal", -1, -1, 1 },
		{ "failed", "timeout", -1, 15, 124 },	 { "failed", "not_found", 127, -1, 127 },
		{ "failed", "not_executable", -1, -1, 126 }, { "failed", "worker_lost", -1, -1, 125 },
		{ "failed", NULL, -1, -1, 1 },		 { "cancelled", "cancelled", -1, 15, 1 },
		{ "cancelled", "dependency", -1, -1, 1 }, { "cancelled", NULL, -1, -1, 1 },
	};

	for (size_t i = 0; i < NELEM(v); i++) {
		struct wait_end end = {
			.status = v[i].status, .outcome = v[i].outcome, .exit_code = v[i].exit_code,
			.signal = v[i].signal
		};

		is_int(wait_code(&end), v[i].want, "%s, %s", v[i].status, v[i].outcome ? v[i].outcome : "-");
	}
}

static void
words(void)
{
	struct wait_end end = { .status = "failed", .outcome = "exit", .exit_code = 3, .signal = -1 };
	AUTOSTR s = STR(STR_ANY);

	wait_end_json(&s, &end);
	is_str(s.buf, "{\"v\":1,\"id\":\"00000000-0000-0000-0000-000000000000\",\"status\":\"failed\","
		      "\"outcome\":\"exit\",\"exit_code\":3,\"signal\":null,\"error_message\":null}", "as JSON");
	str_reset(&s);
	wait_end_text(&s, &end);
	is_str(s.buf, "job 00000000-0000-0000-0000-000000000000 failed: exit status 3", "in words");
	str_reset(&s);
	end = (struct wait_end){ .status = "cancelled", .exit_code = -1, .signal = -1, .error_message = "why" };
	wait_end_text(&s, &end);
	is_str(s.buf, "job 00000000-0000-0000-0000-000000000000 was cancelled: why", "with a reason");
}

static void
own_errors(void)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, ERR_SOFTWARE, "oops");
	memcpy(e.sqlstate, "XX000", 6);
	wait_wrap_error(&e);
	is_int((int)e.kind, 125, "a wrapper's own error");
	is_str(e.msg, "oops (SQLSTATE XX000)", "keeps its SQLSTATE");
}

/* What came out of a sink that takes the file for a terminal. */
static void
pieces(bool terminal, const char *const *v, const char *want)
{
	FILE *f = tmpfile();
	char got[200] = "";
	struct sink s;
	AUTOSTR all = STR(STR_ANY);

	if (!f)
		tap_bail("tmpfile");
	sink_open(&s, f);
	ok(!s.terminal, "a file is no terminal");
	s.terminal = terminal;
	for (; *v; v++) {
		sink_put(&s, *v, strlen(*v));
		str_puts(&all, *v);
	}
	sink_close(&s);
	rewind(f);
	got[fread(got, 1, sizeof got - 1, f)] = '\0';
	is_str(got, terminal ? want : all.buf, "pieces");
	fclose(f);
}

#define PIECES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
sinks(void)
{
	for (int t = 0; t < 2; t++) {
		pieces(t, PIECES("a\tb\n", "\033[1m\r"), "a\tb\n\\x1b[1m\\r");
		pieces(t, PIECES("\xe2", "\x82", "\xac!"), "\xe2\x82\xac!");
		pieces(t, PIECES("x\xf0\x9f\x98", "\x80"), "x\xf0\x9f\x98\x80");
		pieces(t, PIECES("\xc3", "\xc3\xa9"), "\\xc3\xc3\xa9");
		pieces(t, PIECES("\xe2\x82"), "\\xe2\\x82");
		pieces(t, PIECES("\xff\xfe", "\x80\x80\x80\x80"), "\\xff\\xfe\\x80\\x80\\x80\\x80");
		pieces(t, PIECES("\xc2", "\x9b"), "\\u009b");
	}
}

int
main(void)
{
	codes();
	words();
	own_errors();
	sinks();
	return tap_done();
}
