#!/usr/bin/env bats
# Every function of ours, read by plpgsql_check: types, columns, reach, volatility.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	new_database
	sql 'CREATE EXTENSION plpgsql_check' 2>/dev/null || export MISSING=1
}

functions() {	# what each schema of ours has in this language
	sql "SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
		WHERE l.lanname = '$1' AND p.pronamespace::regnamespace::text IN
			(SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)')
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
}

@test "plpgsql functions are sound" {
	[ -z "${MISSING:-}" ] || skip "needs postgresql-15-plpgsql-check"
	[ "$(functions plpgsql | wc -l)" -gt 5 ]
	# copy_begin() makes the table that copy_end() reads; an array that begins as
	# '{}' is no mistake
	run -0 sql "SELECT FROM jobctl.copy_begin();
		SELECT p.oid::regprocedure, c.lineno, c.level, c.message, c.detail
		FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql',
		LATERAL plpgsql_check_function_tb(p.oid, fatal_errors => false, extra_warnings => false,
			performance_warnings => false, security_warnings => true) c
		WHERE p.prorettype <> 'trigger'::regtype
		  AND p.pronamespace::regnamespace::text !~ '^(pg_|information_schema|public)'
		  AND c.detail IS DISTINCT FROM 'cast \"text\" value to \"text[]\" type'"
	echo "$output"
	[ -z "$output" ]
}

@test "security definer functions pin their search path" {
	run -0 sql "SELECT oid::regprocedure FROM pg_proc WHERE prosecdef
		AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=pg_catalog%')
		AND pronamespace::regnamespace::text !~ '^(pg_|information_schema|public)'"
	[ -z "$output" ]
}

@test "a function that changes something is not granted to everybody" {
	run -0 sql "SELECT oid::regprocedure FROM pg_proc WHERE provolatile = 'v' AND prosecdef
		AND has_function_privilege('public', oid, 'EXECUTE') AND prorettype <> 'trigger'::regtype
		AND pronamespace::regnamespace::text !~ '^(pg_|information_schema|public)'"
	[ -z "$output" ]
}
