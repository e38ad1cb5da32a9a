/*
 * jobargs_test - words into JSON, and lines into its holes
 */
#include "jobargs.h"

#include "tap.h"

static void
pairs(const char *const *words, bool holes, const char *line, const char *want)
{
	struct jobargs a = JOBARGS_INIT;
	struct err e = ERR_INIT;
	AUTOSTR out = STR(STR_ANY);
	struct json_scan scan = JSON_SCAN_INIT;

	if (jobargs_pairs(&a, (char *const *)(uintptr_t)words, holes, &e)) {
		str_putf(&out, "%d %s", (int)e.kind, e.msg);
	} else {
		jobargs_fill(&a, line, strlen(line), &out);
		is_int(json_scan_object(&scan, out.buf, out.len, &e), 0, "it is JSON");
	}
	is_str(out.buf, want, "%s", words[0] ? words[0] : "no words");
	json_scan_free(&scan);
	jobargs_free(&a);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
all_pairs(void)
{
	pairs(WORDS(NULL), false, "", "{}");
	pairs(WORDS("a=b"), false, "", "{\"a\":\"b\"}");
	pairs(WORDS("a="), false, "", "{\"a\":\"\"}");
	pairs(WORDS("a=b=c:=d", "e f=\"\\\n"), false, "", "{\"a\":\"b=c:=d\",\"e f\":\"\\\"\\\\\\n\"}");
	pairs(WORDS("a:=1.50", "b:= [ ] "), false, "", "{\"a\":1.50,\"b\": [ ] }");
	pairs(WORDS("a={}"), false, "x", "{\"a\":\"{}\"}");
	pairs(WORDS("a={}"), true, "x\"y", "{\"a\":\"x\\\"y\"}");
	pairs(WORDS("a=<{}|{}>", "b={"), true, "x", "{\"a\":\"<x|x>\",\"b\":\"{\"}");
	pairs(WORDS("a={{}}"), true, "x", "{\"a\":\"{x}\"}");
	pairs(WORDS("a:={}"), true, "x", "{\"a\":{},\"line\":\"x\"}");
	pairs(WORDS(NULL), true, "", "{\"line\":\"\"}");
	pairs(WORDS("a={}", "line=b"), true, "{}", "{\"a\":\"{}\",\"line\":\"b\"}");
	pairs(WORDS("a"), false, "", "64 \"a\" is neither NAME=TEXT nor NAME:=JSON");
	pairs(WORDS("=a"), false, "", "64 \"=a\" is neither NAME=TEXT nor NAME:=JSON");
	pairs(WORDS(":=1"), false, "", "64 \":=1\" is neither NAME=TEXT nor NAME:=JSON");
	pairs(WORDS("a=1", "b=2", "a=3"), false, "", "64 the argument \"a\" is given twice");
	pairs(WORDS("a:=1", "a=3"), false, "", "64 the argument \"a\" is given twice");
	pairs(WORDS("a:="), false, "", "65 the argument \"a\": column 1: the text ends where a value should be");
	pairs(WORDS("a:=1 2"), false, "", "65 the argument \"a\": column 3: something follows the value");
	pairs(WORDS("a=\xff"), false, "", "65 the argument \"a=\xff\" is not valid UTF-8");
	pairs(WORDS("line=1"), true, "", "64 no argument has {}, so each line would become the "
					 "argument \"line\", which is given");
}

static void
command(const char *const *argv, const struct strlist *env, bool holes, const char *line,
	const char *want)
{
	static const struct strlist none;
	struct jobargs a = JOBARGS_INIT;
	struct err e = ERR_INIT;
	AUTOSTR out = STR(STR_ANY);

	if (jobargs_command(&a, (char *const *)(uintptr_t)argv, "/w \"", env ? env : &none, holes, &e))
		str_putf(&out, "%d %s", (int)e.kind, e.msg);
	else
		jobargs_fill(&a, line, strlen(line), &out);
	is_str(out.buf, want, "%s", argv[0]);
	jobargs_free(&a);
}

static void
commands(void)
{
	struct strlist env = { .n = 0 };

	command(WORDS("a", "", "b c"), NULL, false, "",
		"{\"argv\":[\"a\",\"\",\"b c\"],\"cwd\":\"/w \\\"\"}");
	command(WORDS("a", "{}", "-{}.{}"), NULL, true, "\xc3\xa9\\",
		"{\"argv\":[\"a\",\"\xc3\xa9\\\\\",\"-\xc3\xa9\\\\.\xc3\xa9\\\\\"],\"cwd\":\"/w \\\"\"}");
	command(WORDS("{}"), NULL, true, "x", "{\"argv\":[\"x\"],\"cwd\":\"/w \\\"\"}");
	command(WORDS(""), NULL, false, "", "64 the command is empty");
	command(WORDS("a", "\xff"), NULL, false, "", "65 the argument \"\xff\" is not valid UTF-8");
	command(WORDS("a", "{ }"), NULL, true, "x",
		"64 the command has no {} for the line: every job would be the same");
	setenv("JOBARGS_TEST", "v=\"", 1);
	strlist_add(&env, "JOBARGS_TEST");
	strlist_add(&env, "X=y=z");
	command(WORDS("a"), &env, false, "",
		"{\"argv\":[\"a\"],\"cwd\":\"/w \\\"\",\"env\":{\"JOBARGS_TEST\":\"v=\\\"\",\"X\":\"y=z\"}}");
	strlist_add(&env, "X");
	setenv("X", "1", 1);
	command(WORDS("a"), &env, false, "", "64 --env: \"X\" is given twice");
	strlist_free(&env);
	strlist_add(&env, "=x");
	command(WORDS("a"), &env, false, "", "64 --env: \"=x\" has no name");
	strlist_free(&env);
	strlist_add(&env, "JOBARGS_NONE");
	command(WORDS("a"), &env, false, "", "64 --env: there is no variable \"JOBARGS_NONE\" here");
	strlist_free(&env);
}

static void
braces(void)
{
	AUTOSTR s = STR(STR_ANY);

	braces_fill(&s, "a-{}-{}", "{}", 2);
	is_str(s.buf, "a-{}-{}", "what is filled in is not filled again");
	str_reset(&s);
	braces_fill(&s, "{", "x", 1);
	is_str(s.buf, "{", "half a hole is none");
}

int
main(void)
{
	all_pairs();
	commands();
	braces();
	return tap_done();
}
