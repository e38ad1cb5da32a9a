/*
 * lang_test.c - a file's language by its name, else by its first line
 */
#include "catalog/lang.h"

#include "tap.h"

static const char *
lang(const char *path, const char *head)
{
	const struct lang *l = lang_find(path, head, strlen(head));

	return l ? l->name : "?";
}

int
main(void)
{
	is_str(lang("src/main.c", ""), "c", "an extension");
	is_str(lang("A.B/x.PY", ""), "python", "in any case");
	is_str(lang("x.tar.gz", ""), "?", "an unknown one");
	is_str(lang("x.c/noext", ""), "?", "a directory's name does not count");
	is_str(lang("lib/Makefile", ""), "make", "a name");
	is_str(lang("CMakeLists.txt", ""), "cmake", "a name goes before its extension");
	is_str(lang("Dockerfile.dev", ""), "dockerfile", "a name with something after it");
	is_str(lang("run", "#!/bin/sh\nx"), "shell", "an interpreter");
	is_str(lang("run", "#!/usr/bin/env python3.11\n"), "python", "found by env, with a version");
	is_str(lang("run", "#! /usr/bin/env -S perl -w"), "perl", "with options on either side");
	is_str(lang("run", "#!/usr/bin/env"), "?", "env alone");
	is_str(lang("run", "#!"), "?", "nothing after the mark");
	is_str(lang("run.js", "#!/bin/sh\n"), "javascript", "the name goes before the interpreter");
	is_str(lang("vector", "// -*- C++ -*-\n"), "cpp", "what an editor is told");
	is_str(lang("x.h", "// stuff -*- C++ -*-\n"), "cpp", "also in a header");
	is_str(lang("x.h", "int x;\n"), "c", "which else is C");
	is_str(lang("x.", ""), "?", "a dot at the end");
	is_str(lang(".gitignore", ""), "?", "a dot at the beginning");
	is_str(lang("", ""), "?", "no name at all");
	ok(lang_named("rust") && !lang_named("Rust") && !lang_named(""), "the catalog's names");
	return tap_done();
}
