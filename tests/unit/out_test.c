/*
 * out_test - one description of columns, three forms of output
 */
#include "out.h"

#include <jansson.h>
#include <locale.h>
#include <unistd.h>

#include "tap.h"

static const struct out_col all[] = {
	{ "id", "ID", OUT_ID },		{ "name", "NAME", OUT_TEXT },	{ "n", "N", OUT_NUM },
	{ "ok", "OK", OUT_BOOL },	{ "at", "AT", OUT_TIME },	{ "age_s", "AGE", OUT_SECONDS },
	{ "size", "SIZE", OUT_BYTES },	{ "args", "ARGS", OUT_JSON },
};

enum { NCOLS = NELEM(all) };

static const char id_a[] = "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b";
static const char id_b[] = "0190a5b4-c3d2-7e1f-8a9c-0c1d2e3f4a5b";

static const char *const rows[][NCOLS] = {
	{ id_a, "plain", "7", "t", "2026-01-31T15:04:05.123456Z", "125", "1300000", "{\"a\": 1}" },
	{ id_b, "tab\tnew\nline \\ \033[31m", "-12", "f", "2026-01-31T15:04:05Z", "0.25", "0",
	  "{\"s\": \"a\\nb\"}" },
	{ NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
	{ "0190a5b4-0000-7000-8000-000000000000", "日本語", "1", "t", "x", "NaN", "5", "[]" },
};

static char text[20000];

/* What is printed between begin and end goes to text. */
static int saved;

static void
capture_begin(void)
{
	FILE *f = tmpfile();

	if (!f)
		tap_bail("tmpfile");
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	dup2(fileno(f), STDOUT_FILENO);
	fclose(f);
}

static void
capture_end(void)
{
	ssize_t n;

	fflush(stdout);
	lseek(STDOUT_FILENO, 0, SEEK_SET);
	n = read(STDOUT_FILENO, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	dup2(saved, STDOUT_FILENO);
	close(saved);
}

static void
print(enum out_mode mode, bool header, const char *list, size_t nrows)
{
	const struct out_col **cols;
	struct out o;
	struct err e;
	int n;

	if (out_pick(all, NCOLS, list, &cols, &n, &e))
		tap_bail(e.msg);
	capture_begin();
	out_begin(&o, mode, header, cols, n);
	for (size_t r = 0; r < nrows; r++)
		for (int c = 0; c < n; c++)
			out_cell(&o, rows[r][cols[c] - all]);
	out_end(&o);
	capture_end();
	free(cols);
}

static void
print_ids(const char *a, const char *b, const char *c)
{
	const struct out_col *cols[] = { &all[0] };
	struct out o;

	capture_begin();
	out_begin(&o, OUT_TABLE, false, cols, 1);
	out_cell(&o, a);
	out_cell(&o, b);
	out_cell(&o, c);
	out_end(&o);
	capture_end();
}

static void
tables(void)
{
	print(OUT_TABLE, true, "name,n,ok,age_s,size", NELEM(rows));
	is_str(text,
	       "NAME                          N  OK     AGE    SIZE\n"
	       "plain                         7  yes  2m05s  1.3 MB\n"
	       "tab\\tnew\\nline \\\\ \\x1b[31m  -12  no    0.2s     0 B\n"
	       "-                             -  -        -       -\n"
	       "日本語                        1  yes    NaN     5 B\n", "an aligned table");
	print(OUT_TABLE, false, "n,name", 1);
	is_str(text, "7  plain\n", "without a header, no blanks at the end");
	print(OUT_TABLE, true, "at", 2);
	is_str(text, "AT\n2026-01-31 15:04:05Z\n2026-01-31 15:04:05Z\n", "times without fraction");
	print(OUT_TABLE, true, "name", 0);
	is_str(text, "", "no rows, no header");
}

static void
ids(void)
{
	print(OUT_TABLE, false, "id", 1);
	is_str(text, "0190a5b4-c3d2\n", "one id needs no more than its minimum");
	print(OUT_TABLE, false, "id", 2);
	is_str(text, "0190a5b4-c3d2-7e1f-8a9b\n0190a5b4-c3d2-7e1f-8a9c\n", "as long as tells them apart");
	print_ids("0190a5b4-c3d2-7000-8000-000000000000", "0190a5b4-c3d2-7100-8000-000000000000",
		  "0190a5b4-c3d2-7110-8000-000000000000");
	is_str(text, "0190a5b4-c3d2-700\n0190a5b4-c3d2-710\n0190a5b4-c3d2-711\n",
	       "the nearest two decide");
	print_ids(id_a, id_a, id_a);
	is_str(text, "0190a5b4-c3d2\n0190a5b4-c3d2\n0190a5b4-c3d2\n", "equal ids need no more");
	print(OUT_TSV, false, "id", 1);
	is_str(text, "0190a5b4-c3d2-7e1f-8a9b-0c1d2e3f4a5b\n", "whole where programs read");
}

static void
separated(void)
{
	size_t tabs = 0, lines = 0;

	print(OUT_TSV, true, "id,name,n,ok,at,age_s,size,args", NELEM(rows));
	for (const char *p = text; *p; p++) {
		tabs += *p == '\t';
		lines += *p == '\n';
	}
	is_int(lines, NELEM(rows) + 1, "a line for each row and the header");
	is_int(tabs, (NELEM(rows) + 1) * (NCOLS - 1), "every row has every field");
	ok(strstr(text, "\ttab\\tnew\\nline \\\\ \\x1b[31m\t-12\tfalse\t"), "escaped, not prettified");
	print(OUT_TSV, false, "n,name", 3);
	is_str(text, "7\tplain\n-12\ttab\\tnew\\nline \\\\ \\x1b[31m\n\t\n", "unknown is empty");
}

static void
json(void)
{
	char *save = NULL, *line;
	json_t *v[NELEM(rows)] = { NULL };
	size_t n = 0;

	print(OUT_JSONL, true, "id,name,n,ok,at,age_s,size,args", NELEM(rows));
	for (line = strtok_r(text, "\n", &save); line && n < NELEM(v);
	     line = strtok_r(NULL, "\n", &save))
		v[n++] = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	is_int(n, NELEM(rows), "a line for each row");
	for (size_t i = 0; i < n; i++)
		ok(json_is_object(v[i]) && json_object_size(v[i]) == NCOLS + 1,
		   "row %zu is an object with every key", i);
	is_int(json_integer_value(json_object_get(v[0], "v")), 1, "the version of the form");
	ok(json_is_integer(json_object_get(v[0], "n")), "numbers are numbers");
	ok(json_is_true(json_object_get(v[0], "ok")), "booleans are booleans");
	ok(json_is_object(json_object_get(v[0], "args")), "JSON is itself");
	is_str(json_string_value(json_object_get(v[1], "name")), rows[1][1], "text is unharmed");
	ok(json_is_null(json_object_get(v[2], "n")), "unknown is null");
	ok(json_is_null(json_object_get(v[3], "age_s")), "so is what JSON has no number for");
	for (size_t i = 0; i < n; i++)
		json_decref(v[i]);
}

static void
picking(void)
{
	const struct out_col **cols = NULL;
	struct err e;
	int n = 0;

	is_int(out_pick(all, NCOLS, "n,id,n", &cols, &n, &e), 0, "fields in any order, also twice");
	ok(n == 3 && cols[0] == &all[2] && cols[1] == &all[0] && cols[2] == &all[2], "as asked");
	free(cols);
	is_int(out_pick(all, NCOLS, "id,nope", &cols, &n, &e), -1, "an unknown field is refused");
	ok(e.kind == ERR_USAGE && strstr(e.msg, "\"nope\""), "and named");
	is_str(e.hint, "fields: id name n ok at age_s size args", "with those there are");
	is_int(out_pick(all, NCOLS, "", &cols, &n, &e), -1, "an empty list is refused");
	is_int(out_pick(all, NCOLS, "id,", &cols, &n, &e), -1, "so is an empty field");
	is_int(out_pick(all, NCOLS, "i", &cols, &n, &e), -1, "so is the beginning of one");
	is_int(out_pick(all, NCOLS, "id ", &cols, &n, &e), -1, "so is a blank");
}

int
main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		tap_bail("no C.UTF-8");
	tables();
	ids();
	separated();
	json();
	picking();
	return tap_done();
}
