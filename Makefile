# jobctl: background jobs in the PostgreSQL you already run.
#
#   make              build the programs into build/bin
#   make check        everything a change must pass; sets itself up on Debian 12
#   make faults       more of what breaks, for minutes: SEED= JOBS= SECONDS_= FAULTS=
#   make quickstart   from nothing to a search result
#   make install      DESTDIR= PREFIX=

VERSION = 0.1.0

O ?= build
PREFIX ?= /usr/local
CC ?= cc
CFLAGS ?= -O2 -g
SAN ?=
V ?=

PROGRAMS := $(patsubst cmd/%.c,%,$(wildcard cmd/*.c))
LIB_SRC := $(wildcard lib/*.c lib/*/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(O)/%.o) $(O)/gen/inventory_sql.o
SQL_FILES := $(sort $(wildcard sql/*/*.sql sql/*/api/*.sql))

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
       -Wwrite-strings -Wpointer-arith -Wformat=2 -Wundef -Wcast-qual -Wimplicit-fallthrough \
       -Wconversion -Wno-sign-conversion $(WERROR)
PG_CFLAGS := $(shell pkg-config --cflags libpq 2>/dev/null || echo -I/usr/include/postgresql)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(CFLAGS) $(WARN) -Ilib -I$(O) $(PG_CFLAGS) \
	     -DJOBCTL_VERSION='"$(VERSION)"' -fstack-protector-strong -fPIE
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(LDFLAGS)
LDLIBS = -lpq -ljansson -lssl -lcrypto
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=$(SAN)
else
ALL_CFLAGS += -D_FORTIFY_SOURCE=2
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

all: $(PROGRAMS:%=$(O)/bin/%) man

# Flags are a prerequisite: change them and everything they touch is rebuilt.
$(O)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The migrations travel inside jobctl-migrate; jobctl-doctor and jobctl-verify compare with them.
$(O)/gen/sql_files.c: tools/embed-sql sql/SETS $(SQL_FILES)
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/embed-sql $(SQL_FILES) > $@.tmp && mv $@.tmp $@

$(O)/gen/sql_files.o: $(O)/gen/sql_files.c $(O)/flags
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# A statement too long for a C source; psql runs it as it is.
$(O)/gen/inventory_sql.c: lib/inventory.sql tools/embed-statement
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/embed-statement inventory_sql $< > $@.tmp && mv $@.tmp $@
$(O)/gen/inventory_sql.o: $(O)/gen/inventory_sql.c $(O)/flags
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The list of programs is data for jobctl's help, the manual's index and the completions.
$(O)/gen/commands.def: cmd/commands.list
	@mkdir -p $(@D)
	$(Q)awk -F'\t' '!/^#/ { sub(/^jobctl-/, "", $$1); \
		printf "COMMAND(\"%s\", \"%s\", \"%s\")\n", $$1, $$2, $$3 }' $< > $@.tmp && mv $@.tmp $@
$(O)/cmd/jobctl.o: $(O)/gen/commands.def

$(O)/libjobctl.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar crs $@ $^

$(O)/bin/jobctl-migrate $(O)/bin/jobctl-doctor $(O)/bin/jobctl-verify: $(O)/gen/sql_files.o
$(O)/bin/jobctl-top: LIBS_TOO = -lncursesw -ltinfo
$(O)/bin/jobctl-migrate $(O)/tests/unit/lint_test: LIBS_TOO = -lpg_query
$(O)/bin/%: $(O)/cmd/%.o $(O)/libjobctl.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(O)/libjobctl.a $(LDLIBS) $(LIBS_TOO)

# Unit tests: one program per tests/unit/NAME_test.c.
UNIT_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/*_test.c))
# What the fault suite and the bench run besides ours: tests/faults/NAME.c, tests/bench/NAME.c.
TEST_AIDS := $(patsubst %.c,$(O)/%,$(wildcard tests/faults/*.c tests/bench/*.c))
$(UNIT_TESTS) $(TEST_AIDS): %: %.o $(O)/libjobctl.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(O)/libjobctl.a $(LDLIBS) $(LIBS_TOO)
unit-tests: $(UNIT_TESTS) $(TEST_AIDS)

# Packages first: only the make that runs after them sees what they brought.
setup:
	@tools/setup
setup-test:
	@tools/setup test
# The bench goes on without what cannot be installed.
setup-bench:
	@command -v parallel >/dev/null || tools/setup bench || :
quickstart: setup
	@$(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j"$$(nproc)") all
	@tools/quickstart $(O)/bin

# A manual page gets its OPTIONS from the program it describes.
MAN := $(filter $(PROGRAMS:%=%.1) %.7,$(notdir $(wildcard man/*.[17])))
$(O)/man/%.1: man/%.1 $(O)/bin/%
	@mkdir -p $(@D)
	$(Q)$(O)/bin/$* --emit=man > $@.opt
	$(Q)sed -e '/^\.\\" OPTIONS$$/{r $@.opt' -e 'd;}' $< > $@.tmp
	$(Q)mv $@.tmp $@ && rm $@.opt
$(O)/man/%.7: man/%.7
	@mkdir -p $(@D)
	$(Q)cp $< $@
man: $(MAN:%=$(O)/man/%)

# Completions carry a table made from the programs' options; it is stored in the tree.
gen: $(PROGRAMS:%=$(O)/bin/%)
	tools/gen-completions $(O)/bin completions
check-gen: $(PROGRAMS:%=$(O)/bin/%)
	@rm -rf $(O)/completions && cp -r completions $(O)/completions
	@tools/gen-completions $(O)/bin $(O)/completions
	@diff -ru completions $(O)/completions > $(O)/completions.diff || \
		{ head -n 40 $(O)/completions.diff; echo 'stale: run make gen' >&2; exit 1; }

# Every header compiles alone.
HEADERS := $(wildcard lib/*.h lib/*/*.h)
$(O)/headers/%: % $(O)/flags
	@mkdir -p $(@D)
	$(Q)echo '#include "$(<:lib/%=%)"' | $(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -MT $@ \
		-fsyntax-only -x c - && touch $@
check-headers: $(HEADERS:%=$(O)/headers/%)

# check is the gate; the others are its parts, for work in between.
check ci:
	@O='$(O)' CC='$(CC)' CFLAGS='$(CFLAGS)' SAN='$(SAN)' tests/gate $@
check-unit: unit-tests all
	@O='$(O)' tests/run $(UNIT_TESTS)
check-bats: all
	@O='$(O)' tests/run tests/*.bats tests/cmd/*.bats
check-sql: all
	@O='$(O)' tests/run tests/sql/*.bats
lint: man
	@O='$(O)' tests/lint
tidy:
	@tests/lint tidy
asan:
	@tests/gate asan
clang:
	@$(MAKE) O=build/clang CC=clang WERROR=-Werror all unit-tests
valgrind: unit-tests
	@O='$(O)' VALGRIND=1 tests/run $(UNIT_TESTS)

# Minutes of faults; "make check" has seconds of them.  What follows from SEED is the plan.
faults: unit-tests all
	@O='$(O)' tests/faults/storm --long $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SECONDS_),--seconds $(SECONDS_)) $(if $(FAULTS),--faults $(FAULTS))

# Figures, all against something else in the same run; NAMES for some of them, LONG=1 for full sizes.
bench: setup-bench unit-tests all
	@O='$(O)' tests/bench/run $(if $(LONG),--long) $(NAMES)

# What clang-tidy is to compile with; gcc's own warnings are not its business.
print-flags:
	@echo $(filter -std=% -D% -I%,$(ALL_CFLAGS))

install: all
	@tools/install install '$(O)' '$(DESTDIR)' '$(PREFIX)'
uninstall:
	@tools/install uninstall '$(O)' '$(DESTDIR)' '$(PREFIX)'
dist:
	@mkdir -p $(O)
	git archive --format=tar.gz --prefix=jobctl-$(VERSION)/ -o $(O)/jobctl-$(VERSION).tar.gz HEAD

clean:
	rm -rf build

FORCE:
.PHONY: all asan bench check check-bats check-gen check-headers check-sql check-unit ci clang clean \
	dist faults gen install lint man print-flags quickstart setup setup-bench setup-test tidy uninstall unit-tests valgrind FORCE
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(PROGRAMS:%=$(O)/cmd/%.d) $(UNIT_TESTS:%=%.d) $(TEST_AIDS:%=%.d) \
	$(HEADERS:%=$(O)/headers/%.d)
