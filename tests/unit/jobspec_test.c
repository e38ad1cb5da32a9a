/*
 * jobspec_test - a job from JSON and back, and the rules it must keep
 */
#include "jobspec.h"

#include "tap.h"

static struct jobspec_reader reader = JOBSPEC_READER_INIT;
static struct jobspec defaults = JOBSPEC_INIT;

static int
parse(const char *line, struct jobspec *s, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return jobspec_read(&reader, &defaults, line, strlen(line), s, e);
}

/* What is read and written again. */
static void
round_trip(const char *line, const char *want)
{
	struct jobspec s;
	struct err e;
	AUTOSTR out = STR(STR_ANY);

	if (parse(line, &s, &e))
		str_putf(&out, "error: %s", e.msg);
	else
		jobspec_write(&out, &s);
	is_str(out.buf, want, "read and written");
}

#define REST ",\"queue\":\"default\",\"project\":\"default\",\"priority\":0,\"at\":null,\"in\":null," \
	     "\"unique\":null,\"on_conflict\":null,\"unique_for\":null,\"after\":null," \
	     "\"after_ok\":null,\"max_attempts\":null,\"backoff\":null,\"timeout\":null,\"hold\":false}"

static void
round_trips(void)
{
	static const char full[] =
		"{\"v\":1,\"kind\":\"k\",\"args\":{\"n\":1.10},\"queue\":\"q\",\"project\":\"p\","
		"\"priority\":-2147483648,\"at\":\"2101-02-03T04:05:06.700000Z\",\"in\":null,"
		"\"unique\":\"u\\\"\\u0001\",\"on_conflict\":\"fail\",\"unique_for\":0.500,"
		"\"after\":[\"01234567-89ab-7000-8000-000000000001\"],"
		"\"after_ok\":[\"01234567-89ab-7000-8000-000000000002\","
		"\"01234567-89ab-7000-8000-000000000003\"],\"max_attempts\":1000,"
		"\"backoff\":\"linear:30000ms:600000ms\",\"timeout\":5400,\"hold\":true}";

	round_trip(full, full);
	round_trip("{\"kind\":\"k\"}", "{\"v\":1,\"kind\":\"k\",\"args\":{}" REST);
	round_trip(" { \"\\u006bind\" : \"\\u006b\" , \"args\" : { \"a\" : [ 1 ] } } ",
		   "{\"v\":1,\"kind\":\"k\",\"args\":{ \"a\" : [ 1 ] }" REST);
	round_trip("{\"argv\":[\"a\",\"\\n\"]}",
		   "{\"v\":1,\"kind\":\"exec\",\"args\":{\"argv\":[\"a\",\"\\n\"]}" REST);
	round_trip("{\"kind\":\"exec\",\"argv\":[\"a\"]}",
		   "{\"v\":1,\"kind\":\"exec\",\"args\":{\"argv\":[\"a\"]}" REST);
	round_trip("{\"kind\":\"k\",\"args\":{\n\"a\":\r\n1}}",
		   "{\"v\":1,\"kind\":\"k\",\"args\":{ \"a\":  1}" REST);
}

static void
inherited(void)
{
	struct jobspec s;
	struct err e;

	defaults = (struct jobspec)JOBSPEC_INIT;
	defaults.kind = "d";
	defaults.at = 5;
	defaults.priority = 3;
	defaults.unique = "u";
	is_int(parse("{}", &s, &e), 0, "nothing said");
	ok(s.at == 5 && s.priority == 3 && !strcmp(s.kind, "d"), "all as the defaults");
	is_int(parse("{\"in\":\"5m\",\"priority\":null,\"unique\":\"v\"}", &s, &e), 0, "something said");
	ok(s.at == NEVER && s.in == 300000, "in instead of at");
	is_int(s.priority, 3, "null says nothing");
	is_str(s.unique, "v", "what is said counts");
	is_int(parse("{\"after\":[],\"kind\":\"k\"}", &s, &e), 0, "an empty list");
	ok(s.after->n == 0, "is no job to wait for");
	is_int(parse("{\"argv\":[\"a\"]}", &s, &e), 0, "a command");
	is_str(s.kind, "exec", "is of kind exec, whatever the default");
	defaults = (struct jobspec)JOBSPEC_INIT;
}

/* Every prefix of a good line is an error, and none reads past its end. */
static void
prefixes(void)
{
	static const char line[] = "{\"kind\":\"k\\u00e9\",\"args\":{\"a\":[1.5e3,\"x\",{}]},\"after\":"
				   "[\"01234567-89ab-7000-8000-000000000001\"],\"in\":90,\"hold\":true}";
	struct jobspec s;
	struct err e = ERR_INIT;
	int bad = 0;

	for (size_t n = 0; n < sizeof line - 1; n++) {
		AUTOFREE char *copy = xmalloc(n);

		memcpy(copy, line, n);
		bad += jobspec_read(&reader, &defaults, copy, n, &s, &e) == -1 && e.kind == ERR_DATA;
	}
	is_int(bad, sizeof line - 1, "every prefix is refused");
	is_int(parse(line, &s, &e), 0, "and the whole is not");
}

