/*
 * lang.c - the table of languages
 */
#include "catalog/lang.h"

#include <string.h>
#include <strings.h>

static const struct lang langs[] = {
	{ "asm", LANG_PLAIN, 0 },
	{ "awk", LANG_BRACES, LANG_HASH | LANG_KEYWORD | LANG_NEWLINE },
	{ "batch", LANG_PLAIN, 0 },
	{ "c", LANG_BRACES, LANG_SLASHES | LANG_CPP | LANG_RETURNS },
	{ "clojure", LANG_PLAIN, 0 },
	{ "cmake", LANG_PLAIN, LANG_HASH },
	{ "cpp", LANG_BRACES, LANG_SLASHES | LANG_CPP | LANG_RETURNS | LANG_TICK },
	{ "csharp", LANG_BRACES, LANG_SLASHES | LANG_CPP | LANG_TRIPLE },
	{ "css", LANG_PLAIN, 0 },
	{ "csv", LANG_PLAIN, 0 },
	{ "cuda", LANG_BRACES, LANG_SLASHES | LANG_CPP | LANG_RETURNS | LANG_TICK },
	{ "dart", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE },
	{ "diff", LANG_PLAIN, 0 },
	{ "dockerfile", LANG_PLAIN, LANG_HASH },
	{ "elixir", LANG_END, LANG_HASH | LANG_TRIPLE },
	{ "erlang", LANG_PLAIN, 0 },
	{ "fortran", LANG_PLAIN, 0 },
	{ "go", LANG_BRACES, LANG_SLASHES | LANG_BACKTICK | LANG_NEWLINE | LANG_KEYWORD },
	{ "graphql", LANG_PLAIN, LANG_HASH },
	{ "groovy", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE | LANG_NEWLINE },
	{ "haskell", LANG_PLAIN, LANG_DASHES },
	{ "html", LANG_PLAIN, 0 },
	{ "ini", LANG_PLAIN, LANG_HASH },
	{ "java", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE },
	{ "javascript", LANG_BRACES,
	  LANG_SLASHES | LANG_BACKTICK | LANG_NEWLINE | LANG_SLASH_REGEX },
	{ "json", LANG_PLAIN, 0 },
	{ "julia", LANG_END, LANG_HASH | LANG_TRIPLE },
	{ "kotlin", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE | LANG_NEWLINE | LANG_KEYWORD },
	{ "latex", LANG_PLAIN, 0 },
	{ "less", LANG_PLAIN, 0 },
	{ "lex", LANG_PLAIN, 0 },
	{ "lisp", LANG_PLAIN, 0 },
	{ "lua", LANG_END, LANG_DASHES },
	{ "m4", LANG_PLAIN, LANG_HASH },
	{ "make", LANG_PLAIN, LANG_HASH },
	{ "man", LANG_PLAIN, 0 },
	{ "markdown", LANG_PLAIN, 0 },
	{ "meson", LANG_PLAIN, LANG_HASH },
	{ "nix", LANG_PLAIN, LANG_HASH },
	{ "objc", LANG_BRACES, LANG_SLASHES | LANG_CPP | LANG_RETURNS },
	{ "ocaml", LANG_PLAIN, 0 },
	{ "perl", LANG_BRACES, LANG_HASH | LANG_KEYWORD | LANG_TICK },
	{ "php", LANG_BRACES, LANG_SLASHES | LANG_HASH | LANG_KEYWORD },
	{ "powershell", LANG_BRACES, LANG_HASH | LANG_KEYWORD | LANG_NEWLINE },
	{ "protobuf", LANG_BRACES, LANG_SLASHES },
	{ "python", LANG_INDENT, LANG_HASH | LANG_TRIPLE },
	{ "r", LANG_PLAIN, LANG_HASH },
	{ "restructuredtext", LANG_PLAIN, 0 },
	{ "ruby", LANG_END, LANG_HASH },
	{ "rust", LANG_BRACES, LANG_SLASHES | LANG_TICK | LANG_KEYWORD },
	{ "scala", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE | LANG_NEWLINE | LANG_KEYWORD },
	{ "scss", LANG_PLAIN, 0 },
	{ "shell", LANG_SHELL, LANG_HASH },
	{ "sql", LANG_SQL, LANG_DASHES },
	{ "swift", LANG_BRACES, LANG_SLASHES | LANG_TRIPLE | LANG_NEWLINE | LANG_KEYWORD },
	{ "tcl", LANG_PLAIN, LANG_HASH },
	{ "terraform", LANG_PLAIN, LANG_HASH },
	{ "text", LANG_PLAIN, 0 },
	{ "toml", LANG_PLAIN, LANG_HASH },
	{ "typescript", LANG_BRACES,
	  LANG_SLASHES | LANG_BACKTICK | LANG_NEWLINE | LANG_SLASH_REGEX },
	{ "vim", LANG_PLAIN, 0 },
	{ "vue", LANG_PLAIN, 0 },
	{ "xml", LANG_PLAIN, 0 },
	{ "yacc", LANG_PLAIN, 0 },
	{ "yaml", LANG_PLAIN, LANG_HASH },
	{ "zig", LANG_BRACES, LANG_SLASHES | LANG_KEYWORD },
};

