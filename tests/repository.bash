# shellcheck shell=bash
# repository.bash - repositories to index

# In setup_file(): who commits.
git_identity() {
	git config --global user.name t
	git config --global user.email t@example.org
	git config --global init.defaultBranch main
}

# A repository of four files in this directory: C, Python, text, and one that is empty.
four_files() {
	git init -q
	printf '#include <stdio.h>\n\nint\nmain(void)\n{\n\treturn 0;\n}\n' >main.c
	printf 'def f(x):\n    return x\n\n\nclass C:\n    pass\n' >lib.py
	mkdir doc
	seq -f 'line %g of a text' 100 >doc/a.txt
	: >empty
	git add -A
	git commit -qm x
}
