/*
 * template_test - {name} in a command's arguments
 */
#include "template.h"

#include "tap.h"

static const char args[] =
	"{\"to\": \"ann\", \"n\": 0.1, \"big\": 123456789012345678901234567890, \"exp\": 1e400,"
	" \"yes\": true, \"none\": null, \"empty\": \"\", \"list\": [1, {\"a\": \"}\"}], "
	"\"_x\": \"u\","
	" \"a.b-c_9\": \"dotted\", \"quote\": \"it's \\\"x\\\" $(id) `id` ; & | > < * ? ~ # "
	"\\\\ \\n\\t\","
	" \"brace\": \"{to}\", \"dash\": \"-rf\", \"uni\": \"\\u20ac\\ud83d\\ude00\", \"9\": "
	"\"digit\","
	" \"a b\": \"space\"}";

static struct json_scan scan;

static void
fills(const char *arg, const char *want)
{
	AUTOSTR out = STR(STR_ANY);
	struct err e = ERR_INIT;

	ok(template_fill(&out, arg, &scan, &e) == 0, "%s is filled", arg);
	is_str(out.buf, want, "%s becomes %s", arg, want);
}

static void
fails(const char *arg, const char *name)
{
	AUTOSTR out = STR(STR_ANY);
	struct err e = ERR_INIT;

	is_int(template_fill(&out, arg, &scan, &e), -1, "%s cannot be filled", arg);
	is_int(e.kind, ERR_DATA, "because of the data");
	ok(strstr(e.msg, name), "the message says %s: %s", name, e.msg);
}

int
main(void)
{
	struct err e;

	if (json_scan_object(&scan, args, strlen(args), &e))
		tap_bail(e.msg);
	fills("", "");
	fills("plain", "plain");
	fills("{to}", "ann");
	fills("<{to}{to}>", "<annann>");
	fills("{n}", "0.1");
	fills("{big}", "123456789012345678901234567890");
	fills("{exp}", "1e400");
	fills("{yes}{none}", "truenull");
	fills("{empty}", "");
	fills("{list}", "[1, {\"a\": \"}\"}]");
	fills("{_x}{a.b-c_9}", "udotted");
	fills("{quote}", "it's \"x\" $(id) `id` ; & | > < * ? ~ # \\ \n\t");
	fills("{brace}", "{to}");		/* once only */
	fills("{dash}", "-rf");
	fills("{uni}", "\xe2\x82\xac\xf0\x9f\x98\x80");
	fills("{", "{");
	fills("}", "}");
	fills("{}", "{}");
	fills("{{to}}", "{ann}");
	fills("{9}", "{9}");			/* not a name */
	fills("{a b}", "{a b}");
	fills("{to", "{to");
	fills("{to {to}", "{to ann");
	fills("${to}", "$ann");
	fills("{ to }", "{ to }");
	fails("{missing}", "{missing}");
	fails("x{to}{To}", "{To}");
	ok(template_has_name("a{b}c"), "there is a name");
	ok(!template_has_name("a{}c{9}{a b}"), "there is none");
	json_scan_free(&scan);
	return tap_done();
}
