/*
 * chunk_test.c - chunks cover a text whatever it is, and follow it where they can
 */
#include "catalog/chunk.h"

#include "str.h"
#include "tap.h"

static struct chunker chunker = CHUNKER(CHUNK_LINES);

/* NULL if the invariants of chunk.h hold for the chunks of a text, else which does not. */
static const char *
wrong(const struct chunker *c, const char *p, size_t n)
{
	size_t off = 0;
	int line = 1;

	for (int i = 0; i < c->count; i++) {
		const struct chunk *k = &c->v[i];
		int lines = 0;

		if (k->off != off)
			return "a gap";
		if (!k->len)
			return "an empty chunk";
		if (k->len > CHUNK_BYTES)
			return "a chunk too large";
		if (k->off + k->len > n || k->sym + k->symlen > n)
			return "past the end";
		if (k->symlen > SYMBOL_MAX)
			return "a long symbol";
		if (k->start != line)
			return "a wrong first line";
		for (size_t b = k->off; b < k->off + k->len; b++)
			lines += p[b] == '\n';
		line += lines;
		off += k->len;
		if (k->end != (p[off - 1] == '\n' ? line - 1 : line))
			return "a wrong last line";
	}
	return off == n ? NULL : "not all of it";
}

/* Cut a text that ends where its memory does; NULL, or what is wrong with the result. */
static const char *
cut(const char *lang, const char *text, size_t n)
{
	char *p = xmalloc(n);
	const char *why;

	memcpy(p, text, n);
	chunk_text(&chunker, lang_named(lang), p, n);
	why = wrong(&chunker, p, n);
	free(p);
	return why;
}

/* "function main 3-7, block 8-9" */
static const char *
chunks_of(const char *lang, const char *text)
{
	static struct str s = STR(STR_ANY);
	const char *why;

	str_reset(&s);
	why = cut(lang, text, strlen(text));
	if (why)
		return why;
	for (int i = 0; i < chunker.count; i++) {
		const struct chunk *k = &chunker.v[i];

		str_putf(&s, "%s%s", i ? ", " : "", chunk_type_name(k->type));
		if (k->symlen)
			str_putf(&s, " %.*s", (int)k->symlen, text + k->sym);
		str_putf(&s, " %d-%d", k->start, k->end);
	}
	return s.buf;
}

static void
c_and_cpp(void)
{
	is_str(chunks_of("c", "#include <a.h>\n\n/* What it does. */\nstatic int\nfoo(int a, int b)\n{\n\tif (a) {\n"
			      "\t\treturn b;\n\t}\n}\n\nstruct bar {\n\tint x;\n};\n"),
	       "block 1-2, function foo 3-11, class bar 12-14", "C: a function with its comment, a struct");
	is_str(chunks_of("c", "typedef struct {\n\tint x;\n} point;\n\nstatic const int t[] = {\n\t1,\n\t2,\n};\n"
			      "struct p *make(struct p a) {\n\treturn 0;\n}\n"),
	       "class point 1-4, block 5-8, function make 9-11",
	       "C: a typedef's name, an array, a function that returns a struct");
	is_str(chunks_of("c", "int a(void)\n{\n#if X\n\tif (y) {\n#else\n\tif (z) {\n#endif\n\t\tw();\n\t}\n}\nint b(void)\n{\n}\n"),
	       "function a 1-10, function b 11-13", "C: braces unbalanced by the preprocessor");
	is_str(chunks_of("c", "char *s = \"}{\";\nint q = '{';\n// {\n/* { */\n\n\n\nMACRO(x)\nint f(void)\n{\n}\n"),
	       "block 1-7, function f 8-11", "C: braces in strings and comments, a macro before a function");
	is_str(chunks_of("cpp", "namespace a {\nnamespace b {\n\ntemplate <class T>\nvoid Foo<T>::run() const\n{\n}\n\n"
				"Foo::Foo() : x(1), y(2) {\n}\n\n}\n}\n"),
	       "block 1-3, function run 4-8, function Foo 9-13", "C++: namespaces, a template, a constructor");
	is_str(chunks_of("cpp", "class EXPORT Foo final : public Bar<int> {\npublic:\n\tint x() { return 1; }\n};\n"
				"enum class Color : int {\n\tRED\n};\n\n\nint y = 1'000'000;\nvoid z() {\n}\n"),
	       "class Foo 1-4, class Color 5-9, block 10-10, function z 11-12", "C++: classes, digits with ticks");
	is_str(chunks_of("cpp", "const char *s = R\"x({ \" )x\";\nbool operator==(const A &a, const B &b) {\n}\n\n\n\n\n\n\nint x;\n"),
	       "block 1-1, function operator== 2-9, block 10-10", "C++: a raw string, an operator");
}