struct name {
	const char *z, *lang;
};

static const struct name extensions[] = {
	{ "adoc", "text" },	 { "asm", "asm" },	  { "awk", "awk" },
	{ "bash", "shell" },	 { "bat", "batch" },	  { "bats", "shell" },
	{ "bazel", "python" },	 { "bzl", "python" },	  { "c", "c" },
	{ "cc", "cpp" },	 { "cfg", "ini" },	  { "cjs", "javascript" },
	{ "clj", "clojure" },	 { "cmake", "cmake" },	  { "cmd", "batch" },
	{ "conf", "ini" },	 { "cpp", "cpp" },	  { "cs", "csharp" },
	{ "css", "css" },	 { "csv", "csv" },	  { "cts", "typescript" },
	{ "cu", "cuda" },	 { "cuh", "cuda" },	  { "cxx", "cpp" },
	{ "dart", "dart" },	 { "desktop", "ini" },	  { "diff", "diff" },
	{ "dockerfile", "dockerfile" }, { "el", "lisp" }, { "erl", "erlang" },
	{ "ex", "elixir" },	 { "exs", "elixir" },	  { "f", "fortran" },
	{ "f90", "fortran" },	 { "fish", "shell" },	  { "for", "fortran" },
	{ "go", "go" },		 { "gql", "graphql" },	  { "gradle", "groovy" },
	{ "graphql", "graphql" }, { "groovy", "groovy" }, { "h", "c" },
	{ "hcl", "terraform" },	 { "hh", "cpp" },	  { "hpp", "cpp" },
	{ "hs", "haskell" },	 { "htm", "html" },	  { "html", "html" },
	{ "hxx", "cpp" },	 { "inc", "c" },	  { "ini", "ini" },
	{ "inl", "cpp" },	 { "ipp", "cpp" },	  { "java", "java" },
	{ "jl", "julia" },	 { "js", "javascript" },  { "json", "json" },
	{ "jsonl", "json" },	 { "jsx", "javascript" }, { "ksh", "shell" },
	{ "kt", "kotlin" },	 { "kts", "kotlin" },	  { "l", "lex" },
	{ "less", "less" },	 { "lisp", "lisp" },	  { "ll", "lex" },
	{ "lua", "lua" },	 { "m", "objc" },	  { "m4", "m4" },
	{ "mak", "make" },	 { "markdown", "markdown" }, { "md", "markdown" },
	{ "mdx", "markdown" },	 { "mjs", "javascript" }, { "mk", "make" },
	{ "ml", "ocaml" },	 { "mli", "ocaml" },	  { "mm", "objc" },
	{ "mts", "typescript" }, { "nix", "nix" },	  { "patch", "diff" },
	{ "php", "php" },	 { "pl", "perl" },	  { "plist", "xml" },
	{ "pm", "perl" },	 { "proto", "protobuf" }, { "ps1", "powershell" },
	{ "psm1", "powershell" }, { "py", "python" },	  { "pyi", "python" },
	{ "pyx", "python" },	 { "r", "r" },		  { "rake", "ruby" },
	{ "rb", "ruby" },	 { "rs", "rust" },	  { "rst", "restructuredtext" },
	{ "s", "asm" },		 { "scala", "scala" },	  { "scm", "lisp" },
	{ "scss", "scss" },	 { "sh", "shell" },	  { "sql", "sql" },
	{ "svg", "xml" },	 { "swift", "swift" },	  { "t", "perl" },
	{ "tcl", "tcl" },	 { "tcc", "cpp" },	  { "tex", "latex" },
	{ "tf", "terraform" },	 { "toml", "toml" },	  { "ts", "typescript" },
	{ "tsx", "typescript" }, { "txt", "text" },	  { "vim", "vim" },
	{ "vue", "vue" },	 { "xhtml", "html" },	  { "xml", "xml" },
	{ "xsd", "xml" },	 { "xsl", "xml" },	  { "y", "yacc" },
	{ "yaml", "yaml" },	 { "yml", "yaml" },	  { "yy", "yacc" },
	{ "zig", "zig" },	 { "zsh", "shell" },
};

