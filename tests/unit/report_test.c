/*
 * report_test - the same checks under the same ids in every format, whatever they say
 */
#include "report.h"

#include "str.h"
#include "tap.h"

static char *
written(const struct report *r, enum report_format format)
{
	char *buf = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&buf, &n);

	if (!to)
		tap_bail("open_memstream");
	report_write(r, format, to);
	fclose(to);
	return buf;
}

static void
fill(struct report *r)
{
	r->title = "Title";
	report_fact(r, "server", xstrdup("PostgreSQL | 15"));
	report_check(r, PASS, "timings", xstrdup("s.up"), xstrdup("up"), NULL, xstrdup("0.1 s"), NULL);
	report_check(r, FAIL, "structure", xstrdup("s.t"), xstrdup("a # b\n<c>"), xstrdup("x | `y`"),
		     xstrdup("l1\nl2"), xstrdup("say \033[31m*"));
	report_fix(r, xstrdup("DROP \"t\""));
	report_check(r, SKIP, "structure", xstrdup("s.t"), xstrdup("twice"), NULL, NULL, NULL);
	report_check(r, WARN, "summary", xstrdup("s.w"), xstrdup("hm"), NULL, NULL, NULL);
}

static void
formats(void)
{
	struct report r = REPORT_INIT;

	fill(&r);
	AUTOFREE char *json = written(&r, REPORT_JSON);
	AUTOFREE char *tap = written(&r, REPORT_TAP);
	AUTOFREE char *md = written(&r, REPORT_MD);

	ok(r.count[PASS] == 1 && r.count[FAIL] == 1 && r.count[WARN] == 1 && r.count[SKIP] == 1,
	   "verdicts are counted");
	is_str(json,
	       "{\"v\":1,\"type\":\"fact\",\"name\":\"server\",\"value\":\"PostgreSQL | 15\"}\n"
	       "{\"v\":1,\"type\":\"check\",\"section\":\"summary\",\"id\":\"s.w\",\"verdict\":\"WARN\","
	       "\"what\":\"hm\",\"expected\":null,\"actual\":null,\"evidence\":null,\"fix\":null}\n"
	       "{\"v\":1,\"type\":\"check\",\"section\":\"structure\",\"id\":\"s.t\",\"verdict\":\"FAIL\","
	       "\"what\":\"a # b\\n<c>\",\"expected\":\"x | `y`\",\"actual\":\"l1\\nl2\","
	       "\"evidence\":\"say \\u001b[31m*\",\"fix\":\"DROP \\\"t\\\"\"}\n"
	       "{\"v\":1,\"type\":\"check\",\"section\":\"structure\",\"id\":\"s.t.2\","
	       "\"verdict\":\"SKIP\",\"what\":\"twice\",\"expected\":null,\"actual\":null,"
	       "\"evidence\":null,\"fix\":null}\n"
	       "{\"v\":1,\"type\":\"check\",\"section\":\"timings\",\"id\":\"s.up\",\"verdict\":\"PASS\","
	       "\"what\":\"up\",\"expected\":null,\"actual\":\"0.1 s\",\"evidence\":null,\"fix\":null}\n"
	       "{\"v\":1,\"type\":\"result\",\"pass\":1,\"fail\":1,\"warn\":1,\"skip\":1}\n",
	       "JSON Lines, section by section");
	is_str(tap,
	       "TAP version 13\n1..4\n# server: PostgreSQL | 15\n"
	       "ok 1 - s.w hm\n  ---\n  verdict: WARN\n  ...\n"
	       "not ok 2 - s.t a \\# b\\n<c>\n  ---\n  verdict: FAIL\n  expected: \"x | `y`\"\n"
	       "  actual: \"l1\\nl2\"\n  evidence: \"say \\u001b[31m*\"\n  fix: \"DROP \\\"t\\\"\"\n"
	       "  ...\n"
	       "ok 3 - s.t.2 # SKIP twice\n"
	       "ok 4 - s.up up\n"
	       "# PASS 1 FAIL 1 WARN 1 SKIP 1\n",
	       "TAP");
	is_str(md,
	       "# Title\n\n| | |\n| --- | --- |\n| result | PASS 1 FAIL 1 WARN 1 SKIP 1 |\n"
	       "| server | PostgreSQL \\| 15 |\n\n"
	       "- FAIL `s.t`: a # b<br>\\<c>\n- WARN `s.w`: hm\n\n"
	       "## Summary\n\n| Verdict | Check | What |\n| --- | --- | --- |\n"
	       "| WARN | `s.w` | hm |\n\n"
	       "## Structure\n\n| Verdict | Check | What | Expected | Actual | Evidence | Fix |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n"
	       "| **FAIL** | `s.t` | a # b<br>\\<c> | `` x \\| `y` `` | `l1`<br>`l2` |"
	       " say \\\\x1b\\[31m\\* | `DROP \"t\"` |\n"
	       "| SKIP | `s.t.2` | twice | | | | |\n\n"
	       "## Timings\n\n| Verdict | Check | What | Actual |\n| --- | --- | --- | --- |\n"
	       "| PASS | `s.up` | up | `0.1 s` |\n\n"
	       "PASS 1 FAIL 1 WARN 1 SKIP 1\n",
	       "Markdown");
	report_free(&r);
	ok(r.n == 0 && !r.v, "freed");
	report_free(&r);
}

static void
ids(void)
{
	AUTOFREE char *plain = report_id("%s.%s", "jobctl.0001_x", "f(text, integer)");
	AUTOFREE char *odd = report_id("a b\n\tc\x01");
	struct report r = REPORT_INIT;
	bool apart = true;

	is_str(plain, "jobctl.0001_x.f(text,integer)", "no blank behind a comma");
	is_str(odd, "a_b__c_", "an id is one word");
	for (int i = 0; i < 1000; i++)
		report_check(&r, PASS, "summary", xasprintf("id.%d", i % 500), xstrdup("x"), NULL, NULL,
			     NULL);
	for (size_t i = 0; i < 500; i++) {
		AUTOFREE char *want = xasprintf("id.%zu.2", i);

		apart = apart && !strcmp(r.v[i + 500].id, want);
	}
	ok(apart, "an id that is taken gets a number");
	report_free(&r);
}

int
main(void)
{
	formats();
	ids();
	return tap_done();
}