static void
names(void)
{
	static const char *const good[] = { "a", "_", "A1", "a.b:c/d@e+f-g_h", "9", "\xc3\xa9" };
	static const char *const bad[] = { "", ".", "-a", "a b", "a\n", "a,b", "a\"", "a'", "{}", "a\x7f" };
	AUTOSTR s = STR(STR_ANY);
	struct err e;

	for (size_t i = 0; i < NELEM(good); i++)
		is_int(jobspec_check_name("the queue", good[i], &e), 0, "a name");
	for (size_t i = 0; i < NELEM(bad); i++)
		is_int(jobspec_check_name("the queue", bad[i], &e), -1, "no name");
	for (int i = 0; i < 255; i++)
		str_puts(&s, "\xc3\xa9");
	is_int(jobspec_check_name("the queue", s.buf, &e), 0, "255 characters");
	str_puts(&s, "x");
	is_int(jobspec_check_name("the queue", s.buf, &e), -1, "256 characters");
	str_reset(&s);
	for (int i = 0; i < 500; i++)
		str_puts(&s, "\xc3\xa9");
	is_int(jobspec_check_unique(s.buf, &e), 0, "a key of 1000 bytes");
	str_puts(&s, "x");
	is_int(jobspec_check_unique(s.buf, &e), -1, "of 1001");
}

static void
backoffs(void)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "exponential", "exponential" },     { "linear:1h30m", "linear:5400000ms" },
		{ "constant:0", "constant:0ms" },     { "linear:1s:2s", "linear:1000ms:2000ms" },
		{ "", NULL },			      { "linearly", NULL },
		{ "linear:", NULL },		      { "linear:1s:", NULL },
		{ "linear:1s:2s:3s", NULL },	      { ":1s", NULL },
		{ "linear:-1s", NULL },		      { "linear:1", NULL },
		{ "linear:999999999w", NULL },
	};

	for (size_t i = 0; i < NELEM(v); i++) {
		AUTOSTR s = STR(STR_ANY);
		struct err e;
		int rc = jobspec_parse_backoff(v[i].in, &s, &e);

		is_int(rc, v[i].out ? 0 : -1, "backoff \"%s\"", v[i].in);
		if (v[i].out)
			is_str(s.buf, v[i].out, "as the database takes it");
	}
}

static void
trees(void)
{
	static const char *const good[] = {
		"\"repo_path\":\"/\"", "\"repo_path\":\"/a\"", "\"repo_path\":\"/a..b/..c/d../...\"",
		"\"repo_path\":\"/a//b\"", "\"repo_path\":\"/a/./b\"",
		"\"repository_id\":\"6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11\"",
		"\"repo_path\":\"/a\",\"repository_id\":7",
	};
	static const char *const bad[] = {
		"\"repo_path\":\"\"", "\"repo_path\":\"a\"", "\"repo_path\":\"..\"", "\"repo_path\":\"/..\"",
		"\"repo_path\":\"/../a\"", "\"repo_path\":\"/a/..\"", "\"repo_path\":\"/a/../b\"",
		"\"repo_path\":\"./a\"", "\"repo_path\":null",
		"\"repo_path\":null,\"repository_id\":\"6f1e4c1c-3f0f-4a39-9d34-0d7b3d2f9a11\"",
		"\"repository_id\":\"6F1E4C1C-3f0f-4a39-9d34-0d7b3d2f9a11\"", "\"repository_id\":\"\"",
		"\"repository_id\":7", "\"y\":1",
	};
	struct json_scan scan = JSON_SCAN_INIT;
	struct err e;

	for (size_t i = 0; i < NELEM(good) + NELEM(bad); i++) {
		bool want = i < NELEM(good);
		AUTOFREE char *args = xasprintf("{\"x\":1,%s}", want ? good[i] : bad[i - NELEM(good)]);
		struct jobspec s = JOBSPEC_INIT;

		s.kind = "index";
		s.args = (struct json_text){ args, strlen(args) };
		is_int(jobspec_check(&s, &scan, &e), want ? 0 : -1, "%s", args);
		s.kind = "other";
		is_int(jobspec_check(&s, &scan, &e), 0, "any other kind does not care");
	}
	json_scan_free(&scan);
}

static void
explanations(void)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, ERR_DATA, "line 7: new row for relation \"jobs\" violates check constraint "
		      "\"ck_args_size\"");
	memcpy(e.sqlstate, "23514", 6);
	jobspec_explain(&e);
	is_str(e.msg, "line 7: args take more than 1 MiB", "in words, with the line");
	is_str(e.sqlstate, "23514", "the SQLSTATE stays");
	(void)err_set(&e, ERR_DATA, "value for domain violates check constraint \"name_is_plain\"");
	memcpy(e.sqlstate, "23514", 6);
	jobspec_explain(&e);
	ok(!strncmp(e.msg, "the name of a project", 21), "in words, without a line");
	(void)err_set(&e, ERR_DATA, "new row for relation \"jobs\" violates check constraint "
		      "\"ck_unique_key\"");
	memcpy(e.sqlstate, "23514", 6);
	jobspec_explain(&e);
	is_str(e.msg, "the unique key is empty or longer than 1000 bytes", "by the constraint's name");
	(void)err_set(&e, ERR_DATA, "something \"ck_args_size\"");
	jobspec_explain(&e);
	is_str(e.msg, "something \"ck_args_size\"", "not what is no constraint's");
}

int
main(void)
{
	round_trips();
	inherited();
	prefixes();
	names();
	backoffs();
	trees();
	explanations();
	jobspec_reader_free(&reader);
	return tap_done();
}