static const struct name files[] = {
	{ ".bashrc", "shell" },	    { ".profile", "shell" },	 { ".zshrc", "shell" },
	{ "APKBUILD", "shell" },    { "BUILD", "python" },	 { "CMakeLists.txt", "cmake" },
	{ "Containerfile", "dockerfile" }, { "Dockerfile", "dockerfile" },
	{ "GNUmakefile", "make" },
	{ "Gemfile", "ruby" },	    { "Jenkinsfile", "groovy" }, { "Kbuild", "make" },
	{ "Makefile", "make" },	    { "Makefile.am", "make" },	 { "Makefile.in", "make" },
	{ "PKGBUILD", "shell" },    { "Rakefile", "ruby" },	 { "SConstruct", "python" },
	{ "Vagrantfile", "ruby" },  { "WORKSPACE", "python" },	 { "configure.ac", "m4" },
	{ "go.mod", "text" },	    { "makefile", "make" },	 { "meson.build", "meson" },
};

static const struct name interpreters[] = {
	{ "awk", "awk" },	{ "bash", "shell" },	{ "bats", "shell" },
	{ "dash", "shell" },	{ "gawk", "awk" },	{ "ksh", "shell" },
	{ "lua", "lua" },	{ "make", "make" },	{ "node", "javascript" },
	{ "perl", "perl" },	{ "php", "php" },	{ "python", "python" },
	{ "ruby", "ruby" },	{ "sh", "shell" },	{ "tclsh", "tcl" },
	{ "zsh", "shell" },
};

const struct lang *
lang_named(const char *name)
{
	for (size_t i = 0; i < NELEM(langs); i++)
		if (!strcmp(langs[i].name, name))
			return &langs[i];
	return NULL;
}

/* Case does not count in an extension; Makefile is always so written. */
static const struct lang *
look_up(const struct name *names, size_t count, const char *z, size_t n, bool any_case)
{
	for (size_t i = 0; i < count; i++) {
		const char *have = names[i].z;

		if (strlen(have) == n &&
		    !(any_case ? strncasecmp(have, z, n) : strncmp(have, z, n)))
			return lang_named(names[i].lang);
	}
	return NULL;
}

/* "#!/usr/bin/env -S python3.11 -u" is python. */
static const struct lang *
by_shebang(const char *head, size_t n)
{
	const char *end = memchr(head, '\n', n), *p = head + 2, *word;

	if (!end)
		end = head + n;
	while (p < end) {
		size_t len;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		word = p;
		while (p < end && *p != ' ' && *p != '\t' && *p != '\r')
			p++;
		if (p == word)
			break;
		if (*word == '-')
			continue;
		for (const char *s = word; s < p; s++)
			if (*s == '/')
				word = s + 1;
		if (p - word == 3 && !memcmp(word, "env", 3))
			continue;
		len = (size_t)(p - word);
		while (len && strchr(".0123456789", word[len - 1]))
			len--;
		return look_up(interpreters, NELEM(interpreters), word, len, false);
	}
	return NULL;
}

static bool
contains(const char *p, size_t n, const char *z)
{
	return memmem(p, n, z, strlen(z)) != NULL;
}

const struct lang *
lang_find(const char *path, const char *head, size_t n)
{
	const char *base = strrchr(path, '/'), *dot;
	const struct lang *l;

	base = base ? base + 1 : path;
	if (n > 200)
		n = 200;
	l = look_up(files, NELEM(files), base, strlen(base), false);
	if (l)
		return l;
	dot = strrchr(base, '.');
	if (dot && dot[1]) {
		l = look_up(extensions, NELEM(extensions), dot + 1, strlen(dot + 1), true);
		/* a header in C++ often says so where an editor looks for it */
		if (l && !strcmp(l->name, "c") && contains(head, n, "-*- C++ -*-"))
			return lang_named("cpp");
		if (l)
			return l;
	}
	if (!strncmp(base, "Dockerfile.", 11))
		return lang_named("dockerfile");
	if (n > 2 && !memcmp(head, "#!", 2))
		return by_shebang(head, n);
	if (contains(head, n, "-*- C++ -*-"))
		return lang_named("cpp");
	if (n > 5 && !memcmp(head, "<?xml", 5))
		return lang_named("xml");
	return NULL;
}
