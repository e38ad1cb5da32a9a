#!/usr/bin/env bats
# jobctl-migrate: a set's functions and views go first, and come back with the head.

# shellcheck disable=SC2154	# run --separate-stderr sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../migrate

@test "the api comes with the head, follows its files, and goes first" {
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	put 0002_two 'CREATE TABLE two (id int);' 'DROP TABLE two;'
	api a_view $'-- drop: VIEW v\n-- after: z_view.sql\nCREATE VIEW v AS SELECT * FROM z;'
	api z_view $'-- drop: VIEW z\nCREATE VIEW z AS SELECT id FROM two;'
	api f $'-- drop: FUNCTION f(int)\nCREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS \'SELECT g($1)\';'
	api g $'-- drop: FUNCTION g(int)\nCREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS \'SELECT count(*)::int FROM v\';'
	run -0 mig up --to 1
	[ "$(sql "SELECT to_regproc('g') IS NULL")" = t ]
	run -0 mig up
	[ "$(sql "SELECT f(1)")" = 0 ]
	[ "$(applied)" = "0 1 2" ]
	# a new version: one function is gone, one returns something else, a view has another column
	rm "$D/api/f.sql"
	api g $'-- drop: FUNCTION g(int)\nCREATE FUNCTION g(int) RETURNS text LANGUAGE sql AS \'SELECT $$new$$::text\';'
	put 0003_alter 'ALTER TABLE two RENAME id TO nr; ALTER TABLE two ALTER nr TYPE bigint;' \
		'ALTER TABLE two RENAME nr TO id; ALTER TABLE two ALTER id TYPE int;'
	api z_view $'-- drop: VIEW z\nCREATE VIEW z AS SELECT nr FROM two;'
	[ "$(states)" = "applied applied pending outdated" ]
	run -0 mig up
	[ "$(sql "SELECT g(1)")" = new ]
	[ "$(sql "SELECT to_regproc('f') IS NULL")" = t ]
	[ "$(sql "SELECT count(nr) FROM v")" = 0 ]
	run -0 mig status -Q
	run -0 mig down --yes
	[ "$(sql "SELECT to_regproc('g') IS NULL AND to_regclass('v') IS NULL")" = t ]
	[ "$(applied)" = "1 2" ]
	run -0 mig down --to 0 --yes
	[ "$(leftovers)" = "" ]
}

@test "from head to head there is no moment without the api" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0002_two 'CREATE TABLE two ();'
	put 0003_three 'SELECT 1/0;'
	run -65 mig up
	[ "$(applied)" = "0 1" ]
	[ "$(sql "SELECT f()")" = 1 ]
}

@test "who stops between steps with the api gone is told so" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f()\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	mig -Q up
	put 0002_steps $'-- jobctl: no-transaction\nSELECT 1/0;'
	run -65 --separate-stderr mig up
	[[ $stderr != *"are gone"* ]]
	[ "$(sql "SELECT f()")" = 1 ]
	put 0002_steps $'-- jobctl: no-transaction\nSELECT 1/1;'
	put 0003_three 'CREATE TABLE three ();'
	put 0004_steps $'-- jobctl: no-transaction\nSELECT 1/0;'
	run -65 --separate-stderr mig up
	[[ $stderr == *"0004_steps.up.sql:2: division by zero"* ]]
	[[ $stderr == *"hint: the set's functions and views are gone until up has come to its end"* ]]
	[ "$(sql "SELECT to_regproc('f') IS NULL")" = t ]
	put 0004_steps $'-- jobctl: no-transaction\nSELECT 1/1;'
	run -0 mig up
	[ "$(sql "SELECT f()")" = 1 ]
	run -0 mig status -Q
}

@test "an api file whose drop line is wrong is refused before anything depends on it" {
	put 0001_one 'CREATE TABLE one ();'
	api f $'-- drop: FUNCTION f(text)\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	run -65 --separate-stderr mig up
	[[ $stderr == *"api/f.sql: its \"-- drop:\" lines do not work: function f(text) does not exist"* ]]
	[ "$(leftovers)" = "" ]
	api f $'-- drop: nothing\nGRANT SELECT ON one TO PUBLIC;'
	run -0 mig up
}

@test "api files that come after each other in a circle are refused" {
	put 0001_one 'CREATE TABLE one ();'
	api a $'-- drop: nothing\n-- after: b\nSELECT 1;'
	api b $'-- drop: nothing\n-- after: a\nSELECT 1;'
	run -65 mig up
	[[ $output == *'"-- after:" lines lead back to itself'* ]]
	api b $'-- drop: nothing\n-- after: nosuch\nSELECT 1;'
	run -65 mig up
	[[ $output == *'api/b.sql: comes after "nosuch", which there is not'* ]]
}

@test "somebody's own view on ours survives a new version of the api" {
	put 0001_one 'CREATE TABLE one (id int);' 'DROP TABLE one;'
	api f $'-- drop: FUNCTION f()\nCREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\';'
	api v $'-- drop: VIEW v\nCREATE OR REPLACE VIEW v AS SELECT id FROM one;'
	mig -Q up
	sql "CREATE VIEW public.theirs AS SELECT * FROM v"
	api v $'-- drop: VIEW v\nCREATE OR REPLACE VIEW v AS SELECT id, 2 AS two FROM one;'
	run -0 mig up
	[ "$(sql "SELECT count(two) FROM v")" = 0 ]
	[ "$(sql "SELECT count(*) FROM theirs")" = 0 ]
	run -0 mig status -Q
	# what cannot be kept is refused, with what stands in the way
	rm "$D/api/v.sql"
	run -65 --separate-stderr mig up
	[[ $stderr == *"cannot drop view v because other objects depend on it: view theirs depends on view v"* ]]
	[ "$(sql "SELECT count(*) FROM theirs")" = 0 ]
}