static void
others(void)
{
	is_str(chunks_of("java", "package a.b;\n\nimport x;\n\n@Deprecated\npublic class Foo extends Bar {\n"
				 "  @Override\n  public void run() {\n  }\n}\n"),
	       "block 1-4, class Foo 5-10", "Java: a class with its annotation");
	is_str(chunks_of("go", "package x\n\nvar y = 1\n\n// Doc.\nfunc (s *S) Next(a int) (int, error) {\n\tif a > 0 {\n\t}\n}\n\n"
			       "type T struct {\n\ta int\n}\n"),
	       "block 1-4, function Next 5-10, class T 11-13", "Go: a method, a type");
	is_str(chunks_of("rust", "use x;\n\n#[derive(Debug)]\npub struct P<'a> {\n\tx: &'a str,\n}\n\nimpl<'a> Show for P<'a> {\n"
				 "\tfn show(&self) -> char { '}' }\n}\n\npub(crate) fn f<T: Fn(u32)>(t: T) where T: X {\n}\n"),
	       "block 1-2, class P 3-7, class P 8-11, function f 12-13", "Rust: lifetimes, impl, a function");
	is_str(chunks_of("javascript", "import x from 'y'\n\nconst r = /[/{]/g\n\nexport function a(b = {}) {\n\treturn `${b}{`\n}\n"
				       "const f = async (x) => {\n\treturn x\n}\n\nclass C {\n\tm() {\n\t}\n}\n"),
	       "block 1-4, function a 5-7, function f 8-11, class C 12-15", "JavaScript: functions of both kinds");
	is_str(chunks_of("python", "import os\n\n\n@cache\ndef a(x):\n    \"\"\"\ndef no():\n    \"\"\"\n    return (\n1)\n\n\n"
				   "class B:\n    def c(self):\n        pass\n\nx = 1\n"),
	       "block 1-3, function a 4-12, class B 13-16, block 17-17", "Python: decorators, strings, brackets");
	is_str(chunks_of("ruby", "require 'x'\n\n# Doc\nmodule M\n  def a?(x)\n    if x\n    end\n  end\nend\n\ndef b; 1; end\n"),
	       "block 1-2, class M 3-10, function b 11-11", "Ruby: a module, a function on a line");
	is_str(chunks_of("shell", "#!/bin/sh\nset -e\n\n# Says it.\nsay() {\n\techo \"}\"\n}\n\nfunction go {\n\tsay\n}\n\nsay\n"),
	       "block 1-3, function say 4-8, function go 9-12, block 13-13", "shell: both kinds of functions");
	is_str(chunks_of("sql", "-- Doc.\nCREATE OR REPLACE FUNCTION a.f(x int) RETURNS int\nLANGUAGE plpgsql AS $$\nBEGIN\n  x := 1;\n"
				"END\n$$;\n\nCREATE TABLE IF NOT EXISTS a.t (\n\ty text DEFAULT ';'\n);\nSELECT 1;\n"),
	       "function a.f 1-8, class a.t 9-11, block 12-12", "SQL: a body in dollars, a table");
	is_str(chunks_of("php", "<?php\nnamespace X;\n\nfinal class A {\n\tpublic function b(): ?array {\n\t\treturn [];\n\t}\n}\n\n"
				"function c($x) { return \"{$x}\"; }\n"),
	       "block 1-3, class A 4-9, function c 10-10", "PHP: a class, a function");
}

