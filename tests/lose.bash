# shellcheck shell=bash
# lose.bash - programs whose connection breaks at a chosen call, see tests/fault/lose.c

build_lose() {	# in setup_file
	LOSE_SO=$BATS_FILE_TMPDIR/lose.so
	export LOSE_SO
	"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -I"$SUITE_ROOT/lib" -o "$LOSE_SO" \
		"$SUITE_ROOT/tests/fault/lose.c"
}

# Run with the connection breaking once.
losing() {	# WHEN:TEXT|WHEN:#N COMMAND...
	local lose=$1

	shift
	LD_PRELOAD=$LOSE_SO LOSE=$lose ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$@"
}
