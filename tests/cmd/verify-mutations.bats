#!/usr/bin/env bats
# jobctl-verify is itself proven: each mistake that people make is made in a copy of a set
# whose files claim what it promises, and exactly the checks that are about it go red.

# shellcheck disable=SC2154,SC2016	# run --separate-stderr sets stderr; SQL has its own dollars

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
	export D=$BATS_FILE_TMPDIR/mine

	mkdir -p "$D/api"
	cat >"$D/0001_all.up.sql" <<'SQL'
CREATE SCHEMA s;
GRANT USAGE ON SCHEMA s TO mutation_reader;
CREATE TABLE s.parent (
    id int PRIMARY KEY,
    name varchar(20) NOT NULL CONSTRAINT ck_name CHECK (name IN ('a', 'b')),
    n int DEFAULT 7,
    note text
);
COMMENT ON COLUMN s.parent.name IS 'as people say it';
GRANT SELECT ON s.parent TO mutation_reader;
CREATE INDEX parent_n ON s.parent (n);
CREATE TABLE s.child (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id int NOT NULL CONSTRAINT fk_parent REFERENCES s.parent ON DELETE CASCADE
);
CREATE INDEX child_parent ON s.child (parent_id);
CREATE TABLE s.log (at date PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE s.log_rest PARTITION OF s.log DEFAULT;
CREATE SEQUENCE s.counter START 10;
CREATE FUNCTION s.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := 'stamped';
    RETURN NEW;
END
$$;
CREATE TRIGGER stamp BEFORE INSERT ON s.parent FOR EACH ROW EXECUTE FUNCTION s.stamp();
ALTER TABLE s.parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON s.parent FOR SELECT USING (name = 'b');
CREATE TABLE s.kept (id int PRIMARY KEY);
ALTER TABLE s.kept OWNER TO mutation_reader;
SQL
	cat >"$D/0001_all.down.sql" <<'SQL'
DROP TABLE s.kept, s.log, s.child, s.parent;
DROP SEQUENCE s.counter;
DROP FUNCTION s.stamp();
DROP SCHEMA s;
SQL
	cat >"$D/api/f.sql" <<'SQL'
-- drop: FUNCTION s.f(integer)
CREATE FUNCTION s.f(a integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a + 1
$$;
REVOKE ALL ON FUNCTION s.f(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION s.f(integer) TO mutation_reader;
SQL
	cat >"$D/api/names.sql" <<'SQL'
-- drop: VIEW s.names
CREATE VIEW s.names AS SELECT name FROM s.parent WHERE n > 5;
SQL
	cat >"$D/0001_all.verify.sql" <<'SQL'
-- probe: columns
-- expect: value id integer, name character varying(20), n integer, note text
SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = 's.parent'::regclass AND a.attnum > 0 AND NOT a.attisdropped;
-- probe: comment
-- expect: value as people say it
SELECT col_description('s.parent'::regclass, 2);
-- probe: owner
-- expect: value mutation_reader
SELECT relowner::regrole FROM pg_catalog.pg_class WHERE oid = 's.kept'::regclass;
-- probe: name-null
-- expect: 23502 name
INSERT INTO s.parent (id, name) VALUES (1, NULL);
-- probe: name-other
-- expect: 23514 ck_name
INSERT INTO s.parent (id, name) VALUES (1, 'c');
-- probe: default
-- expect: value 7
INSERT INTO s.parent (id, name) VALUES (1, 'a') RETURNING n;
-- probe: stamped
-- expect: value stamped
INSERT INTO s.parent (id, name) VALUES (1, 'a') RETURNING note;
-- probe: counter
-- expect: value 10
SELECT nextval('s.counter');
-- probe: any-day
INSERT INTO s.log VALUES ('2026-01-01');
-- probe: parents keeps
INSERT INTO s.parent (id, name, n) VALUES (1, 'a', 1), (2, 'b', 9);
-- probe: view
-- expect: value b
SELECT string_agg(name, ',') FROM s.names;
-- probe: child keeps
INSERT INTO s.child (parent_id) VALUES (1);
-- probe: orphan
-- expect: 23503 fk_parent
INSERT INTO s.child (parent_id) VALUES (3);
-- probe: parent-goes keeps
DELETE FROM s.parent WHERE id = 1;
-- probe: child-went
-- expect: rows 0
SELECT FROM s.child;
-- probe: parent-again keeps
INSERT INTO s.parent (id, name) VALUES (1, 'a');
-- probe: reader keeps
SET LOCAL ROLE mutation_reader;
-- probe: reader-sees
-- expect: value b
SELECT string_agg(name, ',') FROM s.parent;
-- probe: reader-calls
-- expect: value 2
SELECT s.f(1);

-- query: by-n uses parent_n
SELECT id FROM s.parent WHERE n = 3;
-- query: by-name not uses parent_n
SELECT id FROM s.parent WHERE name = 'a';
-- query: children uses child_parent
SELECT id FROM s.child WHERE parent_id = 7;
SQL
	role_login mutation_reader
	empty_database "of its own"
}

# What is not well in a copy with a mistake, as "VERDICT ID", by name.
findings() {	# DIR
	jobctl-verify --dir "$1" --json --rows 1000 --runs 1 --round-trip >"$BATS_TEST_TMPDIR/report" || [ $? = 1 ]
	jq -r 'select(.verdict == "FAIL" or .verdict == "WARN") | .verdict + " " + (.id | ltrimstr("mine."))' \
		"$BATS_TEST_TMPDIR/report" | sort
}

# The mistake is made where a migration's author would: at the end of a file.
red() {		# FILE 'SQL' FINDING...
	local copy=$BATS_TEST_TMPDIR/mine file=$1 mistake=$2

	shift 2
	rm -rf "$copy"
	cp -r "$D" "$copy"
	printf '%s\n' "$mistake" >>"$copy/$file"
	echo "# $mistake"
	diff -u <(printf '%s\n' "$@") <(findings "$copy")
}

up=0001_all.up.sql head=0001_all

@test "without a mistake all is well" {
	run -0 findings "$D"
	[ "$output" = "" ]
	[ "$(jq -r 'select(.verdict == "SKIP").id' "$BATS_TEST_TMPDIR/report")" = "" ]
}

@test "columns: another type, nullability, default, comment" {
	red $up 'ALTER TABLE s.parent ALTER id TYPE bigint;' "FAIL $head.probe.columns"
	red $up 'ALTER TABLE s.parent ADD more int;' "FAIL $head.probe.columns"
	red $up 'ALTER TABLE s.parent ALTER name DROP NOT NULL;' "FAIL $head.probe.name-null"
	red $up 'ALTER TABLE s.parent ALTER n SET DEFAULT 8;' "FAIL $head.probe.default"
	red $up 'COMMENT ON COLUMN s.parent.name IS NULL;' "FAIL $head.probe.comment"
}

@test "constraints: a wider CHECK, none, one not validated; a key without its action" {
	red $up "ALTER TABLE s.parent DROP CONSTRAINT ck_name, ADD CONSTRAINT ck_name CHECK (name IN ('a', 'b', 'c'));" \
		"FAIL $head.probe.name-other"
	red $up 'ALTER TABLE s.parent DROP CONSTRAINT ck_name;' "FAIL $head.probe.name-other"
	red $up "ALTER TABLE s.parent DROP CONSTRAINT ck_name, ADD CONSTRAINT ck_name CHECK (name IN ('a', 'b')) NOT VALID;" \
		'FAIL head.constraint-valid.s.parent.ck_name'
	red $up 'ALTER TABLE s.child DROP CONSTRAINT fk_parent, ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES s.parent;' \
		"FAIL $head.probe.child-went" "FAIL $head.probe.parent-again" "FAIL $head.probe.parent-goes"
}

@test "indexes: gone, for other rows, on another column, invalid, one too many" {
	red $up 'DROP INDEX s.parent_n;' "FAIL $head.query.by-n.can_serve" "FAIL $head.query.by-name.control"
	red $up 'DROP INDEX s.parent_n; CREATE INDEX parent_n ON s.parent (n) WHERE n < 0;' \
		"FAIL $head.query.by-n.can_serve" "FAIL $head.query.by-n.is_chosen"
	red $up 'DROP INDEX s.parent_n; CREATE INDEX parent_n ON s.parent (name);' "FAIL $head.query.by-n.can_serve" \
		"FAIL $head.query.by-n.is_chosen" "FAIL $head.query.by-name.control"
	red $up "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.parent_n'::regclass;" \
		"FAIL $head.query.by-n.can_serve" "FAIL $head.query.by-n.is_chosen" 'FAIL head.index-valid.s.parent_n'
	red $up 'CREATE UNIQUE INDEX again ON s.kept (id);' 'FAIL head.index-redundant.s.again'
	red $up 'CREATE INDEX idle ON s.parent (note);' 'WARN head.index-used.s.idle'
	red $up 'DROP INDEX s.child_parent;' "FAIL $head.query.children.can_serve" \
		'WARN head.foreign-key-index.s.child.fk_parent'
}

@test "a plan that no longer uses its index, though it could" {
	red $up 'ALTER TABLE s.parent ALTER n SET DEFAULT 3;' "FAIL $head.probe.default" "FAIL $head.query.by-n.is_chosen"
}

@test "functions, triggers, views, policies, sequences, partitions" {
	red api/f.sql 'CREATE OR REPLACE FUNCTION s.f(a integer) RETURNS integer LANGUAGE sql SECURITY DEFINER
		SET search_path = pg_catalog, pg_temp AS $$ SELECT a + 2 $$;' "FAIL $head.probe.reader-calls"
	red api/f.sql 'ALTER FUNCTION s.f(integer) RESET search_path;' 'FAIL head.definer-search-path.s.f(integer)'
	red $up 'ALTER TABLE s.parent DISABLE TRIGGER stamp;' "FAIL $head.probe.stamped"
	red api/names.sql 'CREATE OR REPLACE VIEW s.names AS SELECT name FROM s.parent WHERE n > 0;' "FAIL $head.probe.view"
	red $up 'ALTER POLICY own ON s.parent USING (true);' "FAIL $head.probe.reader-sees"
	red $up 'ALTER TABLE s.parent DISABLE ROW LEVEL SECURITY;' "FAIL $head.probe.reader-sees"
	red $up 'ALTER SEQUENCE s.counter RESTART 11;' "FAIL $head.probe.counter"
	red $up 'ALTER TABLE s.log DETACH PARTITION s.log_rest;' "FAIL $head.probe.any-day" \
		'FAIL 0001_all.roundtrip.down' 'FAIL head.roundtrip.down'
}

@test "privileges and owners" {
	red $up 'REVOKE SELECT ON s.parent FROM mutation_reader;' "FAIL $head.probe.reader-sees"
	red api/f.sql 'REVOKE EXECUTE ON FUNCTION s.f(integer) FROM mutation_reader;' "FAIL $head.probe.reader-calls"
	red api/f.sql 'GRANT EXECUTE ON FUNCTION s.f(integer) TO PUBLIC;' 'WARN head.definer-public.s.f(integer)'
	red $up 'ALTER TABLE s.kept OWNER TO CURRENT_USER;' "FAIL $head.probe.owner"
}

@test "what down leaves behind" {
	red $up "CREATE TYPE public.mood AS ENUM ('glad');" 'FAIL 0001_all.roundtrip.down.type.public.mood' \
		'FAIL 0001_all.roundtrip.up' 'FAIL head.roundtrip.down.type.public.mood' 'FAIL head.roundtrip.up'
	red $up 'CREATE SEQUENCE IF NOT EXISTS public.loose;' 'FAIL 0001_all.roundtrip.down.sequence.public.loose' \
		'FAIL head.roundtrip.down.sequence.public.loose'
	red $up 'GRANT CREATE ON SCHEMA public TO mutation_reader;' \
		'FAIL 0001_all.roundtrip.down.privilege.CREATE_ON_SCHEMA_public_TO_mutation_reader' \
		'FAIL head.roundtrip.down.privilege.CREATE_ON_SCHEMA_public_TO_mutation_reader'
	red $up 'ALTER SCHEMA public OWNER TO mutation_reader;' 'FAIL 0001_all.roundtrip.down.owner.SCHEMA_public' \
		'FAIL head.roundtrip.down.owner.SCHEMA_public'
}