static void
sizes(void)
{
	struct str s = STR(STR_ANY);

	is_str(chunks_of("c", ""), "", "an empty text has no chunk");
	is_str(chunks_of("c", "\n"), "block 1-1", "an empty line is a chunk");
	is_str(chunks_of("c", "int x;"), "block 1-1", "a line without its end");
	is_str(chunks_of("c", "int x;\nint y;\n\nint f(void)\n{\n}\n"), "function f 1-6", "under ten lines it is one chunk");
	is_str(chunks_of("text", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"), "block 1-9", "nine lines are");

	for (int i = 1; i <= 200; i++)
		str_putf(&s, i % 25 ? "line %d\n" : "\n", i);
	is_str(chunks_of("text", s.buf), "block 1-50, block 51-100, block 101-150, block 151-200",
	       "blocks end at blank lines near the target");
	str_reset(&s);
	for (int i = 1; i <= 150; i++)
		str_putf(&s, "line %d\n", i);
	is_str(chunks_of("text", s.buf), "block 1-60, block 61-150", "or at the target; the last may be half as large again");

	str_reset(&s);
	str_puts(&s, "class A {\n\tint x;\n\n");
	for (int i = 0; i < 3; i++) {
		str_putf(&s, "\tvoid m%d() {\n", i);
		for (int k = 0; k < 28; k++)
			str_puts(&s, "\t\tx++;\n");
		str_puts(&s, "\t}\n\n");
	}
	str_puts(&s, "};\n");
	is_str(chunks_of("cpp", s.buf), "class A 1-3, function m0 4-34, function m1 35-65, function m2 66-97",
	       "a large class is cut along its functions");

	str_reset(&s);
	str_puts(&s, "void f()\n{\n");
	for (int i = 3; i < 500; i++)
		str_puts(&s, i % 50 ? "\tx++;\n" : "\n");
	str_puts(&s, "}\n");
	is_str(chunks_of("c", s.buf),
	       "function f 1-100, function f 101-200, function f 201-300, function f 301-400, function f 401-500",
	       "a very long function is cut, and keeps its name");
	str_free(&s);
}

/* Chunks of bytes made of what the scanners look at; whatever they make of it must be sound. */
static void
nonsense(void)
{
	static const char *const pieces[] = {
		"{", "}", "(", ")", ";", "\n", "\n\n", "\n}\n", "\"", "'", "`", "\"\"\"", "/*", "*/", "//", "#",
		"\\", "int f()", "class A", "namespace b", "struct x", "def f", "end\n", "  def g(\n", "=", "=>",
		"function q()", "CREATE FUNCTION z", "$$", "--", "R\"(", "r#\"", "impl<", "<", ">", "::", "@x(",
		"\t", "    ", "public:", "\r\n", "\xc3\xa9", "x", "@test \"a\" {", "operator", "1'0", "/re/", "[",
	};
	static const char *const langs[] = {
		"c", "cpp", "java", "go", "rust", "javascript", "python", "ruby", "shell", "sql", "php", "perl",
		"lua", "kotlin", "csharp", "text", "awk", "elixir",
	};
	struct str s = STR(STR_ANY);
	unsigned seed = 3;
	const char *why = NULL;
	int rounds = 0;

	for (; rounds < 6000 && !why; rounds++) {
		int n = rand_r(&seed) % 120;

		str_reset(&s);
		for (int i = 0; i < n; i++)
			str_puts(&s, pieces[(size_t)rand_r(&seed) % NELEM(pieces)]);
		if (rounds % 50 == 0)		/* a long line somewhere */
			for (int i = 0; i < 40000; i++)
				str_putc(&s, i % 7 ? 'y' : rounds % 100 ? ' ' : 'z');
		chunker.target = rounds % 3 ? CHUNK_LINES : CHUNK_LINES_MIN;
		why = cut(langs[rounds % (int)NELEM(langs)], s.buf, s.len);
	}
	chunker.target = CHUNK_LINES;
	ok(!why, "%d texts of nonsense have sound chunks%s%s", rounds, why ? ": " : "", why ? why : "");
	str_free(&s);
}

static void
depth(void)
{
	size_t n = 200000;
	char *p = xmalloc(n);

	for (int c = 0; c < 5; c++) {
		memset(p, "{(\n'\""[c], n);
		chunk_text(&chunker, lang_named("c"), p, n);
		ok(!wrong(&chunker, p, n), "200,000 times \\x%02x", "{(\n'\""[c]);
	}
	free(p);
}

int
main(void)
{
	c_and_cpp();
	others();
	sizes();
	nonsense();
	depth();
	chunker_free(&chunker);
	chunker_free(&chunker);
	return tap_done();
}
