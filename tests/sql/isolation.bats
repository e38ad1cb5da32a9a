#!/usr/bin/env bats
# The races of tests/isolation: each spec tells its story, its transcript is
# compared with the .out beside it.
#
# To bless a new transcript: BLESS=NAME tests/run tests/sql/isolation.bats, and read it.

bats_require_minimum_version 1.5.0
load queue

setup_file() {
	local dir

	new_database
	psql -Xqv ON_ERROR_STOP=1 -f "$BATS_TEST_DIRNAME/prelude.sql"
	for dir in "$(pg_config --pkglibdir 2>/dev/null)" /usr/lib/postgresql/15/lib; do
		export TESTER=$dir/pgxs/src/test/isolation/isolationtester
		[ ! -x "$TESTER" ] || return 0
	done
	TESTER=
}

@test "every race ends as it should" {
	local name out bad=0

	[ -n "$TESTER" ] || skip 'needs isolationtester, of postgresql-client-15'
	patient
	cd "$BATS_TEST_DIRNAME/../isolation"
	for name in *.spec; do
		name=${name%.spec}
		out=$BATS_TEST_TMPDIR/$name.out
		sql 'CALL t.clear()'
		PG_TEST_TIMEOUT_DEFAULT=30 timeout -k 5 120 "$TESTER" "$JOBCTL_DATABASE" <"$name.spec" >"$out" 2>&1 || bad=1
		[ "${BLESS:-}" != "$name" ] && [ "${BLESS:-}" != all ] || cp "$out" "$name.out"
		diff -u "$name.out" "$out" || bad=1
	done
	[ "$bad" = 0 ]
}
