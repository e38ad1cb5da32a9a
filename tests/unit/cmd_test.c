/*
 * cmd_test - option tables as users meet them
 *
 * cmd_parse() exits, so every command line runs in a child whose output and
 * status are looked at.
 */
#include "cmd.h"

#include <sys/wait.h>
#include <unistd.h>

#include "emit.h"
#include "str.h"
#include "tap.h"

struct config {
	struct common common;
	bool flag, other;
	const char *text;
	struct strlist list;
	int64_t number, span, every, when;
	int pick;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct opt opts[] = {
	OPT_ROW_FLAG('f', "flag", struct config, flag, "a flag"),
	OPT_ROW_FLAG('g', "other-flag", struct config, other, "another flag", .verbs = "start"),
	OPT_ROW_TEXT('s', "text", "TEXT", struct config, text, "file", "some text"),
	OPT_ROW_LIST('l', "list", "ITEM", struct config, list, "queue", "an item; repeats"),
	OPT_ROW_INT('n', "number", "N", struct config, number, 1, 100, "a number"),
	OPT_ROW_MS('t', "span", "D", struct config, span, 100, MS_MAX, "a duration"),
	OPT_ROW_MS('w', "every", "[D]", struct config, every, 2000, MS_MAX, "a duration, or 2s"),
	OPT_ROW_TIME(0, "at", "T", struct config, when, "a time"),
	OPT_ROW_CHOICE('c', "colour", "C", struct config, pick, colours, "red or green"),
	OPT_ROW_END
};

static const struct verb verbs[] = {
	{ "start", "", "begin" }, { "status", "[ID]", "look" }, { "stop", "", "end" },
	{ NULL, NULL, NULL }
};
static const struct common_of common_of[] = {
	{ COMMON_JSON, "start status" }, { 0, NULL }
};

static struct cmd cmd = {
	.name = "probe", .brief = "a program for tests", .opts = opts,
	.common = COMMON_DB | COMMON_JSON | COMMON_QUIET, .common_of = common_of, .max_operands = -1,
};

static int dashes;

static void
show(const struct config *c, char **operands)
{
	printf("f%d g%d s=%s n%" PRId64 " t%" PRId64 " w%" PRId64 " c%d l=", c->flag, c->other,
	       c->text ? c->text : "(null)", c->number, c->span, c->every, c->pick);
	for (size_t i = 0; i < c->list.n; i++)
		printf("%s%s", i ? "," : "", c->list.v[i]);
	printf(" [");
	for (int i = 0; operands[i]; i++)
		printf("%s%s", i ? "|" : "", operands[i]);
	printf("] %d", dashes);
}

static char out[20000], err[20000];

static void
slurp(FILE *f, char *buf, size_t n)
{
	size_t got;

	rewind(f);
	got = fread(buf, 1, n - 1, f);
	buf[got] = '\0';
	fclose(f);
}

/* Run body in a child; its status, with out and err filled. */
static int
attempt(void (*body)(int, char **), char **argv)
{
	FILE *o = tmpfile(), *e = tmpfile();
	int argc = 0, status;
	pid_t pid;

	if (!o || !e)
		tap_bail("tmpfile");
	while (argv[argc])
		argc++;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(o), STDOUT_FILENO);
		dup2(fileno(e), STDERR_FILENO);
		body(argc, argv);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	slurp(o, out, sizeof out);
	slurp(e, err, sizeof err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void
parse_and_show(int argc, char **argv)
{
	struct config c = { .number = 7, .span = 1 };

	show(&c, cmd_parse(&cmd, &c, argc, argv, &dashes));
}

#define ARGV(...) ((char *[]){ (char *)(uintptr_t)"probe", __VA_ARGS__ __VA_OPT__(,) NULL })
#define A(z) ((char *)(uintptr_t)(z))

static void
parses(const char *want, char **argv)
{
	is_int(attempt(parse_and_show, argv), 0, "%s %s: exit 0", argv[1], argv[1] ? argv[2] : "");
	is_str(out, want, "and what was stored");
	is_str(err, "", "and nothing on stderr");
}

/* One line on stderr that begins as given, and the hint. */
static void
refuses(const char *want, char **argv)
{
	const char *nl;

	is_int(attempt(parse_and_show, argv), 64, "refused with 64: %s", want);
	ok(!strncmp(err, "probe: ", 7) && !strncmp(err + 7, want, strlen(want)), "it says: %s", want);
	if (strncmp(err + 7, want, strlen(want)) != 0)
		printf("# %s\n", err);
	nl = strchr(err, '\n');
	is_str(nl ? nl + 1 : "", "probe: hint: try 'probe --help'\n", "and where to look");
	is_str(out, "", "and nothing on stdout");
}

static void
accepted(void)
{
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [] -1", ARGV());
	parses("f1 g1 s=(null) n7 t1 w0 c0 l= [] -1", ARGV(A("-fg")));
	parses("f1 g0 s=x n7 t1 w0 c0 l= [] -1", ARGV(A("-fsx")));
	parses("f1 g0 s=x n7 t1 w0 c0 l= [] -1", ARGV(A("-fs"), A("x")));
	parses("f0 g0 s=-f n7 t1 w0 c0 l= [] -1", ARGV(A("-s"), A("-f")));
	parses("f0 g0 s=--flag n7 t1 w0 c0 l= [] -1", ARGV(A("--text"), A("--flag")));
	parses("f0 g0 s=a=b n7 t1 w0 c0 l= [] -1", ARGV(A("--text=a=b")));
	parses("f0 g0 s= n7 t1 w0 c0 l= [] -1", ARGV(A("--text=")));
	parses("f0 g0 s= n7 t1 w0 c0 l= [] -1", ARGV(A("--text"), A("")));
	parses("f0 g0 s=b n7 t1 w0 c0 l= [] -1", ARGV(A("-sa"), A("-sb")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l=a,b,c [] -1",
	       ARGV(A("-la"), A("--list=b"), A("--list"), A("c")));
	parses("f0 g0 s=(null) n100 t90000 w0 c1 l= [] -1",
	       ARGV(A("-n100"), A("-t"), A("1m30s"), A("-c"), A("green")));
	parses("f0 g0 s=(null) n7 t1 w2000 c0 l= [5s] -1", ARGV(A("--every"), A("5s")));
	parses("f0 g0 s=(null) n7 t1 w5000 c0 l= [] -1", ARGV(A("--every=5s")));
	parses("f0 g0 s=(null) n7 t1 w5000 c0 l= [] -1", ARGV(A("-w5s")));
	parses("f0 g0 s=(null) n7 t1 w2000 c0 l= [] -1", ARGV(A("-w")));
}

static void
order(void)
{
	parses("f1 g1 s=(null) n7 t1 w0 c0 l= [a|b] -1", ARGV(A("a"), A("-f"), A("b"), A("-g")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [-f|--nope] 0", ARGV(A("--"), A("-f"), A("--nope")));
	parses("f1 g0 s=(null) n7 t1 w0 c0 l= [a|-f] 1", ARGV(A("-f"), A("a"), A("--"), A("-f")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [a|--] 1", ARGV(A("a"), A("--"), A("--")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [] 0", ARGV(A("--")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [-] -1", ARGV(A("-")));
	cmd.stop_at_operand = true;
	parses("f1 g0 s=(null) n7 t1 w0 c0 l= [a|-g|--nope] -1",
	       ARGV(A("-f"), A("a"), A("-g"), A("--nope")));
	parses("f0 g0 s=(null) n7 t1 w0 c0 l= [a|-g] 1", ARGV(A("a"), A("--"), A("-g")));
	cmd.stop_at_operand = false;
}

static void
refused(void)
{
	char huge[5000];

	refuses("unknown option \"-z\"", ARGV(A("-z")));
	refuses("unknown option \"-z\"", ARGV(A("-fz")));
	refuses("unknown option \"--zoo\"", ARGV(A("--zoo")));
	refuses("unknown option \"--zoo\"", ARGV(A("--zoo=1")));
	refuses("unknown option \"--fla\"; did you mean \"--flag\"?", ARGV(A("--fla")));
	refuses("unknown option \"--f\"", ARGV(A("--f")));
	refuses("unknown option \"--numb\"; did you mean \"--number\"?", ARGV(A("--numb=5")));
	refuses("unknown option \"--flga\"; did you mean \"--flag\"?", ARGV(A("--flga")));
	refuses("unknown option \"--emi\"", ARGV(A("--emi"), A("words")));
	refuses("option \"--flag\" takes no value", ARGV(A("--flag=yes")));
	refuses("option \"-s\" needs a value", ARGV(A("-s")));
	refuses("option \"-s\" needs a value", ARGV(A("-fs")));
	refuses("option \"--text\" needs a value", ARGV(A("--text")));
	refuses("--number: \"x\" is not a whole number", ARGV(A("-nx")));
	refuses("--number: 0 is out of range (1 to 100)", ARGV(A("--number=0")));
	refuses("--span: \"5\" is not a duration", ARGV(A("-t5")));
	refuses("--span: 1ms is out of range (100ms to ", ARGV(A("-t1ms")));
	refuses("--at: \"soon\" is not a time", ARGV(A("--at=soon")));
	refuses("--colour: \"blue\" is none of: red, green", ARGV(A("-cblue")));
	refuses("--list: the value is empty", ARGV(A("--list=")));
	refuses("--text: the value is not valid UTF-8", ARGV(A("-s\xff")));
	refuses("unknown option \"-\\xff\"", ARGV(A("-\xff")));
	refuses("unknown option \"--\\x1b[31m\"", ARGV(A("--\033[31m")));
	refuses("--number: \"\\x1b[31m\" is not a whole number", ARGV(A("-n\033[31m")));
	refuses("--number: \"1 2\" is not a whole number", ARGV(A("-n1\n2")));
	memset(huge, 'x', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	refuses("--number: \"xxxxx", ARGV(A("-n"), huge));
	memcpy(huge, "--", 2);
	refuses("unknown option \"--xxxx", ARGV(huge));
}

static void
operand_counts(void)
{
	cmd.min_operands = 1;
	cmd.max_operands = 2;
	refuses("missing arguments", ARGV(A("-f")));
	refuses("unexpected argument \"c\\x07\"", ARGV(A("a"), A("b"), A("c\a")));
	cmd.min_operands = 2;
	refuses("too few arguments", ARGV(A("a")));
	cmd.min_operands = 0;
	cmd.max_operands = -1;
}

static void
find_verb(int argc, char **argv)
{
	struct config c = { .number = 7 };
	char **operands = cmd_parse(&cmd, &c, argc, argv, NULL);

	printf("%s", cmd_verb(&cmd, operands[0])->name);
}

static void
verb(void)
{
	cmd.verbs = verbs;
	is_int(attempt(find_verb, ARGV(A("status"))), 0, "a verb is found");
	is_str(out, "status", "the right one");
	is_int(attempt(find_verb, ARGV(A("stats"))), 64, "a near miss is refused");
	ok(strstr(err, "did you mean \"status\"?"), "and the nearest named");
	is_int(attempt(find_verb, ARGV(A("stat"))), 64, "an abbreviation is refused");
	is_int(attempt(find_verb, ARGV(A("\033"))), 64, "so is nonsense");
	ok(!strchr(err, '\033'), "which is not passed to the terminal");
	is_int(attempt(find_verb, ARGV(A(""))), 64, "so is an empty word");
	is_int(attempt(find_verb, ARGV(A("-fg"), A("start"))), 0, "it takes its own options");
	is_int(attempt(find_verb, ARGV(A("status"), A("-fg"))), 64, "another's are refused");
	is_str(err, "probe: --other-flag means nothing to status, only to: start\n"
	       "probe: hint: try 'probe --help'\n", "and named");
	is_int(attempt(find_verb, ARGV(A("--json"), A("stop"))), 64, "so are common ones");
	is_int(attempt(parse_and_show, ARGV(A("--help"))), 0, "--help with verbs");
	ok(strstr(out, "  start: another flag\n"), "tells whose an option is");
	ok(strstr(out, "  all but stop: print JSON Lines\n"), "or whose it is not");
	is_int(attempt(parse_and_show, ARGV(A("--emit=words"))), 0, "--emit=words with verbs");
	ok(strstr(out, "--other-flag\t0\t-\tstart\tanother flag\n"), "has them in a field");
	ok(strstr(out, "--json\t0\t-\tstart status\tprint JSON Lines\n"), "of common ones too");
	cmd.verbs = NULL;
}

static void
fail_loudly(int argc, char **argv)
{
	struct config c = { .number = 7 };
	struct err e;

	(void)!cmd_parse(&cmd, &c, argc, argv, NULL);
	(void)err_set(&e, ERR_TEMPFAIL, "busy \"%s\"", "\033\x9b");
	err_hint(&e, "wait");
	memcpy(e.sqlstate, "55P03", 6);
	exit(cmd_fail(&cmd, &e));
}

static void
failing(void)
{
	is_int(attempt(fail_loudly, ARGV()), 75, "the kind is the exit status");
	is_str(err, "probe: busy \"\\x1b\\x9b\"\nprobe: hint: wait\n", "message and hint, escaped");
	is_int(attempt(fail_loudly, ARGV(A("--json"))), 75, "the same with --json");
	is_str(err, "{\"v\":1,\"error\":\"busy \\\"\\u001b\xef\xbf\xbd\\\"\",\"hint\":\"wait\","
	       "\"sqlstate\":\"55P03\",\"program\":\"probe\",\"exit\":75}\n", "as one JSON object");
}

static void
asked(void)
{
	is_int(attempt(parse_and_show, ARGV(A("--help"))), 0, "--help exits 0");
	ok(strstr(out, "-w, --every[=D]"), "an optional argument is shown as one");
	ok(strstr(out, "--at T"), "an option without a letter is shown");
	is_str(err, "", "help is not an error");
	is_int(attempt(parse_and_show, ARGV(A("-fV"), A("--nope"))), 0, "-V wins over what follows");
	is_int(attempt(parse_and_show, ARGV(A("--emit=words"))), 0, "--emit=words exits 0");
	ok(strstr(out, "option\t-c\t--colour\t1\tred|green\t-\tred or green\n"), "choices are words");
	ok(strstr(out, "option\t-w\t--every\t?\t-\t-\ta duration, or 2s\n"), "an optional argument");
	ok(strstr(out, "option\t\t--at\t1\t-\t-\ta time\n"), "no letter");
	is_int(attempt(parse_and_show, ARGV(A("--emit=man"))), 0, "--emit=man exits 0");
	ok(strstr(out, ".It Fl w , Fl \\-every Ns Oo = Ns Ar D Oc\n"), "mdoc for an optional one");
	is_int(attempt(parse_and_show, ARGV(A("--emit=bash"))), 64, "there is no other format");
}

static void
write_to_full(int argc, char **argv)
{
	struct config c = { .number = 7 };

	(void)argc;
	if (!freopen("/dev/full", "w", stdout))
		_exit(99);
	(void)!cmd_parse(&cmd, &c, 1, argv, NULL);
	printf("lost");
	_exit(cmd_done(&cmd, 0));
}

static void
distances(void)
{
	is_int(attempt(write_to_full, ARGV()), 74, "a full disk is exit 74");
	is_int(cmd_distance("", ""), 0, "no distance");
	is_int(cmd_distance("abc", "abc"), 0, "equal words");
	is_int(cmd_distance("abc", "abd"), 1, "one change");
	is_int(cmd_distance("abc", "ab"), 1, "one missing");
	is_int(cmd_distance("ab", "abc"), 1, "one more");
	is_int(cmd_distance("", "abc"), 3, "all missing");
	is_int(cmd_distance("kitten", "sitting"), 3, "the usual example");
}

int
main(void)
{
	accepted();
	order();
	refused();
	operand_counts();
	verb();
	failing();
	asked();
	distances();
	return tap_done();
}
